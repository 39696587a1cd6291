//! The remote's unasked notifications: a `subscriptions/listen` on the host's behalf (1.9, 2.5).
//!
//! A listen's filter cannot change. When the host's subscriptions do, a new listen is opened, and the old one is closed
//! when the new one is acknowledged: what both tell is told twice, and nothing is missed.

use std::time::Duration;

use super::calls::rebuilt;
use super::opening::string;
use super::shape::array;
use super::{Between, Due, Role};
use crate::era::edit::Object;
use crate::era::vocabulary::{MAX_WATCHES, META_SUBSCRIPTION};
use crate::frame::{Frame, Id, METHOD_NOT_FOUND, Trouble, member_of};

/// How long a subscriber waits to hear that it is one.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Everything that listens.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// The URIs subscribed to, in order.
    uris: Vec<String>,
    /// Open listens, the newest last.
    open: Vec<Listen>,
    waiting: Vec<Subscriber>,
    /// Losses in a row, with nothing heard in between.
    losses: u32,
    /// Something may have happened while nobody listened (L-07).
    has_gap: bool,
    /// The remote does not know the method (L-08).
    is_refused: bool,
    is_pausing: bool,
    /// What stands in the way does not pass by itself: the next call that is answered shows that it is gone.
    is_idle: bool,
}

#[derive(Debug)]
struct Listen {
    id: Id,
    is_acknowledged: bool,
}

/// A `resources/subscribe` that has not been answered.
#[derive(Debug)]
struct Subscriber {
    id: Id,
    uri: String,
    listen: Id,
}

/// Whether it is a subscription to what every legacy host hears unasked: it names no resource that the host subscribed to.
pub(super) fn is_unasked(frame: &Frame) -> bool {
    frame.method() == Some("subscriptions/listen")
        && frame
            .param("notifications")
            .is_none_or(|filter| member_of(filter, "resourceSubscriptions").is_none())
}

impl Between {
    /// The host is ready: it can be asked, and it can be told.
    pub(super) fn ready(&mut self) {
        self.is_ready = true;
        for frame in std::mem::take(&mut self.early) {
            self.down(frame);
        }
        if self.listening.open.is_empty() {
            self.listen();
        }
    }

