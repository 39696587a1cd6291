//! Time limits: each error says the limit and its flag, the stage, and whether the call may have run.

use std::time::Duration;

use mcpipe::policy::Rules;
use serde_json::{Value, json};

use super::{call, limited};
use crate::support::host::{INITIALIZE, InProcess, Process, limit};
use crate::support::memory::Memory;
use crate::support::remote::{Reply, Server, Step, ordinary};

#[tokio::test(start_paused = true)]
async fn a_time_limit_is_for_the_tools_of_its_pattern_and_says_the_stage() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" if ask.body.contains("begins") => {
            let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
            Reply::events([Step::event(progress), Step::forever()])
        }
        "POST tools/call" if ask.body.contains("busy") => {
            Reply::status(429).with("Retry-After", "20")
        }
        "POST tools/call" => ordinary(ask).after(Step::Pause(Duration::from_secs(30))),
        _ => ordinary(ask),
    });
    let rules = Rules {
        call_timeout: vec![
            limit("call-timeout", Some("q*"), Duration::from_secs(10)),
            limit("call-timeout", None, Duration::from_secs(60)),
        ],
        ..Rules::default()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    for (tool, stage, clause, may_have_run) in [
        (
            "q",
            "response",
            "it was sent, and the response had not begun",
            true,
        ),
        (
            "q-begins",
            "body",
            "it was sent, and the response was not complete",
            true,
        ),
        ("q-busy", "pause", "so nothing was done", false),
    ] {
        host.send(call(1, tool)).await;
        let answer = host.next_with_id().await;
        let data = &answer["error"]["data"];
        assert_eq!(
            (&data["kind"], &data["stage"]),
            (&json!("timed_out"), &json!(stage))
        );
        assert_eq!(data["mayHaveRun"], may_have_run, "{answer}");
        assert_eq!(data["retryable"], !may_have_run, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        let limit =
            "No answer came within 10 s (rule: call-timeout as written, from MCPIPE_TEST): ";
        assert!(
            message.starts_with(limit) && message.contains(clause),
            "{message}"
        );
        assert_eq!(
            message.contains("look before doing it again"),
            may_have_run,
            "{message}"
        );
    }
    host.send(call(2, "slow")).await;
    assert!(host.next_with_id().await.get("result").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_had_no_turn_was_not_sent_and_may_be_sent_again() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" => ordinary(ask).after(Step::forever()),
        _ => ordinary(ask),
    });
    let limit = |tool, seconds| limit("call-timeout", Some(tool), Duration::from_secs(seconds));
    let rules = Rules {
        call_timeout: vec![limit("long", 30), limit("short", 10)],
        ..Rules::default()
    };
    let mut settings = limited(home.path(), rules);
    settings.max_in_flight = 1;
    let mut host = InProcess::opened(remote.remote(), settings).await;
    for (id, tool) in [(1, "long"), (2, "short")] {
        host.send(call(id, tool)).await;
    }
    for (id, stage) in [(2, "turn"), (1, "response")] {
        let answer = host.next_json().await;
        let data = &answer["error"]["data"];
        assert_eq!((&answer["id"], &data["stage"]), (&json!(id), &json!(stage)));
        assert_eq!(data["retryable"], stage == "turn", "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        let unsent = "it still waited for its turn (--max-in-flight), and was not sent.";
        assert_eq!(message.ends_with(unsent), stage == "turn", "{message}");
    }
    assert_eq!(remote.count("POST tools/call"), 1);
}

#[tokio::test]
async fn every_time_limit_names_its_flag_and_whether_the_request_was_sent() {
    // It accepts connections, and says nothing: no handshake ends.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("https://{}/mcp", silent.local_addr().unwrap());
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST initialize" => Reply::events([Step::text(": here\n\n"), Step::forever()]),
        _ => ordinary(ask),
    })
    .await;
    let mute = Server::that(|ask| ordinary(ask).after(Step::forever())).await;
    for (url, flag, expected, stage) in [
        (
            &silent,
            "--call-timeout",
            "there was no connection yet, and it was not sent",
            json!("connecting"),
        ),
        (
            &silent,
            "--connect-timeout",
            "no connection within 0.3 s (--connect-timeout)",
            Value::Null,
        ),
        (
            &mute.url(),
            "--headers-timeout",
            "within 0.3 s (--headers-timeout): it was sent, and the response had not begun",
            json!("response"),
        ),
        (
            &server.url(),
            "--body-timeout",
            "nothing came for 0.3 s (--body-timeout)",
            Value::Null,
        ),
        (
            &server.url(),
            "--call-timeout",
            "(rule: call-timeout 0.3, from --call-timeout): it was sent, and the response was not complete",
            json!("body"),
        ),
    ] {
        let mut host = Process::start(&[flag, "0.3", url]);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{flag}: {message}");
        assert_eq!(
            answer["error"]["data"]
                .get("stage")
                .cloned()
                .unwrap_or_default(),
            stage,
            "{flag}"
        );
    }
}
