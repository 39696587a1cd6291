//! Tasks of the remote's, driven to their end for a host that knows only calls (SEP-2663).

use std::collections::HashSet;
use std::time::Duration;

use super::output::{OwnRequest, Timer};
use super::shape::present;
use super::state::{CallState, Task, Translation};
use crate::frame::{BridgeError, Frame, INTERNAL_ERROR, Object, string};

/// The interval between polls when the server does not say, and the bounds of what it may say.
const PACE_MILLIS: u64 = 1000;
const QUICKEST_MILLIS: u64 = 100;
const SLOWEST_MILLIS: u64 = 60_000;
/// The most polls in a row that may fail in ways that pass.
const MAX_FAILURES: u32 = 5;
/// Questions that one task may ask in its life.
const MAX_ASKED: usize = 1000;

impl Translation {
    /// Takes a task as the answer to a call.
    pub(super) fn task_begun(&mut self, number: u64, result: &Object) {
        let nested = result.get("task").and_then(Object::read);
        let told = nested.as_ref().unwrap_or(result);
        let id = told.get("taskId").filter(|id| id.starts_with('"'));
        let Some(id) = id.map(str::to_owned) else {
            return self.bad(number, "The server made a task and did not name it.");
        };
        if let Some(call) = self.calls.get_mut(&number) {
            call.task = Some(Task {
                id,
                asked: HashSet::new(),
                pace: pace(told, Duration::from_millis(PACE_MILLIS)),
                failures: 0,
            });
        }
        self.later(number);
    }

    fn later(&mut self, number: u64) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.state = CallState::Pausing;
        let pace = call.task.as_ref().map(|task| task.pace);
        self.out
            .set_timer(pace.unwrap_or_default(), Timer::Poll(number));
    }

    pub(super) fn poll(&mut self, number: u64) {
        let Some(id) = self.task_id(number) else {
            return;
        };
        let upstream = self.out.server_id();
        if let Some(call) = self.calls.get_mut(&number) {
            call.state = CallState::Sent(upstream.clone());
        }
        let params = format!(r#"{{"taskId":{id}}}"#);
        let frame = Frame::request(&upstream, "tasks/get", Some(&params));
        let frame = self.signed(&frame, None, true, |_| {});
        self.out
            .ask_server(upstream, frame, OwnRequest::Call(number));
    }

    fn task_id(&self, number: u64) -> Option<String> {
        let call = self.calls.get(&number)?;
        call.task.as_ref().map(|task| task.id.clone())
    }

    /// Takes the answer to `tasks/get`.
    pub(super) fn task_told(&mut self, number: u64, frame: &Frame) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let Some(task) = call.task.as_mut() else {
            return;
        };
        let told = frame.member("result").and_then(Object::read);
        let Some(told) = told.filter(|_| frame.member("error").is_none()) else {
            task.failures += 1;
            let data = frame.member("error").and_then(Object::read);
            let data = data.and_then(|error| Object::read(error.get("data")?));
            let passes = data.is_some_and(|data| data.get("retryable") == Some("true"));
            if passes && task.failures <= MAX_FAILURES {
                return self.later(number);
            }
            let answer = frame.with_id(&call.id);
            return self.finish(number, answer);
        };
        task.failures = 0;
        let nested = told.get("task").and_then(Object::read);
        let told = nested.unwrap_or(told);
        task.pace = pace(&told, task.pace);
        let id = call.id.clone();
        match told.get("status").and_then(string).as_deref() {
            Some("completed") => match present(&told, "result").and_then(Object::read) {
                Some(result) => {
                    call.task = None;
                    self.complete(number, &Frame::result(&id, "{}"), result);
                }
                None => self.bad(number, "The server's task is done and has no result."),
            },
            Some("failed") => {
                let error = present(&told, "error").filter(|error| error.starts_with('{'));
                let frame = error.and_then(|error| {
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
                    Frame::parse(&text).ok()
                });
                let failed = "The server's task failed.";
                let frame =
                    frame.unwrap_or_else(|| Frame::error(Some(&id), INTERNAL_ERROR, failed, None));
                self.finish(number, frame);
            }
            Some("cancelled") => {
                let bridge_error = BridgeError::new("cancelled", "The server cancelled its task.");
                self.finish(number, bridge_error.reply(&id));
            }
            Some("input_required") => self.task_asks(number, &told),
            _ => self.later(number),
        }
    }

    fn task_asks(&mut self, number: u64, told: &Object) {
        let asked = present(told, "inputRequests").and_then(Object::read);
        let mut fresh = Object::default();
        if let Some(task) = self
            .calls
            .get_mut(&number)
            .and_then(|call| call.task.as_mut())
        {
            for (key, request) in asked.as_ref().into_iter().flat_map(Object::iter) {
                if task.asked.insert(key.to_owned()) {
                    fresh.set(key, request);
                }
            }
        }
        let task = self.calls.get(&number).and_then(|call| call.task.as_ref());
        if task.is_some_and(|task| task.asked.len() > MAX_ASKED) {
            let many = format!("The server's task asked for more than {MAX_ASKED} things.");
            return self.fail(number, &BridgeError::new("bad_answer", many));
        }
        if fresh.is_empty() {
            self.later(number); // answered already; the remote has not noticed yet
        } else {
            self.ask(number, &fresh, None);
        }
    }

    /// Hands the host's answers to the task, and polls it again in good time.
    pub(super) fn update_task(&mut self, number: u64, answers: &str) {
        let Some(id) = self.task_id(number) else {
            return;
        };
        let params = format!(r#"{{"taskId":{id},"inputResponses":{answers}}}"#);
        self.say("tasks/update", &params);
        self.later(number);
    }

    pub(super) fn cancel_task(&mut self, task: &Task) {
        let params = format!(r#"{{"taskId":{}}}"#, task.id);
        self.say("tasks/cancel", &params);
    }

    /// Sends a request whose answer is not waited for.
    fn say(&mut self, method: &str, params: &str) {
        let upstream = self.out.server_id();
        let frame = Frame::request(&upstream, method, Some(params));
        let frame = self.signed(&frame, None, true, |_| {});
        self.out.ask_server(upstream, frame, OwnRequest::Unheard);
    }
}

fn pace(told: &Object, otherwise: Duration) -> Duration {
    let millis = told
        .get("pollIntervalMs")
        .and_then(|text| text.parse::<u64>().ok());
    millis.map_or(otherwise, |millis| {
        Duration::from_millis(millis.clamp(QUICKEST_MILLIS, SLOWEST_MILLIS))
    })
}
