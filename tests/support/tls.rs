//! TLS in front of a plain server, with a certificate of the test CA in fixtures/tls.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
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

/// A file of fixtures/tls.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/tls")
        .join(name)
}

impl Front {
    pub(crate) async fn before(origin: &str) -> Self {
        let behind = Url::parse(origin).unwrap().port().unwrap();
        let chain = CertificateDer::pem_file_iter(fixture("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
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
                    let Ok(mut near) = acceptor.accept(stream).await else {
                        return;
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
