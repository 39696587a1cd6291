//! Where to sign in, in every order and shape, and what is not believed.

use serde_json::json;

use super::{PRM, ROOT_PRM, World, unauthorized};
use crate::support::authority::{Authority, Reply, Seen};

const RFC8414: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// One layout of documents, and what must not be asked for in it.
struct Layout {
    name: &'static str,
    /// Where resource metadata stands, and whether the challenge says so.
    prm: Option<&'static str>,
    named: bool,
    issuer_path: &'static str,
    metadata: &'static [&'static str],
    unasked: &'static [&'static str],
}

const LAYOUTS: &[Layout] = &[
    Layout {
        name: "named, RFC 8414",
        prm: Some(PRM),
        named: true,
        issuer_path: "",
        metadata: &[RFC8414],
        unasked: &[ROOT_PRM, OPENID],
    },
    Layout {
        name: "not named, path, OpenID",
        prm: Some(PRM),
        named: false,
        issuer_path: "",
        metadata: &[OPENID],
        unasked: &[ROOT_PRM],
    },
    Layout {
        name: "root, issuer with path",
        prm: Some(ROOT_PRM),
        named: false,
        issuer_path: "/tenant1",
        metadata: &["/.well-known/oauth-authorization-server/tenant1"],
        unasked: &[RFC8414, OPENID],
    },
    Layout {
        name: "custom, OpenID appended",
        prm: Some("/custom/meta.json"),
        named: true,
        issuer_path: "/tenant1",
        metadata: &["/tenant1/.well-known/openid-configuration"],
        unasked: &[PRM, ROOT_PRM, RFC8414, OPENID],
    },
    Layout {
        name: "OpenID inserted",
        prm: Some(PRM),
        named: true,
        issuer_path: "/tenant1",
        metadata: &["/.well-known/openid-configuration/tenant1"],
        unasked: &[RFC8414, OPENID],
    },
    Layout {
        name: "issuer ends in a slash",
        prm: Some(PRM),
        named: true,
        issuer_path: "/tenant1/",
        metadata: &["/.well-known/oauth-authorization-server/tenant1"],
        unasked: &[RFC8414],
    },
    Layout {
        name: "relative name",
        prm: Some("/meta"),
        named: true,
        issuer_path: "",
        metadata: &[RFC8414],
        unasked: &[PRM],
    },
];

async fn laid_out(layout: &Layout) -> World {
    let world = World::new().await;
    let issuer = format!("{}{}", world.authority.origin, layout.issuer_path);
    world
        .authority
        .configure(|options| options.issuer = Some(issuer.clone()));
    world.mcp.remove(PRM);
    world.authority.remove(RFC8414);
    if let Some(prm) = layout.prm {
        world.mcp.protect(prm, &world.resource(), &[&issuer]);
    }
    for place in layout.metadata {
        world.authority.serve_metadata_at(place);
    }
    world
}

#[tokio::test]
async fn every_layout_leads_to_a_token_by_the_required_road() {
    for layout in LAYOUTS {
        let world = laid_out(layout).await;
        let mut challenge = unauthorized();
        challenge.resource_metadata =
            layout
                .prm
                .filter(|_| layout.named)
                .map(|prm| match layout.name {
                    "relative name" => prm.to_owned(),
                    _ => format!("{}{prm}", world.mcp.origin),
                });
        let authorizer = world.authorizer();
        if let Err(error) = authorizer.renew(None, &challenge).await {
            panic!("{}: {error}", layout.name);
        }
        for path in layout.unasked {
            let asked = world.mcp.at(path).len() + world.authority.at(path).len();
            assert_eq!(asked, 0, "{}: {path}", layout.name);
        }
    }
}

#[tokio::test]
async fn the_resource_is_sent_byte_for_byte_as_its_metadata_has_it() {
    let world = World::new().await;
    world
        .mcp
        .protect(PRM, &world.mcp.origin, &[&world.authority.origin]);
    // No slash: a URL library would add one.
    world
        .authority
        .configure(|options| options.resource = Some(world.mcp.origin.clone()));
    world.signed_in(&world.authorizer()).await;
}

