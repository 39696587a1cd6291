//! Arrays of messages (JSON-RPC 2.0 section 6; MCP 2025-03-26 only), judged while they are read.
//!
//! A member of two bytes costs a hundred once it is a value of ours, so a peer could order gigabytes with a few megabytes.

use super::scan;

/// The most messages that one array may hold.
pub const MAX_BATCH: usize = 1000;

/// The only revision of MCP in which an array may hold several messages.
const REVISION: &str = "2025-03-26";

/// Says whether an array may hold several messages in this revision. In every other, one that holds a single message is
/// that message, and one that holds more is a mistake.
pub fn takes_batches(revision: &str) -> bool {
    revision == REVISION
}

/// An array's members, or that there are too many.
pub(super) enum ReadBatch<'a> {
    /// At most [`MAX_BATCH`], as their text.
    Members(Vec<&'a str>),
    /// More than that. They were counted no further, but all of the text is JSON.
    TooLarge,
}

/// Reads the members of an array; `None` for a text that is not one JSON array.
pub(super) fn read(text: &str) -> Option<ReadBatch<'_>> {
    let (mut members, mut is_too_large) = (Vec::new(), false);
    scan::elements(text, |place| {
        if members.len() < MAX_BATCH {
            members.push(place.value(text));
        } else {
            is_too_large = true;
        }
    })?;
    Some(if is_too_large {
        ReadBatch::TooLarge
    } else {
        ReadBatch::Members(members)
    })
}
