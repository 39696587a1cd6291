//! Answers that are lost on the way: what does no harm twice is asked again, in every pair of eras and however it was
//! lost, and nothing else is.

use serde_json::{Value, json};

use crate::support::memory::Memory;
use crate::support::pairs::{Era, PAIRS, Pair, answer};
use crate::support::remote::{Ask, Body, Reply, Step, result_of};

const CAPABILITIES: &str = r#"{"tools":{},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{},"extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true},"io.modelcontextprotocol/events":{}}}"#;
/// What does no harm twice, in either era: the methods whose rows in the table say so, and lists without a row.
const HARMLESS: [&str; 14] = [
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/directory/read",
    "completion/complete",
    "skills/list",
    "skills/get",
    "events/list",
    "events/poll",
    "events/subscribe",
    "vendor/list",
];
const HARMFUL: [&str; 2] = ["tools/call", "vendor/do"];

type Loss = (&'static str, fn(&Ask) -> Reply);

const LOSSES: [Loss; 8] = [
    ("cut before the head", |_| Reply::cut()),
    ("502", |_| Reply::status(502)),
    ("503", |_| Reply::status(503)),
    ("504", |_| Reply::status(504)),
    ("a body that is cut", |ask| {
        let whole = result_of(ask, "{}");
        let half = whole.split_at(whole.len() / 2).0.to_owned();
        let mut reply = Reply::json("");
        reply.body = Body::Announced(whole.len(), vec![Step::text(half), Step::Cut]);
        reply
    }),
    ("an empty stream", |_| Reply::events([])),
    ("a stream that is cut", |_| {
        Reply::events([Step::text(": begun\n\n"), Step::Cut])
    }),
    ("an event that is cut", |ask| {
        let half = result_of(ask, "{}").replace('}', "");
        Reply::events([Step::text(format!("data: {half}")), Step::Cut])
    }),
];

/// A server of that era that loses its first answers to this method.
fn losing(era: Era, method: &str, mut left: usize, lose: fn(&Ask) -> Reply) -> Memory {
    let label = format!("POST {method}");
    Memory::that(move |ask| {
        if left > 0 && ask.label() == label {
            left -= 1;
            return lose(ask);
        }
        answer(era, CAPABILITIES, |_| Some(r#"{"found":1.0}"#.into()), ask)
    })
}

fn params() -> Value {
    json!({"name": "x", "uri": "skill://a"})
}

#[tokio::test(start_paused = true)]
async fn whatever_does_no_harm_twice_is_asked_again_in_every_pair() {
    for eras in PAIRS {
        for (loss, lose) in LOSSES {
            for method in HARMLESS {
                let server = losing(eras.1, method, 2, lose);
                let mut pair = Pair::open(eras, &server, |_| {}).await;
                let answer = pair.ask(method, params()).await;
                let shown = format!("{eras:?} {method}, {loss}: {answer}");
                assert_eq!(answer["result"]["found"], 1.0, "{shown}");
                assert_eq!(server.count(&format!("POST {method}")), 3, "{shown}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_may_do_harm_twice_is_asked_once() {
    for eras in PAIRS {
        for (loss, lose) in LOSSES {
            for method in HARMFUL {
                let server = losing(eras.1, method, 2, lose);
                let mut pair = Pair::open(eras, &server, |_| {}).await;
                let answer = pair.ask(method, params()).await;
                let shown = format!("{eras:?} {method}, {loss}: {answer}");
                assert_eq!(answer["error"]["data"]["source"], "mcpipe", "{shown}");
                assert_eq!(server.count(&format!("POST {method}")), 1, "{shown}");
            }
        }
    }
}

/// A person has answered, and is not taken to have answered twice.
#[tokio::test(start_paused = true)]
async fn a_round_with_answers_in_it_is_asked_once() {
    let rounds = [
        json!({"name": "x", "uri": "skill://a", "inputResponses": {"q": {"action": "accept"}}}),
        json!({"name": "x", "uri": "skill://a", "requestState": "s"}),
    ];
    // A modern host that answers what was never asked is refused by the bridge where the server is a legacy one.
    let pairs = [(Era::Legacy, Era::Legacy), (Era::Modern, Era::Modern)];
    for eras in pairs {
        for (loss, lose) in LOSSES {
            for method in ["resources/read", "prompts/get"] {
                for params in &rounds {
                    let server = losing(eras.1, method, 2, lose);
                    let mut pair = Pair::open(eras, &server, |_| {}).await;
                    let answer = pair.ask(method, params.clone()).await;
                    let shown = format!("{eras:?} {method}, {loss}: {answer}");
                    assert_eq!(answer["error"]["data"]["source"], "mcpipe", "{shown}");
                    assert_eq!(server.count(&format!("POST {method}")), 1, "{shown}");
                }
            }
        }
    }
}

/// The answer to a question that a legacy host was asked in between goes to a modern server as another round.
#[tokio::test(start_paused = true)]
async fn a_round_that_the_bridge_makes_of_an_answer_is_asked_once() {
    const ASKS: &str = r#"{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"mode":"form","message":"?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"s"}"#;
    for (loss, lose) in LOSSES {
        let mut rounds = 0;
        let server = Memory::that(move |ask| match ask.label().as_str() {
            "POST resources/read" => {
                rounds += 1;
                match rounds {
                    1 => lose(ask),
                    2 => Reply::result(ask, ASKS),
                    _ => lose(ask),
                }
            }
            _ => answer(Era::Modern, CAPABILITIES, |_| Some("{}".into()), ask),
        });
        let mut pair = Pair::open((Era::Legacy, Era::Modern), &server, |_| {}).await;
        let able = r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"h","version":"1"}}}"#;
        pair.host.send(able).await;
        pair.host.next_with_id().await;
        pair.host
            .send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
        let (id, line) = pair.line("resources/read", params());
        pair.host.send(line).await;
        let question = pair.host.next_with_id().await;
        assert_eq!(
            question["method"], "elicitation/create",
            "{loss}: {question}"
        );
        let agreed = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {}}});
        pair.host.send(agreed.to_string()).await;
        let answer = pair.answer(id).await;
        assert_eq!(
            answer["error"]["data"]["source"], "mcpipe",
            "{loss}: {answer}"
        );
        assert_eq!(server.count("POST resources/read"), 3, "{loss}");
    }
}

/// What a response stream has brought before it was cut may be a question that the host has answered.
#[tokio::test(start_paused = true)]
async fn a_legacy_stream_that_has_said_something_is_not_asked_for_again() {
    let log =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    for host in [Era::Legacy, Era::Modern] {
        let server = Memory::that(move |ask| match ask.label().as_str() {
            "POST resources/read" => Reply::events([Step::event(log), Step::Cut]),
            _ => answer(Era::Legacy, CAPABILITIES, |_| Some("{}".into()), ask),
        });
        let mut pair = Pair::open((host, Era::Legacy), &server, |_| {}).await;
        let answer = pair.ask("resources/read", params()).await;
        assert_eq!(answer["error"]["data"]["kind"], "cut", "{host:?}: {answer}");
        assert_eq!(
            answer["error"]["data"]["retryable"], true,
            "{host:?}: {answer}"
        );
        assert_eq!(server.count("POST resources/read"), 1, "{host:?}");
    }
}
