//! The first handshake with a remote in the legacy era. It is the proof that the remote speaks that era: only then is
//! this remembered, and if the handshake fails, a remote that has not answered the question is asked it, once.

use super::phase::Phase;
use super::probe::held_reply;
use super::state::Translator;
use crate::era::detect::{self, ProbeOutcome};
use crate::era::{Action, Arrival, ExchangeId, Pair};
use crate::frame::{Frame, Outline};

impl Translator {
    /// Takes what came of the handshake, or of what is said beside it.
    pub(super) fn on_handshake_arrival(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Serving(serving) = &mut self.phase else {
            return;
        };
        let unanswered = serving.relay.waiting_for_handshake(exchange);
        let is_modern = matches!(detect::judge(&arrival, false), ProbeOutcome::Again);
        let may_ask = is_modern
            || serving
                .first_handshake
                .as_ref()
                .is_some_and(|it| it.may_ask);
        // Some modern servers answer the handshake with a revision that has none.
        let is_odd =
            |frame: &Frame| may_ask && unanswered.is_some() && !detect::is_handshake(frame);
        let is_odd =
            matches!(&arrival, Arrival::Frame(frame) if is_answered(frame) && is_odd(frame));
        let is_answer = !is_odd && matches!(&arrival, Arrival::Frame(frame) if is_answered(frame));
        let is_refusal = match &arrival {
            Arrival::Frame(_) | Arrival::Refused(_) | Arrival::Accepted(_) | Arrival::Ended => true,
            Arrival::Failed(error) => detect::was_answered(error),
            _ => false,
        };
        self.cache.note_arrival(exchange, &arrival);
        let mut done = Vec::new();
        serving.relay.on_arrival(exchange, arrival, &mut done);
        if is_answer {
            let handshake = serving.first_handshake.take();
            self.findings.server_era = handshake
                .and_then(|handshake| handshake.era)
                .or(self.findings.server_era);
            return self.pass_from_relay(done, actions);
        }
        let is_refusing = |action: &Action| match action {
            Action::Reply(frame) => is_error(action) || is_odd && frame.is_response(),
            _ => false,
        };
        let has_failed = done.iter().any(is_refusing);
        let Some(unanswered) = unanswered.filter(|_| has_failed) else {
            return self.pass_from_relay(done, actions);
        };
        // What it answered to the question may have been a temporary failure: it is asked anew the next time.
        let handshake = serving.first_handshake.take();
        if handshake
            .as_ref()
            .is_some_and(|handshake| handshake.is_again)
        {
            self.findings.forget_unsure();
        }
        let (mut answers, done): (Vec<_>, Vec<_>) = done.into_iter().partition(is_refusing);
        if let Some(fault) = handshake.and_then(|handshake| handshake.fault) {
            let replies = unanswered
                .iter()
                .filter_map(|frame| held_reply(&fault, frame));
            answers = replies.map(Action::Reply).collect();
        }
        self.pass_from_relay(done, actions);
        let is_host_modern = self.phase.pair().is_some_and(Pair::is_host_modern);
        if let Some(relay) = self.phase.relay() {
            relay.abandon(actions);
        }
        self.phase = Phase::Fresh;
        let mut unanswered = unanswered;
        match unanswered.pop_front().filter(|_| may_ask && is_refusal) {
            Some(first) => {
                tracing::debug!("the handshake was refused; the server is asked what it is");
                self.start_probing(first, is_host_modern, Some(answers), actions);
                for frame in unanswered {
                    self.hold(frame, actions);
                }
            }
            // The next request begins again.
            None => actions.extend(answers),
        }
    }
}

fn is_answered(frame: &Frame) -> bool {
    matches!(frame.outline(), Outline::Response { failed: false, .. })
}

fn is_error(action: &Action) -> bool {
    matches!(action, Action::Reply(frame) if frame.is_error())
}
