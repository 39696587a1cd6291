//! The places at which the audit gets its lines.

use std::sync::Arc;

use crate::bridge::enforcement::Enforcement;
use crate::bridge::enforcement::audit::{Call, Trail, stamped};
use crate::bridge::enforcement::requests::Request;
use crate::frame::{Frame, Id};
use crate::policy::Refusal;

/// A message of the host that is not decided yet. Where it never is, the host has cancelled it, and that is its outcome.
pub(super) struct Undecided<'a> {
    trail: &'a Trail,
    call: Option<Arc<Call>>,
}

impl Undecided<'_> {
    /// Notes that the message is decided.
    pub(super) fn decided(mut self) {
        self.call = None;
    }
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        if let Some(call) = &self.call {
            self.trail.unanswered(call, "cancelled");
        }
    }
}

impl Enforcement {
    /// Begins the account of a message of the host, where there is an audit.
    pub(super) fn begin_account(
        &self,
        frame: &Frame,
        request: &mut Request,
    ) -> Option<Undecided<'_>> {
        let trail = self.audit.as_ref()?;
        let call = Arc::new(trail.call(frame));
        request.audited = Some(Arc::clone(&call));
        let call = Some(call);
        Some(Undecided { trail, call })
    }

    /// Writes that a message is sent, as the last check: it says whether it can be written.
    pub(super) fn write_sent(&self, frame: &Frame, request: &Request) -> Result<(), Refusal> {
        let (Some(trail), Some(call)) = (&self.audit, &request.audited) else {
            return Ok(());
        };
        let decided = trail.ready(frame);
        self.unless_dry(decided, request)?;
        trail.sent(frame, call);
        Ok(())
    }

    /// Writes that a message is refused, or would be.
    pub(super) fn write_refused(&self, request: &Request, refusal: &Refusal, is_dry: bool) {
        if let (Some(trail), Some(call)) = (&self.audit, &request.audited) {
            trail.refused(call, refusal, is_dry);
        }
    }

    /// Writes the outcome of a request. Returns the answer, an error of the bridge's own with the correlation id.
    pub(super) fn write_result(&self, request: &Request, answer: Frame) -> Frame {
        match (&self.audit, &request.audited) {
            (Some(trail), Some(call)) => trail.result(call, answer),
            _ => answer,
        }
    }

    /// Writes how many elements of a list the host does not see.
    pub(super) fn write_hidden(&self, request: &Request, hidden: usize) {
        if let (Some(trail), Some(call)) = (&self.audit, &request.audited)
            && hidden > 0
        {
            trail.hidden(call, hidden);
        }
    }

    /// Writes that a message of the server's own reaches the host, where it asks for an answer.
    pub(super) fn write_question(&self, frame: &Frame) {
        if let Some(trail) = self.audit.as_ref().filter(|_| frame.is_request()) {
            trail.asked(frame);
        }
    }

    /// Writes that the host answers the server.
    pub(super) fn write_answer(&self, frame: &Frame) {
        if let Some(trail) = &self.audit {
            trail.answered(frame);
        }
    }

    /// Writes that a request has no answer.
    pub(super) fn write_unanswered(&self, request: &Request, outcome: &str) {
        if let (Some(trail), Some(call)) = (&self.audit, &request.audited) {
            trail.unanswered(call, outcome);
        }
    }

    /// Returns the correlation id of a request that is open.
    pub(in crate::bridge) fn correlation_id(&self, id: &Id) -> Option<String> {
        self.audit.as_ref()?;
        let state = self.state();
        let call = state.requests.get(id)?.audited.as_ref()?;
        Some(call.id.clone())
    }

    /// Takes an error with which the bridge leaves: the outcome of its request.
    pub(in crate::bridge) fn last_error(&self, error: Frame) -> Frame {
        let request = error.id().and_then(|id| self.state().requests.remove(id));
        match request {
            Some(request) => self.write_result(&request, error),
            None => error,
        }
    }

    /// Writes that the requests that are still open stay so.
    pub(in crate::bridge) fn leave(&self) {
        let requests = std::mem::take(&mut self.state().requests);
        for request in requests.values() {
            self.write_unanswered(request, "unanswered");
        }
    }

    /// Returns the answer to a refused request with its correlation id, where it is an error.
    pub(super) fn with_correlation_id(&self, request: &Request, answer: Frame) -> Frame {
        match &request.audited {
            Some(call) if answer.is_error() => stamped(&answer, call),
            _ => answer,
        }
    }
}
