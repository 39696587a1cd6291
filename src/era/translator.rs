//! The choice among the four pairs: which one a host and a server make, and the way there.
//!
//! The host's era shows in its first request, the server's in its answer to a question (`probe`, `probing`), in its
//! answer to the host's own `initialize` where the question leaves the era open (`first_handshake`, `legacy_attempt`),
//! or in what an earlier start has found (`options`, `optimistic`). Host and server speak the same era where they have
//! one in common. A host that only asked `server/discover` may still begin the legacy way (`restart`).
//!
//! `state` has the fields, `phase` the phases, `findings` what is known of the server.

mod findings;
mod first_handshake;
mod first_request;
mod introduction;
mod legacy_attempt;
mod optimistic;
mod options;
mod pending_discovers;
mod phase;
mod probe;
mod probing;
mod relay_numbers;
mod restart;
mod server_era;
mod state;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::VecDeque;
use std::time::Duration;

use super::detect::{self, ProbeOutcome};
use super::extensions;
use super::{
    Action, Arrival, ExchangeId, Legacy, LegacyToModern, Modern, ModernToLegacy, Pair, Relay,
};
use crate::frame::Frame;
use introduction::{begins_legacy, introduction};
pub use options::{Options, Protocol, RememberedDiscover};
use phase::{FirstHandshake, Phase, Serving};
pub use server_era::ServerEra;
pub use state::Translator;

impl Translator {
    /// Returns the era of the server, as found in this run.
    pub fn server_era(&self) -> Option<ServerEra> {
        self.findings.server_era
    }

    /// Says whether that is [`ServerEra::Modern`] without a legacy host's `initialize` having been tried.
    pub fn is_legacy_untried(&self) -> bool {
        self.findings.is_legacy_untried
    }

    /// Takes the server's `DiscoverResult`, if it is worth remembering.
    pub fn take_discovered(&mut self) -> Option<RememberedDiscover> {
        self.findings.discovered.take()
    }

    /// Takes the server's `InitializeResult`, as JSON text, where a modern host was answered from it.
    pub fn take_initialized(&mut self) -> Option<String> {
        self.phase.relay()?.take_initialized()
    }

    /// Says whether a legacy host is answered from the server's `DiscoverResult`.
    pub fn is_initialize_translated(&self) -> bool {
        self.pair() == Some(Pair::LegacyToModern)
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
        self.pending_discovers.settle(Some(actions));
        let before = actions.len();
        self.route_host_message(frame, actions);
        self.pending_discovers.settle(actions.get(before..));
    }

    fn route_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let frame = extensions::declared(frame, &self.options.extensions);
        match frame.method() {
            Some("server/discover") => self.pending_discovers.note(&frame),
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
        let done = actions.get(before..).unwrap_or_default();
        // The server's own words, not a translation of them.
        if self.pair() == Some(Pair::Modern)
            && let Some(discovered) = self.pending_discovers.result(done)
        {
            self.findings.discovered = Some(discovered);
        }
        self.pending_discovers.settle(Some(done));
    }

    fn route_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>) {
        if self
            .probe
            .as_ref()
            .is_some_and(|probe| probe.asked(exchange))
        {
            return self.on_probe_arrival(exchange, arrival, actions);
        }
        if !self.relays.is_serving(exchange) {
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
        if relay != self.relays.serving() {
            return; // asked for by one that is gone
        }
        if matches!(self.phase, Phase::Probing(_)) {
            return self.on_attempt_timeout(actions);
        }
        if let Some(relay) = self.phase.relay() {
            relay.on_timer(token, &mut done);
        }
        self.pending_discovers.settle(Some(&done));
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

    fn begin(
        &mut self,
        found: ProbeOutcome,
        is_host_modern: bool,
        mut held: VecDeque<Frame>,
        first_handshake: Option<FirstHandshake>,
        actions: &mut Vec<Action>,
    ) {
        let mint = self.relays.mint();
        self.relays.serve_last();
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
        self.timers.note(self.relays.serving(), &mut done);
        actions.extend(done);
        for frame in held {
            self.on_host_message(frame, actions);
        }
    }
}
