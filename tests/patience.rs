//! Time and size: what is tried again and when, what is given up, what is kept within bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mcpipe::era::Transport;
use tokio::time::Instant;

use crate::support::host::{InProcess, Process, call, call_timeout, json, request, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Reply, Server, Step, ordinary, result_of};

#[tokio::test(start_paused = true)]
async fn what_was_not_done_or_does_no_harm_is_sent_again_and_nothing_else_is() {
    // The first answer, what a call (which may do harm) gets, and what a list gets.
    type Row = (&'static str, fn() -> Reply, bool, bool);
    let rows: [Row; 9] = [
        ("429", || Reply::status(429), true, true),
        (
            "429 with a time",
            || Reply::status(429).with("Retry-After", "7"),
            true,
            true,
        ),
        (
            "503 with a time",
            || Reply::status(503).with("Retry-After", "7"),
            true,
            true,
        ),
        ("503", || Reply::status(503), false, true),
        ("502", || Reply::status(502), false, true),
        ("500", || Reply::status(500), false, false),
        ("nobody", Reply::unreachable, true, true),
        ("cut", Reply::cut, false, true),
        (
            "an hour",
            || Reply::status(503).with("Retry-After", "3600"),
            false,
            false,
        ),
    ];
    for (name, first, call_again, list_again) in rows {
        for (method, again) in [("tools/call", call_again), ("tools/list", list_again)] {
            let mut asked = Vec::new();
            let times = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&times);
            let remote = Memory::that(move |ask| {
                if !ask.label().starts_with("POST tools/") {
                    return ordinary(ask);
                }
                asked.push(ask.label());
                seen.lock().unwrap().push(Instant::now());
                if asked.len() == 1 {
                    first()
                } else {
                    ordinary(ask)
                }
            });
            let mut host = InProcess::opened(remote.remote(), settings()).await;
            host.send(request(1, method)).await;
            let answer = host.next_json().await;
            assert_eq!(
                answer.get("result").is_some(),
                again,
                "{name} {method} {answer}"
            );
            let times = times.lock().unwrap();
            assert_eq!(times.len(), if again { 2 } else { 1 }, "{name} {method}");
            if name.contains("with a time") {
                assert_eq!(times[1] - times[0], Duration::from_secs(7));
            }
            if name == "an hour" {
                assert_eq!(answer["error"]["data"]["retryAfterMs"], 3_600_000);
            }
        }
    }
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let mut calls = 0;
    let mut server = Server::that(move |ask| match ask.label().as_str() {
        "POST tools/call" => {
            calls += 1;
            match calls {
                1 => Reply::status(503).with("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"),
                2 => Reply::status(429).with("Retry-After", "Fri, 06 Nov 2595 08:49:37 GMT"),
                _ => ordinary(ask),
            }
        }
        _ => ordinary(ask),
    })
    .await;
    server.expect("POST tools/call", 2);
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["data"]["status"], 429);
    assert!(answer["error"]["data"]["retryAfterMs"].as_u64().unwrap() > 1_000_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_given_up_and_the_remote_told() {
    for transport in [Transport::HttpOnly, Transport::SseOnly] {
        let (get, live) = Reply::live();
        live.send(Step::text("event: endpoint\ndata: /m\n\n"))
            .unwrap();
        let mut get = Some(get);
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "GET" => get
                .take()
                .filter(|_| transport == Transport::SseOnly)
                .unwrap_or_else(|| Reply::status(405)),
            "POST tools/call" if transport == Transport::SseOnly => Reply::accepted(),
            "POST tools/call" => Reply::events([
                Step::Pause(Duration::from_secs(30)),
                Step::event(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#),
                Step::Pause(Duration::from_secs(60)),
                Step::event(result_of(ask, "{}")),
            ]),
            _ => {
                let reply = ordinary(ask);
                if transport == Transport::SseOnly && ask.label() == "POST initialize" {
                    let result = result_of(ask, r#"{"protocolVersion":"2024-11-05"}"#);
                    live.send(Step::event(result)).unwrap();
                }
                reply
            }
        });
        let mut hurried = settings();
        hurried.transport = transport;
        hurried.policy.call_timeout = call_timeout(Duration::from_secs(60));
        let mut host = InProcess::opened(remote.remote(), hurried).await;
        let begun = Instant::now();
        host.send(call(7)).await;
        let answer = host.next_with_id().await;
        assert_eq!(
            answer["error"]["data"]["kind"], "timed_out",
            "{transport:?} {answer}"
        );
        assert!(
            begun.elapsed() >= Duration::from_secs(60)
                && begun.elapsed() <= Duration::from_secs(61)
        );
        // Closing the connection does not stop a legacy server (MCP 2025-11-25, basic/utilities/cancellation).
        let told = remote.asked("POST notifications/cancelled", 1).await;
        assert_eq!(json(&told.body)["params"]["requestId"], 7);
        host.hears_nothing_for(Duration::from_secs(600)).await;
        // The one that is answered in time is not disturbed by its ceiling.
        host.send(request(8, "ping")).await;
    }
}

/// A wall clock that a test can set forward.
static SLEPT: AtomicU64 = AtomicU64::new(0);

#[tokio::test(start_paused = true)]
async fn a_machine_that_has_slept_opens_its_standing_stream_anew() {
    let remote = Memory::that(|ask| match ask.verb.as_str() {
        "GET" => Reply::events([Step::forever()]),
        _ => ordinary(ask),
    });
    let mut sleepy = settings();
    sleepy.now = || SystemTime::UNIX_EPOCH + Duration::from_secs(SLEPT.load(Ordering::SeqCst));
    let mut host = InProcess::opened(remote.remote(), sleepy).await;
    host.hears_nothing_for(Duration::from_secs(600)).await;
    assert_eq!(remote.count("GET"), 1);
    SLEPT.store(7200, Ordering::SeqCst);
    remote.asked("GET", 2).await;
    host.hears_nothing_for(Duration::from_secs(600)).await;
    assert_eq!(remote.count("GET"), 2);
}

#[tokio::test(start_paused = true)]
async fn pings_keep_the_remote_awake_one_at_a_time_and_nobody_hears_of_them() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST ping" => ordinary(ask).after(Step::Pause(Duration::from_secs(100))),
        _ => ordinary(ask),
    });
    let mut awake = settings();
    awake.ping_interval = Some(Duration::from_secs(30));
    let mut host = InProcess::opened(remote.remote(), awake).await;
    host.hears_nothing_for(Duration::from_secs(1200)).await;
    let pings = remote.count("POST ping");
    assert!((15..=21).contains(&pings), "{pings} in twenty minutes");
}

