//! The handshake that a modern server does not have: its result for the host, the host's declaration for the server.

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use serde_json::json;

use crate::era::protocol::{
    META_CAPABILITIES, META_CLIENT, META_LEVEL, META_SUBSCRIPTION, META_VERSION, MODERN,
    NEWEST_LEGACY, TASKS, is_legacy, list_changes,
};
use crate::era::server_info::{ServerInfo, without_extension};
use crate::frame::{Frame, Object, string};

/// The host's declaration of itself.
#[derive(Debug, Default)]
pub(super) struct HostInfo {
    /// The revision agreed on.
    pub(super) version: String,
    info: String,
    capabilities: Object,
    /// The capabilities as they are declared to the server, without and with mcpipe's own, once they have been.
    declared: [OnceLock<String>; 2],
}

/// Returns the `_meta` under which the remote is asked what it is on behalf of this host, which declares as much there
/// as on any other request (MCP 2026-07-28, basic).
pub(in crate::era) fn declared(initialize: &Frame) -> Object {
    let mut meta = Object::default();
    HostInfo::read(initialize).sign(&mut meta, MODERN, None, false);
    meta
}

impl HostInfo {
    pub(super) fn read(initialize: &Frame) -> Self {
        let asked = initialize.param("protocolVersion").and_then(string);
        let version = asked
            .filter(|version| is_legacy(version))
            .unwrap_or_else(|| NEWEST_LEGACY.to_owned());
        let mut capabilities = Object::default();
        let said = initialize.param("capabilities").and_then(Object::read);
        for (name, value) in said.as_ref().into_iter().flat_map(Object::iter) {
            match name {
                "roots" => capabilities.set("roots", "{}"),
                // Of 2025-11-25; the extension for tasks is another.
                "tasks" => {}
                "elicitation" => {
                    let mut modes = Object::read(value).unwrap_or_default();
                    if version != NEWEST_LEGACY {
                        modes.remove("url");
                    }
                    capabilities.set("elicitation", modes.text());
                }
                // What has no rule is the host's and the server's business.
                _ => capabilities.set(name, value),
            }
        }
        Self {
            info: initialize
                .param("clientInfo")
                .filter(|info| info.starts_with('{'))
                .unwrap_or(r#"{"name":"unknown","version":"0"}"#)
                .to_owned(),
            version,
            capabilities,
            declared: Default::default(),
        }
    }

    /// Returns the capabilities for the server. The host cannot drive the remote's kind of task; where mcpipe does, it says
    /// so itself.
    fn declared(&self, drives_tasks: bool) -> &str {
        let [without, with] = &self.declared;
        let declared = if drives_tasks { with } else { without };
        declared.get_or_init(|| {
            let mut capabilities = self.capabilities.clone();
            without_extension(&mut capabilities, TASKS);
            if drives_tasks {
                capabilities.edit("extensions", |extensions| extensions.set(TASKS, "{}"));
            }
            capabilities.text()
        })
    }

    /// Says whether the host declared a capability: `sampling`, `sampling/tools`, `elicitation/url`.
    pub(super) fn can(&self, what: &str) -> bool {
        let (name, part) = what.split_once('/').unwrap_or((what, ""));
        let Some(capability) = self.capabilities.get(name) else {
            return false;
        };
        let Some(parts) = Object::read(capability).filter(|_| !part.is_empty()) else {
            return part.is_empty();
        };
        // An empty elicitation capability means forms.
        parts.get(part).is_some() || (what == "elicitation/form" && parts.get("url").is_none())
    }

    /// Writes the reserved keys of a request's `_meta` in this modern revision, and leaves every other where it is
    /// (MCP 2026-07-28, basic).
    pub(super) fn sign(
        &self,
        meta: &mut Object,
        revision: &str,
        level: Option<&str>,
        drives_tasks: bool,
    ) {
        meta.remove(META_SUBSCRIPTION);
        meta.remove(META_LEVEL);
        for (name, value) in [
            (META_VERSION, format!("\"{revision}\"")),
            (META_CLIENT, self.info.clone()),
            (META_CAPABILITIES, self.declared(drives_tasks).to_owned()),
        ] {
            meta.remove(name);
            meta.set(name, value);
        }
        if let Some(level) = level {
            meta.set(META_LEVEL, level);
        }
    }
}

impl ServerInfo {
    /// Writes the `InitializeResult` of a modern server, with `fallback_name` where it does not give its own.
    pub(in crate::era) fn initialize_result(&self, version: &str, fallback_name: &str) -> String {
        let mut capabilities = self.capabilities.clone();
        // Neither kind of tasks is the host's to drive here: that of 2025-11-25 has other methods.
        capabilities.remove("tasks");
        without_extension(&mut capabilities, TASKS);
        let mut result = Object::default();
        result.set("protocolVersion", format!("\"{version}\""));
        result.set("capabilities", capabilities.text());
        let unnamed = json!({"name": fallback_name, "version": "0"}).to_string();
        let identity = self.identity.as_deref();
        let identity = identity.filter(|identity| identity.starts_with('{'));
        result.set("serverInfo", identity.unwrap_or(&unnamed));
        if let Some(instructions) = &self.instructions {
            result.set("instructions", instructions.as_str());
        }
        result.text()
    }
}

impl ServerInfo {
    /// Returns the lists whose changes the server announces, as a filter names them.
    pub(super) fn announced_changes(&self) -> impl Iterator<Item = &'static str> {
        list_changes()
            .filter(|changes| self.announces(*changes))
            .map(|changes| changes.filter)
    }
}
