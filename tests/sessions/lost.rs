//! Sessions that are lost: noticed for certain, opened again unseen, brought to where they were, and said if they
//! cannot be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{FORGET, forgetful, not_found};
use crate::support::host::{INITIALIZE, InProcess, call, json, request, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Step, ordinary};
fn error(status: u16, code: i64, message: &str) -> Reply {
    let mut reply = Reply::json(format!(
        r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"{message}"}}}}"#
    ));
    reply.status = status;
    reply
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_opened_again_unseen_and_brought_to_where_it_was() {
    let losses: [fn() -> Reply; 8] = [
        not_found,
        || Reply::status(404).body("Session not found"),
        || error(404, -32001, "Session not found"),
        || Reply::status(410),
        || error(400, -32000, "Bad Request: No valid session ID provided"),
        || error(400, -32600, "Server not initialized"),
        || Reply::status(503).body("unknown session"),
        || error(400, -30001, "gone"),
    ];
    for refuse in losses {
        let remote = Memory::that(forgetful(refuse));
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(request(1, "logging/setLevel")).await;
        host.next().await;
        for (id, method, uri) in [
            (2, "subscribe", "a"),
            (3, "subscribe", "b"),
            (4, "unsubscribe", "a"),
        ] {
            host.send(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/{method}","params":{{"uri":"file:///{uri}"}}}}"#
            ))
            .await;
            host.next().await;
        }
        remote.asked("GET", 1).await;
        host.send(FORGET).await;
        remote.asked("POST notifications/forget", 1).await;
        let before = remote.all().len();
        host.send(call(5)).await;

        assert_eq!(
            host.next_json().await["method"],
            "notifications/tools/list_changed"
        );
        let updated = host.next_json().await;
        assert_eq!(updated["method"], "notifications/resources/updated");
        assert_eq!(updated["params"]["uri"], "file:///b");
        assert_eq!(
            host.next_json().await,
            json(r#"{"jsonrpc":"2.0","id":5,"result":{}}"#)
        );
        host.hears_nothing_for(Duration::from_secs(5)).await;

        let after = remote.all().split_off(before);
        let labels: Vec<_> = after.iter().map(Ask::label).collect();
        let expected = [
            "POST tools/call",
            "POST initialize",
            "POST notifications/initialized",
            "GET",
            "POST logging/setLevel",
            "POST resources/subscribe",
            "POST tools/call",
        ];
        assert_eq!(labels, expected);
        assert_eq!(json(&after[1].body)["params"], json(INITIALIZE)["params"]);
        assert_eq!(after[1].header("mcp-session-id"), None);
        assert_eq!(after[1].header("mcp-protocol-version"), None);
        for ask in &after[2..] {
            assert_eq!(ask.header("mcp-session-id"), Some("session-2"));
            assert_eq!(ask.header("mcp-protocol-version"), Some("2025-06-18"));
        }
        assert_eq!(json(&after[5].body)["params"]["uri"], "file:///b");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_looks_like_a_loss_is_passed_on() {
    let refusals: [(fn() -> Reply, u64); 4] = [
        (|| error(400, -32602, "Invalid params"), 1),
        (|| Reply::status(403), 1),
        (|| Reply::status(500).body("no session today"), 1),
        // About a parameter that is called so: tried once in a new session, then said in the remote's own words.
        (|| error(400, -32602, "sessionName is missing"), 2),
    ];
    for (refuse, openings) in refusals {
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => refuse(),
            _ => ordinary(ask),
        });
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        let answer = host.next_with_id().await;
        assert_eq!(answer["id"], 1);
        if let Some(code) = answer["error"]["code"]
            .as_i64()
            .filter(|code| *code != -32603)
        {
            assert_eq!(code, -32602);
        }
        assert!(
            !answer["error"]["data"]["kind"]
                .to_string()
                .contains("session_lost"),
            "{answer}"
        );
        host.hears_nothing_for(Duration::from_secs(5)).await;
        assert_eq!(remote.count("POST initialize") as u64, openings);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_session_a_404_is_a_404() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST initialize" => Reply::result(ask, r#"{"protocolVersion":"2025-06-18"}"#),
        "POST tools/call" => not_found(),
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    assert_eq!(host.next_json().await["error"]["data"]["status"], 404);
    assert_eq!(remote.count("POST initialize"), 1);
}

#[tokio::test(start_paused = true)]
async fn many_losses_at_once_are_one_reopening() {
    let remote = Memory::that(forgetful(not_found));
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    remote.asked("GET", 1).await;
    host.send(FORGET).await;
    remote.asked("POST notifications/forget", 1).await;
    for id in 1..=20 {
        host.send(call(id)).await;
    }
    let mut ids = Vec::new();
    while ids.len() < 20 {
        let line = host.next_json().await;
        if let Some(id) = line["id"].as_u64() {
            assert!(line.get("result").is_some(), "{line}");
            ids.push(id);
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<_>>());
    assert_eq!(remote.count("POST initialize"), 2);
    assert_eq!(remote.count("GET"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_lost_twice_by_one_request_is_said() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => not_found(),
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    let answer = host.next_with_id().await;
    assert_eq!(answer["error"]["data"]["kind"], "session_lost");
    assert_eq!(remote.count("POST tools/call"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_a_new_session_meets_too_is_the_answer() {
    for status in [404, 410] {
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => {
                let id = ask.id();
                let error = r#"{"code":-32050,"message":"no such account"}"#;
                let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
                Reply {
                    status,
                    ..Reply::json(text)
                }
            }
            _ => ordinary(ask),
        });
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        let answer = host.next_with_id().await;
        assert_eq!(answer["error"]["code"], -32050, "{status}: {answer}");
        assert_eq!(answer["error"]["message"], "no such account", "{answer}");
        // The new session stands.
        assert_eq!(remote.count("POST tools/call"), 2);
        assert_eq!(remote.count("POST initialize"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_opened_again_is_said_to_all_who_wait_and_tried_again_by_the_next()
{
    // Two calls lose the session; the second hears of it when the reopening has already failed.
    let late = CancellationToken::new();
    let let_go = late.clone();
    let is_broken = Arc::new(AtomicUsize::new(0));
    let state = Arc::clone(&is_broken);
    let mut calls = 0;
    let remote =
        Memory::that(
            move |ask| match (ask.label().as_str(), state.load(Ordering::SeqCst)) {
                ("POST initialize", 1) => Reply::status(500),
                ("POST tools/call", 1) => {
                    calls += 1;
                    match calls {
                        1 => not_found(),
                        2 => not_found().after(Step::Until(let_go.clone())),
                        _ => ordinary(ask),
                    }
                }
                _ => ordinary(ask),
            },
        );
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    remote.asked("GET", 1).await;
    is_broken.store(1, Ordering::SeqCst);
    host.send(call(1)).await;
    host.send(call(2)).await;
    let first = host.next_json().await;
    assert_eq!(first["id"], 1);
    assert!(first["error"]["data"]["source"] == "mcpipe", "{first}");
    late.cancel();
    let second = host.next_json().await;
    assert_eq!(second["id"], 2);
    assert_eq!(second["error"]["data"]["source"], "mcpipe");

    is_broken.store(2, Ordering::SeqCst);
    host.send(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#)
        .await;
    assert_eq!(host.next_json().await["id"], "p");
    host.send(call(3)).await;
    let answer = host.next_with_id().await;
    assert_eq!(answer, json(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#));
}

#[tokio::test(start_paused = true)]
async fn a_restoration_that_is_refused_or_lost_keeps_nobody_waiting() {
    let restorations: [fn(&Ask) -> Reply; 3] =
        [|_| Reply::status(500), |_| Reply::cut(), |_| not_found()];
    for restore in restorations {
        let mut levels = 0;
        let mut inner = forgetful(not_found);
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST logging/setLevel" => {
                levels += 1;
                if levels == 1 {
                    inner(ask)
                } else {
                    restore(ask)
                }
            }
            _ => inner(ask),
        });
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(request(1, "logging/setLevel")).await;
        host.next().await;
        remote.asked("GET", 1).await;
        host.send(FORGET).await;
        remote.asked("POST notifications/forget", 1).await;
        for id in [2, 3] {
            host.send(call(id)).await;
            loop {
                if host.next_json().await["id"] == id {
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_standing_stream_belongs_to_the_newest_session() {
    let mut restored = 0;
    let mut inner = forgetful(not_found);
    // The first reopening is lost again before it is complete; the one after that holds.
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST logging/setLevel" => {
            restored += 1;
            if restored == 2 {
                not_found()
            } else {
                inner(ask)
            }
        }
        _ => inner(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(request(1, "logging/setLevel")).await;
    host.next().await;
    host.send(FORGET).await;
    remote.asked("POST notifications/forget", 1).await;
    for id in [2, 3] {
        host.send(call(id)).await;
        while host.next_json().await["id"] != id {}
    }
    let last = remote
        .all()
        .into_iter()
        .rfind(|ask| ask.verb == "GET")
        .unwrap();
    assert_eq!(last.header("mcp-session-id"), Some("session-3"));
}
