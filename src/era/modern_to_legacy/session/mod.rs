//! A legacy session, served to a host of the modern era.
//!
//! Towards the remote this is a legacy host, played to a `Legacy` relay: the relay opens the session, opens it again
//! when it is lost, resumes streams and falls back to HTTP+SSE, and knows nothing of the era of the real host. Towards
//! the host this is a modern server. What is in between: requests lose their envelope and answers gain theirs
//! (`calls`, `shape`), the remote's own requests become questions in results (`input_required`), and
//! `subscriptions/listen` is made of what a session offers (`listen`). All of them send through `link`; here each frame
//! goes to the part that it concerns.
//!
//! Knows nothing of other sessions; whether a request belongs here has been decided when it comes.

mod calls;
mod handshake;
mod input_required;
mod link;
mod listen;
mod log;
mod questions;
mod standing;
mod task_calls;
mod tasks;

use std::collections::VecDeque;
use std::fmt;

use super::capabilities::Capabilities;
use super::shape;
use crate::era::protocol::may_ask_for_input;
use crate::era::server_info::ServerInfo;
use crate::era::subscriptions;
use crate::era::{Action, Arrival, ExchangeId, Mint, Relay, Transport};
use crate::frame::{Frame, Id, Outline};

use calls::ParkableCalls;
use handshake::Handshake;
pub(super) use link::RANGE;
use link::{Link, SessionRequest, SessionTimer};
use listen::HostSubscriptions;

/// The session, and what the host has in it.
pub(super) struct SessionTranslation {
    link: Link,
    pub(super) handshake: Handshake,
    server: ServerInfo,
    /// The server's `InitializeResult`, until it is taken.
    initialized: Option<String>,
    calls: ParkableCalls,
    subscriptions: HostSubscriptions,
}

impl fmt::Debug for SessionTranslation {
    /// Writes the session without its seed and its handles.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SessionTranslation")
            .field("inner", &self.link.relay)
            .finish_non_exhaustive()
    }
}

impl SessionTranslation {
    /// Counts its ids, handles and times from `count`, and exchange ids from `base` on. `seed` is 32 random bytes from
    /// which unguessable handles are made.
    pub(super) fn new(
        count: u64,
        base: u64,
        mint: Mint,
        transport: Transport,
        seed: [u8; 32],
        declared: Capabilities,
    ) -> Self {
        Self {
            link: Link::new(count, base, mint, transport),
            handshake: Handshake::new(declared),
            server: ServerInfo::default(),
            initialized: None,
            calls: ParkableCalls::new(seed),
            subscriptions: HostSubscriptions::default(),
        }
    }

    /// Says whether the host has nothing in the session any more, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.handshake.held().is_empty()
            && self.calls.is_empty()
            && self.subscriptions.is_empty()
            && self.link.relay.is_quiet()
    }

    /// Returns the frames that wait, if the session is being opened on this exchange and nothing else is under way.
    pub(super) fn waiting_for_handshake(&self, exchange: ExchangeId) -> Option<VecDeque<Frame>> {
        self.link
            .relay
            .all_that_is_asked(exchange)
            .filter(|_| self.handshake.is_under_way())?;
        Some(self.handshake.held().clone())
    }

    /// Takes the server's `InitializeResult`, as JSON text.
    pub(super) fn take_initialized(&mut self) -> Option<String> {
        self.initialized.take()
    }

    /// Returns the range that its numbers are of.
    pub(super) fn range(&self) -> u64 {
        self.link.range()
    }

    /// Says whether a call waits here under this handle.
    pub(super) fn has_parked(&self, handle: &str) -> bool {
        self.calls.has_parked(handle)
    }

    #[cfg(test)]
    pub(super) fn stream_exchange(&self) -> Option<ExchangeId> {
        self.link.stream()
    }

    /// Frames of the host that wait for the session.
    pub(super) fn waiting(&self) -> usize {
        self.handshake.held().len() + self.link.relay.waiting()
    }
}

