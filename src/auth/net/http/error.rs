//! The reason why a request of a sign-in got no answer, read off the errors of `reqwest` and off statuses.

use std::error::Error as StdError;
use std::time::Duration;

use http::header::HeaderMap;
use url::Url;

use crate::auth::net::guard;
use crate::http_fields::{self, innermost_cause};
use crate::text::plain;
use crate::tls::ClientCertRefused;
use crate::tls::untrusted::Untrusted;

/// The reason why there was no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The address may not be visited; nothing was sent.
    #[error("the address at {host} may not be visited: {why}")]
    Refused {
        /// Host and port.
        host: String,
        /// The host and port.
        why: guard::Error,
    },
    /// No server is there, the connection broke, or it took too long.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The innermost cause.
        why: String,
    },
    /// The server is reachable and cannot answer now: 5xx, 408, 429.
    #[error("the server at {host} answered HTTP {status}{}{}", instead(*status), later(*retry_after))]
    Unavailable {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The time that `Retry-After` named.
        retry_after: Option<Duration>,
    },
    /// The answer was larger than any sensible one.
    #[error("the server at {host} sent more than {limit} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The server's certificate or its TLS is not to be trusted, so nothing was sent.
    #[error("cannot connect to {host}: {why}")]
    Untrusted {
        /// Host and port.
        host: String,
        /// The fault of the certificate.
        why: Untrusted,
    },
    /// The server broke the handshake off because of our TLS certificate, or for want of one.
    #[error("the server at {host} {why}")]
    ClientCertRefused {
        /// Host and port.
        host: String,
        /// The server's description of the fault.
        why: ClientCertRefused,
    },
    /// TLS could not be set up at all.
    #[error("the HTTP client cannot be built: {why}")]
    Unbuildable {
        /// The error text of reqwest.
        why: String,
    },
}

impl Error {
    /// Says whether trying again later may work without a change by the user.
    pub fn is_passing(&self) -> bool {
        // A gateway that wants another certificate has not refused a token.
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Unavailable { .. }
                | Self::Untrusted { .. }
                | Self::ClientCertRefused { .. }
        )
    }
}

/// Returns the error of a request that got no answer.
pub(super) fn of_request(url: &Url, error: &reqwest::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(why) = inner.downcast_ref::<guard::Error>() {
            return Error::Refused {
                host: host_of(url),
                why: *why,
            };
        }
        cause = inner.source();
    }
    let host = host_of(url);
    if let Some(why) = ClientCertRefused::among(error) {
        return Error::ClientCertRefused { host, why };
    }
    if error.is_connect()
        && let Some(why) = Untrusted::among(error)
    {
        return Error::Untrusted { host, why };
    }
    Error::Unreachable {
        host,
        why: innermost(error),
    }
}

pub(super) fn innermost(error: &reqwest::Error) -> String {
    let cause = innermost_cause(error);
    plain(cause.as_deref().unwrap_or("the request failed"), 200)
}

/// Returns the error of a server that cannot answer now.
pub(super) fn unavailable(url: &Url, status: u16, headers: &HeaderMap) -> Error {
    Error::Unavailable {
        host: host_of(url),
        status,
        retry_after: retry_after(headers),
    }
}

/// Returns the `Retry-After` of an answer, by the clock that its `Date` shows, up to [`MAX_RETRY_AFTER`].
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wait = http_fields::retry_after(headers, http_fields::date(headers))?;
    Some(wait.min(MAX_RETRY_AFTER))
}

const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Says whether a status means "not now" rather than "no".
pub fn is_unavailable(status: u16) -> bool {
    status >= 500 || status == 408 || status == 429
}

/// Returns an addition to the message where the status alone would sound like success, or like a decision of the
/// server.
fn instead(status: u16) -> &'static str {
    match is_unavailable(status) {
        true => "",
        false => ", and what came is no answer of such a server (a proxy's page?)",
    }
}

/// Returns the server's wished time for the next attempt, as text.
fn later(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| {
        format!(", to be asked again in {} s", wait.as_secs())
    })
}

/// Returns host and port, the most of a URL that an error or a log may show.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use http::header::{DATE, HeaderValue, RETRY_AFTER};

    use super::*;

    #[test]
    fn how_long_to_wait_is_read_as_seconds_or_as_a_date_by_the_servers_clock() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (written, date, wanted) in [
            ("120", None, Some(120)),
            ("999999", None, Some(3600)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(date), Some(10)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(date), Some(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None, None),
            ("soon", Some(date), None),
            ("-1", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(written));
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_static(date));
            }
            let wanted = wanted.map(Duration::from_secs);
            assert_eq!(retry_after(&headers), wanted, "{written}");
        }
    }
}
