//! Texts of a server in which unwanted characters are escaped, so that a reader sees them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::characters::{self, Kind, unwanted};
use crate::policy::json_strings;

/// A use of a text, which says how it is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A name that a host sends back: `_u202e_`. APIs of models take letters, digits, `_` and `-` in the names of tools, and
    /// refuse all tools where one has another character.
    Name,
    /// A text on one line: `\u{202e}`.
    Line,
    /// A text with line ends and tabs: `\u{202e}`.
    Lines,
    /// An address: `%E2%80%AE` (RFC 3986 section 2.1).
    Address,
}

/// The number of unwanted characters by kind, and the first of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally(BTreeMap<Kind, (usize, String)>);

impl Tally {
    /// Says whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, kind: Kind, shown: impl FnOnce() -> String) {
        let (count, _) = self.0.entry(kind).or_insert_with(|| (0, shown()));
        *count += 1;
    }

    pub(crate) fn join(&mut self, other: Self) {
        for (kind, (count, shown)) in other.0 {
            self.0.entry(kind).or_insert((0, shown)).0 += count;
        }
    }

    /// The counts in words: `2 bidirectional controls (U+202E) and 1 invisible character (U+200B)`.
    pub(crate) fn in_words(&self) -> String {
        let words = self.0.iter();
        let words: Vec<_> = words
            .map(|(kind, (count, first))| format!("{} ({first})", kind.named(*count)))
            .collect();
        match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => words.concat(),
        }
    }
}

