//! The reasons why a TLS handshake failed because of the server, and the advice for the user.
//!
//! Both the MCP server and the authorization server are reached through [`tls`](super); this file describes the faults
//! of their certificates and their TLS in the same words. The texts hold no address: the caller names the host.
//!
//! RFC 5280 section 6.1 for certificates, RFC 8446 section 6.2 for alerts, RFC 8996 for the versions that are refused.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};
use webpki::EndEntityCert;

use crate::text::printable;

/// A handshake that failed because of the server's certificate or its TLS. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    why: String,
    hint: &'static str,
}

impl Untrusted {
    /// Looks for this error among the causes of an error that ended the connecting.
    pub fn among(error: &(dyn StdError + 'static)) -> Option<Self> {
        Self::of(rustls_error(error)?)
    }

    fn of(error: &Error) -> Option<Self> {
        let (why, hint) = match error {
            Error::InvalidCertificate(error) => certificate(error),
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => (
                "it speaks neither TLS 1.2 nor TLS 1.3, and nothing older is safe".to_owned(),
                "The operator of the server has to switch TLS 1.2 or 1.3 on.",
            ),
            Error::AlertReceived(AlertDescription::UnrecognisedName) => {
                ("it has no certificate for this name".to_owned(), ADDRESS)
            }
            Error::AlertReceived(
                alert @ (AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::InternalError),
            ) => (
                format!("it broke the TLS handshake off ({alert:?})"),
                PARAMETERS,
            ),
            Error::PeerIncompatible(why) => (
                format!("its TLS and mcpipe's have too little in common ({why:?})"),
                PARAMETERS,
            ),
            Error::InvalidMessage(_) => (
                "what answers there does not speak TLS".to_owned(),
                "Check the address and its port: plain http, for instance, has another port than https.",
            ),
            Error::General(why) if why.starts_with("No CA certificates") => (
                "this machine has no certificate authorities to check its certificate with"
                    .to_owned(),
                "Install the package ca-certificates, or name a file of authorities with SSL_CERT_FILE or --ca FILE.",
            ),
            _ => return None,
        };
        Some(Self { why, hint })
    }

    /// Returns the advice for the user: a whole sentence.
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.why)
    }
}

const ADDRESS: &str = "Check the address: another server may answer there.";
const CA: &str = "If you know the authority that signed it: --ca FILE trusts that authority.";
const PARAMETERS: &str =
    "The operator of the server has to offer a usual cipher suite of TLS 1.2 or 1.3.";
const RENEW: &str = "The operator of the server has to install another certificate.";

fn certificate(error: &CertificateError) -> (String, &'static str) {
    const CLOCK: &str = "The operator of the server has to renew the certificate. If this machine's clock is wrong, set it.";
    match error {
        CertificateError::ExpiredContext { time, not_after } => (
            format!(
                "its certificate expired on {}, and this machine's clock says {}",
                date(*not_after),
                date(*time)
            ),
            CLOCK,
        ),
        CertificateError::Expired => ("its certificate has expired".to_owned(), CLOCK),
        CertificateError::NotValidYetContext { time, not_before } => (
            format!(
                "its certificate is not valid before {}, and this machine's clock says {}",
                date(*not_before),
                date(*time)
            ),
            "Check this machine's clock. If it is right, the server needs another certificate.",
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let hint = if presented.is_empty() { RENEW } else { ADDRESS };
            (names(expected, presented), hint)
        }
        CertificateError::NotValidForName => {
            ("its certificate is for another name".to_owned(), ADDRESS)
        }
        CertificateError::UnknownIssuer => {
            ("no authority that this machine trusts signed its certificate".to_owned(), CA)
        }
        CertificateError::Revoked => ("its certificate has been revoked".to_owned(), RENEW),
        // ring reports the same for a key of 1024 bits and for a key that made another signature.
        CertificateError::BadSignature => (
            "its certificate's signature is not by the authority that it names, or by a key that is not safe (RSA below 2048 bits)"
                .to_owned(),
            "If that authority has a newer certificate: --ca FILE trusts that one. Otherwise the operator of the server has to install another.",
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "its certificate's signature is of a kind that is not safe, SHA-1 for instance".to_owned(),
            RENEW,
        ),
        CertificateError::Other(other) => of_other(other),
        error => (format!("its certificate is refused ({error:?})"), RENEW),
    }
}

