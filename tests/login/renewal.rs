//! Staying signed in: refresh, rotation, refusal, failure, and the brakes.

use futures_util::future::join_all;
use mcpipe::auth::Authorizer;
use mcpipe::auth::flow::accounts::status;
use mcpipe::auth::store::record::TokenState;
use serde_json::json;

use super::{PRM, World, asking_for, insufficient, kept_text, unauthorized};

/// punkpeye/mcp-remote#166, #273: the first request of a new process already carries a fresh token.
#[tokio::test]
async fn a_token_that_ended_is_renewed_before_it_is_used() {
    let world = World::new().await;
    world.signed_in(&world.authorizer()).await;
    for round in 1..=3 {
        world.later(36_000);
        let authorizer = world.authorizer();
        let credential = authorizer.current().await.unwrap().unwrap();
        let newest = world.authority.access_tokens().pop().unwrap();
        assert_eq!(world.shows(&credential), newest);
        let refreshes = world.authority.grants("refresh_token");
        assert_eq!(refreshes.len(), round);
        assert_eq!(
            refreshes[round - 1].field("resource"),
            Some(world.resource().as_str())
        );
        assert_eq!(refreshes[round - 1].field("scope"), None);
    }
    assert_eq!(world.windows(), 1);
}

/// modelcontextprotocol/rust-sdk#949: the old one is lost.
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_stays() {
    let world = World::new().await;
    world.authority.configure(|options| options.rotates = false);
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    for _ in 0..2 {
        world.later(4000);
        authorizer.current().await.unwrap().unwrap();
    }
    assert_eq!(world.authority.grants("refresh_token").len(), 2);
}

#[tokio::test]
async fn a_token_that_still_works_is_used_while_the_next_one_is_fetched() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let first = world.signed_in(&authorizer).await;
    world.authority.configure(|options| options.gated = true);
    world.later(3000);
    let meanwhile = authorizer.current().await.unwrap().unwrap();
    assert_eq!(meanwhile.generation(), first.generation());

    world.authority.open_gate();
    let next = authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap();
    assert_eq!(world.shows(&next), world.authority.access_tokens()[1]);
    assert_eq!(world.authority.grants("refresh_token").len(), 1);
}

/// can1357/oh-my-pi#5072, within one machine's vault: two processes, one rotating refresh token.
/// Reported in can1357/oh-my-pi#5072.
#[tokio::test]
async fn of_many_processes_one_spends_the_refresh_token() {
    let world = World::new().await;
    world.signed_in(&world.authorizer()).await;
    world.later(4000);
    let processes: Vec<_> = (0..8).map(|_| world.authorizer()).collect();
    let held = join_all(processes.iter().map(Authorizer::current)).await;
    for credential in held {
        assert_eq!(
            world.shows(&credential.unwrap().unwrap()),
            world.authority.access_tokens()[1]
        );
    }
    assert_eq!(world.authority.grants("refresh_token").len(), 1);
}

/// punkpeye/mcp-remote#306: the same, with nothing stored yet.
/// Reported in punkpeye/mcp-remote#306.
#[tokio::test]
async fn of_many_cold_processes_one_opens_a_window() {
    let world = World::new().await;
    let processes: Vec<_> = (0..8).map(|_| world.authorizer()).collect();
    let challenge = unauthorized();
    let held = join_all(processes.iter().map(|one| one.renew(None, &challenge))).await;
    for credential in held {
        assert_eq!(
            world.shows(&credential.unwrap()),
            world.authority.access_tokens()[0]
        );
    }
    assert_eq!(world.authority.at("/register").len(), 1);
    assert_eq!(world.authority.grants("authorization_code").len(), 1);
    assert_eq!(world.windows(), 1);
}

/// damianvtran/local-operator#340: a sibling refreshed, and the server ended older access tokens.
#[tokio::test]
async fn what_a_sibling_stored_is_tried_before_anything_else() {
    let world = World::new().await;
    let (ours, theirs) = (world.authorizer(), world.authorizer());
    let old = world.signed_in(&ours).await;
    world.later(4000);
    let new = theirs.current().await.unwrap().unwrap();

    let adopted = ours.renew(Some(&old), &unauthorized()).await.unwrap();
    assert_eq!(world.shows(&adopted), world.shows(&new));
    assert_eq!(world.authority.grants("refresh_token").len(), 1);
    assert_eq!(world.windows(), 1);
}

