//! The remote's unasked notifications: a `subscriptions/listen` on the host's behalf (MCP 2026-07-28,
//! basic/patterns/subscriptions).
//!
//! A listen's filter cannot change. When the host's subscriptions do, a new listen is opened, and the old one is closed
//! when the new one is acknowledged: a change that both bring reaches the host twice, and none is missed.

use std::time::Duration;

use super::outbox::{Outbox, OwnRequest, Timer};
use super::peers::Peers;
use super::shape::array;
use crate::era::protocol::{MAX_WATCHES, MISSING_CAPABILITY, list_changes};
use crate::era::subscriptions;
use crate::frame::{BridgeError, Frame, Id, METHOD_NOT_FOUND, Object, Stage, member_of, string};

/// The time for which a `resources/subscribe` waits for its acknowledgement.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The listens that are open at the server, and the host's subscriptions that they serve.
#[derive(Debug, Default)]
pub(super) struct ServerListens {
    /// The URIs subscribed to, in order.
    uris: Vec<String>,
    /// Open listens, the newest last.
    open: Vec<OpenListen>,
    waiting: Vec<Subscriber>,
    /// Losses in a row, without a notification in between.
    losses: u32,
    /// Something may have changed while no listen was open (MCP 2026-07-28, basic/patterns/subscriptions).
    has_gap: bool,
    /// The remote does not know the method.
    is_refused: bool,
    is_pausing: bool,
    /// The obstacle does not pass by itself: the next call that is answered shows that it is gone.
    is_idle: bool,
}

#[derive(Debug)]
struct OpenListen {
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

/// Says whether a `subscriptions/listen` is for what every legacy host hears unasked: it names no resource that the
/// host subscribed to.
pub(super) fn is_unasked(frame: &Frame) -> bool {
    frame.method() == Some("subscriptions/listen")
        && frame
            .param("notifications")
            .is_none_or(|filter| member_of(filter, "resourceSubscriptions").is_none())
}

impl ServerListens {
    /// Opens a listen if none is open.
    pub(super) fn listen_if_not_yet(&mut self, peers: &Peers, out: &mut Outbox) {
        if self.open.is_empty() {
            self.listen(peers, out);
        }
    }

