//! Questions of the remote's, put to a host that is never asked anything: its call is answered with them, parked, and
//! goes on when the host calls again with the answers (MCP 2026-07-28, basic/patterns/mrtr).
//!
//! The remote sees a call that takes its time, the host one that takes several.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{Call, SessionTranslation};
use crate::era::Action;
use crate::era::modern_to_legacy::capabilities::{capabilities, declares};
use crate::era::modern_to_legacy::internal;
use crate::era::modern_to_legacy::shape;
use crate::era::protocol::may_ask_for_input;
use crate::frame::{Frame, INVALID_PARAMS, Id, METHOD_NOT_FOUND, Object, member_of};

/// The time for which more questions are waited for before the first is put.
const GATHERING: Duration = Duration::from_millis(30);
/// The time for which a parked call waits for its host: a user may have to read, think and fill in a form.
const LIFETIME: Duration = Duration::from_secs(600);
/// Parked calls at once. Hosts may leave calls parked for good, so there must be an end.
const MAX_PARKED: usize = 64;
/// Questions that one call may have open.
const MAX_QUESTIONS: usize = 32;

/// The source of handles.
pub(super) struct Seed([u8; 32]);

impl Seed {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// Makes a name that cannot be guessed (128 bits would do; these are 256).
    fn handle(&self, count: u64) -> String {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(count.to_be_bytes());
        URL_SAFE_NO_PAD.encode(hash.finalize())
    }
}

/// A request of the remote's that waits for its answer.
pub(super) struct PendingQuestion {
    /// The remote's id.
    id: Id,
    /// The key of the question in `inputRequests`.
    key: String,
    is_elicitation: bool,
    /// The entry of the question there, as JSON text.
    request: String,
}

impl PendingQuestion {
    /// Returns the answer for the server when the host will give none.
    pub(super) fn declined(&self) -> Frame {
        if self.is_elicitation {
            Frame::result(&self.id, r#"{"action":"cancel"}"#)
        } else {
            internal(&self.id, "The host gave no answer.")
        }
    }
}

/// The call that a handle stands for.
pub(super) struct Parked {
    digest: [u8; 32],
    /// The call that waits; none where the remote wants to be called again.
    number: Option<u64>,
}

/// The purpose of a timer.
pub(super) enum Timer {
    /// Put what the remote has asked to this call's host.
    Ask(u64),
    /// Give up on a parked call.
    Expire(String),
    /// Hand over an answer that waited for what was said before it.
    Late(u64),
    /// Open the session again for the sake of who listens.
    Mend,
    /// A timer of the relay, by its own token.
    Relay(u64),
}

impl SessionTranslation {
    /// Takes a request of the server's.
    pub(super) fn asked(&mut self, frame: &Frame, actions: &mut Vec<Action>) {
        let (Some(id), Some(method)) = (frame.id(), frame.method()) else {
            return;
        };
        if method == "ping" {
            return self.tell(Frame::result(id, "{}"), actions);
        }
        let Some((capability, part)) = shape::needs(frame) else {
            let words = format!("{method} cannot be asked of this host.");
            let refusal = Frame::error(Some(id), METHOD_NOT_FOUND, &words, None);
            return self.tell(refusal, actions);
        };
        let carriers = self.carriers();
        if carriers.is_empty() {
            let words = "The host can only be asked while it calls, gets or reads something.";
            let refusal = Frame::error(Some(id), INVALID_PARAMS, words, None);
            return self.tell(refusal, actions);
        }
        let fits = |number: &&u64| {
            self.calls
                .get(number)
                .is_some_and(|call| declares(&call.capabilities, capability, part))
        };
        let Some(&number) = carriers.iter().find(fits) else {
            let words = format!("The host has not declared {capability} for this.");
            let refusal = Frame::error(Some(id), METHOD_NOT_FOUND, &words, None);
            return self.tell(refusal, actions);
        };
        let is_full = self.parked.len() >= MAX_PARKED;
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        if is_full && call.host.is_some() || call.asked.len() >= MAX_QUESTIONS {
            let refusal = internal(id, "Too many questions at once.");
            return self.tell(refusal, actions);
        }
        call.questions += 1;
        let is_first = call.asked.is_empty() && call.host.is_some();
        call.asked.push(PendingQuestion {
            id: id.clone(),
            key: call.questions.to_string(),
            is_elicitation: capability == "elicitation",
            request: shape::input_request(method, frame.member("params")),
        });
        if is_first {
            self.set_timer(GATHERING, Timer::Ask(number), actions);
        }
    }

    /// Returns the calls that could carry a question that was just heard, the best first. On a call's own stream only
    /// that call; elsewhere any, those whose host still waits before the parked.
    fn carriers(&self) -> Vec<u64> {
        let here = self
            .calls
            .iter()
            .find(|(_, call)| call.exchange.is_some() && call.exchange == self.hearing);
        let may_carry = |call: &Call| {
            may_ask_for_input(&call.method) && call.exchange.is_some() && call.answer.is_none()
        };
        if let Some((&number, call)) = here {
            return may_carry(call).then_some(number).into_iter().collect();
        }
        let mut carriers: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| may_carry(call))
            .map(|(&number, call)| (call.host.is_none(), number))
            .collect();
        carriers.sort_unstable();
        carriers.into_iter().map(|(_, number)| number).collect()
    }

    /// Answers a call with what the remote has asked for its sake.
    pub(super) fn ask(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        if call.asked.is_empty() {
            return; // withdrawn
        }
        let Some(id) = call.host.take() else { return };
        let questions: Vec<_> = call
            .asked
            .iter()
            .map(|asked| (asked.key.clone(), asked.request.clone()))
            .collect();
        let parked = Parked {
            digest: call.digest,
            number: Some(number),
        };
        self.park(&id, parked, &questions, actions);
    }

