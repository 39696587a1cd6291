//! Requests `server/discover` of a modern host that are not answered.

use crate::era::Action;
use crate::frame::{Frame, Id};

/// The ids of the requests.
#[derive(Debug, Default)]
pub(super) struct PendingDiscovers(Vec<Id>);

impl PendingDiscovers {
    /// Notes a request of the host's, unless it was held before and is noted already.
    pub(super) fn note(&mut self, discover: &Frame) {
        let is_new = |id: &&Id| !self.0.contains(id);
        let id = discover.id().filter(is_new).cloned();
        self.0.extend(id);
    }

    /// Strikes discovers that were answered: nothing more is owed for them, and its id may be used again
    /// (MCP 2026-07-28, basic).
    pub(super) fn settle(&mut self, done: Option<&[Action]>) {
        for action in done.into_iter().flatten() {
            match action {
                Action::Reply(frame) if frame.is_response() => {
                    self.0.retain(|look| Some(look) != frame.id());
                }
                Action::Cancelled(id) => self.0.retain(|look| look != id),
                _ => {}
            }
        }
    }

    /// Takes them all: none will be answered.
    pub(super) fn take(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.0)
    }
}
