//! `--rate-limit-wait`: order, bounds, cancellation, and the end of the bridge.

use std::time::Duration;

use mcpipe::policy::Rules;
use serde_json::json;
use tokio::time::Instant;

use super::{call, called, limited, rate};
use crate::support::host::{InProcess, call_timeout, cancelled, limit};
use crate::support::memory::Memory;
use crate::support::remote::{Step, ordinary};

fn waiting() -> Rules {
    Rules {
        rate_limit_wait: true,
        ..Rules::default()
    }
}

#[tokio::test(start_paused = true)]
async fn calls_wait_in_order_for_each_limit_and_hold_up_no_others() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(ordinary);
    let rules = Rules {
        rate_limit: vec![rate(Some("a*"), 1, 2), rate(Some("*b"), 1, 5)],
        ..waiting()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    for (id, tool) in ["a1", "1b", "a2", "2b", "a3", "a4b", "free", "a5"]
        .iter()
        .enumerate()
    {
        host.send(call(u32::try_from(id).unwrap() + 1, tool)).await;
    }
    let begun = Instant::now();
    for _ in 0..8 {
        assert!(host.next_json().await.get("result").is_some());
    }
    let called = called(&remote);
    assert_eq!(called[..3], ["a1", "1b", "free"]);
    let of =
        |wanted: fn(&&String) -> bool| -> Vec<&String> { called.iter().filter(wanted).collect() };
    assert_eq!(
        of(|it| it.starts_with('a')),
        ["a1", "a2", "a3", "a4b", "a5"]
    );
    assert_eq!(of(|it| it.ends_with('b')), ["1b", "2b", "a4b"]);
    let took = begun.elapsed().as_secs();
    assert!((10..=13).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_is_cancelled_and_the_next_has_its_turn() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(ordinary);
    let rules = Rules {
        rate_limit: vec![rate(None, 1, 10)],
        ..waiting()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    for id in 1..=4 {
        host.send(call(id, &format!("t{id}"))).await;
    }
    assert_eq!(host.next_json().await["id"], 1);
    for id in [2, 3] {
        host.send(cancelled(id)).await;
    }
    let begun = Instant::now();
    assert_eq!(host.next_json().await["id"], 4);
    assert!(begun.elapsed() <= Duration::from_millis(10_100));
    assert_eq!(called(&remote), ["t1", "t4"]);
    // The server is told of nothing that it has not seen.
    assert_eq!(remote.count("POST notifications/cancelled"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_its_time_limit_or_a_minute() {
    for (ceiling, seconds) in [(Some(20), 20), (None, 60)] {
        let home = tempfile::tempdir().unwrap();
        let remote = Memory::that(ordinary);
        let rules = Rules {
            rate_limit: vec![rate(None, 1, 15)],
            call_timeout: ceiling
                .map(Duration::from_secs)
                .map(call_timeout)
                .unwrap_or_default(),
            ..waiting()
        };
        let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
        let begun = Instant::now();
        for id in 1..=6 {
            host.send(call(id, "x")).await;
        }
        let mut passed = 0;
        for _ in 1..=6 {
            let answer = host.next_json().await;
            let data = &answer["error"]["data"];
            match answer.get("result") {
                Some(_) => passed += 1,
                None => {
                    assert_eq!(data["kind"], "rate_limited", "{answer}");
                    let message = answer["error"]["message"].as_str().unwrap();
                    assert!(
                        message.contains(&format!("waits for {seconds} s at most")),
                        "{message}"
                    );
                }
            }
        }
        assert_eq!(passed, 1 + seconds / 15);
        assert!(
            begun.elapsed() <= Duration::from_secs(seconds + 1),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_others_under_way_to_end() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => ordinary(ask).after(Step::Pause(Duration::from_secs(5))),
        _ => ordinary(ask),
    });
    let rules = Rules {
        max_concurrent: vec![limit("max-concurrent", None, 2)],
        ..waiting()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    let begun = Instant::now();
    for id in 1..=6 {
        host.send(call(id, &format!("t{id}"))).await;
    }
    for _ in 1..=6 {
        assert!(host.next_json().await.get("result").is_some());
    }
    assert_eq!(called(&remote), ["t1", "t2", "t3", "t4", "t5", "t6"]);
    let took = begun.elapsed();
    assert!((15_000..15_300).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_leaves_answers_calls_that_wait_and_says_that_they_were_not_sent() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(ordinary);
    let rules = Rules {
        rate_limit: vec![rate(None, 1, 50)],
        ..waiting()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    host.send(call(1, "x")).await;
    host.send(call(2, "x")).await;
    assert_eq!(host.next_json().await["id"], 1);
    host.close();
    let begun = Instant::now();
    let (_, lines) = host.ended().await;
    let answers: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 1, "{lines:?}");
    assert_eq!(
        (&answers[0]["id"], &answers[0]["error"]["data"]["kind"]),
        (&json!(2), &json!("leaving"))
    );
    assert_eq!(answers[0]["error"]["data"]["retryable"], true);
    assert!(
        begun.elapsed() <= Duration::from_secs(32),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(called(&remote), ["x"]);
}
