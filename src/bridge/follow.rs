//! Response streams: read to the answer that is owed, and resumed by their last event id when they are cut.
//!
//! How often, how long behind the answer, and what a server's refusal to resume means for the answer (S-04 to S-12).
//! How a request for the rest is sent and what it does about challenges is the exchange's; what the frames mean is not
//! known here.

use std::time::Duration;

use tokio::time;

use super::exchange::{Road, still_challenged};
use super::pace::Bookmark;
use crate::era::{Arrival, ExchangeId, Post};
use crate::frame::{Id, Parsed, Trouble};
use crate::remote::{Answer, Events, Fault, Refusal, Remote, Verb};

/// Tries to resume one cut response without a new event in between.
const MAX_RESUMES: u32 = 8;
/// How long a response may stay open behind its answer before its connection is given up.
const AFTERMATH: Duration = Duration::from_secs(2);

impl<R: Remote> Road<R> {
    /// Reads a response stream, and resumes it, until the answer has come or is lost.
    pub(super) async fn follow(
        &self,
        exchange: ExchangeId,
        mut events: Events,
        post: &Post,
    ) -> Arrival {
        let owed = post.frame.id().filter(|_| post.frame.is_request());
        let mut bookmark = Bookmark::default();
        let mut resumes = 0;
        loop {
            let cut = match self
                .read(exchange, &mut events, owed, &mut bookmark, &mut resumes)
                .await
            {
                Read::Answered => return Arrival::Ended,
                Read::Closed if owed.is_none() => return Arrival::Ended,
                Read::Closed => None,
                Read::Cut(Fault::TooLarge { host, limit }) => {
                    return Arrival::Failed(Fault::TooLarge { host, limit }.trouble());
                }
                Read::Cut(fault) => Some(fault),
            };
            // A clean early close is an invitation to come back (S-08); without an event id there is no way (S-10).
            if !post.is_resumable || bookmark.id.is_none() {
                return match cut {
                    Some(fault) => Arrival::Failed(fault.trouble()),
                    None => Arrival::Ended,
                };
            }
            tracing::debug!(exchange = exchange.0, "response cut; resuming");
            events = match self.resume(exchange, post, &bookmark, &mut resumes).await {
                Resumed::Stream(events) => events,
                Resumed::Frames(parsed) => {
                    self.frames(exchange, parsed, owed).await;
                    return Arrival::Ended;
                }
                Resumed::Gone(refusal) => return Arrival::LostWithSession(refusal),
                Resumed::Impossible(why) => return Arrival::Failed(why),
            };
        }
    }

    async fn resume(
        &self,
        exchange: ExchangeId,
        post: &Post,
        bookmark: &Bookmark,
        resumes: &mut u32,
    ) -> Resumed {
        let headers = bookmark.headers(&post.headers);
        loop {
            *resumes += 1;
            let lost = |why: &str| {
                Trouble::new("cut", format!("The response was cut and {why}.")).retryable()
            };
            if *resumes > MAX_RESUMES {
                return Resumed::Impossible(lost("could not be resumed"));
            }
            time::sleep(bookmark.pause(*resumes)).await;
            let is_asked = post.is_asked_by_host;
            let resumed = self.exchange(exchange, None, Verb::Get, &headers, is_asked);
            match resumed.await {
                Ok(Answer::Stream(_, events)) => return Resumed::Stream(events),
                Ok(Answer::Json(_, parsed)) => return Resumed::Frames(parsed),
                Ok(Answer::Refused(refusal)) if matches!(refusal.status, 404 | 410) => {
                    return Resumed::Gone(refusal);
                }
                // 409: the server has not noticed that the old connection is dead (S-11).
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
                Err(stopped) if stopped.trouble().retryable => {}
                Err(stopped) => return Resumed::Impossible(stopped.into_trouble()),
            }
        }
    }

    /// Reads one stream to its end, or a little past the answer that is owed.
    pub(super) async fn read(
        &self,
        exchange: ExchangeId,
        events: &mut Events,
        owed: Option<&Id>,
        bookmark: &mut Bookmark,
        progress: &mut u32,
    ) -> Read {
        let mut is_answered = false;
        loop {
            let next = if is_answered {
                match time::timeout(AFTERMATH, events.next()).await {
                    Ok(next) => next,
                    Err(_) => return Read::Answered,
                }
            } else {
                events.next().await
            };
            let event = match next {
                _ if is_answered && !matches!(next, Ok(Some(_))) => return Read::Answered,
                Ok(Some(event)) => event,
                Ok(None) => return Read::Closed,
                Err(fault) => return Read::Cut(fault),
            };
            *progress = 0;
            bookmark.mark(&event);
            if event.data.is_empty() || event.kind.as_deref().is_some_and(|kind| kind != "message")
            {
                continue;
            }
            match Parsed::read(&event.data) {
                Ok(parsed) => is_answered |= self.frames(exchange, parsed, owed).await,
                Err(malformed) => tracing::warn!(
                    exchange = exchange.0,
                    reason = malformed.reason,
                    "not a message"
                ),
            }
        }
    }

    /// Hands over what came; true if the answer owed to `owed` was among it.
    pub(super) async fn frames(
        &self,
        exchange: ExchangeId,
        parsed: Parsed,
        owed: Option<&Id>,
    ) -> bool {
        let mut is_answered = false;
        let members = match parsed {
            Parsed::One(frame) => vec![Ok(frame)],
            Parsed::Batch(members) => members,
        };
        for member in members {
            match member {
                Ok(frame) => {
                    is_answered |= owed.is_some()
                        && frame.is_response()
                        && (frame.id() == owed || frame.id().is_none());
                    self.tell(exchange, Arrival::Frame(frame)).await;
                }
                Err(malformed) => tracing::warn!(
                    exchange = exchange.0,
                    reason = malformed.reason,
                    "not a message"
                ),
            }
        }
        is_answered
    }
}

/// How reading one stream ended.
pub(super) enum Read {
    Answered,
    Closed,
    Cut(Fault),
}

enum Resumed {
    Stream(Events),
    Frames(Parsed),
    Gone(Refusal),
    Impossible(Trouble),
}