/// A certificate that no authority signed which this machine trusts, and the facts in it.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is signed by no authority that is trusted")]
struct Unknown {
    is_self_signed: bool,
    is_alone: bool,
}

/// Adds the facts of the chain to the verifier's error: rustls keeps neither the certificate nor its chain.
pub(crate) fn explained(
    error: Error,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Error {
    if error != Error::InvalidCertificate(CertificateError::UnknownIssuer) {
        return error;
    }
    let Ok(parsed) = EndEntityCert::try_from(end_entity) else {
        return error;
    };
    let unknown = Unknown {
        is_self_signed: parsed.issuer() == parsed.subject(),
        is_alone: intermediates.is_empty(),
    };
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(unknown))))
}

fn of_other(other: &OtherError) -> (String, &'static str) {
    let inner = other.source();
    if let Some(unknown) = inner.and_then(|inner| inner.downcast_ref::<Unknown>()) {
        return match unknown {
            Unknown {
                is_self_signed: true,
                ..
            } => (
                "its certificate is self-signed, and this machine does not trust it".to_owned(),
                "If the certificate is yours: --ca FILE trusts it.",
            ),
            Unknown { is_alone: true, .. } => (
                "no authority that this machine trusts signed its certificate, and it sent no intermediate one".to_owned(),
                "If you know the authority that signed it: --ca FILE trusts that authority. If it is a public one, the operator of the server has to install the intermediate certificates too.",
            ),
            Unknown { .. } => (
                "no authority that this machine trusts signed its certificate".to_owned(),
                CA,
            ),
        };
    }
    match inner.and_then(|inner| inner.downcast_ref::<webpki::Error>()) {
        Some(webpki::Error::CaUsedAsEndEntity) => (
            "its certificate is a certificate authority's own (CA:TRUE), which no server may show"
                .to_owned(),
            "Make one for the server: `openssl req -x509` does with -addext basicConstraints=critical,CA:FALSE.",
        ),
        Some(webpki::Error::UnsupportedCertVersion) => (
            "its certificate is of X.509 version 1, which has no names and no purposes".to_owned(),
            "Make another one: `openssl x509 -req` writes version 3 when -extfile FILE gives it a subjectAltName.",
        ),
        _ => (
            format!(
                "its certificate is refused ({})",
                printable(&other.to_string(), 200)
            ),
            RENEW,
        ),
    }
}

/// Returns the names that the certificate is for; rustls writes them as `DnsName("a.example")`.
fn names(expected: &ServerName<'_>, presented: &[String]) -> String {
    const SHOWN: usize = 3;
    let expected = expected.to_str();
    let mut names: Vec<_> = presented
        .iter()
        .take(SHOWN)
        .map(|name| {
            let inner = name.split_once('(').map_or(name.as_str(), |(_, name)| name);
            printable(inner.trim_matches(['"', ')']), 100)
        })
        .collect();
    if presented.len() > SHOWN {
        names.push(format!("{} more", presented.len() - SHOWN));
    }
    match names.as_slice() {
        [] => format!(
            "its certificate names no server (it has no subjectAltName), and so not {expected}"
        ),
        names => format!(
            "its certificate is for {}, not for {expected}",
            names.join(", ")
        ),
    }
}

fn date(time: UnixTime) -> String {
    let since = Duration::from_secs(time.as_secs());
    // A date that no calendar has is the certificate's fault.
    match SystemTime::UNIX_EPOCH.checked_add(since) {
        Some(time) if time.elapsed().is_ok() || since.as_secs() < 253_402_300_800 => {
            httpdate::fmt_http_date(time)
        }
        _ => "a day beyond the year 9999".to_owned(),
    }
}

/// Returns rustls's error in a chain. An `io::Error` gives as its source the error below the one it was made of.
pub(crate) fn rustls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
