//! Sessions: opened in the order servers depend on, opened again unseen when lost, everything asked answered once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::support::host::{
    INITIALIZE, INITIALIZED, Near, call, cancelled, json, request, settings,
};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Step, opening, ordinary, result_of};

/// A remote that counts its openings, names each session after its number and refuses all requests outside the newest
/// one in this way, until told to forget it by `POST test/forget`, which opens nothing and answers nothing.
fn forgetful(refuse: fn() -> Reply) -> impl FnMut(&Ask) -> Reply {
    let mut opened = 0;
    let mut is_known = false;
    move |ask| {
        let current = format!("session-{opened}");
        match ask.label().as_str() {
            "POST initialize" => {
                opened += 1;
                is_known = true;
                opening(ask, &format!("session-{opened}"))
            }
            "POST notifications/forget" => {
                is_known = false;
                Reply::accepted()
            }
            _ if !is_known || ask.header("mcp-session-id") != Some(&current) => refuse(),
            "GET" => Reply::events([Step::forever()]),
            _ => ordinary(ask),
        }
    }
}

fn not_found() -> Reply {
    Reply::status(404)
}

const FORGET: &str = r#"{"jsonrpc":"2.0","method":"notifications/forget"}"#;

fn error(status: u16, code: i64, message: &str) -> Reply {
    let mut reply = Reply::json(format!(
        r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"{message}"}}}}"#
    ));
    reply.status = status;
    reply
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_the_opening() {
    let told: [CancellationToken; 3] = std::array::from_fn(|_| CancellationToken::new());
    let [opened, accepted, listening] = told.clone();
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST initialize" => ordinary(ask).after(Step::Until(opened.clone())),
        "POST notifications/initialized" => Reply::accepted().after(Step::Until(accepted.clone())),
        "GET" => Reply::status(405).after(Step::Until(listening.clone())),
        _ => ordinary(ask),
    });
    let mut host = Near::bridged_to(remote.remote(), settings());
    for line in [
        INITIALIZE,
        INITIALIZED,
        &call(1),
        &request(2, "logging/setLevel"),
    ] {
        host.send(line).await;
    }
    let order = [
        "POST initialize",
        "POST notifications/initialized",
        "GET",
        "POST tools/call",
        "POST logging/setLevel",
    ];
    for (step, told) in told.iter().enumerate() {
        // Less than the patience with a standing stream that does not open.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(remote.labels(), order[..=step]);
        told.cancel();
    }
    assert_eq!(host.next_json().await["id"], 0);
    assert_eq!(host.next_json().await["id"], 1);
    assert_eq!(host.next_json().await["id"], 2);
    assert_eq!(remote.labels(), order);
}

#[tokio::test(start_paused = true)]
async fn a_standing_stream_that_does_not_open_delays_nobody_for_long() {
    let remote = Memory::that(|ask| match ask.verb.as_str() {
        "GET" => Reply::events([]).after(Step::forever()),
        _ => ordinary(ask),
    });
    let mut host = Near::opened(remote.remote(), settings()).await;
    let begun = tokio::time::Instant::now();
    host.send(call(1)).await;
    host.next().await;
    assert!(begun.elapsed() <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_here_while_the_opening_goes_on() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST initialize" => ordinary(ask).after(Step::forever()),
        _ => ordinary(ask),
    });
    let mut host = Near::bridged_to(remote.remote(), settings());
    host.send(INITIALIZE).await;
    host.send(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#)
        .await;
    assert_eq!(
        host.next().await,
        r#"{"jsonrpc":"2.0","id":"p","result":{}}"#
    );
    assert_eq!(remote.labels(), ["POST initialize"]);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_comes_early_waits_until_the_host_is_ready() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST initialize" => Reply::events([
            Step::event(r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#),
            Step::event(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#),
            Step::event(result_of(ask, r#"{"protocolVersion":"2025-03-26"}"#)),
        ]),
        _ => ordinary(ask),
    });
    let mut host = Near::bridged_to(remote.remote(), settings());
    host.send(INITIALIZE).await;
    assert_eq!(host.next_json().await["method"], "notifications/message");
    assert_eq!(host.next_json().await["id"], 0);
    host.hears_nothing_for(Duration::from_secs(60)).await;
    host.send(INITIALIZED).await;
    assert_eq!(host.next_json().await["id"], "q");
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
        let mut host = Near::opened(remote.remote(), settings()).await;
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
        let mut host = Near::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        let answer = loop {
            let line = host.next_json().await;
            if line.get("id").is_some() {
                break line;
            }
        };
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
    let mut host = Near::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    assert_eq!(host.next_json().await["error"]["data"]["status"], 404);
    assert_eq!(remote.count("POST initialize"), 1);
}

