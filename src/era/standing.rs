//! Standing requests: their answer is their end, and what they are for are the notifications before it.
//!
//! A request stands by its method, where that has rules (`protocol`), or by what the server does: one of its
//! notifications names it as the request that it belongs to. Keeps, for one request, the position that the host has been
//! told of, and so decides whether another request may go on in its place, and which of its notifications are news to the
//! host. Knows no exchange; each pair keeps its own requests.
//!
//! MCP 2026-07-28, basic/patterns/subscriptions; SEP-3415, "Push-Based Delivery" and "Cursor Lifecycle".

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::protocol::{self, META_SUBSCRIPTION, Standing};
use super::subscriptions;
use crate::frame::{BridgeError, Frame, Id, Object, member_of};

/// The most times that a request is sent again of which the host has been told nothing.
const MAX_LOSSES: u32 = 3;
/// The longest pause before a lost request is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The time that the stream of a request may stay open behind the notification that ends the request.
pub(super) const AFTERMATH: Duration = Duration::from_secs(5);
/// Events that are known again when they come a second time. A cursor makes all but the last few unlikely to.
const MEMORY: usize = 256;

/// A request that stands, or may yet.
#[derive(Clone, Debug, Default)]
pub(super) struct StandingRequest {
    rules: Option<Standing>,
    stands: bool,
    /// The last position that the host has named or has been told of, as JSON text.
    cursor: Option<String>,
    /// The host has been told something.
    has_told: bool,
    /// The server has ended it with a notification.
    is_over: bool,
    /// The present stream is not the first that the host has heard of, and is not confirmed.
    is_resuming: bool,
    is_resumed: bool,
    /// Hashes of the ids of the last events.
    told: VecDeque<u64>,
    /// Losses in a row.
    losses: u32,
}

/// The consequence of a notification on the stream of a request.
#[derive(Debug)]
pub(super) enum Taken {
    /// The host is told this.
    News(Frame),
    /// The host has been told.
    Known,
    /// The server cancels the request, in these words for the host.
    Cancelled(Frame),
}

impl StandingRequest {
    /// Begins with a request as the host sent it.
    pub(super) fn of(request: &Frame) -> Self {
        let rules = request.method().and_then(protocol::standing);
        let cursor = rules.and_then(|rules| request.param(rules.cursor?));
        Self {
            stands: rules.is_some(),
            cursor: cursor.filter(|cursor| *cursor != "null").map(str::to_owned),
            rules,
            ..Self::default()
        }
    }

    /// Says whether the request stands.
    pub(super) fn stands(&self) -> bool {
        self.stands
    }

    /// Says whether the server has ended it with a notification: only its answer may still come.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes a notification on its stream. `own` is the host's id of `request`, `sent` the one that the server knows.
    pub(super) fn take(&mut self, frame: &Frame, request: &Frame, own: &Id, sent: &Id) -> Taken {
        let mark = frame.meta(META_SUBSCRIPTION).and_then(Id::parse);
        let is_it = |id: &Id| means(id, own, sent);
        if !self.stands && mark.as_ref().is_some_and(is_it) {
            self.stands = request.method().is_some_and(|it| !protocol::is_known(it));
        }
        if self.stands && frame.cancels().as_ref().is_some_and(is_it) {
            return Taken::Cancelled(cancelled(frame, own));
        }
        if self.is_over {
            return Taken::Known;
        }
        let frame = self.marked(frame, "params", own, sent);
        let Some(rules) = self.rules.filter(|rules| is_of(rules, &frame)) else {
            return Taken::News(frame);
        };
        match frame.method() {
            Some(method) if method == rules.confirmed_by => self.confirmed(&rules, frame),
            method => {
                self.is_over = method.is_some() && method == rules.ended_by;
                if self.is_known(&rules, &frame) {
                    return Taken::Known;
                }
                self.losses = 0;
                self.has_told = true;
                if let Some(cursor) = cursor_of(&rules, &frame) {
                    self.cursor = Some(cursor.to_owned());
                }
                Taken::News(frame)
            }
        }
    }

    /// Takes the confirmation of the present stream. The host has had that of the first one: of a later one only a gap, or
    /// another position, is news.
    fn confirmed(&mut self, rules: &Standing, frame: Frame) -> Taken {
        let is_resuming = std::mem::replace(&mut self.is_resuming, false);
        let cursor = cursor_of(rules, &frame).map(str::to_owned);
        let is_gap = frame.param("truncated") == Some("true");
        if !is_resuming || is_gap {
            self.has_told = true;
            self.cursor = cursor;
            return Taken::News(frame);
        }
        match (cursor, rules.moved_by) {
            (Some(cursor), Some(moved_by)) if self.cursor.as_ref() != Some(&cursor) => {
                self.cursor = Some(cursor);
                Taken::News(frame.edit(|message| {
                    message.set("method", format!("\"{moved_by}\""));
                    message.edit("params", |params| {
                        params.remove("truncated");
                    });
                }))
            }
            _ => Taken::Known,
        }
    }

