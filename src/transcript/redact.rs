//! Takes secrets out of what is recorded.
//!
//! A recording is meant to be given away. Header values leave only if they are known to be harmless; session ids become
//! `session-1`, `session-2`, … so that it stays readable which is which; whatever is known to be a secret is replaced
//! wherever it stands. Of messages the [shape] is left, unless the user wants their content in the recording; then they are
//! otherwise left as they are.

use serde_json::Value;

use super::entry::{AnswerBody, Entry, HeaderValues, Method};
use super::shape;
use crate::secret::{Secret, live};

/// Remembers what must not be seen, and what stands for it.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Each with its stand-in, in the order learnt.
    known: Vec<(Secret, String)>,
    sessions: usize,
    /// Messages lose their content.
    is_of_shapes: bool,
}

/// Headers whose values every reader may see. All others may be a user's own, and are hidden.
const HARMLESS: [&str; 9] = [
    "accept",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "retry-after",
    "user-agent",
    "www-authenticate",
];

/// Members and parameters that hold secrets, wherever they are met outside of messages.
const TELLING: [&str; 14] = [
    "access_token",
    "api_key",
    "apikey",
    "assertion",
    "authorization",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "id_token",
    "password",
    "refresh_token",
    "token",
];

/// Shorter texts are replaced in headers only: a session called `1` would take every 1 out of the messages.
const SHORTEST: usize = 8;

pub use crate::secret::live::HIDDEN;

impl Redactor {
    /// A redactor that knows these secrets. Empty ones are none.
    pub fn new(known: impl IntoIterator<Item = Secret>) -> Self {
        let mut redactor = Self::default();
        for secret in known {
            redactor.learn(secret);
        }
        redactor
    }

    /// Returns a redactor that leaves of messages nothing but their shape.
    #[must_use]
    pub fn of_shapes(self) -> Self {
        Self {
            is_of_shapes: true,
            ..self
        }
    }

    /// Adds a secret, such as a token just received.
    pub fn learn(&mut self, secret: Secret) {
        if !secret.expose().is_empty()
            && !self
                .known
                .iter()
                .any(|(known, _)| known.same_as(secret.expose()))
        {
            self.known.push((secret, HIDDEN.into()));
        }
    }

    /// The line that may be kept.
    pub fn entry(&mut self, entry: Entry) -> Entry {
        match entry {
            Entry::Note(text) => Entry::Note(self.text(&text)),
            Entry::About(about, text) => Entry::About(about, self.text(&text)),
            Entry::Host(text) => Entry::Host(self.message(&text)),
            Entry::Bridge(text) => Entry::Bridge(self.message(&text)),
            Entry::Request {
                x,
                verb,
                to,
                headers,
            } => {
                // Headers first: they teach the session id.
                let headers = self.headers(headers);
                let verb = match verb {
                    Method::Post(text) => Method::Post(self.message(&text)),
                    Method::Get | Method::Delete => verb,
                };
                let to = to.map(|to| self.endpoint(&to));
                Entry::Request {
                    x,
                    verb,
                    to,
                    headers,
                }
            }
            Entry::Answer {
                x,
                status,
                headers,
                body,
            } => {
                let headers = self.headers(headers);
                let body = match body {
                    AnswerBody::Json(text) => AnswerBody::Json(self.message(&text)),
                    AnswerBody::Text(text) => AnswerBody::Text(self.foreign(&text)),
                    AnswerBody::Stream => AnswerBody::Stream,
                };
                Entry::Answer {
                    x,
                    status,
                    headers,
                    body,
                }
            }
            Entry::Event { x, mut event } => {
                // HTTP+SSE's endpoint carries the session in its query (MCP 2024-11-05, basic/transports).
                event.data = match event.kind.as_deref() {
                    Some("endpoint") => self.endpoint(&event.data),
                    _ => self.message(&event.data),
                };
                event.id = event.id.map(|id| self.text(&id));
                Entry::Event { x, event }
            }
            entry @ (Entry::Eof | Entry::Ended(_) | Entry::Cut(_) | Entry::Closed(_)) => entry,
            Entry::Fault { x, why, text } => {
                let text = self.foreign(&text);
                Entry::Fault { x, why, text }
            }
        }
    }

    fn headers(&mut self, headers: HeaderValues) -> HeaderValues {
        headers
            .into_iter()
            .map(|(name, value)| {
                let shown = value.map(|value| {
                    if name == "mcp-session-id" {
                        self.session(&value)
                    } else if name.starts_with("mcp-param-") || name == "mcp-name" {
                        self.named(&name, &value)
                    } else if HARMLESS.contains(&name.as_str()) {
                        self.text(&value)
                    } else {
                        HIDDEN.into()
                    }
                });
                (name, shown)
            })
            .collect()
    }

