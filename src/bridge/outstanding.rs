//! Requests that wait for an answer on an exchange of their own, and the assignment of responses to them.
//!
//! One POST carries one request, so the only response that comes on it answers that request, whatever id the server has
//! written: many servers write `"1"` or `1.0` for `1`, count for themselves, or write none. Ids decide only where
//! several responses come, or a response that another open request is waiting for. Does not know what the messages
//! mean.
//!
//! JSON-RPC 2.0 section 5; MCP 2025-11-25 basic/transports, "Sending Messages to the Server".

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use serde_json::json;

use crate::frame::{BridgeError, Frame, INTERNAL_ERROR, Id, Malformed, Parsed, takes_batches};
use crate::sse;
use crate::text::printable;

/// The number of responses on one exchange that may wait for their assignment.
const MAX_STRAYS: usize = 1000;

/// The ids of all requests that are on the wire.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    ids: Mutex<HashMap<Id, u32>>,
    has_warned: AtomicBool,
    /// The revision that is spoken on HTTP+SSE's one stream.
    revision: Mutex<Option<String>>,
}

/// An id that stays among the outstanding ones while the entry lives.
pub(super) struct Entry<'a> {
    of: &'a Outstanding,
    id: Id,
}

impl Outstanding {
    /// Notes a request for as long as the entry lives.
    pub(super) fn enter(&self, id: &Id) -> Entry<'_> {
        *self.ids().entry(id.clone()).or_default() += 1;
        Entry {
            of: self,
            id: id.clone(),
        }
    }

    /// Notes the revision in which messages are posted whose answers come on HTTP+SSE's stream.
    pub(super) fn note_revision(&self, headers: &HeaderMap) {
        if let Some(revision) = revision_of(headers) {
            *self.revision() = Some(revision);
        }
    }

    fn revision(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.revision.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, id: &Id) -> bool {
        self.ids().contains_key(id)
    }

    fn ids(&self) -> std::sync::MutexGuard<'_, HashMap<Id, u32>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the server's id by the id of the request that this response answers.
    fn adopt(&self, response: Frame, owed: &Id) -> Frame {
        if response.id() == Some(owed) {
            return response;
        }
        // JSON-RPC itself has errors without an id; any other response without one is the server's mistake.
        let is_expected = response.id().is_none() && response.member("error").is_some();
        if !is_expected && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the server answers under other ids than it is asked with; each answer is taken for the request it came to"
            );
        }
        response.with_id(owed)
    }
}

fn revision_of(headers: &HeaderMap) -> Option<String> {
    let revision = headers.get("mcp-protocol-version")?;
    revision.to_str().ok().map(str::to_owned)
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut ids = self.of.ids();
        if let Some(count) = ids.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                ids.remove(&self.id);
            }
        }
    }
}

/// The frames that have come on one exchange so far.
pub(super) struct Brought<'a> {
    outstanding: &'a Outstanding,
    /// The id of the request that was posted; none for a standalone stream, and for a message that is owed no answer.
    owed: Option<&'a Id>,
    is_answered: bool,
    /// Responses under ids that fit no request for certain.
    strays: Vec<Frame>,
    /// The first unusable text, described, and a flag that it was meant to be a message.
    unusable: Option<(String, bool)>,
    is_beyond_use: bool,
    /// True where anything has been passed on.
    has_passed: bool,
    /// True where answers to requests that were posted elsewhere come on the exchange.
    serves_many: bool,
    /// True where any response is the answer, at once.
    is_alone: bool,
    /// The revision of the request, where one has been agreed on.
    revision: Option<String>,
}

impl<'a> Brought<'a> {
    /// Makes the record for HTTP+SSE's stream.
    pub(super) fn for_many(outstanding: &'a Outstanding) -> Self {
        Self {
            serves_many: true,
            ..Self::new(outstanding, None)
        }
    }