#[tokio::test(start_paused = true)]
async fn many_losses_at_once_are_one_reopening() {
    let remote = Memory::that(forgetful(not_found));
    let mut host = Near::opened(remote.remote(), settings()).await;
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
    let mut host = Near::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    let answer = loop {
        let line = host.next_json().await;
        if line.get("id").is_some() {
            break line;
        }
    };
    assert_eq!(answer["error"]["data"]["kind"], "session_lost");
    assert_eq!(remote.count("POST tools/call"), 2);
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
    let mut host = Near::opened(remote.remote(), settings()).await;
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
    let answer = loop {
        let line = host.next_json().await;
        if line.get("id").is_some() {
            break line;
        }
    };
    assert_eq!(answer, json(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#));
}

#[tokio::test(start_paused = true)]
async fn a_request_cancelled_while_it_waits_is_never_sent_nor_answered_and_its_id_is_free() {
    let open = CancellationToken::new();
    let opened = open.clone();
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST initialize" => ordinary(ask).after(Step::Until(opened.clone())),
        _ => ordinary(ask),
    });
    let mut host = Near::bridged_to(remote.remote(), settings());
    for line in [
        INITIALIZE,
        INITIALIZED,
        &call(1),
        &cancelled(1),
        &cancelled(0),
        &request(1, "tools/list"),
    ] {
        host.send(line).await;
    }
    open.cancel();
    assert_eq!(host.next_json().await["id"], 0);
    assert_eq!(host.next_json().await["id"], 1);
    host.hears_nothing_for(Duration::from_secs(5)).await;
    assert_eq!(remote.count("POST tools/call"), 0);
    assert_eq!(remote.count("POST tools/list"), 1);
    assert_eq!(remote.count("POST notifications/cancelled"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_cancelled_at_the_remote_is_answered_by_nobody() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::events([
            Step::Pause(Duration::from_secs(5)),
            Step::event(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#),
            Step::event(result_of(ask, "{}")),
        ]),
        _ => ordinary(ask),
    });
    let mut host = Near::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    remote.asked("POST tools/call", 1).await;
    let notice = cancelled(1);
    host.send(&notice).await;
    assert_eq!(
        remote.asked("POST notifications/cancelled", 1).await.body,
        notice
    );
    host.hears_nothing_for(Duration::from_secs(60)).await;
    // A cancellation of what is not open is nobody's business (C-05).
    host.send(cancelled(7)).await;
    host.send(call(8)).await;
    let lines: Vec<_> = [host.next_json().await, host.next_json().await].into();
    assert_eq!(lines[1]["id"], 8);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_question_is_never_queued_behind_the_call_that_waits_for_it() {
    let answered = CancellationToken::new();
    let told = answered.clone();
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST tools/call" => Reply::events([
            Step::event(r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create"}"#),
            Step::Until(told.clone()),
            Step::event(result_of(ask, "true")),
        ]),
        "POST answer" => {
            told.cancel();
            Reply::accepted()
        }
        _ => ordinary(ask),
    });
    let mut narrow = settings();
    narrow.max_in_flight = 1;
    let mut host = Near::opened(remote.remote(), narrow).await;
    host.send(call(1)).await;
    host.send(request(2, "tools/list")).await;
    assert_eq!(host.next_json().await["method"], "elicitation/create");
    assert_eq!(remote.count("POST tools/list"), 0);
    host.send(r#"{"jsonrpc":"2.0","id":"q","result":{}}"#).await;
    assert_eq!(host.next_json().await["result"], true);
    assert_eq!(host.next_json().await["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_calls_are_at_the_remote_at_once() {
    let flying = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&flying);
    let all_there = CancellationToken::new();
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST tools/call" => {
            if count.fetch_add(1, Ordering::SeqCst) == 199 {
                all_there.cancel();
            }
            ordinary(ask).after(Step::Until(all_there.clone()))
        }
        _ => ordinary(ask),
    });
    let mut host = Near::opened(remote.remote(), settings()).await;
    for id in 1..=200 {
        host.send(call(id)).await;
    }
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(host.next_json().await["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=200).collect::<Vec<_>>());
    assert_eq!(flying.load(Ordering::SeqCst), 200);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_begins_anew_gets_a_session_of_its_own() {
    let remote = Memory::that(forgetful(not_found));
    let mut host = Near::opened(remote.remote(), settings()).await;
    remote.asked("GET", 1).await;
    host.send(INITIALIZE.replace("\"id\":0", "\"id\":9")).await;
    assert_eq!(host.next_json().await["id"], 9);
    host.send(INITIALIZED).await;
    host.send(call(10)).await;
    assert_eq!(host.next_json().await["result"], json("{}"));
    assert_eq!(
        remote
            .asked("POST initialize", 2)
            .await
            .header("mcp-session-id"),
        None
    );
    assert_eq!(
        remote.asked("GET", 2).await.header("mcp-session-id"),
        Some("session-2")
    );
    assert_eq!(
        remote
            .asked("POST tools/call", 1)
            .await
            .header("mcp-session-id"),
        Some("session-2")
    );
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
        let mut host = Near::opened(remote.remote(), settings()).await;
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
    let mut host = Near::opened(remote.remote(), settings()).await;
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
