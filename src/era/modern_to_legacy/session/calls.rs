//! The host's requests that are with the server: on their way there, asked about in between, and back.
//!
//! Log messages are each for a request that asked for them. A message on a request's own stream is for that request.
//! One on a stream that belongs to no request may be for any: servers of the official TypeScript SDK send there what a
//! tool logs, so dropping it would lose it. And because that stream is another connection, the message may arrive a
//! moment after the answer it preceded; so the answer to a request that wants logs is held for that moment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::input_required::{ParkedCalls, PendingQuestions, Retry, internal};
use super::link::{Link, SessionRequest, SessionTimer};
use super::log::LogLevel;
use crate::era::Action;
use crate::era::modern_to_legacy::capabilities::{capabilities, declares};
use crate::era::modern_to_legacy::shape::{self, UpgradedAnswer};
use crate::era::protocol::may_ask_for_input;
use crate::era::server_info::ServerInfo;
use crate::frame::{BridgeError, Frame, INVALID_PARAMS, Id, METHOD_NOT_FOUND};

/// The time for which more questions are waited for before the first is put.
const GATHERING: Duration = Duration::from_millis(30);
/// The time for which a parked call waits for its host: a user may have to read, think and fill in a form.
const LIFETIME: Duration = Duration::from_secs(600);
/// The time for which an answer waits for logs that were sent before it on another connection.
const LATE: Duration = Duration::from_millis(20);

/// Every request of the host's that is with the server, and those parked.
pub(super) struct ParkableCalls {
    /// The oldest first, by the number in its id.
    pub(super) open: BTreeMap<u64, ParkableCall>,
    parked: ParkedCalls,
    level: LogLevel,
}

/// A request of the host's that the server has.
pub(super) struct ParkableCall {
    /// The host's id that the answer is for; none while the call is parked.
    pub(super) host: Option<Id>,
    pub(super) method: Box<str>,
    /// A notification has shown that the request stands.
    pub(super) is_marked: bool,
    /// As the host wrote it.
    frame: Frame,
    /// The host's progress token, as JSON text.
    token: Option<String>,
    level: Option<usize>,
    /// The capabilities that this request declared.
    capabilities: String,
    /// The request, held until the server has taken a log level.
    held: Option<Frame>,
    questions: PendingQuestions,
    /// The answer that came while it was parked, or that waits for logs.
    answer: Option<Frame>,
}

