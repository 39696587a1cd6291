//! The host's requests on their way to the remote and back: new ids, signed `_meta`, results taken down to legacy.

use std::time::Duration;

use super::handshake::Host;
use super::output::{OwnRequest, Timer};
use super::shape::{self, ResultKind};
use super::state::{Call, CallState, Subscriptions, Translation};
use crate::era::protocol::{LEVELS, may_ask_for_input};
use crate::era::subscriptions;
use crate::frame::{BridgeError, Frame, INTERNAL_ERROR, Id, Object, Outline, string};

/// The most answers with `input_required` that one request may get.
const MAX_ROUNDS: u32 = 10;
/// Before a round that asks nothing is sent again (MCP 2026-07-28, basic/patterns/mrtr).
const PAUSE: Duration = Duration::from_millis(250);
impl Translation {
    /// Takes a frame from the host.
    pub(super) fn on_host_message(&mut self, frame: &Frame) {
        match frame.outline() {
            Outline::Response { .. } => self.answered(frame),
            Outline::Notification { method } => match &**method {
                "notifications/initialized" => self.ready(),
                "notifications/cancelled" => {
                    if let Some(id) = frame.cancels() {
                        self.cancel(&id);
                    }
                }
                // Nothing in the modern era corresponds to them.
                "notifications/roots/list_changed" | "notifications/progress" => {}
                _ => {
                    let signed = self.signed(frame, None, false, |_| {});
                    self.out.send_to_server(signed);
                }
            },
            Outline::Request { id, method } => self.asked(frame, id, method),
        }
    }

    fn asked(&mut self, frame: &Frame, id: &Id, method: &str) {
        match method {
            "initialize" => {
                self.end_before();
                self.host = Host::read(frame);
                let result = self
                    .server
                    .initialize_result(&self.host.version, &self.called);
                self.out.send_to_host(Frame::result(id, &result));
            }
            "ping" => self.out.send_to_host(Frame::result(id, "{}")),
            "logging/setLevel" => self.set_level(frame, id),
            "resources/subscribe" => self.subscribe(frame, id),
            "resources/unsubscribe" => self.unsubscribe(frame, id),
            "server/discover" | "subscriptions/listen" => self.out.unknown(id, method),
            _ if method.starts_with("tasks/") => self.out.unknown(id, method),
            _ => self.forward(frame, id, method),
        }
    }

    /// Begins anew with the host: its open requests are answered, and nothing is left of what it wanted before. There
    /// is no session that the remote would have to be told of.
    fn end_before(&mut self) {
        let anew = BridgeError::new("superseded", "The host has begun anew with initialize.");
        let open: Vec<u64> = self.calls.keys().copied().collect();
        for number in open {
            self.fail(number, &anew);
        }
        self.stop_listening();
        self.subscriptions = Subscriptions::default();
        self.early.clear();
        self.level = None;
        self.is_ready = false;
    }

    fn set_level(&mut self, frame: &Frame, id: &Id) {
        if !self.server.has_logging() {
            return self.out.unknown(id, "logging/setLevel");
        }
        let level = frame.param("level");
        match level.and_then(string) {
            Some(name) if LEVELS.contains(&name.as_str()) => {
                self.level = level.map(str::to_owned);
                self.out.send_to_host(Frame::result(id, "{}"));
            }
            _ => self.out.invalid(id, "No such log level."),
        }
    }

    fn forward(&mut self, frame: &Frame, id: &Id, method: &str) {
        if !matches!(frame.member("params"), None | Some("null"))
            && frame.member("params").and_then(Object::read).is_none()
        {
            return self.out.invalid(id, "The parameters must be an object.");
        }
        let meta = frame.param("_meta").and_then(Object::read);
        let number = self.out.number();
        let call = Call {
            frame: frame.clone(),
            id: id.clone(),
            method: method.into(),
            token: meta.and_then(|meta| Id::parse(meta.get("progressToken")?)),
            progress: None,
            rounds: 0,
            state: CallState::Pausing,
            elicited: Vec::new(),
            task: None,
        };
        self.calls.insert(number, call);
        self.send(number, None, None);
    }

