//! The top level of a message, looked at without building it.

use std::ops::Range;

use super::id::Id;
use super::malformed::{INVALID_REQUEST, Malformed};
use super::outline::Outline;
use super::scan;

/// The members of a message that say what it is. The last of two with one name counts, as in JavaScript.
#[derive(Default)]
pub(super) struct Members<'a> {
    version: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    result: Option<&'a str>,
    error: Option<&'a str>,
}

impl<'a> Members<'a> {
    /// Takes the next member: its name as it is written, and its value. Of an object all that counts is that it is one.
    pub(super) fn take(&mut self, name: &str, value: &'a str) {
        let member = match &*scan::read(name) {
            "jsonrpc" => &mut self.version,
            "id" => &mut self.id,
            "method" => &mut self.method,
            "result" => &mut self.result,
            "error" => &mut self.error,
            _ => return,
        };
        *member = Some(value);
    }

    /// Says which members the other side would turn the message down for, if it has any.
    pub(super) fn unwanted(&self, outline: &Outline) -> Option<&'static str> {
        match outline {
            // A notification with an id, even with one that is null.
            Outline::Notification { .. } => self.id.map(|_| "id"),
            // An answer with both members: a `result` of `null` beside an error, or an `error` of `null` beside a result, is
            // how JSON-RPC 1.0 writes that there is none (section 1.2, "Response").
            Outline::Response { .. } => match (self.result, self.error) {
                (Some(_), Some("null")) => Some("error"),
                (Some("null"), Some(_)) => Some("result"),
                _ => None,
            },
            Outline::Request { .. } => None,
        }
    }

    pub(super) fn outline(&self) -> Result<Outline, Malformed> {
        let id = self.id.and_then(Id::parse);
        let invalid = |id: Option<Id>, reason: &str| Malformed {
            id,
            code: INVALID_REQUEST,
            reason: reason.into(),
        };
        if !self
            .version
            .is_some_and(|version| version.starts_with('"') && scan::reads(version, "2.0"))
        {
            return Err(invalid(id, r#"its "jsonrpc" is not "2.0""#));
        }
        let is_there = |member: Option<&str>, other: Option<&str>| {
            member.is_some_and(|member| member != "null" || other.is_none())
        };
        let has_result = is_there(self.result, self.error);
        let has_error = is_there(self.error, self.result);
        match (self.method, self.id, has_result, has_error) {
            (Some(method), raw, false, false) => {
                let Some(method) = string(method) else {
                    return Err(invalid(id, "its method is not a string"));
                };
                match (raw, id) {
                    // `"id": null` is how some libraries write that there is none. It is taken so where the method says
                    // that no answer is wanted; MCP forbids it as the id of a request (basic, "Requests").
                    (Some("null"), None) if is_notice(&method) => {
                        Ok(Outline::Notification { method })
                    }
                    (None, _) => Ok(Outline::Notification { method }),
                    (Some(_), Some(id)) => Ok(Outline::Request { id, method }),
                    (Some(_), None) => {
                        Err(invalid(None, "its id is neither a string nor a number"))
                    }
                }
            }
            // Without an id as well: on the answer to one request it can be of no other.
            (None, _, true, false) => Ok(Outline::Response { id, failed: false }),
            (None, _, false, true) => Ok(Outline::Response { id, failed: true }),
            (Some(_), ..) => Err(invalid(id, "both a method and an answer")),
            (None, _, true, true) => Err(invalid(id, "both a result and an error")),
            (None, ..) => Err(invalid(id, "no method, result or error")),
        }
    }
}

/// Reads a JSON string; `None` for any other value.
fn string(written: &str) -> Option<Box<str>> {
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(written).ok()
    } else {
        Some(inner.into())
    }
}

/// Says whether a method is one of notifications by its name.
fn is_notice(method: &str) -> bool {
    method.starts_with("notifications/")
}

/// Finds one member of a JSON object given as text, as its JSON text. Of two with one name it is the last.
pub fn member_of<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    object.get(place_of(object, name)?)
}

/// Finds the place of the same.
pub(super) fn place_of(object: &str, name: &str) -> Option<Range<usize>> {
    let mut found = None;
    scan::members(object, |place| {
        if scan::reads(place.name(object), name) {
            found = Some(place.value);
        }
    })?;
    found
}
