//! `mcpipe token`, beside bridges that use the same sign-in.

use std::time::UNIX_EPOCH;

use futures_util::future::join_all;
use mcpipe::auth::store::record::TokenRecord;
use mcpipe::store::{EntryKind, Expected};
use serde_json::Value;

use super::{Machine, session};
use crate::support::host::{Exit, Process, json};

impl Machine {
    fn token_process(&self, arguments: &[&str]) -> Process {
        let url = self.remote.url();
        let mut all = vec!["token", &url];
        all.extend(arguments);
        let browser = self.browser().display().to_string();
        Process::start_in(self.home.path(), &all, &[("BROWSER", &browser)])
    }

    async fn token(&self, arguments: &[&str]) -> Exit {
        self.token_process(arguments).closed().await
    }

    /// What is kept becomes what `edit` makes of it.
    async fn edited(&self, edit: impl FnOnce(&mut TokenRecord)) {
        let (name, rev, mut entry) = self.entry().await;
        edit(&mut entry);
        let (content, expected) = (entry.write(), Expected::Revision(rev));
        let vault = self.vault();
        let put = vault.put(&name, EntryKind::Oauth, &content, expected);
        put.await.unwrap();
    }

    /// The token that is kept was given an hour ago and ends in so many seconds; it is not due yet.
    async fn ends_in(&self, seconds: u64) {
        let now = now();
        self.edited(|entry| {
            entry.obtained_at = now - 3600;
            entry.expires_at = Some(now + seconds);
            entry.refresh_at = Some(now + seconds);
        })
        .await;
    }

    fn newest(&self) -> String {
        self.authority.access_tokens().pop().unwrap()
    }
}

fn now() -> u64 {
    let since = mcpipe::settings::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// An address where no server listens.
fn nobody() -> String {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/token", taken.local_addr().unwrap())
}

#[tokio::test]
async fn a_token_that_lasts_is_printed_alone_and_nobody_is_asked() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    let (asked, told) = (machine.remote.all().len(), machine.authority.seen().len());

    let left = machine.token(&[]).await;
    assert_eq!(left.status.code(), Some(0), "{}", left.stderr);
    assert_eq!(left.lines, [machine.newest()]);
    assert_eq!(left.stderr, "");

    let (_, _, entry) = machine.entry().await;
    let left = machine.token(&["--json"]).await;
    let [line] = left.lines.as_slice() else {
        panic!("{:?}", left.lines);
    };
    let said = json(line);
    assert_eq!(said["access_token"], machine.newest());
    assert_eq!(said["token_type"], "Bearer");
    assert_eq!(said["expires_at"], entry.expires_at.unwrap());
    assert_eq!(said["resource"], machine.remote.url());
    assert_eq!(machine.remote.all().len(), asked);
    assert_eq!(machine.authority.seen().len(), told);
}

#[tokio::test]
async fn one_that_is_over_within_a_minute_is_renewed_first_and_kept() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    machine.ends_in(90).await;
    assert_eq!(machine.token(&[]).await.lines, [machine.newest()]);
    assert!(machine.authority.grants("refresh_token").is_empty());

    machine.ends_in(40).await;
    let old = machine.newest();
    for _ in 0..2 {
        let left = machine.token(&[]).await;
        assert_eq!(left.lines, [machine.newest()], "{}", left.stderr);
        assert_ne!(left.lines[0], old);
        assert_eq!(machine.authority.grants("refresh_token").len(), 1);
    }
    let (_, _, entry) = machine.entry().await;
    assert!(entry.access.same_as(&machine.newest()));
}

#[tokio::test]
async fn beside_bridges_one_refresh_token_is_spent_once() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    machine.ends().await;
    machine.authority.configure(|options| options.gated = true);
    let mut host = machine.start();
    let tokens: Vec<_> = (0..5).map(|_| machine.token_process(&[])).collect();
    let server = async {
        machine.authority.waits_at_the_gate(1).await;
        // Slow enough for the others to come, and find the lock taken.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        machine.authority.open_gate();
    };
    let lefts = join_all(tokens.into_iter().map(Process::closed));
    let (answer, lefts, ()) = tokio::join!(session(&mut host), lefts, server);
    assert!(answer["result"].is_object(), "{answer}");
    for left in lefts {
        assert_eq!(left.lines, [machine.newest()], "{}", left.stderr);
    }
    assert_eq!(machine.authority.grants("refresh_token").len(), 1);
}

