//! The only HTTP client sign-in uses.
//!
//! Everything it visits is named by somebody else, so: `https`, or `http` where [`Guard`] lets it; every name judged
//! by the addresses it really has (`resolver`); no redirect followed with a body, and at most three, on one origin, without; bodies
//! capped and read in pieces; time limits; no cookies, no credentials but those handed in. Knows nothing of OAuth.
//!
//! security.md D2 to D5, K1, T12 (errors never carry a URL's query or a body).

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::guard::{Class, Guard, Refusal, class_of};
pub use super::resolver::Lookup;
use super::resolver::{self, Resolver};
use crate::remote::tls::Unwelcome;

/// Visits what a sign-in has to visit. Costs nothing until it visits something: most starts sign in to nothing.
#[derive(Clone)]
pub struct Http(Arc<Parts>);

struct Parts {
    guard: Arc<Guard>,
    tls: rustls::ClientConfig,
    resolver: Resolver,
    /// Follows the system's proxy settings.
    far: OnceLock<Result<reqwest::Client, Fault>>,
    /// Never through a proxy: this machine.
    near: OnceLock<Result<reqwest::Client, Fault>>,
}

/// An answer to a POST, whatever its status.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type without parameters, lower case; empty if none was given.
    pub media: String,
    /// At most the limit of the call that brought it. May hold tokens.
    pub body: Zeroizing<Vec<u8>>,
    /// `Retry-After`, where it was a number of seconds.
    pub retry_after: Option<Duration>,
    /// All of them.
    pub headers: HeaderMap,
}

impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Answer({} {})", self.status, self.media)
    }
}

/// What stands at a place where a metadata document might be.
#[derive(Debug)]
pub enum Document {
    /// A JSON object.
    Found(Value),
    /// Something else, or a refusal (4xx): the next place may be tried (D-03).
    Absent {
        /// The HTTP status.
        status: u16,
    },
}

/// Why there was no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The address may not be visited; nothing was sent.
    #[error("{host} may not be visited: {why}")]
    Refused {
        /// Host and port.
        host: String,
        /// The rule it broke.
        why: Refusal,
    },
    /// Nobody there, the connection broke, or it took too long.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The innermost cause.
        why: String,
    },
    /// The server is there and cannot answer now: 5xx, 408, 429.
    #[error("{host} answered HTTP {status}{}", instead(*status))]
    Unwell {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// The answer was larger than any sensible one.
    #[error("{host} sent more than {limit} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// In bytes.
        limit: usize,
    },
    /// It broke the handshake off because of our TLS certificate, or for want of one.
    #[error("{host} {why}")]
    Unwelcome {
        /// Host and port.
        host: String,
        /// What it says.
        why: Unwelcome,
    },
    /// TLS could not be set up at all.
    #[error("the HTTP client cannot be built: {why}")]
    Unbuildable {
        /// What reqwest said.
        why: String,
    },
}

impl Fault {
    /// Whether trying again later may work without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        // A gateway that wants another certificate has not refused anybody's tokens.
        matches!(
            self,
            Self::Unreachable { .. } | Self::Unwell { .. } | Self::Unwelcome { .. }
        )
    }
}

impl Http {
    /// Over this TLS configuration (roots and provider chosen by the caller).
    pub fn new(tls: rustls::ClientConfig, guard: Guard) -> Self {
        Self::with_lookup(tls, guard, resolver::of_the_system())
    }

    /// As [`Http::new`], with names resolved by `lookup`.
    pub fn with_lookup(mut tls: rustls::ClientConfig, guard: Guard, lookup: Lookup) -> Self {
        // A handful of small requests: HTTP/1.1 is enough, and one protocol less to be wrong in.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let guard = Arc::new(guard);
        let resolver = Resolver::new(Arc::clone(&guard), lookup);
        Self(Arc::new(Parts {
            guard,
            tls,
            resolver,
            far: OnceLock::new(),
            near: OnceLock::new(),
        }))
    }

    /// The same, for what the user names beside the server: places are judged as seen from there.
    pub fn at_home(&self, home: &Url) -> Self {
        let parts = &self.0;
        let lookup = parts.resolver.lookup();
        Self::with_lookup(parts.tls.clone(), parts.guard.at_home(home), lookup)
    }

