//! Arguments of calls beside the tools' own schemas: what is sent, and what is refused with words to mend it by.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use mcpipe::bridge::Settings;
use mcpipe::frame::Frame;
use mcpipe::policy::{Limit, Origin, Rule, Rules};
use serde_json::{Value, json};

use crate::support::memory::Memory;
use crate::support::pairs::{Era, PAIRS, Pair, server};

const TOOLS: &str = r##"{"tools":[
    {"name":"read","inputSchema":{"type":"object","properties":{"path":{"type":"string"},"lines":{"type":"integer"}},"required":["path"],"additionalProperties":false}},
    {"name":"tree","inputSchema":{"type":"object","properties":{"node":{"$ref":"#/$defs/node"}},"$defs":{"node":{"type":"object","properties":{"left":{"$ref":"#/$defs/node"},"right":{"$ref":"#/$defs/node"}},"additionalProperties":false}}}},
    {"name":"remote","inputSchema":{"type":"object","properties":{"a":{"$ref":"https://example.com/a.json"}}}},
    {"name":"broken","inputSchema":{"type":"objekt"}},
    {"name":"bare"}]}"##;

fn rule(key: &'static str, value: &str) -> Rule {
    Rule {
        key,
        value: value.into(),
        origin: Origin::Flag("--validate-arguments"),
    }
}

fn validating(settings: &mut Settings) {
    settings.policy = Rules {
        validate_arguments: Some(rule("validate-arguments", "")),
        ..Rules::default()
    };
}

