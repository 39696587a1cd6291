//! `--audit` and `mcpipe audit`, with the real binary.

mod kills; // writers that are killed at any moment

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::host::{
    Exit, INITIALIZE, INITIALIZED, Process, THIS, call, cancelled, json as read,
};
use crate::support::remote::{Ask, Reply, Server, ordinary};

/// A directory with an audit file.
struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("audit.jsonl")
    }

    /// The lines, without the half ones.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path()).unwrap();
        let lines = text.lines().map(serde_json::from_str);
        lines.filter_map(Result::ok).collect()
    }

    fn events(&self) -> Vec<String> {
        let lines = self.lines();
        let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let events = lines.iter().map(|line| {
            let words = [
                word(line, "event"),
                word(line, "method"),
                word(line, "outcome"),
            ];
            words.join(" ").trim().to_owned()
        });
        events.collect()
    }

    fn start(&self, server: &str, flags: &[&str]) -> Process {
        let path = self.path();
        let mut arguments = vec!["--audit", path.to_str().unwrap()];
        arguments.extend(flags);
        arguments.push(server);
        Process::start(&arguments)
    }

    async fn opened(&self, server: &str, flags: &[&str]) -> Process {
        let mut host = self.start(server, flags);
        host.send(INITIALIZE).await;
        host.next().await;
        host.send(INITIALIZED).await;
        host
    }
}

async fn command(arguments: &[&str]) -> Exit {
    let host = Process::start(arguments);
    host.closed().await
}

async fn verify(path: &Path) -> Exit {
    command(&["audit", "verify", path.to_str().unwrap()]).await
}

/// The arguments as a test sends them, spaces included.
const ARGUMENTS: &str = r#"{"a": 1.50, "password": "canary-of-the-arguments"}"#;

fn tool(id: u32, name: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{ARGUMENTS}}}}}"#
    )
}

/// A server whose tools succeed, fail and are slow, and whose session has an id.
fn server(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST initialize" => ordinary(ask).with("Mcp-Session-Id", "canary-of-the-session"),
        "POST tools/call" if ask.body.contains("\"fails\"") => {
            Reply::result(ask, r#"{"content":[],"isError":true}"#)
        }
        "POST tools/call" if ask.body.contains("\"unknown\"") => Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32602,"message":"no"}}}}"#,
            ask.id()
        )),
        "POST tools/call" if ask.body.contains("\"slow\"") => {
            Reply::events(vec![crate::support::remote::Step::forever()])
        }
        _ => ordinary(ask),
    }
}

#[tokio::test]
async fn each_call_has_a_line_and_an_outcome() {
    let place = Place::new();
    let server = Server::that(server).await;
    let url = format!("{}?key=canary", server.url());
    let mut host = place
        .opened(&url, &["--deny-tool", "rm*", "--grace", "0.2"])
        .await;
    let mut refused_id = Value::Null;
    for (id, name) in [(1, "works"), (2, "fails"), (3, "unknown"), (4, "rm-rf")] {
        host.send(tool(id, name)).await;
        let answer = host.next_json().await;
        if id == 4 {
            assert_eq!(answer["error"]["data"]["kind"], "refused_by_policy");
            refused_id = answer["error"]["data"]["correlationId"].clone();
        }
    }
    host.send(tool(5, "slow")).await;
    server.asked("POST tools/call", 3).await;
    host.send(cancelled(5)).await;
    host.send(tool(6, "slow")).await;
    server.asked("POST tools/call", 4).await;
    let exit = host.closed().await;
    let events = place.events();
    let expected = [
        "created",
        "start",
        "call initialize",
        "result initialize ok",
        "notification notifications/initialized",
        "call tools/call",
        "result tools/call ok",
        "call tools/call",
        "result tools/call is_error",
        "call tools/call",
        "result tools/call error",
        "refused tools/call",
        "call tools/call",
        "notification notifications/cancelled",
        "result tools/call cancelled",
        "call tools/call",
        "result tools/call error",
        "end",
    ];
    assert_eq!(events, expected, "{}", exit.stderr);

    let lines = place.lines();
    let of = |event: &str, tool: &str| {
        let is_it = |line: &&Value| line["event"] == event && line["tool"] == tool;
        lines.iter().find(is_it).unwrap().clone()
    };
    let (called, result) = (of("call", "works"), of("result", "works"));
    assert_eq!(called["correlationId"], result["correlationId"]);
    assert_eq!(called["host"], "host");
    assert_eq!(called["account"], "default");
    assert_eq!(called["argumentsBytes"], ARGUMENTS.len());
    let digest = mcpipe::audit::chain::Hash::of(ARGUMENTS.as_bytes());
    assert_eq!(called["argumentsSha256"], digest.to_string());
    assert_eq!(called["bytesOut"], tool(1, "works").len());
    assert!(result["durationMs"].is_u64() && result["bytesIn"].is_u64());
    assert_eq!(of("result", "unknown")["code"], -32602);
    let refused = of("refused", "rm-rf");
    assert_eq!(
        (&refused["rule"], &refused["origin"]),
        (&json!("deny-tool rm*"), &json!("--deny-tool"))
    );
    assert_eq!(refused["correlationId"], refused_id);
    // The last call may have run, and its outcome says so.
    let left = exit.answers();
    let left = left.iter().find(|answer| answer["id"] == 6).unwrap();
    let last = lines
        .iter()
        .rev()
        .find(|line| line["event"] == "result")
        .unwrap();
    assert_eq!(
        left["error"]["data"]["correlationId"],
        last["correlationId"]
    );
    assert_eq!(left["error"]["data"]["kind"], last["kind"]);
    // Nothing secret: no argument, no session, no query.
    let text = std::fs::read_to_string(place.path()).unwrap();
    assert!(!text.contains("canary"), "{text}");

    let exit = verify(&place.path()).await;
    assert!(exit.status.success(), "{}", exit.stderr);
    assert!(exit.lines[0].starts_with("whole: "), "{:?}", exit.lines);
}

