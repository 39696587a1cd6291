//! The language of the source: no retired word, no question as a doc comment, no actor without a name.

use super::none;
use super::source::{Comment, Source, sources};

/// Words that are in no identifier and in no comment.
const RETIRED: [&str; 9] = [
    "house",
    "desk",
    "ladder",
    "climb",
    "rung",
    "road",
    "reception",
    "lent",
    "errand",
];

/// Openings of doc comments that promise an answer instead of giving it.
const QUESTIONS: [&str; 9] = [
    "What", "Who", "Whom", "Whose", "Whether", "How", "Why", "Where", "Whoever",
];

/// Actors without a name.
const NAMELESS: [&str; 4] = ["somebody", "nobody", "anybody", "whoever"];

/// The words of a text, in small letters; `HouseKeeper` and `house_keeper` are two each.
fn parts(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut was_lower = false;
    for c in text.chars() {
        if !c.is_ascii_alphabetic() || (c.is_ascii_uppercase() && was_lower) {
            found.push(String::new());
        }
        was_lower = c.is_ascii_lowercase();
        if c.is_ascii_alphabetic() {
            found.last_mut().unwrap().push(c.to_ascii_lowercase());
        }
    }
    found.retain(|word| !word.is_empty());
    found
}

/// Whether a word, or its plural or tense, is one of those retired.
fn is_retired(word: &str) -> bool {
    RETIRED.iter().any(|retired| {
        word.strip_prefix(retired)
            .is_some_and(|rest| ["", "s", "ed", "ing"].contains(&rest))
    })
}

/// The numbers and the text of the lines of code.
fn lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source
        .code
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
}

fn in_comments(source: &Source, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let place = |comment: &Comment, word: &str| {
        format!("{}:{}: comment: {word}", source.name, comment.line)
    };
    let mut found = Vec::new();
    for comment in &source.comments {
        let wrong = parts(&comment.text);
        let wrong = wrong.iter().filter(|word| is_wrong(word));
        found.extend(wrong.map(|word| place(comment, word)));
    }
    found
}

#[test]
fn no_retired_word_is_in_the_source() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (line, code) in lines(&source) {
            let retired = parts(code);
            let retired = retired.iter().filter(|word| is_retired(word));
            wrong.extend(retired.map(|word| format!("{}:{line}: {word}", source.name)));
        }
        wrong.extend(in_comments(&source, is_retired));
    }
    none(&wrong);
}

#[test]
fn no_doc_comment_opens_with_a_question() {
    let mut wrong = Vec::new();
    // Those of `cli` are help texts, which `tests/pins` holds.
    let no_help = |source: &Source| !source.name.starts_with("cli/");
    for source in sources().into_iter().filter(no_help) {
        for (line, text) in source.doc_comments() {
            let first = text
                .split(|c: char| !c.is_alphabetic())
                .find(|word| !word.is_empty());
            if first.is_some_and(|first| QUESTIONS.contains(&first)) {
                wrong.push(format!("{}:{line}: {text}", source.name));
            }
        }
    }
    none(&wrong);
}

#[test]
fn comments_name_who_acts() {
    let mut wrong = Vec::new();
    for source in sources() {
        wrong.extend(in_comments(&source, |word| NAMELESS.contains(&word)));
    }
    none(&wrong);
}

#[test]
fn words_are_found_in_whatever_case_they_are_joined() {
    assert_eq!(
        parts("fn is_aHouse(HouseRules)"),
        ["fn", "is", "a", "house", "house", "rules"]
    );
    for (word, wanted) in [
        ("errands", true),
        ("climbing", true),
        ("broad", false),
        ("households", false),
    ] {
        assert_eq!(is_retired(word), wanted, "{word}");
    }
}
