//! Where the browser comes back to: a listener on this machine, and its pages.
//!
//! Takes any visitor and believes none: another host name, path or method is turned away, and so is whatever the
//! sign-in does not recognise, while it goes on waiting. The page a real answer gets is held back until it is known
//! how the sign-in ended, so that it can say the truth. Pages are constant: nothing a visitor sent comes back.
//!
//! A consent page that sends the browser on with 307 or 308 makes it repeat its POST here (RFC 9110 section 15.4.8): what
//! counts is the query, as in a GET. Without one the form is read, as OAuth 2.0 Form Post Response Mode has it.
//!
//! RFC 8252 sections 7.3 and 8.3.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, LOCATION, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// Where to listen, and what to call it.
#[derive(Clone, Debug)]
pub struct Place {
    /// `127.0.0.1`, `localhost` (both families), `::1`, or a name that leads here.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
    /// Begins with a slash.
    pub path: String,
    /// The redirect URI to announce instead of the one these make.
    pub announced: Option<String>,
    /// Where to send a visitor on to when all is well, instead of showing a page.
    pub onward: Option<Url>,
}

/// A listener that is accepting. Dropping it closes it; a page already promised is still served.
#[derive(Debug)]
pub struct Loopback {
    uri: String,
    visits: mpsc::Receiver<Visit>,
    door: Door,
}

/// Closes a listener, whichever task waits at it.
#[derive(Clone, Debug, Default)]
pub struct Door {
    listeners: Arc<Mutex<Vec<TcpListener>>>,
    closed: CancellationToken,
}

impl Door {
    /// Closes it now: the port is free when this returns.
    pub fn close(&self) {
        self.listeners().clear();
        self.closed.cancel();
    }

    /// Returns when it is closed.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, Vec<TcpListener>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The next visitor at the listener of that number. Waits for ever when it is closed.
    async fn accept(&self, number: usize) -> io::Result<TcpStream> {
        std::future::poll_fn(|context| match self.listeners().get(number) {
            Some(listener) => listener.poll_accept(context).map_ok(|(stream, _)| stream),
            None => Poll::Pending,
        })
        .await
    }
}

/// Somebody came to the right address. Whoever it was waits for a page.
pub struct Visit {
    /// The query, or the form where there is none, decoded.
    pub parameters: Vec<(String, String)>,
    /// Whether no person has come, but a browser that looks ahead at where a person may go.
    pub is_ahead: bool,
    page: oneshot::Sender<Page>,
}

impl fmt::Debug for Visit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A code may be among the parameters.
        out.write_str("Visit")
    }
}

impl Visit {
    /// Sends the page, if the visitor is still there.
    pub fn answer(self, page: Page) {
        let _ = self.page.send(page);
    }

    /// Whether the visitor still waits for a page.
    pub fn is_waiting(&self) -> bool {
        !self.page.is_closed()
    }
}

/// What a visitor gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// The authorization server, once more: this address, which is ours to choose.
    Again(Url),
    /// The sign-in is done.
    SignedIn,
    /// It ended without tokens.
    Failed,
    /// This was not the answer we wait for.
    NotOurs,
}

impl Loopback {
    /// Begins to accept.
    ///
    /// # Errors
    /// The port is taken, or not to be had.
    pub async fn open(place: &Place, tasks: &TaskTracker) -> io::Result<Self> {
        let listeners = listeners(&place.host, place.port).await?;
        let port = match listeners.first() {
            Some(listener) => listener.local_addr()?.port(),
            None => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let host = match place.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => place.host.clone(),
        };
        let here = format!("{host}:{port}");
        let uri = match &place.announced {
            Some(uri) => uri.clone(),
            None => format!("http://{here}{}", place.path),
        };
        let mut hosts = vec![here];
        hosts.extend(Url::parse(&uri).ok().as_ref().map(super::http::host_of));
        let (sender, visits) = mpsc::channel(MOST_VISITORS);
        let porter = Arc::new(Porter {
            hosts,
            path: place.path.clone(),
            onward: place.onward.clone(),
            visits: sender,
            room: Arc::new(Semaphore::new(MOST_VISITORS)),
            tasks: tasks.clone(),
        });
        let door = Door::default();
        let many = listeners.len();
        *door.listeners() = listeners;
        for number in 0..many {
            let porter = Arc::clone(&porter);
            let door = door.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = door.closed() => {}
                    () = porter.welcome(&door, number) => {}
                }
            });
        }
        Ok(Self { uri, visits, door })
    }

    /// What closes it.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// The redirect URI, to be registered, sent and redeemed byte for byte.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The next visitor. Never ends by itself. Safe to cancel.
    pub async fn visit(&mut self) -> Visit {
        match self.visits.recv().await {
            Some(visit) => visit,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.door.close();
    }
}

const MOST_VISITORS: usize = 32;
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
const VISIT_PATIENCE: Duration = Duration::from_secs(90);
const LONGEST_HEAD: usize = 8 * 1024;
const LONGEST_FORM: usize = 64 * 1024;

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
    // A browser may take `localhost` for either family, and somebody else could sit on the one we left free.
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

