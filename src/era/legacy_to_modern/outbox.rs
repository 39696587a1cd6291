//! Everything that the translation sends: frames for either side and timers, with the purpose of each request of its
//! own and of each timer.

use std::collections::HashMap;
use std::time::Duration;

use crate::frame::{Frame, INVALID_PARAMS, Id, METHOD_NOT_FOUND};

/// The frames and timers to be carried out, in order, and the purpose of each that something will come back for.
#[derive(Debug)]
pub(super) struct Outbox {
    output: Vec<OutboxItem>,
    /// Requests of ours to the server that wait for an answer.
    own_requests: HashMap<Id, OwnRequest>,
    timers: HashMap<u64, Timer>,
    /// The last number given.
    count: u64,
    /// The number at which ids of requests to the server begin.
    ids: u64,
}

/// A frame or timer to be carried out.
#[derive(Debug)]
pub(super) enum OutboxItem {
    /// To the remote.
    ToServer(Frame),
    /// To the host.
    ToHost(Frame),
    /// The host's request of that id is owed nothing.
    Cancelled(Id),
    /// The time, the token of the timer, and whether something is tried again then.
    SetTimer(Duration, u64, bool),
    /// The time of the call of that number begins.
    Limit(u64, Frame),
    /// The time of the call of that number counts no more.
    EndLimit(u64),
}

/// The purpose of a request of ours to the server.
#[derive(Debug)]
pub(super) enum OwnRequest {
    /// The next round of the call of that number, or a poll of its task.
    Call(u64),
    /// The host's answers for the task of the call of that number.
    Update(u64),
    /// Notifications of changes.
    Listen,
    /// A request whose answer is not waited for.
    Unawaited,
}

/// The purpose of a timer.
#[derive(Debug)]
pub(super) enum Timer {
    /// Send a call's next round, with the state of this one.
    Resume(u64, String),
    /// Fail a call, by its number, whose round of that number is not answered.
    Unanswered(u64, u64),
    /// Ask for the status of a call's task.
    Poll(u64),
    /// Listen again.
    Relisten,
    /// Refuse the subscriptions that wait for that listen, if it is not acknowledged.
    Unacknowledged(Id),
}

impl Outbox {
    pub(super) fn new(ids: u64) -> Self {
        Self {
            output: Vec::new(),
            own_requests: HashMap::new(),
            timers: HashMap::new(),
            count: 0,
            ids,
        }
    }

    /// Takes what is to be carried out.
    pub(super) fn take(&mut self) -> Vec<OutboxItem> {
        std::mem::take(&mut self.output)
    }

    /// Returns a number never given before.
    pub(super) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Returns an id for a request to the host. It is a string that no server would choose.
    pub(super) fn host_id(&mut self) -> Id {
        let number = self.number();
        Id::parse(&format!("\"bridge:h{number}\"")).unwrap_or_else(|| Id::ours(number))
    }

    /// Returns an id for a request to the server, which never hears the host's own.
    pub(super) fn server_id(&mut self) -> Id {
        let number = self.number();
        Id::ours(self.ids + number)
    }

    /// Says whether an id is of a request to the server, and not the host's own.
    pub(super) fn is_ours(&self, id: &Id) -> bool {
        id.number().is_some_and(|number| number > self.ids)
    }

    pub(super) fn send_to_server(&mut self, frame: Frame) {
        self.output.push(OutboxItem::ToServer(frame));
    }

    /// Sends a request of ours, whose answer is for `purpose`.
    pub(super) fn ask_server(&mut self, id: Id, frame: Frame, purpose: OwnRequest) {
        self.own_requests.insert(id, purpose);
        self.send_to_server(frame);
    }

    /// Cancels a request of ours. An answer that comes all the same is for nothing.
    pub(super) fn cancel_own(&mut self, id: &Id) {
        self.own_requests.remove(id);
        let params = format!(r#"{{"requestId":{id}}}"#);
        let notice = Frame::notification("notifications/cancelled", Some(&params));
        self.send_to_server(notice);
    }

    /// Takes the purpose of a request that is over.
    pub(super) fn take_purpose(&mut self, id: &Id) -> Option<OwnRequest> {
        self.own_requests.remove(id)
    }

    pub(super) fn send_to_host(&mut self, frame: Frame) {
        self.output.push(OutboxItem::ToHost(frame));
    }

    /// Answers a request whose method this server does not have.
    pub(super) fn unknown(&mut self, id: &Id, method: &str) {
        let message = format!("Method not found: {method}");
        self.send_to_host(Frame::error(Some(id), METHOD_NOT_FOUND, &message, None));
    }

    /// Answers a request whose parameters are wrong.
    pub(super) fn invalid(&mut self, id: &Id, message: &str) {
        self.send_to_host(Frame::error(Some(id), INVALID_PARAMS, message, None));
    }

    /// Notes that the host's request of that id is owed nothing any more.
    pub(super) fn cancelled(&mut self, id: &Id) {
        self.output.push(OutboxItem::Cancelled(id.clone()));
    }

    pub(super) fn set_timer(&mut self, after: Duration, timer: Timer) {
        let token = self.number();
        let is_retry = matches!(timer, Timer::Resume(..) | Timer::Poll(_) | Timer::Relisten);
        self.timers.insert(token, timer);
        self.output
            .push(OutboxItem::SetTimer(after, token, is_retry));
    }

    /// Begins the time of a call, by its number, or begins it anew.
    pub(super) fn limit(&mut self, number: u64, call: Frame) {
        self.output.push(OutboxItem::Limit(number, call));
    }

    pub(super) fn end_limit(&mut self, number: u64) {
        self.output.push(OutboxItem::EndLimit(number));
    }

    /// Takes the purpose of a timer that has fired.
    pub(super) fn take_timer(&mut self, token: u64) -> Option<Timer> {
        self.timers.remove(&token)
    }
}
