//! Session ids of every length, hundreds of headers, many files, and a server that is still starting.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::sign_in_at;
use crate::support::host::{INITIALIZE, Process, call, request};
use crate::support::remote::{Ask, Reply, Server, opening, ordinary};

fn in_session(session: String) -> impl FnMut(&Ask) -> Reply {
    move |ask| match ask.label().as_str() {
        "POST initialize" => opening(ask, &session),
        _ => ordinary(ask),
    }
}

#[tokio::test]
async fn a_session_id_of_eight_kibibytes_is_sent_back() {
    for length in [1, 1025, 4096, 8192] {
        let session = "s".repeat(length);
        let server = Server::that(in_session(session.clone())).await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        host.next().await;
        let asked = server.asked("POST tools/call", 1).await;
        assert_eq!(
            asked.header("mcp-session-id"),
            Some(session.as_str()),
            "{length}"
        );
    }
}

#[tokio::test]
async fn a_session_id_that_cannot_be_sent_back_is_said_without_its_value() {
    for (session, said) in [
        ("s3cret".repeat(1366), "length=8196"),
        ("s3cret s3cret".to_owned(), "length=13"),
        ("s3cr\u{e9}t".to_owned(), "length=7"),
    ] {
        let server = Server::that(in_session(session)).await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        host.next().await;
        let asked = server.asked("POST tools/call", 1).await;
        assert_eq!(asked.header("mcp-session-id"), None);
        let stderr = host.closed().await.stderr;
        let is_told = stderr.contains("Mcp-Session-Id") && stderr.contains(said);
        assert!(is_told && !stderr.contains("s3cr"), "{said}: {stderr}");
    }
}

#[tokio::test]
async fn five_hundred_response_headers_are_read() {
    let many = |mut reply: Reply| {
        for number in 0..500 {
            reply = reply.with(&format!("X-Policy-{number}"), "default-src 'self'");
        }
        reply
    };
    let server = Server::that(move |ask| many(ordinary(ask))).await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    assert!(host.next_json().await["result"].is_object());

    let server = Server::that(move |_| many(Reply::json("{}"))).await;
    let place = url::Url::parse(&server.url()).unwrap();
    sign_in_at(&server.origin()).document(&place).await.unwrap();
}

/// A port where nothing listens now, and may later.
async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_server_that_starts_after_the_host_is_waited_for_at_the_first_request() {
    // With the question for the revision before the host's own request, and without.
    for protocol in ["auto", "legacy"] {
        let address = free_address().await;
        let url = format!("http://{address}/mcp");
        let mut host = Process::start_with(&[&url], &[("MCPIPE_PROTOCOL", protocol)]);
        let begun = Instant::now();
        host.send(INITIALIZE).await;
        sleep(Duration::from_millis(4500)).await;
        let _server = Server::that_listens_at(&address, ordinary).await;
        let answer = host.next_json().await;
        assert!(answer["result"].is_object(), "{protocol}: {answer}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{protocol}");
    }
}

#[tokio::test]
async fn a_server_that_never_starts_is_told_after_ten_seconds_and_then_at_once() {
    let address = free_address().await;
    let mut host = Process::start(&[&format!("http://{address}/mcp")]);
    let begun = Instant::now();
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    let took = begun.elapsed();
    assert_eq!(answer["error"]["data"]["kind"], "unreachable", "{answer}");
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("refused"),
        "{answer}"
    );
    assert!((9..13).contains(&took.as_secs()), "{took:?}");
    let begun = Instant::now();
    host.send(request(2, "initialize")).await;
    host.next().await;
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_host_that_leaves_does_not_wait_for_a_server_that_never_starts() {
    let address = free_address().await;
    let mut host = Process::start(&["--verbose", &format!("http://{address}/mcp")]);
    host.send(INITIALIZE).await;
    host.has_said("waiting for the server to start").await;
    let left = host.closed().await;
    assert!(left.took < Duration::from_secs(5), "{:?}", left.took);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    use tokio::process::Command;

    let script = "ulimit -S -n 40; ulimit -H -n 500; exec \"$0\" http://127.0.0.1:1/mcp";
    let mut child = Command::from(mcpipe::process::command("/bin/sh"))
        .args(["-c", script, env!("CARGO_BIN_EXE_mcpipe")])
        .env_clear()
        .env("MCPIPE_HOME", tempfile::tempdir().unwrap().path())
        .env("MCPIPE_DEBUGGABLE", "1")
        .stdin(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id().unwrap());
    let is_raised = async {
        loop {
            let text = std::fs::read_to_string(&limits).unwrap();
            let line = text.lines().find(|line| line.starts_with("Max open files"));
            let words: Vec<_> = line.unwrap().split_whitespace().collect();
            if words[3..5] == ["500", "500"] {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let raised = tokio::time::timeout(Duration::from_secs(20), is_raised).await;
    assert!(
        raised.is_ok(),
        "{}",
        std::fs::read_to_string(&limits).unwrap()
    );
    child.kill().await.unwrap();
}
