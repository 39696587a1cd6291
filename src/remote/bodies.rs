//! Bodies in which no answer is expected, and may be all the same: a 202 or 204 to a request, and every refusal.
//!
//! Servers and gateways put statuses of their own on answers, and write errors as a batch or as an event where the request
//! would have been answered with one. What is there is read, within bounds, and nothing is waited for that need not come.
//!
//! MCP 2025-11-25 basic/transports, "Sending Messages to the Server".

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{self, Instant};

use crate::auth::oauth::challenge::Challenge;
use crate::content_coding::{self, Pieces};
use crate::era::{Head, HttpError};
use crate::frame::{Frame, Id, PARSE_ERROR, Parsed};
use crate::http_fields::{media_types, retry_after};
use crate::redirect;
use crate::remote::client::{self, Response};
use crate::remote::https::Https;
use crate::remote::reading::Label;
use crate::remote::refusal_text;
use crate::remote::response_head::{asks_for_a_token, head};
use crate::remote::{Answer, Outgoing, TransportError, Verb};
use crate::sse;
use crate::text::without_mark;

/// The bytes that are read of a body that is not said to hold a message.
const MAX_UNREAD: usize = 64 * 1024;
/// The bytes of a body that are looked through for events at once: one of them may be as much as an event of a hundred.
const PIECE: usize = 32 * 1024;
/// The bytes that are read of a body that is not labelled as a stream of events.
const MAX_EVENTS: usize = 1024 * 1024;
/// The bytes of a refusal's body that are kept as text.
const MAX_WORDS: usize = 2 * 1024;
/// The longest pause of a body that need not be there.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest pause of a body that is said to hold a message, and of a refusal's.
const LONGER_SILENCE: Duration = Duration::from_secs(5);
/// The time that a body may take in all that is read for the sake of an error's words.
const LONGEST: Duration = Duration::from_secs(30);

impl Https {
    /// A 2xx that says that nothing is in it, or that is no answer because the answer comes elsewhere.
    pub(super) async fn accepted(
        &self,
        outgoing: &Outgoing<'_>,
        response: Response,
    ) -> Result<Answer, TransportError> {
        let head = head(&response);
        if !matches!(outgoing.verb, Verb::Post(frame) if frame.is_request()) {
            // Nothing in it is for the host.
            self.discard(response).await;
            return Ok(Answer::Accepted(head));
        }
        let is_elsewhere = outgoing.to.is_some();
        let label = Label::of(&media_types(&response.headers));
        let pieces = content_coding::pieces(&response.headers, response.body);
        let (limit, silence) = match label {
            Label::Events if !is_elsewhere => {
                return Ok(Answer::Stream(head, self.events(pieces)));
            }
            Label::Json => (self.settings().max_message, LONGER_SILENCE),
            _ => (MAX_UNREAD, SILENCE),
        };
        let is_json = label == Label::Json;
        let body = some_of(pieces, limit, silence).await;
        self.if_answered(
            head,
            &String::from_utf8_lossy(&body),
            is_json && !is_elsewhere,
        )
    }

    fn if_answered(&self, head: Head, text: &str, is_json: bool) -> Result<Answer, TransportError> {
        match Parsed::read(text) {
            Ok(parsed) if !responses(&parsed).is_empty() => Ok(Answer::Json(head, parsed)),
            // What was meant to be the answer is worth being told of; a word like `Accepted` is not.
            Err(malformed)
                if is_json && malformed.code == PARSE_ERROR && !text.trim().is_empty() =>
            {
                Err(self.not_mcp(&format!(
                    "HTTP {} with a JSON body that is no message: {}",
                    head.status, malformed.reason
                )))
            }
            _ => Ok(Answer::Accepted(head)),
        }
    }

