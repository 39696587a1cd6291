use super::*;
use crate::policy::rule::Origin;

fn rule(key: &'static str, value: &str) -> Rule {
    Rule {
        key,
        value: value.into(),
        origin: Origin::Flag("--some-flag"),
    }
}

fn patterns(key: &'static str, list: &[&str]) -> Vec<(Pattern, Rule)> {
    let list = list.iter();
    list.map(|text| (Pattern::read(text).unwrap(), rule(key, text)))
        .collect()
}

fn filter(allow: &[&[&str]], deny: &[&str]) -> Filter {
    Filter {
        allow: allow.iter().map(|list| patterns("allow", list)).collect(),
        deny: patterns("deny", deny),
    }
}

#[test]
fn a_denial_is_never_undone_by_a_permission() {
    let rules = Rules {
        tools: filter(&[&["*"]], &["delete_*"]),
        ..Rules::default()
    };
    assert!(rules.tool("get", None).is_ok());
    let refusal = rules.tool("delete_repo", None).unwrap_err();
    let said = refusal.error().message;
    assert!(said.contains("--some-flag"), "{said}");
    assert_eq!(refusal.rule.unwrap().value, "delete_*");
    assert!(rules.tool("Delete_Repo", None).is_err());
}

#[test]
fn each_list_of_permissions_must_permit_a_name() {
    let rules = Rules {
        tools: filter(&[&["get_*", "list_*"], &["get_a", "put_a"]], &[]),
        ..Rules::default()
    };
    assert!(rules.tool("get_a", None).is_ok());
    for name in ["get_b", "put_a", "list_x", "other", "GET_A"] {
        assert!(rules.tool(name, None).is_err(), "{name}");
    }
    let refusal = rules.tool("other", None).unwrap_err();
    assert_eq!(refusal.rule.unwrap().value, "get_*, list_*");
}

#[test]
fn a_tool_that_is_not_known_to_be_read_only_is_none() {
    let rules = Rules {
        read_only: Some(rule("read-only", "")),
        ..Rules::default()
    };
    assert!(rules.tool("a", Some(true)).is_ok());
    assert!(rules.tool("a", Some(false)).is_err());
    assert!(rules.tool("a", None).is_err());
}

#[test]
fn a_uri_counts_as_it_is_written_and_as_it_is_resolved() {
    let rules = Rules {
        resources: filter(&[], &["file:///secret/*"]),
        ..Rules::default()
    };
    for uri in [
        "file:///secret/a",
        "FILE:///secret/a",
        "file:///public/../secret/a",
        "file:///public/%2e%2e/secret/a",
        "file:///public/%252e%252e/secret/a",
        "file:///%73ecret/a",
        "file:///SECRET/a",
    ] {
        assert!(rules.resource(uri).is_err(), "{uri}");
    }
    assert!(rules.resource("file:///public/a").is_ok());
    let rules = Rules {
        resources: filter(&[&["file:///public/*"]], &[]),
        ..Rules::default()
    };
    assert!(rules.resource("file:///public/a%20b").is_ok());
    assert!(rules.resource("file:///public/{path}").is_ok());
    assert!(rules.resource("file:///public/../secret/a").is_err());
    assert!(rules.resource("file:///public/%2e%2e/secret/a").is_err());
}

#[test]
fn a_message_that_could_name_two_things_is_not_judged() {
    use crate::frame::Frame;
    use crate::policy::request::asked;

    let call = |params: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        asked(&Frame::parse(&text).unwrap())
    };
    assert_eq!(
        call(r#"{"name":"a","arguments":{}}"#).unwrap(),
        [Asked::Tool("a".into())]
    );
    assert_eq!(
        call(r#"{"n\u0061me":"\u0061"}"#).unwrap(),
        [Asked::Tool("a".into())]
    );
    for params in [
        r#"{"name":"a","name":"b"}"#,
        r#"{"name":"a","Name":"b"}"#,
        r#"{"name":"a","NAME":"b"}"#,
        r#"{"Name":"b"}"#,
        r#"{"name":7}"#,
        r#"{"name":"a","arguments":{},"arguments":{}}"#,
        "{}",
        "[]",
    ] {
        assert!(call(params).is_err(), "{params}");
    }
    let two =
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"b"}}"#;
    assert!(asked(&Frame::parse(two).unwrap()).is_err());
    let odd = r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"b"}}"#;
    assert_eq!(
        asked(&Frame::parse(odd).unwrap()).unwrap(),
        [Asked::Tool("b".into())]
    );
}

#[test]
fn completions_and_subscriptions_name_things_too() {
    use crate::frame::Frame;
    use crate::policy::request::asked;

    let asks = |method: &str, params: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        asked(&Frame::parse(&text).unwrap()).unwrap()
    };
    assert_eq!(
        asks(
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{}}"#
        ),
        [Asked::Prompt("p".into())]
    );
    assert_eq!(
        asks(
            "completion/complete",
            r#"{"ref":{"type":"ref/resource","uri":"a:{b}"}}"#
        ),
        [Asked::Resource("a:{b}".into())]
    );
    assert_eq!(
        asks("resources/subscribe", r#"{"uri":"a:b"}"#),
        [Asked::Resource("a:b".into())]
    );
    assert_eq!(
        asks(
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["a:b","a:c"]}}"#
        ),
        [Asked::Resource("a:b".into()), Asked::Resource("a:c".into())]
    );
    assert!(asks("tools/list", "{}").is_empty());
    assert!(asks("resources/templates/list", "{}").is_empty());
}
