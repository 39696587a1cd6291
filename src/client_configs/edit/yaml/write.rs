//! Names and values as YAML writes them. Whatever a reader of YAML 1.1 would take for something else is quoted.

use serde_json::{Map, Value};

use super::super::entry::ordered;

/// The words that YAML 1.1 or 1.2 reads as something else than a text.
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// The columns between a name and its children.
#[derive(Clone, Copy)]
pub(super) struct Indent {
    pub(super) map: usize,
    pub(super) list: usize,
}

/// Returns a text: plain if it can be nothing else.
pub(super) fn text(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '@' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_other = WORDS.iter().any(|it| text.eq_ignore_ascii_case(it));
    match begins && text.chars().all(is_word) && !is_other {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// JSON's escapes are YAML's, which wants more characters escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                quoted += &format!("\\u{:04x}", u32::from(c));
            }
            _ => quoted.push(c),
        }
    }
    quoted
}

/// Returns a value on one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(it) => quoted(it),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members = ordered(members).into_iter();
            let members: Vec<_> = members
                .map(|(name, it)| format!("{}: {}", quoted(name), flow(it)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// Returns a member's lines; the first is to begin in this column, and has no indentation.
pub(super) fn member(name: &str, value: &Value, column: usize, indent: Indent) -> Vec<String> {
    let name = text(name);
    match value {
        Value::Object(members) if !members.is_empty() => {
            let mut lines = vec![format!("{name}:")];
            lines.extend(indented(
                map(members, column + indent.map, indent),
                column + indent.map,
            ));
            lines
        }
        Value::Array(items) if !items.is_empty() => {
            let mut lines = vec![format!("{name}:")];
            let column = column + indent.list;
            for value in items {
                lines.extend(indented(item(value, column, indent), column));
            }
            lines
        }
        Value::String(it) => vec![format!("{name}: {}", text(it))],
        other => vec![format!("{name}: {}", flow(other))],
    }
}

/// Returns an element's lines; the dash is to stand in this column.
pub(super) fn item(value: &Value, column: usize, indent: Indent) -> Vec<String> {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let mut lines = map(members, column + 2, indent).into_iter();
            let first = format!("- {}", lines.next().unwrap_or_default());
            [first]
                .into_iter()
                .chain(indented(lines.collect(), 0))
                .collect()
        }
        Value::String(it) => vec![format!("- {}", text(it))],
        other => vec![format!("- {}", flow(other))],
    }
}

/// The members' lines; the first without its indentation.
fn map(members: &Map<String, Value>, column: usize, indent: Indent) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in ordered(members) {
        let own = member(name, value, column, indent);
        match lines.is_empty() {
            true => lines = own,
            false => lines.extend(indented(own, column)),
        }
    }
    lines
}

/// The lines with an indentation before the first; the others have theirs.
fn indented(mut lines: Vec<String>, column: usize) -> Vec<String> {
    if let Some(first) = lines.first_mut() {
        first.insert_str(0, &" ".repeat(column));
    }
    lines
}
