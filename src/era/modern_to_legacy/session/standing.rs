//! Requests of the host that stand (`era/standing`), under the host's ids. The relay of the session keeps them alive.

use super::calls::{ParkableCall, ParkableCalls};
use super::link::Link;
use crate::era::Action;
use crate::era::protocol;
use crate::era::standing::cancelled;
use crate::era::subscriptions;
use crate::frame::{Frame, Id};

impl ParkableCall {
    fn stands(&self) -> bool {
        self.is_marked || protocol::standing(&self.method).is_some()
    }
}

impl ParkableCalls {
    /// Returns a notification under the host's id of the request that it belongs to; the very same frame if that is none of
    /// the host's.
    pub(super) fn told(&mut self, frame: Frame, link: &Link) -> Frame {
        let number = subscriptions::id_of(&frame).and_then(|id| link.number_of(&id));
        let Some(call) = number.and_then(|number| self.open.get_mut(&number)) else {
            return frame;
        };
        call.is_marked |= !protocol::is_known(&call.method);
        let own = call.host.as_ref();
        let marked = own.and_then(|own| subscriptions::with_id(&frame, "params", own));
        marked.unwrap_or(frame)
    }

    /// Returns an answer with the host's id in place of the one by which the server knows the call of that number.
    pub(super) fn marked(&self, number: u64, frame: Frame, link: &Link) -> Frame {
        let mark = subscriptions::id_of_result(&frame);
        let own = self.open.get(&number).and_then(|call| call.host.as_ref());
        let own = own.filter(|_| mark.is_some_and(|mark| link.number_of(&mark) == Some(number)));
        let marked = own.and_then(|own| subscriptions::with_id(&frame, "result", own));
        marked.unwrap_or(frame)
    }

    /// Takes the server's cancellation of a request that stands, and says whether it was one.
    pub(super) fn on_cancelled(
        &mut self,
        id: &Id,
        frame: &Frame,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) -> bool {
        let number = link.number_of(id);
        let stands = |number: &u64| self.open.get(number).is_some_and(ParkableCall::stands);
        let Some(call) = number
            .filter(stands)
            .and_then(|it| self.remove(it, link, actions))
        else {
            return false;
        };
        if let Some(own) = call.host {
            actions.push(Action::Reply(cancelled(frame, &own)));
            actions.push(Action::Cancelled(own));
        }
        true
    }

    /// Ends all requests that stand, for a host that has closed stdin; nothing is owed for them. The relay ends them towards
    /// the server.
    pub(super) fn end_standing(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        let stand = self.open.iter().filter(|(_, call)| call.stands());
        let stand: Vec<u64> = stand.map(|(number, _)| *number).collect();
        for number in stand {
            let call = self.remove(number, link, actions);
            actions.extend(call.and_then(|call| call.host).map(Action::Cancelled));
        }
    }
}
