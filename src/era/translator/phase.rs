//! The phases of a translator: from the host's first request to a relay that serves it.

use std::collections::VecDeque;

use super::options::RememberedDiscover;
use super::server_era::ServerEra;
use crate::era::{Action, Legacy, Pair, Relay};
use crate::frame::{BridgeError, Frame, Id};

/// The phase that a translator is in.
#[derive(Debug)]
pub(super) enum Phase {
    /// The host has said nothing yet.
    Fresh,
    /// The server is asked, and frames of the host are held.
    Probing(Probing),
    /// A server that is only remembered to be modern serves the host, and has not shown yet that it is.
    Optimistic(Optimistic),
    /// The server's era is known.
    Serving(Serving),
}

/// The host's frames until the server has answered.
#[derive(Debug)]
pub(super) struct Probing {
    pub(super) is_host_modern: bool,
    pub(super) held: VecDeque<Frame>,
    /// The server is modern; whether it also is legacy is being found out.
    pub(super) legacy_attempt: Option<Box<LegacyAttempt>>,
    /// Answers for the host if the server is no modern one either: the legacy handshake has failed.
    pub(super) failed_handshake: Option<Vec<Action>>,
}

/// The relay that serves the host.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) relay: Box<dyn Relay>,
    /// The first handshake with a legacy server, until it has led to something.
    pub(super) first_handshake: Option<FirstHandshake>,
}

/// The host's `initialize`, under way.
#[derive(Debug)]
pub(super) struct LegacyAttempt {
    /// Plays the handshake, and goes on with the host if it stays.
    pub(super) relay: Legacy,
    /// The server's `DiscoverResult`.
    pub(super) known: RememberedDiscover,
    pub(super) initialize: Frame,
    /// A handshake without a session id: whether it has a stream is being found out.
    pub(super) answer: Option<Frame>,
    /// Other frames for the host that have come meanwhile.
    pub(super) early: Vec<Action>,
}

impl LegacyAttempt {
    pub(super) fn leave(&mut self, actions: &mut Vec<Action>) {
        self.relay.leave(actions);
    }
}

/// A relay to a server that is only remembered to be modern, and what is to be done if the server is not.
#[derive(Debug)]
pub(super) struct Optimistic {
    pub(super) relay: Box<dyn Relay>,
    /// The host's words that open a session, and its requests that are owed an answer.
    pub(super) sent: Vec<Frame>,
    /// Answers the host has not been told, for they mean nothing if the remote is legacy.
    pub(super) ambiguous: Vec<Frame>,
}

impl Optimistic {
    pub(super) fn new(relay: impl Relay + 'static) -> Self {
        Self {
            relay: Box::new(relay),
            sent: Vec::new(),
            ambiguous: Vec::new(),
        }
    }

    /// Keeps a frame of the host for as long as it may have to be said again.
    pub(super) fn note_frame(&mut self, frame: &Frame, actions: &mut Vec<Action>) {
        if let Some(id) = frame.cancels() {
            self.strike(Some(&id));
            if self.is_refused(Some(&id)) {
                // The relay thinks that it has been answered.
                self.ambiguous.retain(|answer| answer.id() != Some(&id));
                actions.push(Action::Cancelled(id));
            }
        } else if frame.is_request() || frame.method() == Some("notifications/initialized") {
            self.sent.push(frame.clone());
        }
    }

    /// Strikes frames that have been answered, or need no answer: they need not be said again.
    pub(super) fn note_actions(&mut self, done: &[Action]) {
        for action in done {
            match action {
                Action::Reply(frame) if frame.is_response() => self.strike(frame.id()),
                // Nothing is owed to a subscription that the server has ended.
                Action::Cancelled(id) => self.strike(Some(id)),
                _ => {}
            }
        }
    }

    /// Strikes a frame that need not be said again. A handshake always need be.
    pub(super) fn strike(&mut self, id: Option<&Id>) {
        self.sent
            .retain(|sent| sent.id() != id || sent.method() == Some("initialize"));
    }

    pub(super) fn is_refused(&self, id: Option<&Id>) -> bool {
        self.ambiguous.iter().any(|answer| answer.id() == id)
    }
}

/// The handshake, until it has led to something.
#[derive(Debug)]
pub(super) struct FirstHandshake {
    /// The era to be remembered when the handshake succeeds.
    pub(super) era: Option<ServerEra>,
    /// The server is to be asked `server/discover` when the handshake fails.
    pub(super) may_ask: bool,
    /// The server was asked `server/discover` earlier in this run, not just now.
    pub(super) is_again: bool,
    /// The error that the host is told when the handshake fails: the server has named the revisions it speaks, which
    /// says more.
    pub(super) fault: Option<BridgeError>,
}

impl FirstHandshake {
    /// Makes one for a server that an earlier start found to be legacy.
    pub(super) fn remembered() -> Self {
        Self {
            era: None,
            may_ask: true,
            is_again: false,
            fault: None,
        }
    }

    /// Makes one for a server that was asked in this run, before an earlier handshake.
    pub(super) fn again(era: ServerEra) -> Self {
        Self {
            era: Some(era),
            may_ask: false,
            is_again: true,
            fault: None,
        }
    }

    /// Makes one for a server that has just been asked.
    pub(super) fn asked(era: Option<ServerEra>, was_answered: bool) -> Self {
        Self {
            era,
            may_ask: !was_answered,
            is_again: false,
            fault: None,
        }
    }

    /// Makes one for a server that has named revisions that mcpipe does not speak, and may speak an older one besides.
    pub(super) fn besides(fault: BridgeError) -> Self {
        Self {
            fault: Some(fault),
            ..Self::asked(Some(ServerEra::Legacy), true)
        }
    }
}

impl Phase {
    /// Returns the relay that serves the host, if there is one yet.
    pub(super) fn relay(&mut self) -> Option<&mut dyn Relay> {
        match self {
            Self::Fresh | Self::Probing(_) => None,
            Self::Optimistic(optimistic) => Some(optimistic.relay.as_mut()),
            Self::Serving(serving) => Some(serving.relay.as_mut()),
        }
    }

    pub(super) fn pair(&self) -> Option<Pair> {
        match self {
            Self::Fresh | Self::Probing(_) => None,
            Self::Optimistic(optimistic) => Some(optimistic.relay.pair()),
            Self::Serving(serving) => Some(serving.relay.pair()),
        }
    }

    pub(super) fn legacy_attempt(&mut self) -> Option<&mut LegacyAttempt> {
        match self {
            Self::Probing(probing) => probing.legacy_attempt.as_deref_mut(),
            _ => None,
        }
    }

    /// Takes the frames that are held while the server is asked.
    pub(super) fn take_held(&mut self) -> VecDeque<Frame> {
        match self {
            Self::Probing(probing) => std::mem::take(&mut probing.held),
            _ => VecDeque::new(),
        }
    }

    /// Returns how many frames of the host wait for the server.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Self::Fresh => 0,
            Self::Probing(probing) => probing.held.len(),
            Self::Optimistic(optimistic) => optimistic.relay.waiting(),
            Self::Serving(serving) => serving.relay.waiting(),
        }
    }
}