    /// Says whether an event has been told on a stream before, and remembers it.
    fn is_known(&mut self, rules: &Standing, frame: &Frame) -> bool {
        let Some(id) = rules.event_id.and_then(|name| frame.param(name)) else {
            return false;
        };
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        if self.is_resumed && self.told.contains(&hash) {
            return true;
        }
        if self.told.len() >= MEMORY {
            self.told.pop_front();
        }
        self.told.push_back(hash);
        false
    }

    /// Returns a notification or a result with the host's id in place of the one that the server knows the request by. The
    /// mark of another request stays as it is. `within` is `params` or `result`.
    pub(super) fn marked(&self, frame: &Frame, within: &str, own: &Id, sent: &Id) -> Frame {
        if frame.is_error() || own == sent && self.rules.is_none() {
            return frame.clone();
        }
        let meta = frame.member_in(within, "_meta");
        let is_its_own = match meta.and_then(|meta| member_of(meta, META_SUBSCRIPTION)) {
            Some(mark) => {
                mark != own.text() && Id::parse(mark).is_some_and(|mark| means(&mark, own, sent))
            }
            // Messages of another kind are of no subscription (MCP 2026-07-28, basic/patterns/subscriptions).
            None => self.rules.is_some_and(|rules| is_of(&rules, frame)),
        };
        match is_its_own {
            true => subscriptions::with_id(frame, within, own).unwrap_or_else(|| frame.clone()),
            false => frame.clone(),
        }
    }
}

/// Losses.
impl StandingRequest {
    /// Takes the loss of its stream, and returns the pause after which the request is sent again; `None` where it is not.
    pub(super) fn lost(&mut self, error: &BridgeError) -> Option<Duration> {
        let is_lost_with_session = error.kind == "session_lost";
        let goes_on = match self.has_told {
            true => {
                self.cursor.is_some() && (is_lost_with_session || subscriptions::may_return(error))
            }
            false => {
                self.losses < MAX_LOSSES && (is_lost_with_session || subscriptions::was_lost(error))
            }
        };
        let has_rules = self.rules.is_some_and(|rules| rules.cursor.is_some());
        if !has_rules || !goes_on || self.is_over {
            return None;
        }
        let pause = subscriptions::backoff(self.losses, LONGEST_PAUSE);
        self.losses = self.losses.saturating_add(1);
        self.is_resuming = self.has_told;
        self.is_resumed |= self.has_told;
        Some(pause.max(error.retry_after.unwrap_or_default()))
    }

    /// Returns the request from which the server goes on: the host's, at the position that the host has been told of.
    pub(super) fn request(&self, request: &Frame) -> Frame {
        let name = self.rules.and_then(|rules| rules.cursor);
        match (name, &self.cursor) {
            (Some(name), Some(cursor)) if request.param(name) != Some(cursor) => {
                request.edit(|message| message.edit("params", |it| it.set(name, cursor.as_str())))
            }
            _ => request.clone(),
        }
    }

    /// Returns the answer to a request that is lost for good: its result if the server has ended it, or else an error that
    /// says what was seen.
    pub(super) fn last_answer(&self, own: &Id, error: &BridgeError) -> Frame {
        if self.is_over {
            let mut result = Object::default();
            result.set("resultType", r#""complete""#);
            result.edit("_meta", |meta| meta.set(META_SUBSCRIPTION, own.text()));
            return Frame::result(own, &result.text());
        }
        let has_cursor = self.rules.is_some_and(|rules| rules.cursor.is_some());
        let mut error = error.clone();
        if matches!(error.kind, "cut" | "session_lost") {
            error.message += match has_cursor && self.cursor.is_none() {
                true => " The server has named no cursor from which the request could go on.",
                false => " What the server tells from then on is lost.",
            };
            error.retryable = true;
            let hint = "Send the request again to hear of what is new.";
            error.hint.get_or_insert_with(|| hint.to_owned());
        }
        error.reply(own)
    }
}

/// Returns the error of a request whose stream stays open behind the notification that ended it.
pub(super) fn unanswered() -> BridgeError {
    BridgeError::new("cut", "The server has ended the request without an answer.")
}

/// Says whether a message is the result of a request that stands, or one of the notifications that it is for: those are
/// called as its confirmation is, up to the last part of the name.
fn is_of(rules: &Standing, frame: &Frame) -> bool {
    let family = |method: &str| Some(method.rsplit_once('/')?.0.to_owned());
    frame
        .method()
        .is_none_or(|method| family(method) == family(rules.confirmed_by))
}

/// Says whether a server means this request by an id. Servers write some ids in another way; one of ours is like none of the
/// host's.
fn means(id: &Id, own: &Id, sent: &Id) -> bool {
    id == sent || own != sent && id.is_like(sent)
}

/// Returns the cursor in a notification. `null` is none.
fn cursor_of<'a>(rules: &Standing, frame: &'a Frame) -> Option<&'a str> {
    frame
        .param(rules.cursor?)
        .filter(|cursor| *cursor != "null")
}

/// Returns a server's cancellation of a request under the host's id.
pub(super) fn cancelled(frame: &Frame, own: &Id) -> Frame {
    frame.edit(|message| {
        message.edit("params", |params| params.set("requestId", own.text()));
    })
}
