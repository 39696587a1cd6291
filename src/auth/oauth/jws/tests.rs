//! Tests of keys and signatures: keys made with openssl 3 (`fixtures/keys`; the JWKs are Node's of the same keys),
//! signatures checked with ring's verifier on the public key as the token or openssl shows it.

use proptest::prelude::*;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/fixtures/keys/",
            $name
        ))
    };
}

const EC: [(&str, &str); 3] = [
    ("PKCS#8", fixture!("ec.pem")),
    ("SEC1", fixture!("ec-sec1.pem")),
    ("JWK", fixture!("ec.jwk")),
];
const ED: [(&str, &str); 2] = [("PKCS#8", fixture!("ed.pem")), ("JWK", fixture!("ed.jwk"))];
const RSA: [(&str, &str); 3] = [
    ("PKCS#8", fixture!("rsa.pem")),
    ("PKCS#1", fixture!("rsa-pkcs1.pem")),
    ("JWK", fixture!("rsa.jwk")),
];

fn key(text: &str) -> Key {
    Key::read(&Secret::new(text)).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn member(jwk: &Value, name: &str) -> Vec<u8> {
    bytes(jwk[name].as_str().unwrap())
}

/// Says whether the public half of this JWK verifies the token, as its header says it is signed.
fn verifies(token: &Secret, jwk: &Value) -> bool {
    let (signed, signature) = token.expose().rsplit_once('.').unwrap();
    let head: Value = serde_json::from_slice(&bytes(signed.split_once('.').unwrap().0)).unwrap();
    let (message, signature) = (signed.as_bytes(), bytes(signature));
    let rsa = |parameters| {
        let (n, e) = (member(jwk, "n"), member(jwk, "e"));
        let public = RsaPublicKeyComponents { n: &n, e: &e };
        public.verify(parameters, message, &signature)
    };
    let verified = match head["alg"].as_str().unwrap() {
        "ES256" => {
            let point = [vec![4], member(jwk, "x"), member(jwk, "y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
        }
        "EdDSA" => UnparsedPublicKey::new(&ED25519, member(jwk, "x")).verify(message, &signature),
        "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
        "PS256" => rsa(&RSA_PSS_2048_8192_SHA256),
        other => panic!("signed with {other}"),
    };
    verified.is_ok()
}

fn parts(token: &Secret) -> (Value, Value) {
    let mut parts = token.expose().split('.').map(bytes);
    let mut part = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (part(), part())
}

#[test]
fn every_form_of_a_key_signs_what_others_verify() {
    let claims = json!({"iss": "ä", "big": 12_345_678_901_234_567_890_u64});
    for (forms, jwk, algorithms) in [
        (&EC[..], fixture!("ec.jwk"), &[Algorithm::Es256][..]),
        (&ED[..], fixture!("ed.jwk"), &[Algorithm::EdDsa]),
        (
            &RSA[..],
            fixture!("rsa.jwk"),
            &[Algorithm::Rs256, Algorithm::Ps256],
        ),
    ] {
        let jwk: Value = serde_json::from_str(jwk).unwrap();
        for (form, text) in forms {
            let key = key(text);
            assert_eq!(key.algorithms(), algorithms, "{form}");
            for algorithm in algorithms {
                let token = key
                    .sign(*algorithm, TokenHeader::default(), &claims)
                    .unwrap();
                assert!(verifies(&token, &jwk), "{form} {algorithm:?}");
                let (head, body) = parts(&token);
                assert_eq!(head, json!({"typ": "JWT", "alg": algorithm.name()}));
                assert_eq!(body, claims);
                let other = Secret::new(token.expose().replacen('.', ".e", 1));
                assert!(!verifies(&other, &jwk), "the verifier would take anything");
            }
        }
    }
}

#[test]
fn one_key_has_one_thumbprint_in_all_its_forms() {
    for forms in [&EC[..], &ED[..], &RSA[..]] {
        let prints: Vec<_> = forms
            .iter()
            .map(|(_, text)| key(text).thumbprint())
            .collect();
        assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
        assert_eq!(bytes(&prints[0]).len(), 32);
    }
    // RFC 8037 appendix A.3.
    let ed = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert_eq!(
        key(ed).thumbprint(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

/// The example of RFC 7638 section 3.1, with members beside it that are not the key's.
#[test]
fn the_thumbprint_of_the_rfc_is_the_thumbprint() {
    install();
    let jwk: Jwk = serde_json::from_value(json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }))
    .unwrap();
    assert_eq!(
        jwk.thumbprint(ThumbprintHash::SHA256).unwrap(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn a_new_key_is_read_back_from_its_text_and_shows_its_public_half_only() {
    let made = Key::generate().unwrap();
    let read = key(made.text().expose());
    assert_eq!(read.thumbprint(), made.thumbprint());
    assert_ne!(Key::generate().unwrap().thumbprint(), made.thumbprint());
    let head = TokenHeader {
        kind: Some("dpop+jwt"),
        shows_key: true,
    };
    let token = read.sign(Algorithm::Es256, head, &json!({})).unwrap();
    let (head, _) = parts(&token);
    assert!(verifies(&token, &head["jwk"]));
    let names: Vec<_> = head["jwk"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["crv", "kty", "x", "y"]);
    assert_eq!(head["typ"], "dpop+jwt");
    assert_eq!(format!("{read:?}"), "(key)");
}

#[test]
fn a_jwk_is_named_by_its_kid_unless_it_is_shown() {
    let mut jwk: Value = serde_json::from_str(fixture!("ec.jwk")).unwrap();
    jwk["kid"] = "mine".into();
    let key = key(&jwk.to_string());
    for (shows_key, kid) in [(false, Some("mine")), (true, None)] {
        let head = TokenHeader {
            kind: None,
            shows_key,
        };
        let token = key.sign(Algorithm::Es256, head, &json!({})).unwrap();
        let (head, _) = parts(&token);
        assert_eq!(head.get("kid").and_then(Value::as_str), kid);
        assert_eq!(head.get("jwk").is_some(), shows_key);
    }
}

#[test]
fn a_key_signs_with_its_own_algorithms_only() {
    for (text, wrong) in [
        (fixture!("ec.pem"), Algorithm::Rs256),
        (fixture!("ed.pem"), Algorithm::Es256),
        (fixture!("rsa.pem"), Algorithm::EdDsa),
    ] {
        let refused = key(text).sign(wrong, TokenHeader::default(), &json!({}));
        assert!(matches!(refused, Err(Error::OtherKind(name)) if name == wrong.name()));
    }
}

#[test]
fn what_cannot_be_signed_with_is_refused_for_what_it_is() {
    let word = |text: &str| match Key::read(&Secret::new(text)) {
        Ok(_) => "read",
        Err(Error::NotAKey) => "no key",
        Err(Error::Encrypted) => "encrypted",
        Err(Error::Unusable) => "unusable",
        Err(_) => "other",
    };
    let mut without_x: Value = serde_json::from_str(fixture!("ec.jwk")).unwrap();
    without_x["x"] = Value::Null;
    let mut foreign: Value = serde_json::from_str(fixture!("ec.jwk")).unwrap();
    foreign["x"] = foreign["y"].clone();
    let cut = fixture!("rsa.pem").replace("\nM", "\n");
    for (what, text, wanted) in [
        (
            "PKCS#8, encrypted",
            fixture!("ec-encrypted.pem"),
            "encrypted",
        ),
        (
            "PKCS#1, encrypted",
            fixture!("rsa-pkcs1-encrypted.pem"),
            "encrypted",
        ),
        ("P-384", fixture!("p384.pem"), "unusable"),
        ("P-384 as JWK", fixture!("p384.jwk"), "unusable"),
        ("RSA of 1024 bits", fixture!("rsa1024.pem"), "unusable"),
        ("half a public key", &without_x.to_string(), "unusable"),
        (
            "somebody else's public key",
            &foreign.to_string(),
            "unusable",
        ),
        ("a damaged PEM", &cut, "no key"),
        ("a symmetric JWK", r#"{"kty":"oct","k":"AAAA"}"#, "no key"),
        ("JSON", "{}", "no key"),
        ("half of it", "{", "no key"),
        ("text", "s3cret", "no key"),
        ("nothing", "", "no key"),
    ] {
        assert_eq!(word(text), wanted, "{what}");
    }
}

proptest! {
    /// Any text is refused, and the error does not quote it.
    #[test]
    fn nothing_that_is_read_as_a_key_breaks_the_reader(der in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..3) {
        let name = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"][usize::try_from(kind).unwrap()];
        let body = BASE64_STANDARD.encode(&der);
        let text = format!("-----BEGIN {name}-----\n{body}\n-----END {name}-----\n");
        prop_assert!(Key::read(&Secret::new(text)).is_err());
    }
}
