//! The log level of a session, which is one for all requests while a modern host asks with each for its own (MCP
//! 2026-07-28, server/utilities/logging).

use crate::era::modern_to_legacy::shape;

/// The level as the server knows it, as its rank; lower is more talkative.
#[derive(Default)]
pub(super) struct LogLevel {
    /// Set by the server's answer.
    set: Option<usize>,
    /// Asked of the server, which has not answered.
    requested: Option<usize>,
}

impl LogLevel {
    /// Returns the parameters of the `logging/setLevel` that `wanted` needs, if it needs one and none is out.
    pub(super) fn request(&mut self, wanted: Option<usize>) -> Option<String> {
        let wanted = wanted.filter(|_| self.requested.is_none())?;
        if self.set.is_some_and(|level| wanted >= level) {
            return None;
        }
        let params = shape::level_params(wanted)?;
        self.requested = Some(wanted);
        Some(params)
    }

    /// Takes the server's answer. Refused or not, the level is not asked for again: a call matters more than what is
    /// said about it.
    pub(super) fn on_response(&mut self) {
        self.set = self.requested.take().or(self.set);
    }

    /// Says whether the server says all that a request of this level wants to hear.
    pub(super) fn serves(&self, level: Option<usize>) -> bool {
        self.set.is_some_and(|set| level >= Some(set))
    }
}
