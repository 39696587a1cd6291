//! Passphrases as they are chosen: weak ones are told of, and who chooses none is shown one.
#![cfg(unix)]

use std::sync::Mutex;

use mcpipe::store::passphrase::Prompt;

use super::commands::Person;
use super::*;

const WEAK: &str = "this passphrase is weak";

#[test]
fn a_weak_passphrase_is_told_of_wherever_one_is_set_and_nowhere_else() {
    for (words, is_weak) in [("Summer2026!", true), (WORDS, false)] {
        let person = Person::new();
        std::fs::write(person.home.path().join("new"), words).unwrap();
        let new = person.home.path().join("new").display().to_string();
        let does = |line: &str| {
            let said = person.says(line);
            assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
            assert!(!said.err.contains(words) && !said.out.contains(words));
            said.err.contains(WEAK)
        };
        for line in [
            format!("vault init --kdf low --passphrase-file {new}"),
            format!("vault passwd --kdf low --passphrase-file {new} --new-passphrase-file {new}"),
            format!(
                "vault slot add passphrase --kdf low --label two --passphrase-file {new} --new-passphrase-file {new}"
            ),
            format!(
                "vault export {new}.copy --passphrase-file {new} --export-passphrase-file {new}"
            ),
        ] {
            assert_eq!(does(&line), is_weak, "{line}");
        }
        let opening = format!("vault verify --passphrase-file {new}");
        assert!(!does(&opening), "who only opens the vault is not bothered");

        let person = Person::new();
        std::fs::write(person.home.path().join("new"), words).unwrap();
        person.succeeds("vault init --key-file");
        let new = person.home.path().join("new").display().to_string();
        let said = person.says(&format!(
            "vault protect --kdf low --new-passphrase-file {new}"
        ));
        assert_eq!(said.err.contains(WEAK), is_weak, "{}", said.err);
    }
}

/// What was asked, in order; tests that use it take turns.
static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The passphrase in a question that shows one.
fn shown(question: &str) -> Option<String> {
    let line = question.lines().find(|line| line.starts_with("    "))?;
    Some(line.trim().to_owned())
}

/// Makes a vault where this is answered; gives the questions.
async fn init(home: &Home, answer: Prompt) -> (Result<(), Error>, Vec<String>) {
    ASKED.lock().unwrap().clear();
    let sources = Sources {
        terminal: Some(answer),
        ..Sources::default()
    };
    let made = home.vault(sources).init().await;
    (made, ASKED.lock().unwrap().clone())
}

fn note(question: &str) {
    ASKED.lock().unwrap().push(question.to_owned());
}

#[tokio::test]
async fn who_chooses_none_is_shown_one_and_types_it_to_take_it() {
    let _turn = TURN.lock().await;
    let home = Home::new();
    let answer = |question: &str| {
        note(question);
        // Mistyped once.
        let is_second = question.starts_with("That is not it");
        let first = ASKED.lock().unwrap().iter().find_map(|it| shown(it));
        Ok(match first {
            Some(words) if is_second => words,
            Some(_) => "something else".to_owned(),
            None => String::new(),
        })
    };
    let (made, asked) = init(&home, answer).await;
    made.unwrap();
    assert_eq!(asked.len(), 3, "{asked:?}");
    let words = asked.iter().find_map(|it| shown(it)).unwrap();
    assert_eq!(words.len(), 29, "80 bits: {words}");
    let vault = home.vault(passphrase(&words));
    assert_eq!(vault.status().await.unwrap().level, Some(Level::Passphrase));
    put(&vault, "a", "1").await;

    // Each is another.
    let other = Home::new();
    let (_, again) = init(&other, answer).await;
    assert_ne!(again.iter().find_map(|it| shown(it)), Some(words));
}

#[tokio::test]
async fn who_wants_none_at_all_gets_a_key_file() {
    let _turn = TURN.lock().await;
    let home = Home::new();
    let (made, asked) = init(&home, |question| {
        note(question);
        Ok(String::new())
    })
    .await;
    made.unwrap();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(home.key().exists());

    let home = Home::new();
    let (made, asked) = init(&home, |question| {
        note(question);
        Ok(if asked_before(question) {
            "wrong".to_owned()
        } else {
            String::new()
        })
    })
    .await;
    assert!(matches!(made, Err(Error::Passphrase(_))), "{made:?}");
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(!home.file().exists() && !home.key().exists());
}

fn asked_before(question: &str) -> bool {
    shown(question).is_some() || question.starts_with("That is not it")
}

#[tokio::test]
async fn a_first_sign_in_asks_for_none_and_makes_a_key_file() {
    let _turn = TURN.lock().await;
    ASKED.lock().unwrap().clear();
    let home = Home::new();
    let vault = home.vault(Sources {
        terminal: Some(|question| {
            note(question);
            Ok(String::new())
        }),
        ..Sources::default()
    });
    put(&vault, "a", "1").await;
    assert!(ASKED.lock().unwrap().is_empty());
    assert!(home.key().exists());
}

#[test]
fn a_secret_in_the_arguments_is_told_of_by_the_name_of_its_header() {
    for (header, is_told) in [
        ("Authorization:Bearer-s3cret", true),
        ("X-Api-Key:s3cret", true),
        ("PRIVATE-TOKEN:s3cret", true),
        ("CF-Access-Client-Secret:s3cret", true),
        ("X-Team:s3cret", false),
        ("X-Api-Key:${HOME}", false),
        ("X-Api-Key:", false),
    ] {
        let mut person = Person::new();
        person.variables = vec![("HOME", "/".to_owned())];
        let said = person.says(&format!("https://127.0.0.1:1/mcp --header {header}"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let told = said.err.contains("a secret in the arguments");
        assert_eq!(told, is_told, "{header}: {}", said.err);
        assert!(!said.err.contains("s3cret"), "{}", said.err);
        let name = header.split(':').next().unwrap().to_ascii_lowercase();
        assert_eq!(said.err.contains(&name), is_told, "{header}: {}", said.err);
    }
}
