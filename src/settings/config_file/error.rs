//! The faults of a configuration file.

use std::path::{Path, PathBuf};

use crate::report::Failure;
use crate::store::files;

/// A fault of a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read, or that other users can write to.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A text that is not TOML. The parser's own message would show the line, which may hold a secret.
    #[error("{}:{line} is not TOML: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's reason.
        reason: String,
    },
    /// A mistake in one line.
    #[error("{}:{line}: {text}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The mistake; no value of the file is in it.
        text: String,
        /// The thing to write instead.
        hint: String,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::File(error) => error.hint(),
            Error::Line { hint, .. } => Some(hint.clone()),
            Error::Toml { .. } => None,
        };
        Self {
            hint,
            ..Self::usage(error)
        }
    }
}

impl Error {
    /// Returns the error of a file that cannot be read or is refused. Such a file counts as absent until it is needed.
    ///
    /// # Errors
    /// The file was read, and its content is wrong.
    pub fn unread(self) -> Result<files::Error, Self> {
        match self {
            Self::File(error) => Ok(error),
            error => Err(error),
        }
    }

    /// Returns a mistake in one line.
    pub(super) fn line(
        path: &Path,
        line: usize,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Line {
            path: path.into(),
            line,
            text: text.into(),
            hint: hint.into(),
        }
    }
}
