//! HTTP+SSE, the transport of 2024-11-05: found when Streamable HTTP is refused, or forced; lost, and opened again.

use std::time::Duration;

use mcpipe::bridge::Settings;
use mcpipe::era::Transport;
use tokio::sync::mpsc;

use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, Process, call, json, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};

/// A 2024-11-05 server at `/mcp` whose stream names this address to post to. Answers go to the newest stream.
/// Each stream ends before the answer to its `calls_per_stream`th call.
fn old_server(endpoint: String, calls_per_stream: usize) -> impl FnMut(&Ask) -> Reply {
    let mut stream: Option<mpsc::UnboundedSender<Step>> = None;
    let mut calls = 0;
    move |ask| match (ask.verb.as_str(), ask.path.as_str()) {
        ("GET", "/mcp") => {
            calls = 0;
            let (reply, steps) = Reply::live();
            let named = Step::text(format!("event: endpoint\ndata: {endpoint}\n\n"));
            steps.send(named).unwrap();
            stream = Some(steps);
            reply
        }
        ("POST", "/mcp") => Reply::status(405),
        ("POST", _) => {
            let label = ask.label();
            calls += usize::from(label == "POST tools/call");
            if label == "POST tools/call" && calls == calls_per_stream {
                stream = None;
            }
            if let (Some(stream), false) = (
                &stream,
                label.contains("notifications") || label == "POST answer",
            ) {
                let result = match label.as_str() {
                    "POST initialize" => {
                        r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":true}}}"#
                    }
                    _ => "{}",
                };
                stream
                    .send(Step::text(format!(
                        "event: message\ndata: {}\n\n",
                        result_of(ask, result)
                    )))
                    .unwrap();
            }
            // What is said here means nothing.
            Reply::status(202).body("Accepted")
        }
        _ => Reply::status(404),
    }
}

fn over(transport: Transport) -> Settings {
    Settings {
        transport,
        ..settings()
    }
}

