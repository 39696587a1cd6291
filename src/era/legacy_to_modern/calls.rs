//! The host's requests on their way to the remote and back: new ids, signed `_meta`, results taken down to legacy.

use std::collections::BTreeMap;
use std::time::Duration;

use super::input_requests::{Answered, Questions, Round};
use super::outbox::{Outbox, OwnRequest, Timer};
use super::peers::Peers;
use super::shape;
use super::tasks::Task;
use crate::era::progress::Progress;
use crate::era::protocol::{ResultKind, may_ask_for_input};
use crate::era::subscriptions;
use crate::frame::{BridgeError, Frame, INTERNAL_ERROR, Id, Object};

/// The most answers with `input_required` that one request may get.
const MAX_ROUNDS: u32 = 10;
/// Before a round that asks nothing is sent again (MCP 2026-07-28, basic/patterns/mrtr).
const PAUSE: Duration = Duration::from_millis(250);

/// The host's requests that are owed an answer, and what the host is being asked for their sake.
#[derive(Debug, Default)]
pub(super) struct MultiRoundCalls {
    /// By a number of ours: a host may use an id again. In order, so that what is done to all is done alike each time.
    pub(super) open: BTreeMap<u64, MultiRoundCall>,
    questions: Questions,
}

/// A request of the host's that is owed an answer.
#[derive(Debug)]
pub(super) struct MultiRoundCall {
    number: u64,
    /// As the host wrote it: every round is made from it.
    pub(super) frame: Frame,
    pub(super) id: Id,
    pub(super) method: Box<str>,
    pub(super) token: Option<Id>,
    /// The progress that the host knows.
    pub(super) progress: Progress,
    rounds: u32,
    pub(super) state: CallState,
    /// A notification has shown that the request stands.
    pub(super) is_marked: bool,
    /// URL elicitations the host agreed to, which are over when the call is.
    elicited: Vec<Id>,
    pub(super) task: Option<Task>,
    /// The time of the call runs although no request is with the server.
    pub(super) is_limited: bool,
}

/// The step that a call waits for.
#[derive(Debug)]
pub(super) enum CallState {
    /// The remote's answer to the request of that id.
    Sent(Id),
    /// The host's answers.
    Asking(Round),
    /// A timer.
    Pausing,
}

impl MultiRoundCall {
    fn is_tool_call(&self) -> bool {
        &*self.method == "tools/call"
    }
}

/// Requests of the host on their way to the server.
impl MultiRoundCalls {
    pub(super) fn forward(
        &mut self,
        frame: &Frame,
        id: &Id,
        method: &str,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        let params = frame.member("params").filter(|params| *params != "null");
        if params.is_some_and(|params| !params.starts_with('{')) {
            return out.invalid(id, "The parameters must be an object.");
        }
        let number = out.number();
        let call = MultiRoundCall {
            number,
            frame: frame.clone(),
            id: id.clone(),
            method: method.into(),
            token: frame.meta("progressToken").and_then(Id::parse),
            progress: Progress::default(),
            rounds: 0,
            state: CallState::Pausing,
            is_marked: false,
            elicited: Vec::new(),
            task: None,
            is_limited: false,
        };
        self.open.insert(number, call);
        self.send(number, None, None, peers, out);
    }

    /// Posts a call's next round: under a new id, with the answers of this round and no other (MCP 2026-07-28,
    /// basic/patterns/mrtr).
    pub(super) fn send(
        &mut self,
        number: u64,
        answers: Option<&str>,
        state: Option<&str>,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        let id = out.server_id();
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        call.state = CallState::Sent(id.clone());
        let drives_tasks = call.is_tool_call() && peers.server.has_tasks();
        let signed = peers.signed(&call.frame, Some(&id), drives_tasks, |params| {
            if call.frame.method() == Some("tools/call") {
                params.remove("task");
            }
            if let Some(answers) = answers {
                params.set("inputResponses", answers);
            }
            if let Some(state) = state {
                params.set("requestState", state);
            }
        });
        out.ask_server(id, signed, OwnRequest::Call(number));
    }
}

