//! Whether JSON is what was expected, and where it is not.

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

/// Compares two JSON texts: every member expected must be there and equal, others may be; arrays agree in length;
/// strings compare decoded, numbers as they are spelt, because a bridge does not respell them.
///
/// # Errors
/// The first difference, in the order of member names.
pub fn compare(expected: &str, found: &str) -> Result<(), Difference> {
    compare_at(&mut Vec::new(), expected, found)
}

fn compare_at(path: &mut Vec<String>, expected: &str, found: &str) -> Result<(), Difference> {
    let (expected, found) = (expected.trim(), found.trim());
    // Deep enough for people; a recording of something deeper is compared as text below here.
    let is_deep = path.len() > 100;
    let is_same = match (Shape::of(expected), Shape::of(found)) {
        (Shape::Object(expected), Shape::Object(found)) if !is_deep => {
            for (name, expected) in expected {
                path.push(name);
                let name = path.last().map(String::as_str).unwrap_or_default();
                let Some(found) = found.get(name) else {
                    return Err(difference(path, expected.get(), None));
                };
                compare_at(path, expected.get(), found.get())?;
                path.pop();
            }
            true
        }
        (Shape::Array(expected), Shape::Array(found))
            if !is_deep && expected.len() == found.len() =>
        {
            for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
                path.push(at.to_string());
                compare_at(path, expected.get(), found.get())?;
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
        ] {
            assert_eq!(compare(expected, found), Ok(()), "{expected} in {found}");
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
        ] {
            assert_eq!(compare(expected, found).unwrap_err().to_string(), shown);
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(compare(&deep("1"), &deep("1")), Ok(()));
        assert!(compare(&deep("1"), &deep("2")).is_err());
    }
}
