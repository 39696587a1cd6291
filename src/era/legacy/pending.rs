//! Exchanges that have not ended, and the words in which their failures reach the host.

use crate::era::standing::StandingRequest;
use crate::era::{Action, ExchangeId, Head, HttpError};
use crate::frame::{BridgeError, Frame, Id};

/// An exchange that has not ended.
#[derive(Debug)]
pub(super) struct Pending {
    /// The frame that was posted; none for a standing stream.
    pub(super) frame: Option<Frame>,
    pub(super) role: Role,
    pub(super) head: Head,
    /// An answer is still to come.
    pub(super) is_owed: bool,
    /// The opening of the session it was sent in, if that could be lost.
    pub(super) session: Option<u64>,
    /// The frame has been sent once before, into a session that was gone.
    pub(super) is_repeated: bool,
    /// The id under which the server knows it, where that is not the host's.
    pub(super) sent: Option<Id>,
    /// The position of a request that stands, or may.
    pub(super) standing: StandingRequest,
}

/// The origin of a post, which decides over its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Something the host said.
    Host,
    /// The host's cancellation of the request in that exchange.
    Cancel(ExchangeId),
    /// Ours, to open the session again.
    Reopen,
    /// Ours, to bring a reopened session to where it was.
    Restore,
    /// A ping of ours; its answer is not waited for.
    Ping,
    /// A standing stream.
    Listen,
}

impl Role {
    /// Says whether the host waits for the outcome of this frame. `has_waiting` tells whether requests of the host's
    /// wait for the session, `has_open` whether any waits for its answer.
    pub(super) fn is_asked_by_host(self, frame: &Frame, has_waiting: bool, has_open: bool) -> bool {
        match self {
            // A notification asks for nothing. Nor does an answer, unless something that the host has asked for may
            // depend on it: a server pings on the GET stream too.
            Self::Host => frame.is_request() || frame.is_response() && has_open,
            Self::Reopen => has_waiting,
            Self::Cancel(_) | Self::Restore | Self::Ping | Self::Listen => false,
        }
    }
}

impl Pending {
    pub(super) fn listening(session: Option<u64>) -> Self {
        Self {
            frame: None,
            role: Role::Listen,
            head: Head::default(),
            is_owed: false,
            session,
            is_repeated: false,
            sent: None,
            standing: StandingRequest::default(),
        }
    }

    /// Returns the id under which the server knows it.
    pub(super) fn id(&self) -> Option<&Id> {
        self.sent.as_ref().or_else(|| self.own_id())
    }

    /// Returns the id that it had when it came.
    pub(super) fn own_id(&self) -> Option<&Id> {
        self.frame.as_ref().and_then(Frame::id)
    }

    pub(super) fn is_initialize(&self) -> bool {
        self.frame.as_ref().and_then(Frame::method) == Some("initialize")
    }

    pub(super) fn awaits(&self, id: &Id) -> bool {
        self.is_owed && self.id() == Some(id)
    }

    /// Returns an answer of the server's as it is for the host: under the host's id, and with its mark.
    pub(super) fn answer(&self, frame: &Frame) -> Frame {
        let answer = match (self.own_id(), self.id()) {
            (Some(own), Some(sent)) => self.standing.marked(frame, "result", own, sent),
            _ => frame.clone(),
        };
        match self.own_id().filter(|own| frame.id() != Some(*own)) {
            Some(own) => answer.with_id(own),
            None => answer,
        }
    }

    pub(super) fn reply(&self, error: &BridgeError, actions: &mut Vec<Action>) {
        if let (Role::Host, Some(own), true) = (self.role, self.own_id(), self.standing.stands()) {
            let answer = self.standing.last_answer(own, error);
            return actions.push(Action::Reply(answer));
        }
        if let (Role::Host, Some(frame)) = (self.role, &self.frame) {
            actions.extend(error_reply(frame, error).map(Action::Reply));
        }
    }
}

/// Returns the answer to a request that met this error.
pub(crate) fn error_reply(request: &Frame, error: &BridgeError) -> Option<Frame> {
    // A lost answer is not a lost deed: only what does no harm twice is worth trying again.
    // Nor is a failure of the server's, or of a gateway's: only 429 and 503 say that nothing was begun.
    let is_unsent = error.stage.is_some_and(|stage| !stage.may_have_run());
    let may_be_done = !is_unsent
        && (matches!(error.kind, "cut" | "timed_out" | "session_lost" | "leaving")
            || matches!(error.status, Some(408 | 500..=502 | 504..=599)));
    let is_harmless = request
        .method()
        .is_some_and(crate::era::protocol::is_harmless);
    let doubt = "It may have been done all the same: look before doing it again.";
    let is_doubtful = may_be_done && !is_harmless;
    let error = BridgeError {
        retryable: error.retryable && !is_doubtful,
        hint: error
            .hint
            .clone()
            .or_else(|| is_doubtful.then(|| doubt.to_owned())),
        ..error.clone()
    };
    let id = request.id().filter(|_| request.is_request())?;
    Some(error.reply(id))
}

pub(in crate::era) fn to_bridge_error(refusal: &HttpError) -> BridgeError {
    if let Some(target) = &refusal.redirect {
        let status = refusal.status;
        let words =
            format!("The server redirects (HTTP {status}) to {target}, which is not followed.");
        return BridgeError {
            status: Some(status),
            url: Some(target.as_str().into()),
            ..BridgeError::new("refused", words).hint(format!(
                "If that is the server's own address, configure it instead of the present one: {target}"
            ))
        };
    }
    let hint = match refusal.status {
        404 => "Check the address: it has to be the MCP endpoint itself.",
        403 if refusal.asks_for_a_token => {
            "Run `mcpipe login` with this server's address, as a user who may do this; --scope asks for more."
        }
        403 => "The server does not allow this.",
        429 | 503 => "Try again later.",
        _ => "",
    };
    BridgeError {
        status: Some(refusal.status),
        url: refusal.url.as_deref().map(Into::into),
        retryable: matches!(refusal.status, 408 | 425 | 429 | 500..=599),
        retry_after: refusal.retry_after,
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
        ..BridgeError::new("refused", refusal_words(refusal))
    }
}

/// The status; the address where the address may be what is wrong; and what the server says of it.
fn refusal_words(refusal: &HttpError) -> String {
    let mut words = format!("The server answered HTTP {}", refusal.status);
    if let (404 | 405 | 410, Some(url)) = (refusal.status, &refusal.url) {
        words += &format!(" at {url}");
    }
    if let Some(own) = &refusal.words {
        words += &format!(": {own}");
    }
    if !words.ends_with(['.', '!', '?']) {
        words.push('.');
    }
    words
}

pub(super) fn lost_with_session(refusal: &HttpError) -> BridgeError {
    BridgeError {
        status: Some(refusal.status),
        ..BridgeError::new(
            "session_lost",
            "The server lost the session, and with it the answer.",
        )
        .retryable()
    }
}