    /// The stand-in for a session id, the same one each time.
    fn session(&mut self, id: &str) -> String {
        if let Some((_, stand_in)) = self.known.iter().find(|(known, _)| known.same_as(id)) {
            return stand_in.clone();
        }
        self.sessions += 1;
        let stand_in = format!("session-{}", self.sessions);
        self.known.push((Secret::new(id), stand_in.clone()));
        stand_in
    }

    /// An address whose query names a session.
    fn endpoint(&mut self, url: &str) -> String {
        let Some((path, query)) = url.split_once('?') else {
            return self.text(url);
        };
        let pairs: Vec<_> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) if !value.is_empty() => {
                    format!("{name}={}", self.session(value))
                }
                _ => self.text(pair),
            })
            .collect();
        format!("{}?{}", self.text(path), pairs.join("&"))
    }

    /// A message, with its content or without.
    fn message(&self, text: &str) -> String {
        match self.is_of_shapes {
            true => self.text(&shape::of(text)),
            false => self.text(text),
        }
    }

    /// A header that repeats something of the message: an argument, the address of a resource, or a name.
    fn named(&self, name: &str, value: &str) -> String {
        let is_content = name != "mcp-name" || value.contains([':', '/', '=']);
        match self.is_of_shapes && is_content {
            true => shape::of(value),
            false => self.text(value),
        }
    }

    /// Replaces known secrets, also where JSON spells them with escapes.
    fn text(&self, text: &str) -> String {
        let mut text = live::replaced(text, |secret| {
            let known = self.known.iter().find(|(known, _)| known.same_as(secret));
            known.map_or(HIDDEN, |(_, stand_in)| stand_in)
        })
        .into_owned();
        for (secret, stand_in) in &self.known {
            let secret = secret.expose();
            if secret.len() < SHORTEST {
                continue;
            }
            if text.contains(secret) {
                text = text.replace(secret, stand_in);
            }
            let spelt = Value::from(secret).to_string();
            let spelt = spelt.get(1..spelt.len() - 1).unwrap_or_default();
            if spelt != secret && text.contains(spelt) {
                text = text.replace(spelt, stand_in);
            }
        }
        text
    }

    /// A body that is no message: JSON or a form without its telling members, words after `Bearer`, tokens by their look.
    fn foreign(&self, text: &str) -> String {
        if let Ok(mut value) = serde_json::from_str::<Value>(text)
            && (value.is_object() || value.is_array())
        {
            let before = value.clone();
            blank(&mut value);
            if value != before {
                return self.text(&value.to_string());
            }
            return self.text(text);
        }
        let mut shown = String::with_capacity(text.len());
        let mut follows_scheme = false;
        for word in text.split_inclusive(separates) {
            let end = word.trim_end_matches(separates).len();
            let (bare, separator) = word.split_at(end);
            let name = bare.split_once('=').map(|(name, _)| name);
            if follows_scheme && !bare.is_empty() || bare.starts_with("eyJ") {
                shown.push_str(HIDDEN);
            } else if let Some(name) = name.filter(|name| is_telling(name)) {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(HIDDEN);
            } else {
                shown.push_str(bare);
            }
            shown.push_str(separator);
            follows_scheme =
                ["bearer", "dpop", "basic"].contains(&bare.to_ascii_lowercase().as_str());
        }
        self.text(&shown)
    }
}

fn separates(c: char) -> bool {
    c.is_whitespace() || "&?;,\"'<>".contains(c)
}

/// Blanks the telling members of JSON, at any depth serde_json reads. Numbers stay: `code` is also an error's.
fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if is_telling(name) => *text = HIDDEN.into(),
                    member => blank(member),
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(blank),
        _ => {}
    }
}

/// Returns the arguments of a call, as JSON text, without live secrets and without the members that are called as secrets are.
/// `code` is not one here: for many tools it is a program.
pub fn arguments(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return Value::from(format!("({} bytes)", text.len())).to_string();
    };
    // Of two members with one name the value has one only, so the text is not kept where one was found.
    match hide(&mut value) {
        true => live::without(&value.to_string()).into_owned(),
        false => live::without(text).into_owned(),
    }
}

/// Hides the members that are called as secrets are, at any depth, and says whether there was one.
fn hide(value: &mut Value) -> bool {
    let mut is_found = false;
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match is_telling(name) && !name.eq_ignore_ascii_case("code") {
                    true => {
                        *member = HIDDEN.into();
                        is_found = true;
                    }
                    false => is_found |= hide(member),
                }
            }
        }
        Value::Array(elements) => {
            for element in elements {
                is_found |= hide(element);
            }
        }
        _ => {}
    }
    is_found
}

