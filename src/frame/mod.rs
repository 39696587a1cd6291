//! A JSON-RPC message that keeps the text it came in.
//!
//! A bridge that rebuilds messages loses what it does not know: numbers beyond `f64`, unknown members, the order of
//! keys, the spelling of escapes. So a [`Frame`] keeps its text and, beside it, an [`Outline`]: the few things needed
//! to route it. A frame that is not edited leaves as the bytes that came.
//!
//! JSON-RPC 2.0; MCP `basic/messages` for the rules on ids.

mod batch;
mod error;
mod id;
mod malformed;
mod members;
mod object;
mod outline;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::without_mark;
pub use batch::{MAX_BATCH, takes_batches};
pub use error::BridgeError;
pub use id::Id;
pub use malformed::{
    INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, Malformed, PARSE_ERROR,
};
pub use members::member_of;
pub(crate) use object::{Object, string};
pub use outline::Outline;

use batch::ReadBatch;
use members::Members;

/// A JSON-RPC message on one line.
#[derive(Clone)]
pub struct Frame {
    /// Shared, because a frame is kept until it is answered, in case it must be sent again.
    text: Arc<str>,
    outline: Outline,
}

/// The content of one line, one JSON body or one event's data: a message, or a batch (MCP 2025-03-26 only, basic).
#[derive(Debug)]
pub enum Parsed {
    /// A single message.
    One(Frame),
    /// An array, each member judged by itself. Never empty.
    Batch(Vec<Result<Frame, Malformed>>),
}

impl Parsed {
    /// Reads a line. Raw line breaks between tokens and a byte order mark before them are taken out; everything else is
    /// kept as it came.
    ///
    /// # Errors
    /// Text that is not one JSON value, a value that is not a message, an empty array.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        let text = without_mark(text).trim_matches(|c: char| c.is_ascii_whitespace());
        if !text.starts_with('[') {
            return Frame::parse(text).map(Self::One);
        }
        let refused = |reason: String| Malformed {
            id: None,
            code: INVALID_REQUEST,
            reason,
        };
        match batch::read(text).map_err(|error| not_json(&error))? {
            ReadBatch::Members(members) if members.is_empty() => {
                Err(refused("an empty batch".into()))
            }
            ReadBatch::Members(members) => Ok(Self::Batch(
                members
                    .into_iter()
                    .map(|member| Frame::parse(member.get()))
                    .collect(),
            )),
            ReadBatch::TooLarge => Err(refused(format!(
                "a batch of more than {MAX_BATCH} messages"
            ))),
        }
    }
}

