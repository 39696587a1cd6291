//! The strings of a JSON text: found without building a value, and replaced without touching what stands between them.
//!
//! A peer chooses the depth, so nothing here recurses. The text is one that was read before; of a text that is no JSON
//! some strings may be missed.

use std::borrow::Cow;
use std::ops::Range;

/// A step from the root of a JSON text to a value in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// A member of an object, by its name as it is written, without quotes.
    Member(&'a str),
    /// An element of an array, counted from 0.
    Element(usize),
}

/// A string in a JSON text.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The string as it is written, with its quotes and escapes.
    pub(crate) written: &'a str,
    /// The place of `written` in the text.
    pub(crate) range: Range<usize>,
    /// True for the name of a member. Its path is that of the object that has the member.
    pub(crate) is_name: bool,
    /// The steps from the root to the string.
    pub(crate) path: &'a [Step<'a>],
}

/// An object or array that is open.
struct Level {
    is_object: bool,
    awaits_name: bool,
}

/// Calls back with each string of a JSON text, names of members included, in their order.
pub(crate) fn each(json: &str, mut each: impl FnMut(&Found<'_>)) {
    let bytes = json.as_bytes();
    let mut open: Vec<Level> = Vec::new();
    let mut path: Vec<Step<'_>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = end_of_string(bytes, at);
                let written = json.get(at..end).unwrap_or_default();
                let level = open.last_mut().filter(|level| level.awaits_name);
                let is_name = level.is_some();
                let steps = match is_name {
                    true => path.len().saturating_sub(1),
                    false => path.len(),
                };
                each(&Found {
                    written,
                    range: at..end,
                    is_name,
                    path: path.get(..steps).unwrap_or_default(),
                });
                if let Some(level) = level {
                    level.awaits_name = false;
                    if let Some(step) = path.last_mut() {
                        *step = Step::Member(inner(written));
                    }
                }
                at = end;
                continue;
            }
            b'{' => {
                open.push(Level {
                    is_object: true,
                    awaits_name: true,
                });
                path.push(Step::Member(""));
            }
            b'[' => {
                open.push(Level {
                    is_object: false,
                    awaits_name: false,
                });
                path.push(Step::Element(0));
            }
            b'}' | b']' => {
                open.pop();
                path.pop();
            }
            b',' => match (open.last_mut(), path.last_mut()) {
                (Some(level), _) if level.is_object => level.awaits_name = true,
                (_, Some(Step::Element(index))) => *index += 1,
                _ => {}
            },
            _ => {}
        }
        at += 1;
    }
}

/// Returns a JSON text in which the strings for which `replace` returns JSON are replaced by that; borrowed where none is.
pub(crate) fn rewritten(
    json: &str,
    mut replace: impl FnMut(&Found<'_>) -> Option<String>,
) -> Cow<'_, str> {
    let mut edited = String::new();
    let mut from = 0;
    each(json, |found| {
        if let Some(new) = replace(found) {
            edited.push_str(json.get(from..found.range.start).unwrap_or_default());
            edited.push_str(&new);
            from = found.range.end;
        }
    });
    if from == 0 {
        return Cow::Borrowed(json);
    }
    edited.push_str(json.get(from..).unwrap_or_default());
    Cow::Owned(edited)
}

/// Returns the text between the quotes.
pub(crate) fn inner(written: &str) -> &str {
    let end = written.len().saturating_sub(1);
    written.get(1..end).unwrap_or_default()
}

/// Returns a string as it reads. A lone surrogate, which is no text, reads as `\u{d800}`, written out; `true` says that
/// there is one.
pub(crate) fn read(written: &str) -> (Cow<'_, str>, bool) {
    let bare = inner(written);
    if !bare.contains('\\') {
        return (Cow::Borrowed(bare), false);
    }
    if let Ok(text) = serde_json::from_str::<String>(written) {
        return (Cow::Owned(text), false);
    }
    let mut whole = String::with_capacity(written.len());
    let mut rest = bare;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        let length = match unit(escape) {
            None => escape.chars().take(2).map(char::len_utf8).sum(),
            Some(high @ 0xd800..=0xdbff) => match escape.get(6..).and_then(unit) {
                Some(0xdc00..=0xdfff) => 12,
                _ => {
                    whole.push_str(&format!("\\\\u{{{high:x}}}"));
                    rest = escape.get(6..).unwrap_or_default();
                    continue;
                }
            },
            Some(low @ 0xdc00..=0xdfff) => {
                whole.push_str(&format!("\\\\u{{{low:x}}}"));
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            Some(_) => 6,
        };
        let (escape, after) = escape.split_at(length);
        whole.push_str(escape);
        rest = after;
    }
    whole.push_str(rest);
    let text = serde_json::from_str(&format!("\"{whole}\""));
    (Cow::Owned(text.unwrap_or(whole)), true)
}

/// Reads the UTF-16 code unit of an escape such as `\u202e`.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// The place behind the closing quote of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(json: &str) -> Vec<String> {
        let mut all = Vec::new();
        each(json, |found| {
            let path = found.path.iter().map(|step| match step {
                Step::Member(name) => format!("/{name}"),
                Step::Element(index) => format!("/{index}"),
            });
            let mark = if found.is_name { "!" } else { "" };
            all.push(format!(
                "{}{mark}{}",
                path.collect::<String>(),
                found.written
            ));
        });
        all
    }

    #[test]
    fn each_string_is_found_with_its_path() {
        let json = r#" {"a" : ["x", {"b\"":"y"}, 1, ["z"]], "c":{}, "d":null,"e":"\\"}"#;
        let wanted = [
            r#"!"a""#,
            r#"/a/0"x""#,
            r#"/a/1!"b\"""#,
            r#"/a/1/b\""y""#,
            r#"/a/3/0"z""#,
            r#"!"c""#,
            r#"!"d""#,
            r#"!"e""#,
            r#"/e"\\""#,
        ];
        assert_eq!(listed(json), wanted);
        assert_eq!(listed("\"alone\""), ["\"alone\""]);
        for broken in ["\"", "}]", "{\"a", "\"\\", "[,,"] {
            listed(broken);
        }
    }

    #[test]
    fn only_what_is_replaced_changes() {
        let json = r#"{ "n" : 1e400, "a":"x","b":"x" }"#;
        let new = rewritten(json, |found| {
            (found.path == [Step::Member("a")]).then(|| "\"y\"".to_owned())
        });
        assert_eq!(new, r#"{ "n" : 1e400, "a":"y","b":"x" }"#);
        assert!(matches!(rewritten(json, |_| None), Cow::Borrowed(_)));
    }

    #[test]
    fn lone_surrogates_are_written_out() {
        assert_eq!(read(r#""a\ud83d\ude00""#), ("a😀".into(), false));
        assert_eq!(
            read(r#""a\ud800\n\\ud""#),
            ("a\\u{d800}\n\\ud".into(), true)
        );
        assert_eq!(
            read(r#""\ud800\ud83d\ude00\udc00""#),
            ("\\u{d800}😀\\u{dc00}".into(), true)
        );
    }
}
