//! The parts of a token request: the endpoint with the client that asks, and the `resource` parameter.

use url::Url;

use crate::auth::client::Client;
use crate::auth::net::http::Http;
use crate::auth::oauth::discovery::{AuthorizationServer, ProtectedResource};
use crate::auth::oauth::dpop::Proving;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::observed_quirks::ObservedQuirks;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::Endpoint;
use crate::auth::settings::Settings;
use crate::secret::Secret;

/// One request for a token without a user.
pub(in crate::auth) struct TokenRequest<'a> {
    pub(in crate::auth) endpoint: Endpoint<'a>,
    pub(in crate::auth) issuer: &'a str,
    pub(in crate::auth) scope: Option<&'a Scopes>,
    /// The ID token of the user who signed in at the provider.
    pub(in crate::auth) id_token: Option<&'a Secret>,
    /// True if the user asks for the token in so many words.
    pub(in crate::auth) is_requested: bool,
}

/// Returns the token endpoint for a request with the settings of the user. A refresh has other additional parameters.
pub(in crate::auth) fn endpoint<'a>(
    http: &'a Http,
    settings: &'a Settings,
    url: &'a Url,
    client: &'a Client,
    resource: Option<&'a str>,
    proof: Option<Proving<'a>>,
) -> Endpoint<'a> {
    Endpoint {
        http,
        url,
        client,
        resource,
        extra: &settings.token_params,
        use_id_token: settings.use_id_token,
        proof,
    }
}

/// Returns the `resource` parameter: the user's word, else the resource's own name byte for byte, else the canonical URI
/// (RFC 8707); nothing where the server is known not to take it.
pub(in crate::auth) fn resource_parameter(
    settings: &Settings,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    learned: &ObservedQuirks,
) -> Option<String> {
    let named = &settings.resource_parameter;
    let takes_it = known_quirks(server.issuer()).takes_resource && !learned.refuses_resource
        || named.is_some();
    settings.send_resource.unwrap_or(takes_it).then(|| {
        named
            .clone()
            .or_else(|| resource.name().map(str::to_owned))
            .unwrap_or_else(|| settings.canonical_resource())
    })
}
