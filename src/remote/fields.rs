//! Reads a response's header fields, and chooses which of the user's are sent. Fetches nothing, and keeps no field that
//! is not understood.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName};

use crate::era::Head;
use crate::secret::Secret;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The longest session id that is sent back: common servers take 8 KiB of a header field and no more.
const LONGEST_SESSION: usize = 8 * 1024;

/// Returns the part of a response's head that is kept.
pub(super) fn head(response: &reqwest::Response) -> Head {
    Head {
        status: response.status().as_u16(),
        session: session(response.headers()),
    }
}

/// The session id. One that cannot be sent back is said without its value, which is a secret: the server will miss it.
fn session(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(SESSION).filter(|value| !value.is_empty())?;
    let length = value.len();
    // MCP 2025-11-25, basic/transports, "Session Management": visible ASCII only.
    let is_visible = |byte: &u8| (0x21..=0x7e).contains(byte);
    if length > LONGEST_SESSION {
        tracing::warn!(
            length,
            limit = LONGEST_SESSION,
            "the server's Mcp-Session-Id is too long and is not sent back"
        );
        return None;
    }
    if !value.as_bytes().iter().all(is_visible) {
        tracing::warn!(
            length,
            "the server's Mcp-Session-Id holds other than visible ASCII characters and is not sent back"
        );
        return None;
    }
    value.to_str().ok().map(Secret::new)
}

/// The media types that a body is labelled with, without parameters, lower case. A label may come twice, in one field
/// or in two.
pub(super) fn media_types(headers: &HeaderMap) -> Vec<String> {
    let fields = headers.get_all(CONTENT_TYPE).into_iter();
    let fields = fields.filter_map(|value| value.to_str().ok());
    let essence = |label: &str| {
        let essence = label.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    };
    let types = fields.flat_map(|field| field.split(',').map(essence));
    types.filter(|essence| !essence.is_empty()).collect()
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

/// The user's headers without those that would contradict what is said or how it is framed.
pub(super) fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    let ours: Vec<_> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    if !ours.is_empty() {
        tracing::warn!(names = ?ours, "headers of the user's that mcpipe sets itself are passed over");
    }
    for name in ours {
        headers.remove(name);
    }
    headers
}

fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("mcp-")
        || matches!(
            name,
            "accept"
                | "accept-encoding"
                | "connection"
                | "content-encoding"
                | "content-length"
                | "content-type"
                | "expect"
                | "keep-alive"
                | "last-event-id"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}

/// Says whether one of the challenges is for a token (RFC 6750 section 3, RFC 9449 section 7.1).
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
        let label = HeaderValue::from_static("Application/JSON; charset=utf-8, text/x;q=1");
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, label)]);
        headers.append(CONTENT_TYPE, HeaderValue::from_static("a/b"));
        assert_eq!(media_types(&headers), ["application/json", "text/x", "a/b"]);
    }
}
