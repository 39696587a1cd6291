//! The capabilities and the identity of a server, as it declares them itself.
//!
//! Read from an `InitializeResult` (MCP 2025-11-25, basic/lifecycle) or a `DiscoverResult` (MCP 2026-07-28,
//! server/discover). Each pair writes its own answer from them; unknown members survive as text.

use super::protocol::{META_SERVER, TASKS};
use crate::frame::{Object, member_of};

/// A server's declaration of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerInfo {
    /// `serverInfo` as JSON text.
    pub(super) identity: Option<String>,
    pub(super) capabilities: Object,
    /// As JSON text.
    pub(super) instructions: Option<String>,
}

impl ServerInfo {
    /// Reads the result of `initialize`. Tasks of 2025-11-25 are left out: no pair passes them on.
    pub(super) fn from_initialize(result: &str) -> Self {
        let text = |name| member_of(result, name).map(str::to_owned);
        let mut capabilities =
            Object::read(&text("capabilities").unwrap_or_default()).unwrap_or_default();
        capabilities.remove("tasks");
        capabilities.edit("extensions", |extensions| {
            extensions.remove(TASKS);
        });
        Self {
            identity: text("serverInfo"),
            capabilities,
            instructions: text("instructions"),
        }
    }

    /// Reads the result of `server/discover`.
    pub(super) fn from_discover(result: &str) -> Self {
        let result = Object::read(result).unwrap_or_default();
        let meta = result.get("_meta").and_then(Object::read);
        let identity = meta.as_ref().and_then(|meta| meta.get(META_SERVER));
        let identity = identity.or_else(|| result.get("serverInfo"));
        let capabilities = result.get("capabilities").and_then(Object::read);
        Self {
            identity: identity.map(str::to_owned),
            capabilities: capabilities.unwrap_or_default(),
            instructions: result.get("instructions").map(str::to_owned),
        }
    }

    pub(super) fn has_logging(&self) -> bool {
        self.capabilities.get("logging").is_some()
    }

    pub(super) fn has_tasks(&self) -> bool {
        let extensions = self.capabilities.get("extensions").and_then(Object::read);
        extensions.is_some_and(|extensions| extensions.get(TASKS).is_some())
    }

    /// Says whether the server announces changes of a list (`tools`, `prompts`, `resources`).
    pub(super) fn announces(&self, list: &str) -> bool {
        self.has(list, "listChanged")
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
