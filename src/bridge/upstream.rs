//! An exchange, from the first send to the last frame.
//!
//! Sends, and sends again what certainly was not processed; `credentials` meets the challenges, and `response_stream` reads
//! a response that is a stream. Reports to the loop as [`Arrival`]s, exactly one of which ends the exchange. Knows
//! nothing of what the frames mean.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{SemaphorePermit, watch};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::bridge::credentials::{Stopped, newer, still_challenged};
use crate::bridge::exchanges::{ExchangeEvent, Exchanges};
use crate::bridge::outstanding::Brought;
use crate::bridge::response_stream::{Followed, ended};
use crate::bridge::retry::{self, pause_after};
use crate::era::protocol::{is_repeatable, standing, takes_no_turn, waits_for_work};
use crate::era::{Arrival, CallLimit, ExchangeId, Head, HttpError, Post};
use crate::frame::{BridgeError, Outline, Parsed, Stage};
use crate::policy::{Rule, timeout};
use crate::remote::{Answer, Events, Progress, Remote, Verb};

/// The number of sends of a request that was certainly not processed.
const MAX_SENDS: u32 = 4;
/// The time after which an answer to the server is sent although many are under way.
const ANSWER_TURN: Duration = Duration::from_millis(500);
/// The time after which a request is not sent again by itself.
const REPEATING: Duration = Duration::from_secs(30);
/// The time for which a request that waits for work has stood, so that its loss is not one in a row.
const STOOD: Duration = Duration::from_secs(10);

/// The place of a request among those under way, until the request is over or stands.
type Place<'a> = Mutex<Option<SemaphorePermit<'a>>>;

impl<R: Remote> Exchanges<R> {
    pub(super) async fn report(&self, exchange: ExchangeId, arrival: Arrival) {
        self.report_all(exchange, vec![arrival]).await;
    }

    /// Reports all that came at once in one event: the loop wakes once for it.
    pub(super) async fn report_all(&self, exchange: ExchangeId, arrivals: Vec<Arrival>) {
        if arrivals.is_empty() {
            return;
        }
        // The loop outlives its exchanges, except when the process is leaving.
        let _ = self
            .events
            .send(ExchangeEvent::Arrivals(exchange, arrivals))
            .await;
    }

    /// Runs one posted frame to its end. `stands` says that it is a request that stands, where its method does not show it.
    pub(super) async fn post(&self, post: Post, stands: Option<&CancellationToken>) {
        let exchange = post.exchange;
        let owed = post.frame.id().filter(|_| post.frame.is_request());
        let outstanding = owed.map(|id| self.outstanding.enter(id));
        let mut arrivals = Vec::new();
        let followed = self.post_in_time(&post, stands, &mut arrivals).await;
        drop(outstanding);
        let last = match followed {
            Followed::Over(last) | Followed::Lost(last) => last,
            Followed::IsEndpoint(endpoint, events) => {
                Box::pin(self.stand_on(exchange, &post, endpoint, events)).await
            }
        };
        arrivals.push(last);
        self.report_all(exchange, arrivals).await;
    }