impl Frame {
    /// Reads one message; see [`Parsed::read`] for lines that may hold a batch.
    ///
    /// # Errors
    /// Text that is not JSON, or JSON that is not a JSON-RPC 2.0 message.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = without_mark(text).trim_matches(|c: char| c.is_ascii_whitespace());
        // The whole text, before any of it is believed: below, member names are read as bytes, where serde_json lets raw
        // control characters pass. With one of these the peer would read another name than mcpipe (RFC 8259 section 7).
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error))?;
        if !text.starts_with('{') {
            return Err(Malformed {
                id: None,
                code: INVALID_REQUEST,
                reason: "not a JSON object".into(),
            });
        }
        let members: Members<'_> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        let ids = members.ids();
        let void = members.void();
        let outline = members.outline()?;
        let text = match outline {
            // The other side would turn down a notification with an id, even with one that is null.
            Outline::Notification { .. } if !ids.is_empty() => Cow::Owned(without(text, &ids)),
            // The host would turn down an answer with both members, even with one that is null.
            Outline::Response { .. } if void.is_some() => {
                Cow::Owned(without(text, void.as_slice()))
            }
            _ => Cow::Borrowed(text),
        };
        Ok(Self {
            text: one_line(&text).into(),
            outline,
        })
    }

    /// The message as one line of JSON, without its line end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the members that route it.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The id of a request or of the request a response answers.
    pub fn id(&self) -> Option<&Id> {
        match &self.outline {
            Outline::Request { id, .. } => Some(id),
            Outline::Response { id, .. } => id.as_ref(),
            Outline::Notification { .. } => None,
        }
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match &self.outline {
            Outline::Request { method, .. } | Outline::Notification { method } => Some(method),
            Outline::Response { .. } => None,
        }
    }

    /// Says whether an answer is owed to it.
    pub fn is_request(&self) -> bool {
        matches!(self.outline, Outline::Request { .. })
    }

    /// Says whether it answers a request.
    pub fn is_response(&self) -> bool {
        matches!(self.outline, Outline::Response { .. })
    }

    /// Says whether it answers a request with an error.
    pub fn is_error(&self) -> bool {
        matches!(self.outline, Outline::Response { failed: true, .. })
    }

    /// Returns the code of an error answer.
    pub fn error_code(&self) -> Option<i64> {
        member_of(self.member("error")?, "code")?.parse().ok()
    }

    /// Returns a top-level member as its JSON text (`params`, `result`, `error`), with its quotes and escapes. Of two with one
    /// name it is the last, as in JavaScript; the peer may take the first.
    pub fn member(&self, name: &str) -> Option<&str> {
        member_of(&self.text, name)
    }

    /// Returns a member of `params` as [`Frame::member`] returns one of the message.
    pub fn param(&self, name: &str) -> Option<&str> {
        member_of(self.member("params")?, name)
    }

    /// The id that a `notifications/cancelled` names.
    pub fn cancels(&self) -> Option<Id> {
        if self.method() != Some("notifications/cancelled") || self.is_request() {
            return None;
        }
        Id::parse(self.param("requestId")?)
    }

    /// A request of our own. `params` is JSON text, passed on as it is.
    pub fn request(id: &Id, method: &str, params: Option<&str>) -> Self {
        let text = match params {
            Some(params) => {
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{params}}}"#,
                    quoted(method)
                )
            }
            None => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":{}}}"#,
                quoted(method)
            ),
        };
        Self {
            text: text.into(),
            outline: Outline::Request {
                id: id.clone(),
                method: method.into(),
            },
        }
    }

    /// A notification of our own. `params` is JSON text, passed on as it is.
    pub fn notification(method: &str, params: Option<&str>) -> Self {
        let text = match params {
            Some(params) => format!(
                r#"{{"jsonrpc":"2.0","method":{},"params":{params}}}"#,
                quoted(method)
            ),
            None => format!(r#"{{"jsonrpc":"2.0","method":{}}}"#, quoted(method)),
        };
        Self {
            text: text.into(),
            outline: Outline::Notification {
                method: method.into(),
            },
        }
    }

    /// A successful answer. `result` is JSON text, passed on as it is.
    pub fn result(id: &Id, result: &str) -> Self {
        Self {
            text: format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into(),
            outline: Outline::Response {
                id: Some(id.clone()),
                failed: false,
            },
        }
    }

    /// An error answer; without an id it is `null` (JSON-RPC 2.0 section 5).
    pub fn error(id: Option<&Id>, code: i64, message: &str, data: Option<&Value>) -> Self {
        let shown = id.map_or("null", Id::text);
        let data = data
            .map(|data| format!(r#","data":{data}"#))
            .unwrap_or_default();
        Self {
            text: format!(
                r#"{{"jsonrpc":"2.0","id":{shown},"error":{{"code":{code},"message":{}{data}}}}}"#,
                quoted(message)
            )
            .into(),
            outline: Outline::Response {
                id: id.cloned(),
                failed: true,
            },
        }
    }

    /// Returns the request or response under another id, even if it had none. Everything but the id keeps its text.
    pub fn with_id(&self, id: &Id) -> Self {
        let mut frame = self.clone();
        match &mut frame.outline {
            Outline::Request { id: place, .. } => *place = id.clone(),
            Outline::Response { id: place, .. } => *place = Some(id.clone()),
            Outline::Notification { .. } => return frame,
        }
        if let Ok(members) = serde_json::from_str::<Members<'_>>(&self.text) {
            let mut text = String::with_capacity(self.text.len());
            let mut rest = &*self.text;
            if members.id.is_none() {
                text = format!("{{\"id\":{id},");
                rest = rest.trim_start().strip_prefix('{').unwrap_or_default();
            }
            for old in members.earlier_ids.into_iter().chain(members.id) {
                // RawValue borrows from the text, so its place is the place to cut.
                let start = old.get().as_ptr() as usize - rest.as_ptr() as usize;
                let (before, after) = rest.split_at(start);
                text.push_str(before);
                text.push_str(id.text());
                rest = after.split_at(old.get().len()).1;
            }
            text.push_str(rest);
            frame.text = text.into();
        }
        frame
    }
}

impl fmt::Debug for Frame {
    /// Shows the outline only: the text may hold a person's data.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} ({} bytes)", self.outline, self.text.len())
    }
}

impl Malformed {
    /// The error to send back for it.
    pub fn reply(&self) -> Frame {
        let message = match self.code {
            PARSE_ERROR => format!("Parse error: {}", self.reason),
            _ => format!("Invalid request: {}", self.reason),
        };
        Frame::error(self.id.as_ref(), self.code, &message, None)
    }
}

fn quoted(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Line breaks cannot stand inside a JSON string, so those in valid JSON are layout and can go.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) {
        Cow::Owned(text.replace(['\n', '\r'], ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text of an object without these members, given by their values, in order.
fn without(text: &str, values: &[&RawValue]) -> String {
    let mut text_left = text.to_owned();
    for value in values.iter().rev() {
        // RawValue borrows from the text, so its place is the place to cut.
        let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
        let end = start + value.get().len();
        let before = text_left.get(..start).unwrap_or_default();
        let after = text_left.get(end..).unwrap_or_default();
        // The name has no quotes within: it reads "id", however it is written.
        let name = before.trim_end().trim_end_matches(':').trim_end();
        let name = name.trim_end_matches('"');
        let before = name.rsplit_once('"').map_or(name, |(before, _)| before);
        text_left = match after.trim_start().strip_prefix(',') {
            Some(after) => format!("{before}{after}"),
            None => format!("{}{after}", before.trim_end().trim_end_matches(',')),
        };
    }
    text_left
}

/// serde_json's own text quotes the input only in "invalid type" errors, which cannot arise here; the place is enough.
fn not_json(error: &serde_json::Error) -> Malformed {
    let reason = if error.is_eof() {
        "the JSON ends too early"
    } else {
        "not JSON"
    };
    let place = match error.line() {
        0 | 1 => format!("column {}", error.column()),
        line => format!("line {line}, column {}", error.column()),
    };
    Malformed {
        id: None,
        code: PARSE_ERROR,
        reason: format!("{reason} ({place})"),
    }
}

#[cfg(test)]
mod tests;