fn is_telling(name: &str) -> bool {
    TELLING
        .iter()
        .any(|telling| telling.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse;

    fn request(headers: &[(&str, &str)], body: &str) -> Entry {
        Entry::Request {
            x: 1,
            verb: Method::Post(body.into()),
            to: None,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).into(), Some((*value).into())))
                .collect(),
        }
    }

    fn refused(text: &str) -> Entry {
        Entry::Answer {
            x: 1,
            status: 400,
            headers: HeaderValues::new(),
            body: AnswerBody::Text(text.into()),
        }
    }

    #[test]
    fn only_harmless_headers_are_shown() {
        let mut redactor = Redactor::default();
        let entry = request(
            &[
                ("authorization", "Bearer hunter2"),
                ("cookie", "hunter2"),
                ("dpop", "hunter2"),
                ("x-my-key", "hunter2"),
                ("mcp-protocol-version", "2025-11-25"),
                ("mcp-param-city", "Bern"),
            ],
            "{}",
        );
        let line = redactor.entry(entry).line(None);
        assert!(!line.contains("hunter2"), "{line}");
        assert!(
            line.contains("2025-11-25") && line.contains("Bern"),
            "{line}"
        );
    }

    #[test]
    fn sessions_keep_their_identity_and_lose_their_ids() {
        let mut redactor = Redactor::default();
        let mut line = |id: &str, body: &str| {
            redactor
                .entry(request(&[("mcp-session-id", id)], body))
                .line(None)
        };
        let first = line("0c7b-4a11", r#"{"jsonrpc":"2.0","id":"0c7b-4a11"}"#);
        assert!(first.contains(r#""id":"session-1"}"#), "{first}");
        let short = line("1", r#"{"jsonrpc":"2.0","id":1}"#);
        assert!(
            short.contains(r#""id":1}"#) && short.contains("session-2"),
            "{short}"
        );
        assert!(line("0c7b-4a11", "{}").contains("session-1"));
    }

    #[test]
    fn known_secrets_are_replaced_wherever_they_stand() {
        let mut redactor = Redactor::new([Secret::new("swordfish"), Secret::new("back\\slash\"")]);
        let said = Entry::Host(r#"{"a":"swordfish, back\\slash\""}"#.into());
        assert_eq!(
            redactor.entry(said),
            Entry::Host(r#"{"a":"(redacted), (redacted)"}"#.into())
        );
        redactor.learn(Secret::new("learnt later"));
        let event = Entry::Event {
            x: 1,
            event: sse::Event {
                id: Some("learnt later/1".into()),
                data: "learnt later".into(),
                ..sse::Event::default()
            },
        };
        let line = redactor.entry(event).line(None);
        assert!(!line.contains("learnt later"), "{line}");
    }

    #[test]
    fn arguments_lose_secrets_and_keep_the_rest() {
        let kept = r#"{"n":1.50,"code":"print(1)","path":"/etc"}"#;
        assert_eq!(arguments(kept), kept);
        live::note("argument-canary");
        for text in [
            r#"{"a":"argument-canary"}"#,
            r#"{"Password":"canary"}"#,
            r#"{"x":[{"api_key":["canary"]}]}"#,
            r#"{"p\u0061ssword":"canary"}"#,
            r#"{"token":"canary","token":1}"#,
        ] {
            let shown = arguments(text);
            assert!(!shown.contains("canary"), "{shown}");
            assert!(serde_json::from_str::<Value>(&shown).is_ok());
        }
        assert!(serde_json::from_str::<Value>(&arguments("{")).is_ok());
    }

    #[test]
    fn a_session_in_an_endpoint_is_a_session() {
        let mut redactor = Redactor::default();
        let event = Entry::Event {
            x: 1,
            event: sse::Event {
                kind: Some("endpoint".into()),
                data: "/messages?sessionId=5f7a90ee".into(),
                ..sse::Event::default()
            },
        };
        let line = redactor.entry(event).line(None);
        assert!(line.contains("/messages?sessionId=session-1"), "{line}");
        let mut posted = request(&[], "{}");
        if let Entry::Request { to, .. } = &mut posted {
            *to = Some("/messages?sessionId=5f7a90ee".into());
        }
        let line = redactor.entry(posted).line(None);
        assert!(line.contains("/messages?sessionId=session-1"), "{line}");
    }

    #[test]
    fn bodies_that_are_no_messages_lose_their_telling_parts() {
        let mut redactor = Redactor::default();
        for text in [
            r#"{"x":[{"access_token":"hunter2","Refresh_Token":"hunter2"}]}"#,
            "code=hunter2&state=x",
            "see https://x.example/cb?a=b&code=hunter2",
            "bad header: Authorization: Bearer hunter2.",
            "<p>eyJhunter2</p>",
        ] {
            let line = redactor.entry(refused(text)).line(None);
            assert!(!line.contains("hunter2"), "{line}");
        }
        let plain = r#"{ "error":{"code":-32000,"message":"No valid session ID"}}"#;
        assert_eq!(redactor.entry(refused(plain)), refused(plain));
        let plain = "Bad Request: Server not initialized, <b>sorry</b>";
        assert_eq!(redactor.entry(refused(plain)), refused(plain));
    }
}
