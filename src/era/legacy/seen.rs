//! How far the session is, for those who play the host or look for what the server is.

use super::pending::Role;
use super::{Gate, Legacy, Pending};
use crate::era::{Action, ExchangeId};
use crate::frame::{Frame, Trouble};

impl Legacy {
    /// Whether the session is open, and its standing stream if there is to be one.
    pub(in crate::era) fn is_open(&self) -> bool {
        self.gate == Gate::Open
    }

    /// Why the session is lost and could not be opened again, if that is so.
    pub(in crate::era) fn broken(&self) -> Option<&Trouble> {
        let why = self.why_broken.as_ref();
        why.filter(|_| self.gate == Gate::Broken)
    }

    /// Tries that again, without a request that would make it necessary.
    pub(in crate::era) fn mend(&mut self, actions: &mut Vec<Action>) {
        if self.gate == Gate::Broken {
            self.reopen(actions);
        }
    }

    /// Whether the remote has named its session.
    pub(in crate::era) fn has_session_id(&self) -> bool {
        self.session.named().is_some()
    }

    /// Whether that exchange is the standing stream.
    pub(in crate::era) fn listens_on(&self, exchange: ExchangeId) -> bool {
        self.listening == Some(exchange)
    }

    /// Whether nothing is being said but what nobody waits for.
    pub(in crate::era) fn is_quiet(&self) -> bool {
        let is_no_matter = |pending: &Pending| matches!(pending.role, Role::Listen | Role::Ping);
        self.waiting.is_empty() && self.pending.values().all(is_no_matter)
    }

    /// The request that waits for its answer on this exchange, or for HTTP+SSE's stream to be opened by it, if nothing
    /// else is under way and nothing else waits.
    pub(in crate::era) fn all_that_is_asked(&self, exchange: ExchangeId) -> Option<&Frame> {
        let pending = self.pending.get(&exchange)?;
        if self.pending.len() > 1 {
            return None;
        }
        match self.waiting.front() {
            None => pending.frame.as_ref().filter(|_| pending.is_owed),
            Some(said) => {
                Some(&said.frame).filter(|_| self.waiting.len() == 1 && self.gate == Gate::Endpoint)
            }
        }
    }
}
