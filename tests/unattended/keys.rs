//! Clients that are proved by a key (RFC 7523).

use mcpipe::auth::client::{Audience, ClientKey};
use mcpipe::auth::flow::accounts::{Revocation, logout, status};
use mcpipe::auth::grant::GrantConfig;
use mcpipe::auth::oauth::jws::Key;
use mcpipe::auth::{Cause, Dpop, Settings};
use mcpipe::header_secrets;
use serde_json::{Value, json};

use crate::login::{World, kept_text, unauthorized};
use crate::support::authority::Seen;
use crate::support::authority::grants::part;

/// A world whose authority knows a robot by its key.
async fn world() -> (World, Key) {
    let world = World::new().await;
    let key = Key::generate().unwrap();
    world.authority.add_signing_client("robot", &key);
    world.authority.configure(|options| {
        options.metadata = json!({
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
        });
    });
    (world, key)
}

fn with(key: &Key, mut settings: Settings) -> Settings {
    settings.client_id = Some("robot".to_owned());
    settings.client_key = Some(ClientKey::new(key.clone(), None, Audience::Issuer).unwrap());
    settings
}

fn claims(seen: &Seen) -> Value {
    part(seen.field("client_assertion").unwrap(), 1)
}

#[tokio::test]
async fn an_assertion_names_the_issuer_as_its_only_audience() {
    let (world, key) = world().await;
    let mut settings = with(&key, world.settings());
    settings.grant = GrantConfig::ClientCredentials;
    let authorizer = world.authorizer_with(settings);
    authorizer.renew(None, &unauthorized()).await.unwrap();
    let form = &world.authority.grants("client_credentials")[0];
    let claims = claims(form);
    assert_eq!(claims["aud"], world.authority.origin.as_str());
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!("robot"), &json!("robot"))
    );
    // Everything else the authority has checked; a second one has to be a new one.
    world.later(4000);
    authorizer.current().await.unwrap().unwrap();
    assert_eq!(world.authority.grants("client_credentials").len(), 2);

    let kept = format!("{:?}", kept_text(&world).await);
    assert!(!kept.contains(key.text().expose().lines().nth(1).unwrap()));
    assert!(!kept.contains(form.field("client_assertion").unwrap()));
}

#[tokio::test]
async fn the_audience_is_what_the_user_says() {
    let (world, key) = world().await;
    let mut settings = with(&key, world.settings());
    settings.grant = GrantConfig::ClientCredentials;
    settings.client_key = Some(ClientKey::new(key, None, Audience::TokenEndpoint).unwrap());
    let authorizer = world.authorizer_with(settings);
    // This authority wants its issuer there.
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("invalid_client"), "{error}");
    let aud = &claims(&world.authority.at("/token")[0])["aud"];
    assert_eq!(*aud, format!("{}/token", world.authority.origin));
}

/// An assertion for one server that another got could be shown there by that one.
#[tokio::test]
async fn an_assertion_for_a_fixed_audience_goes_to_that_one_or_where_the_user_says() {
    let (world, key) = world().await;
    let origin = world.authority.origin.clone();
    for (audience, says_where, is_sent) in [
        ("https://as.example.com/tenant", false, false),
        ("https://as.example.com/tenant", true, true),
        (&*format!("{origin}/oauth2"), false, true),
    ] {
        let before = world.authority.at("/token").len();
        let mut settings = with(&key, world.settings());
        settings.grant = GrantConfig::ClientCredentials;
        let fixed = Audience::Fixed(audience.to_owned());
        settings.client_key = Some(ClientKey::new(key.clone(), None, fixed).unwrap());
        settings.authorization_server = says_where.then(|| origin.clone());
        let authorizer = world.authorizer_with(settings);
        // This authority takes nothing but its issuer.
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        let sent = world.authority.at("/token").len() - before;
        assert_eq!(sent, usize::from(is_sent), "{audience}: {error}");
        if !is_sent {
            let hint = error.hint().unwrap();
            assert!(hint.contains("--authorization-server"), "{error}: {hint}");
        }
    }
}

