//! The lines for the host, and their bytes.

use std::io;
use std::iter;
use std::sync::{Arc, OnceLock};

use crate::frame::Frame;

/// The number of bytes that are gathered before they are written: the size of a pipe.
pub(super) const BUFFER: usize = 64 * 1024;

/// The reason why a line was not written, where its reader has not merely left: a full disk.
pub type Unwritten = Arc<OnceLock<io::Error>>;

/// A line of stdout.
#[derive(Debug)]
pub enum Written {
    /// A message.
    One(Frame),
    /// The response to a request that asked for progress.
    Answer {
        /// The response.
        frame: Frame,
        /// The request's `progressToken`, as its JSON text (MCP 2025-11-25, basic/utilities/progress).
        progress_token: Box<str>,
    },
    /// The answers to a batch, as one array (MCP 2025-03-26 only, basic).
    Batch(Vec<Frame>),
}

impl Written {
    /// Returns the line, without its end.
    pub fn text(&self) -> String {
        match self {
            Self::One(frame) | Self::Answer { frame, .. } => frame.text().into(),
            Self::Batch(frames) => {
                let texts: Vec<_> = frames.iter().map(Frame::text).collect();
                format!("[{}]", texts.join(","))
            }
        }
    }

    /// Returns the bytes of the line in their order, with its end.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let (frames, is_array) = match self {
            Self::One(frame) | Self::Answer { frame, .. } => (std::slice::from_ref(frame), false),
            Self::Batch(frames) => (frames.as_slice(), true),
        };
        let texts = frames.iter().enumerate().flat_map(move |(at, frame)| {
            let before: &[u8] = match at {
                _ if !is_array => b"",
                0 => b"[",
                _ => b",",
            };
            iter::once(before).chain(frame.pieces().map(str::as_bytes))
        });
        let end: &[u8] = if is_array { b"]\n" } else { b"\n" };
        texts.chain(iter::once(end))
    }
}

/// Notes why stdout takes no more lines. A reader that has left is no fault.
pub(super) fn note(error: io::Error, unwritten: &Unwritten) {
    tracing::info!(%error, "stdout is closed");
    if !matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    ) {
        let _ = unwritten.set(error);
    }
}
