//! A pipe in a shell at a server that wants a sign-in, and what the exit code of a pipe says.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time;

use super::{ONE_SECOND, TWO_SECONDS, answered, kind, once, silent_calls};
use crate::early_initialize::{noted, noting, protected};
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{Exit, INITIALIZE, INITIALIZED, Process, call, request};
use crate::support::remote::{Reply, Server, Step, ordinary};

/// A protected server, and a browser that only notes where it was sent.
struct Shell {
    _authority: Authority,
    server: Server,
    url: String,
    folder: TempDir,
    browser: String,
}

/// A display is what tells that a user can be reached.
const DISPLAY: (&str, &str) = ("DISPLAY", ":97");

impl Shell {
    async fn new() -> Self {
        let (authority, server) = protected().await;
        let folder = tempfile::tempdir().unwrap();
        Self {
            _authority: authority,
            url: format!("{}/mcp", server.origin()),
            server,
            browser: noting(folder.path()),
            folder,
        }
    }

    fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let arguments: Vec<_> = arguments.iter().copied().chain([&*self.url]).collect();
        let browser = [("BROWSER", &*self.browser)];
        let variables: Vec<_> = variables.iter().copied().chain(browser).collect();
        Process::start_with(&arguments, &variables)
    }

    /// All that is said, and the end of it.
    async fn piped(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut host = self.start(arguments, variables);
        let lines = [INITIALIZE, INITIALIZED, &request(1, "tools/list"), &call(2)];
        host.send(lines.join("\n")).await;
        host.close();
        host
    }

    fn has_shown_a_page(&self) -> bool {
        self.folder.path().join("address").exists()
    }

    /// The user signs in, that long after the page was shown.
    async fn signs_in_after(&self, pause: Duration) {
        let page = noted(self.folder.path()).await;
        time::sleep(pause).await;
        browser::follow(&page).await;
    }
}

fn is_in_a_terminal() -> bool {
    let is = std::fs::File::open("/dev/tty").is_ok();
    if is {
        println!("skipped: the tests run in a terminal, where a user is reached");
    }
    is
}

fn asserts_sign_in_needed(left: &Exit, url: &str) {
    assert_eq!(answered(left), once(&["0", "1", "2"]));
    for answer in left.answers() {
        assert_eq!(kind(&answer), "sign_in_needed", "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("`mcpipe login {url}`")),
            "{message}"
        );
    }
    assert_eq!(left.status.code(), Some(3), "{}", left.stderr);
    assert!(
        left.stderr.contains("3 of 3 requests were not answered"),
        "{}",
        left.stderr
    );
    assert!(
        left.stderr.contains(&format!("`mcpipe login {url}`")),
        "{}",
        left.stderr
    );
}

#[tokio::test]
async fn a_pipe_waits_for_the_sign_in_where_a_user_sees_it() {
    let shell = Shell::new().await;
    // The user takes longer than the first grace; what follows has a grace of its own.
    let host = shell.piped(&["--grace", "8"], &[DISPLAY]).await;
    shell.signs_in_after(Duration::from_millis(2500)).await;
    let left = host.exit().await;
    assert_eq!(left.status.code(), Some(0), "{}", left.stderr);
    assert_eq!(answered(&left), once(&["0", "1", "2"]));
    let all = left.answers();
    assert!(
        all.iter().all(|answer| answer.get("result").is_some()),
        "{all:?}"
    );
    assert!(
        left.stderr
            .contains("mcpipe waits for this sign-in, for 8 s at most"),
        "{}",
        left.stderr
    );
    assert_eq!(shell.server.count("POST tools/call"), 1);
}

#[tokio::test]
async fn the_grace_bounds_the_wait_and_wait_for_login_does_not() {
    let shell = Shell::new().await;
    let left = shell
        .piped(&["--grace", "1.5"], &[DISPLAY])
        .await
        .exit()
        .await;
    assert!(left.took > Duration::from_millis(1300), "{:?}", left.took);
    assert!(
        left.took < Duration::from_millis(1500) + TWO_SECONDS,
        "{:?}",
        left.took
    );
    asserts_sign_in_needed(&left, &shell.url);

    let shell = Shell::new().await;
    let patient = ["--grace", "3", "--wait-for-login"];
    let host = shell.piped(&patient, &[DISPLAY]).await;
    shell.signs_in_after(Duration::from_millis(4500)).await;
    let left = host.exit().await;
    assert_eq!(left.status.code(), Some(0), "{}", left.stderr);
    assert_eq!(answered(&left), once(&["0", "1", "2"]));
}

