//! Revocation: a server is told to forget a token.
//!
//! A form of our own making, which the client is proved in as at the token endpoint. Which tokens are to go, and what
//! it means if one does not, is for who calls.
//!
//! RFC 7009; security.md K1 (an answer may hold our secrets, and an error must not).

use ::http::header::HeaderMap;
use url::{Url, form_urlencoded};

use super::answers::without;
use super::answers::{code_of, unwell};
use super::assertion::{introduced, proved};
use super::http::{Http, host_of, is_unwell};
use super::registration::Client;
use super::tokens::{Error, has_key};
use crate::secret::Secret;

/// Tells the server to forget a token (RFC 7009). `hint` is `refresh_token` or `access_token`. It also answers 200 for
/// tokens it never knew.
///
/// # Errors
/// [`Error::Failed`], or [`Error::Refused`] with the server's code, `http_NNN` where it gave none.
pub(super) async fn revoke(
    http: &Http,
    at: &Url,
    client: &Client,
    token: &Secret,
    hint: &'static str,
) -> Result<(), Error> {
    has_key(client)?;
    let (headers, body) = revocation(client, token, hint);
    let body = proved(client, body)?;
    let answer = http.post(at, headers, body).await?;
    match answer.status {
        200..=299 => Ok(()),
        status if is_unwell(status) => Err(unwell(&answer, at).into()),
        status => {
            let secrets = || [token].into_iter().chain(client.secret.as_ref());
            Err(Error::Refused {
                host: host_of(at),
                code: code_of(&answer).map_or_else(
                    || format!("http_{status}"),
                    |code| super::plain(&without(&code, secrets()), 100),
                ),
                description: None,
            })
        }
    }
}

fn revocation(client: &Client, token: &Secret, hint: &str) -> (HeaderMap, Vec<u8>) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose());
    form.append_pair("token_type_hint", hint);
    introduced(client, form)
}
