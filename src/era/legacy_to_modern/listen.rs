//! The remote's unasked notifications: a `subscriptions/listen` on the host's behalf (MCP 2026-07-28,
//! basic/patterns/subscriptions).
//!
//! A listen's filter cannot change. When the host's subscriptions do, a new listen is opened, and the old one is closed
//! when the new one is acknowledged: what both tell is told twice, and nothing is missed.

use std::time::Duration;

use super::output::{OwnRequest, Timer};
use super::shape::array;
use super::state::{OpenListen, Subscriber, Translation};
use crate::era::protocol::{MAX_WATCHES, MISSING_CAPABILITY};
use crate::era::subscriptions::{self, LISTS};
use crate::frame::{BridgeError, Frame, Id, METHOD_NOT_FOUND, Object, member_of, string};

/// The time for which a `resources/subscribe` waits for its acknowledgement.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Says whether a `subscriptions/listen` is for what every legacy host hears unasked: it names no resource that the
/// host subscribed to.
pub(super) fn is_unasked(frame: &Frame) -> bool {
    frame.method() == Some("subscriptions/listen")
        && frame
            .param("notifications")
            .is_none_or(|filter| member_of(filter, "resourceSubscriptions").is_none())
}

impl Translation {
    /// Takes the host's `notifications/initialized`: from now on it can be asked, and told.
    pub(super) fn ready(&mut self) {
        self.is_ready = true;
        for frame in std::mem::take(&mut self.early) {
            self.out.send_to_host(frame);
        }
        if self.subscriptions.open.is_empty() {
            self.listen();
        }
    }

