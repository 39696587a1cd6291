use super::*;

fn answer(status: u16, media: &str, body: &str) -> PostResponse {
    PostResponse {
        status,
        media: media.to_owned(),
        body: body.as_bytes().to_vec().into(),
        retry_after: None,
        headers: ::http::HeaderMap::new(),
    }
}

fn read(status: u16, body: &str) -> Result<(u16, Value), http::Error> {
    let url = Url::parse("https://as.example.com/token").unwrap();
    normalize(&answer(status, "application/json", body), &url, false)
        .map(|(status, value)| (status.as_u16(), value))
}

#[test]
fn tokens_of_every_spelling_are_read() {
    for (body, wanted) in [
        (
            r#"{"access_token":"a","token_type":"Bearer","expires_in":60}"#,
            json!({"access_token":"a","token_type":"Bearer","expires_in":60}),
        ),
        (
            r#"{"access_token":"a","expires_in":"3600"}"#,
            json!({"access_token":"a","token_type":"bearer","expires_in":3600}),
        ),
        (
            r#"{"access_token":"a","expires_in":-5}"#,
            json!({"access_token":"a","token_type":"bearer","expires_in":0}),
        ),
        (
            r#"{"access_token":"a","expires_in":1e300}"#,
            json!({"access_token":"a","token_type":"bearer","expires_in":31_536_000}),
        ),
        (
            r#"{"access_token":"a","expires_in":null,"scope":["x","y"]}"#,
            json!({"access_token":"a","token_type":"bearer","scope":"x y"}),
        ),
        (
            r#"{"access_token":"a","scope":"x,y","refresh_token":""}"#,
            json!({"access_token":"a","token_type":"bearer","scope":"x y"}),
        ),
    ] {
        let (status, mut read) = read(200, body).unwrap();
        read.as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        assert_eq!((status, read), (200, wanted), "{body}");
    }
    let url = Url::parse("https://as.example.com/token").unwrap();
    let form = answer(
        200,
        "application/x-www-form-urlencoded",
        "access_token=a&scope=repo%2Cgist",
    );
    let (_, value) = normalize(&form, &url, false).unwrap();
    assert_eq!(value["scope"], "repo gist");
}

#[test]
fn a_form_is_read_whatever_its_label_and_a_refusal_keeps_the_words_of_its_framework() {
    let url = Url::parse("https://as.example.com/token").unwrap();
    for media in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let form = answer(200, media, "access_token=a&token_type=bearer");
        let (_, value) = normalize(&form, &url, false).unwrap();
        assert_eq!(value["access_token"], "a", "{media}");
    }
    let page = answer(200, "text/html", "access_token=a&token_type=bearer");
    assert!(normalize(&page, &url, false).is_err());
    for body in [
        r#"{"detail":[{"loc":["body","resource"],"msg":"Extra inputs are not permitted"}]}"#,
        r#"{"detail":"resource is not permitted"}"#,
        r#"{"errors":["resource is not permitted"]}"#,
    ] {
        let (_, value) = read(422, body).unwrap();
        let words = value["error_description"].as_str();
        let lesson = crate::auth::oauth::observed_quirks::Adjustment::of("http_422", words);
        assert!(lesson.is_some(), "{body} {words:?}");
    }
}

#[test]
fn an_id_token_ends_when_it_says_so() {
    let url = Url::parse("https://as.example.com/token").unwrap();
    let id_token = format!(
        "e30.{}.sig",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"iat":1000,"exp":1600,"sub":"x"}"#)
    );
    let body = format!(r#"{{"access_token":"a","expires_in":60,"id_token":"{id_token}"}}"#);
    let answer = answer(200, "application/json", &body);
    let (_, value) = normalize(&answer, &url, true).unwrap();
    assert_eq!(value["access_token"], id_token);
    assert_eq!(value["expires_in"], 600);
    let (_, value) = normalize(&answer, &url, false).unwrap();
    assert_eq!(
        (&value["access_token"], &value["expires_in"]),
        (&json!("a"), &json!(60))
    );
}

#[test]
fn refusals_of_every_spelling_are_read() {
    for (status, body, code) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"x"}"#,
            "invalid_grant",
        ),
        (
            200,
            r#"{"ok":false,"error":"invalid_grant"}"#,
            "invalid_grant",
        ),
        (401, r#"{"error":"invalid_client"}"#, "invalid_client"),
        (500, r#"{"error":"invalid_grant"}"#, "invalid_grant"),
        (422, r#"{"message":"unknown client"}"#, "http_422"),
        (400, r#"{"error":{"code":7,"message":"m"}}"#, "error"),
    ] {
        let (status, value) = read(status, body).unwrap();
        assert_eq!((status, &value["error"]), (400, &json!(code)), "{body}");
    }
}

#[test]
fn what_is_not_a_token_endpoint_decides_nothing() {
    for (status, body) in [
        (503, ""),
        (500, r#"{"error":{"code":500}}"#),
        (403, "<html>blocked</html>"),
        (200, "<html>log in to the wifi</html>"),
        (200, "[]"),
        (429, "{}"),
        (429, r#"{"error":"rate_limited"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
    ] {
        assert!(
            read(status, body).unwrap_err().is_passing(),
            "{status} {body}"
        );
    }
}
