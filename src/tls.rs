//! The TLS of mcpipe: rustls with ring, the operating system's roots and the user's, nothing switched off.
//!
//! Loading the roots takes longer than any other step of the start, so it happens on a thread of its own while stdin is
//! read and the connection is made; the verifier waits for it only if it is not done. Plain http never loads them. Most
//! systems have a file with all of them, which is read alone (`roots`) and suffices for the certificates of most servers.
//!
//! A server may ask for the client's identity as well (`--client-cert`): [`Identity`] holds the certificate for it.
//!
//! RFC 8446, RFC 5246.

mod roots;
pub mod untrusted;
mod verifier;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig, InconsistentKeys};
use zeroize::Zeroizing;

use crate::named_file;
use untrusted::rustls_error;
use verifier::Patient;

/// The reason why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A `--ca` file cannot be read.
    #[error("cannot read the CA file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A `--ca` file holds no usable certificate.
    #[error("the CA file {path} holds no PEM certificate that can be used")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file of the client's certificate cannot be read.
    #[error("cannot read {path}")]
    UnreadableIdentity {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file that should hold the client's certificate does not.
    #[error("{path} holds no PEM certificate")]
    NoClientCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file that should hold the key does not.
    #[error("{path} holds no PEM private key")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is encrypted, and no user can be asked for its passphrase.
    #[error("the private key in {path} is encrypted")]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The key is not the certificate's.
    #[error("the private key in {key} is not the one of the certificate in {certificate}")]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate or a key of a kind that cannot be used.
    #[error("the certificate in {certificate} with the key in {key} cannot be used")]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
    /// rustls refused its own defaults.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NoCertificate { .. } => "--ca takes a PEM file",
            Self::UnreadableIdentity { .. } => "check the path and its permissions",
            Self::NoClientCertificate { .. } => {
                "--client-cert takes a PEM file: the certificate first, then those that vouch for it"
            }
            Self::NoKey { .. } => {
                "--client-cert-key takes a PEM file; without it the key is looked for beside the certificate"
            }
            Self::Encrypted { .. } => {
                "`openssl pkey -in FILE -out NEW` writes it without a passphrase; `chmod 600` the new file"
            }
            Self::Mismatch { .. } | Self::Unusable { .. } => {
                "check --client-cert and --client-cert-key: its own certificate stands first in the file"
            }
            Self::Setup(_) => "use a newer mcpipe",
        }
    }
}

/// The client's identity for a server that asks in the handshake: a certificate, its chain, and the key.
#[derive(Clone)]
pub struct Identity(Arc<SingleCertAndKey>);

impl Identity {
    /// Reads the chain from a PEM file, and its key (PKCS #8, PKCS #1 or SEC 1) from another or from the same.
    ///
    /// # Errors
    /// A file cannot be read or does not hold what it should; a key is another certificate's.
    pub fn read(certificate: &Path, key: Option<&Path>) -> Result<Self, Error> {
        let key = key.unwrap_or(certificate);
        let pem = identity_file(certificate)?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .filter_map(Result::ok)
            .collect();
        if chain.is_empty() {
            return Err(Error::NoClientCertificate {
                path: certificate.into(),
            });
        }
        let pem = identity_file(key)?;
        // RFC 7468 section 11, and RFC 1421's header, which OpenSSL still writes into the older formats.
        let is_encrypted = ["ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"]
            .iter()
            .any(|mark| memchr::memmem::find(&pem, mark.as_bytes()).is_some());
        if is_encrypted {
            return Err(Error::Encrypted { path: key.into() });
        }
        let secret =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|_| Error::NoKey { path: key.into() })?;
        let certified = CertifiedKey::from_der(chain, secret, &ring::default_provider());
        let certified = certified.map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Error::Mismatch {
                certificate: certificate.into(),
                key: key.into(),
            },
            source => Error::Unusable {
                certificate: certificate.into(),
                key: key.into(),
                source,
            },
        })?;
        Ok(Self(Arc::new(SingleCertAndKey::from(certified))))
    }

    /// Shows the certificate to every server that this configuration is used with and that asks.
    pub fn show_in(&self, config: &mut ClientConfig) {
        config.client_auth_cert_resolver = Arc::clone(&self.0) as _;
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Identity")
    }
}

fn identity_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let pem = named_file::read(path).map_err(|source| Error::UnreadableIdentity {
        path: path.into(),
        source,
    })?;
    Ok(without_mark(pem))
}

/// Removes a byte order mark, which editors of Windows begin a file with: it would hide the line it stands before.
fn without_mark(mut pem: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if pem.starts_with(b"\xef\xbb\xbf") {
        pem.drain(..3);
    }
    pem
}