    /// Posts a frame as [`Exchanges::post_to_its_end`] does, or gives it up when its time has passed.
    async fn post_in_time(
        &self,
        post: &Post,
        signal: Option<&CancellationToken>,
        arrivals: &mut Vec<Arrival>,
    ) -> Followed {
        let limit = timeout::lowest(&self.settings.policy.call_timeout, &post.frame);
        let ceiling = limit
            .map(|limit| limit.value)
            .into_iter()
            .chain(post.patience)
            .min()
            .filter(|_| post.frame.is_request() && !stands(post) && !is_of(post, waits_for_work));
        let is_answered_elsewhere = post.endpoint.is_some();
        // Pinned where it is made: moved into the block below, it would take its place twice.
        let progress = Progress::at(Stage::Turn);
        if stands(post) {
            progress.set_standing();
        }
        let place = Place::default();
        let mut run = pin!(async {
            let followed = self
                .post_to_its_end(post, arrivals, &progress, &place)
                .await;
            leave(&place);
            match followed {
                // HTTP+SSE: the clock runs until the answer has come on the stream, and this exchange is closed.
                Followed::Over(Arrival::Accepted(_))
                    if is_answered_elsewhere && ceiling.is_some() =>
                {
                    progress.set(Stage::Stream);
                    std::future::pending().await
                }
                followed => followed,
            }
        });
        if ceiling.is_none() && signal.is_none() {
            return run.await;
        }
        let is_late = async {
            match ceiling {
                Some(ceiling) => {
                    self.ticked(ceiling).await;
                    ceiling
                }
                None => std::future::pending().await,
            }
        };
        let is_standing = async {
            match signal {
                Some(signal) => signal.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            followed = run.as_mut() => return followed,
            ceiling = is_late => {
                let limit = limit.filter(|limit| limit.value == ceiling);
                let late = late(ceiling, limit.map(|limit| &limit.rule), progress.stage());
                return Followed::Over(Arrival::GivenUp(late));
            }
            () = is_standing => {}
        }
        progress.set_standing();
        leave(&place);
        run.await
    }

    /// Gives up a call that has become a task when its time has passed.
    pub(super) async fn give_up_in_time(&self, limit: CallLimit) {
        let Some(lowest) = timeout::lowest(&self.settings.policy.call_timeout, &limit.call) else {
            return;
        };
        self.ticked(lowest.value).await;
        let seconds = lowest.value.as_secs_f64();
        let late = format!(
            "The server has made a task of the call, and has not finished it within {seconds} s (rule: {}, from {}); it has been told to stop.",
            lowest.rule.text(),
            lowest.rule.origin
        );
        let late = BridgeError::new("timed_out", late).retryable();
        self.report(limit.exchange, Arrival::GivenUp(late)).await;
    }

    /// Returns when this time has passed, not counting any in which a user is asked to sign in, a program of the user's
    /// for headers runs, or the server is starting: such time is no sign of a server that does not answer, nor of its
    /// era.
    async fn ticked(&self, mut left: Duration) {
        let mut since = self.asking_since.subscribe();
        let mut held_up = self.remote.is_held_up();
        let mut starting = self.startup.is_waiting();
        loop {
            let is_held_up = held_up
                .as_mut()
                .is_some_and(|held_up| *held_up.borrow_and_update());
            let is_starting = *starting.borrow_and_update();
            let is_standing = since.borrow_and_update().is_some() || is_held_up || is_starting;
            let begun = Instant::now();
            let over = async {
                match is_standing {
                    true => std::future::pending().await,
                    false => time::sleep(left).await,
                }
            };
            tokio::select! {
                () = over => return,
                changed = since.changed() => if changed.is_err() { return std::future::pending().await },
                changed = starting.changed() => if changed.is_err() { return std::future::pending().await },
                () = changed(&mut held_up) => {}
            }
            if !is_standing {
                left = left.saturating_sub(begun.elapsed());
            }
        }
    }

    /// Posts a frame. Leaves in `arrivals` what comes together with the end and is not yet reported.
    async fn post_to_its_end<'a>(
        &'a self,
        post: &Post,
        arrivals: &mut Vec<Arrival>,
        progress: &Progress,
        place: &Place<'a>,
    ) -> Followed {
        // Each has a connection of its own, and a server may ask faster than it takes answers. It may also take none until
        // it has more of them.
        let _turn = match post.frame.is_response() {
            true => Some(time::timeout(ANSWER_TURN, self.answers.acquire()).await),
            false => None,
        };
        // Answers and notifications pass: a request may be waiting for them. So does a request that stands.
        let takes_turn = post.frame.is_request() && !stands(post) && !is_of(post, takes_no_turn);
        if takes_turn {
            let taken = self.requests.acquire().await.ok();
            *place.lock().unwrap_or_else(PoisonError::into_inner) = taken;
        }
        let mut losses = 0;
        loop {
            let begun = Instant::now();
            let last = match self.post_once(post, arrivals, progress).await {
                Followed::Lost(last) => last,
                followed => return followed,
            };
            // A proxy on the way ends a response that says nothing for a while.
            if is_of(post, waits_for_work) && begun.elapsed() >= STOOD {
                losses = 0;
            }
            losses += 1;
            if progress.is_standing() || !may_send_twice(post) || losses >= MAX_SENDS {
                return Followed::Over(last);
            }
            tracing::debug!(
                exchange = post.exchange.0,
                "the answer was lost; sending again"
            );
            progress.set(Stage::Response);
            let pause = time::sleep(retry::backoff(losses));
            if self.leaving.run_until_cancelled(pause).await.is_none() {
                return Followed::Over(last);
            }
        }
    }

