//! Signing in with a code on another device (RFC 8628).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpipe::auth::{Announce, Browser, Settings};
use serde_json::json;
use tokio::time::Instant;

use super::{World, asking_for, unauthorized};
use crate::support::authority::Options;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A server that gives device codes, and what the person is told.
async fn offering() -> (World, Settings, Arc<Mutex<Vec<String>>>) {
    let world = World::new().await;
    world.authority.configure(|options| {
        let at = format!("{}/device", world.authority.origin);
        options.metadata = json!({ "device_authorization_endpoint": at });
    });
    let mut settings = world.settings();
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    settings.announce = Announce::new(move |notice| ear.lock().unwrap().push(notice.text()));
    (world, settings, told)
}

#[tokio::test]
async fn where_no_page_can_be_shown_a_code_is_and_the_tokens_come() {
    let (world, mut settings, told) = offering().await;
    settings.browser = Browser::Nowhere;
    world.authority.configure(|options| {
        options.device_answers = ["authorization_pending", "authorization_pending"].into();
    });
    let authorizer = world.authorizer_with(settings);

    let credential = authorizer.renew(None, &asking_for("a b")).await.unwrap();

    assert_eq!(world.shows(&credential), world.authority.access_tokens()[0]);
    let told = told.lock().unwrap().join("");
    let page = format!("{}/activate\n", world.authority.origin);
    assert!(told.contains(&page), "not another origin's page: {told}");
    assert!(told.contains("WDJB-MJHT"), "{told}");
    assert!(!told.contains("device-canary"), "{told}");
    let asked = &world.authority.at("/device")[0];
    assert_eq!(asked.field("scope"), Some("a b"));
    assert_eq!(asked.field("resource"), Some(world.resource().as_str()));
    assert_eq!(world.authority.grants(GRANT).len(), 3);
    let registration: serde_json::Value =
        serde_json::from_str(&world.authority.at("/register")[0].body).unwrap();
    let grants = registration["grant_types"].as_array().unwrap();
    assert!(grants.contains(&GRANT.into()), "{grants:?}");

    // It is a sign-in like any other: the next start is silent, and it is renewed.
    world.later(4000);
    let next = world.authorizer_with(world.settings());
    next.current().await.unwrap().unwrap();
    assert_eq!(world.authority.grants("refresh_token").len(), 1);
}

