//! Ways to open a vault, added, replaced and taken away; new root keys; exports.

use mcpipe::process::argv::Argv;
use mcpipe::store::files;
use mcpipe::store::key_command::{Configured, KeyHolder};
use mcpipe::store::passphrase::Passphrase;
use mcpipe::store::{NewKey, SlotStatus};

use super::*;

const OTHER: &str = "another passphrase";

fn new(words: &str) -> NewKey {
    NewKey::Passphrase(Passphrase::new(words).unwrap())
}

async fn labels(vault: &Vault) -> Vec<String> {
    let slots = vault.status().await.unwrap().slots;
    slots.into_iter().map(|slot| slot.label).collect()
}

async fn opens(home: &Home, sources: Sources) -> bool {
    home.vault(sources).read("a").await.is_ok()
}

/// Everything in the file that is not its header.
fn sealed_entries(home: &Home) -> Vec<u8> {
    let bytes = std::fs::read(home.file()).unwrap();
    let blob = bytes.len() - 100;
    bytes[blob..].to_vec()
}

#[tokio::test]
async fn a_slot_is_added_and_taken_away_without_touching_an_entry() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", &"kept".repeat(100)).await;
    let before = sealed_entries(&home);

    vault.put_slot(new(WORDS), None, None).await.unwrap();
    let named = vault
        .put_slot(new(OTHER), Some("work"), None)
        .await
        .unwrap();
    assert_eq!(labels(&vault).await, ["keyfile", "passphrase", "work"]);
    for words in [WORDS, OTHER] {
        let with_key = std::fs::rename(home.key(), home.path().join("aside"));
        with_key.unwrap();
        assert!(opens(&home, passphrase(words)).await);
        std::fs::rename(home.path().join("aside"), home.key()).unwrap();
    }
    let again = vault.put_slot(new(OTHER), Some("work"), None).await;
    assert!(matches!(again, Err(Error::SlotTaken { .. })));

    vault.remove_slot(&named.id).await.unwrap();
    vault.remove_slot("keyfile").await.unwrap();
    assert!(!home.key().exists());
    assert!(opens(&home, passphrase(WORDS)).await);
    assert!(!opens(&home, passphrase(OTHER)).await);
    assert!(!opens(&home, no_passphrase()).await);
    assert_eq!(sealed_entries(&home), before);
}

#[tokio::test]
async fn the_last_slot_stays_and_so_does_the_last_that_opens() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "kept").await;
    let last = vault.remove_slot("keyfile").await;
    assert!(matches!(last, Err(Error::LastSlot { .. })));
    let unknown = vault.remove_slot("nobody").await;
    assert!(matches!(unknown, Err(Error::NoSuchSlot { .. })));

    vault.put_slot(new(WORDS), None, None).await.unwrap();
    std::fs::remove_file(home.key()).unwrap();
    // The key file is lost: only the passphrase is left in truth.
    let lockout = vault.remove_slot("passphrase").await;
    assert!(matches!(lockout, Err(Error::LockOut { .. })));
    assert!(opens(&home, passphrase(WORDS)).await);
}

#[tokio::test]
async fn a_replaced_passphrase_opens_nothing_more() {
    let home = Home::new();
    let vault = home.vault(passphrase(WORDS));
    put(&vault, "a", "kept").await;
    let changed = vault.put_slot(new(OTHER), None, Some("passphrase"));
    assert_eq!(changed.await.unwrap().label, "passphrase");
    assert!(opens(&home, passphrase(OTHER)).await);
    assert!(!opens(&home, passphrase(WORDS)).await);
    // A process that has the vault open goes on.
    put(&vault, "a", "still").await;
}

#[tokio::test]
async fn a_passphrase_takes_the_key_files_place() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "kept").await;
    vault
        .put_slot(new(WORDS), None, Some("keyfile"))
        .await
        .unwrap();
    assert_eq!(labels(&vault).await, ["passphrase"]);
    assert!(!home.key().exists());
    assert_eq!(vault.status().await.unwrap().level, Some(Level::Passphrase));
    let back = vault.put_slot(NewKey::KeyFile, None, Some("passphrase"));
    assert!(back.await.unwrap().is_key_file());
    assert!(opens(&home, no_passphrase()).await);
}

#[tokio::test]
async fn a_new_key_file_takes_the_place_of_the_old() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "kept").await;
    let old = std::fs::read(home.key()).unwrap();
    vault
        .put_slot(NewKey::KeyFile, None, Some("keyfile"))
        .await
        .unwrap();
    assert_ne!(std::fs::read(home.key()).unwrap(), old);
    assert_eq!(labels(&vault).await, ["keyfile"]);
    assert!(opens(&home, no_passphrase()).await);
    std::fs::write(home.key(), &old).unwrap();
    assert!(!opens(&home, no_passphrase()).await);
    assert!(!home.path().join("state/vault.key.next").exists());
}

