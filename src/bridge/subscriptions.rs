//! The subscriptions of a modern host, as far as a user who signs in or opens the vault is concerned.
//!
//! A modern host hears of changes only on the subscriptions that it has asked for (MCP 2026-07-28,
//! basic/patterns/subscriptions); they are standing requests, and so are those of extensions. A subscription that was
//! asked for while a user was waited for is acknowledged when it can be, however late, and then the host hears that the
//! lists it asked for have changed: what it has read before may be an early answer or an error. Whatever else there is to
//! a subscription the eras know.
//!
//! Decides; sends nothing and reads no clock.

use crate::bridge::unanswered::{Reason, reason_of};
use crate::era::protocol::standing;
use crate::era::subscriptions::{id_of, lists_changed};
use crate::frame::{Frame, Id};

/// The open subscriptions of one host.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    open: Vec<Subscription>,
    /// The lists are to be announced to the next subscription: there was none when they were.
    is_unannounced: bool,
    /// A user has to open the vault.
    is_locked: bool,
}

#[derive(Debug)]
struct Subscription {
    request: Frame,
    state: State,
    /// The lists are to be announced when the subscription is acknowledged.
    is_behind: bool,
}

#[derive(Debug)]
enum State {
    /// With the translator.
    Sent,
    /// Here, until the user is waited for no longer.
    Held,
    /// Acknowledged, for this filter; an extension's may have none.
    Acknowledged(String),
}

impl Subscription {
    fn is(&self, id: &Id) -> bool {
        self.request.id() == Some(id)
    }

    fn is_acknowledged_by(&self, method: Option<&str>) -> bool {
        let standing = self.request.method().and_then(standing);
        standing.is_some_and(|standing| method == Some(standing.confirmed_by))
    }

    /// Returns the notifications that its lists have changed; none before it is acknowledged, when they will be
    /// announced.
    fn announcement(&mut self) -> Vec<Frame> {
        let id = self.request.id();
        match (&self.state, id) {
            (State::Acknowledged(filter), Some(id)) => lists_changed(filter, id),
            _ => {
                self.is_behind = true;
                Vec::new()
            }
        }
    }
}

impl Subscriptions {
    /// Notes a request of the host, if it asks for a subscription. `is_behind` says that a user is waited for.
    pub(super) fn note(&mut self, request: &Frame, is_behind: bool) {
        let is_standing = request.method().and_then(standing).is_some();
        if !request.is_request() || !is_standing {
            return;
        }
        let is_behind = std::mem::take(&mut self.is_unannounced) || is_behind;
        self.open.push(Subscription {
            request: request.clone(),
            state: State::Sent,
            is_behind,
        });
    }

    /// Forgets a subscription that has ended. Says whether it was held here, and is known nowhere else.
    pub(super) fn close(&mut self, id: &Id) -> bool {
        let place = self.open.iter().position(|it| it.is(id));
        let closed = place.map(|place| self.open.remove(place));
        closed.is_some_and(|closed| matches!(closed.state, State::Held))
    }

    /// Takes an error on its way to the host. Returns true where it is not to be passed on: a subscription waits for
    /// the user longer than a request, because the host hears of its beginning and its end by notifications.
    pub(super) fn take_back(&mut self, frame: &Frame) -> bool {
        let Some(id) = frame.id().filter(|_| frame.is_error()) else {
            return false;
        };
        let is_it = |it: &&mut Subscription| it.is(id) && matches!(it.state, State::Sent);
        let Some(subscription) = self.open.iter_mut().find(is_it) else {
            return false;
        };
        if !matches!(reason_of(frame), Some(Reason::SignIn | Reason::Locked)) {
            return false;
        }
        subscription.state = State::Held;
        subscription.is_behind = true;
        true
    }

    /// Returns the subscriptions that were held, to be sent again.
    pub(super) fn release(&mut self) -> Vec<Frame> {
        let held = |it: &&mut Subscription| matches!(it.state, State::Held);
        let released = self.open.iter_mut().filter(held).map(|subscription| {
            subscription.state = State::Sent;
            subscription.request.clone()
        });
        released.collect()
    }

    /// Returns the ids of those that are held, for a host that has left.
    pub(super) fn held(&self) -> Vec<Id> {
        let held = self.open.iter();
        let held = held.filter(|it| matches!(it.state, State::Held));
        held.filter_map(|it| it.request.id().cloned()).collect()
    }

    /// Looks at a message on its way to the host. Returns the notifications that follow it.
    pub(super) fn on_server_message(&mut self, frame: &Frame) -> Vec<Frame> {
        if frame.is_response() {
            if let Some(id) = frame.id() {
                self.close(id);
            }
            return Vec::new();
        }
        if let Some(id) = frame.cancels() {
            self.close(&id);
        }
        self.on_notification(frame)
    }

