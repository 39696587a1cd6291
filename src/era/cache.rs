//! Results that may be given again: six methods, for as long as the server said they are good (MCP 2026-07-28,
//! server/utilities/caching).
//!
//! Stands between the host and whichever pair of eras serves it. What the host was told is kept as it was told,
//! together with the life the remote gave it, which a legacy host never sees. A question is known by its method and
//! everything in it that a result may depend on; a remote that says that something has changed takes it back at once.
//! Nothing is fetched unasked, and an answer that is not certainly the one to a question is not kept.
//!
//! Knows no clock and no credential: both come as numbers. Sends nothing.

mod entries;
mod key;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::protocol::HEADER_MISMATCH;
use super::{Action, Arrival, ExchangeId, Post};
use crate::frame::{Frame, Id, Outline, string};
use entries::Entries;
use key::{CacheableMethod, CacheableRequest, Freshness};

/// Results that may be repeated, and the requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// The time for which lists are kept whose server does not say (`--cache-ttl`).
    default: Option<Duration>,
    entries: Entries,
    /// Questions of the host's without an answer so far, the oldest first.
    open: Vec<InFlight>,
    now: Duration,
    identity: u64,
}

/// A question that is with the relay.
#[derive(Debug)]
struct InFlight {
    /// The host's id.
    id: Id,
    request: CacheableRequest,
    key: String,
    /// In whose name it was sent.
    identity: u64,
    /// On its way to the remote, and under which id.
    sent: Option<(ExchangeId, Id)>,
    /// The freshness of the server's answer, if it may be kept, and the time of its arrival.
    freshness: Option<(Freshness, Duration)>,
    /// A notification has said since it was sent that the answer may be old.
    is_invalidated: bool,
}

impl Cache {
    /// Makes an empty cache. `default` is the freshness of lists whose server gives them none; without it they have
    /// none.
    pub(super) fn new(default: Option<Duration>) -> Self {
        Self {
            default,
            ..Self::default()
        }
    }

    /// Takes the time and the account. `now` counts from any beginning and never backwards; `identity` changes whenever
    /// what is private to one caller may not be told to the next (MCP 2026-07-28, server/utilities/caching).
    pub(super) fn update_context(&mut self, now: Duration, identity: u64) {
        self.now = now;
        if identity != self.identity {
            self.identity = identity;
            self.entries.drop_private();
        }
    }

