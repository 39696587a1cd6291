//! Arrays of messages (JSON-RPC 2.0 section 6; MCP 2025-03-26 only), judged while they are read.
//!
//! A member of two bytes costs a hundred once it is a value of ours, so a peer could order gigabytes with a few megabytes.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

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
    Members(Vec<&'a RawValue>),
    /// More than that. They were counted no further, but all of the text is JSON.
    TooLarge,
}

/// Reads the members of an array.
///
/// # Errors
/// The text is not one JSON array.
pub(super) fn read(text: &str) -> Result<ReadBatch<'_>, serde_json::Error> {
    struct Bounded;
    impl<'de> Visitor<'de> for Bounded {
        type Value = ReadBatch<'de>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an array of messages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while members.len() < MAX_BATCH {
                let Some(member) = array.next_element()? else {
                    return Ok(ReadBatch::Members(members));
                };
                members.push(member);
            }
            if array.next_element::<IgnoredAny>()?.is_none() {
                return Ok(ReadBatch::Members(members));
            }
            while array.next_element::<IgnoredAny>()?.is_some() {}
            Ok(ReadBatch::TooLarge)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let batch = reader.deserialize_seq(Bounded)?;
    reader.end()?;
    Ok(batch)
}
