//! Response streams: read to the answer that is owed, and resumed by their last event id when they are cut.
//!
//! This file holds the number of resumptions, the time behind the answer, and the meaning of a server's refusal to
//! resume (MCP 2025-11-25 basic/transports, "Resumability and Redelivery"). `upstream` sends the request for the rest
//! and meets its challenges; `outstanding` assigns responses to requests; the meaning of the frames is not known here.

use std::time::Duration;

use tokio::time::{self, Instant};

use crate::bridge::credentials::still_challenged;
use crate::bridge::exchanges::Exchanges;
use crate::bridge::outstanding::Brought;
use crate::bridge::retry::{ResumePoint, Streak};
use crate::era::protocol::waits_for_work;
use crate::era::{Arrival, ExchangeId, HttpError, Post};
use crate::frame::{BridgeError, Frame, Parsed, Stage};
use crate::remote::{Answer, Events, Progress, Remote, TransportError, Verb};
use crate::sse;

/// The number of tries to resume one cut response without anything new in between.
const MAX_RESUMES: u32 = 8;
/// The number of losses in a row after which the pauses before a resumption grow no more, as long as the server asks
/// for no longer ones: a request waits for the rest.
const LONGEST_ROW: u32 = 6;
/// The time for which a response may stay open behind its answer before its connection is given up, and for which a
/// response that may belong to another request waits for the next one.
const AFTERMATH: Duration = Duration::from_secs(2);
/// The time for which events may follow the answer in all. A request counts as under way until its response has ended,
/// and a server may send events behind its answer for ever.
const LONGEST_AFTERMATH: Duration = Duration::from_secs(30);

/// The number of frames that are handed to the loop at once at most.
const MAX_AT_ONCE: usize = 64;

/// The outcome of a response stream.
pub(super) enum Followed {
    /// The stream is over.
    Over(Arrival),
    /// The stream is over without the answer that is owed, and without anything else.
    Lost(Arrival),
    /// The stream is no response: its first event names an endpoint, as the stream of HTTP+SSE does.
    IsEndpoint(String, Events),
}

impl Followed {
    fn without_answer(last: Arrival, brought: &Brought<'_>, post: &Post) -> Self {
        let is_cut = match &last {
            Arrival::Failed(error) => error.kind == "cut",
            _ => true,
        };
        // What came while work was waited for is not said again to a request that waits for the rest of it.
        let waits = post.frame.method().is_some_and(waits_for_work);
        match is_cut && (waits || brought.is_nothing()) {
            true => Self::Lost(last),
            false => Self::Over(last),
        }
    }
}

impl<R: Remote> Exchanges<R> {
    /// Reads a response stream, and resumes it, until the answer has come or is lost.
    pub(super) async fn follow(
        &self,
        exchange: ExchangeId,
        mut events: Events,
        post: &Post,
        progress: &Progress,
    ) -> Followed {
        let owed = post.frame.id().filter(|_| post.frame.is_request());
        let mut brought = Brought::new(&self.outstanding, owed)
            .in_revision_of(&post.headers)
            .for_probe(post.is_probe);
        let mut resume_point = ResumePoint::default();
        let mut streak = Streak::new();
        let mut resumes = 0;
        let mut is_first = true;
        loop {
            progress.set(Stage::Body);
            let place = resume_point.id.clone();
            let read = self
                .read(
                    exchange,
                    &mut events,
                    &mut brought,
                    &mut resume_point,
                    &mut streak,
                    std::mem::take(&mut is_first),
                )
                .await;
            let cut = match read {
                Read::Answered => return Followed::Over(Arrival::Ended),
                Read::Endpoint(endpoint) => return Followed::IsEndpoint(endpoint, events),
                Read::Unusable => return Followed::Over(ended(&brought)),
                Read::Closed if !brought.is_owed() => return Followed::Over(Arrival::Ended),
                Read::Closed => None,
                Read::Cut(TransportError::TooLarge { host, limit }) => {
                    let error = TransportError::TooLarge { host, limit }.to_bridge_error();
                    return Followed::Over(Arrival::Failed(error));
                }
                Read::Cut(fault) => Some(fault),
            };
            // A clean early close invites the client to resume; without an event id it cannot.
            if !post.is_resumable || resume_point.id.is_none() {
                let last = match cut {
                    Some(fault) => {
                        Arrival::Failed(with_unusable(fault.to_bridge_error(), &brought))
                    }
                    None => ended(&brought),
                };
                return Followed::without_answer(last, &brought, post);
            }
            progress.set(Stage::Rest);
            let losses = streak.lost();
            if resume_point.id != place || losses <= 1 {
                resumes = 0;
            }
            tracing::debug!(exchange = exchange.0, losses, "response cut; resuming");
            let resumed = self.resume(
                exchange,
                post,
                &resume_point,
                losses,
                &mut resumes,
                progress,
            );
            events = match Box::pin(resumed).await {
                Resumed::Stream(events) => events,
                Resumed::Frames(parsed) => {
                    let mut frames = Vec::new();
                    brought.take(parsed, "a JSON body", &mut frames);
                    frames.append(&mut brought.settle(true));
                    self.pass(exchange, frames).await;
                    return Followed::Over(ended(&brought));
                }
                Resumed::Gone(refusal) => {
                    return Followed::Over(Arrival::LostWithSession(refusal));
                }
                Resumed::Impossible(why) => {
                    let last = Arrival::Failed(with_unusable(why, &brought));
                    return Followed::without_answer(last, &brought, post);
                }
            };
            streak.opened();
        }
    }