    /// Posts a frame and reads the response, as [`Exchanges::post_to_its_end`] does, once.
    async fn post_once(
        &self,
        post: &Post,
        arrivals: &mut Vec<Arrival>,
        progress: &Progress,
    ) -> Followed {
        let exchange = post.exchange;
        let mut news = self.authorizer.newest();
        let sent = loop {
            match self.send(exchange, post, progress).await {
                // A subscription that the host has not asked for is opened when another request has led to a
                // credential.
                Ok(Answer::Challenged(_)) if stands(post) && !post.is_asked_by_host => {
                    newer(&mut news).await;
                }
                sent => break sent,
            }
        };
        Followed::Over(match sent {
            Err(stopped) if stopped.error.kind == "timed_out" => {
                Arrival::GivenUp(stopped.into_bridge_error())
            }
            Err(stopped) => Arrival::Failed(stopped.into_bridge_error()),
            Ok(Answer::Json(head, parsed)) => {
                arrivals.push(Arrival::Opened(head));
                self.body(post, parsed, arrivals)
            }
            Ok(Answer::Stream(head, events)) => {
                self.report(exchange, Arrival::Opened(head)).await;
                return self.follow(exchange, events, post, progress).await;
            }
            Ok(Answer::Accepted(head)) => Arrival::Accepted(head),
            Ok(Answer::Challenged(challenge)) if post.is_asked_by_host => {
                Arrival::Failed(still_challenged(&challenge))
            }
            Ok(Answer::Challenged(challenge)) => {
                if post.frame.method() == Some("notifications/initialized") {
                    *self.refused_initialized() = Some(post.clone());
                }
                Arrival::Refused(HttpError {
                    status: challenge.status,
                    ..HttpError::default()
                })
            }
            // Some servers and gateways give an answer a status of an error.
            Ok(Answer::Refused(refusal)) if post.frame.is_request() && is_result(&refusal) => {
                match refusal.frame {
                    Some(frame) => self.body(post, Parsed::One(frame), arrivals),
                    None => Arrival::Ended,
                }
            }
            Ok(Answer::Refused(refusal)) => Arrival::Refused(refusal),
        })
    }

    /// Wakes the loop after this time, or somewhat later where that does not matter.
    pub(super) async fn wake(&self, after: Duration, token: u64, is_retry: bool) {
        let fraction = match is_retry {
            true => (self.settings.random_fraction)(),
            false => 0.0,
        };
        time::sleep(backoff::lengthened(after, fraction)).await;
        let _ = self.events.send(ExchangeEvent::TimerFired(token)).await;
    }

    /// Adds the frames of a whole body to the arrivals; returns the end.
    fn body(&self, post: &Post, parsed: Parsed, arrivals: &mut Vec<Arrival>) -> Arrival {
        let owed = post.frame.id().filter(|_| post.frame.is_request());
        let mut brought = Brought::new(&self.outstanding, owed)
            .in_revision_of(&post.headers)
            .for_probe(post.is_probe);
        let mut frames = Vec::new();
        brought.take(parsed, "a JSON body", &mut frames);
        frames.append(&mut brought.settle(true));
        arrivals.extend(frames.into_iter().map(Arrival::Frame));
        ended(&brought)
    }

    /// Keeps a response that turned out to be the stream of HTTP+SSE: it stands from now on, and takes no turn and no
    /// time.
    async fn stand_on(
        &self,
        exchange: ExchangeId,
        post: &Post,
        endpoint: String,
        mut events: Events,
    ) -> Arrival {
        if post.frame.method() == Some("server/discover") {
            // The server took the probe without an answer: the server does not know the method.
            return Arrival::Accepted(Head::default());
        }
        if !post.is_resumable {
            let words = "The server answers with the event stream of HTTP+SSE (2024-11-05).";
            return Arrival::Failed(BridgeError::new("bad_answer", words));
        }
        let _ = self.events.send(ExchangeEvent::Standing(exchange)).await;
        self.report(exchange, Arrival::Endpoint(endpoint)).await;
        self.stand_as_session(exchange, &mut events).await
    }