/// Answers of the server.
impl MultiRoundCalls {
    /// Takes the server's answer to a round of a call, or to a poll of its task, and says whether the call is complete.
    pub(super) fn on_response(
        &mut self,
        number: u64,
        frame: &Frame,
        peers: &Peers,
        out: &mut Outbox,
    ) -> bool {
        let Some(call) = self.open.get_mut(&number) else {
            return false;
        };
        call.state = CallState::Pausing; // its exchange is over: nothing is left to cancel
        if call.task.is_some() {
            return self.on_poll_response(number, frame, peers, out);
        }
        let result = frame.object("result");
        let Some(result) = result.filter(|_| frame.member("error").is_none()) else {
            if frame.member("error").is_some() {
                let answer = frame.with_id(&call.id);
                self.finish(number, answer, out);
            } else {
                self.fail_as_bad(number, "The server's result is not an object.", peers, out);
            }
            return false;
        };
        let may_ask = may_ask_for_input(&call.method);
        let may_be_task = call.is_tool_call() && peers.server.has_tasks();
        let wrong = match ResultKind::read(result.get("resultType")) {
            ResultKind::Complete | ResultKind::Other => {
                self.complete(number, frame, result, out);
                return true;
            }
            ResultKind::InputRequired if may_ask => {
                self.input_required(number, &result, peers, out);
                return false;
            }
            ResultKind::Task if may_be_task => {
                self.begin_task(number, &result, peers, out);
                return false;
            }
            ResultKind::InputRequired => "The server asked for input where the protocol has none.",
            ResultKind::Task => "The server made a task of what cannot be one.",
        };
        self.fail_as_bad(number, wrong, peers, out);
        false
    }

    fn input_required(&mut self, number: u64, result: &Object, peers: &Peers, out: &mut Outbox) {
        let rounds = self.open.get_mut(&number).map_or(0, |call| {
            call.rounds += 1;
            call.rounds
        });
        if rounds > MAX_ROUNDS {
            let many = "The server keeps asking for more input.";
            return self.fail(
                number,
                &BridgeError::new("too_many_rounds", many),
                peers,
                out,
            );
        }
        let state = shape::present(result, "requestState").map(str::to_owned);
        if state.as_ref().is_some_and(|state| !state.starts_with('"')) {
            let wrong = "The server's request state is not a string.";
            return self.fail_as_bad(number, wrong, peers, out);
        }
        let asked = match shape::present(result, "inputRequests").map(Object::read) {
            Some(None) => {
                let wrong = "The server's input requests are no object.";
                return self.fail_as_bad(number, wrong, peers, out);
            }
            Some(Some(asked)) => asked,
            None => Object::default(),
        };
        match state {
            None if asked.is_empty() => {
                let wrong = "The server asked for input and named none."; // MCP 2026-07-28, basic/patterns/mrtr
                self.fail_as_bad(number, wrong, peers, out);
            }
            Some(state) if asked.is_empty() => {
                if let Some(call) = self.open.get_mut(&number) {
                    call.state = CallState::Pausing;
                }
                out.set_timer(PAUSE, Timer::Resume(number, state));
            }
            state => self.ask(number, &asked, state, peers, out),
        }
    }

    /// Passes progress on, if it belongs to a call and is progress (MCP 2026-07-28, basic/patterns/progress).
    pub(super) fn on_progress(&mut self, frame: &Frame, out: &mut Outbox) {
        let token = frame.param("progressToken").and_then(Id::parse);
        let call = self
            .open
            .values_mut()
            .find(|call| token.is_some() && call.token == token);
        let Some(call) = call else {
            tracing::debug!("progress of nothing under way is dropped");
            return;
        };
        if let Some(frame) = call.progress.passed(frame) {
            out.send_to_host(subscriptions::without_id(&frame));
        }
    }
}

/// Questions to the host, and its answers.
impl MultiRoundCalls {
    /// Takes the host's `notifications/initialized`.
    pub(super) fn on_initialized(&mut self, out: &mut Outbox) {
        self.questions.on_initialized(out);
    }

    pub(super) fn ask(
        &mut self,
        number: u64,
        asked: &Object,
        state: Option<String>,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        match self.questions.ask(number, asked, state, peers, out) {
            Err(error) => self.fail(number, &error, peers, out),
            Ok(round) => {
                if let Some(call) = self.open.get_mut(&number) {
                    call.state = CallState::Asking(round);
                }
            }
        }
    }

    /// Takes the host's answer to a question of ours; any other goes nowhere.
    pub(super) fn on_host_response(&mut self, frame: &Frame, peers: &Peers, out: &mut Outbox) {
        let Some(number) = frame.id().and_then(|id| self.questions.answered(id)) else {
            tracing::debug!("an answer to nothing that is being asked is dropped");
            return;
        };
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        let CallState::Asking(round) = &mut call.state else {
            return;
        };
        match round.take_answer(frame, &mut call.elicited) {
            Answered::InPart => {}
            Answered::Refused => {
                let message = "The host could not answer what the server asked in between.";
                self.fail_readably(number, message, peers, out);
            }
            Answered::InFull { answers, state } => {
                if call.task.is_some() {
                    self.hand_over(number, answers, peers, out);
                } else {
                    self.send(number, Some(&answers), state.as_deref(), peers, out);
                }
            }
        }
    }

