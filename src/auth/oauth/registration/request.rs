//! The registration request: the client's metadata, the members left out after a refusal, and the answer.
//!
//! RFC 7591 sections 2 and 3.

use ::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use url::Url;

use super::error::{Error, by_hand};
use super::method::{method, other};
use crate::auth::client::{Client, ClientSource, Method};
use crate::auth::net::http::{self, Http, PostResponse, host_of, is_unavailable};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::token_response::{explanation, number, stated_error};
use crate::auth::settings::Settings;
use crate::auth::text_limits::{MAX_CODE, MAX_NAME};
use crate::secret::Secret;
use crate::text::plain;

/// A new registration, and the time it ends (seconds since 1970).
#[derive(Debug)]
pub struct Registered {
    /// Our identity now.
    pub client: Client,
    /// `client_secret_expires_at`, if the secret ever expires.
    pub expires_at: Option<u64>,
}

/// Registers the client with this redirect URI. A request that is refused for a member that can be spared is made again
/// without that member, each member once; if nothing helps, the first refusal is the error.
///
/// # Errors
/// See [`Error`].
pub async fn register(
    http: &Http,
    server: &AuthorizationServer,
    settings: &Settings,
    redirect_uri: &str,
) -> Result<Registered, Error> {
    let Some(endpoint) = server.registration_endpoint() else {
        return Err(Error::NotOffered {
            host: match known_quirks(server.issuer()).name {
                Some(name) => format!("{name} ({})", server.host()),
                None => server.host(),
            },
            redirect_uri: by_hand(settings, redirect_uri),
            advice: known_quirks(server.issuer()).advice,
        });
    };
    let mut request = RegistrationRequest {
        members: members(settings, redirect_uri, wished_method(server.auth_methods())),
        fixed: &settings.client_metadata,
    };
    let mut first = None;
    for _ in 0..MAX_REQUESTS {
        let answer = http
            .post_json(endpoint, &request.members.clone().into(), headers(settings))
            .await?;
        let error = match read(&answer, endpoint, server, settings, redirect_uri, &request) {
            Ok(registered) => return Ok(registered),
            Err(error) => error,
        };
        // The caller tries another address.
        if error.names_address() {
            return Err(error);
        }
        let is_mended = request.mend(&error);
        let why = first.get_or_insert(error);
        if !is_mended {
            break;
        }
        tracing::info!(%why, "registering once more, with less");
    }
    Err(first.unwrap_or_else(|| Error::NoId {
        host: host_of(endpoint),
    }))
}

/// The number of times that one registration is asked for.
const MAX_REQUESTS: usize = 4;

fn headers(settings: &Settings) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let token = settings.registration_token.as_ref();
    let token = token.map(|token| HeaderValue::try_from(format!("Bearer {}", token.expose())));
    if let Some(Ok(mut token)) = token {
        token.set_sensitive(true);
        headers.insert(AUTHORIZATION, token);
    }
    headers
}

/// The members that are sent, and those of them that the user has fixed.
struct RegistrationRequest<'a> {
    members: Map<String, Value>,
    fixed: &'a Map<String, Value>,
}

impl RegistrationRequest<'_> {
    /// Leaves out or changes the member that a refusal names. Returns `false` if the refusal names none.
    fn mend(&mut self, error: &Error) -> bool {
        let Error::Refused { code, words, .. } = error else {
            return false;
        };
        let words = words.to_ascii_lowercase();
        let says = |some: &[&str]| some.iter().any(|word| words.contains(word));
        let is_bare = code.as_deref().is_some_and(|code| words == code);
        if says(&["application_type", "application type"]) {
            return self.is_free("application_type")
                && self.members.remove("application_type").is_some();
        }
        if says(&[
            "auth_method",
            "auth method",
            "authentication method",
            "public client",
        ]) {
            return self.is_free(METHOD) && self.other_method(says(&["none"]));
        }
        if says(&["grant", "refresh"])
            || is_bare && code.as_deref() == Some("invalid_client_metadata")
        {
            return self.without_refresh();
        }
        if says(&["scope"]) {
            return self.members.remove("scope").is_some();
        }
        false
    }

    fn is_free(&self, member: &str) -> bool {
        !self.fixed.contains_key(member)
    }

    /// Leaves `refresh_token` out. A server that refuses the grant type here may still issue refresh tokens, or none.
    fn without_refresh(&mut self) -> bool {
        let Some(Value::Array(grants)) = self.members.get_mut("grant_types") else {
            return false;
        };
        let before = grants.len();
        grants.retain(|grant| grant != "refresh_token");
        grants.len() < before && !grants.is_empty()
    }

    /// Changes the wished method. A native client wishes for no secret, unless the server lists only methods with a
    /// secret; a server that takes no client without a secret, or none with one, says so.
    fn other_method(&mut self, names_none: bool) -> bool {
        let next = match self.members.get(METHOD).and_then(Value::as_str) {
            Some("none") => Method::Basic,
            Some(_) if names_none => Method::None,
            Some("client_secret_basic") => Method::Post,
            _ => return false,
        };
        self.members.insert(METHOD.to_owned(), next.name().into());
        true
    }
}

