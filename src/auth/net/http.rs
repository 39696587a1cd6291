//! The only HTTP client that a sign-in uses.
//!
//! Another party names every address it visits, so: `https`, or `http` where [`Guard`] allows it; every name judged by
//! the addresses it really has (`resolver`); at most three redirects, on one origin or from http to https; bodies
//! capped and read in pieces; time limits; no cookies, no credentials but those handed in. Errors never carry a URL's
//! query or a body. Knows nothing of OAuth.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use crate::auth::net::guard::{self, Guard};
use crate::auth::net::request_log::RequestLogEntry;
pub use crate::auth::net::resolver::Lookup;
use crate::auth::net::resolver::{self, Resolver};
use crate::auth::oauth::metadata_urls::resource_places;
use crate::content_coding::{self, Broken};
use crate::http_fields::{self, MAX_HEADERS, innermost_cause};
use crate::proxy::Proxies;
use crate::redirect::{self, followed};
use crate::secret::live;
use crate::text::{plain, without_mark};
use crate::tls::ClientCertRefused;
use crate::tls::untrusted::Untrusted;

/// An HTTP client for a sign-in. It costs nothing until its first request: most starts sign in to nothing.
#[derive(Clone)]
pub struct Http(Arc<HttpInner>, Option<RequestObserver>);

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

/// The reason why there was no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The address may not be visited; nothing was sent.
    #[error("the address at {host} may not be visited: {why}")]
    Refused {
        /// Host and port.
        host: String,
        /// The host and port.
        why: guard::Error,
    },
    /// No server is there, the connection broke, or it took too long.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The innermost cause.
        why: String,
    },
    /// The server is reachable and cannot answer now: 5xx, 408, 429.
    #[error("the server at {host} answered HTTP {status}{}{}", instead(*status), later(*retry_after))]
    Unavailable {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The time that `Retry-After` named.
        retry_after: Option<Duration>,
    },
    /// The answer was larger than any sensible one.
    #[error("the server at {host} sent more than {limit} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The server's certificate or its TLS is not to be trusted, so nothing was sent.
    #[error("cannot connect to {host}: {why}")]
    Untrusted {
        /// Host and port.
        host: String,
        /// The fault of the certificate.
        why: Untrusted,
    },
    /// The server broke the handshake off because of our TLS certificate, or for want of one.
    #[error("the server at {host} {why}")]
    ClientCertRefused {
        /// Host and port.
        host: String,
        /// The server's description of the fault.
        why: ClientCertRefused,
    },
    /// TLS could not be set up at all.
    #[error("the HTTP client cannot be built: {why}")]
    Unbuildable {
        /// The error text of reqwest.
        why: String,
    },
}

