//! HTTP+SSE (2024-11-05): looked for whatever a POST is answered, found on the answer itself, and answers on its one stream
//! under ids that fit nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpipe::bridge::Settings;
use mcpipe::era::Transport;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::{message, pass, under};
use crate::support::host::{
    INITIALIZE, INITIALIZED, InProcess, Process, call, cancelled, settings,
};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

const OPENED: &str = r#"{"protocolVersion":"2024-11-05","capabilities":{}}"#;

/// A server of 2024 that answers a POST to its stream's address like this.
fn old(mut posted: impl FnMut(&Ask) -> Reply) -> impl FnMut(&Ask) -> Reply {
    let mut stream: Option<UnboundedSender<Step>> = None;
    move |ask| match (ask.verb.as_str(), ask.path.as_str()) {
        ("GET", "/mcp") => {
            let (reply, live) = Reply::live();
            live.send(Step::text("event: endpoint\ndata: /m\n\n"))
                .unwrap();
            stream = Some(live);
            reply
        }
        ("POST", "/mcp") => posted(ask),
        ("POST", _) if ask.label() == "POST initialize" || ask.label() == "POST tools/call" => {
            let result = match ask.label().as_str() {
                "POST initialize" => OPENED,
                _ => "{}",
            };
            let event = Step::event(under(&ask.id(), result));
            stream.as_ref().unwrap().send(event).unwrap();
            Reply::accepted().body("Accepted")
        }
        ("POST", _) => Reply::accepted(),
        _ => Reply::status(404),
    }
}

