//! Streams of events, and other requests that stand: through silences and cuts, in every pair; webhooks' secrets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpipe::era::Transport;
use mcpipe::frame::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use crate::support::host::{
    INITIALIZE, INITIALIZED, InProcess, Process, call_timeout, request, settings,
};
use crate::support::memory::Memory;
use crate::support::pairs::{self, Era, PAIRS, Pair};
use crate::support::remote::{Reply, Server, Step, ordinary};

const EVENTS: &str = r#"{"extensions":{"io.modelcontextprotocol/events":{}}}"#;
const MARK: &str = "io.modelcontextprotocol/subscriptionId";
/// Longer than any limit.
const HOURS: Duration = Duration::from_secs(7 * 3600);

/// The requests that stand at a server: the id and the cursor of each, and the way to its stream.
type Open = Arc<Mutex<Vec<(Value, Value, UnboundedSender<Step>)>>>;

/// A server of that era on which `events/stream` and `x/watch` stand.
fn standing(era: Era) -> (Memory, Open) {
    let open = Open::default();
    let at = Arc::clone(&open);
    let server = Memory::that(move |ask| match ask.label().as_str() {
        "POST events/stream" | "POST x/watch" => {
            let frame: Value = serde_json::from_str(&ask.body).unwrap();
            let (reply, steps) = Reply::live();
            let cursor = frame["params"]["cursor"].clone();
            at.lock()
                .unwrap()
                .push((frame["id"].clone(), cursor, steps));
            reply
        }
        _ => pairs::answer(
            era,
            EVENTS,
            |_: &Frame| Some(r#"{"events":[]}"#.into()),
            ask,
        ),
    });
    (server, open)
}

fn notice(id: &Value, method: &str, mut params: Value) -> Step {
    params["_meta"] = json!({MARK: id});
    let notice =
        json!({"jsonrpc":"2.0","method":format!("notifications/{method}"),"params":params});
    Step::event(notice.to_string())
}

/// Says something on the stream that was opened last.
fn say(open: &Open, method: &str, params: Value) {
    let open = open.lock().unwrap();
    let (id, _, steps) = open.last().unwrap();
    steps.send(notice(id, method, params)).unwrap();
}

async fn opened(pair: &mut Pair, open: &Open, method: &str, params: Value) -> u64 {
    let before = open.lock().unwrap().len();
    let (id, line) = pair.line(method, params);
    pair.host.send(line).await;
    while open.lock().unwrap().len() == before {
        sleep(Duration::from_millis(1)).await;
    }
    id
}

#[tokio::test(start_paused = true)]
async fn a_request_that_stands_is_silent_for_hours_and_no_limit_is_for_it() {
    for eras in PAIRS {
        let (server, open) = standing(eras.1);
        let mut pair = Pair::open(eras, &server, |settings| {
            settings.policy.call_timeout = call_timeout(Duration::from_secs(5));
            settings.max_in_flight = 1;
        })
        .await;
        for (method, first) in [("events/stream", "events/active"), ("x/watch", "x/news")] {
            let id = opened(&mut pair, &open, method, json!({"name": "n"})).await;
            say(&open, first, json!({"cursor": null}));
            let heard = pair.host.next_json().await;
            assert_eq!(heard["params"]["_meta"][MARK], id, "{eras:?} {method}");
            sleep(HOURS).await;
            let list = pair.ask("events/list", json!({})).await;
            assert!(list["result"]["events"].is_array(), "{eras:?} {list}");
            sleep(HOURS).await;
            say(&open, "x/more", json!({"n": 1}));
            let heard = pair.host.next_json().await;
            assert_eq!(heard["method"], "notifications/x/more", "{eras:?} {method}");
            assert_eq!(heard["params"]["_meta"][MARK], id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_an_unknown_method_has_the_limits_of_a_call_until_it_stands() {
    for eras in PAIRS {
        let (server, open) = standing(eras.1);
        let mut pair = Pair::open(eras, &server, |settings| {
            settings.policy.call_timeout = call_timeout(Duration::from_secs(5));
        })
        .await;
        let id = opened(&mut pair, &open, "x/watch", json!({})).await;
        let answer = pair.answer(id).await;
        assert_eq!(answer["error"]["data"]["kind"], "timed_out", "{eras:?}");
    }
}

/// How a stream ends, or the next one does not begin.
#[derive(Clone, Copy)]
enum Cut {
    Ended,
    Broken,
    Status(u16),
    Unreachable,
}

#[tokio::test(start_paused = true)]
async fn whatever_cuts_a_stream_of_events_each_is_heard_once_and_in_order() {
    const CUTS: [Cut; 6] = [
        Cut::Ended,
        Cut::Broken,
        Cut::Status(502),
        Cut::Status(503),
        Cut::Status(504),
        Cut::Unreachable,
    ];
    const LAST: u64 = 60;
    for eras in PAIRS {
        let mut cuts = CUTS.into_iter().cycle();
        let mut refuses = None;
        let server = Memory::that(move |ask| {
            if ask.label() != "POST events/stream" {
                return pairs::answer(eras.1, EVENTS, |_: &Frame| Some("{}".into()), ask);
            }
            match refuses.take() {
                Some(Cut::Status(status)) => return Reply::status(status),
                Some(_) => return Reply::unreachable(),
                None => {}
            }
            let frame: Value = serde_json::from_str(&ask.body).unwrap();
            let cursor = frame["params"]["cursor"].as_str();
            assert_eq!(frame["params"]["maxAgeMs"], 5000);
            let begun: u64 = cursor.map_or(0, |cursor| cursor[1..].parse().unwrap());
            let id = &frame["id"];
            let active = json!({"cursor": format!("c{begun}"), "truncated": false});
            let mut steps = vec![notice(id, "events/active", active)];
            // The last one that was sent comes again: the server goes on before the cursor.
            for at in begun.max(1)..=(begun + 7).min(LAST) {
                let event = json!({"eventId": format!("e{at}"), "name": "n", "data": {}, "cursor": format!("c{at}")});
                steps.push(notice(id, "events/event", event));
            }
            if begun + 7 >= LAST {
                let end = json!({"jsonrpc":"2.0","id":id,"result":{"resultType":"complete","_meta":{MARK: id}}});
                steps.push(Step::event(end.to_string()));
                return Reply::events(steps);
            }
            match cuts.next().unwrap() {
                Cut::Ended => {}
                Cut::Broken => steps.push(Step::Cut),
                other => {
                    refuses = Some(other);
                    steps.push(Step::Cut);
                }
            }
            Reply::events(steps)
        });
        let mut pair = Pair::open(eras, &server, |_| {}).await;
        let params = json!({"name": "n", "cursor": null, "maxAgeMs": 5000});
        let (id, line) = pair.line("events/stream", params);
        pair.host.send(line).await;
        let mut heard = Vec::new();
        let end = loop {
            let line = pair.host.next_json().await;
            if line.get("id").is_some() {
                break line;
            }
            assert_eq!(line["params"]["_meta"][MARK], id, "{eras:?} {line}");
            heard.push(match &line["params"]["eventId"] {
                Value::String(event) => event.clone(),
                _ => line["method"].to_string(),
            });
        };
        assert_eq!(end["id"], id);
        assert_eq!(end["result"]["_meta"][MARK], id, "{eras:?} {end}");
        let events = (1..=LAST).map(|at| format!("e{at}"));
        let active = std::iter::once(r#""notifications/events/active""#.to_owned());
        assert!(
            active.chain(events).eq(heard.iter().cloned()),
            "{eras:?} {heard:?}"
        );
    }
}

#[tokio::test]
async fn a_silence_longer_than_body_timeout_ends_a_call_and_no_request_that_stands() {
    let server = Server::that(|ask| {
        let id: Value = serde_json::from_str::<Value>(&ask.body).unwrap_or_default()["id"].clone();
        let first = match ask.label().as_str() {
            "POST events/stream" => notice(&id, "events/active", json!({"cursor": null})),
            "POST x/watch" => notice(&id, "x/news", json!({})),
            "POST tools/call" => Step::text(": nothing to say\n\n"),
            _ => return ordinary(ask),
        };
        let answer = json!({"jsonrpc":"2.0","id":id,"result":{}});
        let silence = Step::Pause(Duration::from_secs(6));
        Reply::events([first, silence, Step::event(answer.to_string())])
    })
    .await;
    let mut host = Process::opened(&server.url(), &["--body-timeout", "2"]).await;
    for (id, method) in [(1, "events/stream"), (2, "x/watch"), (3, "tools/call")] {
        host.send(request(id, method)).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 3 {
        let line = host.next_json().await;
        if let Some(id) = line["id"].as_u64() {
            answers.push((id, line["error"]["data"]["kind"] == "cut"));
        }
    }
    answers.sort_unstable();
    assert_eq!(answers, [(1, false), (2, false), (3, true)]);
}

// MCP 2024-11-05, basic/transports
#[tokio::test(start_paused = true)]
async fn a_stream_of_events_goes_on_over_another_stream_of_http_sse() {
    let streams = Arc::new(Mutex::new(Vec::<UnboundedSender<Step>>::new()));
    let at = Arc::clone(&streams);
    let server = Memory::that(move |ask| {
        if ask.verb == "GET" {
            let (reply, steps) = Reply::live();
            steps
                .send(Step::text("event: endpoint\ndata: /m\n\n"))
                .unwrap();
            at.lock().unwrap().push(steps);
            return reply;
        }
        let streams = at.lock().unwrap();
        let stream = streams.last().unwrap();
        let frame: Value = serde_json::from_str(&ask.body).unwrap();
        let id = &frame["id"];
        match frame["method"].as_str().unwrap() {
            "initialize" => {
                let result = json!({"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{"name":"s","version":"1"}});
                let answer = json!({"jsonrpc":"2.0","id":id,"result":result});
                stream.send(Step::event(answer.to_string())).unwrap();
            }
            "events/stream" => {
                let number = streams.len();
                let cursor = frame["params"]["cursor"].clone();
                let active = json!({"cursor": cursor.as_str().unwrap_or("c0")});
                stream.send(notice(id, "events/active", active)).unwrap();
                let event =
                    json!({"eventId": format!("e{number}"), "cursor": format!("c{number}")});
                stream.send(notice(id, "events/event", event)).unwrap();
                if number < 3 {
                    stream.send(Step::Cut).unwrap();
                }
            }
            _ => {}
        }
        Reply::accepted()
    });
    let mut settings = settings();
    settings.transport = Transport::SseOnly;
    let mut host = InProcess::bridged_to(server.remote(), settings);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host.send(r#"{"jsonrpc":"2.0","id":"s","method":"events/stream","params":{"name":"n"}}"#)
        .await;
    let active = host.next_json().await;
    assert_eq!(active["method"], "notifications/events/active");
    for number in 1..=3 {
        let event = host.next_json().await;
        assert_eq!(event["params"]["eventId"], format!("e{number}"), "{event}");
        assert_eq!(event["params"]["_meta"][MARK], "s");
    }
}

/// By their looks, with an escape that hides these, and by the place alone.
const SECRETS: [(&str, &str); 3] = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ),
    (
        r"\u0077hsec_QWxhZGRpbjpvcGVuIHNlc2FtZTEyMzQ1",
        "QWxhZGRpbjpvcGVuIHNlc2FtZTEyMzQ1",
    ),
    ("a-secret-of-another-form", "a-secret-of-another-form"),
];

#[tokio::test]
async fn a_webhooks_secret_is_in_no_log_no_recording_no_audit_and_no_error_of_ours() {
    for era in [Era::Legacy, Era::Modern] {
        let server = Server::that(move |ask| {
            let body: Value = serde_json::from_str(&ask.body).unwrap_or_default();
            let secret = body["params"]["delivery"]["secret"]
                .as_str()
                .unwrap_or_default();
            match (ask.label().as_str(), body["id"].as_u64()) {
                // The server takes it, says it back, and refuses it on a page that is no message.
                ("POST events/subscribe", Some(1)) => pairs::answer(
                    era,
                    EVENTS,
                    |_: &Frame| Some(r#"{"id":"sub_1"}"#.into()),
                    ask,
                ),
                ("POST events/subscribe", Some(2)) => Reply::status(403)
                    .with("Content-Type", "text/plain")
                    .body(format!("{secret} is not for {secret}")),
                ("POST events/subscribe", _) => Reply::status(200)
                    .with("Content-Type", "text/html")
                    .body(format!("<p>{secret}</p>")),
                _ if era == Era::Modern => {
                    pairs::answer(era, EVENTS, |_: &Frame| Some("{}".into()), ask)
                }
                _ => ordinary(ask),
            }
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (recording, audit, log, url) = (
            file("recording.jsonl"),
            file("audit.jsonl"),
            file("log"),
            server.url(),
        );
        let arguments = [
            "--record",
            &recording,
            "--record-content",
            "--audit",
            &audit,
            "--audit-arguments",
            "--log-file",
            &log,
            &url,
        ];
        let mut host = Process::start_with(&arguments, &[("MCPIPE_LOG", "trace")]);
        if era == Era::Legacy {
            host.send(INITIALIZE).await;
            host.next().await;
            host.send(INITIALIZED).await;
        }
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        for (spelled, _) in SECRETS {
            for id in 1..=3 {
                let meta = if era == Era::Modern {
                    meta
                } else {
                    r#""_meta":{}"#
                };
                host.send(format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"events/subscribe","params":{{"name":"n","arguments":{{"secret":"{spelled}"}},"delivery":{{"mode":"webhook","url":"https://x.example/","secret":"{spelled}"}},{meta}}}}}"#
                ))
                .await;
                let answer = host.next_json().await;
                assert_eq!(answer["id"], id);
                assert!(
                    SECRETS
                        .iter()
                        .all(|(_, bare)| !answer.to_string().contains(bare)),
                    "{answer}"
                );
            }
        }
        let left = host.closed().await;
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let places = [
            ("stderr", left.stderr, ""),
            ("the recording", read(&recording), "events/subscribe"),
            ("the audit", read(&audit), "events/subscribe"),
            ("the log", read(&log), "events/subscribe"),
        ];
        for (place, text, said) in places {
            assert!(text.contains(said), "{place} says nothing: {text}");
            for (spelled, bare) in SECRETS {
                assert!(
                    !text.contains(bare) && !text.contains(spelled),
                    "{place}: {text}"
                );
            }
        }
    }
}
