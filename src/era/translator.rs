//! The four pairs behind one door: which one a host and a remote make, and the way there.
//!
//! The host's era is told by its first words, the remote's by asking (`probe`), by the host's own `initialize` where
//! the question leaves that open (`first_handshake`, `legacy_attempt`), or by what an earlier start has found. Host and
//! remote speak the same era where they have one in common. A host that only asked `server/discover` may still begin
//! the legacy way.

mod first_handshake;
mod first_request;
mod legacy_attempt;
mod optimistic;
mod phase;
mod probe;
mod restart;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::VecDeque;
use std::time::Duration;

use super::cache::Cache;
use super::detect::{self, ProbeOutcome};
use super::extensions;
use super::protocol::NEWEST_LEGACY;
use super::{
    Action, Arrival, ExchangeId, Legacy, LegacyToModern, Mint, Modern, ModernToLegacy, Pair, Relay,
    Transport,
};
use crate::frame::{Frame, Id};
use phase::{FirstHandshake, Phase, Serving};
use probe::Probe;
use timers::Timers;

/// The choice of era to speak with the server (`--protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The era that the server speaks.
    #[default]
    Auto,
    /// The handshake of 2025-11-25 and before.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// The eras that a server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEra {
    /// The server answers `server/discover`, and offers a legacy host nothing better.
    Modern,
    /// The server does not answer `server/discover`.
    Legacy,
    /// The server answers `server/discover`, and serves legacy hosts in sessions of their own.
    Both,
}

impl ServerEra {
    /// Returns the word under which the era is remembered.
    pub fn word(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
            Self::Both => "both",
        }
    }

    /// Reads the word of [`ServerEra::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Modern, Self::Legacy, Self::Both]
            .into_iter()
            .find(|era| era.word() == word)
    }
}

/// A remote's word of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedDiscover {
    /// The capabilities that the asking host declared, as JSON text.
    pub capabilities: String,
    /// The `DiscoverResult`, as JSON text.
    pub discover: String,
}

/// The command line's choices, and the findings of an earlier start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--protocol`.
    pub protocol: Protocol,
    /// `--transport`.
    pub transport: Transport,
    /// The era that an earlier start found, if that is young enough to be believed.
    pub remembered: Option<ServerEra>,
    /// That era is [`ServerEra::Modern`], and no legacy host's `initialize` has been tried: only modern hosts came.
    pub is_legacy_untried: bool,
    /// Discover results of a modern server, as far as they may still be repeated.
    pub known: Vec<RememberedDiscover>,
    /// The name for a server that does not give its own.
    pub server: String,
    /// For unguessable handles.
    pub seed: [u8; 32],
    /// Extensions that the bridge itself supports, by the names under which clients declare them.
    pub extensions: Vec<&'static str>,
    /// The time for which lists may be repeated whose server does not say (`--cache-ttl`); without it they are not.
    pub cache_ttl: Option<Duration>,
}

/// Turns what the host says into what the remote understands, and back. No I/O, no clock.
#[derive(Debug)]
pub struct Translator {
    options: Options,
    phase: Phase,
    /// To be remembered.
    server_era: Option<ServerEra>,
    is_legacy_untried: bool,
    /// The server's era as known in this run, whether or not it is to be remembered.
    known_era: Option<KnownEra>,
    /// Relays made so far; each mints exchange ids from a range of its own.
    relays_made: u64,
    /// The number of the relay that serves the host.
    serving_relay: u64,
    timers: Timers,
    /// Requests `server/discover` of a modern host that are not answered.
    pending_discovers: Vec<Id>,
    /// The host has sent a modern request that is more than `server/discover`: it stays modern.
    host_is_modern: bool,
    /// `notifications/initialized` was sent in the host's place, to see what the remote offers.
    initialized_sent: bool,
    /// The question was not answered for want of a credential.
    was_challenged: bool,
    /// The question that is out.
    probe: Option<Box<Probe>>,
    /// The server's last `DiscoverResult`, until it is taken.
    discovered: Option<RememberedDiscover>,
    cache: Cache,
}

/// A finding about the server's era.
#[derive(Clone, Copy, Debug)]
struct KnownEra {
    era: ServerEra,
    /// By an answer that leaves no doubt.
    is_sure: bool,
}

