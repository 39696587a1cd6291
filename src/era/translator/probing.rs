//! Which era the remote speaks, by asking it.
//!
//! A remote that nothing is known of is asked `server/discover` first, and what the host says meanwhile is held, in order.
//! A modern host's own `server/discover` is that question, and what comes of it its answer. The question declares what
//! the host declares, for a remote may refuse hosts that can do less (-32021).

use std::collections::VecDeque;
use std::time::Duration;

use super::{Asking, Protocol, State, Translator, Verdict, introduction};
use crate::era::detect::{self, Finding};
use crate::era::edit::Object;
use crate::era::vocabulary::META_CAPABILITIES;
use crate::era::{Action, Arrival, ExchangeId, Known, Modern, legacy_host};
use crate::frame::{Frame, Id, Trouble};

/// A server that takes this long over the question is taken for one that does not know it.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a host may say before the remote has answered; more is refused.
const MAX_HELD: usize = 4096;

/// The question, under way.
#[derive(Debug)]
pub(super) struct Probe {
    /// Which range it mints from.
    pub(super) made: u64,
    /// Sees to it that the question is asked again where it may be, each time as a new one.
    relay: Modern,
    /// The host's own question, which is answered with what comes.
    own: Option<Frame>,
    /// What it declares that the host can do.
    capabilities: String,
    was_asked_again: bool,
}

impl Probe {
    pub(super) fn asked(&self, exchange: ExchangeId) -> bool {
        self.relay.has(exchange)
    }

    pub(super) fn woke(&mut self, token: u64, actions: &mut Vec<Action>) {
        self.relay.woke(token, actions);
    }

    pub(super) fn abandon(&mut self, actions: &mut Vec<Action>) {
        self.relay.abandon(actions);
    }
}

impl Translator {
    /// Asks the remote what it is, on behalf of the host that says this first, and holds what it says.
    pub(super) fn ask(&mut self, first: Frame, is_host_modern: bool, actions: &mut Vec<Action>) {
        let is_own = is_host_modern && first.method() == Some("server/discover");
        self.probe(&first, is_host_modern, is_own, actions);
        self.state = State::Asking(Asking {
            is_host_modern,
            held: (!is_own).then_some(first).into_iter().collect(),
        });
    }

    /// Sends the question: the host's own words, or ours.
    pub(super) fn probe(
        &mut self,
        first: &Frame,
        is_host_modern: bool,
        is_own: bool,
        actions: &mut Vec<Action>,
    ) {
        let mut relay = Modern::new(self.mint());
        let made = self.made;
        let meta = match is_host_modern {
            true => detect::declared(first),
            false => declared(first),
        };
        let question = match is_own {
            true => first.clone(),
            false => detect::question(&relay.fresh_id(), &meta),
        };
        let mut done = Vec::new();
        // Where the remote is modern for certain, or has refused the host's own handshake already, the question is what the
        // host's request comes to.
        let is_handshake = self.beginning.protocol == Protocol::Modern
            || self.beginning.remembered == Some(Verdict::Modern)
            || self.was_challenged;
        relay.ask(question, Some(PATIENCE), is_own || is_handshake, &mut done);
        self.wakes.note(made, &mut done);
        actions.extend(done);
        self.probe = Some(Box::new(Probe {
            made,
            relay,
            own: is_own.then(|| first.clone()),
            capabilities: capabilities(&meta),
            was_asked_again: false,
        }));
    }

    /// Takes what came of the question.
    pub(super) fn probed(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let Some(probe) = &mut self.probe else {
            return;
        };
        let finding = detect::judge(&arrival, probe.was_asked_again);
        // A server that never answered is not remembered for it.
        let is_evidence = !matches!(arrival, Arrival::GivenUp(_));
        let mut done = Vec::new();
        probe.relay.from_remote(exchange, arrival, &mut done);
        self.wakes.note(probe.made, &mut done);
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
        probe.was_asked_again |= matches!(finding, Finding::Again);
        match answer {
            Some(answer) => self.decide(finding, is_evidence, answer, actions),
            None => tracing::debug!(?finding, "not answered yet"),
        }
    }

