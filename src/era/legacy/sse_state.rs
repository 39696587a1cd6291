//! The choice between the two legacy transports, and the state of HTTP+SSE.

use super::strays::StreamResponses;
use crate::era::{HttpError, detect};
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
    pub(super) transport: Transport,
    /// HTTP+SSE is used, or tried.
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
            transport,
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

    /// Says whether a refusal of the first POST may mean a remote that speaks only HTTP+SSE (MCP 2025-11-25
    /// basic/transports, "Backwards Compatibility"): whatever old servers and what stands before them say to a POST
    /// they do not know. Not what asks for a sign-in, says that it passes, or is said in a code that only modern
    /// servers know.
    pub(super) fn falls_back(&self, refusal: &HttpError) -> bool {
        self.may_fall_back()
            && !detect::is_modern_error(refusal)
            && !matches!(refusal.status, 401 | 407 | 408 | 425 | 429 | 502..=504)
    }

    /// Says whether this error, in the place of an answer to the first POST, may mean the same: a page, a redirect,
    /// or nothing.
    pub(super) fn falls_back_for(&self, error: &BridgeError) -> bool {
        let is_redirect = matches!(error.status, Some(300..=399));
        let is_odd = error.status.is_none() && error.kind == "bad_answer";
        self.may_fall_back() && (is_odd || is_redirect)
    }

    fn may_fall_back(&self) -> bool {
        self.transport == Transport::HttpFirst && !self.is_chosen && self.other_failed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_first_post_falls_back_unless_it_passes_or_wants_a_sign_in() {
        let refusal = |status| HttpError {
            status,
            ..HttpError::default()
        };
        let sse = SseState::for_transport(Transport::HttpFirst);
        for (status, falls) in [
            (400, true),
            (404, true),
            (405, true),
            (301, true),
            (403, true),
            (500, true),
            (501, true),
            (401, false),
            (429, false),
            (503, false),
        ] {
            assert_eq!(sse.falls_back(&refusal(status)), falls, "{status}");
        }
        assert!(!SseState::for_transport(Transport::HttpOnly).falls_back(&refusal(405)));
    }
}
