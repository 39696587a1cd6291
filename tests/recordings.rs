//! Recordings that can be passed on: what is in one, what is not, and how one is begun and continued.

use std::path::Path;

use http::HeaderMap;
use mcpipe::frame::Frame;
use mcpipe::ledger::Ledger;
use mcpipe::recorder::Recorder;
use mcpipe::remote::recording::Recorded;
use mcpipe::remote::{Answer, Outgoing, Remote as _, Verb};
use mcpipe::transcript::redact::Redactor;
use mcpipe::transcript::{About, Entry, Transcript};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::support::authority::Authority;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, json as read};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};
use crate::support::replay::Replay;

/// A server that has something of the user's in everything it says.
fn talkative(ask: &Ask) -> Reply {
    let text = r#"{"type":"text","text":"CANARY"}"#;
    match ask.label().as_str() {
        "POST tools/call" if ask.body.contains("\"page\"") => Reply::status(200)
            .with("Content-Type", "text/html")
            .body("<html><title>Sign in to the network</title></html>"),
        "POST tools/call" => {
            let before = [
                json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1, "message": "CANARY" } }),
                json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": { "x": "CANARY" } } }),
                json!({ "jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": { "messages": [{ "role": "user", "content": { "type": "text", "text": "CANARY" } }], "maxTokens": 5 } }),
            ];
            let mut steps: Vec<_> = before
                .iter()
                .map(|it| Step::event(it.to_string()))
                .collect();
            let result = format!(
                r#"{{"resultType":"complete","content":[{text}],"structuredContent":{{"key":"CANARY","n":4711}}}}"#
            );
            steps.push(Step::event(result_of(ask, &result)));
            Reply::events(steps)
        }
        "POST resources/read" => Reply::result(
            ask,
            r#"{"resultType":"complete","contents":[{"uri":"note://CANARY?q=CANARY","text":"CANARY"}]}"#,
        ),
        "POST prompts/get" => {
            let error = r#""error":{"code":-32000,"message":"no CANARY","data":"CANARY"}"#;
            Reply::json(format!(r#"{{"jsonrpc":"2.0","id":{},{error}}}"#, ask.id()))
        }
        "POST server/discover" => Reply::result(
            ask,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#,
        ),
        _ => ordinary(ask),
    }
}

