//! A subscription, which outlives its streams, and the notifications of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::era::ExchangeId;
use crate::era::protocol::{META_SUBSCRIPTION, list_changes};
use crate::era::subscriptions;
use crate::frame::{Frame, Id, Object};

/// Subscriptions by key; a key is also the token of the timer that opens one again.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(pub(super) BTreeMap<u64, Subscription>);

impl Subscriptions {
    /// Returns the id under which the remote knows it now.
    pub(super) fn id(&self, key: u64) -> Option<&Id> {
        self.0.get(&key).map(|subscription| &subscription.id)
    }
}

/// A subscription of the host's.
#[derive(Debug)]
pub(super) struct Subscription {
    /// As the host said it.
    pub(super) request: Frame,
    /// The host has asked for the subscription; otherwise it is only there to hear of changes.
    pub(super) is_asked_by_host: bool,
    /// The host's id.
    pub(super) own: Id,
    /// The id under which the remote knows it now.
    pub(super) id: Id,
    /// The present stream, unless it is lost and the next one waited for.
    pub(super) exchange: Option<ExchangeId>,
    /// The filter that the server honoured at first; none before its first acknowledgement.
    pub(super) honoured: Option<BTreeSet<String>>,
    /// The acknowledgement of the present stream has come.
    pub(super) is_acknowledged: bool,
    /// The number of posts so far.
    pub(super) posts: u32,
    /// Losses in a row.
    pub(super) losses: u32,
    /// The token of the timer that ends the row, while the stream stands.
    pub(super) steady: Option<u64>,
    /// The revision was refused once, and the request was sent again (MCP 2026-07-28, basic/versioning).
    pub(super) has_new_version: bool,
}

impl Subscription {
    /// Returns the frame with the host's mark of the subscription in the `_meta` of its `params` or `result`: in place
    /// of the present one, or of none. The mark of another subscription stays, and so does a frame that needs no edit.
    pub(super) fn marked(&self, frame: &Frame, within: &str) -> Frame {
        let meta = frame.member(within).and_then(Object::read);
        let meta = meta.and_then(|it| Object::read(it.get("_meta")?));
        let mark = meta.as_ref().and_then(|meta| meta.get(META_SUBSCRIPTION));
        if mark.is_some_and(|mark| {
            mark == self.own.text() || Id::parse(mark).as_ref() != Some(&self.id)
        }) {
            return frame.clone();
        }
        subscriptions::with_id(frame, within, &self.own).unwrap_or_else(|| frame.clone())
    }

    /// Returns one notification for each thing subscribed, to make up for what may have been missed.
    pub(super) fn synthetic(&self) -> Vec<Frame> {
        let honoured = self.honoured.iter().flatten();
        let frames = honoured.filter_map(|what| match what.split_once(' ') {
            None => {
                let changes = list_changes().find(|changes| changes.filter == what.as_str())?;
                Some(subscriptions::list_changed(changes.list))
            }
            Some(("resourceSubscriptions", uri)) => Some(subscriptions::resource_updated(uri)),
            Some(_) => None,
        });
        frames
            .filter_map(|frame| subscriptions::with_id(&frame, "params", &self.own))
            .collect()
    }
}

/// Returns a filter as a set: the switches that are on, and `kind "item"` for each item of a list.
pub(super) fn wanted(filter: Option<&str>) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    let filter = filter.and_then(Object::read).unwrap_or_default();
    for (kind, value) in filter.iter() {
        match serde_json::from_str(value) {
            Ok(Value::Bool(true)) => {
                wanted.insert(kind.to_owned());
            }
            Ok(Value::Array(items)) => {
                wanted.extend(items.iter().map(|item| format!("{kind} {item}")));
            }
            _ => {}
        }
    }
    wanted
}