    async fn resume(
        &self,
        exchange: ExchangeId,
        post: &Post,
        resume_point: &ResumePoint,
        losses: u32,
        resumes: &mut u32,
        progress: &Progress,
    ) -> Resumed {
        // The stage is of no interest any more where no time limit is.
        let progress = Some(progress).filter(|progress| progress.is_standing());
        let headers = resume_point.headers(&post.headers);
        let mut tries = losses;
        loop {
            *resumes += 1;
            let lost = |why: &str| {
                BridgeError::new("cut", format!("The response was cut and {why}.")).retryable()
            };
            if *resumes > MAX_RESUMES {
                return Resumed::Impossible(lost("could not be resumed"));
            }
            time::sleep(resume_point.pause(tries.min(LONGEST_ROW))).await;
            tries = tries.saturating_add(1);
            let is_asked = post.is_asked_by_host;
            let resumed = self.exchange(exchange, None, Verb::Get, &headers, is_asked, progress);
            match resumed.await {
                Ok(Answer::Stream(_, events)) => return Resumed::Stream(events),
                Ok(Answer::Json(_, parsed)) => return Resumed::Frames(parsed),
                Ok(Answer::Refused(refusal)) if matches!(refusal.status, 404 | 410) => {
                    return Resumed::Gone(refusal);
                }
                // 409: the server has not noticed that the old connection is dead.
                Ok(Answer::Refused(refusal))
                    if !matches!(refusal.status, 409 | 425 | 429 | 500..=599) =>
                {
                    let status = refusal.status;
                    return Resumed::Impossible(lost(&format!(
                        "the server does not resume it (HTTP {status})"
                    )));
                }
                Ok(Answer::Challenged(challenge)) => {
                    return Resumed::Impossible(still_challenged(&challenge));
                }
                Ok(Answer::Accepted(_)) => {
                    return Resumed::Impossible(lost("the server has nothing more to say"));
                }
                Ok(Answer::Refused(_)) => {}
                Err(stopped) if stopped.to_bridge_error().retryable => {}
                Err(stopped) => return Resumed::Impossible(stopped.into_bridge_error()),
            }
        }
    }

