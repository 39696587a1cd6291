//! Without a terminal, and with a vault that only a passphrase opens, nothing waits for a person: each command ends by itself,
//! and a bridge answers its host with the command that helps.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::authority::Authority;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
use crate::support::protected::protected_by;

/// A home whose vault has a passphrase that is not at hand.
fn locked() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut init = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"));
    init.args(["vault", "init", "--kdf", "low"])
        .env_clear()
        .env("MCPIPE_HOME", home.path())
        .env("MCPIPE_PASSPHRASE", "correct horse battery staple");
    assert!(init.output().unwrap().status.success());
    home
}

/// How long it took to end, with its stdin open and no terminal in sight.
fn took(home: &TempDir, arguments: &[&str]) -> (Duration, String) {
    let begun = Instant::now();
    let mut child = mcpipe::process::command("setsid")
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_mcpipe"))
        .args(arguments)
        .env_clear()
        .env("MCPIPE_HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = begun.elapsed();
    let _ = child.kill();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    (took, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_waits_for_a_passphrase_that_cannot_be_typed() {
    let authority = Authority::start().await;
    let url = protected_by(&authority).await.url();
    let home = locked();
    let runs: [&[&str]; 12] = [
        &["vault", "list"],
        &["vault", "status"],
        &["vault", "unlock"],
        &["vault", "verify"],
        &["vault", "passwd"],
        &["vault", "rekey"],
        &["vault", "protect", "--with", "passphrase"],
        &["vault", "rm", "example"],
        &["status"],
        &["token", &url],
        &["logout", &url],
        &["login", "--no-browser", "--auth-timeout", "1", &url],
    ];
    for arguments in runs {
        let (took, said) = took(&home, arguments);
        // What is asked of a machine at rest is two seconds.
        assert!(
            took < Duration::from_secs(15),
            "{arguments:?}: {took:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_bridge_whose_vault_is_locked_answers_and_says_how_to_unlock() {
    let authority = Authority::start().await;
    let server = protected_by(&authority).await;
    let home = locked();
    let url = server.url();
    let mut host = Process::start_in(home.path(), &["--no-browser", &url], &[]);
    host.send(INITIALIZE).await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    let mut told = Vec::<Value>::new();
    while !told.iter().any(|it| it["id"] == 1) {
        told.push(host.next_json().await);
    }
    let answer = told.iter().find(|it| it["id"] == 1).unwrap();
    assert!(
        answer["error"].to_string().contains("mcpipe vault unlock"),
        "{answer}"
    );
    host.closed().await;
}
