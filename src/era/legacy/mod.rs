//! Host and remote both legacy: a transparent relay with sessions.
//!
//! Frames pass untouched. What is added is transport: the session's headers, the order that servers depend on (`gate`),
//! a session opened again unseen when the server has lost it (`handshake`), and HTTP+SSE (2024-11-05) for servers that
//! have nothing else (`sse`), and requests that outlive their stream (`standing`). `state` has the fields and the way out of a frame.

mod answers;
mod gate;
mod handshake;
mod pending;
mod seen;
mod session;
mod sse;
mod sse_state;
mod standing;
mod state;
mod strays;

use std::collections::VecDeque;

use super::standing::cancelled;
use super::{Action, Arrival, ExchangeId, HttpError, Pair, Relay};
use crate::frame::{BridgeError, Frame, Outline};

use gate::{Gate, Opening};

pub(crate) use pending::error_reply;
pub(in crate::era) use pending::to_bridge_error;
use pending::{Pending, Role, lost_with_session};
pub(crate) use session::is_loss as is_session_loss;
pub use sse_state::Transport;
pub use state::Legacy;
use state::Queued;

impl Legacy {
    fn dispatch(&mut self, queued: Queued, actions: &mut Vec<Action>) {
        match queued.frame.outline() {
            // An answer waits for nothing: the call it belongs to may be what everything else waits for.
            Outline::Response { id, .. } => {
                if let Some(id) = id {
                    self.questions.remove(id);
                }
                if self.gate.is_reopening() {
                    tracing::debug!(frame = ?queued.frame, "an answer for a session that is gone");
                } else {
                    self.post(queued, Role::Host, actions);
                }
            }
            Outline::Notification { .. } if queued.frame.cancels().is_some() => {
                self.cancel(queued, actions);
            }
            // Before the handshake a server need answer nothing else, and one that is being opened again has no session
            // for it.
            Outline::Request { id, method }
                if &**method == "ping" && (!self.gate.is_open() || !self.session.is_open()) =>
            {
                actions.push(Action::Reply(Frame::result(id, "{}")));
            }
            Outline::Request { method, .. } if &**method == "initialize" => {
                self.initialize(queued, actions);
            }
            _ => match self.gate {
                Gate::Open => self.forward(queued, actions),
                Gate::Broken(_) => {
                    self.waiting.push_back(queued);
                    self.reopen(actions);
                }
                _ => {
                    self.waiting.push_back(queued);
                    self.hurry(actions);
                }
            },
        }
    }

    fn forward(&mut self, queued: Queued, actions: &mut Vec<Action>) {
        if self.sse.is_chosen() && !self.sse.is_open() {
            // A host that skipped the handshake still gets its stream.
            self.waiting.push_back(queued);
            return self.open_sse(Opening::First, actions);
        }
        let is_initialized = queued.frame.method() == Some("notifications/initialized");
        self.session.remember(&queued.frame);
        let exchange = self.post(queued, Role::Host, actions);
        if is_initialized {
            self.gate = Gate::Initialized(exchange, Opening::First);
        }
    }

    fn cancel(&mut self, notice: Queued, actions: &mut Vec<Action>) {
        let Some(id) = notice.frame.cancels() else {
            return;
        };
        let is_it = |queued: &Queued| {
            queued.frame.is_request()
                && queued.frame.id() == Some(&id)
                // Not a handshake (MCP 2025-11-25, basic/utilities/cancellation).
                && queued.frame.method() != Some("initialize")
        };
        if let Some(at) = self.waiting.iter().position(is_it) {
            // The remote knows nothing of it, or has lost it with the session.
            self.waiting.remove(at);
            actions.push(Action::Cancelled(id));
            return;
        }
        if self.forget_lost(&id) {
            return actions.push(Action::Cancelled(id));
        }
        let Some((exchange, pending)) = self
            .pending
            .iter_mut()
            .find(|(_, pending)| pending.is_owed && pending.own_id() == Some(&id))
        else {
            return;
        };
        if pending.is_initialize() {
            return; // MCP 2025-11-25, basic/utilities/cancellation
        }
        pending.is_owed = false;
        let exchange = *exchange;
        let notice = match pending.sent.clone() {
            Some(sent) => Queued::new(cancelled(&notice.frame, &sent)),
            None => notice,
        };
        self.sse.responses.given_up_if(pending.id());
        actions.push(Action::Cancelled(id));
        self.post(notice, Role::Cancel(exchange), actions);
    }

