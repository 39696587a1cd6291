//! The handshake a modern remote does not have: what the host is told of the remote, and the remote of the host.

use serde_json::json;

use crate::era::protocol::{
    LEGACY, META_CAPABILITIES, META_CLIENT, META_LEVEL, META_SUBSCRIPTION, META_VERSION, MODERN,
    NEWEST_LEGACY, TASKS,
};
use crate::era::server_info::ServerInfo;
use crate::era::subscriptions::LISTS;
use crate::frame::{Frame, Object, string};

/// The host's declaration of itself.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// The revision agreed on.
    pub(super) version: String,
    info: String,
    capabilities: Object,
}

/// Returns the `_meta` under which the remote is asked what it is on behalf of this host, which declares as much there
/// as on any other request (MCP 2026-07-28, basic).
pub(in crate::era) fn declared(initialize: &Frame) -> Object {
    let mut meta = Object::default();
    Host::read(initialize).sign(&mut meta, None, false);
    meta
}

impl Host {
    pub(super) fn read(initialize: &Frame) -> Self {
        let asked = initialize.param("protocolVersion").and_then(string);
        let version = asked
            .filter(|version| LEGACY.contains(&version.as_str()))
            .unwrap_or_else(|| NEWEST_LEGACY.to_owned());
        let mut capabilities = Object::default();
        let said = initialize.param("capabilities").and_then(Object::read);
        for (name, value) in said.as_ref().into_iter().flat_map(Object::iter) {
            match name {
                "roots" => capabilities.set("roots", "{}"),
                "sampling" | "experimental" | "extensions" => capabilities.set(name, value),
                "elicitation" => {
                    let mut modes = Object::read(value).unwrap_or_default();
                    if version != NEWEST_LEGACY {
                        modes.remove("url");
                    }
                    capabilities.set("elicitation", modes.text());
                }
                _ => {}
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
        }
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

    /// Writes the reserved keys of a request's `_meta`, and leaves every other where it is
    /// (MCP 2026-07-28, basic).
    pub(super) fn sign(&self, meta: &mut Object, level: Option<&str>, drives_tasks: bool) {
        meta.remove(META_SUBSCRIPTION);
        meta.remove(META_LEVEL);
        let mut capabilities = self.capabilities.clone();
        // The host cannot drive the remote's kind of task; where mcpipe does, it says so itself.
        capabilities.edit("extensions", |extensions| {
            extensions.remove(TASKS);
            if drives_tasks {
                extensions.set(TASKS, "{}");
            }
        });
        for (name, value) in [
            (META_VERSION, format!("\"{MODERN}\"")),
            (META_CLIENT, self.info.clone()),
            (META_CAPABILITIES, capabilities.text()),
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
    /// Writes the `InitializeResult` of a modern server, which is `called` so where it does not give its name.
    pub(super) fn initialize_result(&self, version: &str, called: &str) -> String {
        let mut capabilities = Object::default();
        for (name, value) in self.capabilities.iter() {
            if matches!(
                name,
                "tools"
                    | "prompts"
                    | "resources"
                    | "completions"
                    | "logging"
                    | "experimental"
                    | "extensions"
            ) {
                capabilities.set(name, value);
            }
        }
        if self.has_tasks() {
            capabilities.edit("extensions", |extensions| {
                extensions.remove(TASKS);
            });
        }
        let mut result = Object::default();
        result.set("protocolVersion", format!("\"{version}\""));
        result.set("capabilities", capabilities.text());
        let unnamed = json!({"name": called, "version": "0"}).to_string();
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
        let lists = LISTS.into_iter().filter(|(_, list)| self.announces(list));
        lists.map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(version: &str, capabilities: &str) -> Host {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"h","version":"1","x":1e400}}}}}}"#
        );
        Host::read(&Frame::parse(&text).unwrap())
    }

    #[test]
    fn the_discover_result_becomes_an_initialize_result() {
        let remote = ServerInfo::from_discover(
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"tasks":{},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{},"com.x/y":{"n":1e400}}},"instructions":"Be kind.","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"3"}}}"#,
        );
        assert_eq!(
            remote.initialize_result("2025-06-18", "x"),
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"logging":{},"extensions":{"com.x/y":{"n":1e400}}},"serverInfo":{"name":"s","version":"3"},"instructions":"Be kind."}"#
        );
        assert!(remote.announces("tools") && !remote.announces("prompts"));
        assert!(remote.has_logging() && remote.has_tasks());
    }

    #[test]
    fn a_remote_that_gives_no_name_still_has_one() {
        let older = ServerInfo::from_discover(r#"{"capabilities":{},"serverInfo":{"name":"old"}}"#);
        assert!(
            older
                .initialize_result(NEWEST_LEGACY, "x")
                .contains(r#"{"name":"old"}"#)
        );
        let nameless =
            ServerInfo::from_discover("{}").initialize_result(NEWEST_LEGACY, "mcp.example.com");
        let named = r#""serverInfo":{"name":"mcp.example.com","version":"0"}"#;
        assert!(nameless.contains(named), "{nameless}");
    }

    #[test]
    fn an_unknown_revision_is_answered_with_the_last_legacy_one() {
        assert_eq!(host("2099-01-01", "{}").version, NEWEST_LEGACY);
        assert_eq!(host("2024-11-05", "{}").version, "2024-11-05");
    }

    // MCP 2026-07-28, basic
    #[test]
    fn the_remote_is_told_what_the_host_can_do_and_no_more() {
        let host = host(
            "2025-06-18",
            r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"url":{}},"tasks":{},"unknown":{}}"#,
        );
        let mut meta = Object::read(
            r#"{"progressToken":7,"io.modelcontextprotocol/clientInfo":{"forged":1},"io.modelcontextprotocol/logLevel":"debug","com.x/k":1.0}"#,
        )
        .unwrap();
        host.sign(&mut meta, None, false);
        assert_eq!(
            meta.text(),
            r#"{"progressToken":7,"com.x/k":1.0,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1","x":1e400},"io.modelcontextprotocol/clientCapabilities":{"roots":{},"sampling":{"tools":{}},"elicitation":{}}}"#
        );
        host.sign(&mut meta, Some("\"info\""), true);
        let text = meta.text();
        assert!(text.contains(r#""io.modelcontextprotocol/logLevel":"info""#));
        assert!(text.contains(r#""extensions":{"io.modelcontextprotocol/tasks":{}}"#));
    }

    // MCP 2026-07-28, basic/patterns/mrtr
    #[test]
    fn elicitation_means_forms_unless_only_urls_are_named() {
        let can = |version, capabilities, what: &str| host(version, capabilities).can(what);
        assert!(can(
            NEWEST_LEGACY,
            r#"{"elicitation":{}}"#,
            "elicitation/form"
        ));
        assert!(!can(
            NEWEST_LEGACY,
            r#"{"elicitation":{"url":{}}}"#,
            "elicitation/form"
        ));
        assert!(can(
            NEWEST_LEGACY,
            r#"{"elicitation":{"url":{}}}"#,
            "elicitation/url"
        ));
        assert!(!can(
            NEWEST_LEGACY,
            r#"{"elicitation":{}}"#,
            "elicitation/url"
        ));
        assert!(!can(
            "2025-06-18",
            r#"{"elicitation":{"url":{}}}"#,
            "elicitation/url"
        ));
        assert!(
            !can(NEWEST_LEGACY, "{}", "elicitation/form") && !can(NEWEST_LEGACY, "{}", "roots")
        );
        assert!(!can(NEWEST_LEGACY, r#"{"sampling":{}}"#, "sampling/tools"));
    }
}
