//! The reasons why a text is not edited.

use super::lines::position;

/// The reason why a text is not edited. None quotes the text, which may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not of its format.
    #[error("line {line}, column {column}: {reason}")]
    Broken {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// The parser's reason.
        reason: String,
    },
    /// A parent of the entry is there, and is a list, a text or another value without members.
    #[error("`{path}` is there, and is not a table of names and values")]
    NotAnObject {
        /// The path of the parent.
        path: String,
    },
    /// The list that is to hold the entry is there, and is no list.
    #[error("`{path}` is there, and is not a list")]
    NotAList {
        /// The path of the list.
        path: String,
    },
    /// Several elements of a list have the entry's name.
    #[error("`{path}` is there several times")]
    Ambiguous {
        /// The path of the entry.
        path: String,
    },
    /// The text is written in a way that cannot be changed for sure without touching the rest.
    #[error("line {line}: {reason}")]
    Unsupported {
        /// The line, from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
    /// The changed text, read back, was not what was asked for.
    #[error("the change could not be made without touching other settings")]
    Unsure,
}

/// Returns the error of a text that cannot be changed for sure, because of what stands at this place.
pub(super) fn unsupported(text: &str, at: usize, reason: &str) -> EditError {
    EditError::Unsupported {
        line: position(text, at).0,
        reason: reason.to_owned(),
    }
}
