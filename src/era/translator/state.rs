//! The state of a translator, and the way of frames to the relay that serves the host and back.

use super::options::{Options, RememberedDiscover};
use super::phase::Phase;
use super::probe::Probe;
use super::server_era::{KnownEra, ServerEra};
use super::timers::Timers;
use crate::era::cache::Cache;
use crate::era::{Action, Mint, Pair};
use crate::frame::{Frame, Id};

/// The number of exchange ids for each relay, as a power of two.
pub(super) const RANGE: u32 = 40;
/// Relays that count in ranges of their own. Their numbers are ids of requests too, and those stay below 2^53, where
/// JSON numbers read as doubles are exact. Of a relay that is this many relays ago nothing is left.
const MAX_MADE: u64 = (1 << 12) - 1;

/// Turns what the host says into what the remote understands, and back. No I/O, no clock.
#[derive(Debug)]
pub struct Translator {
    pub(super) options: Options,
    pub(super) phase: Phase,
    /// To be remembered.
    pub(super) server_era: Option<ServerEra>,
    pub(super) is_legacy_untried: bool,
    /// The server's era as known in this run, whether or not it is to be remembered.
    pub(super) known_era: Option<KnownEra>,
    /// Relays made so far; each mints exchange ids from a range of its own.
    pub(super) relays_made: u64,
    /// The number of the relay that serves the host.
    pub(super) serving_relay: u64,
    pub(super) timers: Timers,
    /// Requests `server/discover` of a modern host that are not answered.
    pub(super) pending_discovers: Vec<Id>,
    /// The host has sent a modern request that is more than `server/discover`: it stays modern.
    pub(super) host_is_modern: bool,
    /// `notifications/initialized` was sent in the host's place, to see what the remote offers.
    pub(super) initialized_sent: bool,
    /// The question was not answered for want of a credential.
    pub(super) was_challenged: bool,
    /// The question that is out.
    pub(super) probe: Option<Box<Probe>>,
    /// The server's last `DiscoverResult`, until it is taken.
    pub(super) discovered: Option<RememberedDiscover>,
    pub(super) cache: Cache,
}

impl Translator {
    /// Makes a translator that has heard nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            cache: Cache::new(options.cache_ttl),
            options,
            phase: Phase::Fresh,
            server_era: None,
            is_legacy_untried: false,
            known_era: None,
            relays_made: 0,
            serving_relay: 0,
            timers: Timers::default(),
            pending_discovers: Vec::new(),
            host_is_modern: false,
            initialized_sent: false,
            was_challenged: false,
            probe: None,
            discovered: None,
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
        self.timers.note(self.serving_relay, &mut done);
        if let Phase::Optimistic(optimistic) = &mut self.phase {
            optimistic.note_actions(&done);
        }
        self.cache.note_actions(&done);
        actions.extend(done);
    }

    /// Makes a mint whose numbers meet no other relay's.
    pub(super) fn mint(&mut self) -> Mint {
        self.relays_made = self.relays_made % MAX_MADE + 1;
        Mint::beyond(self.relays_made << RANGE)
    }
}
