//! The MCP server, as the rest of the bridge sees it.
//!
//! [`Remote`] has two implementations, the network ([`https`]) and any other one recorded ([`recording`]); tests have
//! more, a transcript among them. It carries one HTTP
//! exchange at a time and knows nothing of sessions, eras or signing in: headers come from the era's rules, the
//! credential from the authorizer, and what came back is said in the words of [`Answer`].

mod bodies;
pub mod deferred_headers;
mod endpoints;
pub mod header_command;
pub mod header_output;
mod header_rules;
pub mod https;
mod reading;
pub mod recording;
pub mod refusal_text;
mod response_head;
mod scheme;

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::HeaderMap;

use tokio::sync::watch;

use crate::auth::oauth::challenge::Challenge;
use crate::auth::user_key::{Source, UserKey};
use crate::auth::{Cause, Credential, Error as AuthError};
use crate::era::{Head, HttpError};
use crate::frame::{BridgeError, Frame, Parsed};
use crate::sse;
use crate::text::capitalised;
pub use scheme::Speaks;

/// An HTTP request to the remote.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The address; `None` is the configured endpoint. Otherwise what the remote named (HTTP+SSE's `endpoint`), as
    /// written: it is resolved against the configured address and refused on any other origin (MCP 2024-11-05,
    /// basic/transports).
    pub to: Option<&'a str>,
    /// The method, with its body.
    pub verb: Verb<'a>,
    /// The headers that the era's rules add: version, session, `Last-Event-ID`, `Mcp-*`.
    pub headers: &'a HeaderMap,
    /// The proof of who we are.
    pub credential: Option<&'a Credential>,
}

/// The three methods of Streamable HTTP.
#[derive(Clone, Copy, Debug)]
pub enum Verb<'a> {
    /// Posts one message.
    Post(&'a Frame),
    /// Opens or resumes a stream of events.
    Get,
    /// Ends a session.
    Delete,
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// Any 2xx without a message in it (MCP 2025-11-25, basic/transports, asks for 202; servers send others).
    Accepted(Head),
    /// A JSON body.
    Json(Head, Parsed),
    /// A stream of events.
    Stream(Head, Events),
    /// 401, or 403 with `insufficient_scope`: nothing was done, a better credential may help.
    Challenged(Challenge),
    /// Any other 3xx, 4xx, 5xx.
    Refused(HttpError),
}

/// The reason why an exchange did not bring an answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No connection was made, so nothing was processed.
    #[error("cannot connect to {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The innermost causes, without the address.
        why: String,
    },
    /// A server that is there refused the connection: nothing listens on that port, or not yet.
    #[error("cannot connect to {host}: {why}")]
    NotListening {
        /// Host and port.
        host: String,
        /// The innermost cause, without the address.
        why: String,
    },
    /// The server's certificate or its TLS is not to be trusted, so nothing was sent.
    #[error("cannot connect to {host}: {why}")]
    Untrusted {
        /// Host and port.
        host: String,
        /// The fault of the certificate.
        why: crate::tls::untrusted::Untrusted,
    },
    /// No connection was made because a proxy on the way failed.
    #[error("cannot connect to {host}: {failure}")]
    Proxy {
        /// Host and port of the server.
        host: String,
        /// The proxy, and its failure.
        failure: Box<crate::proxy::Failure>,
    },
    /// The connection broke, or went quiet for too long, after the request may have been read.
    #[error("the connection to {host} broke: {why}")]
    Cut {
        /// Host and port.
        host: String,
        /// The innermost causes, without the address.
        why: String,
    },
    /// No response began in good time; the request may have been read.
    #[error("no response from {host} within {} s (--headers-timeout)", patience.as_secs_f64())]
    Silent {
        /// Host and port.
        host: String,
        /// The time for which it was waited for.
        patience: Duration,
    },
    /// The server speaks TLS where the address says http, or the other way round; nothing was processed.
    #[error("the server at {host} speaks {speaks}, and its address says {}", speaks.other().scheme())]
    WrongScheme {
        /// Host and port.
        host: String,
        /// The protocol that the server speaks.
        speaks: Speaks,
    },
    /// A response that is not MCP: HTML, an unreadable body, a message that is none.
    #[error("the server at {host} answered with something that is not MCP: {why}")]
    NotMcp {
        /// Host and port.
        host: String,
        /// The fault of the body.
        why: String,
        /// The head of a page that came in the place of an answer, for the recording. At most 2 KiB, and never shown to the
        /// host.
        head: String,
    },
    /// The server broke the handshake off because of our TLS certificate, or for want of one; nothing was processed.
    #[error("the server at {host} {why}")]
    ClientCertRefused {
        /// Host and port.
        host: String,
        /// The server's words of the certificate.
        why: crate::tls::ClientCertRefused,
    },
    /// A secret that was to go with it is not to be had, so nothing was sent.
    #[error("a header's secret: {why}")]
    HeadersUnavailable {
        /// The obstacle.
        why: String,
        /// The thing to do about it.
        hint: Option<String>,
        /// True where it is the vault that the user has to unlock.
        is_locked: bool,
    },
    /// The program that gives headers gave none, so nothing was sent.
    #[error("the header command: {0}")]
    NoHeaders(header_command::Error),
    /// The `Authorization` of that program's is turned down, and so was the next one.
    #[error("the server refuses the Authorization header that --header-command prints (HTTP {})", .0.status)]
    HeaderRefused(Challenge),
    /// The server wants another nonce in each proof that our token is ours, however often; the token itself it has not
    /// judged.
    #[error(
        "the server at {host} takes no proof for the token (DPoP): each time it asks for another nonce"
    )]
    Unproven {
        /// Host and port.
        host: String,
    },
    /// A body or an event over `--max-message-size`.
    #[error("the server at {host} sent a message of more than {limit} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit, in bytes.
        limit: usize,
    },
}

