//! What token endpoints, pages and device endpoints answer beside the standards.

use mcpipe::auth::{Browser, Cause};
use serde_json::{Value, json};

use crate::login::{World, unauthorized};

/// Keycloak's brokers, API gateways and hand-written servers have `error` in every answer.
#[tokio::test]
async fn an_error_that_says_there_is_none_beside_tokens_is_no_error() {
    for none in [
        json!(null),
        json!(""),
        json!(" "),
        json!(false),
        json!(0),
        json!(0.0),
        json!({}),
        json!([]),
        json!("None"),
        json!("null"),
        json!("0"),
    ] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.token_extra = (200, json!({ "error": none, "error_description": "" }));
        });
        let authorizer = world.authorizer();
        let signed_in = authorizer.renew(None, &unauthorized()).await;
        assert!(signed_in.is_ok(), "{none}: {signed_in:?}");
        world.later(36_000);
        let renewed = world.authorizer().current().await;
        assert!(renewed.unwrap().is_some(), "{none}");
        assert_eq!(world.windows(), 1, "{none}");
    }
    // One that says something is one, whatever stands beside it.
    for some in [
        json!("invalid_grant"),
        json!(true),
        json!(7),
        json!({ "code": 1 }),
        json!([1]),
    ] {
        let world = World::new().await;
        world
            .authority
            .configure(|options| options.token_extra = (200, json!({ "error": some })));
        let refused = world.authorizer().renew(None, &unauthorized()).await;
        assert!(refused.is_err(), "{some}");
    }
}

#[tokio::test]
async fn an_error_that_says_there_is_none_beside_a_code_is_no_error() {
    for none in ["", " ", "null", "None", "false", "False", "0"] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.callback_extra = vec![("error", none), ("error_description", "")];
        });
        let signed_in = world.authorizer().renew(None, &unauthorized()).await;
        assert!(signed_in.is_ok(), "{none:?}: {signed_in:?}");
    }
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.callback_extra = vec![("error", "access_denied")]);
    let denied = world.authorizer().renew(None, &unauthorized()).await;
    assert!(matches!(denied.unwrap_err().cause(), Cause::Denied { .. }));
}

