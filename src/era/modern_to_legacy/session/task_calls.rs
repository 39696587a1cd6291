//! Calls that are made as tasks for a host that knows nothing of it: polled, asked for their result, and told of on the
//! way (MCP 2025-11-25, basic/utilities/tasks).
//!
//! The result is asked for when the task is over, and before where the server asks something, which comes on the stream of
//! that request. The host's call is the same all the time, parked or not.

use super::calls::ParkableCalls;
use super::link::{Link, SessionRequest, SessionTimer};
use super::tasks::{self, CalledTask, TaskStatus};
use crate::era::modern_to_legacy::shape;
use crate::era::server_info::ServerInfo;
use crate::era::task::{self, MAX_FAILURES, is_ours};
use crate::era::{Action, error_reply};
use crate::frame::{BridgeError, Frame, METHOD_NOT_FOUND};

/// The beginning.
impl ParkableCalls {
    /// Takes the answer to a call that is a task, or has to be one, and gives it back if it is an answer for the host.
    pub(super) fn take_for_task(
        &mut self,
        number: u64,
        frame: Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) -> Option<Frame> {
        if self.abandoned.remove(&number) {
            let mut task = CalledTask::default();
            if task.begin(&frame, None) {
                cancel(&task, link, actions);
            }
            return None;
        }
        let call = self.open.get_mut(&number)?;
        if let Some(task) = &mut call.task {
            if task.begin(&frame, link.relay.opening()) {
                if let Some(name) = call.frame.param("name") {
                    self.task_tools.require(name);
                }
                self.limit(number, link, actions);
                self.tell_status(number, actions);
                self.poll_later(number, link, actions);
                return None;
            }
            call.task = None;
            let first = call.refusal.take();
            let is_refused_too = frame.error_code() == Some(METHOD_NOT_FOUND);
            return first.filter(|_| is_refused_too).or(Some(frame));
        }
        let may_be_task = server.calls_as_tasks && &*call.method == "tools/call";
        if may_be_task && call.host.is_some() && tasks::wants_task(&frame) {
            self.call_as_task(number, frame, link, actions);
            return None;
        }
        Some(frame)
    }

    /// Calls as a task what the server will not do otherwise. It has done nothing yet.
    fn call_as_task(
        &mut self,
        number: u64,
        refusal: Frame,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(mut call) = self.remove(number, link, actions) else {
            return;
        };
        let number = link.number();
        let request = shape::downgrade(&call.frame, Some(&link.id_of(number)));
        let Some(request) = request.as_ref().map(tasks::as_task) else {
            return;
        };
        call.refusal = Some(refusal);
        call.task = Some(CalledTask::default());
        self.open.insert(number, call);
        link.follow(number);
        link.send(request, actions);
    }

    /// Lets the time of a call begin, which no request of its own bounds any more.
    pub(super) fn limit(&mut self, number: u64, link: &mut Link, actions: &mut Vec<Action>) {
        if let Some(call) = self.open.get(&number) {
            link.limit(number, &call.frame, actions);
        }
    }
}

/// The way to the end.
impl ParkableCalls {
    fn task(&mut self, number: u64) -> Option<&mut CalledTask> {
        self.open.get_mut(&number)?.task.as_mut()
    }

    fn poll_later(&mut self, number: u64, link: &mut Link, actions: &mut Vec<Action>) {
        if let Some(task) = self.task(number)
            && !std::mem::replace(&mut task.is_polled, true)
        {
            link.set_timer(task.pace, SessionTimer::Poll(number), actions);
        }
    }

    /// Asks how a call's task is doing.
    pub(super) fn poll(&mut self, number: u64, link: &mut Link, actions: &mut Vec<Action>) {
        if let Some(params) = self.task(number).and_then(|task| task.params()) {
            link.ask(
                SessionRequest::TaskStatus(number),
                "tasks/get",
                &params,
                actions,
            );
        }
    }

    /// Asks for the result of a call's task, unless that has been asked for.
    fn ask_for_result(&mut self, number: u64, link: &mut Link, actions: &mut Vec<Action>) {
        if let Some(task) = self.task(number)
            && task.result.is_none()
            && let Some(params) = task.params()
        {
            let purpose = SessionRequest::TaskResult(number);
            task.result = Some(link.ask(purpose, "tasks/result", &params, actions));
        }
    }

    /// Takes `notifications/tasks/status`.
    pub(super) fn on_status_notification(
        &mut self,
        frame: &Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let id = frame.param("taskId");
        let is_it = |task: &CalledTask| id.is_some() && task.id.as_deref() == id;
        let mut open = self.open.iter();
        let found = open.find(|(_, call)| call.task.as_ref().is_some_and(is_it));
        if let (Some((&number, _)), Some(status)) = (found, frame.member("params")) {
            self.on_status(number, status, server, link, actions);
        }
    }

    /// Takes the answer to a poll.
    pub(super) fn on_poll_response(
        &mut self,
        number: u64,
        frame: &Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(task) = self.task(number) else {
            return;
        };
        task.is_polled = false;
        let status = frame.member("result").filter(|_| !frame.is_error());
        if let Some(status) = status {
            task.failures = 0;
            return self.on_status(number, status, server, link, actions);
        }
        if is_ours(frame) {
            return self.on_loss(number, frame, server, link, actions);
        }
        if task.opening != link.relay.opening() {
            let lost =
                "The server lost the session, and with it the task that it made of the call.";
            let lost = BridgeError::new("session_lost", lost).retryable();
            return self.give_up(number, &lost, server, link, actions);
        }
        // The result may be had all the same; otherwise the call ends with this error.
        task.fault.get_or_insert_with(|| frame.clone());
        task.is_over = true;
        self.ask_for_result(number, link, actions);
    }

