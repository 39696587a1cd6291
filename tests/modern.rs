//! Modern servers: what is asked again and under which id, what a start remembers for the next, and what becomes of a
//! server that has changed meanwhile.

use std::path::Path;
use std::time::{Duration, SystemTime};

use mcpipe::bridge::Settings;
use mcpipe::era::Protocol;
use mcpipe::server_cache::ServerCache;
use serde_json::{Value, json};
use tokio::time;

use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, TOO_LONG, json as read, request};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Step, ordinary, result_of};

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"remote","version":"1"}}}"#;

fn modern(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(ask, DISCOVERED),
        _ => Reply::result(ask, r#"{"resultType":"complete"}"#),
    }
}

fn legacy(ask: &Ask) -> Reply {
    let is_lost = ask.header("mcp-session-id").is_none() && ask.label() != "POST initialize";
    match is_lost {
        true => Reply {
            status: 400,
            ..Reply::json(
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#,
            )
        },
        false => ordinary(ask),
    }
}

fn auto() -> Settings {
    Settings {
        protocol: Protocol::Auto,
        ..Settings::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))
    }
}

fn facts(home: &Path) -> ServerCache {
    ServerCache::about(Some(home), "https://a.example/mcp", "default")
}

fn remembering(home: &Path) -> Settings {
    Settings {
        facts: facts(home),
        ..auto()
    }
}

