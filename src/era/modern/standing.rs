//! Calls that stand (`era/standing`): their notifications, their ends, and a new request in the place of a lost one.

use super::open::{Call, LostRequest, OpenExchange};
use super::state::Modern;
use crate::era::standing::{AFTERMATH, Taken, unanswered};
use crate::era::{Action, ExchangeId};
use crate::frame::{BridgeError, Frame, Id};

impl Modern {
    /// Takes a notification on the response of a call.
    pub(super) fn on_call_notification(
        &mut self,
        exchange: ExchangeId,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) {
        let Some(OpenExchange::Call(call)) = self.open.get_mut(&exchange) else {
            return;
        };
        if call.goes_back(frame) {
            return;
        }
        let (did_stand, was_over) = (call.standing.stands(), call.standing.is_over());
        let own = call.own().clone();
        let taken = call.standing.take(frame, &call.frame, &own, &call.id);
        if call.standing.stands() && !did_stand {
            actions.push(Action::Stand(exchange));
        }
        let is_over = call.standing.is_over() && !was_over;
        match taken {
            Taken::News(frame) => actions.push(Action::Reply(frame)),
            Taken::Known => tracing::debug!(?frame, "the host knows this"),
            Taken::Cancelled(notice) => {
                self.open.remove(&exchange);
                actions.push(Action::Reply(notice));
                actions.push(Action::Cancelled(own));
                actions.push(Action::Close(exchange));
            }
        }
        if is_over {
            let token = self.mint.number();
            self.ending.insert(token, exchange);
            actions.push(Action::SetTimer {
                after: AFTERMATH,
                token,
                is_retry: false,
            });
        }
    }

    /// Answers a call that the server has ended with a notification, and not answered since.
    pub(super) fn on_ending_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        let Some(exchange) = self.ending.remove(&token) else {
            return;
        };
        if let Some(OpenExchange::Call(call)) = self.open.remove(&exchange) {
            actions.push(Action::Reply(call.last_answer(&unanswered())));
            actions.push(Action::Close(exchange));
        }
    }

    /// Asks for the time to send this call again, if it stands and may go on; gives it back otherwise.
    pub(super) fn wait_to_go_on(
        &mut self,
        mut call: Call,
        error: &BridgeError,
        actions: &mut Vec<Action>,
    ) -> Option<Call> {
        let Some(after) = call.standing.lost(error) else {
            return Some(call);
        };
        let method = call.frame.method();
        tracing::debug!(method, ?after, why = error.message, "going on");
        let token = self.mint.number();
        self.waiting.insert(token, LostRequest::Call(call));
        actions.push(Action::SetTimer {
            after,
            token,
            is_retry: true,
        });
        None
    }

    /// Ends all calls that stand; nothing is owed for them.
    pub(super) fn end_standing(&mut self, actions: &mut Vec<Action>) {
        let mut over: Vec<(Option<ExchangeId>, Id)> = Vec::new();
        self.open.retain(|exchange, open| match open {
            OpenExchange::Call(call) if call.standing.stands() => {
                over.push((Some(*exchange), call.own().clone()));
                false
            }
            _ => true,
        });
        self.waiting.retain(|_, waiting| {
            let call = waiting.call();
            if call.standing.stands() {
                over.push((None, call.own().clone()));
            }
            !call.standing.stands()
        });
        over.sort_by_key(|(exchange, _)| *exchange);
        for (exchange, own) in over {
            actions.push(Action::Cancelled(own));
            actions.extend(exchange.map(Action::Close));
        }
    }
}

impl Call {
    /// Returns the host's id.
    pub(super) fn own(&self) -> &Id {
        self.frame.id().unwrap_or(&self.id)
    }

    /// Returns the answer to a call that stands and is lost for good.
    pub(super) fn last_answer(&self, error: &BridgeError) -> Frame {
        self.standing.last_answer(self.own(), error)
    }
}
