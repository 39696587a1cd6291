//! Answers under statuses that have none, errors in batches and events, and what came and could not be used.

use std::time::Duration;

use serde_json::Value;

use super::{Era, PAIRS, calls, host, message, server, under};
use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, Process, call, json, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

/// The real binary as a host of that era, ready to call.
async fn process(era: Era, url: &str) -> Process {
    let mut host = Process::start_with(&[url], &[("MCPIPE_PROTOCOL", "auto")]);
    if era == Era::Legacy {
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert!(answer.get("result").is_some(), "{answer}");
        host.send(INITIALIZED).await;
    }
    host
}

fn with_status(status: u16, reply: Reply) -> Reply {
    Reply { status, ..reply }
}

#[tokio::test]
async fn a_body_that_is_the_answer_is_the_answer_whatever_the_status_says() {
    type Odd = (&'static str, fn(&Ask, &str) -> Reply);
    let odd: [Odd; 7] = [
        ("202 with JSON", |ask, result| {
            with_status(202, Reply::json(under(&ask.id(), result)))
        }),
        ("202 with JSON and no type", |ask, result| {
            Reply::accepted().body(under(&ask.id(), result))
        }),
        ("202 with JSON said to be text", |ask, result| {
            Reply::accepted()
                .with("Content-Type", "text/plain")
                .body(under(&ask.id(), result))
        }),
        ("202 with events", |ask, result| {
            with_status(202, Reply::events([Step::event(under(&ask.id(), result))]))
        }),
        ("202 with events that stay", |ask, result| {
            let steps = [Step::event(under(&ask.id(), result)), Step::forever()];
            with_status(202, Reply::events(steps))
        }),
        ("201 with JSON", |ask, result| {
            with_status(201, Reply::json(under(&ask.id(), result)))
        }),
        ("400 with a result", |ask, result| {
            with_status(400, Reply::json(under(&ask.id(), result)))
        }),
    ];
    for (host_era, server_era) in PAIRS {
        for (name, reply) in odd {
            let server = Server::that(server(server_era, move |ask, result| {
                // What opens the conversation is answered in order: it is another item's.
                match ask.label().as_str() {
                    "POST tools/call" => reply(ask, result),
                    _ => Reply::json(under(&ask.id(), result)),
                }
            }))
            .await;
            let mut host = process(host_era, &server.url()).await;
            host.send(calls(host_era, 3)).await;
            let answer = host.next_json().await;
            assert_eq!(answer["id"], 3, "{host_era:?} {server_era:?} {name}");
            assert!(
                answer["result"].get("content").is_some(),
                "{host_era:?} {server_era:?} {name}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_reaches_the_host_as_that_error_in_whatever_a_refusal_holds_it() {
    let error = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32007,"message":"no more tokens","data":{{"left":0}}}}}}"#
        )
    };
    type Odd = (&'static str, fn(u16, String) -> Reply);
    let odd: [Odd; 7] = [
        ("JSON", |status, text| {
            with_status(status, Reply::json(text))
        }),
        ("a batch", |status, text| {
            with_status(status, Reply::json(format!("[{text}]")))
        }),
        ("a batch with more in it", |status, text| {
            let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
            with_status(status, Reply::json(format!("[{note},7,{text}]")))
        }),
        ("events", |status, text| {
            with_status(status, Reply::events([Step::event(text)]))
        }),
        ("events that stay open", |status, text| {
            let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
            let steps = [Step::event(note), Step::event(text), Step::forever()];
            with_status(status, Reply::events(steps))
        }),
        ("a batch in an event that ends too early", |status, text| {
            let steps = [
                Step::text(format!("id: 1\ndata: [{text}]\n\n: more")),
                Step::Cut,
            ];
            with_status(status, Reply::events(steps))
        }),
        ("events without their type", |status, text| {
            Reply::status(status).body(format!("event: message\ndata: {text}\n"))
        }),
    ];
    for (host_era, server_era) in PAIRS {
        for (name, reply) in odd {
            for (status, id) in [
                (400, "ID"),
                (404, "ID"),
                (403, "ID"),
                (500, "null"),
                (422, "\"x\""),
            ] {
                // 404 is how a session is lost, and there it is not about the request.
                if status == 404 && server_era == Era::Legacy {
                    continue;
                }
                let server = Server::that(server(server_era, move |ask, result| {
                    match ask.label().as_str() {
                        "POST tools/call" => reply(status, error(&id.replace("ID", &ask.id()))),
                        _ => Reply::json(under(&ask.id(), result)),
                    }
                }))
                .await;
                let mut host = process(host_era, &server.url()).await;
                host.send(calls(host_era, 3)).await;
                let answer = host.next_json().await;
                let name = format!("{host_era:?} {server_era:?} {name} {status}: {answer}");
                assert_eq!(answer["id"], 3, "{name}");
                assert_eq!(answer["error"]["code"], -32007, "{name}");
                assert_eq!(answer["error"]["message"], "no more tokens", "{name}");
                assert_eq!(answer["error"]["data"]["left"], 0, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn an_accepted_request_without_an_answer_is_still_said_to_have_none() {
    for reply in [
        Reply::accepted as fn() -> Reply,
        || Reply::accepted().body("Accepted"),
        || with_status(202, Reply::json(r#""Accepted""#)),
        || with_status(202, Reply::json(r#"{"status":"accepted"}"#)),
        || Reply::status(204),
        || with_status(202, Reply::events([])),
    ] {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => reply(),
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        let answer = host.next_json().await;
        assert_eq!(answer["error"]["data"]["source"], "mcpipe", "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_and_could_not_be_used_is_told_in_the_error() {
    type Odd = (&'static str, fn() -> Vec<Step>, &'static [&'static str]);
    let odd: [Odd; 8] = [
        (
            "not JSON",
            || vec![Step::event(r#"{"jsonrpc":"2.0","id":1,"result":{]}"#)],
            &["an event", "column 35"],
        ),
        (
            "cut off",
            || vec![Step::event(r#"{"jsonrpc":"2.0","id":1,"result":"#)],
            &["an event", "ends too early", "column 33"],
        ),
        (
            "no version",
            || vec![Step::event(r#"{"id":7,"result":{}}"#)],
            &["an event", "\"jsonrpc\""],
        ),
        (
            "result and error",
            || {
                vec![Step::event(
                    r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":"m"}}"#,
                )]
            },
            &["both a result and an error"],
        ),
        (
            "a word",
            || vec![Step::event("[DONE]")],
            &["an event", "column"],
        ),
        (
            "another type",
            || vec![Step::text("event: error\ndata: internal server error\n\n")],
            &["an event of the type \"error\""],
        ),
        (
            "what was meant, before what was not",
            || {
                vec![
                    Step::text("event: ping\ndata: 2026-11-29\n\n"),
                    Step::event("{\"jsonrpc\":"),
                ]
            },
            &["an event that is no JSON-RPC message", "column 11"],
        ),
        (
            "on several lines",
            || vec![Step::text("data: {\ndata: \"jsonrpc\": 2.0.0\ndata: }\n\n")],
            &["line 2, column"],
        ),
    ];
    for (host_era, server_era) in PAIRS {
        for (name, steps, words) in odd {
            let remote = Memory::that(server(server_era, move |ask, result| {
                match ask.label().as_str() {
                    "POST tools/call" => Reply::events(steps()),
                    _ => Reply::json(under(&ask.id(), result)),
                }
            }));
            let mut host = host(host_era, &remote).await;
            host.send(calls(host_era, 3)).await;
            let answer = host.next_json().await;
            assert_eq!(answer["id"], 3, "{name}");
            assert_eq!(
                answer["error"]["data"]["kind"], "bad_answer",
                "{name} {answer}"
            );
            for word in words {
                assert!(message(&answer).contains(word), "{name}: {answer}");
            }
            assert!(
                !message(&answer).contains("internal server error"),
                "{answer}"
            );
            assert_eq!(remote.count("POST tools/call"), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_is_not_waited_behind() {
    // It has the request's id, so nothing better will come although the stream stays open.
    for text in [
        r#"{"id":ID,"result":{}}"#,
        r#"{"jsonrpc":"1.0","id":ID,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":"m"}}"#,
        r#"{"jsonrpc":"2.0","id":ID}"#,
    ] {
        for (host_era, server_era) in PAIRS {
            let remote = Memory::that(server(server_era, move |ask, result| {
                match ask.label().as_str() {
                    "POST tools/call" => {
                        let text = text.replace("ID", &ask.id());
                        Reply::events([Step::event(text), Step::forever()])
                    }
                    _ => Reply::json(under(&ask.id(), result)),
                }
            }));
            let mut host = host(host_era, &remote).await;
            host.send(calls(host_era, 3)).await;
            let answer: Value = json(&host.next().await);
            assert!(message(&answer).contains("no JSON-RPC message"), "{answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_cut_is_told_too_and_a_good_answer_makes_up_for_it() {
    let remote = Memory::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/call" if ask.id() == "1" => Reply::events([Step::event("{oops"), Step::Cut]),
        "POST tools/call" => Reply::events([
            Step::event("{oops"),
            Step::text("event: note\ndata: hello\n\n"),
            Step::event(under(&ask.id(), "1")),
        ]),
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["data"]["kind"], "cut");
    assert!(message(&answer).contains("column 2"), "{answer}");
    host.send(call(2)).await;
    assert_eq!(host.next_json().await["result"], 1);
    host.hears_nothing_for(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_batch_with_a_member_that_is_none_says_which() {
    for (body, words) in [
        (r#"[{"jsonrpc":"1.0","id":1,"result":{}}]"#, "a JSON body"),
        (
            r#"[7,{"jsonrpc":"2.0","method":"notifications/x"}]"#,
            "not a JSON object",
        ),
    ] {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => Reply::json(body),
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        let answer = loop {
            let line = host.next_json().await;
            if line.get("id").is_some() {
                break line;
            }
        };
        assert!(message(&answer).contains(words), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_null_beside_the_other_is_none() {
    type Odd = (&'static str, &'static str, bool);
    let odd: [Odd; 5] = [
        (r#""result":RESULT,"error":null"#, "result", true),
        (r#""error":null,"result":RESULT"#, "result", true),
        (r#""error" : null , "result" : RESULT"#, "result", true),
        (
            r#""result":null,"error":{"code":-32007,"message":"no more"}"#,
            "error",
            false,
        ),
        (
            r#""error":{"code":-32007,"message":"no more"},"result":null"#,
            "error",
            false,
        ),
    ];
    for (host_era, server_era) in PAIRS {
        for (members, expected, is_result) in odd {
            for is_stream in [false, true] {
                let remote = Memory::that(server(server_era, move |ask, result| {
                    if ask.label() != "POST tools/call" {
                        return Reply::json(under(&ask.id(), result));
                    }
                    let (members, id) = (members.replace("RESULT", result), ask.id());
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},{members}}}"#);
                    match is_stream {
                        true => Reply::events([Step::event(text), Step::forever()]),
                        false => Reply::json(text),
                    }
                }));
                let mut host = host(host_era, &remote).await;
                host.send(calls(host_era, 3)).await;
                let answer = host.next_json().await;
                let name = format!("{host_era:?} {server_era:?} {members}: {answer}");
                assert_eq!(answer["id"], 3, "{name}");
                assert!(answer.get(expected).is_some(), "{name}");
                let other = if is_result { "error" } else { "result" };
                assert!(answer.get(other).is_none(), "{name}");
                assert!(is_result || answer["error"]["code"] == -32007, "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_only_lacks_the_line_after_it_is_taken_when_the_stream_ends() {
    for (host_era, server_era) in PAIRS {
        for (before, after) in [
            ("data: ", "\n"),
            ("event: message\ndata:", ""),
            ("id: 1\r\ndata: ", "\r\n"),
        ] {
            let remote = Memory::that(server(server_era, move |ask, result| {
                let text = under(&ask.id(), result);
                match ask.label().as_str() {
                    "POST tools/call" => {
                        Reply::events([Step::text(format!("{before}{text}{after}"))])
                    }
                    _ => Reply::json(text),
                }
            }));
            let mut host = host(host_era, &remote).await;
            host.send(calls(host_era, 3)).await;
            let answer = host.next_json().await;
            assert!(
                answer["result"].get("content").is_some(),
                "{host_era:?} {server_era:?}: {answer}"
            );
            assert_eq!(remote.count("POST tools/call"), 1);
        }
        // Half of one is none.
        let remote = Memory::that(server(server_era, move |ask, result| {
            match ask.label().as_str() {
                "POST tools/call" => Reply::events([Step::text("data: {\"jsonrpc\":\"2.0\",")]),
                _ => Reply::json(under(&ask.id(), result)),
            }
        }));
        let mut host = host(host_era, &remote).await;
        host.send(calls(host_era, 3)).await;
        assert!(host.next_json().await.get("error").is_some());
    }
}