/// Frames of the host.
impl SessionTranslation {
    /// Takes a request that has been checked, or a notification that cancels nothing.
    pub(super) fn on_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if frame.is_request() {
            self.on_request(frame, actions);
        } else {
            self.on_notification(frame, actions);
        }
    }

    /// Takes a request that has been checked.
    pub(super) fn on_request(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if self.handshake.is_open() {
            self.serve(frame, actions);
        } else if let Some(params) = self.handshake.hold_request(frame) {
            self.link
                .ask(SessionRequest::Initialize, "initialize", &params, actions);
        }
    }

    /// Takes a notification that cancels nothing.
    pub(super) fn on_notification(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.method() {
            Some("notifications/initialized" | "notifications/roots/list_changed") => {
                tracing::debug!(?frame, "not part of this revision");
            }
            _ if self.handshake.is_open() => {
                if let Some(frame) = shape::downgrade(&frame, None) {
                    self.link.send(frame, actions);
                }
            }
            _ => self.handshake.hold_notification(frame),
        }
    }

    fn serve(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let Outline::Request { id, method } = frame.outline() else {
            return self.on_notification(frame, actions);
        };
        let Self {
            link,
            server,
            calls,
            subscriptions,
            ..
        } = self;
        let is_retry =
            frame.param("requestState").is_some() || frame.param("inputResponses").is_some();
        match &**method {
            "server/discover" => {
                let result = server.discover();
                actions.push(Action::Reply(Frame::result(id, &result)));
            }
            "subscriptions/listen" => subscriptions.listen(&frame, id, server, link, actions),
            method if may_ask_for_input(method) && is_retry => {
                calls.retry(&frame, id, server, link, actions);
            }
            _ => calls.send(&frame, id, server, link, actions),
        }
    }

    /// Cancels the host's request of that id, if it is here.
    pub(super) fn cancel(&mut self, id: &Id, reason: Option<&str>, actions: &mut Vec<Action>) {
        if self.handshake.drop_held(id) {
            actions.push(Action::Cancelled(id.clone()));
        } else if !self.subscriptions.cancel(id, &mut self.link, actions) {
            self.calls.cancel(id, reason, &mut self.link, actions);
        }
    }
}

/// Frames of the server.
impl SessionTranslation {
    /// Takes what an exchange of this session brought.
    pub(super) fn on_arrival(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        if let Some((number, late)) = self.link.take_limit(exchange, &arrival) {
            return self
                .calls
                .on_limit(number, &late, &self.server, &mut self.link, actions);
        }
        let done = self.link.receive(exchange, arrival);
        self.carry_out(done, actions);
        self.link.end_receive();
        self.subscriptions.acknowledge(&self.link, actions);
        self.subscriptions
            .recover_from_loss(&mut self.link, actions);
    }

    /// Carries out what the relay has done, in order.
    fn carry_out(&mut self, done: Vec<Action>, actions: &mut Vec<Action>) {
        for action in done {
            match action {
                Action::Reply(frame) => self.on_server_message(frame, actions),
                other => self.link.carry(other, actions),
            }
        }
    }

