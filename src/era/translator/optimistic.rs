//! A remote that an earlier start found to be modern is taken at its word: what the host says goes out at once, and its
//! answers are the proof.
//!
//! An answer that a legacy remote would give too is kept until the question has been asked after all. If the remote has
//! changed, what the host has said is said again the other way, except what may be done already.

use std::collections::VecDeque;

use super::introduction::{capabilities, declared};
use super::phase::{FirstHandshake, Optimistic, Phase, Serving};
use super::server_era::ServerEra;
use super::state::Translator;
use crate::era::detect::{self, Evidence, ProbeOutcome};
use crate::era::extensions;
use crate::era::legacy::error_reply;
use crate::era::protocol::is_repeatable;
use crate::era::{Action, Arrival, ExchangeId, LegacyToModern, Modern, RememberedDiscover};
use crate::frame::{BridgeError, Frame};

impl Translator {
    /// Returns what the server said of itself an earlier time, if that may be repeated to a host that asks so: for one whose own
    /// question has to wait for a user.
    pub fn remembered(&self, discover: &Frame) -> Option<&str> {
        let discover = extensions::declared(discover.clone(), &self.options.extensions);
        let asked = capabilities(&detect::declared(&discover));
        let mut known = self.options.known.iter();
        let known = known.find(|known| known.capabilities == asked)?;
        Some(&known.discover)
    }

    /// Begins at once with a remote that is remembered to be modern. `false` if that cannot be: the handshake of a
    /// legacy host needs to know more than that, and what it is answered cannot be taken back, for a host reads
    /// instructions and capabilities once. So it is answered from memory only with what the server has said may be
    /// repeated, for as long as that, to a host that can do the same (MCP 2026-07-28, server/utilities/caching).
    pub(super) fn start_optimistically(
        &mut self,
        first: &Frame,
        is_host_modern: bool,
        actions: &mut Vec<Action>,
    ) -> bool {
        if is_host_modern {
            self.cache.clear();
            let relay = Modern::new(self.relays.mint());
            self.phase = Phase::Optimistic(Optimistic::new(relay));
            self.relays.serve_last();
            self.serve(first.clone(), actions);
            return true;
        }
        let asked = capabilities(&declared(first));
        let mut known = self.options.known.iter();
        let known = known.find(|known| known.capabilities == asked).cloned();
        let Some(known) = known.filter(|_| first.method() == Some("initialize")) else {
            return false;
        };
        tracing::debug!("the handshake is answered from memory");
        self.cache.clear();
        let mint = self.relays.mint();
        self.relays.serve_last();
        let mut done = Vec::new();
        let called = &self.options.server;
        let relay = LegacyToModern::new(mint, &known.discover, called, first.clone(), &mut done);
        self.timers.note(self.relays.serving(), &mut done);
        actions.extend(done);
        let mut optimistic = Optimistic::new(relay);
        optimistic.sent.push(first.clone());
        self.phase = Phase::Optimistic(optimistic);
        true
    }

    /// Takes what came of something else than the question.
    pub(super) fn on_optimistic_arrival(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let evidence = detect::evidence(&arrival);
        let mut done = Vec::new();
        if let Some(relay) = self.phase.relay() {
            relay.on_arrival(exchange, arrival, &mut done);
        }
        match evidence {
            Evidence::Nothing => self.pass_from_relay(done, actions),
            Evidence::Modern => {
                self.confirm_modern(actions);
                self.pass_from_relay(done, actions);
            }
            Evidence::Ambiguous => self.on_ambiguous_evidence(done, actions),
        }
    }

    fn on_ambiguous_evidence(&mut self, done: Vec<Action>, actions: &mut Vec<Action>) {
        let is_answer =
            |action: &Action| matches!(action, Action::Reply(frame) if frame.is_response());
        let (answers, done): (Vec<_>, Vec<_>) = done.into_iter().partition(is_answer);
        self.pass_from_relay(done, actions);
        let Phase::Optimistic(optimistic) = &mut self.phase else {
            return;
        };
        for action in answers {
            if let Action::Reply(frame) = action {
                optimistic.ambiguous.push(frame);
            }
        }
        // Where no answer is waited for there is nothing to be said again, and no hurry to know.
        if let Some(first) = optimistic
            .sent
            .first()
            .cloned()
            .filter(|_| self.probe.is_none())
        {
            tracing::debug!("the server was remembered to be modern; it is asked after all");
            let is_host_modern = optimistic.relay.pair().is_host_modern();
            self.send_probe(&first, is_host_modern, false, actions);
        }
    }

    /// Takes the outcome of the question, or that it cannot be answered now.
    pub(super) fn on_probe_outcome(
        &mut self,
        finding: ProbeOutcome,
        capabilities: String,
        actions: &mut Vec<Action>,
    ) {
        match finding {
            ProbeOutcome::Legacy => self.switch_to_legacy(actions),
            ProbeOutcome::Modern(discover) => {
                self.findings.discovered = Some(RememberedDiscover {
                    capabilities,
                    discover,
                });
                self.confirm_modern(actions);
            }
            ProbeOutcome::Refuses(_) => self.confirm_modern(actions),
            _ => self.release_ambiguous(actions),
        }
    }

    fn confirm_modern(&mut self, actions: &mut Vec<Action>) {
        self.release_ambiguous(actions);
        self.findings.note_modern(&self.options, false);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Fresh) {
            Phase::Optimistic(optimistic) => Phase::Serving(Serving {
                relay: optimistic.relay,
                first_handshake: None,
            }),
            phase => phase,
        };
    }

    fn release_ambiguous(&mut self, actions: &mut Vec<Action>) {
        let ambiguous = match &mut self.phase {
            Phase::Optimistic(optimistic) => std::mem::take(&mut optimistic.ambiguous),
            _ => Vec::new(),
        };
        let answers = ambiguous.into_iter().map(Action::Reply);
        self.pass_from_relay(answers.collect(), actions);
    }

    fn switch_to_legacy(&mut self, actions: &mut Vec<Action>) {
        let mut optimistic = match std::mem::replace(&mut self.phase, Phase::Fresh) {
            Phase::Optimistic(optimistic) => optimistic,
            phase => {
                self.phase = phase;
                return;
            }
        };
        tracing::warn!("the server was modern at an earlier start, and is not any more");
        let is_host_modern = optimistic.relay.pair().is_host_modern();
        optimistic.relay.abandon(actions);
        let handshake = FirstHandshake::asked(Some(ServerEra::Legacy), true);
        self.findings.note_legacy();
        let mut again = VecDeque::new();
        for frame in &optimistic.sent {
            let may_be_done =
                frame.is_request() && !is_repeatable(frame) && !optimistic.is_refused(frame.id());
            if may_be_done {
                let lost = BridgeError::new("cut", "The server has changed; the answer is lost.");
                actions.extend(error_reply(frame, &lost).map(Action::Reply));
            } else {
                again.push_back(frame.clone());
            }
        }
        self.begin(
            ProbeOutcome::Legacy,
            is_host_modern,
            again,
            Some(handshake),
            actions,
        );
    }
}
