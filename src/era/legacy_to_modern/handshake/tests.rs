//! Declarations of hosts and servers, read and written again.

use super::*;

fn host(version: &str, capabilities: &str) -> HostInfo {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"h","version":"1","x":1e400}}}}}}"#
    );
    HostInfo::read(&Frame::parse(&text).unwrap())
}

#[test]
fn the_discover_result_becomes_an_initialize_result() {
    let remote = ServerInfo::from_discover(
        r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"com.x/vendor":{"n":1.0},"tasks":{},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{},"com.x/y":{"n":1e400}}},"instructions":"Be kind.","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"3"}}}"#,
    );
    assert_eq!(
        remote.initialize_result("2025-06-18", "x"),
        r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"com.x/vendor":{"n":1.0},"logging":{},"extensions":{"com.x/y":{"n":1e400}}},"serverInfo":{"name":"s","version":"3"},"instructions":"Be kind."}"#
    );
    assert!(remote.announced_changes().eq(["toolsListChanged"]));
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
    host.sign(&mut meta, MODERN, None, false);
    assert_eq!(
        meta.text(),
        r#"{"progressToken":7,"com.x/k":1.0,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1","x":1e400},"io.modelcontextprotocol/clientCapabilities":{"roots":{},"sampling":{"tools":{}},"elicitation":{},"unknown":{}}}"#
    );
    host.sign(&mut meta, MODERN, Some("\"info\""), true);
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
    assert!(!can(NEWEST_LEGACY, "{}", "elicitation/form") && !can(NEWEST_LEGACY, "{}", "roots"));
    assert!(!can(NEWEST_LEGACY, r#"{"sampling":{}}"#, "sampling/tools"));
}
