//! The only HTTP client that a sign-in uses.
//!
//! Another party names every address it visits, so: `https`, or `http` where [`Guard`] allows it; every name judged by
//! the addresses it really has (`resolver`); at most three redirects, on one origin or from http to https; bodies
//! capped and read in pieces; time limits; no cookies, no credentials but those handed in. Errors never carry a URL's
//! query or a body. Knows nothing of OAuth.

pub mod conditional; // documents with validators
mod error; // no answer, and why
mod limits; // times and sizes
mod secrets;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use crate::auth::net::guard::{self, Guard};
use crate::auth::net::request_log::RequestLogEntry;
pub use crate::auth::net::resolver::Lookup;
use crate::auth::net::resolver::{self, Resolver};
use crate::auth::oauth::metadata_urls::resource_places;
use crate::content_coding::{self, Broken, Undecodable};
use crate::http_fields::{self, MAX_HEADERS};
use crate::proxy::Proxies;
use crate::redirect::{self, followed};
use crate::text::without_mark;

pub use error::{Error, host_of, is_unavailable};
use error::{innermost, retry_after, unavailable};
pub(in crate::auth) use limits::time_is_up;
use limits::{
    CONNECT_PATIENCE, DOCUMENT_PATIENCE, MAX_ANSWER, MAX_DOCUMENT, MAX_REDIRECTS, within,
};
pub(crate) use limits::{POST_PATIENCE, TOKEN_PATIENCE};
use secrets::note_secrets;

/// An HTTP client for a sign-in. It costs nothing until its first request: most starts sign in to nothing.
#[derive(Clone)]
pub struct Http {
    inner: Arc<HttpInner>,
    observer: Option<RequestObserver>,
}

/// An observer that gets each request: method, address without its query, status, the client's authentication, the
/// error's code.
pub type RequestObserver = Arc<dyn Fn(Value) + Send + Sync>;

struct HttpInner {
    guard: Arc<Guard>,
    tls: rustls::ClientConfig,
    resolver: Resolver,
    proxies: Proxies,
    client: OnceLock<Result<reqwest::Client, Error>>,
}

/// An answer to a POST, whatever its status.
pub struct PostResponse {
    /// The HTTP status.
    pub status: u16,
    /// The media type without parameters, lower case; empty if none was given.
    pub media: String,
    /// At most the limit of the call that brought it. May hold tokens.
    pub body: Zeroizing<Vec<u8>>,
    /// `Retry-After`, where it was a number of seconds.
    pub retry_after: Option<Duration>,
    /// All headers.
    pub headers: HeaderMap,
}

impl fmt::Debug for PostResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PostResponse({} {})", self.status, self.media)
    }
}

/// The answer of a place where a metadata document might be.
#[derive(Debug)]
pub enum Document {
    /// A JSON object.
    Found(Value),
    /// A redirect to another origin, which is not followed.
    Redirect {
        /// The address that it leads to.
        to: Url,
    },
    /// Something else, or a refusal (4xx): the next place may be tried.
    Absent {
        /// The HTTP status.
        status: u16,
    },
}

impl Http {
    /// Makes a client over this TLS configuration (roots and provider chosen by the caller).
    pub fn new(tls: rustls::ClientConfig, guard: Guard) -> Self {
        Self::with_lookup(tls, guard, resolver::of_the_system())
    }

    /// Does as [`Http::new`], with names resolved by `lookup`.
    pub fn with_lookup(tls: rustls::ClientConfig, guard: Guard, lookup: Lookup) -> Self {
        Self::made_of(tls, guard, lookup, Proxies::default())
    }

    /// Returns the same client, through these proxies.
    #[must_use]
    pub fn through(&self, proxies: Proxies) -> Self {
        let parts = &self.inner;
        let guard = parts.guard.as_ref().clone();
        let http = Self::made_of(parts.tls.clone(), guard, parts.resolver.lookup(), proxies);
        Self {
            observer: self.observer.clone(),
            ..http
        }
    }

