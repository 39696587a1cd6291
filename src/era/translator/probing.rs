//! The probe: the server is asked which era it speaks.
//!
//! A remote that nothing is known of is asked `server/discover` first, and what the host says meanwhile is held, in
//! order. A modern host's own `server/discover` is that question, and what comes of it its answer. The question
//! declares what the host declares, for a remote may refuse hosts that can do less (-32021). Whatever is no answer of a
//! modern remote leads to a legacy handshake, and what the host is told is what becomes of that.

use std::collections::VecDeque;
use std::time::Duration;

use super::findings::KnownEra;
use super::introduction::{begins_legacy, capabilities, declared};
use super::options::{Protocol, RememberedDiscover};
use super::phase::{FirstHandshake, Phase, Probing};
use super::probe::{Probe, held_reply, not_modern};
use super::server_era::ServerEra;
use super::state::Translator;
use crate::era::detect::{self, ProbeOutcome};
use crate::era::{Action, Arrival, ExchangeId, Modern, Relay};
use crate::frame::{BridgeError, Frame, Id};

/// The longest time for the question before the handshake is tried instead.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same where nothing else is to be tried.
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// The most frames that are held before the server has answered; more are refused.
const MAX_HELD: usize = 4096;

impl Translator {
    /// Asks the remote what it is, on behalf of the host that says this first, and holds what it says.
    pub(super) fn start_probing(
        &mut self,
        first: Frame,
        is_host_modern: bool,
        failed_handshake: Option<Vec<Action>>,
        actions: &mut Vec<Action>,
    ) {
        let is_own = is_host_modern && first.method() == Some("server/discover");
        self.send_probe(&first, is_host_modern, is_own, actions);
        self.phase = Phase::Probing(Probing {
            is_host_modern,
            held: (!is_own).then_some(first).into_iter().collect(),
            legacy_attempt: None,
            failed_handshake,
        });
    }

    /// Sends the question: the host's own words, or ours.
    pub(super) fn send_probe(
        &mut self,
        first: &Frame,
        is_host_modern: bool,
        is_own: bool,
        actions: &mut Vec<Action>,
    ) {
        let mut relay = Modern::new(self.relays.mint());
        let made = self.relays.made();
        let meta = match is_host_modern {
            true => detect::declared(first),
            false => declared(first),
        };
        let question = match is_own {
            true => first.clone(),
            false => detect::question(&relay.fresh_id(), &meta),
        };
        let mut done = Vec::new();
        // Where the remote is modern for certain, or wants a credential for the question and has refused the host's own
        // handshake since, the question is what the host's request comes to.
        match self.options.protocol {
            Protocol::Modern => relay.ask(question, Some(LONG_PATIENCE), true, &mut done),
            _ => {
                let is_handshake = self.options.remembered == Some(ServerEra::Modern)
                    || self.findings.was_challenged;
                relay.probe(question, Some(PATIENCE), is_own || is_handshake, &mut done);
            }
        }
        self.timers.note(made, &mut done);
        actions.extend(done);
        self.probe = Some(Box::new(Probe {
            relay_number: made,
            relay,
            own: is_own.then(|| first.clone()),
            capabilities: capabilities(&meta),
            was_asked_again: false,
            refuses_legacy: false,
        }));
    }

    /// Takes what came of the question.
    pub(super) fn on_probe_arrival(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let Some(probe) = &mut self.probe else {
            return;
        };
        let finding = detect::judge(&arrival, probe.was_asked_again);
        probe.refuses_legacy |= detect::refuses_legacy(&arrival);
        let mut done = Vec::new();
        probe.relay.on_arrival(exchange, arrival, &mut done);
        self.timers.note(probe.relay_number, &mut done);
        let mut answer = None;
        for action in done {
            match action {
                Action::Reply(frame) if frame.is_response() => answer = Some(frame),
                Action::Reply(frame) if probe.own.is_none() => {
                    tracing::debug!(?frame, "a notice on a question of ours");
                }
                action => actions.push(action),
            }
        }
        probe.was_asked_again |= matches!(finding, ProbeOutcome::Again);
        match answer {
            Some(answer) => self.decide(finding, answer, actions),
            None => tracing::debug!(?finding, "not answered yet"),
        }
    }

