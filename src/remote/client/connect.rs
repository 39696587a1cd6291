//! Connections to the server: TCP, a proxy where one leads there, and TLS.
//!
//! hyper-util connects (to a name's addresses in turn, "happy eyeballs") and speaks to proxies (RFC 9110 section 9.3.6, RFC 1928), rustls
//! secures. One time bounds all of it.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::USER_AGENT;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::lookup::Lookups;

/// TCP keep-alive: a peer that vanished is noticed after about a minute and a half.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

type BoxError = Box<dyn StdError + Send + Sync>;

/// A byte stream to the server.
pub(super) type Transport = Box<dyn ReadWrite>;

/// A byte stream of any kind.
pub(super) trait ReadWrite: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> ReadWrite for T {}

/// Nothing happened in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("operation timed out")]
pub struct TimedOut;

/// The words by which `crate::proxy` knows this error.
#[derive(Debug, thiserror::Error)]
#[error("error connecting to socks proxy")]
struct Socks(#[source] BoxError);

/// Connects.
#[derive(Clone)]
pub(super) struct Connector {
    dial: Dial,
    lookups: Lookups,
    user_agent: HeaderValue,
    patience: Duration,
}

impl Connector {
    pub(super) fn new(
        tls: ClientConfig,
        user_agent: HeaderValue,
        patience: Duration,
        ipv4_only: bool,
    ) -> Self {
        let lookups = Lookups::default();
        let mut tcp = HttpConnector::new_with_resolver(lookups.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        // Shared among the addresses of a name, so that one that does not answer leaves time for the next.
        tcp.set_connect_timeout(Some(patience));
        if ipv4_only {
            tcp.set_local_address(Some(IpAddr::from(Ipv4Addr::UNSPECIFIED)));
        }
        let tls = TlsConnector::from(Arc::new(tls));
        Self {
            dial: Dial { tcp, tls },
            lookups,
            user_agent,
            patience,
        }
    }

    /// Connects to the host of `to`, through the proxy if there is one. A plain request goes to a forwarding proxy
    /// itself.
    pub(super) async fn connect(
        self,
        to: Uri,
        proxy: Option<Intercept>,
    ) -> Result<Transport, BoxError> {
        let patience = self.patience;
        let connecting = async move {
            match proxy {
                None => self.dial.to(to).await,
                Some(proxy) if is_socks(&proxy) => self.through_socks(to, &proxy).await,
                Some(proxy) if is_tls(&to) => self.through_tunnel(to, &proxy).await,
                Some(proxy) => self.dial.to(proxy.uri().clone()).await,
            }
        };
        match time::timeout(patience, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(TimedOut.into()),
        }
    }

    async fn through_tunnel(self, to: Uri, proxy: &Intercept) -> Result<Transport, BoxError> {
        let name = server_name(&to)?;
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.dial.clone());
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        tunnel = tunnel.with_headers(HeaderMap::from_iter([(USER_AGENT, self.user_agent)]));
        let transport = tunnel.call(to).await?;
        self.dial.secured(name, TokioIo::new(transport)).await
    }

    async fn through_socks(self, to: Uri, proxy: &Intercept) -> Result<Transport, BoxError> {
        let name = is_tls(&to).then(|| server_name(&to)).transpose()?;
        let target = self.socks_target(&to, proxy).await?;
        let at = proxy.uri().clone();
        let tcp = self.dial.tcp.clone();
        let connected = if proxy
            .uri()
            .scheme_str()
            .is_some_and(|it| it.starts_with("socks4"))
        {
            SocksV4::new(at, tcp)
                .call(target)
                .await
                .map_err(BoxError::from)
        } else {
            let mut socks = SocksV5::new(at, tcp);
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(target).await.map_err(BoxError::from)
        };
        let tcp: TokioIo<TcpStream> = connected.map_err(Socks)?;
        match name {
            Some(name) => self.dial.secured(name, tcp.into_inner()).await,
            None => Ok(Box::new(tcp)),
        }
    }

    /// Returns the destination with its port, and with its address in the place of its name where the proxy resolves no
    /// names (`socks4` and `socks5`, unlike `socks4a` and `socks5h`).
    async fn socks_target(&self, to: &Uri, proxy: &Intercept) -> Result<Uri, BoxError> {
        let mut host = to.host().unwrap_or_default().to_owned();
        let is_name = unbracketed(&host).parse::<IpAddr>().is_err();
        if is_name && matches!(proxy.uri().scheme_str(), Some("socks4" | "socks5")) {
            let name: Name = host.parse()?;
            let found = self.lookups.clone().call(name).await?.next();
            host = match found.map(|address| address.ip()) {
                Some(IpAddr::V6(address)) => format!("[{address}]"),
                Some(IpAddr::V4(address)) => address.to_string(),
                None => host,
            };
        }
        let port = to.port_u16().unwrap_or(if is_tls(to) { 443 } else { 80 });
        let scheme = if is_tls(to) { "https" } else { "http" };
        Ok(format!("{scheme}://{host}:{port}").parse()?)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Connector")
    }
}

/// Connects without a proxy: TCP, and TLS where the address says https. The way to a proxy is of this kind.
#[derive(Clone)]
struct Dial {
    tcp: HttpConnector<Lookups>,
    tls: TlsConnector,
}

impl Dial {
    async fn to(mut self, to: Uri) -> Result<Transport, BoxError> {
        let name = is_tls(&to).then(|| server_name(&to)).transpose()?;
        let tcp = self.tcp.call(to).await?;
        match name {
            Some(name) => self.secured(name, tcp.into_inner()).await,
            None => Ok(Box::new(tcp)),
        }
    }

    async fn secured<T>(&self, name: ServerName<'static>, io: T) -> Result<Transport, BoxError>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let stream = self.tls.connect(name, io).await;
        Ok(Box::new(TokioIo::new(stream.map_err(io::Error::other)?)))
    }
}

impl Service<Uri> for Dial {
    type Response = Transport;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Transport, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().to(to))
    }
}

pub(super) fn is_socks(proxy: &Intercept) -> bool {
    let scheme = proxy.uri().scheme_str();
    scheme.is_some_and(|scheme| scheme.starts_with("socks"))
}

pub(super) fn is_tls(to: &Uri) -> bool {
    to.scheme() == Some(&Scheme::HTTPS)
}

fn server_name(to: &Uri) -> Result<ServerName<'static>, BoxError> {
    let host = unbracketed(to.host().unwrap_or_default());
    Ok(ServerName::try_from(host.to_owned())?)
}

fn unbracketed(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}
