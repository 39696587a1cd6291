//! The sign-in outlives the process that began it, and there is one of it.

use futures_util::future::join_all;
use rustix::process::Signal;

#[cfg(target_os = "linux")]
use super::{DEBUGGABLE, eventually};
use super::{Machine, answer, session};
use crate::support::browser;
use crate::support::host::INITIALIZE;

#[tokio::test]
async fn eight_cold_starts_make_one_registration_one_window_and_one_exchange() {
    let machine = Machine::new().await;
    let mut hosts: Vec<_> = (0..8).map(|_| machine.start()).collect();
    let sessions = join_all(hosts.iter_mut().map(session));
    let person = async { browser::follow(&machine.page(1).await).await };

    let (answers, page) = tokio::join!(sessions, person);

    for answer in answers {
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert!(page.body.contains("You are signed in"), "{}", page.body);
    assert_eq!(machine.authority.at("/register").len(), 1);
    assert_eq!(machine.authority.grants("authorization_code").len(), 1);
    assert_eq!(machine.authority.at("/token").len(), 1);
    assert_eq!(machine.shown().len(), 1);
    assert_eq!(machine.remote.count("POST tools/call"), 8);
}

#[tokio::test]
async fn a_host_killed_during_the_sign_in_loses_nothing() {
    let machine = Machine::new().await;
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    let page = machine.page(1).await;
    host.signal(Signal::KILL);
    host.exit().await;

    let end = browser::follow(&page).await;

    assert!(end.body.contains("You are signed in"), "{}", end.body);
    let mut next = machine.start();
    let answer = session(&mut next).await;
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(machine.shown().len(), 1, "the next start is silent");
    assert_eq!(machine.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn a_second_host_joins_the_sign_in_the_first_one_died_of() {
    let machine = Machine::new().await;
    let mut first = machine.start();
    first.send(INITIALIZE).await;
    let page = machine.page(1).await;
    first.signal(Signal::KILL);
    first.exit().await;

    let mut second = machine.start();
    let person = async {
        // The page is told to the second host, although the first one began it.
        second.send(INITIALIZE).await;
        browser::follow(&page).await;
        answer(&mut second, 0).await
    };
    let opened = person.await;
    assert!(opened["result"].is_object(), "{opened}");
    let left = second.closed().await;
    assert_eq!(machine.shown().len(), 1);
    assert!(left.status.success());
}

#[tokio::test]
async fn the_address_reaches_stderr_although_another_process_shows_it() {
    let machine = Machine::new().await;
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    let page = machine.page(1).await;
    // The second one only watches.
    let mut watcher = machine.start();
    watcher.send(INITIALIZE).await;
    for host in [&host, &watcher] {
        host.has_said(&format!("by visiting:\n{page}\n")).await;
    }
    browser::follow(&page).await;
    for host in [&mut host, &mut watcher] {
        assert!(answer(host, 0).await["result"].is_object());
    }
}

#[tokio::test]
async fn a_window_that_was_refused_does_not_reopen_in_any_process() {
    let machine = Machine::new().await;
    machine.authority.configure(|options| {
        options
            .authorize_errors
            .push_back("access_denied".to_owned());
    });
    let mut hosts: Vec<_> = (0..3).map(|_| machine.start()).collect();
    for host in &mut hosts {
        host.send(INITIALIZE).await;
    }
    let page = browser::follow(&machine.page(1).await).await;
    assert!(page.body.contains("did not work"), "{}", page.body);
    let mut late = machine.start();
    late.send(INITIALIZE).await;
    hosts.push(late);
    for host in &mut hosts {
        let refused = answer(host, 0).await;
        assert_eq!(refused["error"]["data"]["kind"], "sign_in_needed");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("access_denied"), "{message}");
        let hint = refused["error"]["data"]["hint"].as_str().unwrap();
        assert!(hint.contains("mcpipe login http"), "{hint}");
    }
    assert_eq!(machine.shown().len(), 1);
}

#[tokio::test]
async fn a_window_nobody_came_to_does_not_reopen() {
    let machine = Machine::new().await;
    let mut host = machine.start_with(&["--auth-timeout", "1"]);
    host.send(INITIALIZE).await;
    let refused = answer(&mut host, 0).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("Nobody finished"), "{message}");
    let mut next = machine.start();
    next.send(INITIALIZE).await;
    let refused = answer(&mut next, 0).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("no new window"), "{message}");
    assert_eq!(machine.shown().len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn neither_arguments_nor_environment_of_the_helper_hold_a_secret() {
    let machine = Machine::new().await;
    let browser = machine.browser().display().to_string();
    let url = machine.remote.url();
    let mut host = crate::support::host::Process::start_in(
        machine.home.path(),
        &["--header", "X-Key: header-canary", &url],
        &[
            ("BROWSER", &browser),
            DEBUGGABLE,
            ("MCPIPE_PASSPHRASE", "passphrase-canary"),
            ("ANYTHING", "environment-canary"),
        ],
    );
    host.send(INITIALIZE).await;
    let page = machine.page(1).await;
    let seen = helpers_of(machine.home.path());
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(!seen[0].contains("canary"), "{}", seen[0]);
    assert!(seen[0].contains("MCPIPE_HOME"), "{}", seen[0]);

    // It opens the vault all the same, and the passphrase is what opens it later.
    browser::follow(&page).await;
    answer(&mut host, 0).await;
    let locked = machine.vault().list().await.unwrap_err();
    assert!(locked.to_string().contains("locked"), "{locked}");
}

#[cfg(target_os = "linux")]
/// Arguments and environment of the helpers that live in that home.
fn helpers_of(home: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name| std::fs::read_to_string(process.path().join(name)).unwrap_or_default();
        let (arguments, environment) = (read("cmdline"), read("environ"));
        if arguments.contains("sign-in-helper") && environment.contains(&home.display().to_string())
        {
            found.push(format!("{arguments}\n{environment}"));
        }
    }
    found
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_helper_leaves_nothing_running_behind() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    eventually(|| helpers_of(machine.home.path()).is_empty().then_some(())).await;

    // Nor one that has found a vault, and that the user says no to.
    machine.ends().await;
    machine.authority.revoke_all();
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    let authority = &machine.authority;
    authority.configure(|options| options.callback_extra = vec![("error", "access_denied")]);
    browser::follow(&machine.page(2).await).await;
    let refused = answer(&mut host, 0).await;
    assert!(refused["error"].is_object(), "{refused}");
    eventually(|| helpers_of(machine.home.path()).is_empty().then_some(())).await;

    // Nor does one that looks whether the user locks the vault.
    let machine = Machine::new().await;
    let browser = machine.browser().display().to_string();
    let mut host = crate::support::host::Process::start_in(
        machine.home.path(),
        &[&machine.remote.url()],
        &[
            ("BROWSER", &browser),
            DEBUGGABLE,
            ("MCPIPE_PASSPHRASE", "correct horse battery staple"),
        ],
    );
    host.send(INITIALIZE).await;
    browser::follow(&machine.page(1).await).await;
    answer(&mut host, 0).await;
    eventually(|| helpers_of(machine.home.path()).is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_user_who_says_login_takes_the_sign_in_over() {
    let machine = Machine::new().await;
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    machine.page(1).await;

    let url = machine.remote.url();
    let browser = machine.browser().display().to_string();
    let login = crate::support::host::Process::start_in(
        machine.home.path(),
        &["login", &url],
        &[("BROWSER", &browser)],
    );
    let page = browser::follow(&machine.page(2).await).await;
    assert!(page.body.contains("You are signed in"), "{}", page.body);
    let left = login.closed().await;
    assert!(left.status.success(), "{}", left.stderr);
    let opened = answer(&mut host, 0).await;
    assert!(opened["result"].is_object(), "{opened}");
    assert_eq!(machine.shown().len(), 2);
}
