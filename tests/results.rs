//! Results that are larger than the user lets the host have at once: what comes in their place, and the rest page by page.

mod binary; // the real binary, whose files another process reads

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use mcpipe::bridge::Settings;
use mcpipe::frame::Frame;
use mcpipe::policy::{Limit, Origin, Pattern, Rule, Rules};
use mcpipe::result_store::ResultStore;
use serde_json::{Value, json};

use crate::support::memory::Memory;
use crate::support::pairs::{Era, PAIRS, Pair, server};

const LIMIT: u64 = 4000;
const SCHEME: &str = "mcpipe://results/";

/// A result's text: with characters of several bytes, escapes and layout that no library would write so.
fn large() -> String {
    let text = "z\u{e4}hl\\n\\u00e4 \\\"q\\\" \u{1f600}".repeat(1500);
    format!(
        r#"{{"content":[ {{"type":"text","text":"{text}"}},{{"type":"new","n":1e300}}],"isError":false , "_meta":{{"a.b/c":1.10}}}}"#
    )
}

fn limit(tools: Option<&str>, value: u64) -> Limit<u64> {
    Limit {
        tools: tools.map(|pattern| Pattern::read(pattern).unwrap()),
        value,
        rule: Rule {
            key: "max-result",
            value: value.to_string(),
            origin: Origin::Flag("--max-result"),
        },
    }
}

fn limited<'a>(
    home: &'a Path,
    limits: impl IntoIterator<Item = Limit<u64>> + 'a,
) -> impl FnOnce(&mut Settings) + 'a {
    move |settings| {
        settings.policy = Rules {
            max_result: limits.into_iter().collect(),
            ..Rules::default()
        };
        settings.now = now;
        settings.results = Arc::new(ResultStore::about(
            Some(home),
            "https://a.example/mcp",
            "default",
        ));
    }
}

#[expect(clippy::disallowed_methods, reason = "files have the disk's time")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// A server whose tools, prompts and resources give the result that their name says.
fn giving(era: Era, capabilities: &str) -> Memory {
    server(era, capabilities, |frame: &Frame| {
        let wanted = frame.param("name").or(frame.param("uri"));
        let wanted: String = serde_json::from_str(wanted.unwrap_or("\"\"")).unwrap();
        match (frame.method()?, wanted.as_str()) {
            ("tools/call", "large") => Some(large()),
            ("tools/call", "some") => Some(format!(
                r#"{{"content" : [{{"type":"text","text":"s\u006dall {}"}}]}}"#,
                "e".repeat(3000)
            )),
            ("tools/call", "structured") => Some(
                json!({"content":[{"type":"text","text":"few"}],"structuredContent":{"a":"x".repeat(9000)}})
                    .to_string(),
            ),
            ("tools/call", "picture") => Some(
                json!({"content":[{"type":"image","mimeType":"image/png","data":"QUJD".repeat(3000)}]})
                    .to_string(),
            ),
            ("prompts/get", _) => Some(
                json!({"messages":[{"role":"user","content":{"type":"text","text":"p".repeat(9000)}}]})
                    .to_string(),
            ),
            ("resources/read", "file:///a") => Some(
                json!({"contents":[{"uri":"file:///a","text":"r".repeat(9000)}]}).to_string(),
            ),
            _ => None,
        }
    })
}

fn call(tool: &str) -> Value {
    json!({"name":tool,"arguments":{}})
}

