//! The listener on this machine at which the browser begins and to which the browser comes back, and its pages.
//!
//! The listener accepts any request and trusts none: it refuses another host name, path or method, and any request that
//! the sign-in does not recognise, while it goes on waiting. A sign-in begins at the start page (`start`), and an
//! answer says whether it comes from the browser that began there. The page for a real answer waits until the end of
//! the sign-in is known, so that the page can report it. Pages are constant: they repeat nothing that a request sent.
//!
//! A consent page that sends the browser on with 307 or 308 makes it repeat its POST here (RFC 9110 section 15.4.8):
//! the query counts, as in a GET. Without a query the form is read, as OAuth 2.0 Form Post Response Mode has it. A POST
//! from another site brings no cookie with it (`SameSite=Lax`), so the listener makes the browser send the same as a
//! GET.
//!
//! RFC 8252 sections 7.3 and 8.3.

mod callback_request; // a request at the redirect URI
mod connections; // connections and their requests
mod fields;
mod handle; // the sockets, and the handle that closes them
mod pages; // the pages, with their texts
mod start; // the start page and its cookie

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::task::TaskTracker;
use url::{Host, Url};

pub use callback_request::CallbackRequest;
use connections::{Connections, MAX_CONNECTIONS};
pub use handle::ListenerHandle;
pub use pages::CallbackPage;
use start::StartPage;

/// The address to listen at, and its name for the browser.
#[derive(Clone, Debug)]
pub struct ListenAddress {
    /// `127.0.0.1`, `localhost` (both families), `::1`, or a name that leads to this machine.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The path; begins with a slash.
    pub path: String,
    /// The redirect URI to announce instead of the one that these members make.
    pub announced: Option<String>,
    /// The address to redirect the browser to after success, instead of showing a page.
    pub onward: Option<Url>,
    /// The time for which a browser keeps the cookie of the sign-in.
    pub lifetime: Duration,
}

/// A listener that accepts connections. Dropping it closes it; a page that is already due is still served.
#[derive(Debug)]
pub struct Loopback {
    uri: String,
    requests: mpsc::Receiver<CallbackRequest>,
    handle: ListenerHandle,
    start: Option<StartLink>,
}

/// The start page of a listener, and its address.
#[derive(Clone, Debug)]
pub struct StartLink {
    page: Arc<StartPage>,
    url: Url,
}

impl StartLink {
    /// Returns the address that the user is to visit.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends the browser that opens the page to this authorization request.
    pub fn leads_to(&self, request: Url) {
        self.page.leads_to(request);
    }

    /// Says whether two browsers have opened the page before the sign-in was over.
    pub fn is_contested(&self) -> bool {
        self.page.is_contested()
    }

    /// Returns when two browsers have opened the page; never where there is no start page. Safe to cancel.
    pub async fn contested(start: Option<&Self>) {
        match start {
            Some(start) => start.page.contested().await,
            None => std::future::pending().await,
        }
    }

    /// Notes that the sign-in has brought tokens: the page redirects no browser from now on.
    pub fn finish(&self) {
        self.page.finish();
    }
}

impl Loopback {
    /// Opens the listener.
    ///
    /// # Errors
    /// The port is taken, or may not be opened.
    pub async fn open(address: &ListenAddress, tasks: &TaskTracker) -> io::Result<Self> {
        let listeners = listeners(&address.host, address.port).await?;
        let port = match listeners.first() {
            Some(listener) => listener.local_addr()?.port(),
            None => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let host = match address.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => address.host.clone(),
        };
        let here = format!("{host}:{port}");
        let uri = match &address.announced {
            Some(uri) => uri.clone(),
            None => format!("http://{here}{}", address.path),
        };
        let parsed = Url::parse(&uri).ok();
        let start = parsed.as_ref().and_then(|uri| start(uri, address, port));
        let mut hosts = vec![here];
        hosts.extend(parsed.as_ref().map(crate::auth::net::http::host_of));
        let (sender, requests) = mpsc::channel(MAX_CONNECTIONS);
        let connections = Arc::new(Connections {
            hosts,
            path: address.path.clone(),
            uri: uri.clone(),
            start: start.as_ref().map(|start| Arc::clone(&start.page)),
            onward: address.onward.clone(),
            requests: sender,
            permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            is_full: watch::Sender::new(false),
            tasks: tasks.clone(),
        });
        let handle = ListenerHandle::default();
        let many = listeners.len();
        *handle.listeners() = listeners;
        for number in 0..many {
            let connections = Arc::clone(&connections);
            let handle = handle.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = handle.closed() => {}
                    () = connections.accept_from(&handle, number) => {}
                }
            });
        }
        Ok(Self {
            uri,
            requests,
            handle,
            start,
        })
    }

    /// Returns the address at which the sign-in begins; `None` where a redirect URI of the user's leads the browser
    /// back through another server that forwards here: its address is not the start page's, and would get no cookie.
    pub fn start(&self) -> Option<&StartLink> {
        self.start.as_ref()
    }

    /// Returns the handle that closes the listener.
    pub fn handle(&self) -> ListenerHandle {
        self.handle.clone()
    }

    /// Returns the redirect URI, to be registered, sent and redeemed byte for byte.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Returns the next request at the redirect URI. Never ends by itself. Safe to cancel.
    pub async fn next_request(&mut self) -> CallbackRequest {
        match self.requests.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Returns the start page on the same host and port as the callback; `None` where another server forwards the callback
/// here.
fn start(callback: &Url, address: &ListenAddress, port: u16) -> Option<StartLink> {
    let leads_here = address.announced.is_none()
        || callback.scheme() == "http"
            && callback.port_or_known_default() == Some(port)
            && callback.path() == address.path
            && is_this_machine(callback);
    let page = leads_here.then(|| StartPage::below(&address.path, address.lifetime))?;
    let url = callback.join(page.path()).ok()?;
    Some(StartLink {
        page: Arc::new(page),
        url,
    })
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

async fn listeners(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    let bind = |ip: IpAddr, port: u16| TcpListener::bind(SocketAddr::new(ip, port));
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() => return Ok(vec![bind(ip, port).await?]),
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a loopback address",
            ));
        }
        Err(_) if host != "localhost" => return Ok(vec![bind(v4, port).await?]),
        Err(_) => {}
    }
    // A browser may take `localhost` for either family, and another program could listen on the family left free.
    let mut tries = if port == 0 { 8 } else { 1 };
    loop {
        let first = match bind(v4, port).await {
            Err(error) if is_no_such_family(&error) => return Ok(vec![bind(v6, port).await?]),
            bound => bound?,
        };
        match bind(v6, first.local_addr()?.port()).await {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if is_no_such_family(&error) => return Ok(vec![first]),
            Err(error) => {
                tries -= 1;
                if tries == 0 {
                    return Err(error);
                }
            }
        }
    }
}

fn is_no_such_family(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(97)
}