impl Fault {
    /// Says whether the request certainly never reached the remote.
    pub fn is_before_sending(&self) -> bool {
        self.is_unconnected()
            || matches!(
                self,
                Self::ClientCertRefused { .. }
                    | Self::WrongScheme { .. }
                    | Self::HeadersUnavailable { .. }
                    | Self::NoHeaders(_)
            )
    }

    /// Says whether no connection was made.
    pub fn is_unconnected(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NotListening { .. }
                | Self::Untrusted { .. }
                | Self::Proxy { .. }
        )
    }

    /// The error that answers a request it befell.
    pub fn to_bridge_error(&self) -> BridgeError {
        match self {
            Self::Unreachable { .. } => BridgeError::new("unreachable", format!("{self}."))
                .retryable()
                .hint("Check the address and the network."),
            // Another attempt meets the same certificate.
            Self::Untrusted { why, .. } => {
                BridgeError::new("unreachable", format!("{self}.")).hint(why.hint())
            }
            Self::NotListening { .. } => BridgeError::new("unreachable", format!("{self}."))
                .retryable()
                .hint("Check the address, and that the server runs."),
            Self::Proxy { failure, .. } => BridgeError::new("unreachable", format!("{self}."))
                .retryable()
                .hint(failure.hint()),
            Self::WrongScheme { speaks, .. } => {
                BridgeError::new("unreachable", format!("{self}.")).hint(match speaks {
                    Speaks::Tls => "Begin the address with https://.",
                    Speaks::Plain => {
                        "Begin the address with http://, if it is meant to be unencrypted: on this machine, or with --allow-http."
                    }
                })
            }
            Self::Cut { .. } => {
                BridgeError::new("cut", format!("{self}; the answer is lost.")).retryable()
            }
            Self::Silent { .. } => BridgeError::new("timed_out", format!("{self}.")).retryable(),
            Self::NotMcp { .. } => BridgeError::new("bad_answer", format!("{self}."))
                .hint("Check the address: it has to be the MCP endpoint itself, https://mcp.example.com/mcp for instance."),
            Self::ClientCertRefused { .. } => {
                BridgeError::new("client_certificate", format!("{self}.")).hint(crate::tls::ClientCertRefused::HINT)
            }
            Self::HeadersUnavailable {
                hint, is_locked, ..
            } => {
                let kind = if *is_locked { "vault_locked" } else { "vault" };
                let mut error =
                    BridgeError::new(kind, format!("{}.", capitalised(&self.to_string())));
                error.hint.clone_from(hint);
                error.retryable = *is_locked;
                error
            }
            // Not to be tried again by itself: it may have asked a person.
            Self::NoHeaders(_) => BridgeError::new(
                "header_command",
                format!("{}.", capitalised(&self.to_string())),
            )
            .hint("Run the command of --header-command yourself, with MCPIPE_URL set."),
            Self::HeaderRefused(challenge) => {
                let given = UserKey {
                    header: "Authorization".to_owned(),
                    from: Source::Command,
                };
                let refused = Cause::header_refused(challenge, &given);
                let error = AuthError::new(&"".into(), refused).to_bridge_error();
                error.hint(
                    "check what the program of --header-command prints for Authorization; without one in it, mcpipe signs in with OAuth",
                )
            }
            Self::Unproven { .. } => BridgeError::new("refused", format!("{self}."))
                .retryable()
                .hint("Try again; --dpop off signs in without proofs."),
            Self::TooLarge { .. } => BridgeError::new("too_large", format!("{self}."))
                .hint("--max-message-size raises the limit."),
        }
    }
}

