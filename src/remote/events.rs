//! Streams of events: the parts of a response that come one by one.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use crate::remote::transport_error::TransportError;
use crate::sse;

/// A stream of events, read as it comes. Dropping it closes the connection.
pub struct Events {
    chunks: BoxStream<'static, Result<Bytes, TransportError>>,
    parser: sse::Parser,
    /// The server, for messages.
    pub(super) host: String,
    ready: VecDeque<sse::Event>,
    body: Body,
    limit: usize,
}

/// The kind of body that the bytes of a stream turned out to be.
enum Body {
    /// Nothing but white space has come.
    Unknown,
    /// Events.
    Events,
    /// A JSON text, labelled as a stream: no line of a stream begins so. The bytes that have come of it.
    Json(Vec<u8>),
}

impl Events {
    /// Reads events of at most `limit` bytes from chunks that come from `host`.
    pub fn new(
        chunks: BoxStream<'static, Result<Bytes, TransportError>>,
        host: String,
        limit: usize,
    ) -> Self {
        Self {
            // It is read once more after what it ended in.
            chunks: chunks.fuse().boxed(),
            parser: sse::Parser::new(limit),
            host,
            ready: VecDeque::new(),
            body: Body::Unknown,
            limit,
        }
    }

    /// The next event; `None` when the remote closed the stream cleanly. Safe to cancel.
    ///
    /// # Errors
    /// The connection broke, or an event was too large.
    pub async fn next(&mut self) -> Result<Option<sse::Event>, TransportError> {
        loop {
            if let Some(event) = self.next_ready() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.chunks.next().await.transpose()? else {
                return Ok(self.json().or_else(|| self.parser.end()));
            };
            self.take(&chunk)?;
        }
    }

    /// The next event that has come already, if there is one.
    pub fn next_ready(&mut self) -> Option<sse::Event> {
        self.ready.pop_front()
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), TransportError> {
        if matches!(self.body, Body::Unknown) {
            let start = chunk.trim_ascii_start();
            let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
            self.body = match start.trim_ascii_start().first() {
                Some(b'{' | b'[') => Body::Json(Vec::new()),
                Some(_) => Body::Events,
                None => Body::Unknown,
            };
        }
        let is_taken = match &mut self.body {
            Body::Json(text) if text.len() + chunk.len() > self.limit => false,
            Body::Json(text) => {
                text.extend_from_slice(chunk);
                true
            }
            Body::Unknown | Body::Events => self.parser.push(chunk, &mut self.ready).is_ok(),
        };
        is_taken
            .then_some(())
            .ok_or_else(|| TransportError::TooLarge {
                host: self.host.clone(),
                limit: self.limit,
            })
    }

    /// The event that a JSON text in the place of a stream stands for, once it has ended.
    fn json(&mut self) -> Option<sse::Event> {
        let Body::Json(text) = std::mem::replace(&mut self.body, Body::Events) else {
            return None;
        };
        Some(sse::Event {
            data: sse::decoded(text),
            ..sse::Event::default()
        })
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Events")
    }
}
