//! Patterns of names: tools, prompts, and addresses of resources.
//!
//! `*` stands for any characters, `/` among them, `?` for one, `[a-z]` for one of a set, `{a,b}` for one of several, and
//! a backslash takes the meaning of the next character away.

use std::borrow::Cow;
use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use crate::text::is_unseen;

/// A pattern of names.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    exact: Matcher,
    /// The same pattern for folded names, see [`folded`].
    folded: Matcher,
}

#[derive(Clone)]
enum Matcher {
    Literal(Box<str>),
    /// A beginning, behind which anything may follow: `get_*`, and `*`. Most patterns are so, and need no automaton.
    Beginning(Box<str>),
    Glob(Box<GlobMatcher>),
}

/// The characters that have a meaning in a pattern.
const SPECIAL: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// A text that is no pattern: an unclosed `[` or `{`, a set without an end, a backslash at the end, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn read(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError("a pattern has at least one character".into()));
        }
        Ok(Self {
            text: text.into(),
            exact: Matcher::read(text)?,
            folded: Matcher::read(&folded(text))?,
        })
    }

    /// Returns the pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether the name is one of the pattern's, character by character. A permission asks this.
    pub fn matches(&self, name: &str) -> bool {
        self.exact.matches(name)
    }

    /// Says whether the name, or a name that a server may take for the same, is one of the pattern's: one that differs in
    /// case, white space or invisible characters. A denial asks this.
    pub fn may_match(&self, name: &str) -> bool {
        self.exact.matches(name) || self.folded.matches(&folded(name))
    }
}

impl Matcher {
    fn read(text: &str) -> Result<Self, PatternError> {
        if !text.contains(SPECIAL) {
            return Ok(Self::Literal(text.into()));
        }
        if let Some(beginning) = text.strip_suffix('*')
            && !beginning.contains(SPECIAL)
        {
            return Ok(Self::Beginning(beginning.into()));
        }
        let glob = GlobBuilder::new(text)
            .literal_separator(false)
            .backslash_escape(true)
            .build();
        let glob = glob.map_err(|error| PatternError(error.kind().to_string()))?;
        Ok(Self::Glob(Box::new(glob.compile_matcher())))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(text) => **text == *name,
            Self::Beginning(text) => name.starts_with(&**text),
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.text)
    }
}

/// Returns a name without white space, control and invisible characters, in lower case: names that fold to the same
/// text are the same to a denial, for a server may trim a name, or look it up regardless of case.
pub(crate) fn folded(name: &str) -> Cow<'_, str> {
    // Most names, and all methods, are their own folded form.
    if name
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
    {
        return Cow::Borrowed(name);
    }
    let kept = name
        .chars()
        .filter(|c| !c.is_whitespace() && !is_unseen(*c));
    Cow::Owned(kept.flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::read(text).unwrap()
    }

    #[test]
    fn a_star_is_any_characters_and_a_name_without_one_is_itself() {
        assert!(pattern("delete_*").matches("delete_repo"));
        assert!(pattern("delete_*").matches("delete_"));
        assert!(pattern("*").matches("") && pattern("*").matches("a/b\nc"));
        assert!(pattern("a**").matches("ab") && pattern("*b*").matches("abc"));
        assert!(!pattern("delete_*").matches("undelete_repo"));
        assert!(pattern("file:///a/*").matches("file:///a/b/c"));
        assert!(pattern("{get,list}_?").matches("get_x"));
        assert!(pattern("a\\*").matches("a*") && !pattern("a\\*").matches("ab"));
        assert!(pattern("read").matches("read") && !pattern("read").matches("reader"));
    }

    #[test]
    fn a_denial_sees_through_spelling_and_a_permission_does_not() {
        for name in [
            "Delete_Repo",
            " delete_repo ",
            "delete\u{200b}_repo",
            "delete_repo\u{e0041}",
            "delete\u{2800}_repo",
            "delete_\u{fff9}repo",
            "DELETE_REPO\n",
        ] {
            assert!(pattern("delete_*").may_match(name), "{name:?}");
            assert!(!pattern("delete_repo").matches(name), "{name:?}");
        }
        assert!(pattern("Delete_*").may_match("delete_x"));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for text in ["", "[a", "{a", "a\\", "[z-a]"] {
            assert!(
                !Pattern::read(text).unwrap_err().to_string().is_empty(),
                "{text}"
            );
        }
    }
}
