//! The unlock agent: who it answers, how long, and what becomes of what it knows.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use mcpipe::store::agent;
use mcpipe::store::primitives::Key;
use tokio::task::{JoinHandle, spawn_blocking};

use super::*;

const KEY: [u8; 32] = [7; 32];

fn place(home: &Home) -> VaultPaths {
    VaultPaths::new(Some(home.path())).unwrap()
}

/// An agent in this process that holds `key`.
async fn agent_with(
    home: &Home,
    vault_id: &str,
    key: Key,
    long: Duration,
    now: fn() -> SystemTime,
) -> JoinHandle<Result<(), agent::Error>> {
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let (place, vault_id) = (place(home), vault_id.to_owned());
    let serving = tokio_util::task::TaskTracker::new().spawn(async move {
        let ready = || ready.send(()).unwrap();
        agent::serve(&place, vault_id, key, long, now, ready).await
    });
    is_ready.await.unwrap();
    serving
}

fn epoch() -> SystemTime {
    SystemTime::UNIX_EPOCH
}

/// Asks beside the runtime that the agent runs on.
async fn ask<T: Send + 'static>(
    home: &Home,
    question: impl FnOnce(&VaultPaths) -> Result<T, agent::Error> + Send + 'static,
) -> Result<T, agent::Error> {
    let place = place(home);
    spawn_blocking(move || question(&place)).await.unwrap()
}

async fn key_of(home: &Home, vault: &'static str) -> Option<Key> {
    ask(home, move |place| agent::key(place, vault))
        .await
        .unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn it_holds_one_vaults_key_until_it_is_told_to_lock() {
    let home = Home::new();
    assert!(key_of(&home, "one").await.is_none());
    let serving = agent_with(&home, "one", Key::new(KEY), HOUR, epoch).await;
    assert!(key_of(&home, "one").await.unwrap().same_as(&KEY));
    assert!(key_of(&home, "another").await.is_none());
    let (left, vault) = ask(&home, agent::left).await.unwrap().unwrap();
    assert_eq!((left, vault.as_str()), (HOUR, "one"));

    let socket = home.path().join("state/agent.sock");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);

    let here = place(&home);
    let second = agent::serve(&here, "x".into(), Key::new(KEY), HOUR, epoch, || {});
    assert!(matches!(second.await, Err(agent::Error::Taken)));

    assert!(ask(&home, agent::lock).await.unwrap());
    serving.await.unwrap().unwrap();
    assert!(!socket.exists());
    assert!(!ask(&home, agent::lock).await.unwrap());
    assert!(key_of(&home, "one").await.is_none());
}

#[tokio::test]
async fn its_time_ends_even_while_the_machine_sleeps() {
    static NOW: AtomicU64 = AtomicU64::new(1_000_000);
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.load(Ordering::Relaxed))
    }

    let home = Home::new();
    let serving = agent_with(&home, "one", Key::new(KEY), HOUR, now).await;
    NOW.fetch_add(3599, Ordering::Relaxed);
    assert!(key_of(&home, "one").await.is_some());
    // The timer has not moved; the clock on the wall has.
    NOW.fetch_add(1, Ordering::Relaxed);
    assert!(key_of(&home, "one").await.is_none());
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_agent_opens_a_vault_without_its_passphrase() {
    let home = Home::new();
    let vault = home.vault(passphrase(WORDS));
    put(&vault, "a", "kept").await;
    let (id, root) = vault.root_key().await.unwrap();
    let serving = agent_with(&home, &id, root, HOUR, epoch).await;

    let bridge = home.vault(Sources {
        terminal: Some(|_| panic!("nobody should be asked")),
        ..no_passphrase()
    });
    assert_eq!(content(&bridge, "a").await.as_deref(), Some("kept"));
    put(&bridge, "b", "kept").await;

    // A new root key reaches the agent.
    vault.rekey(passphrase(WORDS)).await.unwrap();
    assert!(home.vault(no_passphrase()).read("a").await.is_ok());
    assert!(ask(&home, agent::lock).await.unwrap());
    serving.await.unwrap().unwrap();
    let locked = home.vault(no_passphrase()).read("a").await;
    assert!(matches!(locked, Err(Error::Locked { .. })));
}

#[tokio::test]
async fn an_agents_wrong_key_does_no_harm() {
    let home = Home::new();
    put(&home.vault(passphrase(WORDS)), "a", "kept").await;
    let (id, _) = home.vault(passphrase(WORDS)).root_key().await.unwrap();
    let serving = agent_with(&home, &id, Key::new(KEY), HOUR, epoch).await;
    assert!(home.vault(passphrase(WORDS)).read("a").await.is_ok());
    let locked = home.vault(no_passphrase()).read("a").await;
    assert!(matches!(locked, Err(Error::Locked { .. })));
    serving.abort();
}

#[tokio::test]
async fn only_what_is_certainly_ours_is_asked() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "a", "kept").await;
    let state = home.path().join("state");
    let socket = state.join("agent.sock");

    // One that died.
    drop(UnixListener::bind(&socket).unwrap());
    assert!(key_of(&home, "one").await.is_none());

    // A directory others can look into.
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o755)).unwrap();
    let open = ask(&home, |place| agent::key(place, "one")).await;
    assert!(matches!(open, Err(agent::Error::File(_))));
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o700)).unwrap();

    // Something else in its place.
    std::fs::remove_file(&socket).unwrap();
    std::os::unix::fs::symlink("elsewhere", &socket).unwrap();
    let link = ask(&home, |place| agent::key(place, "one")).await;
    assert!(matches!(link, Err(agent::Error::File(_))));
    // And the vault opens by its key file all the same.
    assert!(home.vault(no_passphrase()).read("a").await.is_ok());
    std::fs::remove_file(&socket).unwrap();

    // One that does not answer.
    let _deaf = UnixListener::bind(&socket).unwrap();
    let deaf = ask(&home, |place| agent::key(place, "one")).await;
    assert!(matches!(deaf, Err(agent::Error::Broken { .. })));
}
