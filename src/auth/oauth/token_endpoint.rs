//! The token endpoint: sends a code or a refresh token, and reads the tokens that come back.
//!
//! The requests are `oauth2`'s, sent through our own client. Answers are made regular before `oauth2` reads them (a
//! number that came as a string, scopes that came as a list, an error that came with 200), so that the differences
//! between servers stay in one place, and `oauth2` never has to report a body that holds tokens.
//!
//! RFC 6749 sections 2.3, 5 and 6, RFC 7636, RFC 8707, RFC 9449 section 5.

use std::time::Duration;

use ::http::header::HeaderMap;
use futures_util::future::BoxFuture;
use oauth2::basic::BasicErrorResponse;
use oauth2::{
    AsyncHttpClient, AuthorizationCode, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
};
use url::Url;

use crate::auth::client::{Client, Method};
use crate::auth::net::http::{self, Http, PostResponse, host_of};
use crate::auth::oauth::client_auth::authenticated;
use crate::auth::oauth::dpop::{ProofRetry, Prover, Proving, ServerRole};
use crate::auth::oauth::id_token::{IdTokenClaims, User};
use crate::auth::oauth::jws::Key;
use crate::auth::oauth::oauth2_adapter::{self, TokenResponse};
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_response::{code_of, normalize, redacted};
use crate::auth::text_limits::MAX_DESCRIPTION;
use crate::secret::Secret;
use crate::text::plain;

mod attempts;
mod error;

pub(in crate::auth) use attempts::ClientAuthAttempts;
pub use error::Error;
pub(in crate::auth) use error::has_key;

/// The grant type under which a client presents assertions (RFC 7523 section 2.1).
pub(in crate::auth) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The tokens that an endpoint gave.
#[derive(Debug)]
pub struct TokenSet {
    /// The access token, shown to the resource.
    pub access: Secret,
    /// The refresh token, which brings the next set.
    pub refresh: Option<Secret>,
    /// The time for which the access token is good; unknown if the server did not say. At most a year.
    pub lifetime: Option<Duration>,
    /// The scopes that were granted, where they differ from those that were asked for.
    pub scope: Option<Scopes>,
    /// The method by which the client proved itself.
    pub method: Method,
    /// True where the form had to leave `client_id` out for that method.
    pub header_only: bool,
    /// True where the access token is good only with the key it was asked for with (`token_type` DPoP).
    pub is_bound: bool,
    /// The claims about the user in the ID token beside it, if there was one.
    pub id: Option<IdTokenClaims>,
    /// The user whom an enterprise's provider vouched for.
    pub user: Option<User>,
}

impl TokenSet {
    /// Returns the key that the token is bound to, of the prover that asked for it. A token that is bound to nothing
    /// although it was asked for with a proof is good for every holder, which the user should know.
    pub(in crate::auth) fn bound_by(&self, prover: Option<&Prover>) -> Option<Key> {
        let prover = prover?;
        if !self.is_bound {
            tracing::warn!("a token was asked for with a proof, and is not bound to its key");
            return None;
        }
        Some(prover.key().clone())
    }
}

/// The reason why an answer holds no tokens.
pub(in crate::auth) type TokenResponseError = RequestTokenError<http::Error, BasicErrorResponse>;

/// A token endpoint, and the client that asks.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    /// The client of HTTP.
    pub http: &'a Http,
    /// The address.
    pub url: &'a Url,
    /// Our identity there.
    pub client: &'a Client,
    /// The `resource` parameter, if one is sent.
    pub resource: Option<&'a str>,
    /// The parameters that the user adds.
    pub extra: &'a [(String, String)],
    /// True where the ID token is taken for the access token.
    pub use_id_token: bool,
    /// The prover that binds the tokens to a key.
    pub proof: Option<Proving<'a>>,
}