    /// Fails a call if the host has not answered all of that round in time.
    pub(super) fn unanswered(&mut self, number: u64, round: u64, peers: &Peers, out: &mut Outbox) {
        let state = self.open.get(&number).map(|call| &call.state);
        if let Some(CallState::Asking(asking)) = state
            && asking.number() == round
        {
            let message = "Nobody has answered what the server asked in between.";
            self.fail(number, &BridgeError::new("unanswered", message), peers, out);
        }
    }

    /// Fails the calls that wait for answers of a host that has left.
    pub(super) fn on_host_gone(&mut self, peers: &Peers, out: &mut Outbox) {
        let gone = BridgeError::new("host_gone", "The server asks for input; the host has left.");
        let asking: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, call)| matches!(call.state, CallState::Asking(_)))
            .map(|(number, _)| *number)
            .collect();
        for number in asking {
            self.fail(number, &gone, peers, out);
        }
    }
}

/// The ends of calls.
impl MultiRoundCalls {
    pub(super) fn complete(
        &mut self,
        number: u64,
        frame: &Frame,
        mut result: Object,
        out: &mut Outbox,
    ) {
        let Some(call) = self.open.get(&number) else {
            return;
        };
        shape::downgrade(&call.method, &mut result);
        let answer = frame.edited(|message| {
            message.set("id", call.id.text());
            message.set_object("result", result.clone());
        });
        let answer = answer.unwrap_or_else(|| Frame::result(&call.id, &result.text()));
        self.finish(number, answer, out);
    }

    /// Gives a call its one answer.
    pub(super) fn finish(&mut self, number: u64, answer: Frame, out: &mut Outbox) {
        let Some(call) = self.open.remove(&number) else {
            return;
        };
        if call.is_limited {
            out.end_limit(number);
        }
        for id in call.elicited {
            let params = format!(r#"{{"elicitationId":{id}}}"#);
            let notice = Frame::notification("notifications/elicitation/complete", Some(&params));
            out.send_to_host(notice);
        }
        out.send_to_host(answer);
    }

    pub(super) fn fail(
        &mut self,
        number: u64,
        error: &BridgeError,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        let Some(call) = self.open.remove(&number) else {
            return;
        };
        let id = call.id.clone();
        self.stop(call, "The request has failed.", peers, out);
        out.send_to_host(error.reply(&id));
    }

    pub(super) fn fail_as_bad(
        &mut self,
        number: u64,
        message: &str,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        let error = BridgeError::new("bad_answer", message);
        self.fail(number, &error, peers, out);
    }

    /// Fails a call so that the tool's caller can read it as the tool's failure.
    fn fail_readably(&mut self, number: u64, message: &str, peers: &Peers, out: &mut Outbox) {
        let Some(call) = self.open.remove(&number) else {
            return;
        };
        let (id, is_tool_call) = (call.id.clone(), call.is_tool_call());
        self.stop(call, message, peers, out);
        let answer = if is_tool_call {
            let text = serde_json::Value::from(message);
            let result =
                format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":true}}"#);
            Frame::result(&id, &result)
        } else {
            Frame::error(Some(&id), INTERNAL_ERROR, message, None)
        };
        out.send_to_host(answer);
    }

    pub(super) fn fail_all(&mut self, error: &BridgeError, peers: &Peers, out: &mut Outbox) {
        let open: Vec<u64> = self.open.keys().copied().collect();
        for number in open {
            self.fail(number, error, peers, out);
        }
    }

    /// Cancels the host's request of that id, and says whether there was one. There need not be one (MCP 2026-07-28,
    /// basic/patterns/cancellation).
    pub(super) fn cancel(&mut self, id: &Id, peers: &Peers, out: &mut Outbox) -> bool {
        let found = self.open.iter().find(|(_, call)| call.id == *id);
        let number = found.map(|(number, _)| *number);
        let Some(call) = number.and_then(|number| self.open.remove(&number)) else {
            return false;
        };
        self.stop(call, "The request has been cancelled.", peers, out);
        true
    }

    pub(super) fn stop_all(&mut self, peers: &Peers, out: &mut Outbox) {
        for call in std::mem::take(&mut self.open).into_values() {
            self.stop(call, "The bridge is leaving.", peers, out);
        }
    }

    /// Takes back whatever is under way for a call.
    pub(super) fn stop(
        &mut self,
        call: MultiRoundCall,
        why: &str,
        peers: &Peers,
        out: &mut Outbox,
    ) {
        if call.is_limited {
            out.end_limit(call.number);
        }
        match call.state {
            CallState::Sent(id) => out.cancel_own(&id),
            CallState::Asking(round) => self.questions.withdraw(round, why, peers, out),
            CallState::Pausing => {}
        }
        if let Some(task) = call.task {
            task.cancel(peers, out);
        }
    }
}
