//! `subscriptions/listen`, made of what a legacy session offers: its standing stream and `resources/subscribe`
//! (MCP 2026-07-28, basic/patterns/subscriptions).
//!
//! A legacy session serves any number of subscriptions: a resource is subscribed to once for all of them, and what the
//! server announces is copied to each that asked for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::link::{Link, SessionRequest, SessionTimer};
use crate::era::Action;
use crate::era::protocol::{ListChanges, MAX_WATCHES, list_changes};
use crate::era::server_info::ServerInfo;
use crate::era::subscriptions::{self, ACKNOWLEDGED};
use crate::frame::{Frame, INVALID_PARAMS, Id, Object, Outline};

/// The longest pause before a lost session is opened again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The reason for which a subscription ends that was acknowledged for more.
const SHRUNK: &str = "The server, connected to anew, does not offer all of it any more.";

/// Every open subscription, and what the session has been asked for on their behalf.
#[derive(Default)]
pub(super) struct HostSubscriptions {
    open: Vec<HostSubscription>,
    /// Resources asked for, by their URI as JSON text.
    watches: BTreeMap<String, Watch>,
    /// The session is lost, and the time to try again has been asked for.
    is_mending: bool,
    /// The session was lost, and its watches are to be looked through when it is open again.
    is_unsettled: bool,
    /// Openings in a row that failed and were not for a request of the host.
    failures: u32,
    /// The host has closed stdin.
    is_host_gone: bool,
}

/// A `subscriptions/listen` of the host.
struct HostSubscription {
    id: Id,
    lists: Vec<ListChanges>,
    /// URIs as JSON text; those the remote refused are taken out. `None` where none were asked for.
    uris: Option<BTreeSet<String>>,
    /// The host knows which notifications will come; until then none is sent.
    is_acknowledged: bool,
    /// The subscription comes from another session, and changes in between have not been made up for.
    is_moved: bool,
}

/// The state of `resources/subscribe` for a URI.
#[derive(Default)]
struct Watch {
    /// The server has agreed to announce changes.
    is_on: bool,
    /// A request is under way, one way or the other. Two such requests at once could overtake each other.
    is_changing: bool,
}

impl HostSubscriptions {
    fn add(&mut self, subscription: HostSubscription) {
        for uri in subscription.watches() {
            self.watches.entry(uri.clone()).or_default();
        }
        self.open.push(subscription);
    }

    /// Returns the number of resources to watch with this subscription's.
    fn would_watch(&self, subscription: &HostSubscription) -> usize {
        let is_new = |uri: &&String| !self.watches.contains_key(*uri);
        self.watches.len() + subscription.watches().filter(is_new).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn is_wanted(&self, uri: &str) -> bool {
        self.open
            .iter()
            .filter_map(|listen| listen.uris.as_ref())
            .any(|uris| uris.contains(uri))
    }
}

impl HostSubscription {
    /// Reads a filter and keeps what the remote can do of it; `None` for what is no filter.
    fn read(frame: &Frame, id: &Id, server: &ServerInfo) -> Option<Self> {
        let filter = Object::read(frame.param("notifications")?)?;
        let lists = list_changes().filter(|changes| {
            filter.get(changes.filter) == Some("true") && server.announces(*changes)
        });
        let uris: Option<Vec<&RawValue>> = match filter.get("resourceSubscriptions") {
            Some(uris) => Some(serde_json::from_str(uris).ok()?),
            None => None,
        };
        let uris: Option<Option<BTreeSet<_>>> =
            uris.map(|uris| uris.into_iter().map(|uri| spelled(uri.get())).collect());
        let uris = match uris {
            Some(None) => return None,
            Some(Some(uris)) => Some(uris).filter(|_| server.takes_subscriptions()),
            None => None,
        };
        Some(Self {
            id: id.clone(),
            lists: lists.collect(),
            uris,
            is_acknowledged: false,
            is_moved: false,
        })
    }

    fn watches(&self) -> impl Iterator<Item = &String> {
        self.uris.iter().flatten()
    }