#[tokio::test]
async fn arguments_are_kept_where_the_user_says_so_and_lose_their_secrets() {
    let place = Place::new();
    let server = Server::that(server).await;
    let mut host = place.opened(&server.url(), &["--audit-arguments"]).await;
    host.send(tool(1, "works")).await;
    host.next().await;
    host.closed().await;
    let lines = place.lines();
    let kept: Vec<_> = lines
        .iter()
        .filter_map(|line| line.get("arguments"))
        .collect();
    assert_eq!(kept, [&json!({ "a": 1.5, "password": "(redacted)" })]);
}

#[tokio::test]
async fn a_dry_run_audits_what_would_be_refused() {
    let place = Place::new();
    let server = Server::that(server).await;
    let flags = ["--deny-tool", "w*", "--policy-dry-run"];
    let mut host = place.opened(&server.url(), &flags).await;
    host.send(tool(1, "works")).await;
    assert!(host.next_json().await.get("result").is_some());
    host.closed().await;
    let events = place.events();
    let at = events
        .iter()
        .position(|event| event == "would_refuse tools/call")
        .unwrap();
    assert_eq!(
        events[at + 1..at + 3],
        ["call tools/call", "result tools/call ok"]
    );
}

#[tokio::test]
async fn two_bridges_write_one_chain_and_the_log_has_the_same_names() {
    let place = Place::new();
    let server = Server::that(server).await;
    let flags = ["--debug", "--audit-max-size", "20000"];
    let mut hosts = [
        place.opened(&server.url(), &flags).await,
        place.opened(&server.url(), &flags).await,
    ];
    for id in 1..100 {
        for host in &mut hosts {
            host.send(call(id)).await;
        }
        for host in &mut hosts {
            host.next().await;
        }
    }
    let [one, two] = hosts;
    let said = one.closed().await.stderr;
    two.closed().await;
    let files = std::fs::read_dir(place.home.path()).unwrap();
    let files: Vec<_> = files
        .map(|file| file.unwrap().path().display().to_string())
        .collect();
    let mut arguments = vec!["audit", "verify", "--json"];
    arguments.extend(files.iter().map(String::as_str));
    let exit = command(&arguments).await;
    assert!(exit.status.success(), "{}", exit.stderr);
    let found = read(&exit.lines.join("\n"));
    let chain = &found["chains"][0];
    assert!(chain["files"].as_array().unwrap().len() > 3, "{found}");
    // Of each bridge: a beginning, a handshake, 99 calls and outcomes, an end.
    let rotated = chain["files"].as_array().unwrap().len() as u64 - 1;
    assert_eq!(chain["lines"], 1 + rotated + 2 * (1 + 3 + 198 + 1));

    let first = std::fs::read_to_string(place.home.path().join("audit.jsonl.1")).unwrap();
    let lines: Vec<_> = first.lines().map(read).collect();
    let named = lines
        .iter()
        .rev()
        .filter_map(|line| line["correlationId"].as_str());
    let mut ours = named.filter(|name| said.contains(*name));
    assert!(ours.next().is_some());
}