    /// Judges a URL without visiting it.
    ///
    /// # Errors
    /// [`Fault::Refused`].
    pub fn check(&self, url: &Url) -> Result<(), Fault> {
        self.0.guard.check(url).map_err(|why| Fault::Refused {
            host: host_of(url),
            why,
        })
    }

    /// Looks for a metadata document. A stream of events is left unread: some servers answer every GET with one that
    /// never ends.
    ///
    /// # Errors
    /// The place is forbidden, unreachable or unwell (5xx): that is not absence (D-03).
    pub async fn document(&self, url: &Url) -> Result<Document, Fault> {
        let work = async {
            let mut at = url.clone();
            for _ in 0..=MOST_REDIRECTS {
                let request = self
                    .client_for(&at)?
                    .get(at.clone())
                    .header(ACCEPT, "application/json")
                    .header("MCP-Protocol-Version", DISCOVERY_VERSION);
                let response = request.send().await.map_err(|error| fault(&at, &error))?;
                let status = response.status();
                if status.is_redirection() {
                    match next_hop(&at, response.headers()) {
                        Some(next) => at = next,
                        None => break,
                    }
                    continue;
                }
                if is_unwell(status.as_u16()) {
                    return Err(unwell(&at, status.as_u16(), response.headers()));
                }
                let absent = Document::Absent {
                    status: status.as_u16(),
                };
                let media = media_of(response.headers());
                if !status.is_success() || media == "text/event-stream" || media == "text/html" {
                    return Ok(absent);
                }
                let body = capped(response, &at, LARGEST_DOCUMENT).await?;
                return Ok(match serde_json::from_slice(&body) {
                    Ok(found @ Value::Object(_)) => Document::Found(found),
                    _ => absent,
                });
            }
            Ok(Document::Absent { status: 302 })
        };
        within(DOCUMENT_PATIENCE, url, work).await
    }

    /// What a browser would meet at a page: the status, and where it would be sent. Nothing is followed or read.
    ///
    /// # Errors
    /// As [`Http::document`], except that every status is an answer.
    pub async fn look(&self, url: &Url) -> Result<(u16, Option<Url>), Fault> {
        let work = async {
            let request = self.client_for(url)?.get(url.clone());
            let request = request.header(ACCEPT, "text/html");
            let response = request.send().await.map_err(|error| fault(url, &error))?;
            let to = response.headers().get(LOCATION);
            let to = to.and_then(|to| url.join(to.to_str().ok()?).ok());
            Ok((response.status().as_u16(), to))
        };
        within(CONNECT_PATIENCE, url, work).await
    }

