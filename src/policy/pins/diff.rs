//! The differences of two definitions, for a person who decides about them.
//!
//! Each member that differs stands on a line of its own, with the way to it; of long texts only what both have at their
//! ends is left out. Characters that would not be seen, or would move the terminal, are written as escapes.

use serde_json::value::RawValue;

use crate::frame::{Object, string};
use crate::text::is_unseen;

/// The characters of a text's common ends that are shown beside the difference.
const CONTEXT: usize = 30;
/// The length from which they are left out.
const LONG: usize = 100;

/// Returns the lines of a diff, each with `- ` or `+ ` in front. Either text may be none: a definition that is new or
/// gone; `Some(None)` is one whose text was too long to be kept.
pub fn diff(old: Option<Option<&str>>, new: Option<Option<&str>>) -> Vec<String> {
    if matches!(old, Some(None)) || matches!(new, Some(None)) {
        return vec!["(too long to be kept and shown)".to_owned()];
    }
    let (old, new) = (leaves(old.flatten()), leaves(new.flatten()));
    let mut lines = Vec::new();
    let find = |leaves: &[Leaf], path: &str| leaves.iter().position(|leaf| leaf.path == path);
    if old.len() + new.len() > MAX_LEAVES {
        return vec!["(too many members to be shown)".to_owned()];
    }
    for leaf in &old {
        match find(&new, &leaf.path).and_then(|at| new.get(at)) {
            Some(other) => changed(leaf, other, &mut lines),
            None => whole("-", leaf, &mut lines),
        }
    }
    for leaf in new.iter().filter(|leaf| find(&old, &leaf.path).is_none()) {
        whole("+", leaf, &mut lines);
    }
    lines
}

/// Returns the first lines of a diff, each shortened, for a log.
pub fn short(lines: &[String], longest: usize) -> Vec<String> {
    const WIDTH: usize = 160;
    let mut shown: Vec<String> = lines
        .iter()
        .take(longest)
        .map(|line| match line.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
            None => line.clone(),
        })
        .collect();
    if lines.len() > longest {
        shown.push(format!("… and {} more", lines.len() - longest));
    }
    shown
}

/// Returns a text in which each character that is invisible, or changes how others are shown, is written as its escape.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The number of leaves that are compared: the way to each is looked for in all others.
const MAX_LEAVES: usize = 8192;

/// A value that is no object, with the way to it.
struct Leaf {
    path: String,
    json: String,
}

fn leaves(definition: Option<&str>) -> Vec<Leaf> {
    let mut found = Vec::new();
    if let Some(json) = definition {
        collect("", json, &mut found);
    }
    found
}

fn collect(path: &str, json: &str, found: &mut Vec<Leaf>) {
    if found.len() > MAX_LEAVES {
        return;
    }
    let within = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    if let Some(object) = Object::read(json).filter(|object| !object.is_empty() || path.is_empty())
    {
        for (name, value) in object.iter() {
            collect(&within(&visible(name)), value, found);
        }
        return;
    }
    let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    if elements
        .iter()
        .any(|element| element.get().starts_with(['{', '[']))
    {
        for (at, element) in elements.iter().enumerate() {
            collect(&format!("{path}[{at}]"), element.get(), found);
        }
        return;
    }
    found.push(Leaf {
        path: path.to_owned(),
        json: json.to_owned(),
    });
}

impl Leaf {
    /// The lines of a text; any other value is one line of JSON.
    fn lines(&self) -> Vec<String> {
        match string(&self.json) {
            Some(text) => text.split('\n').map(str::to_owned).collect(),
            None => vec![self.json.clone()],
        }
    }

    fn line(&self, sign: &str, text: &str) -> String {
        match self.path.as_str() {
            "" => format!("{sign} {}", visible(text)),
            path => format!("{sign} {path}: {}", visible(text)),
        }
    }
}

fn whole(sign: &str, leaf: &Leaf, lines: &mut Vec<String>) {
    lines.extend(leaf.lines().iter().map(|line| leaf.line(sign, line)));
}

fn changed(old: &Leaf, new: &Leaf, lines: &mut Vec<String>) {
    if old.json == new.json {
        return;
    }
    let (before, after) = (old.lines(), new.lines());
    if before == after {
        // A text and another value that looks like it.
        lines.push(old.line("-", &old.json));
        lines.push(new.line("+", &new.json));
        return;
    }
    let (start, end) = common_ends(&before, &after);
    let before = before.get(start..before.len() - end).unwrap_or_default();
    let after = after.get(start..after.len() - end).unwrap_or_default();
    if let ([one], [other]) = (before, after) {
        let (one, other) = around_difference(one, other);
        lines.push(old.line("-", &one));
        lines.push(new.line("+", &other));
        return;
    }
    lines.extend(before.iter().map(|line| old.line("-", line)));
    lines.extend(after.iter().map(|line| new.line("+", line)));
}

