//! The early answer to a host whose `initialize` must wait for a user to sign in.
//!
//! Hosts give up on `initialize` after half a minute to a minute, and a user looking for a password takes longer
//! (punkpeye/mcp-remote#320). So the host gets the server's identity from an earlier time, or as little as a handshake
//! needs; the real `initialize` goes on waiting with the host's own parameters, and when it is answered the lists are
//! announced as changed. If it fails, the bridge sends it again, unseen, before the next frame of the host.
//!
//! Decides; sends nothing and reads no clock.

use serde_json::{Value, json};

use crate::era::protocol::{ListChanges, META_VERSION, NEWEST_LEGACY, is_legacy, list_changes};
use crate::frame::{Frame, Id, Malformed, Outline, member_of, takes_batches};

/// The instructions of an answer that is none of the server's, while the vault is locked.
const LOCKED: &str =
    "The vault is locked; what this server offers is known after `mcpipe vault unlock`.";
/// The same during a sign-in.
const SIGNING_IN: &str = "A sign-in is going on; what this server offers is known when it is done.";

/// Returns the instructions of an answer that is none of the server's.
pub(super) fn instructions(is_locked: bool) -> &'static str {
    match is_locked {
        true => LOCKED,
        false => SIGNING_IN,
    }
}

/// Says whether a text is the bridge's own in the place of a server's instructions.
pub(super) fn is_own(instructions: &str) -> bool {
    [LOCKED, SIGNING_IN].contains(&instructions)
}

/// The handshake of one host.
#[derive(Debug, Default)]
pub(super) struct EarlyInitialize {
    initialize: Option<Frame>,
    /// The server's identity from an earlier time.
    remembered: Option<Value>,
    /// The server's host name, for a server that is not remembered.
    server: String,
    state: HandshakeState,
    /// The revision that the host has been told, or has named itself.
    revision: Option<String>,
    /// The lists that the server has, as the host was told.
    lists: Vec<&'static str>,
    /// True where the user has to open the vault.
    is_locked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HandshakeState {
    /// No early answer: `initialize` has not come yet, or the server answered it.
    #[default]
    Ordinary,
    /// The host waits for the answer.
    Asked,
    /// The host has our answer, and the server's is still to come.
    AnsweredEarly,
    /// The host has our answer, and the server has refused.
    Failed,
}

impl EarlyInitialize {
    pub(super) fn new(server: String, remembered: Option<Value>) -> Self {
        Self {
            server,
            remembered,
            ..Self::default()
        }
    }

    /// Looks at a frame from the host. Returns the frames to send to the server before it: the handshake again, if the
    /// server refused it unseen by the host.
    pub(super) fn on_host_message(&mut self, frame: &Frame) -> Vec<Frame> {
        self.revision = named_by(frame).or(self.revision.take());
        match frame.outline() {
            Outline::Request { method, .. } if &**method == "initialize" => {
                self.initialize = Some(frame.clone());
                self.state = HandshakeState::Asked;
                Vec::new()
            }
            Outline::Request { .. } => self.replay(),
            _ => Vec::new(),
        }
    }

    /// Returns the handshake for a session that could not be opened before; nothing in every other state.
    pub(super) fn replay(&mut self) -> Vec<Frame> {
        match (&self.initialize, self.state) {
            (Some(initialize), HandshakeState::Failed) => {
                self.state = HandshakeState::AnsweredEarly;
                let initialized = Frame::notification("notifications/initialized", None);
                vec![initialize.clone(), initialized]
            }
            _ => Vec::new(),
        }
    }

    /// Says whether the host waits for an answer that needs a user first.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == HandshakeState::Asked
    }

