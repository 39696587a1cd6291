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
