//! Through the real binary: the flag, and a server that says itself how long its lists are good.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::UnboundedSender;

use crate::support::host::{INITIALIZE, INITIALIZED, Process, request};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// What the test writes on the server's standing stream, once there is one.
type Stream = Arc<Mutex<Option<UnboundedSender<Step>>>>;

fn says(stream: &Stream, text: &str) {
    let stream = stream.lock().unwrap();
    stream.as_ref().unwrap().send(Step::event(text)).unwrap();
}

/// A legacy server with a standing stream, whose lists say nothing of their life.
async fn legacy(stream: &Stream) -> Server {
    let stream = Arc::clone(stream);
    Server::that(move |ask| match ask.label().as_str() {
        "GET" => {
            let (reply, steps) = Reply::live();
            *stream.lock().unwrap() = Some(steps);
            reply
        }
        "POST tools/list" => Reply::result(ask, r#"{"tools":[{"name":"t","big":1E2}]}"#),
        _ => ordinary(ask),
    })
    .await
}

#[tokio::test]
async fn lists_of_a_legacy_server_are_asked_for_each_time() {
    let server = legacy(&Stream::default()).await;
    let mut host = Process::opened(&server.url(), &[]).await;
    for id in 1..=3 {
        host.send(request(id, "tools/list")).await;
        assert_eq!(host.next_json().await["id"], id);
    }
    assert_eq!(server.count("POST tools/list"), 3);
}

#[tokio::test]
async fn with_a_cache_ttl_they_are_asked_for_again_when_they_change() {
    let stream = Stream::default();
    let server = legacy(&stream).await;
    let mut host = Process::opened(&server.url(), &["--cache-ttl", "1m"]).await;
    server.asked("GET", 1).await;
    host.send(request(1, "tools/list")).await;
    let first = host.next().await;
    host.send(request("\"two\"", "tools/list")).await;
    assert_eq!(
        host.next().await,
        first.replace(r#""id":1"#, r#""id":"two""#)
    );
    assert_eq!(server.count("POST tools/list"), 1);

    says(&stream, CHANGED);
    assert_eq!(host.next().await, CHANGED);
    host.send(request(3, "tools/list")).await;
    assert_eq!(host.next_json().await["id"], 3);
    assert_eq!(server.count("POST tools/list"), 2);
    // Calls are calls.
    for id in 4..=5 {
        host.send(request(id, "tools/call")).await;
        assert_eq!(host.next_json().await["id"], id);
    }
    assert_eq!(server.count("POST tools/call"), 2);
}

#[tokio::test]
async fn the_variable_says_it_too() {
    let server = legacy(&Stream::default()).await;
    let variables = [("MCPIPE_CACHE_TTL", "30s")];
    let mut host = Process::start_with(&[&server.url()], &variables);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    for id in 1..=2 {
        host.send(request(id, "tools/list")).await;
        assert_eq!(host.next_json().await["id"], id);
    }
    assert_eq!(server.count("POST tools/list"), 1);
}

/// A modern server whose lists are good for a minute, and which tells of changes.
async fn modern(stream: &Stream) -> Server {
    let stream = Arc::clone(stream);
    Server::that(move |ask: &Ask| match ask.label().as_str() {
        "POST server/discover" => Reply::result(
            ask,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":0,"cacheScope":"public"}"#,
        ),
        "POST tools/list" => Reply::result(
            ask,
            r#"{"resultType":"complete","tools":[],"ttlMs":60000,"cacheScope":"public"}"#,
        ),
        "POST subscriptions/listen" => {
            let (reply, steps) = Reply::live();
            let acknowledged = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{}}},"notifications":{{"toolsListChanged":true}}}}}}"#,
                ask.id()
            );
            steps.send(Step::event(acknowledged)).unwrap();
            *stream.lock().unwrap() = Some(steps);
            reply
        }
        "POST tools/call" => Reply::json(result_of(ask, r#"{"resultType":"complete","content":[]}"#)),
        _ => Reply::status(404),
    })
    .await
}

#[tokio::test]
async fn a_modern_server_is_taken_at_its_word_for_a_legacy_host() {
    let stream = Stream::default();
    let server = modern(&stream).await;
    let mut host = Process::start_with(&[&server.url()], &[("MCPIPE_PROTOCOL", "auto")]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    let listen = server.asked("POST subscriptions/listen", 1).await;
    for id in 1..=3 {
        host.send(request(id, "tools/list")).await;
        let answer = host.next_json().await;
        assert_eq!(answer["id"], id);
        assert!(answer["result"].get("ttlMs").is_none());
    }
    assert_eq!(server.count("POST tools/list"), 1);

    let changed = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}}}}}"#,
        listen.id()
    );
    says(&stream, &changed);
    assert!(host.next().await.contains("tools/list_changed"));
    host.send(request(4, "tools/list")).await;
    assert_eq!(host.next_json().await["id"], 4);
    assert_eq!(server.count("POST tools/list"), 2);
}
