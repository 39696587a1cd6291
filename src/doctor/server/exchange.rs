//! One question to the server, and everything that comes back: status, fields, body, and the redirects on the way.
//!
//! Nothing is repeated, and no user is asked. A redirect is followed on the same origin and from http to https only, so that
//! no header of the user's and no token reaches another place; the client verifies TLS before it sends.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use tokio::time;
use url::Url;

use crate::content_coding;
use crate::doctor::context::Context;
use crate::http_fields::media_type;
use crate::redirect::{self, followed, is_upgrade};
use crate::remote::client::{self, Client, Options};
use crate::secret::Secret;
use crate::sse::Parser;

/// Returns the time for the head of an answer, and for its body after that.
pub(super) fn patience(context: &Context) -> Duration {
    let limit = context.target.https.headers_timeout;
    limit.map_or(PATIENCE, |limit| limit.min(PATIENCE))
}

/// The longest time for an answer: a person waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// The bytes of a body that are read.
const MOST: usize = 1024 * 1024;
/// The redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// The identity that a question is asked with.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// Nothing of the user's.
    Nobody,
    /// The headers that the user configures.
    Headers(HeaderMap),
    /// The stored sign-in, and those headers beside it.
    Token(Secret, HeaderMap),
}

impl Identity {
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Nobody => "without a sign-in",
            Self::Headers(_) => "with the configured headers",
            Self::Token(..) => "with the stored sign-in",
        }
    }
}

/// A question.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    /// The body of a POST; without one it is a GET, or a DELETE.
    pub(super) body: Option<Value>,
    pub(super) is_delete: bool,
    /// Fields of the protocol.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The address that answered.
    pub(super) at: Url,
    pub(super) body: String,
    /// The JSON-RPC message that answers, or an event of the old transport.
    pub(super) message: Option<Value>,
    /// The address for messages that the old transport's stream names.
    pub(super) endpoint: Option<String>,
    pub(super) hops: Vec<Hop>,
    pub(super) stop: Option<Stop>,
    pub(super) received: SystemTime,
    /// The body has not ended.
    pub(super) is_unended: bool,
    pub(super) is_broken: bool,
}

/// A redirect.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) status: u16,
    pub(super) to: Url,
}

/// The reason why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Another origin.
    Elsewhere,
    /// 301, 302 and 303 make a GET of a POST.
    LosesPost,
    /// Too many.
    Loop,
}

/// The reason why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Client(client::Error),
    Silent,
    Setup,
}

/// The client of the checks.
#[derive(Debug)]
pub(super) struct Prober {
    client: Client,
    url: Url,
    now: fn() -> SystemTime,
    /// The time for the head of an answer, and for its body after that.
    pub(super) patience: Duration,
}

impl Prober {
    pub(super) fn new(context: &Context) -> Option<Self> {
        let https = &context.target.https;
        let options = Options {
            proxies: https.proxies.clone(),
            user_agent: &https.user_agent,
            connect_timeout: https.connect_timeout.min(PATIENCE),
            silence: None,
            keeps_cookies: https.keeps_cookies,
            ipv4_only: https.ipv4_only,
        };
        Some(Self {
            client: Client::new(options, context.target.tls.clone()).ok()?,
            url: https.url.clone(),
            now: context.now,
            patience: patience(context),
        })
    }

    pub(super) async fn ask(
        &self,
        question: &Question,
        identity: &Identity,
    ) -> Result<Exchange, Failure> {
        let (mut at, mut hops) = (self.url.clone(), Vec::new());
        loop {
            let response = self.sent(&at, question, identity).await?;
            let status = response.status.as_u16();
            let to = match status {
                301..=303 | 307 | 308 => redirect::target(&at, &response.headers),
                _ => None,
            };
            let Some(to) = to else {
                return Ok(self.read(response, at, hops, None, question).await);
            };
            let next = followed(&at, &to);
            hops.push(Hop { status, to });
            let is_post = question.body.is_some();
            let stop = match &next {
                None => Some(Stop::Elsewhere),
                Some(_) if hops.len() > MAX_REDIRECTS => Some(Stop::Loop),
                Some(next) if is_post && status < 307 && !is_same_with_tls(&at, next) => {
                    Some(Stop::LosesPost)
                }
                Some(_) => None,
            };
            match (stop, next) {
                (None, Some(next)) => at = next,
                (stop, _) => return Ok(self.read(response, at, hops, stop, question).await),
            }
        }
    }

