//! The state of a translator, and the way of frames to the relay that serves the host and back.

use super::findings::Findings;
use super::options::Options;
use super::pending_discovers::PendingDiscovers;
use super::phase::Phase;
use super::probe::Probe;
use super::relay_numbers::RelayNumbers;
use super::timers::Timers;
use crate::era::cache::Cache;
use crate::era::{Action, Pair};
use crate::frame::Frame;

/// Turns what the host says into what the remote understands, and back. No I/O, no clock.
#[derive(Debug)]
pub struct Translator {
    pub(super) options: Options,
    pub(super) phase: Phase,
    pub(super) findings: Findings,
    pub(super) relays: RelayNumbers,
    pub(super) timers: Timers,
    pub(super) pending_discovers: PendingDiscovers,
    /// The host has sent a modern request that is more than `server/discover`: it stays modern.
    pub(super) host_is_modern: bool,
    /// `notifications/initialized` was sent in the host's place, to see what the remote offers.
    pub(super) initialized_sent: bool,
    /// The question that is out.
    pub(super) probe: Option<Box<Probe>>,
    pub(super) cache: Cache,
}

impl Translator {
    /// Makes a translator that has heard nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            cache: Cache::new(options.cache_ttl),
            options,
            phase: Phase::Fresh,
            findings: Findings::default(),
            relays: RelayNumbers::default(),
            timers: Timers::default(),
            pending_discovers: PendingDiscovers::default(),
            host_is_modern: false,
            initialized_sent: false,
            probe: None,
        }
    }

    pub(super) fn pair(&self) -> Option<Pair> {
        self.phase.pair()
    }

    /// Sends a frame of the host to the relay that serves it.
    pub(super) fn pass_to_relay(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if let Phase::Optimistic(optimistic) = &mut self.phase {
            optimistic.note_frame(&frame, actions);
        }
        let mut done = Vec::new();
        if let Some(relay) = self.phase.relay() {
            relay.on_host_message(frame, &mut done);
        }
        self.pass_from_relay(done, actions);
    }

    /// Passes on what the relay has done, past the cache.
    pub(super) fn pass_from_relay(&mut self, mut done: Vec<Action>, actions: &mut Vec<Action>) {
        self.timers.note(self.relays.serving(), &mut done);
        if let Phase::Optimistic(optimistic) = &mut self.phase {
            optimistic.note_actions(&done);
        }
        self.cache.note_actions(&done);
        actions.extend(done);
    }
}
