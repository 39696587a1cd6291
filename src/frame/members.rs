//! The top level of a message, looked at without building it.

use std::ops::Range;

use super::id::Id;
use super::malformed::{INVALID_REQUEST, Malformed};
use super::outline::Outline;
use super::scan::{self, Place};

/// The members of a message that say what it is. The last of two with one name counts, as in JavaScript.
#[derive(Default)]
pub(super) struct Members<'a> {
    version: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    result: Option<(&'a str, Range<usize>)>,
    error: Option<(&'a str, Range<usize>)>,
    /// Every `id`, in order.
    pub(super) ids: Vec<Range<usize>>,
}

impl<'a> Members<'a> {
    /// Takes the next member of the text.
    pub(super) fn take(&mut self, text: &'a str, place: &Place) {
        let (name, value) = (place.name(text), place.value(text));
        if scan::reads(name, "jsonrpc") {
            self.version = Some(value);
        } else if scan::reads(name, "id") {
            self.id = Some(value);
            self.ids.push(place.value.clone());
        } else if scan::reads(name, "method") {
            self.method = Some(value);
        } else if scan::reads(name, "result") {
            self.result = Some((value, place.value.clone()));
        } else if scan::reads(name, "error") {
            self.error = Some((value, place.value.clone()));
        }
    }

    /// A `result` of `null` beside an error, or an `error` of `null` beside a result: how JSON-RPC 1.0 writes that there is
    /// none (section 1.2, "Response").
    pub(super) fn void(&self) -> Option<Range<usize>> {
        match (&self.result, &self.error) {
            (Some(_), Some(("null", place))) | (Some(("null", place)), Some(_)) => {
                Some(place.clone())
            }
            _ => None,
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
        let text =
            |member: &Option<(&'a str, Range<usize>)>| member.as_ref().map(|(text, _)| *text);
        let (result, error) = (text(&self.result), text(&self.error));
        let has_result = is_there(result, error);
        let has_error = is_there(error, result);
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
    let mut found = None;
    scan::members(object, |place| {
        if scan::reads(place.name(object), name) {
            found = Some(place.value);
        }
    })?;
    object.get(found?)
}