#[tokio::test]
async fn a_server_that_wants_it_slower_gets_it_slower() {
    let (world, mut settings, _) = offering().await;
    settings.device_code = true;
    world
        .authority
        .configure(|options| options.device_answers = ["slow_down"].into());
    let begun = Instant::now();
    let authorizer = world.authorizer_with(settings);
    authorizer.renew(None, &unauthorized()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn a_person_who_says_no_on_the_other_device_ends_it() {
    for (answer, wanted) in [
        ("access_denied", "access_denied"),
        ("expired_token", "nobody finished"),
    ] {
        let (world, mut settings, _) = offering().await;
        settings.device_code = true;
        world
            .authority
            .configure(|options| options.device_answers = [answer].into());
        let authorizer = world.authorizer_with(settings);
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        let again = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(again.to_string().contains("no new window"), "{again}");
        assert_eq!(world.authority.at("/device").len(), 1);
    }
}

#[tokio::test]
async fn a_code_that_is_asked_for_and_not_offered_is_an_error() {
    let world = World::new().await;
    let mut settings = world.attended();
    settings.device_code = true;
    let authorizer = world.authorizer_with(settings);
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("device_authorization_endpoint"), "{text}");
    assert_eq!(world.windows(), 0);
}

#[tokio::test]
async fn a_server_that_gives_us_no_code_is_asked_with_a_page() {
    let (world, _, _) = offering().await;
    world.authority.configure(|options| {
        options.metadata = json!({
            "device_authorization_endpoint": format!("{}/token", world.authority.origin),
        });
        let refusal = r#"{"error":"unauthorized_client"}"#.to_owned();
        options.token_answers = [(400, refusal.clone()), (400, refusal)].into();
    });
    let mut settings = world.attended();
    settings.browser = Browser::Nowhere;
    let authorizer = world.authorizer_with(settings);
    authorizer.renew(None, &unauthorized()).await.unwrap();
    assert_eq!(world.windows(), 1);
}

/// A poll a second at most, and one a minute at least; never longer than the user has.
#[tokio::test(flavor = "multi_thread")]
async fn the_pace_of_polls_is_bounded_whatever_the_server_wants() {
    let asked = [
        json!({ "interval": 1e300 }),
        json!({ "interval": u64::MAX }),
        json!({ "interval": "99999999999999999999" }),
        json!({ "interval": -7 }),
        json!({ "interval": 0 }),
        json!({ "interval": null }),
        json!({ "interval": "soon" }),
    ];
    let cases = asked.into_iter().map(|asked| async move {
        let (world, mut settings, _) = offering().await;
        settings.device_code = true;
        settings.auth_timeout = Duration::from_secs(3);
        world.authority.configure(|options| {
            options.device_code.1 = asked.clone();
            options.device_answers = ["authorization_pending"; 1000].into();
        });
        let begun = Instant::now();
        let authorizer = world.authorizer_with(settings);
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        let took = begun.elapsed();
        assert!(
            error.to_string().contains("nobody finished"),
            "{asked}: {error}"
        );
        assert!((3..10).contains(&took.as_secs()), "{asked}: {took:?}");
        let polls = world.authority.grants(GRANT).len();
        assert!((2..=6).contains(&polls), "{asked}: {polls}");
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_the_token_endpoint_makes_the_user_wait_longer_than_they_said() {
    let slower: fn(&mut Options) = |options| options.device_answers = ["slow_down"; 1000].into();
    let silent: fn(&mut Options) = |options| options.gated = true;
    let unwell: fn(&mut Options) =
        |options| options.token_answers = vec![(503, String::new()); 1000].into();
    let cases = [
        ("slow_down", slower),
        ("silent", silent),
        ("unwell", unwell),
    ];
    let cases = cases.into_iter().map(|(name, turn)| async move {
        let (world, mut settings, _) = offering().await;
        settings.device_code = true;
        settings.auth_timeout = Duration::from_secs(3);
        world.authority.configure(turn);
        let begun = Instant::now();
        let authorizer = world.authorizer_with(settings);
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(
            error.to_string().contains("nobody finished"),
            "{name}: {error}"
        );
        assert!(
            begun.elapsed().as_secs() < 12,
            "{name}: {:?}",
            begun.elapsed()
        );
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_that_cannot_be_is_taken_for_none() {
    let cases = [
        json!(0),
        json!(-600),
        json!(1e300),
        json!(u64::MAX),
        json!(null),
        json!("soon"),
    ];
    let cases = cases.into_iter().map(|lifetime| async move {
        let (world, mut settings, _) = offering().await;
        settings.device_code = true;
        world.authority.configure(|options| {
            options.device_code.1 = json!({ "expires_in": lifetime });
            options.device_answers = ["authorization_pending", "authorization_pending"].into();
        });
        let authorizer = world.authorizer_with(settings);
        let renewed = authorizer.renew(None, &unauthorized()).await;
        assert!(renewed.is_ok(), "{lifetime}: {renewed:?}");
    });
    futures_util::future::join_all(cases).await;
}

/// GitHub: the answer that asks for a slower pace says which.
#[tokio::test(flavor = "multi_thread")]
async fn a_pace_that_comes_with_slow_down_is_kept_within_bounds() {
    let cases = [
        (json!(8), 8..14),
        (json!("8"), 8..14),
        (json!(-1), 6..12),
        (json!(null), 6..12),
    ];
    let cases = cases.into_iter().map(|(interval, wanted)| async move {
        let (world, mut settings, _) = offering().await;
        settings.device_code = true;
        let slow = json!({ "error": "slow_down", "interval": interval }).to_string();
        world
            .authority
            .configure(|options| options.token_answers = [(400, slow)].into());
        let begun = Instant::now();
        let authorizer = world.authorizer_with(settings);
        authorizer.renew(None, &unauthorized()).await.unwrap();
        let took = begun.elapsed();
        assert!(wanted.contains(&took.as_secs()), "{interval}: {took:?}");
    });
    futures_util::future::join_all(cases).await;
}