#[tokio::test]
async fn a_token_is_taken_whatever_way_its_members_are_written_in() {
    for (extra, is_taken) in [
        (json!({ "token_type": " Bearer " }), true),
        (json!({ "token_type": "BEARER\n" }), true),
        (json!({ "token_type": "BearerToken" }), true),
        (json!({ "token_type": "bearertoken" }), true),
        (json!({ "token_type": null }), true),
        (json!({ "token_type": "" }), true),
        (json!({ "token_type": 1 }), true),
        (json!({ "token_type": "user" }), true),
        (json!({ "expires_in": "3600" }), true),
        (json!({ "expires_in": " 3600.0 " }), true),
        (json!({ "expires_in": 3600.7 }), true),
        (json!({ "expires_in": -1 }), true),
        (json!({ "expires_in": "soon" }), true),
        (json!({ "expires_in": null }), true),
        (json!({ "expires_in": true }), true),
        (json!({ "expires_in": { "seconds": 3600 } }), true),
        (json!({ "scope": null }), true),
        (json!({ "scope": ["a", "b"] }), true),
        (json!({ "access_token": " access-canary \n" }), true),
        (
            json!({ "access_token": null, "ok": true, "authed_user": { "access_token": "xoxp-1", "token_type": "user" } }),
            true,
        ),
        (json!({ "token_type": "mac" }), false),
        (json!({ "token_type": "DPoP" }), false),
        (json!({ "access_token": "" }), false),
        (json!({ "access_token": "two words" }), false),
    ] {
        for status in [200, 201] {
            let world = World::new().await;
            world
                .authority
                .configure(|options| options.token_extra = (status, extra.clone()));
            let signed_in = world.authorizer().renew(None, &unauthorized()).await;
            assert_eq!(
                signed_in.is_ok(),
                is_taken,
                "{extra} {status}: {signed_in:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_device_code_is_taken_whatever_way_its_members_are_written_in() {
    let of = |name: &str, value: Value| json!({ name: value });
    for (status, extra) in [
        (201, json!({})),
        (200, of("expires_in", json!("600"))),
        (200, of("expires_in", json!("600.0"))),
        (200, of("expires_in", json!(null))),
        (200, of("interval", json!("0"))),
        (200, of("interval", json!(0.0))),
        (200, of("user_code", json!(12_345_678))),
        (200, of("error", json!(null))),
        (200, of("error", json!(""))),
        (
            201,
            json!({ "verification_uri": null, "verification_url": "ORIGIN/activate", "interval": "0", "expires_in": "600" }),
        ),
    ] {
        let world = World::new().await;
        let origin = world.authority.origin.clone();
        let extra: Value =
            serde_json::from_str(&extra.to_string().replace("ORIGIN", &origin)).unwrap();
        world.authority.configure(|options| {
            options.metadata =
                json!({ "device_authorization_endpoint": format!("{origin}/device") });
            options.device_code = (status, extra.clone());
            options.device_answers = ["authorization_pending"].into();
            options.token_extra = (201, json!({ "error": null, "expires_in": "3600" }));
        });
        let mut settings = world.settings();
        (settings.browser, settings.device_code) = (Browser::Nowhere, true);
        let signed_in = world
            .authorizer_with(settings)
            .renew(None, &unauthorized())
            .await;
        assert!(signed_in.is_ok(), "{extra}: {signed_in:?}");
    }
}

/// A device endpoint that is not one leaves the page.
#[tokio::test]
async fn where_no_device_code_is_to_be_had_there_is_a_page() {
    for (path, metadata) in [
        ("/nothing-here", "not there"),
        ("/page", "a page for everything"),
        ("/activate.json", "something else"),
    ] {
        let world = World::new().await;
        let page =
            |text: &str| crate::support::authority::Reply::Text(200, "text/html", text.to_owned());
        world.authority.serve("/page", page("<!doctype html>"));
        world.authority.serve("/activate.json", page("{}"));
        let at = format!("{}{path}", world.authority.origin);
        world
            .authority
            .configure(|options| options.metadata = json!({ "device_authorization_endpoint": at }));
        let mut settings = world.attended();
        settings.browser = Browser::Nowhere;
        let signed_in = world
            .authorizer_with(settings)
            .renew(None, &unauthorized())
            .await;
        assert!(signed_in.is_ok(), "{metadata}: {signed_in:?}");
        assert_eq!(world.windows(), 1, "{metadata}");
    }
}

/// RFC 8707 has `invalid_target` for it; most who do not know the parameter say so in their own words.
#[tokio::test]
async fn a_refusal_that_names_resource_is_met_without_it_at_the_page_at_the_code_and_with_a_device()
{
    for refusal in [
        ("invalid_request", "Unknown parameter: resource"),
        (
            "invalid_request",
            "The parameter 'resource' is not supported",
        ),
        ("unsupported_parameter", "resource"),
        ("invalid_target", ""),
        (
            "error",
            "AADSTS901002: the 'resource' request parameter is not supported",
        ),
    ] {
        for is_late in [false, true] {
            let world = World::new().await;
            world.authority.configure(|options| {
                options.resource = None;
                options.refuses_resource = Some(refusal);
                options.page_takes_resource = is_late;
            });
            let signed_in = world.authorizer().renew(None, &unauthorized()).await;
            assert!(signed_in.is_ok(), "{refusal:?}: {signed_in:?}");
            // The code is spent again, or the page is asked again in the same window: the user is asked once.
            assert_eq!(world.windows(), 1, "{refusal:?}");
            world.later(36_000);
            assert!(world.authorizer().current().await.unwrap().is_some());
            let renewals = world.authority.grants("refresh_token");
            assert_eq!(renewals.len(), 1, "it was not remembered");
            assert_eq!(renewals[0].field("resource"), None);
        }
        let world = World::new().await;
        world.authority.configure(|options| {
            options.resource = None;
            options.metadata =
                json!({ "device_authorization_endpoint": format!("{}/device", world.authority.origin) });
            options.refuses_resource = Some(refusal);
        });
        let mut settings = world.settings();
        (settings.browser, settings.device_code) = (Browser::Nowhere, true);
        let signed_in = world
            .authorizer_with(settings)
            .renew(None, &unauthorized())
            .await;
        assert!(
            signed_in.is_ok(),
            "{refusal:?} with a device: {signed_in:?}"
        );
    }
    // The user who insists on it is not overruled.
    let world = World::new().await;
    world.authority.configure(|options| {
        options.resource = None;
        options.refuses_resource = Some(("invalid_request", "Unknown parameter: resource"));
        options.page_takes_resource = true;
    });
    let mut settings = world.attended();
    settings.resource_parameter = Some("https://audience.example".to_owned());
    let refused = world
        .authorizer_with(settings)
        .renew(None, &unauthorized())
        .await;
    assert!(refused.is_err());
    assert_eq!(world.authority.grants("authorization_code").len(), 1);
}
