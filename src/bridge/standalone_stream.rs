//! Standalone streams, which live as long as the session: the server's means to send unasked.
//!
//! The bridge reopens Streamable HTTP's GET stream until the server refuses it; HTTP+SSE's one stream is the session
//! itself, so the relay handles its end. Silence has no timeout: a quiet stream is a healthy one, except after the
//! machine has slept, when its connection is dead without a sign (zed-industries/zed#56776).

use std::time::{Duration, SystemTime};

use tokio::time::{self, Instant};

use crate::bridge::credentials::newer;
use crate::bridge::exchanges::Exchanges;
use crate::bridge::outstanding::Brought;
use crate::bridge::response_stream::Read;
use crate::bridge::retry::{ResumePoint, STEADY, Streak, backoff};
use crate::era::{Arrival, ExchangeId, Head, HttpError, Listen, Standalone};
use crate::frame::BridgeError;
use crate::remote::{Answer, Events, Remote, TransportError, Verb};

/// The time for which the host's next frames wait for the standalone stream to open: servers send their messages at
/// once, and drop them when no stream is open; but some send not even a head before the first event.
const PATIENCE: Duration = Duration::from_millis(500);
/// The time that HTTP+SSE's stream may take to name its endpoint, which is its first event (MCP 2024-11-05,
/// basic/transports).
const ENDPOINT_PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two comparisons of the clocks.
const LOOK: Duration = Duration::from_secs(15);
/// A gap between the wall clock and the monotonic one that only sleep explains.
const SLEPT: Duration = Duration::from_secs(30);

impl<R: Remote> Exchanges<R> {
    /// Runs one standalone stream to its end.
    pub(super) async fn listen(&self, listen: Listen) {
        let exchange = listen.exchange;
        let last = match listen.kind {
            Standalone::Get => self.keep_open(&listen).await,
            Standalone::Sse(losses) => self.open_once(&listen, losses).await,
        };
        self.report(exchange, last).await;
    }

    async fn keep_open(&self, listen: &Listen) -> Arrival {
        let exchange = listen.exchange;
        let mut resume_point = ResumePoint::default();
        let mut streak = Streak::new();
        let mut is_announced = false;
        let mut news = self.authorizer.newest();
        loop {
            let headers = resume_point.headers(&listen.headers);
            let is_asked = listen.is_asked_by_host;
            let opening = self.exchange(exchange, None, Verb::Get, &headers, is_asked, None);
            let mut opening = std::pin::pin!(opening);
            let opened = match time::timeout(PATIENCE, opening.as_mut()).await {
                Ok(opened) => opened,
                Err(_) => {
                    self.announce(exchange, &mut is_announced).await;
                    opening.await
                }
            };
            match opened {
                Ok(Answer::Stream(head, mut events)) => {
                    if !std::mem::replace(&mut is_announced, true) {
                        self.report(exchange, Arrival::Opened(head)).await;
                    }
                    let mut brought =
                        Brought::new(&self.outstanding, None).in_revision_of(&listen.headers);
                    streak.opened();
                    self.read_awake(
                        exchange,
                        &mut events,
                        &mut brought,
                        &mut resume_point,
                        &mut streak,
                    )
                    .await;
                }
                // The server still holds the connection that died, or is busy: the bridge tries again later.
                Ok(Answer::Refused(refusal))
                    if matches!(refusal.status, 409 | 425 | 429 | 500 | 502..=599) =>
                {
                    self.announce(exchange, &mut is_announced).await;
                    if let Some(after) = refusal.retry_after {
                        time::sleep(after).await;
                    }
                }
                // 405 above all, and 501: the server does not offer the stream, for the whole session (MCP 2025-11-25,
                // basic/transports).
                Ok(Answer::Refused(refusal)) => return Arrival::Refused(refusal),
                // The bridge asks no user to sign in for a stream that the host knows nothing of. When a request of the
                // host's has led to a credential, that opens the stream too.
                Ok(Answer::Challenged(_)) if !is_asked => {
                    self.announce(exchange, &mut is_announced).await;
                    newer(&mut news).await;
                    continue;
                }
                Ok(Answer::Challenged(_) | Answer::Accepted(_) | Answer::Json(..)) => {
                    return Arrival::Ended;
                }
                Err(stopped) => match stopped.into_bridge_error() {
                    error if error.retryable => {
                        tracing::debug!(
                            exchange = exchange.0,
                            why = error.message,
                            "no standing stream"
                        );
                        self.announce(exchange, &mut is_announced).await;
                    }
                    error => return Arrival::Failed(error),
                },
            }
            time::sleep(resume_point.pause(streak.lost())).await;
        }
    }

    /// Lets the host's next frames go: the stream will not be open for a while. The head has no status then.
    async fn announce(&self, exchange: ExchangeId, is_announced: &mut bool) {
        if !std::mem::replace(is_announced, true) {
            self.report(exchange, Arrival::Opened(Head::default()))
                .await;
        }
    }

