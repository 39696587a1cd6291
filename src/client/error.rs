//! The reasons for which a request of the client brings no result.

use crate::bridge::{Reason, reason_of};
use crate::frame::{Frame, string};

/// A request that brought no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answer is an error: the server's own, or one of the bridge in its place.
    #[error("{message}")]
    Answer {
        /// The JSON-RPC error code.
        code: i64,
        /// The message.
        message: String,
        /// The kind of a bridge's error (`data.kind`); `None` for the server's own.
        kind: Option<String>,
        /// The thing to do about it, where the bridge says so.
        hint: Option<String>,
        /// The reason of the bridge's; `None` for the server's own error.
        reason: Option<Reason>,
        /// The whole error object, as JSON text.
        text: String,
    },
    /// The parameters are no JSON object.
    #[error("the parameters are no JSON object")]
    NoObject,
    /// The server asks a question of a kind that has no answer here.
    #[error("the server asks for `{0}`, which mcpipe does not answer on the command line")]
    Unanswerable(String),
    /// The server asks without end.
    #[error("the server has asked {0} times and wants to know more")]
    TooManyQuestions(usize),
    /// The bridge has ended before the answer came.
    #[error("the connection ended before the server answered")]
    Ended,
}

impl Error {
    /// Reads an answer that is an error.
    pub(super) fn of_answer(answer: &Frame) -> Self {
        let text = |name| answer.member_in("error", name).and_then(string);
        let reason = reason_of(answer);
        let data = |name| {
            let found = answer.error_data(name).and_then(string);
            found.filter(|_| reason.is_some())
        };
        Self::Answer {
            code: answer.error_code().unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            kind: data("kind"),
            hint: data("hint"),
            reason,
            text: answer.member("error").unwrap_or_default().to_owned(),
        }
    }
}