    fn decide(
        &mut self,
        finding: Finding,
        is_evidence: bool,
        answer: Frame,
        actions: &mut Vec<Action>,
    ) {
        let Some(probe) = self.probe.take() else {
            return;
        };
        let verdict = match &finding {
            Finding::Modern(_) | Finding::Refuses(_) => Some(Verdict::Modern),
            Finding::Legacy => Some(Verdict::Legacy),
            Finding::Nothing | Finding::Again | Finding::Challenged | Finding::Unknown(_) => None,
        };
        if let Finding::Modern(discover) = &finding {
            self.discovered = Some(Known {
                capabilities: probe.capabilities,
                discover: discover.clone(),
            });
        }
        if self.trial.is_some() {
            // Silence is no proof that it has changed.
            return self.trial_decided(verdict.filter(|_| is_evidence), actions);
        }
        let State::Asking(asking) = &self.state else {
            return;
        };
        let is_host_modern = asking.is_host_modern;
        tracing::debug!(?verdict, is_host_modern, "the remote was asked");
        match finding {
            Finding::Legacy if self.beginning.protocol == Protocol::Modern => {
                let words =
                    "The server does not speak the protocol that --protocol modern asks for.";
                let trouble = Trouble::new("unsupported_version", words);
                let trouble = trouble.hint("Leave out --protocol.");
                let answer = probe.own.and_then(|own| Some(trouble.reply(own.id()?)));
                self.ask_anew(&trouble, answer, actions);
            }
            Finding::Modern(_) => {
                self.verdict = verdict;
                actions.extend(probe.own.map(|_| Action::Reply(answer)));
                let held = self.held();
                self.begin(finding, is_host_modern, held, actions);
            }
            Finding::Legacy => {
                self.verdict = verdict.filter(|_| is_evidence);
                let held = probe.own.into_iter().chain(self.held()).collect();
                self.begin(finding, is_host_modern, held, actions);
            }
            // Whatever a modern host asks, it is refused that for itself, in the server's own words.
            Finding::Refuses(_) if is_host_modern => {
                self.verdict = verdict;
                actions.extend(probe.own.map(|_| Action::Reply(answer)));
                let held = self.held();
                self.begin(Finding::Modern(String::new()), true, held, actions);
            }
            // What the host itself asks for may lead to a credential, and then to an answer. A modern host's request is
            // sent as it is, and the remote is on trial; a legacy host's handshake is sent, and the question is asked
            // again with the credential if the remote does not know that handshake.
            Finding::Challenged => {
                let mut held = self.held();
                match held.pop_front() {
                    Some(first) if is_host_modern => {
                        self.begin_trial(&first, true, actions);
                        for frame in held {
                            self.from_host(frame, actions);
                        }
                    }
                    Some(first) => {
                        self.first = (!self.was_challenged).then(|| first.clone());
                        self.was_challenged = true;
                        held.push_front(first);
                        self.begin(Finding::Legacy, false, held, actions);
                    }
                    None => self.state = State::Fresh,
                }
            }
            Finding::Refuses(trouble) | Finding::Unknown(trouble) => {
                self.ask_anew(&trouble, probe.own.map(|_| answer), actions);
            }
            Finding::Nothing | Finding::Again => {
                let words = "The server does not say what it is.";
                let trouble = Trouble::new("bad_answer", words);
                self.ask_anew(&trouble, probe.own.map(|_| answer), actions);
            }
        }
    }

    /// Nothing is known: the host is told so, and its next request asks again.
    fn ask_anew(&mut self, trouble: &Trouble, answer: Option<Frame>, actions: &mut Vec<Action>) {
        let held = self.held();
        self.state = State::Fresh;
        actions.extend(answer.map(Action::Reply));
        actions.extend(
            held.iter()
                .filter(|frame| frame.is_request())
                .filter_map(|frame| Some(Action::Reply(told(trouble, frame)?))),
        );
    }

    /// Takes what the host says while the remote is being asked.
    pub(super) fn hold(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let State::Asking(asking) = &mut self.state else {
            return;
        };
        if let Some(id) = frame.cancels() {
            let held = asking.held.len();
            let is_it = |held: &Frame| {
                held.is_request() && held.id() == Some(&id) && held.method() != Some("initialize")
            };
            asking.held.retain(|held| !is_it(held));
            match asking.held.len() < held {
                true => actions.push(Action::Forget(id)),
                false => self.question_cancelled(frame, &id, actions),
            }
            return;
        }
        match frame.id().filter(|_| frame.is_request()) {
            Some(id) if frame.method() == Some("ping") => {
                actions.push(Action::Reply(Frame::result(id, "{}")));
            }
            Some(id) if asking.held.len() >= MAX_HELD => {
                let full = Trouble::new("overloaded", "Too much waits for the server already.")
                    .retryable();
                actions.push(Action::Reply(full.reply(id)));
            }
            _ if asking.held.len() >= MAX_HELD => {}
            _ => asking.held.push_back(frame),
        }
    }

    /// The host does not want to know any more; what else it has said may need to (V-11).
    fn question_cancelled(&mut self, cancel: Frame, id: &Id, actions: &mut Vec<Action>) {
        let own = self.probe.as_ref().and_then(|probe| probe.own.as_ref());
        if own.is_none_or(|own| own.id() != Some(id)) {
            return;
        }
        if let Some(mut probe) = self.probe.take() {
            probe.relay.from_host(cancel, actions);
        }
        let held = self.held();
        self.state = State::Fresh;
        for frame in held {
            self.from_host(frame, actions);
        }
    }

    fn held(&mut self) -> VecDeque<Frame> {
        match &mut self.state {
            State::Asking(asking) => std::mem::take(&mut asking.held),
            _ => VecDeque::new(),
        }
    }
}

/// The `_meta` of a legacy host, or of one that skips the handshake.
pub(super) fn declared(first: &Frame) -> Object {
    if first.method() == Some("initialize") {
        legacy_host::declared(first)
    } else {
        legacy_host::declared(&introduction())
    }
}

/// What a host declares in its `_meta` that it can do.
pub(super) fn capabilities(meta: &Object) -> String {
    let capabilities = meta.get(META_CAPABILITIES);
    capabilities.unwrap_or("{}").to_owned()
}

/// The answer to a request that waited for the remote's own.
fn told(trouble: &Trouble, frame: &Frame) -> Option<Frame> {
    let id = frame.id()?;
    if frame.method() != Some("initialize") {
        return Some(trouble.reply(id));
    }
    let requested = frame.param("protocolVersion");
    let requested: Option<String> = requested.and_then(|text| serde_json::from_str(text).ok());
    Some(trouble.reply_to_initialize(id, requested.as_deref()))
}