    fn on_refused(&mut self, exchange: ExchangeId, refusal: &HttpError, actions: &mut Vec<Action>) {
        let Some(pending) = self.pending.get(&exchange) else {
            return;
        };
        // A standing stream refused at its first opening is not offered: the session is too young to be lost.
        let is_young = self.gate.awaits_stream(exchange);
        // Words that only sound like a loss are believed once per request.
        let is_believed = !pending.is_repeated || session::is_loss_again(refusal);
        if pending.session.is_some() && !is_young && is_believed && session::is_loss(refusal) {
            return self.on_loss_refused(exchange, refusal, actions);
        }
        if self.gate.awaits_first_initialize(exchange) && self.sse.falls_back(refusal) {
            let answer = refusal.frame.clone().filter(Frame::is_response);
            return self.fall_back(exchange, to_bridge_error(refusal), answer, actions);
        }
        if pending.role == Role::Reopen && self.may_ask_now(refusal) {
            self.pending.remove(&exchange);
            return self.reopen(actions);
        }
        if let Some(error) = refusal
            .frame
            .as_ref()
            .filter(|frame| frame.is_response() && pending.is_owed)
        {
            self.on_response(exchange, error.clone(), actions);
        }
        self.on_exchange_over(exchange, &to_bridge_error(refusal), actions);
    }

    /// Cancels a request that has timed out. Closing the connection does not stop a legacy remote (MCP 2025-11-25,
    /// basic/utilities/cancellation), a word does.
    fn on_timeout(&mut self, exchange: ExchangeId, error: &BridgeError, actions: &mut Vec<Action>) {
        let id = self
            .pending
            .get(&exchange)
            .filter(|pending| pending.is_owed && pending.role == Role::Host)
            .filter(|pending| !pending.is_initialize())
            .and_then(Pending::id)
            .cloned();
        self.on_exchange_over(exchange, error, actions);
        if let Some(id) = id {
            self.sse.responses.given_up(&id);
            let params = format!(r#"{{"requestId":{id},"reason":"timed out"}}"#);
            let notice = Frame::notification("notifications/cancelled", Some(&params));
            self.post_ours(notice, Role::Cancel(exchange), actions);
        }
    }

    /// Takes the end of an exchange. If it still owes an answer, `error` is it.
    fn on_exchange_over(
        &mut self,
        exchange: ExchangeId,
        error: &BridgeError,
        actions: &mut Vec<Action>,
    ) {
        if self.gate.awaits_first_initialize(exchange) && self.sse.falls_back_for(error) {
            return self.fall_back(exchange, error.clone(), None, actions);
        }
        let Some(pending) = self.pending.remove(&exchange) else {
            return;
        };
        match pending.role {
            Role::Listen => self.on_listen_over(exchange, error, actions),
            Role::Cancel(of) => {
                // The remote has heard of the cancellation; what is left of that stream is of no use.
                if self.pending.remove(&of).is_some() {
                    actions.push(Action::Close(of));
                }
            }
            Role::Restore if pending.is_owed => {
                tracing::warn!(
                    why = error.message,
                    "the reopened session could not be restored"
                );
                self.count_restored(actions);
            }
            Role::Ping => {}
            Role::Reopen if pending.is_owed && self.gate.awaits_initialize(exchange) => {
                self.give_up(error, actions);
            }
            Role::Host if pending.is_owed && pending.standing.stands() => {
                if let Some(queued) = pending.into_queued(false) {
                    self.on_standing_lost(queued, error, actions);
                }
            }
            Role::Reopen | Role::Restore | Role::Host => {
                if pending.is_owed {
                    pending.reply(error, actions);
                }
                if self.gate.awaits_initialized(exchange) {
                    self.on_initialized(actions);
                } else if self.gate.awaits_initialize(exchange) {
                    self.open_gate(actions);
                }
            }
        }
    }
}

impl Relay for Legacy {
    fn pair(&self) -> Pair {
        Pair::Legacy
    }