/// The number of exchange ids for each relay, as a power of two.
const RANGE: u32 = 40;
/// Relays that count in ranges of their own. Their numbers are ids of requests too, and those stay below 2^53, where
/// JSON numbers read as doubles are exact. Of a relay that is this many relays ago nothing is left.
const MAX_MADE: u64 = (1 << 12) - 1;

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

    /// Returns the era of the server, as found in this run.
    pub fn server_era(&self) -> Option<ServerEra> {
        self.server_era
    }

    /// Says whether that is [`ServerEra::Modern`] without a legacy host's `initialize` having been tried.
    pub fn is_legacy_untried(&self) -> bool {
        self.is_legacy_untried
    }

    /// Takes the server's `DiscoverResult`, if it is worth remembering.
    pub fn take_discovered(&mut self) -> Option<RememberedDiscover> {
        self.discovered.take()
    }

    /// Takes the time and the account, before anything else that happens. `now` counts from any beginning and never
    /// backwards; `identity` changes whenever requests are made in another name, so that no account is told what was
    /// kept for another (MCP 2026-07-28, server/utilities/caching).
    pub fn update_context(&mut self, now: Duration, identity: u64) {
        self.cache.update_context(now, identity);
    }

    /// Takes a frame from the host.
    pub fn on_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        // What was held comes after what answered the question.
        self.settle_discovers(Some(actions));
        let before = actions.len();
        self.route_host_message(frame, actions);
        self.settle_discovers(actions.get(before..));
    }

    fn route_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let frame = extensions::declared(frame, &self.options.extensions);
        match frame.method() {
            Some("server/discover") if self.host_is_modern => {}
            Some("server/discover") => {
                let is_new = |id: &&Id| !self.pending_discovers.contains(id); // and was not held
                let look = frame.id().filter(is_new).cloned();
                self.pending_discovers.extend(look);
            }
            Some(_) if detect::is_modern(&frame) => self.host_is_modern = true,
            _ => {}
        }
        match frame.method() {
            // The remote has heard it already.
            Some("notifications/initialized")
                if self.pair() == Some(Pair::Legacy)
                    && std::mem::take(&mut self.initialized_sent) =>
            {
                return;
            }
            Some("initialize") => self.initialized_sent = false,
            _ => {}
        }
        match &self.phase {
            Phase::Fresh => self.on_first_request(frame, actions),
            Phase::Probing(_) => self.hold(frame, actions),
            Phase::Optimistic(_) | Phase::Serving(_) => {
                if begins_legacy(&frame) && self.pair().is_some_and(Pair::is_host_modern) {
                    return self.restart(frame, actions);
                }
                self.serve(frame, actions);
            }
        }
    }

    /// Answers from what is kept, or passes it on.
    fn serve(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if let Some(answer) = self.cache.answer(&frame) {
            return actions.push(Action::Reply(answer));
        }
        self.pass_to_relay(frame, actions);
    }

    /// Takes what an exchange brought.
    pub fn on_arrival(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let before = actions.len();
        self.route_arrival(exchange, arrival, actions);
        self.settle_discovers(actions.get(before..));
    }

    fn route_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>) {
        if self
            .probe
            .as_ref()
            .is_some_and(|probe| probe.asked(exchange))
        {
            return self.on_probe_arrival(exchange, arrival, actions);
        }
        if exchange.0 >> RANGE != self.serving_relay {
            tracing::debug!(exchange = exchange.0, ?arrival, "for a relay that is gone");
            return;
        }
        if self.is_attempting_legacy() {
            return self.on_attempt_arrival(exchange, arrival, actions);
        }
        match &self.phase {
            Phase::Serving(Serving {
                first_handshake: Some(_),
                ..
            }) => return self.on_handshake_arrival(exchange, arrival, actions),
            Phase::Optimistic(_) => {
                self.cache.note_arrival(exchange, &arrival);
                return self.on_optimistic_arrival(exchange, arrival, actions);
            }
            _ => {}
        }
        self.cache.note_arrival(exchange, &arrival);
        let mut done = Vec::new();
        if let Some(relay) = self.phase.relay() {
            relay.on_arrival(exchange, arrival, &mut done);
        }
        self.pass_from_relay(done, actions);
    }

    /// Takes the end of a time that was asked for with [`Action::SetTimer`].
    pub fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        let Some((relay, token)) = self.timers.take(token) else {
            return;
        };
        let mut done = Vec::new();
        if let Some(probe) = self
            .probe
            .as_mut()
            .filter(|probe| probe.relay_number == relay)
        {
            probe.on_timer(token, &mut done);
            self.timers.note(relay, &mut done);
            return actions.extend(done);
        }
        if relay != self.serving_relay {
            return; // asked for by one that is gone
        }
        if matches!(self.phase, Phase::Probing(_)) {
            return self.on_attempt_timeout(actions);
        }
        if let Some(relay) = self.phase.relay() {
            relay.on_timer(token, &mut done);
        }
        self.settle_discovers(Some(&done));
        self.pass_from_relay(done, actions);
    }

    /// Asks the remote whether it is there, where the era has a way to.
    pub fn ping(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        if let Some(relay) = self.phase.relay() {
            relay.ping(&mut done);
        }
        self.pass_from_relay(done, actions);
    }

    /// Takes the news that the host has closed stdin: it can answer nothing any more.
    pub fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        if let Some(relay) = self.phase.relay() {
            relay.on_host_gone(&mut done);
        }
        self.pass_from_relay(done, actions);
    }

    /// Ends what is open, as the last thing before the bridge leaves.
    pub fn leave(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        if let Some(attempt) = self.phase.legacy_attempt() {
            attempt.leave(&mut done);
        }
        if let Some(relay) = self.phase.relay() {
            relay.leave(&mut done);
        }
        self.pass_from_relay(done, actions);
    }

    /// Frames of the host that wait for the remote.
    pub fn waiting(&self) -> usize {
        self.phase.waiting()
    }

    fn pair(&self) -> Option<Pair> {
        self.phase.pair()
    }

    /// Sends a frame of the host to the relay that serves it.
    fn pass_to_relay(&mut self, frame: Frame, actions: &mut Vec<Action>) {
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
    fn pass_from_relay(&mut self, mut done: Vec<Action>, actions: &mut Vec<Action>) {
        self.timers.note(self.serving_relay, &mut done);
        if let Phase::Optimistic(optimistic) = &mut self.phase {
            optimistic.note_actions(&done);
        }
        self.cache.note_actions(&done);
        actions.extend(done);
    }

    fn begin(
        &mut self,
        found: ProbeOutcome,
        is_host_modern: bool,
        mut held: VecDeque<Frame>,
        first_handshake: Option<FirstHandshake>,
        actions: &mut Vec<Action>,
    ) {
        let mint = self.mint();
        self.serving_relay = self.relays_made;
        let transport = self.options.transport;
        let mut done = Vec::new();
        self.cache.clear();
        let relay: Box<dyn Relay> = match (found, is_host_modern) {
            (ProbeOutcome::Modern(_), true) => Box::new(Modern::new(mint)),
            (ProbeOutcome::Modern(discover), false) => {
                let initialize = match held.front() {
                    Some(frame) if frame.method() == Some("initialize") => held.pop_front(),
                    _ => None,
                };
                // A host that skips the handshake is introduced; the answer to that has no receiver and goes nowhere.
                let initialize = initialize.unwrap_or_else(introduction);
                Box::new(LegacyToModern::new(
                    mint,
                    &discover,
                    &self.options.server,
                    initialize,
                    &mut done,
                ))
            }
            (_, true) => Box::new(ModernToLegacy::new(mint, transport, self.options.seed)),
            (_, false) => Box::new(Legacy::minting(transport, mint)),
        };
        self.phase = Phase::Serving(Serving {
            relay,
            first_handshake,
        });
        self.timers.note(self.serving_relay, &mut done);
        actions.extend(done);
        for frame in held {
            self.on_host_message(frame, actions);
        }
    }

    /// Makes a mint whose numbers meet no other relay's.
    fn mint(&mut self) -> Mint {
        self.relays_made = self.relays_made % MAX_MADE + 1;
        Mint::beyond(self.relays_made << RANGE)
    }
}

fn begins_legacy(frame: &Frame) -> bool {
    frame.is_request() && frame.method() == Some("initialize") && !detect::is_modern(frame)
}

fn introduction() -> Frame {
    let params = format!(
        r#"{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"mcpipe","version":"{}"}}}}"#,
        NEWEST_LEGACY,
        env!("CARGO_PKG_VERSION")
    );
    // Not a number: it is answered on this side, and a host may have a request with that number under way.
    let id = Id::parse("\"bridge:introduction\"").unwrap_or_else(|| Id::ours(0));
    Frame::request(&id, "initialize", Some(&params))
}