/// Returns the numbers of equal elements at the start and at the end, which do not overlap.
fn common_ends<T: PartialEq>(one: &[T], other: &[T]) -> (usize, usize) {
    let same = |(one, other): &(&T, &T)| one == other;
    let start = one.iter().zip(other).take_while(same).count();
    let left = one.len().min(other.len()) - start;
    let from_end = one.iter().rev().zip(other.iter().rev());
    (start, from_end.take(left).take_while(same).count())
}

/// Returns both lines without what they have in common far from the difference.
fn around_difference(one: &str, other: &str) -> (String, String) {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    if one.len().max(other.len()) <= LONG {
        return (one.into_iter().collect(), other.into_iter().collect());
    }
    let (start, end) = common_ends(&one, &other);
    let cut = |text: &[char]| {
        let from = start.saturating_sub(CONTEXT);
        let to = (text.len() - end + CONTEXT).min(text.len());
        let middle: String = text.get(from..to).unwrap_or_default().iter().collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if to < text.len() { "…" } else { "" };
        format!("{before}{middle}{after}")
    };
    (cut(&one), cut(&other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(old: &str, new: &str) -> Vec<String> {
        diff(Some(Some(old)), Some(Some(new)))
    }

    #[test]
    fn each_member_that_differs_has_its_line() {
        let old = r#"{"annotations":{"readOnlyHint":true},"description":"Adds.","inputSchema":{"properties":{"a":{"type":"number"}},"required":["a"]},"name":"add"}"#;
        let new = r#"{"description":"Adds,\nand tells.","inputSchema":{"properties":{"a":{"type":"number"},"b":{"anyOf":[{"type":"string"},{"const":1e400}]}},"required":["a","b"]},"name":"add"}"#;
        let expected = [
            "- annotations.readOnlyHint: true",
            "- description: Adds.",
            "+ description: Adds,",
            "+ description: and tells.",
            r#"- inputSchema.required: ["a"]"#,
            r#"+ inputSchema.required: ["a","b"]"#,
            "+ inputSchema.properties.b.anyOf[0].type: string",
            "+ inputSchema.properties.b.anyOf[1].const: 1e400",
        ];
        assert_eq!(of(old, new), expected);
        assert_eq!(of(old, old), Vec::<String>::new());
        assert_eq!(of(r#"{"a":1}"#, r#"{"a":"1"}"#), ["- a: 1", r#"+ a: "1""#]);
        assert_eq!(diff(None, Some(Some(r#""Be kind.""#))), ["+ Be kind."]);
        assert_eq!(diff(Some(None), Some(Some("{}"))).len(), 1);
    }

    #[test]
    fn of_long_texts_the_difference_is_shown() {
        let text = |middle: &str| {
            format!(
                r#"{{"d":"{}{middle}{}"}}"#,
                "a".repeat(400),
                "z".repeat(400)
            )
        };
        let lines = of(&text("1"), &text("2 and 3"));
        let context = ("a".repeat(CONTEXT), "z".repeat(CONTEXT));
        assert_eq!(
            lines,
            [
                format!("- d: …{}1{}…", context.0, context.1),
                format!("+ d: …{}2 and 3{}…", context.0, context.1),
            ]
        );
        let shown = short(&["x".repeat(200), "b".into(), "c".into()], 1);
        assert_eq!(
            shown,
            [format!("{}…", "x".repeat(160)), "… and 2 more".to_owned()]
        );
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        let new = "{\"d\\u001b[2J\":\"a\\u202eb\\u200b\u{e0041}\"}";
        assert_eq!(
            of("{}", new).first().map(String::as_str),
            Some(r"+ d\u{1b}[2J: a\u{202e}b\u{200b}\u{e0041}")
        );
    }

    proptest! {
        #[test]
        fn two_texts_that_differ_have_a_diff(one in "[a\n ]{0,12}", other in "[a\n ]{0,12}") {
            let json = |text: &str| serde_json::json!({ "d": text }).to_string();
            prop_assert_eq!(of(&json(&one), &json(&other)).is_empty(), one == other);
        }
    }
}