    /// Opens a listen for what is wanted now. `None` when nothing is, or nothing can be.
    fn listen(&mut self) -> Option<Id> {
        if self.listening.is_refused || self.is_host_gone {
            return None;
        }
        let mut filter = Object::default();
        for name in self.remote.told_changes() {
            filter.set(name, "true");
        }
        if !self.listening.uris.is_empty() {
            let uris = serde_json::Value::from(self.listening.uris.clone());
            filter.set("resourceSubscriptions", uris.to_string());
        }
        if filter.is_empty() {
            return None;
        }
        let id = self.upstream_id();
        let params = format!(r#"{{"notifications":{}}}"#, filter.text());
        let frame = Frame::request(&id, "subscriptions/listen", Some(&params));
        let frame = self.signed(&frame, None, false, |_| {});
        self.roles.insert(id.clone(), Role::Listen);
        self.listening.open.push(Listen {
            id: id.clone(),
            is_acknowledged: false,
        });
        self.up(frame);
        Some(id)
    }

    pub(super) fn subscribe(&mut self, frame: &Frame, id: &Id) {
        if !self.remote.has("resources/subscribe") || self.listening.is_refused {
            return self.unknown(id, "resources/subscribe");
        }
        let Some(uri) = frame.param("uri").and_then(string) else {
            return self.invalid(id, "A subscription needs a URI.");
        };
        let is_new = !self.listening.uris.contains(&uri);
        if is_new && self.listening.uris.len() >= MAX_WATCHES {
            let full =
                format!("No more than {MAX_WATCHES} resources can be subscribed to at once.");
            return self.down(Trouble::new("refused", full).reply(id));
        }
        let waits_for = match self.listening.waiting.iter().find(|it| it.uri == uri) {
            _ if is_new => {
                self.listening.uris.push(uri.clone());
                self.listen()
            }
            Some(other) => Some(other.listen.clone()),
            None => return self.down(Frame::result(id, "{}")),
        };
        let Some(listen) = waits_for else {
            self.listening.uris.retain(|known| *known != uri);
            let trouble = Trouble::new("leaving", "There is nobody left to tell of changes.");
            return self.down(trouble.reply(id));
        };
        self.listening.waiting.push(Subscriber {
            id: id.clone(),
            uri,
            listen: listen.clone(),
        });
        self.wake(ACKNOWLEDGED_WITHIN, Due::Unacknowledged(listen));
    }

    pub(super) fn unsubscribe(&mut self, frame: &Frame, id: &Id) {
        if !self.remote.has("resources/subscribe") {
            return self.unknown(id, "resources/unsubscribe");
        }
        let Some(uri) = frame.param("uri").and_then(string) else {
            return self.invalid(id, "A subscription needs a URI.");
        };
        let known = self.listening.uris.len();
        self.listening.uris.retain(|known| *known != uri);
        // Who still waits to be subscribed was, until now.
        let (done, waiting) = std::mem::take(&mut self.listening.waiting)
            .into_iter()
            .partition(|it: &Subscriber| it.uri == uri);
        self.listening.waiting = waiting;
        for subscriber in done {
            self.down(Frame::result(&subscriber.id, "{}"));
        }
        if self.listening.uris.len() != known && self.listen().is_none() {
            self.close_listens_before(None);
        }
        self.down(Frame::result(id, "{}"));
    }

    /// Whether that id is a subscriber's, who then waits no more.
    pub(super) fn forget_subscriber(&mut self, id: &Id) -> bool {
        let before = self.listening.waiting.len();
        self.listening.waiting.retain(|it| it.id != *id);
        self.listening.waiting.len() != before
    }

    /// Closes the listens older than that one; all, without one.
    fn close_listens_before(&mut self, newest: Option<&Id>) {
        let open = &mut self.listening.open;
        let keep = newest.and_then(|id| open.iter().position(|listen| listen.id == *id));
        let closed: Vec<Listen> = open.drain(..keep.unwrap_or(open.len())).collect();
        for listen in closed {
            self.roles.remove(&listen.id);
            self.stop_upstream(&listen.id);
        }
    }

    pub(super) fn stop_listening(&mut self) {
        self.close_listens_before(None);
        let gone = Trouble::new("leaving", "There is nobody left to tell of changes.");
        for subscriber in std::mem::take(&mut self.listening.waiting) {
            self.down(gone.reply(&subscriber.id));
        }
    }

    /// The remote speaks unasked, or in the middle of a call.
    pub(super) fn notified(&mut self, frame: &Frame, method: &str) {
        match method {
            "notifications/subscriptions/acknowledged" => self.acknowledged(frame),
            "notifications/cancelled" => {
                // The only thing a modern remote may cancel is a listen (C-07).
                if let Some(id) = frame.cancels() {
                    self.listen_over(&id, None);
                }
            }
            "notifications/progress" => self.progressed(frame),
            "notifications/message" if self.level.is_none() => {} // R-11
            "notifications/tasks" => {} // tasks are asked about, never told of
            _ => {
                if subscription(frame).is_some() {
                    self.listening.losses = 0;
                }
                let frame = untagged(frame);
                self.down(frame);
            }
        }
    }

    fn acknowledged(&mut self, frame: &Frame) {
        let open = &mut self.listening.open;
        let tag = subscription(frame);
        // A remote that forgets the tag means the newest.
        let found = match &tag {
            Some(tag) => open.iter().position(|listen| listen.id == *tag),
            None => open.iter().rposition(|listen| !listen.is_acknowledged),
        };
        let Some(at) = found else { return };
        let Some(listen) = open.get_mut(at) else {
            return;
        };
        listen.is_acknowledged = true;
        let id = listen.id.clone();
        let until: Vec<Id> = open.iter().take(at + 1).map(|it| it.id.clone()).collect();
        self.close_listens_before(Some(&id));
        let filter = frame.param("notifications").and_then(Object::read);
        let honoured: Vec<String> = filter
            .as_ref()
            .and_then(|filter| array(filter.get("resourceSubscriptions")?))
            .unwrap_or_default()
            .iter()
            .filter_map(|uri| string(uri))
            .collect();
        let (asked, waiting) = std::mem::take(&mut self.listening.waiting)
            .into_iter()
            .partition(|it: &Subscriber| until.contains(&it.listen));
        self.listening.waiting = waiting;
        for subscriber in asked {
            if honoured.contains(&subscriber.uri) {
                self.down(Frame::result(&subscriber.id, "{}"));
            } else {
                self.turn_away(
                    &subscriber,
                    &Trouble::new("refused", "The server does not tell of that resource."),
                );
            }
        }
        if std::mem::take(&mut self.listening.has_gap) {
            self.tell_of_gap();
        }
    }

    /// Nobody knows what was missed: everything may have changed (L-07).
    fn tell_of_gap(&mut self) {
        for name in self.remote.told_changes() {
            let kind = name.trim_end_matches("ListChanged");
            let method = format!("notifications/{kind}/list_changed");
            self.down(Frame::notification(&method, None));
        }
        for uri in self.listening.uris.clone() {
            let params = format!(r#"{{"uri":{}}}"#, serde_json::Value::from(uri));
            self.down(Frame::notification(
                "notifications/resources/updated",
                Some(&params),
            ));
        }
    }

    fn turn_away(&mut self, subscriber: &Subscriber, why: &Trouble) {
        self.listening.uris.retain(|uri| *uri != subscriber.uri);
        self.down(why.reply(&subscriber.id));
    }

    /// A listen has ended, in whatever way (L-05); with the error it ended in, if it did.
    pub(super) fn listen_over(&mut self, id: &Id, error: Option<&Frame>) {
        let open = &mut self.listening.open;
        let Some(at) = open.iter().position(|listen| listen.id == *id) else {
            return;
        };
        let listen = open.remove(at);
        self.roles.remove(id);
        let detail = error.and_then(|frame| Object::read(frame.member("error")?));
        let code = detail.as_ref().and_then(|error| error.get("code"));
        let data = detail
            .as_ref()
            .and_then(|error| Object::read(error.get("data")?));
        let status = data.as_ref().and_then(|data| data.get("status"));
        let is_unknown = code.is_some_and(|code| code == METHOD_NOT_FOUND.to_string())
            || code == Some("-32021")
            || status == Some("404");
        self.listening.is_refused |= is_unknown;
        let (asked, waiting): (Vec<_>, _) = std::mem::take(&mut self.listening.waiting)
            .into_iter()
            .partition(|it: &Subscriber| it.listen == *id);
        self.listening.waiting = waiting;
        for subscriber in asked {
            self.listening.uris.retain(|uri| *uri != subscriber.uri);
            let trouble = Trouble::new("cut", "The server stopped listening at once.").retryable();
            let answer = error.map(|error| error.with_id(&subscriber.id));
            self.down(answer.unwrap_or_else(|| trouble.reply(&subscriber.id)));
        }
        if listen.is_acknowledged {
            self.listening.has_gap = true;
        }
        // Another may still be open: what only failed to replace it is no loss.
        let is_loss = self.listening.open.is_empty();
        if is_loss && !self.listening.is_refused && !self.listening.is_pausing {
            // Listening again and again would ask a person again and again to sign in.
            let is = |name, value| data.as_ref().is_some_and(|it| it.get(name) == Some(value));
            if is("source", "\"mcpipe\"") && is("retryable", "false") {
                self.listening.is_idle = true;
                return;
            }
            let doubled = 1_u32 << self.listening.losses.min(6);
            self.listening.losses += 1;
            self.listening.is_pausing = true;
            self.wake((FIRST_PAUSE * doubled).min(LONGEST_PAUSE), Due::Relisten);
        }
    }

    pub(super) fn relisten(&mut self) {
        self.listening.is_pausing = false;
        if self.listening.open.is_empty() {
            self.listen();
        }
    }

    /// A call has been answered: the remote is there.
    pub(super) fn remote_is_there(&mut self) {
        if std::mem::take(&mut self.listening.is_idle) {
            self.relisten();
        }
    }

    pub(super) fn unacknowledged(&mut self, id: &Id) {
        let (late, waiting) = std::mem::take(&mut self.listening.waiting)
            .into_iter()
            .partition(|it: &Subscriber| it.listen == *id);
        self.listening.waiting = waiting;
        for subscriber in late {
            let late = "The server has not said whether it tells of that resource.";
            self.turn_away(&subscriber, &Trouble::new("timed_out", late).retryable());
        }
    }
}

/// Which listen a notification belongs to.
fn subscription(frame: &Frame) -> Option<Id> {
    let meta = frame.param("_meta").and_then(Object::read)?;
    Id::parse(meta.get(META_SUBSCRIPTION)?)
}

/// The notification without the mark of its listen. One that has none keeps its bytes.
pub(super) fn untagged(frame: &Frame) -> Frame {
    if subscription(frame).is_none() {
        return frame.clone();
    }
    let mut top = Object::read(frame.text()).unwrap_or_default();
    top.edit("params", |params| {
        params.edit("_meta", |meta| {
            meta.remove(META_SUBSCRIPTION);
        });
    });
    rebuilt(frame, &top)
}