    fn on_status(
        &mut self,
        number: u64,
        status: &str,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(task) = self.task(number) else {
            return;
        };
        let status = task.read(status);
        let is_result_late = task.is_result_late;
        task.is_over |= matches!(status, TaskStatus::Over);
        self.tell_status(number, actions);
        match status {
            TaskStatus::Over => self.ask_for_result(number, link, actions),
            TaskStatus::InputRequired if !is_result_late => {
                self.ask_for_result(number, link, actions);
            }
            TaskStatus::Cancelled => return self.on_task_cancelled(number, server, link, actions),
            TaskStatus::InputRequired | TaskStatus::Working => {}
        }
        if self.task(number).is_some_and(|task| !task.is_over) {
            self.poll_later(number, link, actions);
        }
    }

    /// Ends a call whose task the server has cancelled.
    fn on_task_cancelled(
        &mut self,
        number: u64,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let words = self.task(number).and_then(|task| task.words.take());
        self.end_result(number, link, actions);
        let id = link.id_of(number);
        self.answer(
            number,
            task::cancelled(&id, words.as_deref()),
            server,
            link,
            actions,
        );
    }

    /// Takes the answer to `tasks/result`, and gives it back if it is the answer to the call.
    pub(super) fn on_result_response(
        &mut self,
        number: u64,
        frame: &Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) -> Option<Frame> {
        let task = self.task(number)?;
        task.result = None;
        if !frame.is_error() {
            return Some(tasks::without_related(frame));
        }
        if is_ours(frame) {
            self.on_loss(number, frame, server, link, actions);
            return None;
        }
        if task.is_over {
            return Some(task.fault.take().unwrap_or_else(|| frame.clone()));
        }
        // The task may be polled all the same.
        task.is_result_late = true;
        self.poll_later(number, link, actions);
        None
    }

    /// Takes an error of the bridge's: the server is asked again, if that may help.
    fn on_loss(
        &mut self,
        number: u64,
        error: &Frame,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        let Some(task) = &mut call.task else { return };
        task.failures += 1;
        if error.error_data("retryable") == Some("true") && task.failures <= MAX_FAILURES {
            return self.poll_later(number, link, actions);
        }
        let lost = task::lost(&call.frame, error);
        self.stop_task(number, link, actions);
        if let Some(lost) = lost {
            self.answer(number, lost, server, link, actions);
        }
    }

    /// Tells the host what the status of a call's task says in words, if it waits and asked for progress.
    fn tell_status(&mut self, number: u64, actions: &mut Vec<Action>) {
        let call = self.open.get_mut(&number);
        let Some(call) = call.filter(|call| call.host.is_some()) else {
            return;
        };
        let words = call.task.as_ref().and_then(|task| task.words.as_deref());
        if let (Some(words), Some(token)) = (words, &call.token) {
            let notice = call.progress.of_status(words, token);
            actions.extend(notice.map(Action::Reply));
        }
    }
}

/// The ends that the server has not come to.
impl ParkableCalls {
    /// Gives up a call whose time has passed.
    pub(super) fn on_limit(
        &mut self,
        number: u64,
        late: &BridgeError,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        // A user may take their time; with the answers, the call's begins anew.
        if self
            .open
            .get(&number)
            .is_some_and(|call| call.host.is_some())
        {
            self.give_up(number, late, server, link, actions);
        }
    }

    /// Answers a call with an error, and tells the server that its task is not wanted any more.
    fn give_up(
        &mut self,
        number: u64,
        error: &BridgeError,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(call) = self.open.get(&number) else {
            return;
        };
        let answer = error_reply(&call.frame, error);
        self.stop_task(number, link, actions);
        if let Some(answer) = answer {
            self.answer(number, answer, server, link, actions);
        }
    }

    /// Tells the server that a call's task is not wanted any more. Says whether the call is one.
    pub(super) fn stop_task(
        &mut self,
        number: u64,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) -> bool {
        self.end_result(number, link, actions);
        let task = self.open.get_mut(&number).and_then(|call| call.task.take());
        let Some(task) = task else { return false };
        if !cancel(&task, link, actions) {
            // The task is named by an answer that is still to come (MCP 2025-11-25, basic/utilities/cancellation).
            self.abandoned.insert(number);
        }
        true
    }

    /// Takes back `tasks/result`.
    fn end_result(&mut self, number: u64, link: &mut Link, actions: &mut Vec<Action>) {
        let result = self.task(number).and_then(|task| task.result.take());
        if let Some(result) = result {
            link.take_own(result);
            let params = format!(r#"{{"requestId":{}}}"#, link.id_of(result));
            let notice = Frame::notification("notifications/cancelled", Some(&params));
            link.send(notice, actions);
        }
    }

    /// Tells the server, before the bridge leaves, of each task that it was to work on for a call.
    pub(super) fn leave(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        for call in self.open.values_mut() {
            if let Some(task) = call.task.take() {
                cancel(&task, link, actions);
            }
        }
    }
}

/// Tells the server that a task is not wanted any more. Says whether it has a name by which it can be told.
fn cancel(task: &CalledTask, link: &mut Link, actions: &mut Vec<Action>) -> bool {
    let Some(params) = task.params() else {
        return false;
    };
    link.ask(SessionRequest::Unawaited, "tasks/cancel", &params, actions);
    true
}