    async fn sent(
        &self,
        at: &Url,
        question: &Question,
        identity: &Identity,
    ) -> Result<client::Response, Failure> {
        let mut headers = HeaderMap::new();
        // Checked once more where it is added: what the client verifies is the place that it is sent to.
        let is_home = at.origin() == self.url.origin() || is_upgrade(&self.url, at);
        match identity {
            Identity::Headers(own) if is_home => headers.extend(own.clone()),
            Identity::Token(token, own) if is_home => {
                headers.extend(own.clone());
                let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
                let mut value = value.map_err(|_| Failure::Setup)?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            _ => {}
        }
        headers.insert(ACCEPT_ENCODING, content_coding::IDENTITY);
        for (name, value) in &question.fields {
            let value = HeaderValue::try_from(value).map_err(|_| Failure::Setup)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let (method, accept, body) = match &question.body {
            Some(body) => (
                Method::POST,
                "application/json, text/event-stream",
                Bytes::from(body.to_string()),
            ),
            None if question.is_delete => (Method::DELETE, "*/*", Bytes::new()),
            None => (Method::GET, "text/event-stream", Bytes::new()),
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if question.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let sending = self.client.send(method, at, headers, body, None);
        match time::timeout(self.patience, sending).await {
            Ok(sent) => sent.map_err(Failure::Client),
            Err(_) => Err(Failure::Silent),
        }
    }

    async fn read(
        &self,
        response: client::Response,
        at: Url,
        hops: Vec<Hop>,
        stop: Option<Stop>,
        question: &Question,
    ) -> Exchange {
        let mut exchange = Exchange {
            status: response.status.as_u16(),
            headers: response.headers,
            at,
            body: String::new(),
            message: None,
            endpoint: None,
            hops,
            stop,
            received: (self.now)(),
            is_unended: false,
            is_broken: false,
        };
        let is_stream = media_type(&exchange.headers) == "text/event-stream";
        let mut pieces = content_coding::pieces(&exchange.headers, response.body);
        let (mut body, mut parser) = (Vec::new(), Parser::new(MOST));
        let reading = async {
            while let Some(piece) = pieces.next().await {
                let Ok(piece) = piece else {
                    return (false, true);
                };
                body.extend_from_slice(&piece);
                if is_stream {
                    let mut events = Vec::new();
                    let _ = parser.push(&piece, &mut events);
                    for event in events {
                        if event.kind.as_deref() == Some("endpoint") && question.body.is_none() {
                            exchange.endpoint = Some(event.data);
                            return (true, false);
                        }
                        let message = serde_json::from_str(&event.data).ok();
                        if let Some(message) = message.filter(|it| answers(it, question)) {
                            exchange.message = Some(message);
                            return (true, false);
                        }
                    }
                }
                if body.len() > MOST {
                    return (true, false);
                }
            }
            (false, false)
        };
        let read = time::timeout(self.patience, reading).await;
        (exchange.is_unended, exchange.is_broken) = read.unwrap_or((true, false));
        exchange.body = String::from_utf8_lossy(&body).into_owned();
        if exchange.message.is_none() && !is_stream {
            let text = crate::text::without_mark(&exchange.body);
            let message = serde_json::from_str(text).ok();
            exchange.message = message.filter(|it| answers(it, question));
        }
        exchange
    }
}

fn is_same_with_tls(from: &Url, to: &Url) -> bool {
    is_upgrade(from, to) && (from.path(), from.query()) == (to.path(), to.query())
}

/// Says whether a message is the answer: a result or an error.
fn answers(message: &Value, question: &Question) -> bool {
    let asked = question.body.as_ref().and_then(|body| body.get("id"));
    let is_answer =
        message.get("result").is_some() || message.get("error").is_some_and(Value::is_object);
    let id = message.get("id");
    is_answer && (id == asked || id.is_none_or(Value::is_null))
}

impl Exchange {
    pub(super) fn result(&self) -> Option<&Value> {
        let is_success = (200..300).contains(&self.status);
        self.message.as_ref()?.get("result").filter(|_| is_success)
    }

    /// The code and the words of a JSON-RPC error.
    pub(super) fn error(&self) -> Option<(i64, String)> {
        let error = self.message.as_ref()?.get("error")?;
        let code = error
            .get("code")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        let words = error.get("message").and_then(Value::as_str);
        Some((code, crate::text::printable(words.unwrap_or_default(), 300)))
    }

    pub(super) fn is_page(&self) -> bool {
        let start: String = self.body.trim_start().chars().take(15).collect();
        let start = start.to_ascii_lowercase();
        media_type(&self.headers) == "text/html"
            || start.starts_with("<!doctype html")
            || start.starts_with("<html")
    }
}
