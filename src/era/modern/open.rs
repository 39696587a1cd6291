//! Requests that are owed an answer, and their state while they are.

use std::collections::HashSet;
use std::time::Duration;

use crate::era::protocol::is_repeatable;
use crate::era::standing::StandingRequest;
use crate::frame::{Frame, Id};

/// An exchange that has not brought what it is for.
#[derive(Debug)]
pub(super) enum OpenExchange {
    /// A request of the host's.
    Call(Call),
    /// Our `tools/list`, for the sake of a call whose headers were refused (MCP 2026-07-28,
    /// basic/transports/streamable-http).
    RefreshTools(RefreshTools),
    /// The subscription with this key.
    Listen(u64),
}

/// A request of the host's, with its tries so far.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// As it is answered: with the host's id.
    pub(super) frame: Frame,
    /// The id under which the remote knows it now: the host's at first, then ours, for none is used twice
    /// (MCP 2026-07-28, basic and changelog).
    pub(super) id: Id,
    pub(super) patience: Option<Duration>,
    /// The host waits for the answer.
    pub(super) is_asked_by_host: bool,
    /// The number of times that the request was lost.
    pub(super) losses: u32,
    /// The last progress told of it.
    pub(super) progress: Option<f64>,
    /// The headers were refused once, and made again.
    pub(super) has_new_headers: bool,
    /// The revision was refused once, and the request was sent again.
    pub(super) has_new_version: bool,
    /// The request asks which era the server speaks; when it is lost, that is found out another way.
    pub(super) is_probe: bool,
    /// The position of a request that stands, or may.
    pub(super) standing: StandingRequest,
}

impl Call {
    pub(super) fn new(
        frame: Frame,
        patience: Option<Duration>,
        is_asked_by_host: bool,
    ) -> Option<Self> {
        Some(Self {
            id: frame.id()?.clone(),
            standing: StandingRequest::of(&frame),
            frame,
            patience,
            is_asked_by_host,
            losses: 0,
            progress: None,
            has_new_headers: false,
            has_new_version: false,
            is_probe: false,
        })
    }
}

/// A `tools/list` of ours, and the call that it is for.
#[derive(Debug)]
pub(super) struct RefreshTools {
    pub(super) call: Call,
    /// The answer for the host if the list brings nothing.
    pub(super) error: Frame,
    /// Of the present page.
    pub(super) id: Id,
    pub(super) cursor: Option<String>,
    /// Cursors that have been followed: a list whose pages lead back to one of them has no end.
    pub(super) followed: HashSet<String>,
    /// Pages that have come.
    pub(super) pages: usize,
    /// The number of times that the present page was lost.
    pub(super) losses: u32,
}

impl RefreshTools {
    /// Begins for the sake of this call, which was refused with this error.
    pub(super) fn new(call: Call, error: Frame) -> Self {
        Self {
            id: call.id.clone(),
            call,
            error,
            cursor: None,
            followed: HashSet::new(),
            pages: 0,
            losses: 0,
        }
    }
}

/// A lost request that waits to be asked again.
#[derive(Debug)]
pub(super) enum LostRequest {
    Call(Call),
    RefreshTools(RefreshTools),
}

impl LostRequest {
    /// Returns the host's call.
    pub(super) fn call(&self) -> &Call {
        match self {
            Self::Call(call) => call,
            Self::RefreshTools(refresh_tools) => &refresh_tools.call,
        }
    }
}

/// A request for the state of a task.
#[derive(Debug)]
pub(super) struct AskedTask {
    /// The key of the subscription.
    pub(super) key: u64,
    /// The id of the task, as JSON text.
    pub(super) task: String,
}

impl Call {
    pub(super) fn may_be_asked_again(&self) -> bool {
        let is_initialize = self.frame.method() == Some("initialize");
        is_repeatable(&self.frame) && !self.standing.stands() && !is_initialize && !self.is_probe
    }

    /// Takes note of progress. Whether it is less than the host has been told of this request, asked again since
    /// (MCP 2026-07-28, basic/patterns/progress).
    pub(super) fn goes_back(&mut self, frame: &Frame) -> bool {
        if frame.method() != Some("notifications/progress") {
            return false;
        }
        let now: Option<f64> = frame.param("progress").and_then(|text| text.parse().ok());
        let goes_back = self.losses > 0 && now <= self.progress;
        if !goes_back {
            self.progress = now;
        }
        goes_back
    }
}
