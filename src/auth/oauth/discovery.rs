//! Discovery: the protected resource's metadata, then its authorization server's.
//!
//! Both documents must name themselves as they were asked for, or their content does not count. Only this file makes
//! [`ProtectedResource`] and [`AuthorizationServer`], by the comparison, so that holding one is the proof. The places
//! of documents and their order are in `search`.
//!
//! RFC 9728 section 3, RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4.

use serde_json::Value;
use url::Url;

use crate::auth::net::http::{Http, host_of};
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::metadata_urls::{
    covers, is_plain, issuer_of_place, names_itself, same_issuer,
};
use crate::auth::oauth::scope::Scopes;
use crate::auth::text_limits::MAX_NAME;

mod error;
mod members;
mod search;

use crate::text::plain;
pub use error::Error;
use members::{is_true, list, scopes, text};
pub use search::{Preference, authorization_server, by_issuer, known, protected_resource};

/// The statements of a server about itself as a resource, its name compared with the URL that was configured.
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    name: Option<String>,
    servers: Vec<String>,
    scopes: Option<Scopes>,
    takes_dpop: bool,
    origin: String,
    /// The reason why a place could not be looked at, if there are no metadata.
    fault: Option<Error>,
    /// The fault of a document that stands in the place of the metadata, if there are none.
    oddity: Option<Error>,
}

impl ProtectedResource {
    /// Makes a resource that has metadata, after the comparison: `url` is the resource that the document was looked up
    /// for.
    fn checked(url: &Url, document: &Value) -> Result<Self, Error> {
        // `resource` is a string (RFC 9728 section 2); GitLab has sent a list of one string.
        let name = match document.get("resource") {
            Some(Value::Array(names)) if names.len() == 1 => names.first(),
            name => name,
        };
        let name = name.and_then(Value::as_str).unwrap_or_default();
        if !covers(name, url) {
            return Err(Error::other_resource(url, name));
        }
        // An entry that cannot be a name is skipped in favour of the other entries.
        let named = list(document, "authorization_servers").unwrap_or_default();
        let (servers, odd): (Vec<_>, Vec<_>) = named.into_iter().partition(|name| is_plain(name));
        // Some servers name the place of the metadata instead of the issuer.
        let issuer = |name: String| {
            let place = Url::parse(&name).ok();
            place
                .and_then(|place| issuer_of_place(&place))
                .unwrap_or(name)
        };
        let servers: Vec<String> = servers.into_iter().map(issuer).collect();
        if let (true, Some(odd)) = (servers.is_empty(), odd.first()) {
            return Err(Error::BadIssuer(plain(odd, MAX_NAME)));
        }
        Ok(Self {
            name: Some(name.to_owned()),
            servers,
            scopes: scopes(document),
            takes_dpop: list(document, DPOP_ALGORITHMS)
                .is_some_and(|them| them.iter().any(|it| it == ES256))
                || is_true(document, "dpop_bound_access_tokens_required"),
            origin: url.origin().ascii_serialization(),
            fault: None,
            oddity: None,
        })
    }

    /// Makes a resource that has no metadata.
    pub fn unsaid(url: &Url) -> Self {
        Self {
            name: None,
            servers: Vec::new(),
            scopes: None,
            takes_dpop: false,
            origin: url.origin().ascii_serialization(),
            fault: None,
            oddity: None,
        }
    }

    /// Returns the fault of the document in the place of the metadata, if the resource has no metadata.
    pub(in crate::auth) fn oddity(&self) -> Option<String> {
        self.oddity.as_ref().map(ToString::to_string)
    }

    /// Returns `resource`, byte for byte as its metadata has it; `None` if it has no metadata (2025-03-26).
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns `scopes_supported`.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// Says whether the resource announces tokens bound to a key like ours (RFC 9728 section 2).
    pub fn takes_dpop(&self) -> bool {
        self.takes_dpop
    }

    /// Says whether the resource names this issuer, among others or alone.
    pub(in crate::auth) fn names(&self, issuer: &str) -> bool {
        self.servers.iter().any(|named| same_issuer(named, issuer))
    }

    /// Says whether the resource names any issuer.
    pub(in crate::auth) fn names_any(&self) -> bool {
        !self.servers.is_empty()
    }

    /// Says whether this issuer may still be used for the resource.
    pub fn trusts(&self, issuer: &str) -> bool {
        self.servers.is_empty() || self.names(issuer)
    }
}

