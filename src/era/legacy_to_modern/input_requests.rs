//! Input that a server requires in the middle of a call, asked of the host as the requests it knows (MCP 2026-07-28,
//! basic/patterns/mrtr).
//!
//! Answers belong to one round of one call; nothing of one flow is ever seen by another (MCP 2026-07-28,
//! basic/patterns/mrtr).

use std::time::Duration;

use super::output::Timer;
use super::shape::{array, present};
use super::state::{CallState, Question, QuestionKind, Round, Translation};
use crate::era::protocol::NEWEST_LEGACY;
use crate::frame::{BridgeError, Frame, Object, Outline, string};

/// The time that a user may take over the questions of one round.
const HUMAN_PACE: Duration = Duration::from_secs(10 * 60);

/// Questions that one round may have.
const MAX_QUESTIONS: usize = 32;

impl Translation {
    /// Asks everything at once, or nothing: a question the host never said it could answer fails the call
    /// (MCP 2026-07-28, basic/patterns/mrtr).
    pub(super) fn ask(&mut self, number: u64, asked: &Object, state: Option<String>) {
        if self.is_host_gone {
            return self.fail(
                number,
                &BridgeError::new("host_gone", "The server asks for input; the host has left."),
            );
        }
        if asked.iter().count() > MAX_QUESTIONS {
            let many = format!("The server asked for more than {MAX_QUESTIONS} things at once.");
            return self.fail(number, &BridgeError::new("bad_answer", many));
        }
        let mut questions = Vec::new();
        let mut frames = Vec::new();
        for (key, request) in asked.iter() {
            match self.question(request) {
                Ok((kind, frame)) => {
                    questions.push(Question {
                        id: frame.id().cloned().unwrap_or_else(|| self.out.host_id()),
                        key: key.to_owned(),
                        kind,
                        answer: None,
                    });
                    frames.push(frame);
                }
                Err(error) => return self.fail(number, &error),
            }
        }
        let round = self.out.number();
        for question in &questions {
            self.questions.insert(question.id.clone(), number);
        }
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.state = CallState::Asking(Round {
            number: round,
            questions,
            state,
        });
        self.out
            .set_timer(HUMAN_PACE, Timer::Unanswered(number, round));
        for frame in frames {
            if self.is_ready {
                self.out.send_to_host(frame);
            } else {
                self.early.push(frame);
            }
        }
    }

    fn question(&mut self, request: &str) -> Result<(QuestionKind, Frame), BridgeError> {
        let bad = |message: &str| BridgeError::new("bad_answer", message.to_owned());
        let undeclared = |what: &str| {
            BridgeError::new(
                "undeclared",
                format!("The server asked for {what}, which the host never offered."),
            )
        };
        let request = Object::read(request).ok_or_else(|| bad("An input request is no object."))?;
        let method = request.get("method").and_then(string).unwrap_or_default();
        let mut params = present(&request, "params")
            .map(|params| Object::read(params).ok_or_else(|| bad("Its parameters are no object.")))
            .transpose()?
            .unwrap_or_default();
        let is_v11 = self.host.version == NEWEST_LEGACY;
        let id = self.out.host_id();
        let kind = match &*method {
            "elicitation/create" => match params.get("mode").and_then(string).as_deref() {
                None | Some("form") => {
                    if !self.host.can("elicitation/form") {
                        return Err(undeclared("a form to be filled in"));
                    }
                    if !is_v11 {
                        params.remove("mode");
                    }
                    QuestionKind::Form
                }
                Some("url") => {
                    if !self.host.can("elicitation/url") {
                        return Err(undeclared("an address to be opened"));
                    }
                    let elicitation = self.out.host_id();
                    params.set("elicitationId", elicitation.text());
                    QuestionKind::Url(elicitation)
                }
                Some(_) => return Err(undeclared("input in a way nobody here knows")),
            },
            "sampling/createMessage" => {
                let has_tools = params.get("tools").is_some() || params.get("toolChoice").is_some();
                if !self.host.can("sampling") || (has_tools && !self.host.can("sampling/tools")) {
                    return Err(undeclared("a model's answer"));
                }
                if !is_v11 {
                    single_blocks(&mut params);
                }
                QuestionKind::Sampling
            }
            "roots/list" => {
                if !self.host.can("roots") {
                    return Err(undeclared("the workspace's roots"));
                }
                return Ok((QuestionKind::Roots, Frame::request(&id, "roots/list", None)));
            }
            _ => return Err(bad("The server asked for something nobody here knows.")),
        };
        Ok((kind, Frame::request(&id, &method, Some(&params.text()))))
    }

