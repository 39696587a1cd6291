//! Splits a line that a person wrote for some shell into words, as far as blanks and quotes go.
//!
//! Nothing is escaped, expanded or refused: a backslash is a backslash, as in a path of Windows, and a quote that is never
//! closed goes on to the end. For what the user writes for us there is `store::program::Words`, which is strict.

/// Splits a line into words; quotes of either kind keep one together.
pub fn split(text: &str) -> Vec<String> {
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

/// Says whether a word that was typed may be a secret rather than what belongs in its place: no path, no address, no
/// flag and no word of a language.
pub fn may_be_secret(word: &str) -> bool {
    const LONG: usize = 6;
    const LONG_FOR_A_WORD: usize = 16;
    let is_path =
        word.starts_with(['/', '.', '~', '-']) || word.contains(":\\") || word.contains("://");
    let is_plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let least = if is_plain { LONG_FOR_A_WORD } else { LONG };
    !is_path && word.len() >= least
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
}
