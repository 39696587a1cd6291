//! The question which era a server speaks, and the errors that take the place of its answer.

use crate::era::{Action, ExchangeId, Modern, Relay};
use crate::frame::{BridgeError, Frame, member_of};

/// The question, under way.
#[derive(Debug)]
pub(super) struct Probe {
    /// The number of the probe's relay.
    pub(super) relay_number: u64,
    /// Sees to it that the question is asked again where it may be, each time as a new one.
    pub(super) relay: Modern,
    /// The host's own question, which is answered with what comes.
    pub(super) own: Option<Frame>,
    /// The capabilities of the host that the question declares.
    pub(super) capabilities: String,
    pub(super) was_asked_again: bool,
    /// The remote has named the revisions that it speaks, and no legacy one among them.
    pub(super) refuses_legacy: bool,
}

impl Probe {
    pub(super) fn asked(&self, exchange: ExchangeId) -> bool {
        self.relay.has(exchange)
    }

    pub(super) fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        self.relay.on_timer(token, actions);
    }

    pub(super) fn abandon(&mut self, actions: &mut Vec<Action>) {
        self.relay.abandon(actions);
    }
}

/// The server is to be spoken to in the modern way, and has not answered in it. `answer` is the error that says what came
/// of the question; an HTTP refusal may have another reason than the protocol.
pub(super) fn not_modern(answer: &Frame) -> BridgeError {
    let words = "The server does not speak the protocol that --protocol modern asks for.";
    let error = answer.member("error").unwrap_or("{}");
    let data = member_of(error, "data").unwrap_or("{}");
    let text = |of: &str, name: &str| -> Option<String> {
        serde_json::from_str(member_of(of, name)?).ok()
    };
    let is_ours = text(data, "source").as_deref() == Some("mcpipe");
    let url = text(data, "url").filter(|_| is_ours);
    let seen = text(error, "message").filter(|_| url.is_some());
    let words = seen.map_or_else(|| words.to_owned(), |seen| format!("{words} {seen}"));
    BridgeError {
        url: url.map(Into::into),
        ..BridgeError::new("unsupported_version", words)
    }
    .hint("Leave out --protocol, or say --protocol legacy.")
}

/// Returns the answer to a request that waited for the remote's own.
pub(super) fn held_reply(error: &BridgeError, frame: &Frame) -> Option<Frame> {
    let id = frame.id()?;
    match frame.method() {
        // Before the handshake it asks whether the bridge is there, and it is.
        Some("ping") => return Some(Frame::result(id, "{}")),
        Some("initialize") => {}
        _ => return Some(error.reply(id)),
    }
    let requested = frame.param("protocolVersion");
    let requested: Option<String> = requested.and_then(|text| serde_json::from_str(text).ok());
    Some(error.reply_to_initialize(id, requested.as_deref()))
}
