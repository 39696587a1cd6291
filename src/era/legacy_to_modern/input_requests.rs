//! Input that a server requires in the middle of a call, asked of the host as the requests it knows (MCP 2026-07-28,
//! basic/patterns/mrtr).
//!
//! Answers belong to one round of one call; nothing of one flow is ever seen by another (MCP 2026-07-28,
//! basic/patterns/mrtr).

use std::collections::HashMap;
use std::time::Duration;

use super::outbox::{Outbox, Timer};
use super::peers::Peers;
use super::shape::{array, present};
use crate::era::protocol::NEWEST_LEGACY;
use crate::frame::{BridgeError, Frame, Id, Object, Outline, string};

/// The time that a user may take over the questions of one round.
const HUMAN_PACE: Duration = Duration::from_secs(10 * 60);

/// Questions that one round may have.
const MAX_QUESTIONS: usize = 32;

/// Requests of ours to the host that it has not answered.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// The call that each belongs to.
    open: HashMap<Id, u64>,
    /// Questions for a host that is not ready for them (MCP 2025-11-25, basic/lifecycle).
    early: Vec<Frame>,
    is_host_ready: bool,
}

/// A round of questions.
#[derive(Debug)]
pub(super) struct Round {
    /// Tells this round from the next.
    number: u64,
    questions: Vec<Question>,
    /// Goes back as it came (MCP 2026-07-28, basic/patterns/mrtr).
    state: Option<String>,
}

#[derive(Debug)]
struct Question {
    id: Id,
    key: String,
    kind: QuestionKind,
    answer: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum QuestionKind {
    Form,
    /// With the `elicitationId` the host was given.
    Url(Id),
    Sampling,
    Roots,
}

/// The state of a round after an answer of the host.
pub(super) enum Answered {
    /// Other questions are open.
    InPart,
    /// Everything is answered: the round's answers as JSON text, and its state.
    InFull {
        answers: String,
        state: Option<String>,
    },
    /// The host cannot answer what nothing can be answered in its stead.
    Refused,
}

impl Questions {
    /// Puts the questions that have waited for the host to be ready.
    pub(super) fn on_initialized(&mut self, out: &mut Outbox) {
        self.is_host_ready = true;
        for frame in std::mem::take(&mut self.early) {
            out.send_to_host(frame);
        }
    }

    /// Asks everything at once, or nothing: a question the host never said it could answer fails the call
    /// (MCP 2026-07-28, basic/patterns/mrtr).
    pub(super) fn ask(
        &mut self,
        call: u64,
        asked: &Object,
        state: Option<String>,
        peers: &Peers,
        out: &mut Outbox,
    ) -> Result<Round, BridgeError> {
        if peers.is_host_gone {
            let gone = "The server asks for input; the host has left.";
            return Err(BridgeError::new("host_gone", gone));
        }
        if asked.iter().count() > MAX_QUESTIONS {
            let many = format!("The server asked for more than {MAX_QUESTIONS} things at once.");
            return Err(BridgeError::new("bad_answer", many));
        }
        let mut questions = Vec::new();
        let mut frames = Vec::new();
        for (key, request) in asked.iter() {
            let (kind, frame) = question(request, peers, out)?;
            questions.push(Question {
                id: frame.id().cloned().unwrap_or_else(|| out.host_id()),
                key: key.to_owned(),
                kind,
                answer: None,
            });
            frames.push(frame);
        }
        let number = out.number();
        for question in &questions {
            self.open.insert(question.id.clone(), call);
        }
        out.set_timer(HUMAN_PACE, Timer::Unanswered(call, number));
        for frame in frames {
            if self.is_host_ready {
                out.send_to_host(frame);
            } else {
                self.early.push(frame);
            }
        }
        Ok(Round {
            number,
            questions,
            state,
        })
    }

    /// Takes the call that a question belongs to, for the host has answered it.
    pub(super) fn answered(&mut self, id: &Id) -> Option<u64> {
        self.open.remove(id)
    }

