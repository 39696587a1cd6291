//! Results that may be given again: six methods, for as long as the server said they are good (MCP 2026-07-28,
//! server/utilities/caching).
//!
//! Stands between the host and whichever pair of eras serves it. What the host was told is kept as it was told,
//! together with the life the remote gave it, which a legacy host never sees. A question is known by its method and
//! everything in it that a result may depend on; a remote that says that something has changed takes it back at once.
//! Nothing is fetched unasked, and an answer that is not certainly the one to a question is not kept.
//!
//! Knows no clock and no credential: both come as numbers. Sends nothing.

mod question;
mod shelf;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::protocol::HEADER_MISMATCH;
use super::{Action, Arrival, ExchangeId, Post};
use crate::frame::{Frame, Id, Outline, member_of};
use question::{Kind, Life, Question};
use shelf::Shelf;

/// What has been answered and may be answered again, and which questions are under way.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// What lists live for whose server does not say (`--cache-ttl`).
    default: Option<Duration>,
    shelf: Shelf,
    /// Questions of the host's without an answer so far, the oldest first.
    open: Vec<Open>,
    now: Duration,
    identity: u64,
}

/// A question that is with the relay.
#[derive(Debug)]
struct Open {
    /// The host's id.
    id: Id,
    question: Question,
    key: String,
    /// In whose name it was sent.
    identity: u64,
    /// On its way to the remote, and under which id.
    sent: Option<(ExchangeId, Id)>,
    /// How long the remote's answer is good, if it may be kept, and since when.
    life: Option<(Life, Duration)>,
    /// What it asks about has changed since it was sent.
    is_spoiled: bool,
}

impl Cache {
    /// Empty. `default` is the life of lists whose server gives them none; without it they have none.
    pub(super) fn new(default: Option<Duration>) -> Self {
        Self {
            default,
            ..Self::default()
        }
    }

    /// `now` counts from any beginning and never backwards; `identity` changes whenever what is private to one caller
    /// may not be told to the next (MCP 2026-07-28, server/utilities/caching).
    pub(super) fn update_context(&mut self, now: Duration, identity: u64) {
        self.now = now;
        if identity != self.identity {
            self.identity = identity;
            self.shelf.drop_private();
        }
    }

    /// Another session, or another remote: nothing of before holds. Questions under way are answered, and not kept.
    pub(super) fn clear(&mut self) {
        self.shelf.clear();
        self.open.clear();
    }

    /// Looks at what the host says, and answers if that can be done from here.
    pub(super) fn host_says(&mut self, frame: &Frame) -> Option<Frame> {
        let id = frame.id().filter(|_| frame.is_request())?;
        if frame.method() == Some("initialize") {
            self.clear();
            return None;
        }
        let question = Question::of(frame)?;
        let key = question.key(frame);
        if let Some(answer) = self.shelf.serve(&key, self.now) {
            tracing::debug!(?frame, "answered from what is kept");
            return Some(answer.with_id(id));
        }
        self.open.retain(|open| open.id != *id);
        self.open.push(Open {
            id: id.clone(),
            question,
            key,
            identity: self.identity,
            sent: None,
            life: None,
            is_spoiled: false,
        });
        None
    }

    /// Looks at what an exchange brings, before the relay does.
    pub(super) fn remote_says(&mut self, exchange: ExchangeId, arrival: &Arrival) {
        match arrival {
            Arrival::Frame(frame) => self.heard(exchange, frame),
            // A session that is gone took its lists with it, and who is not let in is told nothing.
            Arrival::LostWithSession(_) => self.clear(),
            Arrival::Refused(refusal) => match (refusal.status, &refusal.frame) {
                (401 | 403, _) | (404 | 410, None) => self.shelf.clear(),
                (_, Some(frame)) => self.heard(exchange, frame),
                (_, None) => {}
            },
            Arrival::Failed(trouble) if trouble.kind == "sign_in_needed" => {
                self.shelf.drop_private();
            }
            _ => {}
        }
    }