/// Lets visitors in, a few at a time, and turns away those who are plainly wrong.
struct Porter {
    hosts: Vec<String>,
    path: String,
    onward: Option<Url>,
    visits: mpsc::Sender<Visit>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Porter {
    async fn welcome(self: &Arc<Self>, door: &Door, number: usize) {
        loop {
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else {
                return;
            };
            let Ok(stream) = door.accept(number).await else {
                // Out of files, or a visitor who left at the door.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let porter = Arc::clone(self);
            self.tasks.spawn(async move {
                let _ = tokio::time::timeout(VISIT_PATIENCE, porter.serve(stream)).await;
                drop(place);
            });
        }
    }

    async fn serve(&self, stream: TcpStream) {
        let answer = service_fn(|request| async {
            let page = self.receive(request).await;
            Ok::<_, Infallible>(page)
        });
        // A visitor who breaks off has no page to get.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .keep_alive(false)
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(stream), answer)
            .await;
    }

    async fn receive(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let headers = request.headers();
        let host = text_of(headers, &HOST).unwrap_or_default();
        if request.uri().path() != self.path {
            return turned_away(StatusCode::NOT_FOUND);
        }
        if !self.hosts.contains(&host.to_ascii_lowercase()) {
            return turned_away(StatusCode::MISDIRECTED_REQUEST);
        }
        let is_posted = request.method() == Method::POST;
        if !is_posted && request.method() != Method::GET {
            return turned_away(StatusCode::METHOD_NOT_ALLOWED);
        }
        // A browser names the page that a POST began at, which is the authorization server's. A GET that has an origin was
        // made by a script.
        if !is_posted && text_of(headers, &ORIGIN).is_some_and(|origin| origin != "null") {
            return turned_away(StatusCode::FORBIDDEN);
        }
        let is_ahead = is_ahead(headers);
        let Some(parameters) = parameters(request).await else {
            return turned_away(StatusCode::BAD_REQUEST);
        };
        let (page, shown) = oneshot::channel();
        let visit = Visit {
            parameters,
            is_ahead,
            page,
        };
        if self.visits.send(visit).await.is_err() {
            return turned_away(StatusCode::GONE);
        }
        match shown.await {
            Ok(Page::Again(url)) => sent_on(&url),
            Ok(Page::SignedIn) => match &self.onward {
                Some(url) => sent_on(url),
                None => page_of(StatusCode::OK, SIGNED_IN),
            },
            Ok(Page::Failed) => page_of(StatusCode::OK, FAILED),
            Ok(Page::NotOurs) => turned_away(StatusCode::BAD_REQUEST),
            Err(_) => turned_away(StatusCode::GONE),
        }
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &::http::HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

/// Whether a browser fetches what a person may go to: `Sec-Purpose` (Fetch), and what browsers said before it.
fn is_ahead(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .any(|purpose| purpose.contains("prefetch") || purpose.contains("preview"))
}

/// What the visitor brings: the query, or the form of a POST without a `state` in its query. The body of any other POST is
/// what a person typed somewhere else, and is not read.
async fn parameters(request: Request<Incoming>) -> Option<Vec<(String, String)>> {
    let read = |bytes: &[u8]| -> Vec<(String, String)> {
        url::form_urlencoded::parse(bytes).into_owned().collect()
    };
    let query = read(request.uri().query().unwrap_or_default().as_bytes());
    let is_form = text_of(request.headers(), &CONTENT_TYPE)
        .is_some_and(|media| media.starts_with("application/x-www-form-urlencoded"));
    let is_said = query.iter().any(|(name, _)| name == "state");
    if request.method() != Method::POST || is_said || !is_form {
        return Some(query);
    }
    let body = Limited::new(request.into_body(), LONGEST_FORM);
    let body = tokio::time::timeout(HEAD_PATIENCE, body.collect()).await;
    Some(read(&body.ok()?.ok()?.to_bytes()))
}

/// A heading and what to do now.
struct Words(&'static str, &'static str);

const SIGNED_IN: Words = Words(
    "You are signed in",
    "You can close this window and go back to your application.",
);
const FAILED: Words = Words(
    "The sign-in did not work",
    "Nothing was stored. You can close this window; the application you came from says what happened.",
);
const TURNED_AWAY: Words = Words(
    "Nothing to see here",
    "This is not the answer mcpipe is waiting for. If a sign-in is going on, finish it in its own window; \
     you can close this one.",
);

fn turned_away(status: StatusCode) -> Response<Full<Bytes>> {
    page_of(status, TURNED_AWAY)
}

/// To a page of the user's choice, which learns nothing of how the visitor came.
fn sent_on(to: &Url) -> Response<Full<Bytes>> {
    let mut response = page_of(StatusCode::SEE_OTHER, SIGNED_IN);
    if let Ok(to) = ::http::HeaderValue::from_str(to.as_str()) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

fn page_of(status: StatusCode, Words(heading, advice): Words) -> Response<Full<Bytes>> {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{heading} - mcpipe</title>\n\
         <style>:root{{color-scheme:light dark}}body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;\
         margin:18vh auto;padding:0 1.5rem}}h1{{font-size:1.5rem}}</style>\n\
         <h1>{heading}</h1>\n<p>{advice}</p>\n</html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(page)));
    *response.status_mut() = status;
    let fixed = |text| ::http::HeaderValue::from_static(text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    headers.insert(REFERRER_POLICY, fixed("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        fixed(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; \
             form-action 'none'",
        ),
    );
    response
}