impl Error {
    /// Says whether trying again later may work without a change by the user.
    pub fn is_passing(&self) -> bool {
        // A gateway that wants another certificate has not refused a token.
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Unavailable { .. }
                | Self::Untrusted { .. }
                | Self::ClientCertRefused { .. }
        )
    }
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
        let parts = &self.0;
        let guard = parts.guard.as_ref().clone();
        let mut through = Self::made_of(parts.tls.clone(), guard, parts.resolver.lookup(), proxies);
        through.1.clone_from(&self.1);
        through
    }

    /// Returns the same client, which reports each request to the observer.
    #[must_use]
    pub fn observed_by(self, observer: RequestObserver) -> Self {
        Self(self.0, Some(observer))
    }

    fn tell(&self, asked: &RequestLogEntry<'_>, status: Option<u16>, error: Option<&[u8]>) {
        if let Some(observer) = &self.1 {
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
        Self(Arc::new(parts), None)
    }

    /// Returns the same client, for an address that the user configured beside the server: addresses are judged as seen
    /// from there.
    pub fn for_origin_of(&self, home: &Url) -> Self {
        let parts = &self.0;
        let (guard, lookup) = (parts.guard.for_origin_of(home), parts.resolver.lookup());
        let mut for_origin_of =
            Self::made_of(parts.tls.clone(), guard, lookup, parts.proxies.clone());
        for_origin_of.1.clone_from(&self.1);
        for_origin_of
    }

    /// Judges a URL without visiting it.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn check(&self, url: &Url) -> Result<(), Error> {
        self.0.guard.check(url).map_err(|why| Error::Refused {
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
                let failed = |_: &Error| self.tell(&asked, None, None);
                let response = self.sent(&at, asking).await.inspect_err(failed)?;
                let status = response.status();
                self.tell(&asked, Some(status.as_u16()), None);
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
                let failed = |_: &Error| self.tell(&asked, None, None);
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
                self.tell(&asked, Some(status), error.filter(|_| status >= 300));
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
            sent.map_err(|error| self.fault(url, &error))
        };
        let response = match once().await {
            Err(Error::Refused {
                why: guard::Error::Inside,
                ..
            }) if self.finds_home(url).await => once().await?,
            sent => sent?,
        };
        // A proxy's address is no evidence of the server's.
        if let (Some(address), None) = (response.remote_addr(), self.0.proxies.to(url)) {
            self.0.resolver.answered(url, address.ip());
        }
        Ok(response)
    }

    /// Asks the configured server for its metadata, to learn the address that answers. Returns false if that address
    /// was known, or is not found out.
    async fn finds_home(&self, url: &Url) -> bool {
        let resolver = &self.0.resolver;
        if !resolver.wants_home(url) {
            return false;
        }
        if let Some(place) = resource_places(self.0.guard.home()).first() {
            let looked = Box::pin(self.look(place)).await;
            tracing::debug!(?looked, "asked where the server is");
        }
        !resolver.wants_home(url)
    }

    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        self.check(url)?;
        let parts = &self.0;
        if let Some(name) = url.domain() {
            parts.resolver.guards(name);
        }
        let client = parts.client.get_or_init(|| parts.build());
        client.as_ref().map_err(Clone::clone)
    }

    /// Checks that the server itself answers there, and not a proxy on the way.
    fn answers(&self, url: &Url, status: u16) -> Result<(), Error> {
        match self.0.proxies.refusal(url, status) {
            None => Ok(()),
            Some(failure) => Err(Error::Unreachable {
                host: host_of(url),
                why: failure.to_string(),
            }),
        }
    }

    fn fault(&self, url: &Url, error: &reqwest::Error) -> Error {
        match fault(url, error) {
            Error::Unreachable { host, why } => {
                let failure = self.0.proxies.failure(url, error);
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
        let mut pieces = content_coding::pieces(response);
        let mut body = Zeroizing::new(Vec::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| match &error {
                Broken::Connection(error) => self.fault(url, error),
                Broken::Short => Error::Unreachable {
                    host: host_of(url),
                    why: error.to_string(),
                },
                Broken::Coding(_) | Broken::Unknown(_) => unreadable(&error),
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
            .used_by(builder, None)
            .build()
            .map_err(|error| Error::Unbuildable {
                why: innermost(&error),
            })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Http({:?})", self.0.guard)
    }
}

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const POST_PATIENCE: Duration = Duration::from_secs(30);
/// The time for a token request. A refresh token or a code whose answer we do not wait for may be spent and lost, so a
/// slow server gets this time.
pub(crate) const TOKEN_PATIENCE: Duration = Duration::from_secs(120);
const MAX_REDIRECTS: usize = 3;
const MAX_DOCUMENT: usize = 256 * 1024;
const MAX_ANSWER: usize = 64 * 1024;
/// The revision that discovery names. MCP 2025-03-26, basic/authorization, asks for the header; later revisions do not
/// mind it.
const DISCOVERY_VERSION: &str = "2025-11-25";

/// Parameters of token requests whose values are secrets (RFC 6749, 7009, 7521, 7636, 8628, 8693).
const SECRET_PARAMETERS: [&str; 11] = [
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "password",
    "refresh_token",
    "subject_token",
    "token",
];

/// Notes the secrets of a request: the authorization server may repeat them in its answer.
fn note_secrets(headers: &HeaderMap, form: &[u8]) {
    for (_, value) in headers
        .iter()
        .filter(|(name, value)| value.is_sensitive() || *name == AUTHORIZATION)
    {
        live::note_header(&String::from_utf8_lossy(value.as_bytes()));
    }
    for (name, value) in url::form_urlencoded::parse(form) {
        if SECRET_PARAMETERS.contains(&&*name) {
            live::note(&value);
        }
    }
}

/// Returns host and port, the most of a URL that an error or a log may show.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn within<T>(
    patience: Duration,
    url: &Url,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        // A result that has come counts before the clock.
        biased;
        done = work => done,
        () = time_is_up(patience) => Err(Error::Unreachable {
            host: host_of(url),
            why: format!("no answer within {} s", patience.as_secs()),
        }),
    }
}

/// Returns when this time has passed, and one second more of running. A process that stood still meanwhile (a machine
/// that slept, a frozen container, SIGSTOP) finds its time over when it wakes, and an answer still unread.
pub(in crate::auth) async fn time_is_up(patience: Duration) {
    const TICKS: u32 = 10;
    tokio::time::sleep(patience).await;
    for _ in 0..TICKS {
        tokio::time::sleep(Duration::from_secs(1) / TICKS).await;
    }
}

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

/// Returns the `Retry-After` of an answer, by the clock that its `Date` shows, up to [`MAX_RETRY_AFTER`].
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wait = http_fields::retry_after(headers, http_fields::date(headers))?;
    Some(wait.min(MAX_RETRY_AFTER))
}

