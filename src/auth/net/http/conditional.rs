//! Documents that are kept with their validators: asked again with `If-None-Match`, for as long as they may be used
//! without a question.
//!
//! RFC 9110 sections 8.8.3 (ETag), 13.1.2 (If-None-Match) and 15.4.5 (304); RFC 9111 sections 5.1 (Age) and 5.2.2
//! (Cache-Control).

use std::time::Duration;

use http::header::{ACCEPT, AGE, CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use serde_json::Value;
use url::Url;

use super::{
    DOCUMENT_PATIENCE, Error, Http, MAX_DOCUMENT, MAX_REDIRECTS, is_unavailable, next_hop,
    unavailable, within,
};
use crate::auth::net::request_log::RequestLogEntry;
use crate::http_fields;
use crate::redirect;

/// The longest time for which a document may be used without a question, whatever its server says.
const LONGEST_FRESH: Duration = Duration::from_secs(24 * 3600);
/// The longest validator that is kept, in bytes.
const LONGEST_ETAG: usize = 512;

/// The answer of a place where a document might be.
#[derive(Debug)]
pub enum Conditional {
    /// A JSON object.
    Found(Box<Value>, Validity),
    /// 304: the document is as it was when its validator was given.
    Unchanged(Validity),
    /// A redirect to another origin, which is not followed.
    Redirect {
        /// The address that it leads to.
        to: Url,
    },
    /// A refusal (4xx), or something else than a JSON object.
    Absent {
        /// The HTTP status.
        status: u16,
    },
}

/// The time for which a document may be kept and used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// The entity tag, as the server wrote it.
    pub etag: Option<String>,
    /// The time for which the document may be used without a question, at most a day.
    pub fresh: Duration,
    /// True where the document may not be kept at all (`no-store`).
    pub is_fleeting: bool,
}

impl Validity {
    /// Reads the header fields of a response. A field that cannot be read makes the time shorter, never longer.
    fn of(headers: &HeaderMap) -> Self {
        let directives = headers.get_all(CACHE_CONTROL).into_iter();
        let directives = directives.filter_map(|field| field.to_str().ok());
        let directives: Vec<String> = directives
            .flat_map(|field| field.split(','))
            .map(|directive| directive.trim().to_ascii_lowercase())
            .collect();
        let has = |name: &str| {
            directives
                .iter()
                .any(|directive| directive.split('=').next() == Some(name))
        };
        let ages = directives.iter().filter_map(|directive| {
            let (name, value) = directive.split_once('=')?;
            (name.trim() == "max-age").then(|| value.trim().trim_matches('"').parse::<u64>())
        });
        let seconds = ages.map(|age| age.unwrap_or(0)).min().unwrap_or(0);
        let age = headers.get(AGE).and_then(|field| field.to_str().ok());
        let age = age.and_then(|field| field.trim().parse().ok()).unwrap_or(0);
        let fresh = Duration::from_secs(seconds.saturating_sub(age)).min(LONGEST_FRESH);
        let etag = headers.get(ETAG).and_then(|field| field.to_str().ok());
        Self {
            etag: etag
                .filter(|etag| etag.len() <= LONGEST_ETAG)
                .map(ToOwned::to_owned),
            fresh: match has("no-cache") || has("no-store") {
                true => Duration::ZERO,
                false => fresh,
            },
            is_fleeting: has("no-store"),
        }
    }
}

impl Http {
    /// Asks for a JSON document, with the validator of the one that the caller has. The label of the body does not count:
    /// public servers send cards as `application/json`, and pages in their place as `text/html`.
    ///
    /// # Errors
    /// As [`Http::document`]; a body that is longer than 256 KiB and no page.
    pub async fn conditional(
        &self,
        url: &Url,
        accept: &'static str,
        etag: Option<&str>,
    ) -> Result<Conditional, Error> {
        let etag = etag.and_then(|etag| HeaderValue::try_from(etag).ok());
        let work = async {
            let mut at = url.clone();
            for _ in 0..=MAX_REDIRECTS {
                let asking = |client: &reqwest::Client| {
                    let request = client.get(at.clone()).header(ACCEPT, accept);
                    match &etag {
                        Some(etag) => request.header(IF_NONE_MATCH, etag.clone()),
                        None => request,
                    }
                };
                let asked = RequestLogEntry::get(&at);
                let failed = |_: &Error| self.report(&asked, None, None);
                let response = self.sent(&at, asking).await.inspect_err(failed)?;
                let status = response.status().as_u16();
                self.report(&asked, Some(status), None);
                self.answers(&at, status)?;
                let validity = Validity::of(response.headers());
                if status == 304 && etag.is_some() {
                    return Ok(Conditional::Unchanged(validity));
                }
                if matches!(status, 301..=303 | 307 | 308) {
                    match next_hop(&at, response.headers()) {
                        Some(next) => at = next,
                        None => {
                            return Ok(match redirect::target(&at, response.headers()) {
                                Some(to) => Conditional::Redirect { to },
                                None => Conditional::Absent { status },
                            });
                        }
                    }
                    continue;
                }
                if is_unavailable(status) {
                    return Err(unavailable(&at, status, response.headers()));
                }
                let media = http_fields::media_type(response.headers());
                if status != 200 || media == "text/event-stream" {
                    return Ok(Conditional::Absent { status });
                }
                let body = match self.body(response, &at, MAX_DOCUMENT).await {
                    Err(Error::TooLarge { .. }) if media == "text/html" => {
                        return Ok(Conditional::Absent { status });
                    }
                    body => body?,
                };
                return Ok(match serde_json::from_slice(&body) {
                    Ok(found @ Value::Object(_)) => Conditional::Found(Box::new(found), validity),
                    _ => Conditional::Absent { status },
                });
            }
            Ok(Conditional::Absent { status: 302 })
        };
        within(DOCUMENT_PATIENCE, url, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_used_for_no_longer_than_its_server_says() {
        let day = 24 * 3600;
        for (control, age, fresh, is_fleeting) in [
            ("public, max-age=3600", "", 3600, false),
            ("max-age=3600", "3000", 600, false),
            ("max-age=60", "90", 0, false),
            ("max-age=31536000", "", day, false),
            ("max-age=\"60\"", "", 60, false),
            ("max-age=60, max-age=30", "", 30, false),
            ("max-age=soon", "", 0, false),
            ("max-age=3600, no-cache", "", 0, false),
            ("no-store, max-age=60", "", 0, true),
            ("s-maxage=60", "", 0, false),
            ("", "", 0, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
            headers.insert(AGE, HeaderValue::from_static(age));
            headers.insert(ETAG, HeaderValue::from_static("W/\"1\""));
            let wanted = Validity {
                etag: Some("W/\"1\"".to_owned()),
                fresh: Duration::from_secs(fresh),
                is_fleeting,
            };
            assert_eq!(Validity::of(&headers), wanted, "{control} {age}");
        }
        assert_eq!(Validity::of(&HeaderMap::new()), Validity::default());
    }
}
