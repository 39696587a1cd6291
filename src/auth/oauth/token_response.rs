//! Answers of token endpoints, in the form that RFC 6749 section 5 gives them.
//!
//! This file removes the differences: numbers as strings, scopes as lists or with commas, forms instead of JSON, errors
//! with 200. An answer that does not come from a token endpoint at all (a portal's page, a firewall's) decides nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::auth::net::http::{self, PostResponse, host_of, is_unavailable};
use crate::auth::oauth::id_token::IdTokenClaims;
use crate::secret::Secret;

/// Gives an answer the form of RFC 6749 section 5, or finds that it is no answer of a token endpoint.
pub(in crate::auth) fn normalize(
    answer: &PostResponse,
    url: &Url,
    use_id_token: bool,
) -> Result<(::http::StatusCode, Value), http::Error> {
    let object = read_object(answer);
    let error = object.as_ref().and_then(stated_error);
    // A 429 never ends a sign-in, whatever error code comes with it.
    if answer.status == 429 {
        return Err(unavailable(answer, url));
    }
    if let (Some(object), Some(error)) = (&object, error) {
        // An explicit error decides, whatever the status: Slack and GitHub send it with 200.
        if !is_unavailable(answer.status) || error.is_string() {
            let code = error.as_str().unwrap_or("error");
            let description = object
                .get("error_description")
                .or_else(|| error.get("message"))
                .cloned();
            let description = description.or_else(|| explanation(object));
            let passing = matches!(
                code,
                "temporarily_unavailable" | "server_error" | "slow_down"
            );
            if passing {
                return Err(unavailable(answer, url));
            }
            return Ok((
                ::http::StatusCode::BAD_REQUEST,
                refusal(code, description.as_ref()),
            ));
        }
    }
    match (answer.status, object) {
        (status, _) if is_unavailable(status) => Err(unavailable(answer, url)),
        (200..=299, Some(object)) => Ok((::http::StatusCode::OK, success(&object, use_id_token))),
        // A request that is refused without an error of RFC 6749 section 5.2 is refused all the same.
        (status @ (400 | 401), None) => Ok((
            ::http::StatusCode::BAD_REQUEST,
            without_code(status, answer),
        )),
        // No token endpoint answers so: a portal or a firewall answered in its place. That decides nothing.
        (_, None) => Err(unavailable(answer, url)),
        (status, Some(object)) => {
            let code = format!("http_{status}");
            let refusal = refusal(&code, explanation(&object).as_ref());
            Ok((::http::StatusCode::BAD_REQUEST, refusal))
        }
    }
}

/// Returns the object in an answer, from JSON or a form; `None` if it is neither.
pub(in crate::auth) fn read_object(answer: &PostResponse) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(object)) => return Some(object),
        Ok(_) => return None,
        Err(_) => {}
    }
    let pairs = form_urlencoded::parse(&answer.body);
    let pairs = pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())));
    let form: Map<String, Value> = pairs.collect();
    match answer.media.as_str() {
        "application/x-www-form-urlencoded" => Some(form),
        // Some servers label a form as text, or not at all.
        "text/plain" | "" => Some(form).filter(|form| form.contains_key("access_token")),
        _ => None,
    }
}

/// Returns `error`, if it states an error: some servers have the member in every answer (Keycloak's brokers with null).
pub(in crate::auth) fn stated_error(object: &Map<String, Value>) -> Option<&Value> {
    object.get("error").filter(|error| match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !is_no_error(text),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) => true,
    })
}

/// Says whether this text in the place of an error's code means that there is no error.
pub(in crate::auth) fn is_no_error(text: &str) -> bool {
    let none = ["", "null", "none", "false", "0"];
    none.iter()
        .any(|none| text.trim().eq_ignore_ascii_case(none))
}