/// The moments between the writes of a rotation, which no limit on what is written can hit.
#[tokio::test]
async fn a_rotation_that_died_between_its_writes_left_a_vault_that_opens_and_heals() {
    use mcpipe::store::contents::Keys;
    use mcpipe::store::envelope::{self, Sealed};

    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "kept").await;
    let parsed = || Sealed::parse(std::fs::read(home.file()).unwrap()).unwrap();
    let (old_key, old) = (std::fs::read(home.key()).unwrap(), parsed());
    let rotate = |vault: Vault, which: String| async move {
        vault.put_slot(NewKey::KeyFile, None, Some(&which)).await
    };
    rotate(home.vault(no_passphrase()), "keyfile".into())
        .await
        .unwrap();
    let new_key = std::fs::read(home.key()).unwrap();
    let (id, root) = vault.root_key().await.unwrap();
    let keys = Keys::new(root, &id);
    let mut both = parsed().open(&keys).unwrap();
    both.slots.extend_from_slice(old.slots());
    let both = envelope::seal(&mut both, &keys, &[9; 12]).unwrap();
    let next = home.path().join("state/vault.key.next");

    for (key, pending) in [
        (&old_key, Some(&new_key)),
        (&old_key, None),
        (&new_key, None),
    ] {
        std::fs::write(home.file(), &both).unwrap();
        std::fs::write(home.key(), key).unwrap();
        match pending {
            Some(pending) => {
                std::fs::write(&next, pending).unwrap();
                make_private(&next);
            }
            None => _ = std::fs::remove_file(&next),
        }
        assert!(opens(&home, no_passphrase()).await);
        let there = home.vault(no_passphrase()).status().await.unwrap().slots;
        assert_eq!(there.len(), 2);
        let single = rotate(home.vault(no_passphrase()), "keyfile".into()).await;
        assert!(matches!(single, Err(Error::NoSuchSlot { .. })));
        for slot in &there {
            std::fs::write(home.file(), &both).unwrap();
            std::fs::write(home.key(), key).unwrap();
            // Taking either away leaves the key that the other needs, or is refused.
            let removed = home.vault(no_passphrase()).remove_slot(&slot.id).await;
            assert!(matches!(removed, Ok(_) | Err(Error::LockOut { .. })));
            assert!(opens(&home, no_passphrase()).await);

            std::fs::write(home.file(), &both).unwrap();
            std::fs::write(home.key(), key).unwrap();
            rotate(home.vault(no_passphrase()), slot.id.clone())
                .await
                .unwrap();
            assert_eq!(labels(&home.vault(no_passphrase())).await, ["keyfile"]);
            assert!(opens(&home, no_passphrase()).await);
        }
    }
}

#[tokio::test]
async fn a_new_root_key_seals_everything_anew_for_every_slot() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "kept").await;
    put(&vault, "b", "kept too").await;
    vault.put_slot(new(WORDS), None, None).await.unwrap();
    let (id, before) = vault.root_key().await.unwrap();

    let closed = vault.rekey(no_passphrase()).await;
    assert!(matches!(closed, Err(Error::SlotClosed { label }) if label == "passphrase"));
    assert_eq!(vault.rekey(passphrase(WORDS)).await.unwrap(), 2);
    let (same_id, after) = home.vault(no_passphrase()).root_key().await.unwrap();
    assert_eq!(id, same_id);
    assert!(!after.same_as(before.expose()));
    assert_eq!(labels(&vault).await, ["keyfile", "passphrase"]);
    assert_eq!(content(&vault, "b").await.as_deref(), Some("kept too"));
    std::fs::remove_file(home.key()).unwrap();
    assert_eq!(
        content(&home.vault(passphrase(WORDS)), "a")
            .await
            .as_deref(),
        Some("kept")
    );
}