    pub(super) fn new(outstanding: &'a Outstanding, owed: Option<&'a Id>) -> Self {
        Self {
            outstanding,
            owed,
            is_answered: false,
            strays: Vec::new(),
            unusable: None,
            is_beyond_use: false,
            has_passed: false,
            serves_many: false,
            is_alone: false,
            revision: None,
        }
    }

    /// Adds the request's headers, which name the revision that has been agreed on.
    pub(super) fn in_revision_of(self, headers: &HeaderMap) -> Self {
        Self {
            revision: revision_of(headers),
            ..self
        }
    }

    /// Returns the revision in which several messages in one array are a mistake; `None` before one is agreed on.
    fn without_batches(&self) -> Option<String> {
        let revision = match self.serves_many {
            true => self.outstanding.revision().clone(),
            false => self.revision.clone(),
        };
        revision.filter(|revision| !takes_batches(revision))
    }

    /// Refuses an array of several messages. Returns the errors for the requests that wait for a stream.
    fn refuse_batch(&mut self, members: &[Frame], revision: &str, what: &str) -> Vec<Frame> {
        let malformed = Malformed::batch(revision);
        self.cannot_use(&malformed, what);
        let is_for = |owed: &Id| {
            members
                .iter()
                .any(|it| it.is_response() && it.id() == Some(owed))
        };
        self.is_beyond_use |= self.owed.is_some_and(is_for);
        self.error_for(&malformed, true).into_iter().collect()
    }

    /// Adds that the request is or is not a probe: a probe has no time for doubts, and next to nothing else is under
    /// way.
    pub(super) fn for_probe(self, is_probe: bool) -> Self {
        Self {
            is_alone: is_probe,
            // A probe names a revision that has not been agreed on.
            revision: self.revision.filter(|_| !is_probe),
            ..self
        }
    }