    /// Returns the same client, which reports each request to the observer.
    #[must_use]
    pub fn observed_by(self, observer: RequestObserver) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    fn report(&self, asked: &RequestLogEntry<'_>, status: Option<u16>, error: Option<&[u8]>) {
        if let Some(observer) = &self.observer {
            observer(asked.described(status, error));
        }
    }

    fn made_of(
        mut tls: rustls::ClientConfig,
        guard: Guard,
        lookup: Lookup,
        proxies: Proxies,
    ) -> Self {
        // A sign-in needs a handful of small requests: HTTP/1.1 is enough, and leaves out a second protocol.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let guard = Arc::new(guard);
        let resolver = Resolver::new(Arc::clone(&guard), lookup);
        let parts = HttpInner {
            guard,
            tls,
            resolver,
            proxies,
            client: OnceLock::new(),
        };
        Self {
            inner: Arc::new(parts),
            observer: None,
        }
    }

    /// Returns the same client, for an address that the user configured beside the server: addresses are judged as seen
    /// from there.
    pub fn for_origin_of(&self, home: &Url) -> Self {
        let parts = &self.inner;
        let (guard, lookup) = (parts.guard.for_origin_of(home), parts.resolver.lookup());
        let http = Self::made_of(parts.tls.clone(), guard, lookup, parts.proxies.clone());
        Self {
            observer: self.observer.clone(),
            ..http
        }
    }