    /// Writes the acknowledgement, with what was granted (MCP 2026-07-28, basic/patterns/subscriptions).
    fn acknowledgement(&self) -> Option<Frame> {
        let mut granted = Object::default();
        for changes in &self.lists {
            granted.set(changes.filter, "true");
        }
        if let Some(uris) = &self.uris {
            let uris: Vec<_> = uris.iter().map(String::as_str).collect();
            granted.set("resourceSubscriptions", format!("[{}]", uris.join(",")));
        }
        let params = format!(r#"{{"notifications":{}}}"#, granted.text());
        let frame = Frame::notification(ACKNOWLEDGED, Some(&params));
        subscriptions::with_id(&frame, "params", &self.id)
    }

    /// Returns the notifications that make up for what may have been missed (MCP 2026-07-28,
    /// basic/patterns/subscriptions).
    fn synthetic(&self) -> Vec<Frame> {
        let lists = self.lists.iter();
        let lists = lists.map(|changes| subscriptions::list_changed(changes.list));
        let updates = self
            .watches()
            .map(|uri| subscriptions::resource_updated(uri));
        lists
            .chain(updates)
            .filter_map(|frame| subscriptions::with_id(&frame, "params", &self.id))
            .collect()
    }

    /// Ends the subscription towards the host as stdio does where neither side asked for the end (MCP 2026-07-28,
    /// basic/patterns/subscriptions).
    fn cut(self, reason: &str, actions: &mut Vec<Action>) {
        tracing::info!(id = %self.id, reason, "a subscription ended");
        let params = format!(
            r#"{{"requestId":{},"reason":{}}}"#,
            self.id,
            Value::from(reason)
        );
        let notice = Frame::notification("notifications/cancelled", Some(&params));
        actions.push(Action::Reply(notice));
        actions.push(Action::Cancelled(self.id));
    }

    fn wants(&self, frame: &Frame) -> bool {
        let is_list = |list: &str| {
            frame
                .method()
                .and_then(|method| method.strip_prefix("notifications/"))
                .and_then(|method| method.strip_suffix("/list_changed"))
                == Some(list)
        };
        if self.lists.iter().any(|changes| is_list(changes.list)) {
            return true;
        }
        frame.method() == Some("notifications/resources/updated")
            && frame
                .param("uri")
                .and_then(spelled)
                .is_some_and(|uri| self.watches().any(|watched| is_within(&uri, watched)))
    }
}

/// Subscribing and unsubscribing.
impl HostSubscriptions {
    /// Takes a `subscriptions/listen` of the host.
    pub(super) fn listen(
        &mut self,
        frame: &Frame,
        id: &Id,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let refuse =
            |words: &str| Action::Reply(Frame::error(Some(id), INVALID_PARAMS, words, None));
        let Some(subscription) = HostSubscription::read(frame, id, server) else {
            return actions.push(refuse("params.notifications is no filter."));
        };
        if self.is_host_gone {
            let over = server.listen_over(id);
            return actions.push(Action::Reply(Frame::result(id, &over)));
        }
        if self.would_watch(&subscription) > MAX_WATCHES {
            let words =
                format!("No more than {MAX_WATCHES} resources can be subscribed to at once.");
            return actions.push(refuse(&words));
        }
        self.add(subscription);
        // Its lists alone would not make the relay try; and what it may promise is known when that has gone either way.
        link.mend(actions);
        self.settle(link, actions);
        self.acknowledge(link, actions);
    }

    /// Goes on with the subscriptions of another session.
    pub(super) fn adopt(&mut self, others: &mut Self, link: &mut Link, actions: &mut Vec<Action>) {
        for mut subscription in std::mem::take(&mut others.open) {
            subscription.is_moved = true;
            self.add(subscription);
        }
        self.settle(link, actions);
        self.acknowledge(link, actions);
    }

    /// Cancels the host's subscription of that id, and says whether there was one.
    pub(super) fn cancel(&mut self, id: &Id, link: &mut Link, actions: &mut Vec<Action>) -> bool {
        let Some(at) = self.open.iter().position(|listen| listen.id == *id) else {
            return false;
        };
        self.open.remove(at);
        actions.push(Action::Cancelled(id.clone()));
        self.settle(link, actions);
        true
    }

    /// Ends all subscriptions, each with its result.
    pub(super) fn on_host_gone(&mut self, server: &ServerInfo, actions: &mut Vec<Action>) {
        self.is_host_gone = true;
        for listen in std::mem::take(&mut self.open) {
            let over = server.listen_over(&listen.id);
            actions.push(Action::Reply(Frame::result(&listen.id, &over)));
        }
    }

