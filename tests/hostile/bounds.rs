//! Where what a server may order ends: answers, questions, pages and headers, each with an end that the host is told.

use std::time::Duration;

use mcpipe::bridge::Settings;
use mcpipe::era::Protocol;
use serde_json::{Value, json};

use super::endless::{DISCOVERED, Pair};
use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, request, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Step, ordinary, result_of};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_request_that_is_answered_a_thousand_times_and_never_under_its_id_has_failed() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let stray = r#"{"jsonrpc":"2.0","id":"of no request","result":{}}"#;
            Reply::events([Step::Endless(
                format!("data: {stray}\n\n").into_bytes(),
                SECOND,
            )])
        }
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), settings()).await;
    host.send(request(1, "tools/call")).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["data"]["kind"], "bad_answer", "{answer}");
    let words = answer["error"]["message"].as_str().unwrap();
    assert!(words.contains("more than 1000 responses"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_goes_on_behind_its_answer_makes_room_for_other_requests() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
            let log = format!("data: {log}\n\n").into_bytes();
            Reply::events([
                Step::event(result_of(ask, "{}")),
                Step::Endless(log, SECOND),
            ])
        }
        _ => ordinary(ask),
    });
    let settings = Settings {
        max_in_flight: 1,
        ..settings()
    };
    let mut host = InProcess::opened(remote.remote(), settings).await;
    host.send(request(1, "tools/call")).await;
    assert_eq!(host.next_with_id().await["id"], 1);
    host.send(request(2, "tools/list")).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(host.next_with_id().await["id"], 2);
    assert!(begun.elapsed() <= 32 * SECOND, "{:?}", begun.elapsed());
}

fn modern() -> Settings {
    Settings {
        protocol: Protocol::Modern,
        ..settings()
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_too_much_at_once_is_not_asked_about_it() {
    for count in [32, 33] {
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST server/discover" => Reply::result(ask, DISCOVERED),
            _ => {
                let one = json!({ "method": "elicitation/create", "params": { "message": "?", "requestedSchema": { "type": "object", "properties": {} } } });
                let asked: serde_json::Map<_, _> = (0..count)
                    .map(|key| (key.to_string(), one.clone()))
                    .collect();
                let result = json!({ "resultType": "input_required", "inputRequests": asked });
                Reply::result(ask, &result.to_string())
            }
        });
        let mut host = InProcess::bridged_to(remote.remote(), modern());
        host.send(INITIALIZE).await;
        host.next().await;
        host.send(INITIALIZED).await;
        host.send(request(1, "tools/call")).await;
        let first = host.next_with_id().await;
        match count {
            32 => assert_eq!(first["method"], "elicitation/create", "{first}"),
            _ => {
                let words = first["error"]["message"].as_str().unwrap_or_default();
                assert!(words.contains("more than 32 things at once"), "{first}");
            }
        }
    }
}

/// A tool with so many arguments that are to be repeated in headers.
fn tool(headers: usize) -> Value {
    let argument = |n: usize| {
        (
            format!("a{n}"),
            json!({ "type": "string", "x-mcp-header": format!("A{n}") }),
        )
    };
    let arguments: serde_json::Map<_, _> = (0..headers).map(argument).collect();
    json!({ "name": "x", "inputSchema": { "type": "object", "properties": arguments } })
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_wants_more_headers_than_a_request_can_have_is_not_offered() {
    for (headers, is_offered) in [(64, true), (65, false)] {
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST server/discover" => Reply::result(ask, DISCOVERED),
            _ => {
                let result = json!({ "resultType": "complete", "tools": [tool(headers)] });
                Reply::result(ask, &result.to_string())
            }
        });
        let mut host = InProcess::bridged_to(remote.remote(), modern());
        let pair = Pair {
            is_host_modern: true,
            is_server_modern: true,
        };
        host.send(pair.request(1, "tools/list")).await;
        let tools = host.next_json().await;
        let offered = tools["result"]["tools"].as_array().unwrap().len();
        assert_eq!(offered, usize::from(is_offered), "{headers}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_pages_lead_in_a_circle_is_followed_once_around() {
    // The bridge itself looks for a tool only when a server has refused its headers.
    let remote = Memory::that(|ask: &Ask| match ask.label().as_str() {
        "POST server/discover" => Reply::result(ask, DISCOVERED),
        "POST tools/call" => {
            let refusal = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32020,"message":"headers"}}}}"#,
                ask.id()
            );
            let mut reply = Reply::json(refusal);
            reply.status = 400;
            reply
        }
        _ => {
            let next = match ask.body.contains(r#""cursor":"a""#) {
                true => "b",
                false => "a",
            };
            let page = json!({ "resultType": "complete", "tools": [], "nextCursor": next });
            Reply::result(ask, &page.to_string())
        }
    });
    let mut host = InProcess::bridged_to(remote.remote(), modern());
    let pair = Pair {
        is_host_modern: true,
        is_server_modern: true,
    };
    host.send(pair.request(1, "tools/call")).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["code"], -32020, "{answer}");
    assert_eq!(remote.count("POST tools/list"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_without_end_and_takes_no_answer_is_answered_no_further() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let question = r#"{"jsonrpc":"2.0","id":"q","method":"ping"}"#;
            let mut steps: Vec<_> = (0..6000).map(|_| Step::event(question)).collect();
            steps.push(Step::event(result_of(ask, "{}")));
            Reply::events(steps)
        }
        "POST answer" => Reply::accepted().after(Step::forever()),
        _ => ordinary(ask),
    });
    let mut host = InProcess::bridged_to(remote.remote(), settings());
    let pair = Pair {
        is_host_modern: true,
        is_server_modern: false,
    };
    host.send(pair.request(1, "tools/call")).await;
    assert_eq!(host.next_json().await["id"], 1);
    let answers = remote.count("POST answer");
    assert!((4000..=4200).contains(&answers), "{answers}");
}
