//! A message without what was said in it: types, lengths and the names of members stay, and so does what the protocol
//! itself says.
//!
//! What is kept is listed here; of everything else only the shape is shown. So a member that a later revision adds is
//! hidden until it is listed. Read without recursion deeper than `serde_json`'s, and written as it is read: a message of
//! many megabytes becomes a few kilobytes at once.
//!
//! MCP 2025-11-25 and 2026-07-28, schema reference.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::frame::member_of;

/// Elements of an array, and members of an object, that are shown.
const MOST_ELEMENTS: usize = 8;
const MOST_MEMBERS: usize = 64;
/// The longest member name that is shown as it is, in characters.
const LONGEST_NAME: usize = 64;

/// The part of a value that is shown.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// All of it.
    Keep,
    /// Its shape.
    Shape,
    /// The scheme of an address.
    Uri,
    /// Of these members what their rules say, of others the shape; of an array the same for each element.
    Members(&'static [(&'static str, Self)]),
    /// One rule for each member, whatever its name.
    Values(&'static Self),
    /// A request inside of another message.
    Request,
}

use Rule::{Keep, Members, Request, Shape, Uri, Values};

const META: Rule = Members(&[
    ("progressToken", Keep),
    ("io.modelcontextprotocol/protocolVersion", Keep),
    ("io.modelcontextprotocol/clientInfo", Keep),
    ("io.modelcontextprotocol/clientCapabilities", Keep),
    ("io.modelcontextprotocol/logLevel", Keep),
    ("io.modelcontextprotocol/serverInfo", Keep),
    ("io.modelcontextprotocol/subscriptionId", Keep),
    ("io.modelcontextprotocol/related-task", TASK),
]);
const TASK: Rule = Members(&[
    ("taskId", Keep),
    ("status", Keep),
    ("createdAt", Keep),
    ("lastUpdatedAt", Keep),
    ("ttl", Keep),
    ("ttlMs", Keep),
    ("pollInterval", Keep),
    ("pollIntervalMs", Keep),
    ("error", ERROR),
    ("inputRequests", Values(&Request)),
    ("result", TASK_RESULT),
]);
const CONTENT: Rule = Members(&[
    ("type", Keep),
    ("mimeType", Keep),
    ("uri", Uri),
    ("resource", RESOURCE),
]);
const RESOURCE: Rule = Members(&[("uri", Uri), ("mimeType", Keep), ("size", Keep)]);
const MESSAGES: Rule = Members(&[("role", Keep), ("content", CONTENT)]);
const FILTER: Rule = Members(&[
    ("toolsListChanged", Keep),
    ("promptsListChanged", Keep),
    ("resourcesListChanged", Keep),
    ("resourceSubscriptions", Uri),
]);
const RESPONSES: Rule = Values(&Members(&[("action", Keep), ("role", Keep)]));
const ERROR: Rule = Members(&[("code", Keep)]);
const RESULT: Rule = Members(&[
    ("_meta", META),
    ("action", Keep),
    ("cacheScope", Keep),
    ("capabilities", Keep),
    ("completion", Members(&[("total", Keep), ("hasMore", Keep)])),
    ("content", CONTENT),
    ("contents", RESOURCE),
    ("createdAt", Keep),
    ("error", ERROR),
    ("inputRequests", Values(&Request)),
    ("instructions", Keep),
    ("isError", Keep),
    ("lastUpdatedAt", Keep),
    ("messages", MESSAGES),
    ("pollInterval", Keep),
    ("pollIntervalMs", Keep),
    ("prompts", Keep),
    ("protocolVersion", Keep),
    ("resources", RESOURCE),
    ("resourceTemplates", Keep),
    ("result", TASK_RESULT),
    ("resultType", Keep),
    ("role", Keep),
    ("roots", RESOURCE),
    ("serverInfo", Keep),
    ("status", Keep),
    ("stopReason", Keep),
    ("supportedVersions", Keep),
    ("task", TASK),
    ("taskId", Keep),
    ("tasks", TASK),
    ("tools", TOOLS),
    ("ttl", Keep),
    ("ttlMs", Keep),
]);
/// A tool's definition, which is the server's own. A result of a tool that calls something of its own so is cut to these.
const TOOLS: Rule = Members(&[
    ("name", Keep),
    ("title", Keep),
    ("description", Keep),
    ("inputSchema", Keep),
    ("outputSchema", Keep),
    ("annotations", Keep),
    ("execution", Keep),
]);
/// The outcome of a task: the result of a request.
const TASK_RESULT: Rule = Members(&[
    ("resultType", Keep),
    ("isError", Keep),
    ("content", CONTENT),
]);

