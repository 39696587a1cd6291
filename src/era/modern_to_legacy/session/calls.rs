//! The host's requests that are with the server: on their way there, asked about in between, and back.
//!
//! Log messages are each for a request that asked for them. A message on a request's own stream is for that request.
//! One on a stream that belongs to no request may be for any: servers of the official TypeScript SDK send there what a
//! tool logs, so dropping it would lose it. And because that stream is another connection, the message may arrive a
//! moment after the answer it preceded; so the answer to a request that wants logs is held for that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::input_required::{LIFETIME, ParkedCalls, PendingQuestions, internal};
use super::link::{Link, SessionRequest, SessionTimer};
use super::log::LogLevel;
use super::tasks::{self, CalledTask, TaskTools};
use crate::era::Action;
use crate::era::modern_to_legacy::capabilities::capabilities;
use crate::era::modern_to_legacy::shape::{self, UpgradedAnswer};
use crate::era::progress::Progress;
use crate::era::server_info::ServerInfo;
use crate::frame::{BridgeError, Frame, Id};

/// The time for which an answer waits for logs that were sent before it on another connection.
const LATE: Duration = Duration::from_millis(20);

/// Every request of the host's that is with the server, and those parked.
pub(super) struct ParkableCalls {
    /// The oldest first, by the number in its id.
    pub(super) open: BTreeMap<u64, ParkableCall>,
    pub(super) parked: ParkedCalls,
    pub(super) level: LogLevel,
    pub(super) task_tools: TaskTools,
    /// Calls that the host waits for no more, and whose tasks the server has not named yet.
    pub(super) abandoned: BTreeSet<u64>,
}

/// A request of the host's that the server has.
pub(super) struct ParkableCall {
    /// The host's id that the answer is for; none while the call is parked.
    pub(super) host: Option<Id>,
    pub(super) method: Box<str>,
    /// A notification has shown that the request stands.
    pub(super) is_marked: bool,
    /// As the host wrote it.
    pub(super) frame: Frame,
    /// The host's progress token, as JSON text.
    pub(super) token: Option<String>,
    /// The progress that the host knows.
    pub(super) progress: Progress,
    /// The task, for a call that is made as one.
    pub(super) task: Option<CalledTask>,
    /// The server's answer to the call that was none.
    pub(super) refusal: Option<Frame>,
    pub(super) level: Option<usize>,
    /// The capabilities that this request declared.
    pub(super) capabilities: String,
    /// The request, held until the server has taken a log level.
    pub(super) held: Option<Frame>,
    pub(super) questions: PendingQuestions,
    /// The answer that came while it was parked, or that waits for logs.
    pub(super) answer: Option<Frame>,
}

impl ParkableCalls {
    /// Makes handles from `seed`, 32 random bytes.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            open: BTreeMap::new(),
            parked: ParkedCalls::new(seed),
            level: LogLevel::default(),
            task_tools: TaskTools::default(),
            abandoned: BTreeSet::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.parked.is_empty() && self.abandoned.is_empty()
    }

    /// Says whether a call is parked under this handle.
    pub(super) fn has_parked(&self, handle: &str) -> bool {
        self.parked.contains(handle)
    }

    /// Takes over what another session has learnt of the same server.
    pub(super) fn learn_from(&mut self, other: &Self) {
        self.task_tools.join(&other.task_tools);
    }

    pub(super) fn remove(
        &mut self,
        number: u64,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) -> Option<ParkableCall> {
        link.unfollow(number);
        link.end_limit(number, actions);
        self.open.remove(&number)
    }
}

/// Requests of the host on their way to the server.
impl ParkableCalls {
    /// Sends a request on.
    pub(super) fn send(
        &mut self,
        frame: &Frame,
        id: &Id,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let number = link.number();
        let Some(request) = shape::downgrade(frame, Some(&link.id_of(number))) else {
            let words = "The request cannot be translated.";
            let error = BridgeError::new("bad_request", words);
            return actions.push(Action::Reply(error.reply(id)));
        };
        let is_task = server.calls_as_tasks && self.task_tools.are_called_by(frame);
        let request = match is_task {
            true => tasks::as_task(&request),
            false => request,
        };
        let level = shape::level(frame).filter(|_| server.has_logging());
        let waits = level.is_some();
        let call = ParkableCall {
            host: Some(id.clone()),
            method: frame.method().unwrap_or_default().into(),
            is_marked: false,
            frame: frame.clone(),
            token: shape::progress_token(frame).map(str::to_owned),
            progress: Progress::default(),
            task: is_task.then(CalledTask::default),
            refusal: None,
            level,
            capabilities: capabilities(frame).to_owned(),
            held: waits.then(|| request.clone()),
            questions: PendingQuestions::default(),
            answer: None,
        };
        self.open.insert(number, call);
        link.follow(number);
        if waits {
            self.settle_level(link, actions);
        } else {
            link.send(request, actions);
        }
    }

    /// Sends the calls whose log level the server serves, and asks it for a more talkative one if others want that. The
    /// level is the session's, so it only ever becomes more talkative; a message that no request wants is dropped.
    fn settle_level(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        let held = |call: &ParkableCall| call.held.as_ref().and(call.level);
        let wanted = self.open.values().filter_map(held).min();
        if let Some(params) = self.level.request(wanted) {
            link.ask(SessionRequest::Level, "logging/setLevel", &params, actions);
        }
        for call in self.open.values_mut() {
            if let Some(request) = call.held.take_if(|_| self.level.serves(call.level)) {
                link.send(request, actions);
            }
        }
    }

