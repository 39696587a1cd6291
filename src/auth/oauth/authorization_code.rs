//! The authorization request, and the check of what comes back.
//!
//! [`PendingAuthorization`] is the one record of one request. [`PendingAuthorization::verify`] looks at an answer in
//! the only safe order: that it answers our request (`state`), that it comes from the server that was asked (`iss`),
//! and only then its content. [`VerifiedCode`], a code that passed both checks, can be made nowhere else, and is the
//! only thing that a code exchange takes.
//!
//! RFC 6749 section 4.1, RFC 7636, RFC 8707, RFC 9207; MCP 2026-07-28, basic/authorization.

use std::fmt;

use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use url::Url;

use crate::auth::client::Client;
use crate::auth::oauth::discovery::{self, AuthorizationServer};
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_response::is_no_error;
use crate::auth::settings::Settings;
use crate::auth::text_limits::{MAX_CODE, MAX_DESCRIPTION, MAX_NAME};
use crate::secret::Secret;
use crate::text::plain;

/// An authorization request in progress: the server that was asked, and the values by which its answer is known.
pub struct PendingAuthorization {
    url: Url,
    state: Secret,
    verifier: Secret,
    nonce: Option<String>,
    issuer: String,
    sends_issuer: bool,
    host: String,
    redirect_uri: String,
}

/// A code whose `state` and `iss` were checked.
#[derive(Debug)]
pub struct VerifiedCode {
    code: Secret,
    verifier: Secret,
    nonce: Option<String>,
    redirect_uri: String,
}

/// A callback, after the checks.
#[derive(Debug)]
pub enum Callback {
    /// Not an answer to our request: the client goes on waiting.
    NotOurs,
    /// The answer.
    Code(VerifiedCode),
    /// A callback that ends this attempt without a code.
    Failed(Error),
}

/// The reason why an attempt has ended without a code.
#[derive(Debug)]
pub enum Error {
    /// The authorization page sent the browser back with an error.
    Denied {
        /// The authorization server.
        host: String,
        /// `error` of RFC 6749 section 4.1.2.1, cleaned.
        code: String,
        /// `error_description`, cleaned.
        description: Option<String>,
    },
    /// The answer named another authorization server, or none although this server says that it always names itself
    /// (RFC 9207).
    ForeignAnswer {
        /// The authorization server that was asked.
        host: String,
    },
}

/// The content of an authorization request.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// The authorization server.
    pub server: &'a AuthorizationServer,
    /// The client.
    pub client: &'a Client,
    /// The address that the answer goes to, byte for byte as registered.
    pub redirect_uri: &'a str,
    /// The `resource` parameter, if one is sent.
    pub resource: Option<&'a str>,
    /// The scope, if one is sent.
    pub scope: Option<&'a Scopes>,
    /// The thumbprint of the only key that the code is to be good with (RFC 9449 section 10).
    pub key: Option<&'a str>,
    /// The `prompt` parameter, if one is sent (OpenID Connect Core section 3.1.2.1).
    pub prompt: Option<&'a str>,
}

/// Says whether codes are safe with this server, which has to be known before a client is registered there.
///
/// # Errors
/// The server does not say that it supports PKCE, and the user does not either.
pub(in crate::auth) fn supports_pkce(
    server: &AuthorizationServer,
    settings: &Settings,
) -> Result<(), discovery::Error> {
    match server.knows_pkce() || settings.assume_pkce {
        true => Ok(()),
        false => Err(discovery::Error::NoPkce(plain(server.issuer(), MAX_NAME))),
    }
}

/// Makes an authorization request. `state` is unguessable; the caller makes it.
///
/// # Errors
/// The server has no authorization endpoint, or does not say that it supports PKCE.
pub fn begin(
    request: &AuthorizationRequest<'_>,
    settings: &Settings,
    state: Secret,
) -> Result<PendingAuthorization, discovery::Error> {
    let server = request.server;
    let unusable = |name| discovery::Error::BadEndpoint {
        issuer: plain(server.issuer(), MAX_NAME),
        name,
    };
    supports_pkce(server, settings)?;
    let endpoint = server
        .authorization_endpoint()
        .ok_or_else(|| unusable("authorization_endpoint"))?;
    let redirect =
        RedirectUrl::new(request.redirect_uri.to_owned()).map_err(|_| unusable("redirect_uri"))?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let client = BasicClient::new(ClientId::new(request.client.id.clone()))
        .set_auth_uri(AuthUrl::from_url(endpoint.clone()))
        .set_redirect_uri(redirect);
    let mut builder = client
        .authorize_url(|| CsrfToken::new(state.expose().to_owned()))
        .set_pkce_challenge(challenge);
    if let Some(resource) = request.resource {
        builder = builder.add_extra_param("resource", resource.to_owned());
    }
    if let Some(key) = request.key {
        builder = builder.add_extra_param("dpop_jkt", key.to_owned());
    }
    for scope in request.scope.iter().flat_map(|scopes| scopes.iter()) {
        builder = builder.add_scope(Scope::new(scope.to_owned()));
    }
    let ours = known_quirks(server.issuer()).authorize.iter();
    let mut extra: Vec<(String, String)> = ours
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .filter(|(name, _)| name != "prompt" && !settings.authorizes_with(name))
        .collect();
    if let Some(prompt) = request.prompt
        && !settings.authorizes_with("prompt")
    {
        extra.push(("prompt".to_owned(), prompt.to_owned()));
    }
    // An OpenID provider ties its ID token to the request by the nonce (OpenID Connect Core section 3.1.2.1); some
    // refuse a request without a nonce.
    let is_openid = request
        .scope
        .is_some_and(|scopes| scopes.contains("openid"));
    let mut theirs = settings.authorize_params.iter();
    let theirs = theirs.find(|(name, _)| name == "nonce");
    let mut nonce = theirs.map(|(_, nonce)| nonce.clone());
    if is_openid && nonce.is_none() {
        let fresh = CsrfToken::new_random_len(16).into_secret();
        extra.push(("nonce".to_owned(), fresh.clone()));
        nonce = Some(fresh);
    }
    for (name, value) in extra.into_iter().chain(settings.authorize_params.clone()) {
        builder = builder.add_extra_param(name, value);
    }
    let (url, _) = builder.url();
    Ok(PendingAuthorization {
        url,
        state,
        verifier: Secret::new(verifier.into_secret()),
        nonce,
        issuer: server.issuer().to_owned(),
        sends_issuer: server.sends_issuer(),
        host: server.host(),
        redirect_uri: request.redirect_uri.to_owned(),
    })
}