    fn decide(&mut self, finding: ProbeOutcome, answer: Frame, actions: &mut Vec<Action>) {
        let Some(probe) = self.probe.take() else {
            return;
        };
        if matches!(self.phase, Phase::Optimistic(_)) {
            return self.on_probe_outcome(finding, probe.capabilities, actions);
        }
        let Phase::Probing(probing) = &mut self.phase else {
            return;
        };
        let is_host_modern = probing.is_host_modern;
        let refused = probing.failed_handshake.take();
        tracing::debug!(?finding, is_host_modern, "the remote was asked");
        match finding {
            ProbeOutcome::Modern(discover) => {
                let known = RememberedDiscover {
                    capabilities: probe.capabilities,
                    discover,
                };
                actions.extend(probe.own.map(|_| Action::Reply(answer)));
                self.begin_modern_after_probe(
                    known,
                    probe.refuses_legacy || refused.is_some(),
                    actions,
                );
            }
            _ if refused.is_some() => {
                self.report_failed_handshake(refused.unwrap_or_default(), actions);
            }
            ProbeOutcome::Legacy if self.options.protocol == Protocol::Modern => {
                self.refuse_to_begin_legacy(&not_modern(&answer), probe.own, actions);
            }
            ProbeOutcome::Unclear(error) if self.options.protocol == Protocol::Modern => {
                self.refuse_to_begin_legacy(&error, probe.own, actions);
            }
            ProbeOutcome::Legacy => {
                self.begin_legacy_after_probe(None, probe.own, is_host_modern, actions);
            }
            ProbeOutcome::Unclear(error) => {
                self.begin_legacy_after_probe(Some(&error), probe.own, is_host_modern, actions);
            }
            // What a `DiscoverResult` names says nothing of older revisions.
            ProbeOutcome::Unsupported(error)
                if !is_host_modern
                    && !probe.refuses_legacy
                    && self.options.protocol == Protocol::Auto =>
            {
                let handshake = FirstHandshake::besides(error);
                let held = self.phase.take_held();
                self.begin_legacy(is_host_modern, held, handshake, actions);
            }
            // Whatever a modern host asks, it is refused that for itself, in the server's own words.
            ProbeOutcome::Refuses(_) if is_host_modern => {
                self.findings.note_modern(&self.options, false);
                actions.extend(probe.own.map(|_| Action::Reply(answer)));
                let held = self.phase.take_held();
                self.begin(
                    ProbeOutcome::Modern(String::new()),
                    true,
                    held,
                    None,
                    actions,
                );
            }
            ProbeOutcome::Challenged => self.begin_challenged(is_host_modern, actions),
            ProbeOutcome::Refuses(error)
            | ProbeOutcome::Unsupported(error)
            | ProbeOutcome::Unasked(error) => {
                self.give_up_probing(&error, probe.own.map(|_| answer), actions);
            }
            ProbeOutcome::Nothing | ProbeOutcome::Again => {
                let words = "The server does not say what it is.";
                let error = BridgeError::new("bad_answer", words).hint(detect::OTHER_ERA);
                self.give_up_probing(&error, probe.own.map(|_| answer), actions);
            }
        }
    }

    /// Tells the host of the legacy handshake that failed before the server was asked, and goes on with what else it said.
    fn report_failed_handshake(&mut self, answers: Vec<Action>, actions: &mut Vec<Action>) {
        let held = self.phase.take_held();
        self.phase = Phase::Fresh;
        let is_answered = |held: &Frame| {
            let of =
                |answer: &Action| matches!(answer, Action::Reply(frame) if frame.id() == held.id());
            held.is_request() && answers.iter().any(of)
        };
        let left: Vec<Frame> = held.into_iter().filter(|it| !is_answered(it)).collect();
        actions.extend(answers);
        for frame in left {
            self.on_host_message(frame, actions);
        }
    }

    fn refuse_to_begin_legacy(
        &mut self,
        error: &BridgeError,
        own: Option<Frame>,
        actions: &mut Vec<Action>,
    ) {
        let answer = own.and_then(|own| Some(error.reply(own.id()?)));
        self.give_up_probing(error, answer, actions);
    }

    /// Begins with a server whose answer, or whose failure, leaves it to `initialize`.
    fn begin_legacy_after_probe(
        &mut self,
        error: Option<&BridgeError>,
        own: Option<Frame>,
        is_host_modern: bool,
        actions: &mut Vec<Action>,
    ) {
        let is_outage = error.is_some_and(|error| error.kind == "unreachable");
        let was_answered = error.is_none_or(detect::was_answered);
        self.findings.known_era = was_answered.then_some(KnownEra {
            era: ServerEra::Legacy,
            is_sure: error.is_none(),
        });
        let era = (!is_outage).then_some(ServerEra::Legacy);
        let handshake = FirstHandshake::asked(era, was_answered);
        let held = self.phase.take_held();
        let held = own.into_iter().chain(held).collect();
        self.begin_legacy(is_host_modern, held, handshake, actions);
    }

