//! Refusals of a refresh, and what is taken for one.

use mcpipe::auth::Authorizer;
use serde_json::json;

use crate::login::{World, unauthorized};

/// Signed in, and the token has ended.
async fn ended() -> (World, Authorizer) {
    let world = World::new().await;
    world.signed_in(&world.authorizer()).await;
    world.later(36_000);
    let authorizer = world.authorizer();
    (world, authorizer)
}

/// What the next request does: it has a credential, or meets a challenge and asks for one.
async fn requested(authorizer: &Authorizer) -> Result<(), mcpipe::auth::Error> {
    if authorizer.current().await?.is_some() {
        return Ok(());
    }
    authorizer.renew(None, &unauthorized()).await.map(|_| ())
}

#[tokio::test]
async fn a_refusal_without_the_words_of_the_standard_ends_in_a_sign_in() {
    for (status, body) in [
        (400, "<html><h1>Bad Request</h1></html>"),
        (400, "Bad Request"),
        (400, ""),
        (400, "invalid_grant"),
        (400, "[]"),
        (400, r#""invalid_grant""#),
        (401, "<html><h1>Unauthorized</h1></html>"),
        (401, "Unauthorized"),
        (401, ""),
    ] {
        let (world, authorizer) = ended().await;
        world.authority.configure(|options| {
            options.token_answers = vec![(status, body.to_owned()); 2].into();
        });
        let outcome = requested(&authorizer).await;
        // What is left of the answers may meet the code.
        if outcome.is_err() {
            requested(&world.authorizer()).await.unwrap();
        }
        assert!(world.windows() >= 2, "{status} {body}: nobody was asked");
        assert!(world.authority.at("/revoke").is_empty() || body.contains("invalid_grant"));
    }
}

#[tokio::test]
async fn what_is_no_answer_of_the_server_decides_nothing() {
    for (status, body) in [
        (403, "<html>blocked by the firewall</html>"),
        (200, "<html>log in to the wifi</html>"),
        (429, r#"{"error":"slow down"}"#),
        (503, ""),
        (500, r#"{"error":"server_error"}"#),
        (502, "<html>Bad Gateway</html>"),
    ] {
        let (world, authorizer) = ended().await;
        world
            .authority
            .configure(|options| options.token_answers = [(status, body.to_owned())].into());
        let error = requested(&authorizer).await.unwrap_err();
        assert!(
            error.to_bridge_error().retryable,
            "{status} {body}: {error}"
        );
        assert_eq!(world.windows(), 1, "{status} {body}");
        requested(&world.authorizer()).await.unwrap();
        assert_eq!(world.windows(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_fails_for_ten_minutes_ends_in_a_sign_in_by_whichever_process() {
    for (status, body) in [
        (500, ""),
        (503, "{}"),
        (502, "<html>"),
        (404, "<html>"),
        (500, r#"{"error":"server_error"}"#),
    ] {
        let (world, authorizer) = ended().await;
        let fail = |times: usize| {
            world.authority.configure(|options| {
                options.token_answers = vec![(status, body.to_owned()); times].into();
            });
        };
        let fails = async |authorizer: &Authorizer| {
            fail(1);
            let error = requested(authorizer).await.unwrap_err();
            assert!(error.to_bridge_error().retryable, "{error}");
            assert_eq!(world.windows(), 1, "{status}");
        };
        fails(&authorizer).await;
        for seconds in [200, 200, 199] {
            world.later(seconds);
            fails(&world.authorizer()).await;
        }
        world.later(21);
        // What fails is the renewal: once before the request, and once for its challenge.
        fail(2);
        requested(&world.authorizer()).await.unwrap();
        assert_eq!(world.windows(), 2, "{status} {body}");
    }
}

/// A machine that sleeps sees a failure before and one after, and nothing between.
#[tokio::test]
async fn failures_with_long_silences_between_them_are_no_outage_that_lasts() {
    for pauses in [&[600][..], &[3600, 3600], &[120, 120, 28_800]] {
        let (world, _) = ended().await;
        let fails = async || {
            world
                .authority
                .configure(|options| options.token_answers = vec![(503, String::new()); 1].into());
            let error = requested(&world.authorizer()).await.unwrap_err();
            assert!(error.to_bridge_error().retryable, "{pauses:?} {error}");
        };
        fails().await;
        for seconds in pauses {
            world.later(*seconds);
            fails().await;
        }
        requested(&world.authorizer()).await.unwrap();
        assert_eq!(world.windows(), 1, "{pauses:?}");
    }
}

#[tokio::test]
async fn a_network_that_is_down_never_ends_a_sign_in() {
    let (world, _) = ended().await;
    let (_, _, text) = crate::login::kept_text(&world)
        .await
        .into_iter()
        .find(|(name, ..)| name.contains("oauth"))
        .unwrap();
    // The same entry, with a token endpoint where nothing listens.
    let dead = text.replace(
        &format!("{}/token", world.authority.origin),
        "http://127.0.0.1:1/token",
    );
    assert_ne!(dead, text);
    for (name, kind) in world.vault.list().await.unwrap() {
        if kind == mcpipe::store::EntryKind::Oauth {
            let dead = mcpipe::secret::Secret::new(dead.as_str());
            let anything = mcpipe::store::Expected::Anything;
            world.vault.put(&name, kind, &dead, anything).await.unwrap();
        }
    }
    for _ in 0..5 {
        let error = requested(&world.authorizer()).await.unwrap_err();
        assert!(error.to_bridge_error().retryable, "{error}");
        world.later(3600);
    }
    assert_eq!(world.windows(), 1);
}

/// An answer in between shows that it was not for good.
#[tokio::test]
async fn a_renewal_that_works_forgets_the_failures_before() {
    let (world, authorizer) = ended().await;
    let fail = || {
        world
            .authority
            .configure(|options| options.token_answers = [(503, String::new())].into());
    };
    fail();
    requested(&authorizer).await.unwrap_err();
    requested(&world.authorizer()).await.unwrap();
    world.later(36_000);
    fail();
    assert!(
        requested(&world.authorizer())
            .await
            .unwrap_err()
            .to_bridge_error()
            .retryable
    );
    assert_eq!(world.windows(), 1);
}

/// Entra, and all who say nothing of what they do not take.
#[tokio::test]
async fn a_refresh_that_is_refused_for_no_reason_of_its_own_is_tried_once_without_resource() {
    for (code, words) in [
        ("invalid_request", "malformed"),
        ("invalid_target", ""),
        ("unsupported_parameter", "x"),
        ("server_says_no", ""),
    ] {
        let (world, _) = ended().await;
        world.authority.configure(|options| {
            options.resource = None;
            options.refuses_resource = Some((code, words));
        });
        for round in 0..2 {
            requested(&world.authorizer()).await.unwrap();
            let sent = world.authority.grants("refresh_token");
            let resources: Vec<bool> = sent
                .iter()
                .map(|it| it.field("resource").is_some())
                .collect();
            assert_eq!(resources, [true, false, false][..round + 2], "{code}");
            world.later(36_000);
        }
        assert_eq!(world.windows(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_refresh_that_is_refused_for_its_own_sake_is_not_tried_again() {
    for code in [
        "invalid_grant",
        "invalid_scope",
        "unauthorized_client",
        "invalid_client",
    ] {
        let (world, authorizer) = ended().await;
        let before = world.authority.grants("refresh_token").len();
        let body = json!({ "error": code }).to_string();
        world
            .authority
            .configure(|options| options.token_answers = [(400, body)].into());
        let _ = authorizer.current().await;
        assert_eq!(
            world.authority.grants("refresh_token").len(),
            before + 1,
            "{code}"
        );
    }
}