impl PendingAuthorization {
    /// Returns the page that the user has to visit.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Verifies the parameters of a callback, decoded: `state`, then `iss` (RFC 9207 section 2.4), then the rest.
    pub fn verify(&self, parameters: &[(String, String)]) -> Callback {
        let one = |name: &str| {
            let mut named = parameters.iter().filter(|(key, _)| key == name);
            match (named.next(), named.next()) {
                (Some((_, value)), None) => Ok(Some(value.as_str())),
                (None, _) => Ok(None),
                (Some(_), Some(_)) => Err(()),
            }
        };
        if !matches!(one("state"), Ok(Some(state)) if self.state.same_as(state)) {
            return Callback::NotOurs;
        }
        let is_theirs = match one("iss") {
            Ok(Some(issuer)) => issuer == self.issuer,
            Ok(None) => !self.sends_issuer,
            Err(()) => false,
        };
        if !is_theirs {
            return Callback::Failed(Error::ForeignAnswer {
                host: self.host.clone(),
            });
        }
        // Some pages have `error` in every answer. A code beside it shows that there was no error.
        let error = one("error").map(|error| error.filter(|error| !is_no_error(error)));
        match (error, one("code")) {
            (Ok(None), Ok(Some(code))) if !code.is_empty() => Callback::Code(VerifiedCode {
                code: Secret::new(code),
                verifier: self.verifier.clone(),
                nonce: self.nonce.clone(),
                redirect_uri: self.redirect_uri.clone(),
            }),
            (error, _) => Callback::Failed(Error::Denied {
                host: self.host.clone(),
                code: match error {
                    Ok(Some(code)) => plain(code, MAX_CODE),
                    _ => "an answer without a code".to_owned(),
                },
                description: one("error_description")
                    .ok()
                    .flatten()
                    .map(|text| plain(text, MAX_DESCRIPTION)),
            }),
        }
    }
}

impl PendingAuthorization {
    /// Verifies a text that the user pasted: the address that the browser ended at, its query, or the code alone. A
    /// code alone does not show its sender, so it counts only for servers that do not announce `iss` (RFC 9207).
    pub fn verify_pasted(&self, text: &str) -> Callback {
        let text = text.trim().trim_matches(['"', '\'', '<', '>']);
        let read = |query: &str| -> Vec<(String, String)> {
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect()
        };
        if let Ok(url) = Url::parse(text) {
            let is_here = Url::parse(&self.redirect_uri)
                .is_ok_and(|here| here.origin() == url.origin() && here.path() == url.path());
            return match url.query() {
                Some(query) if is_here => self.verify(&read(query)),
                _ => Callback::NotOurs,
            };
        }
        if text.contains('=') {
            return self.verify(&read(text.trim_start_matches('?')));
        }
        let is_code =
            (8..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_code || self.sends_issuer {
            return Callback::NotOurs;
        }
        Callback::Code(VerifiedCode {
            code: Secret::new(text),
            verifier: self.verifier.clone(),
            nonce: self.nonce.clone(),
            redirect_uri: self.redirect_uri.clone(),
        })
    }
}

impl fmt::Debug for PendingAuthorization {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds the state.
        write!(out, "PendingAuthorization({})", self.host)
    }
}

impl VerifiedCode {
    /// Spends the code at this endpoint, which has to be the token endpoint of the server that was asked.
    ///
    /// # Errors
    /// See [`crate::auth::oauth::token_endpoint::Error`].
    pub async fn redeem(
        &self,
        at: &crate::auth::oauth::token_endpoint::Endpoint<'_>,
    ) -> Result<
        crate::auth::oauth::token_endpoint::TokenSet,
        crate::auth::oauth::token_endpoint::Error,
    > {
        let redeemed = at.redeem(&self.code, &self.verifier, &self.redirect_uri);
        let mut tokens = redeemed.await?;
        // OpenID Connect Core section 3.1.3.7 item 11: an ID token of another request does not show which user signed
        // in now.
        let nonce = self.nonce.as_deref();
        tokens.id = tokens.id.filter(|id| id.answer(nonce));
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests;