/// Returns a text with its unwanted characters escaped, and adds them to a tally. A text without any is borrowed.
pub(super) fn escaped<'a>(text: &'a str, form: Form, tally: &mut Tally) -> Cow<'a, str> {
    if characters::is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut from = 0;
    for found in unwanted(text, form == Form::Lines) {
        tally.add(found.kind, || found.to_string());
        shown.push_str(text.get(from..found.at).unwrap_or_default());
        let number = u32::from(found.character);
        match form {
            Form::Name => shown.push_str(&format!("_u{number:04x}_")),
            Form::Line | Form::Lines => shown.push_str(&format!("\\u{{{number:04x}}}")),
            Form::Address => {
                let mut bytes = [0; 4];
                for byte in found.character.encode_utf8(&mut bytes).bytes() {
                    shown.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        from = found.at + found.character.len_utf8();
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Returns a JSON string, quotes included, as it reads when it is escaped; `None` where nothing in it is unwanted.
pub(crate) fn escaped_json(written: &str, form: Form, tally: &mut Tally) -> Option<String> {
    let bare = json_strings::inner(written);
    if characters::is_plain(bare) && !bare.contains('\\') {
        return None;
    }
    let (text, has_lone_surrogate) = json_strings::read(written);
    if has_lone_surrogate {
        tally.add(Kind::LoneSurrogate, || "half a pair".to_owned());
    }
    match escaped(&text, form, tally) {
        Cow::Owned(shown) => Some(shown),
        Cow::Borrowed(_) => has_lone_surrogate.then(|| text.clone().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> String {
        escaped(text, Form::Lines, &mut Tally::default()).into_owned()
    }

    #[test]
    fn what_readers_do_not_see_is_escaped() {
        for (text, wanted) in [
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{1b}[31mred\u{9b}0m", "\\u{001b}[31mred\\u{009b}0m"),
            (
                "x\u{200b}\u{2060}\u{feff}\u{ad}y",
                "x\\u{200b}\\u{2060}\\u{feff}\\u{00ad}y",
            ),
            (
                "over\rwrite\u{8}\u{7f}",
                "over\\u{000d}write\\u{0008}\\u{007f}",
            ),
            ("hi\u{e0068}\u{e0069}", "hi\\u{e0068}\\u{e0069}"),
            (
                "😀\u{fe0f}\u{fe0f}\u{e0101}\u{fe01}",
                "😀\u{fe0f}\\u{fe0f}\\u{e0101}\\u{fe01}",
            ),
            ("a\u{200d}b \u{200c}c", "a\\u{200d}b \\u{200c}c"),
            ("😀\u{200d}x 😀\u{200d}", "😀\\u{200d}x 😀\\u{200d}"),
            ("ک\u{200c}\u{200c}ت", "ک\u{200c}\\u{200c}ت"),
            (
                "ㅤ\u{115f}\u{1160}\u{ffa0}",
                "\\u{3164}\\u{115f}\\u{1160}\\u{ffa0}",
            ),
            (
                "\u{fff9}a\u{fffa}b\u{fffb}",
                "\\u{fff9}a\\u{fffa}b\\u{fffb}",
            ),
            (
                "\u{2066}if\u{2069}\u{200f}",
                "\\u{2066}if\\u{2069}\\u{200f}",
            ),
            ("a\u{2028}b\u{85}", "a\\u{2028}b\\u{0085}"),
            // Tags of no flag, and of a flag with more behind it.
            (
                "🏴\u{e0067}\u{e0062}\u{e007f}",
                "🏴\\u{e0067}\\u{e0062}\\u{e007f}",
            ),
            (
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}\u{e0041}",
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}\\u{e0041}",
            ),
        ] {
            assert_eq!(lines(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_scripts_and_emoji_need_is_left_alone() {
        for text in [
            "Two lines\r\n\tand a tab\n",
            "family 👩\u{200d}👩\u{200d}👧\u{200d}👦 and 🏳\u{fe0f}\u{200d}🌈, 👨🏽\u{200d}💻",
            "keycap 1\u{fe0f}\u{20e3} ❤\u{fe0f} ☎\u{fe0e} ©\u{fe0f}",
            "می\u{200c}خواهم کتاب\u{200c}ها",
            "क्\u{200d}ष ক্\u{200c}ষ ශ්\u{200d}රී র\u{200d}্য",
            "עברית\u{200f} (C++\u{200f}ש) العربية\u{200e}!",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Scotland",
            "⠓⠑\u{2800}⠇",
            "ᠠ\u{180b}ᠡ",
            "ᄀ\u{1160}",
            "\u{115f}ᅡ",
            "café naïve Zürich 東京 \u{a0} \u{3000} e\u{301}",
        ] {
            let same = escaped(text, Form::Lines, &mut Tally::default());
            assert!(matches!(same, Cow::Borrowed(_)), "{text:?}: {same:?}");
        }
    }

    #[test]
    fn each_form_has_its_escapes() {
        let text = "a\u{202e}\nb";
        let shown = |form| escaped(text, form, &mut Tally::default()).into_owned();
        assert_eq!(shown(Form::Name), "a_u202e__u000a_b");
        assert_eq!(shown(Form::Line), "a\\u{202e}\\u{000a}b");
        assert_eq!(shown(Form::Address), "a%E2%80%AE%0Ab");
    }

    #[test]
    fn what_was_escaped_is_said_in_words() {
        let mut tally = Tally::default();
        escaped("\u{202e}\u{202d}\u{200b}", Form::Line, &mut tally);
        let wanted = "2 bidirectional controls (U+202E) and 1 invisible character (U+200B)";
        assert_eq!(tally.in_words(), wanted);
    }

    #[test]
    fn escapes_of_json_hide_nothing() {
        let shown = |text| escaped_json(text, Form::Lines, &mut Tally::default());
        assert_eq!(shown(r#""a\u202eb""#).unwrap(), "a\\u{202e}b");
        assert_eq!(shown(r#""a\ud800b""#).unwrap(), "a\\u{d800}b");
        assert_eq!(shown(r#""\udb40\udc41""#).unwrap(), "\\u{e0041}");
        assert_eq!(shown(r#""a\n\"\\ \u0041 \/""#), None);
    }

    /// Texts of characters that matter here.
    fn texts() -> impl Strategy<Value = String> {
        let odd = "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{fe00}-\u{fe0f}\u{feff}\u{e0000}-\u{e01ef}]";
        let fit = "[a-z0-9 😀❤👩👨🏽🏴کमक्אא\u{1820}\u{2801}가\u{e0067}\u{e007f}]";
        prop::collection::vec(
            prop_oneof![odd, fit, any::<char>().prop_map(String::from)],
            0..12,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn sanitized_once_is_sanitized(text in texts()) {
            for form in [Form::Name, Form::Line, Form::Lines, Form::Address] {
                let once = escaped(&text, form, &mut Tally::default());
                let again = escaped(&once, form, &mut Tally::default());
                prop_assert!(matches!(again, Cow::Borrowed(_)), "{text:?} {once:?}");
                prop_assert_eq!(unwanted(&once, form == Form::Lines).next(), None);
            }
        }

        #[test]
        fn a_text_of_which_nothing_is_unwanted_is_not_copied(text in texts()) {
            let is_clean = unwanted(&text, true).next().is_none();
            let mut tally = Tally::default();
            let same = escaped(&text, Form::Lines, &mut tally);
            prop_assert_eq!(is_clean, matches!(same, Cow::Borrowed(_)));
            prop_assert_eq!(is_clean, tally.is_empty());
        }

        #[test]
        fn a_json_string_reads_as_its_text(text in texts()) {
            let written = serde_json::to_string(&text).unwrap();
            let shown = escaped_json(&written, Form::Lines, &mut Tally::default());
            let wanted = escaped(&text, Form::Lines, &mut Tally::default());
            prop_assert_eq!(shown.as_deref().unwrap_or(&text), &*wanted);
        }
    }
}
