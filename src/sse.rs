//! Bytes to server-sent events, bounded, no I/O.
//!
//! WHATWG HTML section 9.2.6; MCP requirements S-01 to S-05.

use std::time::Duration;

/// One dispatched event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event`, when it is there and not empty.
    pub kind: Option<String>,
    /// The `data` lines, joined with `\n`. Empty for a priming event (S-04).
    pub data: String,
    /// `id` as this event gave it: `None` leaves the stream's last id as it is, empty clears it (S-05).
    pub id: Option<String>,
    /// `retry` as this event gave it (S-07).
    pub retry: Option<Duration>,
}

/// An event grew past the parser's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {limit} bytes")]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

/// Turns chunks, cut anywhere, into events. What follows the last blank line when the stream ends is dropped (S-01).
#[derive(Debug)]
pub struct Parser {
    limit: usize,
}

impl Parser {
    /// A parser that refuses events of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Takes the next bytes and pushes the events they complete.
    ///
    /// # Errors
    /// [`TooLong`]; the parser is of no use afterwards.
    pub fn push(&mut self, _bytes: &[u8], _events: &mut Vec<Event>) -> Result<(), TooLong> {
        Err(TooLong { limit: self.limit })
    }
}
