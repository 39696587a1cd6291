use super::*;
use serde_json::json;

fn token(claims: &Value) -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{payload}.c2ln")
}

const ISSUER: &str = "https://as.example.com";

#[test]
fn a_token_names_a_user_if_it_is_of_this_issuer_and_for_this_client() {
    for (issuer, claims, wanted) in [
        (
            ISSUER,
            json!({"iss": ISSUER, "aud": "me", "sub": "ada"}),
            Some("ada"),
        ),
        (
            ISSUER,
            json!({"iss": "https://as.example.com/", "aud": ["other", "me"], "azp": "me", "sub": 17}),
            Some("17"),
        ),
        (
            "https://accounts.google.com",
            json!({"iss": "accounts.google.com", "aud": "me", "sub": "1"}),
            Some("1"),
        ),
        (
            "https://login.microsoftonline.com/organizations/v2.0",
            json!({"iss": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
                   "aud": "me", "sub": "x"}),
            Some("x"),
        ),
        (
            ISSUER,
            json!({"iss": "https://evil.example", "aud": "me", "sub": "ada"}),
            None,
        ),
        (
            ISSUER,
            json!({"iss": ISSUER, "aud": "you", "sub": "ada"}),
            None,
        ),
        (
            ISSUER,
            json!({"iss": ISSUER, "aud": ["me", "you"], "azp": "you", "sub": "ada"}),
            None,
        ),
        (ISSUER, json!({"iss": ISSUER, "sub": "ada"}), None),
        (ISSUER, json!({"iss": ISSUER, "aud": "me"}), None),
        (
            ISSUER,
            json!({"iss": ISSUER, "aud": "me", "sub": " "}),
            None,
        ),
        (
            ISSUER,
            json!({"iss": ISSUER, "aud": "me", "sub": ["a"]}),
            None,
        ),
        (
            ISSUER,
            json!({"iss": ISSUER, "aud": "me", "sub": "a".repeat(2000)}),
            None,
        ),
    ] {
        let read = IdTokenClaims::read(&token(&claims));
        let user = read.and_then(|read| User::of(&read, issuer, "me"));
        let subject = user.map(|user| user.subject);
        assert_eq!(subject.as_deref(), wanted, "{claims}");
    }
}

#[test]
fn what_is_no_id_token_names_nobody() {
    for text in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "a.e30.c",
        "a.bnVsbA.c",
        "a.b.c.d.e",
    ] {
        assert_eq!(IdTokenClaims::read(text), None, "{text}");
    }
}

#[test]
fn the_name_is_one_that_people_know_and_harmless() {
    let long = "x".repeat(500);
    let cut = format!("{}…", "x".repeat(100));
    for (claims, wanted) in [
        (
            json!({"name": "Ada", "email": "ada@example.com"}),
            "ada@example.com",
        ),
        (json!({"name": "Ada", "preferred_username": "ada"}), "ada"),
        (json!({"email": "", "upn": "ada@corp"}), "ada@corp"),
        (
            json!({"email": 7, "name": " Ada \n Lovelace "}),
            "Ada Lovelace",
        ),
        (json!({"name": "a\u{1b}[31m\u{202e}b\r\nc"}), "a [31mb c"),
        (json!({"name": long}), &cut),
        (json!({}), "subject"),
        (json!({"email": "\u{200b}\u{7}"}), "subject"),
    ] {
        let mut all = claims.clone();
        all["sub"] = "subject".into();
        let user = User::of_answer(all.as_object().unwrap(), ISSUER).unwrap();
        assert_eq!(user.words(), wanted, "{claims}");
    }
}

#[test]
fn a_nonce_that_is_another_requests_says_so_and_none_says_nothing() {
    let of = |nonce: Option<&str>| IdTokenClaims {
        nonce: nonce.map(str::to_owned),
        ..IdTokenClaims::default()
    };
    assert!(of(Some("n")).answer(Some("n")));
    assert!(of(None).answer(Some("n")));
    assert!(of(Some("n")).answer(None));
    assert!(!of(Some("other")).answer(Some("n")));
}
