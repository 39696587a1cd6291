//! The order of calls that wait for their limits (`--rate-limit-wait`).
//!
//! A call passes no earlier one that waits for a limit of its own. Calls for which different limits are do pass each other:
//! one that waits for `delete_*` holds up no other tool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::policy::limit::Applied;

/// The calls that wait, in their order.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    turns: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    /// The limits that it waits for.
    for_limits: Applied,
    /// Cancelled when it waits no longer, or for other limits.
    changed: CancellationToken,
}

/// The place of one call in the order. Dropping it leaves the order.
#[derive(Debug)]
pub(super) struct Turn {
    of: Arc<Turns>,
    number: u64,
}

impl Turns {
    /// Puts a call at the end of the order. Until it says more, it waits for all limits that are for it.
    pub(super) fn enter(self: &Arc<Self>, applied: &[usize]) -> Turn {
        let mut waiting = self.waiting();
        waiting.last += 1;
        let number = waiting.last;
        let waiter = Waiter {
            for_limits: applied.to_vec(),
            changed: CancellationToken::new(),
        };
        waiting.turns.insert(number, waiter);
        Turn {
            of: Arc::clone(self),
            number,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Returns the limits for which earlier calls wait and that are for this one too, and the signal that the last such
    /// call waits no longer, or for other limits; `None` if there is no such call.
    pub(super) fn behind(&self, applied: &[usize]) -> Option<(Applied, CancellationToken)> {
        let waiting = self.of.waiting();
        let shared = |waiter: &Waiter| -> Applied {
            let limits = applied.iter().copied();
            limits.filter(|at| waiter.for_limits.contains(at)).collect()
        };
        let earlier = waiting.turns.range(..self.number).rev();
        let mut limits = Applied::new();
        let mut last = None;
        for (_, waiter) in earlier {
            let shared = shared(waiter);
            if !shared.is_empty() {
                last.get_or_insert_with(|| waiter.changed.clone());
                limits.extend(shared);
            }
            if limits.len() >= applied.len() {
                break;
            }
        }
        limits.sort_unstable();
        limits.dedup();
        last.map(|changed| (limits, changed))
    }

    /// Says for which limits the call waits.
    pub(super) fn waits_for(&self, limits: &[usize]) {
        let mut waiting = self.of.waiting();
        if let Some(waiter) = waiting.turns.get_mut(&self.number)
            && waiter.for_limits != limits
        {
            waiter.for_limits = limits.to_vec();
            std::mem::take(&mut waiter.changed).cancel();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(waiter) = self.of.waiting().turns.remove(&self.number) {
            waiter.changed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_behind_the_last_earlier_one_that_waits_for_a_limit_of_its_own() {
        let turns = Arc::new(Turns::default());
        let first = turns.enter(&[0, 1]);
        assert!(first.behind(&[0, 1]).is_none());
        first.waits_for(&[1]);
        let other = turns.enter(&[0]);
        assert!(other.behind(&[0]).is_none());
        let third = turns.enter(&[0, 1]);
        // The second call is not judged yet.
        let (limits, changed) = third.behind(&[0, 1]).unwrap();
        assert_eq!(limits, [0, 1]);
        drop(other);
        assert!(changed.is_cancelled());
        let (limits, changed) = third.behind(&[0, 1]).unwrap();
        assert_eq!((limits, changed.is_cancelled()), (vec![1], false));
        third.waits_for(&[1]);
        first.waits_for(&[0]);
        assert!(changed.is_cancelled());
        drop(first);
        assert!(third.behind(&[0, 1]).is_none());
    }
}