    /// Opens a listen for what is wanted now. `None` when nothing is, or nothing can be.
    fn listen(&mut self, peers: &Peers, out: &mut Outbox) -> Option<Id> {
        if self.is_refused || peers.is_host_gone {
            return None;
        }
        let mut filter = Object::default();
        for name in peers.server.announced_changes() {
            filter.set(name, "true");
        }
        if !self.uris.is_empty() {
            let uris = serde_json::Value::from(self.uris.clone());
            filter.set("resourceSubscriptions", uris.to_string());
        }
        if filter.is_empty() {
            return None;
        }
        let id = out.server_id();
        let params = format!(r#"{{"notifications":{}}}"#, filter.text());
        let frame = Frame::request(&id, "subscriptions/listen", Some(&params));
        let frame = peers.signed(&frame, None, false, |_| {});
        self.open.push(OpenListen {
            id: id.clone(),
            is_acknowledged: false,
        });
        out.ask_server(id.clone(), frame, OwnRequest::Listen);
        Some(id)
    }

    pub(super) fn subscribe(&mut self, frame: &Frame, id: &Id, peers: &Peers, out: &mut Outbox) {
        if !peers.server.takes_subscriptions() || self.is_refused {
            return out.unknown(id, "resources/subscribe");
        }
        let Some(uri) = frame.param("uri").and_then(string) else {
            return out.invalid(id, "A subscription needs a URI.");
        };
        let is_new = !self.uris.contains(&uri);
        if is_new && self.uris.len() >= MAX_WATCHES {
            let full =
                format!("No more than {MAX_WATCHES} resources can be subscribed to at once.");
            return out.send_to_host(BridgeError::new("refused", full).reply(id));
        }
        let waits_for = match self.waiting.iter().find(|it| it.uri == uri) {
            _ if is_new => {
                self.uris.push(uri.clone());
                self.listen(peers, out)
            }
            Some(other) => Some(other.listen.clone()),
            None => return out.send_to_host(Frame::result(id, "{}")),
        };
        let Some(listen) = waits_for else {
            self.uris.retain(|known| *known != uri);
            let error = BridgeError::new("leaving", "There is nobody left to tell of changes.");
            return out.send_to_host(error.reply(id));
        };
        self.waiting.push(Subscriber {
            id: id.clone(),
            uri,
            listen: listen.clone(),
        });
        out.set_timer(ACKNOWLEDGED_WITHIN, Timer::Unacknowledged(listen));
    }

    pub(super) fn unsubscribe(&mut self, frame: &Frame, id: &Id, peers: &Peers, out: &mut Outbox) {
        if !peers.server.takes_subscriptions() {
            return out.unknown(id, "resources/unsubscribe");
        }
        let Some(uri) = frame.param("uri").and_then(string) else {
            return out.invalid(id, "A subscription needs a URI.");
        };
        let known = self.uris.len();
        self.uris.retain(|known| *known != uri);
        // A request to subscribe that still waits is answered: the host was subscribed until now.
        let done = self.take_waiting(|it| it.uri == uri);
        for subscriber in done {
            out.send_to_host(Frame::result(&subscriber.id, "{}"));
        }
        if self.uris.len() != known && self.listen(peers, out).is_none() {
            self.close_listens_before(None, out);
        }
        out.send_to_host(Frame::result(id, "{}"));
    }

    /// Notes that a listen has brought something.
    pub(super) fn on_notification(&mut self) {
        self.losses = 0;
    }

    /// Forgets the subscriber of that id, and says whether there was one.
    pub(super) fn forget_subscriber(&mut self, id: &Id) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|it| it.id != *id);
        self.waiting.len() != before
    }

