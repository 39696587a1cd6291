//! The vault as its users see it, on real files: records stay, and no other user reads them.

mod agent; // `mcpipe vault agent`
mod asking; // prompts for a passphrase
mod chosen; // weak passphrases, and passphrases that mcpipe proposes
mod commands; // `mcpipe vault`
#[cfg(unix)]
mod copied_files; // a vault's file alone; files of a project
#[cfg(unix)]
mod core_dumps; // no process leaves its memory behind
mod crashes; // writers killed, or refused by the disk, at any byte
mod files; // permissions and kinds of files
mod hanging; // programs that hang when asked for the key
mod homes; // unreadable homes
mod locked; // a vault that is locked
mod neighbours; // locks, logs and recordings beside the vault
mod order; // of two usable sign-ins, the one stored last
mod processes; // concurrent writers
mod secrets; // secrets of the user, for headers
mod slots; // ways to unlock, added and removed
mod tampered; // changed bytes
mod two_users; // two users of one machine

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpipe::secret::Secret;
use mcpipe::store::passphrase::Sources;
use mcpipe::store::slot::{Kdf, SlotKind};
use mcpipe::store::{EntryKind, Error, Expected, Level, Unlock, Vault, VaultPaths};
use tempfile::TempDir;

const WORDS: &str = "correct horse battery staple";

/// A directory of its own for everything mcpipe keeps.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With this file of `fixtures/vault` in the vault's place, and the key beside it.
    fn holding(fixture: &Path) -> Self {
        let home = Self::new();
        std::fs::create_dir(home.path().join("state")).unwrap();
        for (from, to) in [
            (fixture, home.file()),
            (&fixtures("keyfile.key"), home.key()),
        ] {
            std::fs::copy(from, &to).unwrap();
            make_private(&to);
        }
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("vault.bin")
    }

    fn key(&self) -> PathBuf {
        self.path().join("state/vault.key")
    }

    fn vault(&self, passphrase: Sources) -> Vault {
        let unlock = Unlock {
            passphrase,
            kdf: Kdf::LOW,
            ..Unlock::default()
        };
        Vault::on_disk(VaultPaths::new(Some(self.path())).unwrap(), unlock)
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.path()).unwrap() {
            names.push(entry.unwrap().file_name().into_string().unwrap());
        }
        names.sort();
        names
    }
}

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/vault")
        .join(name)
}

fn make_private(path: &Path) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn no_passphrase() -> Sources {
    Sources::default()
}

fn passphrase(words: &str) -> Sources {
    Sources {
        environment: Some(Secret::new(words)),
        ..Sources::default()
    }
}

async fn put(vault: &Vault, name: &str, content: &str) -> u64 {
    try_put(vault, name, content).await.unwrap()
}

async fn try_put(vault: &Vault, name: &str, content: &str) -> Result<u64, Error> {
    let content = Secret::new(content);
    let put = vault.put(name, EntryKind::Oauth, &content, Expected::Anything);
    put.await
}

async fn content(vault: &Vault, name: &str) -> Option<String> {
    let entry = vault.read(name).await.unwrap();
    entry.map(|entry| entry.content.expose().to_owned())
}

#[tokio::test]
async fn nothing_is_made_or_asked_before_something_is_kept() {
    let home = Home::new();
    let vault = home.vault(Sources {
        terminal: Some(|_| panic!("nobody should be asked")),
        ..passphrase(WORDS)
    });
    assert!(vault.read("a").await.unwrap().is_none());
    assert!(vault.list().await.unwrap().is_empty());
    assert!(!vault.remove("a").await.unwrap());
    let content = Secret::new("1");
    let put = vault.put("a", EntryKind::Oauth, &content, Expected::Revision(1));
    assert!(matches!(put.await, Err(Error::Stale)));
    assert_eq!(vault.status().await.unwrap().level, None);
    assert!(home.names().is_empty());
}

#[tokio::test]
async fn without_a_passphrase_a_key_file_opens_the_vault() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "kept").await;

    let later = home.vault(no_passphrase());
    assert_eq!(content(&later, "a").await.as_deref(), Some("kept"));
    let status = later.status().await.unwrap();
    assert_eq!(status.level, Some(Level::FilePermissions));
    assert_eq!(status.path, Some(home.file()));
    assert_eq!(status.generation, Some(1));

    std::fs::remove_file(home.key()).unwrap();
    let without = home.vault(no_passphrase()).read("a").await;
    assert!(matches!(without, Err(Error::KeyMissing { .. })));

    let another = Home::new();
    put(&another.vault(no_passphrase()), "a", "another").await;
    std::fs::copy(another.key(), home.key()).unwrap();
    let with_another = home.vault(no_passphrase()).read("a").await;
    assert!(matches!(with_another, Err(Error::WrongKey { .. })));
}