/// Returns the rule for the parameters of a method.
fn parameters(method: &str) -> Rule {
    match method {
        "initialize"
        | "server/discover"
        | "ping"
        | "logging/setLevel"
        | "tools/list"
        | "prompts/list"
        | "resources/list"
        | "resources/templates/list"
        | "roots/list"
        | "tasks/list"
        | "notifications/initialized" => Members(&[
            ("_meta", META),
            ("protocolVersion", Keep),
            ("capabilities", Keep),
            ("clientInfo", Keep),
            ("level", Keep),
        ]),
        "tools/call" | "prompts/get" => Members(&[
            ("_meta", META),
            ("name", Keep),
            ("inputResponses", RESPONSES),
            ("task", TASK),
        ]),
        "resources/read"
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "notifications/resources/updated" => Members(&[("_meta", META), ("uri", Uri)]),
        "completion/complete" => Members(&[
            ("_meta", META),
            (
                "ref",
                Members(&[("type", Keep), ("name", Keep), ("uri", Uri)]),
            ),
            ("argument", Members(&[("name", Keep)])),
        ]),
        "subscriptions/listen" | "notifications/subscriptions/acknowledged" => {
            Members(&[("_meta", META), ("notifications", FILTER)])
        }
        "sampling/createMessage" => Members(&[
            ("_meta", META),
            ("messages", MESSAGES),
            ("maxTokens", Keep),
            ("includeContext", Keep),
            ("temperature", Keep),
        ]),
        "elicitation/create" => Members(&[
            ("_meta", META),
            ("mode", Keep),
            ("url", Uri),
            ("elicitationId", Keep),
        ]),
        "notifications/elicitation/complete" => Members(&[("elicitationId", Keep)]),
        "notifications/progress" => Members(&[
            ("_meta", META),
            ("progressToken", Keep),
            ("progress", Keep),
            ("total", Keep),
        ]),
        "notifications/message" => Members(&[("_meta", META), ("level", Keep), ("logger", Keep)]),
        "notifications/cancelled" => Members(&[("_meta", META), ("requestId", Keep)]),
        method if method.starts_with("tasks/") || method.starts_with("notifications/tasks") => {
            Members(&[
                ("_meta", META),
                ("taskId", Keep),
                ("status", Keep),
                ("inputResponses", RESPONSES),
                ("inputRequests", Values(&Request)),
            ])
        }
        _ => Members(&[("_meta", META)]),
    }
}

/// Wordings of errors in which nothing of a user's can be: JSON-RPC 2.0 section 5.1, and those of the official SDKs by
/// which a lost session is told.
const WORDINGS: [&str; 12] = [
    "parse error",
    "invalid request",
    "method not found",
    "invalid params",
    "internal error",
    "session not found",
    "bad request: no valid session id provided",
    "bad request: mcp-session-id header is required",
    "bad request: server not initialized",
    "server not initialized",
    "bad request: missing session id",
    "not acceptable: client must accept both application/json and text/event-stream",
];

/// The shape of a message, or of several in an array; of what is none, how long it is.
pub fn of(text: &str) -> String {
    let mut shown = String::new();
    let written = match text.trim_start().as_bytes().first() {
        Some(b'[') => batch(text, &mut shown),
        Some(b'{') => message(text, &mut shown),
        _ => None,
    };
    match written {
        Some(()) => shown,
        None if text.is_empty() => String::new(),
        None => characters(text),
    }
}

fn batch(text: &str, shown: &mut String) -> Option<()> {
    let members: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    shown.push('[');
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            shown.push(',');
        }
        message(member.get(), shown)?;
    }
    shown.push(']');
    Some(())
}

