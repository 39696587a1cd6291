//! Header fields of HTTP responses that the MCP endpoint and the sign-in both read, and the cause of a failed request.
//!
//! RFC 9110 sections 6.6.1 (Date), 8.3 (Content-Type) and 10.2.3 (Retry-After).

use std::error::Error;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};

/// Header fields of a response at most; gateways that describe their policies there send some hundred.
pub const MAX_HEADERS: usize = 512;

/// Returns the media types that a body is labelled with, without parameters, lower case. A label may come twice, in one
/// field or in two.
pub fn media_types(headers: &HeaderMap) -> Vec<String> {
    let fields = headers.get_all(CONTENT_TYPE).into_iter();
    let fields = fields.filter_map(|value| value.to_str().ok());
    let types = fields.flat_map(|field| field.split(',').map(essence));
    types.filter(|essence| !essence.is_empty()).collect()
}

/// Returns the media type of the first label, without parameters, lower case; empty if there is none.
pub fn media_type(headers: &HeaderMap) -> String {
    let field = headers
        .get(CONTENT_TYPE)
        .and_then(|field| field.to_str().ok());
    essence(field.unwrap_or_default())
}

fn essence(label: &str) -> String {
    let essence = label.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Returns the `Retry-After` of a response, as seconds or as the time from `now` to a date. A date says nothing where
/// `now` is not known.
pub fn retry_after(headers: &HeaderMap, now: Option<SystemTime>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let then = httpdate::parse_http_date(value).ok()?;
            Some(then.duration_since(now?).unwrap_or_default())
        }
    }
}

/// Returns the time for which the server says that it keeps an idle connection. Node's servers do, and close it after five
/// seconds.
///
/// RFC 2068 section 19.7.1.1 (Keep-Alive), which newer ones only mention.
pub fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let field = headers.get("keep-alive")?.to_str().ok()?;
    let mut parameters = field.split(',').filter_map(|it| it.split_once('='));
    let is_timeout = |(name, _): &(&str, &str)| name.trim().eq_ignore_ascii_case("timeout");
    let (_, seconds) = parameters.find(is_timeout)?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Returns the time by the server's own clock, which its answer shows.
pub fn date(headers: &HeaderMap) -> Option<SystemTime> {
    let date = headers.get(DATE)?.to_str().ok()?.trim();
    httpdate::parse_http_date(date).ok()
}

/// Returns the innermost cause of an error, in its own words. The outer ones of reqwest hold the URL, and a query may hold
/// a secret.
pub fn innermost_cause(error: &dyn Error) -> Option<String> {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.last().map(ToString::to_string)
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
                retry_after(&headers, Some(now)),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }

    #[test]
    fn the_time_that_idle_connections_are_kept_is_read_leniently() {
        for (text, expected) in [
            ("timeout=5", Some(5)),
            ("max=100, Timeout = 15", Some(15)),
            ("timeout=0", Some(0)),
            ("5", None),
            ("timeout=soon", None),
        ] {
            let name = http::HeaderName::from_static("keep-alive");
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(text))]);
            assert_eq!(
                keep_alive(&headers),
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
        assert_eq!(media_type(&headers), "application/json");
    }
}
