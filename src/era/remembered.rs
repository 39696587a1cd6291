//! The server's handshake of an earlier time, repeated to a host of either era.
//!
//! An `InitializeResult` (MCP 2025-11-25, basic/lifecycle) and a `DiscoverResult` (MCP 2026-07-28, server/discover) are
//! translated as the pairs of eras translate the server's own answer. What is repeated is never kept by the host: the
//! server's answer follows.

use super::protocol::{META_SERVER, NEWEST_LEGACY};
use super::server_info::ServerInfo;
use crate::frame::{Object, member_of};

/// Returns the `DiscoverResult` that says the same as an `InitializeResult`, both as JSON text.
pub(crate) fn discover_of_initialize(initialized: &str) -> String {
    ServerInfo::from_initialize(initialized).discover()
}

/// Returns the `InitializeResult` of the newest legacy revision that says the same as a `DiscoverResult`, both as JSON
/// text. `fallback_name` is the name for a server that does not give its own.
pub(crate) fn initialize_of_discover(discovered: &str, fallback_name: &str) -> String {
    ServerInfo::from_discover(discovered).initialize_result(NEWEST_LEGACY, fallback_name)
}

/// Returns the part of a `DiscoverResult` that may be repeated at any time to any user of the account: the capabilities,
/// the revisions and the identity, and of a public result the instructions (MCP 2026-07-28, server/utilities/caching).
/// The instructions of a private result may be about the user who asked.
pub(crate) fn repeatable_part(discovered: &str) -> String {
    let mut part = Object::default();
    part.set("resultType", r#""complete""#);
    let repeated = match is_public(discovered) {
        true => &["supportedVersions", "capabilities", "instructions"][..],
        false => &["supportedVersions", "capabilities"],
    };
    for name in repeated {
        if let Some(value) = member_of(discovered, name) {
            part.set(name, value);
        }
    }
    part.set("ttlMs", "0");
    part.set("cacheScope", r#""private""#);
    if let Some(identity) = ServerInfo::from_discover(discovered).identity {
        part.edit("_meta", |meta| meta.set(META_SERVER, identity));
    }
    part.text()
}

/// Says whether a `DiscoverResult` may be repeated to any user.
pub(crate) fn is_public(discovered: &str) -> bool {
    member_of(discovered, "cacheScope") == Some(r#""public""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"extensions":{"a/b":{"n":1.50},"io.modelcontextprotocol/tasks":{}}},"instructions":"Hello, Ada.","ttlMs":60000,"cacheScope":"public","x":{"of":"Ada"},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},"for":"Ada"}}"#;

    #[test]
    fn of_a_private_result_nothing_is_repeated_but_what_the_server_can_do_and_its_name() {
        let public = repeatable_part(MODERN);
        assert_eq!(
            public,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"extensions":{"a/b":{"n":1.50},"io.modelcontextprotocol/tasks":{}}},"instructions":"Hello, Ada.","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#
        );
        for scope in [r#""private""#, "null", r#""shared""#] {
            let private = repeatable_part(&MODERN.replace(r#""public""#, scope));
            assert_eq!(
                private,
                public.replace(r#""instructions":"Hello, Ada.","#, "")
            );
        }
    }

    #[test]
    fn extensions_are_repeated_to_both_eras_without_what_the_other_era_does_not_know() {
        let initialized: serde_json::Value =
            serde_json::from_str(&initialize_of_discover(MODERN, "x")).unwrap();
        assert_eq!(initialized["serverInfo"]["name"], "s");
        assert_eq!(
            initialized["capabilities"]["extensions"],
            serde_json::json!({"a/b": {"n": 1.5}})
        );
        let legacy = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"tasks":{},"extensions":{"a/b":{"n":1.50}}},"serverInfo":{"name":"s","version":"1"},"instructions":"Hello."}"#;
        assert_eq!(
            discover_of_initialize(legacy),
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{"a/b":{"n":1.50}}},"instructions":"Hello.","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#
        );
    }
}
