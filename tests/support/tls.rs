//! TLS in front of a plain server, with a certificate of the test CA in fixtures/tls.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};
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
        let behind = Url::parse(origin).unwrap().port().unwrap();
        let chain = CertificateDer::pem_file_iter(fixture("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
        let config = config
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
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
