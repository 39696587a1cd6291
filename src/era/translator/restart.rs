//! Restart: a host that has only looked around begins the legacy way after all.

use super::phase::Phase;
use super::state::Translator;
use crate::era::Action;
use crate::era::protocol::{UNSUPPORTED_VERSION, modern};
use crate::frame::{BridgeError, Frame};

impl Translator {
    /// Begins again with a host that has looked around in the modern way and begins in the legacy one (MCP 2026-07-28,
    /// server/discover). One that has done more than look is modern, and stays so (MCP 2026-07-28, basic/versioning).
    pub(super) fn restart(&mut self, initialize: Frame, actions: &mut Vec<Action>) {
        if self.host_is_modern {
            let data = serde_json::json!({ "supported": modern().collect::<Vec<_>>() });
            let words = "This process serves a modern host: it takes no initialize.";
            actions.extend(initialize.id().map(|id| {
                Action::Reply(Frame::error(
                    Some(id),
                    UNSUPPORTED_VERSION,
                    words,
                    Some(&data),
                ))
            }));
            return;
        }
        // Answers to its pending discovers will not come any more.
        let left = BridgeError::new("superseded", "The host has begun with initialize instead.");
        actions.extend(
            self.pending_discovers
                .take()
                .into_iter()
                .map(|id| Action::Reply(left.reply(&id))),
        );
        // And what was begun with the remote is ended: it would be heard as part of what begins now.
        if let Some(mut probe) = self.probe.take() {
            probe.abandon(actions);
        }
        if let Some(relay) = self.phase.relay() {
            relay.abandon(actions);
        }
        self.phase = Phase::Fresh;
        self.on_first_request(initialize, actions);
    }
}