    async fn open_once(&self, listen: &Listen, losses: u32) -> Arrival {
        let exchange = listen.exchange;
        if losses > 0 {
            time::sleep(backoff(losses)).await;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self
                .exchange(
                    exchange,
                    None,
                    Verb::Get,
                    &listen.headers,
                    listen.is_asked_by_host,
                    None,
                )
                .await
            {
                Ok(Answer::Stream(head, mut events)) => {
                    self.report(exchange, Arrival::Opened(head)).await;
                    match time::timeout(ENDPOINT_PATIENCE, endpoint(&mut events)).await {
                        Ok(Ok(Some(endpoint))) => {
                            self.report(exchange, Arrival::Endpoint(endpoint)).await;
                        }
                        Ok(Err(fault)) => return Arrival::Failed(fault.to_bridge_error()),
                        Ok(Ok(None)) | Err(_) => {
                            let unnamed = "The server's event stream names no endpoint.";
                            return Arrival::Failed(BridgeError::new("bad_answer", unnamed));
                        }
                    }
                    return self.stand_as_session(exchange, &mut events).await;
                }
                Ok(Answer::Refused(refusal)) => return Arrival::Refused(refusal),
                Ok(Answer::Challenged(challenge)) => {
                    return Arrival::Refused(HttpError {
                        status: challenge.status,
                        ..HttpError::default()
                    });
                }
                Ok(_) => {
                    let not_sse = "The server's answer is not an event stream.";
                    return Arrival::Failed(BridgeError::new("bad_answer", not_sse));
                }
                Err(stopped) => {
                    let error = stopped.into_bridge_error();
                    if !error.retryable || tries >= 3 || self.leaving.is_cancelled() {
                        return Arrival::Failed(error);
                    }
                    time::sleep(backoff(tries)).await;
                }
            }
        }
    }

    /// Reads HTTP+SSE's stream, whose endpoint is known, to its end. The stream is reported open once more when it has
    /// stood for a while: it may then be opened again at once when it is lost.
    pub(super) async fn stand_as_session(
        &self,
        exchange: ExchangeId,
        events: &mut Events,
    ) -> Arrival {
        let mut brought = Brought::for_many(&self.outstanding);
        let steady = async {
            time::sleep(STEADY).await;
            self.report(exchange, Arrival::Opened(Head::default()))
                .await;
            std::future::pending::<()>().await;
        };
        let mut resume_point = ResumePoint::default();
        let mut streak = Streak::new();
        let read = self.read_awake(
            exchange,
            events,
            &mut brought,
            &mut resume_point,
            &mut streak,
        );
        tokio::select! {
            () = read => {}
            () = steady => {}
        }
        match brought.unusable() {
            Some(what) => {
                let words = format!("The server's event stream has ended; on it came {what}.");
                Arrival::Failed(BridgeError::new("cut", words).retryable())
            }
            None => Arrival::Ended,
        }
    }

    /// Reads until the stream ends, or until the machine has slept through it.
    async fn read_awake(
        &self,
        exchange: ExchangeId,
        events: &mut Events,
        brought: &mut Brought<'_>,
        resume_point: &mut ResumePoint,
        streak: &mut Streak,
    ) {
        let wall = self.settings.now;
        let asleep = async {
            loop {
                let (then, ticks) = (wall(), Instant::now());
                time::sleep(LOOK).await;
                if has_slept(then, wall(), ticks.elapsed()) {
                    return;
                }
            }
        };
        tokio::select! {
            ended = self.read(exchange, events, brought, resume_point, streak, false) => match ended {
                Read::Cut(TransportError::TooLarge { limit, .. }) => {
                    tracing::warn!(exchange = exchange.0, limit, "an event too large on the standing stream");
                }
                Read::Answered
                | Read::Closed
                | Read::Unusable
                | Read::Endpoint(_)
                | Read::Cut(_) => {}
            },
            () = asleep => tracing::info!(exchange = exchange.0, "the machine slept; reopening the stream"),
        }
    }
}

/// Reads to HTTP+SSE's `endpoint` event; any earlier event belongs to no request and is dropped.
async fn endpoint(events: &mut Events) -> Result<Option<String>, TransportError> {
    while let Some(event) = events.next().await? {
        if event.kind.as_deref() == Some("endpoint") && !event.data.is_empty() {
            return Ok(Some(event.data));
        }
    }
    Ok(None)
}

fn has_slept(then: SystemTime, now: SystemTime, ticked: Duration) -> bool {
    now.duration_since(then)
        .is_ok_and(|passed| passed > ticked + SLEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_far_ahead_of_the_ticks_is_sleep() {
        let then = SystemTime::UNIX_EPOCH;
        let after = |seconds| then + Duration::from_secs(seconds);
        assert!(!has_slept(then, after(15), LOOK));
        assert!(!has_slept(after(100), then, LOOK));
        assert!(!has_slept(then, after(45), LOOK));
        assert!(has_slept(then, after(46), LOOK));
    }
}
