//! The secrets of a sign-in's requests, which no log may show.

use http::header::{AUTHORIZATION, HeaderMap};

use crate::secret::live;

/// Parameters of token requests whose values are secrets (RFC 6749, 7009, 7521, 7636, 8628, 8693).
const SECRET_PARAMETERS: [&str; 11] = [
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "password",
    "refresh_token",
    "subject_token",
    "token",
];

/// Notes the secrets of a request: the authorization server may repeat them in its answer.
pub(super) fn note_secrets(headers: &HeaderMap, form: &[u8]) {
    for (_, value) in headers
        .iter()
        .filter(|(name, value)| value.is_sensitive() || *name == AUTHORIZATION)
    {
        live::note_header(&String::from_utf8_lossy(value.as_bytes()));
    }
    for (name, value) in url::form_urlencoded::parse(form) {
        if SECRET_PARAMETERS.contains(&&*name) {
            live::note(&value);
        }
    }
}
