//! `--header-command`, through the real binary: a small script gives the headers, and counts how often it was run.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcpipe::remote::{Answer, Outgoing, Remote, TransportError};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time;

use crate::early_initialize::{noted, noting};
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{
    INITIALIZE, INITIALIZED, InProcess, Process, call, call_timeout, request, settings,
};
use crate::support::memory::{Far, Memory};
use crate::support::remote::{Ask, Reply, Server, ordinary};

/// The program.
struct Script {
    folder: TempDir,
}

impl Script {
    /// Does this when it is run; `$n` says for which time.
    fn that(does: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Self { folder };
        std::fs::write(script.file("runs"), "").unwrap();
        let runs = script.file("runs");
        // Only what the shell itself can do: the environment has no PATH.
        let text = format!(
            "#!/bin/sh\nn=1; while read -r _; do n=$((n+1)); done < '{runs}'\n\
             echo \"$MCPIPE_URL ${{MCPIPE_PASSPHRASE-unset}}\" >> '{runs}'\n{does}\n"
        );
        std::fs::write(script.file("a program"), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(script.file("a program"), mode).unwrap();
        script
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// As it is typed.
    fn command(&self) -> String {
        format!("'{}' 'an argument'", self.file("a program"))
    }

    /// What it found in its environment, a line for each run.
    fn runs(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("runs")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// A server that takes `Bearer token-N` from this N on, and says nothing of where to get one.
async fn taking_tokens_from(first: usize) -> (Server, Arc<AtomicUsize>) {
    let good_from = Arc::new(AtomicUsize::new(first));
    let from = Arc::clone(&good_from);
    let server = Server::that(move |ask| {
        let shown = ask.header("authorization").unwrap_or_default();
        let number = shown.strip_prefix("Bearer token-");
        let number = number.and_then(|number| number.parse::<usize>().ok());
        match number {
            Some(number) if number >= from.load(Ordering::SeqCst) => ordinary(ask),
            _ => Reply::status(401).with(
                "WWW-Authenticate",
                r#"Bearer error="invalid_token", error_description="too old""#,
            ),
        }
    })
    .await;
    (server, good_from)
}

async fn opened(host: &mut Process) {
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    assert!(answer["result"].is_object(), "{answer}");
    host.send(INITIALIZED).await;
}

#[tokio::test]
async fn a_program_is_run_once_for_the_first_request_and_its_headers_win() {
    for gives in [
        "printf 'X-Key: from the program\\nX-Argument: %s\\n' \"$1\"",
        "printf '{\"X-Key\": \"from the program\", \"X-Argument\": \"%s\"}' \"$1\"",
    ] {
        let script = Script::that(gives);
        let server = Server::that(ordinary).await;
        let (url, command) = (server.url(), script.command());
        let arguments = [
            "--header-command",
            &command,
            "--header",
            "X-Key: typed",
            "--header",
            "X-Other: typed",
            &url,
        ];
        let secret = [("MCPIPE_PASSPHRASE", "words")];
        let left = Process::start_with(&arguments, &secret).closed().await;
        assert!(left.status.success(), "{}", left.stderr);
        assert_eq!(script.runs().len(), 0, "nobody asked for anything");

        let mut host = Process::start_with(&arguments, &secret);
        opened(&mut host).await;
        for id in 1..=3 {
            host.send(call(id)).await;
            assert_eq!(host.next_json().await["id"], id);
        }
        let left = host.closed().await;
        assert!(left.status.success());
        assert_eq!(script.runs(), [format!("{url} unset")]);
        let asked = server.all();
        assert!(asked.len() >= 6);
        for ask in asked {
            assert_eq!(ask.header("x-key"), Some("from the program"));
            assert_eq!(ask.header("x-argument"), Some("an argument"));
            assert_eq!(ask.header("x-other"), Some("typed"));
        }
    }
}

#[tokio::test]
async fn a_401_runs_it_again_once_for_all_that_were_turned_down() {
    let script = Script::that("echo \"Authorization: Bearer token-$n\"");
    let (server, good_from) = taking_tokens_from(1).await;
    let url = server.url();
    let mut host = Process::start(&["--header-command", &script.command(), &url]);
    opened(&mut host).await;
    for wanted in 2..=3 {
        good_from.store(wanted, Ordering::SeqCst);
        for id in 0..8 {
            host.send(call(wanted * 10 + id)).await;
        }
        for _ in 0..8 {
            let answer = host.next_json().await;
            assert!(answer["result"].is_object(), "{answer}");
        }
        assert_eq!(script.runs().len(), wanted);
    }
    let left = host.closed().await;
    assert!(left.status.success());
    assert!(!left.stderr.contains("token-"), "{}", left.stderr);
}

#[tokio::test]
async fn a_second_401_is_an_error_that_names_the_flag_and_asks_nobody() {
    let script = Script::that("echo \"Authorization: Bearer token-$n\"");
    let (server, _) = taking_tokens_from(100).await;
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let mut host = Process::start_with(
        &["--header-command", &script.command(), &url],
        &[("BROWSER", &noting(folder.path()))],
    );
    host.send(request(1, "tools/list")).await;
    let error = host.next_json().await["error"].take();
    assert_eq!(host.closed().await.status.code(), Some(3));
    assert_eq!(error["data"]["kind"], "sign_in_needed", "{error}");
    assert_eq!(error["data"]["status"], 401, "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("refuses the Authorization header"),
        "{message}"
    );
    assert!(message.contains("too old"), "{message}");
    let hint = error["data"]["hint"].as_str().unwrap();
    assert!(hint.contains("--header-command"), "{hint}");
    assert_eq!(script.runs().len(), 2);
    assert!(!folder.path().join("address").exists());
    // Nothing but the request, twice: no metadata was looked for.
    let posts = server.count("POST tools/list") + server.count("POST initialize");
    assert_eq!(posts, server.all().len(), "{:?}", server.labels());

    // And to sign in is not what such a program leaves to do.
    let left = Process::start(&["login", "--header-command", &script.command(), &url])
        .closed()
        .await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    assert!(left.stderr.contains("--header-command"), "{}", left.stderr);
}

/// A server that wants a token of the authority's, and in any case a team's name.
async fn protected(authority: &Authority) -> Server {
    let issuer = authority.clone();
    let server = Server::that(move |ask| guarded(ask, &issuer)).await;
    let resource = server.url();
    authority.configure(|options| options.resource = Some(resource));
    server
}

fn guarded(ask: &Ask, issuer: &Authority) -> Reply {
    if let Some(document) = issuer.metadata_of(ask) {
        return document;
    }
    if ask.header("x-team").is_none() {
        return Reply::status(400);
    }
    let shown = ask.header("authorization").unwrap_or_default();
    let good = issuer.access_tokens();
    if good.iter().any(|token| shown == format!("Bearer {token}")) {
        return ordinary(ask);
    }
    let host = ask.header("host").unwrap();
    let metadata = format!("http://{host}/.well-known/oauth-protected-resource/mcp");
    Reply::status(401).with(
        "WWW-Authenticate",
        &format!("Bearer resource_metadata=\"{metadata}\""),
    )
}

#[tokio::test]
async fn without_an_authorization_of_its_own_a_401_is_signed_in_to_as_usual() {
    // The same each time, and another each time: no challenge is the program's to answer for ever.
    for team in ["blue", "blue-$n"] {
        let script = Script::that(&format!("echo \"X-Team: {team}\""));
        let authority = Authority::start().await;
        let server = protected(&authority).await;
        let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let url = server.url();
        let mut host = Process::start_in(
            home.path(),
            &[
                "--wait-for-login",
                "--header-command",
                &script.command(),
                &url,
            ],
            &[("BROWSER", &noting(folder.path()))],
        );
        host.send(request(1, "tools/list")).await;
        browser::follow(&noted(folder.path()).await).await;
        let answer = host.next_json().await;
        assert!(answer["result"].is_object(), "{answer}");
        assert!(host.closed().await.status.success());
        assert_eq!(
            script.runs().len(),
            2,
            "the first request, and its challenge"
        );

        // One that brings its own wins over what is kept.
        let own = Script::that("echo 'X-Team: blue'; echo \"Authorization: Bearer own-$n\"");
        let command = own.command();
        let arguments = ["--header-command", command.as_str(), &url];
        let mut host = Process::start_in(home.path(), &arguments, &[]);
        let before = server.all().len();
        host.send(request(1, "tools/list")).await;
        let error = host.next_json().await["error"].take();
        let hint = error["data"]["hint"].as_str().unwrap();
        assert!(hint.contains("--header-command"), "{error}");
        assert_eq!(host.closed().await.status.code(), Some(3));
        let shown: Vec<_> = server.all().drain(before..).collect();
        let shown: Vec<_> = shown
            .iter()
            .map(|ask| ask.header("authorization").unwrap())
            .collect();
        assert_eq!(shown, ["Bearer own-1", "Bearer own-2"]);
    }
}

#[tokio::test]
async fn a_program_that_fails_fails_the_request_with_its_last_line_and_is_run_again() {
    let script = Script::that(
        "if [ $n = 1 ]; then echo 'X-Key: s3cret'; echo first >&2; \
         printf 'no \\033[31mticket\\n\\n' >&2; exit 3; fi\necho 'X-Key: good'",
    );
    let server = Server::that(ordinary).await;
    let url = server.url();
    let mut host = Process::start(&["--header-command", &script.command(), &url]);
    host.send(INITIALIZE).await;
    let error = host.next_json().await["error"].take();
    assert_eq!(error["data"]["kind"], "header_command", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(message.contains("no  [31mticket"), "{message}");
    assert!(server.all().is_empty());
    opened(&mut host).await;
    let left = host.closed().await;
    assert_eq!(left.status.code(), Some(1));
    assert!(left.stderr.contains("first"), "{}", left.stderr);
    assert!(!left.stderr.contains("s3cret"), "{}", left.stderr);
    assert_eq!(script.runs().len(), 2);
}

#[tokio::test]
async fn what_it_prints_is_neither_logged_nor_recorded() {
    let script =
        Script::that("echo 'Authorization: Bearer canary-value'; echo 'X-Key: second canary'");
    let server = Server::that(|ask| {
        let shown = ask.header("x-key").unwrap_or_default().to_owned();
        let bearer = ask.header("authorization").unwrap_or_default().to_owned();
        match ask.label().as_str() {
            "POST tools/call" => Reply::result(
                ask,
                &serde_json::json!({"shown": shown, "bearer": bearer.split_once(' ').unwrap().1})
                    .to_string(),
            ),
            _ => ordinary(ask),
        }
    })
    .await;
    let url = server.url();
    let recording = script.file("recording");
    let command = script.command();
    let arguments = ["--record", &recording, "--header-command", &command, &url];
    let mut host = Process::start_with(&arguments, &[("MCPIPE_LOG", "trace")]);
    opened(&mut host).await;
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert_eq!(answer["result"]["shown"], "second canary", "{answer}");
    let left = host.closed().await;
    assert!(left.status.success());
    assert!(!left.stderr.contains("the recording"), "{}", left.stderr);
    let recorded = std::fs::read_to_string(&recording).unwrap();
    assert!(recorded.contains("tools/call"));
    for canary in ["canary-value", "second canary"] {
        assert!(!recorded.contains(canary), "{recorded}");
        assert!(!left.stderr.contains(canary), "{}", left.stderr);
    }
}

/// A server that takes nothing is no reason to run it, and perhaps ask a person, with every call.
#[tokio::test]
async fn what_is_turned_down_again_and_again_is_not_asked_for_each_time() {
    let script = Script::that("echo \"Authorization: Bearer token-$n\"");
    let (server, good_from) = taking_tokens_from(1).await;
    let mut host = Process::start(&["--header-command", &script.command(), &server.url()]);
    opened(&mut host).await;
    good_from.store(1000, Ordering::SeqCst);
    for id in 0..10 {
        host.send(call(id)).await;
        let answer = host.next_json().await;
        assert_eq!(
            answer["error"]["data"]["kind"], "sign_in_needed",
            "{answer}"
        );
    }
    assert_eq!(host.closed().await.status.code(), Some(3));
    let runs = script.runs().len();
    assert!((2..=3).contains(&runs), "{runs} runs");
}

#[tokio::test]
async fn words_that_are_none_are_wrong_usage() {
    for command in ["", "  ", "'unclosed"] {
        let left = Process::start(&["--header-command", command, "https://a.example"])
            .closed()
            .await;
        assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
        assert!(left.stderr.contains("--header-command"), "{}", left.stderr);
    }
}

/// Waits for something on this machine before it sends, and says so.
struct HeldUp {
    far: Far,
    waits: watch::Sender<bool>,
}

impl Remote for HeldUp {
    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, TransportError> {
        self.waits.send_replace(true);
        time::sleep(Duration::from_secs(25)).await;
        self.waits.send_replace(false);
        self.far.send(outgoing).await
    }

    fn is_held_up(&self) -> Option<watch::Receiver<bool>> {
        Some(self.waits.subscribe())
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_program_counts_against_no_server() {
    for (pause, kind) in [(0, Value::Null), (6, Value::from("timed_out"))] {
        let memory = Memory::that(move |ask| {
            ordinary(ask).after(crate::support::remote::Step::Pause(Duration::from_secs(
                pause,
            )))
        });
        let remote = HeldUp {
            far: memory.remote(),
            waits: watch::Sender::new(false),
        };
        let mut limited = settings();
        limited.policy.call_timeout = call_timeout(Duration::from_secs(5));
        let mut host = InProcess::bridged_to(remote, limited);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert_eq!(answer["error"]["data"]["kind"], kind, "{answer}");
    }
}
