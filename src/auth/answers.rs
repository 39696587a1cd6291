//! What token endpoints answer, made what RFC 6749 section 5 says it is.
//!
//! Numbers as strings, scopes as lists or with commas, forms instead of JSON, errors with 200: each difference ends
//! here. What is not the answer of a token endpoint at all (a portal's page, a firewall's) decides nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::http::{Answer, Fault, host_of, is_unwell};
use crate::secret::Secret;

/// Makes an answer what RFC 6749 section 5 says it is, or finds that it is none.
pub(super) fn regular(
    answer: &Answer,
    url: &Url,
    use_id_token: bool,
) -> Result<(::http::StatusCode, Value), Fault> {
    let object = read_object(answer);
    let error = object.as_ref().and_then(|object| object.get("error"));
    // Too many requests is never the end of a sign-in, whatever word comes with it.
    if answer.status == 429 {
        return Err(unwell(answer, url));
    }
    if let (Some(object), Some(error)) = (&object, error) {
        // An explicit error decides, whatever the status: Slack and GitHub send it with 200.
        if !is_unwell(answer.status) || error.is_string() {
            let code = error.as_str().unwrap_or("error");
            let description = object
                .get("error_description")
                .or_else(|| error.get("message"));
            let passing = matches!(
                code,
                "temporarily_unavailable" | "server_error" | "slow_down"
            );
            if passing {
                return Err(unwell(answer, url));
            }
            return Ok((::http::StatusCode::BAD_REQUEST, refusal(code, description)));
        }
    }
    match (answer.status, object) {
        (status, _) if is_unwell(status) => Err(unwell(answer, url)),
        (200..=299, Some(object)) => Ok((::http::StatusCode::OK, success(&object, use_id_token))),
        // Not the words of a token endpoint: a portal or a firewall answered in its place. That decides nothing.
        (_, None) => Err(unwell(answer, url)),
        (status, Some(object)) => {
            let code = format!("http_{status}");
            let refusal = refusal(&code, object.get("message"));
            Ok((::http::StatusCode::BAD_REQUEST, refusal))
        }
    }
}

fn read_object(answer: &Answer) -> Option<Map<String, Value>> {
    if answer.media == "application/x-www-form-urlencoded" {
        let pairs = form_urlencoded::parse(&answer.body);
        return Some(
            pairs
                .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
                .collect(),
        );
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn refusal(code: &str, description: Option<&Value>) -> Value {
    let description = description.and_then(Value::as_str);
    json!({ "error": code, "error_description": description })
}

fn success(object: &Map<String, Value>, use_id_token: bool) -> Value {
    let text = |name: &str| {
        let text = object.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let id_token = use_id_token.then(|| text("id_token")).flatten();
    let lifetime = object.get("expires_in").and_then(|value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    // An ID token ends when it says so, whatever the access token does.
    let lifetime = match id_token {
        Some(token) => lifetime_of(token).or(lifetime),
        None => lifetime,
    };
    let lifetime = lifetime.filter(|seconds| seconds.is_finite());
    let scope = match object.get("scope") {
        Some(Value::String(text)) => Some(text.replace(',', " ")),
        Some(Value::Array(items)) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(words.join(" "))
        }
        _ => None,
    };
    json!({
        "access_token": id_token.or_else(|| text("access_token")).unwrap_or_default(),
        "token_type": text("token_type").unwrap_or("bearer"),
        "refresh_token": text("refresh_token"),
        "expires_in": lifetime.map(|seconds| {
            Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_LIFETIME)).as_secs()
        }),
        "scope": scope.filter(|scope| !scope.trim().is_empty()),
    })
}

/// `exp` less `iat` of an ID token (OpenID Connect Core section 2): its lifetime by its issuer's own clock. Nothing else is
/// read from it, and nothing is verified: to us it is a bearer token like any other.
fn lifetime_of(token: &str) -> Option<f64> {
    let payload = token.split('.').nth(1)?;
    let payload = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?);
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let at = |name: &str| claims.get(name).and_then(Value::as_f64);
    Some(at("exp")? - at("iat")?)
}

/// A year, in seconds.
const LONGEST_LIFETIME: f64 = 31_536_000.0;

/// The code of a refusal, as it stands there; nothing is made regular.
pub(super) fn code_of(answer: &Answer) -> Option<String> {
    let said: Value = serde_json::from_slice(&answer.body).ok()?;
    said.get("error").and_then(Value::as_str).map(str::to_owned)
}

/// The explanation of a refusal, as it stands there.
pub(super) fn description_of(answer: &Answer) -> Option<String> {
    let said: Value = serde_json::from_slice(&answer.body).ok()?;
    let text = said.get("error_description").and_then(Value::as_str);
    text.map(str::to_owned)
}

/// The server cannot answer now.
pub(super) fn unwell(answer: &Answer, url: &Url) -> Fault {
    Fault::Unwell {
        host: host_of(url),
        status: answer.status,
        retry_after: answer.retry_after,
    }
}

/// A server's words without what it was shown, and without anything that looks like a token: an assertion is signed anew
/// for each request, and good for a minute.
pub(super) fn without<'a>(text: &str, secrets: impl Iterator<Item = &'a Secret>) -> String {
    let text = secrets
        .filter(|secret| secret.expose().len() >= 4)
        .fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "(redacted)")
        });
    let is_other = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    text.split_inclusive(is_other)
        .map(|piece| {
            let word = piece.trim_end_matches(is_other);
            // A header and claims are objects: `{"` in base64url.
            match word.starts_with("eyJ") && word.contains(".eyJ") {
                true => piece.replace(word, "(redacted)"),
                false => piece.to_owned(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, media: &str, body: &str) -> Answer {
        Answer {
            status,
            media: media.to_owned(),
            body: body.as_bytes().to_vec().into(),
            retry_after: None,
            headers: ::http::HeaderMap::new(),
        }
    }

    fn read(status: u16, body: &str) -> Result<(u16, Value), Fault> {
        let url = Url::parse("https://as.example.com/token").unwrap();
        regular(&answer(status, "application/json", body), &url, false)
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
        let (_, value) = regular(&form, &url, false).unwrap();
        assert_eq!(value["scope"], "repo gist");
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
        let (_, value) = regular(&answer, &url, true).unwrap();
        assert_eq!(value["access_token"], id_token);
        assert_eq!(value["expires_in"], 600);
        let (_, value) = regular(&answer, &url, false).unwrap();
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
}