/// modelcontextprotocol/rust-sdk#963: a token endpoint that is down is taken for a logout.
#[tokio::test]
async fn a_refresh_that_fails_changes_nothing_and_nobody_is_sent_to_a_browser() {
    for (name, status, body) in [
        ("503", 503, ""),
        ("429", 429, "{}"),
        ("a portal", 200, "<html>log in to the wifi</html>"),
        ("a firewall", 403, "<html>blocked</html>"),
        ("not now", 400, r#"{"error":"temporarily_unavailable"}"#),
    ] {
        let world = World::new().await;
        let authorizer = world.authorizer();
        let credential = world.signed_in(&authorizer).await;
        let before = kept_text(&world).await;
        world.later(4000);
        world.authority.configure(|options| {
            options
                .token_answers
                .extend([(status, body.to_owned()), (status, body.to_owned())]);
        });
        let error = authorizer.current().await.unwrap_err();
        assert!(error.to_bridge_error().retryable, "{name}");
        let error = authorizer
            .renew(Some(&credential), &unauthorized())
            .await
            .unwrap_err();
        assert!(error.to_bridge_error().retryable, "{name}");
        assert_eq!(kept_text(&world).await, before, "{name}");
        assert_eq!(world.windows(), 1, "{name}");

        world.later(60);
        authorizer.current().await.unwrap().unwrap();
        assert_eq!(world.authority.access_tokens().len(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_dead_token_endpoint_keeps_a_token_that_still_works() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let first = world.signed_in(&authorizer).await;
    world
        .authority
        .configure(|options| options.token_answers.push_back((503, String::new())));
    world.later(3000);
    for _ in 0..3 {
        let held = authorizer.current().await.unwrap().unwrap();
        assert_eq!(world.shows(&held), world.shows(&first));
    }
}

#[tokio::test]
async fn a_refused_refresh_token_is_marked_not_deleted_and_a_person_is_asked() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let first = world.signed_in(&authorizer).await;
    world.authority.revoke_all();
    world.later(4000);
    assert!(authorizer.current().await.unwrap().is_none());
    let kept = status(&world.vault).await.unwrap();
    assert_eq!((kept.len(), kept[0].state), (1, TokenState::NeedsLogin));
    assert_eq!(kept[0].last_error.as_deref(), Some("invalid_grant"));
    assert_eq!(world.windows(), 1, "background work opens no window");

    let second = authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap();
    assert_eq!(
        world.authority.grants("refresh_token").len(),
        1,
        "a dead token is not sent again"
    );
    assert_eq!(world.windows(), 2);
    assert_eq!(status(&world.vault).await.unwrap()[0].state, TokenState::Ok);
    assert!(second.generation() > first.generation());
}

/// punkpeye/mcp-remote#91: the authorization server is happy, the resource is not.
#[tokio::test]
async fn a_server_that_rejects_every_token_does_not_start_a_storm() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let mut credential = world.signed_in(&authorizer).await;
    let mut refusals = 0;
    for _ in 0..50 {
        match authorizer.renew(Some(&credential), &unauthorized()).await {
            Ok(another) => credential = another,
            Err(error) => {
                assert!(error.to_string().contains("rejects the token"), "{error}");
                assert!(error.hint().unwrap().contains("audience"));
                refusals += 1;
            }
        }
    }
    assert!(refusals >= 48, "{refusals}");
    assert!(world.authority.at("/token").len() <= 2);
    assert_eq!(world.windows(), 1);

    // And later: one renewal each time, and never more windows than the brake allows.
    for _ in 0..20 {
        world.later(31);
        for _ in 0..3 {
            if let Ok(another) = authorizer.renew(Some(&credential), &unauthorized()).await {
                credential = another;
            }
        }
    }
    assert!(world.windows() <= 4, "{}", world.windows());
}

#[tokio::test]
async fn stepping_up_asks_for_all_there_was_and_more_and_only_once() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let basic = authorizer
        .renew(None, &asking_for("mcp:basic"))
        .await
        .unwrap();
    let more = authorizer
        .renew(Some(&basic), &insufficient("mcp:write"))
        .await
        .unwrap();
    let asked = world.authority.at("/authorize");
    assert_eq!(asked[0].field("scope"), Some("mcp:basic"));
    assert_eq!(asked[1].field("scope"), Some("mcp:basic mcp:write"));
    assert!(
        world.authority.grants("refresh_token").is_empty(),
        "a refresh cannot widen"
    );

    for _ in 0..5 {
        let error = authorizer
            .renew(Some(&more), &insufficient("mcp:write"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("wants more"), "{error}");
    }
    assert_eq!(world.authority.at("/authorize").len(), 2);
}

#[tokio::test]
async fn a_scope_that_grows_for_ever_is_followed_three_times() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let mut credential = world.signed_in(&authorizer).await;
    for step in 0..10 {
        let challenge = insufficient(&format!("scope:{step}"));
        if let Ok(another) = authorizer.renew(Some(&credential), &challenge).await {
            credential = another;
        }
    }
    assert_eq!(world.authority.at("/authorize").len(), 3);
}

#[tokio::test]
async fn scopes_are_asked_for_as_the_servers_say() {
    for (name, challenge, resource, authority, wanted) in [
        ("challenge", Some("c"), json!(["r"]), json!(null), Some("c")),
        (
            "resource",
            None,
            json!(["r", "s"]),
            json!(null),
            Some("r s"),
        ),
        ("none", None, json!(null), json!(["openid", "email"]), None),
        ("empty list", None, json!([]), json!(["openid"]), None),
        (
            "offline",
            Some("c"),
            json!(null),
            json!(["c", "offline_access"]),
            Some("c offline_access"),
        ),
        (
            "no offline",
            Some("c"),
            json!(["offline"]),
            json!(["c"]),
            Some("c"),
        ),
    ] {
        let world = World::new().await;
        let prm = json!({
            "resource": world.resource(),
            "authorization_servers": [world.authority.origin],
            "scopes_supported": resource,
        });
        world
            .mcp
            .serve(PRM, crate::support::authority::Reply::Json(prm));
        world
            .authority
            .configure(|options| options.metadata = json!({ "scopes_supported": authority }));
        let challenge = challenge.map_or_else(unauthorized, asking_for);
        world.authorizer().renew(None, &challenge).await.unwrap();
        assert_eq!(
            world.authority.at("/authorize")[0].field("scope"),
            wanted,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_scope_the_server_does_not_know_is_left_out_once() {
    let world = World::new().await;
    world.authority.configure(|options| {
        options
            .authorize_errors
            .push_back("invalid_scope".to_owned());
    });
    world
        .authorizer()
        .renew(None, &asking_for("strange"))
        .await
        .unwrap();
    let asked = world.authority.at("/authorize");
    assert_eq!(
        (asked[0].field("scope"), asked[1].field("scope")),
        (Some("strange"), None)
    );
}

#[tokio::test]
async fn accounts_at_one_server_are_kept_apart() {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for account in ["work", "home"] {
        let mut settings = world.attended();
        settings.account = account.to_owned();
        let authorizer = world.authorizer_with(settings);
        assert!(authorizer.current().await.unwrap().is_none(), "{account}");
        tokens.push(world.shows(&world.signed_in(&authorizer).await));
    }
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(status(&world.vault).await.unwrap().len(), 2);
}

/// A token endpoint that answers nonsense, or repeats what it was sent, in every member.
#[tokio::test]
async fn no_error_holds_a_secret() {
    for (status, body) in [
        (200, r#"{"access_token":{"canary":1}}"#),
        (200, r#"{"access_token":"canary token"}"#),
        (200, r#"{"access_token":"canary","token_type":"mac"}"#),
        (200, r#"{"access_token":"","refresh_token":"canary"}"#),
        (200, r#"{"refresh_token":"canary"}"#),
        (200, r#"["canary"]"#),
        (500, r#"{"access_token":"canary"}"#),
        (418, r#"canary"#),
    ] {
        let world = World::new().await;
        world
            .authority
            .configure(|options| options.token_answers.push_back((status, body.to_owned())));
        let error = world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err();
        let told = format!("{error} {error:?} {:?}", error.to_bridge_error());
        assert!(!told.contains("canary"), "{body}: {told}");
    }
    // The scripted server explains a refusal with the code, the verifier or the refresh token it refuses.
    let world = World::new().await;
    let authorizer = world.authorizer();
    let credential = world.signed_in(&authorizer).await;
    let refusal = format!(
        r#"{{"error":"invalid_request","error_description":"not {}"}}"#,
        world.authority.refresh_tokens()[0]
    );
    world.later(4000);
    world.authority.configure(|options| {
        options.token_answers.push_back((400, refusal));
        // Once for the look at the page beforehand, and once for the person.
        let denied = || "access_denied".to_owned();
        options.authorize_errors.extend([denied(), denied()]);
    });
    let error = authorizer
        .renew(Some(&credential), &unauthorized())
        .await
        .unwrap_err();
    assert!(!format!("{error:?}").contains("canary"));
}
