//! The opening of a session, and the frames of the host that wait for it.

use std::collections::VecDeque;

use crate::era::modern_to_legacy::capabilities::Capabilities;
use crate::era::modern_to_legacy::shape;
use crate::frame::{Frame, Id};

/// The handshake with the server.
pub(in crate::era::modern_to_legacy) struct Handshake {
    step: Step,
    /// The capabilities that `initialize` declares.
    declared: Capabilities,
    /// The reason for which the session could not be opened; held requests have not been answered with it yet.
    refusal: Option<Frame>,
    /// Frames that came from the host before the session was open, in order.
    held: VecDeque<Frame>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    None,
    /// `initialize` is out.
    Begun,
    /// Answered; the relay knows what to wait for.
    Done,
}

impl Handshake {
    pub(super) fn new(declared: Capabilities) -> Self {
        Self {
            step: Step::None,
            declared,
            refusal: None,
            held: VecDeque::new(),
        }
    }

    /// Returns the capabilities that `initialize` has declared, or will.
    pub(in crate::era::modern_to_legacy) fn declared(&self) -> &Capabilities {
        &self.declared
    }

    /// Declares capabilities for a session that is not being opened yet.
    pub(in crate::era::modern_to_legacy) fn declare(&mut self, declared: Capabilities) {
        self.declared = declared;
    }

    /// Says whether the server has not heard of the session, or has refused it.
    pub(in crate::era::modern_to_legacy) fn is_unopened(&self) -> bool {
        self.step == Step::None
    }

    /// Says whether `initialize` is out.
    pub(super) fn is_under_way(&self) -> bool {
        self.step == Step::Begun
    }

    /// Says whether the server has answered `initialize`. The session may have been lost again since.
    pub(in crate::era::modern_to_legacy) fn is_open(&self) -> bool {
        self.step == Step::Done
    }

    /// Takes the reason of a failed opening, and the frames that waited for it.
    pub(in crate::era::modern_to_legacy) fn take_failure(
        &mut self,
    ) -> Option<(Frame, VecDeque<Frame>)> {
        Some((self.refusal.take()?, self.take_held()))
    }

    /// Holds a request until the session is open. Returns the parameters of the `initialize` that is to open it, unless
    /// one is out.
    pub(super) fn hold_request(&mut self, request: Frame) -> Option<String> {
        let params = self
            .is_unopened()
            .then(|| shape::initialize(&request, &self.declared));
        self.step = Step::Begun;
        self.held.push_back(request);
        params
    }

    /// Holds a notification until the session is open; one for a session that is not being opened goes nowhere.
    pub(super) fn hold_notification(&mut self, frame: Frame) {
        if self.is_under_way() {
            self.held.push_back(frame);
        } else {
            tracing::debug!(?frame, "nobody to tell yet");
        }
    }

    pub(super) fn held(&self) -> &VecDeque<Frame> {
        &self.held
    }

    pub(super) fn take_held(&mut self) -> VecDeque<Frame> {
        std::mem::take(&mut self.held)
    }

    /// Drops the held request of that id, and says whether there was one.
    pub(super) fn drop_held(&mut self, id: &Id) -> bool {
        let is_it = |frame: &Frame| frame.is_request() && frame.id() == Some(id);
        let at = self.held.iter().position(is_it);
        at.and_then(|at| self.held.remove(at)).is_some()
    }

    /// Takes the server's result, and returns the frames that have waited for it.
    pub(super) fn finish(&mut self) -> VecDeque<Frame> {
        self.step = Step::Done;
        self.take_held()
    }

    /// Takes the server's refusal. The next request tries again.
    pub(super) fn fail(&mut self, refusal: Frame) {
        self.step = Step::None;
        self.refusal = Some(refusal);
    }
}
