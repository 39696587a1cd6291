//! The choice between the two legacy transports, and the state of HTTP+SSE.

use super::strays::StreamResponses;
use crate::frame::{BridgeError, Frame};

/// Which of the two legacy transports to try, in mcp-remote's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP, then HTTP+SSE.
    #[default]
    HttpFirst,
    /// HTTP+SSE, then Streamable HTTP.
    SseFirst,
    /// Streamable HTTP only.
    HttpOnly,
    /// HTTP+SSE only.
    SseOnly,
}

/// The use of HTTP+SSE.
#[derive(Debug, Default)]
pub(super) struct SseState {
    pub(super) is_chosen: bool,
    /// The address the stream named, as written.
    pub(super) endpoint: Option<String>,
    /// Losses in a row, for the pause before the next try.
    pub(super) losses: u32,
    /// The failure of the other transport, when this one is a fallback, or the other way round: in our words, and in
    /// the server's, if it had any.
    pub(super) other_failed: Option<(BridgeError, Option<Frame>)>,
    /// The stream was the response to a POST: where no other is to be had, the next one is too.
    pub(super) came_by_post: bool,
    /// The responses on it.
    pub(super) responses: StreamResponses,
}

impl SseState {
    pub(super) fn for_transport(transport: Transport) -> Self {
        let is_chosen = matches!(transport, Transport::SseFirst | Transport::SseOnly);
        Self {
            is_chosen,
            ..Self::default()
        }
    }

    pub(super) fn is_chosen(&self) -> bool {
        self.is_chosen
    }

    pub(super) fn is_open(&self) -> bool {
        self.endpoint.is_some()
    }

    pub(super) fn endpoint(&self) -> Option<String> {
        self.endpoint.clone()
    }

    /// Notes that `initialize` was answered: this transport works.
    pub(super) fn settled(&mut self) {
        self.other_failed = None;
    }

    /// Notes that the stream has brought what the host asked for, or has stood for a while: the next one may be opened
    /// at once.
    pub(super) fn has_served(&mut self) {
        self.losses = 0;
    }
}
