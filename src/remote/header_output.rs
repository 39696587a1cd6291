//! Headers as a program prints them: a JSON object of strings, or lines as in a file of headers. No I/O.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::text::without_mark;

/// The fault in what was printed. Says only where: all of it may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing at all; `{}` is how to say that there are none.
    #[error("it printed nothing")]
    Nothing,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// The text begins like JSON.
    #[error("it begins with a brace and is no JSON object of names and strings")]
    NotObject,
    /// A member of the object.
    #[error("a name in the JSON object is no header's")]
    NoName,
    /// A line.
    #[error("line {0} is not of the form 'Name: value'")]
    NotHeader(usize),
    /// A value with control characters in it.
    #[error("the value of the header {0} cannot be sent")]
    Unsendable(HeaderName),
}

/// Reads them. `#` begins a comment line. Of two with one name the later wins.
///
/// # Errors
/// See [`Malformed`].
pub(super) fn headers(output: &[u8]) -> Result<HeaderMap, Malformed> {
    let text = std::str::from_utf8(output).map_err(|_| Malformed::NotText)?;
    let text = without_mark(text).trim();
    let mut headers = HeaderMap::new();
    let mut insert = |name: HeaderName, value: &str| {
        let Ok(mut value) = HeaderValue::try_from(value) else {
            return Err(Malformed::Unsendable(name));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    };
    if text.is_empty() {
        return Err(Malformed::Nothing);
    }
    if text.starts_with('{') {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(Malformed::NotObject);
        };
        for (name, value) in &members {
            let name = HeaderName::try_from(name.trim()).map_err(|_| Malformed::NoName)?;
            let value = value.as_str().ok_or(Malformed::NotObject)?;
            insert(name, value.trim())?;
        }
        return Ok(headers);
    }
    for (at, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || Malformed::NotHeader(at + 1);
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        insert(name, value.trim())?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_from_lines_and_from_json_and_the_later_wins() {
        for text in [
            "# comment\r\nX-Key: a:b  \r\n\nauthorization:Bearer x\nX-KEY: c d\n",
            r#" {"X-Key": "c d", "Authorization": " Bearer x "} "#,
            "\u{feff}X-Key: c d\r\nAuthorization: Bearer x\r\n",
            "\u{feff}{\"X-Key\": \"c d\", \"Authorization\": \"Bearer x\"}",
        ] {
            let found = headers(text.as_bytes()).unwrap();
            assert_eq!(found.len(), 2);
            assert_eq!(found["x-key"], "c d");
            assert_eq!(found["authorization"], "Bearer x");
            assert!(found.values().all(HeaderValue::is_sensitive));
        }
        assert!(headers(b"{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_header_is_told_without_showing_it() {
        for (text, wrong) in [
            (&b" \n"[..], Malformed::Nothing),
            (b"X: \xff", Malformed::NotText),
            (b"{s3cret", Malformed::NotObject),
            (br#"{"X": ["s3cret"]}"#, Malformed::NotObject),
            (br#"{"s3cret s3cret": "x"}"#, Malformed::NoName),
            (b"X: 1\ns3cret", Malformed::NotHeader(2)),
            (b"s3 cret: x", Malformed::NotHeader(1)),
            (
                br#"{"X": "s3cret\nY: z"}"#,
                Malformed::Unsendable(HeaderName::from_static("x")),
            ),
        ] {
            let found = headers(text).unwrap_err();
            assert_eq!(found, wrong);
            assert!(!format!("{found} {found:?}").contains("s3"));
        }
    }
}
