//! Rules for trying again: bookmarks in streams, backoff, and what may be sent twice.
//!
//! Decides; the exchanges act. RFC 9110 section 15, WHATWG HTML section 9.2, and MCP 2025-11-25, basic/transports,
//! "Resumability and Redelivery".

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{self, Instant};

use crate::backoff;
use crate::era::HttpError;
use crate::frame::Frame;
use crate::random;
use crate::sse;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The longest event id that is sent back: common servers take 8 KiB of a header field and no more.
const LONGEST_EVENT_ID: usize = 8 * 1024;
/// The longest wait that a server may ask for; beyond it the server's refusal is passed on.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The place in a stream at which it can be resumed (`Last-Event-ID` and `retry` of WHATWG HTML section 9.2).
#[derive(Clone, Debug, Default)]
pub(super) struct ResumePoint {
    pub(super) id: Option<String>,
    retry: Option<Duration>,
}

impl ResumePoint {
    pub(super) fn mark(&mut self, event: &sse::Event) {
        match event.id.as_deref() {
            Some("") => self.id = None,
            Some(id) => self.id = Some(id.to_owned()),
            None => {}
        }
        self.retry = event.retry.or(self.retry);
    }

    /// Returns the pause before the `attempt`th reconnection in a row: at first exactly the pause that the server asked
    /// for.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        match self.retry {
            Some(retry) if attempt <= 1 => retry.min(MAX_PAUSE),
            Some(retry) => retry.min(MAX_PAUSE).max(backoff(attempt)),
            None => backoff(attempt),
        }
    }

    pub(super) fn headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        // An id that cannot be a header value cannot be sent back; the stream then starts where the server likes.
        if let Some(id) = self
            .id
            .as_deref()
            .filter(|id| id.len() <= LONGEST_EVENT_ID)
            .and_then(|id| HeaderValue::from_str(id).ok())
        {
            headers.insert(LAST_EVENT_ID, id);
        }
        headers
    }
}

/// The time after which a stream that stands counts as stable.
pub(super) const STEADY: Duration = Duration::from_secs(60);

/// The number of frames, and of bytes of each, by which a greeting is known again. A result of megabytes takes as long to
/// hash as to read.
const GREETING_FRAMES: u64 = 64;
const GREETING_BYTES: usize = 1024;

/// The number of times in a row that one stream was opened and ended without result.
///
/// The bytes that a server sends as it opens a stream (a priming event, a `ping`, a pause, the same greeting each time)
/// are no sign that the next stream will stand; a message is, and so is a minute.
#[derive(Debug)]
pub(super) struct Streak {
    losses: u32,
    since: Instant,
    has_brought: bool,
    /// The number of frames on this stream, and a hash of the beginnings of the first.
    said: (u64, DefaultHasher),
    /// The same of the stream before.
    said_before: Option<(u64, u64)>,
}

impl Streak {
    pub(super) fn new() -> Self {
        Self {
            losses: 0,
            since: Instant::now(),
            has_brought: false,
            said: Default::default(),
            said_before: None,
        }
    }

    /// Notes that a stream has been opened.
    pub(super) fn opened(&mut self) {
        self.since = Instant::now();
        self.has_brought = false;
        self.said = Default::default();
    }

    /// Notes that the stream has brought this.
    pub(super) fn brought(&mut self, frame: &Frame) {
        if frame.method() != Some("ping") {
            self.has_brought = true;
            let (count, said) = &mut self.said;
            *count += 1;
            if *count <= GREETING_FRAMES {
                let text = frame.text().as_bytes();
                let start = text.get(..GREETING_BYTES).unwrap_or(text);
                (start, text.len()).hash(said);
            }
        }
    }

    /// Notes that the stream has ended, or could not be opened. Returns the number of that loss in its row, counted
    /// from 1.
    pub(super) fn lost(&mut self) -> u32 {
        let said = (self.said.0, self.said.1.finish());
        let is_news = self.has_brought && self.said_before != Some(said);
        if self.has_brought {
            self.said_before = Some(said);
        }
        if is_news || self.since.elapsed() >= STEADY {
            self.losses = 0;
        }
        self.opened();
        self.losses = self.losses.saturating_add(1);
        self.losses
    }
}

/// The longest pause between reconnections.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Returns a pause that doubles from a quarter of a second to [`MAX_PAUSE`], less up to a quarter so that many bridges
/// do not return at once.
pub(super) fn backoff(attempt: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(250);
    let full = backoff::doubled(FIRST, attempt.saturating_sub(1), MAX_PAUSE);
    backoff::shortened(full, random::fraction())
}

/// Returns the pause after which a refused request may be sent again, if it may: 429 was not processed; 503 says the
/// same when it names a time; any other request only if doing it twice is harmless.
pub(super) fn pause_after(refusal: &HttpError, is_harmless: bool, sends: u32) -> Option<Duration> {
    let may = match refusal.status {
        429 => true,
        503 => is_harmless || refusal.retry_after.is_some(),
        408 | 502 | 504 => is_harmless,
        _ => false,
    };
    // A lost session answers 503 too, with a text of its own; the era's code judges that.
    let is_about_the_session = refusal.status == 503 && crate::era::is_session_loss(refusal);
    let pause = refusal.retry_after.unwrap_or_else(|| backoff(sends));
    (may && !is_about_the_session && pause <= MAX_RETRY_AFTER).then_some(pause)
}

/// Returns at this instant; never if there is none.
pub(super) async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Returns at the next tick of this clock; never if there is none.
pub(super) async fn tick(ping: &mut Option<time::Interval>) {
    match ping {
        Some(ping) => {
            ping.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_ceiling_and_never_past_it() {
        for attempt in 1..40 {
            let full = 250u64.saturating_mul(1 << (attempt - 1).min(8)).min(60_000);
            let pause = backoff(attempt);
            assert!(
                pause <= Duration::from_millis(full)
                    && pause >= Duration::from_millis(full * 3 / 4)
            );
        }
    }

    #[test]
    fn a_bookmark_keeps_the_last_id_and_the_servers_pause() {
        let mut resume_point = ResumePoint::default();
        let event = |id: Option<&str>, retry| sse::Event {
            id: id.map(str::to_owned),
            retry,
            ..sse::Event::default()
        };
        resume_point.mark(&event(Some("7"), Some(Duration::from_millis(500))));
        resume_point.mark(&event(None, None));
        assert_eq!(
            resume_point.headers(&HeaderMap::new())["last-event-id"],
            "7"
        );
        assert_eq!(resume_point.pause(1), Duration::from_millis(500));
        resume_point.mark(&event(Some(""), None));
        assert!(resume_point.headers(&HeaderMap::new()).is_empty());
    }

    #[test]
    fn only_what_was_not_done_or_does_no_harm_is_sent_again() {
        let refusal = |status, after: Option<u64>| HttpError {
            status,
            retry_after: after.map(Duration::from_secs),
            ..HttpError::default()
        };
        assert!(pause_after(&refusal(429, None), false, 1).is_some());
        assert!(pause_after(&refusal(503, None), false, 1).is_none());
        assert!(pause_after(&refusal(503, Some(2)), false, 1).is_some());
        assert!(pause_after(&refusal(503, Some(3600)), true, 1).is_none());
        assert!(pause_after(&refusal(502, None), true, 1).is_some());
        assert!(pause_after(&refusal(502, None), false, 1).is_none());
        assert!(pause_after(&refusal(500, None), true, 1).is_none());
    }
}