/// The member of the metadata of both.
const DPOP_ALGORITHMS: &str = "dpop_signing_alg_values_supported";
/// The algorithm of our keys.
const ES256: &str = "ES256";

/// An authorization server whose metadata named itself as it was asked for.
#[derive(Clone, Debug)]
pub struct AuthorizationServer {
    issuer: String,
    authorization: Option<Url>,
    token: Url,
    registration: Option<Url>,
    revocation: Option<Url>,
    device: Option<Url>,
    userinfo: Option<Url>,
    introspection: Option<Url>,
    prompts: Option<Vec<String>>,
    scopes: Option<Scopes>,
    auth_methods: Option<Vec<String>>,
    auth_algorithms: Option<Vec<String>>,
    knows_pkce: bool,
    takes_documents: bool,
    sends_issuer: bool,
    is_openid: bool,
    offers_dpop: bool,
    is_assumed: bool,
}

impl AuthorizationServer {
    /// Makes an authorization server, after the comparison: `asked` is the issuer that the document was looked up for,
    /// `expected` the name that, as the user says, the server gives itself.
    fn checked(
        http: &Http,
        asked: &str,
        expected: Option<&str>,
        document: &Value,
    ) -> Result<Self, Error> {
        let found = text(document, "issuer").unwrap_or_default();
        if let Some(odd) = [asked, found].into_iter().find(|name| !is_plain(name)) {
            return Err(Error::BadIssuer(plain(odd, MAX_NAME)));
        }
        match expected {
            Some(expected) if expected == found => {}
            Some(expected) => {
                return Err(Error::Unexpected {
                    asked: plain(asked, MAX_NAME),
                    found: plain(found, MAX_NAME),
                    expected: plain(expected, MAX_NAME),
                });
            }
            None if names_itself(asked, found) => {}
            None => {
                return Err(Error::OtherIssuer {
                    asked: plain(asked, MAX_NAME),
                    found: plain(found, MAX_NAME),
                    agrees: false,
                });
            }
        }
        let endpoint = |name: &'static str| -> Result<Option<Url>, Error> {
            let Some(written) = text(document, name) else {
                return Ok(None);
            };
            let bad = || Error::BadEndpoint {
                issuer: plain(asked, MAX_NAME),
                name,
            };
            if written.chars().any(char::is_control) {
                return Err(bad());
            }
            let url = Url::parse(written).map_err(|_| bad())?;
            http.check(&url)?;
            Ok(Some(url))
        };
        let missing = |name| Error::BadEndpoint {
            issuer: plain(asked, MAX_NAME),
            name,
        };
        let challenges = list(document, "code_challenge_methods_supported").unwrap_or_default();
        Ok(Self {
            // Microsoft: the name of all tenants is the name of none of them.
            issuer: match found.contains("{tenantid}") && expected.is_none() {
                true => asked.to_owned(),
                false => found.to_owned(),
            },
            authorization: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?.ok_or_else(|| missing("token_endpoint"))?,
            // Not every sign-in needs a registration endpoint: a bad address counts as none.
            registration: endpoint("registration_endpoint").unwrap_or_default(),
            revocation: endpoint("revocation_endpoint").unwrap_or_default(),
            device: endpoint("device_authorization_endpoint").unwrap_or_default(),
            userinfo: endpoint("userinfo_endpoint").unwrap_or_default(),
            introspection: endpoint("introspection_endpoint").unwrap_or_default(),
            prompts: list(document, "prompt_values_supported").filter(|values| !values.is_empty()),
            is_openid: document.get("subject_types_supported").is_some(),
            is_assumed: false,
            offers_dpop: list(document, DPOP_ALGORITHMS)
                .is_some_and(|them| them.iter().any(|it| it == ES256)),
            scopes: scopes(document),
            auth_methods: list(document, "token_endpoint_auth_methods_supported"),
            auth_algorithms: list(document, "token_endpoint_auth_signing_alg_values_supported"),
            knows_pkce: challenges.iter().any(|method| method == "S256"),
            takes_documents: is_true(document, "client_id_metadata_document_supported"),
            sends_issuer: is_true(document, "authorization_response_iss_parameter_supported"),
        })
    }

    /// Makes a server from the endpoints of 2025-03-26 at this origin, which has no metadata.
    fn guessed(http: &Http, origin: &str, endpoints: &Value) -> Result<Self, Error> {
        Ok(Self {
            is_assumed: true,
            ..Self::checked(http, origin, None, endpoints)?
        })
    }

    /// Makes a server for a test, from its metadata; nothing is visited.
    #[cfg(test)]
    pub(in crate::auth) fn of_document(http: &Http, document: &Value) -> Self {
        let issuer = text(document, "issuer").unwrap();
        Self::checked(http, issuer, None, document).unwrap()
    }

    /// Returns the issuer, byte for byte as its metadata has it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the issuer's host, for display.
    pub fn host(&self) -> String {
        Url::parse(&self.issuer).map_or_else(|_| host_of(&self.token), |url| host_of(&url))
    }

    /// Returns the address that the browser visits.
    pub fn authorization_endpoint(&self) -> Option<&Url> {
        self.authorization.as_ref()
    }

    /// Returns the origins of the issuer and of all endpoints, each once.
    pub(in crate::auth) fn endpoint_origins(&self) -> Vec<String> {
        let issuer = Url::parse(&self.issuer).ok();
        let endpoints = [
            issuer.as_ref(),
            Some(&self.token),
            self.authorization.as_ref(),
            self.registration.as_ref(),
            self.revocation.as_ref(),
            self.device.as_ref(),
        ];
        let mut origins: Vec<_> = endpoints
            .into_iter()
            .flatten()
            .map(|url| url.origin().ascii_serialization())
            .collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Returns the origin of the authorization endpoint.
    pub(in crate::auth) fn authorization_origin(&self) -> Option<String> {
        let page = self.authorization.as_ref();
        page.map(|page| page.origin().ascii_serialization())
    }

    /// Returns the endpoint that redeems codes and refresh tokens.
    pub fn token_endpoint(&self) -> &Url {
        &self.token
    }

    /// Returns the endpoint that registers clients (RFC 7591).
    pub fn registration_endpoint(&self) -> Option<&Url> {
        self.registration.as_ref()
    }

    /// Returns the endpoint that revokes tokens (RFC 7009).
    pub fn revocation_endpoint(&self) -> Option<&Url> {
        self.revocation.as_ref()
    }

    /// Returns the endpoint that issues device codes (RFC 8628).
    pub fn device_endpoint(&self) -> Option<&Url> {
        self.device.as_ref()
    }

    /// Returns the endpoint that serves a user's claims (OpenID Connect Core section 5.3).
    pub fn userinfo_endpoint(&self) -> Option<&Url> {
        self.userinfo.as_ref()
    }

    /// Returns the endpoint that inspects a token (RFC 7662).
    pub fn introspection_endpoint(&self) -> Option<&Url> {
        self.introspection.as_ref()
    }

    /// Says whether the server may take this `prompt`: it has no `prompt_values_supported`, or lists the value there.
    pub(in crate::auth) fn takes_prompt(&self, value: &str) -> bool {
        let listed = self.prompts.as_ref();
        listed.is_none_or(|listed| listed.iter().any(|it| it == value))
    }

    /// Says whether the server lists the `prompt` values that it takes.
    pub(in crate::auth) fn lists_prompts(&self) -> bool {
        self.prompts.is_some()
    }

    /// Returns `scopes_supported`.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// Returns `token_endpoint_auth_methods_supported`, if the server has it.
    pub fn auth_methods(&self) -> Option<&[String]> {
        self.auth_methods.as_deref()
    }

    /// Returns `token_endpoint_auth_signing_alg_values_supported`, if the server has it.
    pub fn auth_algorithms(&self) -> Option<&[String]> {
        self.auth_algorithms.as_deref()
    }

    /// Says whether the server announces that it binds tokens to a key like ours (RFC 9449 section 5.1).
    pub fn offers_dpop(&self) -> bool {
        self.offers_dpop
    }

    /// Says whether the server announces PKCE with S256, or is known to support it.
    pub fn knows_pkce(&self) -> bool {
        self.knows_pkce || known_quirks(&self.issuer).knows_pkce
    }

    /// Says whether a client id may be the address of a metadata document.
    pub fn takes_documents(&self) -> bool {
        self.takes_documents
    }

    /// Says whether the server's answers carry `iss` (RFC 9207).
    pub fn sends_issuer(&self) -> bool {
        self.sends_issuer
    }

    /// Says whether the server is a guess: it has no metadata, and these are the endpoints that revision 2025-03-26 has
    /// for such servers (basic/authorization, "Fallbacks for Servers without Metadata Discovery").
    pub fn is_assumed(&self) -> bool {
        self.is_assumed
    }

    /// Says whether the server is an OpenID provider.
    pub fn is_openid(&self) -> bool {
        self.is_openid
    }
}
