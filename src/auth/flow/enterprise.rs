//! Enterprise-managed authorization: a person signs in at the enterprise's provider once, and the provider vouches for
//! them to each server's authorization server (ID-JAG).
//!
//! Three steps: an ID token, from a file or by an ordinary sign-in at the provider, which is kept like any other, under
//! the provider's own name, and so serves every server; the provider's grant for this one server, in exchange for that
//! token; and a token for the grant, at the server's authorization server. The grant lives for one request: it is neither
//! kept nor shown.
//!
//! RFC 8693, RFC 7523, OpenID Connect Core; MCP extension `io.modelcontextprotocol/enterprise-managed-authorization`
//! (SEP-990).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, ClientSource};
use crate::auth::error::{ProviderError, UnattendedError};
use crate::auth::flow::token_request::TokenRequest;
use crate::auth::flow::workload::{self, is_token};
use crate::auth::grant::{Assertions, GrantConfig, Provider};
use crate::auth::net::http::{Http, host_of};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery;
use crate::auth::oauth::id_token::{IdTokenClaims, User};
use crate::auth::oauth::metadata_urls::same_issuer;
use crate::auth::oauth::registration;
use crate::auth::oauth::token_endpoint::Endpoint;
use crate::auth::settings::Settings;
use crate::secret::Secret;

impl Provider {
    fn host(&self) -> String {
        host_of(&self.issuer)
    }

    /// The settings of an ordinary sign-in there, whose outcome is the ID token. Nothing in them is of the server that
    /// needs it, so one serves all.
    pub(in crate::auth) fn sign_in(&self, settings: &Settings) -> Settings {
        Settings {
            resource: self.name.clone(),
            url: self.issuer.clone(),
            client_id: Some(self.client_id.clone()),
            client_secret: self.client_secret.clone(),
            client_key: None,
            client_method: None,
            registration_token: None,
            client_metadata_url: None,
            client_metadata: Map::new(),
            scope: None,
            resource_parameter: None,
            send_resource: Some(false),
            authorize_params: Vec::new(),
            token_params: Vec::new(),
            refresh_params: Vec::new(),
            authorization_server: Some(self.name.clone()),
            expected_issuer: None,
            grant: GrantConfig::User,
            token_endpoint: None,
            use_id_token: true,
            ..settings.clone()
        }
    }

    /// Says whether this is an ID token of this provider for us. Its signature is the provider's to check: it made it, and
    /// gets it back (OpenID Connect Core section 3.1.3.7 for the claims).
    fn is_for_us(&self, token: &Secret) -> bool {
        let payload = token.expose().split('.').nth(1).unwrap_or_default();
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
        let claims: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let issuer = claims
            .get("iss")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_us = match claims.get("aud") {
            Some(Value::String(one)) => *one == self.client_id,
            Some(Value::Array(all)) => all.iter().any(|one| *one == *self.client_id),
            _ => false,
        };
        is_token(token.expose()) && same_issuer(&self.name, issuer) && is_us
    }

    async fn token_endpoint(
        &self,
        http: &Http,
    ) -> Result<(Url, Option<Vec<String>>), discovery::Error> {
        if let Some(url) = &self.token_endpoint {
            return Ok((url.clone(), None));
        }
        let server = discovery::by_issuer(http, &self.name).await?;
        let methods = server.auth_methods().map(<[String]>::to_vec);
        Ok((server.token_endpoint().clone(), methods))
    }
}

/// Returns the challenge for a sign-in at the provider (OpenID Connect Core section 3.1.2.1).
pub(in crate::auth) fn openid_challenge() -> Challenge {
    Challenge {
        status: 401,
        scope: Some("openid".to_owned()),
        ..Challenge::default()
    }
}

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// Exchanges the user's ID token for the provider's grant for one server, and returns it with the user whom it is for.
pub(in crate::auth) async fn exchange_id_token(
    http: &Http,
    settings: &Settings,
    provider: &Provider,
    request: &TokenRequest<'_>,
) -> Result<(Secret, Option<User>), Cause> {
    let exchanged = exchange(http, settings, provider, request).await;
    exchanged.map_err(|error| UnattendedError::from(error).into())
}

async fn exchange(
    http: &Http,
    settings: &Settings,
    provider: &Provider,
    request: &TokenRequest<'_>,
) -> Result<(Secret, Option<User>), ProviderError> {
    let id_token = match (request.id_token, &provider.id_token) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => workload::read(&Assertions::File(path.clone())).await?,
        (None, None) => {
            let host = provider.host();
            return Err(ProviderError::NotForUs { host });
        }
    };
    if !provider.is_for_us(&id_token) {
        let host = provider.host();
        return Err(ProviderError::NotForUs { host });
    }
    let http = http.for_origin_of(&provider.issuer);
    let (url, methods) = provider.token_endpoint(&http).await?;
    let client = client_at(provider, methods.as_deref());
    let resource = settings.canonical_resource();
    let endpoint = Endpoint {
        http: &http,
        url: &url,
        client: &client,
        resource: request.endpoint.resource.or(Some(&resource)),
        extra: &[],
        use_id_token: false,
        proof: None,
    };
    let said = [
        ("requested_token_type", ID_JAG),
        ("audience", request.issuer),
        ("subject_token_type", ID_TOKEN),
    ];
    let exchange = endpoint.exchange(
        TOKEN_EXCHANGE,
        &said,
        ("subject_token", &id_token),
        request.scope,
    );
    let answer = exchange.await.map_err(ProviderError::Refused)?;
    let grant = read_grant(provider, &answer)?;
    let user = IdTokenClaims::read(id_token.expose())
        .and_then(|claims| User::of(&claims, &provider.name, &provider.client_id));
    Ok((grant, user))
}

/// Returns the client at the provider, with the way to authenticate that the provider lists.
fn client_at(provider: &Provider, methods: Option<&[String]>) -> Client {
    let has_secret = provider.client_secret.is_some();
    let mut client = Client {
        id: provider.client_id.clone(),
        secret: provider.client_secret.clone(),
        method: registration::method(None, has_secret, methods),
        header_only: false,
        other: None,
        source: ClientSource::Given,
        signing: None,
    };
    client.other = registration::other(&client, methods);
    client
}

/// Returns the grant in the answer to a token exchange (RFC 8693 section 2.2.1), if it is an ID-JAG.
fn read_grant(provider: &Provider, answer: &Map<String, Value>) -> Result<Secret, ProviderError> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let not_a_grant = |why| ProviderError::NotAGrant {
        host: provider.host(),
        why,
    };
    if text("issued_token_type") != ID_JAG {
        return Err(not_a_grant("issued_token_type"));
    }
    if !text("token_type").eq_ignore_ascii_case("N_A") {
        return Err(not_a_grant("token_type"));
    }
    if !is_token(text("access_token")) {
        return Err(not_a_grant("access_token"));
    }
    Ok(Secret::new(text("access_token")))
}
