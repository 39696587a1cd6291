//! Names and values as TOML writes them.

use serde_json::Value;

use super::super::entry::ordered;
use super::super::error::EditError;
use super::super::path::Segment;

/// Returns the name of a member.
pub(super) fn key(segment: &Segment) -> Result<String, EditError> {
    match segment {
        Segment::Member(name) => Ok(quoted_name(name)),
        Segment::Item(_) => Err(EditError::Unsure),
    }
}

/// Returns a name, bare where it can be.
pub(super) fn quoted_name(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !name.is_empty() && name.chars().all(is_bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A basic string. JSON's escapes are TOML's, which wants one more character escaped.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Returns a name and its value on one line.
pub(super) fn pair((name, value): (&String, &Value)) -> Result<String, EditError> {
    Ok(format!("{} = {}", quoted_name(name), written(value)?))
}

/// Returns a value on one line.
pub(super) fn written(value: &Value) -> Result<String, EditError> {
    Ok(match value {
        Value::Null => {
            let reason = "TOML has no null".to_owned();
            return Err(EditError::Unsupported { line: 1, reason });
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(written).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members: Result<Vec<_>, _> = ordered(members).into_iter().map(pair).collect();
            format!("{{ {} }}", members?.join(", "))
        }
    })
}
