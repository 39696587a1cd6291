//! Names of tools: alike within a server, of other servers, and against their annotations.

use super::fold::{Word, folded};

/// First words of names of tools that change something.
const CHANGES: [&str; 31] = [
    "delete",
    "remove",
    "drop",
    "destroy",
    "erase",
    "purge",
    "wipe",
    "truncate",
    "write",
    "create",
    "update",
    "insert",
    "edit",
    "modify",
    "overwrite",
    "send",
    "upload",
    "push",
    "merge",
    "deploy",
    "publish",
    "install",
    "uninstall",
    "kill",
    "move",
    "rename",
    "append",
    "transfer",
    "pay",
    "revoke",
    "grant",
];

/// Returns the form that names which look alike have in common.
pub(super) fn skeleton(name: &str) -> String {
    let letters = name.chars().map(|c| match folded(c) {
        '0' => 'o',
        '1' | 'l' | '|' => 'i',
        '-' | '.' | ' ' => '_',
        letter => letter,
    });
    let plain: String = letters.collect();
    plain.replace("rn", "m").replace("vv", "w").replace('_', "")
}

/// Returns the word of a name of a tool that changes something, if its first word is one.
pub(super) fn changing_word(name: &str) -> Option<&'static str> {
    let mut first = String::new();
    for letter in name.chars() {
        let is_next = !letter.is_alphanumeric() || letter.is_uppercase() && !first.is_empty();
        if is_next {
            break;
        }
        first.push(letter.to_ascii_lowercase());
    }
    CHANGES.into_iter().find(|word| *word == first)
}

/// Says whether a name stands for a tool wherever it is read: it is of more than one word.
pub(super) fn is_distinctive(name: &str) -> bool {
    let has_sign = name.contains(['_', '-', '.', '/']);
    let has_hump =
        name.chars().skip(1).any(char::is_uppercase) && name.chars().any(char::is_lowercase);
    name.len() >= 6 && (has_sign || has_hump)
}

/// Finds a name as a whole word in a text. Returns its place, in bytes.
pub(super) fn named(text: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = text
            .get(..*at)
            .and_then(|before| before.chars().next_back());
        let after = text
            .get(at + name.len()..)
            .and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The share of words that two texts have in common, in percent.
pub(super) fn likeness(one: &[Word], other: &[Word]) -> usize {
    let set = |words: &[Word]| {
        let mut texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    };
    let (one, other) = (set(one), set(other));
    let common = one
        .iter()
        .filter(|word| other.binary_search(word).is_ok())
        .count();
    (2 * common * 100)
        .checked_div(one.len() + other.len())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in [
            ("read_file", "Read-File"),
            ("read_file", "rеаd_file"),
            ("send_mail", "send_mai1"),
            ("modern", "modem"),
            ("login", "l0gin"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("read_file"), skeleton("read_files"));
    }

    #[test]
    fn the_first_word_of_a_name_says_what_it_does() {
        for (name, wanted) in [
            ("delete_repo", Some("delete")),
            ("deleteRepo", Some("delete")),
            ("get_deleted", None),
            ("updates_list", None),
            ("WriteFile", Some("write")),
        ] {
            assert_eq!(changing_word(name), wanted, "{name}");
        }
        assert!(is_distinctive("query_database") && is_distinctive("createIssue"));
        assert!(!is_distinctive("search") && !is_distinctive("Search") && !is_distinctive("a_b"));
        assert_eq!(named("call query_database.", "query_database"), Some(5));
        assert_eq!(named("query_databases", "query_database"), None);
    }
}
