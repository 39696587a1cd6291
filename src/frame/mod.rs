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
mod own;
mod scan;
mod shared;
mod stage;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use memchr::memchr2;
use serde::de::IgnoredAny;

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
pub use stage::Stage;

use batch::ReadBatch;
use members::Members;
use scan::{Member, Place};
use shared::Text;

/// A JSON-RPC message on one line. Cheap to clone: a frame is kept until it is answered, in case it must be sent again.
#[derive(Clone)]
pub struct Frame(Arc<Message>);

struct Message {
    text: Text,
    /// The places of its members in the text, if they are not too many.
    members: Option<Vec<Member>>,
    /// The places of the members of `params._meta` in the text, if they are not too many; found when one is asked for.
    meta: OnceLock<Option<Vec<Place>>>,
    outline: Outline,
}

/// A frame's text as the owner of bytes.
struct SharedText(Frame);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.0.text().as_bytes()
    }
}

/// The content of one line, one JSON body or one event's data: a message, or a batch (MCP 2025-03-26 only, basic).
#[derive(Clone, Debug)]
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
        let read = scan::message(&text, |place| {
            found.take(place.name(&text), place.value(&text));
        });
        let (mut members, scanned) = read.ok_or_else(|| fault(&text))?;
        let outline = found.outline()?;
        if let Some(unwanted) = found.unwanted(&outline) {
            text = without(&text, unwanted).into();
            (members, _) = scan::message(&text, |_| {}).ok_or_else(|| fault(&text))?;
        }
        if scanned.has_line_breaks {
            text = without_line_breaks(&text).into();
            (members, _) = scan::message(&text, |_| {}).ok_or_else(|| fault(&text))?;
        }
        Ok(Self::new(Text::new(text.into_owned()), members, outline))
    }

    fn new(text: Text, members: Option<Vec<Member>>, outline: Outline) -> Self {
        Self(Arc::new(Message {
            text,
            members,
            meta: OnceLock::new(),
            outline,
        }))
    }

    /// The message as one line of JSON, without its line end. The first call copies a large message that was edited:
    /// [`Frame::pieces`] never copies.
    pub fn text(&self) -> &str {
        self.0.text.as_str()
    }

    /// The same line in pieces, to be written one after another.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.0.text.pieces()
    }

    /// The length of the line, in bytes.
    pub fn length(&self) -> usize {
        self.0.text.len()
    }

    /// Returns the same message with a text that it shares with no other, for one that is kept for long: a short part of a
    /// large text keeps all of that text.
    pub(crate) fn detached(&self) -> Self {
        match &self.0.text {
            Text::Whole(_) => self.clone(),
            Text::Parts(_) => {
                let message = &self.0;
                let text = Text::new(self.text().to_owned());
                Self::new(text, message.members.clone(), message.outline.clone())
            }
        }
    }

    /// The same text as bytes, which are shared with the frame.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from_owner(SharedText(self.clone()))
    }

    /// Returns the members that route it.
    pub fn outline(&self) -> &Outline {
        &self.0.outline
    }

    /// The id of a request or of the request a response answers.
    pub fn id(&self) -> Option<&Id> {
        match &self.0.outline {
            Outline::Request { id, .. } => Some(id),
            Outline::Response { id, .. } => id.as_ref(),
            Outline::Notification { .. } => None,
        }
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match &self.0.outline {
            Outline::Request { method, .. } | Outline::Notification { method } => Some(method),
            Outline::Response { .. } => None,
        }
    }

    /// Says whether an answer is owed to it.
    pub fn is_request(&self) -> bool {
        matches!(self.0.outline, Outline::Request { .. })
    }

    /// Says whether it answers a request.
    pub fn is_response(&self) -> bool {
        matches!(self.0.outline, Outline::Response { .. })
    }

    /// Says whether it answers a request with an error.
    pub fn is_error(&self) -> bool {
        matches!(self.0.outline, Outline::Response { failed: true, .. })
    }

    /// Returns the code of an error answer.
    pub fn error_code(&self) -> Option<i64> {
        self.member_in("error", "code")?.parse().ok()
    }

    /// Returns a member of the `data` of an error answer, as its JSON text.
    pub(crate) fn error_data(&self, name: &str) -> Option<&str> {
        member_of(self.member_in("error", "data")?, name)
    }

    /// Returns a top-level member as its JSON text (`params`, `result`, `error`), with its quotes and escapes. Of two with one
    /// name it is the last, as in JavaScript; the peer may take the first.
    pub fn member(&self, name: &str) -> Option<&str> {
        let member = self.find(name)?;
        Some(self.0.text.get(member.place.value.clone()))
    }

    /// Returns a member of a top-level member as [`Frame::member`] does.
    pub fn member_in(&self, outer: &str, name: &str) -> Option<&str> {
        Some(self.0.text.get(self.place_in(outer, name)?))
    }

    /// Returns the place of a member of a top-level member in the text.
    pub(crate) fn place_in(&self, outer: &str, name: &str) -> Option<Range<usize>> {
        let outer = self.find(outer)?;
        let text = &self.0.text;
        let start = outer.place.value.start;
        let place = |range: &Range<usize>| start + range.start..start + range.end;
        let found = match &outer.members {
            Some(members) => {
                let is_it = |it: &&Place| scan::reads(text.get(place(&it.name)), name);
                members.iter().rfind(is_it)?.value.clone()
            }
            None => members::place_of(text.get(outer.place.value.clone()), name)?,
        };
        Some(place(&found))
    }

    /// Returns a member of `params` as [`Frame::member`] does.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.member_in("params", name)
    }

    /// Returns the names of the members of the message, or those of a top-level member that is an object, each as often as it
    /// stands there.
    pub(crate) fn names(&self, outer: Option<&str>) -> Vec<Cow<'_, str>> {
        let text = &self.0.text;
        let (object, noted) = match outer {
            None => {
                let noted = self.0.members.as_ref();
                let noted =
                    noted.map(|members| members.iter().map(|it| it.place.name.clone()).collect());
                (0..text.len(), noted)
            }
            Some(outer) => match self.find(outer) {
                None => return Vec::new(),
                Some(outer) => {
                    let (start, noted) = (outer.place.value.start, outer.members.as_ref());
                    let name = |it: &Place| start + it.name.start..start + it.name.end;
                    let noted = noted.map(|members| members.iter().map(name).collect());
                    (outer.place.value.clone(), noted)
                }
            },
        };
        let names: Vec<Range<usize>> = noted.unwrap_or_else(|| {
            let mut found = Vec::new();
            scan::members(text.get(object.clone()), |Place { name, .. }| {
                found.push(object.start + name.start..object.start + name.end);
            });
            found
        });
        names
            .into_iter()
            .map(|name| scan::read(text.get(name)))
            .collect()
    }

    /// Returns a member of `_meta` in `params` as [`Frame::member`] does. A translator asks for many of one message.
    pub(crate) fn meta(&self, name: &str) -> Option<&str> {
        let text = &self.0.text;
        let meta = || self.place_in("params", "_meta");
        let places = self.0.meta.get_or_init(|| {
            let (meta, mut places) = (meta()?, Vec::new());
            scan::members(text.get(meta.clone()), |Place { name, value }| {
                if places.len() <= scan::MAX_NOTED {
                    places.push(Place {
                        name: meta.start + name.start..meta.start + name.end,
                        value: meta.start + value.start..meta.start + value.end,
                    });
                }
            })?;
            (places.len() <= scan::MAX_NOTED).then_some(places)
        });
        let Some(places) = places else {
            return member_of(text.get(meta()?), name);
        };
        let is_it = |it: &&Place| scan::reads(text.get(it.name.clone()), name);
        let found = places.iter().rfind(is_it)?;
        Some(text.get(found.value.clone()))
    }

    /// The last member of that name.
    fn find(&self, name: &str) -> Option<Cow<'_, Member>> {
        let text = &self.0.text;
        if let Some(members) = &self.0.members {
            let is_it = |it: &&Member| scan::reads(text.get(it.place.name.clone()), name);
            return members.iter().rfind(is_it).map(Cow::Borrowed);
        }
        let (text, mut found) = (self.text(), None);
        scan::members(text, |place| {
            if scan::reads(place.name(text), name) {
                found = Some(place);
            }
        });
        let members = None;
        found.map(|place| Cow::Owned(Member { place, members }))
    }

    /// The id that a `notifications/cancelled` names.
    pub fn cancels(&self) -> Option<Id> {
        if self.method() != Some("notifications/cancelled") || self.is_request() {
            return None;
        }
        Id::parse(self.param("requestId")?)
    }
}

impl fmt::Debug for Frame {
    /// Shows the outline only: the text may hold a person's data.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} ({} bytes)", self.outline(), self.length())
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

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    // Most are names, and need no escape.
    match text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
    {
        true => format!("\"{text}\""),
        false => serde_json::Value::from(text).to_string(),
    }
}

/// The text of an object without the members of this name: without every `id`, and without the last of others.
fn without(text: &str, name: &str) -> String {
    let mut values = Vec::new();
    scan::members(text, |place| {
        if scan::reads(place.name(text), name) {
            if name != "id" {
                values.clear();
            }
            values.push(place.value);
        }
    });
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

/// JSON without its line breaks: none can stand inside a string, so all are layout and can go.
fn without_line_breaks(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr2(b'\n', b'\r', rest.as_bytes()) {
        let (line, after) = rest.split_at(at);
        left.push_str(line);
        rest = after.get(1..).unwrap_or_default();
    }
    left.push_str(rest);
    left
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
