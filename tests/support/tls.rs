//! TLS in front of a plain server, with a certificate of the test CA in fixtures/tls, or of an authority made by the test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt as _, copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use url::Url;

/// `https://localhost:PORT` before `http://127.0.0.1:PORT`.
pub(crate) struct Front {
    pub(crate) origin: String,
    /// Handshakes that ended well.
    greeted: Arc<AtomicUsize>,
}

fn builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// A file of fixtures/tls.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/tls")
        .join(name)
}

impl Front {
    pub(crate) async fn before(origin: &str) -> Self {
        let config = builder().with_no_client_auth();
        Self::with(origin, config).await
    }

    /// One that serves only those who show a certificate of the test's client CA.
    pub(crate) async fn for_the_known(origin: &str) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(fixture("client-ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let config = builder().with_client_cert_verifier(verifier.build().unwrap());
        Self::with(origin, config).await
    }

    async fn with(origin: &str, config: ConfigBuilder<ServerConfig, WantsServerCert>) -> Self {
        let chain = CertificateDer::pem_file_iter(fixture("server.pem")).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
        Self::serving(origin, config.with_single_cert(chain, key).unwrap()).await
    }

    /// One that shows these certificates.
    pub(crate) async fn showing(
        origin: &str,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        // Whatever rustls thinks of them: it would not show a certificate of X.509 version 1.
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let config = builder().with_no_client_auth();
        Self::serving(origin, config.with_cert_resolver(Arc::new(shown))).await
    }

    async fn serving(origin: &str, config: ServerConfig) -> Self {
        let behind = Url::parse(origin).unwrap().port().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let greeted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&greeted);
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                tasks.spawn(async move {
                    let mut near = match acceptor.accept(stream).into_fallible().await {
                        Ok(near) => near,
                        // Closed with something unread, a socket resets, and may take the alert with it.
                        Err((_, mut refused)) => {
                            let _ = refused.shutdown().await;
                            let _ = copy(&mut refused, &mut sink()).await;
                            return;
                        }
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    let mut far = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { origin, greeted }
    }

    pub(crate) fn greeted(&self) -> usize {
        self.greeted.load(Ordering::Relaxed)
    }
}

/// Certificates that a server shows, and the key of the first.
pub(crate) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// An authority of this test, and a file that names it as a root.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Ca {
    pub(crate) fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let root = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), root.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// A certificate for `name`, otherwise as `change` has it.
    pub(crate) fn issues(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], key.into())
    }

    /// A certificate by an authority of its own below this one, which is not sent along.
    pub(crate) fn issues_from_below(&self) -> Shown {
        let (params, key) = (authority("an intermediate"), KeyPair::generate().unwrap());
        params.signed_by(&key, &self.issuer).unwrap();
        let below = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &below).unwrap();
        (vec![certificate.der().clone()], key.into())
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
