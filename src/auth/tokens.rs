//! The token endpoint: a code or a refresh token goes out, tokens come back; and revocation.
//!
//! The requests are `oauth2`'s, sent through our own client. Its answers are made regular before it reads them (a
//! number that came as a string, scopes that came as a list, an error that came with 200), so that what differs in the
//! field differs only here, and so that it never has to complain about a body that holds tokens.
//!
//! RFC 6749 sections 2.3, 5 and 6, RFC 7636, RFC 7009, RFC 8707; security.md K1 to K5; protocol.md O-01 to O-13.

use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::BoxFuture;
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    TokenResponse as _, TokenUrl,
};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::http::{Answer, Fault, Http, host_of, is_unwell};
use super::registration::{Client, Method};
use super::scope::Scopes;
use crate::secret::Secret;

/// What a token endpoint gave.
#[derive(Debug)]
pub struct TokenSet {
    /// Shown to the resource.
    pub access: Secret,
    /// Brings the next set.
    pub refresh: Option<Secret>,
    /// How long the access token is good; unknown if the server did not say. At most a year.
    pub lifetime: Option<Duration>,
    /// What was granted, where it differs from what was asked.
    pub scope: Option<Scopes>,
}

/// Why it gave none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or cannot answer now; whatever was sent may be sent again later.
    #[error("getting a token: {0}")]
    Failed(#[from] Fault),
    /// It said no (RFC 6749 section 5.2).
    #[error("{host} refused a token: {code}{}", super::said(.description.as_deref()))]
    Refused {
        /// The token endpoint's host.
        host: String,
        /// Its word for it, cleaned; `http_NNN` if it had none.
        code: String,
        /// Its explanation, cleaned, our secrets taken out.
        description: Option<String>,
    },
    /// A success that holds no token we can use.
    #[error("{host} sent tokens that cannot be used: {why}")]
    Unusable {
        /// The token endpoint's host.
        host: String,
        /// The member at fault.
        why: &'static str,
    },
}

impl Error {
    /// Whether it was refused with this code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Whether the client itself is unknown there (G-08).
    pub fn is_about_client(&self) -> bool {
        self.is("invalid_client") || self.is("unauthorized_client")
    }
}

/// One token endpoint, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    /// How to get there.
    pub http: &'a Http,
    /// Where it is.
    pub url: &'a Url,
    /// Who we are there.
    pub client: &'a Client,
    /// The `resource` parameter, if one is sent.
    pub resource: Option<&'a str>,
    /// What the user adds.
    pub extra: &'a [(String, String)],
    /// Take the ID token for the access token.
    pub use_id_token: bool,
}

impl Endpoint<'_> {
    /// Spends an authorization code.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn redeem(
        &self,
        code: &Secret,
        verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenSet, Error> {
        let Ok(redirect) = RedirectUrl::new(redirect_uri.to_owned()) else {
            return Err(self.unusable("redirect_uri"));
        };
        let client = self.wire().set_redirect_uri(redirect);
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
        for (name, value) in self.parameters() {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(self).await;
        self.read(answer, &[code, verifier])
    }

    /// Spends a refresh token. `scope` only for servers that want it repeated (O-05).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn refresh(&self, token: &Secret, scope: Option<&Scopes>) -> Result<TokenSet, Error> {
        let client = self.wire();
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

    fn wire(
        &self,
    ) -> BasicClient<
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointSet,
    > {
        let mut client = BasicClient::new(ClientId::new(self.client.id.clone()))
            .set_token_uri(TokenUrl::from_url(self.url.clone()))
            .set_auth_type(match self.client.method {
                Method::Basic => AuthType::BasicAuth,
                Method::None | Method::Post => AuthType::RequestBody,
            });
        if let (Some(secret), Method::Basic | Method::Post) =
            (&self.client.secret, self.client.method)
        {
            client = client.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        client
    }

    fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let resource = self
            .resource
            .map(|uri| ("resource".to_owned(), uri.to_owned()));
        resource.into_iter().chain(self.extra.iter().cloned())
    }

    fn read(
        &self,
        answer: Result<BasicTokenResponse, RequestTokenError<Fault, BasicErrorResponse>>,
        sent: &[&Secret],
    ) -> Result<TokenSet, Error> {
        let tokens = match answer {
            Ok(tokens) => tokens,
            Err(RequestTokenError::Request(fault)) => return Err(Error::Failed(fault)),
            Err(RequestTokenError::ServerResponse(refusal)) => {
                let secrets = sent.iter().copied().chain(self.client.secret.as_ref());
                let clean = |text: &str| super::plain(&without(text, secrets.clone()), 300);
                return Err(Error::Refused {
                    host: host_of(self.url),
                    code: clean(refusal.error().as_ref()),
                    description: refusal.error_description().map(|text| clean(text)),
                });
            }
            // What it could not read may hold tokens, and so may what it says about it.
            Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
                return Err(self.unusable("the answer"));
            }
        };
        let access = Secret::new(tokens.access_token().secret().as_str());
        if access.expose().is_empty() || !access.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(self.unusable("access_token"));
        }
        if !tokens.token_type().as_ref().eq_ignore_ascii_case("bearer") {
            return Err(self.unusable("token_type"));
        }
        Ok(TokenSet {
            access,
            refresh: tokens
                .refresh_token()
                .map(|token| Secret::new(token.secret().as_str())),
            lifetime: tokens.expires_in(),
            scope: tokens
                .scopes()
                .map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect()),
        })
    }

    fn unusable(&self, why: &'static str) -> Error {
        Error::Unusable {
            host: host_of(self.url),
            why,
        }
    }
}