    /// Takes back the questions of a round that have no answer yet.
    pub(super) fn withdraw(&mut self, round: Round, why: &str, peers: &Peers, out: &mut Outbox) {
        for question in round.questions {
            if self.open.remove(&question.id).is_none() {
                continue;
            }
            let unasked = self.early.len();
            self.early.retain(|frame| frame.id() != Some(&question.id));
            if self.early.len() == unasked && !peers.is_host_gone {
                let reason = serde_json::Value::from(why);
                let params = format!(r#"{{"requestId":{},"reason":{reason}}}"#, question.id);
                out.send_to_host(Frame::notification(
                    "notifications/cancelled",
                    Some(&params),
                ));
            }
        }
    }
}

impl Round {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes the host's answer to a question of this round. The id of a URL elicitation that the host agrees to joins
    /// those of its call.
    pub(super) fn take_answer(&mut self, frame: &Frame, elicited: &mut Vec<Id>) -> Answered {
        let mut questions = self.questions.iter_mut();
        let Some(question) = questions.find(|question| Some(&question.id) == frame.id()) else {
            return Answered::InPart;
        };
        let result = frame.object("result");
        let failed = matches!(frame.outline(), Outline::Response { failed: true, .. });
        question.answer = match (result.filter(|_| !failed), &question.kind) {
            (Some(mut result), kind) => {
                result.remove("_meta");
                result.remove("resultType");
                let action = result.get("action").and_then(string);
                if let (QuestionKind::Url(id), Some("accept")) = (kind, action.as_deref()) {
                    elicited.push(id.clone());
                }
                Some(result.text())
            }
            (None, QuestionKind::Form | QuestionKind::Url(_)) => {
                Some(r#"{"action":"cancel"}"#.to_owned())
            }
            (None, QuestionKind::Sampling | QuestionKind::Roots) => return Answered::Refused,
        };
        if self.questions.iter().any(|it| it.answer.is_none()) {
            return Answered::InPart; // MCP 2026-07-28, basic/patterns/mrtr
        }
        let mut answers = Object::default();
        for question in &self.questions {
            answers.set(&question.key, question.answer.clone().unwrap_or_default());
        }
        Answered::InFull {
            answers: answers.text(),
            state: self.state.take(),
        }
    }
}

/// Returns the request to the host for an entry of `inputRequests`.
fn question(
    request: &str,
    peers: &Peers,
    out: &mut Outbox,
) -> Result<(QuestionKind, Frame), BridgeError> {
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
    let is_v11 = peers.host.version == NEWEST_LEGACY;
    let id = out.host_id();
    let kind = match &*method {
        "elicitation/create" => match params.get("mode").and_then(string).as_deref() {
            None | Some("form") => {
                if !peers.host.can("elicitation/form") {
                    return Err(undeclared("a form to be filled in"));
                }
                if !is_v11 {
                    params.remove("mode");
                }
                QuestionKind::Form
            }
            Some("url") => {
                if !peers.host.can("elicitation/url") {
                    return Err(undeclared("an address to be opened"));
                }
                let elicitation = out.host_id();
                params.set("elicitationId", elicitation.text());
                QuestionKind::Url(elicitation)
            }
            Some(_) => return Err(undeclared("input in a way nobody here knows")),
        },
        "sampling/createMessage" => {
            let has_tools = params.get("tools").is_some() || params.get("toolChoice").is_some();
            if !peers.host.can("sampling") || (has_tools && !peers.host.can("sampling/tools")) {
                return Err(undeclared("a model's answer"));
            }
            if !is_v11 {
                single_blocks(&mut params);
            }
            QuestionKind::Sampling
        }
        "roots/list" => {
            if !peers.host.can("roots") {
                return Err(undeclared("the workspace's roots"));
            }
            return Ok((QuestionKind::Roots, Frame::request(&id, "roots/list", None)));
        }
        _ => return Err(bad("The server asked for something nobody here knows.")),
    };
    Ok((kind, Frame::request(&id, &method, Some(&params.text()))))
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
