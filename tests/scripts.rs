//! `--init`: a script sends requests without a handshake of its own, and gets the answers to them and nothing else.

use mcpipe::frame::Frame;
use serde_json::{Value, json};

use crate::support::host::{InProcess, Process, settings};
use crate::support::memory::Memory;
use crate::support::pairs::{Era, PAIRS, answer};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};

/// A server of that era, which writes a log message before each answer, and asks a legacy client something too.
fn talkative(era: Era) -> impl FnMut(&Ask) -> Reply + Send + 'static {
    move |ask| {
        let frame = Frame::parse(&ask.body).ok();
        let method = frame.as_ref().and_then(Frame::method).unwrap_or_default();
        let is_call = method == "tools/call" || method == "tools/list";
        if !is_call {
            return answer(
                era,
                r#"{"tools":{},"logging":{}}"#,
                |_| Some("{}".to_owned()),
                ask,
            );
        }
        let said = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
        let result = match (era, method) {
            (Era::Legacy, "tools/list") => r#"{"tools":[]}"#,
            (Era::Legacy, _) => r#"{"content":[]}"#,
            (Era::Modern, "tools/list") => {
                r#"{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}"#
            }
            (Era::Modern, _) => r#"{"resultType":"complete","content":[]}"#,
        };
        let mut steps = vec![Step::event(said)];
        if era == Era::Legacy {
            steps.push(Step::event(
                r#"{"jsonrpc":"2.0","id":"s1","method":"ping"}"#,
            ));
            steps.push(Step::event(
                r#"{"jsonrpc":"2.0","id":"s2","method":"sampling/createMessage","params":{}}"#,
            ));
        }
        steps.push(Step::event(result_of(ask, result)));
        Reply::events(steps)
    }
}

/// A request as a script writes it: bare, or with what 2026-07-28 has in each.
fn written(style: Era, id: u64, method: &str) -> String {
    let mut params = json!({});
    if method == "tools/call" {
        params["name"] = "x".into();
    }
    if style == Era::Modern {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "script", "version": "1"},
        });
    }
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

fn script(server: &Memory, era: Era) -> InProcess {
    let mut settings = settings();
    settings.protocol = match era {
        Era::Legacy => mcpipe::era::Protocol::Legacy,
        Era::Modern => mcpipe::era::Protocol::Modern,
    };
    settings.introduces = true;
    InProcess::bridged_to(server.remote(), settings)
}

async fn all(mut host: InProcess) -> Vec<Value> {
    host.close();
    let mut lines = Vec::new();
    while let Some(line) = host.out.recv().await {
        lines.push(serde_json::from_str(&line.text()).unwrap());
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn a_script_gets_the_answers_to_its_own_requests_and_nothing_else() {
    for (style, era) in PAIRS {
        let server = Memory::that(talkative(era));
        let host = script(&server, era);
        host.send(written(style, 1, "tools/list")).await;
        host.send(written(style, 2, "tools/call")).await;
        let mut lines = all(host).await;
        lines.sort_by_key(|line| line["id"].as_u64());
        let ids: Vec<_> = lines.iter().map(|line| line["id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!(2)], "{style:?} {era:?} {lines:?}");
        assert_eq!(lines[0]["result"]["tools"], json!([]), "{style:?} {era:?}");
        assert_eq!(
            lines[1]["result"]["content"],
            json!([]),
            "{style:?} {era:?}"
        );
        if era == Era::Legacy {
            assert_eq!(server.count("POST initialize"), 1, "{style:?}");
            assert_eq!(
                server.count("POST notifications/initialized"),
                1,
                "{style:?}"
            );
        } else {
            assert_eq!(server.count("POST initialize"), 0, "{style:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_requests_of_a_server_are_answered_for_the_script() {
    let server = Memory::that(talkative(Era::Legacy));
    let mut host = script(&server, Era::Legacy);
    host.send(written(Era::Legacy, 1, "tools/call")).await;
    assert_eq!(host.next_json().await["id"], 1);
    assert!(all(host).await.is_empty());
    let answers = server.all();
    let answers = answers
        .iter()
        .filter_map(|ask| Frame::parse(&ask.body).ok());
    let answers: Vec<_> = answers.filter(Frame::is_response).collect();
    let of = |id: &str| {
        let mut answers = answers.iter();
        let found = answers.find(|answer| answer.id().map(mcpipe::frame::Id::text) == Some(id));
        found.unwrap_or_else(|| panic!("no answer to {id}"))
    };
    assert!(!of("\"s1\"").is_error());
    assert_eq!(of("\"s2\"").error_code(), Some(-32601));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_of_the_scripts_own_is_answered_by_the_one_that_was_made() {
    for era in [Era::Legacy, Era::Modern] {
        let server = Memory::that(talkative(era));
        let host = script(&server, era);
        for line in [
            r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{"sampling":{}},"clientInfo":{"name":"s","version":"1"}}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":"b","method":"initialize","params":{}}"#,
        ] {
            host.send(line).await;
        }
        let lines = all(host).await;
        let of = |id: Value| lines.iter().find(|line| line["id"] == id);
        for id in ["a", "b"] {
            let answer = of(json!(id)).unwrap_or_else(|| panic!("{era:?}: {lines:?}"));
            assert!(answer["result"]["protocolVersion"].is_string(), "{answer}");
        }
        assert!(of(json!(2)).is_some());
        assert_eq!(lines.len(), 3, "{lines:?}");
        if era == Era::Legacy {
            assert_eq!(server.count("POST initialize"), 1);
            assert_eq!(server.count("POST notifications/initialized"), 1);
            let all = server.all();
            let first = all.iter().find(|ask| ask.label() == "POST initialize");
            assert!(!first.unwrap().body.contains("sampling"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn batches_and_notifications_need_no_handshake_either() {
    for era in [Era::Legacy, Era::Modern] {
        let server = Memory::that(talkative(era));
        let host = script(&server, era);
        host.send(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#)
            .await;
        host.send(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"},{"jsonrpc":"2.0","id":2,"method":"tools/list"}]"#)
            .await;
        host.send("nonsense").await;
        let lines = all(host).await;
        let batch = lines.iter().find(|line| line.is_array());
        let batch = batch.unwrap_or_else(|| panic!("{era:?}: {lines:?}"));
        assert!(
            batch
                .as_array()
                .unwrap()
                .iter()
                .all(|it| it["result"].is_object()),
            "{batch}"
        );
        let refused = lines.iter().find(|line| line["error"]["code"] == -32700);
        assert!(
            refused.is_some_and(|line| line["id"].is_null()),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 2, "{lines:?}");
    }
}

#[tokio::test]
async fn one_line_on_a_pipe_is_enough() {
    let server = Server::that(ordinary).await;
    let mut host = Process::start(&[&server.url(), "--init"]);
    host.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .await;
    let left = host.closed().await;
    assert_eq!(left.lines, [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#]);
    assert!(left.status.success(), "{}", left.stderr);

    // A server that refuses the handshake says why in the answer.
    let server = Server::that(|ask: &Ask| match ask.verb.as_str() {
        "POST" => Reply::status(403),
        _ => Reply::status(405),
    })
    .await;
    let mut host = Process::start(&[&server.url(), "--init"]);
    host.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .await;
    let left = host.closed().await;
    assert_eq!(left.answers().len(), 1, "{:?}", left.lines);
    assert!(
        left.stderr.contains("1 of 1 requests was not answered"),
        "{}",
        left.stderr
    );
}
