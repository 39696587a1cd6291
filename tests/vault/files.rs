//! Files that are damaged, old, another user's, or not files at all.

use mcpipe::store::contents::{self, Contents, Keys};
use mcpipe::store::envelope::{self, Sealed};
use mcpipe::store::files;
use mcpipe::store::primitives::Key;
use mcpipe::store::slot::{self, Opener, Slot};

use super::*;

/// What a file in `fixtures/vault/damaged` is refused for.
fn is_refused_rightly(name: &str, error: &Error) -> bool {
    use envelope::Error as Why;
    let Error::Envelope { source, .. } = error else {
        return false;
    };
    match name {
        "another-program.vault" | "empty.vault" => matches!(source, Why::NotAVault),
        "newer-format.vault" => matches!(source, Why::NewerFormat(2)),
        "four-gigabytes-of-argon2.vault" => matches!(source, Why::OverCeiling { .. }),
        "too-little-argon2.vault" => matches!(source, Why::BelowFloor { .. }),
        _ => matches!(source, Why::Damaged(_)),
    }
}

#[tokio::test]
async fn damaged_files_are_refused_and_left_alone() {
    let mut tried = 0;
    for file in std::fs::read_dir(fixtures("damaged")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let home = Home::holding(&file.path());
        for sources in [no_passphrase(), passphrase(WORDS)] {
            let vault = home.vault(sources);
            let read = vault.read("https://mcp.example.com/mcp").await.unwrap_err();
            assert!(is_refused_rightly(&name, &read), "{name}: {read:?}");
            assert!(read.hint().is_some(), "{name}");
            let put = try_put(&vault, "a", "1").await.unwrap_err();
            assert!(is_refused_rightly(&name, &put), "{name}");
            assert!(vault.remove("a").await.is_err(), "{name}");
        }
        let (before, after) = (std::fs::read(file.path()), std::fs::read(home.file()));
        assert_eq!(before.unwrap(), after.unwrap(), "{name}");
        tried += 1;
    }
    assert!(tried >= 9);
}

#[tokio::test]
async fn a_file_cut_or_changed_anywhere_is_refused() {
    let home = Home::holding(&fixtures("both.vault"));
    let whole = std::fs::read(home.file()).unwrap();
    let mut broken: Vec<Vec<u8>> = (0..whole.len()).map(|at| whole[..at].to_vec()).collect();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        // Every byte in one of its bits, and every bit in some bytes.
        changed[at] ^= 1 << (at % 8);
        broken.push(changed);
    }
    for byte in [0, b' ', b'\n', 0xff] {
        broken.push([whole.as_slice(), &[byte]].concat());
    }
    for bytes in broken {
        std::fs::write(home.file(), &bytes).unwrap();
        // The key opens it, so a passphrase slot that was changed is seen although it is not used.
        let list = home.vault(no_passphrase()).list().await;
        assert!(list.is_err());
        assert_eq!(std::fs::read(home.file()).unwrap(), bytes);
    }
}

