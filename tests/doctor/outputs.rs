//! Texts, JSON, codes and exit codes, as a person or a program gets them.
//!
//! The texts are in `fixtures/pins/doctor`; `MCPIPE_PIN=1 cargo test --test main doctor::` writes them anew.

use serde_json::Value;

use crate::pins::is_pinned;
use crate::support::host::Process;
use crate::support::remote::{Ask, Reply, Server, ordinary};

/// Runs the binary. Returns its status, stdout and stderr.
async fn run(words: &[&str]) -> (i32, String, String) {
    let words: Vec<_> = ["doctor"].iter().chain(words).copied().collect();
    let process = Process::start_with(&words, &[("MCPIPE_PROTOCOL", "auto")]);
    let exit = process.closed().await;
    let lines: Vec<_> = exit.lines.iter().map(|line| format!("{line}\n")).collect();
    (exit.status.code().unwrap(), lines.concat(), exit.stderr)
}

async fn server() -> Server {
    Server::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/list" => {
            Reply::result(ask, r#"{"tools":[{"name":"read"},{"name":"delete_it"}]}"#)
        }
        _ => ordinary(ask).with("Date", "Thu, 01 Jan 2015 00:00:00 GMT"),
    })
    .await
}

/// Replaces what differs from run to run.
fn steady(text: &str, server: &Server) -> String {
    let port = server.origin().rsplit_once(':').unwrap().1.to_owned();
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let text = text.replace(&port, "PORT").replace(&platform, "PLATFORM");
    let mut steady = Vec::new();
    for line in text.lines() {
        let words = line.split(' ').map(|word| {
            let digits = word.trim_matches(['"', ',']);
            let is_long = digits.len() > 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_long {
                word.replace(digits, "N")
            } else {
                word.to_owned()
            }
        });
        steady.push(words.collect::<Vec<_>>().join(" "));
    }
    steady.join("\n") + "\n"
}

#[tokio::test]
async fn the_text_and_the_json_are_as_they_were() {
    let server = server().await;
    let url = server.url();
    let words = [
        url.as_str(),
        "--deny-tool",
        "delete_*",
        "--account",
        "robin",
    ];
    let (status, text, stderr) = run(&words).await;
    assert_eq!(status, 1, "{text}{stderr}");
    assert!(stderr.contains("1 check has failed"), "{stderr}");
    is_pinned("doctor/text.txt", &steady(&text, &server));
    let redacted: Vec<_> = words.iter().chain(&["--redact"]).copied().collect();
    let (_, text, _) = run(&redacted).await;
    is_pinned("doctor/redacted.txt", &steady(&text, &server));
    let json: Vec<_> = words.iter().chain(&["--json"]).copied().collect();
    let (status, text, _) = run(&json).await;
    assert_eq!(status, 1);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&document["version"], &document["redacted"]),
        (&1.into(), &true.into())
    );
    assert!(!text.contains("robin"), "{text}");
    is_pinned("doctor/json.json", &steady(&text, &server));
    let plain: Vec<_> = json.iter().chain(&["--no-redact"]).copied().collect();
    let (_, text, _) = run(&plain).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["redacted"], false);
}

#[tokio::test]
async fn the_codes_and_their_explanations_are_as_they_were() {
    let (status, text, _) = run(&["--list"]).await;
    assert_eq!(status, 0);
    is_pinned("doctor/list.txt", &text);
    for code in ["TLS_INTERCEPTED", "session-lost"] {
        let (status, text, _) = run(&["--explain", code]).await;
        assert_eq!(status, 0, "{code}");
        is_pinned(
            &format!("doctor/explain-{}.txt", code.to_lowercase()),
            &text,
        );
    }
}

#[tokio::test]
async fn what_is_no_target_and_no_code_is_wrong_usage() {
    for (words, said) in [
        (&["ftp://a.example/"][..], ""),
        (&["not a url"], ""),
        (&[], "address is missing"),
        (
            &["--explain", "TLS_INTERCEPTD"],
            "perhaps TLS_INTERCEPTED is meant",
        ),
        (&["--explain", "elephant"], "--list"),
        (&["--list", "https://a.example/mcp"], "exclude each other"),
        (
            &["--redact", "--no-redact", "https://a.example/mcp"],
            "exclude each other",
        ),
    ] {
        let (status, text, stderr) = run(words).await;
        assert_eq!(status, 2, "{words:?}: {stderr}");
        assert!(text.is_empty(), "{text}");
        assert!(
            stderr.contains(said) && stderr.contains("hint:"),
            "{words:?}: {stderr}"
        );
    }
}
