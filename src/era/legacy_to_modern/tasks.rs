//! Tasks of the remote's, driven to their end for a host that knows only calls (SEP-2663).

use std::collections::HashSet;
use std::time::Duration;

use super::outbox::{Outbox, OwnRequest};
use super::peers::Peers;
use super::shape::present;
use crate::era::task::{MAX_FAILURES, PACE, is_ours, pace};
use crate::frame::{Frame, Id, Object, string};

/// The most times that the host's answers are handed to a task, where the server does not take them.
const MAX_UPDATES: u32 = 3;
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
    /// The words of its status, as JSON text.
    words: Option<String>,
    /// The answers that were handed over last, as JSON text.
    answers: String,
    /// The number of times that they were.
    updates: u32,
    /// The error that met them.
    update_error: Option<Frame>,
}

/// The status of a task, as the answer to a poll tells it.
#[derive(Debug)]
pub(super) enum TaskStatus {
    /// To be polled again.
    Working,
    /// With the questions that the host has not been asked yet.
    InputRequired(Object),
    /// The server still asks what these answers, as JSON text, were to answer: it has not got them.
    AnswersLost(String),
    Completed(Object),
    /// With the error as JSON text.
    Failed(Option<String>),
    Cancelled,
    /// The server answers the poll with an error.
    Unavailable,
    /// The task may go on at the server, and cannot be followed for this error of the bridge's.
    Lost(Frame),
    /// The server has refused the host's answers with this error, and still asks for them.
    Refused(Frame),
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
            pace: pace(task.get("pollIntervalMs"), PACE),
            failures: 0,
            words: present(task, "statusMessage").map(str::to_owned),
            answers: String::new(),
            updates: 0,
            update_error: None,
        })
    }

    /// Returns the time until the next poll.
    pub(super) fn pace(&self) -> Duration {
        self.pace
    }

    /// Returns the words of the last status, as JSON text.
    pub(super) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// Asks the server for the status, for the call of that number, and returns the id of the request.
    pub(super) fn poll(&self, number: u64, peers: &Peers, out: &mut Outbox) -> Id {
        let params = format!(r#"{{"taskId":{}}}"#, self.id);
        request("tasks/get", &params, OwnRequest::Call(number), peers, out)
    }

    /// Hands the host's answers to the task.
    pub(super) fn update(&mut self, number: u64, answers: String, peers: &Peers, out: &mut Outbox) {
        let params = format!(r#"{{"taskId":{},"inputResponses":{answers}}}"#, self.id);
        if self.answers != answers {
            self.updates = 0;
            self.answers = answers;
        }
        self.updates += 1;
        self.update_error = None;
        request(
            "tasks/update",
            &params,
            OwnRequest::Update(number),
            peers,
            out,
        );
    }

    /// Takes the server's answer to `tasks/update`. An error counts if the server still asks the same afterwards.
    pub(super) fn on_update_response(&mut self, frame: &Frame) {
        self.update_error = frame.is_error().then(|| frame.clone());
    }

    /// Tells the server that the task is not wanted any more.
    pub(super) fn cancel(&self, peers: &Peers, out: &mut Outbox) {
        let params = format!(r#"{{"taskId":{}}}"#, self.id);
        request("tasks/cancel", &params, OwnRequest::Unawaited, peers, out);
    }

    /// Reads the answer to `tasks/get`.
    pub(super) fn read_status(&mut self, frame: &Frame) -> TaskStatus {
        let result = frame.object("result");
        let Some(result) = result.filter(|_| frame.member("error").is_none()) else {
            self.failures += 1;
            return if frame.error_data("retryable") == Some("true") && self.failures <= MAX_FAILURES
            {
                TaskStatus::Working
            } else if is_ours(frame) {
                TaskStatus::Lost(frame.clone())
            } else {
                TaskStatus::Unavailable
            };
        };
        self.failures = 0;
        let nested = result.get("task").and_then(Object::read);
        let task = nested.unwrap_or(result);
        self.pace = pace(task.get("pollIntervalMs"), self.pace);
        self.words = present(&task, "statusMessage").map(str::to_owned);
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
            self.unanswered(&asked.unwrap_or_default())
        } else {
            TaskStatus::InputRequired(fresh)
        }
    }
}

impl Task {
    /// Reads a status in which the server asks what it has asked before. Mostly the server has the answers, and has not
    /// noticed yet; where it has not got them, they are given again: those to a question that is answered already do no
    /// harm (SEP-2663).
    fn unanswered(&mut self, asked: &Object) -> TaskStatus {
        let answers = Object::read(&self.answers).unwrap_or_default();
        let is_asked_still = answers.iter().any(|(key, _)| asked.get(key).is_some());
        match self.update_error.take() {
            Some(error) if is_asked_still => match is_ours(&error) {
                true if self.updates < MAX_UPDATES => TaskStatus::AnswersLost(self.answers.clone()),
                true => TaskStatus::Lost(error),
                false => TaskStatus::Refused(error),
            },
            _ => TaskStatus::Working,
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