/// Returns the refusal of an answer that is no object: its code if the answer holds only that, else the status.
fn without_code(status: u16, answer: &PostResponse) -> Value {
    let text = match answer.media.as_str() {
        "text/html" => String::new(),
        _ => String::from_utf8_lossy(&answer.body)
            .trim()
            .trim_matches('"')
            .to_owned(),
    };
    if CODES.contains(&text.as_str()) {
        return json!({ "error": text });
    }
    let is_text = !text.is_empty() && !text.starts_with(['<', '{', '[']);
    json!({
        "error": format!("http_{status}"),
        "error_description": is_text.then_some(text),
    })
}

/// The error codes of RFC 6749 section 5.2 and RFC 8707 section 2.
const CODES: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
];

/// Returns the description of a refusal that lacks the members of RFC 6749 section 5.2, as text: frameworks have their
/// own members for it (FastAPI says in `detail` which parameter of a form it does not know).
pub(in crate::auth) fn explanation(object: &Map<String, Value>) -> Option<Value> {
    let names = ["message", "detail", "errors", "title"];
    let found = names.iter().find_map(|name| object.get(*name))?;
    Some(match found {
        Value::String(_) => found.clone(),
        found => Value::from(found.to_string()),
    })
}

fn refusal(code: &str, description: Option<&Value>) -> Value {
    let description = description.and_then(Value::as_str);
    json!({ "error": code, "error_description": description })
}

fn success(object: &Map<String, Value>, use_id_token: bool) -> Value {
    let object = user_part(object);
    let text = |name: &str| {
        let text = object.get(name).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty())
    };
    let id = text("id_token").and_then(IdTokenClaims::read);
    let id_token = use_id_token.then(|| text("id_token")).flatten();
    let lifetime = object.get("expires_in").and_then(number);
    // An ID token ends at its own time, whatever the access token does.
    let lifetime = match id_token {
        Some(token) => lifetime_of(token).or(lifetime),
        None => lifetime,
    };
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
        "token_type": text("token_type").map_or("bearer", token_type),
        "refresh_token": text("refresh_token"),
        "expires_in": lifetime.map(whole_seconds),
        "scope": scope.filter(|scope| !scope.trim().is_empty()),
        "id_token": id,
    })
}

/// Returns the part of an answer that holds the user's token: Slack puts it into a member of its own where no token of
/// a bot was asked for.
fn user_part(object: &Map<String, Value>) -> &Map<String, Value> {
    let has_token = |object: &Map<String, Value>| {
        let token = object.get("access_token").and_then(Value::as_str);
        token.is_some_and(|token| !token.is_empty())
    };
    let user = object.get("authed_user").and_then(Value::as_object);
    user.filter(|user| !has_token(object) && has_token(user))
        .unwrap_or(object)
}

/// Returns the type of a token as RFC 6750 has it. Gateways of Apigee call it `BearerToken`, Slack says whose the token
/// is.
fn token_type(written: &str) -> &str {
    let is = |name: &str| written.eq_ignore_ascii_case(name);
    let names = ["BearerToken", "bearer_token", "bearer token", "user", "bot"];
    match names.into_iter().any(is) {
        true => "bearer",
        false => written,
    }
}

/// Reads a number, or a number written as text.
pub(in crate::auth) fn number(value: &Value) -> Option<f64> {
    let number: Option<f64> = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

pub(in crate::auth) fn whole_seconds(seconds: f64) -> u64 {
    Duration::from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME)).as_secs()
}

