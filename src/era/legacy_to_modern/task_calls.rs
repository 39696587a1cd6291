//! Calls that have become tasks of the server's: polled to their end, and told of on the way (SEP-2663).

use super::calls::{CallState, MultiRoundCalls};
use super::outbox::{Outbox, Timer};
use super::peers::Peers;
use super::tasks::{Task, TaskStatus};
use crate::era::{error_reply, task};
use crate::frame::{BridgeError, Frame, Object};

impl MultiRoundCalls {
    /// Takes a task as the answer to a call.
    pub(super) fn begin_task(
        &mut self,
        number: u64,
        result: &Object,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        let Some(task) = Task::read(result) else {
            let wrong = "The server made a task and did not name it.";
            return self.fail_as_bad(number, wrong, peers, out);
        };
        if let Some(call) = self.open.get_mut(&number) {
            call.task = Some(task);
        }
        self.limit(number, out);
        self.tell_status(number, out);
        self.poll_later(number, out);
    }

    /// Lets the time of a call begin, which no request of its own bounds any more.
    fn limit(&mut self, number: u64, out: &mut Outbox) {
        if let Some(call) = self.open.get_mut(&number) {
            call.is_limited = true;
            out.limit(number, call.frame.clone());
        }
    }

    /// Fails a call whose time has passed.
    pub(super) fn on_limit(
        &mut self,
        number: u64,
        late: &BridgeError,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        call.is_limited = false;
        if matches!(call.state, CallState::Asking(_)) {
            return; // a user may take their time; with the answers, the call's begins anew
        }
        let answer = error_reply(&call.frame, late);
        self.stop_task(number, peers, out);
        if let Some(answer) = answer {
            self.finish(number, answer, out);
        }
    }

    /// Tells the server that a call's task is not wanted any more.
    fn stop_task(&mut self, number: u64, peers: &Peers, out: &mut Outbox) {
        if let Some(call) = self.open.get_mut(&number) {
            if let CallState::Sent(id) = &call.state {
                out.cancel_own(id);
                call.state = CallState::Pausing;
            }
            if let Some(task) = call.task.take() {
                task.cancel(peers, out);
            }
        }
    }

    /// Asks how a call's task is doing.
    pub(super) fn poll(&mut self, number: u64, peers: &Peers, out: &mut Outbox) {
        if let Some(call) = self.open.get_mut(&number)
            && let Some(task) = &call.task
        {
            call.state = CallState::Sent(task.poll(number, peers, out));
        }
    }

    fn poll_later(&mut self, number: u64, out: &mut Outbox) {
        if let Some(call) = self.open.get_mut(&number) {
            call.state = CallState::Pausing;
            let pace = call.task.as_ref().map(Task::pace).unwrap_or_default();
            out.set_timer(pace, Timer::Poll(number));
        }
    }

    /// Hands the host's answers to the task, and looks what comes of it.
    pub(super) fn hand_over(
        &mut self,
        number: u64,
        answers: String,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        if let Some(call) = self.open.get_mut(&number)
            && let Some(task) = &mut call.task
        {
            task.update(number, answers, peers, out);
        }
        self.limit(number, out);
        self.poll_later(number, out);
    }

    /// Takes the server's answer to the host's answers.
    pub(super) fn on_update_response(&mut self, number: u64, frame: &Frame) {
        let call = self.open.get_mut(&number);
        if let Some(task) = call.and_then(|call| call.task.as_mut()) {
            task.on_update_response(frame);
        }
    }

    /// Tells the host what the status of a call's task says in words, if it asked for progress.
    fn tell_status(&mut self, number: u64, out: &mut Outbox) {
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        let words = call.task.as_ref().and_then(Task::words);
        if let (Some(words), Some(token)) = (words, &call.token)
            && let Some(notice) = call.progress.of_status(words, token.text())
        {
            out.send_to_host(notice);
        }
    }

    /// Draws the consequences of the answer to a poll. Returns whether the call is complete.
    pub(super) fn on_poll_response(
        &mut self,
        number: u64,
        frame: &Frame,
        peers: &Peers,
        out: &mut Outbox,
    ) -> bool {
        let Some(task) = self
            .open
            .get_mut(&number)
            .and_then(|call| call.task.as_mut())
        else {
            return false;
        };
        let status = task.read_status(frame);
        self.tell_status(number, out);
        let Some(call) = self.open.get_mut(&number) else {
            return false;
        };
        let id = call.id.clone();
        match status {
            TaskStatus::Working => self.poll_later(number, out),
            TaskStatus::InputRequired(asked) => self.ask(number, &asked, None, peers, out),
            TaskStatus::AnswersLost(answers) => self.hand_over(number, answers, peers, out),
            TaskStatus::Completed(result) => {
                call.task = None;
                self.complete(number, &Frame::result(&id, "{}"), result, out);
                return true;
            }
            TaskStatus::Failed(error) => {
                let words = call.task.as_ref().and_then(Task::words);
                let answer = task::failed(&id, error.as_deref(), words);
                self.finish(number, answer, out);
            }
            TaskStatus::Cancelled => {
                let words = call.task.as_ref().and_then(Task::words);
                let answer = task::cancelled(&id, words);
                self.finish(number, answer, out);
            }
            TaskStatus::Unavailable => self.finish(number, frame.with_id(&id), out),
            TaskStatus::Refused(error) => {
                self.stop_task(number, peers, out);
                self.finish(number, error.with_id(&id), out);
            }
            TaskStatus::Lost(error) => {
                let answer = task::lost(&call.frame, &error);
                self.stop_task(number, peers, out);
                if let Some(answer) = answer {
                    self.finish(number, answer, out);
                }
            }
            TaskStatus::Bad(wrong) => self.fail_as_bad(number, &wrong, peers, out),
        }
        false
    }
}
