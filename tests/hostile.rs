//! Servers that send as much as they can: memory stays bounded, whatever it is made of, and other calls are answered.
#![cfg(target_os = "linux")]

mod bounds; // limits of the sizes and times that a server sets
mod endless; // endless messages, between all pairs of eras
mod hosts; // hostile hosts
#[cfg(unix)]
mod lines; // a server's text reaches the host as messages or not at all
#[cfg(unix)]
mod terminal_control; // a server's text cannot control a terminal

use serde_json::Value;

use crate::support::host::{Process, call, request};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};

const MIB: usize = 1 << 20;

/// What a server answers to one method, and the most memory (MiB) that the bridge may ever have had by then. A message is
/// kept as its text, a few times over where it is read, parsed and written at once.
struct Attack {
    name: &'static str,
    reply: fn(&Ask) -> Reply,
    most: u64,
    /// Whether what is sent is an answer that has to arrive.
    is_answer: bool,
}

fn repeated(part: &str, length: usize) -> String {
    part.repeat(length / part.len())
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

const ATTACKS: [Attack; 9] = [
    Attack {
        name: "an array of empty objects",
        reply: |_| Reply::json(format!("[{}{{}}]", repeated("{},", 16 * MIB))),
        most: 150,
        is_answer: false,
    },
    Attack {
        name: "the same in an event",
        reply: |_| {
            let array = format!("[{}{{}}]", repeated("{},", 16 * MIB));
            Reply::events([Step::event(array)])
        },
        most: 150,
        is_answer: false,
    },
    Attack {
        name: "JSON that is ten thousand deep",
        reply: |ask| {
            let deep = format!("{},", nested(10_000));
            Reply::result(ask, &format!("[{}0]", repeated(&deep, 16 * MIB)))
        },
        most: 150,
        is_answer: true,
    },
    Attack {
        name: "JSON that is five million deep",
        reply: |ask| Reply::result(ask, &nested(5_000_000)),
        most: 150,
        is_answer: true,
    },
    Attack {
        name: "a hundred thousand tools",
        reply: |ask| {
            let tool = r#"{"name":"a","inputSchema":{"type":"object","properties":{"x":{"type":"string","x-mcp-header":"X"}}}},"#;
            let tools = format!("{}{}", tool.repeat(99_999), tool.trim_end_matches(','));
            Reply::result(ask, &format!(r#"{{"tools":[{tools}]}}"#))
        },
        most: 250,
        is_answer: true,
    },
    Attack {
        name: "an event without an end",
        reply: |_| {
            let mut steps = vec![Step::text("data: ")];
            steps.extend((0..40).map(|_| Step::text("x".repeat(MIB))));
            steps.push(Step::forever());
            Reply::events(steps)
        },
        most: 250,
        is_answer: false,
    },
    Attack {
        name: "a header without an end",
        reply: |ask| Reply::result(ask, "{}").with("X-Long", &"x".repeat(32 * MIB)),
        most: 100,
        is_answer: false,
    },
    Attack {
        name: "a million events of one byte",
        reply: |ask| {
            let answer = Step::event(result_of(ask, "{}"));
            Reply::events([Step::text("data: 1\n\n".repeat(1_000_000)), answer])
        },
        most: 100,
        is_answer: true,
    },
    Attack {
        name: "a hundred thousand pings",
        reply: |ask| {
            let pings = (0..100_000).map(|id| {
                format!("data: {{\"jsonrpc\":\"2.0\",\"id\":\"p{id}\",\"method\":\"ping\"}}\n\n")
            });
            let answer = Step::event(result_of(ask, "{}"));
            Reply::events([Step::text(pings.collect::<String>()), answer])
        },
        most: 200,
        is_answer: true,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_sends_memory_stays_bounded_and_other_calls_are_answered() {
    for Attack {
        name,
        reply,
        most,
        is_answer,
    } in ATTACKS
    {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/list" => reply(ask),
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &["--max-message-size", "33554432"]).await;
        host.send(request(1, "tools/list")).await;
        host.send(call(2)).await;
        let mut open = vec![1, 2];
        while !open.is_empty() {
            let line = host.next().await;
            // A line of five million brackets is not for a parser that recurses.
            let is_attack = line.len() > MIB;
            let answer: Value = match is_attack {
                true => serde_json::json!({ "id": 1, "result": {} }),
                false => serde_json::from_str(&line).unwrap(),
            };
            if answer.get("method").is_some() {
                continue;
            }
            let id = answer["id"].as_i64().unwrap();
            open.retain(|it| *it != id);
            let is_result = answer.get("result").is_some();
            assert_eq!(is_result, id == 2 || is_answer, "{name}: {answer}");
        }
        host.send(call(3)).await;
        while host.next_json().await["id"] != 3 {}
        let peak = host.peak();
        println!("{name}: {peak} MiB");
        assert!(peak <= most, "{name}: {peak} MiB");
    }
}
