//! Tokens that are turned down although they ought to be good.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;

use crate::coordination::{Machine, answer, session};
use crate::login::{PRM, World, unauthorized};
use crate::support::authority::{Authority, Reply};
use crate::support::browser;
use crate::support::host::call;

/// Every token issued up to now is turned down.
fn turn_down(machine: &Machine) {
    let issued = machine.authority.access_tokens().len();
    machine.good_from.store(issued, Ordering::SeqCst);
}

#[tokio::test]
async fn five_bridges_at_a_server_that_turns_tokens_down_three_times_in_eight_seconds_ask_nobody() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    let mut hosts: Vec<_> = (0..5).map(|_| machine.start()).collect();
    for opened in join_all(hosts.iter_mut().map(session)).await {
        assert!(opened["result"].is_object(), "{opened}");
    }
    let mut served = 0;
    for round in 0..3 {
        turn_down(&machine);
        for host in &mut hosts {
            host.send(call(10 + round)).await;
        }
        for host in &mut hosts {
            let answer = answer(host, 10 + round).await;
            served += usize::from(answer["result"].is_object());
            if let Some(error) = answer.get("error") {
                let message = error["message"].as_str().unwrap();
                assert!(message.contains("rejects the token"), "{message}");
                assert_eq!(error["data"]["retryable"], true, "{error}");
            }
        }
        tokio::time::sleep(Duration::from_millis(2600)).await;
    }
    assert_eq!(machine.shown().len(), 1, "only the first sign-in");
    assert!(served >= 5, "{served}");
    let refreshes = machine.authority.grants("refresh_token").len();
    assert!((1..=2).contains(&refreshes), "{refreshes}");
}

#[tokio::test]
async fn a_token_that_was_renewed_a_moment_ago_is_renewed_once_more_and_later_again() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let mut held = world.signed_in(&authorizer).await;
    world.later(100);
    for round in 1..=4 {
        for _ in 0..2 {
            let renewed = authorizer.renew(Some(&held), &unauthorized()).await;
            held = renewed.unwrap();
        }
        for _ in 0..3 {
            let error = authorizer.renew(Some(&held), &unauthorized()).await;
            let error = error.unwrap_err();
            assert!(error.to_string().contains("rejects the token"), "{error}");
            assert!(error.to_bridge_error().retryable);
        }
        let refreshes = world.authority.grants("refresh_token").len();
        assert_eq!((refreshes, world.windows()), (2 * round, 1));
        world.later(31);
    }
}

#[tokio::test]
async fn an_authority_that_has_lost_its_clients_twice_within_a_minute_is_registered_with_and_signed_in_to_again()
 {
    for gives_refresh in [true, false] {
        let machine = Machine::new().await;
        machine
            .authority
            .configure(|options| options.gives_refresh = gives_refresh);
        machine.signed_in().await;
        let mut host = machine.start();
        assert!(session(&mut host).await["result"].is_object());
        for lost in 1..=2 {
            machine.authority.forget_clients();
            turn_down(&machine);
            if !gives_refresh {
                // Without a refresh token only a user can bring another, and the age is the only evidence.
                let (name, rev, mut entry) = machine.entry().await;
                entry.obtained_at -= 31;
                let expected = mcpipe::store::Expected::Revision(rev);
                let kind = mcpipe::store::EntryKind::Oauth;
                let vault = machine.vault();
                vault
                    .put(&name, kind, &entry.write(), expected)
                    .await
                    .unwrap();
            }
            host.send(call(20 + lost)).await;
            let person = async { browser::follow(&machine.page(1 + lost).await).await };
            let (answer, page) =
                tokio::join!(answer(&mut host, i64::try_from(20 + lost).unwrap()), person);
            assert!(
                answer["result"].is_object(),
                "{gives_refresh} {lost}: {answer}"
            );
            assert!(page.body.contains("You are signed in"), "{}", page.body);
            assert_eq!(machine.authority.at("/register").len(), 1 + lost);
        }
    }
}

/// It is tried first among all that are named, and an outage says nothing of whose tokens the server takes.
#[tokio::test]
async fn an_authorization_server_that_is_down_has_not_handed_over_to_one_that_is_named_beside_it() {
    let world = World::new().await;
    let other = Authority::start().await;
    let issuers = [world.authority.origin.as_str(), &other.origin];
    world.mcp.protect(PRM, &world.resource(), &issuers);
    let authorizer = world.authorizer();
    let held = world.signed_in(&authorizer).await;
    let down = || Reply::Text(503, "text/plain", String::new());
    for place in ["oauth-authorization-server", "openid-configuration"] {
        let place = format!("/.well-known/{place}");
        world.authority.serve(&place, down());
    }
    let renewed = authorizer.renew(Some(&held), &unauthorized()).await;
    assert!(renewed.is_ok(), "{renewed:?}");
    assert_eq!(world.authority.grants("refresh_token").len(), 1);
    assert_eq!(world.windows(), 1);
    assert!(other.seen().is_empty(), "{:?}", other.seen());
}

/// It is said of a token that was issued, sent, had not ended, and was turned down; of no other.
#[tokio::test]
async fn a_server_is_not_said_to_reject_a_token_that_has_ended_or_was_not_sent() {
    for (name, seconds, is_sent) in [("ended", 5, true), ("not sent", 0, false)] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.lifetime = Some(3);
            options.gives_refresh = false;
        });
        let authorizer = world.authorizer();
        let held = world.signed_in(&authorizer).await;
        world.later(seconds);
        let stale = is_sent.then_some(&held);
        let next = authorizer.renew(stale, &unauthorized()).await;
        assert!(next.is_ok(), "{name}: {next:?}");
    }
}

#[tokio::test]
async fn what_came_back_is_saved_before_it_is_judged() {
    for (name, answer, is_used) in [
        (
            "an access token of two words",
            r#"{"access_token":"two words","refresh_token":"NEXT"}"#,
            false,
        ),
        (
            "another kind of token",
            r#"{"access_token":"a","token_type":"mac","refresh_token":"NEXT"}"#,
            false,
        ),
        (
            "a lifetime of nothing known",
            r#"{"access_token":"a","expires_in":{"about":"an hour"},"refresh_token":"NEXT"}"#,
            true,
        ),
        (
            "an ID token that is none",
            r#"{"access_token":"a","id_token":"e30.!!.x","expires_in":"soon","refresh_token":"NEXT"}"#,
            true,
        ),
    ] {
        let world = World::new().await;
        let mut settings = world.attended();
        settings.use_id_token = name.contains("ID token");
        let authorizer = world.authorizer_with(settings.clone());
        world.signed_in(&authorizer).await;
        world.later(4000);
        let answer = answer.replace("NEXT", "refresh-canary-next");
        world
            .authority
            .configure(|options| options.token_answers.push_back((200, answer)));
        let current = authorizer.current().await;
        assert_eq!(matches!(current, Ok(Some(_))), is_used, "{name}");
        let kept = crate::login::kept_text(&world).await;
        let is_kept = kept
            .iter()
            .any(|(_, _, text)| text.contains("refresh-canary-next"));
        assert!(is_kept, "{name}");
        assert_eq!(world.windows(), 1, "{name}");
    }
}