    /// Judges a URL without visiting it.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn check(&self, url: &Url) -> Result<(), Error> {
        self.inner.guard.check(url).map_err(|why| Error::Refused {
            host: host_of(url),
            why,
        })
    }

    /// Looks for a metadata document. A stream of events is left unread: some servers answer every GET with one that
    /// never ends.
    ///
    /// # Errors
    /// The place is forbidden, unreachable or unwell (5xx): that is not absence.
    pub async fn document(&self, url: &Url) -> Result<Document, Error> {
        let work = async {
            let mut at = url.clone();
            for _ in 0..=MAX_REDIRECTS {
                let asking = |client: &reqwest::Client| {
                    let request = client.get(at.clone()).header(ACCEPT, "application/json");
                    request.header("MCP-Protocol-Version", DISCOVERY_VERSION)
                };
                let asked = RequestLogEntry::get(&at);
                let failed = |_: &Error| self.report(&asked, None, None);
                let response = self.sent(&at, asking).await.inspect_err(failed)?;
                let status = response.status();
                self.report(&asked, Some(status.as_u16()), None);
                self.answers(&at, status.as_u16())?;
                if status.is_redirection() {
                    match next_hop(&at, response.headers()) {
                        Some(next) => at = next,
                        None => match redirect::target(&at, response.headers()) {
                            Some(to) => return Ok(Document::Redirect { to }),
                            None => break,
                        },
                    }
                    continue;
                }
                if is_unavailable(status.as_u16()) {
                    return Err(unavailable(&at, status.as_u16(), response.headers()));
                }
                let absent = Document::Absent {
                    status: status.as_u16(),
                };
                let media = http_fields::media_type(response.headers());
                if !status.is_success() || media == "text/event-stream" {
                    return Ok(absent);
                }
                // Some servers label a document as a page; a real page is too large, or no JSON.
                let body = match self.body(response, &at, MAX_DOCUMENT).await {
                    Err(Error::TooLarge { .. }) if media == "text/html" => return Ok(absent),
                    body => body?,
                };
                return Ok(match serde_json::from_slice(&body) {
                    Ok(found @ Value::Object(_)) => Document::Found(found),
                    _ => absent,
                });
            }
            Ok(Document::Absent { status: 302 })
        };
        within(DOCUMENT_PATIENCE, url, work).await
    }

    /// Returns the answer that a browser would get for a page: the status, and the address of a redirect. The client
    /// follows no redirect and reads no body.
    ///
    /// # Errors
    /// As [`Http::document`], except that every status is an answer.
    pub async fn look(&self, url: &Url) -> Result<(u16, Option<Url>), Error> {
        let work = async {
            let asking =
                |client: &reqwest::Client| client.get(url.clone()).header(ACCEPT, "text/html");
            let response = self.sent(url, asking).await?;
            let to = redirect::target(url, response.headers());
            Ok((response.status().as_u16(), to))
        };
        within(CONNECT_PATIENCE, url, work).await
    }

    /// Posts JSON (registration). Redirects are answers, except to the same origin with 307 or 308.
    ///
    /// # Errors
    /// As [`Http::document`], except that every status is an answer.
    pub async fn post_json(
        &self,
        url: &Url,
        value: &Value,
        mut headers: HeaderMap,
    ) -> Result<PostResponse, Error> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.post(url, headers, value.to_string().into_bytes())
            .await
    }

    /// Posts a form (token, revocation). Redirects are answers, except to the same origin with 307 or 308.
    ///
    /// # Errors
    /// As [`Http::document`], except that every status is an answer.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<PostResponse, Error> {
        self.post_within(POST_PATIENCE, url, headers, body).await
    }

    /// Posts a form that spends a value good for one time, and so waits as long as an answer may still come.
    ///
    /// # Errors
    /// As [`Http::post`].
    pub async fn post_token(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<PostResponse, Error> {
        self.post_within(TOKEN_PATIENCE, url, headers, body).await
    }

    async fn post_within(
        &self,
        patience: Duration,
        url: &Url,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<PostResponse, Error> {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        note_secrets(&headers, &body);
        let work = async {
            let mut at = url.clone();
            let mut redirects = 0;
            loop {
                let asking = |client: &reqwest::Client| {
                    let request = client.post(at.clone()).headers(headers.clone());
                    request.body(body.clone())
                };
                let asked = RequestLogEntry::post(&at, &headers, &body);
                let failed = |_: &Error| self.report(&asked, None, None);
                let response = self.sent(&at, asking).await.inspect_err(failed)?;
                let status = response.status().as_u16();
                self.answers(&at, status)?;
                // A posted body holds secrets: it goes to the origin it was meant for, and to no other address.
                let next = next_hop(&at, response.headers())
                    .filter(|next| next.origin() == url.origin() && matches!(status, 307 | 308));
                if let Some(next) = next.filter(|_| redirects < MAX_REDIRECTS) {
                    redirects += 1;
                    at = next;
                    continue;
                }
                let answered = response.headers().clone();
                let answer = self.body(response, &at, MAX_ANSWER).await;
                let error = answer.as_ref().ok().map(|body| body.as_slice());
                self.report(&asked, Some(status), error.filter(|_| status >= 300));
                return Ok(PostResponse {
                    status,
                    media: http_fields::media_type(&answered),
                    retry_after: retry_after(&answered),
                    headers: answered,
                    body: answer?,
                });
            }
        };
        within(patience, url, work).await
    }

    /// Sends a request. Where the guard refused the address because the configured server's kind of address is not
    /// known, the client finds that out first.
    async fn sent(
        &self,
        url: &Url,
        asking: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, Error> {
        let client = self.client_for(url)?;
        let once = async || {
            let sent = asking(client).send().await;
            sent.map_err(|error| self.error_of(url, &error))
        };
        let response = match once().await {
            Err(Error::Refused {
                why: guard::Error::Inside,
                ..
            }) if self.finds_home(url).await => once().await?,
            sent => sent?,
        };
        // A proxy's address is no evidence of the server's.
        if let (Some(address), None) = (response.remote_addr(), self.inner.proxies.to(url)) {
            self.inner.resolver.answered(url, address.ip());
        }
        Ok(response)
    }

    /// Asks the configured server for its metadata, to learn the address that answers. Returns false if that address
    /// was known, or is not found out.
    async fn finds_home(&self, url: &Url) -> bool {
        let resolver = &self.inner.resolver;
        if !resolver.wants_home(url) {
            return false;
        }
        if let Some(place) = resource_places(self.inner.guard.home()).first() {
            let looked = Box::pin(self.look(place)).await;
            tracing::debug!(?looked, "asked where the server is");
        }
        !resolver.wants_home(url)
    }

    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        self.check(url)?;
        let parts = &self.inner;
        if let Some(name) = url.domain() {
            parts.resolver.guards(name);
        }
        let client = parts.client.get_or_init(|| parts.build());
        client.as_ref().map_err(Clone::clone)
    }

    /// Checks that the server itself answers there, and not a proxy on the way.
    fn answers(&self, url: &Url, status: u16) -> Result<(), Error> {
        match self.inner.proxies.refusal(url, status) {
            None => Ok(()),
            Some(failure) => Err(Error::Unreachable {
                host: host_of(url),
                why: failure.to_string(),
            }),
        }
    }

    fn error_of(&self, url: &Url, error: &reqwest::Error) -> Error {
        match error::of_request(url, error) {
            Error::Unreachable { host, why } => {
                let failure = self.inner.proxies.failure(url, error);
                let failure = failure.filter(|_| error.is_connect());
                let why = failure.map_or(why, |failure| failure.to_string());
                Error::Unreachable { host, why }
            }
            other => other,
        }
    }

    /// Reads a body, decoded, without a byte order mark, and UTF-8 throughout: one invalid character in a description
    /// is not worth the document.
    async fn body(
        &self,
        response: reqwest::Response,
        url: &Url,
        limit: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let host = host_of(url);
        let unreadable = |why: &dyn fmt::Display| Error::Unreachable {
            host: host_of(url),
            why: format!("it sent {why}"),
        };
        let headers = response.headers().clone();
        let mut pieces = content_coding::pieces(&headers, response.bytes_stream());
        let mut body = Zeroizing::new(Vec::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| match &error {
                Broken::Connection(error) => self.error_of(url, error),
                Broken::Body(Undecodable::Short) => Error::Unreachable {
                    host: host_of(url),
                    why: error.to_string(),
                },
                Broken::Body(_) => unreadable(&error),
            })?;
            if body.len() + piece.len() > limit {
                return Err(Error::TooLarge { host, limit });
            }
            body.extend_from_slice(&piece);
        }
        Ok(plain_text(body))
    }
}

