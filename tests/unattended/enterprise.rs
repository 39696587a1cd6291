//! Enterprise-managed authorization: an ID token, a grant for the server, a token (RFC 8693, RFC 7523).

use mcpipe::auth::flow::accounts::{Status, status};
use mcpipe::auth::grant::GrantConfig;
use mcpipe::auth::grant::Provider;
use mcpipe::auth::{Authorizer, Settings};
use mcpipe::secret::Secret;
use serde_json::json;

use super::SECRET;
use crate::login::{World, asking_for, kept_text, unauthorized};
use crate::support::authority::Authority;
use crate::support::authority::grants::{JWT_BEARER, TOKEN_EXCHANGE, token};

/// An enterprise's provider, and servers that take its word.
struct Enterprise {
    provider: Authority,
}

impl Enterprise {
    async fn start() -> Self {
        let provider = Authority::start().await;
        provider.welcome_anywhere("desk");
        provider.turn_grants(|grants| grants.gives_id_tokens = true);
        let metadata = json!({ "scopes_supported": ["openid", "offline_access"] });
        provider.configure(|options| options.metadata = metadata);
        provider.serve_metadata_at("/.well-known/openid-configuration");
        Self { provider }
    }

    /// A server, in a world where people sign in at once when they are asked to.
    async fn world(&self) -> World {
        let world = super::world().await;
        let provider = self.provider.clone();
        world
            .authority
            .turn_grants(|grants| grants.provider = Some(provider));
        world
    }

    fn settings(&self, world: &World) -> Settings {
        let mut settings = world.attended();
        settings.client_id = Some("robot".to_owned());
        settings.client_secret = Some(Secret::new(SECRET));
        settings.grant = GrantConfig::Enterprise(Box::new(Provider {
            issuer: self.provider.origin.parse().unwrap(),
            name: self.provider.origin.clone(),
            token_endpoint: None,
            client_id: "desk".to_owned(),
            client_secret: None,
            id_token: None,
        }));
        settings
    }

    fn with_file(&self, world: &World, file: &tempfile::NamedTempFile) -> Settings {
        let mut settings = self.settings(world);
        if let GrantConfig::Enterprise(provider) = &mut settings.grant {
            provider.id_token = Some(file.path().to_owned());
        }
        settings
    }
}

async fn granted(authorizer: &Authorizer) -> String {
    let held = authorizer.renew(None, &asking_for("a")).await;
    format!("{:?}", held.unwrap().generation())
}

#[tokio::test]
async fn one_sign_in_at_the_provider_serves_two_servers() {
    let enterprise = Enterprise::start().await;
    let (one, other) = (enterprise.world().await, enterprise.world().await);
    let first = one.authorizer_with(enterprise.settings(&one));
    granted(&first).await;
    assert_eq!(one.windows(), 1);
    let second = other.authorizer_over(enterprise.settings(&other), one.vault.clone());
    granted(&second).await;

    assert_eq!((one.windows(), other.windows()), (1, 0));
    let provider = &enterprise.provider;
    assert_eq!(provider.grants("authorization_code").len(), 1);
    let page = &provider.at("/authorize")[0];
    assert_eq!(page.field("scope"), Some("openid offline_access"));
    assert_eq!(page.field("resource"), None);
    for (world, exchange) in [&one, &other].iter().zip(provider.grants(TOKEN_EXCHANGE)) {
        assert_eq!(
            exchange.field("audience"),
            Some(world.authority.origin.as_str())
        );
        assert_eq!(exchange.field("resource"), Some(world.resource().as_str()));
        assert_eq!(exchange.field("scope"), Some("a"));
        assert!(world.authority.at("/authorize").is_empty());
        assert_eq!(world.authority.grants(JWT_BEARER).len(), 1);
    }

    let kept = status(&one.vault).await.unwrap();
    assert_eq!(kept.len(), 3, "two servers and the provider");
    let is_told = |kept: &Status| kept.user.as_ref().is_some_and(|it| it.subject == "canary");
    assert!(
        kept.iter().all(is_told),
        "the provider vouches for its user"
    );
    let kept = format!("{:?}", kept_text(&one).await);
    for grant in provider.vouched() {
        assert!(!kept.contains(&grant), "grants are not kept");
    }
}

