//! The reason why a request got no response: the errors of the HTTP client and of the system, as a [`TransportError`].
//!
//! An error of a TLS handshake, of a proxy or of a refused connection is looked for among its causes. Sends nothing, but
//! for one question to a server whose scheme is in doubt ([`scheme`]).

use std::error::Error as _;
use std::io;
use std::sync::atomic::Ordering;

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
        let why = innermost(error);
        if is_before_sending && is_refused {
            TransportError::NotListening { host, why }
        } else if is_before_sending {
            TransportError::Unreachable { host, why }
        } else {
            TransportError::Cut { host, why }
        }
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
