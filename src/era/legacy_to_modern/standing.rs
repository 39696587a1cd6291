//! Requests of the host that stand (`era/standing`), under the host's ids. [`Modern`](crate::era::Modern) keeps them alive.

use super::calls::{CallState, MultiRoundCall, MultiRoundCalls};
use super::outbox::Outbox;
use super::peers::Peers;
use crate::era::protocol;
use crate::era::standing::cancelled;
use crate::era::subscriptions;
use crate::frame::{Frame, Id};

impl MultiRoundCall {
    /// Says whether the server knows the request by this id.
    fn is_sent_as(&self, id: &Id) -> bool {
        matches!(&self.state, CallState::Sent(sent) if sent.is_like(id))
    }

    fn stands(&self) -> bool {
        self.is_marked || protocol::standing(&self.method).is_some()
    }
}

impl MultiRoundCalls {
    fn sent_as(&mut self, id: &Id) -> Option<(&u64, &mut MultiRoundCall)> {
        self.open.iter_mut().find(|(_, call)| call.is_sent_as(id))
    }

    /// Returns a notification under the host's id of the request that it belongs to; `None` if that is none of the host's.
    pub(super) fn told(&mut self, frame: &Frame) -> Option<Frame> {
        let (_, call) = self.sent_as(&subscriptions::id_of(frame)?)?;
        call.is_marked |= !protocol::is_known(&call.method);
        subscriptions::with_id(frame, "params", &call.id)
    }

    /// Returns an answer with the host's id in place of the one by which the server knows the call of that number.
    pub(super) fn marked(&self, number: u64, frame: &Frame) -> Frame {
        let mark = subscriptions::id_of_result(frame);
        let call = self.open.get(&number);
        let call = call.filter(|call| mark.as_ref().is_some_and(|mark| call.is_sent_as(mark)));
        let marked = call.and_then(|call| subscriptions::with_id(frame, "result", &call.id));
        marked.unwrap_or_else(|| frame.clone())
    }

    /// Takes the server's cancellation of a request that stands, and says whether it was one.
    pub(super) fn on_cancelled(&mut self, id: &Id, frame: &Frame, out: &mut Outbox) -> bool {
        let Some(number) = self.sent_as(id).map(|(number, _)| *number) else {
            return false;
        };
        if let Some(call) = self.open.remove(&number) {
            out.take_purpose(id);
            out.send_to_host(cancelled(frame, &call.id));
            out.cancelled(&call.id);
        }
        true
    }

    /// Ends all requests that stand, for a host that has closed stdin; nothing is owed for them.
    pub(super) fn end_standing(&mut self, peers: &Peers, out: &mut Outbox) {
        let stand = self.open.iter().filter(|(_, call)| call.stands());
        let stand: Vec<u64> = stand.map(|(number, _)| *number).collect();
        for number in stand {
            if let Some(call) = self.open.remove(&number) {
                out.cancelled(&call.id);
                self.stop(call, "The host has left.", peers, out);
            }
        }
    }
}