    /// Looks at what the relay has decided to do.
    pub(super) fn saw<'a>(&mut self, actions: impl IntoIterator<Item = &'a Action>) {
        for action in actions {
            match action {
                Action::Reply(frame) => self.told(frame),
                Action::Cancelled(id) => self.open.retain(|open| open.id != *id),
                Action::Post(post) => self.posted(post),
                _ => {}
            }
        }
    }

    /// What the host's question became is known by being the same question.
    fn posted(&mut self, post: &Post) {
        if post.frame.method() == Some("initialize") && post.frame.is_request() {
            self.shelf.clear();
            self.spoil(|_| true);
            return;
        }
        if self.open.is_empty() {
            return;
        }
        let (Some(id), Some(question)) = (post.frame.id(), Question::of(&post.frame)) else {
            return;
        };
        let sent_as = |open: &Open| open.sent.as_ref().is_some_and(|(_, sent)| sent == id);
        let waits = |open: &Open| open.sent.is_none() && open.question == question;
        let open = &mut self.open;
        let place = open
            .iter()
            .position(sent_as)
            .or_else(|| open.iter().position(|it| it.id == *id && waits(it)))
            .or_else(|| open.iter().position(waits));
        if let Some(open) = place.and_then(|place| open.get_mut(place)) {
            open.sent = Some((post.exchange, id.clone()));
            // Whatever changed before, this asks for what is there now, as whom we are now.
            open.is_spoiled = false;
            open.identity = self.identity;
        }
    }

    fn heard(&mut self, exchange: ExchangeId, frame: &Frame) {
        let (id, failed) = match frame.outline() {
            Outline::Request { .. } => return,
            Outline::Notification { method } => return self.changed(method, frame),
            Outline::Response { id, failed } => (id, *failed),
        };
        // The headers were made from a schema that is not the server's any more.
        if failed && error_code(frame) == Some(HEADER_MISMATCH) {
            self.drop_kinds(&[Kind::Tools]);
        }
        let is_it = |open: &&mut Open| match (&open.sent, id) {
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
            if open.question.has_cursor {
                let kind = open.question.kind;
                self.drop_kinds(&[kind]);
            }
            return;
        }
        let result = frame.member("result").unwrap_or_default();
        let life = Life::of(result, open.question.kind, self.default);
        open.life = life.map(|life| (life, self.now));
    }

    /// The host is told something.
    fn told(&mut self, frame: &Frame) {
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
        let Some((life, since)) = open.life.filter(|_| !failed && !open.is_spoiled) else {
            return;
        };
        let is_somebody_elses = life.is_private && open.identity != self.identity;
        if !is_somebody_elses && frame.member("result").is_some_and(question::is_complete) {
            self.shelf
                .put(open.key, open.question, frame.clone(), life, since);
        }
    }

    /// Something has changed, if this notification says so (MCP 2026-07-28, server/utilities/caching).
    fn changed(&mut self, method: &str, frame: &Frame) {
        match method {
            "notifications/tools/list_changed" => self.drop_kinds(&[Kind::Tools]),
            "notifications/prompts/list_changed" => self.drop_kinds(&[Kind::Prompts]),
            "notifications/resources/list_changed" => {
                self.drop_kinds(&[Kind::Resources, Kind::Templates]);
            }
            "notifications/resources/updated" => {
                let uri = frame.param("uri").and_then(question::decoded);
                // One that does not say which may mean any.
                let is_it = |question: &Question| {
                    question.kind == Kind::Read && (uri.is_none() || question.uri == uri)
                };
                self.spoil(is_it);
                self.shelf.drop_where(is_it);
            }
            _ => {}
        }
    }

    fn drop_kinds(&mut self, kinds: &[Kind]) {
        let is_it = |question: &Question| kinds.contains(&question.kind);
        self.spoil(is_it);
        self.shelf.drop_where(is_it);
    }

    /// What is under way may be from before the change.
    fn spoil(&mut self, is_it: impl Fn(&Question) -> bool) {
        for open in self.open.iter_mut().filter(|open| is_it(&open.question)) {
            open.is_spoiled = true;
        }
    }
}

fn error_code(frame: &Frame) -> Option<i64> {
    member_of(frame.member("error")?, "code")?.parse().ok()
}
