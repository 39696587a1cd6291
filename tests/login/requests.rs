//! The parameters of a sign-in and of a refresh, as users of other bridges needed them, and how `status` shows them.

use mcpipe::auth::flow::accounts::status;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::protected_server::{Protected, fields, with};
use super::{PRM, World, asking_for, insufficient, unauthorized};
use crate::support::authority::Reply;
use crate::support::browser;
use crate::support::host::{INITIALIZE, Process, json};
use crate::support::remote::{self, Server};

/// Reported in punkpeye/mcp-remote#239.
#[tokio::test]
async fn the_listener_listens_before_a_page_is_shown() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let challenge = unauthorized();
    let person = async {
        let url = world.shown.recv().await.unwrap();
        let address = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        TcpStream::connect(address).await.unwrap();
        browser::follow(&url).await
    };
    let (answer, page) = tokio::join!(authorizer.renew(None, &challenge), person);
    answer.unwrap();
    assert_eq!(page.status, 200);
}

/// Reported in punkpeye/mcp-remote#81.
#[tokio::test]
async fn the_redirect_uri_is_one_string_everywhere() {
    for host in ["127.0.0.1", "localhost"] {
        let world = World::new().await;
        let authorizer = with(&world, |settings| {
            settings.callback_host = Some(host.to_owned());
        });
        world.signed_in(&authorizer).await;
        let registered = json(&world.authority.at("/register")[0].body);
        let registered = registered["redirect_uris"][0].as_str().unwrap().to_owned();
        assert!(registered.starts_with(&format!("http://{host}:")));
        let wanted = vec![Some(registered)];
        for at in ["/authorize", "/token"] {
            let seen = world.authority.at(at);
            assert_eq!(fields(&seen, "redirect_uri"), wanted, "{at}");
        }
    }
}

/// Reported in punkpeye/mcp-remote#240, openai/codex#15643.
#[tokio::test]
async fn a_scope_that_is_unknown_there_is_left_out_once() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.unknown_scope = Some("strange"));
    let authorizer = world.authorizer();
    authorizer
        .renew(None, &asking_for("strange"))
        .await
        .unwrap();
    let asked = fields(&world.authority.at("/authorize"), "scope");
    assert_eq!(asked, [Some("strange".to_owned()), None]);

    // What the user fixed is not ours to leave out.
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.unknown_scope = Some("strange"));
    let authorizer = with(&world, |settings| {
        settings.scope = Some(mcpipe::auth::oauth::scope::Scopes::parse("strange"));
    });
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("invalid_scope"), "{error}");
    assert_eq!(world.authority.at("/authorize").len(), 1);
}

/// Reported in punkpeye/mcp-remote#240, openai/codex#15643.
#[tokio::test]
async fn scopes_are_the_challenges_then_the_resources_and_never_our_own() {
    for (challenge, resource, wanted) in [
        (Some("c"), json!(["r"]), Some("c")),
        (None, json!(["r", "s"]), Some("r s")),
        (None, json!([]), None),
        (None, json!(null), None),
    ] {
        let world = World::new().await;
        let document = json!({
            "resource": world.resource(),
            "authorization_servers": [world.authority.origin],
            "scopes_supported": resource,
        });
        world.mcp.serve(PRM, Reply::Json(document));
        let known = json!({ "scopes_supported": ["openid", "email", "profile"] });
        world
            .authority
            .configure(|options| options.metadata = known);
        let challenge = challenge.map_or_else(unauthorized, asking_for);
        world.authorizer().renew(None, &challenge).await.unwrap();
        let asked = fields(&world.authority.at("/authorize"), "scope");
        assert_eq!(asked, [wanted.map(str::to_owned)]);
    }
}

/// Reported in punkpeye/mcp-remote#240, openai/codex#15643.
#[tokio::test]
async fn stepping_up_asks_for_the_union_once_and_then_says_so() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let basic = authorizer.renew(None, &asking_for("read")).await.unwrap();
    let more = authorizer
        .renew(Some(&basic), &insufficient("write"))
        .await
        .unwrap();
    for _ in 0..5 {
        let error = authorizer
            .renew(Some(&more), &insufficient("write"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("wants more"), "{error}");
    }
    let asked = fields(&world.authority.at("/authorize"), "scope");
    let wanted = ["read", "read write"].map(|scope| Some(scope.to_owned()));
    assert_eq!(asked, wanted);
}