#[tokio::test]
async fn an_id_token_that_ended_is_renewed_without_a_person() {
    let enterprise = Enterprise::start().await;
    let world = enterprise.world().await;
    let authorizer = world.authorizer_with(enterprise.settings(&world));
    granted(&authorizer).await;
    world.later(4000);
    let next = authorizer.current().await.unwrap().unwrap();
    assert_eq!(world.shows(&next), world.authority.access_tokens()[1]);
    let provider = &enterprise.provider;
    assert_eq!(provider.grants("refresh_token").len(), 1);
    let exchange = &provider.grants(TOKEN_EXCHANGE)[1];
    assert_eq!(
        exchange.field("subject_token"),
        Some(provider.id_tokens()[1].as_str())
    );
    assert_eq!(world.windows(), 1);
}

/// It says that it is good, and the provider says that it is not.
#[tokio::test]
async fn an_id_token_that_the_provider_refuses_is_replaced_once() {
    let enterprise = Enterprise::start().await;
    let world = enterprise.world().await;
    let authorizer = world.authorizer_with(enterprise.settings(&world));
    let first = authorizer.renew(None, &unauthorized()).await.unwrap();
    world.later(100);
    enterprise.provider.end_id_tokens();
    authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap();
    assert_eq!(enterprise.provider.grants("refresh_token").len(), 1);
    assert_eq!(enterprise.provider.grants(TOKEN_EXCHANGE).len(), 3);
    assert_eq!(world.windows(), 1);
}

#[tokio::test]
async fn a_token_that_is_due_opens_no_window() {
    let enterprise = Enterprise::start().await;
    enterprise
        .provider
        .configure(|options| options.gives_refresh = false);
    let world = enterprise.world().await;
    let authorizer = world.authorizer_with(enterprise.settings(&world));
    granted(&authorizer).await;
    world.later(4000);
    assert!(authorizer.current().await.unwrap().is_none());
    assert_eq!(world.windows(), 1);
    // The server's challenge is what a person is asked for.
    granted(&authorizer).await;
    assert_eq!(world.windows(), 2);
}

#[tokio::test]
async fn an_id_token_from_a_file_is_for_this_provider_and_client_or_stays_here() {
    let enterprise = Enterprise::start().await;
    let world = enterprise.world().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let (issuer, provider) = (enterprise.provider.origin.clone(), &enterprise.provider);
    for claims in [
        json!({ "iss": "https://elsewhere.example", "aud": "desk" }),
        json!({ "iss": issuer, "aud": "another" }),
        json!({ "iss": issuer }),
    ] {
        std::fs::write(file.path(), token(&claims)).unwrap();
        let authorizer = world.authorizer_with(enterprise.with_file(&world, &file));
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(error.hint().unwrap().contains("--idp-client-id"), "{error}");
    }
    assert!(provider.at("/token").is_empty());

    let good = token(&json!({ "iss": issuer, "aud": ["desk", "another"] }));
    provider.turn_grants(|grants| grants.assertions = vec![good.clone()]);
    std::fs::write(file.path(), &good).unwrap();
    let authorizer = world.authorizer_with(enterprise.with_file(&world, &file));
    granted(&authorizer).await;
    assert_eq!(world.windows(), 0);
}

#[tokio::test]
async fn what_is_not_a_grant_for_the_server_goes_nowhere() {
    let enterprise = Enterprise::start().await;
    let world = enterprise.world().await;
    for over in [
        json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:access_token" }),
        json!({ "token_type": "Bearer" }),
        json!({ "access_token": "opaque" }),
    ] {
        enterprise
            .provider
            .turn_grants(|grants| grants.exchange = Some(over.clone()));
        let authorizer = world.authorizer_with(enterprise.settings(&world));
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(
            error.to_string().contains("other than a grant"),
            "{over}: {error}"
        );
    }
    assert!(world.authority.at("/token").is_empty());
}
