//! The unlock agent: a process of its own that holds an opened root key for a while, so that a passphrase is typed
//! once and bridges without a terminal find the vault open.
//!
//! The agent listens on a socket of mode 0600 in a directory of mode 0700, and answers no process of another user, whatever
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
//! Keys are base64url. The agent's knowledge ends with its process; it writes no file. Every process of this user can
//! ask the agent, as it can read this user's files. Knows nothing of slots and files. Not on Windows, where the system
//! seals the key file instead.

pub use error::Error;
#[cfg(unix)]
pub use unix::{keep, key, left, lock, replace, serve};

#[cfg(not(unix))]
pub use elsewhere::{keep, key, left, lock, replace};

mod error;
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
    use crate::store::VaultPaths;
    use crate::store::primitives::Key;

    pub fn key(_: &VaultPaths, _: &str) -> Result<Option<Key>, Error> {
        Ok(None)
    }

    pub fn keep(_: &VaultPaths, _: &str, _: &Key, _: Duration) -> Result<bool, Error> {
        Err(Error::Unsupported)
    }

    pub fn replace(_: &VaultPaths, _: &str, _: &Key) -> Result<bool, Error> {
        Ok(false)
    }

    pub fn left(_: &VaultPaths) -> Result<Option<(Duration, String)>, Error> {
        Ok(None)
    }

    pub fn lock(_: &VaultPaths) -> Result<bool, Error> {
        Ok(false)
    }
}