fn message(text: &str, shown: &mut String) -> Option<()> {
    let method = member_of(text, "method").and_then(|it| serde_json::from_str::<String>(it).ok());
    let parameters = method.as_deref().map_or(Shape, parameters);
    let error = member_of(text, "error").unwrap_or("null");
    let is_ours =
        member_of(error, "data").and_then(|data| member_of(data, "source")) == Some(r#""mcpipe""#);
    let wording =
        member_of(error, "message").and_then(|it| serde_json::from_str::<String>(it).ok());
    let is_known = wording.is_some_and(|it| WORDINGS.contains(&it.to_lowercase().as_str()));
    let error = match (is_ours, is_known) {
        (true, _) => Keep,
        (_, true) => Members(&[("code", Keep), ("message", Keep)]),
        _ => ERROR,
    };
    let rules = [
        ("jsonrpc", Keep),
        ("id", Keep),
        ("method", Keep),
        ("params", parameters),
        ("result", RESULT),
        ("error", error),
    ];
    walk(
        text,
        Walk {
            out: shown,
            rule: Shape,
            own: Some(&rules),
        },
    )
}

fn walk(text: &str, walk: Walk<'_>) -> Option<()> {
    let mut reader = serde_json::Deserializer::from_str(text);
    walk.deserialize(&mut reader).ok()?;
    reader.end().ok()
}

fn characters(text: &str) -> String {
    format!("({} characters)", text.chars().count())
}

/// Writes what is shown of one value.
struct Walk<'a> {
    out: &'a mut String,
    rule: Rule,
    /// The rules of a whole message's members.
    own: Option<&'a [(&'static str, Rule)]>,
}

impl Walk<'_> {
    /// A JSON string.
    fn word(self, text: &str) {
        self.out
            .push_str(&serde_json::Value::from(text).to_string());
    }

    fn rule_of(&self, name: &str) -> Rule {
        let among = |rules: &[(&'static str, Rule)]| {
            let found = rules.iter().find(|(known, _)| *known == name);
            found.map_or(Shape, |(_, rule)| *rule)
        };
        match (self.own, self.rule) {
            (Some(own), _) => among(own),
            (_, Members(rules)) => among(rules),
            (_, Values(rule)) => *rule,
            _ => Shape,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        use serde::Deserialize as _;
        match self.rule {
            Keep => {
                let raw = <&RawValue>::deserialize(from)?;
                self.out.push_str(raw.get());
                Ok(())
            }
            Request => {
                let raw = <&RawValue>::deserialize(from)?;
                let mut shown = String::new();
                match message(raw.get(), &mut shown) {
                    Some(()) => self.out.push_str(&shown),
                    None => {
                        let length = characters(raw.get());
                        self.word(&length);
                    }
                }
                Ok(())
            }
            _ => from.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.word("(boolean)");
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.word("(number)");
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.word("(number)");
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.word("(number)");
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.push_str("null");
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let mut shape = characters(text);
        if let Uri = self.rule
            && let Some((scheme, _)) = text.split_once(':')
            && scheme.len() <= LONGEST_NAME
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        {
            shape = format!("{scheme}:{shape}");
        }
        self.word(&shape);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        self.out.push('[');
        for at in 0..MOST_ELEMENTS {
            let before = self.out.len();
            if at > 0 {
                self.out.push(',');
            }
            let element = Walk {
                out: &mut *self.out,
                rule: self.rule,
                own: None,
            };
            if array.next_element_seed(element)?.is_none() {
                self.out.truncate(before);
                self.out.push(']');
                return Ok(());
            }
        }
        let mut more = 0;
        while array.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        if more > 0 {
            let _ = write!(self.out, ",\"(and {more} more)\"");
        }
        self.out.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.out.push('{');
        let (mut shown, mut more) = (0, 0);
        while let Some(name) = object.next_key::<Cow<'de, str>>()? {
            if shown == MOST_MEMBERS {
                object.next_value::<IgnoredAny>()?;
                more += 1;
                continue;
            }
            if shown > 0 {
                self.out.push(',');
            }
            shown += 1;
            let spelt = match name.chars().nth(LONGEST_NAME) {
                None => name.as_ref().into(),
                Some(_) => characters(&name),
            };
            let _ = write!(self.out, "{}:", serde_json::Value::from(spelt));
            let rule = self.rule_of(&name);
            object.next_value_seed(Walk {
                out: &mut *self.out,
                rule,
                own: None,
            })?;
        }
        if more > 0 {
            let _ = write!(self.out, ",\"(and {more} more)\":null");
        }
        self.out.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