const METHOD: &str = "token_endpoint_auth_method";

/// Returns as few members as possible: some servers refuse members they do not know, and scopes they have not listed.
fn members(settings: &Settings, redirect_uri: &str, wish: Method) -> Map<String, Value> {
    let body = json!({
        "client_name": settings.client_name,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        METHOD: wish.name(),
        "application_type": "native",
    });
    let scope = settings.scope.as_ref().filter(|scope| !scope.is_empty());
    let scope = scope.map(|scope| ("scope".to_owned(), scope.to_string().into()));
    let mut members = body.as_object().cloned().unwrap_or_default();
    members.extend(scope);
    members.extend(settings.client_metadata.clone());
    // The address of the listener decides, whatever the user's metadata says.
    members.insert("redirect_uris".to_owned(), json!([redirect_uri]));
    members
}

/// Returns the method that a native client wishes for. The client has no way to keep a secret from its user, so it
/// wishes for none where the server allows that.
fn wished_method(listed: Option<&[String]>) -> Method {
    let Some(listed) = listed.filter(|listed| !listed.is_empty()) else {
        return Method::None;
    };
    let order = [Method::None, Method::Basic, Method::Post];
    order
        .into_iter()
        .find(|method| listed.iter().any(|name| name == method.name()))
        .unwrap_or(Method::None)
}

fn read(
    answer: &PostResponse,
    endpoint: &Url,
    server: &AuthorizationServer,
    settings: &Settings,
    redirect_uri: &str,
    request: &RegistrationRequest<'_>,
) -> Result<Registered, Error> {
    let host = host_of(endpoint);
    if is_unavailable(answer.status) {
        return Err(Error::Http(http::Error::Unavailable {
            host,
            status: answer.status,
            retry_after: answer.retry_after,
        }));
    }
    let object: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let id = word(&object, "client_id");
    let is_success = (200..=299).contains(&answer.status);
    if !is_success || id.is_none() && stated_error(&object).is_some() {
        let others = explanation(&object);
        let others = others.as_ref().and_then(Value::as_str);
        let words = match (text("error"), text("error_description").or(others)) {
            (Some(code), Some(explanation)) => format!("{code}: {explanation}"),
            (Some(word), None) | (None, Some(word)) => word.to_owned(),
            (None, None) => String::from_utf8_lossy(&answer.body).into_owned(),
        };
        let mut place = endpoint.clone();
        place.set_query(None);
        return Err(Error::Refused {
            endpoint: plain(place.as_str(), MAX_NAME),
            status: answer.status,
            code: text("error").map(|code| plain(code, MAX_CODE)),
            words: plain(&without(&words, settings), 500),
            redirect_uri: by_hand(settings, redirect_uri),
            advice: known_quirks(server.issuer()).advice,
        });
    }
    let id = id.ok_or(Error::NoId { host })?;
    let secret = word(&object, "client_secret");
    let wish = request.members.get(METHOD).and_then(Value::as_str);
    let returned = text(METHOD).or(wish);
    let expires_at = object.get("client_secret_expires_at").and_then(moment);
    let mut client = Client {
        id,
        method: method(returned, secret.is_some(), server.auth_methods()),
        header_only: false,
        other: None,
        secret: secret.map(Secret::new),
        source: ClientSource::Registered,
        signing: None,
    };
    client.other = other(&client, server.auth_methods());
    Ok(Registered {
        expires_at: expires_at.filter(|_| client.secret.is_some()),
        client,
    })
}

/// Returns a text that is not empty. Some servers number their clients.
fn word(object: &Map<String, Value>, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads seconds since 1970, as a number or as text, or in milliseconds. 0 means never (RFC 7591 section 3.2.1), and so
/// does a time before this code was written.
fn moment(value: &Value) -> Option<u64> {
    let seconds = number(value)?;
    let seconds = if seconds >= 1e11 {
        seconds / 1e3
    } else {
        seconds
    };
    let whole = std::time::Duration::try_from_secs_f64(seconds)
        .ok()?
        .as_secs();
    (whole >= 1_000_000_000).then_some(whole)
}

/// Removes our secrets from the text of a server that repeats what it was shown.
fn without(words: &str, settings: &Settings) -> String {
    match &settings.registration_token {
        Some(token) if token.expose().len() >= 4 => words.replace(token.expose(), "(redacted)"),
        _ => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_when_it_is_said_in_any_way_and_never_at_nonsense() {
        for (written, wanted) in [
            (json!(1_900_000_000), Some(1_900_000_000)),
            (json!("1900000000"), Some(1_900_000_000)),
            (json!(1_900_000_000.5), Some(1_900_000_000)),
            (json!(1_900_000_000_000_u64), Some(1_900_000_000)),
            (json!(0), None),
            (json!("0"), None),
            (json!(86_400), None),
            (json!(-1), None),
            (json!("never"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            assert_eq!(moment(&written), wanted, "{written}");
        }
    }
}
