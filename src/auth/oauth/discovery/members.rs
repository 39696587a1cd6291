//! The members of metadata documents, read as leniently as servers write them.

use serde_json::Value;

use crate::auth::oauth::scope::Scopes;

/// Returns a list of strings; a single string is a list of one.
pub(super) fn list(document: &Value, name: &str) -> Option<Vec<String>> {
    let texts: Vec<&str> = match document.get(name)? {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        _ => return None,
    };
    // Only spaces are trimmed: a name with other control characters in it is judged as it stands.
    let texts = texts.into_iter().map(|text| text.trim_matches(' '));
    Some(
        texts
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

/// Returns `scopes_supported`.
pub(super) fn scopes(document: &Value) -> Option<Scopes> {
    let all = list(document, "scopes_supported")?;
    let words = all.iter().flat_map(|text| text.split_whitespace());
    Some(words.collect())
}

/// Says whether a member is true, or the word `true`.
pub(super) fn is_true(document: &Value, name: &str) -> bool {
    match document.get(name) {
        Some(Value::Bool(truth)) => *truth,
        Some(Value::String(word)) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Returns a string.
pub(super) fn text<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str()
}