#[tokio::test]
async fn only_its_passphrase_opens_a_vault() {
    let home = Home::new();
    put(&home.vault(passphrase(WORDS)), "a", "kept").await;
    assert!(!home.key().exists());
    let before = std::fs::read(home.file()).unwrap();

    let right = home.vault(passphrase(WORDS));
    assert_eq!(content(&right, "a").await.as_deref(), Some("kept"));
    assert_eq!(right.status().await.unwrap().level, Some(Level::Passphrase));

    let wrong = home.vault(passphrase("correct horse"));
    let put = try_put(&wrong, "a", "2").await;
    assert!(matches!(put, Err(Error::WrongPassphrase { .. })));
    assert!(matches!(
        wrong.list().await,
        Err(Error::WrongPassphrase { .. })
    ));
    let none = home.vault(no_passphrase()).read("a").await;
    assert!(matches!(none, Err(Error::Locked { .. })));
    assert_eq!(std::fs::read(home.file()).unwrap(), before);
}

#[tokio::test]
async fn a_passphrase_used_is_forgotten_and_never_replaced_by_a_key_file() {
    let home = Home::new();
    let vault = home.vault(passphrase(WORDS));
    put(&vault, "a", "kept").await;
    std::fs::remove_file(home.file()).unwrap();

    assert!(vault.read("a").await.unwrap().is_none());
    let put = try_put(&vault, "a", "2").await;
    assert!(matches!(put, Err(Error::Locked { .. })));
    assert!(!home.key().exists());
}

#[tokio::test]
async fn a_person_may_mistype_twice() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static ASKED: AtomicUsize = AtomicUsize::new(0);

    let home = Home::new();
    put(&home.vault(passphrase(WORDS)), "a", "kept").await;
    let typed = |terminal| Sources {
        terminal: Some(terminal),
        ..Sources::default()
    };
    let third = home.vault(typed(|_| {
        let right = ASKED.fetch_add(1, Ordering::Relaxed) == 2;
        Ok(if right { WORDS } else { "a slip" }.to_owned())
    }));
    assert_eq!(content(&third, "a").await.as_deref(), Some("kept"));
    assert_eq!(content(&third, "a").await.as_deref(), Some("kept"));
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);

    let never = home
        .vault(typed(|_| Ok("a slip".to_owned())))
        .read("a")
        .await;
    assert!(matches!(never, Err(Error::WrongPassphrase { .. })));
}

#[tokio::test]
async fn at_a_terminal_a_vault_that_the_user_makes_asks_for_its_passphrase() {
    for (typed, level) in [
        (
            (|_| Ok(WORDS.to_owned())) as fn(&str) -> _,
            Level::Passphrase,
        ),
        (|_| Ok(String::new()), Level::FilePermissions),
    ] {
        let home = Home::new();
        let vault = home.vault(Sources {
            terminal: Some(typed),
            ..Sources::default()
        });
        vault.init().await.unwrap();
        put(&vault, "a", "kept").await;
        assert_eq!(vault.status().await.unwrap().level, Some(level));
    }
}

#[tokio::test]
async fn a_write_happens_only_if_what_was_expected_is_so() {
    let home = Home::new();
    for vault in [Vault::in_memory(), home.vault(no_passphrase())] {
        let put = async |expected| {
            let content = Secret::new("content");
            vault
                .put("a", EntryKind::ClientRegistration, &content, expected)
                .await
        };
        assert!(matches!(
            put(Expected::Revision(0)).await,
            Err(Error::Stale)
        ));
        let first = put(Expected::Absent).await.unwrap();
        assert!(matches!(put(Expected::Absent).await, Err(Error::Stale)));
        let second = put(Expected::Revision(first)).await.unwrap();
        assert!(matches!(
            put(Expected::Revision(first)).await,
            Err(Error::Stale)
        ));
        let third = put(Expected::Anything).await.unwrap();
        assert!(first < second && second < third);

        let entry = vault.read("a").await.unwrap().unwrap();
        assert_eq!(
            (entry.rev, entry.kind),
            (third, EntryKind::ClientRegistration)
        );
        let list = vault.list().await.unwrap();
        assert_eq!(list, [("a".to_owned(), EntryKind::ClientRegistration)]);

        assert!(vault.remove("a").await.unwrap());
        assert!(!vault.remove("a").await.unwrap());
        assert!(vault.read("a").await.unwrap().is_none());
        assert!(put(Expected::Absent).await.unwrap() > third);
    }
}

