//! What users of other stdio servers and bridges have reported of pipes, ends of input and hosts that leave.

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time;

use super::{TWO_SECONDS, answered, once};
use crate::support::host::{Exit, INITIALIZE, INITIALIZED, Process, call, request};
use crate::support::remote::{Reply, Server, Step, ordinary};

/// The real binary in a shell's hands.
async fn shell(script: &str, url: &str) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::from(mcpipe::process::command("/bin/sh"));
    command
        .args(["-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("MCPIPE_HOME", home.path())
        .env("MCPIPE_PROTOCOL", "legacy")
        .env("MCPIPE", env!("CARGO_BIN_EXE_mcpipe"))
        .env("SERVER", url)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = time::timeout(Duration::from_secs(30), command.output());
    let output = output.await.expect("in good time").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// modelcontextprotocol/python-sdk#2678, go-sdk#1061, rust-sdk#753: where stdin is a file, or ends right behind the last
/// request, answers to requests that were read are lost, about half of them.
#[tokio::test]
async fn a_file_for_stdin_loses_no_answer() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::result(ask, "{}").after(Step::Pause(Duration::from_millis(30))),
        _ => ordinary(ask),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests");
    let mut file = File::create(&path).unwrap();
    let calls = (1..=40).map(call);
    let lines = [INITIALIZE.to_owned(), INITIALIZED.to_owned()];
    for line in lines.into_iter().chain(calls) {
        writeln!(file, "{line}").unwrap();
    }
    for _ in 0..5 {
        let script = format!("\"$MCPIPE\" \"$SERVER\" < '{}'", path.display());
        let (code, stdout, stderr) = shell(&script, &server.url()).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(stdout.lines().count(), 41, "{stdout}");
    }
}

/// steipete/oracle#238, cloudflare/mcp-server-cloudflare#487: blank lines, and an end of input right at the start.
#[tokio::test]
async fn blank_lines_and_nothing_at_all_are_no_failure() {
    let server = Server::that(ordinary).await;
    for script in [
        "printf '\\n\\n' | \"$MCPIPE\" \"$SERVER\"",
        "echo '' | \"$MCPIPE\" \"$SERVER\"",
        "\"$MCPIPE\" \"$SERVER\" < /dev/null",
    ] {
        let (code, stdout, stderr) = shell(script, &server.url()).await;
        assert_eq!((code, &*stdout, &*stderr), (Some(0), "", ""), "{script}");
    }
    assert_eq!(server.connections(), 0);
}

/// Yeachan-Heo/gajae-code#2099, browser-use/browser-use#4663: a reader that leaves is taken for a crash.
#[tokio::test]
async fn a_reader_that_leaves_is_no_crash() {
    let server = Server::that(ordinary).await;
    let lines = [INITIALIZE, INITIALIZED, &call(1), &request(2, "tools/list")].join("\n");
    for script in [
        "{ \"$MCPIPE\" --help; echo $? >&2; } | true",
        "{ \"$MCPIPE\" status; echo $? >&2; } | true",
        &format!("{{ printf '%s\\n' '{lines}' | \"$MCPIPE\" \"$SERVER\"; echo $? >&2; }} | true"),
        &format!(
            "{{ printf '%s\\n' '{lines}' | \"$MCPIPE\" \"$SERVER\"; echo $? >&2; }} | head -1"
        ),
    ] {
        let (_, _, stderr) = shell(script, &server.url()).await;
        assert_eq!(stderr, "0\n", "{script}");
    }
}

/// mark3labs/mcp-go#783: a client that closes stdin and then waits without end for the process.
#[tokio::test]
async fn who_only_closes_stdin_and_waits_does_not_wait_long() {
    let server = Server::that(|ask| match ask.verb.as_str() {
        "GET" => Reply::events([Step::forever()]),
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    host.next().await;
    let left: Exit = host.closed().await;
    assert_eq!(left.status.code(), Some(0), "{}", left.stderr);
    assert!(left.took < TWO_SECONDS, "{:?}", left.took);
}

/// aprender#2608: a call that is written last is answered never, silently, with exit code 0.
#[tokio::test]
async fn no_request_goes_without_an_answer_and_a_code_that_says_so() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::accepted().after(Step::forever()),
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::start(&[&server.url(), "--grace", "0.5"]);
    host.send([INITIALIZE, INITIALIZED, &call(1), &call(2)].join("\n"))
        .await;
    let left = host.closed().await;
    assert_eq!(answered(&left), once(&["0", "1", "2"]));
    assert_eq!(left.status.code(), Some(1), "{}", left.stderr);
    assert!(left.stderr.contains("2 of 3 requests were not answered"));
}
