//! Which request a response is for, and what becomes of a message of the server's.
//!
//! A response that comes on a request's own exchange is for that request, unless its id is that of another one. On a
//! stream that serves many (HTTP+SSE's, or the standing one) its id decides, however it is spelled; and where the id
//! fits no request at all, HTTP+SSE's responses are for the one request that is open, if there is only one. If there
//! are more, no one can tell: each of them gets an error of its own when nothing better has come for a while.

use std::time::Duration;

use super::pending::{Pending, Role};
use super::state::Legacy;
use super::strays::{hash, is_unusable, keep};
use crate::era::{Action, ExchangeId, Head};
use crate::frame::{BridgeError, Frame, INTERNAL_ERROR, METHOD_NOT_FOUND, Outline, member_of};

/// Requests of the remote that may wait for a host that is not ready.
const MAX_EARLY: usize = 256;

/// Requests of the remote that are remembered until the host has answered them.
const MAX_QUESTIONS: usize = 1024;

/// The time for which a response that fits no request is held back, for one that fits better.
const UNCLEAR: Duration = Duration::from_secs(10);
/// Responses that may wait for that.
const MAX_STRAYS: usize = 1000;

impl Legacy {
    pub(super) fn on_server_message(
        &mut self,
        exchange: ExchangeId,
        frame: Frame,
        actions: &mut Vec<Action>,
    ) {
        match frame.outline() {
            Outline::Response { .. } => self.on_response(exchange, frame, actions),
            Outline::Request { id, .. } if self.is_host_gone => {
                let refusal = Frame::error(Some(id), METHOD_NOT_FOUND, "The host has left.", None);
                self.post_ours(refusal, Role::Host, actions);
            }
            Outline::Request { id, method } if !self.is_host_ready && &**method != "ping" => {
                if self.early.len() < MAX_EARLY {
                    return self.early.push(frame);
                }
                let refusal =
                    Frame::error(Some(id), INTERNAL_ERROR, "Too many requests at once.", None);
                self.post_ours(refusal, Role::Host, actions);
            }
            Outline::Request { id, .. } => {
                if self.questions.len() < MAX_QUESTIONS {
                    self.questions.insert(id.clone());
                }
                actions.push(Action::Reply(frame));
            }
            Outline::Notification { .. } => self.on_notification(exchange, frame, actions),
        }
    }

    pub(super) fn on_response(
        &mut self,
        exchange: ExchangeId,
        frame: Frame,
        actions: &mut Vec<Action>,
    ) {
        if let Some(owner) = self.owner_of(exchange, &frame) {
            if self.sse.is_open() {
                // The server knows whom it answers: what fitted no request was for none.
                self.sse.responses.forget_strays();
            }
            self.deliver(owner, &frame, actions);
        } else if self.sse.is_open() && self.listening == Some(exchange) {
            self.on_stray_response(frame, actions);
        } else {
            tracing::debug!(?frame, "an answer nobody waits for");
        }
    }

    /// Returns the exchange of the request that a response is for.
    fn owner_of(&self, exchange: ExchangeId, frame: &Frame) -> Option<ExchangeId> {
        let own = self.pending.get(&exchange).filter(|own| own.is_owed);
        let is_own = own.and_then(Pending::id).is_some();
        let Some(id) = frame.id() else {
            return is_own.then_some(exchange);
        };
        if own.is_some_and(|own| own.awaits(id)) {
            return Some(exchange);
        }
        let open = || self.pending.iter().filter(|(_, pending)| pending.is_owed);
        let exact = open().find(|(_, pending)| pending.awaits(id));
        if let Some((owner, _)) = exact {
            return Some(*owner);
        }
        if is_own {
            return Some(exchange);
        }
        let mut alike = open().filter(|(_, it)| it.id().is_some_and(|it| it.is_like(id)));
        match (alike.next(), alike.next()) {
            (Some((owner, _)), None) => Some(*owner),
            _ => None,
        }
    }

