//! Client authentication: proves a client with a request that it makes, by an assertion signed with the client's own
//! key (`private_key_jwt`), or by a secret, in the header or in the form.
//!
//! An assertion says that the holder of the key makes this one request, to this one server, within a minute. Its
//! audience is the issuer, as a single string: with a list of audiences, a server could present the assertion at
//! another server. The key is the user's: it is read when the bridge starts, or from the vault when it is needed, and
//! is never written down together with the tokens that it brought.
//!
//! RFC 6749 section 2.3, RFC 7523 sections 2.2 and 3, and draft-ietf-oauth-rfc7523bis on the audience.

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::auth::client::{Client, Method};
use crate::auth::net::http;
use crate::auth::oauth::jws::TokenHeader;
use crate::random;
use crate::secret::Secret;

/// Makes a form, and the headers that go with it, in which the client names itself and shows its secret, if it has one.
/// A client without an id adds nothing.
pub(in crate::auth) fn introduced(
    client: &Client,
    mut form: form_urlencoded::Serializer<'_, String>,
) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    match (&client.secret, client.method) {
        (Some(secret), Method::Basic) => {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let (id, secret): (String, String) = (encode(&client.id), encode(secret.expose()));
            let pair = Zeroizing::new(BASE64_STANDARD.encode(format!("{id}:{secret}")));
            if let Ok(mut value) = HeaderValue::try_from(format!("Basic {}", pair.as_str())) {
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        (Some(secret), Method::Post) => {
            form.append_pair("client_id", &client.id);
            form.append_pair("client_secret", secret.expose());
        }
        _ if client.id.is_empty() => {}
        _ => {
            form.append_pair("client_id", &client.id);
        }
    }
    (headers, form.finish().into_bytes())
}

/// Returns the form as it is sent: where the client's secret is in the header, its `client_id` is in the form too;
/// where the client is proved by assertions, a new assertion replaces its `client_id`. Each sending needs a new
/// assertion, because servers remember the ones they have seen.
///
/// # Errors
/// The system gives no random numbers, or there is no key.
pub(in crate::auth) fn proved(client: &Client, form: Vec<u8>) -> Result<Vec<u8>, http::Error> {
    if client.repeats_id() {
        return Ok(with_id(client, form));
    }
    if client.method != Method::PrivateKeyJwt {
        return Ok(form);
    }
    let form = Zeroizing::new(form);
    let mut again = form_urlencoded::Serializer::new(String::new());
    again.extend_pairs(form_urlencoded::parse(&form).filter(|(name, _)| name != "client_id"));
    again.append_pair("client_assertion_type", ASSERTION_TYPE);
    again.append_pair("client_assertion", assertion(client)?.expose());
    Ok(again.finish().into_bytes())
}

/// Returns the form with `client_id`, for a client whose secret is in the header. The token endpoint of the official
/// Python SDK looks the client up by the form alone.
fn with_id(client: &Client, form: Vec<u8>) -> Vec<u8> {
    if form_urlencoded::parse(&form).any(|(name, _)| name == "client_id") {
        return form;
    }
    let pair = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &client.id)
        .finish();
    let separator: &[u8] = if form.is_empty() { b"" } else { b"&" };
    [&form, separator, pair.as_bytes()].concat()
}

fn assertion(client: &Client) -> Result<Secret, http::Error> {
    let failed = |why: &str| http::Error::Unbuildable {
        why: why.to_owned(),
    };
    let signing = client.signing.as_ref();
    let signer = signing.and_then(|signing| Some((signing, signing.signer.as_ref()?)));
    let (signing, (key, now)) = signer.ok_or_else(|| failed("the client's key is missing"))?;
    let id: [u8; 16] = random::bytes().map_err(|_| failed("there is no randomness"))?;
    let now = now.seconds();
    let claims = json!({
        "iss": client.id,
        "sub": client.id,
        "aud": signing.audience,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": BASE64_URL_SAFE_NO_PAD.encode(id),
    });
    let signed = key.sign(signing.algorithm, TokenHeader::default(), &claims);
    signed.map_err(|error| failed(&error.to_string()))
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The seconds for which an assertion is valid.
const LIFETIME: u64 = 60;

#[cfg(test)]
mod tests;
