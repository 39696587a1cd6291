//! Questions about the state of the session, for the pair that plays the host and for the probe.

use super::gate::Gate;
use super::pending::{Pending, Role};
use super::state::Legacy;
use crate::era::{Action, ExchangeId};
use crate::frame::{BridgeError, Frame};

impl Legacy {
    /// Says whether the session is open, and its standing stream if there is to be one.
    pub(in crate::era) fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// Returns the reason for which the session is lost and could not be opened again, if it is.
    pub(in crate::era) fn broken(&self) -> Option<&BridgeError> {
        match &self.gate {
            Gate::Broken(why) => Some(why),
            _ => None,
        }
    }

    /// Tries that again, without a request that would make it necessary.
    pub(in crate::era) fn mend(&mut self, actions: &mut Vec<Action>) {
        if self.gate.is_broken() {
            self.reopen(actions);
        }
    }

    /// Says whether the server has named its session.
    pub(in crate::era) fn has_session_id(&self) -> bool {
        self.session.named().is_some()
    }

    /// Says whether an exchange is the standing stream.
    pub(in crate::era) fn listens_on(&self, exchange: ExchangeId) -> bool {
        self.listening == Some(exchange)
    }

    /// Says whether nothing is under way but the standing stream and pings.
    pub(in crate::era) fn is_quiet(&self) -> bool {
        let is_no_matter = |pending: &Pending| matches!(pending.role, Role::Listen | Role::Ping);
        self.waiting.is_empty() && self.lost.is_empty() && self.pending.values().all(is_no_matter)
    }

    /// Returns the request that waits for its answer on this exchange, or for HTTP+SSE's stream to be opened by it, if
    /// nothing else is under way and nothing else waits.
    pub(in crate::era) fn all_that_is_asked(&self, exchange: ExchangeId) -> Option<&Frame> {
        let pending = self.pending.get(&exchange)?;
        if self.pending.len() > 1 {
            return None;
        }
        match self.waiting.front() {
            None => pending.frame.as_ref().filter(|_| pending.is_owed),
            Some(queued) => Some(&queued.frame)
                .filter(|_| self.waiting.len() == 1 && self.gate.awaits_endpoint()),
        }
    }
}