    /// Begins with a server that wants a credential for the question.
    ///
    /// The host's own request may lead to a credential, and then to an answer. A modern host's request is sent as it
    /// is; a legacy host's handshake is sent, and the question is asked again with the credential if the server refuses
    /// that handshake.
    fn begin_challenged(&mut self, is_host_modern: bool, actions: &mut Vec<Action>) {
        self.findings.was_challenged = true;
        let mut held = self.phase.take_held();
        match held.pop_front() {
            Some(first) if is_host_modern => {
                self.start_optimistically(&first, true, actions);
                for frame in held {
                    self.on_host_message(frame, actions);
                }
            }
            Some(first) => {
                // Nothing was learnt that could be remembered.
                let handshake = FirstHandshake::asked(None, false);
                held.push_front(first);
                self.begin_legacy(false, held, handshake, actions);
            }
            None => self.phase = Phase::Fresh,
        }
    }

    fn begin_legacy(
        &mut self,
        is_host_modern: bool,
        held: VecDeque<Frame>,
        handshake: FirstHandshake,
        actions: &mut Vec<Action>,
    ) {
        let found = ProbeOutcome::Legacy;
        self.begin(found, is_host_modern, held, Some(handshake), actions);
    }

    /// Goes on with a modern server. A legacy host's own `initialize` is tried, unless it is known that this is of no
    /// use.
    fn begin_modern_after_probe(
        &mut self,
        known: RememberedDiscover,
        is_useless: bool,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Probing(probing) = &self.phase else {
            return;
        };
        let is_host_modern = probing.is_host_modern;
        let is_known =
            self.options.remembered == Some(ServerEra::Modern) && !self.options.is_legacy_untried;
        let first = probing.held.front().filter(|first| begins_legacy(first));
        if let Some(initialize) = first.cloned()
            && self.options.protocol == Protocol::Auto
            && !is_useless
            && !is_known
        {
            return self.try_initialize(initialize, known, actions);
        }
        self.findings
            .note_modern(&self.options, is_useless || is_known);
        let finding = ProbeOutcome::Modern(known.discover.clone());
        self.findings.discovered = Some(known);
        let held = self.phase.take_held();
        self.begin(finding, is_host_modern, held, None, actions);
    }

    /// Ends the probe without a finding: the host is told so, and its next request asks again.
    fn give_up_probing(
        &mut self,
        error: &BridgeError,
        answer: Option<Frame>,
        actions: &mut Vec<Action>,
    ) {
        let held = self.phase.take_held();
        self.phase = Phase::Fresh;
        actions.extend(answer.map(Action::Reply));
        actions.extend(
            held.iter()
                .filter(|frame| frame.is_request())
                .filter_map(|frame| Some(Action::Reply(held_reply(error, frame)?))),
        );
    }

    /// Takes what the host says while the remote is being asked.
    pub(super) fn hold(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let Phase::Probing(probing) = &mut self.phase else {
            return;
        };
        if let Some(id) = frame.cancels() {
            let held = probing.held.len();
            let is_it = |held: &Frame| {
                held.is_request() && held.id() == Some(&id) && held.method() != Some("initialize")
            };
            probing.held.retain(|held| !is_it(held));
            match probing.held.len() < held {
                true => {
                    // The error that its handshake met is not told any more.
                    if let Some(refused) = &mut probing.failed_handshake {
                        refused.retain(|answer| {
                            !matches!(answer, Action::Reply(frame) if frame.id() == Some(&id))
                        });
                    }
                    actions.push(Action::Cancelled(id));
                }
                false => self.on_probe_cancelled(frame, &id, actions),
            }
            return;
        }
        match frame.id().filter(|_| frame.is_request()) {
            Some(id) if frame.method() == Some("ping") => {
                actions.push(Action::Reply(Frame::result(id, "{}")));
            }
            Some(id) if probing.held.len() >= MAX_HELD => {
                let full = BridgeError::new("overloaded", "Too much waits for the server already.")
                    .retryable();
                actions.push(Action::Reply(full.reply(id)));
            }
            _ if probing.held.len() >= MAX_HELD => {}
            _ => probing.held.push_back(frame),
        }
    }

    /// Takes the host's cancellation of its own question; its other frames may still need the answer (MCP 2026-07-28,
    /// server/discover).
    fn on_probe_cancelled(&mut self, cancel: Frame, id: &Id, actions: &mut Vec<Action>) {
        let own = self.probe.as_ref().and_then(|probe| probe.own.as_ref());
        if own.is_none_or(|own| own.id() != Some(id)) {
            return;
        }
        if let Some(mut probe) = self.probe.take() {
            probe.relay.on_host_message(cancel, actions);
        }
        let held = self.phase.take_held();
        self.phase = Phase::Fresh;
        for frame in held {
            self.on_host_message(frame, actions);
        }
    }
}
