//! Canonical JSON: one text for all spellings of a value.
//!
//! RFC 8785 without its loss of digits. Members are in the order of their names' UTF-16 code units, there is no white
//! space, strings have the shortest escapes. Numbers are compared by their exact decimal value: `1`, `1.0` and `10e-1` are
//! one number, and 9007199254740993 is another than 9007199254740992, which RFC 8785 takes for the same. They are written
//! as RFC 8785 writes a number that has these digits, so a text without numbers beyond a double is that of RFC 8785.
//!
//! The order of an array counts, Unicode is not normalized, and a lone surrogate stays an escape. Members of one name all
//! stay, in the order in which they came: programs differ in which of them they read.

/// The longest text that is made canonical, in bytes: beside it stands a tree of several times its size.
pub(super) const MAX_LENGTH: usize = 1 << 20;

/// The greatest depth of arrays and objects.
const MAX_DEPTH: usize = 128;

/// Returns the canonical text of a JSON value; `None` for what is no JSON, is longer than [`MAX_LENGTH`], or is nested
/// deeper than 128 levels.
pub(super) fn canonical(json: &str) -> Option<String> {
    if json.len() > MAX_LENGTH {
        return None;
    }
    let mut reader = Reader {
        text: json.as_bytes(),
        at: 0,
    };
    let value = reader.value(0)?;
    reader.white_space();
    if reader.at < json.len() {
        return None;
    }
    let mut out = String::with_capacity(json.len());
    value.write(&mut out);
    Some(out)
}

enum Value {
    /// A number or a word, as it is written canonically.
    Plain(String),
    /// UTF-16 code units, among them perhaps lone surrogates.
    Text(Vec<u16>),
    Array(Vec<Self>),
    Object(Vec<(Vec<u16>, Self)>),
}