impl HttpInner {
    fn build(&self) -> Result<reqwest::Client, Error> {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, content_coding::IDENTITY)]);
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_PATIENCE)
            .pool_idle_timeout(Duration::from_secs(5))
            .user_agent(concat!("mcpipe/", env!("CARGO_PKG_VERSION")))
            .http1_max_headers(MAX_HEADERS)
            .default_headers(headers)
            .dns_resolver(self.resolver.clone());
        self.proxies
            .used_by(builder)
            .build()
            .map_err(|error| Error::Unbuildable {
                why: innermost(&error),
            })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Http({:?})", self.inner.guard)
    }
}

/// The revision that discovery names. MCP 2025-03-26, basic/authorization, asks for the header; later revisions do not
/// mind it.
const DISCOVERY_VERSION: &str = "2025-11-25";

/// Returns a text without its byte order mark, and with a replacement character for bytes that are not UTF-8.
fn plain_text(body: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    let (is_utf8, has_mark) = match std::str::from_utf8(&body) {
        Ok(text) => (true, without_mark(text).len() != text.len()),
        Err(_) => (false, false),
    };
    if is_utf8 && !has_mark {
        return body;
    }
    let text = Zeroizing::new(String::from_utf8_lossy(&body).into_owned());
    Zeroizing::new(without_mark(&text).as_bytes().to_vec())
}

/// Returns the target of a redirect, if that is on the same origin, or from http to https on the same host.
fn next_hop(from: &Url, headers: &HeaderMap) -> Option<Url> {
    followed(from, &redirect::target(from, headers)?)
}