/// Entra's numbers and RFC 8707's code: no `resource` on any leg after that, and no second lesson.
/// Reported in punkpeye/mcp-remote#217.
#[tokio::test]
async fn a_resource_that_is_refused_is_left_out_on_every_leg_from_then_on() {
    for (code, text) in [
        ("invalid_target", "no such resource"),
        (
            "invalid_request",
            "AADSTS9010010: The resource parameter doesn't match",
        ),
        (
            "invalid_request",
            "AADSTS901002: The 'resource' request parameter is not supported",
        ),
    ] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.resource = None;
            options.refuses_resource = Some((code, text));
        });
        let authorizer = world.authorizer();
        world.signed_in(&authorizer).await;
        world.later(4000);
        authorizer.current().await.unwrap().unwrap();
        authorizer.login(&unauthorized()).await.unwrap();
        let resource = Some(world.resource());
        // The look beforehand at the later sign-in has none either.
        let pages = fields(&world.authority.at("/authorize"), "resource");
        assert_eq!(pages[0], resource, "{code}");
        assert!(
            pages.len() >= 3 && pages[1..].iter().all(Option::is_none),
            "{pages:?}"
        );
        let tokens = fields(&world.authority.at("/token"), "resource");
        assert_eq!(tokens, [None, None, None], "{code}");
        let kept = status(&world.vault).await.unwrap();
        assert!(kept[0].learned[0].contains("resource"), "{kept:?}");
    }
}

/// A tenant that becomes strict between two refreshes.
/// Reported in punkpeye/mcp-remote#217.
#[tokio::test]
async fn a_refresh_learns_too() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    authorizer.renew(None, &asking_for("read")).await.unwrap();
    world.authority.configure(|options| {
        options.resource = None;
        options.refuses_resource = Some(("invalid_target", "not any more"));
    });
    world.later(4000);
    authorizer.current().await.unwrap().unwrap();
    let number = r#"{"error":"invalid_request","error_description":"AADSTS90009: scope needed"}"#;
    world
        .authority
        .configure(|options| options.token_answers.push_back((400, number.to_owned())));
    world.later(4000);
    authorizer.current().await.unwrap().unwrap();
    world.later(4000);
    authorizer.current().await.unwrap().unwrap();

    let refreshes = world.authority.grants("refresh_token");
    let (resource, scope) = (Some(world.resource()), Some("read".to_owned()));
    assert_eq!(
        fields(&refreshes, "resource"),
        [resource, None, None, None, None]
    );
    assert_eq!(
        fields(&refreshes, "scope"),
        [None, None, None, scope.clone(), scope]
    );
    assert_eq!(world.windows(), 1);
}

/// Reported in punkpeye/mcp-remote#217.
#[tokio::test]
async fn a_resource_the_user_fixed_is_not_ours_to_leave_out() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.refuses_resource = Some(("invalid_target", "no")));
    let authorizer = with(&world, |settings| {
        settings.resource_parameter = Some("api://fixed".to_owned());
    });
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("invalid_target"), "{error}");
    let asked = fields(&world.authority.at("/authorize"), "resource");
    assert_eq!(asked, [Some("api://fixed".to_owned())]);
}

/// Reported in punkpeye/mcp-remote#192.
#[tokio::test]
async fn the_user_may_name_the_authority_though_the_server_names_another() {
    let world = World::new().await;
    world
        .mcp
        .protect(PRM, &world.resource(), &["https://production.example"]);
    let authorizer = with(&world, |settings| {
        settings.authorization_server = Some(world.authority.origin.clone());
    });
    world.signed_in(&authorizer).await;
}

/// Reported in danny-avila/LibreChat#13401.
#[tokio::test]
async fn each_leg_has_parameters_of_its_own() {
    let world = World::new().await;
    let pair = |leg: &str| vec![("audience".to_owned(), leg.to_owned())];
    let authorizer = with(&world, |settings| {
        settings.authorize_params = pair("page");
        settings.token_params = vec![("extra".to_owned(), "code".to_owned())];
        settings.refresh_params = vec![("more".to_owned(), "refresh".to_owned())];
    });
    world.signed_in(&authorizer).await;
    world.later(4000);
    authorizer.current().await.unwrap().unwrap();
    for (seen, wanted) in [
        (world.authority.at("/authorize"), [Some("page"), None, None]),
        (
            world.authority.grants("authorization_code"),
            [None, Some("code"), None],
        ),
        (
            world.authority.grants("refresh_token"),
            [None, None, Some("refresh")],
        ),
    ] {
        let found = ["audience", "extra", "more"].map(|name| seen[0].field(name));
        assert_eq!(found, wanted, "{}", seen[0].path);
    }
}

