//! The description of a sign-in's request for the log: its address, the client's way of authentication, and the result.
//! The description never holds the body that was sent.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use url::Url;

use crate::text::printable;

/// The longest code of an error that is logged, in characters.
const MAX_CODE: usize = 64;

/// A request that is about to be sent.
pub(in crate::auth) struct RequestLogEntry<'a> {
    method: &'static str,
    url: &'a Url,
    proof: Option<&'static str>,
    grant: Option<String>,
}

impl<'a> RequestLogEntry<'a> {
    pub(in crate::auth) fn get(url: &'a Url) -> Self {
        Self {
            method: "GET",
            url,
            proof: None,
            grant: None,
        }
    }

    pub(in crate::auth) fn post(url: &'a Url, headers: &HeaderMap, body: &[u8]) -> Self {
        let form: Vec<_> = url::form_urlencoded::parse(body).collect();
        let has = |wanted: &str| form.iter().any(|(name, _)| name == wanted);
        let authorization = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        // The names of OpenID Connect Core section 9.
        let proof = match authorization {
            Some(value) if value.to_ascii_lowercase().starts_with(b"basic ") => {
                Some("client_secret_basic")
            }
            Some(_) => Some("bearer"),
            None if has("client_assertion") => Some("private_key_jwt"),
            None if has("client_secret") => Some("client_secret_post"),
            None if has("client_id") => Some("none"),
            None => None,
        };
        let grant = form.iter().find(|(name, _)| name == "grant_type");
        Self {
            method: "POST",
            url,
            proof,
            grant: grant.map(|(_, value)| printable(value, MAX_CODE)),
        }
    }

    /// Returns the request and its result; the code of an error is read from this body.
    pub(in crate::auth) fn described(&self, status: Option<u16>, body: Option<&[u8]>) -> Value {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let body = body.and_then(|body| serde_json::from_slice::<Value>(body).ok());
        let code = body
            .as_ref()
            .and_then(|body| body.get("error")?.as_str())
            .map(|code| printable(code, MAX_CODE));
        let all = json!({
            "method": self.method,
            "to": url.as_str(),
            "grant": self.grant,
            "client_auth": self.proof,
            "status": status,
            "error": code,
        });
        // Absent members are left out.
        match all {
            Value::Object(members) => members
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_client_proves_itself_is_told_and_with_what_is_not() {
        let url = Url::parse("https://u:canary@as.example/token?x=canary#canary").unwrap();
        for (authorization, form, proof) in [
            (
                Some("Basic canary"),
                "grant_type=refresh_token&refresh_token=canary",
                "client_secret_basic",
            ),
            (
                None,
                "grant_type=refresh_token&client_id=canary&client_secret=canary",
                "client_secret_post",
            ),
            (
                None,
                "grant_type=refresh_token&client_id=canary&client_assertion=canary",
                "private_key_jwt",
            ),
            (
                None,
                "grant_type=refresh_token&client_id=canary&code=canary",
                "none",
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = authorization {
                headers.insert(AUTHORIZATION, value.parse().unwrap());
            }
            let body = br#"{"error":"invalid_grant","error_description":"canary"}"#;
            let described = RequestLogEntry::post(&url, &headers, form.as_bytes())
                .described(Some(400), Some(body));
            let wanted = json!({
                "method": "POST", "to": "https://as.example/token", "grant": "refresh_token",
                "client_auth": proof, "status": 400, "error": "invalid_grant",
            });
            assert_eq!(described, wanted);
        }
    }
}
