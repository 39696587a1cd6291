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
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::Value;

    use super::*;
    use crate::auth::client::{Audience, ClientKey, Source};
    use crate::auth::oauth::jws::{Algorithm, Key};
    use crate::clock::Clock;
    use url::Url;

    fn client() -> Client {
        let key = ClientKey::new(Key::generate().unwrap(), None, Audience::Issuer).unwrap();
        let now = Clock::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
        let endpoint = Url::parse("https://as.example.com/token").unwrap();
        Client {
            id: "robot".to_owned(),
            secret: None,
            method: Method::PrivateKeyJwt,
            header_only: false,
            other: None,
            source: Source::Given,
            signing: key.signing("https://as.example.com", &endpoint, None, &now),
        }
    }

    fn claims(form: &[u8]) -> Value {
        let assertion = form_urlencoded::parse(form)
            .find(|(name, _)| name == "client_assertion")
            .unwrap()
            .1
            .into_owned();
        let payload = assertion.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_takes_the_place_of_the_client_id_and_no_two_are_alike() {
        let form = b"grant_type=refresh_token&client_id=robot&refresh_token=a%26b".to_vec();
        let proved = proved(&client(), form.clone()).unwrap();
        let names: Vec<String> = form_urlencoded::parse(&proved)
            .map(|(name, _)| name.into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "grant_type",
                "refresh_token",
                "client_assertion_type",
                "client_assertion"
            ]
        );
        let mut first = claims(&proved);
        let mut second = claims(&super::proved(&client(), form).unwrap());
        assert_ne!(first["jti"], second["jti"]);
        assert_eq!(first["jti"].as_str().unwrap().len(), 22);
        first["jti"].take();
        second["jti"].take();
        let wanted = json!({
            "iss": "robot", "sub": "robot", "aud": "https://as.example.com",
            "iat": 1000, "exp": 1060, "jti": null,
        });
        assert_eq!((&first, &second), (&wanted, &wanted));
    }

    #[test]
    fn who_has_no_key_at_hand_proves_nothing() {
        let mut client = client();
        client.signing.as_mut().unwrap().signer = None;
        assert!(client.lacks_key());
        assert!(proved(&client, Vec::new()).is_err());
    }

    #[test]
    fn the_algorithm_is_the_users_else_one_the_server_lists() {
        let key = Key::generate().unwrap();
        let endpoint = Url::parse("https://as.example.com/token").unwrap();
        let now = Clock::new(|| SystemTime::UNIX_EPOCH);
        let with = |algorithm| ClientKey::new(key.clone(), algorithm, Audience::TokenEndpoint);
        let rs = ["RS256".to_owned()];
        let signing = |algorithm, listed| {
            with(algorithm)
                .unwrap()
                .signing("i", &endpoint, listed, &now)
        };
        assert!(signing(None, Some(&rs[..])).is_none());
        let ours = signing(Some(Algorithm::Es256), Some(&rs[..])).unwrap();
        assert_eq!(ours.algorithm, Algorithm::Es256);
        assert_eq!(ours.audience, "https://as.example.com/token");
        assert!(with(Some(Algorithm::Rs256)).is_err());
    }
}