/// The alert of a server that broke the handshake off, about the client's certificate (RFC 8446 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertRefused {
    /// The server got no certificate.
    Missing,
    /// The server does not take the certificate that it got.
    Refused(AlertDescription),
}

impl ClientCertRefused {
    /// The advice for the user.
    pub const HINT: &str = "Check --client-cert FILE and --client-cert-key FILE: the server wants a certificate of an authority it trusts.";

    /// Looks for this alert among the causes of an error.
    pub fn among(error: &(dyn StdError + 'static)) -> Option<Self> {
        match rustls_error(error) {
            Some(rustls::Error::AlertReceived(alert)) => Self::of(*alert),
            _ => None,
        }
    }

    fn of(alert: AlertDescription) -> Option<Self> {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Some(Self::Missing)
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Some(Self::Refused(alert)),
            _ => None,
        }
    }
}

impl fmt::Display for ClientCertRefused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => out.write_str("wants a TLS client certificate"),
            Self::Refused(alert) => {
                write!(out, "does not take our TLS client certificate ({alert:?})")
            }
        }
    }
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = named_file::read(path).map_err(|source| Error::Unreadable {
        path: path.into(),
        source,
    })?;
    let pem = without_mark(pem);
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .collect();
    // A certificate that no verifier takes must be reported now, not at the first handshake.
    let mut store = rustls::RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(found.iter().cloned());
    if usable == 0 {
        return Err(Error::NoCertificate { path: path.into() });
    }
    Ok(found)
}

/// Makes the client side of TLS, trusting the operating system's roots and `extra`. With `is_wanted_soon` the roots
/// begin to load now; otherwise with the first handshake, if there ever is one.
///
/// # Errors
/// rustls refused its own defaults.
pub fn config(
    extra: Vec<CertificateDer<'static>>,
    is_wanted_soon: bool,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Patient::new(Arc::clone(&provider), extra));
    if is_wanted_soon {
        let early = Arc::clone(&verifier);
        thread::spawn(move || early.load());
    }
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous() // rustls' word for any verifier but its own; this one is the platform's
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/tls")
            .join(name)
    }

    fn read(certificate: &str, key: Option<&str>) -> Result<Identity, Error> {
        Identity::read(&fixture(certificate), key.map(fixture).as_deref())
    }

    #[test]
    fn a_key_may_be_pkcs8_sec1_or_pkcs1_and_stand_beside_its_certificate() {
        for (certificate, key) in [
            ("client.pem", Some("client.key")),
            ("client.pem", Some("client-sec1.key")),
            ("client-rsa.pem", None),
            ("client-rsa.pem", Some("client-rsa.pem")),
        ] {
            assert!(read(certificate, key).is_ok(), "{certificate} {key:?}");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_told_apart_and_names_its_file() {
        type Check = fn(&Error) -> bool;
        let cases: [(&str, Option<&str>, Check, &str); 6] = [
            (
                "client.pem",
                Some("server.key"),
                |e| matches!(e, Error::Mismatch { .. }),
                "server.key",
            ),
            (
                "client.pem",
                Some("client-encrypted.key"),
                |e| matches!(e, Error::Encrypted { .. }),
                "client-encrypted.key",
            ),
            (
                "client.pem",
                Some("client-encrypted-sec1.key"),
                |e| matches!(e, Error::Encrypted { .. }),
                "client-encrypted-sec1.key",
            ),
            (
                "client.pem",
                None,
                |e| matches!(e, Error::NoKey { .. }),
                "client.pem",
            ),
            (
                "client.key",
                None,
                |e| matches!(e, Error::NoClientCertificate { .. }),
                "client.key",
            ),
            (
                "nowhere.pem",
                None,
                |e| matches!(e, Error::UnreadableIdentity { .. }),
                "nowhere.pem",
            ),
        ];
        for (certificate, key, is_it, named) in cases {
            let error = read(certificate, key).unwrap_err();
            assert!(is_it(&error), "{error:?}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn a_refusal_is_found_however_deep_it_lies() {
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let wrapped = io::Error::other(io::Error::other(alert.clone()));
        let found = Some(ClientCertRefused::Refused(AlertDescription::UnknownCA));
        assert_eq!(ClientCertRefused::among(&alert), found);
        assert_eq!(ClientCertRefused::among(&io::Error::other(alert)), found);
        assert_eq!(ClientCertRefused::among(&wrapped), found);
        let other = rustls::Error::AlertReceived(AlertDescription::DecodeError);
        assert_eq!(ClientCertRefused::among(&io::Error::other(other)), None);
    }
}