    fn on_server_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.outline() {
            Outline::Request { .. } => {
                self.calls
                    .on_server_request(&frame, &mut self.link, actions);
            }
            Outline::Notification { .. } => self.on_server_notification(frame, actions),
            Outline::Response { id, .. } => {
                match id.as_ref().and_then(|id| self.link.number_of(id)) {
                    Some(number) => self.on_response(number, frame, actions),
                    None => tracing::debug!(?frame, "an answer to nothing we asked"),
                }
            }
        }
    }

    fn on_response(&mut self, number: u64, frame: Frame, actions: &mut Vec<Action>) {
        let Self {
            link,
            server,
            calls,
            subscriptions,
            ..
        } = self;
        if matches!(frame.outline(), Outline::Response { failed: false, .. }) {
            subscriptions.reset_failures();
        }
        match link.take_own(number) {
            Some(SessionRequest::Initialize) => self.on_initialize_response(&frame, actions),
            Some(SessionRequest::Level) => calls.on_level_response(link, actions),
            Some(SessionRequest::Watch(uri)) => {
                subscriptions.on_watch_response(&uri, &frame, link, actions);
            }
            Some(SessionRequest::TaskStatus(call)) => {
                calls.on_poll_response(call, &frame, server, link, actions);
            }
            Some(SessionRequest::TaskResult(call)) => {
                if let Some(answer) = calls.on_result_response(call, &frame, server, link, actions)
                {
                    calls.answer(call, answer, server, link, actions);
                }
            }
            Some(SessionRequest::Unawaited) => {}
            None => {
                let frame = calls.marked(number, frame, link);
                calls.on_response(number, frame, server, link, actions);
            }
        }
    }

    fn on_initialize_response(&mut self, frame: &Frame, actions: &mut Vec<Action>) {
        let result = frame.member("result");
        let Some(result) = result.filter(|_| frame.member("error").is_none()) else {
            return self.handshake.fail(frame.clone());
        };
        self.server = ServerInfo::from_initialize(result);
        self.initialized = Some(result.to_owned());
        let held = self.handshake.finish();
        let initialized = Frame::notification("notifications/initialized", None);
        self.link.send(initialized, actions);
        for frame in held {
            self.serve(frame, actions);
        }
    }

    fn on_server_notification(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.method().unwrap_or_default() {
            "notifications/progress" => self.calls.on_progress(&frame, &self.link, actions),
            "notifications/message" => {
                if self.calls.wants_message(&frame, &self.link) {
                    actions.push(Action::Reply(frame));
                }
            }
            "notifications/cancelled" => {
                let link = &mut self.link;
                if let Some(id) = frame.cancels()
                    && !self.calls.on_cancelled(&id, &frame, link, actions)
                {
                    self.calls.withdraw(&id);
                }
            }
            "notifications/tasks/status" => {
                self.calls
                    .on_status_notification(&frame, &self.server, &mut self.link, actions);
            }
            // A modern host learns this by asking again.
            "notifications/elicitation/complete" => {}
            "notifications/resources/updated" => self.subscriptions.publish(&frame, actions),
            method if subscriptions::changed_list(method).is_some() => {
                self.subscriptions.publish(&frame, actions);
            }
            _ => {
                let told = self.calls.told(frame, &self.link);
                actions.push(Action::Reply(told));
            }
        }
    }
}

/// Time, and the life of the session.
impl SessionTranslation {
    /// Takes the end of a time that was asked for with [`Action::SetTimer`].
    pub(super) fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        let Self {
            link,
            server,
            calls,
            subscriptions,
            ..
        } = self;
        match link.take_timer(token) {
            Some(SessionTimer::Ask(number)) => calls.ask(number, server, link, actions),
            Some(SessionTimer::Expire(handle)) => calls.expire(&handle, link, actions),
            Some(SessionTimer::Late(number)) => {
                calls.finish_answered(number, server, link, actions);
            }
            Some(SessionTimer::Poll(number)) => calls.poll(number, link, actions),
            Some(SessionTimer::Mend) => subscriptions.mend(link, actions),
            Some(SessionTimer::Relay(token)) => {
                let mut done = Vec::new();
                link.relay.on_timer(token, &mut done);
                self.carry_out(done, actions);
            }
            None => {}
        }
    }

    /// Takes the place of the session before it, with the frames that wait there and its subscriptions.
    pub(super) fn take_over(&mut self, old: &mut Self, actions: &mut Vec<Action>) {
        self.subscriptions
            .adopt(&mut old.subscriptions, &mut self.link, actions);
        self.calls.learn_from(&old.calls);
        for frame in old.handshake.take_held() {
            self.on_host_message(frame, actions);
        }
    }

    /// Asks the remote whether it is there, where the era has a way to.
    pub(super) fn ping(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.link.relay.ping(&mut done);
        self.carry_out(done, actions);
    }

    /// Takes the news that the host has closed stdin: it can answer nothing any more, and cancel no subscription. Calls
    /// go on.
    pub(super) fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        self.subscriptions.on_host_gone(&self.server, actions);
        self.calls.on_host_gone(&mut self.link, actions);
        self.calls.end_standing(&mut self.link, actions);
        let mut done = Vec::new();
        self.link.relay.on_host_gone(&mut done);
        self.carry_out(done, actions);
    }

    /// Ends what is open, as the last thing before the bridge leaves.
    pub(super) fn leave(&mut self, actions: &mut Vec<Action>) {
        self.calls.leave(&mut self.link, actions);
        self.link.relay.leave(actions);
    }

    /// Ends the session while others stay: nothing of it may reach the host any more.
    pub(super) fn end(&mut self, actions: &mut Vec<Action>) {
        self.link.relay.abandon(actions);
    }
}