impl Value {
    fn write(&self, out: &mut String) {
        match self {
            Self::Plain(text) => out.push_str(text),
            Self::Text(units) => write_text(units, out),
            Self::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(units: &[u16], out: &mut String) {
    out.push('"');
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok('"') => out.push_str("\\\""),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\t') => out.push_str("\\t"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok('\r') => out.push_str("\\r"),
            Ok(c) if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            Ok(c) => out.push(c),
            Err(lone) => out.push_str(&format!("\\u{:04x}", lone.unpaired_surrogate())),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.white_space();
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::Text),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Option<Value> {
        let end = self.at + word.len();
        (self.text.get(self.at..end)? == word.as_bytes()).then_some(())?;
        self.at = end;
        Some(Value::Plain(word.to_owned()))
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.next()?;
        let mut members = Vec::new();
        self.white_space();
        if self.take(b'}') {
            return Some(Value::Object(members));
        }
        loop {
            self.white_space();
            let name = self.string()?;
            self.white_space();
            self.take(b':').then_some(())?;
            members.push((name, self.value(depth + 1)?));
            self.white_space();
            match self.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        // A stable sort: members of one name keep their order.
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.next()?;
        let mut elements = Vec::new();
        self.white_space();
        if self.take(b']') {
            return Some(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.white_space();
            match self.next()? {
                b',' => {}
                b']' => return Some(Value::Array(elements)),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<Vec<u16>> {
        self.take(b'"').then_some(())?;
        let mut units = Vec::new();
        loop {
            let start = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..b' ') {
                self.at += 1;
            }
            // The ends are ASCII, so the text between them is whole.
            let plain = std::str::from_utf8(self.text.get(start..self.at)?).ok()?;
            units.extend(plain.encode_utf16());
            match self.next()? {
                b'"' => return Some(units),
                b'\\' => units.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        Some(match self.next()? {
            b'b' => 0x8,
            b't' => 0x9,
            b'n' => 0xa,
            b'f' => 0xc,
            b'r' => 0xd,
            b'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from(self.next()?).to_digit(16)?;
                    unit = unit << 4 | u16::try_from(digit).ok()?;
                }
                unit
            }
            byte @ (b'"' | b'\\' | b'/') => u16::from(byte),
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<Value> {
        let is_negative = self.take(b'-');
        let whole = self.digits();
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let mut fraction = String::new();
        if self.take(b'.') {
            fraction = self.digits();
            (!fraction.is_empty()).then_some(())?;
        }
        let mut exponent = 0;
        let start = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let is_below_one = self.take(b'-');
            if !is_below_one {
                self.take(b'+');
            }
            let digits = self.digits();
            (!digits.is_empty()).then_some(())?;
            match digits.parse::<i64>() {
                Ok(size) if size < 1 << 40 => exponent = if is_below_one { -size } else { size },
                // An exponent that no program computes with: the number stays as it is written.
                _ => {
                    let sign = if is_negative { "-" } else { "" };
                    let rest = std::str::from_utf8(self.text.get(start..self.at)?).ok()?;
                    return Some(Value::Plain(format!("{sign}{whole}.{fraction}{rest}")));
                }
            }
        }
        let number = decimal(&whole, &fraction, exponent)?;
        let is_zero = number == "0";
        let sign = if is_negative && !is_zero { "-" } else { "" };
        Some(Value::Plain(format!("{sign}{number}")))
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            digits.push(char::from(digit));
            self.at += 1;
        }
        digits
    }
}

/// Writes a number as ECMAScript does (Number::toString, which RFC 8785 section 3.2.2.3 names), from all its digits.
fn decimal(whole: &str, fraction: &str, exponent: i64) -> Option<String> {
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let leading = i64::try_from(all.len() - significant.len()).ok()?;
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // The value is 0.DIGITS times ten to the power of `point`.
    let point = i64::try_from(whole.len()).ok()? - leading + exponent;
    let length = i64::try_from(digits.len()).ok()?;
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
    Some(match point {
        1..=21 if length <= point => format!("{digits}{}", zeros(point - length)),
        1..=21 => {
            let (before, after) = digits.split_at_checked(usize::try_from(point).ok()?)?;
            format!("{before}.{after}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at_checked(1)?;
            let point_and_rest = match rest {
                "" => String::new(),
                rest => format!(".{rest}"),
            };
            format!("{first}{point_and_rest}e{:+}", point - 1)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(json: &str) -> String {
        canonical(json).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8785_is_written_as_there() {
        // Section 3.2.2 and 3.2.3, but for the number of 333333333.33333329, whose digits a double does not have.
        let json = r#"{ "numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }"#;
        let written = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                       \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(of(json), written);
        let json = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let order: Vec<String> = ["\\r", "1", "\u{80}", "ö", "€", "😀", "\u{fb33}"]
            .iter()
            .map(|name| format!("\"{name}\":"))
            .collect();
        let text = of(json);
        let places: Vec<usize> = order.iter().map(|name| text.find(name).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn numbers_are_one_where_their_decimal_value_is_and_no_digit_is_lost() {
        for (written, number) in [
            ("-0", "0"),
            ("0e99", "0"),
            ("1.0", "1"),
            ("10e-1", "1"),
            ("100", "100"),
            ("1e21", "1e+21"),
            ("123456789012345678901", "123456789012345678901"),
            ("1234567890123456789012", "1.234567890123456789012e+21"),
            ("9007199254740993", "9007199254740993"),
            ("-0.0000010", "-0.000001"),
            ("0.0000001", "1e-7"),
            ("1E400", "1e+400"),
            ("12e99999999999999999999", "12.e99999999999999999999"),
        ] {
            assert_eq!(of(written), number, "{written}");
        }
    }

    #[test]
    fn what_programs_read_differently_is_kept() {
        assert_eq!(of(r#"{"b":1,"a":2,"b":0}"#), r#"{"a":2,"b":1,"b":0}"#);
        assert_eq!(of(r#""\uD800x""#), r#""\ud800x""#);
        assert_ne!(of(r#"["a","b"]"#), of(r#"["b","a"]"#));
        for wrong in ["", "{", "[1,]", "01", "1.", "nul", "\"\t\"", "{} {}", "+1"] {
            assert_eq!(canonical(wrong), None, "{wrong}");
        }
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(canonical(&deep(128)).is_some());
        assert!(canonical(&deep(100_000)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_json_is_and_the_canonical_text_is_its_own(text in r#"[\[\]{}:," \\u0-9a-f.eE+-]{0,24}"#) {
            if let Some(written) = canonical(&text) {
                prop_assert_eq!(canonical(&written), Some(written));
            }
            let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert!(!is_json || canonical(&text).is_some());
        }
    }
}