#[tokio::test]
async fn a_path_that_cannot_be_an_audit_file_is_refused_before_anything_is_sent() {
    let place = Place::new();
    let server = Server::that(server).await;
    let write = |name: &str, text: &str| {
        let path = place.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut cases = vec![
        (write("notes", "my notes\n"), "holds something"),
        (place.home.path().join("none/audit"), "cannot open"),
        (place.home.path().to_owned(), "cannot open"),
    ];
    #[cfg(unix)]
    {
        let link = place.home.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        cases.push((link, "symbolic link"));
        let pipe = place.home.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        cases.push((pipe, "not a regular file"));
        cases.push((PathBuf::from("/dev/null"), "not a regular file"));
    }
    for best_effort in [false, true] {
        for (path, said) in &cases {
            let path = path.to_str().unwrap();
            let url = server.url();
            let mut arguments = vec!["--audit", path];
            arguments.extend(best_effort.then_some("--audit-best-effort"));
            arguments.push(&url);
            let mut host = Process::start(&arguments);
            host.try_send(INITIALIZE).await;
            let exit = host.exit().await;
            assert_eq!(exit.status.code(), Some(2), "{}", exit.stderr);
            assert!(
                exit.stderr.contains(said) && exit.stderr.contains(path),
                "{}",
                exit.stderr
            );
            assert!(exit.stderr.contains("--audit"), "{}", exit.stderr);
        }
    }
    assert_eq!(server.all().len(), 0);
    assert!(!place.path().exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    std::fs::write(place.path(), "").unwrap();
    let mode = std::fs::Permissions::from_mode(0o400);
    std::fs::set_permissions(place.path(), mode).unwrap();
    let exit = place.start("http://127.0.0.1:9", &[]).exit().await;
    assert_eq!(exit.status.code(), Some(2), "{}", exit.stderr);
}

#[tokio::test]
async fn a_file_that_was_cut_is_refused_and_the_place_is_named() {
    let place = Place::new();
    let server = Server::that(server).await;
    place.opened(&server.url(), &[]).await.closed().await;
    let text = std::fs::read_to_string(place.path()).unwrap();
    let cut = text.trim_end().rfind('\n').unwrap() + 1;
    std::fs::write(place.path(), &text[..cut]).unwrap();
    let lines = text.lines().count();
    let exit = place
        .start(&server.url(), &["--audit-best-effort"])
        .exit()
        .await;
    assert_eq!(exit.status.code(), Some(2), "{}", exit.stderr);
    assert!(
        exit.stderr.contains("mcpipe audit verify"),
        "{}",
        exit.stderr
    );
    let exit = verify(&place.path()).await;
    assert_eq!(exit.status.code(), Some(1));
    let expected = format!(
        "{}: line {lines}: truncated: line {lines} of the chain",
        place.path().display()
    );
    assert!(exit.lines[0].starts_with(&expected), "{:?}", exit.lines);
}

/// A bridge whose files may have this length, as on a disk that is full: a write beyond it fails.
#[cfg(target_os = "linux")]
async fn full(place: &Place, server: &str, flags: &[&str]) -> Process {
    let path = place.path();
    let script = "trap '' XFSZ; ulimit -S -f 8; exec \"$0\" \"$@\"";
    let mut arguments = vec!["-c", script, THIS, "--audit", path.to_str().unwrap()];
    arguments.extend(flags);
    arguments.push(server);
    let home = place.home.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let mut host = Process::start_program("sh", &home, &arguments, &[("PATH", "/usr/bin:/bin")]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host
}

#[cfg(target_os = "linux")]
fn free(host: &Process) {
    let fsize = rustix::process::Resource::Fsize;
    let limit = rustix::process::getrlimit(fsize);
    rustix::process::prlimit(Some(host.id()), fsize, limit).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_calls_are_refused_until_there_is_room() {
    let place = Place::new();
    let server = Server::that(server).await;
    let mut host = full(&place, &server.url(), &[]).await;
    let mut refused = None;
    for id in 1..500 {
        host.send(call(id)).await;
        let answer = host.next_json().await;
        if answer.get("error").is_some() {
            refused = Some(answer);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let refused = refused.expect("a refusal");
    let data = &refused["error"]["data"];
    assert_eq!(
        (&data["kind"], &data["retryable"]),
        (&json!("refused_by_policy"), &json!(true))
    );
    assert_eq!(data["origin"], "--audit");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("audit.jsonl cannot be written: ") && message.contains("File too large"),
        "{message}"
    );
    let sent = server.count("POST tools/call");
    host.send(call(1000)).await;
    assert!(host.next_json().await.get("error").is_some());
    assert_eq!(server.count("POST tools/call"), sent);
    host.has_said("the audit file cannot be written; calls are refused until it can")
        .await;

    free(&host);
    host.has_said("the audit file is written again").await;
    host.send(call(1001)).await;
    assert!(host.next_json().await.get("result").is_some());
    host.closed().await;
    let exit = verify(&place.path()).await;
    assert!(exit.status.success(), "{:?}{}", exit.lines, exit.stderr);
    let events = place.events();
    // Each call that was sent has its lines, and so have the refused ones.
    let calls = events
        .iter()
        .filter(|event| *event == "call tools/call")
        .count();
    assert_eq!(calls, server.count("POST tools/call"));
    let count = |wanted: &str| events.iter().filter(|event| *event == wanted).count();
    assert_eq!((count("refused tools/call"), count("resumed")), (2, 1));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_calls_pass_where_the_user_says_so() {
    let place = Place::new();
    let server = Server::that(server).await;
    let mut host = full(&place, &server.url(), &["--audit-best-effort"]).await;
    for id in 1..40 {
        host.send(call(id)).await;
        assert!(host.next_json().await.get("result").is_some());
    }
    host.has_said("the audit file cannot be written; calls pass all the same")
        .await;
    let exit = host.closed().await;
    assert!(
        exit.stderr.contains("The audit is not whole"),
        "{}",
        exit.stderr
    );
    let exit = verify(&place.path()).await;
    assert!(exit.status.success(), "{:?}{}", exit.lines, exit.stderr);
}

#[tokio::test]
async fn lines_are_shown_as_they_are_asked_for() {
    let place = Place::new();
    let server = Server::that(server).await;
    let mut host = place.opened(&server.url(), &["--deny-tool", "rm*"]).await;
    for (id, name) in [(1, "works"), (2, "fails"), (3, "rm-\\u001b[2J")] {
        host.send(tool(id, name)).await;
        host.next().await;
    }
    host.closed().await;
    let path = place.path();
    let path = path.to_str().unwrap();
    let shown = async |flags: &[&str]| {
        let mut arguments = vec!["audit", "show", path];
        arguments.extend(flags);
        let exit = command(&arguments).await;
        assert!(exit.status.success(), "{}", exit.stderr);
        exit.lines
    };
    assert_eq!(shown(&[]).await.len(), place.lines().len());
    assert_eq!(shown(&["--tool", "w*"]).await.len(), 2);
    assert_eq!(
        shown(&["--method", "tools/*", "--outcome", "is_error"])
            .await
            .len(),
        1
    );
    assert_eq!(shown(&["--event", "start"]).await.len(), 1);
    assert_eq!(
        shown(&["--server", "http://127.0.0.1*", "--event", "call"])
            .await
            .len(),
        4 - 1
    );
    assert_eq!(shown(&["--since", "2999"]).await.len(), 0);
    assert_eq!(shown(&["--until", "2999", "--event", "end"]).await.len(), 1);
    let refused = shown(&["--refused"]).await;
    assert_eq!(refused.len(), 1);
    let words = ["tools/call rm-\\u{1b}[2J", "by deny-tool rm* (--deny-tool)"];
    assert!(
        words.iter().all(|it| refused[0].contains(it)),
        "{refused:?}"
    );
    let as_json = shown(&["--json", "--tool", "works"]).await;
    let text = std::fs::read_to_string(path).unwrap();
    assert!(as_json.iter().all(|line| text.lines().any(|it| it == line)));
    let id = read(&as_json[0])["correlationId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(shown(&["--id", &id]).await.len(), 2);
}

#[tokio::test]
async fn a_hash_noted_elsewhere_tells_of_a_chain_that_was_written_anew() {
    let place = Place::new();
    let server = Server::that(server).await;
    place.opened(&server.url(), &[]).await.closed().await;
    let exit = verify(&place.path()).await;
    let head = exit
        .lines
        .iter()
        .find_map(|line| line.trim().strip_prefix("head "))
        .unwrap()
        .to_owned();
    place.opened(&server.url(), &[]).await.closed().await;
    let path = place.path();
    let contains = async |hash: &str| {
        let exit = command(&[
            "audit",
            "verify",
            path.to_str().unwrap(),
            "--contains",
            hash,
        ])
        .await;
        exit.status.code()
    };
    assert_eq!(contains(&head).await, Some(0));
    assert_eq!(contains(&"0".repeat(64)).await, Some(1));
    assert_eq!(contains("0").await, Some(2));
    // All of it removed, and a new chain begun.
    for name in ["audit.jsonl", "audit.jsonl.head"] {
        std::fs::remove_file(place.home.path().join(name)).unwrap();
    }
    place.opened(&server.url(), &[]).await.closed().await;
    assert_eq!(contains(&head).await, Some(1));
}
