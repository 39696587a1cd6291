//! Questions of the server's for a host that is never asked anything: they are the answer to its call, which is parked
//! and goes on when the host calls again with the answers (MCP 2026-07-28, basic/patterns/mrtr).
//!
//! The server sees a call that takes its time, the host one that takes several.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::era::modern_to_legacy::shape;
use crate::frame::{Frame, INTERNAL_ERROR, Id, Object, member_of};

/// The time for which a parked call waits for its host: a user may have to read, think and fill in a form.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// Parked calls at once. Hosts may leave calls parked for good, so there must be an end.
const MAX_PARKED: usize = 64;
/// Questions that one call may have open.
const MAX_QUESTIONS: usize = 32;

/// Returns the error for what mcpipe itself cannot do.
pub(super) fn internal(id: &Id, words: &str) -> Frame {
    Frame::error(Some(id), INTERNAL_ERROR, words, None)
}

/// The source of handles.
struct Seed([u8; 32]);

impl Seed {
    /// Makes a name that cannot be guessed (128 bits would do; these are 256).
    fn handle(&self, count: u64) -> String {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(count.to_be_bytes());
        URL_SAFE_NO_PAD.encode(hash.finalize())
    }
}

/// Questions of the server that belong to one call.
#[derive(Default)]
pub(super) struct PendingQuestions {
    open: Vec<PendingQuestion>,
    /// Counts what the server asked.
    count: u64,
}

/// A request of the server's that waits for its answer.
struct PendingQuestion {
    /// The server's id.
    id: Id,
    /// The key of the question in `inputRequests`.
    key: String,
    is_elicitation: bool,
    /// The entry of the question there, as JSON text.
    request: String,
}

impl PendingQuestion {
    /// Returns the answer for the server when the host will give none.
    fn declined(&self) -> Frame {
        if self.is_elicitation {
            Frame::result(&self.id, r#"{"action":"cancel"}"#)
        } else {
            internal(&self.id, "The host gave no answer.")
        }
    }
}

impl PendingQuestions {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MAX_QUESTIONS
    }

    /// Adds a request of the server's, which needs this capability.
    pub(super) fn add(&mut self, id: &Id, method: &str, params: Option<&str>, capability: &str) {
        self.count += 1;
        self.open.push(PendingQuestion {
            id: id.clone(),
            key: self.count.to_string(),
            is_elicitation: capability == "elicitation",
            request: shape::input_request(method, params),
        });
    }

    /// Returns the entries of `inputRequests`: key and request.
    pub(super) fn input_requests(&self) -> Vec<(String, String)> {
        let open = self.open.iter();
        open.map(|question| (question.key.clone(), question.request.clone()))
            .collect()
    }

    /// Takes the host's `inputResponses`, and returns the answers for the server.
    pub(super) fn answer(&mut self, responses: &str) -> Vec<Frame> {
        let mut answers = Vec::new();
        self.open.retain(|question| {
            let answer = member_of(responses, &question.key);
            answers.extend(answer.map(|answer| Frame::result(&question.id, answer)));
            answer.is_none()
        });
        answers
    }

    /// Takes all questions, and returns the answers for the server when the host will give none.
    pub(super) fn decline(&mut self) -> Vec<Frame> {
        let open = self.open.drain(..);
        open.map(|question| question.declined()).collect()
    }

    /// Drops the question of that id.
    pub(super) fn withdraw(&mut self, id: &Id) {
        self.open.retain(|question| question.id != *id);
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

/// Calls whose answer is a question, by the handle the host was given.
pub(super) struct ParkedCalls {
    calls: HashMap<String, ParkedCall>,
    seed: Seed,
}

/// The call that a handle stands for.
struct ParkedCall {
    digest: [u8; 32],
    /// The call that waits; none where the server wants to be called again.
    number: Option<u64>,
}

/// The retry of a parked call.
pub(super) struct Retry<'a> {
    /// The call that waits; none where the server wants to be called again.
    pub(super) number: Option<u64>,
    /// The host's answers, as JSON text.
    pub(super) responses: &'a str,
}

impl ParkedCalls {
    /// Makes handles from `seed`, 32 random bytes.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            calls: HashMap::new(),
            seed: Seed(seed),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.calls.len() >= MAX_PARKED
    }

    pub(super) fn contains(&self, handle: &str) -> bool {
        self.calls.contains_key(handle)
    }

    /// Parks a call, and returns its handle. No two have the same `count`.
    pub(super) fn park(&mut self, request: &Frame, number: Option<u64>, count: u64) -> String {
        let digest = shape::digest(request);
        let handle = self.seed.handle(count);
        self.calls
            .insert(handle.clone(), ParkedCall { digest, number });
        handle
    }

    /// Takes the call that a request retries, or says what is wrong with the retry.
    pub(super) fn take_retried<'a>(&mut self, frame: &'a Frame) -> Result<Retry<'a>, &'static str> {
        let handle = frame
            .param("requestState")
            .and_then(|text| serde_json::from_str::<String>(text).ok());
        let found = handle.and_then(|handle| self.calls.get_key_value(&handle));
        let Some((handle, parked)) = found else {
            return Err("This requestState is unknown, used or expired.");
        };
        if parked.digest != shape::digest(frame) {
            return Err("This requestState belongs to another request.");
        }
        let responses = frame.param("inputResponses").unwrap_or("{}");
        let is_object = |(_, value): (&str, &str)| Object::read(value).is_some();
        if !Object::read(responses).is_some_and(|responses| responses.iter().all(is_object)) {
            return Err("inputResponses is no object of results.");
        }
        let (handle, number) = (handle.clone(), parked.number);
        self.calls.remove(&handle);
        Ok(Retry { number, responses })
    }

    /// Gives up on a handle, and returns the call that waits under it.
    pub(super) fn take(&mut self, handle: &str) -> Option<u64> {
        self.calls.remove(handle).and_then(|parked| parked.number)
    }

    /// Returns all handles, those of the oldest calls first.
    pub(super) fn handles(&self) -> Vec<String> {
        let mut handles: Vec<_> = self.calls.keys().cloned().collect();
        handles.sort_by_key(|handle| self.calls.get(handle).and_then(|parked| parked.number));
        handles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_long_and_never_the_same() {
        let seed = Seed([7; 32]);
        assert_eq!(seed.handle(1).len(), 43);
        assert_ne!(seed.handle(1), seed.handle(2));
        assert_ne!(seed.handle(1), Seed([8; 32]).handle(1));
    }
}