    /// Posts a call's next round: under a new id, with the answers of this round and no other (MCP 2026-07-28,
    /// basic/patterns/mrtr).
    pub(super) fn send(&mut self, number: u64, answers: Option<&str>, state: Option<&str>) {
        let upstream = self.out.server_id();
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.state = CallState::Sent(upstream.clone());
        let frame = call.frame.clone();
        let drives_tasks = &*call.method == "tools/call" && self.server.has_tasks();
        let signed = self.signed(&frame, Some(&upstream), drives_tasks, |params| {
            if frame.method() == Some("tools/call") {
                params.remove("task");
            }
            if let Some(answers) = answers {
                params.set("inputResponses", answers);
            }
            if let Some(state) = state {
                params.set("requestState", state);
            }
        });
        self.out
            .ask_server(upstream, signed, OwnRequest::Call(number));
    }

    /// Returns a frame with the three reserved keys, under that id.
    pub(super) fn signed(
        &self,
        frame: &Frame,
        id: Option<&Id>,
        drives_tasks: bool,
        edit: impl FnOnce(&mut Object),
    ) -> Frame {
        frame.edit(|message| {
            if let Some(id) = id {
                message.set("id", id.text());
            }
            let params = message.get("params").and_then(Object::read);
            let mut params = params.unwrap_or_default();
            edit(&mut params);
            let meta = params.get("_meta").and_then(Object::read);
            let mut meta = meta.unwrap_or_default();
            self.host
                .sign(&mut meta, self.level.as_deref(), drives_tasks);
            params.set("_meta", meta.text());
            message.set("params", params.text());
        })
    }

    /// Cancels the host's request (MCP 2026-07-28, basic/patterns/cancellation).
    fn cancel(&mut self, id: &Id) {
        if self.forget_subscriber(id) {
            return self.out.cancelled(id);
        }
        let found = self.calls.iter().find(|(_, call)| call.id == *id);
        let Some(number) = found.map(|(number, _)| *number) else {
            return; // MCP 2026-07-28, basic/patterns/cancellation
        };
        if let Some(call) = self.calls.remove(&number) {
            self.stop(call, "The request has been cancelled.");
        }
        self.out.cancelled(id);
    }

    /// Takes back whatever is under way for a call.
    pub(super) fn stop(&mut self, call: Call, why: &str) {
        match call.state {
            CallState::Sent(id) => self.out.cancel_own(&id),
            CallState::Asking(round) => self.withdraw(round, why),
            CallState::Pausing => {}
        }
        if let Some(task) = call.task {
            self.cancel_task(&task);
        }
    }