    /// Subscribes to the resources that a subscription wants, and unsubscribes from those that none wants any more.
    fn settle(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        let mut changes = Vec::new();
        for (uri, watch) in &self.watches {
            let is_wanted = self.is_wanted(uri);
            if !watch.is_changing && is_wanted != watch.is_on {
                changes.push((uri.clone(), is_wanted));
            }
        }
        for (uri, is_wanted) in changes {
            if let Some(watch) = self.watches.get_mut(&uri) {
                watch.is_changing = true;
            }
            let method = if is_wanted {
                "resources/subscribe"
            } else {
                "resources/unsubscribe"
            };
            let params = format!(r#"{{"uri":{uri}}}"#);
            link.ask(SessionRequest::Watch(uri), method, &params, actions);
        }
        let idle = |watch: &Watch| !watch.is_on && !watch.is_changing;
        let forgotten: Vec<_> = self
            .watches
            .iter()
            .filter(|(uri, watch)| idle(watch) && !self.is_wanted(uri))
            .map(|(uri, _)| uri.clone())
            .collect();
        for uri in forgotten {
            self.watches.remove(&uri);
        }
    }

    /// Takes the server's answer to a request to subscribe or to unsubscribe.
    pub(super) fn on_watch_response(
        &mut self,
        uri: &str,
        answer: &Frame,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let has_failed = matches!(answer.outline(), Outline::Response { failed: true, .. });
        let Some(watch) = self.watches.get_mut(uri) else {
            return;
        };
        watch.is_changing = false;
        let was_on = watch.is_on;
        // An unsubscription that failed is not tried again: what still comes is asked for by no subscription.
        watch.is_on = !was_on && !has_failed;
        if link.relay.broken().is_some() {
            return; // it is the session that was refused, and not the resource
        }
        if has_failed && !was_on {
            for mut listen in std::mem::take(&mut self.open) {
                let had = listen.uris.as_mut().is_some_and(|uris| uris.remove(uri));
                if had && listen.is_acknowledged {
                    listen.cut(SHRUNK, actions);
                } else {
                    self.open.push(listen);
                }
            }
        }
        self.settle(link, actions);
        self.acknowledge(link, actions);
    }

    /// Acknowledges subscriptions as soon as it is known what the session can bring, and ends those acknowledged for
    /// more.
    pub(super) fn acknowledge(&mut self, link: &Link, actions: &mut Vec<Action>) {
        let is_there = link.relay.is_open().then(|| link.has_stream());
        let watches = &self.watches;
        for mut listen in std::mem::take(&mut self.open) {
            let is_on = |uri: &String| watches.get(uri).is_some_and(|watch| watch.is_on);
            let is_settled =
                (is_there.is_some() || listen.lists.is_empty()) && listen.watches().all(is_on);
            let is_unheard = is_there == Some(false) && !listen.lists.is_empty();
            if listen.is_acknowledged && is_unheard {
                listen.cut(SHRUNK, actions);
                continue;
            }
            if is_settled && !listen.is_acknowledged {
                if is_unheard {
                    listen.lists.clear(); // nothing could bring them
                }
                listen.is_acknowledged = true;
                actions.extend(listen.acknowledgement().map(Action::Reply));
            } else if is_settled && listen.is_moved {
                actions.extend(listen.synthetic().into_iter().map(Action::Reply));
            }
            listen.is_moved &= !is_settled;
            self.open.push(listen);
        }
    }

    /// Copies a notification to every subscription that asked for it.
    pub(super) fn publish(&self, frame: &Frame, actions: &mut Vec<Action>) {
        for listen in &self.open {
            if listen.is_acknowledged && listen.wants(frame) {
                let copy = subscriptions::with_id(frame, "params", &listen.id);
                actions.extend(copy.map(Action::Reply));
            }
        }
    }
}

/// Losses of the session.
impl HostSubscriptions {
    /// Subscribes again in a session that is open again. Where it cannot be opened, a subscription that is not
    /// acknowledged ends with the reason; one that is waits for a while longer, unless that is of no use.
    pub(super) fn recover_from_loss(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        if link.relay.is_open() && std::mem::take(&mut self.is_unsettled) {
            return self.settle(link, actions);
        }
        let Some(why) = link.relay.broken() else {
            return;
        };
        let may_return = subscriptions::may_return(why);
        self.is_unsettled = true;
        for listen in std::mem::take(&mut self.open) {
            if !listen.is_acknowledged {
                actions.push(Action::Reply(why.reply(&listen.id)));
            } else if may_return {
                self.open.push(listen);
            } else {
                listen.cut(&why.message, actions);
            }
        }
        if !self.is_empty() && !std::mem::replace(&mut self.is_mending, true) {
            let after = subscriptions::backoff(self.failures, LONGEST_PAUSE)
                .max(why.retry_after.unwrap_or_default());
            self.failures = self.failures.saturating_add(1);
            link.set_timer(after, SessionTimer::Mend, actions);
        }
    }

    /// Opens the session again, for the subscriptions.
    pub(super) fn mend(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        self.is_mending = false;
        if !self.is_empty() {
            link.mend(actions);
        }
    }

    /// Notes that the server has answered: its session is open.
    pub(super) fn reset_failures(&mut self) {
        self.failures = 0;
    }
}

/// Gives each string one spelling, so that `"a"` and `"\u0061"` are one resource. `None` for what is no string.
fn spelled(uri: &str) -> Option<String> {
    match serde_json::from_str::<String>(uri) {
        Ok(uri) => Some(Value::from(uri).to_string()),
        Err(_) => uri.starts_with('"').then(|| uri.to_owned()),
    }
}

/// Says whether a URI is the watched one or lies below it: the remote may tell of parts of what is watched.
fn is_within(uri: &str, watched: &str) -> bool {
    let (Some(uri), Some(watched)) = (uri.strip_suffix('"'), watched.strip_suffix('"')) else {
        return false;
    };
    uri.strip_prefix(watched)
        .is_some_and(|rest| rest.is_empty() || watched.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_what_is_watched_is_watched() {
        for (uri, watched, is_in) in [
            (r#""f:/a""#, r#""f:/a""#, true),
            (r#""f:/a/b""#, r#""f:/a""#, true),
            (r#""f:/ab""#, r#""f:/a""#, false),
            (r#""f:/a""#, r#""f:/a/b""#, false),
            (r#""f:/a/b""#, r#""f:/a/""#, true),
        ] {
            assert_eq!(is_within(uri, watched), is_in, "{uri} {watched}");
        }
        assert_eq!(spelled(r#""\u0061""#), spelled(r#""a""#));
        assert_eq!(spelled("1"), None);
    }
}
