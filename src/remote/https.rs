//! The network: TLS, timeouts, size caps; an HTTP response to an [`Answer`].
//!
//! Talks to one host. Follows redirects on its origin, and from http to https, and no other ([`crate::redirect`]), so
//! no credential ever travels elsewhere. HTTP/1.1 with as many connections as there are exchanges: an open stream can
//! never starve a POST, and closing a connection cancels exactly one exchange. No total timeout on anything. What a
//! response holds is read in `reading`, and the reason why there is none in `failure`.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, InvalidHeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::{Mutex, MutexGuard, OnceCell, watch};
use tokio::time;
use url::Url;

use crate::auth::Credential;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::dpop::{NONCE_WANTED, ProofRetry};
use crate::content_coding;
use crate::era::HttpError;
use crate::frame::Stage;
use crate::proxy::Proxies;
use crate::redirect::{self, followed, is_upgrade};
use crate::remote::client::{self, Client};
use crate::remote::deferred_headers::DeferredHeaders;
use crate::remote::endpoints::Endpoints;
use crate::remote::header_command::{CommandHeaders, HeaderCommand};
use crate::remote::header_rules::without_ours;
use crate::remote::scheme::Speaks;
use crate::remote::{Answer, Outgoing, Progress, Remote, TransportError, Verb, note};
use crate::secret::live;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Redirects followed for one request.
const MAX_REDIRECTS: u32 = 3;
/// Header fields for which a request has room from the start.
const USUAL_HEADERS: usize = 12;
/// The time for which one exchange keeps others from using up the nonces that its proofs want.
const PROVING: Duration = Duration::from_secs(2);
/// The way to reach the remote.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The MCP endpoint.
    pub url: Url,
    /// The user's own headers, values expanded. May hold secrets; marked sensitive. Those that are the protocol's or
    /// the connection's business are passed over.
    pub headers: HeaderMap,
    /// More of them, which are waited for before anything is sent.
    pub deferred: Option<DeferredHeaders>,
    /// The program that gives still more headers, which win over all others.
    pub command: Option<HeaderCommand>,
    /// The largest body or event accepted, in bytes (`--max-message-size`).
    pub max_message: usize,
    /// TCP and TLS together (`--connect-timeout`).
    pub connect_timeout: Duration,
    /// From the end of a POST to the head of its response (`--headers-timeout`).
    pub headers_timeout: Option<Duration>,
    /// The longest silence within a response (`--body-timeout`).
    pub body_timeout: Option<Duration>,
    /// True to keep cookies, in memory, for sticky load balancers (`--disable-cookies`).
    pub keeps_cookies: bool,
    /// The proxies that lead there.
    pub proxies: Proxies,
    /// Resolve names to IPv4 addresses only (`--ipv4`).
    pub ipv4_only: bool,
    /// `mcpipe/<version>`.
    pub user_agent: String,
    /// The wall clock, for proofs and dates.
    pub now: fn() -> SystemTime,
}

/// The network as a [`Remote`].
#[derive(Debug)]
pub struct Https {
    client: Client,
    settings: Settings,
    host: String,
    endpoints: Endpoints,
    /// Held by the exchange that proves something, where that has to be done one by one.
    proving: Mutex<()>,
    /// True once any response has come.
    pub(super) has_answered: AtomicBool,
    /// The protocol that is spoken at the address, where that was asked.
    pub(super) speaks: OnceCell<Option<Speaks>>,
}