    /// Takes the server's answer to one round of a call.
    pub(super) fn call_answered(&mut self, number: u64, frame: &Frame) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.state = CallState::Pausing; // its exchange is over: nothing is left to cancel
        if call.task.is_some() {
            return self.task_told(number, frame);
        }
        let result = frame.member("result").and_then(Object::read);
        let Some(result) = result.filter(|_| frame.member("error").is_none()) else {
            if frame.member("error").is_some() {
                let answer = frame.with_id(&call.id);
                return self.finish(number, answer);
            }
            return self.bad(number, "The server's result is not an object.");
        };
        let may_ask = may_ask_for_input(&call.method);
        match shape::kind(&result) {
            ResultKind::Complete => self.complete(number, frame, result),
            ResultKind::InputRequired if may_ask => self.input_required(number, &result),
            ResultKind::InputRequired => self.bad(
                number,
                "The server asked for input where the protocol has none.",
            ),
            ResultKind::Task if &*call.method == "tools/call" && self.server.has_tasks() => {
                self.task_begun(number, &result);
            }
            ResultKind::Task => self.bad(number, "The server made a task of what cannot be one."),
            ResultKind::Unknown(kind) => {
                let shown: String = kind.chars().filter(|c| !c.is_control()).take(40).collect();
                self.bad(
                    number,
                    &format!("The server's answer is of a kind nobody here knows: {shown}"),
                );
            }
        }
    }

    pub(super) fn complete(&mut self, number: u64, frame: &Frame, mut result: Object) {
        let Some(call) = self.calls.get(&number) else {
            return;
        };
        shape::downgrade(&call.method, &mut result);
        let answer = frame.edited(|message| {
            message.set("id", call.id.text());
            message.set("result", result.text());
        });
        let answer = answer.unwrap_or_else(|| Frame::result(&call.id, &result.text()));
        self.finish(number, answer);
        self.remote_is_there();
    }

    fn input_required(&mut self, number: u64, result: &Object) {
        let rounds = self.calls.get_mut(&number).map_or(0, |call| {
            call.rounds += 1;
            call.rounds
        });
        if rounds > MAX_ROUNDS {
            return self.fail(
                number,
                &BridgeError::new("too_many_rounds", "The server keeps asking for more input."),
            );
        }
        let state = shape::present(result, "requestState").map(str::to_owned);
        if state.as_ref().is_some_and(|state| !state.starts_with('"')) {
            return self.bad(number, "The server's request state is not a string.");
        }
        let asked = match shape::present(result, "inputRequests").map(Object::read) {
            Some(None) => return self.bad(number, "The server's input requests are no object."),
            Some(Some(asked)) => asked,
            None => Object::default(),
        };
        match state {
            None if asked.is_empty() => {
                self.bad(number, "The server asked for input and named none."); // MCP 2026-07-28, basic/patterns/mrtr
            }
            Some(state) if asked.is_empty() => {
                if let Some(call) = self.calls.get_mut(&number) {
                    call.state = CallState::Pausing;
                }
                self.out.set_timer(PAUSE, Timer::Resume(number, state));
            }
            state => self.ask(number, &asked, state),
        }
    }

    /// Gives a call its one answer.
    pub(super) fn finish(&mut self, number: u64, answer: Frame) {
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        for id in call.elicited {
            let params = format!(r#"{{"elicitationId":{id}}}"#);
            let notice = Frame::notification("notifications/elicitation/complete", Some(&params));
            self.out.send_to_host(notice);
        }
        self.out.send_to_host(answer);
    }

    pub(super) fn fail(&mut self, number: u64, error: &BridgeError) {
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        let id = call.id.clone();
        self.stop(call, "The request has failed.");
        self.out.send_to_host(error.reply(&id));
    }

    pub(super) fn bad(&mut self, number: u64, message: &str) {
        self.fail(number, &BridgeError::new("bad_answer", message));
    }

    /// Fails a call so that the tool's caller can read it as the tool's failure.
    pub(super) fn fail_readably(&mut self, number: u64, message: &str) {
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        let (id, method) = (call.id.clone(), call.method.clone());
        self.stop(call, message);
        let answer = if &*method == "tools/call" {
            let text = serde_json::Value::from(message);
            let result =
                format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":true}}"#);
            Frame::result(&id, &result)
        } else {
            Frame::error(Some(&id), INTERNAL_ERROR, message, None)
        };
        self.out.send_to_host(answer);
    }

    /// Passes progress on, if it belongs to a call and is progress (MCP 2026-07-28, basic/patterns/progress).
    pub(super) fn progressed(&mut self, frame: &Frame) {
        let token = frame.param("progressToken").and_then(Id::parse);
        let call = self
            .calls
            .values_mut()
            .find(|call| token.is_some() && call.token == token);
        let progress = frame
            .param("progress")
            .and_then(|text| text.parse::<f64>().ok());
        let (Some(call), Some(progress)) = (call, progress) else {
            tracing::debug!("progress of nothing under way is dropped");
            return;
        };
        if call.progress.is_none_or(|last| progress > last) {
            call.progress = Some(progress);
            let frame = subscriptions::without_id(frame);
            self.out.send_to_host(frame);
        }
    }
}