    /// Posts until the result is other than a challenge or a temporary failure.
    async fn send(
        &self,
        exchange: ExchangeId,
        post: &Post,
        progress: &Progress,
    ) -> Result<Answer, Stopped> {
        let is_harmless =
            post.may_repeat && (!post.frame.is_request() || is_repeatable(&post.frame));
        let begun = Instant::now();
        let (mut sends, mut has_waited) = (0, false);
        loop {
            sends += 1;
            let sent = self
                .exchange(
                    exchange,
                    post.endpoint.as_deref(),
                    Verb::Post(&post.frame),
                    &post.headers,
                    post.is_asked_by_host,
                    Some(progress),
                )
                .await;
            let starting = match &sent {
                Err(Stopped { error, .. }) if is_absent(error) => self.startup.pause(),
                _ => None,
            };
            if let Some(pause) = starting {
                (has_waited, sends) = (true, 0);
                let pause = time::sleep(pause);
                match self.leaving.run_until_cancelled(pause).await {
                    Some(()) => continue,
                    None => return sent,
                }
            }
            let pause = match &sent {
                Ok(Answer::Refused(refusal)) if !is_result(refusal) => {
                    pause_after(refusal, is_harmless, sends)
                }
                Err(stopped) if stopped.is_final || begun.elapsed() > REPEATING => None,
                Err(Stopped { error, .. }) if is_absent(error) => {
                    (!has_waited).then(|| retry::backoff(sends))
                }
                // An `initialize` that was read has made a session; a second one would leave it behind.
                Err(Stopped { error, .. })
                    if error.kind == "cut"
                        && is_harmless
                        && post.frame.method() != Some("initialize") =>
                {
                    Some(retry::backoff(sends))
                }
                _ => None,
            };
            let Some(pause) = pause.filter(|_| sends < MAX_SENDS && !post.is_probe) else {
                return sent;
            };
            progress.set(match &sent {
                Ok(_) => Stage::Pause,
                Err(Stopped { error, .. }) if is_absent(error) => Stage::Connecting,
                Err(_) => Stage::Response,
            });
            tracing::debug!(exchange = exchange.0, ?pause, "sending again");
            if self
                .leaving
                .run_until_cancelled(time::sleep(pause))
                .await
                .is_none()
            {
                return sent;
            }
        }
    }
}

/// Says whether a request whose answer was lost may be sent again. An `initialize` that was read has made a session; a
/// second one would leave it behind.
fn may_send_twice(post: &Post) -> bool {
    let is_initialize = post.frame.method() == Some("initialize");
    post.may_repeat && is_repeatable(&post.frame) && !is_initialize && !post.is_probe
}

/// Gives a place back.
fn leave(place: &Place<'_>) {
    place.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// Returns the error of a request whose time has run out: the limit, and the rule that set it if a rule did, and the stage
/// that the request had reached.
fn late(limit: Duration, rule: Option<&Rule>, stage: Stage) -> BridgeError {
    let seconds = limit.as_secs_f64();
    let by = match rule {
        Some(rule) => format!("rule: {}, from {}", rule.text(), rule.origin),
        None => "the limit of mcpipe's own requests".to_owned(),
    };
    let clause = stage.clause();
    let late = format!("No answer came within {seconds} s ({by}): {clause}.");
    BridgeError {
        stage: Some(stage),
        ..BridgeError::new("timed_out", late).retryable()
    }
}

/// Returns when the watched value has changed; never if there is none, or it cannot change.
async fn changed(watched: &mut Option<watch::Receiver<bool>>) {
    if let Some(watched) = watched
        && watched.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Says whether the server was not reached, and may be reachable in a moment.
fn is_absent(error: &BridgeError) -> bool {
    error.kind == "unreachable" && error.retryable
}

/// Says whether the body of a refusal holds a result.
fn is_result(refusal: &HttpError) -> bool {
    let frame = refusal.frame.as_ref();
    frame.is_some_and(|frame| matches!(frame.outline(), Outline::Response { failed: false, .. }))
}

/// Says whether the method of a post has a rule.
fn is_of(post: &Post, rule: impl FnOnce(&str) -> bool) -> bool {
    post.frame.method().is_some_and(rule)
}

/// Says whether the response of a request is a stream that stands, rather than an answer: it takes no turn and has no
/// time limit (MCP 2026-07-28, basic/patterns/subscriptions).
fn stands(post: &Post) -> bool {
    is_of(post, |method| standing(method).is_some())
}
