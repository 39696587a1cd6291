//! The reasons why the unlock agent was not asked, or not started.

use std::io;
use std::path::PathBuf;

use crate::store::files;

/// The reason why an agent was not asked, or not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The agent's directory or lock file cannot be used.
    #[error(transparent)]
    File(#[from] files::Error),
    /// The socket's name is too long: Unix sockets have short names.
    #[error("the agent's socket would have too long a name: {}", .0.display())]
    LongName(PathBuf),
    /// The conversation with the agent failed.
    #[error("cannot talk to the unlock agent at {}", socket.display())]
    Broken {
        /// The agent's socket.
        socket: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The agent answered in the format of another version.
    #[error("the unlock agent at {} is of another version", .0.display())]
    Babble(PathBuf),
    /// Another agent is running, or is starting.
    #[error("another unlock agent is running")]
    Taken,
    /// This system has no unlock agent.
    #[error("there is no unlock agent on this system")]
    Unsupported,
}

impl Error {
    /// Returns the advice for the user.
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
