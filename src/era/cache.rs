//! Results that may be given again, for as long as the server said they are good (MCP 2026-07-28,
//! server/utilities/caching). `protocol` says of which methods.
//!
//! Stands between the host and whichever pair of eras serves it. What the host was told is kept as it was told,
//! together with the life the remote gave it, which a legacy host never sees. A question is known by its method and
//! everything in it that a result may depend on; a remote that says that something has changed takes it back at once.
//! No request says that its host wants to see anew what is kept. So an answer that shows something kept to be old takes
//! it back too: the digest of a file that is not the one that was read (SEP-2640), or a list that is not what it was.
//! Nothing is fetched unasked, and an answer that is not certainly the one to a question is not kept.
//!
//! Knows no clock and no credential: both come as numbers. Sends nothing.

mod digests;
mod entries;
mod key;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::protocol::{self, HEADER_MISMATCH};
use super::{Action, Arrival, ExchangeId, Post};
use crate::frame::{Frame, Id, Outline, string};
use digests::{Digests, FileDigest};
use entries::Entries;
use key::{CacheableRequest, Freshness};

/// Lists whose first pages are remembered, to see that they have changed.
const MAX_LISTS: usize = 64;

/// Results that may be repeated, and the requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// The time for which lists are kept whose server does not say (`--cache-ttl`).
    default: Option<Duration>,
    entries: Entries,
    /// Questions of the host's without an answer so far, the oldest first.
    open: Vec<InFlight>,
    /// Digests of the keys of lists, and of the first pages as they were last answered; the oldest first.
    lists: VecDeque<([u8; 32], [u8; 32])>,
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
    /// The digest of the file that it reads, as it was told since the request was sent.
    told: Option<Option<FileDigest>>,
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
        if let Some(list) = frame.method().and_then(protocol::overtakes) {
            self.drop_list(list);
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
            told: None,
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
            self.drop_list("tools");
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
                let method = open.request.rules.name;
                self.drop_where(|request| request.rules.name == method);
            }
            return;
        }
        let freshness = Freshness::of(frame, open.request.rules.content, self.default);
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
        if failed {
            // A server that does not have the file, or the skill, may have told of it before.
            if let Some(uri) = &open.request.uri {
                self.entries.drop_digests_of(Some(uri));
            }
            return;
        }
        if !key::is_complete(frame) {
            return;
        }
        if let Some(list) = open.request.first_page_of()
            && self.has_changed(&open.key, frame)
        {
            self.drop_list(list);
        }
        if !self.is_as_told(&open, frame) {
            return;
        }
        let digests = open.request.rules.content.has_digests();
        let digests = digests.then(|| Digests::of(frame));
        if let Some(digests) = &digests {
            self.tell(digests);
        }
        let Some(freshness) = open.freshness.filter(|_| !open.is_invalidated) else {
            return;
        };
        let is_somebody_elses = freshness.0.is_private && open.identity != self.identity;
        if !is_somebody_elses {
            self.entries
                .put(open.key, open.request, frame, digests, freshness);
        }
    }

    /// Remembers the first page of a list, and says whether it was another one when it was last answered.
    fn has_changed(&mut self, key: &str, page: &Frame) -> bool {
        let mut result = page.object("result").unwrap_or_default();
        for name in ["_meta", "resultType", "ttlMs", "cacheScope"] {
            result.remove(name);
        }
        let key: [u8; 32] = Sha256::digest(key).into();
        let now: [u8; 32] = Sha256::digest(result.text()).into();
        if let Some((_, last)) = self.lists.iter_mut().find(|(known, _)| *known == key) {
            return std::mem::replace(last, now) != now;
        }
        self.lists.push_back((key, now));
        if self.lists.len() > MAX_LISTS {
            self.lists.pop_front();
        }
        false
    }

    /// Says whether the content of a file is what its server has told of it, as far as it has. Where it is not, either
    /// may be the older, and neither is kept.
    fn is_as_told(&mut self, open: &InFlight, answer: &Frame) -> bool {
        let Some(uri) = open.request.resource() else {
            return true;
        };
        let told = open.told.or_else(|| self.entries.told(uri, self.now));
        let is_it = told.is_none_or(|told| told.is_some() && FileDigest::of(answer, uri) == told);
        if !is_it {
            tracing::debug!(
                "a file is not what the list of its skill tells of it; neither is kept"
            );
            self.entries.drop_digests_of(Some(uri));
        }
        is_it
    }

    /// Takes the newest digests of files.
    fn tell(&mut self, digests: &Digests) {
        self.entries.drop_contradicted(digests);
        for open in &mut self.open {
            let told = open.request.resource().and_then(|uri| digests.told(uri));
            open.told = told.or(open.told);
        }
    }

    /// Drops what a notification says has changed (MCP 2026-07-28, server/utilities/caching).
    fn changed(&mut self, method: &str, frame: &Frame) {
        let Some(about) = method.strip_prefix("notifications/") else {
            return;
        };
        if about == "resources/updated" {
            // One that does not say which may mean any.
            let uri = frame.param("uri").and_then(string);
            self.drop_where(|request| {
                let resource = request.resource();
                resource.is_some() && (uri.is_none() || resource == uri.as_deref())
            });
            self.invalidate_in_flight(|request| request.rules.content.has_digests());
            self.entries.drop_digests_of(uri.as_deref());
        } else if let Some(list) = about.strip_suffix("/list_changed") {
            self.drop_list(list);
        }
    }

    /// Drops all results that a change of this list makes old.
    fn drop_list(&mut self, list: &str) {
        self.drop_where(|request| request.rules.lists.contains(&list));
    }

    fn drop_where(&mut self, is_it: impl Fn(&CacheableRequest) -> bool) {
        self.invalidate_in_flight(&is_it);
        self.entries.drop_where(&is_it);
    }

    /// Marks requests under way whose answers may be from before a change.
    fn invalidate_in_flight(&mut self, is_it: impl Fn(&CacheableRequest) -> bool) {
        for open in self.open.iter_mut().filter(|open| is_it(&open.request)) {
            open.is_invalidated = true;
        }
    }
}
