//! The waker of a connection: it wakes the task that uses the connection at the time, unless that task is polling the
//! connection right now and can do so once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// The task is to be woken.
const RESTING: u8 = 0;
/// The connection is being polled.
const POLLED: u8 = 1;
/// The connection is being polled, and there is a reason to do so again.
const POLLED_AGAIN: u8 = 2;

/// Wakes for one connection.
#[derive(Default)]
pub(super) struct Signal {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Signal {
    /// The task begins to poll the connection.
    pub(super) fn begin(&self, task: &Waker) {
        self.task.register(task);
        self.state.store(POLLED, Ordering::SeqCst);
    }

    /// Says whether the connection has to be polled again. If not, the task is woken from now on.
    pub(super) fn is_again(&self) -> bool {
        let ended =
            self.state
                .compare_exchange(POLLED, RESTING, Ordering::SeqCst, Ordering::SeqCst);
        if ended.is_err() {
            self.state.store(POLLED, Ordering::SeqCst);
        }
        ended.is_err()
    }

    /// The task has what it wants, and will poll the connection again before it wants more.
    pub(super) fn end(&self) {
        self.state.store(RESTING, Ordering::SeqCst);
    }

    /// No task uses the connection.
    pub(super) fn forget(&self) {
        self.task.take();
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let again =
            self.state
                .compare_exchange(POLLED, POLLED_AGAIN, Ordering::SeqCst, Ordering::SeqCst);
        if again == Err(RESTING) {
            self.task.wake();
        }
    }
}
