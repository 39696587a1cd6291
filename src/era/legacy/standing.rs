//! Requests that stand (`era/standing`) in a session: their notifications, on whatever stream, their ends, and a new
//! request in the place of a lost one.
//!
//! What the exchange can resume by the last event id, it resumes (MCP 2025-11-25, basic/transports); a request is lost
//! when that has failed. The new one has an id of its own, for none is used twice in a session (MCP 2025-11-25, basic).

use super::pending::{Pending, Role};
use super::state::{Legacy, Queued};
use crate::era::protocol::META_SUBSCRIPTION;
use crate::era::standing::{AFTERMATH, Taken, unanswered};
use crate::era::{Action, ExchangeId};
use crate::frame::{BridgeError, Frame, Id};

impl Legacy {
    /// Takes a notification of the server's, for the host.
    pub(super) fn on_notification(
        &mut self,
        exchange: ExchangeId,
        frame: Frame,
        actions: &mut Vec<Action>,
    ) {
        // Both sides count their ids: it may be a request of the server's own that it cancels.
        if frame.cancels().is_some_and(|id| self.questions.remove(&id)) {
            return actions.push(Action::Reply(frame));
        }
        let Some((owner, mut pending)) = self
            .standing_of(exchange, &frame)
            .and_then(|owner| self.pending.remove_entry(&owner))
        else {
            return actions.push(Action::Reply(frame));
        };
        let (Some(request), Some(sent), true) = (
            pending.frame.clone(),
            pending.id().cloned(),
            pending.is_owed,
        ) else {
            tracing::debug!(?frame, "the host has cancelled the request");
            self.pending.insert(owner, pending);
            return;
        };
        let own = request.id().unwrap_or(&sent).clone();
        let (did_stand, was_over) = (pending.standing.stands(), pending.standing.is_over());
        let taken = pending.standing.take(&frame, &request, &own, &sent);
        if pending.standing.stands() && !did_stand {
            actions.push(Action::Stand(owner));
        }
        let is_over = pending.standing.is_over() && !was_over;
        match taken {
            Taken::News(frame) => actions.push(Action::Reply(frame)),
            Taken::Known => tracing::debug!(?frame, "the host knows this"),
            Taken::Cancelled(notice) => {
                self.sse.responses.given_up(&sent);
                actions.push(Action::Reply(notice));
                actions.push(Action::Cancelled(own));
                return actions.push(Action::Close(owner));
            }
        }
        self.pending.insert(owner, pending);
        if is_over {
            let token = self.mint.number();
            self.ending.insert(token, owner);
            actions.push(Action::SetTimer {
                after: AFTERMATH,
                token,
                is_retry: false,
            });
        }
    }

    /// Returns the request that a notification belongs to, if that stands, or is shown to by it: the one whose id it has,
    /// or else the one on whose exchange it came.
    fn standing_of(&self, exchange: ExchangeId, frame: &Frame) -> Option<ExchangeId> {
        let mark = frame.meta(META_SUBSCRIPTION).and_then(Id::parse);
        let own = self.pending.get(&exchange);
        let own = own.filter(|own| own.role == Role::Host);
        let stands = own.is_some_and(|own| own.standing.stands());
        let named = mark.or_else(|| {
            let is_shared = self.sse.is_open() || stands;
            frame.cancels().filter(|_| is_shared)
        });
        let is_it = |pending: &Pending| {
            pending.role == Role::Host && pending.id().is_some() && pending.id() == named.as_ref()
        };
        if own.is_some_and(is_it) {
            return Some(exchange);
        }
        // Of two with one id the other is answered, or cancelled.
        let named = self.pending.iter().filter(|(_, pending)| is_it(pending));
        let found = named.max_by_key(|(owner, pending)| (pending.is_owed, **owner));
        let found = found.map(|(owner, _)| *owner);
        found.or_else(|| stands.then_some(exchange))
    }

    /// Takes the loss of a request that stands: it is sent again, if that goes on where it was, or answered.
    pub(super) fn on_standing_lost(
        &mut self,
        mut queued: Queued,
        error: &BridgeError,
        actions: &mut Vec<Action>,
    ) {
        let after = match self.is_host_gone {
            true => None,
            false => queued.standing.lost(error),
        };
        let Some(after) = after else {
            return actions.extend(queued.last_answer(error).map(Action::Reply));
        };
        tracing::debug!(?after, why = error.message, "going on");
        queued.is_again = true;
        queued.is_repeated = false;
        let token = self.mint.number();
        self.lost.insert(token, queued);
        actions.push(Action::SetTimer {
            after,
            token,
            is_retry: true,
        });
    }

    /// Takes the end of the time before a lost request is sent again, or for which an answer was waited for.
    pub(super) fn on_standing_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        if let Some(queued) = self.lost.remove(&token) {
            return self.dispatch(queued, actions);
        }
        let Some(exchange) = self.ending.remove(&token) else {
            return;
        };
        let pending = self.pending.get(&exchange);
        if pending.is_some_and(|pending| pending.is_owed)
            && let Some(pending) = self.pending.remove(&exchange)
        {
            self.sse.responses.given_up_if(pending.id());
            pending.reply(&unanswered(), actions);
            actions.push(Action::Close(exchange));
        }
    }

    /// Forgets the lost request with this id, which the host has cancelled; `false` if there is none.
    pub(super) fn forget_lost(&mut self, id: &Id) -> bool {
        let before = self.lost.len();
        self.lost.retain(|_, queued| queued.frame.id() != Some(id));
        self.lost.len() < before
    }

    /// Ends all requests that stand, for a host that has closed stdin; nothing is owed for them. The server is told.
    pub(super) fn end_standing(&mut self, actions: &mut Vec<Action>) {
        let stands = |pending: &Pending| {
            pending.role == Role::Host && pending.is_owed && pending.standing.stands()
        };
        let mut over: Vec<ExchangeId> = self
            .pending
            .iter()
            .filter(|(_, pending)| stands(pending))
            .map(|(exchange, _)| *exchange)
            .collect();
        over.sort_unstable();
        for exchange in over {
            let Some(pending) = self.pending.remove(&exchange) else {
                continue;
            };
            actions.extend(pending.own_id().cloned().map(Action::Cancelled));
            actions.push(Action::Close(exchange));
            self.sse.responses.given_up_if(pending.id());
            if let Some(id) = pending.id().filter(|_| self.gate.is_open()) {
                let params = format!(r#"{{"requestId":{id},"reason":"the host has left"}}"#);
                let notice = Frame::notification("notifications/cancelled", Some(&params));
                self.post_ours(notice, Role::Cancel(exchange), actions);
            }
        }
        let lost = std::mem::take(&mut self.lost).into_values();
        let mut waiting: Vec<Frame> = lost.map(|queued| queued.frame).collect();
        self.waiting.retain(|queued| {
            let stands = queued.frame.is_request() && queued.standing.stands();
            if stands {
                waiting.push(queued.frame.clone());
            }
            !stands
        });
        let ids = waiting.iter().filter_map(Frame::id).cloned();
        actions.extend(ids.map(Action::Cancelled));
    }
}