    fn take_waiting(&mut self, is_over: impl Fn(&Subscriber) -> bool) -> Vec<Subscriber> {
        let (over, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(is_over);
        self.waiting = waiting;
        over
    }

    /// Closes the listens older than that one; all, without one.
    fn close_listens_before(&mut self, newest: Option<&Id>, out: &mut Outbox) {
        let open = &mut self.open;
        let keep = newest.and_then(|id| open.iter().position(|listen| listen.id == *id));
        let closed: Vec<OpenListen> = open.drain(..keep.unwrap_or(open.len())).collect();
        for listen in closed {
            out.cancel_own(&listen.id);
        }
    }

    pub(super) fn stop(&mut self, out: &mut Outbox) {
        self.close_listens_before(None, out);
        let gone = BridgeError::new("leaving", "There is nobody left to tell of changes.");
        for subscriber in std::mem::take(&mut self.waiting) {
            out.send_to_host(gone.reply(&subscriber.id));
        }
    }

    /// Takes the server's acknowledgement of a listen.
    pub(super) fn on_acknowledged(&mut self, frame: &Frame, peers: &Peers, out: &mut Outbox) {
        let open = &mut self.open;
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
        self.close_listens_before(Some(&id), out);
        let filter = frame.param("notifications").and_then(Object::read);
        let honoured: Vec<String> = filter
            .as_ref()
            .and_then(|filter| array(filter.get("resourceSubscriptions")?))
            .unwrap_or_default()
            .iter()
            .filter_map(|uri| string(uri))
            .collect();
        let asked = self.take_waiting(|it| until.contains(&it.listen));
        for subscriber in asked {
            if honoured.contains(&subscriber.uri) {
                out.send_to_host(Frame::result(&subscriber.id, "{}"));
            } else {
                self.refuse(
                    &subscriber,
                    &BridgeError::new("refused", "The server does not tell of that resource."),
                    out,
                );
            }
        }
        if std::mem::take(&mut self.has_gap) {
            self.announce_gap(peers, out);
        }
    }

    /// Tells the host that everything may have changed, for it is unknown what was missed (MCP 2026-07-28,
    /// basic/patterns/subscriptions).
    fn announce_gap(&self, peers: &Peers, out: &mut Outbox) {
        for changes in list_changes() {
            if peers.server.announces(changes) {
                out.send_to_host(subscriptions::list_changed(changes.list));
            }
        }
        for uri in &self.uris {
            let uri = serde_json::Value::from(uri.as_str()).to_string();
            out.send_to_host(subscriptions::resource_updated(&uri));
        }
    }

    fn refuse(&mut self, subscriber: &Subscriber, why: &BridgeError, out: &mut Outbox) {
        self.uris.retain(|uri| *uri != subscriber.uri);
        out.send_to_host(why.reply(&subscriber.id));
    }

    /// Takes the end of a listen, in whatever way (MCP 2026-07-28, basic/patterns/subscriptions); with the error it
    /// ended in, if it did.
    pub(super) fn on_listen_over(&mut self, id: &Id, error: Option<&Frame>, out: &mut Outbox) {
        let open = &mut self.open;
        let Some(at) = open.iter().position(|listen| listen.id == *id) else {
            return;
        };
        let listen = open.remove(at);
        out.take_purpose(id);
        let detail = error.and_then(|frame| Object::read(frame.member("error")?));
        let code = detail.as_ref().and_then(|error| error.get("code"));
        let data = detail
            .as_ref()
            .and_then(|error| Object::read(error.get("data")?));
        let status = data.as_ref().and_then(|data| data.get("status"));
        let is_unknown = code.is_some_and(|code| code == METHOD_NOT_FOUND.to_string())
            || code.is_some_and(|code| code == MISSING_CAPABILITY.to_string())
            || status == Some("404");
        self.is_refused |= is_unknown;
        let asked = self.take_waiting(|it| it.listen == *id);
        for subscriber in asked {
            self.uris.retain(|uri| *uri != subscriber.uri);
            let bridge_error =
                BridgeError::new("cut", "The server stopped listening at once.").retryable();
            let answer = error.map(|error| error.with_id(&subscriber.id));
            out.send_to_host(answer.unwrap_or_else(|| bridge_error.reply(&subscriber.id)));
        }
        if listen.is_acknowledged {
            self.has_gap = true;
        }
        // Another may still be open: what only failed to replace it is no loss.
        let is_loss = self.open.is_empty();
        if is_loss && !self.is_refused && !self.is_pausing {
            // Listening again and again would ask a person again and again to sign in.
            let is = |name, value| data.as_ref().is_some_and(|it| it.get(name) == Some(value));
            if is("source", "\"mcpipe\"") && is("retryable", "false") {
                self.is_idle = true;
                return;
            }
            let after = subscriptions::backoff(self.losses, LONGEST_PAUSE);
            self.losses += 1;
            self.is_pausing = true;
            out.set_timer(after, Timer::Relisten);
        }
    }

    pub(super) fn relisten(&mut self, peers: &Peers, out: &mut Outbox) {
        self.is_pausing = false;
        self.listen_if_not_yet(peers, out);
    }

    /// Notes that a call has been answered: the server is there.
    pub(super) fn on_call_complete(&mut self, peers: &Peers, out: &mut Outbox) {
        if std::mem::take(&mut self.is_idle) {
            self.relisten(peers, out);
        }
    }

    pub(super) fn unacknowledged(&mut self, id: &Id, out: &mut Outbox) {
        let late = self.take_waiting(|it| it.listen == *id);
        for subscriber in late {
            let seconds = ACKNOWLEDGED_WITHIN.as_secs();
            let late = format!(
                "The server has not said within {seconds} s, a limit of mcpipe's own, whether it tells of that resource: {}.",
                Stage::Response.clause()
            );
            let late = BridgeError {
                stage: Some(Stage::Response),
                ..BridgeError::new("timed_out", late).retryable()
            };
            self.refuse(&subscriber, &late, out);
        }
    }
}
