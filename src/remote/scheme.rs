//! Finds out if TLS or plain HTTP is spoken at an address.
//!
//! Where the address names the wrong scheme, errors speak of corrupt messages and lost connections. The server is asked
//! itself, on a connection of its own that carries nothing of the user's: a question in the other language. What it
//! begins its answer with tells.
//!
//! RFC 8446 section 5.1 (records), RFC 9112 section 4 (status line).

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;
use url::Url;

/// The time that the question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The protocol that a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// TLS.
    Tls,
    /// HTTP without TLS.
    Plain,
}

impl Speaks {
    /// The scheme of its addresses.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Tls => "https",
            Self::Plain => "http",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Tls => Self::Plain,
            Self::Plain => Self::Tls,
        }
    }
}

impl std::fmt::Display for Speaks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Tls => "https (TLS)",
            Self::Plain => "plain http",
        })
    }
}

/// Asks in the language that the address does not name. `None` where the answer is in neither.
pub(super) async fn spoken_at(url: &Url) -> Option<Speaks> {
    time::timeout(PATIENCE, ask(url)).await.ok()?
}

async fn ask(url: &Url) -> Option<Speaks> {
    let host = url.host_str()?;
    let name = host.trim_matches(['[', ']']).to_owned();
    let question = match url.scheme() {
        "https" => {
            format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into()
        }
        _ => client_hello(name.clone())?,
    };
    let port = url.port_or_known_default()?;
    let mut stream = TcpStream::connect((name, port)).await.ok()?;
    stream.write_all(&question).await.ok()?;
    let mut first = [0; 5];
    stream.read_exact(&mut first).await.ok()?;
    match first {
        // A record of the handshake, or an alert.
        [0x15 | 0x16, 0x03, ..] => Some(Speaks::Tls),
        [b'H', b'T', b'T', b'P', b'/'] => Some(Speaks::Plain),
        _ => None,
    }
}

/// Returns the first message of a TLS client. The handshake goes no further.
fn client_hello(name: String) -> Option<Vec<u8>> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).ok()?;
    Some(hello)
}
