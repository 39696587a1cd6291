//! The stable codes of findings, and what `--list` and `--explain` say of them.
//!
//! A code that was written once stays: `fixtures/pins/doctor.txt` has them all.

use std::fmt::Write as _;

use crate::doctor::codes;
use crate::text::nearest;

/// A kind of finding.
#[derive(Debug)]
pub struct Code {
    /// The code: words in capitals.
    pub name: &'static str,
    /// The name of the check that it belongs to; of one of them where several find it.
    pub check: &'static str,
    /// The meaning, on one line.
    pub meaning: &'static str,
    /// The usual reasons.
    pub cause: &'static str,
    /// The thing to do.
    pub remedy: &'static str,
}

/// Makes codes, and `CODES`, the table of them: `NAME: "check", "meaning", "cause", "remedy";`.
macro_rules! table {
    ($($name:ident: $check:literal, $meaning:literal, $cause:literal, $remedy:literal;)*) => {
        $(
            #[doc = $meaning]
            pub(crate) static $name: $crate::doctor::code::Code = $crate::doctor::code::Code {
                name: stringify!($name),
                check: $check,
                meaning: $meaning,
                cause: $cause,
                remedy: $remedy,
            };
        )*
        /// All of them.
        pub(crate) static CODES: &[&$crate::doctor::code::Code] = &[$(&$name),*];
    };
}
pub(crate) use table;

/// Returns all codes, in the order of the checks.
pub fn all() -> impl Iterator<Item = &'static Code> {
    codes::TABLES.iter().flat_map(|table| table.iter().copied())
}

/// Returns the code of this name, however it is written.
pub fn find(name: &str) -> Option<&'static Code> {
    let name = normal(name);
    all().find(|code| code.name == name)
}

/// Returns the code that a mistyped one most likely stands for.
pub fn nearest_to(name: &str) -> Option<&'static str> {
    nearest(&normal(name), all().map(|code| code.name))
}

fn normal(name: &str) -> String {
    name.trim().replace(['-', ' '], "_").to_ascii_uppercase()
}

/// Returns the table of `--list`.
pub fn list() -> String {
    let mut text = String::new();
    let mut check = "";
    for code in all() {
        if code.check != check {
            check = code.check;
            let _ = writeln!(text, "{}{check}", if text.is_empty() { "" } else { "\n" });
        }
        let _ = writeln!(text, "  {:<32} {}", code.name, code.meaning);
    }
    text
}

impl Code {
    /// Returns the text of `--explain`.
    pub fn explanation(&self) -> String {
        let Self {
            name,
            check,
            meaning,
            cause,
            remedy,
        } = self;
        format!(
            "{name}: {meaning}\n\nCheck: {check}\n\nHow it comes about:\n{}\n\nWhat to do:\n{}\n",
            wrapped(cause),
            wrapped(remedy)
        )
    }
}

/// Returns a text in lines of at most 100 characters, indented.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str("  ");
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("  {word}"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_told_once_and_explained() {
        let mut names = BTreeSet::new();
        let checks: BTreeSet<_> = crate::doctor::checks().iter().map(|it| it.name).collect();
        for code in all() {
            assert!(names.insert(code.name), "{} is there twice", code.name);
            assert!(
                code.name
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
                "{}",
                code.name
            );
            assert!(
                code.check == "any" || checks.contains(code.check),
                "{} is of the check {:?}, which there is not",
                code.name,
                code.check
            );
            for text in [code.meaning, code.cause, code.remedy] {
                assert!(!text.is_empty() && !text.contains("  "), "{}", code.name);
            }
            assert!(code.meaning.len() <= 100, "{}", code.name);
            assert!(!code.meaning.ends_with('.'), "{}", code.name);
            assert!(code.cause.ends_with('.'), "{}", code.name);
            assert!(code.remedy.ends_with('.'), "{}", code.name);
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written_and_a_mistyped_one_is_suggested() {
        assert_eq!(find("check-crashed").unwrap().name, "CHECK_CRASHED");
        assert!(find("CHECK_CRASH").is_none());
        assert_eq!(nearest_to("chek_crashed"), Some("CHECK_CRASHED"));
        assert_eq!(nearest_to("elephant"), None);
    }
}