#[tokio::test]
async fn where_no_user_sees_it_the_command_is_named_at_once() {
    if is_in_a_terminal() {
        return;
    }
    let builds = [("CI", "1"), DISPLAY];
    for variables in [&[][..], &builds[..]] {
        for arguments in [&[][..], &["--wait-for-login"], &["--protocol", "auto"]] {
            let shell = Shell::new().await;
            let left = shell.piped(arguments, variables).await.exit().await;
            assert!(left.took < TWO_SECONDS, "{:?}", left.took);
            asserts_sign_in_needed(&left, &shell.url);
            assert!(!shell.has_shown_a_page(), "a page was shown to no user");
        }
    }
}

/// A host that has been answered and has reacted to it; a call of its waits for the sign-in.
async fn talking(shell: &Shell, arguments: &[&str]) -> Process {
    let mut host = shell.start(arguments, &[DISPLAY]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    shell.server.asked("POST initialize", 1).await;
    noted(shell.folder.path()).await;
    time::sleep(Duration::from_millis(300)).await;
    host
}

#[tokio::test]
async fn a_host_that_closes_stdin_while_a_sign_in_waits_is_left_at_once() {
    let shell = Shell::new().await;
    let left = talking(&shell, &[]).await.closed().await;
    assert!(left.took < ONE_SECOND, "{:?}", left.took);
    assert_eq!(answered(&left), once(&["1"]));
    assert_eq!(kind(&left.answers()[0]), "sign_in_needed");
    assert_eq!(left.status.code(), Some(3), "{}", left.stderr);
}

#[tokio::test]
async fn a_signal_ends_the_wait_for_a_sign_in_and_so_does_a_reader_that_leaves() {
    for (signal, code) in [(Signal::TERM, 3), (Signal::HUP, 3), (Signal::INT, 130)] {
        let shell = Shell::new().await;
        let host = shell.piped(&[], &[DISPLAY]).await;
        noted(shell.folder.path()).await;
        time::sleep(Duration::from_millis(500)).await;
        host.signal(signal);
        let left = host.exit().await;
        assert!(left.took < ONE_SECOND, "{signal:?} {:?}", left.took);
        assert_eq!(answered(&left), once(&["0", "1", "2"]), "{signal:?}");
        assert_eq!(left.status.code(), Some(code), "{signal:?} {}", left.stderr);
    }
    // A host that was killed closes everything.
    let shell = Shell::new().await;
    let mut host = shell.piped(&[], &[DISPLAY]).await;
    noted(shell.folder.path()).await;
    host.stop_reading();
    let left = host.exit().await;
    assert!(left.took < ONE_SECOND, "{:?}", left.took);
}

#[tokio::test]
async fn the_exit_code_of_a_pipe_says_why_requests_went_unanswered() {
    type Case = (&'static str, i32, fn(&crate::support::remote::Ask) -> Reply);
    let cases: [Case; 8] = [
        ("answers", 0, ordinary),
        ("the server's own errors", 0, |ask| {
            match ask.label().as_str() {
                "POST tools/call" => Reply::json(format!(
                    r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32000,"message":"no"}}}}"#,
                    ask.id()
                )),
                _ => ordinary(ask),
            }
        }),
        ("a page", 5, |ask| match ask.label().as_str() {
            "POST tools/call" => Reply::status(200)
                .with("Content-Type", "text/html")
                .body("<p>"),
            _ => ordinary(ask),
        }),
        ("a broken connection", 4, |ask| match ask.label().as_str() {
            "POST tools/call" => Reply::cut(),
            _ => ordinary(ask),
        }),
        ("a server that is unwell", 4, |ask| {
            match ask.label().as_str() {
                "POST tools/call" => Reply::status(502),
                _ => ordinary(ask),
            }
        }),
        ("a refusal", 1, |ask| match ask.label().as_str() {
            "POST tools/call" => Reply::status(403),
            _ => ordinary(ask),
        }),
        ("a silence", 1, silent_calls),
        ("a page and a broken connection", 4, |ask| {
            match ask.label().as_str() {
                "POST tools/call" => Reply::cut(),
                "POST tools/list" => Reply::status(200)
                    .with("Content-Type", "text/html")
                    .body("<p>"),
                _ => ordinary(ask),
            }
        }),
    ];
    for (name, code, answer) in cases {
        let server = Server::that(answer).await;
        let mut host = Process::start(&[&server.url(), "--grace", "1", "--call-timeout", "0"]);
        let lines = [INITIALIZE, INITIALIZED, &request(1, "tools/list"), &call(2)];
        host.send(lines.join("\n")).await;
        let left = host.closed().await;
        assert_eq!(left.status.code(), Some(code), "{name}: {}", left.stderr);
        assert_eq!(
            left.stderr.contains("not answered by the server"),
            code != 0,
            "{name}: {}",
            left.stderr
        );
    }
    // Nothing but notifications, or nothing at all, leaves nothing unanswered; a line that is no message is one.
    let server = Server::that(ordinary).await;
    for (line, code) in [("", 0), (INITIALIZED, 0), ("{", 1), ("[]", 1)] {
        let mut host = Process::start(&[&server.url()]);
        host.send(line).await;
        let left = host.closed().await;
        assert_eq!(left.status.code(), Some(code), "{line}: {}", left.stderr);
    }
    server.close().await;
    let mut host = Process::start(&[&server.url()]);
    host.send(INITIALIZE).await;
    let left = host.closed().await;
    assert_eq!(left.status.code(), Some(4), "{}", left.stderr);
}

