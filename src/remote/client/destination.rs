//! Addresses as requests name them, made ready once, and the connections that lead there.

use std::error::Error as StdError;
use std::sync::Arc;

use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Intercept;
use url::Url;

use super::connect::{Connector, is_socks, is_tls};
use super::connection::Connection;
use super::error::Error;
use super::pool::{Pool, in_background};
use crate::proxy::Proxies;

/// A scheme, a host and a port that connections lead to.
pub(super) struct Destination {
    /// Scheme and authority.
    origin: Uri,
    proxy: Option<Intercept>,
    /// None where each request has a connection of its own: a forwarding proxy may end the connection to the server
    /// after one answer and not tell; tinyproxy then loses the next request on the same connection. A tunnel (CONNECT,
    /// SOCKS) is the server's own connection.
    pool: Option<Arc<Pool>>,
}

/// A URL that requests are sent to.
pub(super) struct Target {
    pub(super) url: Arc<Url>,
    /// The request target (RFC 9112 section 3.2).
    pub(super) request_target: Uri,
    host: HeaderValue,
    pub(super) destination: Arc<Destination>,
}

impl Target {
    pub(super) fn new(url: &Url, proxies: &Proxies, known: &[Arc<Self>]) -> Result<Self, Error> {
        let uri: Uri = url.as_str().parse().map_err(|_| not_a_target())?;
        let Some(authority) = uri.authority() else {
            return Err(not_a_target());
        };
        let host = match uri
            .port_u16()
            .filter(|port| Some(*port) != usual_port(&uri))
        {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        };
        let mut origin = uri.clone().into_parts();
        origin.path_and_query = Some(PathAndQuery::from_static("/"));
        let origin = Uri::from_parts(origin).map_err(|_| not_a_target())?;
        let same = known.iter().find(|it| it.destination.origin == origin);
        let destination = match same {
            Some(target) => Arc::clone(&target.destination),
            None => Arc::new(Destination::new(origin, url, proxies)),
        };
        Ok(Self {
            url: Arc::new(url.clone()),
            host: HeaderValue::try_from(host).map_err(|_| not_a_target())?,
            request_target: match destination.is_forwarded() {
                true => uri,
                false => Uri::from(
                    uri.path_and_query()
                        .cloned()
                        .unwrap_or(PathAndQuery::from_static("/")),
                ),
            },
            destination,
        })
    }

    /// Adds what a forwarding proxy asks for.
    pub(super) fn authorize(&self, headers: &mut HeaderMap) {
        let proxy = self.destination.proxy.as_ref();
        let proxy = proxy.filter(|_| self.destination.is_forwarded());
        if let Some(auth) = proxy.and_then(Intercept::basic_auth)
            && !headers.contains_key(PROXY_AUTHORIZATION)
        {
            headers.insert(PROXY_AUTHORIZATION, auth.clone());
        }
    }

    /// Adds `Host`, unless the user named another.
    pub(super) fn name(&self, headers: &mut HeaderMap) {
        headers.entry(HOST).or_insert_with(|| self.host.clone());
    }
}

fn usual_port(uri: &Uri) -> Option<u16> {
    Some(if is_tls(uri) { 443 } else { 80 })
}

fn not_a_target() -> Error {
    Error::Address(Box::<dyn StdError + Send + Sync>::from(
        "Parsed Url is not a valid Uri",
    ))
}

impl Destination {
    fn new(origin: Uri, url: &Url, proxies: &Proxies) -> Self {
        let proxy = proxies.to(url).and_then(|proxy| proxy.of(&origin));
        let mut destination = Self {
            origin,
            proxy,
            pool: None,
        };
        if !destination.is_forwarded() {
            destination.pool = Some(Arc::default());
        }
        destination
    }

    /// Says whether requests go to a proxy that reads them.
    fn is_forwarded(&self) -> bool {
        let proxy = self.proxy.as_ref().filter(|proxy| !is_socks(proxy));
        proxy.is_some() && !is_tls(&self.origin)
    }

    pub(super) fn pool(&self) -> Option<&Arc<Pool>> {
        self.pool.as_ref()
    }

    /// Returns an idle connection, or makes one. One that becomes idle meanwhile is taken, and the new one is kept for
    /// the next exchange.
    pub(super) async fn connection(&self, connector: &Connector) -> Result<Connection, Error> {
        if let Some(idle) = self.pool.as_ref().and_then(|pool| pool.take()) {
            return Ok(idle);
        }
        let connector = connector.clone();
        let (to, proxy) = (self.origin.clone(), self.proxy.clone());
        let mut connecting = Box::pin(async move {
            let transport = connector.connect(to, proxy).await.map_err(Error::Connect)?;
            Connection::over(transport).await.map_err(Error::Broken)
        });
        let Some(pool) = &self.pool else {
            return connecting.await;
        };
        let idle = tokio::select! {
            biased;
            idle = pool.next() => idle,
            made = &mut connecting => return made,
        };
        let pool = Arc::clone(pool);
        in_background(async move {
            if let Ok(made) = connecting.await {
                pool.put_when_ready(made);
            }
        });
        Ok(idle)
    }
}
