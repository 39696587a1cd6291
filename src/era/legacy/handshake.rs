//! Opening the session, in the order servers depend on, and opening it again when it is lost.
//!
//! `initialize`, its answer; `notifications/initialized`, its acceptance; the standing stream. Until each has come,
//! later frames wait (MCP 2025-11-25, basic/lifecycle). When the remote has lost the session, the same steps are gone
//! through unseen with the host's own parameters, the log level and the subscriptions are said again, and what was
//! waiting is posted once (MCP 2025-11-25, basic/transports). Losses noticed by several exchanges make one reopening.

use super::gate::{Gate, Opening};
use super::pending::{Pending, Role, lost_with_session};
use super::session;
use super::state::{Legacy, Queued};
use crate::era::{Action, ExchangeId, Head, HttpError, Listen, Relay, Standalone};
use crate::frame::{BridgeError, Frame, Outline};

impl Legacy {
    pub(super) fn initialize(&mut self, queued: Queued, actions: &mut Vec<Action>) {
        self.end_before(actions);
        self.session.begin(&queued.frame);
        self.is_host_ready = false;
        if self.sse.is_chosen() && !self.sse.is_open() {
            if self.gate.awaits_endpoint() {
                self.gate = Gate::Endpoint(Opening::First);
                // The stream is on its way. What waits for it comes after, unless it is another of these.
                let is_initialize = |it: &Queued| it.frame.method() == Some("initialize");
                return match self.waiting.iter().any(is_initialize) {
                    true => self.waiting.push_back(queued),
                    false => self.waiting.push_front(queued),
                };
            }
            self.waiting.push_front(queued);
            return self.open_sse(Opening::First, actions);
        }
        let exchange = self.post(queued, Role::Host, actions);
        self.gate = Gate::Initialize(exchange, Opening::First);
    }

    /// Ends the session that the host had before, if it had one: what it still waits for there is answered, its streams
    /// are closed, and the server is told. An `initialize` that is under way goes on, for what it opens has to be ended
    /// too. HTTP+SSE has no word for the end of a session, and its stream serves the next one as well.
    fn end_before(&mut self, actions: &mut Vec<Action>) {
        if !self.session.has_begun() {
            return;
        }
        let keeps_stream = self.sse.is_chosen();
        let stays = |exchange: ExchangeId, pending: &Pending| {
            pending.is_initialize() && pending.is_owed
                || keeps_stream && self.listening == Some(exchange)
        };
        let mut over: Vec<ExchangeId> = self
            .pending
            .iter()
            .filter(|(exchange, pending)| !stays(**exchange, pending))
            .map(|(exchange, _)| *exchange)
            .collect();
        over.sort_unstable();
        let anew = BridgeError::new("superseded", "The host has begun anew with initialize.");
        for exchange in over {
            if let Some(pending) = self.pending.remove(&exchange)
                && pending.is_owed
            {
                pending.reply(&anew, actions);
                self.sse.responses.given_up_if(pending.id());
            }
            actions.push(Action::Close(exchange));
        }
        for queued in std::mem::take(&mut self.lost).into_values() {
            actions.extend(queued.last_answer(&anew).map(Action::Reply));
        }
        self.early.clear();
        self.leave(actions);
        if !keeps_stream {
            self.listening = None;
        }
    }

    pub(super) fn on_initialize_response(
        &mut self,
        role: Role,
        head: &Head,
        frame: Frame,
        actions: &mut Vec<Action>,
    ) {
        let result = frame
            .member("result")
            .filter(|_| frame.member("error").is_none());
        if let Some(result) = result {
            // HTTP+SSE's stream is the session: there is no other to name, or to lose (MCP 2024-11-05,
            // basic/transports).
            let none = Head::default();
            let head = if self.sse.is_chosen() { &none } else { head };
            self.session.opened(head, result);
            self.sse.settled();
        }
        match (role, result) {
            (Role::Reopen, Some(_)) => {
                let initialized = Frame::notification("notifications/initialized", None);
                let exchange = self.post_ours(initialized, Role::Reopen, actions);
                self.gate = Gate::Initialized(exchange, Opening::Again);
            }
            (Role::Reopen, None) => {
                let refused = "The server lost the session and refuses to open a new one.";
                self.give_up(&BridgeError::new("session_lost", refused), actions);
            }
            _ => {
                actions.push(Action::Reply(frame));
                self.open_gate(actions);
            }
        }
    }

    /// Goes on when `notifications/initialized` has been accepted, or has failed in a way that the next request will
    /// tell better.
    pub(super) fn on_initialized(&mut self, actions: &mut Vec<Action>) {
        self.is_host_ready = true;
        actions.extend(self.early.drain(..).map(Action::Reply));
        if self.sse.is_chosen() || self.listening.is_some() || self.is_host_gone {
            return self.restore(actions);
        }
        let exchange = self.mint.exchange();
        self.pending
            .insert(exchange, Pending::listening(self.session.named()));
        self.listening = Some(exchange);
        self.gate = Gate::Listening(exchange, self.gate.opening());
        actions.push(Action::Listen(Listen {
            exchange,
            headers: self.session.headers(),
            kind: Standalone::Get,
            is_asked_by_host: false,
        }));
    }

    /// Says again what a reopened session must know. Nothing, the first time.
    pub(super) fn restore(&mut self, actions: &mut Vec<Action>) {
        if !self.gate.is_reopening() {
            return self.open_gate(actions);
        }
        let mut requests = self.session.restoration();
        for request in &mut requests {
            *request = request.with_id(&self.fresh_id());
        }
        self.gate = Gate::Restoring(requests.len());
        if requests.is_empty() {
            return self.reopened(actions);
        }
        for request in requests {
            self.post_ours(request, Role::Restore, actions);
        }
    }

