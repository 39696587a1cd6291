//! What stands where metadata are looked for, and what is tried then.

use mcpipe::auth::oauth::challenge::Challenge;
use serde_json::{Value, json};

use crate::login::{PRM, ROOT_PRM, World, unauthorized};
use crate::support::authority::{Authority, Reply};

const RFC8414: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
/// Nothing listens there.
const DEAD: &str = "http://127.0.0.1:1";

/// What a place may hold that is no answer: the kinds that are an outage, and the kinds that are something else.
fn odd() -> Vec<(&'static str, Reply)> {
    let text = |status, media, text: &str| Reply::Text(status, media, text.to_owned());
    vec![
        ("500", text(500, "text/plain", "")),
        (
            "502 of a gateway",
            text(502, "text/html", "<html>Bad Gateway</html>"),
        ),
        (
            "503 in JSON",
            text(503, "application/json", r#"{"error":"later"}"#),
        ),
        (
            "429",
            text(
                429,
                "application/json",
                r#"{"message":"Too Many Requests"}"#,
            ),
        ),
        (
            "401",
            text(401, "application/json", r#"{"error":"unauthorized"}"#),
        ),
        ("403", text(403, "text/html", "<html>blocked</html>")),
        (
            "a page for everything",
            text(200, "text/html", "<!doctype html><div id=root></div>"),
        ),
        (
            "an error with 200",
            text(200, "application/json", r#"{"error":"not_found"}"#),
        ),
        (
            "a greeting",
            text(
                200,
                "application/json",
                r#"{"message":"Welcome to the API"}"#,
            ),
        ),
        ("a list", text(200, "application/json", "[]")),
        ("null", text(200, "application/json", "null")),
        ("keys", Reply::Json(json!({ "keys": [] }))),
        (
            "an agent's card",
            Reply::Json(json!({ "name": "x", "version": "1" })),
        ),
        ("a stream", Reply::Endless),
        (
            "a redirect to a login page",
            Reply::Redirect(format!("{DEAD}/login?next=x")),
        ),
        ("a redirect to itself", Reply::Redirect(PRM.to_owned())),
    ]
}

async fn signs_in(world: &World, challenge: &Challenge, what: &str) {
    if let Err(error) = world.authorizer().renew(None, challenge).await {
        panic!("{what}: {error}");
    }
    assert_eq!(world.windows(), 1, "{what}");
}

fn naming(place: &str) -> Challenge {
    Challenge {
        resource_metadata: Some(place.to_owned()),
        ..unauthorized()
    }
}

#[tokio::test]
async fn whatever_stands_at_a_place_of_the_resources_metadata_the_next_place_is_tried() {
    for (what, reply) in odd() {
        let world = World::new().await;
        let issuers = [world.authority.origin.as_str()];
        world.mcp.serve(PRM, reply.clone());
        world.mcp.protect(ROOT_PRM, &world.resource(), &issuers);
        signs_in(&world, &unauthorized(), what).await;

        // And the place that the challenge names is one more.
        let world = World::new().await;
        world.mcp.serve("/named", reply);
        signs_in(&world, &naming("/named"), what).await;
    }
    let world = World::new().await;
    let issuers = [world.authority.origin.as_str()];
    world
        .mcp
        .protect(PRM, "https://elsewhere.example/mcp", &issuers);
    world.mcp.protect(ROOT_PRM, &world.resource(), &issuers);
    signs_in(&world, &unauthorized(), "another resource").await;
}

#[tokio::test]
async fn whatever_stands_at_a_place_of_the_authorization_servers_metadata_the_next_place_is_tried()
{
    let mut odd = odd();
    odd.push((
        "metadata of a resource",
        Reply::Json(
            json!({ "resource": "https://elsewhere.example", "authorization_servers": [] }),
        ),
    ));
    odd.push((
        "an issuer and nothing else",
        Reply::Json(json!({ "issuer": "https://elsewhere.example" })),
    ));
    for (what, reply) in odd {
        let world = World::new().await;
        world.authority.serve(RFC8414, reply.clone());
        world.authority.serve_metadata_at(OPENID);
        signs_in(&world, &unauthorized(), what).await;
    }
    // The same issuer without a token endpoint, or with one that cannot be visited.
    for endpoint in [
        Value::Null,
        "ftp://127.0.0.1/token".into(),
        "not an address".into(),
    ] {
        let world = World::new().await;
        let origin = &world.authority.origin;
        world.authority.serve_metadata_at(OPENID);
        world.authority.serve(
            RFC8414,
            Reply::Json(json!({
                "issuer": origin,
                "authorization_endpoint": format!("{origin}/authorize"),
                "token_endpoint": endpoint,
            })),
        );
        signs_in(&world, &unauthorized(), "half a document").await;
    }
}

#[tokio::test]
async fn metadata_that_stand_behind_the_path_of_an_issuer_are_found() {
    for place in [
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/openid-configuration/tenant",
        "/tenant/.well-known/openid-configuration",
        "/tenant/.well-known/oauth-authorization-server",
    ] {
        for issuer in ["/tenant", "/tenant/"] {
            let world = World::new().await;
            let asked = format!("{}{issuer}", world.authority.origin);
            let own = format!("{}/tenant", world.authority.origin);
            world
                .authority
                .configure(|options| options.issuer = Some(own));
            world.authority.remove(RFC8414);
            world.authority.serve_metadata_at(place);
            world.mcp.protect(PRM, &world.resource(), &[&asked]);
            signs_in(&world, &unauthorized(), place).await;
        }
    }
}

/// Many servers behind a proxy name themselves as they see themselves: over http, on a host or port of the inside.
#[tokio::test]
async fn a_place_in_the_challenge_that_may_not_be_visited_is_as_if_it_were_unnamed() {
    for place in [
        format!("{DEAD}/.well-known/oauth-protected-resource"),
        "http://10.0.0.1/.well-known/oauth-protected-resource".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "http://internal.example:8000/.well-known/oauth-protected-resource".to_owned(),
        "file:///etc/passwd".to_owned(),
        "https://u:p@127.0.0.1/x".to_owned(),
        "https://".to_owned(),
        String::new(),
    ] {
        let world = World::new().await;
        signs_in(&world, &naming(&place), &place).await;
    }
}

#[tokio::test]
async fn a_document_in_the_challenge_about_another_resource_is_passed_over_once() {
    let world = World::new().await;
    let issuers = [world.authority.origin.as_str()];
    world
        .mcp
        .protect("/named", "https://elsewhere.example/mcp", &issuers);
    signs_in(&world, &naming("/named"), "the typed URL's place is tried").await;

    let world = World::new().await;
    let issuers = [world.authority.origin.as_str()];
    world
        .mcp
        .protect("/named", "https://elsewhere.example/mcp", &issuers);
    world.mcp.remove(PRM);
    world.mcp.protect(ROOT_PRM, &world.resource(), &issuers);
    world.mcp.serve_metadata_at(RFC8414);
    let error = world.authorizer().renew(None, &naming("/named")).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("is for https://elsewhere.example/mcp"),
        "{error}"
    );
    assert!(world.mcp.at(ROOT_PRM).is_empty() && world.mcp.at(RFC8414).is_empty());
    assert!(world.authority.seen().is_empty());
}

#[tokio::test]
async fn an_outage_never_leads_to_guessed_endpoints_and_the_first_fault_is_said() {
    let down = |status| Reply::Text(status, "text/plain", String::new());
    for (what, place, reply) in [
        ("resource metadata", PRM, down(503)),
        ("resource metadata at the root", ROOT_PRM, down(502)),
        ("authorization server metadata", RFC8414, down(500)),
        ("OpenID metadata", OPENID, down(429)),
        (
            "a document without end",
            PRM,
            Reply::Text(
                200,
                "application/json",
                format!("[{}]", "1,".repeat(200_000)),
            ),
        ),
    ] {
        let world = World::new().await;
        world.mcp.remove(PRM);
        world.mcp.serve(place, reply);
        let error = world.authorizer().renew(None, &unauthorized()).await;
        let error = error.unwrap_err();
        let bridge_error = error.to_bridge_error();
        let host = world.mcp.origin.trim_start_matches("http://");
        assert!(error.to_string().contains(host), "{what}: {error}");
        assert_eq!(
            bridge_error.retryable,
            place != PRM || what == "resource metadata",
            "{what}: {error}"
        );
        let guessed = ["/register", "/authorize", "/token"].iter();
        assert!(
            guessed
                .into_iter()
                .all(|path| world.mcp.at(path).is_empty()),
            "{what}"
        );
    }
    // The first fault, not the last.
    let world = World::new().await;
    world.mcp.serve(PRM, down(503));
    world.mcp.serve(RFC8414, down(500));
    let error = world.authorizer().renew(None, &unauthorized()).await;
    assert!(error.unwrap_err().to_string().contains("503"));
}

#[tokio::test]
async fn a_server_whose_metadata_are_down_is_signed_in_to_where_its_origin_says() {
    let world = World::new().await;
    world
        .mcp
        .serve(PRM, Reply::Text(503, "text/plain", String::new()));
    world.mcp.serve_metadata_at(OPENID);
    signs_in(&world, &unauthorized(), "the origin's own document").await;
}

#[tokio::test]
async fn nothing_but_pages_everywhere_is_a_server_without_metadata() {
    let world = World::new().await;
    let page = Reply::Text(200, "text/html", "<!doctype html>".to_owned());
    for place in [PRM, ROOT_PRM, RFC8414, OPENID] {
        world.mcp.serve(place, page.clone());
    }
    signs_in(&world, &unauthorized(), "the endpoints of 2025-03-26").await;
}

#[tokio::test]
async fn the_first_usable_of_the_named_authorization_servers_is_taken() {
    let broken = Authority::start().await;
    broken.configure(|options| options.metadata = json!({ "issuer": "https://elsewhere.example" }));
    let silent = Authority::start().await;
    silent.remove(RFC8414);
    let down = Authority::start().await;
    down.serve(RFC8414, Reply::Text(503, "text/plain", String::new()));
    let plain = Authority::start().await;
    plain.configure(|options| {
        options.metadata = json!({ "code_challenge_methods_supported": ["plain"] });
    });
    for first in [
        &broken.origin,
        &silent.origin,
        &down.origin,
        &plain.origin,
        DEAD,
        "https://10.0.0.1",
        "http://elsewhere.example",
        "no address",
        "",
    ] {
        let world = World::new().await;
        let issuers = [first, world.authority.origin.as_str()];
        world.mcp.protect(PRM, &world.resource(), &issuers);
        signs_in(&world, &unauthorized(), first).await;
    }
    // If none is left, the first fault is said.
    let world = World::new().await;
    let issuers = [silent.origin.as_str(), DEAD];
    world.mcp.protect(PRM, &world.resource(), &issuers);
    let error = world.authorizer().renew(None, &unauthorized()).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains(&silent.origin) && error.contains("has no metadata"),
        "{error}"
    );
}

#[tokio::test]
async fn one_string_is_a_list_of_one_wherever_a_list_is_expected() {
    let world = World::new().await;
    world.mcp.serve(
        PRM,
        Reply::Json(json!({
            "resource": [world.resource()],
            "authorization_servers": format!(" {} ", world.authority.origin),
            "scopes_supported": "read write",
        })),
    );
    world.authority.configure(|options| {
        options.metadata = json!({
            "code_challenge_methods_supported": "S256",
            "token_endpoint_auth_methods_supported": "none",
        });
    });
    signs_in(&world, &unauthorized(), "strings").await;
    let asked = &world.authority.at("/authorize")[0];
    assert_eq!(asked.field("scope"), Some("read write"));
}

#[tokio::test]
async fn a_redirect_to_another_origins_well_known_place_names_that_issuer() {
    for (from, to) in [(RFC8414, RFC8414), (RFC8414, OPENID), (OPENID, RFC8414)] {
        for is_named in [true, false] {
            let world = World::new().await;
            let old = match is_named {
                true => Authority::start().await,
                false => world.mcp.clone(),
            };
            old.remove(RFC8414);
            old.serve(
                from,
                Reply::Redirect(format!("{}{to}", world.authority.origin)),
            );
            match is_named {
                true => world.mcp.protect(PRM, &world.resource(), &[&old.origin]),
                false => world.mcp.remove(PRM),
            }
            signs_in(&world, &unauthorized(), &format!("{from} {to} {is_named}")).await;
            assert!(old.at("/token").is_empty());
        }
    }
}

#[tokio::test]
async fn an_issuer_that_a_redirect_names_has_to_agree_with_itself() {
    let world = World::new().await;
    let old = Authority::start().await;
    old.serve(
        RFC8414,
        Reply::Redirect(format!("{}{RFC8414}", world.authority.origin)),
    );
    world.mcp.protect(PRM, &world.resource(), &[&old.origin]);
    world
        .authority
        .configure(|options| options.metadata = json!({ "issuer": old.origin }));
    let error = world.authorizer().renew(None, &unauthorized()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("calls itself"), "{error}");
    assert!(world.authority.at("/authorize").is_empty());

    // Two that name each other come to an end.
    let world = World::new().await;
    let (one, two) = (Authority::start().await, Authority::start().await);
    one.serve(RFC8414, Reply::Redirect(format!("{}{RFC8414}", two.origin)));
    two.serve(RFC8414, Reply::Redirect(format!("{}{RFC8414}", one.origin)));
    world.mcp.protect(PRM, &world.resource(), &[&one.origin]);
    let error = world.authorizer().renew(None, &unauthorized()).await;
    assert!(error.unwrap_err().to_string().contains("has no metadata"));
    assert!(one.seen().len() + two.seen().len() <= 8);
}

/// Some servers name the place of the metadata, as a redirect to it would.
#[tokio::test]
async fn an_authorization_server_that_is_named_by_the_place_of_its_metadata_is_found() {
    for place in [RFC8414, OPENID] {
        let world = World::new().await;
        let named = format!("{}{place}", world.authority.origin);
        world.mcp.protect(PRM, &world.resource(), &[&named]);
        signs_in(&world, &unauthorized(), place).await;
        // It is the one that was signed in to, whatever it is called.
        assert!(world.authorizer().current().await.unwrap().is_some());
        assert_eq!(world.windows(), 1, "{place}");
    }
}

/// Many have `code_challenge_methods_supported` in one of their two documents only.
#[tokio::test]
async fn pkce_may_be_said_in_the_other_document_and_nothing_is_registered_without() {
    let silent = |world: &World| {
        let origin = &world.authority.origin;
        let document = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
        });
        world.authority.serve(RFC8414, Reply::Json(document));
    };
    let world = World::new().await;
    silent(&world);
    world.authority.serve_metadata_at(OPENID);
    signs_in(&world, &unauthorized(), "the other document").await;

    let world = World::new().await;
    silent(&world);
    let error = world.authorizer().renew(None, &unauthorized()).await;
    assert!(error.unwrap_err().to_string().contains("PKCE"));
    assert!(world.authority.at("/register").is_empty());
}
