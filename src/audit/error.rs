//! The reasons why an audit file is not written.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::files;

/// The reason why an audit file is not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A link, no regular file, or another user's; or it cannot be opened.
    #[error(transparent)]
    File(#[from] files::Error),
    /// Any other error of the system.
    #[error("cannot {doing} {path}")]
    Io {
        /// The verb of the action.
        doing: &'static str,
        /// The path of the action.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something is in the file, and no head is beside it.
    #[error(
        "{0} holds something, and no {0}.head is beside it, as beside each audit file of mcpipe"
    )]
    NoHead(PathBuf),
    /// The head cannot be read.
    #[error("{0} is not what mcpipe writes there")]
    Head(PathBuf),
    /// The file does not hold the line that was written last.
    #[error(
        "{path} was changed: line {seq} of its chain, which was written last, is not where it was"
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// The number of the line.
        seq: u64,
    },
    /// Another process holds the lock and does not let go of it.
    #[error("another process has locked {0} for too long")]
    Locked(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The system starts no thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl Error {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// Says whether it may pass by itself: a full disk, a lock. A file that cannot be an audit file does not.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Locked(_))
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(files::Error::Symlink(_) | files::Error::NotRegular(_)) => {
                Some("--audit takes the path of a file, or of one that is not there yet".into())
            }
            Self::NoHead(path) => Some(format!(
                "name another file with --audit, or move '{}' away",
                path.display()
            )),
            Self::Head(head) => Some(format!(
                "move it and the audit file away to begin a new chain: '{}'",
                head.display()
            )),
            Self::Altered { path, .. } => Some(format!(
                "`mcpipe audit verify '{0}'` says what is missing; move '{0}' and '{0}.head' away to begin a new chain",
                path.display()
            )),
            _ => None,
        }
    }

    /// Returns the error with its cause, on one line.
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