/// Reads a resource of the bridge to its end: its bytes, and the number of pages.
async fn read_all(host: &mut Pair, uri: &str) -> (Vec<u8>, usize) {
    let (mut bytes, mut pages, mut uri) = (Vec::new(), 0, uri.to_owned());
    loop {
        let answer = host.ask("resources/read", json!({ "uri": uri })).await;
        let result = &answer["result"];
        let length = result.to_string().len();
        assert!(
            length <= usize::try_from(LIMIT).unwrap(),
            "a page of {length} bytes"
        );
        let contents = result["contents"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(contents[0]["uri"], uri);
        match contents[0]["text"].as_str() {
            Some(text) => bytes.extend(text.bytes()),
            None => {
                use base64::Engine as _;
                let blob = contents[0]["blob"].as_str().unwrap();
                let engine = base64::engine::general_purpose::STANDARD;
                bytes.extend(engine.decode(blob).unwrap());
            }
        }
        pages += 1;
        match contents.get(1) {
            Some(next) => uri = next["uri"].as_str().unwrap().to_owned(),
            None => return (bytes, pages),
        }
    }
}

/// The URI that a text names, up to where it ends.
fn uri_in(text: &str, end: &str) -> String {
    let from = text.find(SCHEME).unwrap_or_else(|| panic!("{text}"));
    let rest = &text[from..];
    let until = rest.find(end).unwrap_or_else(|| panic!("{rest}"));
    rest[..until + end.len()].to_owned()
}

#[tokio::test(start_paused = true)]
async fn in_every_pair_of_eras_a_large_result_is_cut_and_the_rest_is_read_here() {
    for pair in PAIRS {
        let home = tempfile::tempdir().unwrap();
        let server = giving(pair.1, r#"{"tools":{}}"#);
        let limits = [limit(None, LIMIT)];
        let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
        let offered = &host.opening["result"]["capabilities"]["resources"];
        assert!(offered.is_object(), "{pair:?} {}", host.opening);
        let answer = host.ask("tools/call", call("large")).await;
        let result = &answer["result"];
        assert!(result.to_string().len() <= 4000, "{pair:?}");
        assert_eq!(result["isError"], false);
        assert_eq!(result["_meta"]["a.b/c"], 1.1);
        let is_modern = pair.0 == Era::Modern;
        assert_eq!(result["resultType"] == "complete", is_modern, "{pair:?}");
        let content = result["content"].as_array().unwrap();
        let (head, note) = content[0]["text"]
            .as_str()
            .unwrap()
            .split_once("\n[mcpipe: ")
            .unwrap();
        let whole: Value = serde_json::from_str(&large()).unwrap();
        let text = whole["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(head) && head.len() > 500);
        // The text goes on where the head has ended.
        let next = uri_in(note, &format!("offset={}", head.len()));
        let (rest, pages) = read_all(&mut host, &next).await;
        assert_eq!(format!("{head}{}", String::from_utf8(rest).unwrap()), text);
        assert!(pages > 5);
        // The whole is what the server has sent.
        let last = content.last().unwrap()["text"].as_str().unwrap();
        let (bytes, _) = read_all(&mut host, &uri_in(last, "result.json")).await;
        let bytes = String::from_utf8(bytes).unwrap();
        match pair {
            (Era::Legacy, Era::Legacy) => assert_eq!(bytes, large()),
            _ => assert!(bytes.contains(&large()[1..large().len() - 40]), "{pair:?}"),
        }
        // The same from the file that the note names.
        let file = last.rsplit_once("the file ").unwrap().1;
        let file = file.split_once("result.json").unwrap().0.to_owned() + "result.json";
        assert_eq!(fs::read_to_string(file).unwrap(), bytes);
        assert_eq!(server.count("POST resources/read"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn in_every_pair_of_eras_a_result_of_the_limit_keeps_every_byte_and_one_byte_more_is_cut() {
    for pair in PAIRS {
        let home = tempfile::tempdir().unwrap();
        let server = giving(pair.1, r#"{"tools":{}}"#);
        let mut free = Pair::open(pair, &server, |_| {}).await;
        let (_, line) = free.line("tools/call", call("some"));
        free.host.send(&line).await;
        let unlimited = free.host.next().await;
        let result = Frame::parse(&unlimited).unwrap();
        let length = result.member("result").unwrap().len();
        for (bytes, is_whole) in [(length, true), (length - 1, false)] {
            let limits = [limit(None, u64::try_from(bytes).unwrap())];
            let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
            let (_, line) = host.line("tools/call", call("some"));
            host.host.send(&line).await;
            let limited = host.host.next().await;
            assert_eq!(limited == unlimited, is_whole, "{pair:?}");
            assert!(limited.len() <= unlimited.len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_lowest_limit_for_a_tool_counts_and_those_of_others_do_not() {
    let home = tempfile::tempdir().unwrap();
    let pair = (Era::Legacy, Era::Legacy);
    let server = giving(pair.1, r#"{"tools":{}}"#);
    let limits = [
        limit(None, 1_000_000),
        limit(Some("lar*"), LIMIT),
        limit(Some("other"), 2048),
    ];
    let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
    let answer = host.ask("tools/call", call("large")).await;
    let length = answer["result"].to_string().len();
    assert!((2049..=4000).contains(&length), "{length}");
    let answer = host.ask("tools/call", call("structured")).await;
    assert!(answer["result"]["structuredContent"].is_object());
}

#[tokio::test(start_paused = true)]
async fn structured_content_and_pictures_are_whole_or_linked_in_every_pair_of_eras() {
    for pair in PAIRS {
        let home = tempfile::tempdir().unwrap();
        let server = giving(pair.1, r#"{"tools":{}}"#);
        let limits = [limit(None, LIMIT)];
        let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
        let answer = host.ask("tools/call", call("structured")).await;
        let result = &answer["result"];
        assert!(result.get("structuredContent").is_none());
        assert_eq!(result["isError"], true, "{pair:?}");
        let note = result["content"][0]["text"].as_str().unwrap();
        let (bytes, _) = read_all(&mut host, &uri_in(note, "structured.json")).await;
        let kept: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(kept, json!({"a":"x".repeat(9000)}));
        let answer = host.ask("tools/call", call("picture")).await;
        let link = &answer["result"]["content"][0];
        assert_eq!(
            (&link["type"], &link["size"]),
            (&json!("resource_link"), &json!(9000))
        );
        assert_eq!(link["mimeType"], "image/png");
        let (bytes, _) = read_all(&mut host, link["uri"].as_str().unwrap()).await;
        assert_eq!(bytes, b"ABC".repeat(3000), "{pair:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn prompts_and_resources_have_the_limit_too() {
    for pair in PAIRS {
        let home = tempfile::tempdir().unwrap();
        let server = giving(pair.1, r#"{"tools":{},"prompts":{},"resources":{}}"#);
        let limits = [limit(None, LIMIT)];
        let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
        let answer = host.ask("prompts/get", json!({"name":"p"})).await;
        let text = answer["result"]["messages"][0]["content"]["text"]
            .as_str()
            .unwrap();
        assert!(
            text.contains("cut after") && answer.to_string().len() < 4200,
            "{pair:?}"
        );
        let answer = host.ask("resources/read", json!({"uri":"file:///a"})).await;
        let content = &answer["result"]["contents"][0];
        assert_eq!(content["uri"], "file:///a");
        let text = content["text"].as_str().unwrap();
        let (head, note) = text.split_once("\n[mcpipe: ").unwrap();
        let next = uri_in(note, &format!("offset={}", head.len()));
        let (rest, _) = read_all(&mut host, &next).await;
        assert_eq!(head.len() + rest.len(), 9000, "{pair:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_resources_has_the_lists_of_the_bridge_and_one_with_them_its_own() {
    for pair in PAIRS {
        let home = tempfile::tempdir().unwrap();
        let server = giving(pair.1, r#"{"tools":{}}"#);
        let limits = || [limit(None, LIMIT)];
        let mut host = Pair::open(pair, &server, limited(home.path(), limits())).await;
        for (method, member) in [
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ] {
            let answer = host.ask(method, json!({})).await;
            assert_eq!(answer["result"][member], json!([]), "{pair:?} {answer}");
            assert_eq!(
                answer["result"].get("ttlMs").is_some(),
                pair.0 == Era::Modern
            );
            assert_eq!(server.count(&format!("POST {method}")), 0);
        }
        let with = giving(pair.1, r#"{"tools":{},"resources":{"subscribe":true}}"#);
        let mut host = Pair::open(pair, &with, limited(home.path(), limits())).await;
        assert!(host.opening.to_string().contains(r#""subscribe":true"#));
        host.ask("resources/list", json!({})).await;
        assert_eq!(with.count("POST resources/list"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_a_missing_resource_in_the_words_of_each_era() {
    for pair in PAIRS {
        let home = tempfile::tempdir().unwrap();
        let server = giving(pair.1, r#"{"tools":{}}"#);
        let limits = [limit(None, LIMIT)];
        let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
        for name in [
            "00112233445566778899aabbccddeeff",
            "00112233445566778899aabbccddeeff/0.txt?offset=7",
            "../../x",
            "x?y",
            "",
        ] {
            let answer = host
                .ask("resources/read", json!({"uri":format!("{SCHEME}{name}")}))
                .await;
            let code = if pair.0 == Era::Modern {
                -32602
            } else {
                -32002
            };
            assert_eq!(answer["error"]["code"], code, "{pair:?} {answer}");
        }
        assert_eq!(server.count("POST resources/read"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_kept_the_host_gets_the_head_and_the_truth() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("state")).unwrap();
    fs::write(home.path().join("state/results"), "in the way").unwrap();
    let pair = (Era::Legacy, Era::Legacy);
    let server = giving(pair.1, r#"{"tools":{}}"#);
    let limits = [limit(None, LIMIT)];
    let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
    let answer = host.ask("tools/call", call("large")).await;
    let text = answer["result"]["content"].to_string();
    assert!(
        answer["result"]["isError"] == false && text.contains("zähl"),
        "{text}"
    );
    assert!(
        text.contains("could not be kept (") && text.contains("is lost"),
        "{text}"
    );
    assert!(text.contains("Whatever was asked for was done"), "{text}");
    assert!(!text.contains(SCHEME));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shortens_nothing_and_offers_nothing() {
    let home = tempfile::tempdir().unwrap();
    let pair = (Era::Legacy, Era::Legacy);
    let server = giving(pair.1, r#"{"tools":{}}"#);
    let mut host = Pair::open(pair, &server, |settings| {
        limited(home.path(), [limit(None, LIMIT)])(settings);
        settings.policy.dry_run = true;
    })
    .await;
    assert!(!host.opening.to_string().contains("resources"));
    let (_, line) = host.line("tools/call", call("large"));
    host.host.send(line).await;
    assert!(host.host.next().await.contains(&large()));
}

/// The answer of a task, which has no tool's name in it, has the limit of the tool that began it.
#[tokio::test(start_paused = true)]
async fn the_result_of_a_task_has_the_limit_of_its_tool() {
    let home = tempfile::tempdir().unwrap();
    let pair = (Era::Legacy, Era::Legacy);
    let server = server(pair.1, r#"{"tools":{},"tasks":{}}"#, |frame: &Frame| {
        Some(match frame.method()? {
            "tools/call" => r#"{"task":{"taskId":"t1","status":"working","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z","ttl":60000}}"#.into(),
            "tasks/result" => large(),
            _ => return None,
        })
    });
    let limits = [limit(Some("large"), LIMIT)];
    let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
    let began = json!({"name":"large","arguments":{},"task":{"ttl":60000}});
    let answer = host.ask("tools/call", began).await;
    assert_eq!(answer["result"]["task"]["taskId"], "t1");
    let answer = host.ask("tasks/result", json!({"taskId":"t1"})).await;
    assert!(answer["result"].to_string().len() <= 4000);
    let answer = host.ask("tasks/result", json!({"taskId":"t2"})).await;
    assert!(
        answer["result"].to_string().len() > 4000,
        "a task of another tool"
    );
}

/// In revision 2026-07-28 the result of a call stands within the answer about its task.
#[tokio::test(start_paused = true)]
async fn the_result_within_a_task_has_the_limit_of_its_tool() {
    for is_nested in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let pair = (Era::Modern, Era::Modern);
        let server = server(
            pair.1,
            r#"{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#,
            move |frame: &Frame| {
                let state = r#""taskId":"t1","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z","ttlMs":60000"#;
                Some(match frame.method()? {
                    "tools/call" => {
                        format!(r#"{{"resultType":"task",{state},"status":"working"}}"#)
                    }
                    "tasks/get" => {
                        let task = format!(r#"{state},"status":"completed","result":{}"#, large());
                        match is_nested {
                            false => format!("{{{task}}}"),
                            true => format!(r#"{{"task":{{{task}}}}}"#),
                        }
                    }
                    _ => return None,
                })
            },
        );
        let limits = [limit(Some("large"), LIMIT)];
        let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
        let answer = host.ask("tools/call", call("large")).await;
        assert_eq!(answer["result"]["taskId"], "t1", "{answer}");
        let answer = host.ask("tasks/get", json!({"taskId":"t1"})).await;
        assert!(answer["result"].to_string().len() <= 4000);
        let task = match is_nested {
            false => &answer["result"],
            true => &answer["result"]["task"],
        };
        assert_eq!(
            (&task["status"], &task["taskId"]),
            (&json!("completed"), &json!("t1"))
        );
        let content = task["result"]["content"].as_array().unwrap();
        let note = content.last().unwrap()["text"].as_str().unwrap();
        let (bytes, _) = read_all(&mut host, &uri_in(note, "result.json")).await;
        assert_eq!(String::from_utf8(bytes).unwrap(), large());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the size of the result is the caller's to say"
)]
fn megabytes() -> usize {
    std::env::var("MCPIPE_RESULT_MB").map_or(20, |text| text.parse().unwrap())
}

/// `MCPIPE_RESULT_MB` makes it larger (default 20). The time that it takes is said and not judged.
#[tokio::test]
async fn a_result_of_many_megabytes_is_kept_and_its_head_arrives() {
    let megabytes = megabytes();
    let size = megabytes * 1_000_000;
    let home = tempfile::tempdir().unwrap();
    let pair = (Era::Legacy, Era::Legacy);
    let server = server(pair.1, r#"{"tools":{}}"#, move |frame: &Frame| {
        let text = "0123456789".repeat(size / 10);
        let result = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
        (frame.method()? == "tools/call").then_some(result)
    });
    let limits = [limit(None, LIMIT)];
    let mut host = Pair::open(pair, &server, limited(home.path(), limits)).await;
    let before = tokio::time::Instant::now();
    let answer = host.ask("tools/call", call("x")).await;
    println!("{megabytes} MB in {:?}", before.elapsed());
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(&format!("of {size} bytes")), "{text}");
    let last = uri_in(text, "/0.txt") + &format!("?offset={}", size - 10);
    let (bytes, pages) = read_all(&mut host, &last).await;
    assert_eq!((bytes.as_slice(), pages), (&b"0123456789"[..], 1));
}
