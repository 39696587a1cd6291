//! The HTTP client of the frames: HTTP/1.1 on connections that are kept, through proxies, with cookies.
//!
//! Sends one request and gives back the head of its response and the body as it comes. Follows no redirects, decodes no
//! bodies and repeats nothing, but for a request of which not a byte was sent because an idle connection turned out to
//! be closed (RFC 9112 section 9.3.1). Bounds the time for connecting and the longest silence.
//!
//! hyper speaks HTTP, hyper-util connects. What a client with tasks of its own costs beyond that is spared: the exchange
//! that waits for a response moves its connection itself.

mod body;
mod connect;
mod connection;
mod destination;
mod error;
mod lookup;
mod observed;
mod pool;
mod signal;

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, Entry, InvalidHeaderValue, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use reqwest::cookie::{CookieStore as _, Jar};
use rustls::ClientConfig;
use tokio::time;
use url::Url;

use crate::frame::Stage;
use crate::http_fields::keep_alive;
use crate::proxy::Proxies;
use crate::remote::progress::{Progress, note};
pub use body::Body;
use connect::Connector;
pub use connect::TimedOut;
use destination::Target;
pub use error::Error;

/// Addresses whose preparation is remembered: an endpoint, the one that HTTP+SSE names beside it, redirects.
const MAX_TARGETS: usize = 8;

/// The properties of a client.
#[derive(Debug)]
pub struct Options<'a> {
    /// The proxies that lead to servers.
    pub proxies: Proxies,
    /// The value of `User-Agent` in requests that bring none, and to proxies.
    pub user_agent: &'a str,
    /// The time for TCP, a proxy and TLS together.
    pub connect_timeout: Duration,
    /// The longest silence before a response and within its body.
    pub silence: Option<Duration>,
    /// True to keep cookies, in memory.
    pub keeps_cookies: bool,
    /// True to connect to IPv4 addresses only.
    pub ipv4_only: bool,
}

/// Sends requests.
pub struct Client {
    connector: Connector,
    proxies: Proxies,
    user_agent: HeaderValue,
    silence: Option<Duration>,
    cookies: Option<Cookies>,
    targets: Mutex<Vec<Arc<Target>>>,
}

impl Client {
    /// Makes a client; connects to nothing yet.
    ///
    /// # Errors
    /// The user agent cannot stand in a header.
    pub fn new(options: Options<'_>, tls: ClientConfig) -> Result<Self, InvalidHeaderValue> {
        let user_agent = HeaderValue::try_from(options.user_agent)?;
        let connector = Connector::new(
            tls,
            user_agent.clone(),
            options.connect_timeout,
            options.ipv4_only,
        );
        Ok(Self {
            connector,
            proxies: options.proxies,
            user_agent,
            silence: options.silence,
            cookies: options.keeps_cookies.then(Cookies::default),
            targets: Mutex::default(),
        })
    }

    /// Sends a request and waits for the head of its response. Dropping the future, or the body, closes the connection.
    ///
    /// # Errors
    /// See [`Error`]. Every status is a response.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
        progress: Option<&Progress>,
    ) -> Result<Response, Error> {
        let target = self.target(url)?;
        if let Entry::Vacant(entry) = headers.entry(USER_AGENT) {
            entry.insert(self.user_agent.clone());
        }
        target.authorize(&mut headers);
        if let Some(cookies) = &self.cookies {
            cookies.add(url, &mut headers);
        }
        target.name(&mut headers);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.request_target.clone();
        *request.headers_mut() = headers;
        let response = pin!(self.exchange(&target, request, progress));
        let response = match self.silence {
            None => response.await?,
            Some(silence) => time::timeout(silence, response)
                .await
                .map_err(|_| Error::Silent(TimedOut))??,
        };
        if let Some(cookies) = &self.cookies {
            cookies.learn(url, &response.headers);
        }
        Ok(response)
    }

    async fn exchange(
        &self,
        target: &Target,
        mut request: Request<Full<Bytes>>,
        progress: Option<&Progress>,
    ) -> Result<Response, Error> {
        let destination = &target.destination;
        loop {
            note(progress, Stage::Connecting);
            let mut connection = destination.connection(&self.connector).await?;
            note(progress, Stage::Response);
            match connection.send(request).await {
                Ok(response) => {
                    let (head, incoming) = response.into_parts();
                    connection.note_kept_for(keep_alive(&head.headers));
                    let pool = destination.pool().cloned();
                    return Ok(Response {
                        status: head.status,
                        headers: head.headers,
                        url: Arc::clone(&target.url),
                        body: Body::new(
                            incoming,
                            connection,
                            pool,
                            self.silence,
                            progress.map(Progress::standing),
                        ),
                    });
                }
                Err(mut error) => match error.take_message() {
                    // The server had closed the idle connection.
                    Some(unsent) if connection.is_reused() => request = unsent,
                    _ => return Err(Error::Broken(error.into_error())),
                },
            }
        }
    }

    fn target(&self, url: &Url) -> Result<Arc<Target>, Error> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = targets.iter().find(|target| *target.url == *url) {
            return Ok(Arc::clone(known));
        }
        let target = Arc::new(Target::new(url, &self.proxies, &targets)?);
        if targets.len() >= MAX_TARGETS {
            targets.remove(0);
        }
        targets.push(Arc::clone(&target));
        Ok(target)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Client")
    }
}

/// A response, whose body is still to be read.
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The URL that the request was sent to.
    pub url: Arc<Url>,
    /// The body.
    pub body: Body,
}

/// Cookies (RFC 6265), for load balancers that keep a client with one server by them.
#[derive(Default)]
struct Cookies {
    jar: Jar,
    /// True once a server has set one; most never do.
    is_used: AtomicBool,
}

impl Cookies {
    /// Adds the cookies for a URL, unless the user has named some.
    fn add(&self, url: &Url, headers: &mut HeaderMap) {
        if self.is_used.load(Ordering::Relaxed)
            && let Entry::Vacant(entry) = headers.entry(COOKIE)
            && let Some(cookies) = self.jar.cookies(url)
        {
            entry.insert(cookies);
        }
    }

    /// Keeps the cookies that a response sets.
    fn learn(&self, url: &Url, headers: &HeaderMap) {
        let mut set = headers.get_all(SET_COOKIE).iter().peekable();
        if set.peek().is_some() {
            self.jar.set_cookies(&mut set, url);
            self.is_used.store(true, Ordering::Relaxed);
        }
    }
}
