//! Text that a user or another program wrote: cleaned for a terminal, split into words, judged.
//!
//! [`split_words`] reads a text written for a shell, as far as blanks and quotes go. Nothing is escaped, expanded or
//! refused: a backslash is a backslash, as in a path of Windows, and a quote that is never closed goes on to the end.
//! `process::argv::Argv`, which is strict, reads the words that the user writes for mcpipe itself.

use crate::secret::live;

/// Splits a line into words; quotes of either kind keep one together.
pub fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Says whether a word that was typed may be a secret in the place of another value: no path, no address, no flag and
/// no word of a language.
pub fn may_be_secret(word: &str) -> bool {
    const LONG: usize = 6;
    const LONG_FOR_A_WORD: usize = 16;
    let is_path =
        word.starts_with(['/', '.', '~', '-']) || word.contains(":\\") || word.contains("://");
    let is_plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let least = if is_plain { LONG_FOR_A_WORD } else { LONG };
    !is_path && word.len() >= least
}

/// Returns a text without the byte order mark that editors and shells of Windows begin one with (RFC 8259 section 8.1
/// lets readers of JSON pass over it). White space before the mark goes too.
pub fn without_mark(text: &str) -> &str {
    let bare = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    bare.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Makes a peer's text fit for a terminal or a chat window: control and escape characters, [marks](is_mark) and live
/// secrets out, at most `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    live::without(text)
        .chars()
        .filter(|c| !c.is_control() && !is_mark(*c))
        .take(limit)
        .collect()
}

/// Says whether a character is invisible but changes how others look: zero widths, directions, breaks, annotations.
pub fn is_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Says whether a character is drawn as nothing, or only changes how others look: a control character, a [mark](is_mark), one
/// that Unicode lists as Default_Ignorable_Code_Point (soft hyphens, joiners, fillers, variation selectors, tags), an
/// unassigned one beside them, a blank that is a letter.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || is_mark(c)
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns a sentence as it begins a line.
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Returns an address as it may be shown: queries may hold keys.
pub fn without_query(address: &str) -> String {
    match address.split_once('?') {
        Some((address, _)) => format!("{address}?…"),
        None => address.to_owned(),
    }
}

/// Makes a server's text fit for a terminal, a log or a chat window: no control or direction marks, no secret that the
/// server got and repeats, at most `longest` characters.
pub fn plain(text: &str, longest: usize) -> String {
    let text = live::without(text); // first: half a secret would not be found
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut plain: String = clean.filter(|c| !is_mark(*c)).take(longest + 1).collect();
    if plain.chars().count() > longest {
        plain.pop();
        plain.push('…');
    }
    plain.trim().to_owned()
}

/// Returns a peer's description as the end of a sentence: a colon and the text, or nothing where there is none.
pub fn said(text: Option<&str>) -> String {
    match text {
        Some(text) if !text.is_empty() => format!(": {text}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_a_path_nor_a_word() {
        for secret in [
            "s3cret",
            "hunter2",
            "Bearer abc",
            "eyJhbGciOi",
            "correcthorsebatterystaple",
        ] {
            assert!(may_be_secret(secret), "{secret}");
        }
        for other in [
            "/a/b",
            "./x1y2z3",
            "C:\\key.pem",
            "https://a.example",
            "--header",
            "passphrase",
            "4000",
        ] {
            assert!(!may_be_secret(other), "{other}");
        }
    }

    #[test]
    fn what_others_say_cannot_move_a_terminal() {
        assert_eq!(plain("\x1b]0;owned\x07ok\u{202e}", 80), "]0;owned ok");
        assert_eq!(plain("äöü", 2), "äö…");
        let hidden = "a\u{61c}b\u{200b}c\u{2028}d\u{feff}e";
        let shown = (plain(hidden, 80), printable(hidden, 80));
        assert_eq!(shown, ("abcde".to_owned(), "abcde".to_owned()));
    }
}
