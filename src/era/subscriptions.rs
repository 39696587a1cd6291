//! Subscriptions (MCP 2026-07-28, basic/patterns/subscriptions), as far as the pairs share them: the filter, the mark that
//! notifications carry, the notifications that make up for missed ones, and when to try again.
//!
//! Keeps no subscription: each pair with a modern side keeps its own.

use std::time::Duration;

pub(crate) use super::protocol::ACKNOWLEDGED;
use super::protocol::{ListChanges, META_SUBSCRIPTION, list_changes};
use crate::backoff;
use crate::frame::{BridgeError, Frame, Id, member_of};

/// Returns the id of the subscription that a notification belongs to.
pub(crate) fn id_of(frame: &Frame) -> Option<Id> {
    Id::parse(frame.meta(META_SUBSCRIPTION)?)
}

/// Returns the id of the subscription that a result ends.
pub(super) fn id_of_result(frame: &Frame) -> Option<Id> {
    Id::parse(member_of(
        frame.member_in("result", "_meta")?,
        META_SUBSCRIPTION,
    )?)
}

/// Marks a notification, or a result, as part of a subscription. `within` is `params` or `result`.
pub(super) fn with_id(frame: &Frame, within: &str, id: &Id) -> Option<Frame> {
    frame.edited(|message| {
        message.edit(within, |inner| {
            inner.edit("_meta", |meta| meta.set(META_SUBSCRIPTION, id.text()));
        });
    })
}

/// Takes the mark of its subscription off a notification. One that has none keeps its bytes.
pub(super) fn without_id(frame: &Frame) -> Frame {
    if id_of(frame).is_none() {
        return frame.clone();
    }
    frame.edit(|message| {
        message.edit("params", |params| {
            params.edit("_meta", |meta| {
                meta.remove(META_SUBSCRIPTION);
            });
        });
    })
}

/// Returns the list that a notification says has changed, if one can listen for that.
pub(super) fn changed_list(method: &str) -> Option<ListChanges> {
    let list = method.strip_prefix("notifications/")?;
    let list = list.strip_suffix("/list_changed")?;
    list_changes().find(|changes| changes.list == list)
}

/// Writes the notification that a list has changed.
pub(super) fn list_changed(list: &str) -> Frame {
    Frame::notification(&format!("notifications/{list}/list_changed"), None)
}

/// Writes, for the subscription with this id, the notifications that each list has changed that a filter names. The filter
/// is JSON text.
pub(crate) fn lists_changed(filter: &str, id: &Id) -> Vec<Frame> {
    let asked = list_changes().filter(|it| member_of(filter, it.filter) == Some("true"));
    asked
        .filter_map(|it| with_id(&list_changed(it.list), "params", id))
        .collect()
}

/// Writes the notification that a resource has changed. `uri` is JSON text.
pub(super) fn resource_updated(uri: &str) -> Frame {
    let params = format!(r#"{{"uri":{uri}}}"#);
    Frame::notification("notifications/resources/updated", Some(&params))
}

/// Says whether it is unknown if the server has seen the request, or a gateway before it had a temporary failure. What
/// certainly was not seen is sent again by the exchange, which says so only when that was of no use.
pub(super) fn was_lost(error: &BridgeError) -> bool {
    match error.status {
        Some(503) => error.retry_after.is_none(),
        Some(status) => matches!(status, 408 | 502 | 504),
        None => error.kind == "cut",
    }
}

/// Says whether a subscription that met this error is worth another try. Not what needs a user: a stream that nothing
/// waits for opens no browser.
pub(super) fn may_return(error: &BridgeError) -> bool {
    match error.kind {
        "refused" => error.retryable,
        kind => matches!(kind, "cut" | "timed_out" | "unreachable"),
    }
}

/// Returns the pause after this many losses in a row: a second, doubling up to `longest`.
pub(super) fn backoff(losses: u32, longest: Duration) -> Duration {
    backoff::doubled(Duration::from_secs(1), losses, longest)
}
