//! The words of a line that somebody else wrote for some shell, as far as blanks and quotes go.
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
