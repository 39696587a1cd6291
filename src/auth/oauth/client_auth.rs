//! Client authentication: proves a client with a request that it makes, by an assertion signed with the client's own
//! key (`private_key_jwt`), or by a secret, in the header or in the form.
//!
//! Every form names its client first, one that `oauth2` builds and one of our own alike; the authentication is put in
//! where the form is sent, here and nowhere else.
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

/// Makes a form that names its client, and the headers that go with it. A client without an id adds nothing.
pub(in crate::auth) fn with_client_id(
    client: &Client,
    mut form: form_urlencoded::Serializer<'_, String>,
) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    if !client.id.is_empty() {
        form.append_pair("client_id", &client.id);
    }
    (headers, form.finish().into_bytes())
}

/// Returns headers and form as they are sent: a form that names its client, here or in `oauth2`, gets the client's
/// authentication. Each sending needs a new assertion, because servers remember the ones they have seen.
///
/// # Errors
/// The system gives no random numbers, or there is no key.
pub(in crate::auth) fn authenticated(
    client: &Client,
    mut headers: HeaderMap,
    form: &[u8],
) -> Result<(HeaderMap, Vec<u8>), http::Error> {
    let body = match (&client.secret, client.method) {
        (Some(secret), Method::Basic) => {
            headers.extend(basic(&client.id, secret).map(|value| (AUTHORIZATION, value)));
            let mut form = without_client_id(form);
            // The token endpoint of the official Python SDK looks the client up by the form alone.
            if client.repeats_id() {
                form.append_pair("client_id", &client.id);
            }
            form.finish()
        }
        (Some(secret), Method::Post) => with_secret(client, secret, form),
        (_, Method::PrivateKeyJwt) => {
            let mut form = without_client_id(form);
            form.append_pair("client_assertion_type", ASSERTION_TYPE);
            form.append_pair("client_assertion", assertion(client)?.expose());
            form.finish()
        }
        _ => return Ok((headers, form.to_vec())),
    };
    Ok((headers, body.into_bytes()))
}

/// Returns the value of the header that shows a secret (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &Secret) -> Option<HeaderValue> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (id, secret): (String, String) = (encode(id), encode(secret.expose()));
    let pair = Zeroizing::new(BASE64_STANDARD.encode(format!("{id}:{secret}")));
    let mut value = HeaderValue::try_from(format!("Basic {}", pair.as_str())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn without_client_id(form: &[u8]) -> form_urlencoded::Serializer<'static, String> {
    let mut rest = form_urlencoded::Serializer::new(String::new());
    rest.extend_pairs(form_urlencoded::parse(form).filter(|(name, _)| name != "client_id"));
    rest
}

/// Returns the form with the secret behind the id.
fn with_secret(client: &Client, secret: &Secret, form: &[u8]) -> String {
    let mut shown = form_urlencoded::Serializer::new(String::new());
    let mut is_shown = false;
    for (name, value) in form_urlencoded::parse(form) {
        shown.append_pair(&name, &value);
        if name == "client_id" && !is_shown {
            shown.append_pair("client_secret", secret.expose());
            is_shown = true;
        }
    }
    if !is_shown {
        shown.append_pair("client_id", &client.id);
        shown.append_pair("client_secret", secret.expose());
    }
    shown.finish()
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
