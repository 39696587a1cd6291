//! Request ids, which keep their type, their value and their spelling (JSON-RPC 2.0 section 4; MCP, basic: requests).

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::IgnoredAny;

/// A request id as its JSON text, so that `1`, `1.0` and `"1"` stay three ids and go back exactly as they came.
/// Two spellings of one string (`"a"`, `"\u0061"`) are one id.
#[derive(Clone)]
pub struct Id {
    text: Box<str>,
    /// The decoded string, only where escapes make it differ from the text.
    decoded: Option<Box<str>>,
}

impl Id {
    /// An id of ours for a server. It is an integer, because there are servers that read ids into one; numbers below
    /// 2^53 arrive whole where JSON numbers are read as doubles.
    pub fn ours(number: u64) -> Self {
        Self {
            text: number.to_string().into(),
            decoded: None,
        }
    }

    /// The number that the id is, in digits or in a string of digits, for peers that give ids back in another spelling.
    pub fn number(&self) -> Option<u64> {
        let (_, text) = self.key();
        text.strip_suffix(".0").unwrap_or(text).parse().ok()
    }

    /// Reads the JSON text of an id; anything but a string or a number is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let decoded = match text.as_bytes().first()? {
            b'"' if text.contains('\\') => Some(serde_json::from_str::<String>(text).ok()?.into()),
            b'"' | b'-' | b'0'..=b'9' => None,
            _ => return None,
        };
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        Some(Self {
            text: text.into(),
            decoded,
        })
    }

    /// The id as JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether servers that write ids in another way may mean this id by that one: `"1"`, `1.0` and `1e0` for `1`.
    /// Stricter than it looks: two different ids of one host are alike only if they differ in type alone.
    pub fn is_like(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.key().1.trim(), other.key().1.trim());
        let number = |text: &str| {
            let number: f64 = text.parse().ok()?;
            // Beyond this, neighbours are one number to a double.
            (number.abs() < 9_007_199_254_740_992.0).then_some(number)
        };
        ours == theirs
            || number(ours)
                .zip(number(theirs))
                .is_some_and(|(ours, theirs)| ours.total_cmp(&theirs).is_eq())
    }

    fn key(&self) -> (bool, &str) {
        match (&self.decoded, self.text.strip_prefix('"')) {
            (Some(decoded), _) => (true, decoded),
            (None, Some(rest)) => (true, rest.strip_suffix('"').unwrap_or(rest)),
            (None, None) => (false, &self.text),
        }
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}