    fn on_notification(&mut self, frame: &Frame) -> Vec<Frame> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let id = id_of(frame);
        let is_it = |it: &&mut Subscription| {
            id.as_ref().is_some_and(|id| it.is(id)) && it.is_acknowledged_by(frame.method())
        };
        let Some(subscription) = self.open.iter_mut().find(is_it) else {
            return Vec::new();
        };
        // A server that does not say what it honours is taken to honour all of it.
        let filter = frame.param("notifications");
        let filter = filter.or_else(|| subscription.request.param("notifications"));
        subscription.state = State::Acknowledged(filter.unwrap_or("{}").to_owned());
        match std::mem::take(&mut subscription.is_behind) {
            true => subscription.announcement(),
            false => Vec::new(),
        }
    }

    /// Takes the server's answer to a handshake that was answered early. Returns the notifications for the host where
    /// `is_other`: the host was told other capabilities. Without a subscription, the next is told.
    pub(super) fn on_discovered(&mut self, is_other: bool) -> Vec<Frame> {
        if is_other {
            self.is_unannounced |= self.open.is_empty();
            return self.announce();
        }
        self.note_behind();
        Vec::new()
    }

    /// Notes that a user is waited for; `is_locked` says that the user has to open the vault.
    pub(super) fn wait(&mut self, is_locked: bool) {
        self.is_locked = is_locked;
        self.note_behind();
    }

    fn note_behind(&mut self) {
        for subscription in &mut self.open {
            subscription.is_behind |= !matches!(subscription.state, State::Acknowledged(_));
        }
    }

    fn announce(&mut self) -> Vec<Frame> {
        let open = self.open.iter_mut();
        open.flat_map(Subscription::announcement).collect()
    }

    /// Notes that a user is waited for no longer. Returns the notifications for the host if the vault was unlocked:
    /// earlier requests may have been refused.
    pub(super) fn unlocked(&mut self) -> Vec<Frame> {
        match std::mem::take(&mut self.is_locked) {
            true => self.announce(),
            false => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::era::subscriptions::ACKNOWLEDGED;
    use crate::frame::BridgeError;

    fn listen(id: u64) -> Frame {
        let params = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":true}}"#;
        Frame::request(&Id::ours(id), "subscriptions/listen", Some(params))
    }

    fn acknowledgement(id: u64, filter: &str) -> Frame {
        let params = format!(
            r#"{{"notifications":{filter},"_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}}}"#,
            Id::ours(id)
        );
        Frame::notification(ACKNOWLEDGED, Some(&params))
    }

    #[test]
    fn a_subscription_that_had_to_wait_hears_of_its_lists_when_it_is_acknowledged() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.note(&listen(1), false);
        subscriptions.wait(false);
        subscriptions.note(&listen(2), true);
        for id in 1..=2 {
            let granted = acknowledgement(id, r#"{"promptsListChanged":true}"#);
            let news = subscriptions.on_server_message(&granted);
            let [news] = &news[..] else {
                panic!("{news:?}")
            };
            assert_eq!(news.method(), Some("notifications/prompts/list_changed"));
            assert_eq!(id_of(news), Some(Id::ours(id)));
        }
        // What is acknowledged without a wait has missed nothing.
        subscriptions.note(&listen(3), false);
        let granted = acknowledgement(3, r#"{"toolsListChanged":true}"#);
        assert!(subscriptions.on_server_message(&granted).is_empty());
        // Another vault to unlock is news for all.
        subscriptions.wait(true);
        assert_eq!(subscriptions.unlocked().len(), 3);
        subscriptions.close(&Id::ours(1));
        assert_eq!(subscriptions.on_discovered(true).len(), 2);
        assert!(subscriptions.on_discovered(false).is_empty());
    }

    #[test]
    fn other_capabilities_are_news_for_the_first_subscription_there_is() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.on_discovered(true).is_empty());
        for (id, told) in [(1, 2), (2, 0)] {
            subscriptions.note(&listen(id), false);
            let filter = r#"{"toolsListChanged":true,"promptsListChanged":true}"#;
            let news = subscriptions.on_server_message(&acknowledgement(id, filter));
            assert_eq!(news.len(), told);
        }
    }

    #[test]
    fn a_subscription_that_needs_a_user_is_sent_again_and_any_other_error_is_the_hosts() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.note(&listen(1), false);
        let waits = BridgeError::new("sign_in_needed", "x").reply(&Id::ours(1));
        assert!(subscriptions.take_back(&waits));
        assert_eq!(subscriptions.held(), [Id::ours(1)]);
        assert_eq!(subscriptions.release().len(), 1);
        assert!(subscriptions.release().is_empty());
        let lost = BridgeError::new("unreachable", "x").reply(&Id::ours(1));
        assert!(!subscriptions.take_back(&lost));
        subscriptions.on_server_message(&lost);
        assert!(!subscriptions.close(&Id::ours(1)));
    }
}
