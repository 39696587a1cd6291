//! The tables of codes, by subject, and what `--list` says of them.

pub(super) mod engine;
pub(super) mod here;
pub(super) mod network;
pub(super) mod server;
pub(super) mod sign_in;
pub(super) mod stored;

use std::fmt::Write as _;

use super::code::Code;
use crate::text::nearest;

/// The tables, in the order of the checks.
pub(super) static TABLES: &[&[&Code]] = &[
    engine::CODES,
    network::CODES,
    server::CODES,
    sign_in::CODES,
    stored::CODES,
    here::CODES,
];

/// Returns all codes, in the order of the checks.
pub fn all() -> impl Iterator<Item = &'static Code> {
    TABLES.iter().flat_map(|table| table.iter().copied())
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
