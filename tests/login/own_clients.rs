//! Clients at the authorization server: without registration, refused, with a secret of the user; and that what is theirs
//! stays with their issuer.

use mcpipe::auth::client::Method;
use mcpipe::auth::flow::accounts::status;
use mcpipe::secret::Secret;
use serde_json::json;

use super::protected_server::{Protected, with};
use super::{PRM, World, unauthorized};
use crate::support::authority::Registered;
use crate::support::host::json;

/// What the error says to do is done, and works.
/// Reported in github/github-mcp-server#2532.
#[tokio::test]
async fn where_nobody_may_register_the_words_lead_to_a_sign_in() {
    // Between the words and the deed another test may take the port they name.
    for _ in 0..5 {
        if leads_to_a_sign_in().await {
            return;
        }
    }
    panic!("the port that was named was taken five times");
}

async fn leads_to_a_sign_in() -> bool {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.metadata = json!({ "registration_endpoint": null }));
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
    match authorizer.renew(None, &unauthorized()).await {
        Ok(_) => true,
        Err(error) => {
            assert!(error.to_string().contains("cannot listen"), "{error}");
            false
        }
    }
}

/// The same from the command, with a refusal that is no JSON.
/// Reported in punkpeye/mcp-remote#186.
#[tokio::test]
async fn a_refused_registration_is_told_verbatim_with_its_endpoint() {
    let place = Protected::new().await;
    let long = format!("Forbidden: only known clients {}", "x".repeat(600));
    place
        .authority
        .configure(|options| options.register_answers.push_back((403, long.clone())));
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

/// Reported in punkpeye/mcp-remote#186.
#[tokio::test]
async fn a_registration_endpoint_that_wants_a_token_gets_it_and_a_name() {
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

/// Reported in punkpeye/mcp-remote#184.
#[tokio::test]
async fn a_secret_that_is_not_taken_one_way_is_shown_the_other_way_once() {
    for (registered, taken) in [
        ("client_secret_basic", "client_secret_post"),
        ("client_secret_post", "client_secret_basic"),
    ] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.registration = json!({
                "client_secret": "hush", "token_endpoint_auth_method": registered,
            });
            options.takes = Some(taken);
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

/// Reported in punkpeye/mcp-remote#184.
#[tokio::test]
async fn a_secret_nobody_asked_for_is_used() {
    let world = World::new().await;
    world.authority.configure(|options| {
        options.metadata =
            json!({ "token_endpoint_auth_methods_supported": ["none", "client_secret_post"] });
        options.registration = json!({ "client_secret": "hush" });
        options.takes = Some("client_secret_post");
    });
    world.signed_in(&world.authorizer()).await;
    assert_eq!(world.authority.at("/token").len(), 1);
}

/// Reported in punkpeye/mcp-remote#184.
#[tokio::test]
async fn a_client_of_the_users_own_may_say_its_method() {
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

/// SEP-2352: what was brought for one issuer does not go to another the server names later.
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

/// The same for a token that a registration endpoint wants to see.
#[tokio::test]
async fn a_registration_token_stays_with_its_issuer() {
    let world = World::new().await;
    let authorizer = with(&world, |settings| {
        settings.registration_token = Some(Secret::new("initial-canary"));
    });
    let first = world.signed_in(&authorizer).await;
    let other = crate::support::authority::Authority::start().await;
    world.mcp.protect(PRM, &world.resource(), &[&other.origin]);
    world.authority.revoke_all();
    let error = authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("belongs to"), "{error}");
    assert!(other.at("/register").is_empty());
}

/// Who we are at an issuer goes with the last sign-in there, and not before.
#[tokio::test]
async fn logout_forgets_the_registration_with_the_last_sign_in() {
    let place = Protected::new().await;
    let url = place.server.url();
    place.sign_in(&url, "work", 10).await;
    place.sign_in(&url, "home", 10).await;
    let registrations = || async {
        let kept = super::protected_server::vault_in(place.home.path())
            .list()
            .await
            .unwrap();
        kept.into_iter()
            .filter(|(_, kind)| *kind == mcpipe::store::EntryKind::ClientRegistration)
            .count()
    };
    assert_eq!(registrations().await, 1);
    place.run(&["logout", &url, "--account", "work"]).await;
    assert_eq!(registrations().await, 1);
    place.run(&["logout", &url, "--account", "home"]).await;
    assert_eq!(registrations().await, 0);
}