    /// Opens a listen for what is wanted now. `None` when nothing is, or nothing can be.
    fn listen(&mut self) -> Option<Id> {
        if self.subscriptions.is_refused || self.is_host_gone {
            return None;
        }
        let mut filter = Object::default();
        for name in self.server.announced_changes() {
            filter.set(name, "true");
        }
        if !self.subscriptions.uris.is_empty() {
            let uris = serde_json::Value::from(self.subscriptions.uris.clone());
            filter.set("resourceSubscriptions", uris.to_string());
        }
        if filter.is_empty() {
            return None;
        }
        let id = self.out.server_id();
        let params = format!(r#"{{"notifications":{}}}"#, filter.text());
        let frame = Frame::request(&id, "subscriptions/listen", Some(&params));
        let frame = self.signed(&frame, None, false, |_| {});
        self.subscriptions.open.push(OpenListen {
            id: id.clone(),
            is_acknowledged: false,
        });
        self.out.ask_server(id.clone(), frame, OwnRequest::Listen);
        Some(id)
    }

    pub(super) fn subscribe(&mut self, frame: &Frame, id: &Id) {
        if !self.server.takes_subscriptions() || self.subscriptions.is_refused {
            return self.out.unknown(id, "resources/subscribe");
        }
        let Some(uri) = frame.param("uri").and_then(string) else {
            return self.out.invalid(id, "A subscription needs a URI.");
        };
        let is_new = !self.subscriptions.uris.contains(&uri);
        if is_new && self.subscriptions.uris.len() >= MAX_WATCHES {
            let full =
                format!("No more than {MAX_WATCHES} resources can be subscribed to at once.");
            return self
                .out
                .send_to_host(BridgeError::new("refused", full).reply(id));
        }
        let waits_for = match self.subscriptions.waiting.iter().find(|it| it.uri == uri) {
            _ if is_new => {
                self.subscriptions.uris.push(uri.clone());
                self.listen()
            }
            Some(other) => Some(other.listen.clone()),
            None => return self.out.send_to_host(Frame::result(id, "{}")),
        };
        let Some(listen) = waits_for else {
            self.subscriptions.uris.retain(|known| *known != uri);
            let error = BridgeError::new("leaving", "There is nobody left to tell of changes.");
            return self.out.send_to_host(error.reply(id));
        };
        self.subscriptions.waiting.push(Subscriber {
            id: id.clone(),
            uri,
            listen: listen.clone(),
        });
        self.out
            .set_timer(ACKNOWLEDGED_WITHIN, Timer::Unacknowledged(listen));
    }

    pub(super) fn unsubscribe(&mut self, frame: &Frame, id: &Id) {
        if !self.server.takes_subscriptions() {
            return self.out.unknown(id, "resources/unsubscribe");
        }
        let Some(uri) = frame.param("uri").and_then(string) else {
            return self.out.invalid(id, "A subscription needs a URI.");
        };
        let known = self.subscriptions.uris.len();
        self.subscriptions.uris.retain(|known| *known != uri);
        // Who still waits to be subscribed was, until now.
        let (done, waiting) = std::mem::take(&mut self.subscriptions.waiting)
            .into_iter()
            .partition(|it: &Subscriber| it.uri == uri);
        self.subscriptions.waiting = waiting;
        for subscriber in done {
            self.out.send_to_host(Frame::result(&subscriber.id, "{}"));
        }
        if self.subscriptions.uris.len() != known && self.listen().is_none() {
            self.close_listens_before(None);
        }
        self.out.send_to_host(Frame::result(id, "{}"));
    }

    /// Forgets the subscriber of that id, and says whether there was one.
    pub(super) fn forget_subscriber(&mut self, id: &Id) -> bool {
        let before = self.subscriptions.waiting.len();
        self.subscriptions.waiting.retain(|it| it.id != *id);
        self.subscriptions.waiting.len() != before
    }

    /// Closes the listens older than that one; all, without one.
    fn close_listens_before(&mut self, newest: Option<&Id>) {
        let open = &mut self.subscriptions.open;
        let keep = newest.and_then(|id| open.iter().position(|listen| listen.id == *id));
        let closed: Vec<OpenListen> = open.drain(..keep.unwrap_or(open.len())).collect();
        for listen in closed {
            self.out.cancel_own(&listen.id);
        }
    }

    pub(super) fn stop_listening(&mut self) {
        self.close_listens_before(None);
        let gone = BridgeError::new("leaving", "There is nobody left to tell of changes.");
        for subscriber in std::mem::take(&mut self.subscriptions.waiting) {
            self.out.send_to_host(gone.reply(&subscriber.id));
        }
    }

    /// Takes a notification of the server's.
    pub(super) fn notified(&mut self, frame: &Frame, method: &str) {
        match method {
            subscriptions::ACKNOWLEDGED => self.acknowledged(frame),
            "notifications/cancelled" => {
                // The only thing a modern remote may cancel is a listen (MCP 2026-07-28, basic/patterns/cancellation).
                if let Some(id) = frame.cancels() {
                    self.listen_over(&id, None);
                }
            }
            "notifications/progress" => self.progressed(frame),
            "notifications/message" if self.level.is_none() => {} // MCP 2026-07-28, server/utilities/logging
            "notifications/tasks" => {} // tasks are asked about, never told of
            _ => {
                if subscriptions::id_of(frame).is_some() {
                    self.subscriptions.losses = 0;
                }
                let frame = subscriptions::without_id(frame);
                self.out.send_to_host(frame);
            }
        }
    }

    fn acknowledged(&mut self, frame: &Frame) {
        let open = &mut self.subscriptions.open;
        let tag = subscriptions::id_of(frame);
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
        let (asked, waiting) = std::mem::take(&mut self.subscriptions.waiting)
            .into_iter()
            .partition(|it: &Subscriber| until.contains(&it.listen));
        self.subscriptions.waiting = waiting;
        for subscriber in asked {
            if honoured.contains(&subscriber.uri) {
                self.out.send_to_host(Frame::result(&subscriber.id, "{}"));
            } else {
                self.turn_away(
                    &subscriber,
                    &BridgeError::new("refused", "The server does not tell of that resource."),
                );
            }
        }
        if std::mem::take(&mut self.subscriptions.has_gap) {
            self.tell_of_gap();
        }
    }

    /// Tells the host that everything may have changed, for it is unknown what was missed (MCP 2026-07-28,
    /// basic/patterns/subscriptions).
    fn tell_of_gap(&mut self) {
        for (_, list) in LISTS {
            if self.server.announces(list) {
                self.out.send_to_host(subscriptions::list_changed(list));
            }
        }
        for uri in self.subscriptions.uris.clone() {
            let uri = serde_json::Value::from(uri).to_string();
            self.out.send_to_host(subscriptions::resource_updated(&uri));
        }
    }

    fn turn_away(&mut self, subscriber: &Subscriber, why: &BridgeError) {
        self.subscriptions.uris.retain(|uri| *uri != subscriber.uri);
        self.out.send_to_host(why.reply(&subscriber.id));
    }

    /// Takes the end of a listen, in whatever way (MCP 2026-07-28, basic/patterns/subscriptions); with the error it
    /// ended in, if it did.
    pub(super) fn listen_over(&mut self, id: &Id, error: Option<&Frame>) {
        let open = &mut self.subscriptions.open;
        let Some(at) = open.iter().position(|listen| listen.id == *id) else {
            return;
        };
        let listen = open.remove(at);
        self.out.take_purpose(id);
        let detail = error.and_then(|frame| Object::read(frame.member("error")?));
        let code = detail.as_ref().and_then(|error| error.get("code"));
        let data = detail
            .as_ref()
            .and_then(|error| Object::read(error.get("data")?));
        let status = data.as_ref().and_then(|data| data.get("status"));
        let is_unknown = code.is_some_and(|code| code == METHOD_NOT_FOUND.to_string())
            || code.is_some_and(|code| code == MISSING_CAPABILITY.to_string())
            || status == Some("404");
        self.subscriptions.is_refused |= is_unknown;
        let (asked, waiting): (Vec<_>, _) = std::mem::take(&mut self.subscriptions.waiting)
            .into_iter()
            .partition(|it: &Subscriber| it.listen == *id);
        self.subscriptions.waiting = waiting;
        for subscriber in asked {
            self.subscriptions.uris.retain(|uri| *uri != subscriber.uri);
            let bridge_error =
                BridgeError::new("cut", "The server stopped listening at once.").retryable();
            let answer = error.map(|error| error.with_id(&subscriber.id));
            self.out
                .send_to_host(answer.unwrap_or_else(|| bridge_error.reply(&subscriber.id)));
        }
        if listen.is_acknowledged {
            self.subscriptions.has_gap = true;
        }
        // Another may still be open: what only failed to replace it is no loss.
        let is_loss = self.subscriptions.open.is_empty();
        if is_loss && !self.subscriptions.is_refused && !self.subscriptions.is_pausing {
            // Listening again and again would ask a person again and again to sign in.
            let is = |name, value| data.as_ref().is_some_and(|it| it.get(name) == Some(value));
            if is("source", "\"mcpipe\"") && is("retryable", "false") {
                self.subscriptions.is_idle = true;
                return;
            }
            let after = subscriptions::backoff(self.subscriptions.losses, LONGEST_PAUSE);
            self.subscriptions.losses += 1;
            self.subscriptions.is_pausing = true;
            self.out.set_timer(after, Timer::Relisten);
        }
    }

    pub(super) fn relisten(&mut self) {
        self.subscriptions.is_pausing = false;
        if self.subscriptions.open.is_empty() {
            self.listen();
        }
    }

    /// Notes that a call has been answered: the server is there.
    pub(super) fn remote_is_there(&mut self) {
        if std::mem::take(&mut self.subscriptions.is_idle) {
            self.relisten();
        }
    }

    pub(super) fn unacknowledged(&mut self, id: &Id) {
        let (late, waiting) = std::mem::take(&mut self.subscriptions.waiting)
            .into_iter()
            .partition(|it: &Subscriber| it.listen == *id);
        self.subscriptions.waiting = waiting;
        for subscriber in late {
            let late = "The server has not said whether it tells of that resource.";
            self.turn_away(
                &subscriber,
                &BridgeError::new("timed_out", late).retryable(),
            );
        }
    }
}