/// Waits until this is remembered.
async fn learned(home: &Path, name: &str, wanted: impl Fn(&Value) -> bool) {
    let learned = async {
        while !facts(home).load(name).is_some_and(|known| wanted(&known)) {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(TOO_LONG, learned).await.unwrap();
}

/// A modern host's request.
fn asks(id: u64, method: &str) -> String {
    let mut request = read(&request(id, method));
    request["params"]["_meta"] = json!({
        "progressToken": id,
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request.to_string()
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_and_does_no_harm_is_asked_again_under_a_new_id() {
    // Before the head of the answer, in the middle of it, at the gate, and by a stream that says nothing.
    let lost: [fn(&Ask) -> Reply; 4] = [
        |_| Reply::cut(),
        |ask| {
            let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":0.5}}"#;
            let half = result_of(ask, "{}").replace('}', "");
            Reply::events([
                Step::event(progress),
                Step::text(format!("data: {half}")),
                Step::Cut,
            ])
        },
        |_| Reply::status(502),
        |_| Reply::events([]),
    ];
    for (nth, lose) in lost.into_iter().enumerate() {
        let mut left = [2, 1];
        let remote = Memory::that(move |ask| {
            let which = match ask.label().as_str() {
                "POST tools/list" => 0,
                "POST tools/call" => 1,
                _ => return modern(ask),
            };
            if left[which] > 0 {
                left[which] -= 1;
                return lose(ask);
            }
            modern(ask)
        });
        let mut host = InProcess::bridged_to(remote.remote(), auto());
        host.send(asks(2, "tools/list")).await;
        if nth == 1 {
            assert_eq!(host.next_json().await["params"]["progress"], 0.5);
        }
        // Progress that is told twice is told once (MCP 2026-07-28, basic/patterns/progress).
        let answer = host.next_json().await;
        assert_eq!(
            (&answer["id"], answer.get("error")),
            (&json!(2), None),
            "{nth}: {answer}"
        );
        let ids: Vec<String> = remote
            .all()
            .iter()
            .filter(|ask| ask.label() == "POST tools/list")
            .map(Ask::id)
            .collect();
        assert_eq!(ids.len(), 3);
        assert!(
            ids[0] == "2" && ids[1] != "2" && ids[2] != "2" && ids[1] != ids[2],
            "{ids:?}"
        );

        // A call of a tool is made once, whatever happens.
        host.send(asks(3, "tools/call")).await;
        let mut answer = host.next_json().await;
        if answer.get("method").is_some() {
            answer = host.next_json().await;
        }
        assert_eq!(
            answer["error"]["data"]["source"], "mcpipe",
            "{nth}: {answer}"
        );
        assert_eq!(answer["error"]["data"]["retryable"], false);
        let hint = answer["error"]["data"]["hint"].as_str().unwrap();
        assert!(hint.contains("may have been done"), "{hint}");
        assert_eq!(remote.count("POST tools/call"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_was_lost_is_asked_again_where_the_handshake_is_refused() {
    let mut left = 1;
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST initialize" => Reply::status(404),
        "GET" => Reply::status(405),
        _ if left > 0 => {
            left -= 1;
            Reply::cut()
        }
        _ => modern(ask),
    });
    let mut host = InProcess::bridged_to(remote.remote(), auto());
    host.send(INITIALIZE).await;
    assert_eq!(
        host.next_json().await["result"]["serverInfo"]["name"],
        "remote"
    );
    assert_eq!(remote.count("POST server/discover"), 2);
    let ids: Vec<String> = remote
        .all()
        .iter()
        .filter(|ask| ask.label() == "POST server/discover")
        .map(Ask::id)
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_second_start_asks_a_modern_server_only_what_the_host_asks() {
    let home = tempfile::tempdir().unwrap();
    for start in 0..3 {
        let remote = Memory::that(modern);
        let mut host = InProcess::bridged_to(remote.remote(), remembering(home.path()));
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "remote", "{answer}");
        host.send(INITIALIZED).await;
        host.send(request(1, "tools/list")).await;
        assert_eq!(host.next_json().await["id"], 1);
        let probes = usize::from(start == 0);
        assert_eq!(
            remote.count("POST server/discover"),
            probes,
            "start {start}"
        );
        learned(home.path(), "discover", Value::is_array).await;
    }
    // A modern host needs no more than the verdict.
    facts(home.path()).store("discover", Value::Null);
    let remote = Memory::that(modern);
    let mut host = InProcess::bridged_to(remote.remote(), remembering(home.path()));
    host.send(asks(1, "tools/list")).await;
    assert_eq!(host.next_json().await["id"], 1);
    assert_eq!(remote.labels(), ["POST tools/list"]);
}

#[tokio::test]
async fn a_server_that_was_modern_the_last_time_and_is_not_now_serves_both_hosts() {
    for says in [
        vec![
            INITIALIZE.to_owned(),
            INITIALIZED.to_owned(),
            request(1, "tools/call"),
        ],
        vec![asks(1, "tools/call")],
    ] {
        let home = tempfile::tempdir().unwrap();
        let first = Memory::that(modern);
        let mut host = InProcess::bridged_to(first.remote(), remembering(home.path()));
        host.send(INITIALIZE).await;
        host.next().await;
        learned(home.path(), "discover", Value::is_array).await;

        let remote = Memory::that(legacy);
        let mut host = InProcess::bridged_to(remote.remote(), remembering(home.path()));
        let count = says.len();
        for line in says {
            host.send(line).await;
        }
        if count > 1 {
            assert_eq!(host.next_json().await["id"], 0);
        }
        let answer = host.next_json().await;
        assert_eq!(
            (&answer["id"], answer.get("error")),
            (&json!(1), None),
            "{answer}"
        );
        assert_eq!(remote.count("POST initialize"), 1, "{:?}", remote.labels());
        learned(home.path(), "era", |era| era["era"] == "legacy").await;
        assert_eq!(facts(home.path()).load("discover"), None);
    }
}

#[tokio::test]
async fn what_was_learned_is_written_down_before_the_bridge_has_left() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("cache/servers");
    std::fs::create_dir_all(&folder).unwrap();
    // Another bridge is writing down what it has learned.
    let turn = std::fs::File::create(folder.join("lock")).unwrap();
    turn.lock().unwrap();
    let remote = Memory::that(modern);
    let mut host = InProcess::bridged_to(remote.remote(), remembering(home.path()));
    host.send(INITIALIZE).await;
    host.next().await;
    host.close();
    time::sleep(Duration::from_millis(100)).await;
    assert!(!host.run.is_finished());
    drop(turn);
    host.ended().await;
    for name in ["era", "discover", "identity"] {
        assert!(facts(home.path()).load(name).is_some(), "{name}");
    }
}
