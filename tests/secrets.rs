//! What was sent as a proof is in nothing that mcpipe writes for others, also when a server says it back.

#[cfg(unix)]
mod traces; // after a sign-in, no secret is in any file or log

use serde_json::Value;

use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
use crate::support::remote::{Reply, Server, ordinary};

const KEY: &str = "k3y/of+the=user/0123456789";
/// As forms and queries spell it.
const KEY_IN_A_FORM: &str = "k3y%2Fof%2Bthe%3Duser%2F0123456789";
/// As `encodeURI`, `System.Text.Json` and pages may.
const KEY_HALF_ESCAPED: &str = r"k3y/of%2Bthe=user/0123456789, k3y/of\u002Bthe=user/0123456789, k3y/of&#x2B;the=user/0123456789";

/// A server that repeats whatever it was sent: in a challenge, in a page, in an error, in the result of a tool.
async fn echo() -> Server {
    Server::that(|ask| {
        let key = ask.header("x-api-key").unwrap_or("none").to_owned();
        match ask.label().as_str() {
            "POST tools/call" if ask.id() == "1" => Reply::result(
                ask,
                &format!(r#"{{"content":[{{"type":"text","text":"you sent {key}"}}]}}"#),
            ),
            "POST tools/call" if ask.id() == "2" => Reply::status(401).with(
                "WWW-Authenticate",
                &format!(r#"Bearer error="invalid_token", error_description="{key} is not known""#),
            ),
            "POST tools/call" if ask.id() == "3" => Reply::status(403)
                .with("Content-Type", "text/plain")
                .body(format!(
                    "{KEY_HALF_ESCAPED} or key={KEY_IN_A_FORM} may not do that"
                )),
            "POST tools/call" => Reply::status(200)
                .with(
                    "Content-Type",
                    format!("text/x-{}", key.replace(['/', '+', '='], "-")).as_str(),
                )
                .body(format!("<p>{key}</p>")),
            _ => ordinary(ask),
        }
    })
    .await
}

#[tokio::test]
async fn a_key_that_the_server_says_back_is_in_no_log_no_recording_and_no_error_of_ours() {
    let server = echo().await;
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.jsonl");
    let url = server.url();
    let arguments = [
        "--header",
        "X-Api-Key: ${KEY}",
        "--record",
        recording.to_str().unwrap(),
        &url,
    ];
    let mut host = Process::start_with(&arguments, &[("KEY", KEY), ("MCPIPE_LOG", "trace")]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;

    // The tool's result is the host's, to the letter.
    host.send(call(1)).await;
    assert!(host.next().await.contains(KEY));
    for id in 2..=4 {
        host.send(call(id)).await;
        let answer = host.next_json().await;
        assert_eq!(answer["id"], id);
        assert!(answer["error"]["message"].is_string(), "{answer}");
        let ours = answer["error"]["data"]["source"] == "mcpipe";
        assert!(ours && !holds(&answer), "{answer}");
    }
    let left = host.closed().await;
    for (place, text) in [
        ("stderr", left.stderr),
        (
            "the recording",
            std::fs::read_to_string(&recording).unwrap(),
        ),
    ] {
        assert!(text.contains("tools/call"), "{place} says nothing: {text}");
        for spelling in [KEY, KEY_IN_A_FORM, r"k3y\/of", "the=user/0123456789"] {
            assert!(!text.contains(spelling), "{place}: {text}");
        }
    }
}

fn holds(answer: &Value) -> bool {
    let text = answer.to_string();
    text.contains(KEY) || text.contains(KEY_IN_A_FORM) || text.contains("the=user/0123456789")
}