    /// Takes the server's answer to `logging/setLevel`.
    pub(super) fn on_level_response(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        self.level.on_response();
        self.settle_level(link, actions);
    }

    /// Cancels the host's request of that id, if it is here.
    pub(super) fn cancel(
        &mut self,
        id: &Id,
        reason: Option<&str>,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let mut open = self.open.iter();
        let found = open.find(|(_, call)| call.host.as_ref() == Some(id));
        if let Some((&number, _)) = found {
            actions.push(Action::Cancelled(id.clone()));
            self.stop(number, reason, link, actions);
        }
    }

    /// Tells the server to stop, and that its questions will not be answered.
    pub(super) fn stop(
        &mut self,
        number: u64,
        reason: Option<&str>,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let is_held = |call: &ParkableCall| call.held.is_some();
        let is_task =
            !self.open.get(&number).is_some_and(is_held) && self.stop_task(number, link, actions);
        let Some(mut call) = self.remove(number, link, actions) else {
            return;
        };
        for answer in call.questions.decline() {
            link.send(answer, actions);
        }
        if call.held.is_none() && call.answer.is_none() && !is_task {
            let reason = reason
                .map(|reason| format!(r#","reason":{reason}"#))
                .unwrap_or_default();
            let params = format!(r#"{{"requestId":{}{reason}}}"#, link.id_of(number));
            let notice = Frame::notification("notifications/cancelled", Some(&params));
            link.send(notice, actions);
        }
    }
}

/// Answers and notifications of the server.
impl ParkableCalls {
    pub(super) fn on_response(
        &mut self,
        number: u64,
        frame: Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        if let Some(answer) = self.take_for_task(number, frame, server, link, actions) {
            self.answer(number, answer, server, link, actions);
        }
    }

    /// Takes the server's answer to a call.
    pub(super) fn answer(
        &mut self,
        number: u64,
        frame: Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        call.task = None;
        let is_parked = call.host.is_none();
        let may_have_logs_behind_it =
            call.level.is_some() && call.answer.is_none() && link.has_stream();
        if is_parked || may_have_logs_behind_it {
            call.answer = Some(frame);
            call.questions.clear(); // an answered call asks nothing any more
            if !is_parked {
                link.set_timer(LATE, SessionTimer::Late(number), actions);
            }
        } else if let Some(call) = self.remove(number, link, actions) {
            self.finish(&call, &frame, server, link, actions);
        }
    }

    /// Answers the host with the answer that waits: for logs, or for the host to call again.
    pub(super) fn finish_answered(
        &mut self,
        number: u64,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(mut call) = self.remove(number, link, actions) else {
            return; // cancelled meanwhile
        };
        if let Some(answer) = call.answer.take() {
            self.finish(&call, &answer, server, link, actions);
        }
    }

    /// Answers the host: with the server's answer, or with pages to visit, after which the host calls again.
    fn finish(
        &mut self,
        call: &ParkableCall,
        frame: &Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(id) = &call.host else { return };
        if &*call.method == "tools/list" {
            self.task_tools.learn(frame);
        }
        match shape::upgrade(frame, id, &call.method, &call.capabilities, server) {
            UpgradedAnswer::Plain(frame) => actions.push(Action::Reply(frame)),
            UpgradedAnswer::VisitFirst(_) if self.parked.is_full() => {
                let words = "Too many calls wait for answers.";
                actions.push(Action::Reply(internal(id, words)));
            }
            UpgradedAnswer::VisitFirst(visits) => {
                let handle = self.parked.park(&call.frame, None, link.number());
                let result = server.input_required(&visits, &handle);
                actions.push(Action::Reply(Frame::result(id, &result)));
                link.set_timer(LIFETIME, SessionTimer::Expire(handle), actions);
            }
        }
    }

    pub(super) fn on_progress(&mut self, frame: &Frame, link: &Link, actions: &mut Vec<Action>) {
        let call = frame
            .param("progressToken")
            .and_then(Id::parse)
            .as_ref()
            .and_then(|id| link.number_of(id))
            .and_then(|number| self.open.get_mut(&number))
            .filter(|call| call.host.is_some());
        let Some(call) = call else { return };
        // Numbers that do not grow are for the host to judge.
        let passed = call.progress.passed(frame);
        let frame = passed.as_ref().unwrap_or(frame);
        let token = call.token.as_deref();
        let frame = token.and_then(|token| shape::with_progress_token(frame, token));
        actions.extend(frame.map(Action::Reply));
    }

    /// Says whether a request wants this log message, which has just arrived.
    pub(super) fn wants_message(&self, frame: &Frame, link: &Link) -> bool {
        let rank = frame.param("level").and_then(shape::rank);
        let may_be_any = !self.open.keys().any(|number| link.is_received_on(*number));
        self.open.iter().any(|(number, call)| {
            (may_be_any || link.is_received_on(*number))
                && call.host.is_some()
                && call.level.is_some_and(|wanted| rank >= Some(wanted))
        })
    }
}