#[tokio::test]
async fn where_nobody_is_signed_in_it_says_what_to_run_and_opens_nothing() {
    let machine = Machine::new().await;
    for (arguments, said) in [
        (
            vec![],
            format!("run `mcpipe login {}`", machine.remote.url()),
        ),
        (vec!["--account", "work"], "--account work".to_owned()),
        (vec!["--scope", "other"], "mcpipe login".to_owned()),
    ] {
        let left = machine.token(&arguments).await;
        assert_eq!(left.status.code(), Some(3), "{}", left.stderr);
        assert!(left.lines.is_empty());
        assert!(left.stderr.contains(&said), "{}", left.stderr);
    }
    assert!(machine.shown().is_empty());
    assert!(machine.remote.all().is_empty());
    assert!(!machine.home.path().join("vault.bin").exists());
}

#[tokio::test]
async fn a_sign_in_that_is_refused_its_renewal_is_over_when_its_token_is() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    let refuse = || {
        let refusal = (400, r#"{"error":"invalid_grant"}"#.to_owned());
        machine
            .authority
            .configure(|options| options.token_answers.push_back(refusal));
    };
    refuse();
    machine.ends_in(40).await;
    assert_eq!(machine.token(&[]).await.lines, [machine.newest()]);
    refuse();
    machine.ends().await;
    let left = machine.token(&[]).await;
    assert_eq!(left.status.code(), Some(3), "{}", left.stderr);
    assert!(left.lines.is_empty());
    assert!(left.stderr.contains("mcpipe login"), "{}", left.stderr);
    assert_eq!(machine.shown().len(), 1, "only the first sign-in");
}

#[tokio::test]
async fn a_renewal_that_reaches_nobody_is_the_network_unless_what_is_held_lasts() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    machine
        .edited(|entry| entry.token_endpoint = nobody().parse().unwrap())
        .await;
    machine.ends_in(40).await;
    let left = machine.token(&[]).await;
    assert_eq!(left.status.code(), Some(4), "{}", left.stderr);
    assert!(left.lines.is_empty());

    // Due, with ten minutes left.
    machine.ends_in(600).await;
    machine
        .edited(|entry| entry.refresh_at = Some(now() - 1))
        .await;
    let left = machine.token(&[]).await;
    assert_eq!(left.status.code(), Some(0), "{}", left.stderr);
    assert_eq!(left.lines, [machine.newest()]);
    assert!(left.stderr.contains("works for now"), "{}", left.stderr);
}

#[tokio::test]
async fn a_vault_that_does_not_open_is_not_nobody_signed_in() {
    let machine = Machine::new().await;
    let home = machine.home.path();
    let words = home.join("words");
    std::fs::write(&words, "correct horse battery staple\n").unwrap();
    let variables = [("MCPIPE_PASSPHRASE_FILE", words.to_str().unwrap())];
    let init = ["vault", "init", "--kdf", "low"];
    let made = Process::start_in(home, &init, &variables).closed().await;
    assert!(made.status.success(), "{}", made.stderr);
    let left = machine.token(&[]).await;
    assert_eq!(left.status.code(), Some(1), "{}", left.stderr);
    assert!(!left.stderr.contains("mcpipe login"), "{}", left.stderr);
    let opened = ["token", &machine.remote.url()];
    let left = Process::start_in(home, &opened, &variables).closed().await;
    assert_eq!(left.status.code(), Some(3), "{}", left.stderr);
}

#[tokio::test]
async fn a_header_of_one_s_own_is_no_token_of_ours() {
    let machine = Machine::new().await;
    let left = machine
        .token(&["--header", "Authorization: Bearer x"])
        .await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    let said: Vec<Value> = left.lines.iter().map(|line| json(line)).collect();
    assert!(said.is_empty(), "{said:?}");
}