    fn deliver(&mut self, owner: ExchangeId, frame: &Frame, actions: &mut Vec<Action>) {
        let Some(pending) = self.pending.get_mut(&owner) else {
            return;
        };
        pending.is_owed = false;
        let (head, role, is_initialize) =
            (pending.head.clone(), pending.role, pending.is_initialize());
        let answer = pending.answer(frame);
        if self.sse.is_open() {
            keep(&mut self.sse.responses.passed, hash(frame));
            self.pending.remove(&owner); // its own exchange has ended, or only waits for the answer now
            actions.push(Action::Close(owner));
            if role == Role::Host && !is_initialize {
                self.sse.has_served();
            }
        }
        if self.gate.awaits_initialize(owner) {
            return self.on_initialize_response(role, &head, answer, actions);
        }
        match role {
            Role::Restore => self.on_restore_response(&answer, actions),
            Role::Host => {
                actions.push(Action::Reply(answer));
                if is_initialize {
                    end_session_of(&head, actions);
                }
            }
            Role::Reopen => end_session_of(&head, actions),
            Role::Cancel(_) | Role::Ping | Role::Listen => {}
        }
    }

    /// Takes a response on HTTP+SSE's stream whose id is that of no open request.
    fn on_stray_response(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if self.sse.responses.is_past(&frame) {
            return tracing::debug!(?frame, "an answer nobody waits for any more");
        }
        let mut open: Vec<ExchangeId> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.is_owed && pending.id().is_some())
            .map(|(exchange, _)| *exchange)
            .collect();
        open.sort_unstable();
        let is_doubtful = self.sse.responses.is_doubtful(&frame);
        match open.as_slice() {
            [] => return tracing::debug!(?frame, "an answer nobody waits for"),
            [owner] if !is_doubtful => {
                if !std::mem::replace(&mut self.sse.responses.has_warned, true) {
                    tracing::warn!(
                        "the server answers under other ids than it is asked with; an answer is taken for the one open request"
                    );
                }
                return self.deliver(*owner, &frame, actions);
            }
            _ => {}
        }
        let stream = &mut self.sse.responses;
        stream.strays.push(frame);
        for exchange in open {
            if !stream.candidates.contains(&exchange) {
                stream.candidates.push(exchange);
            }
        }
        let are_many = stream.strays.len() >= MAX_STRAYS;
        if stream.strays.len() >= stream.candidates.len() && !is_doubtful || are_many {
            return self.decide_strays(actions); // all have been answered, and none can be told from the other
        }
        if stream.token.is_none() {
            let token = self.mint.number();
            self.sse.responses.token = Some(token);
            actions.push(Action::SetTimer {
                after: UNCLEAR,
                token,
                is_retry: false,
            });
        }
    }

    /// Takes the end of the time that answers without an owner are kept for.
    pub(super) fn on_stray_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        if self.sse.responses.token == Some(token) {
            self.decide_strays(actions);
        }
    }

    fn decide_strays(&mut self, actions: &mut Vec<Action>) {
        let strays = std::mem::take(&mut self.sse.responses.strays);
        let mut open = std::mem::take(&mut self.sse.responses.candidates);
        self.sse.responses.forget_strays();
        open.retain(|exchange| self.pending.get(exchange).is_some_and(|it| it.is_owed));
        if let ([owner], [stray]) = (open.as_slice(), strays.as_slice()) {
            return self.deliver(*owner, &stray.clone(), actions);
        }
        let unclear = match strays.iter().find(|stray| is_unusable(stray)) {
            Some(stray) => message_of(stray),
            None => format!(
                "The server answers under ids that no request has; which of {} open requests it means cannot be told.",
                open.len()
            ),
        };
        for exchange in open {
            self.on_exchange_over(
                exchange,
                &BridgeError::new("bad_answer", &*unclear),
                actions,
            );
            actions.push(Action::Close(exchange));
        }
    }
}

/// Returns the message of an error.
fn message_of(error: &Frame) -> String {
    error
        .member("error")
        .and_then(|error| member_of(error, "message"))
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Ends a session that was opened for an `initialize` that counts no more.
fn end_session_of(head: &Head, actions: &mut Vec<Action>) {
    if let Some(headers) = super::session::naming(head) {
        actions.push(Action::EndSession(headers));
    }
}
