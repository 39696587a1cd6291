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
mod scan;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::Value;

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
use scan::{Member, Place};

/// A JSON-RPC message on one line.
#[derive(Clone)]
pub struct Frame {
    /// Shared, because a frame is kept until it is answered, in case it must be sent again.
    text: Arc<String>,
    /// The places of its members in the text, if they are not too many.
    members: Option<Arc<Vec<Member>>>,
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
        Self::of(Cow::Borrowed(trimmed(text)))
    }

    /// Reads a line as [`Parsed::read`] does, and keeps it without copying it where nothing stands before the
    /// message.
    ///
    /// # Errors
    /// As [`Parsed::read`].
    pub fn read_owned(mut text: String) -> Result<Self, Malformed> {
        let message = trimmed(&text);
        if std::ptr::eq(message.as_ptr(), text.as_ptr()) {
            text.truncate(message.len());
            Self::of(Cow::Owned(text))
        } else {
            Self::of(Cow::Borrowed(message))
        }
    }

    fn of(text: Cow<'_, str>) -> Result<Self, Malformed> {
        if !text.starts_with('[') {
            return Frame::of(text).map(Self::One);
        }
        let refused = |reason: String| Malformed {
            id: None,
            code: INVALID_REQUEST,
            reason,
        };
        match batch::read(&text).ok_or_else(|| fault(&text))? {
            ReadBatch::Members(members) if members.is_empty() => {
                Err(refused("an empty batch".into()))
            }
            ReadBatch::Members(members) => {
                Ok(Self::Batch(members.into_iter().map(Frame::parse).collect()))
            }
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
        Self::of(Cow::Borrowed(trimmed(text)))
    }

    /// Reads a text without white space and byte order mark around it.
    fn of(mut text: Cow<'_, str>) -> Result<Self, Malformed> {
        let mut found = Members::default();
        let read = scan::message(&text, |place| found.take(&text, place));
        let (mut members, scanned) = read.ok_or_else(|| fault(&text))?;
        let outline = found.outline()?;
        let unwanted = match outline {
            // The other side would turn down a notification with an id, even with one that is null.
            Outline::Notification { .. } => found.ids,
            // The host would turn down an answer with both members, even with one that is null.
            Outline::Response { .. } => found.void().into_iter().collect(),
            Outline::Request { .. } => Vec::new(),
        };
        if !unwanted.is_empty() || scanned.has_line_breaks {
            // Line breaks cannot stand inside a JSON string, so those in valid JSON are layout and can go.
            text = without(&text, &unwanted).replace(['\n', '\r'], "").into();
            (members, _) = scan::message(&text, |_| {}).ok_or_else(|| fault(&text))?;
        }
        Ok(Self {
            text: Arc::new(text.into_owned()),
            members: members.map(Arc::new),
            outline,
        })
    }

    /// A message of our own: its outline and its text, which is a JSON object on one line.
    fn ours(outline: Outline, text: String) -> Self {
        let members = scan::message(&text, |_| {}).and_then(|(members, _)| members);
        Self {
            text: Arc::new(text),
            members: members.map(Arc::new),
            outline,
        }
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
        self.member_in("error", "code")?.parse().ok()
    }

    /// Returns a top-level member as its JSON text (`params`, `result`, `error`), with its quotes and escapes. Of two with one
    /// name it is the last, as in JavaScript; the peer may take the first.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.find(name).map(|member| member.place.value(&self.text))
    }

    /// Returns a member of a top-level member as [`Frame::member`] does.
    pub fn member_in(&self, outer: &str, name: &str) -> Option<&str> {
        let outer = self.find(outer)?;
        let Some(members) = &outer.members else {
            return member_of(outer.place.value(&self.text), name);
        };
        let is_it = |place: &&Place| scan::reads(place.name(&self.text), name);
        Some(members.iter().rfind(is_it)?.value(&self.text))
    }

    /// Returns a member of `params` as [`Frame::member`] does.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.member_in("params", name)
    }

    /// The last member of that name.
    fn find(&self, name: &str) -> Option<Member> {
        let is_it = |place: &Place| scan::reads(place.name(&self.text), name);
        if let Some(members) = &self.members {
            return members.iter().rfind(|member| is_it(&member.place)).cloned();
        }
        let mut found = None;
        scan::members(&self.text, |place| {
            if is_it(&place) {
                found = Some(place);
            }
        });
        found.map(|place| Member {
            place,
            members: None,
        })
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
        let (id, method) = (id.clone(), method.into());
        Self::ours(Outline::Request { id, method }, text)
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
        let method = method.into();
        Self::ours(Outline::Notification { method }, text)
    }

    /// A successful answer. `result` is JSON text, passed on as it is.
    pub fn result(id: &Id, result: &str) -> Self {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        let (id, failed) = (Some(id.clone()), false);
        Self::ours(Outline::Response { id, failed }, text)
    }

    /// An error answer; without an id it is `null` (JSON-RPC 2.0 section 5).
    pub fn error(id: Option<&Id>, code: i64, message: &str, data: Option<&Value>) -> Self {
        let shown = id.map_or("null", Id::text);
        let data = data
            .map(|data| format!(r#","data":{data}"#))
            .unwrap_or_default();
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{shown},"error":{{"code":{code},"message":{}{data}}}}}"#,
            quoted(message)
        );
        let (id, failed) = (id.cloned(), true);
        Self::ours(Outline::Response { id, failed }, text)
    }

    /// Returns the request or response under another id, even if it had none. Everything but the id keeps its text.
    pub fn with_id(&self, id: &Id) -> Self {
        let mut frame = self.clone();
        match &mut frame.outline {
            Outline::Request { id: place, .. } => *place = id.clone(),
            Outline::Response { id: place, .. } => *place = Some(id.clone()),
            Outline::Notification { .. } => return frame,
        }
        let mut found = Members::default();
        match &self.members {
            Some(members) => members
                .iter()
                .for_each(|it| found.take(&self.text, &it.place)),
            None => {
                scan::members(&self.text, |place| found.take(&self.text, &place));
            }
        }
        let ids = found.ids;
        let mut text = String::with_capacity(self.text.len() + id.text().len() + 8);
        let mut rest = self.text.as_str();
        if ids.is_empty() {
            text.push_str("{\"id\":");
            text.push_str(id.text());
            text.push(',');
            rest = rest.strip_prefix('{').unwrap_or_default();
        }
        let mut from = self.text.len() - rest.len();
        for old in ids {
            text.push_str(self.text.get(from..old.start).unwrap_or_default());
            text.push_str(id.text());
            from = old.end;
        }
        text.push_str(self.text.get(from..).unwrap_or_default());
        Self::ours(frame.outline, text)
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

/// The text of an object without these members, given by the places of their values, in order.
fn without(text: &str, values: &[Range<usize>]) -> String {
    let mut text_left = text.to_owned();
    for value in values.iter().rev() {
        let before = text_left.get(..value.start).unwrap_or_default();
        let after = text_left.get(value.end..).unwrap_or_default();
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

/// A text without the white space and the byte order mark that may stand around a message.
fn trimmed(text: &str) -> &str {
    without_mark(text).trim_matches(|c: char| c.is_ascii_whitespace())
}

/// The fault of a text that is not one JSON object. Only now is the place of it worth a second reading.
fn fault(text: &str) -> Malformed {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => not_json(&error),
        Ok(_) => Malformed {
            id: None,
            code: INVALID_REQUEST,
            reason: "not a JSON object".into(),
        },
    }
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
