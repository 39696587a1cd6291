//! Reads a 2xx: one message, a stream of them, or nothing.
//!
//! Labels are hints here: what begins like JSON is JSON, whatever its content type says, except where a page or plain
//! text is named, which is a portal's or a proxy's answer and no server's.
//!
//! MCP 2025-11-25, basic/transports, "Sending Messages to the Server"; RFC 9110 section 8.3.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time;

use crate::content_coding::{self, Broken, Pieces, Undecodable};
use crate::era::Head;
use crate::frame::{Frame, Outline, Parsed};
use crate::http_fields::media_types;
use crate::remote::client::{self, Response};
use crate::remote::failure::{innermost, silence};
use crate::remote::https::Https;
use crate::remote::response_head::head;
use crate::remote::{Answer, Events, Outgoing, TransportError, Verb};
use crate::text::printable;

/// The bytes that are read of a body that says nothing to the host.
const MAX_UNREAD: usize = 64 * 1024;
/// The bytes that are reserved for a body before they have come, whatever length it claims.
const MAX_RESERVED: u64 = 32 * 1024 * 1024;
/// The bytes that are kept of a page in the place of an answer.
const MAX_HEAD: usize = 2 * 1024;
/// The longest field name that a stream of events may begin with, and its colon.
const LONGEST_START: usize = 6;

/// The kind of body that a content type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Events,
    Json,
    /// A page or plain text.
    Text,
    /// None, or one that says nothing about messages.
    Open,
}

impl Label {
    /// Of several labels the one that can be a message counts.
    pub(super) fn of(types: &[String]) -> Self {
        let is_json = |it: &String| {
            let subtype = it.rsplit('/').next().unwrap_or_default();
            subtype.contains("json")
        };
        if types.iter().any(|it| it == "text/event-stream") {
            Self::Events
        } else if types.iter().any(is_json) {
            Self::Json
        } else if types
            .iter()
            .any(|it| it.starts_with("text/") || it == "application/xhtml+xml")
        {
            Self::Text
        } else {
            Self::Open
        }
    }
}

/// The kind of body that its first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Nothing,
    Json,
    Events,
    Other,
}

impl Start {
    /// `None` while more bytes are needed to tell.
    fn of(bytes: &[u8], is_all: bool) -> Option<Self> {
        let bytes = bytes.trim_ascii_start();
        let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => rest.trim_ascii_start(),
            None if b"\xef\xbb\xbf".starts_with(bytes) && !is_all => return None,
            None => bytes,
        };
        if let Some(b'{' | b'[') = bytes.first() {
            return Some(Self::Json);
        }
        if bytes.is_empty() {
            return is_all.then_some(Self::Nothing);
        }
        let fields = [&b":"[..], b"data:", b"event:", b"id:", b"retry:"];
        if fields.iter().any(|field| bytes.starts_with(field)) {
            return Some(Self::Events);
        }
        (is_all || bytes.len() >= LONGEST_START).then_some(Self::Other)
    }
}

impl Https {
    /// Reads a 2xx.
    pub(super) async fn answer(
        &self,
        outgoing: &Outgoing<'_>,
        response: Response,
    ) -> Result<Answer, TransportError> {
        let head = head(&response);
        let is_request = match outgoing.verb {
            Verb::Post(frame) => frame.is_request() && outgoing.to.is_none(),
            Verb::Get => true,
            Verb::Delete => false,
        };
        let types = media_types(&response.headers);
        let label = Label::of(&types);
        let length = response.body.length();
        if !is_request || matches!(head.status, 202 | 204) {
            return self.accepted(outgoing, response).await;
        }
        // A GET is for a stream; an answer without a type offers none, and need not ever have a body.
        if label == Label::Open && types.is_empty() && matches!(outgoing.verb, Verb::Get) {
            return Ok(Answer::Accepted(head));
        }
        if label == Label::Text {
            let other = printable(&types.join(", "), 100);
            let why = format!("HTTP {} with content type {other}", head.status);
            return Err(self.no_message(why, response).await);
        }
        let limit = self.settings().max_message;
        if label != Label::Events && length.is_some_and(|length| length > limit as u64) {
            return Err(self.too_large(limit));
        }
        let mut pieces = content_coding::pieces(&response.headers, response.body);
        if label == Label::Events {
            return Ok(Answer::Stream(head, self.events(pieces)));
        }
        let mut begun = Vec::new();
        let start = loop {
            if let Some(start) = Start::of(&begun, false) {
                break start;
            }
            match pieces.next().await {
                Some(piece) => begun.extend_from_slice(&piece.map_err(|error| self.broken(error))?),
                None => break Start::of(&begun, true).unwrap_or(Start::Nothing),
            }
            if begun.len() > limit {
                return Err(self.too_large(limit));
            }
        };
        match start {
            Start::Nothing => Ok(Answer::Accepted(head)),
            Start::Events => {
                let begun = stream::iter([Ok(Bytes::from(begun))]);
                let pieces = begun.chain(pieces).boxed();
                Ok(Answer::Stream(head, self.events(pieces)))
            }
            Start::Other if label == Label::Open => {
                let labelled = match types.is_empty() {
                    true => "without a content type".to_owned(),
                    false => {
                        let types = printable(&types.join(", "), 100);
                        format!("with content type {types}")
                    }
                };
                Err(self.not_mcp(&format!(
                    "HTTP {} {labelled} and a body that is no JSON",
                    head.status
                )))
            }
            Start::Json | Start::Other => {
                let expected = length.unwrap_or_default().min(MAX_RESERVED);
                let expected = usize::try_from(expected).unwrap_or_default();
                begun.reserve_exact(expected.saturating_sub(begun.len()));
                let body = self.whole(begun, pieces, limit).await?;
                self.message(head, body)
            }
        }
    }