#[tokio::test]
async fn an_export_is_opened_by_its_passphrase_and_merged() {
    let (home, other) = (Home::new(), Home::new());
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "exported").await;
    put(&vault, "b", "exported").await;
    let file = home.path().join("export");
    let words = |words: &str| Passphrase::new(words).unwrap();
    assert_eq!(vault.export(&file, words(WORDS)).await.unwrap(), 2);
    let again = vault.export(&file, words(OTHER)).await;
    assert!(matches!(again, Err(Error::File(files::Error::Io { .. }))));

    let there = other.vault(no_passphrase());
    put(&there, "b", "was here").await;
    let wrong = there.import(&file, words(OTHER), false).await;
    assert!(matches!(wrong, Err(Error::WrongPassphrase { .. })));
    let moved = there.import(&file, words(WORDS), false).await.unwrap();
    assert_eq!(
        (moved.taken, moved.already_there),
        (1, vec!["b".to_owned()])
    );
    assert_eq!(content(&there, "b").await.as_deref(), Some("was here"));
    let moved = there.import(&file, words(WORDS), true).await.unwrap();
    assert_eq!(moved.taken, 2);
    assert_eq!(content(&there, "b").await.as_deref(), Some("exported"));
    assert_eq!(content(&there, "a").await.as_deref(), Some("exported"));
    // The other vault is its own: neither the key file nor the id came along.
    let (ours, theirs) = (vault.root_key().await, there.root_key().await);
    assert_ne!(ours.unwrap().0, theirs.unwrap().0);
}

#[tokio::test]
async fn a_vault_is_verified_entry_by_entry() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    assert!(matches!(vault.verify().await, Err(Error::NoVault { .. })));
    vault.init().await.unwrap();
    assert!(matches!(
        vault.init().await,
        Err(Error::AlreadyThere { .. })
    ));
    put(&vault, "a", "kept").await;
    let verified = vault.verify().await.unwrap();
    assert_eq!((verified.entries, verified.damaged.len()), (1, 0));
    for refused in [
        Vault::in_memory().init().await,
        Vault::in_memory().verify().await.map(|_| ()),
    ] {
        assert!(matches!(refused, Err(Error::InMemory)));
    }
}

/// Programs that keep a key in a file: what a password manager is to us.
#[cfg(unix)]
fn keeper(home: &Home, keeps: bool) -> (Configured, PathBuf) {
    let kept = home.path().join("keeper");
    let words =
        |program: &str| Argv::new(vec![program.into(), kept.to_str().unwrap().into()]).unwrap();
    let configured = Configured {
        fetch: words("cat"),
        store: keeps.then(|| words("tee")),
    };
    (configured, kept)
}

#[cfg(unix)]
fn with_command(home: &Home, configured: Configured) -> Vault {
    let unlock = Unlock {
        commands: Some(configured),
        kdf: Kdf::LOW,
        ..Unlock::default()
    };
    Vault::on_disk(VaultPaths::new(Some(home.path())).unwrap(), unlock)
}

/// A program keeps one key under one name: the old one is needed where the slot of the new one could not be written.
#[cfg(unix)]
#[tokio::test]
async fn a_program_gets_its_key_back_if_the_vault_cannot_be_written() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "kept").await;
    let (configured, file) = keeper(&home, true);
    let new = || NewKey::Command(KeyHolder::Command);
    let vault = with_command(&home, configured.clone());
    vault.put_slot(new(), None, Some("keyfile")).await.unwrap();
    let before = std::fs::read(&file).unwrap();

    // Once it has a new key, a directory is in the vault's place.
    let script = r#"tee "$1"; if [ -f "$2" ]; then mv "$2" "$2.away"; mkdir "$2"; fi"#;
    let paths = [&file, &home.file()].map(|path| path.to_str().unwrap().to_owned());
    let words = ["sh", "-c", script, "sh"].map(str::to_owned);
    let obstructing = Configured {
        store: Some(Argv::new([&words[..], &paths[..]].concat()).unwrap()),
        ..configured.clone()
    };
    let vault = with_command(&home, obstructing);
    let refused = vault.put_slot(new(), None, Some("command")).await;
    assert!(matches!(refused, Err(Error::File(_))), "{refused:?}");
    assert_eq!(std::fs::read(&file).unwrap(), before);

    std::fs::remove_dir(home.file()).unwrap();
    std::fs::rename(home.file().with_extension("bin.away"), home.file()).unwrap();
    let later = with_command(&home, configured);
    assert_eq!(content(&later, "a").await.as_deref(), Some("kept"));
}