    /// Posts JSON (registration). Redirects are answers, not followed.
    ///
    /// # Errors
    /// As [`Http::document`], except that every status is an answer.
    pub async fn post_json(
        &self,
        url: &Url,
        value: &Value,
        mut headers: HeaderMap,
    ) -> Result<Answer, Fault> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.post(url, headers, value.to_string().into_bytes())
            .await
    }

    /// Posts a form (token, revocation). Redirects are answers, not followed.
    ///
    /// # Errors
    /// As [`Http::document`], except that every status is an answer.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, Fault> {
        self.post_within(POST_PATIENCE, url, headers, body).await
    }

    /// Posts a form that spends what cannot be spent twice, and so waits as long as an answer may still come.
    ///
    /// # Errors
    /// As [`Http::post`].
    pub async fn post_token(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, Fault> {
        self.post_within(TOKEN_PATIENCE, url, headers, body).await
    }

    async fn post_within(
        &self,
        patience: Duration,
        url: &Url,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, Fault> {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let work = async {
            let request = self.client_for(url)?.post(url.clone()).headers(headers);
            let response = request
                .body(body)
                .send()
                .await
                .map_err(|error| fault(url, &error))?;
            Ok(Answer {
                status: response.status().as_u16(),
                media: media_of(response.headers()),
                retry_after: retry_after(response.headers()),
                headers: response.headers().clone(),
                body: capped(response, url, LARGEST_ANSWER).await?,
            })
        };
        within(patience, url, work).await
    }

    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, Fault> {
        self.check(url)?;
        let parts = &self.0;
        if let Some(name) = url.domain() {
            parts.resolver.guards(name);
        }
        let client = match class_of(url) {
            Some(Class::Loopback) => parts
                .near
                .get_or_init(|| parts.build(reqwest::ClientBuilder::no_proxy)),
            _ => parts.far.get_or_init(|| parts.build(|it| it)),
        };
        client.as_ref().map_err(Clone::clone)
    }
}

impl Parts {
    fn build(
        &self,
        with: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<reqwest::Client, Fault> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_PATIENCE)
            .pool_idle_timeout(Duration::from_secs(5))
            .user_agent(concat!("mcpipe/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(self.resolver.clone());
        with(builder).build().map_err(|error| Fault::Unbuildable {
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
/// A refresh token or a code whose answer we do not wait for may be spent and lost, so a slow server is given its time.
pub(crate) const TOKEN_PATIENCE: Duration = Duration::from_secs(120);
const MOST_REDIRECTS: usize = 3;
const LARGEST_DOCUMENT: usize = 256 * 1024;
const LARGEST_ANSWER: usize = 64 * 1024;
/// 2025-03-26 asks for the header on discovery; later revisions do not mind it (D-08).
const DISCOVERY_VERSION: &str = "2025-11-25";

/// Host and port, the most of a URL that an error or a log may show.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn within<T>(
    patience: Duration,
    url: &Url,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::select! {
        // What has come is looked at before the clock.
        biased;
        done = work => done,
        () = time_is_up(patience) => Err(Fault::Unreachable {
            host: host_of(url),
            why: format!("no answer within {} s", patience.as_secs()),
        }),
    }
}

/// Returns when this time has passed, and one second more of running. A process that stood still meanwhile (a machine that
/// slept, a frozen container, SIGSTOP) finds its time over when it wakes, and what came in it still unread.
pub(super) async fn time_is_up(patience: Duration) {
    const TICKS: u32 = 10;
    tokio::time::sleep(patience).await;
    for _ in 0..TICKS {
        tokio::time::sleep(Duration::from_secs(1) / TICKS).await;
    }
}

async fn capped(
    mut response: reqwest::Response,
    url: &Url,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(piece) = response.chunk().await.map_err(|error| fault(url, &error))? {
        if body.len() + piece.len() > limit {
            return Err(Fault::TooLarge {
                host: host_of(url),
                limit,
            });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Where a redirect leads, if that is on the same origin.
fn next_hop(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let next = from.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    (next.origin() == from.origin()).then_some(next)
}

fn media_of(headers: &HeaderMap) -> String {
    let field = headers
        .get(CONTENT_TYPE)
        .and_then(|field| field.to_str().ok());
    let essence = field.and_then(|field| field.split(';').next());
    essence.unwrap_or_default().trim().to_ascii_lowercase()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// Whether a status says "not now" rather than "no".
pub fn is_unwell(status: u16) -> bool {
    status >= 500 || status == 408 || status == 429
}

/// What to add where the status alone would sound as if all were well, or as if the server had decided something.
fn instead(status: u16) -> &'static str {
    match is_unwell(status) {
        true => "",
        false => ", and what came is no answer of such a server (a proxy's page?)",
    }
}

fn unwell(url: &Url, status: u16, headers: &HeaderMap) -> Fault {
    Fault::Unwell {
        host: host_of(url),
        status,
        retry_after: retry_after(headers),
    }
}

fn fault(url: &Url, error: &reqwest::Error) -> Fault {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(why) = inner.downcast_ref::<Refusal>() {
            return Fault::Refused {
                host: host_of(url),
                why: *why,
            };
        }
        cause = inner.source();
    }
    let host = host_of(url);
    if let Some(why) = Unwelcome::among(error) {
        return Fault::Unwelcome { host, why };
    }
    Fault::Unreachable {
        host,
        why: innermost(error),
    }
}

/// The last cause of a chain. The outer ones of reqwest hold the URL, and with it whatever its query holds.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = "the request failed".to_owned();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    super::plain(&text, 200)
}

#[cfg(test)]
mod tests {
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
}