impl ParkableCalls {
    /// Makes handles from `seed`, 32 random bytes.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            open: BTreeMap::new(),
            parked: ParkedCalls::new(seed),
            level: LogLevel::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.parked.is_empty()
    }

    /// Says whether a call is parked under this handle.
    pub(super) fn has_parked(&self, handle: &str) -> bool {
        self.parked.contains(handle)
    }

    pub(super) fn remove(&mut self, number: u64, link: &mut Link) -> Option<ParkableCall> {
        link.unfollow(number);
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
        let level = shape::level(frame).filter(|_| server.has_logging());
        let waits = level.is_some();
        let call = ParkableCall {
            host: Some(id.clone()),
            method: frame.method().unwrap_or_default().into(),
            is_marked: false,
            frame: frame.clone(),
            token: shape::progress_token(frame).map(str::to_owned),
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
    fn stop(
        &mut self,
        number: u64,
        reason: Option<&str>,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(mut call) = self.remove(number, link) else {
            return;
        };
        for answer in call.questions.decline() {
            link.send(answer, actions);
        }
        if call.held.is_none() && call.answer.is_none() {
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
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        let is_parked = call.host.is_none();
        let may_have_logs_behind_it =
            call.level.is_some() && call.answer.is_none() && link.has_stream();
        if is_parked || may_have_logs_behind_it {
            call.answer = Some(frame);
            call.questions.clear(); // an answered call asks nothing any more
            if !is_parked {
                link.set_timer(LATE, SessionTimer::Late(number), actions);
            }
        } else if let Some(call) = self.remove(number, link) {
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
        let Some(mut call) = self.remove(number, link) else {
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

    pub(super) fn on_progress(&self, frame: &Frame, link: &Link, actions: &mut Vec<Action>) {
        let token = frame
            .param("progressToken")
            .and_then(Id::parse)
            .as_ref()
            .and_then(|id| link.number_of(id))
            .and_then(|number| self.open.get(&number))
            .filter(|call| call.host.is_some())
            .and_then(|call| call.token.as_deref());
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

/// Questions of the server.
impl ParkableCalls {
    /// Takes a request of the server's.
    pub(super) fn on_server_request(
        &mut self,
        frame: &Frame,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let (Some(id), Some(method)) = (frame.id(), frame.method()) else {
            return;
        };
        if method == "ping" {
            return link.send(Frame::result(id, "{}"), actions);
        }
        if let Err(refusal) = self.take_question(frame, id, method, link, actions) {
            link.send(refusal, actions);
        }
    }

    /// Adds a question to the call that carries it, or returns the server's refusal.
    fn take_question(
        &mut self,
        frame: &Frame,
        id: &Id,
        method: &str,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) -> Result<(), Frame> {
        let refuse = |code, words: &str| Err(Frame::error(Some(id), code, words, None));
        let Some((capability, part)) = shape::needs(frame) else {
            let words = format!("{method} cannot be asked of this host.");
            return refuse(METHOD_NOT_FOUND, &words);
        };
        let carriers = self.carriers(link);
        if carriers.is_empty() {
            let words = "The host can only be asked while it calls, gets or reads something.";
            return refuse(INVALID_PARAMS, words);
        }
        let fits = |number: &&u64| {
            let call = self.open.get(number);
            call.is_some_and(|call| declares(&call.capabilities, capability, part))
        };
        let Some(&number) = carriers.iter().find(fits) else {
            let words = format!("The host has not declared {capability} for this.");
            return refuse(METHOD_NOT_FOUND, &words);
        };
        let Some(call) = self.open.get_mut(&number) else {
            return Ok(());
        };
        if self.parked.is_full() && call.host.is_some() || call.questions.is_full() {
            return Err(internal(id, "Too many questions at once."));
        }
        let is_first = call.questions.is_empty() && call.host.is_some();
        call.questions
            .add(id, method, frame.member("params"), capability);
        if is_first {
            link.set_timer(GATHERING, SessionTimer::Ask(number), actions);
        }
        Ok(())
    }

    /// Returns the calls that could carry a question that has just arrived, the best first. On a call's own stream only
    /// that call; elsewhere any, those whose host still waits before the parked.
    fn carriers(&self, link: &Link) -> Vec<u64> {
        let may_carry = |number: u64, call: &ParkableCall| {
            may_ask_for_input(&call.method) && link.is_posted(number) && call.answer.is_none()
        };
        let mut open = self.open.iter();
        if let Some((&number, call)) = open.find(|(number, _)| link.is_received_on(**number)) {
            let is_it = may_carry(number, call);
            return is_it.then_some(number).into_iter().collect();
        }
        let mut carriers: Vec<_> = self
            .open
            .iter()
            .filter(|(number, call)| may_carry(**number, call))
            .map(|(&number, call)| (call.host.is_none(), number))
            .collect();
        carriers.sort_unstable();
        carriers.into_iter().map(|(_, number)| number).collect()
    }

    /// Answers a call with what the server has asked for its sake, and parks it.
    pub(super) fn ask(
        &mut self,
        number: u64,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Some(call) = self.open.get_mut(&number) else {
            return;
        };
        if call.questions.is_empty() {
            return; // withdrawn
        }
        let Some(id) = call.host.take() else { return };
        let handle = self.parked.park(&call.frame, Some(number), link.number());
        let result = server.input_required(&call.questions.input_requests(), &handle);
        actions.push(Action::Reply(Frame::result(&id, &result)));
        link.set_timer(LIFETIME, SessionTimer::Expire(handle), actions);
    }

    /// Takes the retry of a parked call, which goes on under its new id.
    pub(super) fn retry(
        &mut self,
        frame: &Frame,
        id: &Id,
        server: &ServerInfo,
        link: &mut Link,
        actions: &mut Vec<Action>,
    ) {
        let Retry { number, responses } = match self.parked.take_retried(frame) {
            Ok(retry) => retry,
            Err(words) => {
                let refusal = Frame::error(Some(id), INVALID_PARAMS, words, None);
                return actions.push(Action::Reply(refusal));
            }
        };
        let Some(number) = number else {
            return self.send(frame, id, server, link, actions);
        };
        let Some(call) = self.open.get_mut(&number) else {
            let words = "The call is over.";
            return actions.push(Action::Reply(internal(id, words)));
        };
        call.host = Some(id.clone());
        call.token = shape::progress_token(frame).map(str::to_owned);
        call.level = shape::level(frame).filter(|_| server.has_logging());
        capabilities(frame).clone_into(&mut call.capabilities);
        if call.answer.is_some() {
            return self.finish_answered(number, server, link, actions);
        }
        for answer in call.questions.answer(responses) {
            link.send(answer, actions);
        }
        self.ask(number, server, link, actions);
    }

    /// Withdraws a question that the server has cancelled.
    pub(super) fn withdraw(&mut self, id: &Id) {
        for call in self.open.values_mut() {
            call.questions.withdraw(id);
        }
    }

    /// Gives up a parked call that the host has not come back for.
    pub(super) fn expire(&mut self, handle: &str, link: &mut Link, actions: &mut Vec<Action>) {
        if let Some(number) = self.parked.take(handle) {
            tracing::debug!("a parked call was never asked for again");
            self.stop(
                number,
                Some(r#""the host did not come back""#),
                link,
                actions,
            );
        }
    }

    /// Ends all questions when the host has gone: no call of its will be made again, and what it still waits for must
    /// do without its answers.
    pub(super) fn on_host_gone(&mut self, link: &mut Link, actions: &mut Vec<Action>) {
        for handle in self.parked.handles() {
            self.expire(&handle, link, actions);
        }
        for call in self.open.values_mut() {
            for answer in call.questions.decline() {
                link.send(answer, actions);
            }
        }
    }
}
