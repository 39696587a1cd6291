//! The memory of a legacy session, so that its requests carry the right headers and so that it can be opened again when
//! the remote has lost it (MCP 2025-11-25, basic/transports).

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::era::headers;
use crate::era::protocol::{MAX_WATCHES, list_changes};
use crate::era::server_info::ServerInfo;
use crate::era::subscriptions;
use crate::era::{Head, HttpError};
use crate::frame::{Frame, Id, member_of};
use crate::secret::Secret;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A legacy session with the remote, open or to be opened again.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The id the remote gave with its `InitializeResult`, if it gave one.
    id: Option<Secret>,
    /// The server has answered `initialize`.
    is_open: bool,
    /// Counts openings, so that a loss reported late is not taken for a loss of the session opened since.
    generation: u64,
    /// The negotiated revision.
    version: Option<String>,
    /// The host's `initialize` parameters, as written.
    params: Option<String>,
    /// The server's declaration when the session was opened last.
    server: ServerInfo,
    /// The last `logging/setLevel`, as a host's request.
    level: Option<Frame>,
    /// The subscribed URIs, each as its JSON text.
    subscriptions: BTreeSet<String>,
}

impl Session {
    /// Forgets everything: the host begins anew with these parameters.
    pub(crate) fn begin(&mut self, initialize: &Frame) {
        *self = Self {
            params: Some(initialize.member("params").unwrap_or("{}").to_owned()),
            generation: self.generation + 1,
            ..Self::default()
        };
    }

    /// Says whether the host has ever sent `initialize`.
    pub(crate) fn has_begun(&self) -> bool {
        self.params.is_some()
    }

    /// Says whether the server has answered `initialize`, and is not known to have lost the session.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Returns the headers for the next request in this session.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(version) = self.version.as_deref().and_then(headers::visible_value) {
            headers.insert(VERSION, version);
        }
        if let Some(id) = self.id.as_ref().and_then(session_header) {
            headers.insert(SESSION, id);
        }
        headers
    }

    /// Returns the opening of the session that a request sent now belongs to; `None` where the remote keeps no session
    /// that it could lose.
    pub(crate) fn named(&self) -> Option<u64> {
        self.id.as_ref().map(|_| self.generation)
    }

    /// Takes what the remote answered to `initialize`.
    pub(crate) fn opened(&mut self, head: &Head, result: &str) {
        self.is_open = true;
        self.id.clone_from(&head.session);
        self.version =
            member_of(result, "protocolVersion").and_then(|text| serde_json::from_str(text).ok());
        self.server = ServerInfo::from_initialize(result);
    }

    /// Forgets the session; what is needed to open it again stays.
    pub(crate) fn lose(&mut self) {
        self.is_open = false;
        self.id = None;
        self.version = None;
        self.generation += 1;
    }

    /// Returns the `initialize` that opens the session again, with the host's own parameters.
    pub(crate) fn initialize_again(&self, id: &Id) -> Frame {
        Frame::request(id, "initialize", self.params.as_deref())
    }

    /// Notes what must be said again in a new session.
    pub(crate) fn remember(&mut self, request: &Frame) {
        match request.method() {
            Some("logging/setLevel") => self.level = Some(request.clone()),
            Some("resources/subscribe") => {
                let uri = request.param("uri").map(str::to_owned);
                if self.subscriptions.len() < MAX_WATCHES {
                    self.subscriptions.extend(uri);
                } else if uri.is_some_and(|uri| !self.subscriptions.contains(&uri)) {
                    tracing::warn!(
                        "more subscriptions than are made again should the session be lost"
                    );
                }
            }
            Some("resources/unsubscribe") => {
                if let Some(uri) = request.param("uri") {
                    self.subscriptions.remove(uri);
                }
            }
            _ => {}
        }
    }

    /// Returns the requests that bring a new session to where the old one was; each needs an id of its own.
    pub(crate) fn restoration(&self) -> Vec<Frame> {
        let level = self.level.iter().cloned();
        let subscriptions = self.subscriptions.iter().map(|uri| {
            let params = format!(r#"{{"uri":{uri}}}"#);
            Frame::request(&Id::ours(0), "resources/subscribe", Some(&params))
        });
        level.chain(subscriptions).collect()
    }

    /// Returns the notifications that make the host look again at what a reopened session offers: its lists, where the
    /// remote announces changes at all, and the resources it watches, whose updates may have been missed.
    pub(crate) fn announcements(&self) -> Vec<Frame> {
        let lists = list_changes()
            .filter(|changes| self.server.announces(*changes))
            .map(|changes| subscriptions::list_changed(changes.list));
        let updates = self.subscriptions.iter();
        let updates = updates.map(|uri| subscriptions::resource_updated(uri));
        lists.chain(updates).collect()
    }
}

fn session_header(id: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(id.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns the headers that end the session this response has opened, if it has.
pub(crate) fn naming(head: &Head) -> Option<HeaderMap> {
    let id = session_header(head.session.as_ref()?)?;
    Some(HeaderMap::from_iter([(SESSION, id)]))
}

/// Says whether a refusal of a request that named a session means that the session is gone: 404 by the rule
/// (MCP 2025-11-25, basic/transports), and the other forms servers really use. Wording decides only where the status
/// alone does not.
pub(crate) fn is_loss(refusal: &HttpError) -> bool {
    match refusal.status {
        404 | 410 => true,
        400 | 503 => sounds_like_loss(refusal),
        _ => false,
    }
}

/// Says whether a refusal that means a lost session may still mean one when a new session has met with it too. An error
/// about something else is then what the server has to say to the request.
pub(crate) fn is_loss_again(refusal: &HttpError) -> bool {
    let is_by_rule = matches!(refusal.status, 404 | 410);
    is_by_rule && (refusal.frame.is_none() || sounds_like_loss(refusal))
}

fn sounds_like_loss(refusal: &HttpError) -> bool {
    let error = refusal
        .frame
        .as_ref()
        .and_then(|frame| frame.member("error"));
    let code = error.and_then(|error| member_of(error, "code"));
    let message = error
        .and_then(|error| member_of(error, "message"))
        .unwrap_or(&refusal.text);
    let message = message.to_ascii_lowercase();
    message.contains("session") && code != Some("-32601")
        || message.contains("not initialized")
        || code == Some("-30001")
}
