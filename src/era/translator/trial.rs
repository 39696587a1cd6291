//! A remote that an earlier start found to be modern is on trial: what the host says goes out at once, and its answers are
//! the proof (architecture.md 14.3).
//!
//! An answer that a legacy remote would give too is kept until the question has been asked after all. If the remote has
//! changed, what the host has said is said again the other way, except what may be done already.

use std::collections::VecDeque;

use super::opening::Opening;
use super::probing::{capabilities, declared};
use super::{Found, State, Translator, Verdict};
use crate::era::detect::{self, Evidence, Finding};
use crate::era::legacy::told;
use crate::era::{Action, Arrival, ExchangeId, Known, LegacyHost, Modern, is_harmless};
use crate::frame::{Frame, Id, Trouble};

/// What is to be done if the remote is not what it is taken for.
#[derive(Debug, Default)]
pub(super) struct Trial {
    /// The host's words that open a session, and its requests that are owed an answer.
    said: Vec<Frame>,
    /// Answers the host has not been told, for they mean nothing if the remote is legacy.
    doubtful: Vec<Frame>,
}

impl Trial {
    /// It need not be said again. A handshake need always be.
    fn strike(&mut self, id: Option<&Id>) {
        self.said
            .retain(|said| said.id() != id || said.method() == Some("initialize"));
    }

    fn is_refused(&self, id: Option<&Id>) -> bool {
        self.doubtful.iter().any(|answer| answer.id() == id)
    }
}

impl Translator {
    /// What the server has said of itself an earlier time, if that may be repeated to a host that asks so: for one whose own
    /// question has to wait for a user.
    pub fn remembered(&self, discover: &Frame) -> Option<&str> {
        let asked = capabilities(&declared(discover));
        let mut known = self.beginning.known.iter();
        let known = known.find(|known| known.capabilities == asked)?;
        Some(&known.discover)
    }

    /// Begins at once with a remote that is remembered to be modern. `false` if that cannot be: the handshake of a legacy
    /// host needs to know more than that, and what it is answered cannot be taken back, for a host reads instructions and
    /// capabilities once. So it is answered from memory only with what the server has said may be repeated, for as long as
    /// that, to a host that can do the same (K-01, K-02).
    pub(super) fn begin_trial(
        &mut self,
        first: &Frame,
        is_host_modern: bool,
        actions: &mut Vec<Action>,
    ) -> bool {
        if is_host_modern {
            self.cache.clear();
            self.state = State::Modern(Box::new(Modern::new(self.mint())));
            self.serving = self.made;
            self.trial = Some(Trial::default());
            self.serve(first.clone(), actions);
            return true;
        }
        let asked = capabilities(&declared(first));
        let mut known = self.beginning.known.iter();
        let known = known.find(|known| known.capabilities == asked).cloned();
        let Some(known) = known.filter(|_| first.method() == Some("initialize")) else {
            return false;
        };
        tracing::debug!("the handshake is answered from memory");
        self.cache.clear();
        let mint = self.mint();
        self.serving = self.made;
        let mut done = Vec::new();
        let called = &self.beginning.server;
        let relay = LegacyHost::new(mint, &known.discover, called, first.clone(), &mut done);
        self.state = State::LegacyHost(Box::new(relay));
        self.wakes.note(self.serving, &mut done);
        actions.extend(done);
        self.trial = Some(Trial {
            said: vec![first.clone()],
            doubtful: Vec::new(),
        });
        true
    }

    /// Passes on a frame of the host's, and keeps it for as long as it may have to be said again.
    pub(super) fn pass(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if let Some(trial) = &mut self.trial {
            if let Some(id) = frame.cancels() {
                trial.strike(Some(&id));
                if trial.is_refused(Some(&id)) {
                    // The relay thinks that it has been answered.
                    trial.doubtful.retain(|answer| answer.id() != Some(&id));
                    actions.push(Action::Forget(id));
                }
            } else if frame.is_request() || frame.method() == Some("notifications/initialized") {
                trial.said.push(frame.clone());
            }
        }
        let mut done = Vec::new();
        match &mut self.state {
            State::Fresh | State::Asking(_) => {}
            State::Legacy(relay) => relay.from_host(frame, &mut done),
            State::Modern(relay) => relay.from_host(frame, &mut done),
            State::LegacyHost(relay) => relay.from_host(frame, &mut done),
            State::ModernHost(relay) => relay.from_host(frame, &mut done),
        }
        self.tell(done, actions);
    }

