//! The idle connections to one destination.
//!
//! As many are kept as there were exchanges at once, for a while. One task looks after them, and exists only while
//! there are any: it closes those that the server has closed, when it happens, and those that have been idle for too
//! long. It waits until traffic has paused before it looks, so that connections in use cost it nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{self, Instant};

use super::connection::Connection;

/// The time for which an idle connection is kept for the next exchange.
const IDLE_TIME: Duration = Duration::from_secs(90);
/// The time after an exchange in which idle connections are not looked after.
const PAUSE: Duration = Duration::from_secs(1);

/// The least time between our last use of a connection and the server's end of it, where the server says when that is: a
/// request that crosses the server's FIN is lost.
const MARGIN: Duration = Duration::from_secs(1);

/// Returns the part of the time that the server keeps an idle connection in which it is used.
fn within(promised: Duration) -> Duration {
    promised.saturating_sub(MARGIN).max(promised / 2)
}

/// Idle connections, and exchanges that wait for one.
#[derive(Default)]
pub(super) struct Pool(Mutex<State>);

#[derive(Default)]
struct State {
    /// The one that was used last is the last.
    idle: Vec<Idle>,
    waiting: VecDeque<oneshot::Sender<Connection>>,
    sweeper: Sweeper,
}

struct Idle {
    connection: Connection,
    /// The time from which it is not used again.
    until: Instant,
}

impl Idle {
    fn is_young(&self) -> bool {
        Instant::now() < self.until
    }
}

/// The task that looks after idle connections.
#[derive(Default)]
enum Sweeper {
    /// There is none.
    #[default]
    None,
    /// It will look soon.
    Pausing,
    /// It waits for something to happen to the connections it has looked at.
    Watching(Waker),
}

impl Pool {
    /// Takes the idle connection that was used last.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut state = self.state();
        let idle = state.idle.pop()?;
        // The system may have slept since.
        idle.is_young().then_some(idle.connection)
    }

    /// Waits for the next connection that becomes idle.
    pub(super) fn next(self: &Arc<Self>) -> Next {
        let (sender, receiver) = oneshot::channel();
        self.state().waiting.push_back(sender);
        Next {
            pool: Arc::clone(self),
            receiver: Some(receiver),
        }
    }

    /// Keeps a connection that is ready for the next request, or gives it to an exchange that waits for one.
    pub(super) fn put(self: &Arc<Self>, mut connection: Connection) {
        connection.rest();
        let mut state = self.state();
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(connection) {
                Ok(()) => return,
                Err(unwanted) => connection = unwanted,
            }
        }
        let promised = connection.kept_for().map(within);
        let kept = promised.map_or(IDLE_TIME, |promised| promised.min(IDLE_TIME));
        state.idle.push(Idle {
            connection,
            until: Instant::now() + kept,
        });
        match std::mem::replace(&mut state.sweeper, Sweeper::Pausing) {
            Sweeper::None => in_background(sweep(Arc::downgrade(self))),
            Sweeper::Pausing => {}
            Sweeper::Watching(waker) => waker.wake(),
        }
    }

    /// Keeps a connection as soon as it is ready: the server may have answered before it had read the request to its
    /// end.
    pub(super) fn put_when_ready(self: &Arc<Self>, mut connection: Connection) {
        if connection.is_ready() {
            return self.put(connection);
        }
        if connection.is_over() {
            return;
        }
        let pool = Arc::clone(self);
        in_background(async move {
            if poll_fn(|cx| connection.poll_ready(cx)).await {
                pool.put(connection);
            }
        });
    }

    /// Drops the connections that are closed or too old. Ready when none are left, or when there are others than those
    /// of the first look.
    fn poll_watch(&self, cx: &mut Context<'_>, is_first: bool) -> Poll<Watched> {
        let mut state = self.state();
        if !is_first && matches!(state.sweeper, Sweeper::Pausing) {
            return Poll::Ready(Watched::Used);
        }
        let kept = |idle: &mut Idle| idle.is_young() && idle.connection.is_open(cx);
        state.idle.retain_mut(kept);
        if state.idle.is_empty() {
            state.sweeper = Sweeper::None;
            return Poll::Ready(Watched::Empty);
        }
        state.sweeper = Sweeper::Watching(cx.waker().clone());
        Poll::Pending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what serves later exchanges only, so that the drain need not wait for it.
pub(super) fn in_background(task: impl Future<Output = ()> + Send + 'static) {
    // Without a runtime the program is at its end.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(task);
    }
}

/// The end of a look at idle connections.
enum Watched {
    /// None are left.
    Empty,
    /// They were used meanwhile.
    Used,
}

/// Looks after idle connections until there are none.
async fn sweep(pool: Weak<Pool>) {
    loop {
        time::sleep(PAUSE).await;
        let mut is_first = true;
        let watched = poll_fn(|cx| match pool.upgrade() {
            Some(pool) => pool.poll_watch(cx, std::mem::take(&mut is_first)),
            None => Poll::Ready(Watched::Empty),
        });
        // All that it has seen are too old by then.
        if let Ok(Watched::Empty) = time::timeout(IDLE_TIME, watched).await {
            return;
        }
    }
}

/// The next connection that becomes idle.
pub(super) struct Next {
    pool: Arc<Pool>,
    /// None once nothing will come.
    receiver: Option<oneshot::Receiver<Connection>>,
}

impl Future for Next {
    type Output = Connection;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Connection> {
        let Some(receiver) = &mut self.receiver else {
            return Poll::Pending;
        };
        match Pin::new(receiver).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(received) => {
                self.receiver = None;
                received.map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        if let Some(mut receiver) = self.receiver.take() {
            receiver.close();
            if let Ok(connection) = receiver.try_recv() {
                self.pool.put(connection);
            }
        }
    }
}
