//! The host's first request, and what is known of the remote by then: which era is spoken, or what has to be found out.

use super::introduction::begins_legacy;
use super::options::Protocol;
use super::phase::FirstHandshake;
use super::server_era::ServerEra;
use super::state::Translator;
use crate::era::detect::{self, ProbeOutcome};
use crate::era::{Action, Transport};
use crate::frame::Frame;

impl Translator {
    pub(super) fn on_first_request(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if !frame.is_request() {
            // Only requests tell a host's era, and neither era begins with anything else.
            tracing::debug!(?frame, "before the first request");
            return;
        }
        let is_host_modern = detect::is_modern(&frame);
        let has_old_transport = matches!(
            self.options.transport,
            Transport::SseFirst | Transport::SseOnly
        );
        let is_auto = self.options.protocol == Protocol::Auto && !has_old_transport;
        let known = match (self.options.protocol, has_old_transport) {
            (Protocol::Legacy, _) | (Protocol::Auto, true) => Some(ServerEra::Legacy),
            (Protocol::Modern, _) => None,
            (Protocol::Auto, false) => match self.findings.known_era {
                Some(found) => Some(found.era),
                None => self.options.remembered,
            },
        };
        let is_legacy = match known {
            Some(ServerEra::Legacy) => true,
            Some(ServerEra::Both) => begins_legacy(&frame),
            Some(ServerEra::Modern) | None => false,
        };
        if is_legacy {
            let first_handshake = is_auto.then(|| match self.findings.known_era {
                Some(found) => FirstHandshake::again(found.era),
                None => FirstHandshake::remembered(),
            });
            return self.begin(
                ProbeOutcome::Legacy,
                is_host_modern,
                [frame].into(),
                first_handshake,
                actions,
            );
        }
        // A ping says nothing of the host; the handshake that comes after it does.
        if let Some(id) = frame.id().filter(|_| frame.method() == Some("ping")) {
            return actions.push(Action::Reply(Frame::result(id, "{}")));
        }
        // What is remembered of a modern remote is enough for a host that it has to be spoken to for in that era.
        let is_remembered = is_auto
            && self.findings.known_era.is_none()
            && match self.options.remembered {
                Some(ServerEra::Modern) => is_host_modern || !self.options.is_legacy_untried,
                Some(ServerEra::Both) => is_host_modern,
                Some(ServerEra::Legacy) | None => false,
            };
        if !is_remembered || !self.start_optimistically(&frame, is_host_modern, actions) {
            self.start_probing(frame, is_host_modern, None, actions);
        }
    }
}
