//! Tasks of servers, as far as the pairs share them that drive one for a host that knows only calls: the pace of polls,
//! and the words in which a task's end reaches the host (SEP-2663, and MCP 2025-11-25, basic/utilities/tasks).

use std::time::Duration;

use super::legacy::error_reply;
use crate::frame::{BridgeError, Frame, INTERNAL_ERROR, Id, Object};

/// The interval between polls when the server does not say, and the bounds of what it may say.
pub(super) const PACE: Duration = Duration::from_millis(1000);
const QUICKEST_MILLIS: u64 = 100;
const SLOWEST_MILLIS: u64 = 60_000;
/// The most polls in a row that may fail in ways that pass.
pub(super) const MAX_FAILURES: u32 = 5;

/// Reads the interval between polls, in milliseconds as JSON text.
pub(super) fn pace(millis: Option<&str>, otherwise: Duration) -> Duration {
    let millis = millis.and_then(|text| text.parse::<u64>().ok());
    millis.map_or(otherwise, |millis| {
        Duration::from_millis(millis.clamp(QUICKEST_MILLIS, SLOWEST_MILLIS))
    })
}

/// Says whether an error is the bridge's own: nothing is known of the task then.
pub(super) fn is_ours(frame: &Frame) -> bool {
    frame.error_data("source") == Some(r#""mcpipe""#)
}

/// Returns the answer to a call whose task the server has cancelled. `words` are the task's own, as JSON text.
pub(super) fn cancelled(id: &Id, words: Option<&str>) -> Frame {
    let words = with_words("The server cancelled its task", words);
    BridgeError::new("cancelled", words).reply(id)
}

/// Returns the answer to a call whose task has failed with an error, as JSON text, or without one.
pub(super) fn failed(id: &Id, error: Option<&str>, words: Option<&str>) -> Frame {
    let error = error.filter(|error| Object::read(error).is_some());
    let frame = error.and_then(|error| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
        Frame::parse(&text).ok()
    });
    frame.unwrap_or_else(|| {
        let words = with_words("The server's task failed", words);
        Frame::error(Some(id), INTERNAL_ERROR, &words, None)
    })
}

/// Returns the answer to a call whose task may go on, or be done, and cannot be followed for this error of the bridge's.
pub(super) fn lost(call: &Frame, error: &Frame) -> Option<Frame> {
    let message = error
        .member_in("error", "message")
        .and_then(|text| serde_json::from_str::<String>(text).ok())
        .unwrap_or_default();
    let words = format!("The server's task cannot be followed any more: {message}");
    error_reply(call, &BridgeError::new("cut", words).retryable())
}

/// Returns a sentence that ends with what the server says in words, if it does.
fn with_words(sentence: &str, words: Option<&str>) -> String {
    let words = words.and_then(|words| serde_json::from_str::<String>(words).ok());
    match words.filter(|words| !words.trim().is_empty()) {
        Some(words) if words.ends_with(['.', '!', '?']) => format!("{sentence}: {words}"),
        Some(words) => format!("{sentence}: {words}."),
        None => format!("{sentence}."),
    }
}
