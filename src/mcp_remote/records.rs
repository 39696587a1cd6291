//! mcp-remote's files of tokens and registrations.
//!
//! The files follow the answers of RFC 6749 section 5.1 and RFC 7591 section 3.2.1, with members of mcp-remote's own:
//! an absolute expiry in milliseconds, the scope that was asked for and the issuer, all missing in older layouts.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::flow::adopt::{ForeignClient, ForeignTokens};
use crate::auth::oauth::scope::Scopes;
use crate::secret::Secret;

/// The content of `<hash>_tokens.json`.
#[derive(Debug)]
pub struct Tokens {
    /// The tokens.
    pub tokens: ForeignTokens,
    /// The issuer, if the file names it.
    pub issuer: Option<String>,
}

/// The content of `<hash>_client_info.json`.
#[derive(Debug)]
pub struct Client {
    /// The client.
    pub client: ForeignClient,
    /// The issuer that registered the client, if the file names it.
    pub issuer: Option<String>,
}

/// Reads tokens. `written` is the time of the file, `now` the current time, both in seconds since 1970; with
/// `use_id_token` the ID token is shown to the server. `None` if the bytes are no such file, or hold nothing of use.
pub fn tokens(bytes: &[u8], written: u64, now: u64, use_id_token: bool) -> Option<Tokens> {
    let file: TokensFile = serde_json::from_slice(bytes).ok()?;
    let id_token = file
        .id_token
        .filter(|token| use_id_token && !token.is_empty());
    let id_token_ends = id_token.as_deref().and_then(jwt_end);
    let access = id_token.unwrap_or(file.access_token);
    let refresh = file.refresh_token.filter(|token| !token.is_empty());
    let issuer = issuer(file.issuer)?;
    if access.is_empty() && refresh.is_none() {
        return None;
    }
    let lifetime = file.expires_in.as_ref().and_then(seconds);
    let ends = id_token_ends
        .or_else(|| Some(file.expires_at.as_ref().and_then(seconds)? / 1000))
        .or_else(|| Some(written.saturating_add(lifetime?)));
    // The end counts; the time of issue follows from it, and was not later than now.
    let issued = match (ends, lifetime) {
        (Some(ends), Some(lifetime)) => ends.saturating_sub(lifetime),
        _ => written,
    }
    .min(now);
    Some(Tokens {
        tokens: ForeignTokens {
            access: Secret::new(access),
            refresh: refresh.map(Secret::new),
            issued,
            lifetime: ends.map(|ends| Duration::from_secs(ends.saturating_sub(issued).max(1))),
            granted: file.scope.as_deref().map(Scopes::parse),
            requested: file.requested_scope.as_deref().map(Scopes::parse),
        },
        issuer,
    })
}

/// Reads a registration; `None` if the bytes are no such file.
pub fn client(bytes: &[u8]) -> Option<Client> {
    let file: ClientFile = serde_json::from_slice(bytes).ok()?;
    let ends = file.client_secret_expires_at.as_ref().and_then(seconds);
    let secret = file.client_secret.filter(|secret| !secret.is_empty());
    let issuer = issuer(file.issuer)?;
    (!file.client_id.is_empty()).then(|| Client {
        client: ForeignClient {
            id: file.client_id,
            expires_at: ends.filter(|ends| *ends > 0 && secret.is_some()),
            secret: secret.map(Secret::new),
            method: file.token_endpoint_auth_method,
            redirect_uri: file.redirect_uris.into_iter().next(),
        },
        issuer,
    })
}

/// Returns the issuer, if the file names one; `None` if the text can be no issuer (RFC 8414 section 2: it is a URL).
#[expect(
    clippy::option_option,
    reason = "the outer says whether the file is one of mcp-remote's, the inner whether it names an issuer"
)]
fn issuer(written: Option<String>) -> Option<Option<String>> {
    match written.filter(|issuer| !issuer.is_empty()) {
        Some(issuer) if issuer.chars().any(char::is_control) => None,
        issuer => Some(issuer),
    }
}

/// Reads `<hash>_refresh_in_progress.json`: the end of the lease, in milliseconds since 1970. `None` if the bytes are
/// no lease.
pub fn lease(bytes: &[u8]) -> Option<u64> {
    let file: LeaseFile = serde_json::from_slice(bytes).ok()?;
    Some(seconds(&file.at)?.saturating_add(LEASE))
}

/// The time that a lease holds, in milliseconds.
pub const LEASE: u64 = 30_000;

#[derive(Deserialize)]
struct TokensFile {
    #[serde(default)]
    access_token: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
    expires_in: Option<Value>,
    expires_at: Option<Value>,
    scope: Option<String>,
    requested_scope: Option<String>,
    issuer: Option<String>,
}

