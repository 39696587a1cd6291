//! The responses on HTTP+SSE's stream, and those among them that fit no request.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::era::ExchangeId;
use crate::frame::{Frame, Id, member_of};

/// The most ids that are remembered of an HTTP+SSE stream.
const MEMORY: usize = 64;
/// Errors that servers answer to notifications, which are owed none: not a message, no such method, wrong parameters.
const OF_NOTICES: [&str; 3] = ["-32600", "-32601", "-32602"];

/// The responses on HTTP+SSE's stream, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct StreamResponses {
    /// Requests that the server may still answer although no one waits for it any more.
    pub(super) late: VecDeque<Id>,
    /// Responses that have been passed on, as hashes: some servers say each twice.
    pub(super) passed: VecDeque<u64>,
    /// Notifications that the server may have answered with an error.
    pub(super) notices: u32,
    /// Responses that fit no request.
    pub(super) strays: Vec<Frame>,
    /// The requests that were open when those came.
    pub(super) candidates: Vec<ExchangeId>,
    /// The token of the timer that decides about them.
    pub(super) token: Option<u64>,
    pub(super) has_warned: bool,
}

impl StreamResponses {
    pub(super) fn given_up(&mut self, id: &Id) {
        keep(&mut self.late, id.clone());
    }

    pub(super) fn given_up_if(&mut self, id: Option<&Id>) {
        if let Some(id) = id {
            self.given_up(id);
        }
    }

    pub(super) fn notified(&mut self) {
        self.notices = (self.notices + 1).min(4);
    }

    /// Says whether a response came before, or is for a request that is over.
    pub(super) fn is_past(&mut self, frame: &Frame) -> bool {
        let late = frame.id().and_then(|id| {
            let is_it = |late: &Id| late == id || late.is_like(id);
            self.late.iter().position(is_it)
        });
        if let Some(at) = late {
            self.late.remove(at);
            return true;
        }
        self.passed.contains(&hash(frame))
    }

    /// Says whether a response may be about something else than a request: some servers answer notifications too, with
    /// an error or with an empty result.
    pub(super) fn is_doubtful(&mut self, frame: &Frame) -> bool {
        let code = frame
            .member("error")
            .and_then(|error| member_of(error, "code"));
        let is_empty = matches!(
            frame.member("result"),
            Some("{}" | "null" | "true" | "\"\"")
        );
        let may_be_of_notice = is_empty || code.is_some_and(|code| OF_NOTICES.contains(&code));
        if frame.id().is_none() && may_be_of_notice && self.notices > 0 {
            self.notices -= 1;
            return true;
        }
        is_unusable(frame)
    }

    pub(super) fn forget_strays(&mut self) {
        self.strays.clear();
        self.candidates.clear();
        self.token = None;
    }
}

pub(super) fn keep<T>(memory: &mut VecDeque<T>, what: T) {
    if memory.len() >= MEMORY {
        memory.pop_front();
    }
    memory.push_back(what);
}

pub(super) fn hash(frame: &Frame) -> u64 {
    let mut hasher = DefaultHasher::new();
    frame.text().hash(&mut hasher);
    hasher.finish()
}

/// Says whether a response stands for an answer that came and could not be read.
pub(super) fn is_unusable(frame: &Frame) -> bool {
    let error = frame.member("error");
    let data = error.and_then(|error| member_of(error, "data"));
    data.and_then(|data| member_of(data, "source")) == Some(r#""mcpipe""#)
}
