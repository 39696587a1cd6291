//! What registration endpoints refuse and answer.

use serde_json::{Value, json};

use crate::login::{World, unauthorized};
use crate::support::authority::Seen;

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

async fn refused_once(status: u16, answer: &str) -> (World, Vec<Value>) {
    let world = World::new().await;
    world.authority.configure(|options| {
        options.register_answers = [(status, answer.to_owned())].into();
        if answer.contains("auth_method") {
            options.registration = json!({ "client_secret": "s3cret" });
        }
    });
    let signed_in = world.authorizer().renew(None, &unauthorized()).await;
    assert!(signed_in.is_ok(), "{answer}: {signed_in:?}");
    assert_eq!(world.windows(), 1, "{answer}");
    let asked = world.authority.at("/register").iter().map(body).collect();
    (world, asked)
}

#[tokio::test]
async fn localhost_is_tried_wherever_the_address_seems_to_be_what_was_refused() {
    for (status, answer) in [
        (400, r#"{"error":"invalid_redirect_uri"}"#),
        (
            400,
            r#"{"error":"invalid_client_metadata","error_description":"redirect_uris must use https or localhost"}"#,
        ),
        (
            400,
            r#"{"error":"invalid_request","error_description":"Invalid redirect URI: http://127.0.0.1:1/cb"}"#,
        ),
        (422, r#"{"message":"loopback addresses are not allowed"}"#),
        (
            403,
            r#"{"error":"access_denied","error_description":"callback is not on the list"}"#,
        ),
        (400, "Only http://localhost is allowed"),
        (
            400,
            r#"{"error":"invalid_client_metadata","error_description":"IP addresses are not permitted"}"#,
        ),
        (
            422,
            r#"{"detail":[{"loc":["body","uris",0],"msg":"wrong"}]}"#,
        ),
        (400, ""),
        (400, "<html>Bad Request</html>"),
        (200, r#"{"error":"invalid_redirect_uri"}"#),
    ] {
        let (_, asked) = refused_once(status, answer).await;
        let uris: Vec<&str> = asked
            .iter()
            .map(|it| it["redirect_uris"][0].as_str().unwrap())
            .collect();
        assert_eq!(uris.len(), 2, "{answer}: {uris:?}");
        assert!(uris[0].starts_with("http://127.0.0.1:"), "{uris:?}");
        assert!(uris[1].starts_with("http://localhost:"), "{uris:?}");
    }
    // A bad request of which nothing is said, with and without `refresh_token`; and both at fault, one after the other.
    for answers in [
        ["invalid_client_metadata", "invalid_client_metadata"],
        ["unsupported_grant_type", "invalid_redirect_uri"],
    ] {
        let world = World::new().await;
        let answers = answers.map(|code| (400, json!({ "error": code }).to_string()));
        world
            .authority
            .configure(|options| options.register_answers = answers.into());
        let signed_in = world.authorizer().renew(None, &unauthorized()).await;
        assert!(signed_in.is_ok(), "{signed_in:?}");
        assert_eq!(world.authority.at("/register").len(), 3);
    }
    // What was not about the address is not asked again with another.
    let world = World::new().await;
    let answer = r#"{"error":"unapproved_software_statement"}"#.to_owned();
    world
        .authority
        .configure(|options| options.register_answers = [(400, answer)].into());
    assert!(
        world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .is_err()
    );
    assert_eq!(world.authority.at("/register").len(), 1);
}

#[tokio::test]
async fn what_is_refused_of_a_registration_is_left_out_or_put_otherwise() {
    for (answer, member, wanted) in [
        (
            r#"{"error":"invalid_client_metadata","error_description":"grant_types: refresh_token is not supported"}"#,
            "grant_types",
            json!(["authorization_code"]),
        ),
        (
            r#"{"error":"invalid_request","error_description":"Unsupported grant type refresh_token"}"#,
            "grant_types",
            json!(["authorization_code"]),
        ),
        (
            r#"{"error":"invalid_client_metadata"}"#,
            "grant_types",
            json!(["authorization_code"]),
        ),
        (
            r#"{"error":"invalid_client_metadata","error_description":"unknown member application_type"}"#,
            "application_type",
            Value::Null,
        ),
        (
            r#"{"error":"invalid_client_metadata","error_description":"token_endpoint_auth_method none is not allowed"}"#,
            "token_endpoint_auth_method",
            json!("client_secret_basic"),
        ),
    ] {
        let (_, asked) = refused_once(400, answer).await;
        assert_eq!(asked.len(), 2, "{answer}");
        assert_ne!(asked[0][member], wanted, "{answer}");
        assert_eq!(asked[1][member], wanted, "{answer}");
    }
    // A server that lists ways of showing a secret, and takes no client that has one.
    let world = World::new().await;
    world.authority.configure(|options| {
        options.metadata =
            json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
        let why = "Only token_endpoint_auth_method='none' is supported";
        let answer = json!({ "error": "invalid_client_metadata", "error_description": why });
        options.register_answers = [(400, answer.to_string())].into();
    });
    world.signed_in(&world.authorizer()).await;
    // A server that refuses everything is asked a few times, and the first refusal is said.
    let world = World::new().await;
    let of = |words: &str| {
        (
            400,
            json!({ "error": "invalid_client_metadata", "error_description": words }).to_string(),
        )
    };
    world.authority.configure(|options| {
        options.register_answers = [
            of("grant_types"),
            of("application_type"),
            of("token_endpoint_auth_method"),
            of("scope"),
            of("grant_types"),
        ]
        .into();
    });
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("grant_types"), "{error}");
    assert_eq!(world.authority.at("/register").len(), 4);
    assert_eq!(world.windows(), 0);
}

#[tokio::test]
async fn a_registration_is_taken_whatever_way_its_members_are_written_in() {
    for extra in [
        json!({ "client_id": 4711 }),
        json!({ "client_id": 4711, "client_secret": 815, "token_endpoint_auth_method": "client_secret_post" }),
        json!({ "client_id_issued_at": "2026-11-29T00:00:00Z" }),
        json!({ "client_secret": "s3cret", "client_secret_expires_at": "0", "token_endpoint_auth_method": "client_secret_post" }),
        json!({ "client_secret": "s3cret", "client_secret_expires_at": "1900000000", "token_endpoint_auth_method": "client_secret_post" }),
        json!({ "client_secret": "s3cret", "client_secret_expires_at": 86400, "token_endpoint_auth_method": "client_secret_post" }),
        json!({ "client_secret": "s3cret", "client_secret_expires_at": 1_900_000_000_000_u64, "token_endpoint_auth_method": "client_secret_post" }),
        json!({ "redirect_uris": null, "grant_types": null, "client_name": 7 }),
        json!({ "error": "", "jwks": [], "contacts": {} }),
    ] {
        let world = World::new().await;
        world
            .authority
            .configure(|options| options.registration = extra.clone());
        // The server's own book has what it said.
        if let Some(secret) = extra.get("client_secret").and_then(Value::as_u64) {
            world.authority.configure(|options| {
                options.registration["client_secret"] = secret.to_string().into();
            });
        }
        let signed_in = world.authorizer().renew(None, &unauthorized()).await;
        assert!(signed_in.is_ok(), "{extra}: {signed_in:?}");
        // It is kept, and serves again.
        world.later(36_000);
        world.authority.revoke_all();
        let again = world.authorizer().renew(None, &unauthorized()).await;
        assert!(again.is_ok(), "{extra}: {again:?}");
        assert_eq!(world.authority.at("/register").len(), 1, "{extra}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_patience_is_waited_for_or_left_alone() {
    let busy = (429, r#"{"error":"too_many_requests"}"#.to_owned());
    // A second is waited for.
    let world = World::new().await;
    world.authority.configure(|options| {
        options.register_answers = [busy.clone()].into();
        options.register_retry_after = Some("1");
    });
    world.signed_in(&world.authorizer()).await;
    assert_eq!(world.authority.at("/register").len(), 2);

    // Two minutes are told, and nothing is asked before they are over, by whichever process or server.
    let world = World::new().await;
    world.authority.configure(|options| {
        options.register_answers = vec![busy.clone(); 9].into();
        options.register_retry_after = Some("120");
    });
    for round in 0..3 {
        let error = world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err();
        let bridge_error = error.to_bridge_error();
        assert!(error.to_string().contains("429"), "{error}");
        assert!(bridge_error.retryable, "{error}");
        let wait = bridge_error.retry_after.unwrap().as_secs();
        assert_eq!(wait, 120 - round * 10);
        assert!(
            error.to_string().contains(&format!("in {wait} s")),
            "{error}"
        );
        world.later(10);
    }
    assert_eq!(world.authority.at("/register").len(), 1);
    world
        .authority
        .configure(|options| options.register_answers.clear());
    world.later(90);
    world.authorizer().login(&unauthorized()).await.unwrap();

    // Without a word of how long, a while.
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.register_answers = vec![busy.clone(); 9].into());
    for _ in 0..3 {
        let refused = world.authorizer().renew(None, &unauthorized()).await;
        assert!(refused.unwrap_err().to_bridge_error().retryable);
        world.later(5);
    }
    assert_eq!(world.authority.at("/register").len(), 1);
}
