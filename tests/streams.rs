//! Streams: answers that are cut are resumed or said to be lost; the standing stream comes back, gently, or not at all.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::support::host::{InProcess, Process, call, json, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};

/// Answers calls with the first of these, and GETs that resume with those that follow.
fn in_pieces(pieces: Vec<Piece>) -> impl FnMut(&Ask) -> Reply {
    let mut pieces = pieces.into_iter();
    let mut answer = String::new();
    move |ask| {
        if ask.label() == "POST tools/call" {
            answer = result_of(ask, "\"whole\"");
        } else if ask.verb != "GET" || ask.header("last-event-id").is_none() {
            return ordinary(ask);
        }
        pieces
            .next()
            .map_or_else(|| Reply::status(400), |piece| piece(&answer))
    }
}

type Piece = Box<dyn FnOnce(&str) -> Reply + Send>;

fn piece(reply: impl FnOnce(&str) -> Reply + Send + 'static) -> Piece {
    Box::new(reply)
}

/// The requests that resumed something.
fn resumptions(asks: &[Ask]) -> Vec<String> {
    asks.iter()
        .filter_map(|ask| ask.header("last-event-id").map(str::to_owned))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_cut_off_is_resumed_after_the_last_event_seen() {
    let cut_or_closed = [true, false];
    for is_cut in cut_or_closed {
        let remote = Memory::that(in_pieces(vec![
            piece(move |_| {
                let mut steps = vec![
                    Step::event_at(6, r#"{"jsonrpc":"2.0","method":"notifications/a"}"#),
                    Step::event_at(7, r#"{"jsonrpc":"2.0","method":"notifications/b"}"#),
                    Step::text("id: 8\ndata: {\"jsonrpc\":"),
                ];
                steps.extend(is_cut.then_some(Step::Cut));
                Reply::events(steps)
            }),
            piece(|answer| Reply::events([Step::event_at(8, answer)])),
        ]));
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        assert_eq!(host.next_json().await["method"], "notifications/a");
        assert_eq!(host.next_json().await["method"], "notifications/b");
        assert_eq!(host.next_json().await["result"], "whole");
        host.hears_nothing_for(Duration::from_secs(60)).await;
        let asks = remote.all();
        assert_eq!(resumptions(&asks), ["7"]);
        let resumed = asks.iter().rfind(|ask| ask.verb == "GET").unwrap();
        assert_eq!(resumed.header("mcp-session-id"), Some("session-1"));
        assert_eq!(resumed.header("mcp-protocol-version"), Some("2025-06-18"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_remotes_pause_is_kept_and_a_close_is_an_invitation_to_come_back() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let mut polls = 0;
    let mut answer = String::new();
    let remote = Memory::that(move |ask| {
        if ask.label() == "POST tools/call" {
            answer = result_of(ask, "\"whole\"");
        } else if ask.header("last-event-id").is_none() {
            return ordinary(ask);
        }
        polls += 1;
        seen.lock().unwrap().push(Instant::now());
        // More polls than tries without any event; each is a priming event with its own pause (MCP 2025-11-25,
        // basic/transports).
        match polls {
            1..=20 => Reply::events([Step::text(format!("id: {polls}\nretry: 5000\ndata:\n\n"))]),
            _ => Reply::events([Step::event(&answer)]),
        }
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    assert_eq!(host.next_json().await["result"], "whole");
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 21);
    for pair in times.windows(2) {
        let pause = pair[1] - pair[0];
        assert!(
            pause >= Duration::from_millis(4950) && pause <= Duration::from_secs(10),
            "{pause:?}"
        );
    }
    let ids: Vec<_> = (1..=20).map(|poll| poll.to_string()).collect();
    assert_eq!(resumptions(&remote.all()), ids);
}

#[tokio::test(start_paused = true)]
async fn an_answer_cut_off_without_an_event_id_is_said_to_be_lost() {
    let beginnings: [fn() -> Reply; 5] = [
        || Reply::events([]),
        || Reply::events([Step::Cut]),
        || Reply::events([Step::text("data: {\"jsonrpc\""), Step::Cut]),
        // An empty id takes the earlier one back (HTML standard, Server-sent events).
        || Reply::events([Step::text("id: 1\ndata:\n\nid\ndata:\n\n"), Step::Cut]),
        Reply::cut,
    ];
    for begin in beginnings {
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => begin(),
            _ => ordinary(ask),
        });
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        let answer = host.next_json().await;
        assert_eq!(answer["id"], 1);
        assert_eq!(answer["error"]["data"]["kind"], "cut", "{answer}");
        assert_eq!(answer["error"]["data"]["retryable"], false);
        assert_eq!(
            remote.count("POST tools/call"),
            1,
            "a call is never repeated unasked"
        );
        assert_eq!(resumptions(&remote.all()), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumption_that_is_refused_is_tried_again_or_said_to_be_lost() {
    fn begun() -> Piece {
        piece(|_| Reply::events([Step::text("id: 7\ndata:\n\n"), Step::Cut]))
    }
    fn ends() -> Piece {
        piece(|answer| Reply::events([Step::event(answer)]))
    }
    fn refused(status: u16) -> Piece {
        piece(move |_| Reply::status(status))
    }
    // What the GETs get, whether the answer comes in the end, and how many GETs it takes.
    type Row = (&'static str, Vec<Piece>, Result<(), &'static str>, usize);
    let rows: Vec<Row> = vec![
        (
            "still held",
            vec![begun(), refused(409), refused(409), ends()],
            Ok(()),
            3,
        ),
        ("busy", vec![begun(), refused(503), ends()], Ok(()), 2),
        (
            "away",
            vec![
                begun(),
                piece(|_| Reply::unreachable()),
                piece(|_| Reply::cut()),
                ends(),
            ],
            Ok(()),
            3,
        ),
        (
            "as json",
            vec![begun(), piece(|answer| Reply::json(answer))],
            Ok(()),
            1,
        ),
        ("not offered", vec![begun(), refused(405)], Err("cut"), 1),
        ("not there", vec![begun(), refused(400)], Err("cut"), 1),
        (
            "session gone",
            vec![begun(), refused(404)],
            Err("session_lost"),
            1,
        ),
        ("nothing more", vec![begun(), refused(204)], Err("cut"), 1),
        (
            "always busy",
            std::iter::once(begun())
                .chain((0..50).map(|_| refused(503)))
                .collect(),
            Err("cut"),
            8,
        ),
    ];
    for (name, pieces, outcome, gets) in rows {
        let remote = Memory::that(in_pieces(pieces));
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        let answer = host.next_with_id().await;
        match outcome {
            Ok(()) => assert_eq!(answer["result"], "whole", "{name}"),
            Err(kind) => {
                assert_eq!(answer["error"]["data"]["kind"], kind, "{name}");
                assert_eq!(answer["error"]["data"]["retryable"], false, "{name}");
            }
        }
        assert_eq!(resumptions(&remote.all()).len(), gets, "{name}");
        if outcome != Err("session_lost") {
            host.hears_nothing_for(Duration::from_secs(600)).await;
        }
    }
}

#[tokio::test]
async fn a_real_connection_cut_at_any_byte_is_resumed() {
    let first = "id: 7\nretry: 1\ndata:\n\n";
    let text = "id: 7\nretry: 1\ndata:\n\n: a comment\n\nid: 8\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\nid: 9\ndata: ANSWER\n\n";
    let cut_at = Arc::new(Mutex::new(0));
    let at = Arc::clone(&cut_at);
    let mut answer = String::new();
    let server =
        Server::that(
            move |ask| match (ask.label().as_str(), ask.header("last-event-id")) {
                ("POST tools/call", _) => {
                    answer = result_of(ask, "1");
                    let whole = text.replace("ANSWER", &answer);
                    let at = *at.lock().unwrap();
                    Reply::events([Step::text(&whole[..at]), Step::Cut])
                }
                ("GET", Some("7")) => Reply::events([
                    Step::event_at(8, r#"{"jsonrpc":"2.0","method":"n"}"#),
                    Step::event_at(9, &answer),
                ]),
                ("GET", Some("8")) => Reply::events([Step::event_at(9, &answer)]),
                ("GET", Some(other)) => panic!("resumed at {other}"),
                _ => ordinary(ask),
            },
        )
        .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    // From the first complete event on; before it there is nothing to resume by.
    for at in first.len()..text.replace("ANSWER", &call(10)).len() {
        *cut_at.lock().unwrap() = at.min(text.len());
        host.send(call(at)).await;
        assert_eq!(host.next_json().await["method"], "n", "cut at {at}");
        let answer = host.next_json().await;
        assert_eq!(
            (answer["id"].as_u64(), &answer["result"]),
            (Some(at as u64), &json("1")),
            "cut at {at}"
        );
        if at >= text.len() {
            break;
        }
    }
}

/// Answers GETs with what this says, and notes when they came.
fn standing(
    mut get: impl FnMut(&Ask, usize) -> Reply + Send,
) -> (impl FnMut(&Ask) -> Reply, Arc<Mutex<Vec<Instant>>>) {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let handler = move |ask: &Ask| match ask.verb.as_str() {
        "GET" => {
            let mut seen = seen.lock().unwrap();
            seen.push(Instant::now());
            get(ask, seen.len())
        }
        _ => ordinary(ask),
    };
    (handler, times)
}

#[tokio::test(start_paused = true)]
async fn a_standing_stream_that_is_not_offered_is_never_asked_for_again() {
    for status in [405, 404, 400, 501] {
        let (handler, times) = standing(move |_, _| Reply::status(status));
        let remote = Memory::that(handler);
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        host.send(call(1)).await;
        host.next().await;
        host.hears_nothing_for(Duration::from_secs(3600)).await;
        assert_eq!(times.lock().unwrap().len(), 1, "{status}");
        assert_eq!(remote.count("POST initialize"), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_standing_stream_comes_back_ever_more_slowly_but_for_as_long_as_the_session_lives() {
    let (handler, times) = standing(|_, nth| match nth % 3 {
        0 => Reply::events([Step::Cut]),
        1 => Reply::events([]),
        _ => Reply::status(502),
    });
    let remote = Memory::that(handler);
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.hears_nothing_for(Duration::from_secs(3600)).await;
    let times = times.lock().unwrap();
    assert!(
        (60..120).contains(&times.len()),
        "{} in an hour",
        times.len()
    );
    for pair in times.windows(2) {
        let pause = pair[1] - pair[0];
        assert!(
            pause >= Duration::from_millis(180) && pause <= Duration::from_secs(61),
            "{pause:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_standing_stream_goes_on_where_it_was_cut() {
    let (handler, times) = standing(|ask, nth| {
        let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        match (nth, ask.header("last-event-id")) {
            (1, None) => Reply::events([
                Step::text("retry: 3000\n"),
                Step::event_at(4, note),
                Step::Cut,
            ]),
            (2, Some("4")) => Reply::events([Step::event_at(5, note), Step::forever()]),
            other => panic!("{other:?}"),
        }
    });
    let remote = Memory::that(handler);
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.next().await;
    host.next().await;
    let times = times.lock().unwrap();
    assert_eq!(times[1] - times[0], Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_standing_stream_comes_back_when_the_remote_says() {
    let (handler, times) = standing(|_, nth| match nth {
        1 => Reply::status(429).with("Retry-After", "120"),
        2 => Reply::status(503).with("Retry-After", "40"),
        _ => Reply::events([Step::forever()]),
    });
    let remote = Memory::that(handler);
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.hears_nothing_for(Duration::from_secs(3600)).await;
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 3);
    assert!(times[1] - times[0] >= Duration::from_secs(120));
    assert!(times[2] - times[1] >= Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_standing_stream_is_a_healthy_one() {
    let (handler, times) = standing(|_, _| {
        let keep_alive = || {
            [
                Step::Pause(Duration::from_secs(25)),
                Step::text(": ping\n\n"),
            ]
        };
        let mut steps: Vec<_> = (0..300).flat_map(|_| keep_alive()).collect();
        steps.push(Step::event(
            r#"{"jsonrpc":"2.0","method":"notifications/late"}"#,
        ));
        steps.push(Step::forever());
        Reply::events(steps)
    });
    let remote = Memory::that(handler);
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    // Two hours.
    host.hears_nothing_for(Duration::from_secs(7200)).await;
    assert_eq!(host.next_json().await["method"], "notifications/late");
    assert_eq!(times.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_without_an_id_on_a_standing_stream_ends_nothing() {
    let (handler, times) = standing(|_, _| {
        Reply::events([
            Step::event(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"m"}}"#),
            Step::forever(),
        ])
    });
    let remote = Memory::that(handler);
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.hears_nothing_for(Duration::from_secs(600)).await;
    assert_eq!(times.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_on_another_stream_is_the_answer() {
    let (get, live) = Reply::live();
    let mut get = Some(get);
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "GET" => get.take().unwrap_or_else(|| Reply::status(405)),
        "POST tools/call" => Reply::events([Step::forever()]),
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call("\"a\"")).await;
    let asked = remote.asked("POST tools/call", 1).await;
    live.send(Step::event(result_of(&asked, "2"))).unwrap();
    assert_eq!(host.next_json().await["result"], 2);
    // Said twice, it is heard once.
    live.send(Step::event(result_of(&asked, "3"))).unwrap();
    host.hears_nothing_for(Duration::from_secs(60)).await;
}
