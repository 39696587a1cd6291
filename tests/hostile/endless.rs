//! Parties that never stop, in all four pairs of eras: memory and time stay bounded, other calls are answered, and the
//! bridge leaves.

use std::time::Duration;

use async_compression::tokio::bufread::GzipEncoder;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::OnceCell;
use tokio::time::{self, Instant};

use crate::support::host::{INITIALIZE, INITIALIZED, Process, cancelled, request};
use crate::support::remote::{Ask, Body, Reply, Server, Step, ordinary, result_of};

/// The most memory (MiB) that the bridge may ever have had.
const MOST: u64 = 120;
/// How long what never ends is let go on.
const WHILE: Duration = Duration::from_millis(250);
/// How long another call may take meanwhile.
const SOON: Duration = Duration::from_secs(30);
/// The pause in what is dear to read for a program that is not optimised.
const SLOWLY: Duration = Duration::from_millis(50);

pub(super) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"remote","version":"1"}}}"#;

#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) is_host_modern: bool,
    pub(super) is_server_modern: bool,
}

impl Pair {
    /// The host, with whatever handshake it has behind it.
    pub(super) async fn host(self, server: &Server, arguments: &[&str]) -> Process {
        let protocol = match self.is_server_modern {
            true => "modern",
            false => "legacy",
        };
        let url = server.url();
        let mut words = vec!["--grace", "0.1"];
        if !arguments.contains(&"--max-message-size") {
            words.extend(["--max-message-size", "8388608"]);
        }
        words.extend(arguments);
        words.push(&url);
        let mut host = Process::start_with(&words, &[("MCPIPE_PROTOCOL", protocol)]);
        if !self.is_host_modern {
            host.send(INITIALIZE).await;
            assert!(host.next().await.contains("protocolVersion"));
            host.send(INITIALIZED).await;
        }
        host
    }

    pub(super) fn request(self, id: u64, method: &str) -> String {
        let mut request: Value = serde_json::from_str(&request(id, method)).unwrap();
        let mut meta = json!({ "progressToken": id });
        if self.is_host_modern {
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({ "sampling": {} });
        }
        request["params"]["_meta"] = meta;
        request.to_string()
    }

    /// What a server of this pair answers when it behaves.
    pub(super) fn behaved(self, ask: &Ask) -> Reply {
        match (self.is_server_modern, ask.label().as_str()) {
            (true, "POST server/discover") => Reply::result(ask, DISCOVERED),
            (true, "POST subscriptions/listen") => Reply::events([Step::forever()]),
            (true, _) => Reply::result(ask, r#"{"resultType":"complete","tools":[],"content":[]}"#),
            (false, _) => ordinary(ask),
        }
    }
}

/// What a server does when a tool is called. `token` is the request's progress token.
struct Attack {
    name: &'static str,
    reply: fn(&Ask) -> Reply,
}

fn stream(part: impl Into<Vec<u8>>) -> Reply {
    let part: Vec<u8> = part.into();
    // Many at once: it is the bridge that is to be busy, and not the test.
    let many = part.repeat((64 * 1024 / part.len()).max(1));
    Reply::events([Step::Endless(many, Duration::ZERO)])
}

fn raw(start: &str, part: &str) -> Reply {
    let many = part.repeat((4096 / part.len()).max(1));
    Reply::status(200)
        .after(Step::text(start))
        .after(Step::Endless(many.into_bytes(), SLOWLY))
}

/// A gigabyte of blanks, as many gzip members (RFC 1952 section 2.2).
static BOMB: OnceCell<Vec<u8>> = OnceCell::const_new();

async fn made_bomb() -> Vec<u8> {
    let blanks = vec![b' '; 1 << 20];
    let mut member = Vec::new();
    let mut encoder = GzipEncoder::new(blanks.as_slice());
    encoder.read_to_end(&mut member).await.unwrap();
    member.repeat(1 << 10)
}

fn bomb(status: u16, media: &str) -> Reply {
    let mut reply = Reply::status(status)
        .with("Content-Type", media)
        .with("Content-Encoding", "gzip");
    reply.body = Body::Whole(BOMB.get().unwrap().clone());
    reply
}

fn notification(method: &str, params: &str) -> String {
    format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}\n\n")
}

