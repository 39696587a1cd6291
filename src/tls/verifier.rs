//! The verifier of a server's certificate, whose roots are loaded when they are first asked for: the user's, those of one
//! file, and all that the platform knows where these do not suffice.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::roots;
use super::untrusted::explained;

/// The platform's verifier, when it is ready, and before it others that have a part of its roots.
#[derive(Debug)]
pub(super) struct Patient {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    /// The verifier with the user's roots alone; `None` if the user names none, and on systems that judge otherwise.
    own: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    /// The verifier with the roots of one file of the system and the user's; `None` where there is no such file.
    bundled: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    inner: OnceLock<Result<Verifier, rustls::Error>>,
}

impl Patient {
    /// Returns a verifier that trusts the system's roots and `extra`, and has loaded none yet.
    pub(super) fn new(provider: Arc<CryptoProvider>, extra: Vec<CertificateDer<'static>>) -> Self {
        Self {
            provider,
            extra,
            own: OnceLock::new(),
            bundled: OnceLock::new(),
            inner: OnceLock::new(),
        }
    }

    /// Loads the roots, for a handshake to come. Blocks for milliseconds.
    pub(super) fn load(&self) {
        if self.bundled().is_none() {
            let _ = self.inner();
        }
    }

    fn own(&self) -> Option<&WebPkiServerVerifier> {
        // On macOS and Windows the system judges, and may refuse what the user's roots vouch for. On Linux the platform's
        // verifier is this one with more roots.
        if !cfg!(target_os = "linux") {
            return None;
        }
        let make = || trusting(&self.provider, &self.extra, Vec::new());
        self.own.get_or_init(make).as_deref()
    }

    fn bundled(&self) -> Option<&WebPkiServerVerifier> {
        let load = || match roots::bundled() {
            bundled if bundled.is_empty() => None,
            bundled => trusting(&self.provider, &self.extra, bundled),
        };
        self.bundled.get_or_init(load).as_deref()
    }

    fn inner(&self) -> Result<&Verifier, rustls::Error> {
        self.inner
            .get_or_init(|| {
                Verifier::new_with_extra_roots(self.extra.clone(), Arc::clone(&self.provider))
            })
            .as_ref()
            .map_err(Clone::clone)
    }
}

impl ServerCertVerifier for Patient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified_by = |verifier: &dyn ServerCertVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        // More roots can only add to the certificates that are accepted: a yes stands, and a no does not.
        for part in [Self::own, Self::bundled] {
            if let Some(Ok(verified)) = part(self).map(|part| verified_by(part)) {
                return Ok(verified);
            }
        }
        verified_by(self.inner()?).map_err(|error| explained(error, end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Makes a verifier that trusts the user's roots and others. Returns `None` if there are none at all; or if a root of the
/// user's cannot be used, which the platform's verifier is the one to report.
fn trusting(
    provider: &Arc<CryptoProvider>,
    extra: &[CertificateDer<'static>],
    others: Vec<CertificateDer<'static>>,
) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    for root in extra {
        roots.add(root.clone()).ok()?;
    }
    roots.add_parsable_certificates(others);
    WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    /// A verifier that trusts one authority and whose file of roots holds another.
    fn verifier(authority: &str, bundle: &str) -> Patient {
        let provider = Arc::new(ring::default_provider());
        let bundled = trusting(&provider, &[], vec![certificate(bundle)]);
        assert!(bundled.is_some());
        let verifier = Patient::new(provider, vec![certificate(authority)]);
        verifier.bundled.set(bundled).unwrap();
        verifier
    }

    fn certificate(name: &str) -> CertificateDer<'static> {
        let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls");
        CertificateDer::from_pem_file(fixtures.join(name)).unwrap()
    }

    fn accepts(verifier: &Patient, server: &str) -> bool {
        let name = "localhost".try_into().unwrap();
        // 2027, within the validity of the fixtures.
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let server = certificate(server);
        let verified = verifier.verify_server_cert(&server, &[], &name, &[], now);
        verified.is_ok()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_certificate_that_the_user_s_roots_vouch_for_needs_no_other_root() {
        let provider = Arc::new(ring::default_provider());
        let verifier = Patient::new(provider, vec![certificate("ca.pem")]);
        assert!(accepts(&verifier, "server.pem"));
        assert!(verifier.bundled.get().is_none(), "the file was read");
        assert!(verifier.inner.get().is_none(), "the platform was asked");
    }

    #[test]
    fn a_certificate_that_the_file_of_roots_vouches_for_needs_no_other_root() {
        let verifier = verifier("client-ca.pem", "ca.pem");
        assert!(accepts(&verifier, "server.pem"));
        assert!(verifier.inner.get().is_none(), "the platform was asked");
    }

    #[test]
    fn a_certificate_that_the_file_of_roots_does_not_vouch_for_is_the_platform_s_to_judge() {
        let verifier = verifier("ca.pem", "client-ca.pem");
        assert!(verifier.own.set(None).is_ok());
        assert!(accepts(&verifier, "server.pem"));
        assert!(!accepts(&verifier, "stranger.pem"));
    }

    #[test]
    fn a_root_of_the_user_that_cannot_be_used_leaves_everything_to_the_platform() {
        let provider = Arc::new(ring::default_provider());
        let unusable = CertificateDer::from(vec![0]);
        assert!(trusting(&provider, &[unusable], vec![certificate("ca.pem")]).is_none());
        assert!(trusting(&provider, &[], Vec::new()).is_none());
    }
}