    /// Drops everything, for another session or another server. Requests under way are answered, and not kept.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.open.clear();
    }

    /// Looks at what the host says, and answers if that can be done from here.
    pub(super) fn answer(&mut self, frame: &Frame) -> Option<Frame> {
        let id = frame.id().filter(|_| frame.is_request())?;
        if frame.method() == Some("initialize") {
            self.clear();
            return None;
        }
        let request = CacheableRequest::of(frame)?;
        let key = request.key(frame);
        if let Some(answer) = self.entries.serve(&key, self.now) {
            tracing::debug!(?frame, "answered from what is kept");
            return Some(answer.with_id(id));
        }
        self.open.retain(|open| open.id != *id);
        self.open.push(InFlight {
            id: id.clone(),
            request,
            key,
            identity: self.identity,
            sent: None,
            freshness: None,
            is_invalidated: false,
        });
        None
    }

    /// Looks at what an exchange brings, before the relay does.
    pub(super) fn note_arrival(&mut self, exchange: ExchangeId, arrival: &Arrival) {
        match arrival {
            Arrival::Frame(frame) => self.note_response(exchange, frame),
            // A session that is gone took its lists with it, and who is not let in is told nothing.
            Arrival::LostWithSession(_) => self.clear(),
            Arrival::Refused(refusal) => match (refusal.status, &refusal.frame) {
                (401 | 403, _) | (404 | 410, None) => self.entries.clear(),
                (_, Some(frame)) => self.note_response(exchange, frame),
                (_, None) => {}
            },
            Arrival::Failed(error) if error.kind == "sign_in_needed" => {
                self.entries.drop_private();
            }
            _ => {}
        }
    }

    /// Looks at what the relay has decided to do.
    pub(super) fn note_actions<'a>(&mut self, actions: impl IntoIterator<Item = &'a Action>) {
        for action in actions {
            match action {
                Action::Reply(frame) => self.note_reply(frame),
                Action::Cancelled(id) => self.open.retain(|open| open.id != *id),
                Action::Post(post) => self.note_post(post),
                _ => {}
            }
        }
    }

    /// Notes the id under which a request of the host goes to the server: the post that makes the same request.
    fn note_post(&mut self, post: &Post) {
        if post.frame.method() == Some("initialize") && post.frame.is_request() {
            self.entries.clear();
            self.invalidate_in_flight(|_| true);
            return;
        }
        if self.open.is_empty() {
            return;
        }
        let (Some(id), Some(request)) = (post.frame.id(), CacheableRequest::of(&post.frame)) else {
            return;
        };
        let sent_as = |open: &InFlight| open.sent.as_ref().is_some_and(|(_, sent)| sent == id);
        let waits = |open: &InFlight| open.sent.is_none() && open.request == request;
        let open = &mut self.open;
        let place = open
            .iter()
            .position(sent_as)
            .or_else(|| open.iter().position(|it| it.id == *id && waits(it)))
            .or_else(|| open.iter().position(waits));
        if let Some(open) = place.and_then(|place| open.get_mut(place)) {
            open.sent = Some((post.exchange, id.clone()));
            // Whatever changed before, this asks for what is there now, as whom we are now.
            open.is_invalidated = false;
            open.identity = self.identity;
        }
    }

    fn note_response(&mut self, exchange: ExchangeId, frame: &Frame) {
        let (id, failed) = match frame.outline() {
            Outline::Request { .. } => return,
            Outline::Notification { method } => return self.changed(method, frame),
            Outline::Response { id, failed } => (id, *failed),
        };
        // The headers were made from a schema that is not the server's any more.
        if failed && frame.error_code() == Some(HEADER_MISMATCH) {
            self.drop_kinds(&[CacheableMethod::Tools]);
        }
        let is_it = |open: &&mut InFlight| match (&open.sent, id) {
            (Some((_, sent)), Some(id)) => sent == id,
            // An error without an id belongs to the exchange it came on (MCP 2026-07-28,
            // basic/transports/streamable-http).
            (Some((sent_on, _)), None) => *sent_on == exchange,
            (None, _) => false,
        };
        let Some(open) = self.open.iter_mut().find(is_it) else {
            return;
        };
        if failed {
            // A cursor that is refused makes all pages doubtful (MCP 2026-07-28, server/utilities/caching).
            if open.request.has_cursor {
                let kind = open.request.kind;
                self.drop_kinds(&[kind]);
            }
            return;
        }
        let freshness = Freshness::of(frame, open.request.kind, self.default);
        open.freshness = freshness.map(|freshness| (freshness, self.now));
    }

    /// Notes a frame on its way to the host.
    fn note_reply(&mut self, frame: &Frame) {
        let (id, failed) = match frame.outline() {
            Outline::Request { .. } => return,
            // Relays announce changes of their own making too: after a stream was lost, or a session.
            Outline::Notification { method } => return self.changed(method, frame),
            Outline::Response { id, failed } => (id.as_ref(), *failed),
        };
        let Some(place) = self.open.iter().position(|open| Some(&open.id) == id) else {
            return;
        };
        let open = self.open.remove(place);
        let Some((freshness, since)) = open.freshness.filter(|_| !failed && !open.is_invalidated)
        else {
            return;
        };
        let is_somebody_elses = freshness.is_private && open.identity != self.identity;
        if !is_somebody_elses && key::is_complete(frame) {
            self.entries
                .put(open.key, open.request, frame, freshness, since);
        }
    }

    /// Drops what a notification says has changed (MCP 2026-07-28, server/utilities/caching).
    fn changed(&mut self, method: &str, frame: &Frame) {
        match method {
            "notifications/tools/list_changed" => self.drop_kinds(&[CacheableMethod::Tools]),
            "notifications/prompts/list_changed" => self.drop_kinds(&[CacheableMethod::Prompts]),
            "notifications/resources/list_changed" => {
                self.drop_kinds(&[CacheableMethod::Resources, CacheableMethod::Templates]);
            }
            "notifications/resources/updated" => {
                let uri = frame.param("uri").and_then(string);
                // One that does not say which may mean any.
                let is_it = |request: &CacheableRequest| {
                    request.kind == CacheableMethod::Read && (uri.is_none() || request.uri == uri)
                };
                self.invalidate_in_flight(is_it);
                self.entries.drop_where(is_it);
            }
            _ => {}
        }
    }

    fn drop_kinds(&mut self, kinds: &[CacheableMethod]) {
        let is_it = |request: &CacheableRequest| kinds.contains(&request.kind);
        self.invalidate_in_flight(is_it);
        self.entries.drop_where(is_it);
    }

    /// Marks requests under way whose answers may be from before a change.
    fn invalidate_in_flight(&mut self, is_it: impl Fn(&CacheableRequest) -> bool) {
        for open in self.open.iter_mut().filter(|open| is_it(&open.request)) {
            open.is_invalidated = true;
        }
    }
}
