//! JSON text as the values that a schema is evaluated with, and the places where these are not the text's own.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;

/// The levels that objects and arrays may have.
pub(super) const MAX_DEPTH: usize = 128;
/// The values that a text may have, names not counted.
pub(super) const MAX_VALUES: usize = 1_000_000;

/// A JSON text, read.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) value: Value,
    /// The number of values within, itself included.
    pub(super) values: usize,
    /// The levels of objects and arrays; 0 for a value that is neither.
    pub(super) depth: usize,
    /// The places (RFC 6901) whose value is another than the text's: numbers that neither an integer of 64 bits nor a
    /// binary fraction tells from its neighbours, strings that are no Unicode. `1e400` is the largest number there is.
    pub(super) inexact: Vec<String>,
    /// The place of the first member whose name its object has twice; the last one counts here.
    pub(super) duplicate: Option<String>,
}

/// The reason why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not one JSON value.
    NotJson,
    /// It has more than [`MAX_DEPTH`] levels.
    TooDeep,
    /// It has more than [`MAX_VALUES`] values.
    TooMany,
}

impl Instance {
    /// Reads a text.
    pub(super) fn read(text: &str) -> Result<Self, Unread> {
        let mut reader = Reader {
            text,
            at: 0,
            depth: 0,
            place: String::new(),
            found: Self {
                value: Value::Null,
                values: 0,
                depth: 0,
                inexact: Vec::new(),
                duplicate: None,
            },
        };
        let value = reader.value()?;
        reader.white_space();
        if reader.at != text.len() {
            return Err(Unread::NotJson);
        }
        Ok(Self {
            value,
            ..reader.found
        })
    }

