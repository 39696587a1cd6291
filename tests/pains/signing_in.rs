//! The sign-in itself: pains 14 to 27.

use mcpipe::auth::kept::status;
use mcpipe::auth::registration::Method;
use mcpipe::secret::Secret;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{Protected, fields, with};
use crate::login::{PRM, World, asking_for, insufficient, unauthorized};
use crate::support::authority::{Registered, Reply};
use crate::support::browser;
use crate::support::host::{INITIALIZE, Process, json};
use crate::support::remote::{self, Server};

#[tokio::test]
async fn pain_14_the_listener_listens_before_a_page_is_shown() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let challenge = unauthorized();
    let person = async {
        let url = world.shown.recv().await.unwrap();
        let back = url.query_pairs().find(|(name, _)| name == "redirect_uri");
        let back = url::Url::parse(&back.unwrap().1).unwrap();
        let address = (back.host_str().unwrap().to_owned(), back.port().unwrap());
        TcpStream::connect(address).await.unwrap();
        browser::follow(&url).await
    };
    let (answer, page) = tokio::join!(authorizer.renew(None, &challenge), person);
    answer.unwrap();
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn pain_15_the_redirect_uri_is_one_string_everywhere() {
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

/// What the error says to do is done, and works.
#[tokio::test]
async fn pain_18_where_nobody_may_register_the_words_lead_to_a_sign_in() {
    let world = World::new().await;
    world
        .authority
        .turn(|knobs| knobs.metadata = json!({ "registration_endpoint": null }));
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("takes no registrations"),
        "{error}"
    );
    assert_eq!(world.windows(), 0);
    assert!(
        world.authority.at("/authorize").is_empty(),
        "no empty client id"
    );
    let hint = error.hint().unwrap();
    let after = |word: &str| {
        let (_, rest) = hint.split_once(word).unwrap();
        rest.split([' ', '`']).next().unwrap().to_owned()
    };
    let (redirect_uri, port) = (after("redirect URI "), after("--callback-port "));
    assert!(
        hint.contains(&format!("mcpipe login {}", world.resource())),
        "{hint}"
    );

    world.authority.add_client(
        "by-hand",
        Registered {
            redirect_uris: vec![redirect_uri],
            secret: Some("hush".to_owned()),
            method: "client_secret_basic".to_owned(),
        },
    );
    let authorizer = with(&world, |settings| {
        settings.client_id = Some("by-hand".to_owned());
        settings.client_secret = Some(Secret::new("hush"));
        settings.callback_port = Some(port.parse().unwrap());
    });
    world.signed_in(&authorizer).await;
}

/// The same from the command, with a refusal that is no JSON.
#[tokio::test]
async fn pain_19_a_refused_registration_is_told_verbatim_with_its_endpoint() {
    let place = Protected::new().await;
    let long = format!("Forbidden: only known clients {}", "x".repeat(600));
    place
        .authority
        .turn(|knobs| knobs.register_answers.push_back((403, long.clone())));
    let left = place
        .run(&["login", &place.server.url(), "--no-browser"])
        .await;
    assert_eq!(left.status.code(), Some(3), "{}", left.stderr);
    let said = left.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let endpoint = format!("{}/register", place.authority.origin);
    for words in [
        "Forbidden: only known clients x",
        &endpoint,
        "HTTP 403",
        "/oauth/callback",
        "mcpipe login",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains(&"x".repeat(500)), "cut at 500 characters");
}

#[tokio::test]
async fn pain_19_a_registration_endpoint_that_wants_a_token_gets_it_and_a_name() {
    let world = World::new().await;
    let authorizer = with(&world, |settings| {
        settings.registration_token = Some(Secret::new("initial-canary"));
        settings.client_name = "Known Client".to_owned();
        settings.client_metadata =
            json!({"software_id": "x", "redirect_uris": ["https://evil.example"]})
                .as_object()
                .unwrap()
                .clone();
    });
    world.signed_in(&authorizer).await;
    let seen = &world.authority.at("/register")[0];
    assert_eq!(seen.headers["authorization"], "Bearer initial-canary");
    let asked = json(&seen.body);
    assert_eq!(asked["client_name"], "Known Client");
    assert_eq!(asked["software_id"], "x");
    assert_eq!(asked["redirect_uris"].as_array().unwrap().len(), 1);
    assert!(
        asked["redirect_uris"][0]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1")
    );
    for elsewhere in world.authority.seen().iter().chain(&world.mcp.seen()) {
        let is_it = format!("{elsewhere:?}").contains("initial-canary");
        assert_eq!(is_it, elsewhere.path == "/register", "{}", elsewhere.path);
    }
}

