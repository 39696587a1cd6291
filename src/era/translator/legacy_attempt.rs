//! The attempt of a legacy handshake with a modern server: it may serve legacy hosts in their own era as well.
//!
//! The `supportedVersions` of a `DiscoverResult` are modern revisions only, in the official SDKs, so a remote that
//! speaks both eras is found by the host's own `initialize`. It is tried unless the remote has refused another revision
//! with a list of its own that has no legacy one in it. A remote that answers with a session, by its id or by a GET
//! stream that opens, is served in that era, for there everything is as the host means it: questions while a call goes
//! on, streams that are resumed, results that nothing has to be made of. One that answers without a session is served
//! in the modern era: it cannot ask the host anything nor tell it of changes, and on its modern side it can.

use std::time::Duration;

use super::phase::{LegacyAttempt, Phase, Serving};
use super::state::Translator;
use crate::era::detect::{self, ProbeOutcome};
use crate::era::headers::{self, Tools};
use crate::era::{Action, Arrival, ExchangeId, Legacy, Relay, RememberedDiscover, Transport};
use crate::frame::Frame;

/// The longest time for each step.
const PATIENCE: Duration = Duration::from_secs(2);

/// Messages of the remote's that are kept meanwhile.
const MAX_EARLY: usize = 256;

impl Translator {
    pub(super) fn is_attempting_legacy(&self) -> bool {
        matches!(&self.phase, Phase::Probing(probing) if probing.legacy_attempt.is_some())
    }

    /// Sends the host's `initialize` to a remote that has shown itself to be modern.
    pub(super) fn try_initialize(
        &mut self,
        initialize: Frame,
        known: RememberedDiscover,
        actions: &mut Vec<Action>,
    ) {
        let mint = self.relays.mint();
        self.relays.serve_last();
        // It has answered a POST: its legacy side is not HTTP+SSE at the same address.
        let mut relay = Legacy::minting(Transport::HttpOnly, mint);
        let mut done = Vec::new();
        relay.on_host_message(initialize.clone(), &mut done);
        actions.extend(as_to_modern(done));
        if let Phase::Probing(probing) = &mut self.phase {
            probing.legacy_attempt = Some(Box::new(LegacyAttempt {
                relay,
                known,
                initialize,
                answer: None,
                early: Vec::new(),
            }));
        }
    }

    /// Takes what came of it.
    pub(super) fn on_attempt_arrival(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let Some(attempt) = self.phase.legacy_attempt() else {
            return;
        };
        let is_stream = attempt.relay.listens_on(exchange);
        let is_open = is_stream && matches!(&arrival, Arrival::Opened(head) if head.status == 200);
        // A failure on the way says nothing of the remote.
        let is_answered = match &arrival {
            Arrival::Failed(error) | Arrival::GivenUp(error) => {
                detect::was_answered(error) || error.kind == "timed_out"
            }
            _ => true,
        };
        let mut done = Vec::new();
        attempt.relay.on_arrival(exchange, arrival, &mut done);
        let mut answer = None;
        for action in done {
            match action {
                Action::Reply(frame)
                    if frame.is_response() && frame.id() == attempt.initialize.id() =>
                {
                    answer = Some(frame);
                }
                early @ Action::Reply(_) if attempt.early.len() < MAX_EARLY => {
                    attempt.early.push(early);
                }
                Action::Reply(frame) => tracing::debug!(?frame, "too much before the handshake"),
                action => actions.push(action),
            }
        }
        match answer {
            Some(answer) if detect::is_handshake(&answer) => {
                attempt.answer = Some(answer);
                if attempt.relay.has_session_id() {
                    return self.speak_legacy(actions);
                }
                self.look_for_stream(actions);
            }
            Some(answer) => {
                let is_error = answer.is_error();
                tracing::debug!(is_error, "no legacy handshake with a modern server");
                self.speak_modern(is_answered, actions);
            }
            None if is_open => self.speak_legacy(actions),
            None if is_stream => self.speak_modern(true, actions),
            None => {}
        }
    }

    /// Ends the attempt when its time is over.
    pub(super) fn on_attempt_timeout(&mut self, actions: &mut Vec<Action>) {
        if self.is_attempting_legacy() {
            self.speak_modern(true, actions);
        }
    }

    /// Goes on with the handshake in the host's place: the stream is opened when the remote has accepted it.
    fn look_for_stream(&mut self, actions: &mut Vec<Action>) {
        let Some(attempt) = self.phase.legacy_attempt() else {
            return;
        };
        let initialized = Frame::notification("notifications/initialized", None);
        let mut done = Vec::new();
        attempt.relay.on_host_message(initialized, &mut done);
        let mut done: Vec<_> = as_to_modern(done).collect();
        done.push(Action::SetTimer {
            after: PATIENCE,
            token: 0,
            is_retry: false,
        });
        self.initialized_sent = true;
        self.timers.note(self.relays.serving(), &mut done);
        actions.extend(done);
    }

    fn speak_legacy(&mut self, actions: &mut Vec<Action>) {
        let Phase::Probing(probing) = &mut self.phase else {
            return;
        };
        let Some(attempt) = probing.legacy_attempt.take() else {
            return;
        };
        let mut held = self.phase.take_held();
        tracing::info!("the server speaks both eras; the host's own is spoken");
        held.pop_front(); // the handshake
        self.cache.clear();
        self.findings.note_both();
        self.findings.discovered = Some(attempt.known);
        self.phase = Phase::Serving(Serving {
            relay: Box::new(attempt.relay),
            first_handshake: None,
        });
        let answer = attempt.answer.into_iter().map(Action::Reply);
        self.pass_from_relay(answer.chain(attempt.early).collect(), actions);
        for frame in held {
            self.on_host_message(frame, actions);
        }
    }

    fn speak_modern(&mut self, is_tried: bool, actions: &mut Vec<Action>) {
        let held = self.phase.take_held();
        let Phase::Probing(probing) = &mut self.phase else {
            return;
        };
        let Some(mut attempt) = probing.legacy_attempt.take() else {
            return;
        };
        attempt.relay.abandon(actions);
        self.initialized_sent = false;
        self.findings.note_modern(&self.options, is_tried);
        let discover = attempt.known.discover.clone();
        self.findings.discovered = Some(attempt.known);
        self.begin(ProbeOutcome::Modern(discover), false, held, None, actions);
    }
}

/// Bounds the posts in time and adds with the headers of the modern era: to the remote they are requests like any other
/// until it has accepted one (2026-07-28, basic/transports: standard request headers).
fn as_to_modern(done: Vec<Action>) -> impl Iterator<Item = Action> {
    done.into_iter().map(|action| match action {
        Action::Post(mut post) => {
            post.patience = Some(PATIENCE);
            post.headers
                .extend(headers::of(&post.frame, &Tools::default()));
            Action::Post(post)
        }
        action => action,
    })
}
