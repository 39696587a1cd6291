//! The entries of a transcript, one a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sse;

/// Names an exchange within a transcript.
pub type ExchangeNumber = u64;

/// Header values by lower-case name. `None` is expected not to be there.
pub type HeaderValues = BTreeMap<String, Option<String>>;

/// The content of a line. JSON is kept as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// For the reader.
    Note(String),
    /// About the recording and what stands beside the messages; the text is a JSON object.
    About(About, String),
    /// A line from the host.
    Host(String),
    /// The host's end of file.
    Eof,
    /// A line to the host.
    Bridge(String),
    /// The bridge opens an exchange.
    Request {
        /// Its name.
        x: ExchangeNumber,
        /// The method, with its body.
        verb: Method,
        /// The address, if not the configured one (HTTP+SSE's `endpoint`).
        to: Option<String>,
        /// The headers of the request.
        headers: HeaderValues,
    },
    /// The head of a response, and its body unless that is a stream.
    Answer {
        /// The exchange.
        x: ExchangeNumber,
        /// The HTTP status.
        status: u16,
        /// The headers of the response.
        headers: HeaderValues,
        /// The body.
        body: AnswerBody,
    },
    /// An event on a stream.
    Event {
        /// The exchange.
        x: ExchangeNumber,
        /// The event, whole.
        event: sse::Event,
    },
    /// The remote ends a stream.
    Ended(ExchangeNumber),
    /// The connection breaks under a stream.
    Cut(ExchangeNumber),
    /// No answer came.
    Fault {
        /// The exchange.
        x: ExchangeNumber,
        /// The reason.
        why: FaultKind,
        /// The head of what came in an answer's place, and how that was labelled. Often empty.
        text: String,
    },
    /// The bridge drops an exchange before its end.
    Closed(ExchangeNumber),
}

/// The kind of a line about the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A process has begun to record: its version, system, settings, and whether contents are kept.
    Recording,
    /// The eras that the host and the server have shown to speak.
    Eras,
    /// A request to an authorization server, or for what names one.
    SignIn,
}

/// The method of a request, and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A message or a batch.
    Post(String),
    /// Opens or resumes a stream.
    Get,
    /// Ends a session.
    Delete,
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// A message or a batch.
    Json(String),
    /// Events follow.
    Stream,
    /// Something else, or nothing.
    Text(String),
}

/// The reason why no answer came; the recording's words for [`crate::remote::TransportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No connection.
    Unreachable,
    /// The connection broke before the head of a response.
    Cut,
    /// The answer was not MCP.
    NotMcp,
    /// The answer was too large.
    TooLarge,
}

impl Entry {
    /// The exchange it belongs to.
    pub fn exchange(&self) -> Option<ExchangeNumber> {
        match self {
            Self::Note(_) | Self::About(..) | Self::Host(_) | Self::Eof | Self::Bridge(_) => None,
            Self::Request { x, .. }
            | Self::Answer { x, .. }
            | Self::Event { x, .. }
            | Self::Fault { x, .. }
            | Self::Ended(x)
            | Self::Cut(x)
            | Self::Closed(x) => Some(*x),
        }
    }

    /// Says whether it is for the reader only.
    pub fn is_remark(&self) -> bool {
        matches!(self, Self::Note(_) | Self::About(..))
    }

    /// Says whether the bridge does it, rather than the host or the server.
    pub fn is_expected(&self) -> bool {
        matches!(
            self,
            Self::Bridge(_) | Self::Request { .. } | Self::Closed(_)
        )
    }
}