#[cfg(unix)]
#[tokio::test]
async fn another_program_may_hold_the_key() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "kept").await;
    let none = home.vault(no_passphrase());
    let none = none.put_slot(NewKey::Command(KeyHolder::Command), None, None);
    assert!(matches!(none.await, Err(Error::KeyCommand(_))));

    let (configured, kept) = keeper(&home, true);
    let vault = with_command(&home, configured.clone());
    let new = NewKey::Command(KeyHolder::Command);
    vault.put_slot(new, None, Some("keyfile")).await.unwrap();
    assert_eq!(vault.status().await.unwrap().level, Some(Level::Login));
    assert!(!home.key().exists());
    let later = with_command(&home, configured.clone());
    assert_eq!(content(&later, "a").await.as_deref(), Some("kept"));

    // Rotated; what it held before opens nothing more.
    let before = std::fs::read(&kept).unwrap();
    let new = NewKey::Command(KeyHolder::Command);
    later.put_slot(new, None, Some("command")).await.unwrap();
    assert_ne!(std::fs::read(&kept).unwrap(), before);
    assert!(
        with_command(&home, configured.clone())
            .read("a")
            .await
            .is_ok()
    );
    std::fs::write(&kept, &before).unwrap();
    let foreign = with_command(&home, configured.clone()).read("a").await;
    assert!(matches!(foreign, Err(Error::ForeignKey { .. })));

    std::fs::remove_file(&kept).unwrap();
    let gone = with_command(&home, configured).read("a").await.unwrap_err();
    assert!(matches!(gone, Error::KeyCommand(_)));
    assert!(gone.hint().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_only_fetches_brings_a_key_of_its_own() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "kept").await;
    let (configured, kept) = keeper(&home, false);
    let vault = with_command(&home, configured.clone());
    std::fs::write(&kept, "0f".repeat(32) + "\n").unwrap();
    let new = NewKey::Command(KeyHolder::Command);
    let slot: SlotStatus = vault.put_slot(new, None, Some("keyfile")).await.unwrap();
    assert_eq!((slot.label.as_str(), slot.kind), ("command", SlotKind::Raw));
    assert!(with_command(&home, configured).read("a").await.is_ok());
    assert_eq!(
        std::fs::read_to_string(&kept).unwrap().trim(),
        "0f".repeat(32)
    );
}

#[tokio::test]
async fn a_service_may_be_handed_the_key() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "kept").await;
    let credential = home.path().join("mcpipe-vault-key");
    std::fs::write(&credential, "A".repeat(43)).unwrap();
    make_private(&credential);
    let service = || {
        let unlock = Unlock {
            credential: Some(credential.clone()),
            ..Unlock::default()
        };
        Vault::on_disk(VaultPaths::new(Some(home.path())).unwrap(), unlock)
    };
    let replaced = service();
    let replaced = replaced.put_slot(NewKey::Credential, None, Some("keyfile"));
    replaced.await.unwrap();
    assert_eq!(content(&service(), "a").await.as_deref(), Some("kept"));
    assert!(!opens(&home, no_passphrase()).await);
}

#[tokio::test]
async fn an_older_copy_is_said_to_processes_that_start_and_used() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "1").await;
    let old = std::fs::read(home.file()).unwrap();
    put(&home.vault(no_passphrase()), "a", "2").await;
    assert_eq!(
        home.vault(no_passphrase()).status().await.unwrap().behind,
        None
    );
    std::fs::write(home.file(), &old).unwrap();

    let later = home.vault(no_passphrase());
    assert_eq!(later.status().await.unwrap().behind, Some(2));
    assert_eq!(content(&later, "a").await.as_deref(), Some("1"));
    // Written to, it is the newest there is.
    put(&later, "b", "1").await;
    put(&later, "b", "2").await;
    assert_eq!(later.status().await.unwrap().behind, None);
}

#[tokio::test]
async fn a_root_key_that_has_sealed_enough_is_replaced_in_passing() {
    use mcpipe::store::contents::{Contents, Keys};
    use mcpipe::store::envelope;
    use mcpipe::store::primitives::Key;

    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "kept").await;
    let opener = files::read_key(&home.key(), false).unwrap().unwrap();
    let sealed = envelope::Sealed::parse(std::fs::read(home.file()).unwrap()).unwrap();
    let slot = &sealed.slots()[0];
    let root = slot.open(sealed.vault_id(), mcpipe::store::slot::Opener::Raw(&opener));
    let keys = Keys::new(root.unwrap(), sealed.vault_id());
    let mut contents: Contents = sealed.open(&keys).unwrap();
    contents.set_generation((1 << 30) - 3);
    let bytes = envelope::seal(&mut contents, &keys, &[9; 12]).unwrap();
    files::replace(&home.file(), &bytes).unwrap();

    let root = async || -> Key { home.vault(no_passphrase()).root_key().await.unwrap().1 };
    assert!(root().await.same_as(keys.root().expose()));
    put(&home.vault(no_passphrase()), "b", "1").await;
    assert!(root().await.same_as(keys.root().expose()));
    put(&home.vault(no_passphrase()), "b", "2").await;
    assert!(!root().await.same_as(keys.root().expose()));
    let vault = home.vault(no_passphrase());
    assert_eq!(content(&vault, "a").await.as_deref(), Some("kept"));
    assert_eq!(content(&vault, "b").await.as_deref(), Some("2"));
    assert_eq!(vault.status().await.unwrap().generation, Some(1 << 30));
}
