//! Tasks of the remote's, driven to their end for a host that knows only calls (SEP-2663).

use std::collections::HashSet;
use std::time::Duration;

use super::outbox::{Outbox, OwnRequest};
use super::peers::Peers;
use super::shape::present;
use crate::frame::{Frame, Id, Object, string};

/// The interval between polls when the server does not say, and the bounds of what it may say.
const PACE_MILLIS: u64 = 1000;
const QUICKEST_MILLIS: u64 = 100;
const SLOWEST_MILLIS: u64 = 60_000;
/// The most polls in a row that may fail in ways that pass.
const MAX_FAILURES: u32 = 5;
/// Questions that one task may ask in its life.
const MAX_ASKED: usize = 1000;

/// A task of the remote's that a call has become.
#[derive(Debug)]
pub(super) struct Task {
    /// As JSON text.
    id: String,
    /// The keys of questions that the host has been asked already.
    asked: HashSet<String>,
    pace: Duration,
    failures: u32,
}

/// The status of a task, as the answer to a poll tells it.
#[derive(Debug)]
pub(super) enum TaskStatus {
    /// To be polled again.
    Working,
    /// With the questions that the host has not been asked yet.
    InputRequired(Object),
    Completed(Object),
    /// With the error as JSON text.
    Failed(Option<String>),
    Cancelled,
    /// The server answers the poll with an error that does not pass.
    Unavailable,
    /// The server's answer breaks the protocol, in this way.
    Bad(String),
}

impl Task {
    /// Reads the task that a result announces; `None` when it has no id.
    pub(super) fn read(result: &Object) -> Option<Self> {
        let nested = result.get("task").and_then(Object::read);
        let task = nested.as_ref().unwrap_or(result);
        let id = task.get("taskId").filter(|id| id.starts_with('"'))?;
        Some(Self {
            id: id.to_owned(),
            asked: HashSet::new(),
            pace: pace(task, Duration::from_millis(PACE_MILLIS)),
            failures: 0,
        })
    }

    /// Returns the time until the next poll.
    pub(super) fn pace(&self) -> Duration {
        self.pace
    }

    /// Asks the server for the status, for the call of that number, and returns the id of the request.
    pub(super) fn poll(&self, number: u64, peers: &Peers, out: &mut Outbox) -> Id {
        let params = format!(r#"{{"taskId":{}}}"#, self.id);
        request("tasks/get", &params, OwnRequest::Call(number), peers, out)
    }

    /// Hands the host's answers to the task.
    pub(super) fn update(&self, answers: &str, peers: &Peers, out: &mut Outbox) {
        let params = format!(r#"{{"taskId":{},"inputResponses":{answers}}}"#, self.id);
        request("tasks/update", &params, OwnRequest::Unawaited, peers, out);
    }

    pub(super) fn cancel(&self, peers: &Peers, out: &mut Outbox) {
        let params = format!(r#"{{"taskId":{}}}"#, self.id);
        request("tasks/cancel", &params, OwnRequest::Unawaited, peers, out);
    }

    /// Reads the answer to `tasks/get`.
    pub(super) fn read_status(&mut self, frame: &Frame) -> TaskStatus {
        let result = frame.object("result");
        let Some(result) = result.filter(|_| frame.member("error").is_none()) else {
            self.failures += 1;
            let data = frame.object("error");
            let data = data.and_then(|error| Object::read(error.get("data")?));
            let passes = data.is_some_and(|data| data.get("retryable") == Some("true"));
            return if passes && self.failures <= MAX_FAILURES {
                TaskStatus::Working
            } else {
                TaskStatus::Unavailable
            };
        };
        self.failures = 0;
        let nested = result.get("task").and_then(Object::read);
        let task = nested.unwrap_or(result);
        self.pace = pace(&task, self.pace);
        match task.get("status").and_then(string).as_deref() {
            Some("completed") => match present(&task, "result").and_then(Object::read) {
                Some(result) => TaskStatus::Completed(result),
                None => TaskStatus::Bad("The server's task is done and has no result.".to_owned()),
            },
            Some("failed") => {
                let error = present(&task, "error").filter(|error| error.starts_with('{'));
                TaskStatus::Failed(error.map(str::to_owned))
            }
            Some("cancelled") => TaskStatus::Cancelled,
            Some("input_required") => self.read_questions(&task),
            _ => TaskStatus::Working,
        }
    }

    fn read_questions(&mut self, task: &Object) -> TaskStatus {
        let asked = present(task, "inputRequests").and_then(Object::read);
        let mut fresh = Object::default();
        for (key, request) in asked.as_ref().into_iter().flat_map(Object::iter) {
            if self.asked.insert(key.to_owned()) {
                fresh.set(key, request);
            }
        }
        if self.asked.len() > MAX_ASKED {
            TaskStatus::Bad(format!(
                "The server's task asked for more than {MAX_ASKED} things."
            ))
        } else if fresh.is_empty() {
            TaskStatus::Working // answered already; the remote has not noticed yet
        } else {
            TaskStatus::InputRequired(fresh)
        }
    }
}

fn request(method: &str, params: &str, purpose: OwnRequest, peers: &Peers, out: &mut Outbox) -> Id {
    let id = out.server_id();
    let frame = Frame::request(&id, method, Some(params));
    let frame = peers.signed(&frame, None, true, |_| {});
    out.ask_server(id.clone(), frame, purpose);
    id
}

fn pace(task: &Object, otherwise: Duration) -> Duration {
    let millis = task
        .get("pollIntervalMs")
        .and_then(|text| text.parse::<u64>().ok());
    millis.map_or(otherwise, |millis| {
        Duration::from_millis(millis.clamp(QUICKEST_MILLIS, SLOWEST_MILLIS))
    })
}
