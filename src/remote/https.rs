//! The network: TLS, timeouts, size caps; an HTTP response to an [`Answer`].
//!
//! Talks to one origin. Follows 307 and 308 on that origin and no other redirect, so no credential ever travels
//! elsewhere (H-21). HTTP/1.1 with as many connections as there are exchanges: an open stream can never starve a POST
//! (H-20), and closing a connection cancels exactly one exchange (C-02). No total timeout on anything (H-14).

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time;
use url::Url;

use super::fields::{head, media_type};
use super::header_command::{Given, HeaderCommand};
use super::late::Late;
use super::tls::Unwelcome;
use super::{Answer, Events, Fault, Outgoing, Remote, Verb};
use crate::auth::Credential;
use crate::auth::challenge::Challenge;
use crate::auth::dpop::{Mended, NONCE_WANTED};
use crate::frame::Parsed;
use crate::secret::live;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Redirects followed for one request.
const MAX_REDIRECTS: u32 = 3;
/// How much of a challenge's body is read.
const MAX_REFUSAL: usize = 64 * 1024;
/// Idle connections kept for the next exchange, and how long.
const IDLE_CONNECTIONS: usize = 64;
const IDLE_TIME: Duration = Duration::from_secs(90);
/// How long one exchange keeps others from using up the nonces that its proofs want.
const TURN: Duration = Duration::from_secs(2);
/// TCP keep-alive: a peer that vanished is noticed after about a minute and a half (pains.md 30, 31).
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How to reach the remote.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The MCP endpoint.
    pub url: Url,
    /// The user's own headers, values expanded. May hold secrets; marked sensitive. Those that are the protocol's or
    /// the connection's business are passed over.
    pub headers: HeaderMap,
    /// More of them, which are waited for before anything is sent.
    pub late: Option<Late>,
    /// Who gives still more, which win over all others.
    pub command: Option<HeaderCommand>,
    /// The largest body or event accepted, in bytes (`--max-message-size`).
    pub max_message: usize,
    /// TCP and TLS together (`--connect-timeout`).
    pub connect_timeout: Duration,
    /// From the end of a POST to the head of its response (`--headers-timeout`).
    pub headers_timeout: Option<Duration>,
    /// The longest silence within a response (`--body-timeout`).
    pub body_timeout: Option<Duration>,
    /// Whether cookies are kept, in memory, for sticky load balancers (`--disable-cookies`).
    pub keeps_cookies: bool,
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
    client: reqwest::Client,
    settings: Settings,
    host: String,
    /// Whose turn it is to prove something, where that has to be done one by one.
    turn: Mutex<()>,
}

