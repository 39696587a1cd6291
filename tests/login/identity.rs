//! Who we are to the authorization server: brought along, a document, registered; and how that is proved.

use serde_json::json;

use super::{World, unauthorized};
use crate::support::authority::Registered;
use crate::support::browser;
use mcpipe::secret::Secret;

#[tokio::test]
async fn the_registered_method_is_used_and_only_that() {
    let secret = "s:e%c+r é t";
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.metadata = json!({"token_endpoint_auth_methods_supported": [method]});
            if method != "none" {
                options.registration = json!({ "client_secret": secret });
            }
        });
        let authorizer = world.authorizer();
        world.signed_in(&authorizer).await;
        world.later(4000);
        authorizer.current().await.unwrap().unwrap();
        assert_eq!(world.authority.grants("refresh_token").len(), 1, "{method}");
        let asked: serde_json::Value =
            serde_json::from_str(&world.authority.at("/register")[0].body).unwrap();
        assert_eq!(asked["token_endpoint_auth_method"], method);
    }
}

#[tokio::test]
async fn a_client_of_the_users_own_is_not_registered() {
    let world = World::new().await;
    world.authority.configure(|options| {
        options.metadata = json!({
            "registration_endpoint": null,
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        });
    });
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let client = Registered {
        redirect_uris: vec![format!("http://127.0.0.1:{port}/oauth/callback")],
        secret: Some("hush".to_owned()),
        method: "client_secret_basic".to_owned(),
    };
    world.authority.add_client("given", client);
    let mut settings = world.attended();
    settings.client_id = Some("given".to_owned());
    settings.client_secret = Some(Secret::new("hush"));
    settings.callback_port = Some(port);
    world.signed_in(&world.authorizer_with(settings)).await;
    assert!(world.authority.at("/register").is_empty());
}

#[tokio::test]
async fn a_document_is_preferred_where_it_is_taken() {
    let address = "https://c.example/client-metadata.json";
    for takes in [true, false] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.metadata = json!({"client_id_metadata_document_supported": takes});
        });
        let mut settings = world.watched();
        settings.client_metadata_url = Some(address.to_owned());
        settings.auth_timeout = std::time::Duration::from_millis(500);
        let mut world = world;
        let authorizer = world.authorizer_with(settings);
        let challenge = unauthorized();
        let person = async {
            let start = browser::visit(&world.shown.recv().await.unwrap()).await;
            url::Url::parse(start.header("location").unwrap()).unwrap()
        };
        let (answer, url) = tokio::join!(authorizer.renew(None, &challenge), person);
        answer.unwrap_err();
        let id = url
            .query_pairs()
            .find(|(name, _)| name == "client_id")
            .unwrap()
            .1
            .into_owned();
        assert_eq!(id == address, takes);
        assert_eq!(world.authority.at("/register").is_empty(), takes);
    }
}

#[tokio::test]
async fn where_nobody_may_register_the_user_learns_what_to_do() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.metadata = json!({"registration_endpoint": null}));
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err()
        .to_bridge_error();
    let hint = error.hint.unwrap();
    assert!(
        hint.contains("redirect URI http://127.0.0.1:") && hint.contains("--client-id"),
        "{hint}"
    );
    assert_eq!(world.windows(), 0);
}

#[tokio::test]
async fn a_refused_registration_is_told_in_the_servers_words_made_safe() {
    let world = World::new().await;
    world.authority.configure(|options| {
        let words = "Forbidden\u{1b}[31m \u{202e}by policy".to_owned();
        options.register_answers.push_back((403, words));
    });
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("HTTP 403"), "{error}");
    assert!(
        error.to_string().contains("Forbidden [31m by policy"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("redirect URI"));
}

#[tokio::test]
async fn a_server_that_wants_localhost_gets_localhost() {
    let world = World::new().await;
    world.authority.configure(|options| {
        let refusal = r#"{"error":"invalid_redirect_uri"}"#.to_owned();
        options.register_answers.push_back((400, refusal));
    });
    world.signed_in(&world.authorizer()).await;
    let asked = &world.authority.at("/authorize")[0];
    assert!(
        asked
            .field("redirect_uri")
            .unwrap()
            .starts_with("http://localhost:")
    );
}

#[tokio::test]
async fn a_registration_is_used_again_with_the_same_redirect_uri() {
    let world = World::new().await;
    world.authorizer().login(&unauthorized()).await.unwrap();
    world.authorizer().login(&unauthorized()).await.unwrap();
    let asked = world.authority.at("/authorize");
    assert_eq!(world.authority.at("/register").len(), 1);
    assert_eq!(
        asked[0].field("redirect_uri"),
        asked[1].field("redirect_uri")
    );
    assert_ne!(asked[0].field("state"), asked[1].field("state"));
    assert_ne!(
        asked[0].field("code_challenge"),
        asked[1].field("code_challenge")
    );

    // Another program has the port now: another redirect URI, so another registration.
    let taken = url::Url::parse(asked[0].field("redirect_uri").unwrap()).unwrap();
    let _taken = tokio::net::TcpListener::bind(("127.0.0.1", taken.port().unwrap()))
        .await
        .unwrap();
    world.authorizer().login(&unauthorized()).await.unwrap();
    assert_eq!(world.authority.at("/register").len(), 2);
}

#[tokio::test]
async fn a_registration_whose_secret_has_ended_is_made_anew() {
    let world = World::new().await;
    world.authority.configure(|options| {
        options.registration = json!({
            "client_secret": "hush",
            "token_endpoint_auth_method": "client_secret_post",
            "client_secret_expires_at": 1_800_000_100,
        });
    });
    world.authorizer().login(&unauthorized()).await.unwrap();
    world.later(200);
    world.authorizer().login(&unauthorized()).await.unwrap();
    assert_eq!(world.authority.at("/register").len(), 2);
}

/// The server lost its clients (punkpeye/mcp-remote#36); `rm -rf` used to be the remedy.
#[tokio::test]
async fn a_client_the_server_forgot_is_registered_again_unseen() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    world.authority.forget_clients();
    world.later(4000);
    assert!(
        authorizer.current().await.unwrap().is_none(),
        "the refresh was refused, nothing else happened"
    );
    assert_eq!(world.windows(), 1);

    authorizer.renew(None, &unauthorized()).await.unwrap();
    assert_eq!(world.authority.at("/register").len(), 2);
    assert_eq!(world.windows(), 2);
    let kept = mcpipe::auth::flow::accounts::status(&world.vault)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1, "the entry under the lost client is gone");
}

#[tokio::test]
async fn a_client_that_is_lost_between_page_and_token_is_registered_again_once() {
    let world = World::new().await;
    let lost = r#"{"error":"invalid_client"}"#.to_owned();
    world
        .authority
        .configure(|options| options.token_answers.push_back((401, lost.clone())));
    world.signed_in(&world.authorizer()).await;
    assert_eq!(world.authority.at("/register").len(), 2);

    let world = World::new().await;
    world.authority.configure(|options| {
        options
            .token_answers
            .extend([(401, lost.clone()), (401, lost.clone()), (401, lost)]);
    });
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("invalid_client"), "{error}");
    assert_eq!(world.authority.at("/register").len(), 2);
}
