//! Revocation: tells an authorization server to forget a token.
//!
//! The form is our own; the client proves itself as at the token endpoint. The caller chooses the tokens, and judges a
//! failure.
//!
//! RFC 7009. An answer may hold our secrets, and an error must not.

use ::http::header::HeaderMap;
use url::{Url, form_urlencoded};

use crate::auth::client::{Client, Method};
use crate::auth::net::http::{Http, host_of, is_unavailable};
use crate::auth::oauth::client_auth::{authenticated, with_client_id};
use crate::auth::oauth::token_endpoint::{ClientAuthAttempts, Error, has_key};
use crate::auth::oauth::token_response::{code_of, description_of, redacted, unavailable};
use crate::auth::text_limits::{MAX_CODE, MAX_DESCRIPTION};
use crate::secret::Secret;
use crate::text::plain;

/// Tells the server to forget a token (RFC 7009). `hint` is `refresh_token` or `access_token`. The server also answers
/// 200 for tokens it never knew.
///
/// # Errors
/// [`Error::Failed`], or [`Error::Refused`] with the server's code, `http_NNN` where it gave none.
pub(in crate::auth) async fn revoke(
    http: &Http,
    at: &Url,
    client: &Client,
    token: &Secret,
    hint: &'static str,
) -> Result<(), Error> {
    has_key(client)?;
    let mut attempts = ClientAuthAttempts::of(client);
    loop {
        let client = attempts.next();
        let mut answer = revoke_once(http, at, client, token, &[("token_type_hint", hint)]).await;
        if wants_empty_secret(client, &answer) {
            let more = [("token_type_hint", hint), ("client_secret", "")];
            answer = revoke_once(http, at, client, token, &more).await;
        }
        if let Some(answer) = attempts.after(answer) {
            return answer;
        }
    }
}

async fn revoke_once(
    http: &Http,
    at: &Url,
    client: &Client,
    token: &Secret,
    more: &[(&str, &str)],
) -> Result<(), Error> {
    let (headers, body) = revocation(client, token, more);
    let (headers, body) = authenticated(client, headers, &body)?;
    let answer = http.post(at, headers, body).await?;
    match answer.status {
        200..=299 => Ok(()),
        status if is_unavailable(status) => Err(unavailable(&answer, at).into()),
        status => {
            let secrets = || [token].into_iter().chain(client.secret.as_ref());
            let clean = |text: String, longest| plain(&redacted(&text, secrets()), longest);
            Err(Error::Refused {
                host: host_of(at),
                code: code_of(&answer)
                    .map_or_else(|| format!("http_{status}"), |code| clean(code, MAX_CODE)),
                description: description_of(&answer).map(|text| clean(text, MAX_DESCRIPTION)),
            })
        }
    }
}

/// Says whether the server wants an empty `client_secret`. The revocation endpoint of the official Python SDK misses a
/// `client_secret` in the form even of clients that have none or show it in the header; an empty one will do there.
fn wants_empty_secret(client: &Client, answer: &Result<(), Error>) -> bool {
    client.method != Method::Post
        && matches!(answer, Err(Error::Refused { code, description: Some(words), .. })
            if code == "invalid_request" && words.contains("client_secret"))
}

fn revocation(client: &Client, token: &Secret, more: &[(&str, &str)]) -> (HeaderMap, Vec<u8>) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose());
    form.extend_pairs(more);
    with_client_id(client, form)
}