    /// Passes on what a relay has done, past the cache; what has been answered, or needs no answer,
    /// need not be said again.
    pub(super) fn tell(&mut self, mut done: Vec<Action>, actions: &mut Vec<Action>) {
        self.wakes.note(self.serving, &mut done);
        if let Some(trial) = &mut self.trial {
            for action in &done {
                match action {
                    Action::Reply(frame) if frame.is_response() => trial.strike(frame.id()),
                    // Nothing is owed to a subscription that the server has ended.
                    Action::Forget(id) => trial.strike(Some(id)),
                    _ => {}
                }
            }
        }
        self.cache.saw(&done);
        actions.extend(done);
    }

    /// Takes what came of something else than the question.
    pub(super) fn on_trial(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let evidence = detect::evidence(&arrival);
        let mut done = Vec::new();
        match &mut self.state {
            State::Modern(relay) => relay.from_remote(exchange, arrival, &mut done),
            State::LegacyHost(relay) => relay.from_remote(exchange, arrival, &mut done),
            _ => {}
        }
        match evidence {
            Evidence::Nothing => self.tell(done, actions),
            Evidence::Modern => {
                self.is_modern_after_all(actions);
                self.tell(done, actions);
            }
            Evidence::Doubt => self.doubt(done, actions),
        }
    }

    fn doubt(&mut self, done: Vec<Action>, actions: &mut Vec<Action>) {
        let is_answer =
            |action: &Action| matches!(action, Action::Reply(frame) if frame.is_response());
        let (answers, done): (Vec<_>, Vec<_>) = done.into_iter().partition(is_answer);
        self.tell(done, actions);
        let Some(trial) = &mut self.trial else {
            return;
        };
        for action in answers {
            if let Action::Reply(frame) = action {
                trial.doubtful.push(frame);
            }
        }
        // Where nobody waits for an answer there is nothing to be said again, and no hurry to know.
        if let Some(first) = trial.said.first().cloned().filter(|_| self.probe.is_none()) {
            tracing::debug!("the server was remembered to be modern; it is asked after all");
            let is_host_modern = matches!(self.state, State::Modern(_));
            self.probe(&first, is_host_modern, false, actions);
        }
    }

    /// The question was answered, or it is known that nobody can tell now.
    pub(super) fn trial_decided(
        &mut self,
        finding: Finding,
        capabilities: String,
        actions: &mut Vec<Action>,
    ) {
        match finding {
            Finding::Legacy => self.is_legacy_after_all(actions),
            Finding::Modern(discover) => {
                self.discovered = Some(Known {
                    capabilities,
                    discover,
                });
                self.is_modern_after_all(actions);
            }
            Finding::Refuses(_) => self.is_modern_after_all(actions),
            _ => self.tell_the_doubtful(actions),
        }
    }

    fn is_modern_after_all(&mut self, actions: &mut Vec<Action>) {
        self.tell_the_doubtful(actions);
        self.found_modern(false);
        self.trial = None;
    }

    fn tell_the_doubtful(&mut self, actions: &mut Vec<Action>) {
        let trial = self.trial.as_mut();
        let doubtful = trial.map(|trial| std::mem::take(&mut trial.doubtful));
        let told = doubtful.into_iter().flatten().map(Action::Reply);
        self.tell(told.collect(), actions);
    }

    fn is_legacy_after_all(&mut self, actions: &mut Vec<Action>) {
        let Some(trial) = self.trial.take() else {
            return;
        };
        tracing::warn!("the server was modern at an earlier start, and is not any more");
        let is_host_modern = matches!(self.state, State::Modern(_));
        match &mut self.state {
            State::Modern(relay) => relay.abandon(actions),
            State::LegacyHost(relay) => relay.abandon(actions),
            _ => {}
        }
        self.opening = Some(Opening::asked(Some(Verdict::Legacy), true));
        self.found = Some(Found {
            verdict: Verdict::Legacy,
            is_sure: true,
        });
        let mut again = VecDeque::new();
        for frame in &trial.said {
            let may_be_done = frame.is_request()
                && !frame.method().is_some_and(is_harmless)
                && !trial.is_refused(frame.id());
            if may_be_done {
                let lost = Trouble::new("cut", "The server has changed; the answer is lost.");
                actions.extend(told(frame, &lost).map(Action::Reply));
            } else {
                again.push_back(frame.clone());
            }
        }
        self.begin(Finding::Legacy, is_host_modern, again, actions);
    }
}
