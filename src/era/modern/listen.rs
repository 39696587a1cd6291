//! Subscriptions (MCP 2026-07-28, basic/patterns/subscriptions): `subscriptions/listen`, kept alive when its stream is
//! not.
//!
//! To the host a subscription is one request with one id. Upstream it is as many as streams were lost, each under an id
//! of ours (MCP 2026-07-28, basic/patterns/subscriptions); what was missed in between is made up for by saying that
//! everything subscribed may have changed.

use std::time::Duration;

use serde_json::Value;

use super::edits::{in_supported_version, with_result_type};
use super::open::OpenExchange;
use super::retry::MAX_LOSSES;
use super::state::Modern;
use super::subscription::{Subscription, wanted};
use crate::era::Action;
use crate::era::legacy::error_reply;
use crate::era::protocol::{MISSING_CAPABILITY, UNSUPPORTED_VERSION};
use crate::era::standing::cancelled;
use crate::era::subscriptions::{self, ACKNOWLEDGED};
use crate::frame::{BridgeError, Frame, Id, METHOD_NOT_FOUND};

/// A stream that has stood this long was no passing luck: its losses are forgotten.
const STEADY: Duration = Duration::from_secs(60);
/// The longest pause before a lost stream is opened again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Modern {
    pub(super) fn listen(
        &mut self,
        request: Frame,
        is_asked_by_host: bool,
        actions: &mut Vec<Action>,
    ) {
        let Some(own) = request.id().cloned() else {
            return;
        };
        let key = self.mint.number();
        let id = own.clone();
        self.subscriptions.0.insert(
            key,
            Subscription {
                request,
                is_asked_by_host,
                own,
                id,
                exchange: None,
                honoured: None,
                is_acknowledged: false,
                posts: 0,
                losses: 0,
                steady: None,
                has_new_version: false,
            },
        );
        self.open_listen(key, actions);
    }

    /// Posts it, the first time under the host's id (MCP 2026-07-28, basic/patterns/subscriptions and changelog).
    fn open_listen(&mut self, key: u64, actions: &mut Vec<Action>) {
        let fresh = self.fresh_id();
        let Some(subscription) = self.subscriptions.0.get_mut(&key) else {
            return;
        };
        subscription.posts += 1;
        let request = if subscription.posts > 1 {
            subscription.id = fresh;
            subscription.request.with_id(&subscription.id)
        } else {
            subscription.request.clone()
        };
        let is_asked_by_host = subscription.is_asked_by_host;
        let exchange = self.post(request, None, is_asked_by_host, actions);
        self.open.insert(exchange, OpenExchange::Listen(key));
        if let Some(subscription) = self.subscriptions.0.get_mut(&key) {
            subscription.exchange = Some(exchange);
            subscription.is_acknowledged = false;
        }
    }

    pub(super) fn on_listen_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        let is_steady = |subscription: &&mut Subscription| subscription.steady == Some(token);
        if let Some(subscription) = self.subscriptions.0.values_mut().find(is_steady) {
            subscription.losses = 0;
            subscription.steady = None;
            return;
        }
        let subscription = self.subscriptions.0.get(&token);
        if subscription.is_some_and(|subscription| subscription.exchange.is_none()) {
            self.open_listen(token, actions);
        }
    }

    /// Takes it off the books, and its stream with it.
    fn drop_listen(&mut self, key: u64, actions: &mut Vec<Action>) -> Option<Subscription> {
        let subscription = self.subscriptions.0.remove(&key)?;
        self.forget_tasks_of(key, actions);
        if let Some(exchange) = subscription.exchange
            && self.open.remove(&exchange).is_some()
        {
            actions.push(Action::Close(exchange));
        }
        Some(subscription)
    }

    /// Forgets the request with this id, which the host has cancelled; `false` if that is no subscription.
    pub(super) fn forget_listen(&mut self, id: &Id, actions: &mut Vec<Action>) -> bool {
        let found = self.subscriptions.0.iter().find(|(_, it)| it.own == *id);
        let Some(key) = found.map(|(key, _)| *key) else {
            return false;
        };
        actions.push(Action::Cancelled(id.clone()));
        self.drop_listen(key, actions);
        true
    }

    /// Ends all of them; nothing is owed for them.
    pub(super) fn end_listens(&mut self, actions: &mut Vec<Action>) {
        let keys: Vec<u64> = self.subscriptions.0.keys().copied().collect();
        for key in keys {
            if let Some(subscription) = self.drop_listen(key, actions) {
                actions.push(Action::Cancelled(subscription.own));
            }
        }
    }

    /// Ends it towards the host as stdio does (MCP 2026-07-28, basic/patterns/subscriptions).
    pub(super) fn end_listen(&mut self, key: u64, reason: &str, actions: &mut Vec<Action>) {
        if let Some(Subscription { own, .. }) = self.drop_listen(key, actions) {
            tracing::info!(id = %own, reason, "a subscription ended");
            let params = format!(r#"{{"requestId":{own},"reason":{}}}"#, Value::from(reason));
            let notice = Frame::notification("notifications/cancelled", Some(&params));
            actions.push(Action::Reply(notice));
            actions.push(Action::Cancelled(own));
        }
    }

    /// Takes a notification on a subscription's stream.
    pub(super) fn on_subscription_notification(
        &mut self,
        key: u64,
        frame: Frame,
        actions: &mut Vec<Action>,
    ) {
        let Some(subscription) = self.subscriptions.0.get_mut(&key) else {
            return;
        };
        match frame.method() {
            Some("notifications/cancelled") => self.on_cancelled(key, &frame, actions),
            Some(ACKNOWLEDGED) if !subscription.is_acknowledged => {
                self.on_acknowledged(key, &frame, actions);
            }
            // Nothing of a subscription, and so without its mark (MCP 2026-07-28, basic/patterns/subscriptions).
            Some("notifications/progress" | "notifications/message") => {
                actions.push(Action::Reply(frame));
            }
            method => {
                if !subscription.is_acknowledged {
                    tracing::debug!(?method, "before the acknowledgement");
                }
                let told = subscription.marked(&frame, "params");
                if method == Some("notifications/tasks") {
                    self.on_task_told(key, &frame, actions);
                }
                actions.push(Action::Reply(told));
            }
        }
    }

    /// Takes the server's end of a subscription, perhaps this one (MCP 2026-07-28, basic/patterns/cancellation).
    fn on_cancelled(&mut self, key: u64, frame: &Frame, actions: &mut Vec<Action>) {
        let named = frame.cancels();
        if named.is_some() && named.as_ref() != self.subscriptions.id(key) {
            tracing::debug!(?named, "the server cancels what it was not asked here");
            return;
        }
        let Some(subscription) = self.drop_listen(key, actions) else {
            return;
        };
        actions.push(Action::Reply(cancelled(frame, &subscription.own)));
        actions.push(Action::Cancelled(subscription.own));
    }

    fn on_acknowledged(&mut self, key: u64, frame: &Frame, actions: &mut Vec<Action>) {
        let Some(subscription) = self.subscriptions.0.get_mut(&key) else {
            return;
        };
        subscription.is_acknowledged = true;
        // A remote that does not say what it honours is taken to honour all of it.
        let filter = frame.param("notifications");
        let now = wanted(filter.or(subscription.request.param("notifications")));
        let Some(before) = &subscription.honoured else {
            subscription.honoured = Some(now);
            let frame = subscription.marked(frame, "params");
            actions.push(Action::Reply(frame));
            return;
        };
        if !before.is_subset(&now) {
            let shrank = "The server, connected to again, does not offer all of it any more.";
            return self.end_listen(key, shrank, actions);
        }
        let notices = subscription.synthetic();
        let token = self.mint.number();
        subscription.steady = Some(token);
        actions.push(Action::SetTimer {
            after: STEADY,
            token,
            is_retry: false,
        });
        self.tools.list_changed();
        actions.extend(notices.into_iter().map(Action::Reply));
        self.ask_for_tasks(key, actions);
    }

    /// Takes the result with which the server ends a subscription in good order.
    pub(super) fn on_listen_result(&mut self, key: u64, frame: &Frame, actions: &mut Vec<Action>) {
        let Some(subscription) = self.drop_listen(key, actions) else {
            return;
        };
        let answer = match with_result_type(frame) {
            Some(answer) => subscription.marked(&answer, "result"),
            None => {
                let unknown = "The server's answer is of a kind that is not known.";
                BridgeError::new("bad_answer", unknown).reply(&subscription.own)
            }
        };
        actions.push(Action::Reply(answer.with_id(&subscription.own)));
    }

    /// Takes an error as the answer to a subscription: it is passed on, unless it is not the first stream; then the
    /// subscription ends.
    pub(super) fn on_listen_error(&mut self, key: u64, error: &Frame, actions: &mut Vec<Action>) {
        let Some(subscription) = self.subscriptions.0.get_mut(&key) else {
            return;
        };
        subscription.exchange = None;
        if error.error_code() == Some(UNSUPPORTED_VERSION)
            && !subscription.has_new_version
            && let Some(request) = in_supported_version(&subscription.request, error)
        {
            subscription.has_new_version = true;
            subscription.request = request;
            return self.open_listen(key, actions);
        }
        if subscription.honoured.is_none() {
            actions.push(Action::Reply(error.with_id(&subscription.own)));
            self.subscriptions.0.remove(&key);
            return;
        }
        let reason = match error.error_code() {
            Some(METHOD_NOT_FOUND) => "The server offers subscriptions no more.",
            Some(MISSING_CAPABILITY) => "The server asks for more than the host can do.",
            _ => "The server refuses to open it again.",
        };
        self.end_listen(key, reason, actions);
    }

    /// Takes the loss of a stream: another one is opened, unless it is of no use, or the first has never stood and that
    /// not for want of tries.
    pub(super) fn on_listen_lost(
        &mut self,
        key: u64,
        error: &BridgeError,
        actions: &mut Vec<Action>,
    ) {
        let Some(subscription) = self.subscriptions.0.get_mut(&key) else {
            return;
        };
        subscription.exchange = None;
        subscription.steady = None;
        let may_yet_stand = subscriptions::was_lost(error) && subscription.losses < MAX_LOSSES;
        if subscription.honoured.is_none() && !may_yet_stand {
            actions.extend(error_reply(&subscription.request, error).map(Action::Reply));
            self.subscriptions.0.remove(&key);
            return;
        }
        if !subscriptions::may_return(error) {
            return self.end_listen(key, &error.message, actions);
        }
        subscription.losses += 1;
        let after = subscriptions::backoff(subscription.losses - 1, LONGEST_PAUSE)
            .max(error.retry_after.unwrap_or_default());
        tracing::debug!(
            ?after,
            why = error.message,
            "a subscription lost its stream"
        );
        actions.push(Action::SetTimer {
            after,
            token: key,
            is_retry: true,
        });
    }
}