    /// Takes the host's answer to a question of ours; any other goes nowhere.
    pub(super) fn answered(&mut self, frame: &Frame) {
        let Some(number) = frame.id().and_then(|id| self.questions.remove(id)) else {
            tracing::debug!("an answer to nothing that is being asked is dropped");
            return;
        };
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let CallState::Asking(round) = &mut call.state else {
            return;
        };
        let mut questions = round.questions.iter_mut();
        let Some(question) = questions.find(|question| Some(&question.id) == frame.id()) else {
            return;
        };
        let result = frame.member("result").and_then(Object::read);
        let failed = matches!(frame.outline(), Outline::Response { failed: true, .. });
        question.answer = match (result.filter(|_| !failed), &question.kind) {
            (Some(mut result), kind) => {
                result.remove("_meta");
                result.remove("resultType");
                let action = result.get("action").and_then(string);
                if let (QuestionKind::Url(id), Some("accept")) = (kind, action.as_deref()) {
                    call.elicited.push(id.clone());
                }
                Some(result.text())
            }
            (None, QuestionKind::Form | QuestionKind::Url(_)) => {
                Some(r#"{"action":"cancel"}"#.to_owned())
            }
            (None, QuestionKind::Sampling | QuestionKind::Roots) => {
                let message = "The host could not answer what the server asked in between.";
                return self.fail_readably(number, message);
            }
        };
        if round.questions.iter().any(|it| it.answer.is_none()) {
            return; // MCP 2026-07-28, basic/patterns/mrtr
        }
        let mut answers = Object::default();
        for question in &round.questions {
            answers.set(&question.key, question.answer.clone().unwrap_or_default());
        }
        let (answers, state) = (answers.text(), round.state.take());
        if call.task.is_some() {
            self.update_task(number, &answers);
        } else {
            self.send(number, Some(&answers), state.as_deref());
        }
    }

    /// Takes back the questions of a round that have no answer yet.
    pub(super) fn withdraw(&mut self, round: Round, why: &str) {
        for question in round.questions {
            if self.questions.remove(&question.id).is_none() {
                continue;
            }
            let unasked = self.early.len();
            self.early.retain(|frame| frame.id() != Some(&question.id));
            if self.early.len() == unasked && !self.is_host_gone {
                let reason = serde_json::Value::from(why);
                let params = format!(r#"{{"requestId":{},"reason":{reason}}}"#, question.id);
                self.out.send_to_host(Frame::notification(
                    "notifications/cancelled",
                    Some(&params),
                ));
            }
        }
    }

    pub(super) fn unanswered(&mut self, number: u64, round: u64) {
        let state = self.calls.get(&number).map(|call| &call.state);
        if let Some(CallState::Asking(asking)) = state
            && asking.number == round
        {
            let message = "Nobody has answered what the server asked in between.";
            self.fail(number, &BridgeError::new("unanswered", message));
        }
    }
}

/// Splits messages: before 2025-11-25 a message has one block, and more become consecutive messages of one role.
fn single_blocks(params: &mut Object) {
    let Some(messages) = params.get("messages").and_then(array) else {
        return;
    };
    let mut single = Vec::new();
    for text in messages {
        let message = Object::read(&text);
        let blocks = message
            .as_ref()
            .and_then(|message| array(message.get("content")?));
        match (message, blocks) {
            (Some(message), Some(blocks)) => single.extend(blocks.into_iter().map(|block| {
                let mut message = message.clone();
                message.set("content", block);
                message.text()
            })),
            _ => single.push(text),
        }
    }
    params.set("messages", format!("[{}]", single.join(",")));
}
