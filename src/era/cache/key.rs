//! The key of a request, by which two requests are known to be the same, and the freshness of an answer.
//!
//! In doubt two requests differ: then a result is fetched that was there, and a wrong one is never given.

use std::time::Duration;

use serde_json::Value;

use crate::era::protocol::{self, Cacheable, Content, META_LEVEL, ResultKind};
use crate::frame::{Frame, Object, string};

/// A request without its sender: the method, and the parameters but `_meta`, in order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CacheableRequest {
    /// The rules of the method.
    pub(super) rules: Cacheable,
    params: String,
    /// The request is for a page that is not the first.
    pub(super) has_cursor: bool,
    /// The parameter `uri`, decoded.
    pub(super) uri: Option<String>,
}

/// Members of `_meta` that belong to one request and change no result.
const PER_REQUEST: [&str; 5] = [
    "progressToken",
    META_LEVEL,
    "traceparent",
    "tracestate",
    "baggage",
];

impl CacheableRequest {
    /// Reads a request; `None` if its result may not be kept: another method, a round of an exchange with questions in
    /// it (MCP 2026-07-28, server/utilities/caching), parameters that are no object.
    pub(super) fn of(frame: &Frame) -> Option<Self> {
        let rules = protocol::cacheable(frame.method().filter(|_| frame.is_request())?)?;
        let mut params = match frame.member("params") {
            None => Object::default(),
            Some(_) => frame.object("params")?,
        };
        if ["inputResponses", "requestState"]
            .iter()
            .any(|name| params.get(name).is_some())
        {
            return None;
        }
        params.remove("_meta");
        Some(Self {
            rules,
            has_cursor: params.get("cursor").is_some_and(|cursor| cursor != "null"),
            uri: params.get("uri").and_then(string),
            params: ordered(&params),
        })
    }

    /// Returns the key of an answer: the request, and the host's declaration of itself (MCP 2026-07-28,
    /// server/utilities/caching).
    pub(super) fn key(&self, frame: &Frame) -> String {
        let meta = frame.param("_meta").unwrap_or("{}");
        let meta = match Object::read(meta) {
            Some(mut meta) => {
                for name in PER_REQUEST {
                    meta.remove(name);
                }
                ordered(&meta)
            }
            None => meta.to_owned(),
        };
        format!("{} {} {meta}", self.rules.name, self.params)
    }

    /// Returns the list of which its result is the first page; `None` if it is no such page.
    pub(super) fn first_page_of(&self) -> Option<&'static str> {
        let is_first = self.rules.content.is_page() && !self.has_cursor;
        self.rules.lists.first().filter(|_| is_first).copied()
    }

    /// Returns the URI of the resource whose content it asks for.
    pub(super) fn resource(&self) -> Option<&str> {
        let is_content = self.rules.content == Content::Resource;
        self.uri.as_deref().filter(|_| is_content)
    }
}

/// Returns an object with its members in order of their names. Of two with one name both count: peers differ in which
/// they read.
fn ordered(object: &Object) -> String {
    let mut members: Vec<(&str, &str)> = object.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    let members: Vec<String> = members
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The time for which a result may be repeated, and whether only to one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Freshness {
    pub(super) ttl: Duration,
    pub(super) is_private: bool,
}

impl Freshness {
    /// Reads the hints of an answer's result; `None` if it is not to be kept. A `ttlMs` that cannot be read
    /// is none, and one that is not `public` is private. `default` is for lists that say nothing.
    pub(super) fn of(answer: &Frame, content: Content, default: Option<Duration>) -> Option<Self> {
        if !is_complete(answer) {
            return None;
        }
        let said = |name| answer.member_in("result", name);
        let (ttl, is_private) = match said("ttlMs").filter(|text| *text != "null") {
            Some(text) => {
                let scope = said("cacheScope").and_then(string);
                let millis = text.parse().ok()?;
                (
                    Duration::from_millis(millis),
                    scope.as_deref() != Some("public"),
                )
            }
            None => (default.filter(|_| content.is_page())?, true),
        };
        (!ttl.is_zero()).then_some(Self { ttl, is_private })
    }
}

/// Says whether an answer's result is whole: it says so itself, or, as in the legacy era, says nothing
/// (MCP 2026-07-28, basic).
pub(super) fn is_complete(answer: &Frame) -> bool {
    let result = answer.member("result");
    result.is_some_and(|result| result.starts_with('{'))
        && ResultKind::read(answer.member_in("result", "resultType")) == ResultKind::Complete
}
