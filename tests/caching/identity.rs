//! For whom: what is private to one sign-in is not told after another, and a mere refresh changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mcpipe::bridge::Settings;

use crate::login::{World, unauthorized};
use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, request, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Reply, ordinary};

#[tokio::test]
async fn a_refresh_is_the_same_caller_and_a_sign_in_is_another() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let before = authorizer.identity();
    let first = world.signed_in(&authorizer).await;
    let signed_in = authorizer.identity();
    assert_ne!(signed_in, before);

    world.later(4000);
    let second = authorizer.current().await.unwrap().unwrap();
    assert_ne!(second.generation(), first.generation());
    assert_eq!(authorizer.identity(), signed_in);

    authorizer.login(&unauthorized()).await.unwrap();
    assert_ne!(authorizer.identity(), signed_in);
}

#[tokio::test]
async fn what_a_sibling_put_into_the_vault_is_taken_for_another_caller() {
    let world = World::new().await;
    let (ours, siblings) = (world.authorizer(), world.authorizer());
    let held = world.signed_in(&ours).await;
    let identity = ours.identity();
    siblings.login(&unauthorized()).await.unwrap();
    ours.renew(Some(&held), &unauthorized()).await.unwrap();
    assert_ne!(ours.identity(), identity);

    // And when it has to be renewed first.
    let identity = ours.identity();
    siblings.login(&unauthorized()).await.unwrap();
    world.later(4000);
    ours.current().await.unwrap().unwrap();
    assert_ne!(ours.identity(), identity);
}

#[tokio::test]
async fn a_new_sign_in_is_told_nothing_of_the_old_one() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    let is_challenging = Arc::new(AtomicBool::new(false));
    let challenges = Arc::clone(&is_challenging);
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST prompts/list" => {
            Reply::result(ask, r#"{"prompts":[],"ttlMs":60000,"cacheScope":"public"}"#)
        }
        "POST tools/call" if challenges.swap(false, Ordering::SeqCst) => Reply::status(401),
        _ => ordinary(ask),
    });
    let settings = Settings {
        cache_ttl: Some(std::time::Duration::from_secs(60)),
        ..settings()
    };
    let mut host = InProcess::signed_in_by(authorizer, remote.remote(), settings);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    let mut id = 0;
    let mut asked = async |host: &mut InProcess, method: &str| {
        id += 1;
        let before = remote.count(&format!("POST {method}"));
        host.send(request(id, method)).await;
        let heard = host.next_json().await;
        assert!(heard["id"] == id && heard.get("error").is_none(), "{heard}");
        remote.count(&format!("POST {method}")) - before
    };
    for (method, wanted) in [
        ("tools/list", 1),
        ("prompts/list", 1),
        ("tools/list", 0),
        ("prompts/list", 0),
    ] {
        assert_eq!(asked(&mut host, method).await, wanted, "{method}");
    }

    is_challenging.store(true, Ordering::SeqCst);
    world.later(60); // what is turned down at once is not refreshed
    assert_eq!(asked(&mut host, "tools/call").await, 2);
    assert_eq!(world.authority.grants("refresh_token").len(), 1);
    assert_eq!(asked(&mut host, "tools/list").await, 0);

    is_challenging.store(true, Ordering::SeqCst);
    world.later(60);
    world.authority.revoke_all();
    assert_eq!(asked(&mut host, "tools/call").await, 2);
    assert_eq!(world.windows(), 2);
    for (method, wanted) in [("tools/list", 1), ("prompts/list", 0), ("tools/list", 0)] {
        assert_eq!(asked(&mut host, method).await, wanted, "{method}");
    }
}
