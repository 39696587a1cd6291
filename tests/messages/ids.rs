//! The only response on a POST's own answer is that request's answer, whatever its id says.

use std::time::Duration;

use tokio::time::Instant;

use super::{Era, PAIRS, auto, calls, host, server, under};
use crate::support::host::{InProcess, call, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Step, ordinary};

/// How servers write the id of an answer: from the one that was asked with.
type Spelling = (&'static str, fn(&str) -> String);

const SPELLINGS: [Spelling; 8] = [
    ("the other type", |id| match id.strip_prefix('"') {
        Some(rest) => rest
            .trim_end_matches('"')
            .parse::<u64>()
            .map_or_else(|_| "7".into(), |number| number.to_string()),
        None => format!("\"{id}\""),
    }),
    ("a float", |id| match id.starts_with('"') {
        true => "1.5".into(),
        false => format!("{id}.0"),
    }),
    ("zero", |_| "0".into()),
    ("null", |_| "null".into()),
    ("a count of its own", |_| "777".into()),
    ("an empty string", |_| "\"\"".into()),
    ("a uuid", |_| {
        "\"3f0c2a52-6f0f-4a7e-9d8e-0a3f1f1f7c11\"".into()
    }),
    ("an exponent", |id| match id.starts_with('"') {
        true => "1e1".into(),
        false => format!("{id}e0"),
    }),
];

/// How the response comes.
type Shape = (&'static str, fn(String) -> Reply);

const SHAPES: [Shape; 4] = [
    ("json", |text| Reply::json(text)),
    ("a batch of one", |text| Reply::json(format!("[{text}]"))),
    ("a stream that ends", |text| {
        Reply::events([Step::event(text)])
    }),
    ("a stream that stays open", |text| {
        Reply::events([Step::event(text), Step::forever()])
    }),
];

#[tokio::test(start_paused = true)]
async fn the_only_response_to_a_post_is_its_answer_whatever_its_id_says() {
    for (host_era, server_era) in PAIRS {
        for (spelling, write) in SPELLINGS {
            for (shape, reply) in SHAPES {
                let name = format!("{host_era:?} {server_era:?} {spelling} {shape}");
                let remote = Memory::that(server(server_era, move |ask, result| {
                    reply(under(&write(&ask.id()), result))
                }));
                let begun = Instant::now();
                let mut host = host(host_era, &remote).await;
                for id in ["3", "\"x\"", "12345678901234567890"] {
                    host.send(calls(host_era, id)).await;
                    let answer = host.next().await;
                    assert!(answer.contains(r#""content":[]"#), "{name}: {answer}");
                    assert!(
                        answer.contains(&format!(r#""id":{id}"#)),
                        "{name}: {answer}"
                    );
                }
                assert!(begun.elapsed() < Duration::from_secs(30), "{name}");
                host.hears_nothing_for(Duration::from_secs(60)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_no_id_at_all_is_taken_for_the_one_that_was_asked() {
    for (host_era, server_era) in PAIRS {
        let remote = Memory::that(server(server_era, |_, result| {
            Reply::events([
                Step::event(format!(
                    r#"{{"jsonrpc":"2.0","id":null,"result":{result}}}"#
                )),
                Step::forever(),
            ])
        }));
        let mut host = host(host_era, &remote).await;
        host.send(calls(host_era, 5)).await;
        assert_eq!(
            host.next_json().await["id"],
            5,
            "{host_era:?} {server_era:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_member_for_the_id_is_taken_too() {
    for (host_era, server_era) in PAIRS {
        for (shape, reply) in SHAPES {
            let remote = Memory::that(server(server_era, move |_, result| {
                reply(format!(r#"{{"jsonrpc":"2.0","result":{result}}}"#))
            }));
            let mut host = host(host_era, &remote).await;
            host.send(calls(host_era, 5)).await;
            let answer = host.next_json().await;
            let name = format!("{host_era:?} {server_era:?} {shape}: {answer}");
            assert_eq!(answer["id"], 5, "{name}");
            assert!(answer.get("result").is_some(), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_count_for_themselves_answer_calls_at_the_same_time_too() {
    for shape in ["json", "stream"] {
        let mut count = 1;
        let remote = Memory::that(move |ask: &Ask| {
            if ask.label() != "POST tools/call" {
                return ordinary(ask);
            }
            count += 1;
            // One more than asked: the next call's id, which is open too.
            let text = under(&count.to_string(), &format!(r#"{{"of":{}}}"#, ask.id()));
            let slow = Step::Pause(Duration::from_secs(1));
            match shape {
                "json" => Reply::json(text).after(slow),
                _ => Reply::events([slow, Step::event(text)]),
            }
        });
        let mut host = InProcess::opened(remote.remote(), settings()).await;
        for id in 1..=5 {
            host.send(call(id)).await;
        }
        for _ in 1..=5 {
            let answer = host.next_json().await;
            assert_eq!(answer["result"]["of"], answer["id"], "{shape}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_under_the_id_of_another_open_request_is_that_requests_when_its_own_follows() {
    let (reply, live) = Reply::live();
    let mut first = Some(reply);
    let remote = Memory::that(move |ask: &Ask| match ask.label().as_str() {
        "POST tools/call" => first
            .take()
            .unwrap_or_else(|| Reply::events([Step::forever()])),
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    host.send(call(2)).await;
    remote.asked("POST tools/call", 2).await;
    live.send(Step::event(under("2", r#""second""#))).unwrap();
    live.send(Step::event(under("1", r#""first""#))).unwrap();
    for _ in 0..2 {
        let answer = host.next_json().await;
        let expected = match answer["id"].as_u64() {
            Some(1) => "first",
            _ => "second",
        };
        assert_eq!(answer["result"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_answer_may_say_another_id_too() {
    for id in ["\"1\"", "1.0", "0", "null", "9"] {
        for stays in [true, false] {
            let remote = Memory::that(move |ask: &Ask| {
                let mut steps = vec![Step::event(under(id, r#""whole""#))];
                steps.extend(stays.then(Step::forever));
                match (ask.label().as_str(), ask.header("last-event-id")) {
                    ("POST tools/call", _) => {
                        Reply::events([Step::text("id: 7\ndata:\n\n"), Step::Cut])
                    }
                    ("GET", Some("7")) => Reply::events(steps),
                    _ => ordinary(ask),
                }
            });
            let mut host = InProcess::opened(remote.remote(), settings()).await;
            host.send(call(1)).await;
            let answer = host.next_json().await;
            assert_eq!(
                (&answer["id"], &answer["result"]),
                (&1.into(), &"whole".into())
            );
            // And not resumed again behind it.
            host.hears_nothing_for(Duration::from_secs(120)).await;
            assert_eq!(remote.count("GET"), 2, "{id}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_question_what_a_server_is_may_be_answered_under_another_id() {
    for id in ["1", "\"1\"", "0", "null", "\"server\""] {
        let remote = Memory::that(server(Era::Modern, move |ask, result| {
            let id = match ask.label().as_str() {
                "POST server/discover" => id.to_owned(),
                _ => ask.id(),
            };
            Reply::events([Step::event(under(&id, result)), Step::forever()])
        }));
        let mut host = InProcess::bridged_to(remote.remote(), auto());
        host.send(calls(Era::Modern, 1)).await;
        assert_eq!(host.next_json().await["id"], 1);
        assert_eq!(remote.count("POST server/discover"), 1, "{id}");
        assert_eq!(remote.count("POST tools/call"), 1, "{id}");
        assert_eq!(remote.count("POST initialize"), 0, "{id}");
    }
}
