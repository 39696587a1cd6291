//! Compares JSON with what was expected, and finds the place where it differs.
//!
//! A string `"$name"` expected is a place for anything: the first thing found there is bound to the name, and everywhere
//! else the name stands for that, and no other name does. `"$nothing"` is a member that must not be there.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

/// The first place where something is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Member names and array places, joined by dots; empty for the whole.
    pub path: String,
    /// The JSON expected there.
    pub expected: String,
    /// The JSON found there, if anything was.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(out, "at {}: ", self.path)?;
        }
        write!(out, "expected {}, found ", clipped(&self.expected))?;
        match &self.found {
            Some(found) => out.write_str(&clipped(found)),
            None => out.write_str("nothing"),
        }
    }
}

/// The values of names: JSON text by name, without its `$`.
pub type Bound = BTreeMap<String, String>;

const NOTHING: &str = "\"$nothing\"";

/// Compares two JSON texts: every member expected must be there and equal, others may be; arrays agree in length;
/// strings compare decoded, numbers as they are spelt, because a bridge does not respell them. Names not yet in `bound`
/// are added to it, also by a comparison that fails.
///
/// # Errors
/// The first difference, in the order of member names.
pub fn compare(expected: &str, found: &str, bound: &mut Bound) -> Result<(), Difference> {
    compare_at(&mut Vec::new(), expected, found, bound)
}

/// The text with what its names stand for in their places; a name that stands for nothing stays.
pub(super) fn filled_in(text: &str, bound: &Bound) -> String {
    let mut text = text.to_owned();
    for (name, value) in bound {
        text = text.replace(&format!("\"${name}\""), value);
    }
    text
}

/// The name that this JSON text is.
fn name_of(text: &str) -> Option<&str> {
    let name = text.strip_prefix("\"$")?.strip_suffix('"')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then_some(name)
}

fn compare_at(
    path: &mut Vec<String>,
    expected: &str,
    found: &str,
    bound: &mut Bound,
) -> Result<(), Difference> {
    let (expected, found) = (expected.trim(), found.trim());
    if let Some(name) = name_of(expected) {
        let other = bound.iter().find(|(_, value)| *value == found);
        return match (bound.get(name), other) {
            (Some(known), _) if known == found => Ok(()),
            (Some(known), _) => Err(difference(path, known, Some(found))),
            (None, Some((other, _))) => {
                let expected = format!("anything but ${other}");
                Err(difference(path, &expected, Some(found)))
            }
            (None, None) => {
                bound.insert(name.to_owned(), found.to_owned());
                Ok(())
            }
        };
    }
    // Deep enough for people; a recording of something deeper is compared as text below here.
    let is_deep = path.len() > 100;
    let is_same = match (Shape::of(expected), Shape::of(found)) {
        (Shape::Object(expected), Shape::Object(found)) if !is_deep => {
            for (name, expected) in expected {
                path.push(name);
                let name = path.last().map(String::as_str).unwrap_or_default();
                match found.get(name) {
                    None if expected.get() == NOTHING => {}
                    None => return Err(difference(path, expected.get(), None)),
                    Some(found) if expected.get() == NOTHING => {
                        return Err(difference(path, "nothing", Some(found.get())));
                    }
                    Some(found) => compare_at(path, expected.get(), found.get(), bound)?,
                }
                path.pop();
            }
            true
        }
        (Shape::Array(expected), Shape::Array(found))
            if !is_deep && expected.len() == found.len() =>
        {
            for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
                path.push(at.to_string());
                compare_at(path, expected.get(), found.get(), bound)?;
                path.pop();
            }
            true
        }
        (Shape::Text(expected), Shape::Text(found)) => expected == found,
        _ => expected == found,
    };
    if is_same {
        Ok(())
    } else {
        Err(difference(path, expected, Some(found)))
    }
}