/// Reported in can1357/oh-my-pi#12438.
#[tokio::test]
async fn where_no_refresh_token_comes_the_user_is_told() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.gives_refresh = false);
    world.signed_in(&world.authorizer()).await;
    let kept = status(&world.vault).await.unwrap();
    assert!(!kept[0].is_renewable);

    let place = Protected::new().await;
    place
        .authority
        .configure(|options| options.gives_refresh = false);
    place.sign_in(&place.server.url(), "default", 10).await;
    let status = place.run(&["status"]).await.lines.join("\n");
    assert!(status.contains("cannot be renewed"), "{status}");
}

/// A header of the user's own: the server's refusal comes back as it is, and mcpipe looks for no other way in.
/// Reported in punkpeye/mcp-remote#110.
#[tokio::test]
async fn a_header_of_the_users_own_means_no_sign_in() {
    let server = Server::that(|_| {
        let words = r#"Bearer error="invalid_token", error_description="expired on Tuesday""#;
        remote::Reply::status(401).with("WWW-Authenticate", words)
    })
    .await;
    let mut host = Process::start_with(
        &[&server.url(), "--header", "Authorization: Bearer ${TOKEN}"],
        &[("TOKEN", "t0ken-canary"), ("BROWSER", "/nowhere/at/all")],
    );
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    let error = &answer["error"];
    assert_eq!(error["data"]["status"], 401, "{answer}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("Authorization header"), "{answer}");
    assert!(message.contains("expired on Tuesday"), "{answer}");
    let left = host.closed().await;
    assert!(!left.stderr.contains("Please authorize"), "{}", left.stderr);
    assert!(!format!("{answer} {}", left.stderr).contains("canary"));
    assert!(server.all().iter().all(|ask| ask.path == "/mcp"));
}

#[tokio::test]
async fn status_says_what_was_asked_and_what_is_held_beyond_it() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.granted = Some("read admin offline_access".to_owned()));
    let authorizer = world.authorizer();
    authorizer.renew(None, &asking_for("read")).await.unwrap();
    let kept = status(&world.vault).await.unwrap();
    assert_eq!(kept[0].surplus().unwrap().to_string(), "admin");
    assert_eq!(kept[0].scope_wanted.as_ref().unwrap().to_string(), "read");

    let place = Protected::new().await;
    place
        .authority
        .configure(|options| options.granted = Some("read admin".to_owned()));
    place.sign_in(&place.server.url(), "default", 10).await;
    let status = place.run(&["status", "--json"]).await.lines.join("\n");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["entries"][0]["scope_granted"], "read admin");
    // It named none at all, so nothing is beyond what it asked.
    assert_eq!(status["entries"][0]["scope_surplus"], Value::Null);
}

#[tokio::test]
async fn an_id_token_is_shown_where_the_user_says_so_and_ends_when_it_says() {
    use base64::Engine as _;
    let world = World::new().await;
    let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(r#"{"iat":100,"exp":700}"#);
    let id_token = format!("e30.{claims}.c2ln");
    let answer = json!({ "access_token": "opaque", "expires_in": 60, "id_token": id_token });
    world
        .authority
        .configure(|options| options.token_answers.push_back((200, answer.to_string())));
    let authorizer = with(&world, |settings| settings.use_id_token = true);
    let credential = world.signed_in(&authorizer).await;
    assert_eq!(world.shows(&credential), id_token);
    let kept = status(&world.vault).await.unwrap();
    assert_eq!(kept[0].expires_at, Some(1_800_000_600));
}

/// What a person reads.
#[tokio::test]
async fn status_shows_asked_granted_surplus_and_learned() {
    let place = Protected::new().await;
    place.authority.configure(|options| {
        options.granted = Some("read admin".to_owned());
        options.refuses_resource = Some(("invalid_target", "no"));
    });
    let document = json!({
        "resource": place.server.url(),
        "authorization_servers": [place.authority.origin],
        "scopes_supported": ["read", "write"],
    });
    place
        .authority
        .serve(super::protected_server::PLACE, Reply::Json(document));
    place.sign_in(&place.server.url(), "default", 10).await;
    let text = place.run(&["status"]).await.lines.join("\n");
    for line in [
        "  scopes    read admin",
        "  asked     read write (more than was granted)",
        "  surplus   admin (held, though the server never asked for it",
        "  learned   refuses the resource parameter",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