#[tokio::test]
async fn pain_20_a_secret_that_is_not_taken_one_way_is_shown_the_other_way_once() {
    for (registered, taken) in [
        ("client_secret_basic", "client_secret_post"),
        ("client_secret_post", "client_secret_basic"),
    ] {
        let world = World::new().await;
        world.authority.turn(|knobs| {
            knobs.registration = json!({
                "client_secret": "hush", "token_endpoint_auth_method": registered,
            });
            knobs.takes = Some(taken);
        });
        let authorizer = world.authorizer();
        world.signed_in(&authorizer).await;
        assert_eq!(world.authority.at("/token").len(), 2);
        assert_eq!(world.authority.at("/register").len(), 1);
        assert_eq!(world.windows(), 1);

        // Remembered: when renewing, and by the next sign-in.
        world.later(4000);
        authorizer.current().await.unwrap().unwrap();
        assert_eq!(world.authority.at("/token").len(), 3);
        authorizer.login(&unauthorized()).await.unwrap();
        assert_eq!(world.authority.at("/token").len(), 4);
        let kept = status(&world.vault).await.unwrap();
        assert!(kept[0].learned[0].contains(taken), "{kept:?}");
    }
}

#[tokio::test]
async fn pain_20_a_secret_nobody_asked_for_is_used() {
    let world = World::new().await;
    world.authority.turn(|knobs| {
        knobs.metadata =
            json!({ "token_endpoint_auth_methods_supported": ["none", "client_secret_post"] });
        knobs.registration = json!({ "client_secret": "hush" });
        knobs.takes = Some("client_secret_post");
    });
    world.signed_in(&world.authorizer()).await;
    assert_eq!(world.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn pain_20_a_client_of_the_users_own_may_say_its_method() {
    let world = World::new().await;
    world.authority.add_client(
        "given",
        Registered {
            redirect_uris: Vec::new(),
            secret: Some("hush".to_owned()),
            method: "client_secret_post".to_owned(),
        },
    );
    let authorizer = with(&world, |settings| {
        settings.client_id = Some("given".to_owned());
        settings.client_secret = Some(Secret::new("hush"));
        settings.client_method = Some(Method::Post);
    });
    world.signed_in(&authorizer).await;
    assert_eq!(world.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn pain_21_a_scope_that_is_unknown_there_is_left_out_once() {
    let world = World::new().await;
    world
        .authority
        .turn(|knobs| knobs.unknown_scope = Some("strange"));
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
        .turn(|knobs| knobs.unknown_scope = Some("strange"));
    let authorizer = with(&world, |settings| {
        settings.scope = Some(mcpipe::auth::scope::Scopes::parse("strange"));
    });
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("invalid_scope"), "{error}");
    assert_eq!(world.authority.at("/authorize").len(), 1);
}

#[tokio::test]
async fn pain_21_scopes_are_the_challenges_then_the_resources_and_never_our_own() {
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
        world.authority.turn(|knobs| knobs.metadata = known);
        let challenge = challenge.map_or_else(unauthorized, asking_for);
        world.authorizer().renew(None, &challenge).await.unwrap();
        let asked = fields(&world.authority.at("/authorize"), "scope");
        assert_eq!(asked, [wanted.map(str::to_owned)]);
    }
}

#[tokio::test]
async fn pain_22_stepping_up_asks_for_the_union_once_and_then_says_so() {
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
#[tokio::test]
async fn pain_23_a_resource_that_is_refused_is_left_out_on_every_leg_from_then_on() {
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
        world.authority.turn(|knobs| {
            knobs.resource = None;
            knobs.refuses_resource = Some((code, text));
        });
        let authorizer = world.authorizer();
        world.signed_in(&authorizer).await;
        world.later(4000);
        authorizer.current().await.unwrap().unwrap();
        authorizer.login(&unauthorized()).await.unwrap();
        let resource = Some(world.resource());
        // The look beforehand at the later sign-in has none either.
        let pages = fields(&world.authority.at("/authorize"), "resource");
        assert_eq!(pages, [resource, None, None, None], "{code}");
        let tokens = fields(&world.authority.at("/token"), "resource");
        assert_eq!(tokens, [None, None, None], "{code}");
        let kept = status(&world.vault).await.unwrap();
        assert!(kept[0].learned[0].contains("resource"), "{kept:?}");
    }
}

/// A tenant that becomes strict between two refreshes.
#[tokio::test]
async fn pain_23_a_refresh_learns_too() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    authorizer.renew(None, &asking_for("read")).await.unwrap();
    world.authority.turn(|knobs| {
        knobs.resource = None;
        knobs.refuses_resource = Some(("invalid_target", "not any more"));
    });
    world.later(4000);
    authorizer.current().await.unwrap().unwrap();
    let number = r#"{"error":"invalid_request","error_description":"AADSTS90009: scope needed"}"#;
    world
        .authority
        .turn(|knobs| knobs.token_answers.push_back((400, number.to_owned())));
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

#[tokio::test]
async fn pain_23_a_resource_the_user_fixed_is_not_ours_to_leave_out() {
    let world = World::new().await;
    world
        .authority
        .turn(|knobs| knobs.refuses_resource = Some(("invalid_target", "no")));
    let authorizer = with(&world, |settings| {
        settings.resource_parameter = Some("api://fixed".to_owned());
    });
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("invalid_target"), "{error}");
    let asked = fields(&world.authority.at("/authorize"), "resource");
    assert_eq!(asked, [Some("api://fixed".to_owned())]);
}

#[tokio::test]
async fn pain_24_the_user_may_name_the_authority_though_the_server_names_another() {
    let world = World::new().await;
    world
        .mcp
        .protect(PRM, &world.resource(), &["https://production.example"]);
    let authorizer = with(&world, |settings| {
        settings.authorization_server = Some(world.authority.origin.clone());
    });
    world.signed_in(&authorizer).await;
}

#[tokio::test]
async fn pain_25_each_leg_has_parameters_of_its_own() {
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

#[tokio::test]
async fn pain_26_where_no_refresh_token_comes_the_user_is_told() {
    let world = World::new().await;
    world.authority.turn(|knobs| knobs.gives_refresh = false);
    world.signed_in(&world.authorizer()).await;
    let kept = status(&world.vault).await.unwrap();
    assert!(!kept[0].is_renewable);

    let place = Protected::new().await;
    place.authority.turn(|knobs| knobs.gives_refresh = false);
    place.sign_in(&place.server.url(), "default", 10).await;
    let status = place.run(&["status"]).await.lines.join("\n");
    assert!(status.contains("cannot be renewed"), "{status}");
}

/// A header of the user's own: the server's refusal comes back as it is, and nobody looks for another way in.
#[tokio::test]
async fn pain_27_a_header_of_the_users_own_means_no_sign_in() {
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

/// SEP-2352 and G-02: what was brought for one issuer does not go to another the server names later.
#[tokio::test]
async fn a_client_of_the_users_own_stays_with_its_issuer() {
    let world = World::new().await;
    let given = || Registered {
        redirect_uris: Vec::new(),
        secret: Some("hush-canary".to_owned()),
        method: "client_secret_basic".to_owned(),
    };
    world.authority.add_client("given", given());
    let bring = |settings: &mut mcpipe::auth::Settings| {
        settings.client_id = Some("given".to_owned());
        settings.client_secret = Some(Secret::new("hush-canary"));
    };
    let authorizer = with(&world, bring);
    let first = world.signed_in(&authorizer).await;
    let other = crate::support::authority::Authority::start().await;
    other.add_client("given", given());
    world.mcp.protect(PRM, &world.resource(), &[&other.origin]);
    world.authority.revoke_all();

    let error = authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("names another sign-in service"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("--authorization-server"));
    assert!(other.at("/authorize").is_empty() && other.at("/token").is_empty());
    assert_eq!(world.windows(), 1);

    // Unless the user says so.
    let authorizer = with(&world, |settings| {
        bring(settings);
        settings.authorization_server = Some(other.origin.clone());
    });
    authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap();
    assert_eq!(other.at("/token").len(), 1);
}

#[tokio::test]
async fn status_says_what_was_asked_and_what_is_held_beyond_it() {
    let world = World::new().await;
    world
        .authority
        .turn(|knobs| knobs.granted = Some("read admin offline_access".to_owned()));
    let authorizer = world.authorizer();
    authorizer.renew(None, &asking_for("read")).await.unwrap();
    let kept = status(&world.vault).await.unwrap();
    assert_eq!(kept[0].surplus().unwrap().to_string(), "admin");
    assert_eq!(kept[0].scope_wanted.as_ref().unwrap().to_string(), "read");

    let place = Protected::new().await;
    place
        .authority
        .turn(|knobs| knobs.granted = Some("read admin".to_owned()));
    place.sign_in(&place.server.url(), "default", 10).await;
    let status = place.run(&["status", "--json"]).await.lines.join("\n");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["entries"][0]["scope_granted"], "read admin");
    // It named none at all, so nothing is beyond what it asked.
    assert_eq!(status["entries"][0]["scope_surplus"], Value::Null);
}