const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Says whether a status means "not now" rather than "no".
pub fn is_unavailable(status: u16) -> bool {
    status >= 500 || status == 408 || status == 429
}

/// Returns an addition to the message where the status alone would sound like success, or like a decision of the
/// server.
fn instead(status: u16) -> &'static str {
    match is_unavailable(status) {
        true => "",
        false => ", and what came is no answer of such a server (a proxy's page?)",
    }
}

/// Returns the server's wished time for the next attempt, as text.
fn later(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| {
        format!(", to be asked again in {} s", wait.as_secs())
    })
}

fn unavailable(url: &Url, status: u16, headers: &HeaderMap) -> Error {
    Error::Unavailable {
        host: host_of(url),
        status,
        retry_after: retry_after(headers),
    }
}

fn fault(url: &Url, error: &reqwest::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(why) = inner.downcast_ref::<guard::Error>() {
            return Error::Refused {
                host: host_of(url),
                why: *why,
            };
        }
        cause = inner.source();
    }
    let host = host_of(url);
    if let Some(why) = ClientCertRefused::among(error) {
        return Error::ClientCertRefused { host, why };
    }
    if error.is_connect()
        && let Some(why) = Untrusted::among(error)
    {
        return Error::Untrusted { host, why };
    }
    Error::Unreachable {
        host,
        why: innermost(error),
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let cause = innermost_cause(error);
    plain(cause.as_deref().unwrap_or("the request failed"), 200)
}

#[cfg(test)]
mod tests {
    use http::header::{DATE, RETRY_AFTER};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_come_is_looked_at_before_the_clock_and_a_token_is_waited_for_two_minutes() {
        let url = Url::parse("https://as.example.com/token").unwrap();
        let after = |seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(seconds)
        };
        // At 120 s the answer and the clock come together.
        for (seconds, is_waited_for) in [(31, true), (119, true), (120, true), (122, false)] {
            let answer = within(TOKEN_PATIENCE, &url, after(seconds)).await;
            assert_eq!(answer.is_ok(), is_waited_for, "{seconds}");
            assert!(answer.is_ok() || answer.unwrap_err().is_passing());
        }
        assert!(within(POST_PATIENCE, &url, after(32)).await.is_err());
    }

    #[test]
    fn how_long_to_wait_is_read_as_seconds_or_as_a_date_by_the_servers_clock() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (written, date, wanted) in [
            ("120", None, Some(120)),
            ("999999", None, Some(3600)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(date), Some(10)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(date), Some(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None, None),
            ("soon", Some(date), None),
            ("-1", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(written));
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_static(date));
            }
            let wanted = wanted.map(Duration::from_secs);
            assert_eq!(retry_after(&headers), wanted, "{written}");
        }
    }
}