    /// Returns the answer that need not wait, in the host's own revision. `is_locked` names the obstacle: the vault, or
    /// a sign-in.
    pub(super) fn early_result(&mut self, is_locked: bool) -> Option<Frame> {
        let initialize = self
            .initialize
            .as_ref()
            .filter(|_| self.state == HandshakeState::Asked)?;
        let id = initialize.id()?;
        let asked: Option<String> = initialize
            .param("protocolVersion")
            .and_then(|text| serde_json::from_str(text).ok())
            .filter(|version: &String| is_legacy(version));
        let list = json!({ "listChanged": true });
        let mut result = self
            .remembered
            .clone()
            .filter(Value::is_object)
            .unwrap_or_else(|| {
                json!({
                    "capabilities": { "tools": list, "prompts": list, "resources": list },
                    "serverInfo": { "name": self.server, "version": "0" },
                    "instructions": instructions(is_locked),
                })
            });
        if let Some(members) = result.as_object_mut() {
            let version = asked.as_deref().unwrap_or(NEWEST_LEGACY);
            members.insert("protocolVersion".into(), version.into());
            self.revision = Some(version.to_owned());
        }
        self.state = HandshakeState::AnsweredEarly;
        Some(Frame::result(id, &result.to_string()))
    }

    /// Looks at an answer on its way to the host. Returns the frames that the host gets instead of a handshake it
    /// already has: notifications that the lists have changed.
    pub(super) fn on_server_message(&mut self, frame: &Frame) -> Vec<Frame> {
        if !self.is_handshake(frame) {
            return Vec::new();
        }
        let result = frame.member("result");
        if self.state != HandshakeState::AnsweredEarly {
            let version = result.and_then(|result| member_of(result, "protocolVersion"));
            let version = version.and_then(|text| serde_json::from_str(text).ok());
            self.revision = version.or(self.revision.take());
        }
        match (self.state, result) {
            (HandshakeState::AnsweredEarly, Some(result)) => {
                self.state = HandshakeState::Ordinary;
                self.lists = lists_of(result);
                self.news()
            }
            (HandshakeState::AnsweredEarly, None) => {
                self.state = HandshakeState::Failed;
                Vec::new()
            }
            (HandshakeState::Asked, result) => {
                self.state = HandshakeState::Ordinary;
                self.lists = result.map(lists_of).unwrap_or_default();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Notes that a user is waited for; `is_locked` says that the user has to open the vault.
    pub(super) fn waits(&mut self, is_locked: bool) {
        self.is_locked = is_locked;
    }

    /// Notes that a user is waited for no longer. Returns the notifications for the host if the vault was unlocked:
    /// earlier requests may have been refused, so the lists are announced. A handshake that is still to come announces
    /// them itself.
    pub(super) fn unlocked(&mut self) -> Vec<Frame> {
        let was_locked = std::mem::take(&mut self.is_locked);
        match was_locked && self.state == HandshakeState::Ordinary {
            true => self.news(),
            false => Vec::new(),
        }
    }

    fn news(&self) -> Vec<Frame> {
        let news = |name| Frame::notification(&format!("notifications/{name}/list_changed"), None);
        self.lists.iter().map(news).collect()
    }

    /// Returns the revision in which the host may not send several messages in one array. Before a revision is agreed
    /// on, the host may: its revision is not known.
    pub(super) fn without_batches(&self, members: &[Result<Frame, Malformed>]) -> Option<String> {
        let named = members.iter().flatten().find_map(named_by);
        let revision = named.or_else(|| self.revision.clone());
        revision.filter(|revision| !takes_batches(revision))
    }

    /// Returns the server's identity, if this answer holds it: worth remembering for the next time.
    pub(super) fn identity(&self, frame: &Frame) -> Option<Value> {
        // Of other answers, which may be large and in parts, the result is not asked for.
        let answer = Some(frame).filter(|frame| self.is_handshake(frame))?;
        serde_json::from_str(answer.member("result")?).ok()
    }

    /// Says whether the next answer of [`Self::early_result`] holds the server's identity from an earlier time.
    pub(super) fn is_remembered(&self) -> bool {
        self.remembered.as_ref().is_some_and(Value::is_object)
    }

    /// Says whether this answers the host's `initialize`.
    pub(super) fn is_handshake(&self, frame: &Frame) -> bool {
        let id = self.initialize.as_ref().and_then(Frame::id);
        frame.is_response() && id.is_some() && frame.id().map(Id::text) == id.map(Id::text)
    }
}

/// Returns the lists of a server, by its answer to `initialize`. An extension has one where it declares that the list
/// changes.
fn lists_of(result: &str) -> Vec<&'static str> {
    let capabilities = member_of(result, "capabilities").unwrap_or("{}");
    let has = |changes: &ListChanges| {
        let settings = changes.settings(|name| member_of(capabilities, name));
        settings.is_some_and(|settings| {
            changes.extension.is_none() || member_of(settings, "listChanged") == Some("true")
        })
    };
    let lists = list_changes().filter(has);
    lists.map(|changes| changes.list).collect()
}

/// Returns the revision that a request of a modern host names (MCP 2026-07-28, basic).
fn named_by(frame: &Frame) -> Option<String> {
    let version = member_of(frame.param("_meta")?, META_VERSION)?;
    serde_json::from_str(version).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initialize() -> Frame {
        let params = r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#;
        Frame::request(&Id::parse("0").unwrap(), "initialize", Some(params))
    }

    fn answer(result: &str) -> Frame {
        Frame::result(&Id::parse("0").unwrap(), result)
    }

    #[test]
    fn a_host_is_received_in_its_own_revision_with_what_is_remembered() {
        let remembered = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "3"}});
        let mut early_initialize = EarlyInitialize::new("mcp.example.com".into(), Some(remembered));
        assert!(early_initialize.on_host_message(&initialize()).is_empty());
        assert!(early_initialize.is_waiting());
        let received: Value =
            serde_json::from_str(early_initialize.early_result(false).unwrap().text()).unwrap();
        assert_eq!(received["id"], 0);
        assert_eq!(received["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(received["result"]["serverInfo"]["name"], "x");
        assert!(early_initialize.early_result(false).is_none());
    }

    #[test]
    fn the_late_answer_becomes_an_announcement_of_what_there_is() {
        let mut early_initialize = EarlyInitialize::default();
        early_initialize.on_host_message(&initialize());
        early_initialize.early_result(false).unwrap();
        let told = early_initialize
            .on_server_message(&answer(r#"{"capabilities":{"tools":{},"prompts":{},"extensions":{"io.modelcontextprotocol/events":{"listChanged":true}}}}"#));
        let methods: Vec<_> = told.iter().filter_map(Frame::method).collect();
        assert_eq!(
            methods,
            [
                "notifications/tools/list_changed",
                "notifications/prompts/list_changed",
                "notifications/events/list_changed"
            ]
        );
        assert!(
            early_initialize
                .on_host_message(&Frame::request(&Id::ours(1), "tools/list", None))
                .is_empty()
        );
    }

    #[test]
    fn a_handshake_that_failed_is_said_again_before_the_next_request() {
        let mut early_initialize = EarlyInitialize::default();
        early_initialize.on_host_message(&initialize());
        early_initialize.early_result(false).unwrap();
        let refused = Frame::error(Some(&Id::parse("0").unwrap()), -32603, "no", None);
        assert!(early_initialize.on_server_message(&refused).is_empty());
        let first =
            early_initialize.on_host_message(&Frame::request(&Id::ours(1), "tools/list", None));
        let methods: Vec<_> = first.iter().filter_map(Frame::method).collect();
        assert_eq!(methods, ["initialize", "notifications/initialized"]);
        assert!(early_initialize.replay().is_empty());
    }

    #[test]
    fn an_answer_in_good_time_is_nobodys_business() {
        let mut early_initialize = EarlyInitialize::default();
        early_initialize.on_host_message(&initialize());
        assert!(
            early_initialize
                .on_server_message(&answer(r#"{"capabilities":{"tools":{}}}"#))
                .is_empty()
        );
        assert!(!early_initialize.is_waiting());
        assert!(early_initialize.early_result(false).is_none());
    }
}
