//! A refusal's own words: why, said for people, in a body that is no JSON-RPC.
//!
//! Servers and gateways say in a line of text, or in a member of a JSON object, what a status cannot say. That line is
//! passed on, cleaned and capped; pages are not, and secrets in it are replaced.
//!
//! RFC 9457 (problem details) for `title` and `detail`, RFC 6750 section 3 for `error` and `error_description`.

use serde_json::Value;

use crate::secret::live;
use crate::text::{printable, without_mark};

/// The most that is passed on, in characters.
const LONGEST: usize = 300;
/// The depth to which a message is looked for.
const DEEPEST: usize = 4;
/// Members that hold a sentence, the most telling first.
const SENTENCES: [&str; 9] = [
    "detail",
    "message",
    "error_description",
    "error_message",
    "errormessage",
    "description",
    "faultstring",
    "reason",
    "msg",
];
/// Members that hold a word or a title, or something with a sentence in it.
const TITLES: [&str; 7] = [
    "title", "error", "errors", "fault", "detail", "code", "status",
];

/// Returns a body's words for people; `None` where it is a page, is not text, or says nothing.
pub fn of_body(body: &str) -> Option<String> {
    let body = without_mark(body).trim();
    match serde_json::from_str::<Value>(body) {
        Ok(value) => cleaned(&said_in(&value, DEEPEST)?),
        Err(_) if body.starts_with(['<', '{', '[']) => None,
        Err(_) if body.contains(['\0', '\u{fffd}']) => None,
        Err(_) => cleaned(body),
    }
}

/// Text of a server's on one line, without marks that move a terminal, without secrets, capped.
pub(super) fn cleaned(text: &str) -> Option<String> {
    // Most refusals have no body, and need no look at all that is secret.
    if text.trim().is_empty() {
        return None;
    }
    // Half a secret would not be found.
    let text = live::without(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = printable(&words.join(" "), LONGEST);
    (!words.is_empty()).then_some(words)
}

fn said_in(value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Array(members) => members.iter().find_map(|member| said_in(member, depth)),
        Value::Object(members) => {
            let find = |names: &[&str], is_text: bool| {
                names.iter().find_map(|name| {
                    let (_, found) = members
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                    said_in(found, depth).filter(|_| found.is_string() || !is_text)
                })
            };
            let sentence = find(&SENTENCES, true);
            let title = find(&TITLES, false);
            match (title, sentence) {
                (Some(title), Some(sentence)) if !sentence.contains(&title) => {
                    Some(format!("{title}: {sentence}"))
                }
                (title, sentence) => sentence.or(title),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_for_people_is_found() {
        for (body, wanted) in [
            (
                "Your seat has been removed.\n",
                Some("Your seat has been removed."),
            ),
            ("  two\r\nlines\t", Some("two lines")),
            ("\"a string\"", Some("a string")),
            // API gateways of Amazon, and of many others.
            (r#"{"message":"Forbidden"}"#, Some("Forbidden")),
            (
                r#"{"Message":"User is not authorized"}"#,
                Some("User is not authorized"),
            ),
            // Google's, and JSON-RPC without a version.
            (
                r#"{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}"#,
                Some("PERMISSION_DENIED: The caller does not have permission"),
            ),
            // RFC 6749's.
            (
                r#"{"error":"access_denied","error_description":"Ask an administrator"}"#,
                Some("access_denied: Ask an administrator"),
            ),
            // RFC 9457's.
            (
                r#"{"type":"https://e.example/1","title":"Out of credit","detail":"Your balance is 30.","status":403}"#,
                Some("Out of credit: Your balance is 30."),
            ),
            // Cloudflare's, Apigee's, FastAPI's.
            (
                r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}"#,
                Some("Authentication error"),
            ),
            (r#"{"fault":{"faultstring":"Quota"}}"#, Some("Quota")),
            (
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                Some("field required"),
            ),
            (
                r#"{"detail":"Not authenticated"}"#,
                Some("Not authenticated"),
            ),
            ("<html>log in</html>", None),
            ("<!doctype html>", None),
            ("{\"message\":", None),
            ("\u{fffd}PNG", None),
            ("", None),
            ("{}", None),
            ("403", None),
        ] {
            assert_eq!(of_body(body).as_deref(), wanted, "{body}");
        }
    }

    #[test]
    fn nothing_in_it_moves_a_terminal_or_is_without_end() {
        let long = of_body(&format!("\x1b]0;owned\x07 {}", "x".repeat(10_000))).unwrap();
        assert!(long.chars().count() <= LONGEST + 1, "{}", long.len());
        assert!(!long.contains('\x1b'), "{long}");
        let deep = format!("{}\"x\"{}", r#"{"error":"#.repeat(50), "}".repeat(50));
        assert_eq!(of_body(&deep), None);
    }
}