/// An MCP server that frames are sent to.
pub trait Remote: Send + Sync + 'static {
    /// Sends one request and waits for the head of its response, and for the whole body where it is JSON.
    ///
    /// # Errors
    /// See [`Fault`]. HTTP refusals are answers.
    fn send(&self, outgoing: Outgoing<'_>) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// Tells while a request waits for something on this machine before it is sent: no sign of a remote that does not
    /// answer.
    fn is_held_up(&self) -> Option<watch::Receiver<bool>> {
        None
    }
}

/// A stream of events, read as it comes. Dropping it closes the connection.
pub struct Events {
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
    parser: sse::Parser,
    host: String,
    ready: VecDeque<sse::Event>,
    body: Body,
    limit: usize,
}

/// The kind of body that the bytes of a stream turned out to be.
enum Body {
    /// Nothing but white space has come.
    Unknown,
    /// Events.
    Events,
    /// A JSON text, labelled as a stream: no line of a stream begins so. The bytes that have come of it.
    Json(Vec<u8>),
}

impl Events {
    /// Reads events of at most `limit` bytes from chunks that come from `host`.
    pub fn new(
        chunks: BoxStream<'static, Result<Bytes, Fault>>,
        host: String,
        limit: usize,
    ) -> Self {
        use futures_util::StreamExt as _;
        Self {
            // It is read once more after what it ended in.
            chunks: chunks.fuse().boxed(),
            parser: sse::Parser::new(limit),
            host,
            ready: VecDeque::new(),
            body: Body::Unknown,
            limit,
        }
    }

    /// The next event; `None` when the remote closed the stream cleanly. Safe to cancel.
    ///
    /// # Errors
    /// The connection broke, or an event was too large.
    pub async fn next(&mut self) -> Result<Option<sse::Event>, Fault> {
        use futures_util::StreamExt as _;
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.chunks.next().await.transpose()? else {
                return Ok(self.json().or_else(|| self.parser.end()));
            };
            self.take(&chunk)?;
        }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        let start = chunk.trim_ascii_start();
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if let (Body::Unknown, Some(first)) = (&self.body, start.trim_ascii_start().first()) {
            self.body = match first {
                b'{' | b'[' => Body::Json(Vec::new()),
                _ => Body::Events,
            };
        }
        let too_large = Fault::TooLarge {
            host: self.host.clone(),
            limit: self.limit,
        };
        if let Body::Json(text) = &mut self.body {
            if text.len() + chunk.len() > self.limit {
                return Err(too_large);
            }
            text.extend_from_slice(chunk);
            return Ok(());
        }
        let mut events = Vec::new();
        let pushed = self.parser.push(chunk, &mut events);
        pushed.map_err(|_| too_large)?;
        self.ready.extend(events);
        Ok(())
    }

    /// The event that a JSON text in the place of a stream stands for, once it has ended.
    fn json(&mut self) -> Option<sse::Event> {
        let Body::Json(text) = std::mem::replace(&mut self.body, Body::Events) else {
            return None;
        };
        Some(sse::Event {
            data: String::from_utf8_lossy(&text).into_owned(),
            ..sse::Event::default()
        })
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Events")
    }
}
