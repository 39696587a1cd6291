//! Which request a response is for. Each has an exchange of its own, so that is nearly always told by where it came.

use super::open::OpenExchange;
use super::state::Modern;
use crate::era::{Action, ExchangeId};
use crate::frame::{Frame, Id};

impl Modern {
    /// Returns the id under which the remote knows what this exchange is for.
    pub(super) fn known_as(&self, exchange: ExchangeId) -> Option<&Id> {
        match self.open.get(&exchange)? {
            OpenExchange::Call(call) => Some(&call.id),
            OpenExchange::RefreshTools(refresh_tools) => Some(&refresh_tools.id),
            OpenExchange::Listen(key) => self.subscriptions.id(*key),
        }
    }

    /// Returns the exchange that a response is for: the one it came on, if that still waits, unless a call on another
    /// has its id.
    pub(super) fn owner_of(&self, exchange: ExchangeId, id: Option<&Id>) -> Option<ExchangeId> {
        let own = self.known_as(exchange)?;
        let is_it =
            |open: &OpenExchange| matches!(open, OpenExchange::Call(call) if Some(&call.id) == id);
        let mut others = self.open.iter().filter(|(_, open)| is_it(open));
        match Some(own) == id {
            true => Some(exchange),
            false => others
                .next()
                .map_or(Some(exchange), |(other, _)| Some(*other)),
        }
    }

    /// Takes the answer to a call from the response to another. It is the answer as it is: nothing is sent again for
    /// its sake, for what the call's own response would say is not known.
    pub(super) fn on_response_elsewhere(
        &mut self,
        owner: ExchangeId,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) {
        actions.push(Action::Close(owner));
        if !frame.is_error() {
            return self.on_result(owner, frame, actions);
        }
        if let Some(OpenExchange::Call(call)) = self.open.remove(&owner) {
            let own = call.frame.id().map(|own| frame.with_id(own));
            actions.extend(own.map(Action::Reply));
        }
    }
}