impl Endpoint<'_> {
    /// Spends an authorization code. A client that is not recognised proves itself once by the server's other method:
    /// that spends nothing.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn redeem(
        &self,
        code: &Secret,
        verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenSet, Error> {
        let mut attempts = ClientAuthAttempts::of(self.client);
        loop {
            let endpoint = self.with_client(attempts.next());
            let answer = endpoint.redeem_once(code, verifier, redirect_uri).await;
            if let Some(answer) = attempts.after(answer) {
                return answer;
            }
        }
    }

    /// Spends a refresh token; otherwise as [`Endpoint::redeem`]. `scope` is only for servers that want it repeated.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn refresh(&self, token: &Secret, scope: Option<&Scopes>) -> Result<TokenSet, Error> {
        let mut attempts = ClientAuthAttempts::of(self.client);
        loop {
            let endpoint = self.with_client(attempts.next());
            let answer = endpoint.refresh_once(token, scope).await;
            if let Some(answer) = attempts.after(answer) {
                return answer;
            }
        }
    }

    pub(in crate::auth) fn with_client<'b>(&'b self, client: &'b Client) -> Endpoint<'b> {
        Endpoint { client, ..*self }
    }

    async fn redeem_once(
        &self,
        code: &Secret,
        verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenSet, Error> {
        has_key(self.client)?;
        let Ok(redirect) = RedirectUrl::new(redirect_uri.to_owned()) else {
            return Err(self.unusable("redirect_uri"));
        };
        let client = oauth2_adapter::client(self.client)
            .set_token_uri(TokenUrl::from_url(self.url.clone()))
            .set_redirect_uri(redirect);
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
        for (name, value) in self.parameters() {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(self).await;
        self.read(answer, &[code, verifier])
    }

    async fn refresh_once(
        &self,
        token: &Secret,
        scope: Option<&Scopes>,
    ) -> Result<TokenSet, Error> {
        has_key(self.client)?;
        let client =
            oauth2_adapter::client(self.client).set_token_uri(TokenUrl::from_url(self.url.clone()));
        let token_type = RefreshToken::new(token.expose().to_owned());
        let mut request = client.exchange_refresh_token(&token_type);
        for (name, value) in self.parameters() {
            request = request.add_extra_param(name, value);
        }
        for scope in scope.iter().flat_map(|scopes| scopes.iter()) {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        let answer = request.request_async(self).await;
        self.read(answer, &[token])
    }

    pub(in crate::auth) fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let resource = self
            .resource
            .map(|uri| ("resource".to_owned(), uri.to_owned()));
        resource.into_iter().chain(self.extra.iter().cloned())
    }

    pub(in crate::auth) fn read(
        &self,
        answer: Result<TokenResponse, TokenResponseError>,
        sent: &[&Secret],
    ) -> Result<TokenSet, Error> {
        let tokens = match answer {
            Ok(tokens) => tokens,
            Err(RequestTokenError::Request(fault)) => return Err(Error::Failed(fault)),
            Err(RequestTokenError::ServerResponse(refusal)) => {
                let secrets = sent.iter().copied().chain(self.client.secret.as_ref());
                let clean = |text: &str| plain(&redacted(text, secrets.clone()), MAX_DESCRIPTION);
                return Err(Error::Refused {
                    host: host_of(self.url),
                    code: clean(refusal.error().as_ref()),
                    description: refusal.error_description().map(|text| clean(text)),
                });
            }
            // An answer that `oauth2` could not read may hold tokens, and so may its error text.
            Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
                return Err(self.unusable("the answer"));
            }
        };
        self.take(&tokens)
    }

    /// Takes the tokens out of an answer.
    pub(in crate::auth) fn take(&self, tokens: &TokenResponse) -> Result<TokenSet, Error> {
        let access = Secret::new(tokens.access_token().secret().as_str());
        let refresh = tokens
            .refresh_token()
            .map(|token| Secret::new(token.secret().as_str()));
        let unusable = |why| Error::Unusable {
            host: host_of(self.url),
            why,
            successor: refresh.clone(),
        };
        if access.expose().is_empty() || !access.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unusable("access_token"));
        }
        let kind = tokens.token_type().as_ref();
        let is_bound = self.proof.is_some() && kind.eq_ignore_ascii_case("dpop");
        if !is_bound && !kind.eq_ignore_ascii_case("bearer") {
            return Err(unusable("token_type"));
        }
        if !is_bound && self.proof.is_some_and(|proof| proof.insists) {
            let host = host_of(self.url);
            return Err(Error::Unbound { host });
        }
        Ok(TokenSet {
            access,
            is_bound,
            id: tokens.extra_fields().id_token.clone(),
            user: None,
            method: self.client.method,
            header_only: self.client.header_only,
            refresh,
            lifetime: tokens.expires_in(),
            scope: tokens
                .scopes()
                .map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect()),
        })
    }

    /// Sends the form, each time with a new proof where tokens are to be bound. A proof that is refused for what the
    /// answer teaches is made again: that spends nothing (RFC 9449 section 8).
    pub(in crate::auth) async fn post(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<PostResponse, http::Error> {
        let Some(proof) = self.proof else {
            let (headers, body) = authenticated(self.client, headers, &body)?;
            return self.http.post_token(self.url, headers, body).await;
        };
        let (prover, at) = (proof.prover, self.url.origin());
        let hints = prover.hints();
        let mut retry = ProofRetry::default();
        loop {
            let before = hints.hints_of(ServerRole::Authorization, &at);
            // An assertion is good for one request too.
            let (mut headers, body) = authenticated(self.client, headers.clone(), &body)?;
            let (whom, now) = (
                (ServerRole::Authorization, "POST", self.url),
                proof.clock.now(),
            );
            prover.apply(&mut headers, whom, None, retry.nonce(), now);
            let answer = self.http.post_token(self.url, headers, body).await?;
            let code = code_of(&answer);
            let (whom, now) = ((ServerRole::Authorization, &at), proof.clock.now());
            let said = (code.as_deref(), &answer.headers);
            if !hints.should_retry(&mut retry, whom, said, &before, now) {
                return Ok(answer);
            }
            tracing::debug!(host = host_of(self.url), code, "proving once more");
        }
    }

    /// Returns an answer in the form that `oauth2` reads.
    pub(in crate::auth) fn normalize(
        &self,
        answer: &PostResponse,
    ) -> Result<HttpResponse, http::Error> {
        let (status, value) = normalize(answer, self.url, self.use_id_token)?;
        Ok(oauth2_adapter::response(
            status,
            value.to_string().into_bytes(),
        ))
    }

    pub(in crate::auth) fn unusable(&self, why: &'static str) -> Error {
        Error::Unusable {
            host: host_of(self.url),
            why,
            successor: None,
        }
    }
}

/// Lets `oauth2` reach the network through our client, and makes the answers regular.
impl<'c> AsyncHttpClient<'c> for Endpoint<'_> {
    type Error = http::Error;
    type Future = BoxFuture<'c, Result<HttpResponse, http::Error>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let answer = self.post(head.headers, body).await?;
            self.normalize(&answer)
        })
    }
}
