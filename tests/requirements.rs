//! `requirements.md` is true: its tests exist, and it names the standards that the source names, no more and no fewer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("requirements.md");

/// The rule, the source and the test of each row.
fn rows() -> Vec<[&'static str; 3]> {
    let cells = |line: &'static str| -> Option<[&'static str; 3]> {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let cells: Vec<_> = line.split(" | ").collect();
        cells.try_into().ok()
    };
    let rows = TABLE.lines().filter_map(cells);
    rows.filter(|[rule, ..]| *rule != "Rule" && *rule != "---")
        .collect()
}

/// The text of every Rust file below a folder of the project.
fn texts(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Links lead to packages of other languages.
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The names of functions that stand below an attribute that makes them tests.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts("src").iter().chain(&texts("tests")) {
        for before in ["#[test]", "#[tokio::test"] {
            for (at, _) in text.match_indices(before) {
                let rest = &text[at..];
                let name = rest.split_once("fn ").map(|(_, name)| name);
                let name = name.and_then(|name| name.split_once('('));
                found.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
    found
}

/// What stands behind `before`, as long as `is_part` says so.
fn behind(text: &str, before: &str, is_part: impl Fn(char) -> bool) -> Vec<String> {
    let found = text.match_indices(before).map(|(at, _)| {
        let rest = &text[at + before.len()..];
        let part: String = rest.chars().take_while(|c| is_part(*c)).collect();
        format!("{before}{part}")
    });
    found.collect()
}

/// The standards that a text names.
fn standards(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for before in ["RFC ", "SEP-"] {
        found.extend(behind(text, before, |c| c.is_ascii_digit()));
    }
    found.extend(behind(text, "draft-ietf-", |c| {
        c.is_ascii_alphanumeric() || c == '-'
    }));
    for page in behind(text, "MCP 20", |c| {
        c.is_ascii_alphanumeric() || "-, /".contains(c)
    }) {
        // `MCP 2026-07-28, basic/versioning` and whatever words follow.
        let mut words = page.split(' ').skip(1);
        let (revision, page) = (words.next(), words.next());
        if let (Some(revision), Some(page)) = (revision, page)
            && revision.len() == "2026-07-28,".len()
            && page.starts_with(|c: char| c.is_ascii_lowercase())
        {
            found.insert(format!("MCP {revision} {}", page.trim_end_matches(',')));
        }
    }
    for name in [
        "JSON-RPC 2.0",
        "WHATWG HTML",
        "OpenID Connect Core",
        "OpenID Connect Discovery",
        "NIST SP 800-38D",
    ] {
        found.extend(text.contains(name).then(|| name.to_owned()));
    }
    found.retain(|name| name != "RFC " && name != "SEP-");
    found
}

#[test]
fn every_rule_has_a_test_that_exists() {
    let tests = tests();
    let rows = rows();
    assert!(rows.len() > 60, "{} rows are read", rows.len());
    for [rule, _, test] in rows {
        let name = test.trim_matches('`');
        assert!(tests.contains(name), "{rule}: there is no test {name}");
    }
}

#[test]
fn the_rules_are_of_the_standards_that_the_source_names() {
    let mut named = BTreeSet::new();
    for text in texts("src") {
        let comments = text.lines().map(str::trim_start);
        let comments = comments.filter(|line| line.starts_with("//"));
        let comments: Vec<_> = comments
            .map(|line| line.trim_start_matches(['/', '!', ' ']))
            .collect();
        named.extend(standards(&comments.join(" ")));
    }
    let rules: BTreeSet<_> = rows()
        .iter()
        .flat_map(|[_, source, _]| standards(source))
        .collect();
    let without: Vec<_> = named.difference(&rules).collect();
    assert!(
        without.is_empty(),
        "no rule of requirements.md is of {without:?}, which the source names"
    );
    let stale: Vec<_> = rules.difference(&named).collect();
    assert!(stale.is_empty(), "the source does not name {stale:?}");
}

/// An id of a list, or a document, that a reader of this repository cannot open.
fn is_out_of_reach(word: &str) -> bool {
    let is_id = match word.as_bytes() {
        [letter, b'-', first, second] => {
            letter.is_ascii_uppercase() && first.is_ascii_digit() && second.is_ascii_digit()
        }
        _ => false,
    };
    // The third is a name that a server of a test gives to a resource.
    let is_here = ["README.md", "requirements.md", "SKILL.md"].contains(&word);
    is_id || word.ends_with(".md") && !is_here
}

#[test]
fn a_reader_can_open_what_is_referred_to() {
    for (word, wanted) in [
        ("A-01", true),
        ("plan.md", true),
        ("SEP-1046", false),
        ("UTF-16", false),
        ("README.md", false),
    ] {
        assert_eq!(is_out_of_reach(word), wanted, "{word}");
    }
    for text in texts("src").iter().chain(&texts("tests")) {
        for line in text.lines() {
            let Some((_, comment)) = line.split_once("//") else {
                continue;
            };
            let is_part = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
            for word in comment.split(|c| !is_part(c)) {
                let word = word.trim_end_matches('.');
                assert!(!is_out_of_reach(word), "{word}: {line}");
            }
        }
    }
}