    fn on_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        self.dispatch(Queued::new(frame), actions);
    }

    /// Returns how many frames of the host wait for the session.
    fn waiting(&self) -> usize {
        self.waiting.len() + self.lost.len()
    }

    fn on_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>) {
        match arrival {
            Arrival::Opened(head) => {
                if self.listening == Some(exchange) && self.sse.is_open() {
                    self.sse.has_served(); // it is told a second time when the stream has stood for a while
                }
                if let Some(pending) = self.pending.get_mut(&exchange) {
                    pending.head = head;
                }
                if self.gate.awaits_stream(exchange) {
                    self.restore(actions);
                }
            }
            Arrival::Endpoint(endpoint) => self.on_endpoint(exchange, endpoint, actions),
            Arrival::Frame(frame) => self.on_server_message(exchange, frame, actions),
            Arrival::Accepted(_) => {
                // HTTP+SSE answers on its stream, so there the debt stays.
                let is_owed = self
                    .pending
                    .get(&exchange)
                    .is_some_and(|pending| pending.is_owed);
                if !(is_owed && self.sse.is_open()) {
                    let empty = "The server accepted the request but sent no answer.";
                    self.on_exchange_over(
                        exchange,
                        &BridgeError::new("bad_answer", empty),
                        actions,
                    );
                }
            }
            Arrival::Ended => {
                let lost = "The server ended its response without an answer.";
                self.on_exchange_over(
                    exchange,
                    &BridgeError::new("cut", lost).retryable(),
                    actions,
                );
            }
            Arrival::Failed(error) => self.on_exchange_over(exchange, &error, actions),
            Arrival::GivenUp(error) => self.on_timeout(exchange, &error, actions),
            Arrival::Refused(refusal) => self.on_refused(exchange, &refusal, actions),
            Arrival::LostWithSession(refusal) => {
                let session = self
                    .pending
                    .get(&exchange)
                    .and_then(|pending| pending.session);
                self.on_exchange_over(exchange, &lost_with_session(&refusal), actions);
                self.on_session_lost(session, actions);
            }
        }
    }

    fn ping(&mut self, actions: &mut Vec<Action>) {
        let is_one_out = |pending: &Pending| pending.role == Role::Ping;
        if self.gate.is_open() && self.session.has_begun() && !self.pending.values().any(is_one_out)
        {
            let ping = Frame::request(&self.fresh_id(), "ping", None);
            self.post_ours(ping, Role::Ping, actions);
        }
    }

    fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        self.is_host_gone = true;
        self.end_standing(actions);
        if !self.sse.is_chosen()
            && let Some(exchange) = self.listening.take()
        {
            self.pending.remove(&exchange);
            actions.push(Action::Close(exchange));
            if self.gate.awaits_stream(exchange) {
                self.restore(actions);
            }
        }
    }

    /// Ends the session, if the server keeps one (MCP 2025-11-25, basic/transports).
    fn leave(&mut self, actions: &mut Vec<Action>) {
        if self.session.named().is_some() && !self.sse.is_chosen() {
            actions.push(Action::EndSession(self.session.headers()));
        }
    }

    fn abandon(&mut self, actions: &mut Vec<Action>) {
        let mut open: Vec<_> = self.pending.drain().map(|(exchange, _)| exchange).collect();
        open.sort_unstable();
        actions.extend(open.into_iter().map(Action::Close));
        self.lost.clear();
        self.questions.clear();
        self.leave(actions);
    }

    fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        self.on_stray_timer(token, actions);
        self.on_standing_timer(token, actions);
    }

    fn waiting_for_handshake(&self, exchange: ExchangeId) -> Option<VecDeque<Frame>> {
        let asked = self.all_that_is_asked(exchange)?;
        (asked.method() == Some("initialize")).then(|| [asked.clone()].into())
    }
}