    /// Reads one stream to its end, or a little past the answer that is owed. Where it `may_be_endpoint`, its first
    /// event may say that it is a stream of another kind.
    pub(super) async fn read(
        &self,
        exchange: ExchangeId,
        events: &mut Events,
        brought: &mut Brought<'_>,
        resume_point: &mut ResumePoint,
        streak: &mut Streak,
        mut may_be_endpoint: bool,
    ) -> Read {
        let mut answered_at = None;
        loop {
            if brought.is_answered() {
                let answered_at = *answered_at.get_or_insert_with(Instant::now);
                if answered_at.elapsed() >= LONGEST_AFTERMATH {
                    return Read::Answered;
                }
            }
            let is_bounded = brought.is_answered() || brought.is_in_doubt();
            let next = match is_bounded {
                true => time::timeout(AFTERMATH, events.next()).await,
                false => Ok(events.next().await),
            };
            if brought.is_answered() && !matches!(next, Ok(Ok(Some(_)))) {
                return Read::Answered;
            }
            let event = match next {
                Ok(Ok(Some(event))) => event,
                // A stream that was cut may be resumed, and the answer may still come: the ids assign the responses so
                // far.
                ended => {
                    let is_over = matches!(ended, Ok(Ok(None)));
                    self.pass(exchange, brought.settle(is_over)).await;
                    match ended {
                        _ if brought.is_answered() => return Read::Answered,
                        Ok(Ok(None)) => return Read::Closed,
                        Ok(Err(fault)) => return Read::Cut(fault),
                        _ => continue,
                    }
                }
            };
            // The stream goes on behind what has been handed over, and not before: this may be dropped while it waits for
            // the loop.
            let mut reached = resume_point.clone();
            let mut frames = Vec::new();
            let mut next = Some(event);
            while let Some(event) = next {
                reached.mark(&event);
                // An event without data says nothing of the kind of the stream.
                let is_first = may_be_endpoint && !event.data.is_empty();
                may_be_endpoint &= !is_first;
                if is_first && event.kind.as_deref() == Some("endpoint") {
                    *resume_point = reached;
                    return Read::Endpoint(event.data);
                }
                take_event(event, brought, &mut frames);
                let is_full = frames.len() >= MAX_AT_ONCE || brought.is_beyond_use();
                next = if is_full { None } else { events.next_ready() };
            }
            frames.iter().for_each(|frame| streak.brought(frame));
            self.pass(exchange, frames).await;
            *resume_point = reached;
            if brought.is_beyond_use() && !brought.is_answered() {
                return Read::Unusable;
            }
        }
    }

    /// Hands the frames to the loop.
    pub(super) async fn pass(&self, exchange: ExchangeId, frames: Vec<Frame>) {
        let arrivals = frames.into_iter().map(Arrival::Frame).collect();
        self.report_all(exchange, arrivals).await;
    }
}

/// Takes one event; adds the frames that can be passed on.
fn take_event(mut event: sse::Event, brought: &mut Brought<'_>, frames: &mut Vec<Frame>) {
    if event.data.is_empty() {
        return;
    }
    let is_typed = event.kind.as_deref().is_some_and(|kind| kind != "message");
    let is_meant = event.data.trim_start().starts_with(['{', '[']);
    match Parsed::read_owned(std::mem::take(&mut event.data)) {
        Ok(parsed) => brought.take(parsed, "an event", frames),
        Err(_) if is_typed => brought.cannot_use_event(&event),
        Err(malformed) => {
            brought.cannot_use(&malformed, "an event");
            frames.extend(brought.error_for(&malformed, is_meant));
        }
    }
}

/// Returns the end of a response: an error with the unusable text, if an answer is owed and none came.
pub(super) fn ended(brought: &Brought<'_>) -> Arrival {
    match brought.unusable() {
        Some(what) if brought.is_owed() && !brought.is_answered() => {
            let words =
                format!("The server's response holds no answer that can be used, but {what}.");
            Arrival::Failed(BridgeError::new("bad_answer", words))
        }
        _ => Arrival::Ended,
    }
}

/// Adds to an error the frame that came and could not be used.
fn with_unusable(error: BridgeError, brought: &Brought<'_>) -> BridgeError {
    match brought.unusable() {
        Some(what) => BridgeError {
            message: format!("{} Before that came {what}.", error.message),
            ..error
        },
        None => error,
    }
}

/// The end of reading one stream.
pub(super) enum Read {
    Answered,
    Closed,
    /// The answer came, and cannot be used.
    Unusable,
    Endpoint(String),
    Cut(TransportError),
}

enum Resumed {
    Stream(Events),
    Frames(Parsed),
    Gone(HttpError),
    Impossible(BridgeError),
}