#[tokio::test]
async fn who_leaves_after_the_first_line_has_all_it_wanted() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            Reply::result(ask, "{}").after(Step::Pause(Duration::from_millis(300)))
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::start(&[&server.url()]);
    host.send([INITIALIZE, INITIALIZED, &call(1), &call(2)].join("\n"))
        .await;
    host.close();
    host.next().await;
    host.stop_reading();
    let left = host.exit().await;
    assert_eq!(left.status.code(), Some(0), "{}", left.stderr);
    assert!(left.took < TWO_SECONDS, "{:?}", left.took);
}

/// What a call is told that was at the server when the bridge left, and one that was not.
#[tokio::test]
async fn a_call_that_may_have_been_done_is_not_to_be_done_again() {
    for signal in [None, Some(Signal::TERM)] {
        let server = Server::that(|ask| match ask.label().as_str() {
            "POST tools/call" | "POST tools/list" => Reply::accepted().after(Step::forever()),
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &["--grace", "1"]).await;
        host.send(call(1)).await;
        host.send(request(2, "tools/list")).await;
        server.asked("POST tools/list", 1).await;
        server.asked("POST tools/call", 1).await;
        match signal {
            Some(signal) => {
                host.signal(signal);
                host.signal(signal);
            }
            None => host.close(),
        }
        let left = host.exit().await;
        let answer = |id: u64| -> Value {
            let answers = left.answers();
            let found = answers.iter().find(|answer| answer["id"] == id);
            found.unwrap()["error"].clone()
        };
        assert_eq!(answer(1)["data"]["kind"], "leaving");
        assert_eq!(answer(1)["data"]["retryable"], false);
        let message = answer(1)["message"].as_str().unwrap().to_owned();
        assert!(message.contains("may have been done"), "{message}");
        assert_eq!(answer(2)["data"]["retryable"], true);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn answers_that_cannot_be_written_are_no_success() {
    use std::process::Stdio;

    let server = Server::that(ordinary).await;
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    let lines = [INITIALIZE, INITIALIZED, &request(1, "tools/list")];
    std::fs::write(&input, lines.join("\n")).unwrap();
    let home = folder.path().to_owned();
    let run = move || {
        mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"))
            .arg(url)
            .env_clear()
            .env("MCPIPE_HOME", home)
            .stdin(Stdio::from(std::fs::File::open(input).unwrap()))
            .stdout(Stdio::from(
                std::fs::File::options()
                    .write(true)
                    .open("/dev/full")
                    .unwrap(),
            ))
            .stderr(Stdio::piped())
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: answers are lost"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
}
