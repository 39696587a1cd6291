//! Streams that end at once are opened again ever more slowly, whatever came on them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpipe::era::Transport;
use tokio::time::Instant;

use super::{pass, under};
use crate::support::host::{InProcess, call, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Step, ordinary};

const NOTE: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"NTH"}}"#;

type Stream = (&'static str, fn(usize) -> Vec<Step>);

/// What comes on a stream that then ends, by its number.
const FUTILE: [Stream; 8] = [
    ("nothing", |_| vec![]),
    ("a comment", |_| vec![Step::text(": hello\n\n")]),
    ("a priming event", |nth| {
        vec![Step::text(format!("id: {nth}\ndata:\n\n"))]
    }),
    ("the same priming event", |_| {
        vec![Step::text("id: 1\ndata:\n\n")]
    }),
    ("a pause", |_| vec![Step::text("retry: 10\n\n")]),
    ("a ping", |nth| {
        vec![Step::event(format!(
            r#"{{"jsonrpc":"2.0","id":"p{nth}","method":"ping"}}"#
        ))]
    }),
    ("an event of a type", |nth| {
        vec![Step::text(format!(
            "id: {nth}\nretry: 1\nevent: heartbeat\ndata: {nth}\n\n"
        ))]
    }),
    ("the same greeting", |_| vec![Step::event(NOTE)]),
];

#[tokio::test(start_paused = true)]
async fn a_standing_stream_that_ends_at_once_is_not_asked_for_in_a_loop() {
    for (name, steps) in FUTILE {
        let mut nth = 0;
        let remote = Memory::that(move |ask: &Ask| {
            if ask.verb != "GET" {
                return ordinary(ask);
            }
            nth += 1;
            Reply::events(steps(nth))
        });
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        let hearing = async {
            loop {
                host.next().await; // pings and greetings pass
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3500), hearing).await;
        let times = remote.count("GET");
        assert!((30..120).contains(&times), "{name}: {times} in an hour");
    }
}

#[tokio::test(start_paused = true)]
async fn a_standing_stream_that_lived_or_brought_a_message_is_asked_for_again_soon() {
    let lived: [Stream; 2] = [
        ("lived", |_| {
            vec![Step::Pause(Duration::from_secs(61)), Step::text(": x\n\n")]
        }),
        ("brought", |nth| {
            vec![Step::event(NOTE.replace("NTH", &nth.to_string()))]
        }),
    ];
    for (name, steps) in lived {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ends);
        let mut nth = 0;
        let remote = Memory::that(move |ask: &Ask| {
            if ask.verb != "GET" {
                return ordinary(ask);
            }
            nth += 1;
            seen.lock().unwrap().push(Instant::now());
            Reply::events(if nth <= 12 {
                steps(nth)
            } else {
                vec![Step::forever()]
            })
        });
        let _host = InProcess::opened(remote.remote(), settings()).await;
        pass(Duration::from_secs(1000)).await;
        let times = ends.lock().unwrap();
        assert_eq!(times.len(), 13, "{name}");
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] < Duration::from_secs(63), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_cut_again_and_again_is_not_resumed_in_a_loop() {
    for (name, steps) in FUTILE {
        let mut nth = 0;
        let times = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&times);
        let remote = Memory::that(move |ask: &Ask| {
            if ask.label() != "POST tools/call" && ask.header("last-event-id").is_none() {
                return ordinary(ask);
            }
            nth += 1;
            seen.lock().unwrap().push(Instant::now());
            let mut all = match nth {
                1 => vec![Step::text("id: 1\nretry: 5\ndata:\n\n")],
                _ => vec![],
            };
            all.extend(steps(nth));
            Reply::events(all)
        });
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        let hearing = async {
            loop {
                let line = host.next_json().await;
                if line["id"] == 1 {
                    return line;
                }
            }
        };
        let answered = tokio::time::timeout(Duration::from_secs(3500), hearing).await;
        let times = times.lock().unwrap();
        // With a new place to go on from each time it is a long poll, and goes on for as long as the server does.
        let is_poll = matches!(name, "a priming event" | "an event of a type");
        assert_eq!(answered.is_err(), is_poll, "{name}");
        let most = if is_poll { 3600 / 5 } else { 12 };
        assert!(times.len() <= most, "{name}: {} times", times.len());
        for pair in times.windows(2).skip(6) {
            assert!(pair[1] - pair[0] >= Duration::from_secs(5), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_http_sse_is_not_opened_again_in_a_loop() {
    let ways: [Stream; 3] = [
        ("at once", |_| vec![]),
        ("after a ping", |nth| {
            vec![Step::event(format!(
                r#"{{"jsonrpc":"2.0","id":"p{nth}","method":"ping"}}"#
            ))]
        }),
        ("after a comment", |_| vec![Step::text(": hello\n\n")]),
    ];
    for (name, steps) in ways {
        let mut stream = None;
        let mut nth = 0;
        let remote = Memory::that(move |ask: &Ask| match ask.label().as_str() {
            "GET" => {
                let (reply, live) = Reply::live();
                live.send(Step::text("event: endpoint\ndata: /m\n\n"))
                    .unwrap();
                stream = Some(live);
                reply
            }
            "POST initialize" => {
                let result = r#"{"protocolVersion":"2024-11-05","capabilities":{}}"#;
                let answer = Step::event(under(&ask.id(), result));
                stream.as_ref().unwrap().send(answer).unwrap();
                Reply::accepted()
            }
            "POST notifications/initialized" => {
                nth += 1;
                if let Some(live) = stream.take() {
                    for step in steps(nth) {
                        live.send(step).unwrap();
                    }
                }
                Reply::accepted()
            }
            _ => Reply::accepted(),
        });
        let mut settings = settings();
        settings.transport = Transport::SseOnly;
        let mut host = InProcess::opened(remote.remote(), settings).await;
        let hearing = async {
            loop {
                host.next().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3500), hearing).await;
        let times = remote.count("GET");
        assert!((20..120).contains(&times), "{name}: {times} in an hour");
        // A host that asks for something does not wait for the longest of the pauses.
        let begun = Instant::now();
        host.send(call(1)).await;
        while host.next_json().await["id"] != 1 {}
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}");
    }
}
