//! The unlock agent: a process of its own that holds an opened root key for a while, so that a passphrase is typed
//! once and bridges without a terminal find the vault open.
//!
//! It listens on a socket of mode 0600 in a directory of mode 0700, and answers no process of another user, whatever
//! the modes say. A process asks in one line and is answered in one:
//!
//! ```text
//! key VAULT-ID              -> key KEY | none
//! keep VAULT-ID KEY SECONDS -> kept           hold this from now on, for so long
//! renew VAULT-ID KEY        -> kept | none    the same vault's new root key, for as long as the old one had
//! left                      -> left SECONDS VAULT-ID
//! lock                      -> locked         and it ends
//! ```
//!
//! Keys are base64url. What the agent knows dies with it; nothing is written anywhere. Every process of this user can
//! ask it, as it can read this user's files. Knows nothing of slots and files. Not on Windows, where the system seals
//! the key file instead.

use std::io;
use std::path::PathBuf;

use crate::store::files;

#[cfg(unix)]
pub use unix::{keep, key, left, lock, replace, serve};

/// The reason why an agent was not asked, or not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its directory or lock file cannot be used.
    #[error(transparent)]
    File(#[from] files::Error),
    /// Unix sockets have short names.
    #[error("the agent's socket would have too long a name: {}", .0.display())]
    LongName(PathBuf),
    /// The conversation broke.
    #[error("cannot talk to the unlock agent at {}", socket.display())]
    Broken {
        /// Its socket.
        socket: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The agent answers in words of another version.
    #[error("the unlock agent at {} is of another version", .0.display())]
    Babble(PathBuf),
    /// Another agent is there, or is starting.
    #[error("another unlock agent is running")]
    Taken,
    /// No such thing here.
    #[error("there is no unlock agent on this system")]
    Unsupported,
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::LongName(_) => Some("set MCPIPE_HOME to a shorter path".to_owned()),
            Self::Broken { .. } | Self::Babble(_) => {
                Some("`mcpipe vault lock`, then `mcpipe vault unlock`, starts a new one".to_owned())
            }
            Self::Unsupported => Some("the key file is sealed by the system here".to_owned()),
            Self::Taken => None,
        }
    }
}

#[cfg(not(unix))]
pub use elsewhere::{keep, key, left, lock, replace};

#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
mod elsewhere {
    #![expect(
        missing_docs,
        reason = "the same words as on Unix, where they mean something"
    )]
    #![expect(
        clippy::missing_errors_doc,
        clippy::unnecessary_wraps,
        reason = "as said"
    )]

    use std::time::Duration;

    use crate::store::Error;
    use crate::store::Place;
    use crate::store::primitives::Key;

    pub fn key(_: &Place, _: &str) -> Result<Option<Key>, Error> {
        Ok(None)
    }

    pub fn keep(_: &Place, _: &str, _: &Key, _: Duration) -> Result<bool, Error> {
        Err(Error::Unsupported)
    }

    pub fn replace(_: &Place, _: &str, _: &Key) -> Result<bool, Error> {
        Ok(false)
    }

    pub fn left(_: &Place) -> Result<Option<(Duration, String)>, Error> {
        Ok(None)
    }

    pub fn lock(_: &Place) -> Result<bool, Error> {
        Ok(false)
    }
}