fn with_tools(era: Era, tools: impl Fn() -> String + Send + 'static) -> Memory {
    server(
        era,
        r#"{"tools":{"listChanged":true}}"#,
        move |frame: &Frame| match frame.method()? {
            "tools/list" => Some(tools()),
            "tools/call" => Some(r#"{"content":[]}"#.into()),
            "ping" => Some("{}".into()),
            _ => None,
        },
    )
}

fn call(tool: &str, arguments: impl Into<Value>) -> Value {
    json!({"name":tool,"arguments":arguments.into()})
}

/// The message of a refusal.
fn refused(answer: &Value) -> String {
    let error = &answer["error"];
    assert_eq!(error["data"]["kind"], "refused_by_policy", "{answer}");
    assert_eq!(error["data"]["origin"], "--validate-arguments", "{answer}");
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn in_every_pair_of_eras_what_fits_is_sent_and_nothing_else_is() {
    for pair in PAIRS {
        let server = with_tools(pair.1, || TOOLS.into());
        let mut host = Pair::open(pair, &server, validating).await;
        // The host has not asked for the list; the bridge does.
        let answer = host
            .ask("tools/call", call("read", json!({"path":7})))
            .await;
        let message = refused(&answer);
        assert!(
            message.contains("/path: must be of type string, and is a number (type)"),
            "{message}"
        );
        for (tool, arguments, words) in [
            ("read", json!({}), r#""path" is missing (required)"#),
            (
                "read",
                json!({"path":"x","file":1}),
                r#"not allowed: "file"; allowed are"#,
            ),
            ("tree", json!({"node":{"left":{"up":{}}}}), "/node/left"),
            (
                "remote",
                json!({"a":1}),
                "refers to https://example.com/a.json",
            ),
            ("broken", json!({}), "not a JSON Schema"),
            ("bare", json!({}), "the tool has none"),
            ("absent", json!({}), "no such tool"),
        ] {
            let answer = host.ask("tools/call", call(tool, arguments)).await;
            let message = refused(&answer);
            assert!(message.contains(words), "{pair:?} {message}");
        }
        assert_eq!(server.count("POST tools/call"), 0, "{pair:?}");
        for arguments in [json!({"path":"x"}), json!({"path":"x","lines":3})] {
            let answer = host.ask("tools/call", call("read", arguments)).await;
            assert!(answer["result"].is_object(), "{pair:?} {answer}");
        }
        assert_eq!(server.count("POST tools/call"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_changes_is_judged_by_its_new_schema() {
    let tools = Arc::new(Mutex::new(TOOLS.to_owned()));
    let shown = Arc::clone(&tools);
    let pair = (Era::Legacy, Era::Legacy);
    let server = with_tools(pair.1, move || shown.lock().unwrap().clone());
    let mut host = Pair::open(pair, &server, validating).await;
    let by_path = call("read", json!({"path":"x"}));
    let answer = host.ask("tools/call", by_path.clone()).await;
    assert!(answer["result"].is_object());
    *tools.lock().unwrap() = TOOLS.replace(r#""path""#, r#""file""#);
    host.ask("tools/list", json!({})).await;
    refused(&host.ask("tools/call", by_path).await);
    let by_file = call("read", json!({"file":"x"}));
    let answer = host.ask("tools/call", by_file).await;
    assert!(answer["result"].is_object(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_stands_twice_is_refused() {
    let pair = (Era::Legacy, Era::Legacy);
    let server = with_tools(pair.1, || TOOLS.into());
    let mut host = Pair::open(pair, &server, validating).await;
    let (id, line) = host.line("tools/call", call("read", json!({"path":"/tmp/x"})));
    let twice = line.replace(r#""path":"#, r#""path":"/etc/shadow","p\u0061th":"#);
    host.host.send(twice).await;
    let message = refused(&host.answer(id).await);
    assert!(message.contains("/path stands twice"), "{message}");
    assert_eq!(server.count("POST tools/call"), 0);
}

/// A schema that takes longer than a life, and of which one evaluation at most is under way.
#[tokio::test]
async fn a_schema_that_takes_too_long_is_given_up_and_not_tried_again() {
    let steps: Vec<_> = (0..60)
        .map(|at| {
            format!(
                r##""s{at}":{{"anyOf":[{{"$ref":"#/$defs/s{0}"}},{{"$ref":"#/$defs/s{0}"}}]}}"##,
                at + 1
            )
        })
        .collect();
    let tools = format!(
        r##"{{"tools":[{{"name":"slow","inputSchema":{{"type":"object","$ref":"#/$defs/s0","$defs":{{{},"s60":{{"required":["x"]}}}}}}}},
            {{"name":"read","inputSchema":{{"type":"object","required":["path"]}}}}]}}"##,
        steps.join(",")
    );
    let pair = (Era::Legacy, Era::Legacy);
    let server = with_tools(pair.1, move || tools.clone());
    let mut host = Pair::open(pair, &server, validating).await;
    let (slow, line) = host.line("tools/call", call("slow", json!({})));
    host.host.send(line).await;
    // Others are served meanwhile.
    let answer = host
        .ask("tools/call", call("read", json!({"path":1})))
        .await;
    assert!(answer["result"].is_object(), "{answer}");
    let message = refused(&host.answer(slow).await);
    assert!(message.contains("takes longer than 2s"), "{message}");
    let before = tokio::time::Instant::now();
    for _ in 0..20 {
        let answer = host.ask("tools/call", call("slow", json!({}))).await;
        assert!(refused(&answer).contains("takes longer than 2s"));
    }
    assert!(before.elapsed() < Duration::from_secs(2), "none was begun");
    assert_eq!(server.count("POST tools/call"), 1);
}

#[tokio::test(start_paused = true)]
async fn arguments_beyond_their_size_are_refused_in_every_pair_of_eras() {
    for pair in PAIRS {
        let server = with_tools(pair.1, || TOOLS.into());
        let mut host = Pair::open(pair, &server, |settings| {
            settings.policy = Rules {
                max_arguments: vec![Limit {
                    tools: None,
                    value: 20,
                    rule: Rule {
                        key: "max-arguments",
                        value: "20".into(),
                        origin: Origin::File("/x/mcpipe.toml".into(), 7),
                    },
                }],
                ..Rules::default()
            };
        })
        .await;
        // {"path":"123456789"}: 20 bytes.
        let answer = host
            .ask("tools/call", call("read", json!({"path":"123456789"})))
            .await;
        assert!(answer["result"].is_object(), "{pair:?} {answer}");
        let answer = host
            .ask("tools/call", call("read", json!({"path":"1234567890"})))
            .await;
        let error = &answer["error"];
        assert_eq!(error["data"]["rule"], "max-arguments 20", "{answer}");
        assert_eq!(error["data"]["origin"], "/x/mcpipe.toml:7");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("have 21 bytes, and 20 is the most"),
            "{message}"
        );
        assert_eq!(server.count("POST tools/call"), 1, "{pair:?}");
        // A call without arguments has none that are too large.
        let answer = host.ask("tools/call", json!({"name":"read"})).await;
        assert!(answer["result"].is_object());
    }
}
