use std::time::{Duration, SystemTime};

use serde_json::Value;

use futures_util::FutureExt as _;

use super::*;
use crate::auth::client::{Audience, ClientKey, ClientSource};
use crate::auth::oauth::jws::{Algorithm, Key};
use crate::auth::oauth::oauth2_adapter;
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
        source: ClientSource::Given,
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
    let (_, proved) = authenticated(&client(), HeaderMap::new(), &form).unwrap();
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
    let mut second = claims(&authenticated(&client(), HeaderMap::new(), &form).unwrap().1);
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
    assert!(authenticated(&client, HeaderMap::new(), b"").is_err());
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

/// Returns what a token endpoint gets of a refresh, which `oauth2` builds: the header, and the form.
fn refreshed(client: &Client) -> (Option<String>, String) {
    let url = oauth2::TokenUrl::new("https://as.example.com/token".to_owned()).unwrap();
    let wire = oauth2_adapter::client(client).set_token_uri(url);
    let token = oauth2::RefreshToken::new("r&t".to_owned());
    let request = wire.exchange_refresh_token(&token);
    let request = request.add_extra_param("resource", "https://mcp.example.com/");
    let seen = std::sync::Mutex::new(None);
    let capture = |request: oauth2::HttpRequest| {
        *seen.lock().unwrap() = Some(request);
        std::future::ready(Err::<oauth2::HttpResponse, _>(std::io::Error::other(
            "seen",
        )))
    };
    let _ = request.request_async(&capture).now_or_never().unwrap();
    let (head, body) = seen.into_inner().unwrap().unwrap().into_parts();
    sent(client, head.headers, &body)
}

/// Returns what a token endpoint gets of a form of our own: the header, and the form.
fn granted(client: &Client) -> (Option<String>, String) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    form.append_pair("resource", "https://mcp.example.com/");
    let (headers, body) = with_client_id(client, form);
    sent(client, headers, &body)
}

fn sent(client: &Client, headers: HeaderMap, body: &[u8]) -> (Option<String>, String) {
    let (headers, body) = authenticated(client, headers, body).unwrap();
    let header = headers.get(AUTHORIZATION);
    let header = header.map(|value| value.to_str().unwrap().to_owned());
    (header, String::from_utf8(body).unwrap())
}

#[test]
fn a_client_is_authenticated_by_these_bytes_whoever_builds_the_form() {
    let before = "grant_type=refresh_token&refresh_token=r%26t";
    let own = "grant_type=client_credentials";
    let resource = "resource=https%3A%2F%2Fmcp.example.com%2F";
    let basic = "Basic aSUyNiUyRjorcyslM0Q=";
    let secret = || Some(Secret::new(" s ="));
    for (method, secret, header_only, header, refresh, grant) in [
        (
            Method::None,
            None,
            false,
            None,
            format!("{before}&client_id=i%26%2F&{resource}"),
            format!("{own}&{resource}&client_id=i%26%2F"),
        ),
        (
            Method::Basic,
            secret(),
            false,
            Some(basic),
            format!("{before}&{resource}&client_id=i%26%2F"),
            format!("{own}&{resource}&client_id=i%26%2F"),
        ),
        (
            Method::Basic,
            secret(),
            true,
            Some(basic),
            format!("{before}&{resource}"),
            format!("{own}&{resource}"),
        ),
        (
            Method::Basic,
            None,
            false,
            None,
            format!("{before}&client_id=i%26%2F&{resource}"),
            format!("{own}&{resource}&client_id=i%26%2F"),
        ),
        (
            Method::Post,
            secret(),
            false,
            None,
            format!("{before}&client_id=i%26%2F&client_secret=+s+%3D&{resource}"),
            format!("{own}&{resource}&client_id=i%26%2F&client_secret=+s+%3D"),
        ),
        (
            Method::Post,
            None,
            false,
            None,
            format!("{before}&client_id=i%26%2F&{resource}"),
            format!("{own}&{resource}&client_id=i%26%2F"),
        ),
    ] {
        let client = Client {
            id: "i&/".to_owned(),
            secret,
            method,
            header_only,
            signing: None,
            ..client()
        };
        let header = header.map(str::to_owned);
        assert_eq!(refreshed(&client), (header.clone(), refresh), "{client:?}");
        assert_eq!(granted(&client), (header, grant), "{client:?}");
    }
    let nobody = Client::anonymous();
    let refresh = format!("{before}&client_id=&{resource}");
    assert_eq!(refreshed(&nobody), (None, refresh));
    assert_eq!(granted(&nobody), (None, format!("{own}&{resource}")));
}
