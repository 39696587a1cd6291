//! Times that relays have asked for, each under a token of its own: relays choose theirs alike, and come and go, and a
//! time that one asked for is not another's.

use std::collections::HashMap;

use crate::era::Action;

/// Timers that have not fired yet.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The relay that asked, by the range it mints from, and its own token.
    asked: HashMap<u64, (u64, u64)>,
    count: u64,
}

impl Timers {
    /// Notes what a relay has asked for, before it is told.
    pub(super) fn note(&mut self, relay: u64, actions: &mut [Action]) {
        for action in actions {
            if let Action::SetTimer { token, .. } = action {
                self.count += 1;
                self.asked.insert(self.count, (relay, *token));
                *token = self.count;
            }
        }
    }

    /// Returns the relay whose timer fired, and the relay's own token.
    pub(super) fn take(&mut self, token: u64) -> Option<(u64, u64)> {
        self.asked.remove(&token)
    }
}