fn attacks() -> Vec<Attack> {
    let attack = |name, reply| Attack { name, reply };
    vec![
        attack("progress", |_| {
            stream(notification(
                "notifications/progress",
                r#"{"progressToken":1,"progress":1}"#,
            ))
        }),
        attack("log messages", |_| {
            stream(notification(
                "notifications/message",
                r#"{"level":"error","data":"x"}"#,
            ))
        }),
        attack("changed lists", |_| {
            stream(notification("notifications/tools/list_changed", "{}"))
        }),
        attack("events that are no messages", |_| {
            stream("data: nonsense\n\n")
        }),
        attack("comments", |_| stream(": x\n")),
        attack("a comment", |_| stream(":x")),
        attack("event ids", |_| stream("id: 7\n\n")),
        attack("an event id", |_| {
            Reply::events([
                Step::text("id: "),
                Step::Endless(vec![b'x'; 65536], Duration::ZERO),
            ])
        }),
        attack("lines of data", |_| stream("data: x\n")),
        attack("a line", |_| stream("xxxxxxxxxxxxxxxx")),
        attack("white space", |_| stream("  ")),
        attack("questions", |_| {
            stream(
                "data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[],\"maxTokens\":1}}\n\n",
            )
        }),
        attack("pings", |_| {
            stream("data: {\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n\n")
        }),
        attack("answers under another id", |_| {
            stream("data: {\"jsonrpc\":\"2.0\",\"id\":\"of no request\",\"result\":{}}\n\n")
        }),
        attack("events behind the answer", |ask| {
            let answer = Step::event(result_of(ask, r#"{"resultType":"complete","content":[]}"#));
            let behind = notification("notifications/message", r#"{"level":"error","data":"x"}"#);
            Reply::events([
                answer,
                Step::Endless(behind.repeat(700).into_bytes(), Duration::ZERO),
            ])
        }),
        attack("a JSON body", |_| {
            let mut reply = Reply::json("");
            reply.body = Body::Chunked(vec![Step::Endless(vec![b' '; 65536], Duration::ZERO)]);
            reply
        }),
        attack("a body without a type", |_| {
            let mut reply = Reply::status(200);
            reply.body = Body::Chunked(vec![Step::Endless(vec![b'x'; 65536], Duration::ZERO)]);
            reply
        }),
        attack("an error's body", |_| {
            let mut reply = Reply::status(500).with("Content-Type", "application/json");
            reply.body =
                Body::Chunked(vec![Step::Endless(b"id\n\n".repeat(16384), Duration::ZERO)]);
            reply
        }),
        attack("provisional answers", |_| {
            raw("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        }),
        attack("headers", |_| raw("HTTP/1.1 200 OK\r\n", "X-Long: x\r\n")),
        attack("a header", |_| {
            raw("HTTP/1.1 200 OK\r\nX-Long: ", "xxxxxxxx")
        }),
        attack("redirects", |ask| {
            Reply::status(307).with("Location", &format!("{}x", ask.path))
        }),
        attack("a compressed body", |_| bomb(200, "application/json")),
        attack("compressed events", |_| bomb(200, "text/event-stream")),
        attack("a compressed error", |_| bomb(500, "application/json")),
    ]
}

/// Reads until this request is answered, whatever else is said.
async fn answered(host: &mut Process, id: u64) -> Value {
    loop {
        let line = host.next().await;
        if line.contains("\"method\"") {
            continue;
        }
        let answer: Value = serde_json::from_str(&line).unwrap();
        if answer["id"] == id {
            return answer;
        }
    }
}

/// Every second attack, from the first or the second on. Two pairs that have nothing in common take the same ones, so that
/// each attack meets hosts and servers of both eras.
async fn withstands(pair: Pair) {
    let first = usize::from(pair.is_host_modern != pair.is_server_modern);
    BOMB.get_or_init(made_bomb).await;
    let server = Server::that(move |ask| match ask.label().as_str() {
        "POST tools/call" => {
            let call: Value = serde_json::from_str(&ask.body).unwrap();
            let name = call["params"]["name"].as_str().unwrap();
            let attack = attacks().into_iter().find(|attack| attack.name == name);
            (attack.unwrap().reply)(ask)
        }
        _ => pair.behaved(ask),
    })
    .await;
    let arguments = ["--max-message-size", "2097152"];
    let mut host = pair.host(&server, &arguments).await;
    let attacks_of_it = attacks().into_iter().skip(first).step_by(2);
    for (id, Attack { name, .. }) in (1000..).step_by(2).zip(attacks_of_it) {
        let call = pair.request(id, "tools/call");
        let named = format!(r#""name":"{name}""#);
        host.send(call.replace(r#""name":"x""#, &named)).await;
        let until = Instant::now() + WHILE;
        while let Ok(line) = time::timeout_at(until, host.next()).await {
            drop(line);
        }
        let begun = Instant::now();
        host.send(pair.request(id + 1, "tools/list")).await;
        let answer = answered(&mut host, id + 1).await;
        assert!(answer.get("result").is_some(), "{pair:?}, {name}: {answer}");
        let took = begun.elapsed();
        assert!(took < SOON, "{pair:?}, {name}: {took:?}");
        host.send(cancelled(id)).await;
        let peak = host.peak();
        println!("{pair:?}, {name}: {peak} MiB, {took:?}");
        assert!(peak <= MOST, "{pair:?}, {name}: {peak} MiB");
    }
    let left = host.closed().await;
    assert!(left.took < SOON, "{pair:?}: {:?}", left.took);
    let said = left.stderr.lines().count();
    assert!(said < 60, "{pair:?}: {said} lines: {}", left.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_server_without_end_does_a_legacy_host_no_harm() {
    withstands(Pair {
        is_host_modern: false,
        is_server_modern: false,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_server_without_end_does_a_legacy_host_no_harm() {
    withstands(Pair {
        is_host_modern: false,
        is_server_modern: true,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_server_without_end_does_a_modern_host_no_harm() {
    withstands(Pair {
        is_host_modern: true,
        is_server_modern: false,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_server_without_end_does_a_modern_host_no_harm() {
    withstands(Pair {
        is_host_modern: true,
        is_server_modern: true,
    })
    .await;
}
