//! Questions of the server in the middle of calls: the call that carries one, and the way of the host's answer to the
//! server.

use std::time::Duration;

use super::calls::{ParkableCall, ParkableCalls};
use super::input_required::{LIFETIME, Retry, internal};
use super::link::{Link, SessionTimer};
use super::tasks;
use crate::era::Action;
use crate::era::modern_to_legacy::capabilities::{capabilities, declares};
use crate::era::modern_to_legacy::shape;
use crate::era::protocol::may_ask_for_input;
use crate::era::server_info::ServerInfo;
use crate::frame::{Frame, INVALID_PARAMS, Id, METHOD_NOT_FOUND};

/// The time for which more questions are waited for before the first is put.
const GATHERING: Duration = Duration::from_millis(30);

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
        let carriers = self.carriers(frame, link);
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

    /// Returns the calls that could carry a question that has just arrived, the best first. On a call's own stream, or for
    /// a call's task, only that call; elsewhere any, those whose host still waits before the parked.
    fn carriers(&self, question: &Frame, link: &Link) -> Vec<u64> {
        let may_carry = |number: u64, call: &ParkableCall| {
            may_ask_for_input(&call.method) && link.is_posted(number) && call.answer.is_none()
        };
        let task = tasks::related(question);
        let is_of_task = |call: &ParkableCall| {
            let own = call.task.as_ref().and_then(|task| task.id.as_deref());
            task.is_some() && own == task
        };
        let mut open = self.open.iter();
        if let Some((&number, call)) =
            open.find(|(number, call)| is_of_task(call) || link.is_received_on(**number))
        {
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
        let is_task = call.task.is_some();
        for answer in call.questions.answer(responses) {
            link.send(answer, actions);
        }
        if is_task {
            self.limit(number, link, actions);
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