/// What is recorded of one conversation of this host's, and what stderr says.
async fn recorded(
    is_modern: bool,
    protocol: &str,
    file: &Path,
    flags: &[&str],
) -> (String, String) {
    let server = Server::that(talkative).await;
    let url = format!("{}?token=CANARY", server.url());
    let mut arguments = vec!["--record", file.to_str().unwrap()];
    arguments.extend(flags);
    arguments.push(&url);
    let mut host = Process::start_with(&arguments, &[("MCPIPE_PROTOCOL", protocol)]);
    if !is_modern {
        host.send(INITIALIZE).await;
        host.next().await;
        host.send(INITIALIZED).await;
    }
    for (id, method, params) in [
        (
            1,
            "tools/call",
            json!({ "name": "send", "arguments": { "to": "CANARY", "list": ["CANARY", 4711] } }),
        ),
        (
            2,
            "resources/read",
            json!({ "uri": "note://CANARY?q=CANARY" }),
        ),
        (
            3,
            "prompts/get",
            json!({ "name": "p", "arguments": { "a": "CANARY" } }),
        ),
        (4, "tools/call", json!({ "name": "page", "arguments": {} })),
    ] {
        let mut request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        request["params"]["_meta"] = json!({ "progressToken": id });
        if is_modern {
            request["params"]["_meta"] = json!({
                "progressToken": id,
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        host.send(request.to_string()).await;
        loop {
            let line = host.next_json().await;
            if line["method"] == "sampling/createMessage" {
                let answer = json!({ "jsonrpc": "2.0", "id": line["id"], "result": { "role": "assistant", "model": "m", "content": { "type": "text", "text": "CANARY" } } });
                host.send(answer.to_string()).await;
            }
            if line["id"] == id {
                break;
            }
        }
    }
    let left = host.closed().await;
    (std::fs::read_to_string(file).unwrap(), left.stderr)
}

fn first(text: &str) -> Value {
    read(text.lines().next().unwrap())["recording"].clone()
}

#[tokio::test]
async fn nothing_of_what_was_said_is_in_a_recording_unless_it_is_wanted() {
    for (is_modern, protocol) in [
        (false, "legacy"),
        (false, "modern"),
        (true, "legacy"),
        (true, "modern"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recording");
        let (text, stderr) = recorded(is_modern, protocol, &file, &[]).await;
        let pair = format!("{is_modern} {protocol}");
        for content in ["CANARY", "4711"] {
            assert!(!text.contains(content), "{pair}: {text}");
        }
        for shown in [
            r#""arguments":{"list":["(6 characters)","(number)"],"to":"(6 characters)"},"name":"send""#,
            r#""text":"(6 characters)""#,
            r#""uri":"note:("#,
            "tools/call",
            "Sign in to the network",
        ] {
            assert!(text.contains(shown), "{pair}: {shown}: {text}");
        }
        let eras = format!(
            r#""eras":{{"host":"{}","server":"{protocol}"}}"#,
            if is_modern { "modern" } else { "legacy" }
        );
        assert!(text.contains(&eras), "{pair}: {eras}: {text}");
        let words = "without the content of messages (--record-content keeps it)";
        assert!(stderr.contains(words), "{pair}: {stderr}");
        let transcript = Transcript::parse(&text).unwrap();
        // Played to a bridge that does nothing, it says what it could not show in any case.
        let complaint = Replay::new(transcript).complaint().unwrap();
        assert!(complaint.contains("holds shapes"), "{complaint}");
        assert_eq!(first(&text)["content"], "shapes");

        let file = folder.path().join("whole");
        let (text, stderr) = recorded(is_modern, protocol, &file, &["--record-content"]).await;
        assert!(text.contains(r#""to":"CANARY""#), "{pair}: {text}");
        assert!(!text.contains("token=CANARY"), "{pair}: {text}");
        assert!(stderr.contains("with the content of messages"), "{stderr}");
        assert_eq!(first(&text)["content"], "kept");
        let complaint = Replay::new(Transcript::parse(&text).unwrap()).complaint();
        assert!(!complaint.unwrap().contains("holds shapes"));
    }
}

#[tokio::test]
async fn a_recording_begins_with_what_it_is_of_and_says_where_the_next_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let flags = ["--header", "X-Key: CANARY-KEY", "--grace=7"];
    recorded(false, "legacy", &file, &flags).await;
    let (text, _) = recorded(false, "legacy", &file, &[]).await;
    let about = first(&text);
    assert_eq!(about["mcpipe"], env!("CARGO_PKG_VERSION"));
    assert!(
        about["platform"]
            .as_str()
            .unwrap()
            .contains(std::env::consts::OS)
    );
    let origin = about["server"].as_str().unwrap();
    assert!(origin.starts_with("http://127.0.0.1:"));
    assert!(
        !origin.contains("mcp") && !origin.contains("CANARY"),
        "{origin}"
    );
    let given = about["flags"].to_string();
    for flag in ["--header", "--grace", "--record", "MCPIPE_PROTOCOL"] {
        assert!(given.contains(flag), "{given}");
    }
    assert!(!text.contains("CANARY"), "{text}");
    let begins: Vec<_> = Transcript::parse(&text)
        .unwrap()
        .lines
        .into_iter()
        .filter_map(|line| match line.entry {
            Entry::About(About::Recording, text) => Some(read(&text)["continues"].clone()),
            _ => None,
        })
        .collect();
    assert_eq!(begins, [Value::Null, Value::Bool(true)]);
}

#[tokio::test]
async fn what_is_asked_while_signing_in_is_in_it_and_nothing_that_was_sent() {
    let authority = Authority::start().await;
    authority.add_secret_client("robot-CANARY", "s3cret-of-the-robot", "client_secret_basic");
    let server = crate::support::protected::protected_by(&authority).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let url = server.url();
    let arguments = [
        "--client-credentials",
        "--client-id",
        "robot-CANARY",
        "--client-secret-env",
        "SECRET",
        "--record",
        file.to_str().unwrap(),
        "--debug",
        &url,
    ];
    let mut host = Process::start_with(&arguments, &[("SECRET", "s3cret-of-the-robot")]);
    host.send(INITIALIZE).await;
    host.next().await;
    let left = host.closed().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(read);
    let asked: Vec<_> = lines
        .filter_map(|line| line.get("sign_in").cloned())
        .collect();
    let token = asked
        .iter()
        .find(|it| it["to"].as_str().unwrap().ends_with("/token"));
    let token = token.unwrap_or_else(|| panic!("{text}\n{}", left.stderr));
    assert_eq!(token["method"], "POST");
    assert_eq!(token["grant"], "client_credentials");
    assert!(
        token["status"].is_number() && token["client_auth"].is_string(),
        "{token}"
    );
    assert!(asked.iter().any(|it| it["method"] == "GET"), "{asked:?}");
    for secret in ["s3cret-of-the-robot", "robot-CANARY"] {
        assert!(!text.contains(secret), "{text}");
    }
    // The log at debug begins with the same.
    let start = left
        .stderr
        .lines()
        .find(|line| line.contains("mcpipe starts"));
    let start = start.unwrap_or_else(|| panic!("{}", left.stderr));
    let origin = server.origin();
    for part in [
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        &origin,
        "--client-id",
    ] {
        assert!(start.contains(part), "{start}");
    }
    assert!(!start.contains("CANARY"), "{start}");
}

#[cfg(unix)]
#[tokio::test]
async fn how_a_program_ended_is_said_in_words() {
    let server = Server::that(ordinary).await;
    let url = server.url();
    let arguments = ["--header-command", "sh -c 'exit 3'", "--debug", &url];
    let mut host = Process::start_with(&arguments, &[("PATH", "/usr/bin:/bin")]);
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    assert!(answer.to_string().contains("exit status: 3"), "{answer}");
    let left = host.closed().await;
    assert!(!left.stderr.contains("unix_wait_status"), "{}", left.stderr);
}

const PLAY: &str = r#"
    {"post":{"jsonrpc":"2.0","id":1,"method":"m"},"headers":{"mcp-session-id":"session-1"}}
    {"answer":200,"sse":true,"headers":{"mcp-session-id":"session-1"}}
    {"event":"","id":"7","retry":5}
    {"event":{"id":1,"result":{}},"kind":"message"}
    {"ended":true}
    {"post":{"jsonrpc":"2.0","id":2,"method":"m"},"headers":{"mcp-session-id":"session-1"}}
    {"answer":200,"json":{"id":2,"result":{}}}
    {"post":{"jsonrpc":"2.0","id":3,"method":"m"},"headers":{"mcp-session-id":"session-1"}}
    {"answer":401,"headers":{"www-authenticate":"Bearer"}}
    {"post":{"jsonrpc":"2.0","id":4,"method":"m"},"headers":{"mcp-session-id":"session-1"}}
    {"answer":503,"text":"later","headers":{"retry-after":"7"}}
    {"post":{"jsonrpc":"2.0","id":5,"method":"m"},"headers":{"mcp-session-id":"session-1"}}
    {"fault":"cut"}
    {"post":{"jsonrpc":"2.0","id":6,"method":"m"},"headers":{"mcp-session-id":"session-1"}}
    {"answer":200,"sse":true}
    {"cut":true}
    {"post":{"jsonrpc":"2.0","id":7,"method":"m"},"headers":{"mcp-session-id":"session-1"}}
    {"answer":200,"sse":true}
    {"event":{"method":"n"}}
    {"closed":true}
"#;

#[tokio::test]
async fn what_is_replayed_is_recorded_as_it_was_played() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("recording.jsonl");
    let recorder = Recorder::new(Ledger::open(&path).unwrap(), Redactor::default());
    let replay = Replay::new(Transcript::parse(PLAY).unwrap());
    let recorded = Recorded::new(replay.clone(), recorder.clone());

    let mut headers = HeaderMap::new();
    headers.insert("mcp-session-id", "session-1".parse().unwrap());
    for id in 1..=7 {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
        let frame = Frame::parse(&text).unwrap();
        let outgoing = Outgoing {
            to: None,
            verb: Verb::Post(&frame),
            headers: &headers,
            credential: None,
            progress: None,
        };
        if let Ok(Answer::Stream(_, mut events)) = recorded.send(outgoing).await {
            let mut left = if id == 7 { 1 } else { usize::MAX };
            while left > 0 && matches!(events.next().await, Ok(Some(_))) {
                left -= 1;
            }
        }
    }
    assert_eq!(replay.complaint(), None);
    drop(recorded);
    recorder.finish().await.unwrap();

    let said = |text: &str| -> Vec<_> {
        let lines = Transcript::parse(text).unwrap().lines;
        lines.into_iter().map(|line| line.entry).collect()
    };
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(said(&text), said(PLAY));
}

#[tokio::test(start_paused = true)]
async fn a_request_given_up_is_recorded_as_closed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("recording.jsonl");
    let recorder = Recorder::new(Ledger::open(&path).unwrap(), Redactor::default());
    let replay = Replay::new(Transcript::parse(r#"{"get":true}"#).unwrap());
    let recorded = Recorded::new(replay, recorder.clone());
    let tracker = TaskTracker::new();
    let asking = tracker.spawn(async move {
        let outgoing = Outgoing {
            to: None,
            verb: Verb::Get,
            headers: &HeaderMap::new(),
            credential: None,
            progress: None,
        };
        let _ = recorded.send(outgoing).await;
    });
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    asking.abort();
    recorder.finish().await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("\"closed\":1}\n"), "{text}");
}
