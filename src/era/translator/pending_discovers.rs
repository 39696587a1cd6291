//! Requests `server/discover` of a modern host that are not answered.

use super::introduction::capabilities;
use super::options::RememberedDiscover;
use crate::era::{Action, detect};
use crate::frame::{Frame, Id};

/// The requests, each with the capabilities that it declares, as JSON text.
#[derive(Debug, Default)]
pub(super) struct PendingDiscovers(Vec<(Id, String)>);

impl PendingDiscovers {
    /// Notes a request of the host's, unless it was held before and is noted already.
    pub(super) fn note(&mut self, discover: &Frame) {
        let Some(id) = discover.id() else {
            return;
        };
        if !self.0.iter().any(|(pending, _)| pending == id) {
            let declared = capabilities(&detect::declared(discover));
            self.0.push((id.clone(), declared));
        }
    }

    /// Strikes discovers that were answered: nothing more is owed for them, and its id may be used again
    /// (MCP 2026-07-28, basic).
    pub(super) fn settle(&mut self, done: Option<&[Action]>) {
        for action in done.into_iter().flatten() {
            match action {
                Action::Reply(frame) if frame.is_response() => {
                    self.0.retain(|(pending, _)| Some(pending) != frame.id());
                }
                Action::Cancelled(id) => self.0.retain(|(pending, _)| pending != id),
                _ => {}
            }
        }
    }

    /// Returns the `DiscoverResult` with which one of them is answered here.
    pub(super) fn result(&self, done: &[Action]) -> Option<RememberedDiscover> {
        done.iter().find_map(|action| {
            let Action::Reply(frame) = action else {
                return None;
            };
            let id = frame.id().filter(|_| frame.is_response())?;
            let (_, capabilities) = self.0.iter().find(|(pending, _)| pending == id)?;
            frame.member_in("result", "capabilities")?;
            Some(RememberedDiscover {
                capabilities: capabilities.clone(),
                discover: frame.member("result")?.to_owned(),
            })
        })
    }

    /// Takes them all: none will be answered.
    pub(super) fn take(&mut self) -> Vec<Id> {
        let pending = std::mem::take(&mut self.0).into_iter();
        pending.map(|(id, _)| id).collect()
    }
}
