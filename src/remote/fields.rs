//! What is read of a response's header fields. Fetches nothing, and keeps no field that is not understood.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName};

use super::Head;
use crate::secret::Secret;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// What is kept of a response's head.
pub(super) fn head(response: &reqwest::Response) -> Head {
    let session = response.headers().get(SESSION).filter(|value| {
        (1..=1024).contains(&value.len())
            && value
                .as_bytes()
                .iter()
                .all(|byte| (0x21..=0x7e).contains(byte))
    });
    Head {
        status: response.status().as_u16(),
        session: session
            .and_then(|value| value.to_str().ok())
            .map(Secret::new),
    }
}

/// The media type without parameters, lower case; empty if none is given.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    value
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase()
}

/// `Retry-After`, as seconds or as a date (RFC 9110 section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(
            httpdate::parse_http_date(value)
                .ok()?
                .duration_since(now)
                .unwrap_or_default(),
        ),
    }
}

/// Whether one of the challenges is for a token (RFC 6750 section 3, RFC 9449 section 7.1).
pub(super) fn asks_for_a_token(headers: &HeaderMap) -> bool {
    headers.get_all(WWW_AUTHENTICATE).iter().any(|field| {
        let scheme = field.to_str().unwrap_or_default().split(' ').next();
        scheme.is_some_and(|scheme| {
            scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop")
        })
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_date_and_never_as_the_past() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(
                retry_after(&headers, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }

    #[test]
    fn only_the_media_type_is_compared() {
        let headers = HeaderMap::from_iter([(
            CONTENT_TYPE,
            HeaderValue::from_static("Application/JSON; charset=utf-8"),
        )]);
        assert_eq!(media_type(&headers), "application/json");
    }
}
