//! Arrivals: the news that an exchange brings the translator.

use super::response::{Head, HttpError};
use crate::frame::{BridgeError, Frame};

/// News from an exchange. Exactly one of the last six ends it.
#[derive(Debug)]
pub enum Arrival {
    /// The head of a 2xx response; for a standing stream also when none came in good time, and then without a status.
    Opened(Head),
    /// HTTP+SSE's `endpoint` event, as written.
    Endpoint(String),
    /// A message.
    Frame(Frame),
    /// A 2xx without a message.
    Accepted(Head),
    /// The response is complete, or a standing stream is over for good.
    Ended,
    /// An HTTP refusal of the request itself: nothing was done.
    Refused(HttpError),
    /// The session was gone when a cut response was to be resumed: the answer is lost with it.
    LostWithSession(HttpError),
    /// No answer will come.
    Failed(BridgeError),
    /// No answer has come in good time; the remote may still be at work, and can be told to stop (MCP 2025-11-25,
    /// basic/lifecycle).
    GivenUp(BridgeError),
}

impl Arrival {
    /// Says whether nothing follows.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Opened(_) | Self::Endpoint(_) | Self::Frame(_))
    }
}
