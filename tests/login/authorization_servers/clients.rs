//! How token endpoints take a client's id and secret: `client_id` in the form beside the header, or on no account.

use mcpipe::auth::flow::accounts::logout;
use mcpipe::auth::grant::GrantConfig;
use mcpipe::auth::{Browser, Settings};
use mcpipe::secret::Secret;
use serde_json::json;

use crate::login::{World, asking_for, unauthorized};
use crate::support::authority::Seen;

const SECRET: &str = "s3cret of the client";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A client of the user's whose secret belongs into the header.
async fn world() -> (World, Settings) {
    let world = World::new().await;
    let authority = &world.authority;
    authority.add_secret_client("robot", SECRET, "client_secret_basic");
    authority.configure(|options| {
        options.metadata = json!({
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "device_authorization_endpoint": format!("{}/device", authority.origin),
        });
    });
    let mut settings = world.attended();
    settings.client_id = Some("robot".to_owned());
    settings.client_secret = Some(Secret::new(SECRET));
    (world, settings)
}

/// What was shown with a request: whether its secret was in the header, and whether its id was in the form.
fn shown(seen: &Seen) -> (bool, bool) {
    assert_eq!(seen.field("client_secret"), None, "{}", seen.path);
    let in_header = seen.headers.contains_key("authorization");
    (in_header, seen.field("client_id").is_some())
}

/// The authorization server of the official Python SDK, FastMCP and metamcp look a client up by the form alone.
#[tokio::test]
async fn a_client_whose_secret_is_in_the_header_says_its_id_in_the_form_with_every_grant() {
    for grant in ["authorization_code", "client_credentials", DEVICE] {
        let (world, mut settings) = world().await;
        world
            .authority
            .configure(|options| options.wants_id_in_form = true);
        match grant {
            "client_credentials" => settings.grant = GrantConfig::ClientCredentials,
            DEVICE => (settings.browser, settings.device_code) = (Browser::Nowhere, true),
            _ => {}
        }
        let authorizer = world.authorizer_with(settings.clone());
        if let Err(error) = authorizer.renew(None, &unauthorized()).await {
            panic!("{grant}: {error}");
        }
        world.later(36_000);
        let again = world.authorizer_with(settings.clone());
        assert!(again.current().await.unwrap().is_some(), "{grant}");
        let http = world.http(&settings);
        logout(&settings, &world.vault, &http).await.unwrap();
        for path in ["/token", "/revoke"] {
            for seen in world.authority.at(path) {
                assert_eq!(shown(&seen), (true, true), "{grant} {path}");
            }
        }
        assert!(world.authority.at("/token").len() >= 2, "{grant}");
    }
}

/// Okta, Notion and Pylon take it for a second way of authenticating, and say so in their own words.
#[tokio::test]
async fn a_server_that_takes_the_id_for_a_second_proof_is_shown_the_header_alone_from_then_on() {
    for refusal in [
        (
            "invalid_request",
            "Client must not use multiple authentication methods",
        ),
        (
            "invalid_request",
            "Cannot supply multiple client credentials. Use one of the following: credentials in the Authorization \
             header, credentials in the post body, or a client_assertion in the post body.",
        ),
        (
            "invalid_client",
            "The client MUST NOT use more than one authentication method in each request",
        ),
    ] {
        for grant in ["authorization_code", "client_credentials", DEVICE] {
            let (world, mut settings) = world().await;
            world
                .authority
                .configure(|options| options.refuses_id_beside_header = Some(refusal));
            match grant {
                "client_credentials" => settings.grant = GrantConfig::ClientCredentials,
                DEVICE => (settings.browser, settings.device_code) = (Browser::Nowhere, true),
                _ => {}
            }
            let authorizer = world.authorizer_with(settings.clone());
            if let Err(error) = authorizer.renew(None, &asking_for("a")).await {
                panic!("{grant} {refusal:?}: {error}");
            }
            let path = if grant == DEVICE { "/device" } else { "/token" };
            let first = world
                .authority
                .at(path)
                .iter()
                .map(shown)
                .collect::<Vec<_>>();
            assert_eq!(first[..2], [(true, true), (true, false)], "{grant} {path}");

            // It is remembered: the renewal is put so from the start.
            let before = world.authority.at("/token").len();
            world.later(36_000);
            let again = world.authorizer_with(settings);
            again.current().await.unwrap().unwrap();
            let renewals = world.authority.at("/token").split_off(before);
            let renewals: Vec<_> = renewals.iter().map(shown).collect();
            assert_eq!(renewals, [(true, false)], "{grant}");
            assert!(world.windows() <= 1);
        }
    }
}
