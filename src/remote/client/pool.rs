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
use super::observed::{Observed, used_of};

/// The time for which an idle connection is kept for the next exchange.
const IDLE_TIME: Duration = Duration::from_secs(90);
/// The time after an exchange in which idle connections are not looked after.
const PAUSE: Duration = Duration::from_secs(1);

/// Idle connections, and exchanges that wait for one.
#[derive(Default)]
pub(super) struct Pool(Mutex<State>);

#[derive(Default)]
struct State {
    /// The one that was used last is the last.
    idle: Vec<Idle>,
    waiting: VecDeque<oneshot::Sender<Connection>>,
    sweeper: Sweeper,
    observed: Observed,
}

struct Idle {
    connection: Connection,
    since: Instant,
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
        let mut state = self.state();
        // Those that have connected meanwhile: where the server closes each connection, none is ever put here.
        state.waiting.retain(|waiting| !waiting.is_closed());
        state.waiting.push_back(sender);
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
        let servers = [connection.kept_for(), state.observed.kept_for];
        let used_for = servers.into_iter().flatten().map(used_of).min();
        let since = Instant::now();
        state.idle.push(Idle {
            connection,
            since,
            until: since + used_for.map_or(IDLE_TIME, |time| time.min(IDLE_TIME)),
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
        let mut closed = None;
        state.idle.retain_mut(|idle| {
            let is_open = idle.connection.is_open(cx);
            if !is_open {
                closed = Some(idle.since.elapsed());
            }
            is_open && idle.is_young()
        });
        // What the first look finds has happened before.
        if let Some(age) = closed.filter(|_| !is_first) {
            state.observed.note_end(age);
        }
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

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// Puts a connection into a pool, and returns the server's end of it.
    async fn put(pool: &Arc<Pool>) -> DuplexStream {
        let (ours, servers) = duplex(1024);
        let transport = Box::new(TokioIo::new(ours));
        pool.put(Connection::over(transport).await.unwrap());
        servers
    }

    /// Has the server close an idle connection after so long.
    async fn closed_after(pool: &Arc<Pool>, time: Duration) {
        let servers = put(pool).await;
        time::sleep(time).await;
        drop(servers);
        time::sleep(Duration::from_millis(1)).await;
        assert!(pool.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_kept_for_a_while_and_then_nothing_is_left() {
        let pool = Arc::new(Pool::default());
        let _servers = put(&pool).await;
        time::sleep(IDLE_TIME - Duration::from_secs(1)).await;
        let connection = pool.take().unwrap();
        assert!(connection.is_reused());
        pool.put(connection);
        time::sleep(IDLE_TIME + PAUSE + PAUSE).await;
        assert!(pool.state().idle.is_empty());
        assert!(matches!(pool.state().sweeper, Sweeper::None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_goes_to_the_exchange_that_waits_longest_and_is_not_lost_with_it() {
        let pool = Arc::new(Pool::default());
        let (gone, first) = (pool.next(), pool.next());
        drop(gone);
        let _servers = put(&pool).await;
        assert!(pool.take().is_none());
        drop(first);
        assert!(pool.take().is_some());
    }

    #[test]
    fn exchanges_that_do_not_wait_any_more_are_forgotten() {
        let pool = Arc::new(Pool::default());
        (0..1000).for_each(|_| drop(pool.next()));
        assert_eq!(pool.state().waiting.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_twice_closes_after_the_same_time_is_not_called_at_that_time() {
        let pool = Arc::new(Pool::default());
        let after = Duration::from_secs(5);
        closed_after(&pool, after).await;
        closed_after(&pool, after).await;
        let _servers = put(&pool).await;
        time::sleep(Duration::from_millis(3900)).await;
        let connection = pool.take().unwrap();
        pool.put(connection);
        time::sleep(Duration::from_millis(4100)).await;
        assert!(pool.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_started_anew_now_and_then_is_no_such_server() {
        let pool = Arc::new(Pool::default());
        closed_after(&pool, Duration::from_secs(5)).await;
        closed_after(&pool, Duration::from_secs(20)).await;
        let _servers = put(&pool).await;
        time::sleep(Duration::from_secs(60)).await;
        assert!(pool.take().is_some());
    }
}
