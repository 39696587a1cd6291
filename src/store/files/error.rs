//! The reasons why a file is not used, and the stamp by which a changed file is known.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why a file was not used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No `MCPIPE_HOME`, and the system names no directory for the user's data.
    #[error("this user has no home directory to keep anything in")]
    NoPlace,
    /// A symbolic link where a file should be.
    #[error("{0} is a symbolic link, which is not followed")]
    Symlink(PathBuf),
    /// The path is a directory, a pipe, or a device.
    #[error("{0} is not a regular file")]
    NotRegular(PathBuf),
    /// The file is another user's.
    #[error("{0} belongs to another user")]
    Owner(PathBuf),
    /// Other users may read or write the file.
    #[error("{path} can be used by others (mode {mode:03o})")]
    Mode {
        /// The file.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// Other users may rename and remove the files in the directory.
    #[error("others can write to {path} (mode {mode:03o})")]
    WritableDirectory {
        /// The directory.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// The file is larger than any use for it.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: usize,
    },
    /// The file does not hold a machine key.
    #[error("{0} does not hold a key")]
    NoKey(PathBuf),
    /// The file system cannot lock, and without locks two processes would undo each other's work.
    #[error("the file system of {path} has no locks")]
    NoLocks {
        /// The lock file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
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
}

/// The words for making the directories in which everything is kept.
pub(in crate::store) const MAKE: &str = "make the directory";

impl Error {
    pub(in crate::store) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// Says whether there is a file that is not as it should be: by its kind, by its owner, or by the users who may use
    /// it.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Symlink(_)
                | Self::NotRegular(_)
                | Self::Owner(_)
                | Self::Mode { .. }
                | Self::WritableDirectory { .. }
        )
    }

    /// Returns what the user can type or do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mode { path, .. } => Some(format!("chmod 600 '{}'", path.display())),
            Self::WritableDirectory { path, .. } => {
                Some(format!("chmod go-w '{}'", path.display()))
            }
            Self::Symlink(path) | Self::NotRegular(path) => Some(format!(
                "put a file of your own in the place of '{}'",
                path.display()
            )),
            Self::Owner(path) => Some(format!("chown \"$USER\" '{}'", path.display())),
            Self::NoLocks { .. } => {
                Some("set MCPIPE_HOME to a directory on a local disk".to_owned())
            }
            Self::Io {
                doing: "open",
                source,
                ..
            } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("make it readable, or set MCPIPE_HOME to a directory of yours".to_owned())
            }
            Self::NoPlace | Self::Io { doing: MAKE, .. } => Some(
                "set MCPIPE_HOME to a directory of yours, or keep nothing with --vault none"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// A mark of the content that a path had when it was looked at. Equal stamps mean the same content, nearly: clocks of
/// file systems are coarse, and inodes return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub(super) inode: (u64, u64),
    pub(super) length: u64,
    pub(super) modified: Option<std::time::SystemTime>,
}