    fn message(&self, head: Head, body: Vec<u8>) -> Result<Answer, TransportError> {
        let text = match String::from_utf8(body) {
            Ok(text) => text,
            // An error is worth more with a few odd letters than not at all; a result has to be to the letter.
            Err(error) => {
                let text = String::from_utf8_lossy(error.as_bytes());
                return match Parsed::read(&text) {
                    Ok(Parsed::One(frame)) if is_error(&frame) => {
                        Ok(Answer::Json(head, Parsed::One(frame)))
                    }
                    _ => Err(self.not_mcp("a body that is not UTF-8")),
                };
            }
        };
        match Parsed::read_owned(text) {
            Ok(parsed) => Ok(Answer::Json(head, parsed)),
            Err(malformed) => Err(self.not_mcp(&format!(
                "a JSON body that is no message: {}",
                malformed.reason
            ))),
        }
    }

    /// Returns the error for a page, with the head of it.
    async fn no_message(&self, why: String, response: Response) -> TransportError {
        let mut pieces = content_coding::pieces(&response.headers, response.body);
        let mut start = Vec::new();
        let read = async {
            while start.len() < MAX_HEAD
                && let Some(Ok(piece)) = pieces.next().await
            {
                start.extend_from_slice(&piece);
            }
        };
        let _ = time::timeout(Duration::from_secs(1), read).await;
        start.truncate(MAX_HEAD);
        TransportError::NotMcp {
            host: self.host().to_owned(),
            why,
            head: String::from_utf8_lossy(&start).into_owned(),
        }
    }

    /// Reads a body that says nothing to us, if it is short.
    pub(super) async fn discard(&self, response: Response) {
        let mut left = MAX_UNREAD;
        let mut pieces = response.body;
        let read = async {
            while let Some(Ok(piece)) = pieces.next().await
                && piece.len() <= left
            {
                left -= piece.len();
            }
        };
        let _ = time::timeout(Duration::from_secs(1), read).await;
    }

    /// Reads the rest of a body of which some is there.
    async fn whole(
        &self,
        mut body: Vec<u8>,
        mut pieces: Pieces<client::Error>,
        limit: usize,
    ) -> Result<Vec<u8>, TransportError> {
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| self.broken(error))?;
            if body.len() + piece.len() > limit {
                return Err(self.too_large(limit));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    pub(super) fn events(&self, pieces: Pieces<client::Error>) -> Events {
        let host = self.host().to_owned();
        let patience = self.settings().body_timeout;
        let chunks = pieces.map(move |piece| piece.map_err(|error| broken(&host, error, patience)));
        Events::new(
            chunks.boxed(),
            self.host().to_owned(),
            self.settings().max_message,
        )
    }

    fn too_large(&self, limit: usize) -> TransportError {
        TransportError::TooLarge {
            host: self.host().to_owned(),
            limit,
        }
    }

    fn broken(&self, error: Broken<client::Error>) -> TransportError {
        match error {
            Broken::Connection(error) => self.fault(&error),
            error => broken(self.host(), error, None),
        }
    }
}

fn broken(host: &str, error: Broken<client::Error>, patience: Option<Duration>) -> TransportError {
    let host = host.to_owned();
    match error {
        Broken::Connection(error) => TransportError::Cut {
            host,
            why: silence(&error, patience).unwrap_or_else(|| innermost(&error)),
        },
        Broken::Body(Undecodable::Short) => TransportError::Cut {
            host,
            why: error.to_string(),
        },
        Broken::Body(_) => TransportError::NotMcp {
            host,
            why: error.to_string(),
            head: String::new(),
        },
    }
}

fn is_error(frame: &Frame) -> bool {
    matches!(frame.outline(), Outline::Response { failed: true, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_it_begins_like() {
        for (bytes, is_all, wanted) in [
            (&b"{"[..], false, Some(Start::Json)),
            (b" \r\n[", false, Some(Start::Json)),
            (b"\xef\xbb\xbf {", false, Some(Start::Json)),
            (b"\xef\xbb", false, None),
            (b"\xef\xbb", true, Some(Start::Other)),
            (b"", false, None),
            (b" \n", true, Some(Start::Nothing)),
            (b"\xef\xbb\xbf", true, Some(Start::Nothing)),
            (b"dat", false, None),
            (b"data: {", false, Some(Start::Events)),
            (b": hello", false, Some(Start::Events)),
            (b"\nid:1", false, Some(Start::Events)),
            (b"<html>", false, Some(Start::Other)),
            (b"ok", false, None),
            (b"ok", true, Some(Start::Other)),
        ] {
            assert_eq!(Start::of(bytes, is_all), wanted, "{bytes:?} {is_all}");
        }
    }

    #[test]
    fn of_several_labels_the_one_that_can_be_a_message_counts() {
        for (types, wanted) in [
            (&[][..], Label::Open),
            (&["application/octet-stream"], Label::Open),
            (&["application/json-rpc"], Label::Json),
            (&["application/vnd.api+json"], Label::Json),
            (&["text/json"], Label::Json),
            (&["application/json", "application/json"], Label::Json),
            (&["text/plain", "application/json"], Label::Json),
            (&["application/json", "text/event-stream"], Label::Events),
            (&["text/html"], Label::Text),
            (&["text/plain"], Label::Text),
        ] {
            let types: Vec<_> = types.iter().map(|&it| it.to_owned()).collect();
            assert_eq!(Label::of(&types), wanted, "{types:?}");
        }
    }
}
