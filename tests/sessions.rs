//! Sessions: opened in the order servers depend on, everything asked answered once.

mod lost; // lost sessions opened again

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::support::host::{
    INITIALIZE, INITIALIZED, InProcess, call, cancelled, json, request, settings,
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
    let mut host = InProcess::bridged_to(remote.remote(), settings());
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
    let mut host = InProcess::opened(remote.remote(), settings()).await;
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
    let mut host = InProcess::bridged_to(remote.remote(), settings());
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
    let mut host = InProcess::bridged_to(remote.remote(), settings());
    host.send(INITIALIZE).await;
    assert_eq!(host.next_json().await["method"], "notifications/message");
    assert_eq!(host.next_json().await["id"], 0);
    host.hears_nothing_for(Duration::from_secs(60)).await;
    host.send(INITIALIZED).await;
    assert_eq!(host.next_json().await["id"], "q");
}

#[tokio::test(start_paused = true)]
async fn a_request_cancelled_while_it_waits_is_never_sent_nor_answered_and_its_id_is_free() {
    let open = CancellationToken::new();
    let opened = open.clone();
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST initialize" => ordinary(ask).after(Step::Until(opened.clone())),
        _ => ordinary(ask),
    });
    let mut host = InProcess::bridged_to(remote.remote(), settings());
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
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    remote.asked("POST tools/call", 1).await;
    let notice = cancelled(1);
    host.send(&notice).await;
    assert_eq!(
        remote.asked("POST notifications/cancelled", 1).await.body,
        notice
    );
    host.hears_nothing_for(Duration::from_secs(60)).await;
    // A cancellation of a request that is not open is ignored (MCP 2026-07-28, basic/patterns/cancellation).
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
    let mut host = InProcess::opened(remote.remote(), narrow).await;
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
    let mut host = InProcess::opened(remote.remote(), settings()).await;
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
    let mut host = InProcess::opened(remote.remote(), settings()).await;
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