#[tokio::test]
async fn the_old_transport_is_looked_for_whatever_a_post_is_answered() {
    type Odd = (&'static str, fn() -> Reply);
    let odd: [Odd; 14] = [
        ("500", || Reply::status(500)),
        ("501", || Reply::status(501)),
        ("403", || Reply::status(403)),
        ("400", || Reply::status(400)),
        ("409", || Reply::status(409)),
        ("410", || Reply::status(410)),
        ("411", || Reply::status(411)),
        ("302 elsewhere", || {
            Reply::status(302).with("Location", "https://login.example.com/")
        }),
        ("301 here", || Reply::status(301).with("Location", "/other")),
        ("303 without a place", || Reply::status(303)),
        ("307 elsewhere", || {
            Reply::status(307).with("Location", "https://login.example.com/")
        }),
        ("a page", || {
            Reply::status(200)
                .with("Content-Type", "text/html; charset=utf-8")
                .body("<!doctype html><title>MCP</title>")
        }),
        ("a page that says 404", || {
            Reply::status(404)
                .with("Content-Type", "text/html")
                .body("<!doctype html>")
        }),
        ("JSON that is no message", || {
            Reply::json(r#"{"status":"ok"}"#)
        }),
    ];
    for (name, reply) in odd {
        let server = Server::that(old(move |_| reply())).await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        assert_eq!(host.next_json().await["id"], 1, "{name}");
        assert_eq!(server.count("GET"), 1, "{name}");
        host.closed().await;
    }
}

#[tokio::test]
async fn where_it_is_not_found_either_the_first_fault_is_told() {
    let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32009,"message":"no such plan","data":{"plan":"free"}}}"#;
    type Odd = (&'static str, fn() -> Reply, Option<u16>, &'static str);
    let odd: [Odd; 4] = [
        ("500", || Reply::status(500), Some(500), "HTTP 500"),
        ("403", || Reply::status(403), Some(403), "HTTP 403"),
        (
            "a page",
            || {
                Reply::status(200)
                    .with("Content-Type", "text/html")
                    .body("<!doctype html>")
            },
            None,
            "text/html",
        ),
        (
            "a redirect",
            || Reply::status(307).with("Location", "https://login.example.com/"),
            Some(307),
            "redirects (HTTP 307) to https://login.example.com/",
        ),
    ];
    for stands in [true, false] {
        for (name, reply, status, words) in odd {
            let server = Server::that(move |ask| match ask.verb.as_str() {
                "POST" => reply(),
                // A stream that names no endpoint, or a page.
                _ if stands => Reply::events([Step::text("event: hello\ndata: x\n\n")]),
                _ => Reply::status(404)
                    .with("Content-Type", "text/html")
                    .body("<html>"),
            })
            .await;
            let mut host = Process::start(&[&server.url()]);
            host.send(INITIALIZE).await;
            let answer = host.next_json().await;
            let data = &answer["error"]["data"];
            assert_eq!(
                data["status"].as_u64(),
                status.map(u64::from),
                "{name} {answer}"
            );
            assert!(message(&answer).contains(words), "{name} {answer}");
            assert_eq!(server.count("GET"), 1, "{name}");
            assert_eq!(server.count("POST initialize"), 1, "{name}");
        }
        for status in [400, 403, 500] {
            let server = Server::that(move |ask| match ask.verb.as_str() {
                "POST" => Reply {
                    status,
                    ..Reply::json(error)
                },
                _ => Reply::status(404),
            })
            .await;
            let mut host = Process::start(&[&server.url()]);
            host.send(INITIALIZE).await;
            // What the server has to say itself is not reworded.
            assert_eq!(host.next().await, error);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_not_looked_for_where_a_sign_in_is_asked_for_or_the_trouble_passes() {
    for status in [401, 429, 503] {
        let remote = Memory::that(move |ask: &Ask| match ask.verb.as_str() {
            "POST" => Reply::status(status),
            _ => Reply::status(404),
        });
        let mut host = InProcess::bridged_to(remote.remote(), settings());
        host.send(INITIALIZE).await;
        assert!(host.next_json().await["error"].is_object());
        assert_eq!(remote.count("GET"), 0, "{status}");
    }
}

/// A server of 2024 that answers every POST to its address with the stream, and knows no GET.
fn by_post() -> impl FnMut(&Ask) -> Reply {
    let mut stream: Option<UnboundedSender<Step>> = None;
    let mut calls = 0;
    move |ask| match (ask.verb.as_str(), ask.path.as_str(), ask.label().as_str()) {
        ("POST", "/mcp", _) => {
            let (reply, live) = Reply::live();
            live.send(Step::text(": hello\n\nevent: endpoint\ndata: /m?s=1\n\n"))
                .unwrap();
            stream = Some(live);
            reply
        }
        (_, "/mcp", _) => Reply::status(405),
        (_, _, "POST initialize") => {
            let event = Step::event(under(&ask.id(), OPENED));
            stream.as_ref().unwrap().send(event).unwrap();
            Reply::accepted()
        }
        (_, _, "POST tools/call") => {
            calls += 1;
            match calls {
                3 => stream = None,
                _ => {
                    let event = Step::event(under(&ask.id(), "{}"));
                    stream.as_ref().unwrap().send(event).unwrap();
                }
            }
            Reply::accepted()
        }
        _ => Reply::accepted(),
    }
}

#[tokio::test]
async fn an_answer_that_begins_with_an_endpoint_is_the_stream_itself() {
    for (protocol, transport) in [
        ("legacy", "http-first"),
        ("legacy", "sse-first"),
        ("auto", "http-first"),
    ] {
        let server = Server::that(by_post()).await;
        let limits = ["--call-timeout", "3", "--max-in-flight", "1"];
        let url = server.url();
        let mut arguments = vec![url.as_str(), "--transport", transport];
        arguments.extend(limits);
        let mut host = Process::start_with(&arguments, &[("MCPIPE_PROTOCOL", protocol)]);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert!(answer["result"].is_object(), "{answer}");
        host.send(INITIALIZED).await;
        for id in [1, 2] {
            host.send(call(id)).await;
            assert_eq!(host.next_json().await["id"], id);
        }
        assert_eq!(server.asked("POST tools/call", 1).await.path, "/m?s=1");
        // Longer than a request may take: it is none.
        tokio::time::sleep(Duration::from_millis(3500)).await;
        // And when it is lost, it is asked for again in the way in which it came.
        host.send(call(3)).await;
        assert_eq!(host.next_json().await["error"]["data"]["kind"], "cut");
        host.send(call(4)).await;
        while host.next_json().await["id"] != 4 {}
        let left = host.closed().await;
        assert!(left.took < Duration::from_secs(2), "{:?}", left.took);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_in_another_answer_is_no_stream_to_go_on_with() {
    let remote = Memory::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/call" => {
            // Events without data may come before it.
            let before = match serde_json::from_str::<serde_json::Value>(&ask.body).unwrap()["id"]
                .as_u64()
            {
                Some(1) => "",
                Some(2) => "retry: 500\n\n: hello\n\n",
                _ => "id: 1\ndata:\n\n",
            };
            let text = format!("{before}event: endpoint\ndata: /m\n\n");
            Reply::events([Step::text(&text), Step::forever()])
        }
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    for id in [1, 2, 3] {
        host.send(call(id)).await;
        let answer = host.next_json().await;
        assert_eq!(answer["error"]["data"]["kind"], "bad_answer", "{answer}");
        assert!(message(&answer).contains("HTTP+SSE"), "{answer}");
    }
}

/// The stream that is open, if one is.
type Stream = Arc<Mutex<Option<UnboundedSender<Step>>>>;

/// A server of 2024 that says on its stream what it is told to, beside the answer to `initialize`.
fn told(out: Stream) -> impl FnMut(&Ask) -> Reply {
    move |ask| match ask.label().as_str() {
        "GET" => {
            let (reply, live) = Reply::live();
            live.send(Step::text("event: endpoint\ndata: /m\n\n"))
                .unwrap();
            *out.lock().unwrap() = Some(live);
            reply
        }
        "POST initialize" => {
            let event = Step::event(under(&ask.id(), OPENED));
            out.lock().unwrap().as_ref().unwrap().send(event).unwrap();
            Reply::accepted()
        }
        _ => Reply::accepted(),
    }
}

struct Old {
    remote: Memory,
    host: InProcess,
    stream: Stream,
}

impl Old {
    async fn opened() -> Self {
        let stream = Stream::default();
        let remote = Memory::that(told(Arc::clone(&stream)));
        let over = Settings {
            transport: Transport::SseOnly,
            ..settings()
        };
        let host = InProcess::opened(remote.remote(), over).await;
        Self {
            remote,
            host,
            stream,
        }
    }

    /// The host asks for these, and the server has heard it.
    async fn calls(&mut self, ids: &[&str]) {
        let before = self.remote.count("POST tools/call");
        for id in ids {
            self.host.send(call(id)).await;
        }
        let last = before + ids.len();
        self.remote.asked("POST tools/call", last).await;
        pass(Duration::from_millis(10)).await;
    }

    fn says(&self, id: &str, result: &str) {
        self.event(&under(id, result));
    }

    fn event(&self, data: &str) {
        let stream = self.stream.lock().unwrap();
        stream.as_ref().unwrap().send(Step::event(data)).unwrap();
    }

    async fn hears(&mut self, id: u64, result: u64) {
        let answer = self.host.next_json().await;
        assert_eq!(
            (answer["id"].as_u64(), answer["result"].as_u64()),
            (Some(id), Some(result)),
            "{answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn on_the_one_stream_an_answer_is_for_the_one_request_that_is_open() {
    let mut old = Old::opened().await;
    for (id, spelled) in [
        (1, "\"1\""),
        (2, "2.0"),
        (3, "0"),
        (4, "null"),
        (5, "\"x\""),
        (6, "77"),
    ] {
        old.calls(&[&id.to_string()]).await;
        let begun = Instant::now();
        old.says(spelled, &(id * 10).to_string());
        old.hears(id, id * 10).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{spelled}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_the_one_stream_ids_of_another_type_tell_open_requests_apart() {
    let mut old = Old::opened().await;
    old.calls(&["1", "2", "3"]).await;
    old.says("\"2\"", "20");
    old.hears(2, 20).await;
    old.says("3.0", "30");
    old.hears(3, 30).await;
    old.says("1", "10");
    old.hears(1, 10).await;
}

#[tokio::test(start_paused = true)]
async fn on_the_one_stream_answers_that_fit_nothing_are_told_to_each_open_request_in_time() {
    // All answered, none to be told from the other; or only one of them.
    for answers in [3, 1] {
        let mut old = Old::opened().await;
        old.calls(&["1", "2", "3"]).await;
        let begun = Instant::now();
        for _ in 0..answers {
            old.says("0", &answers.to_string());
        }
        if answers == 3 {
            // The same words again are the same answer said again: these differ.
            old.says("0", "4");
            old.says("0", "5");
        }
        let mut ids = Vec::new();
        for _ in 0..3 {
            let answer = old.host.next_json().await;
            assert_eq!(answer["error"]["data"]["kind"], "bad_answer", "{answer}");
            assert!(message(&answer).contains("ids"), "{answer}");
            ids.push(answer["id"].as_u64().unwrap());
        }
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3]);
        assert!(begun.elapsed() <= Duration::from_secs(30));
        old.calls(&["4"]).await;
        old.says("4", "40");
        old.hears(4, 40).await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_the_one_stream_a_server_that_answers_one_rightly_is_believed_about_the_others() {
    let mut old = Old::opened().await;
    old.calls(&["1", "2"]).await;
    old.says("99", "990");
    old.says("2", "20");
    old.hears(2, 20).await;
    // What fitted nothing was for nothing.
    old.host.hears_nothing_for(Duration::from_secs(600)).await;
    old.says("1", "10");
    old.hears(1, 10).await;
}

#[tokio::test(start_paused = true)]
async fn on_the_one_stream_what_is_said_late_or_twice_is_nobody_elses_answer() {
    let mut old = Old::opened().await;
    old.calls(&["1"]).await;
    old.host.send(cancelled("1")).await;
    old.remote.asked("POST notifications/cancelled", 1).await;
    old.calls(&["2"]).await;
    old.says("1", "10");
    old.host.hears_nothing_for(Duration::from_secs(60)).await;
    old.says("2", "20");
    old.hears(2, 20).await;
    old.calls(&["3"]).await;
    old.says("2", "20");
    old.host.hears_nothing_for(Duration::from_secs(60)).await;
    old.says("3", "30");
    old.hears(3, 30).await;
    // Some servers answer notifications, which want no answer.
    old.host
        .send(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#)
        .await;
    old.remote
        .asked("POST notifications/roots/list_changed", 1)
        .await;
    old.calls(&["4"]).await;
    for answer in [
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"Method not found"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
    ] {
        old.event(answer);
        old.host.hears_nothing_for(Duration::from_secs(2)).await;
    }
    old.says("4", "40");
    old.hears(4, 40).await;
}

#[tokio::test(start_paused = true)]
async fn on_the_one_stream_an_answer_that_cannot_be_used_is_told_and_not_waited_behind() {
    let mut old = Old::opened().await;
    old.calls(&["1", "2"]).await;
    old.event(r#"{"id":1,"result":{}}"#);
    let answer = old.host.next_json().await;
    assert_eq!(answer["id"], 1);
    assert!(message(&answer).contains("\"jsonrpc\""), "{answer}");
    let begun = Instant::now();
    old.event(r#"{"jsonrpc":"2.0","id":2,"result":{}"#);
    let answer = old.host.next_json().await;
    assert_eq!(answer["id"], 2);
    assert!(message(&answer).contains("column"), "{answer}");
    assert!(begun.elapsed() <= Duration::from_secs(30));
    // A sign of life is not meant to be one.
    old.calls(&["3"]).await;
    old.event("keepalive");
    old.host.hears_nothing_for(Duration::from_secs(600)).await;
    old.says("3", "30");
    old.hears(3, 30).await;
}
