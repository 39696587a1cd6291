//! The beginning of a text that fits into so many bytes of JSON, and the room that is left in a result.

/// The bytes that a result may still have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(usize);

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(super) fn left(self) -> usize {
        self.0
    }

    /// Takes room that is there.
    pub(super) fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Takes room if it is there.
    pub(super) fn takes(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        if fits {
            self.0 -= bytes;
        }
        fits
    }
}

/// The beginning of a text.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) text: &'a str,
}

impl<'a> Head<'a> {
    /// Returns the longest beginning of a text that takes at most so many bytes within a JSON string. It ends between two
    /// characters.
    pub(super) fn of(text: &'a str, bytes: usize) -> Self {
        let mut left = bytes;
        let mut end = text.len();
        for (at, c) in text.char_indices() {
            let written = written(c);
            if written > left {
                end = at;
                break;
            }
            left -= written;
        }
        Self {
            text: text.get(..end).unwrap_or_default(),
        }
    }

    /// Returns a text as a JSON string.
    pub(super) fn whole(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }
}

/// The bytes of a character within a JSON string, as it is written here.
fn written(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\u{0}'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_between_characters_and_fits() {
        for (text, bytes, expected) in [
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("aäb", 2, "a"),
            ("aäb", 3, "aä"),
            ("😀", 3, ""),
            ("\n\n", 3, "\n"),
            ("\u{1}", 5, ""),
            ("\"a", 2, "\""),
        ] {
            assert_eq!(Head::of(text, bytes).text, expected, "{text} {bytes}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_head_is_as_long_as_it_may_be(text in ".{0,40}", bytes in 0_usize..60) {
            let head = Head::of(&text, bytes);
            proptest::prop_assert!(Head::whole(head.text).len() <= bytes + 2);
            proptest::prop_assert!(text.starts_with(head.text));
            if let Some(next) = text[head.text.len()..].chars().next() {
                let longer = format!("{}{next}", head.text);
                proptest::prop_assert!(Head::whole(&longer).len() > bytes + 2);
            }
        }
    }
}