    /// A refusal, with the message in its body: as JSON, in a batch, or in a stream of events.
    pub(super) async fn refusal(&self, outgoing: &Outgoing<'_>, response: Response) -> HttpError {
        let status = response.status.as_u16();
        let retry_after = retry_after(&response.headers, Some((self.settings().now)()));
        let asks_for_a_token = status == 403 && asks_for_a_token(&response.headers);
        let owed = match outgoing.verb {
            Verb::Post(frame) => frame.id().filter(|_| frame.is_request()),
            _ => None,
        };
        let url = redirect::kept(&response.url);
        let challenge = Challenge::read(status, &response.headers);
        let label = Label::of(&media_types(&response.headers));
        let pieces = content_coding::pieces(&response.headers, response.body);
        let (text, frame) = if label == Label::Events {
            self.refusal_in_events(pieces, owed).await
        } else {
            let limit = match label {
                Label::Json => self.settings().max_message,
                _ => MAX_UNREAD,
            };
            let body = some_of(pieces, limit, LONGER_SILENCE).await;
            let text = String::from_utf8_lossy(&body).into_owned();
            let frame = match Parsed::read(&text) {
                Ok(parsed) => chosen(responses(&parsed), owed).or_else(|| one(parsed)),
                Err(_) => in_events(body.as_slice(), owed),
            };
            (text, frame)
        };
        HttpError {
            status,
            words: refusal_text::of_body(&text).or_else(|| {
                challenge
                    .description
                    .as_deref()
                    .and_then(refusal_text::cleaned)
            }),
            url: Some(url),
            frame,
            text: without_mark(&text).chars().take(MAX_WORDS).collect(),
            retry_after,
            asks_for_a_token,
            ..HttpError::default()
        }
    }

    /// Reads events until a response is among them: a stream may stay open behind it.
    async fn refusal_in_events(
        &self,
        mut pieces: Pieces<client::Error>,
        owed: Option<&Id>,
    ) -> (String, Option<Frame>) {
        let mut parser = sse::Parser::new(self.settings().max_message);
        let mut text = String::new();
        let latest = Instant::now() + LONGEST;
        while let Some(chunk) = next(&mut pieces, LONGER_SILENCE, latest).await {
            if text.len() < MAX_WORDS {
                text.push_str(&String::from_utf8_lossy(&chunk));
            }
            let mut events = Vec::new();
            if parser.push(&chunk, &mut events).is_err() {
                break;
            }
            if let Some(frame) = among(&events, owed) {
                return (text, Some(frame));
            }
        }
        (text, None)
    }
}

/// Reads a body until it ends, breaks, pauses for so long or grows beyond the limit.
async fn some_of(mut pieces: Pieces<client::Error>, limit: usize, silence: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    let latest = Instant::now() + LONGEST;
    while let Some(piece) = next(&mut pieces, silence, latest).await {
        if body.len() + piece.len() > limit {
            break;
        }
        body.extend_from_slice(&piece);
    }
    body
}

/// The next part of a body; none when it has ended or broken, or nothing has come in time.
async fn next(
    pieces: &mut Pieces<client::Error>,
    silence: Duration,
    latest: Instant,
) -> Option<Bytes> {
    let until = latest.min(Instant::now() + silence);
    time::timeout_at(until, pieces.next()).await.ok()??.ok()
}

/// The responses in what was read.
fn responses(parsed: &Parsed) -> Vec<Frame> {
    let members = match parsed {
        Parsed::One(frame) => vec![frame],
        Parsed::Batch(members) => members.iter().flatten().collect(),
    };
    let responses = members.into_iter().filter(|frame| frame.is_response());
    responses.cloned().collect()
}

/// The response under the request's id, or else the first.
fn chosen(mut responses: Vec<Frame>, owed: Option<&Id>) -> Option<Frame> {
    let own = |frame: &Frame| owed.is_some() && frame.id() == owed;
    let at = responses.iter().position(own).unwrap_or_default();
    (at < responses.len()).then(|| responses.swap_remove(at))
}

/// A message that is no response: it is told too, for rules that look at it.
fn one(parsed: Parsed) -> Option<Frame> {
    match parsed {
        Parsed::One(frame) => Some(frame),
        Parsed::Batch(_) => None,
    }
}

/// The response in a body that is a stream of events without saying so.
fn in_events(body: &[u8], owed: Option<&Id>) -> Option<Frame> {
    let mut parser = sse::Parser::new(body.len());
    let mut first = None;
    // The last event may have come without the line that ends it.
    let start = body.get(..MAX_EVENTS).unwrap_or(body);
    for piece in start.chunks(PIECE).chain([&b"\n\n"[..]]) {
        let mut events = Vec::new();
        parser.push(piece, &mut events).ok()?;
        match among(&events, owed) {
            Some(frame) if owed.is_none() || frame.id() == owed => return Some(frame),
            found => first = first.or(found),
        }
    }
    first
}

fn among(events: &[sse::Event], owed: Option<&Id>) -> Option<Frame> {
    let parsed = events
        .iter()
        .filter_map(|event| Parsed::read(&event.data).ok());
    let found: Vec<Frame> = parsed.flat_map(|parsed| responses(&parsed)).collect();
    chosen(found, owed)
}
