//! Sessions begun twice, hosts that ping before they begin, and notifications that say an id.

use std::time::Duration;

use super::{Era, auto, calls, server, under};
use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, Process, call, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Server, Step, opening, ordinary};

#[tokio::test(start_paused = true)]
async fn a_second_initialize_ends_the_first_session_and_answers_what_was_asked_in_it() {
    let mut opened = 0;
    let remote = Memory::that(move |ask: &Ask| match ask.label().as_str() {
        "POST initialize" => {
            opened += 1;
            opening(ask, &format!("session-{opened}"))
        }
        "GET" => Reply::events([Step::forever()]),
        "POST tools/call" if opened == 1 => Reply::events([Step::forever()]),
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    host.send(call(2)).await;
    remote.asked("POST tools/call", 2).await;
    remote.asked("GET", 1).await;
    // From the beginning, with the same ids.
    host.send(INITIALIZE).await;
    for id in [1, 2] {
        let answer = host.next_json().await;
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["data"]["kind"], "superseded", "{answer}");
    }
    assert!(host.next_json().await["result"].is_object());
    let ended = remote.asked("DELETE", 1).await;
    assert_eq!(ended.header("mcp-session-id"), Some("session-1"));
    assert_eq!(ended.header("mcp-protocol-version"), Some("2025-06-18"));
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    assert!(host.next_json().await["result"].is_object());
    let asked = remote.asked("POST tools/call", 3).await;
    assert_eq!(asked.header("mcp-session-id"), Some("session-2"));
    assert_eq!(
        remote.asked("GET", 2).await.header("mcp-session-id"),
        Some("session-2")
    );
    host.close();
    host.ended().await;
    assert_eq!(remote.count("DELETE"), 2);
    assert_eq!(
        remote.asked("DELETE", 2).await.header("mcp-session-id"),
        Some("session-2")
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_opens_when_the_host_has_begun_anew_is_ended_too() {
    let mut opened = 0;
    let remote = Memory::that(move |ask: &Ask| match ask.label().as_str() {
        "POST initialize" => {
            opened += 1;
            let reply = opening(ask, &format!("session-{opened}"));
            match opened {
                1 => reply.after(Step::Pause(Duration::from_secs(5))),
                _ => reply,
            }
        }
        _ => ordinary(ask),
    });
    let mut host = InProcess::bridged_to(remote.remote(), settings());
    host.send(INITIALIZE).await;
    host.send(INITIALIZE.replace("\"id\":0", "\"id\":1")).await;
    assert_eq!(host.next_json().await["id"], 1);
    assert_eq!(host.next_json().await["id"], 0);
    let ended = remote.asked("DELETE", 1).await;
    assert_eq!(ended.header("mcp-session-id"), Some("session-1"));
    host.send(INITIALIZED).await;
    host.send(call(2)).await;
    host.next().await;
    let asked = remote.asked("POST tools/call", 1).await;
    assert_eq!(asked.header("mcp-session-id"), Some("session-2"));
}

#[tokio::test(start_paused = true)]
async fn a_second_initialize_to_a_modern_server_answers_what_was_asked_before_it() {
    let remote = Memory::that(server(Era::Modern, |ask, result| {
        match ask.label().as_str() {
            "POST tools/call" => Reply::events([Step::forever()]),
            _ => Reply::json(under(&ask.id(), result)),
        }
    }));
    let mut host = InProcess::bridged_to(remote.remote(), auto());
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    remote.asked("POST tools/call", 1).await;
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    assert_eq!(
        (answer["id"].as_u64(), &answer["error"]["data"]["kind"]),
        (Some(1), &"superseded".into())
    );
    assert_eq!(host.next_json().await["id"], 0);
}

#[tokio::test]
async fn a_ping_before_the_handshake_is_answered_here() {
    for (protocol, era) in [
        ("legacy", Era::Legacy),
        ("auto", Era::Legacy),
        ("auto", Era::Modern),
        ("modern", Era::Modern),
    ] {
        let mut server = Server::that(server(era, |ask, result| {
            Reply::json(under(&ask.id(), result))
        }))
        .await;
        server.expect("POST ping", 0);
        let mut host = Process::start_with(&[&server.url()], &[("MCPIPE_PROTOCOL", protocol)]);
        for id in ["1", "\"a\""] {
            host.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#))
                .await;
            assert_eq!(
                host.next().await,
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
            );
        }
        host.send(INITIALIZE).await;
        host.send(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#)
            .await;
        let mut ids = [
            host.next_json().await["id"].as_u64(),
            host.next_json().await["id"].as_u64(),
        ];
        ids.sort_unstable();
        assert_eq!(ids, [Some(0), Some(2)]);
        host.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_after_a_handshake_that_failed_is_answered_here_too() {
    let remote = Memory::that(|ask: &Ask| match ask.verb.as_str() {
        "POST" => Reply::status(400),
        _ => Reply::status(404),
    });
    let mut host = InProcess::bridged_to(remote.remote(), settings());
    host.send(INITIALIZE).await;
    assert!(host.next_json().await["error"].is_object());
    host.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
        .await;
    assert_eq!(host.next().await, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(remote.count("POST ping"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_notification_whose_id_is_null_is_one_in_both_directions() {
    let remote = Memory::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/call" => Reply::events([
            Step::event(
                r#"{"jsonrpc":"2.0","id":null,"method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
            ),
            Step::event(under(&ask.id(), "{}")),
        ]),
        _ => ordinary(ask),
    });
    let mut host = InProcess::bridged_to(remote.remote(), settings());
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED.replace("\"method\"", "\"id\":null,\"method\""))
        .await;
    let asked = remote.asked("POST notifications/initialized", 1).await;
    assert_eq!(asked.body, INITIALIZED);
    host.send(call(1)).await;
    assert_eq!(
        host.next().await,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#
    );
    assert_eq!(host.next_json().await["id"], 1);
    // A request is not: no one could tell its answer from another.
    host.send(r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#)
        .await;
    let answer = host.next_json().await;
    assert_eq!(
        (answer["id"].is_null(), answer["error"]["code"].as_i64()),
        (true, Some(-32600))
    );
    host.send(calls(Era::Legacy, 2)).await;
    while host.next_json().await["id"] != 2 {}
}
