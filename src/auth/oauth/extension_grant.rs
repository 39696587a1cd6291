//! Grants that `oauth2` does not know, at the token endpoint: the grants of a program without a user, and the exchange
//! of one token for another.
//!
//! The forms are our own; [`Endpoint`] sends them, proves the client and makes the answers regular. The caller chooses
//! the grant and its parameters.
//!
//! RFC 6749 section 4.4, RFC 7523 section 2.1, RFC 8693.

use ::http::header::HeaderMap;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::auth::net::http::{self, PostResponse};
use crate::auth::oauth::client_auth::with_client_id;
use crate::auth::oauth::oauth2_adapter::TokenResponse;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::{
    ClientAuthAttempts, Endpoint, Error, TokenResponseError, TokenSet, has_key,
};
use crate::auth::oauth::token_response::stated_error;
use crate::secret::Secret;

impl Endpoint<'_> {
    /// Asks for tokens with the parameters of this grant, named as in the form; otherwise as [`Endpoint::redeem`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn grant(
        &self,
        grant: &str,
        shown: &[(&str, &Secret)],
        scope: Option<&Scopes>,
    ) -> Result<TokenSet, Error> {
        let mut attempts = match shown {
            [] => ClientAuthAttempts::of(self.client),
            _ => ClientAuthAttempts::for_single_use(self.client),
        };
        loop {
            let endpoint = self.with_client(attempts.next());
            let answer = endpoint.grant_once(grant, shown, scope).await;
            if let Some(answer) = attempts.after(answer) {
                return answer;
            }
        }
    }

    async fn grant_once(
        &self,
        grant: &str,
        shown: &[(&str, &Secret)],
        scope: Option<&Scopes>,
    ) -> Result<TokenSet, Error> {
        let answer = self.ask(grant, &[], shown, scope).await?;
        let answer = self.understood(&answer)?;
        let sent: Vec<&Secret> = shown.iter().map(|(_, secret)| *secret).collect();
        self.read(answer, &sent)
    }

    /// Exchanges a token for one that is not for this client (RFC 8693). Returns the answer as it came. Otherwise as
    /// [`Endpoint::redeem`].
    ///
    /// # Errors
    /// See [`Error`].
    pub(in crate::auth) async fn exchange(
        &self,
        grant: &str,
        said: &[(&str, &str)],
        token: (&str, &Secret),
        scope: Option<&Scopes>,
    ) -> Result<Map<String, Value>, Error> {
        let mut attempts = ClientAuthAttempts::of(self.client);
        loop {
            let endpoint = self.with_client(attempts.next());
            let answer = endpoint.exchange_once(grant, said, token, scope).await;
            if let Some(answer) = attempts.after(answer) {
                return answer;
            }
        }
    }

    async fn exchange_once(
        &self,
        grant: &str,
        said: &[(&str, &str)],
        token: (&str, &Secret),
        scope: Option<&Scopes>,
    ) -> Result<Map<String, Value>, Error> {
        let answer = self.ask(grant, said, &[token], scope).await?;
        let object: Option<Map<String, Value>> = serde_json::from_slice(&answer.body).ok();
        if let (200..=299, Some(object)) = (answer.status, object)
            && stated_error(&object).is_none()
        {
            return Ok(object);
        }
        let refusal = self.understood(&answer)?;
        match self.read(refusal, &[token.1]) {
            Err(error) => Err(error),
            Ok(_) => Err(self.unusable("the answer")),
        }
    }

    /// Sends a form of our own.
    async fn ask(
        &self,
        grant: &str,
        said: &[(&str, &str)],
        shown: &[(&str, &Secret)],
        scope: Option<&Scopes>,
    ) -> Result<PostResponse, Error> {
        has_key(self.client)?;
        let (headers, body) = self.form(grant, said, shown, scope);
        Ok(self.post(headers, body).await?)
    }

    fn form(
        &self,
        grant: &str,
        said: &[(&str, &str)],
        shown: &[(&str, &Secret)],
        scope: Option<&Scopes>,
    ) -> (HeaderMap, Vec<u8>) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", grant);
        form.extend_pairs(said);
        for (name, secret) in shown {
            form.append_pair(name, secret.expose());
        }
        if let Some(scope) = scope {
            form.append_pair("scope", &scope.to_string());
        }
        form.extend_pairs(self.parameters());
        with_client_id(self.client, form)
    }

    /// Reads an answer as `oauth2` would have read it.
    fn understood(
        &self,
        answer: &PostResponse,
    ) -> Result<Result<TokenResponse, TokenResponseError>, http::Error> {
        let response = self.normalize(answer)?;
        let body = response.body();
        let other = |_| TokenResponseError::Other(String::new());
        Ok(if response.status().is_success() {
            serde_json::from_slice(body).map_err(other)
        } else {
            match serde_json::from_slice(body) {
                Ok(refusal) => Err(TokenResponseError::ServerResponse(refusal)),
                Err(error) => Err(other(error)),
            }
        })
    }
}