impl Https {
    /// Makes the client; connects to nothing yet.
    ///
    /// # Errors
    /// reqwest refused the settings, a proxy variable above all.
    pub fn new(mut settings: Settings, tls: rustls::ClientConfig) -> Result<Self, reqwest::Error> {
        settings.headers = passed_on(settings.headers);
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.connect_timeout)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIME)
            .tcp_keepalive(KEEP_ALIVE)
            .tcp_nodelay(true)
            .http1_only();
        if settings.keeps_cookies {
            builder = builder.cookie_provider(Arc::new(reqwest::cookie::Jar::default()));
        }
        if settings.ipv4_only {
            builder =
                builder.local_address(std::net::IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED));
        }
        if let Some(silence) = settings.body_timeout {
            builder = builder.read_timeout(silence);
        }
        let host = match (
            settings.url.host_str(),
            settings.url.port_or_known_default(),
        ) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            _ => settings.url.to_string(),
        };
        Ok(Self {
            client: builder.build()?,
            settings,
            host,
            turn: Mutex::default(),
        })
    }

    async fn request(
        &self,
        outgoing: &Outgoing<'_>,
        given: Option<&Given>,
        mut nonce: Option<Box<str>>,
    ) -> Result<reqwest::Response, Fault> {
        let mut url = match outgoing.to {
            None => self.settings.url.clone(),
            Some(endpoint) => self.on_our_origin(endpoint)?,
        };
        for _ in 0..=MAX_REDIRECTS {
            let response = self
                .request_once(outgoing, given, &url, nonce.take())
                .await?;
            let status = response.status();
            if !matches!(
                status,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            ) {
                return Ok(response);
            }
            let target = response
                .headers()
                .get(LOCATION)
                .and_then(|target| target.to_str().ok());
            match target.and_then(|target| url.join(target).ok()) {
                Some(target) if target.origin() == self.settings.url.origin() => url = target,
                _ => {
                    return Err(self.not_mcp("a redirect to another origin, which is not followed"));
                }
            }
        }
        Err(self.not_mcp("too many redirects"))
    }

    async fn request_once(
        &self,
        outgoing: &Outgoing<'_>,
        given: Option<&Given>,
        url: &Url,
        nonce: Option<Box<str>>,
    ) -> Result<reqwest::Response, Fault> {
        let (method, accept) = match outgoing.verb {
            Verb::Post(_) => (Method::POST, BOTH),
            Verb::Get => (Method::GET, EVENTS),
            Verb::Delete => (Method::DELETE, BOTH),
        };
        // The user's first, so that what the protocol needs wins.
        let mut headers = self.settings.headers.clone();
        if let Some(late) = &self.settings.late {
            headers.extend(passed_on(late.headers().await?));
        }
        if let Some(given) = given {
            headers.extend(given.headers().clone());
        }
        headers.insert(ACCEPT, accept);
        for (name, value) in outgoing.headers {
            headers.insert(name, value.clone());
        }
        if let Some(credential) = outgoing.credential {
            let now = (self.settings.now)();
            credential.apply_with(&mut headers, method.as_str(), url, nonce, now);
        }
        note_secrets(&headers);
        let mut request = self.client.request(method, url.clone());
        if let Verb::Post(frame) = outgoing.verb {
            headers.insert(CONTENT_TYPE, JSON);
            request = request.body(frame.text().to_owned());
        }
        let sent = request.headers(headers).send();
        let patience = self
            .settings
            .headers_timeout
            .filter(|_| !matches!(outgoing.verb, Verb::Get));
        let answered = match patience {
            Some(patience) => time::timeout(patience, sent)
                .await
                .map_err(|_| Fault::Silent {
                    host: self.host.clone(),
                    patience,
                })?,
            None => sent.await,
        };
        let response = answered.map_err(|error| self.fault(error))?;
        if let Some(credential) = outgoing.credential {
            credential.learn(url, response.headers(), (self.settings.now)());
        }
        Ok(response)
    }

    /// HTTP+SSE's endpoint: relative or absolute, but never elsewhere (H-17).
    fn on_our_origin(&self, endpoint: &str) -> Result<Url, Fault> {
        match self.settings.url.join(endpoint) {
            Ok(url) if url.origin() == self.settings.url.origin() => Ok(url),
            _ => Err(self.not_mcp("an endpoint on another origin, which is not followed")),
        }
    }

    async fn answer(
        &self,
        outgoing: &Outgoing<'_>,
        response: reqwest::Response,
    ) -> Result<Answer, Fault> {
        let head = head(&response);
        let is_request = match outgoing.verb {
            Verb::Post(frame) => frame.is_request() && outgoing.to.is_none(),
            Verb::Get => true,
            Verb::Delete => false,
        };
        if !is_request || matches!(head.status, 202 | 204) {
            return self.accepted(outgoing, response).await;
        }
        let media_type = media_type(response.headers());
        match media_type.as_str() {
            "text/event-stream" => Ok(Answer::Stream(head, self.events(response))),
            "application/json" => {
                let body = self.body(response, self.settings.max_message).await?;
                let Ok(text) = String::from_utf8(body) else {
                    return Err(self.not_mcp("a body that is not UTF-8"));
                };
                if text.trim().is_empty() {
                    return Ok(Answer::Accepted(head));
                }
                match Parsed::read(&text) {
                    Ok(parsed) => Ok(Answer::Json(head, parsed)),
                    Err(malformed) => Err(self.not_mcp(&format!(
                        "a JSON body that is no message: {}",
                        malformed.reason
                    ))),
                }
            }
            "" => Ok(Answer::Accepted(head)),
            other => {
                let other = crate::frame::printable(other, 100);
                Err(self.not_mcp(&format!("HTTP {} with content type {other}", head.status)))
            }
        }
    }

    async fn body(&self, mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Fault> {
        let too_large = || Fault::TooLarge {
            host: self.host.clone(),
            limit,
        };
        let announced = response.content_length().unwrap_or(0);
        let announced = usize::try_from(announced)
            .ok()
            .filter(|length| *length <= limit)
            .ok_or_else(too_large)?;
        let mut body = Vec::with_capacity(announced);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.fault(error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn events(&self, response: reqwest::Response) -> Events {
        let host = self.host.clone();
        let chunks = response
            .bytes_stream()
            .map(move |chunk: Result<Bytes, reqwest::Error>| {
                chunk.map_err(|error| Fault::Cut {
                    host: host.clone(),
                    why: innermost(error),
                })
            });
        Events::new(chunks.boxed(), self.host.clone(), self.settings.max_message)
    }

    /// The largest message taken, in bytes.
    pub(super) fn max_message(&self) -> usize {
        self.settings.max_message
    }

    /// The wall clock.
    pub(super) fn now(&self) -> SystemTime {
        (self.settings.now)()
    }

    fn fault(&self, error: reqwest::Error) -> Fault {
        let host = self.host.clone();
        // In TLS 1.3 the handshake has ended for us when the server looks at our certificate.
        if let Some(why) = Unwelcome::among(&error) {
            return Fault::Unwelcome { host, why };
        }
        let is_before_sending = error.is_connect() || error.is_builder();
        let why = innermost(error);
        if is_before_sending {
            Fault::Unreachable { host, why }
        } else {
            Fault::Cut { host, why }
        }
    }

    pub(super) fn not_mcp(&self, why: &str) -> Fault {
        Fault::NotMcp {
            host: self.host.clone(),
            why: why.to_owned(),
        }
    }
}

impl Https {
    async fn sent(&self, outgoing: &Outgoing<'_>, given: Option<&Given>) -> Result<Answer, Fault> {
        let mut mended = Mended::default();
        loop {
            let before = outgoing.credential.map(Credential::heard);
            let nonce = mended.nonce();
            let turn = match mended.is_crowded() {
                true => time::timeout(TURN, self.turn.lock()).await.ok(),
                false => None,
            };
            let response = in_turn(turn, self.request(outgoing, given, nonce)).await?;
            let status = response.status();
            if status.is_success() {
                return self.answer(outgoing, response).await;
            }
            let challenge = Challenge::read(status.as_u16(), response.headers());
            let is_unauthorized = status == StatusCode::UNAUTHORIZED;
            let asks_for_more = challenge.error.as_deref() == Some("insufficient_scope");
            let is_short = status == StatusCode::FORBIDDEN && asks_for_more;
            if !is_unauthorized && !is_short {
                return Ok(Answer::Refused(self.refusal(outgoing, response).await));
            }
            let has_challenge = response.headers().contains_key(WWW_AUTHENTICATE);
            tracing::debug!(has_challenge, "challenged");
            // The token is as good as it was: another proof, and nobody else need know (RFC 9449 section 9).
            let is_mended = is_unauthorized
                && outgoing
                    .credential
                    .zip(before)
                    .is_some_and(|(credential, before)| {
                        let (headers, now) = (response.headers(), (self.settings.now)());
                        credential.proves_again(&mut mended, &challenge, &before, headers, now)
                    });
            let _ = time::timeout(Duration::from_secs(1), self.body(response, MAX_REFUSAL)).await;
            if is_mended {
                continue;
            }
            // Another token would want the same proof.
            if outgoing.credential.is_some() && challenge.error.as_deref() == Some(NONCE_WANTED) {
                let host = self.host.clone();
                return Err(Fault::Unproven { host });
            }
            return Ok(Answer::Challenged(challenge));
        }
    }

    /// Sends with what the program gives; a challenge runs it again, once. Whether a challenge is then OAuth's business
    /// depends on what it gave.
    async fn sent_with(
        &self,
        outgoing: &Outgoing<'_>,
        command: &HeaderCommand,
    ) -> Result<Answer, Fault> {
        // Whoever brings an Authorization signs in with that one.
        let with = |given: &Given| Outgoing {
            credential: outgoing.credential.filter(|_| !given.has_authorization()),
            to: outgoing.to,
            verb: outgoing.verb,
            headers: outgoing.headers,
        };
        let mut given = command.headers().await.map_err(Fault::NoHeaders)?;
        let mut answer = self.sent(&with(&given), Some(&given)).await?;
        let is_about_given = given.has_authorization() || outgoing.credential.is_none();
        if let Answer::Challenged(challenge) = &answer
            && challenge.status == StatusCode::UNAUTHORIZED
            && is_about_given
        {
            let newer = command.again(&given).await.map_err(Fault::NoHeaders)?;
            let is_hopeless = newer.is_same_as(&given)
                || !newer.has_authorization() && newer.headers() == given.headers();
            if !is_hopeless {
                answer = self.sent(&with(&newer), Some(&newer)).await?;
                given = newer;
            }
        }
        match answer {
            Answer::Challenged(challenge) if given.has_authorization() => {
                Err(Fault::HeaderRefused(challenge))
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
    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, Fault> {
        match &self.settings.command {
            None => self.sent(&outgoing, None).await,
            Some(command) => self.sent_with(&outgoing, command).await,
        }
    }

    fn is_held_up(&self) -> Option<watch::Receiver<bool>> {
        let command = self.settings.command.as_ref()?;
        Some(command.is_running())
    }
}

/// The user's headers without those that would contradict what is said or how it is framed. Nothing here unpacks a
/// compressed answer, or packs what is sent.
pub(super) fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    let ours: Vec<_> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    if !ours.is_empty() {
        tracing::warn!(names = ?ours, "headers of the user's that mcpipe sets itself are passed over");
    }
    for name in ours {
        headers.remove(name);
    }
    headers
}

fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("mcp-")
        || matches!(
            name,
            "accept"
                | "accept-encoding"
                | "connection"
                | "content-encoding"
                | "content-length"
                | "content-type"
                | "expect"
                | "keep-alive"
                | "last-event-id"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}

/// Whatever proves who the user is may be said back by the server. A proof of possession is good once and never again.
fn note_secrets(headers: &HeaderMap) {
    for (_, value) in headers
        .iter()
        .filter(|(name, value)| value.is_sensitive() && name.as_str() != "dpop")
    {
        live::note_header(&String::from_utf8_lossy(value.as_bytes()));
    }
}

/// Gives the turn back when the answer begins, or before, where a server takes its time.
async fn in_turn<T>(turn: Option<MutexGuard<'_, ()>>, sent: impl Future<Output = T>) -> T {
    let Some(turn) = turn else {
        return sent.await;
    };
    tokio::pin!(sent);
    tokio::select! {
        answered = &mut sent => return answered,
        () = time::sleep(TURN) => drop(turn),
    }
    sent.await
}

/// What went wrong at the bottom, without the address: a query may hold a secret, and the host is named anyway.
fn innermost(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut causes: Vec<String> = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes.pop().unwrap_or_default()
}
