//! Members of lines, as JSON text: whose line it is, and texts of others within bounds.

use std::borrow::Cow;

use serde_json::Value;

use crate::secret::live;

/// The longest text of another program in a line, in characters.
const LONGEST: usize = 512;

/// The part of a line that says whose it is.
#[derive(Clone, Debug)]
pub struct Source {
    /// The server's address without query.
    pub server: String,
    /// The account.
    pub account: String,
    /// A random name of this run of mcpipe: no session of the server's, which would be a secret.
    pub session: String,
}

impl Source {
    /// Returns the members, each with a comma before it. `host` is the host's own name, once it is known.
    pub fn members(&self, host: Option<&str>) -> String {
        let host = host.map(|host| format!(r#","host":{}"#, json(host)));
        format!(
            r#","server":{},"account":{}{},"session":{},"pid":{}"#,
            json(&self.server),
            json(&self.account),
            host.unwrap_or_default(),
            json(&self.session),
            std::process::id()
        )
    }
}

/// Returns a text of another program as a JSON string: without live secrets, and not all of a long one.
pub fn json(text: &str) -> String {
    let text = live::without(text); // first: half a secret would not be found
    // Most are names, and need no escape.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte);
    if text.len() <= LONGEST && text.bytes().all(is_plain) {
        return format!("\"{text}\"");
    }
    let text: Cow<'_, str> = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text,
    };
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_bounded_json_without_secrets() {
        assert_eq!(json("a\"\u{1b}\n"), r#""a\"\u001b\n""#);
        let long = json(&"ä".repeat(10_000));
        assert_eq!(long.chars().count(), LONGEST + 3);
        live::note("audit-members-canary");
        assert!(!json("x audit-members-canary y").contains("canary"));
    }
}