    /// Says whether an answer is owed at all.
    pub(super) fn is_owed(&self) -> bool {
        self.owed.is_some()
    }

    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Says whether a response waits for its assignment to a request.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.strays.is_empty()
    }

    /// Says whether the answer itself has come and cannot be used.
    pub(super) fn is_beyond_use(&self) -> bool {
        self.is_beyond_use
    }

    /// Says whether an answer is owed and nothing has come, usable or not.
    pub(super) fn is_nothing(&self) -> bool {
        let has_come = self.has_passed || self.is_in_doubt() || self.unusable.is_some();
        self.is_owed() && !has_come
    }

    /// Takes one body or one event. Adds the frames that can be passed on to `passed`.
    pub(super) fn take(&mut self, parsed: Parsed, what: &str, passed: &mut Vec<Frame>) {
        self.take_members(parsed, what, passed);
        self.has_passed |= !passed.is_empty();
    }

    fn take_members(&mut self, parsed: Parsed, what: &str, passed: &mut Vec<Frame>) {
        let members = match parsed {
            Parsed::One(frame) => return self.take_message(frame, passed),
            Parsed::Batch(members) => members,
        };
        let several: Vec<_> = members.iter().flatten().cloned().collect();
        if several.len() > 1
            && let Some(revision) = self.without_batches()
        {
            passed.append(&mut self.refuse_batch(&several, &revision, what));
            return;
        }
        for member in members {
            match member {
                Ok(frame) => self.take_message(frame, passed),
                Err(malformed) => self.cannot_use(&malformed, what),
            }
        }
    }

    fn take_message(&mut self, frame: Frame, passed: &mut Vec<Frame>) {
        passed.extend(self.take_frame(frame));
        if self.is_answered {
            passed.append(&mut self.strays); // the exchange's own answer came: a stray is another's
        }
    }

    fn take_frame(&mut self, frame: Frame) -> Option<Frame> {
        let Some(owed) = self
            .owed
            .filter(|_| frame.is_response() && !self.is_answered)
        else {
            return Some(frame);
        };
        let is_own = match frame.id() {
            None => true,
            Some(_) if self.is_alone => true,
            Some(id) if id == owed => true,
            Some(id) => id.is_like(owed) && !self.outstanding.has(id),
        };
        if !is_own {
            if self.strays.len() < MAX_STRAYS {
                self.strays.push(frame);
            } else {
                let many = format!(
                    "more than {MAX_STRAYS} responses, none of them under the id of the request"
                );
                self.note(many, true);
                self.is_beyond_use = true;
            }
            return None;
        }
        self.is_answered = true;
        Some(self.outstanding.adopt(frame, owed))
    }

    /// Assigns the doubtful responses, when nothing has followed them for a while, or nothing will.
    pub(super) fn settle(&mut self, is_over: bool) -> Vec<Frame> {
        let mut strays = std::mem::take(&mut self.strays);
        self.has_passed |= !strays.is_empty();
        let Some(owed) = self.owed.filter(|_| !self.is_answered) else {
            return strays;
        };
        // The only response to a POST is its answer. On a stream that goes on, the id of another open request is that
        // request's: the stream's own answer may still come.
        let is_only = strays.len() == 1 && is_over;
        let is_unowned = |frame: &Frame| frame.id().is_none_or(|id| !self.outstanding.has(id));
        let mut unowned = strays
            .iter()
            .enumerate()
            .filter(|(_, stray)| is_only || is_unowned(stray))
            .map(|(at, _)| at);
        if let (Some(at), None) = (unowned.next(), unowned.next())
            && let Some(stray) = strays.get_mut(at)
        {
            *stray = self.outstanding.adopt(stray.clone(), owed);
            self.is_answered = true;
        } else if is_over && !strays.is_empty() {
            let several = format!(
                "{} responses, none of them under the id of the request",
                strays.len()
            );
            self.unusable.get_or_insert((several, true));
        }
        strays
    }

    /// Notes an event of a type that has no meaning here.
    pub(super) fn cannot_use_event(&mut self, event: &sse::Event) {
        let kind = printable(event.kind.as_deref().unwrap_or_default(), 40);
        self.note(format!("an event of the type \"{kind}\""), false);
    }

    /// Returns the error for the requests that wait for a stream, about a text on it that could not be used: under the
    /// id that could be read, or under none where the text at least `is_meant` to be a message.
    pub(super) fn error_for(&self, malformed: &Malformed, is_meant: bool) -> Option<Frame> {
        if !self.serves_many || malformed.id.is_none() && !is_meant {
            return None;
        }
        let reason = &malformed.reason;
        let words = format!(
            "The server's answer cannot be used: an event that is no JSON-RPC message: {reason}."
        );
        let error = BridgeError::new("bad_answer", words);
        Some(match &malformed.id {
            Some(id) => error.reply(id),
            None => {
                let data = json!({ "source": "mcpipe", "kind": error.kind });
                Frame::error(None, INTERNAL_ERROR, &error.message, Some(&data))
            }
        })
    }

    /// Notes a text that is not a message.
    pub(super) fn cannot_use(&mut self, malformed: &Malformed, what: &str) {
        tracing::warn!(reason = malformed.reason, "not a message");
        let is_for = |owed: &Id| {
            let id = malformed.id.as_ref();
            id.is_some_and(|id| id == owed || id.is_like(owed) && !self.outstanding.has(id))
        };
        self.is_beyond_use |= self.owed.is_some_and(is_for);
        let reason = &malformed.reason;
        self.note(
            format!("{what} that is no JSON-RPC message: {reason}"),
            true,
        );
    }

    fn note(&mut self, what: String, is_meant: bool) {
        if self
            .unusable
            .as_ref()
            .is_none_or(|(_, was_meant)| is_meant && !was_meant)
        {
            self.unusable = Some((what, is_meant));
        }
    }

    /// Returns the first text that could not be used.
    pub(super) fn unusable(&self) -> Option<&str> {
        self.unusable.as_ref().map(|(what, _)| what.as_str())
    }
}
