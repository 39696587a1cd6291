//! Tests of the claims of proofs, and of what a refusal teaches.

use std::time::Duration;

use serde_json::json;

use super::*;

const NOW: u64 = 1_562_262_616;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn prover() -> Prover {
    Prover::new(Key::generate().unwrap(), &HintCache::default())
}

fn said(fields: &[(&'static str, &str)]) -> HeaderMap {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

fn read(proof: &Secret) -> (Value, Value) {
    let mut parts = proof.expose().split('.');
    let mut part = || {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(parts.next().unwrap());
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    };
    (part(), part())
}

/// The example of RFC 9449 section 7.1, its access token and its hash.
#[test]
fn the_claims_are_those_of_the_rfc() {
    let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let at = url("https://resource.example.org/protectedresource?secret=1#part");
    let mut of = ProofClaims {
        id: [0; 16],
        method: "GET",
        url: &at,
        issued_at: 1_562_262_618,
        token: Some(&token),
        nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"),
    };
    let wanted = json!({
        "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        "htm": "GET",
        "htu": "https://resource.example.org/protectedresource",
        "iat": 1_562_262_618,
        "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
        "nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v",
    });
    assert_eq!(claims(&of), wanted);
    (of.token, of.nonce) = (None, None);
    let bare = claims(&of);
    assert_eq!((bare.get("ath"), bare.get("nonce")), (None, None));
}

/// The target is byte for byte as it is sent, for servers that compare text.
#[test]
fn a_proof_names_the_target_without_what_is_not_sent_in_it() {
    for (text, wanted) in [
        ("https://me:s3cret@a.example/mcp", "https://a.example/mcp"),
        ("https://A.example:443", "https://a.example/"),
        (
            "http://a.example:8080/a%20b/%7e?x#y",
            "http://a.example:8080/a%20b/%7e",
        ),
    ] {
        let at = url(text);
        let proof = prover().proof(ServerRole::Resource, "POST", &at, None, now());
        assert_eq!(read(&proof.unwrap()).1["htu"], wanted);
    }
}

#[test]
fn a_proof_shows_the_public_key_only_and_no_two_are_alike() {
    let prover = prover();
    let at = url("https://as.example/token");
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let proof = prover
            .proof(ServerRole::Authorization, "POST", &at, None, now())
            .unwrap();
        let (head, body) = read(&proof);
        assert_eq!(
            (&head["typ"], &head["alg"]),
            (&json!("dpop+jwt"), &json!("ES256"))
        );
        let names: Vec<_> = head["jwk"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["crv", "kty", "x", "y"], "and never `d`");
        assert_eq!(body["iat"], NOW);
        assert!(seen.insert(body["jti"].as_str().unwrap().to_owned()));
    }
    assert!(!format!("{prover:?}").contains("PRIVATE"));
}

#[test]
fn nonces_stay_with_the_side_and_the_origin_they_came_from() {
    let prover = prover();
    let (here, there) = (
        url("https://a.example/token"),
        url("https://b.example/token"),
    );
    let hints = prover.hints();
    hints.learn(
        ServerRole::Authorization,
        &here.origin(),
        &said(&[("dpop-nonce", "one")]),
        now(),
    );
    let nonce = |server, at: &Url| {
        let proof = prover.proof(server, "POST", at, None, now()).unwrap();
        read(&proof).1.get("nonce").cloned()
    };
    assert_eq!(nonce(ServerRole::Authorization, &here), Some(json!("one")));
    assert_eq!(nonce(ServerRole::Resource, &here), None);
    assert_eq!(nonce(ServerRole::Authorization, &there), None);
    hints.learn(
        ServerRole::Authorization,
        &here.origin(),
        &said(&[("dpop-nonce", "two")]),
        now(),
    );
    hints.learn(
        ServerRole::Authorization,
        &here.origin(),
        &HeaderMap::new(),
        now(),
    );
    assert_eq!(nonce(ServerRole::Authorization, &here), Some(json!("two")));
}

#[test]
fn what_is_no_nonce_is_not_kept() {
    let long = "n".repeat(MAX_NONCE + 1);
    for bad in ["", "two words", "a\"b", "a\\b", "né", &long] {
        let mut headers = HeaderMap::new();
        headers.insert(NONCE, HeaderValue::from_bytes(bad.as_bytes()).unwrap());
        assert_eq!(nonce(&headers), None, "{bad}");
    }
    let longest = "n".repeat(MAX_NONCE);
    let headers = said(&[("dpop-nonce", longest.as_str())]);
    assert_eq!(nonce(&headers).as_deref(), Some(longest.as_str()));
}

#[test]
fn a_proof_is_dated_by_our_clock_until_it_is_refused_for_it() {
    let prover = prover();
    let at = url("https://a.example/mcp");
    let (hints, there) = (prover.hints(), at.origin());
    let dated = || {
        let proof = prover.proof(ServerRole::Resource, "GET", &at, None, now());
        read(&proof.unwrap()).1["iat"].as_i64().unwrap() - i64::try_from(NOW).unwrap()
    };
    for (date, ahead) in [
        ("Thu, 04 Jul 2019 18:06:56 GMT", 1000),
        ("Thu, 04 Jul 2019 16:50:16 GMT", -3600),
        // A text that is no date teaches nothing.
        ("yesterday", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", -1_562_262_616),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ] {
        let said = said(&[("date", date)]);
        let before = dated();
        hints.learn(ServerRole::Resource, &there, &said, now());
        assert_eq!(dated(), before, "{date}");
        let before = hints.hints_of(ServerRole::Resource, &there);
        let (mut retry, whom) = (ProofRetry::default(), (ServerRole::Resource, &there));
        let code = Some("invalid_dpop_proof");
        assert!(hints.should_retry(&mut retry, whom, (code, &said), &before, now()));
        assert_eq!(dated(), ahead, "{date}");
        let before = hints.hints_of(ServerRole::Resource, &there);
        assert!(!hints.should_retry(&mut retry, whom, (code, &said), &before, now()));
    }
}

#[test]
fn a_refused_proof_is_made_again_for_each_reason_and_not_for_ever() {
    let hints = |nonce: &str| ServerHints {
        nonce: (!nonce.is_empty()).then(|| nonce.into()),
        ..ServerHints::default()
    };
    let (none, one, two) = (hints(""), hints("one"), hints("two"));
    let mut retry = ProofRetry::default();
    let code = Some("use_dpop_nonce");
    let mut again = |code, before: &ServerHints, said: &ServerHints| {
        retry.next_offset(code, before, said.clone())
    };
    assert_eq!(again(code, &none, &none), None, "no nonce came with it");
    assert_eq!(again(code, &one, &one), None, "the one it refused");
    assert_eq!(again(Some("invalid_token"), &one, &two), None);
    assert_eq!(again(None, &one, &two), None);
    for _ in 0..MAX_NONCE_RETRIES {
        assert_eq!(again(code, &one, &two), Some(0));
    }
    assert_eq!(again(code, &two, &one), None);

    let code = Some("invalid_dpop_proof");
    assert_eq!(again(code, &one, &two), None, "the clock is right");
    assert_eq!(again(code, &none, &one), Some(0), "it meant a nonce");
    assert_eq!(again(code, &none, &one), None, "twice in a row");
}

#[test]
fn the_nonce_of_ones_own_refusal_is_tried_first() {
    let mut retry = ProofRetry::default();
    let code = Some("use_dpop_nonce");
    for (nonce, own) in [("one", Some("one")), ("two", None)] {
        let said = ServerHints {
            nonce: Some(nonce.into()),
            ..ServerHints::default()
        };
        assert!(
            retry
                .next_offset(code, &ServerHints::default(), said)
                .is_some()
        );
        assert_eq!(retry.nonce().as_deref(), own);
        assert_eq!(retry.nonce(), None);
    }
    assert!(retry.is_contended());
}