#[tokio::test]
async fn what_others_write_is_seen_at_once() {
    let home = Home::new();
    let (one, two) = (home.vault(no_passphrase()), home.vault(no_passphrase()));
    for round in 0..20 {
        // Of equal length, and faster than the clocks of file systems tick.
        put(&one, "a", &format!("one {round:03}")).await;
        assert_eq!(content(&two, "a").await, Some(format!("one {round:03}")));
        put(&two, "a", &format!("two {round:03}")).await;
        assert_eq!(content(&one, "a").await, Some(format!("two {round:03}")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_lose_nothing() {
    let home = Home::new();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        // Each with a vault of its own, as processes have; the first of them makes it.
        let vault = home.vault(no_passphrase());
        writers.spawn(async move {
            for round in 0..20 {
                put(&vault, &format!("{writer} {round}"), "kept").await;
                put(&vault, "shared", &format!("{writer} {round}")).await;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let vault = home.vault(no_passphrase());
    assert_eq!(vault.list().await.unwrap().len(), 8 * 20 + 1);
    assert_eq!(vault.status().await.unwrap().generation, Some(8 * 40));
}

#[tokio::test]
async fn compare_and_swap_counts_right_between_two_vaults() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "count", "0").await;
    let count = async |vault: Vault| {
        for _ in 0..20 {
            loop {
                let entry = vault.read("count").await.unwrap().unwrap();
                let next = entry.content.expose().parse::<u32>().unwrap() + 1;
                let next = Secret::new(next.to_string());
                let expected = Expected::Revision(entry.rev);
                match vault.put("count", EntryKind::Oauth, &next, expected).await {
                    Ok(_) => break,
                    Err(Error::Stale) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    tokio::join!(
        count(home.vault(no_passphrase())),
        count(home.vault(no_passphrase()))
    );
    assert_eq!(
        content(&home.vault(no_passphrase()), "count")
            .await
            .as_deref(),
        Some("40")
    );
}

#[tokio::test]
async fn a_lock_is_held_by_one_task_at_a_time() {
    let home = Home::new();
    for vault in [Vault::in_memory(), home.vault(no_passphrase())] {
        let first = vault.lock("a", Duration::ZERO).await.unwrap();
        let second = vault.lock("a", Duration::from_millis(1)).await;
        assert!(matches!(second, Err(Error::Busy { .. })));
        let another = vault.lock("b", Duration::ZERO).await.unwrap();
        drop(first);
        let mut first = vault.lock("a", Duration::ZERO).await.ok();
        assert!(first.is_some());

        let patient = vault.lock("a", Duration::from_secs(60));
        tokio::pin!(patient);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut patient).await;
        assert!(early.is_err());
        first.take();
        assert!(patient.await.is_ok());
        drop(another);
    }
}

#[tokio::test]
async fn big_secrets_come_back_whole() {
    let home = Home::new();
    let big: String = ('a'..='z').cycle().take(64 << 10).collect();
    put(&home.vault(passphrase(WORDS)), "big", &big).await;
    put(&home.vault(passphrase(WORDS)), "ünïcode \n name", "").await;
    let vault = home.vault(passphrase(WORDS));
    assert_eq!(content(&vault, "big").await, Some(big));
    assert_eq!(
        content(&vault, "ünïcode \n name").await.as_deref(),
        Some("")
    );
}

#[tokio::test]
async fn files_sealed_by_others_open() {
    let expected = [
        (
            "https://id.example.com/",
            EntryKind::ClientRegistration,
            3,
            r#"{"client_id":"a client"}"#,
        ),
        (
            "https://mcp.example.com/mcp",
            EntryKind::Oauth,
            7,
            r#"{"schema":1,"at":"access token","rt":"refresh token"}"#,
        ),
    ];
    for (file, sources, level) in [
        ("passphrase.vault", passphrase(WORDS), Level::Passphrase),
        (
            "passphrase-default-cost.vault",
            passphrase(WORDS),
            Level::Passphrase,
        ),
        ("keyfile.vault", no_passphrase(), Level::FilePermissions),
        ("both.vault", passphrase(WORDS), Level::FilePermissions),
        ("both.vault", no_passphrase(), Level::FilePermissions),
    ] {
        let home = Home::holding(&fixtures(file));
        let vault = home.vault(sources);
        for (name, kind, rev, content) in expected {
            let entry = vault.read(name).await.unwrap().unwrap();
            assert_eq!((entry.kind, entry.rev), (kind, rev), "{file}");
            assert_eq!(entry.content.expose(), content, "{file}");
        }
        assert_eq!(vault.list().await.unwrap().len(), 2, "{file}");
        assert_eq!(vault.status().await.unwrap().level, Some(level), "{file}");

        // And go on being written, by us.
        assert_eq!(put(&vault, "new", "ours").await, 8, "{file}");
        assert_eq!(vault.list().await.unwrap().len(), 3, "{file}");
    }
    let default = Home::holding(&fixtures("passphrase-default-cost.vault"));
    let status = default.vault(no_passphrase()).status().await.unwrap();
    assert_eq!(status.slots[0].kind, SlotKind::Argon2id(Kdf::DEFAULT));
    assert_eq!(status.slots[0].label, "passphrase");
}