/// A person's sign-in under such a client: the code, the refresh and the revocation.
#[tokio::test]
async fn a_key_proves_its_client_wherever_it_is_proved() {
    let (world, key) = world().await;
    world.authority.configure(|options| options.rotates = false);
    let settings = with(&key, world.attended());
    let authorizer = world.authorizer_with(settings.clone());
    world.signed_in(&authorizer).await;
    world.later(4000);
    authorizer.current().await.unwrap().unwrap();
    let http = world.http(&settings);
    let mut told = world.settings();
    told.client_key = settings.client_key;
    let out = logout(&told, &world.vault, &http).await.unwrap();
    assert!(matches!(out[0].refresh, Revocation::Done), "{out:?}");
    for grant in ["authorization_code", "refresh_token"] {
        let forms = world.authority.grants(grant);
        assert_eq!(
            (forms.len(), claims(&forms[0])["sub"].as_str()),
            (1, Some("robot"))
        );
    }
    assert_eq!(world.authority.at("/revoke").len(), 2);
}

#[tokio::test]
async fn a_key_that_is_no_longer_given_is_asked_for_by_its_flag() {
    let (world, key) = world().await;
    let authorizer = world.authorizer_with(with(&key, world.attended()));
    let held = world.signed_in(&authorizer).await;
    world.later(4000);
    let mut without = with(&key, world.attended());
    without.client_key = None;
    let authorizer = world.authorizer_with(without);
    let error = authorizer.renew(Some(&held), &unauthorized()).await;
    let error = error.unwrap_err();
    assert!(error.hint().unwrap().contains("--client-key"), "{error}");
    assert!(world.authority.grants("refresh_token").is_empty());
    assert_eq!(world.windows(), 1);
}

#[tokio::test]
async fn a_key_in_the_vault_signs_for_its_server_only() {
    let (world, key) = world().await;
    let settings = |world: &World| {
        let mut settings = world.settings();
        settings.grant = GrantConfig::ClientCredentials;
        settings.client_id = Some("robot".to_owned());
        let key = ClientKey::in_vault("robot.key".to_owned(), None, Audience::Issuer);
        settings.client_key = Some(key);
        settings
    };
    let origin = Some(world.mcp.origin.clone());
    let now = std::time::SystemTime::UNIX_EPOCH;
    header_secrets::put(&world.vault, "robot.key", key.text(), origin, now)
        .await
        .unwrap();
    let authorizer = world.authorizer_with(settings(&world));
    authorizer.renew(None, &unauthorized()).await.unwrap();

    let elsewhere = World::new().await;
    let authorizer = elsewhere.authorizer_over(settings(&elsewhere), world.vault.clone());
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::ClientKey(_)), "{error}");
    assert!(elsewhere.authority.at("/token").is_empty());
}

#[tokio::test]
async fn a_server_that_takes_no_signature_of_ours_is_told_apart() {
    let (world, key) = world().await;
    world.authority.configure(|options| {
        options.metadata = json!({ "token_endpoint_auth_signing_alg_values_supported": ["RS256"] });
    });
    let mut settings = with(&key, world.settings());
    settings.grant = GrantConfig::ClientCredentials;
    let authorizer = world.authorizer_with(settings);
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("RS256"), "{error}");
    assert!(world.authority.at("/token").is_empty());
}

/// A proof that is made again goes with an assertion that is made again: both are good for one time.
#[tokio::test]
async fn a_machines_tokens_are_bound_where_that_is_wanted() {
    let (world, key) = world().await;
    world.authority.configure(|options| {
        options.offers_dpop = true;
        options.gives_refresh = false;
    });
    world.authority.verifier(|it| it.wants_nonce = true);
    let mut settings = with(&key, world.settings());
    settings.grant = GrantConfig::ClientCredentials;
    settings.dpop = Dpop::Require;
    let authorizer = world.authorizer_with(settings);
    authorizer.renew(None, &unauthorized()).await.unwrap();
    let forms = world.authority.grants("client_credentials");
    assert_eq!(forms.len(), 2, "once without a nonce");
    assert_ne!(claims(&forms[0])["jti"], claims(&forms[1])["jti"]);

    world.later(4000);
    authorizer.current().await.unwrap().unwrap();
    let proofs = world.authority.verifier(|it| it.proofs.clone());
    assert_eq!(proofs.len(), 2);
    assert_eq!(proofs[0].key, proofs[1].key);
    assert_eq!(world.authority.access_tokens().len(), 2);
    let kept = status(&world.vault).await.unwrap();
    assert_eq!(kept.len(), 1);
}
