//! News of pins: for the user on stderr, and for the host that what it is shown has changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bridge::enforcement::Enforcement;
use crate::bridge::enforcement::pins::Pinning;
use crate::bridge::exchanges::ExchangeEvent;
use crate::era::protocol::{META_SUBSCRIPTION, META_VERSION};
use crate::frame::{Frame, Id, Object, member_of};
use crate::policy;
use crate::policy::pins::definition::Kind;
use crate::policy::pins::diff::short;
use crate::policy::pins::set::{Change, PinSet, What};

/// The lines of one difference that the log has, and of all together; `mcpipe pins` shows all.
const LINES: usize = 6;
const ALL_LINES: usize = 24;

/// Says it from a place of its own for each kind: the log repeats no place within a minute, and a handshake and two lists
/// may come in one.
macro_rules! say {
    ($kind:expr, $($said:tt)*) => {
        match $kind {
            Kind::Tool => tracing::warn!($($said)*),
            Kind::Prompt => tracing::warn!($($said)*),
            Kind::Instructions => tracing::warn!($($said)*),
        }
    };
}

impl Pinning {
    /// Tells the user what is pinned at first sight, or the differences that were not told yet, in one message.
    pub(super) fn tell(&self, kind: Kind, is_first: bool) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(set) = state.view.set() else { return };
        let command = self.command();
        if is_first {
            let count = counted(kind, set);
            say!(
                kind,
                "pinned at first sight: {count}; `{command}` shows the pins"
            );
        }
        let (mut told, mut lines) = (BTreeSet::new(), Vec::new());
        for change in set.changes().iter().filter(|change| change.kind == kind) {
            let key = key(change);
            if !state.told.contains(&key) {
                let verdict = match change.hides() {
                    true => "hidden from the host until it is approved",
                    false => "its pin stays",
                };
                lines.push(format!("{} {}: {verdict}", change.word(), change.subject()));
                let diff = short(&change.diff(), LINES);
                lines.extend(diff.iter().map(|line| format!("  {line}")));
            }
            told.insert(key);
        }
        // A difference that is gone, and comes again, is news again.
        let prefix = format!("{kind} ");
        state.told.retain(|key| !key.starts_with(&prefix));
        state.told.extend(told);
        if !lines.is_empty() {
            let lines = short(&lines, ALL_LINES).join("\n  ");
            say!(
                kind,
                "{lines}\n  `{command}` shows all, `{command} approve` accepts it"
            );
        }
    }
}

fn key(change: &Change<'_>) -> String {
    let sha256 = match change.what {
        What::Changed { to, .. } | What::New { to } | What::Renamed { to, .. } => {
            to.sha256.as_str()
        }
        What::Vanished { .. } => "",
    };
    format!("{} {} {sha256}", change.kind, change.name)
}

fn counted(kind: Kind, set: &PinSet) -> String {
    let count = set.pins(kind).map_or(0, |pins| pins.items.len());
    match (kind, count) {
        (Kind::Instructions, 0) => "no instructions".to_owned(),
        (Kind::Instructions, _) => "the server's instructions".to_owned(),
        (kind, 1) => format!("1 {kind}"),
        (kind, count) => format!("{count} {kind}s"),
    }
}

impl Enforcement {
    /// Tells the host that the lists of these kinds are others now, because of what the user has approved.
    pub(super) async fn announce(self: &Arc<Self>, kinds: &[Kind]) {
        for kind in kinds {
            let (list, method) = match kind {
                Kind::Tool => (policy::Kind::Tools, "notifications/tools/list_changed"),
                Kind::Prompt => (policy::Kind::Prompts, "notifications/prompts/list_changed"),
                // A host gets them once, at its handshake.
                Kind::Instructions => continue,
            };
            for notice in self.notices(list, method) {
                self.tell_host(notice).await;
            }
        }
    }

    /// Passes a notification to the host, behind what is on its way there.
    pub(super) async fn tell_host(&self, notice: Frame) {
        let _ = self.events.send(ExchangeEvent::News(notice)).await;
    }

    /// Returns the notification in the words of the host's era: one for each of its subscriptions, or one without.
    fn notices(&self, list: policy::Kind, method: &str) -> Vec<Frame> {
        let state = self.state();
        let is_modern = state
            .meta
            .as_deref()
            .is_some_and(|meta| member_of(meta, META_VERSION).is_some());
        if !is_modern {
            return vec![Frame::notification(method, None)];
        }
        let open = state.requests.iter();
        let subscriptions = open.filter(|(_, request)| request.listens.contains(&list));
        subscriptions.map(|(id, _)| marked(method, id)).collect()
    }
}

fn marked(method: &str, subscription: &Id) -> Frame {
    let (mut params, mut meta) = (Object::default(), Object::default());
    meta.set(META_SUBSCRIPTION, subscription.text());
    params.set_object("_meta", meta);
    Frame::notification(method, Some(&params.text()))
}
