//! The challenge of a server to a client that has no credential, as a bridge would meet it: for commands that sign in
//! or ask for a token without a request of a host's.
//!
//! Most servers challenge the first request. Some let `initialize` pass and challenge the request after it, so a second
//! request is sent too: scopes are asked for as the challenge says (MCP authorization, "Scope Selection Strategy"), and
//! a command asks for no more than a bridge at the same server.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time;

use crate::auth::oauth::challenge::Challenge;
use crate::era::protocol::{META_CAPABILITIES, META_CLIENT, META_VERSION, MODERN, NEWEST_LEGACY};
use crate::era::{Head, HttpError};
use crate::frame::{Frame, Id};
use crate::remote::https::Https;
use crate::remote::{Answer, Outgoing, Remote as _, TransportError, Verb};

/// The server's reaction to a request without a credential.
pub(super) enum Greeting {
    /// A challenge: the server wants a credential.
    Challenged(Challenge),
    /// A refusal with this status, and without a challenge.
    Refused(u16),
    /// 404 or 405, and nothing that an MCP server would say in any other protocol: no server is there.
    Absent(u16),
    /// An answer: the server wants no credential.
    Answered,
}

impl Greeting {
    /// Returns the challenge, if there was one.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        match self {
            Self::Challenged(challenge) => Some(challenge.clone()),
            Self::Refused(_) | Self::Absent(_) | Self::Answered => None,
        }
    }
}

/// Returns the server's challenge to requests without a credential, if there is one.
pub(super) async fn challenge(remote: &Https) -> Result<Option<Challenge>, TransportError> {
    Ok(greeting(remote).await?.challenge())
}

/// Returns the challenge to the first request alone. The challenge says where the metadata are, and an import needs no
/// more.
pub(super) async fn first_challenge(remote: &Https) -> Result<Option<Challenge>, TransportError> {
    let initialize = initialize();
    match sent(remote, &initialize, &HeaderMap::new()).await {
        Ok(Answer::Challenged(challenge)) => Ok(Some(challenge)),
        Ok(_) | Err(TransportError::NotMcp { .. } | TransportError::TooLarge { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Sends `initialize`, and where the server lets that pass, a request for the list of tools.
pub(super) async fn greeting(remote: &Https) -> Result<Greeting, TransportError> {
    let initialize = initialize();
    let (greeting, further) = match sent(remote, &initialize, &HeaderMap::new()).await {
        Ok(Answer::Challenged(challenge)) => return Ok(Greeting::Challenged(challenge)),
        Ok(Answer::Refused(refusal)) => return Ok(refused(remote, &refusal).await),
        Ok(Answer::Accepted(head) | Answer::Json(head, _) | Answer::Stream(head, _)) => {
            (Greeting::Answered, legacy_list(remote, head).await)
        }
        // The server speaks another era, or no MCP; neither says anything about signing in.
        Err(TransportError::NotMcp { .. } | TransportError::TooLarge { .. }) => {
            (Greeting::Answered, None)
        }
        Err(fault) => return Err(fault),
    };
    Ok(further.map_or(greeting, Greeting::Challenged))
}

/// Goes on after a refusal of `initialize`. A modern server does not know that request and would know the next one, and a
/// server of HTTP+SSE (2024-11-05) takes no POST there.
async fn refused(remote: &Https, refusal: &HttpError) -> Greeting {
    let is_server = match modern_list(remote).await {
        Ok(Answer::Challenged(challenge)) => return Greeting::Challenged(challenge),
        Ok(Answer::Refused(other)) => other.frame.is_some(),
        Ok(Answer::Accepted(_) | Answer::Json(..) | Answer::Stream(..)) => true,
        Err(_) => false,
    };
    if is_server || !is_absence(refusal) {
        return Greeting::Refused(refusal.status);
    }
    let outgoing = Outgoing {
        to: None,
        verb: Verb::Get,
        headers: &HeaderMap::new(),
        credential: None,
        progress: None,
    };
    match time::timeout(STREAM_PATIENCE, remote.send(outgoing)).await {
        Ok(Ok(Answer::Challenged(challenge))) => Greeting::Challenged(challenge),
        Ok(Ok(Answer::Stream(..))) => Greeting::Answered,
        _ => Greeting::Absent(refusal.status),
    }
}

/// Says whether this is the answer of an address without an MCP server.
fn is_absence(refusal: &HttpError) -> bool {
    matches!(refusal.status, 404 | 405) && refusal.frame.is_none() && refusal.redirect.is_none()
}

/// The time that the stream of HTTP+SSE may take to be opened.
const STREAM_PATIENCE: Duration = Duration::from_secs(10);

fn initialize() -> Frame {
    let params = format!(
        r#"{{"protocolVersion":"{NEWEST_LEGACY}","capabilities":{{}},"clientInfo":{{"name":"mcpipe","version":"0"}}}}"#
    );
    Frame::request(&Id::ours(1), "initialize", Some(&params))
}

/// Asks for the list of tools in a session, which is ended afterwards; returns the challenge.
async fn legacy_list(remote: &Https, head: Head) -> Option<Challenge> {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static(NEWEST_LEGACY));
    if let Some(session) = &head.session {
        let mut session = HeaderValue::try_from(session.expose()).ok()?;
        session.set_sensitive(true);
        headers.insert(SESSION, session);
    }
    let initialized = Frame::notification("notifications/initialized", None);
    let list = Frame::request(&Id::ours(2), "tools/list", None);
    let mut found = None;
    for frame in [&initialized, &list] {
        if let Ok(Answer::Challenged(challenge)) = sent(remote, frame, &headers).await {
            found = Some(challenge);
            break;
        }
    }
    if head.session.is_some() {
        let outgoing = Outgoing {
            to: None,
            verb: Verb::Delete,
            headers: &headers,
            credential: None,
            progress: None,
        };
        let ended = remote.send(outgoing).await;
        tracing::debug!(is_ended = ended.is_ok(), "the session of the probe");
    }
    found
}

/// Asks a modern server, which has no sessions, for the list of tools.
async fn modern_list(remote: &Https) -> Result<Answer, TransportError> {
    let params = format!(
        r#"{{"_meta":{{"{META_VERSION}":"{MODERN}","{META_CLIENT}":{{"name":"mcpipe","version":"0"}},"{META_CAPABILITIES}":{{}}}}}}"#
    );
    let list = Frame::request(&Id::ours(2), "tools/list", Some(&params));
    let headers = HeaderMap::from_iter([
        (VERSION, HeaderValue::from_static(MODERN)),
        (METHOD, HeaderValue::from_static("tools/list")),
    ]);
    sent(remote, &list, &headers).await
}

async fn sent(
    remote: &Https,
    frame: &Frame,
    headers: &HeaderMap,
) -> Result<Answer, TransportError> {
    let outgoing = Outgoing {
        to: None,
        verb: Verb::Post(frame),
        headers,
        credential: None,
        progress: None,
    };
    remote.send(outgoing).await
}

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