#[tokio::test]
async fn without_resource_metadata_the_servers_origin_is_the_authority() {
    let world = World::new().await;
    world.mcp.remove(PRM);
    world.mcp.serve_metadata_at(RFC8414);
    world
        .mcp
        .configure(|options| options.metadata = json!({"code_challenge_methods_supported": null}));
    world.signed_in(&world.authorizer()).await;
    assert_eq!(
        world.mcp.at("/authorize")[0].field("resource"),
        Some(world.resource().as_str())
    );
}

#[tokio::test]
async fn without_any_metadata_the_endpoints_of_2025_03_26_are_assumed() {
    let world = World::new().await;
    world.mcp.remove(PRM);
    world.signed_in(&world.authorizer()).await;
    assert_eq!(world.mcp.grants("authorization_code").len(), 1);
}

/// Atlassian's old layout: metadata at the server's root, for an issuer elsewhere, which then has to say so itself.
#[tokio::test]
async fn a_root_document_that_names_another_issuer_is_only_a_pointer() {
    let world = World::new().await;
    world.mcp.remove(PRM);
    let pointer = json!({
        "issuer": world.authority.origin,
        "authorization_endpoint": format!("{}/authorize", world.mcp.origin),
        "token_endpoint": format!("{}/token", world.mcp.origin),
        "code_challenge_methods_supported": ["S256"],
    });
    world.mcp.serve(RFC8414, Reply::Json(pointer));
    world.signed_in(&world.authorizer()).await;
    assert!(
        world.mcp.at("/token").is_empty(),
        "the code went to the issuer's own endpoint"
    );
    assert_eq!(world.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn metadata_for_another_resource_stops_everything() {
    for other in [
        "https://evil.example/mcp",
        "ORIGIN/mcp/deeper",
        "ORIGIN/mc",
        "",
    ] {
        let world = World::new().await;
        let other = other.replace("ORIGIN", &world.mcp.origin);
        world.mcp.protect(PRM, &other, &[&world.authority.origin]);
        let error = world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err();
        let said = match other.as_str() {
            "" => "metadata names no resource",
            _ => "metadata is for",
        };
        assert!(error.to_string().contains(said), "{other}: {error}");
        assert!(world.authority.seen().is_empty(), "{other}");
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_used_and_nothing_weaker_is_tried() {
    for issuer in ["https://127.0.0.1:1", "ORIGIN/x", "ORIGIN:443", ""] {
        let world = World::new().await;
        let issuer = issuer.replace("ORIGIN", &world.authority.origin);
        world
            .authority
            .configure(|options| options.metadata = json!({ "issuer": issuer }));
        let error = world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("calls itself"),
            "{issuer}: {error}"
        );
        // What the other name's own metadata say is looked at, for the way out; of this one nothing else is.
        let is_of_the_other = |seen: &Seen| issuer.ends_with("/x") && seen.path.contains("/x");
        let seen = world.authority.seen().into_iter();
        let paths: Vec<String> = seen
            .filter(|seen| !is_of_the_other(seen))
            .map(|seen| seen.path)
            .collect();
        assert_eq!(paths, [RFC8414], "{issuer}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_say_it_knows_pkce_is_refused_unless_assumed() {
    let world = World::new().await;
    world.authority.configure(|options| {
        options.metadata = json!({"code_challenge_methods_supported": ["plain"]});
    });
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("PKCE"), "{error}");
    assert!(world.authority.at("/authorize").is_empty());

    let mut settings = world.attended();
    settings.assume_pkce = true;
    world.signed_in(&world.authorizer_with(settings)).await;
}

#[tokio::test]
async fn a_server_that_is_down_is_not_one_without_metadata() {
    for place in [PRM, RFC8414] {
        let world = World::new().await;
        let server = if place == PRM {
            &world.mcp
        } else {
            &world.authority
        };
        server.serve(place, Reply::Text(503, "text/plain", "later".to_owned()));
        let error = world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err()
            .to_bridge_error();
        assert_eq!(
            (error.kind, error.retryable),
            ("unreachable", true),
            "{place}"
        );
        assert!(world.authority.at("/authorize").is_empty());
    }
}

#[tokio::test]
async fn an_authority_without_metadata_that_was_named_is_an_error() {
    let world = World::new().await;
    world.authority.remove(RFC8414);
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("has no metadata"), "{error}");
}

#[tokio::test]
async fn what_is_no_document_is_passed_over() {
    let page = "<html>welcome</html>".to_owned();
    for (name, reply) in [
        ("a stream that never ends", Reply::Endless),
        ("a page", Reply::Text(200, "text/html", page.clone())),
        (
            "a page that says it is JSON",
            Reply::Text(200, "application/json", page),
        ),
        ("an array", Reply::Json(json!([1]))),
        (
            "an error in XML",
            Reply::Text(404, "application/xml", "<Unknown/>".to_owned()),
        ),
        (
            "a redirect to elsewhere",
            Reply::Redirect("http://127.0.0.1:1/login".to_owned()),
        ),
        ("a redirect in a circle", Reply::Redirect(PRM.to_owned())),
    ] {
        let world = World::new().await;
        world.mcp.serve(PRM, reply);
        world
            .mcp
            .protect(ROOT_PRM, &world.resource(), &[&world.authority.origin]);
        if let Err(error) = world.authorizer().renew(None, &unauthorized()).await {
            panic!("{name}: {error}");
        }
    }
}

#[tokio::test]
async fn a_redirect_on_the_same_origin_is_followed_and_another_is_not() {
    let world = World::new().await;
    world
        .mcp
        .serve(PRM, Reply::Redirect("/elsewhere".to_owned()));
    world
        .mcp
        .protect("/elsewhere", &world.resource(), &[&world.authority.origin]);
    world.signed_in(&world.authorizer()).await;

    let other = Authority::start().await;
    let world = World::new().await;
    other.protect("/meta", &world.resource(), &[&world.authority.origin]);
    world
        .mcp
        .serve(PRM, Reply::Redirect(format!("{}/meta", other.origin)));
    world
        .mcp
        .serve(RFC8414, Reply::Text(500, "text/plain", String::new()));
    world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_document_without_end_is_given_up() {
    let world = World::new().await;
    let huge = format!("{{\"resource\":\"{}\"}}", "x".repeat(300 * 1024));
    world
        .mcp
        .serve(PRM, Reply::Text(200, "application/json", huge));
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
}

#[tokio::test]
async fn the_user_may_name_the_authority() {
    let world = World::new().await;
    world
        .mcp
        .protect(PRM, &world.resource(), &["https://production.example"]);
    let mut settings = world.attended();
    settings.authorization_server = Some(world.authority.origin.clone());
    world.signed_in(&world.authorizer_with(settings)).await;
}

/// SEP-2352: the token is refused, the server names another issuer, and the user accepts that.
#[tokio::test]
async fn an_authority_that_moved_gets_nothing_of_the_old_one() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let first = world.signed_in(&authorizer).await;
    let new = Authority::start().await;
    world.mcp.protect(PRM, &world.resource(), &[&new.origin]);

    let error = authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&new.origin) && text.contains(&world.authority.origin),
        "{text}"
    );
    assert!(new.at("/register").is_empty() && new.at("/authorize").is_empty());
    let second = authorizer.login(&unauthorized()).await.unwrap();

    assert_eq!(world.shows(&second), new.access_tokens()[0]);
    assert_eq!(new.at("/register").len(), 1);
    let old_client = world.authority.at("/authorize")[0]
        .field("client_id")
        .unwrap()
        .to_owned();
    world.authority.configure(|_| {});
    let new_client = new.at("/authorize")[0].clone();
    assert_ne!(
        new_client.field("redirect_uri"),
        world.authority.at("/authorize")[0].field("redirect_uri")
    );
    for seen in new.seen() {
        for secret in world
            .authority
            .access_tokens()
            .iter()
            .chain(&world.authority.refresh_tokens())
        {
            assert!(!format!("{seen:?}").contains(secret.as_str()));
        }
    }
    assert!(old_client.starts_with("client-"));
}
