//! One refresh on the whole machine, whichever process dies.

use futures_util::future::join_all;
use rustix::process::Signal;

use super::{Machine, session};
use crate::support::host::INITIALIZE;

#[tokio::test]
async fn twenty_processes_with_one_expired_entry_make_one_refresh() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    machine.ends().await;
    machine.authority.configure(|options| options.gated = true);

    let mut hosts: Vec<_> = (0..20).map(|_| machine.start()).collect();
    let sessions = join_all(hosts.iter_mut().map(session));
    let server = async {
        machine.authority.waits_at_the_gate(1).await;
        // Slow enough for the others to come, and find the lock taken.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        machine.authority.open_gate();
    };
    let (answers, ()) = tokio::join!(sessions, server);

    for answer in answers {
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert_eq!(machine.authority.grants("refresh_token").len(), 1);
    assert_eq!(machine.shown().len(), 1, "only the first sign-in");
}

#[tokio::test]
async fn the_holder_killed_in_the_middle_thirty_times_logs_nobody_out() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    for round in 0..30 {
        machine.ends().await;
        machine.authority.configure(|options| options.gated = true);
        let issued = machine.authority.access_tokens().len();
        let asked = machine.authority.at("/token").len();
        let mut holder = machine.start();
        holder.send(INITIALIZE).await;
        machine.authority.waits_at_the_gate(1).await;
        let mut followers = [machine.start(), machine.start()];
        for follower in &mut followers {
            follower.send(INITIALIZE).await;
        }

        holder.signal(Signal::KILL);
        holder.exit().await;
        // The next one has come, and the server has seen that the dead one is gone.
        let next = async {
            machine.authority.was_asked("/token", asked + 2).await;
            machine.authority.waits_at_the_gate(1).await;
            machine.authority.open_gate();
        };
        let [first, second] = &mut followers;
        let (first, second, ()) = tokio::join!(called(first), called(second), next);

        for answer in [first, second] {
            assert!(answer["result"].is_object(), "{round}: {answer}");
        }
        assert_eq!(machine.authority.access_tokens().len(), issued + 1);
        machine.entry().await;
    }
    assert_eq!(machine.shown().len(), 1, "only the first sign-in");
}

/// The rest of a session that has been begun.
async fn called(host: &mut crate::support::host::Process) -> serde_json::Value {
    let opened = super::answer(host, 0).await;
    assert!(opened["result"].is_object(), "{opened}");
    host.send(crate::support::host::INITIALIZED).await;
    host.send(crate::support::host::call(1)).await;
    super::answer(host, 1).await
}

#[tokio::test]
async fn a_refresh_under_way_is_stored_although_the_host_says_leave() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    machine.ends().await;
    machine.authority.configure(|options| options.gated = true);
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    machine.authority.waits_at_the_gate(1).await;

    host.signal(Signal::TERM);
    // It has begun to leave: its debts are paid while the refresh is still out.
    let owed = super::answer(&mut host, 0).await;
    assert_eq!(owed["error"]["data"]["kind"], "leaving", "{owed}");
    machine.authority.open_gate();
    host.exit().await;

    let (_, _, entry) = machine.entry().await;
    let newest = machine.authority.access_tokens().pop().unwrap();
    assert!(entry.access.same_as(&newest), "the rotated token is kept");
    let mut next = machine.start();
    assert!(session(&mut next).await["result"].is_object());
    assert_eq!(machine.authority.grants("refresh_token").len(), 1);
    assert_eq!(machine.shown().len(), 1);
}

#[tokio::test]
async fn tokens_of_a_few_seconds_are_renewed_once_in_their_life() {
    let machine = Machine::new().await;
    machine
        .authority
        .configure(|options| options.lifetime = Some(4));
    machine.signed_in().await;
    let mut host = machine.start();
    assert!(session(&mut host).await["result"].is_object());
    let begun = tokio::time::Instant::now();
    let mut id = 1;
    while begun.elapsed() < std::time::Duration::from_secs(9) {
        id += 1;
        host.send(crate::support::host::call(id)).await;
        let answer = super::answer(&mut host, id).await;
        assert!(answer["result"].is_object(), "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // Due at half their life, so one every two seconds at most, and at least one every four.
    let refreshes = machine.authority.grants("refresh_token").len();
    assert!((2..=6).contains(&refreshes), "{refreshes}");
    assert_eq!(machine.shown().len(), 1);
}