fn difference(path: &[String], expected: &str, found: Option<&str>) -> Difference {
    Difference {
        path: path.join("."),
        expected: expected.into(),
        found: found.map(Into::into),
    }
}

enum Shape<'a> {
    Object(BTreeMap<String, &'a RawValue>),
    Array(Vec<&'a RawValue>),
    Text(String),
    Other,
}

impl<'a> Shape<'a> {
    fn of(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'{') => serde_json::from_str(text).map(Self::Object).ok(),
            Some(b'[') => serde_json::from_str(text).map(Self::Array).ok(),
            Some(b'"') => serde_json::from_str(text).map(Self::Text).ok(),
            _ => None,
        }
        .unwrap_or(Self::Other)
    }
}

fn clipped(text: &str) -> String {
    const WIDTH: usize = 400;
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(expected: &str, found: &str) -> Result<(), Difference> {
        compare(expected, found, &mut Bound::new())
    }

    #[test]
    fn members_not_written_do_not_matter() {
        for (expected, found) in [
            ("{}", r#"{"a":1}"#),
            (
                r#"{"a":{"b":"x"}}"#,
                r#"{"z":0, "a" : {"c":[],"b":"\u0078"}}"#,
            ),
            (r#"[{"a":1},2]"#, r#"[{"a":1,"b":2}, 2]"#),
            ("1e400", "1e400"),
            ("null", " null "),
            (r#"{"a":"$nothing"}"#, r#"{"b":1}"#),
            (r#"{"a":"$x","b":["$x","$y"]}"#, r#"{"a":"1","b":["1",1]}"#),
        ] {
            assert_eq!(compared(expected, found), Ok(()), "{expected} in {found}");
        }
    }

    #[test]
    fn the_first_difference_is_named_by_its_place() {
        for (expected, found, shown) in [
            (
                r#"{"a":[1,{"b":2}]}"#,
                r#"{"a":[1,{"b":3}]}"#,
                "at a.1.b: expected 2, found 3",
            ),
            (
                r#"{"a":[1]}"#,
                r#"{"a":[1,2]}"#,
                "at a: expected [1], found [1,2]",
            ),
            (
                r#"{"a":{"b":null}}"#,
                r#"{"a":{}}"#,
                "at a.b: expected null, found nothing",
            ),
            ("1", "1.0", "expected 1, found 1.0"),
            ("1", "\"1\"", "expected 1, found \"1\""),
            ("[]", "{}", "expected [], found {}"),
            (
                r#"{"a":1,"a":2}"#,
                r#"{"a":1}"#,
                "at a: expected 2, found 1",
            ),
            (
                r#"{"a":"$nothing"}"#,
                r#"{"a":null}"#,
                "at a: expected nothing, found null",
            ),
            (
                r#"{"a":"$one","b":"$one"}"#,
                r#"{"a":[1],"b":[2]}"#,
                "at b: expected [1], found [2]",
            ),
            (
                r#"{"a":"$one","b":"$two"}"#,
                r#"{"a":1,"b":1}"#,
                "at b: expected anything but $one, found 1",
            ),
        ] {
            assert_eq!(compared(expected, found).unwrap_err().to_string(), shown);
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(compared(&deep("1"), &deep("1")), Ok(()));
        assert!(compared(&deep("1"), &deep("2")).is_err());
    }

    #[test]
    fn a_name_stands_for_what_was_first_found_in_its_place() {
        let mut bound = Bound::new();
        let expected = r#"{"id":"$question","in":"$ 1","out":"$nothing"}"#;
        compare(expected, r#"{"id":"b:7","in":"$ 1"}"#, &mut bound).unwrap();
        assert!(compare(r#""$question""#, r#""b:8""#, &mut bound).is_err());
        assert_eq!(
            filled_in(
                r#"{"id":"$question","s":"\"$question\"","t":"$later"}"#,
                &bound
            ),
            r#"{"id":"b:7","s":"\"$question\"","t":"$later"}"#
        );
    }
}