    pub(super) fn on_restore_response(&mut self, answer: &Frame, actions: &mut Vec<Action>) {
        if answer.is_error() {
            tracing::warn!("the reopened session refused its log level or a subscription");
        }
        self.count_restored(actions);
    }

    pub(super) fn count_restored(&mut self, actions: &mut Vec<Action>) {
        if let Gate::Restoring(left) = &mut self.gate {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.reopened(actions);
            }
        }
    }

    fn reopened(&mut self, actions: &mut Vec<Action>) {
        tracing::info!("the session was lost and is open again");
        actions.extend(self.session.announcements().into_iter().map(Action::Reply));
        self.open_gate(actions);
    }

    pub(super) fn open_gate(&mut self, actions: &mut Vec<Action>) {
        self.gate = Gate::Open;
        while self.gate.is_open()
            && let Some(queued) = self.waiting.pop_front()
        {
            self.dispatch(queued, actions);
        }
    }

    /// Takes a refusal that says that the session is gone: the request waits for the next one, once.
    pub(super) fn on_loss_refused(
        &mut self,
        exchange: ExchangeId,
        refusal: &HttpError,
        actions: &mut Vec<Action>,
    ) {
        let Some(pending) = self.pending.remove(&exchange) else {
            return;
        };
        let session = pending.session;
        debug_assert!(session::is_loss(refusal));
        match pending.role {
            Role::Listen => {
                self.listening = self.listening.filter(|listening| *listening != exchange);
            }
            Role::Host if pending.is_repeated && pending.is_owed && pending.standing.stands() => {
                if let Some(queued) = pending.into_queued(true) {
                    self.on_standing_lost(queued, &lost_with_session(refusal), actions);
                }
            }
            Role::Host if pending.is_repeated => {
                pending.reply(&lost_with_session(refusal), actions);
            }
            Role::Host => {
                let is_worth_repeating = pending.is_owed
                    || pending.frame.as_ref().is_some_and(|frame| {
                        matches!(frame.outline(), Outline::Notification { method } if &**method != "notifications/initialized")
                    });
                if is_worth_repeating {
                    self.waiting.extend(pending.into_queued(true));
                }
            }
            // What these were about went with the session.
            Role::Cancel(_) | Role::Restore | Role::Reopen | Role::Ping => {}
        }
        self.on_session_lost(session, actions);
    }

    /// Opens the session again when the one of that opening is gone. Only the first to notice does anything about it.
    pub(super) fn on_session_lost(&mut self, session: Option<u64>, actions: &mut Vec<Action>) {
        if session.is_some() && session == self.session.named() {
            self.session.lose();
            self.questions.clear();
            // Its standing stream would outlive it, and the next session would get none.
            if let Some(exchange) = self.listening.take() {
                self.pending.remove(&exchange);
                actions.push(Action::Close(exchange));
            }
            if matches!(
                self.gate,
                Gate::Initialized(..) | Gate::Listening(..) | Gate::Restoring(_)
            ) && self.gate.is_reopening()
            {
                // Lost again before it was usable: once is repaired, twice is reported.
                return self.give_up(
                    &BridgeError::new("session_lost", "The server keeps losing the session."),
                    actions,
                );
            }
            self.reopen(actions);
        } else if self.gate.is_open() {
            self.open_gate(actions); // opened again meanwhile: what was waiting goes now
        } else if self.gate.is_broken() && !self.waiting.is_empty() {
            self.reopen(actions); // could not be opened meanwhile: without this there would be no other try
        }
    }

    /// Says whether requests of the host wait for the session.
    pub(super) fn has_requests_waiting(&self) -> bool {
        self.waiting.iter().any(|queued| queued.frame.is_request())
    }

    /// Says whether a session that was to be opened again before the host asked for anything was refused for want of a
    /// credential, and the host has asked for something since, so that one may be got.
    pub(super) fn may_ask_now(&self, refusal: &HttpError) -> bool {
        matches!(refusal.status, 401 | 403) && self.has_requests_waiting()
    }

    pub(super) fn reopen(&mut self, actions: &mut Vec<Action>) {
        if !self.session.has_begun() {
            return self.open_gate(actions);
        }
        if self.sse.is_chosen() && !self.sse.is_open() {
            return self.open_sse(Opening::Again, actions);
        }
        let id = self.fresh_id();
        let initialize = self.session.initialize_again(&id);
        let exchange = self.post_ours(initialize, Role::Reopen, actions);
        self.gate = Gate::Initialize(exchange, Opening::Again);
    }

    /// Gives the opening up: every request that waited is answered so, and the next request tries again.
    pub(super) fn give_up(&mut self, why: &BridgeError, actions: &mut Vec<Action>) {
        let opening = self.gate.opening();
        self.give_up_opening(opening, why, actions);
    }

    /// Does so for a session that is opened on this occasion.
    pub(super) fn give_up_opening(
        &mut self,
        opening: Opening,
        why: &BridgeError,
        actions: &mut Vec<Action>,
    ) {
        self.gate = match opening {
            Opening::First => Gate::Open,
            Opening::Again => Gate::Broken(why.clone()),
        };
        for queued in std::mem::take(&mut self.waiting) {
            match queued.frame.outline() {
                Outline::Request { .. } if queued.standing.stands() => {
                    self.on_standing_lost(queued, why, actions);
                }
                Outline::Request { id, .. } => actions.push(Action::Reply(why.reply(id))),
                _ => {}
            }
        }
    }
}