    /// Says whether a value at this place or below it is not the text's own.
    pub(super) fn is_inexact_at(&self, place: &str) -> bool {
        self.inexact.iter().any(|inexact| {
            let rest = inexact.strip_prefix(place);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The place of the value that is read.
    place: String,
    found: Instance,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.white_space();
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn takes_word(&mut self, word: &str) -> Result<(), Unread> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Unread::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Unread> {
        self.white_space();
        self.found.values += 1;
        if self.found.values > MAX_VALUES {
            return Err(Unread::TooMany);
        }
        match self.peek().ok_or(Unread::NotJson)? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => self.string().map(Value::String),
            b't' => self.takes_word("true").map(|()| Value::Bool(true)),
            b'f' => self.takes_word("false").map(|()| Value::Bool(false)),
            b'n' => self.takes_word("null").map(|()| Value::Null),
            _ => self.number(),
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Value, Unread>,
    ) -> Result<Value, Unread> {
        self.at += 1;
        self.depth += 1;
        self.found.depth = self.found.depth.max(self.depth);
        if self.depth > MAX_DEPTH {
            return Err(Unread::TooDeep);
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Unread> {
        let mut members = Map::new();
        if self.takes(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.white_space();
            let inexact = self.found.inexact.len();
            let name = self.string()?;
            // A name that is no Unicode has no place of its own.
            self.found.inexact.truncate(inexact);
            if !self.takes(b':') {
                return Err(Unread::NotJson);
            }
            let length = self.place.len();
            self.place.push('/');
            self.place
                .push_str(&name.replace('~', "~0").replace('/', "~1"));
            let value = self.value()?;
            if members.insert(name, value).is_some() && self.found.duplicate.is_none() {
                self.found.duplicate = Some(self.place.clone());
            }
            self.place.truncate(length);
            if self.takes(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.takes(b',') {
                return Err(Unread::NotJson);
            }
        }
    }

    fn array(&mut self) -> Result<Value, Unread> {
        let mut elements = Vec::new();
        if self.takes(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            let length = self.place.len();
            self.place.push('/');
            self.place.push_str(&elements.len().to_string());
            let value = self.value()?;
            self.place.truncate(length);
            elements.push(value);
            if self.takes(b']') {
                return Ok(Value::Array(elements));
            }
            if !self.takes(b',') {
                return Err(Unread::NotJson);
            }
        }
    }

    fn string(&mut self) -> Result<String, Unread> {
        let written = self.written_string().ok_or(Unread::NotJson)?;
        let written = self.text.get(written).unwrap_or_default();
        let inner = written.get(1..written.len() - 1).unwrap_or_default();
        if !inner.contains('\\') {
            return Ok(inner.to_owned());
        }
        Ok(serde_json::from_str(written).unwrap_or_else(|_| {
            // Half of a surrogate pair, which no Rust string holds.
            self.found.inexact.push(self.place.clone());
            inner.to_owned()
        }))
    }

    /// Passes over a string. Returns its place, quotes included.
    fn written_string(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += memchr::memchr2(b'"', b'\\', rest)?;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Some(start..self.at);
            }
            self.at += 2;
        }
    }

    fn number(&mut self) -> Result<Value, Unread> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let length = rest.bytes().take_while(|byte| is_part(*byte)).count();
        let literal = rest.get(..length).unwrap_or_default();
        self.at += length;
        if let Ok(number) = literal.parse::<u64>() {
            return Ok(Value::Number(number.into()));
        }
        if let Ok(number) = literal.parse::<i64>() {
            return Ok(Value::Number(number.into()));
        }
        let number = literal.parse::<f64>().map_err(|_| Unread::NotJson)?;
        let number = number.clamp(f64::MIN, f64::MAX);
        // The shortest text of a binary fraction stands for it alone.
        let is_exact =
            Decimal::read(literal).is_some_and(|it| Some(it) == Decimal::read(&number.to_string()));
        if !is_exact {
            self.found.inexact.push(self.place.clone());
        }
        Number::from_f64(number)
            .map(Value::Number)
            .ok_or(Unread::NotJson)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_they_stand() {
        let text =
            r#" {"a":[1,-2,1.5,1e3,"x\n",true,false,null],"é/~":{}, "u":18446744073709551615} "#;
        let read = Instance::read(text).unwrap();
        assert_eq!(
            read.value,
            serde_json::from_str::<Value>(text).unwrap(),
            "{read:?}"
        );
        assert_eq!((read.values, read.depth), (12, 2));
        assert!(read.inexact.is_empty() && read.duplicate.is_none());
    }

    #[test]
    fn numbers_that_are_rounded_and_half_surrogates_are_noted() {
        let text = r#"{"a":[1e400,-1e400,9007199254740993,0.1,18446744073709551617],"b/c":0.12345678901234567891,"s":"\ud800","t":1e-400}"#;
        let read = Instance::read(text).unwrap();
        assert_eq!(read.inexact, ["/a/0", "/a/1", "/a/4", "/b~1c", "/s", "/t"]);
        assert_eq!(read.value.pointer("/a/0"), Some(&json!(f64::MAX)));
        assert_eq!(
            read.value.pointer("/a/2"),
            Some(&json!(9_007_199_254_740_993_u64))
        );
        assert!(read.is_inexact_at("") && read.is_inexact_at("/a"));
        assert!(!read.is_inexact_at("/b") && !read.is_inexact_at("/a/3"));
    }

    #[test]
    fn a_second_member_of_one_name_is_found_however_it_is_spelt() {
        let read = Instance::read(r#"{"x":[{"path":1,"p\u0061th":2}]}"#).unwrap();
        assert_eq!(read.duplicate.as_deref(), Some("/x/0/path"));
        assert_eq!(read.value, json!({"x":[{"path":2}]}));
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_not_read() {
        for text in [
            "", "{", "[1,]", "{\"a\"}", "1 2", "\"", "\"\\", "nul", "-", "{1:2}", "[1 2]",
        ] {
            assert_eq!(Instance::read(text).unwrap_err(), Unread::NotJson, "{text}");
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Instance::read(&nested(MAX_DEPTH)).is_ok());
        let deep = Instance::read(&nested(MAX_DEPTH + 1));
        assert_eq!(deep.unwrap_err(), Unread::TooDeep);
    }
}
