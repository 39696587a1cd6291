//! The reason why a request got no response: the errors of the HTTP client and of the system, as a [`TransportError`].
//!
//! An error of a TLS handshake, of a proxy or of a refused connection is looked for among its causes. Sends nothing, but
//! for one question to a server whose scheme is in doubt ([`scheme`]).

use std::error::Error as _;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use url::Url;

use crate::http_fields::innermost_cause;
use crate::proxy;
use crate::remote::client;
use crate::remote::https::Https;
use crate::remote::scheme;
use crate::remote::transport_error::TransportError;
use crate::tls::ClientCertRefused;
use crate::tls::untrusted::Untrusted;

impl Https {
    /// Finds the reason why there is no response. Where the server may speak TLS to an address that says http, or the
    /// other way round, it is asked which, once: what the error says of it is about bytes.
    pub(super) async fn failed(&self, url: &Url, error: &client::Error) -> TransportError {
        let fault = self.fault_at(url, error);
        let is_first = !self.has_answered.load(Ordering::Relaxed);
        let is_direct = self.settings().proxies.to(url).is_none();
        if is_first && is_direct && is_in_doubt(url, &fault) {
            let speaks = self.speaks.get_or_init(|| scheme::spoken_at(url)).await;
            if let Some(speaks) = speaks.filter(|speaks| speaks.scheme() != url.scheme()) {
                let host = self.host().to_owned();
                return TransportError::WrongScheme { host, speaks };
            }
        }
        fault
    }

    fn fault_at(&self, url: &Url, error: &client::Error) -> TransportError {
        let failure = self.settings().proxies.failure(url, error);
        match failure.filter(|_| error.is_connect()) {
            Some(failure) => self.proxy_failed(failure),
            None => self.fault(error),
        }
    }

    pub(super) fn proxy_failed(&self, failure: proxy::Failure) -> TransportError {
        TransportError::Proxy {
            host: self.host().to_owned(),
            failure: Box::new(failure),
        }
    }

    pub(super) fn fault(&self, error: &client::Error) -> TransportError {
        let host = self.host().to_owned();
        // In TLS 1.3 the handshake has ended for us when the server looks at our certificate.
        if let Some(why) = ClientCertRefused::among(error) {
            return TransportError::ClientCertRefused { host, why };
        }
        let is_before_sending = error.is_before_sending();
        if is_before_sending && let Some(why) = Untrusted::among(error) {
            return TransportError::Untrusted { host, why };
        }
        let is_refused = is_refused(error);
        let why = self.timed_out(error).unwrap_or_else(|| innermost(error));
        if is_before_sending && is_refused {
            TransportError::NotListening { host, why }
        } else if is_before_sending {
            TransportError::Unreachable { host, why }
        } else {
            TransportError::Cut { host, why }
        }
    }

    /// Returns the time limit that has ended it, in words, if one has.
    fn timed_out(&self, error: &client::Error) -> Option<String> {
        let settings = self.settings();
        if let Some(silence) = silence(error, settings.body_timeout) {
            return Some(silence);
        }
        let seconds = settings.connect_timeout.as_secs_f64();
        let is_late = error.is_connect() && is_late(error);
        is_late.then(|| format!("no connection within {seconds} s (--connect-timeout)"))
    }

    pub(super) fn not_mcp(&self, why: &str) -> TransportError {
        TransportError::NotMcp {
            host: self.host().to_owned(),
            why: why.to_owned(),
            head: String::new(),
        }
    }
}

/// Says whether a first request may have failed because the other scheme is spoken there. A certificate that was looked
/// at was sent by TLS.
fn is_in_doubt(url: &Url, fault: &TransportError) -> bool {
    match (url.scheme(), fault) {
        ("https", TransportError::Unreachable { why, .. }) => !why.contains("certificate"),
        ("http", TransportError::Cut { .. }) => true,
        _ => false,
    }
}

/// Returns the words for a silence that was too long, if that is the error.
pub(super) fn silence(error: &client::Error, limit: Option<Duration>) -> Option<String> {
    let seconds = limit
        .filter(|_| matches!(error, client::Error::Silent(_)))?
        .as_secs_f64();
    Some(format!("nothing came for {seconds} s (--body-timeout)"))
}

/// Says whether time has run out: for the connection as a whole, or for one address of a name.
fn is_late(error: &client::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        // The system has a limit of its own, and its error a number.
        let of_ours = |error: &io::Error| {
            error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
        };
        if inner.is::<client::TimedOut>() || inner.downcast_ref().is_some_and(of_ours) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Says whether the system at the other end said that nothing listens there.
fn is_refused(error: &client::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        let kind = inner.downcast_ref::<io::Error>().map(io::Error::kind);
        if kind == Some(io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Returns the innermost cause.
pub(super) fn innermost(error: &client::Error) -> String {
    innermost_cause(error).unwrap_or_else(|| error.to_string())
}
