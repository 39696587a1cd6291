//! An older binary beside this one, as during an upgrade: they share a vault, its locks and a sign-in. The path of the
//! older one is in `MCPIPE_OLDER`; without it these tests cannot be run, and are listed as ignored:
//!
//! ```text
//! MCPIPE_OLDER=/path/to/mcpipe cargo test --test main coordination::versions -- --ignored
//! ```

use futures_util::future::join_all;
use mcpipe::store::EntryKind;
use rustix::process::Signal;

use super::{Machine, answer, session};
use crate::support::browser;
use crate::support::host::{INITIALIZE, THIS};

/// The older binary and this one, in both orders.
#[expect(clippy::disallowed_methods, reason = "a variable of this test")]
fn pairs() -> [[String; 2]; 2] {
    let older = std::env::var("MCPIPE_OLDER").expect("MCPIPE_OLDER names an older binary");
    let this = THIS.to_owned();
    [[older.clone(), this.clone()], [this, older]]
}

async fn signs_in(machine: &Machine, program: &str) {
    let mut host = machine.start_program(program, &[]);
    let user = async { browser::follow(&machine.page(1).await).await };
    let (answer, page) = tokio::join!(session(&mut host), user);
    assert!(answer["result"].is_object(), "{answer}");
    assert!(page.body.contains("You are signed in"), "{}", page.body);
    assert!(host.closed().await.status.success());
}

async fn calls(machine: &Machine, program: &str) {
    let mut host = machine.start_program(program, &[]);
    let answer = session(&mut host).await;
    assert!(answer["result"].is_object(), "{program}: {answer}");
    assert!(host.closed().await.status.success());
}

#[tokio::test]
#[ignore = "needs MCPIPE_OLDER, the path of an older binary"]
async fn what_one_version_keeps_in_the_vault_the_other_uses_and_renews() {
    for [first, second] in &pairs() {
        let machine = Machine::new().await;
        signs_in(&machine, first).await;
        calls(&machine, second).await;
        for (nth, program) in [second, first, second].into_iter().enumerate() {
            machine.ends().await;
            calls(&machine, program).await;
            let refreshes = machine.authority.grants("refresh_token").len();
            assert_eq!(refreshes, nth + 1, "{program}");
        }
        calls(&machine, first).await;
        assert_eq!(machine.shown().len(), 1, "only the first sign-in");
        assert_eq!(machine.authority.at("/register").len(), 1);
        machine.entry().await;

        let url = machine.remote.url();
        let logout = machine.run_program(second, &["logout", &url]);
        let end = logout.closed().await;
        assert!(end.status.success(), "{}", end.stderr);
        let kinds = machine.vault().list().await.unwrap();
        assert!(kinds.iter().all(|(_, kind)| *kind != EntryKind::Oauth));
        let mut host = machine.start_program(first, &["--no-browser"]);
        host.send(INITIALIZE).await;
        host.has_said("by visiting:").await;
    }
}

#[tokio::test]
#[ignore = "needs MCPIPE_OLDER, the path of an older binary"]
async fn bridges_of_two_versions_make_one_refresh() {
    for [first, second] in &pairs() {
        let machine = Machine::new().await;
        signs_in(&machine, second).await;
        machine.ends().await;
        machine.authority.configure(|options| options.gated = true);

        // The first holds the lock.
        let mut holder = machine.start_program(first, &[]);
        holder.send(INITIALIZE).await;
        machine.authority.waits_at_the_gate(1).await;
        let programs = [second, first, second, first, second];
        let mut hosts: Vec<_> = programs
            .iter()
            .map(|program| machine.start_program(program, &[]))
            .collect();
        let sessions = join_all(hosts.iter_mut().map(session));
        let server = async {
            // Long enough for the others to come, and find the lock taken.
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            machine.authority.open_gate();
        };
        let (answers, ()) = tokio::join!(sessions, server);

        for answer in answers {
            assert!(answer["result"].is_object(), "{answer}");
        }
        assert!(answer(&mut holder, 0).await["result"].is_object());
        assert_eq!(machine.authority.grants("refresh_token").len(), 1);
        assert_eq!(machine.shown().len(), 1, "only the first sign-in");
    }
}

#[tokio::test]
#[ignore = "needs MCPIPE_OLDER, the path of an older binary"]
async fn a_sign_in_that_one_version_begins_the_other_finishes() {
    for [first, second] in &pairs() {
        let machine = Machine::new().await;
        let mut starter = machine.start_program(first, &[]);
        starter.send(INITIALIZE).await;
        let page = machine.page(1).await;
        let mut watcher = machine.start_program(second, &[]);
        watcher.send(INITIALIZE).await;
        // The sign-in status of the other's helper is read: the page is shown here too, and opened no second time.
        watcher.has_said(&format!("by visiting:\n{page}\n")).await;
        starter.signal(Signal::KILL);
        starter.exit().await;

        let end = browser::follow(&page).await;

        assert!(end.body.contains("You are signed in"), "{}", end.body);
        let opened = answer(&mut watcher, 0).await;
        assert!(opened["result"].is_object(), "{opened}");
        for program in [first, second] {
            calls(&machine, program).await;
        }
        assert_eq!(machine.shown().len(), 1);
        assert_eq!(machine.authority.at("/token").len(), 1);
    }
}

#[tokio::test]
#[ignore = "needs MCPIPE_OLDER, the path of an older binary"]
async fn login_of_one_version_takes_over_the_sign_in_of_the_other() {
    for [first, second] in &pairs() {
        let machine = Machine::new().await;
        let mut host = machine.start_program(first, &[]);
        host.send(INITIALIZE).await;
        machine.page(1).await;

        let login = machine.run_program(second, &["login", &machine.remote.url()]);
        let page = browser::follow(&machine.page(2).await).await;

        assert!(page.body.contains("You are signed in"), "{}", page.body);
        let end = login.closed().await;
        assert!(end.status.success(), "{}", end.stderr);
        let opened = answer(&mut host, 0).await;
        assert!(opened["result"].is_object(), "{opened}");
        assert_eq!(machine.authority.at("/token").len(), 1);
    }
}
