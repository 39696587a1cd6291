//! The headers made of a body, and the tools kept out of the lists.

use super::*;
use crate::frame::Id;

fn told(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut told: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    told.sort_unstable();
    told
}

fn request(method: &str, params: &str) -> Frame {
    Frame::request(&Id::parse("1").unwrap(), method, Some(params))
}

#[test]
fn values_are_plain_or_marked_base64() {
    // The examples of MCP 2026-07-28, basic/transports/streamable-http, "Value Encoding", then its edges.
    for (text, expected) in [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("us west 1", "us west 1"),
        ("", ""),
        ("a\tb", "=?base64?YQli?="),
        ("\u{7f}", "=?base64?fw==?="),
        ("=?base64?=", "=?base64?PT9iYXNlNjQ/PQ==?="),
        ("=?BASE64?x?=", "=?BASE64?x?="),
        ("=?base64?x", "=?base64?x"),
        ("file:///a%20b", "file:///a%20b"),
    ] {
        assert_eq!(value(text).unwrap().to_str().unwrap(), expected, "{text:?}");
    }
}

#[test]
fn headers_say_what_the_body_says() {
    // MCP 2026-07-28, basic/transports/streamable-http
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    for (method, member, name) in [
        ("tools/call", r#""name":"t","uri":"no""#, Some("t")),
        ("prompts/get", r#""name":"p""#, Some("p")),
        (
            "resources/read",
            r#""uri":"file:///a%20b""#,
            Some("file:///a%20b"),
        ),
        ("tasks/get", r#""taskId":"k""#, Some("k")),
        ("tasks/update", r#""taskId":"k""#, Some("k")),
        ("tasks/cancel", r#""taskId":"k""#, Some("k")),
        ("completion/complete", r#""name":"no""#, None),
        ("tools/list", r#""name":"no""#, None),
    ] {
        let frame = request(method, &format!("{{{member},{meta}}}"));
        let mut expected = vec![("mcp-method", method)];
        expected.extend(name.map(|name| ("mcp-name", name)));
        expected.push(("mcp-protocol-version", "2026-07-28"));
        assert_eq!(told(&of(&frame, &Tools::default())), expected);
    }
    let notice = Frame::notification("notifications/x", None);
    assert_eq!(
        told(&of(&notice, &Tools::default())),
        [("mcp-method", "notifications/x")]
    );
}

#[test]
fn declared_arguments_are_repeated_as_they_are_meant() {
    // MCP 2026-07-28, basic/transports/streamable-http, "Custom Headers from Tool Parameters"
    let schema = r#"{"properties":{
        "a":{"type":"string","x-mcp-header":"A"},
        "n":{"type":"integer","x-mcp-header":"N"},
        "b":{"type":"boolean","x-mcp-header":"B"},
        "x-mcp-header":{"properties":{"\u0061":{"type":"string","x-mcp-header":"Method"}}}}}"#;
    let list = format!(r#"{{"tools":[{{"name":"t","inputSchema":{schema}}}]}}"#);
    let mut tools = Tools::default();
    assert!(tools.page(&list, true).hidden.is_empty());
    for (arguments, expected) in [
        (
            r#"{"a":"","n":0,"b":false,"x-mcp-header":{"a":"deep"}}"#,
            vec![
                ("mcp-param-a", ""),
                ("mcp-param-b", "false"),
                ("mcp-param-method", "deep"),
                ("mcp-param-n", "0"),
            ],
        ),
        (r#"{"a":null,"n":{},"b":[],"x-mcp-header":null}"#, vec![]),
        (r#"{"n":42.0}"#, vec![("mcp-param-n", "42")]),
        (r#"{"n":-4.2e1}"#, vec![("mcp-param-n", "-42")]),
        (r#"{"n":-0}"#, vec![("mcp-param-n", "0")]),
        (r#"{"n":-0.0}"#, vec![("mcp-param-n", "0")]),
        (
            r#"{"n":9007199254740991}"#,
            vec![("mcp-param-n", "9007199254740991")],
        ),
        (
            r#"{"n":9007199254740991.0}"#,
            vec![("mcp-param-n", "9007199254740991")],
        ),
        (r#"{"n":9007199254740992}"#, vec![]),
        (r#"{"n":1.5}"#, vec![]),
        (r#"{"n":1e400}"#, vec![]),
        (r#"{"a":"\ud800"}"#, vec![]),
    ] {
        let call = request(
            "tools/call",
            &format!(r#"{{"name":"t","arguments":{arguments}}}"#),
        );
        let headers = of(&call, &tools);
        let told: Vec<_> = told(&headers)
            .into_iter()
            .filter(|(name, _)| name.starts_with("mcp-param-"))
            .collect();
        assert_eq!(told, expected, "{arguments}");
    }
    // Nothing is known of another tool.
    let other = request("tools/call", r#"{"name":"u","arguments":{"a":"x"}}"#);
    assert_eq!(of(&other, &tools).get("mcp-param-a"), None);
}

#[test]
fn an_annotation_out_of_place_is_found_and_data_is_not_taken_for_one() {
    // MCP 2026-07-28, basic/transports/streamable-http, "Schema Extension"
    let good = r#"{"type":"string","x-mcp-header":"A"}"#;
    let misplaced = |keyword: &str| Err(BadAnnotation::Misplaced(keyword.to_owned()));
    let mut cases = vec![
        (
            r#"{"x-mcp-header":"A"}"#.to_owned(),
            Err(BadAnnotation::AtRoot),
        ),
        (
            r#"{"\u0078-mcp-header":"A"}"#.to_owned(),
            Err(BadAnnotation::AtRoot),
        ),
        (
            format!(r#"{{"default":{good},"const":{good},"enum":[{good}],"examples":[{good}]}}"#),
            Ok(0),
        ),
        (
            format!(r#"{{"properties":{{"x-mcp-header":{good}}}}}"#),
            Ok(1),
        ),
        (
            format!(r#"{{"properties":{{"p":{{"properties":{{"q":{good}}}}}}}}}"#),
            Ok(1),
        ),
        (
            format!(r#"{{"properties":{{"p":{{"items":{{"properties":{{"q":{good}}}}}}}}}}}"#),
            misplaced("items"),
        ),
        (
            format!(
                r#"{{"properties":{{"p":{good},"q":{{"type":"string","x-mcp-header":"a"}}}}}}"#
            ),
            Err(BadAnnotation::Twice("mcp-param-a".to_owned())),
        ),
    ];
    for keyword in [
        "items",
        "contains",
        "additionalProperties",
        "unevaluatedItems",
        "unevaluatedProperties",
        "propertyNames",
        "not",
        "if",
        "then",
        "else",
    ] {
        cases.push((format!(r#"{{"{keyword}":{good}}}"#), misplaced(keyword)));
    }
    for keyword in ["prefixItems", "oneOf", "anyOf", "allOf"] {
        cases.push((
            format!(r#"{{"{keyword}":[true,{good}]}}"#),
            misplaced(keyword),
        ));
    }
    for keyword in [
        "patternProperties",
        "dependentSchemas",
        "$defs",
        "definitions",
    ] {
        cases.push((
            format!(r#"{{"{keyword}":{{"k":{good}}}}}"#),
            misplaced(keyword),
        ));
    }
    for name in [r#""""#, r#""a b""#, r#""a:b""#, r#""é""#, "1", "null"] {
        let schema =
            format!(r#"{{"properties":{{"p":{{"type":"string","x-mcp-header":{name}}}}}}}"#);
        cases.push((schema, Err(BadAnnotation::NotAName)));
    }
    for kind in [
        r#""number""#,
        r#"["string"]"#,
        r#""object""#,
        r#""array""#,
        r#""null""#,
    ] {
        let schema = format!(r#"{{"properties":{{"p":{{"type":{kind},"x-mcp-header":"A"}}}}}}"#);
        cases.push((schema, Err(BadAnnotation::NotPrimitive)));
    }
    cases.push((
        r#"{"properties":{"p":{"x-mcp-header":"A"}}}"#.to_owned(),
        Err(BadAnnotation::NotPrimitive),
    ));
    let deep = format!("{}{good}{}", r#"{"not":"#.repeat(9999), "}".repeat(9999));
    cases.push((deep, Err(BadAnnotation::TooDeep)));
    for (schema, expected) in cases {
        let shown: String = schema.chars().take(100).collect();
        assert_eq!(scan(&schema).map(|found| found.len()), expected, "{shown}");
    }
}

#[test]
fn a_page_loses_its_broken_tools_and_nothing_else() {
    // MCP 2026-07-28, basic/transports/streamable-http, server/utilities/pagination and server/tools
    let good = r#"{ "name":"good", "inputSchema":{"maximum":1e400} }"#;
    let bad = r#"{"name":"bad","inputSchema":{"x-mcp-header":"A"}}"#;
    let page = |tools: &str| {
        format!(r#"{{"z":1.0,"tools":{tools},"nextCursor":"","ttlMs":5,"resultType":"complete"}}"#)
    };
    let mut tools = Tools::default();
    let seen = tools.page(&page(&format!("[{bad},{good}]")), true);
    assert_eq!(seen.without_hidden.unwrap(), page(&format!("[{good}]")));
    assert_eq!(seen.hidden, [("bad".to_owned(), BadAnnotation::AtRoot)]);
    assert_eq!(seen.names, ["bad", "good"]);
    assert_eq!(seen.next_cursor.as_deref(), Some(r#""""#));
    let seen = tools.page(&page(&format!("[{bad}]")), false);
    assert_eq!(seen.without_hidden.unwrap(), page("[]"));
    assert_eq!(
        tools
            .page(&page(&format!("[{good}]")), false)
            .without_hidden,
        None
    );
}

#[test]
fn the_table_grows_over_pages_and_begins_anew_when_the_list_has_changed() {
    let list = |name: &str| {
        format!(
            r#"{{"tools":[{{"name":"{name}","inputSchema":{{"properties":{{"p":{{"type":"string","x-mcp-header":"A"}}}}}}}}]}}"#
        )
    };
    let mut tools = Tools::default();
    tools.page(&list("a"), true);
    tools.page(&list("b"), false);
    assert!(!tools.declared("a").is_empty() && !tools.declared("b").is_empty());
    tools.list_changed();
    assert!(!tools.declared("a").is_empty(), "the last known holds");
    tools.page(&list("b"), true);
    assert!(tools.declared("a").is_empty() && !tools.declared("b").is_empty());
}
