//! The phases of a translator: from the host's first request to a relay that serves it.

use std::collections::VecDeque;

use super::first_handshake::FirstHandshake;
use super::legacy_attempt::LegacyAttempt;
use super::optimistic::Optimistic;
use crate::era::{Action, Pair, Relay};
use crate::frame::Frame;

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