#[tokio::test]
async fn a_server_of_2024_is_found_when_it_refuses_to_be_posted_to() {
    for endpoint in [
        "/messages?session=a%2Fb",
        "messages?session=a%2Fb",
        "ABSOLUTE",
    ] {
        let mut told = None;
        let mut server = Server::that(move |ask| {
            let host = ask.header("host").unwrap();
            let endpoint =
                endpoint.replace("ABSOLUTE", &format!("http://{host}/messages?session=a%2Fb"));
            told.get_or_insert_with(|| old_server(endpoint, usize::MAX))(ask)
        })
        .await;
        server.expect("GET", 1);
        server.expect("DELETE", 0);
        server.expect("POST initialize", 2);
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        assert_eq!(host.next().await, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert!(host.closed().await.status.success());
        let asked = server.asked("POST tools/call", 1).await;
        assert_eq!(asked.path, "/messages?session=a%2Fb");
        assert_eq!(asked.header("mcp-protocol-version"), Some("2024-11-05"));
    }
}

#[tokio::test]
async fn an_endpoint_elsewhere_gets_nothing() {
    let elsewhere = Server::that(ordinary).await;
    for foreign in [
        format!("{}/messages", elsewhere.origin()),
        "//127.0.0.2/messages".into(),
    ] {
        let server = Server::that(old_server(foreign.clone(), usize::MAX)).await;
        let mut host = Process::start(&[
            &server.url(),
            "--transport",
            "sse-only",
            "--header",
            "Authorization: s3cret",
        ]);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .contains("another origin"),
            "{answer}"
        );
        let left = host.closed().await;
        assert_eq!(left.status.code(), Some(5), "an answer that is no MCP");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_status_leads_to_the_old_transport_but_those_that_pass_or_want_a_sign_in() {
    for (status, falls_back) in [
        (400, true),
        (404, true),
        (405, true),
        (406, true),
        (415, true),
        (301, true),
        (403, true),
        (500, true),
        (501, true),
    ] {
        let remote = Memory::that(move |ask| match ask.verb.as_str() {
            "POST" => Reply::status(status),
            _ => Reply::status(404),
        });
        let mut host = InProcess::bridged_to(remote.remote(), settings());
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert_eq!(answer["error"]["data"]["status"], status, "{answer}");
        assert_eq!(remote.count("GET"), usize::from(falls_back), "{status}");
        assert_eq!(remote.count("POST initialize"), 1, "{status}");
        // And every later attempt is answered too.
        host.send(INITIALIZE.replace("\"id\":0", "\"id\":1")).await;
        assert_eq!(host.next_json().await["id"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn each_preference_tries_what_it_says_in_that_order() {
    // What was asked first, for a server of each kind.
    let old = || Memory::that(old_server("/m".into(), usize::MAX));
    let new = || {
        Memory::that(|ask| match ask.verb.as_str() {
            "GET" if ask.header("mcp-session-id").is_none() => Reply::status(400),
            _ => ordinary(ask),
        })
    };
    let rows = [
        (
            Transport::HttpFirst,
            old(),
            Ok(vec!["POST initialize", "GET", "POST initialize"]),
        ),
        (
            Transport::SseFirst,
            old(),
            Ok(vec!["GET", "POST initialize"]),
        ),
        (
            Transport::SseOnly,
            old(),
            Ok(vec!["GET", "POST initialize"]),
        ),
        (Transport::HttpOnly, old(), Err(vec!["POST initialize"])),
        (Transport::HttpFirst, new(), Ok(vec!["POST initialize"])),
        (
            Transport::SseFirst,
            new(),
            Ok(vec!["GET", "POST initialize"]),
        ),
        (Transport::HttpOnly, new(), Ok(vec!["POST initialize"])),
        (Transport::SseOnly, new(), Err(vec!["GET"])),
    ];
    for (transport, remote, outcome) in rows {
        let mut host = InProcess::bridged_to(remote.remote(), over(transport));
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        let labels = remote.labels();
        match outcome {
            Ok(asked) => {
                assert!(answer.get("result").is_some(), "{transport:?} {answer}");
                assert_eq!(labels, asked, "{transport:?}");
                host.send(INITIALIZED).await;
                host.send(call(1)).await;
                assert_eq!(
                    host.next_json().await["result"],
                    json("{}"),
                    "{transport:?}"
                );
            }
            Err(asked) => {
                assert!(answer.get("error").is_some(), "{transport:?} {answer}");
                assert_eq!(labels, asked, "{transport:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_names_no_endpoint_is_not_waited_for_for_ever() {
    for transport in [Transport::SseFirst, Transport::SseOnly] {
        let remote = Memory::that(|ask| match ask.verb.as_str() {
            "GET" => Reply::events([Step::forever()]),
            _ => ordinary(ask),
        });
        let mut host = InProcess::bridged_to(remote.remote(), over(transport));
        let begun = tokio::time::Instant::now();
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        // A Streamable HTTP server's standing stream looks just like this.
        assert_eq!(
            answer.get("result").is_some(),
            transport == Transport::SseFirst,
            "{answer}"
        );
        assert!(begun.elapsed() <= Duration::from_secs(60));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_stream_answers_what_was_owed_and_is_opened_again_for_what_follows() {
    let remote = Memory::that(old_server("/m".into(), 3));
    let mut host = InProcess::opened(remote.remote(), over(Transport::SseOnly)).await;
    for id in 1..=8 {
        host.send(call(id)).await;
        let answer = loop {
            let line = host.next_json().await;
            if line.get("id").is_some() {
                break line;
            }
            assert_eq!(line["method"], "notifications/tools/list_changed");
        };
        assert_eq!(answer["id"], id);
        if id % 3 == 0 {
            assert_eq!(answer["error"]["data"]["kind"], "cut", "{answer}");
            assert_eq!(answer["error"]["data"]["retryable"], false);
        } else {
            assert_eq!(answer["result"], json("{}"), "{answer}");
        }
    }
    assert_eq!(remote.count("GET"), 3);
    assert_eq!(remote.count("POST initialize"), 3);
    assert_eq!(remote.count("POST notifications/initialized"), 3);
    host.close();
    let (_, rest) = host.ended().await;
    assert!(
        rest.iter().all(|line| json(line).get("id").is_none()),
        "{rest:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_says_initialize_twice_gets_both_answers_and_one_stream() {
    let remote = Memory::that(old_server("/m".into(), usize::MAX));
    let mut host = InProcess::bridged_to(remote.remote(), over(Transport::SseOnly));
    host.send(INITIALIZE).await;
    host.send(INITIALIZE.replace("\"id\":0", "\"id\":1")).await;
    let mut ids = [
        host.next_json().await["id"].as_u64(),
        host.next_json().await["id"].as_u64(),
    ];
    ids.sort_unstable();
    assert_eq!(ids, [Some(0), Some(1)]);
    assert_eq!(remote.count("GET"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_lost_whenever_it_is_opened_again_is_given_up() {
    let mut server = old_server("/m".into(), 1);
    let mut levels = 0;
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        // What brings a new session to where the old one was is what breaks it.
        "POST logging/setLevel" => {
            levels += 1;
            if levels > 1 {
                server(&Ask {
                    body: call(0),
                    ..ask.clone()
                });
                return Reply::accepted();
            }
            server(ask)
        }
        _ => server(ask),
    });
    let mut host = InProcess::opened(remote.remote(), over(Transport::SseOnly)).await;
    host.send(r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}"#)
        .await;
    host.next().await;
    for id in [2, 3] {
        host.send(call(id)).await;
        let answer = host.next_json().await;
        assert_eq!(
            (
                answer["id"].as_u64(),
                answer["error"]["data"]["retryable"].as_bool()
            ),
            // The first was posted and may have been done; the second never left.
            (Some(id), Some(id == 3))
        );
    }
    let asked = remote.labels().len();
    host.hears_nothing_for(Duration::from_secs(3600)).await;
    assert!(remote.labels().len() < asked + 20, "{:?}", remote.labels());
}