    /// Answers a call with pages to visit, after which the host calls again.
    pub(super) fn send_away(
        &mut self,
        id: &Id,
        digest: [u8; 32],
        visits: &[(String, String)],
        actions: &mut Vec<Action>,
    ) {
        if self.parked.len() >= MAX_PARKED {
            let words = "Too many calls wait for answers.";
            return actions.push(Action::Reply(internal(id, words)));
        }
        let parked = Parked {
            digest,
            number: None,
        };
        self.park(id, parked, visits, actions);
    }

    fn park(
        &mut self,
        id: &Id,
        parked: Parked,
        questions: &[(String, String)],
        actions: &mut Vec<Action>,
    ) {
        let count = self.number();
        let handle = self.seed.handle(count);
        let result = self.server.input_required(questions, &handle);
        actions.push(Action::Reply(Frame::result(id, &result)));
        self.parked.insert(handle.clone(), parked);
        self.set_timer(LIFETIME, Timer::Expire(handle), actions);
    }

    pub(super) fn set_timer(&mut self, after: Duration, timer: Timer, actions: &mut Vec<Action>) {
        let token = self.number();
        let is_retry = matches!(timer, Timer::Mend);
        self.timers.insert(token, timer);
        actions.push(Action::SetTimer {
            after,
            token,
            is_retry,
        });
    }

    /// Says whether a call waits here under this handle.
    pub(in crate::era::modern_to_legacy) fn has_parked(&self, handle: &str) -> bool {
        self.parked.contains_key(handle)
    }

    /// Takes the retry of a parked call.
    pub(super) fn retry(&mut self, frame: &Frame, id: &Id, actions: &mut Vec<Action>) {
        let mut refuse = |words: &str| {
            let refusal = Frame::error(Some(id), INVALID_PARAMS, words, None);
            actions.push(Action::Reply(refusal));
        };
        let handle = frame
            .param("requestState")
            .and_then(|text| serde_json::from_str::<String>(text).ok());
        let Some((handle, parked)) = handle.and_then(|handle| {
            Some((
                self.parked.get_key_value(&handle)?.0.clone(),
                self.parked.get(&handle)?,
            ))
        }) else {
            return refuse("This requestState is unknown, used or expired.");
        };
        if parked.digest != shape::digest(frame) {
            return refuse("This requestState belongs to another request.");
        }
        let responses = frame.param("inputResponses").unwrap_or("{}");
        let is_object = |(_, value): (&str, &str)| Object::read(value).is_some();
        if !Object::read(responses).is_some_and(|responses| responses.iter().all(is_object)) {
            return refuse("inputResponses is no object of results.");
        }
        let number = parked.number;
        self.parked.remove(&handle);
        match number {
            Some(number) => self.go_on(number, frame, id, responses, actions),
            None => self.call(frame, id, actions),
        }
    }

    /// Goes on with a parked call under its new id.
    fn go_on(
        &mut self,
        number: u64,
        frame: &Frame,
        id: &Id,
        responses: &str,
        actions: &mut Vec<Action>,
    ) {
        let Some(call) = self.calls.get_mut(&number) else {
            let words = "The call is over.";
            return actions.push(Action::Reply(internal(id, words)));
        };
        call.host = Some(id.clone());
        call.token = shape::progress_token(frame).map(str::to_owned);
        call.level = shape::level(frame).filter(|_| self.server.has_logging());
        capabilities(frame).clone_into(&mut call.capabilities);
        if let Some(answer) = call.answer.take() {
            if let Some(call) = self.calls.remove(&number) {
                self.finish(&call, &answer, actions);
            }
            return;
        }
        let mut answers = Vec::new();
        call.asked.retain(|asked| {
            let answer = member_of(responses, &asked.key);
            answers.extend(answer.map(|answer| Frame::result(&asked.id, answer)));
            answer.is_none()
        });
        for answer in answers {
            self.tell(answer, actions);
        }
        self.ask(number, actions);
    }

    /// Withdraws a question that the server has cancelled.
    pub(super) fn withdraw(&mut self, id: &Id) {
        for call in self.calls.values_mut() {
            call.asked.retain(|asked| asked.id != *id);
        }
    }

    /// Gives up a parked call that the host has not come back for.
    pub(super) fn expire(&mut self, handle: &str, actions: &mut Vec<Action>) {
        if let Some(number) = self.parked.remove(handle).and_then(|parked| parked.number) {
            tracing::debug!("a parked call was never asked for again");
            self.stop(number, Some(r#""the host did not come back""#), actions);
        }
    }

    /// Ends all questions when the host has gone: no call of its will be made again, and what it still waits for must
    /// do without its answers.
    pub(super) fn ask_no_more(&mut self, actions: &mut Vec<Action>) {
        let mut handles: Vec<_> = self.parked.keys().cloned().collect();
        handles.sort_by_key(|handle| self.parked.get(handle).and_then(|parked| parked.number));
        for handle in handles {
            self.expire(&handle, actions);
        }
        let unanswered: Vec<_> = self
            .calls
            .values_mut()
            .flat_map(|call| call.asked.drain(..))
            .collect();
        for asked in unanswered {
            self.tell(asked.declined(), actions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_long_and_never_the_same() {
        let seed = Seed::new([7; 32]);
        assert_eq!(seed.handle(1).len(), 43);
        assert_ne!(seed.handle(1), seed.handle(2));
        assert_ne!(seed.handle(1), Seed::new([8; 32]).handle(1));
    }
}