impl Https {
    /// Makes the client; connects to nothing yet.
    ///
    /// # Errors
    /// The user agent cannot stand in a header.
    pub fn new(
        mut settings: Settings,
        tls: rustls::ClientConfig,
    ) -> Result<Self, InvalidHeaderValue> {
        settings.headers = without_ours(settings.headers);
        let options = client::Options {
            proxies: settings.proxies.clone(),
            user_agent: &settings.user_agent,
            connect_timeout: settings.connect_timeout,
            silence: settings.body_timeout,
            keeps_cookies: settings.keeps_cookies,
            ipv4_only: settings.ipv4_only,
        };
        let client = Client::new(options, tls)?;
        let host = match (
            settings.url.host_str(),
            settings.url.port_or_known_default(),
        ) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            _ => settings.url.to_string(),
        };
        Ok(Self {
            client,
            endpoints: Endpoints::new(&settings.url),
            settings,
            host,
            proving: Mutex::default(),
            has_answered: AtomicBool::new(false),
            speaks: OnceCell::new(),
        })
    }

    async fn request(
        &self,
        outgoing: &Outgoing<'_>,
        given: Option<&CommandHeaders>,
        nonce: Option<Box<str>>,
    ) -> Result<Response, TransportError> {
        let Some(endpoint) = outgoing.to else {
            let url = self.endpoints.endpoint();
            return self.request_at(url, outgoing, given, nonce).await;
        };
        let (first, second) = self.endpoints.named(endpoint).map_err(|address| {
            let why = "an endpoint on another origin, which is not followed";
            self.not_mcp(&format!("{why}: {address}"))
        })?;
        let response = self
            .request_at(first, outgoing, given, nonce.clone())
            .await?;
        let Some(second) = second.filter(|_| response.is_nowhere()) else {
            return Ok(response);
        };
        let other = self.request_at(second, outgoing, given, nonce).await?;
        if other.is_nowhere() {
            return Ok(response);
        }
        self.endpoints.note_prefix();
        Ok(other)
    }

    async fn request_at(
        &self,
        mut url: Url,
        outgoing: &Outgoing<'_>,
        given: Option<&CommandHeaders>,
        mut nonce: Option<Box<str>>,
    ) -> Result<Response, TransportError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self
                .request_once(outgoing, given, &url, nonce.take())
                .await?;
            let status = response.status.as_u16();
            if let Some(failure) = self.settings.proxies.refusal(&url, status) {
                return Err(self.proxy_failed(failure));
            }
            if !matches!(status, 301..=303 | 307 | 308) {
                if matches!(outgoing.verb, Verb::Get) && response.status.is_success() {
                    self.endpoints.note_answer(url);
                }
                return Ok(Response::Read(response));
            }
            let target = redirect::target(&url, &response.headers);
            let next = target.as_ref().and_then(|target| followed(&url, target));
            let next = next.filter(|next| is_sent_again(outgoing.verb, status, &url, next));
            self.discard(response).await;
            let Some(next) = next else {
                return Ok(Response::Redirect(HttpError {
                    status,
                    redirect: target.as_ref().map(redirect::shown),
                    ..HttpError::default()
                }));
            };
            if is_upgrade(&url, &next) && outgoing.to.is_none() {
                self.endpoints.note_upgrade(&next);
            }
            url = next;
        }
        let last = redirect::shown(&url);
        Err(self.not_mcp(&format!("too many redirects, the last one to {last}")))
    }

    async fn request_once(
        &self,
        outgoing: &Outgoing<'_>,
        given: Option<&CommandHeaders>,
        url: &Url,
        nonce: Option<Box<str>>,
    ) -> Result<client::Response, TransportError> {
        let (method, accept) = match outgoing.verb {
            Verb::Post(_) => (Method::POST, BOTH),
            Verb::Get => (Method::GET, EVENTS),
            Verb::Delete => (Method::DELETE, BOTH),
        };
        // The user's first, so that what the protocol needs wins.
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        headers.extend(self.settings.headers.clone());
        if let Some(deferred) = &self.settings.deferred {
            headers.extend(without_ours(deferred.headers().await?));
        }
        if let Some(given) = given {
            headers.extend(given.headers().clone());
        }
        headers.insert(ACCEPT, accept);
        headers.insert(ACCEPT_ENCODING, content_coding::IDENTITY);
        for (name, value) in outgoing.headers {
            headers.insert(name, value.clone());
        }
        if let Some(credential) = outgoing.credential {
            let now = (self.settings.now)();
            credential.apply_with(&mut headers, method.as_str(), url, nonce, now);
        }
        note_secrets(&headers);
        let body = match outgoing.verb {
            Verb::Post(frame) => {
                headers.insert(CONTENT_TYPE, JSON);
                frame.to_bytes()
            }
            _ => Bytes::new(),
        };
        let progress = outgoing.progress;
        let sent = pin!(self.client.send(method, url, headers, body, progress));
        let patience = self
            .settings
            .headers_timeout
            .filter(|_| !matches!(outgoing.verb, Verb::Get));
        let answered = match patience {
            Some(patience) => {
                time::timeout(patience, sent)
                    .await
                    .map_err(|_| TransportError::Silent {
                        host: self.host.clone(),
                        patience,
                        stage: progress.map_or(Stage::Response, Progress::stage),
                    })?
            }
            None => sent.await,
        };
        let response = match answered {
            Ok(response) => response,
            Err(error) => return Err(self.failed(url, &error).await),
        };
        self.has_answered.store(true, Ordering::Relaxed);
        note(progress, Stage::Body);
        if let Some(credential) = outgoing.credential {
            credential.learn(url, &response.headers, (self.settings.now)());
        }
        Ok(response)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// The outcome of a request that may have been redirected.
enum Response {
    /// An answer that is no redirect.
    Read(client::Response),
    /// A redirect that is not followed.
    Redirect(HttpError),
}

impl Response {
    /// Says whether there is no such place.
    fn is_nowhere(&self) -> bool {
        matches!(self, Self::Read(response) if matches!(response.status.as_u16(), 404 | 405))
    }
}

/// Says whether a redirect from `from` to `to` is followed by the same request. 301 and 302 make a GET of a POST for
/// most clients (RFC 9110 section 15.4.2), so a POST is repeated only where that cannot be meant: the same resource,
/// with https.
fn is_sent_again(verb: Verb<'_>, status: u16, from: &Url, to: &Url) -> bool {
    let is_same_resource =
        is_upgrade(from, to) && (from.path(), from.query()) == (to.path(), to.query());
    match status {
        307 | 308 => true,
        301 | 302 => matches!(verb, Verb::Get) || is_same_resource,
        _ => matches!(verb, Verb::Get),
    }
}

impl Https {
    async fn sent(
        &self,
        outgoing: &Outgoing<'_>,
        given: Option<&CommandHeaders>,
    ) -> Result<Answer, TransportError> {
        let mut retry = ProofRetry::default();
        loop {
            let before = outgoing.credential.map(Credential::hints);
            let nonce = retry.nonce();
            let proving = match retry.is_contended() {
                true => time::timeout(PROVING, self.proving.lock()).await.ok(),
                false => None,
            };
            let sent = pin!(self.request(outgoing, given, nonce));
            let response = match while_proving(proving, sent).await? {
                Response::Read(response) => response,
                Response::Redirect(refusal) => return Ok(Answer::Refused(refusal)),
            };
            let status = response.status;
            if status.is_success() {
                return self.answer(outgoing, response).await;
            }
            let challenge = Challenge::read(status.as_u16(), &response.headers);
            let is_unauthorized = status == StatusCode::UNAUTHORIZED;
            let asks_for_more = challenge.error.as_deref() == Some("insufficient_scope");
            let is_short = status == StatusCode::FORBIDDEN && asks_for_more;
            if !is_unauthorized && !is_short {
                return Ok(Answer::Refused(self.refusal(outgoing, response).await));
            }
            let has_challenge = response.headers.contains_key(WWW_AUTHENTICATE);
            tracing::debug!(has_challenge, "challenged");
            // The token is as good as it was: another proof, and the rest of the program need not know (RFC 9449
            // section 9).
            let is_mended = is_unauthorized
                && outgoing
                    .credential
                    .zip(before)
                    .is_some_and(|(credential, before)| {
                        let (headers, now) = (&response.headers, (self.settings.now)());
                        credential.proves_again(&mut retry, &challenge, &before, headers, now)
                    });
            self.discard(response).await;
            if is_mended {
                continue;
            }
            // Another token would want the same proof.
            if outgoing.credential.is_some() && challenge.error.as_deref() == Some(NONCE_WANTED) {
                let host = self.host.clone();
                return Err(TransportError::Unproven { host });
            }
            return Ok(Answer::Challenged(challenge));
        }
    }

    /// Sends, and once more where a key of the user's was turned down and is another by now: bridges run for weeks, and keys
    /// are rotated meanwhile.
    async fn sent_with_keys(
        &self,
        outgoing: &Outgoing<'_>,
        given: Option<&CommandHeaders>,
    ) -> Result<Answer, TransportError> {
        let Some(deferred) = &self.settings.deferred else {
            return self.sent(outgoing, given).await;
        };
        let shown = deferred.headers().await?;
        let answer = self.sent(outgoing, given).await?;
        let is_turned_down = match &answer {
            Answer::Challenged(challenge) => challenge.status == StatusCode::UNAUTHORIZED,
            // What many servers of keys say to one that is not good any more.
            Answer::Refused(refusal) => refusal.status == StatusCode::FORBIDDEN,
            _ => false,
        };
        if !is_turned_down || !deferred.are_other_than(&shown).await {
            return Ok(answer);
        }
        tracing::info!("a key was turned down, and is another by now; sending again");
        self.sent(outgoing, given).await
    }

    /// Sends with what the program gives; a challenge runs it again, once. Whether a challenge is then OAuth's business
    /// depends on what it gave.
    async fn sent_with(
        &self,
        outgoing: &Outgoing<'_>,
        command: &HeaderCommand,
    ) -> Result<Answer, TransportError> {
        // A user whose headers bring an Authorization signs in with that one.
        let with = |given: &CommandHeaders| Outgoing {
            credential: outgoing.credential.filter(|_| !given.has_authorization()),
            to: outgoing.to,
            verb: outgoing.verb,
            headers: outgoing.headers,
            progress: outgoing.progress,
        };
        let mut given = command.headers().await.map_err(TransportError::NoHeaders)?;
        let mut answer = self.sent_with_keys(&with(&given), Some(&given)).await?;
        let is_about_given = given.has_authorization() || outgoing.credential.is_none();
        if let Answer::Challenged(challenge) = &answer
            && challenge.status == StatusCode::UNAUTHORIZED
            && is_about_given
        {
            let newer = command
                .again(&given)
                .await
                .map_err(TransportError::NoHeaders)?;
            let is_hopeless = newer.is_same_as(&given)
                || !newer.has_authorization() && newer.headers() == given.headers();
            if !is_hopeless {
                answer = self.sent_with_keys(&with(&newer), Some(&newer)).await?;
                given = newer;
            }
        }
        match answer {
            Answer::Challenged(challenge) if given.has_authorization() => {
                Err(TransportError::HeaderRefused(challenge))
            }
            Answer::Challenged(challenge) => Ok(Answer::Challenged(challenge)),
            answer => {
                command.note_taken(&given);
                Ok(answer)
            }
        }
    }
}

impl Remote for Https {
    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, TransportError> {
        note(outgoing.progress, Stage::Connecting);
        // In a box, because what is around an exchange is moved several times before it runs.
        match &self.settings.command {
            None => Box::pin(self.sent_with_keys(&outgoing, None)).await,
            Some(command) => Box::pin(self.sent_with(&outgoing, command)).await,
        }
    }

    fn is_held_up(&self) -> Option<watch::Receiver<bool>> {
        let command = self.settings.command.as_ref()?;
        Some(command.is_running())
    }
}

/// Notes all that proves who the user is, for the server may say it back. A proof of possession is good once and never
/// again.
fn note_secrets(headers: &HeaderMap) {
    for (_, value) in headers
        .iter()
        .filter(|(name, value)| value.is_sensitive() && name.as_str() != "dpop")
    {
        live::note_header(&String::from_utf8_lossy(value.as_bytes()));
    }
}

/// Lets others prove again when the answer begins, or before, where a server takes its time.
async fn while_proving<T>(
    proving: Option<MutexGuard<'_, ()>>,
    mut sent: Pin<&mut impl Future<Output = T>>,
) -> T {
    let Some(proving) = proving else {
        return sent.await;
    };
    tokio::select! {
        answered = &mut sent => return answered,
        () = time::sleep(PROVING) => drop(proving),
    }
    sent.await
}