#[tokio::test]
async fn cookies_stick_to_the_remote_that_gave_them() {
    let answer = |ask: &crate::support::remote::Ask| match ask.label().as_str() {
        "POST initialize" => ordinary(ask).with("Set-Cookie", "lb=node-7; Path=/; HttpOnly"),
        _ => ordinary(ask),
    };
    for (arguments, kept) in [(&[][..], Some("lb=node-7")), (&["--disable-cookies"], None)] {
        let server = Server::that(answer).await;
        let mut host = Process::opened(&server.url(), arguments).await;
        host.send(call(1)).await;
        host.next().await;
        host.closed().await;
        for ask in server.all() {
            let expected = kept.filter(|_| ask.label() != "POST initialize");
            assert_eq!(ask.header("cookie"), expected, "{}", ask.label());
        }
    }
}

#[tokio::test]
async fn a_response_that_does_not_begin_is_given_up_when_asked_to() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::accepted().after(Step::forever()),
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &["--headers-timeout", "0.5"]).await;
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert_eq!(answer["id"], 1);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("--headers-timeout"),
        "{answer}"
    );
    assert_eq!(server.count("POST tools/call"), 1);
}

#[tokio::test]
async fn messages_over_the_limit_are_errors_and_not_more() {
    let server = Server::that(|ask| {
        let big = format!("\"{}\"", "x".repeat(5000));
        match ask.label().as_str() {
            "POST tools/call" => Reply::result(ask, &big),
            "POST tools/list" => Reply::events([Step::event(result_of(ask, &big))]),
            "GET" => Reply::events([
                Step::event(format!(r#"{{"jsonrpc":"2.0","method":{big}}}"#)),
                Step::forever(),
            ]),
            _ => ordinary(ask),
        }
    })
    .await;
    let mut host = Process::opened(&server.url(), &["--max-message-size", "4096"]).await;
    for (id, method) in [(1, "tools/call"), (2, "tools/list"), (3, "prompts/list")] {
        host.send(request(id, method)).await;
        let answer = host.next_json().await;
        assert_eq!(answer["id"], id);
        assert_eq!(
            answer["error"]["data"]["kind"] == "too_large",
            id < 3,
            "{answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_read_slows_the_remote_down() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let note = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
            let mut steps: Vec<_> = (0..10_000).map(|_| Step::event(note)).collect();
            steps.push(Step::event(result_of(ask, "{}")));
            Reply::events(steps)
        }
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let pulled = remote.pulled.load(Ordering::SeqCst);
    assert!(
        pulled < 200,
        "{pulled} pieces taken for a host that reads none"
    );
    // And nothing of it is lost when it reads again.
    for _ in 0..10_000 {
        assert_eq!(host.next_json().await["method"], "notifications/progress");
    }
    assert_eq!(host.next_json().await["id"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_says_more_than_can_wait_is_slowed_down() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST initialize" => ordinary(ask).after(Step::forever()),
        _ => ordinary(ask),
    });
    let host = InProcess::bridged_to(remote.remote(), settings());
    host.send(crate::support::host::INITIALIZE).await;
    let mut said = 0;
    while said < 100_000 {
        let line = call(said + 1);
        let sent = tokio::time::timeout(Duration::from_secs(5), host.send(&line)).await;
        if sent.is_err() {
            break;
        }
        said += 1;
    }
    assert!(
        said < 10_000,
        "{said} lines taken while none could be sent on"
    );
}

#[tokio::test(start_paused = true)]
async fn what_we_ask_ourselves_is_not_waited_for_for_ever() {
    let mut levels = 0;
    let mut calls = 0;
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST tools/call" => {
            calls += 1;
            if calls == 1 {
                Reply::status(404)
            } else {
                ordinary(ask)
            }
        }
        "POST logging/setLevel" => {
            levels += 1;
            let never = if levels == 1 {
                Step::text("")
            } else {
                Step::forever()
            };
            ordinary(ask).after(never)
        }
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(request(1, "logging/setLevel")).await;
    host.next().await;
    let begun = Instant::now();
    host.send(call(2)).await;
    while host.next_json().await["id"] != 2 {}
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
}
