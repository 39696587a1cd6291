//! The body of a response, read as it comes.
//!
//! The reader moves the connection on. When the body has ended, the connection goes back to the pool; a body that is
//! dropped before closes it, which is how an exchange is cancelled.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as _, Incoming};
use tokio::task;
use tokio::time::{self, Sleep};

use super::connect::TimedOut;
use super::connection::Connection;
use super::error::Error;
use super::pool::Pool;

/// The bytes that are read before other tasks get their turn. One read may bring more.
const TURN: usize = 64 * 1024;
/// The least time between two looks at a limit that is lifted.
const SHORTEST: Duration = Duration::from_secs(1);

/// A body. Its pieces are the bytes that were read at once.
pub struct Body {
    /// None once the body has ended or broken.
    rest: Option<Rest>,
    /// The length that the head told.
    length: Option<u64>,
    /// The bytes that were read since other tasks had their turn.
    turn: usize,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    silence: Option<Silence>,
}

struct Rest {
    incoming: Incoming,
    connection: Connection,
    /// None where connections are not kept.
    pool: Option<Arc<Pool>>,
}

impl Body {
    pub(super) fn new(
        incoming: Incoming,
        connection: Connection,
        pool: Option<Arc<Pool>>,
        silence: Option<Duration>,
        may_be_silent: Option<Arc<AtomicBool>>,
    ) -> Self {
        Self {
            length: incoming.size_hint().exact(),
            turn: 0,
            pause: None,
            rest: Some(Rest {
                incoming,
                connection,
                pool,
            }),
            silence: silence.map(|longest| Silence::of(longest, may_be_silent)),
        }
    }

    /// The length of the body in bytes, as far as it is known before it has come.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Lets other tasks run, and what has come for them be noticed, where much has been read: a server may send faster
    /// than this program reads, for ever.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn >= TURN {
            self.turn = 0;
            self.pause = Some(Box::pin(task::yield_now()));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let Some(rest) = &mut self.rest else {
                return Poll::Ready(None);
            };
            let incoming = &mut rest.incoming;
            let polled = rest
                .connection
                .poll_for(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx));
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.turn += data.len();
                        return Poll::Ready(Some(Ok(data)));
                    }
                    // Trailers say nothing to us.
                }
                Poll::Ready(Some(Err(error))) => {
                    self.rest = None;
                    return Poll::Ready(Some(Err(Error::Broken(error))));
                }
                Poll::Ready(None) => {
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The body has ended.
    fn end(&mut self) {
        if let Some(Rest {
            connection,
            pool: Some(pool),
            ..
        }) = self.rest.take()
        {
            pool.put_when_ready(connection);
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        ready!(this.poll_turn(cx));
        let polled = this.poll_piece(cx);
        let Some(silence) = &mut this.silence else {
            return polled;
        };
        match polled {
            Poll::Ready(piece) => {
                silence.end();
                Poll::Ready(piece)
            }
            Poll::Pending if silence.poll(cx).is_pending() => Poll::Pending,
            Poll::Pending => {
                this.rest = None;
                Poll::Ready(Some(Err(Error::Silent(TimedOut))))
            }
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let is_over = |rest: &Rest| rest.incoming.is_end_stream();
        if self.rest.as_ref().is_some_and(is_over) {
            self.end();
        }
    }
}

/// The longest silence of a body: the time for which a reader waits for the next piece.
struct Silence {
    longest: Duration,
    /// Set once the response may be silent for as long as the server likes.
    is_lifted: Option<Arc<AtomicBool>>,
    timer: Pin<Box<Sleep>>,
    is_running: bool,
}

impl Silence {
    fn of(longest: Duration, is_lifted: Option<Arc<AtomicBool>>) -> Self {
        Self {
            longest,
            is_lifted,
            timer: Box::pin(time::sleep(longest)),
            is_running: false,
        }
    }

    fn end(&mut self) {
        self.is_running = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_running {
            self.is_running = true;
            self.timer
                .as_mut()
                .reset(time::Instant::now() + self.longest);
        }
        // Looked at when the time is over, and again after as long: the note may come at any time.
        while self.timer.as_mut().poll(cx).is_ready() {
            let is_lifted = self.is_lifted.as_ref();
            if !is_lifted.is_some_and(|it| it.load(Ordering::Relaxed)) {
                return Poll::Ready(());
            }
            let next = time::Instant::now() + self.longest.max(SHORTEST);
            self.timer.as_mut().reset(next);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_response_that_may_be_silent_is_not_ended_by_its_silence() {
        let longest = Duration::from_secs(5);
        let is_lifted = Arc::new(AtomicBool::new(false));
        let mut silence = Silence::of(longest, Some(Arc::clone(&is_lifted)));
        poll_fn(|cx| silence.poll(cx)).await;
        silence.end();
        is_lifted.store(true, Ordering::Relaxed);
        let hours = Duration::from_secs(7 * 3600);
        let ended = time::timeout(hours, poll_fn(|cx| silence.poll(cx))).await;
        assert!(ended.is_err());
    }
}
