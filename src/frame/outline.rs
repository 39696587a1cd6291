//! The outline of a message: the few members that routing needs.

use super::id::Id;

/// The members that are needed to route a frame, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outline {
    /// A call that is owed an answer.
    Request {
        /// The caller's id.
        id: Id,
        /// The method, decoded.
        method: Box<str>,
    },
    /// A message that is owed nothing.
    Notification {
        /// The method, decoded.
        method: Box<str>,
    },
    /// An answer: a result, or an error when `failed`.
    Response {
        /// The id of the request it answers; absent when the peer could not read it.
        id: Option<Id>,
        /// True where it carries `error` rather than `result`.
        failed: bool,
    },
}