#[tokio::test]
async fn an_older_copy_is_not_taken_for_the_newest() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "1").await;
    let old = std::fs::read(home.file()).unwrap();
    put(&vault, "a", "2").await;

    for removed_first in [false, true] {
        if removed_first {
            std::fs::remove_file(home.file()).unwrap();
            assert!(vault.list().await.unwrap().is_empty());
        }
        std::fs::write(home.file(), &old).unwrap();
        make_private(&home.file());
        let read = vault.read("a").await;
        assert!(matches!(
            read,
            Err(Error::RolledBack {
                seen: 2,
                found: 1,
                ..
            })
        ));
    }
    // A process that has not seen the newer one has nothing to tell it by.
    assert_eq!(
        content(&home.vault(no_passphrase()), "a").await.as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn another_vault_in_the_same_place_is_opened_anew() {
    let home = Home::holding(&fixtures("keyfile.vault"));
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "1").await;
    std::fs::copy(fixtures("both.vault"), home.file()).unwrap();
    make_private(&home.file());
    assert_eq!(content(&vault, "a").await, None);
    assert_eq!(vault.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_new_root_key_is_found_through_the_slots() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "1").await;

    // What `vault rekey` will do.
    let opener = files::read_key(&home.key(), false).unwrap().unwrap();
    let sealed = Sealed::parse(std::fs::read(home.file()).unwrap()).unwrap();
    let root = sealed.slots()[0]
        .open(sealed.vault_id(), Opener::Raw(&opener))
        .unwrap();
    let old = Keys::new(root, sealed.vault_id());
    let mut contents = sealed.open(&old).unwrap();
    let new = Keys::new(Key::new([5; 32]), sealed.vault_id());
    contents.slots = vec![raw_slot(&contents, &new, &opener)];
    let fresh = fresh();
    contents.put(&new, "a", "oauth", b"2", &fresh).unwrap();
    files::replace(
        &home.file(),
        &envelope::seal(&mut contents, &new, &[6; 12]).unwrap(),
    )
    .unwrap();

    assert_eq!(content(&vault, "a").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn entries_of_kinds_to_come_stay_where_they_are() {
    let home = Home::new();
    let opener = Key::new([7; 32]);
    let mut contents = Contents::new(&[1; 16]);
    let keys = Keys::new(Key::new([5; 32]), contents.vault_id());
    contents.slots = vec![raw_slot(&contents, &keys, &opener)];
    contents
        .put(&keys, "odd", "of the future", b"?", &fresh())
        .unwrap();
    std::fs::create_dir(home.path().join("state")).unwrap();
    files::write_key(&home.key(), &opener).unwrap();
    files::replace(
        &home.file(),
        &envelope::seal(&mut contents, &keys, &[6; 12]).unwrap(),
    )
    .unwrap();

    let vault = home.vault(no_passphrase());
    put(&vault, "a", "1").await;
    assert_eq!(
        vault.list().await.unwrap(),
        [("a".to_owned(), EntryKind::Oauth)]
    );
    assert!(matches!(
        vault.read("odd").await,
        Err(Error::Envelope { .. })
    ));
    let sealed = Sealed::parse(std::fs::read(home.file()).unwrap()).unwrap();
    let odd = sealed
        .open(&keys)
        .unwrap()
        .read(&keys, "odd")
        .unwrap()
        .unwrap();
    assert_eq!(odd.content.as_slice(), b"?");
}

fn raw_slot(contents: &Contents, keys: &Keys, opener: &Key) -> Slot {
    let fresh = slot::SlotRandomness {
        id: [2; 8],
        salt: [3; 16],
        nonce: [4; 12],
    };
    let opener = Opener::Raw(opener);
    Slot::wrap(
        contents.vault_id(),
        "keyfile",
        opener,
        Kdf::LOW,
        keys.root(),
        fresh,
    )
    .unwrap()
}

fn fresh() -> contents::EntryRandomness {
    contents::EntryRandomness {
        id: [8; 8],
        data_key: Key::new([9; 32]),
        dek_nonce: [10; 12],
        nonce: [11; 12],
    }
}

#[tokio::test]
async fn what_is_kept_is_in_no_file_in_plain_text() {
    let home = Home::new();
    let (name, canary) = ("https://canary.example.com/", "a-token-that-sings");
    put(&home.vault(passphrase(WORDS)), name, canary).await;
    let _lock = home
        .vault(no_passphrase())
        .lock(name, Duration::ZERO)
        .await
        .unwrap();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, canary);
    let mut looked_at = 0;
    for file in home.names().iter().filter(|name| *name != "state") {
        let bytes = std::fs::read(home.path().join(file)).unwrap();
        for secret in [name, canary, WORDS, &encoded] {
            assert!(!file.contains(secret));
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {file}");
        }
        looked_at += 1;
    }
    assert_eq!(looked_at, 3); // the vault, its lock, the entry's lock
}

#[tokio::test]
async fn a_write_that_fails_changes_nothing_and_leaves_nothing() {
    let home = Home::new();
    let place = home.path().join("occupied");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("file"), "here").unwrap();
    assert!(matches!(
        files::replace(&place, b"bytes"),
        Err(files::Error::Io { .. })
    ));
    assert_eq!(home.names(), ["occupied"]);

    let vault = home.vault(no_passphrase());
    put(&vault, "a", "1").await;
    let before = std::fs::read(home.file()).unwrap();
    let big = Secret::new("x".repeat(16 << 20));
    let put = vault
        .put("a", EntryKind::Oauth, &big, Expected::Anything)
        .await;
    assert!(matches!(put, Err(Error::Envelope { .. })));
    assert_eq!(std::fs::read(home.file()).unwrap(), before);
    assert_eq!(content(&vault, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_a_writer_that_died_left_is_swept_by_the_next() {
    let home = Home::new();
    let vault = home.vault(no_passphrase());
    put(&vault, "a", "1").await;
    std::fs::write(home.path().join(".vault-dEaD.tmp"), "half a vau").unwrap();
    std::fs::write(home.path().join("mine.tmp"), "mine").unwrap();
    assert_eq!(content(&vault, "a").await.as_deref(), Some("1"));
    put(&vault, "a", "2").await;
    assert_eq!(
        home.names(),
        ["mine.tmp", "state", "vault.bin", "vault.lock"]
    );
}

#[cfg(unix)]
mod on_unix {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    // File systems hand out inodes again, and their clocks tick slower than we write.
    #[tokio::test]
    async fn a_file_that_only_looks_unchanged_is_read_again() {
        let home = Home::new();
        let (one, two) = (home.vault(no_passphrase()), home.vault(no_passphrase()));
        put(&one, "a", "1").await;
        let seen = home.path().join("as one saw it");
        std::fs::hard_link(home.file(), &seen).unwrap();
        let time = metadata(&seen).unwrap().modified().unwrap();
        put(&two, "a", "2").await;

        std::fs::write(&seen, std::fs::read(home.file()).unwrap()).unwrap();
        let file = std::fs::File::options().write(true).open(&seen).unwrap();
        file.set_modified(time).unwrap();
        std::fs::rename(&seen, home.file()).unwrap();
        assert_eq!(content(&one, "a").await.as_deref(), Some("2"));
    }

    fn mode(path: &Path) -> u32 {
        metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn everything_made_is_private() {
        let parent = Home::new();
        let home = parent.path().join("made/by/us");
        let unlock = Unlock::default();
        let vault = Vault::on_disk(VaultPaths::new(Some(&home)).unwrap(), unlock);
        put(&vault, "a", "1").await;
        let _lock = vault.lock("a", Duration::ZERO).await.unwrap();
        for directory in ["", "state"] {
            assert_eq!(mode(&home.join(directory)), 0o700, "{directory}");
        }
        let mut files = vec![home.join("state/vault.key")];
        for file in std::fs::read_dir(&home).unwrap() {
            files.extend(Some(file.unwrap().path()).filter(|path| path.is_file()));
        }
        assert_eq!(files.len(), 4);
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }

    #[tokio::test]
    async fn files_that_others_can_use_are_refused_by_name() {
        let home = Home::new();
        put(&home.vault(no_passphrase()), "a", "1").await;
        for file in [home.file(), home.key()] {
            for loose in [0o644, 0o640, 0o602] {
                set_mode(&file, loose);
                let read = home.vault(no_passphrase()).read("a").await.unwrap_err();
                let Error::File(files::Error::Mode { path, mode }) = &read else {
                    panic!("{read:?}");
                };
                assert_eq!((path, *mode), (&file, loose));
                assert_eq!(read.hint(), Some(format!("chmod 600 '{}'", file.display())));
            }
            let unlock = Unlock {
                loose: true,
                ..Unlock::default()
            };
            let vault = Vault::on_disk(VaultPaths::new(Some(home.path())).unwrap(), unlock);
            assert_eq!(content(&vault, "a").await.as_deref(), Some("1"));
            make_private(&file);
        }
    }

    #[tokio::test]
    async fn a_directory_that_others_can_write_to_is_refused_unless_it_is_sticky() {
        let home = Home::new();
        let put = async || {
            let vault = home.vault(no_passphrase());
            vault
                .put("a", EntryKind::Oauth, &Secret::new("1"), Expected::Anything)
                .await
        };
        set_mode(home.path(), 0o777);
        let refused = put().await.unwrap_err();
        assert!(matches!(
            refused,
            Error::File(files::Error::WritableDirectory { .. })
        ));
        assert_eq!(
            refused.hint(),
            Some(format!("chmod go-w '{}'", home.path().display()))
        );
        assert!(home.names().is_empty());
        for fine in [0o1777, 0o755, 0o700] {
            set_mode(home.path(), fine);
            put().await.unwrap();
            assert_eq!(mode(home.path()), fine & 0o777);
        }
        // The one inside is ours, and is put right.
        set_mode(&home.path().join("state"), 0o755);
        std::fs::remove_file(home.file()).unwrap();
        put().await.unwrap();
        assert_eq!(mode(&home.path().join("state")), 0o700);
    }

    #[tokio::test]
    async fn what_is_not_a_file_is_not_followed_or_waited_for() {
        let home = Home::new();
        put(&home.vault(no_passphrase()), "a", "1").await;
        let elsewhere = home.path().join("elsewhere");
        for (name, path) in [("vault", home.file()), ("key", home.key())] {
            std::fs::rename(&path, &elsewhere).unwrap();
            symlink(&elsewhere, &path).unwrap();
            let read = home.vault(no_passphrase()).read("a").await;
            assert!(
                matches!(read, Err(Error::File(files::Error::Symlink(_)))),
                "{name}"
            );
            std::fs::remove_file(&path).unwrap();

            std::fs::create_dir(&path).unwrap();
            let read = home.vault(no_passphrase()).read("a").await;
            assert!(
                matches!(read, Err(Error::File(files::Error::NotRegular(_)))),
                "{name}"
            );
            std::fs::remove_dir(&path).unwrap();

            let made = mcpipe::process::command("mkfifo").arg(&path).status();
            assert!(made.unwrap().success());
            let read = home.vault(no_passphrase()).read("a").await;
            assert!(
                matches!(read, Err(Error::File(files::Error::NotRegular(_)))),
                "{name}"
            );
            std::fs::remove_file(&path).unwrap();

            std::fs::rename(&elsewhere, &path).unwrap();
        }
        let lock = home.path().join("vault.lock");
        std::fs::remove_file(&lock).unwrap();
        symlink(&elsewhere, &lock).unwrap();
        let vault = home.vault(no_passphrase());
        let put = try_put(&vault, "a", "2").await;
        assert!(matches!(put, Err(Error::File(files::Error::Symlink(_)))));
        assert!(!elsewhere.exists());
    }
}
