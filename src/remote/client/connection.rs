//! One HTTP/1.1 connection, moved on by the task that uses it.
//!
//! A connection of hyper's is a future that has to be polled. With a task of its own for that, each call would wake that
//! task to send and be woken by it to receive. Here the exchange polls both: the connection, and at once what it waits for
//! from it.
//!
//! RFC 9112; what the bytes mean is hyper's business.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::task::coop;

use super::connect::Transport;
use super::signal::Signal;
use crate::http_fields::MAX_HEADERS;

/// A request with its whole body.
pub(super) type Message = Request<Full<Bytes>>;

/// The times that the connection is polled in one poll of the task before other tasks get their turn.
const ROUNDS: usize = 8;

/// A connection. Dropping it closes it, and what it was used for is cancelled.
pub(super) struct Connection(Box<Inner>);

struct Inner {
    /// Dropped before the link, which learns from it that the connection is to end.
    requests: SendRequest<Full<Bytes>>,
    link: Link,
    is_reused: bool,
    /// The time for which the server says that it keeps this connection when it is idle.
    kept_for: Option<Duration>,
}

/// The side of a connection that moves bytes.
struct Link {
    /// None once the connection is over.
    driver: Option<http1::Connection<Transport, Full<Bytes>>>,
    signal: Arc<Signal>,
    waker: Waker,
}

impl Connection {
    pub(super) async fn over(transport: Transport) -> hyper::Result<Self> {
        let mut http = http1::Builder::new();
        http.max_headers(MAX_HEADERS);
        let (requests, driver) = http.handshake(transport).await?;
        let signal = Arc::new(Signal::default());
        let waker = Waker::from(Arc::clone(&signal));
        Ok(Self(Box::new(Inner {
            requests,
            link: Link {
                driver: Some(driver),
                signal,
                waker,
            },
            is_reused: false,
            kept_for: None,
        })))
    }

    /// Sends a request and waits for the head of its response. A request that was not begun to be sent comes back in
    /// the error.
    pub(super) async fn send(
        &mut self,
        request: Message,
    ) -> Result<Response<Incoming>, TrySendError<Message>> {
        let Inner { requests, link, .. } = &mut *self.0;
        // Where the task has used up its turn, the connection notices and has it woken. The answer must not be kept back
        // for that reason, because it wakes no task.
        let mut answered = pin!(coop::unconstrained(requests.try_send_request(request)));
        std::future::poll_fn(|cx| link.poll(cx, |cx| answered.as_mut().poll(cx))).await
    }

    /// Polls something that comes from this connection, and the connection as far as that takes.
    pub(super) fn poll_for<T>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.0.link.poll(cx, wanted)
    }

    /// Waits until the connection can take the next request. False if it is over.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Inner { requests, link, .. } = &mut *self.0;
        let polled = link.poll(cx, |_| match requests.is_ready() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        match (&link.driver, polled) {
            (None, _) => Poll::Ready(false),
            (Some(_), Poll::Ready(())) => Poll::Ready(true),
            (Some(_), Poll::Pending) => Poll::Pending,
        }
    }

    /// Says whether an idle connection is still open, and has the task woken when it is not any more.
    pub(super) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        let _ = self.0.link.poll(cx, |_| Poll::<()>::Pending);
        !self.is_over()
    }

    /// Says whether the connection is closed, as far as it has been polled.
    pub(super) fn is_over(&self) -> bool {
        self.0.link.driver.is_none()
    }

    /// Says whether the next request can be sent at once.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_over() && self.0.requests.is_ready()
    }

    /// Says whether it has carried an exchange before this one.
    pub(super) fn is_reused(&self) -> bool {
        self.0.is_reused
    }

    pub(super) fn note_kept_for(&mut self, time: Option<Duration>) {
        self.0.kept_for = time;
    }

    pub(super) fn kept_for(&self) -> Option<Duration> {
        self.0.kept_for
    }

    /// Marks the end of an exchange: the task that polled it is not woken any more.
    pub(super) fn rest(&mut self) {
        self.0.is_reused = true;
        self.0.link.signal.forget();
    }
}

impl Link {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // What is wanted comes from nowhere but the connection, which is polled right here: nothing has to wake for it.
        let mut unheard = Context::from_waker(Waker::noop());
        self.signal.begin(cx.waker());
        for _ in 0..ROUNDS {
            if let found @ Poll::Ready(_) = wanted(&mut unheard) {
                self.signal.end();
                return found;
            }
            if let Some(driver) = &mut self.driver
                && Pin::new(driver)
                    .poll(&mut Context::from_waker(&self.waker))
                    .is_ready()
            {
                // An error is told to the exchange that waits for a response, if there is one.
                self.driver = None;
            }
            if let found @ Poll::Ready(_) = wanted(&mut unheard) {
                self.signal.end();
                return found;
            }
            if !self.signal.is_again() {
                return Poll::Pending;
            }
        }
        self.signal.end();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Link {
    /// Lets hyper end the connection as it should be ended: TLS says so before TCP does.
    fn drop(&mut self) {
        if let Some(driver) = &mut self.driver {
            let _ = Pin::new(driver).poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}
