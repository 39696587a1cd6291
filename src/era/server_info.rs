//! The capabilities and the identity of a server, as it declares them itself.
//!
//! Read from an `InitializeResult` (MCP 2025-11-25, basic/lifecycle) or a `DiscoverResult` (MCP 2026-07-28,
//! server/discover). Each pair writes its own answer from them; unknown members survive as text.

use super::protocol::{ListChanges, META_SERVER, MODERN, TASKS, newest_modern_of};
use crate::frame::{Object, member_of};

/// A server's declaration of itself.
#[derive(Clone, Debug)]
pub(super) struct ServerInfo {
    /// The newest modern revision that both the server and mcpipe speak.
    pub(super) revision: &'static str,
    /// `serverInfo` as JSON text.
    pub(super) identity: Option<String>,
    pub(super) capabilities: Object,
    /// As JSON text.
    pub(super) instructions: Option<String>,
    /// Tools may be called as tasks of 2025-11-25.
    pub(super) calls_as_tasks: bool,
}

impl Default for ServerInfo {
    fn default() -> Self {
        Self {
            revision: MODERN,
            identity: None,
            capabilities: Object::default(),
            instructions: None,
            calls_as_tasks: false,
        }
    }
}

/// Takes one extension out of capabilities; the others, and an empty object, stay as they are.
pub(super) fn without_extension(capabilities: &mut Object, id: &str) {
    let extensions = capabilities.get("extensions");
    if extensions.is_some_and(|extensions| member_of(extensions, id).is_some()) {
        capabilities.edit("extensions", |extensions| {
            extensions.remove(id);
        });
    }
}

impl ServerInfo {
    /// Reads the result of `initialize`. The capabilities leave tasks of 2025-11-25 out: no pair passes them on.
    pub(super) fn from_initialize(result: &str) -> Self {
        let text = |name| member_of(result, name).map(str::to_owned);
        let mut capabilities =
            Object::read(&text("capabilities").unwrap_or_default()).unwrap_or_default();
        let tasks = capabilities.remove("tasks").unwrap_or_default();
        let calls = ["requests", "tools", "call"]
            .iter()
            .try_fold(&*tasks, |inner, name| member_of(inner, name));
        let calls_as_tasks = calls.is_some();
        without_extension(&mut capabilities, TASKS);
        Self {
            revision: MODERN,
            identity: text("serverInfo"),
            capabilities,
            instructions: text("instructions"),
            calls_as_tasks,
        }
    }

    /// Reads the result of `server/discover`.
    pub(super) fn from_discover(result: &str) -> Self {
        let result = Object::read(result).unwrap_or_default();
        let meta = result.get("_meta").and_then(Object::read);
        let identity = meta.as_ref().and_then(|meta| meta.get(META_SERVER));
        let identity = identity.or_else(|| result.get("serverInfo"));
        let capabilities = result.get("capabilities").and_then(Object::read);
        let named = result.get("supportedVersions");
        let named: Option<Vec<String>> = named.and_then(|named| serde_json::from_str(named).ok());
        Self {
            revision: newest_modern_of(&named.unwrap_or_default()).unwrap_or(MODERN),
            identity: identity.map(str::to_owned),
            capabilities: capabilities.unwrap_or_default(),
            instructions: result.get("instructions").map(str::to_owned),
            calls_as_tasks: false,
        }
    }

    pub(super) fn has_logging(&self) -> bool {
        self.capabilities.get("logging").is_some()
    }

    pub(super) fn has_tasks(&self) -> bool {
        let extensions = self.capabilities.get("extensions").and_then(Object::read);
        extensions.is_some_and(|extensions| extensions.get(TASKS).is_some())
    }

    /// Says whether the server announces changes of a list.
    pub(super) fn announces(&self, changes: ListChanges) -> bool {
        let settings = changes.settings(|name| self.capabilities.get(name));
        settings.and_then(|settings| member_of(settings, "listChanged")) == Some("true")
    }

    /// Says whether the server tells of changes of single resources.
    pub(super) fn takes_subscriptions(&self) -> bool {
        self.has("resources", "subscribe")
    }

    fn has(&self, capability: &str, part: &str) -> bool {
        let parts = self.capabilities.get(capability).and_then(Object::read);
        parts.is_some_and(|parts| parts.get(part) == Some("true"))
    }
}