#[derive(Deserialize)]
struct ClientFile {
    #[serde(deserialize_with = "text_or_number")]
    client_id: String,
    client_secret: Option<String>,
    client_secret_expires_at: Option<Value>,
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    issuer: Option<String>,
}

/// Reads a text or a number: some servers number their clients.
fn text_or_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("a client id is a text")),
    }
}

#[derive(Deserialize)]
struct LeaseFile {
    at: Value,
}

/// Reads a number that may have come as text. Its name is that of most of its uses.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked just before"
)]
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| (0.0..9e15).contains(number))?;
    Some(number as u64)
}

/// Returns `exp` of a JWT, unverified: the token is our own, and the server judges it.
fn jwt_end(token: &str) -> Option<u64> {
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    seconds(claims.get("exp")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, written: u64, now: u64) -> (u64, Option<u64>) {
        let tokens = tokens(text.as_bytes(), written, now, false).unwrap().tokens;
        (
            tokens.issued,
            tokens.lifetime.map(|lifetime| lifetime.as_secs()),
        )
    }

    #[test]
    fn milliseconds_become_seconds_and_old_layouts_count_from_the_file() {
        for (what, text, wanted) in [
            (
                "0.15",
                r#"{"access_token":"a","expires_in":3600,"expires_at":1000003600500}"#,
                (1_000_000_000, Some(3600)),
            ),
            (
                "as text",
                r#"{"access_token":"a","expires_in":"3600","expires_at":"1000003600500"}"#,
                (1_000_000_000, Some(3600)),
            ),
            (
                "no lifetime",
                r#"{"access_token":"a","expires_at":1000001000000}"#,
                (999_999_990, Some(1010)),
            ),
            (
                "0.1.x",
                r#"{"access_token":"a","expires_in":60}"#,
                (999_999_990, Some(60)),
            ),
            ("no end", r#"{"access_token":"a"}"#, (999_999_990, None)),
            (
                "long over",
                r#"{"access_token":"a","expires_in":60,"expires_at":900000000000}"#,
                (899_999_940, Some(60)),
            ),
            (
                "issued later than now",
                r#"{"access_token":"a","expires_in":60,"expires_at":1000000160000}"#,
                (1_000_000_050, Some(110)),
            ),
        ] {
            assert_eq!(times(text, 999_999_990, 1_000_000_050), wanted, "{what}");
        }
    }

    #[test]
    fn all_that_was_written_is_kept() {
        let text = br#"{"access_token":"a","token_type":"Bearer","refresh_token":"r","scope":"x y",
            "requested_scope":"","issuer":"https://as.example","id_token":"e30.eyJleHAiOjEwMDAwMDAxMDB9.x"}"#;
        let read = tokens(text, 1_000_000_000, 1_000_000_000, false).unwrap();
        assert_eq!(read.issuer.as_deref(), Some("https://as.example"));
        assert!(read.tokens.access.same_as("a") && read.tokens.refresh.unwrap().same_as("r"));
        assert_eq!(read.tokens.granted.unwrap().to_string(), "x y");
        assert!(
            read.tokens.requested.unwrap().is_empty(),
            "nothing was asked for, and that is known"
        );
        let by_id = tokens(text, 1_000_000_000, 1_000_000_000, true)
            .unwrap()
            .tokens;
        assert!(by_id.access.expose().starts_with("e30."));
        assert_eq!(by_id.lifetime, Some(Duration::from_secs(100)));
        assert!(!format!("{by_id:?}").contains("e30."));
    }

    #[test]
    fn a_registration_keeps_its_first_redirect_uri() {
        let read = client(br#"{"client_id":"c","client_secret":"s","client_secret_expires_at":5,
            "redirect_uris":["http://localhost:1/a","http://localhost:2/b"],"token_endpoint_auth_method":"client_secret_post"}"#);
        let read = read.unwrap().client;
        assert_eq!(read.redirect_uri.as_deref(), Some("http://localhost:1/a"));
        assert_eq!(
            (read.expires_at, read.method.as_deref()),
            (Some(5), Some("client_secret_post"))
        );
        let forever =
            client(br#"{"client_id":"c","client_secret":"s","client_secret_expires_at":0}"#)
                .unwrap();
        assert_eq!(forever.client.expires_at, None);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "{",
            "[]",
            "null",
            "{}",
            r#"{"access_token":1}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"a","client_id":"c","issuer":"https://as.example\n"}"#,
            r#"{"access_token":"a","client_id":"c","issuer":"https://as.ex\u0000ample"}"#,
        ] {
            assert!(tokens(text.as_bytes(), 0, 0, false).is_none(), "{text}");
            assert!(client(text.as_bytes()).is_none(), "{text}");
            assert!(lease(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(lease(br#"{"pid":1,"nonce":"n","at":1000}"#), Some(31_000));
    }
}