/// How `oauth2` reaches the network: through our client, and back through [`regular`].
impl<'c> AsyncHttpClient<'c> for Endpoint<'_> {
    type Error = Fault;
    type Future = BoxFuture<'c, Result<HttpResponse, Fault>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let answer = self.http.post(self.url, head.headers, body).await?;
            let (status, value) = regular(&answer, self.url, self.use_id_token)?;
            let mut response = HttpResponse::new(value.to_string().into_bytes());
            *response.status_mut() = status;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            Ok(response)
        })
    }
}

/// Tells the server to forget a token (RFC 7009). `hint` is `refresh_token` or `access_token`. It also answers 200 for
/// tokens it never knew.
///
/// # Errors
/// [`Error::Failed`], or [`Error::Refused`] with the status.
pub async fn revoke(
    http: &Http,
    at: &Url,
    client: &Client,
    token: &Secret,
    hint: &'static str,
) -> Result<(), Error> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose());
    form.append_pair("token_type_hint", hint);
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    match (&client.secret, client.method) {
        (Some(secret), Method::Basic) => {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let (id, secret): (String, String) = (encode(&client.id), encode(secret.expose()));
            let pair = BASE64_STANDARD.encode(format!("{id}:{secret}"));
            if let Ok(mut value) = HeaderValue::try_from(format!("Basic {pair}")) {
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        (Some(secret), Method::Post) => {
            form.append_pair("client_id", &client.id);
            form.append_pair("client_secret", secret.expose());
        }
        _ => {
            form.append_pair("client_id", &client.id);
        }
    }
    let answer = http.post(at, headers, form.finish().into_bytes()).await?;
    match answer.status {
        200..=299 => Ok(()),
        status if is_unwell(status) => Err(unwell(&answer, at).into()),
        status => Err(Error::Refused {
            host: host_of(at),
            code: format!("http_{status}"),
            description: None,
        }),
    }
}

fn unwell(answer: &Answer, url: &Url) -> Fault {
    Fault::Unwell {
        host: host_of(url),
        status: answer.status,
        retry_after: answer.retry_after,
    }
}

/// Makes an answer what RFC 6749 section 5 says it is, or finds that it is none.
fn regular(
    answer: &Answer,
    url: &Url,
    use_id_token: bool,
) -> Result<(::http::StatusCode, Value), Fault> {
    let object = read_object(answer);
    let error = object.as_ref().and_then(|object| object.get("error"));
    if let (Some(object), Some(error)) = (&object, error) {
        // An explicit error decides, whatever the status: Slack and GitHub send it with 200.
        if !is_unwell(answer.status) || error.is_string() {
            let code = error.as_str().unwrap_or("error");
            let description = object
                .get("error_description")
                .or_else(|| error.get("message"));
            let passing = matches!(
                code,
                "temporarily_unavailable" | "server_error" | "slow_down"
            );
            if passing {
                return Err(unwell(answer, url));
            }
            return Ok((::http::StatusCode::BAD_REQUEST, refusal(code, description)));
        }
    }
    match (answer.status, object) {
        (status, _) if is_unwell(status) => Err(unwell(answer, url)),
        (200..=299, Some(object)) => Ok((::http::StatusCode::OK, success(&object, use_id_token))),
        // Not the words of a token endpoint: a portal or a firewall answered in its place. That decides nothing.
        (_, None) => Err(unwell(answer, url)),
        (status, Some(object)) => {
            let code = format!("http_{status}");
            let refusal = refusal(&code, object.get("message"));
            Ok((::http::StatusCode::BAD_REQUEST, refusal))
        }
    }
}

fn read_object(answer: &Answer) -> Option<Map<String, Value>> {
    if answer.media == "application/x-www-form-urlencoded" {
        let pairs = form_urlencoded::parse(&answer.body);
        return Some(
            pairs
                .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
                .collect(),
        );
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn refusal(code: &str, description: Option<&Value>) -> Value {
    let description = description.and_then(Value::as_str);
    json!({ "error": code, "error_description": description })
}

fn success(object: &Map<String, Value>, use_id_token: bool) -> Value {
    let text = |name: &str| {
        let text = object.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let id_token = use_id_token.then(|| text("id_token")).flatten();
    let lifetime = object.get("expires_in").and_then(|value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    let lifetime = lifetime.filter(|seconds| seconds.is_finite());
    let scope = match object.get("scope") {
        Some(Value::String(text)) => Some(text.replace(',', " ")),
        Some(Value::Array(items)) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(words.join(" "))
        }
        _ => None,
    };
    json!({
        "access_token": id_token.or_else(|| text("access_token")).unwrap_or_default(),
        "token_type": text("token_type").unwrap_or("bearer"),
        "refresh_token": text("refresh_token"),
        "expires_in": lifetime.map(|seconds| {
            Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_LIFETIME)).as_secs()
        }),
        "scope": scope.filter(|scope| !scope.trim().is_empty()),
    })
}

/// A year, in seconds.
const LONGEST_LIFETIME: f64 = 31_536_000.0;

fn without<'a>(text: &str, secrets: impl Iterator<Item = &'a Secret>) -> String {
    secrets
        .filter(|secret| secret.expose().len() >= 4)
        .fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "(redacted)")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, media: &str, body: &str) -> Answer {
        Answer {
            status,
            media: media.to_owned(),
            body: body.as_bytes().to_vec().into(),
            retry_after: None,
        }
    }

    fn read(status: u16, body: &str) -> Result<(u16, Value), Fault> {
        let url = Url::parse("https://as.example.com/token").unwrap();
        regular(&answer(status, "application/json", body), &url, false)
            .map(|(status, value)| (status.as_u16(), value))
    }

    #[test]
    fn tokens_of_every_spelling_are_read() {
        for (body, wanted) in [
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":60}"#,
                json!({"access_token":"a","token_type":"Bearer","expires_in":60}),
            ),
            (
                r#"{"access_token":"a","expires_in":"3600"}"#,
                json!({"access_token":"a","token_type":"bearer","expires_in":3600}),
            ),
            (
                r#"{"access_token":"a","expires_in":-5}"#,
                json!({"access_token":"a","token_type":"bearer","expires_in":0}),
            ),
            (
                r#"{"access_token":"a","expires_in":1e300}"#,
                json!({"access_token":"a","token_type":"bearer","expires_in":31_536_000}),
            ),
            (
                r#"{"access_token":"a","expires_in":null,"scope":["x","y"]}"#,
                json!({"access_token":"a","token_type":"bearer","scope":"x y"}),
            ),
            (
                r#"{"access_token":"a","scope":"x,y","refresh_token":""}"#,
                json!({"access_token":"a","token_type":"bearer","scope":"x y"}),
            ),
        ] {
            let (status, mut read) = read(200, body).unwrap();
            read.as_object_mut()
                .unwrap()
                .retain(|_, value| !value.is_null());
            assert_eq!((status, read), (200, wanted), "{body}");
        }
        let url = Url::parse("https://as.example.com/token").unwrap();
        let form = answer(
            200,
            "application/x-www-form-urlencoded",
            "access_token=a&scope=repo%2Cgist",
        );
        let (_, value) = regular(&form, &url, false).unwrap();
        assert_eq!(value["scope"], "repo gist");
    }

    #[test]
    fn refusals_of_every_spelling_are_read() {
        for (status, body, code) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"x"}"#,
                "invalid_grant",
            ),
            (
                200,
                r#"{"ok":false,"error":"invalid_grant"}"#,
                "invalid_grant",
            ),
            (401, r#"{"error":"invalid_client"}"#, "invalid_client"),
            (500, r#"{"error":"invalid_grant"}"#, "invalid_grant"),
            (422, r#"{"message":"unknown client"}"#, "http_422"),
            (400, r#"{"error":{"code":7,"message":"m"}}"#, "error"),
        ] {
            let (status, value) = read(status, body).unwrap();
            assert_eq!((status, &value["error"]), (400, &json!(code)), "{body}");
        }
    }

    #[test]
    fn what_is_not_a_token_endpoint_decides_nothing() {
        for (status, body) in [
            (503, ""),
            (500, r#"{"error":{"code":500}}"#),
            (403, "<html>blocked</html>"),
            (200, "<html>log in to the wifi</html>"),
            (200, "[]"),
            (429, "{}"),
            (400, r#"{"error":"temporarily_unavailable"}"#),
        ] {
            assert!(
                read(status, body).unwrap_err().is_passing(),
                "{status} {body}"
            );
        }
    }
}
