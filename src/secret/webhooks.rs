//! Signing secrets of webhooks, told by their looks: `whsec_` and base64 (SEP-3415, "Webhook security").
//!
//! A host makes them and sends them to servers, so none of them is mcpipe's own proof; what mcpipe writes for others shows
//! none of them all the same.

use std::borrow::Cow;

use memchr::memmem;

const PREFIX: &str = "whsec_";
/// Fewer characters behind the prefix, as in a text about such secrets, are none.
const SHORTEST: usize = 8;

/// Returns the text with this in the place of each.
pub(super) fn without<'a>(text: &'a str, instead: &str) -> Cow<'a, str> {
    let mut shown = String::new();
    let mut done = 0;
    for start in memmem::find_iter(text.as_bytes(), PREFIX) {
        let rest = text.get(start + PREFIX.len()..).unwrap_or_default();
        let length = length(rest.as_bytes());
        if start >= done && length >= SHORTEST {
            shown.push_str(text.get(done..start).unwrap_or_default());
            shown.push_str(instead);
            done = start + PREFIX.len() + length;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Returns the length of the base64 at the start of a text, also where JSON or an address spells it with escapes.
fn length(text: &[u8]) -> usize {
    let mut length = 0;
    while let Some(rest) = text.get(length..) {
        length += match rest {
            [byte, ..] if byte.is_ascii_alphanumeric() || b"+/=-_%".contains(byte) => 1,
            [b'\\', b'/', ..] => 2,
            [b'\\', b'u', ..] => 2,
            _ => break,
        };
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::live::HIDDEN;

    #[test]
    fn a_signing_secret_is_hidden_by_its_looks_wherever_it_stands() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (text, shown) in [
            (secret.to_owned(), HIDDEN.to_owned()),
            (
                format!(r#"{{"secret":"{secret}","url":"x"}}"#),
                format!(r#"{{"secret":"{HIDDEN}","url":"x"}}"#),
            ),
            (
                r#"a "whsec_ab\/cd\u002bef+/==" b whsec_12345678"#.to_owned(),
                format!(r#"a "{HIDDEN}" b {HIDDEN}"#),
            ),
            (
                "whsec_ and base64".to_owned(),
                "whsec_ and base64".to_owned(),
            ),
        ] {
            assert_eq!(without(&text, HIDDEN), shown);
        }
    }
}