/// Gives the answer of a device authorization endpoint the form of RFC 8628 section 3.2: numbers and codes of either
/// type, both spellings of the address (the drafts had `verification_url`), 201 for 200.
pub(in crate::auth) fn normalize_device(
    answer: &PostResponse,
    url: &Url,
) -> Result<(::http::StatusCode, Value), http::Error> {
    let object = read_object(answer);
    let error = object.as_ref().and_then(stated_error);
    let has_code = |object: &Map<String, Value>| object.contains_key("device_code");
    match (answer.status, &object) {
        (200..=299, Some(object)) if error.is_none() && has_code(object) => {
            Ok((::http::StatusCode::OK, device_code(object)))
        }
        // A success without a code is for `oauth2` to refuse.
        (200..=299, _) if error.is_none() => Ok((::http::StatusCode::OK, json!({}))),
        (status, None) if !is_unavailable(status) => Ok((
            ::http::StatusCode::BAD_REQUEST,
            without_code(status, answer),
        )),
        _ => normalize(answer, url, false),
    }
}

fn device_code(object: &Map<String, Value>) -> Value {
    let of = |names: [&str; 2]| names.iter().find_map(|name| object.get(*name).cloned());
    let text = |value: Option<Value>| match value {
        Some(Value::Number(number)) => Some(Value::from(number.to_string())),
        other => other.filter(|value| !value.is_null()),
    };
    let seconds = |name: &str| object.get(name).and_then(number).map(whole_seconds);
    let mut regular = Map::new();
    let members = [
        ("device_code", text(of(["device_code"; 2]))),
        ("user_code", text(of(["user_code"; 2]))),
        (
            "verification_uri",
            of(["verification_uri", "verification_url"]),
        ),
        (
            "verification_uri_complete",
            text(of([
                "verification_uri_complete",
                "verification_url_complete",
            ])),
        ),
        // A lifetime of zero carries no information.
        (
            "expires_in",
            Some(
                seconds("expires_in")
                    .filter(|life| *life > 0)
                    .unwrap_or(DEVICE_LIFETIME)
                    .into(),
            ),
        ),
        (
            "interval",
            seconds("interval")
                .map(|pause| pause.clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL).into()),
        ),
    ];
    regular.extend(
        members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    regular.into()
}

/// The lifetime of a device code whose answer does not state one, in seconds.
const DEVICE_LIFETIME: u64 = 600;
/// The seconds between two polls, at least and at most, whatever the server wants.
pub(in crate::auth) const MIN_POLL_INTERVAL: u64 = 1;
pub(in crate::auth) const MAX_POLL_INTERVAL: u64 = 60;

/// Returns `exp` less `iat` of an ID token (OpenID Connect Core section 2): its lifetime by its issuer's own clock. The
/// function reads nothing else and verifies nothing: to this client the ID token is a bearer token like any other.
fn lifetime_of(token: &str) -> Option<f64> {
    let payload = token.split('.').nth(1)?;
    let payload = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?);
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let at = |name: &str| claims.get(name).and_then(Value::as_f64);
    Some(at("exp")? - at("iat")?)
}

/// A year, in seconds.
const MAX_LIFETIME: f64 = 31_536_000.0;

/// Returns the code of a refusal, as written; nothing is made regular.
pub(in crate::auth) fn code_of(answer: &PostResponse) -> Option<String> {
    let said: Value = serde_json::from_slice(&answer.body).ok()?;
    said.get("error").and_then(Value::as_str).map(str::to_owned)
}

/// Returns the description of a refusal, as written.
pub(in crate::auth) fn description_of(answer: &PostResponse) -> Option<String> {
    let said: Value = serde_json::from_slice(&answer.body).ok()?;
    let text = said.get("error_description").and_then(Value::as_str);
    text.map(str::to_owned)
}

/// Returns the fault of a server that cannot answer now.
pub(in crate::auth) fn unavailable(answer: &PostResponse, url: &Url) -> http::Error {
    http::Error::Unavailable {
        host: host_of(url),
        status: answer.status,
        retry_after: answer.retry_after,
    }
}

/// Removes from a server's text the secrets that the server was shown, and all that looks like a token: an assertion is
/// signed anew for each request, and good for a minute.
pub(in crate::auth) fn redacted<'a>(
    text: &str,
    secrets: impl Iterator<Item = &'a Secret>,
) -> String {
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
mod tests;
