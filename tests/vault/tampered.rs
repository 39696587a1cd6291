//! A vault's file in the hands of another: what it says before it is opened is not believed, and does not cost much.
#![cfg(unix)]

use mcpipe::store::contents::{Contents, Keys};
use mcpipe::store::primitives::Key;
use mcpipe::store::slot::{Opener, Slot, SlotRandomness};
use mcpipe::store::{NewKey, envelope, passphrase::Passphrase};

use super::commands::Person;
use super::*;

/// A vault whose passphrase slots are opened by these words, in this order.
fn with_slots(words: &[&str]) -> Vec<u8> {
    let root = Key::new([7; 32]);
    let mut contents = Contents::new(&[1; 16]);
    let keys = Keys::new(root.clone(), contents.vault_id());
    for (at, words) in words.iter().enumerate() {
        let at = u8::try_from(at).unwrap();
        let fresh = SlotRandomness {
            id: [at; 8],
            salt: [at; 16],
            nonce: [at; 12],
        };
        let opener = Opener::Passphrase(words.as_bytes());
        let label = format!("slot {at}");
        let slot = Slot::wrap(contents.vault_id(), &label, opener, Kdf::LOW, &root, fresh);
        contents.slots.push(slot.unwrap());
    }
    envelope::seal(&mut contents, &keys, &[9; 12]).unwrap()
}

#[tokio::test]
async fn a_passphrase_is_tried_on_four_slots() {
    let many = [
        "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    ];
    let home = Home::new();
    std::fs::write(home.file(), with_slots(&many)).unwrap();
    make_private(&home.file());
    assert!(home.vault(passphrase("4")).list().await.is_ok());
    for words in ["5", "16", "none"] {
        let refused = home.vault(passphrase(words)).list().await.unwrap_err();
        assert!(
            matches!(refused, Error::WrongPassphrases { .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains("first 4") && refused.hint().is_some());
    }
    // Where there are no more, it is simply the wrong one.
    std::fs::write(home.file(), with_slots(&many[..4])).unwrap();
    let refused = home.vault(passphrase("5")).list().await.unwrap_err();
    assert!(
        matches!(refused, Error::WrongPassphrase { .. }),
        "{refused}"
    );

    // And an export is a vault too.
    let copy = home.path().join("copy");
    std::fs::write(&copy, with_slots(&many)).unwrap();
    let taking = Home::new();
    let vault = taking.vault(passphrase(WORDS));
    let words = |words: &str| Passphrase::new(words).unwrap();
    assert!(vault.import(&copy, words("4"), false).await.is_ok());
    assert!(vault.import(&copy, words("5"), false).await.is_err());
}

#[tokio::test]
async fn no_passphrase_is_added_that_would_not_be_tried() {
    let home = Home::new();
    let vault = home.vault(passphrase("1"));
    put(&vault, "a", "1").await;
    let new = |words: &str| NewKey::Passphrase(Passphrase::new(words).unwrap());
    for words in ["2", "3", "4"] {
        vault.put_slot(new(words), Some(words), None).await.unwrap();
        assert!(home.vault(passphrase(words)).list().await.is_ok());
    }
    let refused = vault.put_slot(new("5"), Some("5"), None).await;
    assert!(
        matches!(refused, Err(Error::TooManyPassphrases)),
        "{refused:?}"
    );
    vault.put_slot(new("5"), None, Some("4")).await.unwrap();
    vault.put_slot(NewKey::KeyFile, None, None).await.unwrap();
    assert!(home.vault(passphrase("5")).list().await.is_ok());
}

#[test]
fn what_a_slot_is_called_is_as_the_file_says() {
    let person = Person::new();
    person.succeeds("vault init --key-file");
    // To the eye a vault that the login protects.
    let bytes = std::fs::read(person.home.file()).unwrap();
    let at = bytes.windows(7).position(|it| it == b"keyfile").unwrap();
    let mut forged = bytes.clone();
    forged[at..at + 7].copy_from_slice(b"my lock");
    std::fs::write(person.home.file(), forged).unwrap();
    for line in ["vault slot list", "vault status"] {
        let out = person.succeeds(line);
        let told: Vec<&str> = out
            .lines()
            .filter(|line| line.contains("my lock"))
            .collect();
        assert!(
            matches!(told.as_slice(), [line] if line.ends_with("key, as the file says")),
            "{out}"
        );
    }
    let out = person.succeeds("vault status");
    let level = out.lines().find(|line| line.starts_with("protection"));
    assert!(
        level
            .unwrap()
            .contains("tied to your login, as the file says:"),
        "{out}"
    );
    // Who opens it finds out.
    assert_eq!(person.says("vault verify").code, Some(1));
}
