//! The MCP host, in two forms: [`Process`] starts the real binary in an environment of its own, [`InProcess`] holds the
//! other ends of the bridge's channels in process, where time may be paused.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcpipe::auth::Authorizer;
use mcpipe::bridge::{self, Ended, Parts, Settings, Stop};
use mcpipe::frame::Parsed;
use mcpipe::policy::{Limit, Origin, Pattern, Rule};
use mcpipe::remote::Remote;
use mcpipe::stdio::{Host, Line, Written};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};
use tokio_util::task::TaskTracker;

/// Longer than anything a test waits for; a test that gets here has failed.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(60);

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"host","version":"1"}}}"#;
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A `tools/call` of that id.
pub(crate) fn call(id: impl std::fmt::Display) -> String {
    request(id, "tools/call")
}

pub(crate) fn request(id: impl std::fmt::Display, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"x"}}}}"#)
}

pub(crate) fn cancelled(id: impl std::fmt::Display) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The real binary, spawned as a host spawns it.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
    stderr: JoinHandle<()>,
    said: watch::Sender<String>,
    /// Until then its stderr is open and unread.
    heard: watch::Sender<bool>,
    _home: Option<TempDir>,
}

/// The end of a process.
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    /// What was still on stdout.
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
    /// From the call to the end.
    pub(crate) took: Duration,
}

/// The binary that this test is of.
pub(crate) const THIS: &str = env!("CARGO_BIN_EXE_mcpipe");

impl Process {
    /// Starts it with an environment that holds nothing but an empty `MCPIPE_HOME`.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// Starts it with these variables besides.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut host = Self::start_in(home.path(), arguments, variables);
        host._home = Some(home);
        host
    }

    /// Starts it with this `MCPIPE_HOME`.
    pub(crate) fn start_in(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_program(THIS, home, arguments, variables)
    }

    /// Starts another binary of mcpipe with this `MCPIPE_HOME`.
    pub(crate) fn start_program(
        program: impl AsRef<OsStr>,
        home: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let host = Self::start_unheard_in(program, home, arguments, variables);
        host.hear();
        host
    }

    /// Starts it and leaves its stderr unread, as some hosts do.
    pub(crate) fn start_unheard(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut host = Self::start_unheard_in(THIS, home.path(), arguments, &[]);
        host._home = Some(home);
        host
    }

    fn start_unheard_in(
        program: impl AsRef<OsStr>,
        home: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::from(mcpipe::process::command(program))
            .args(arguments)
            .env_clear()
            .env("MCPIPE_HOME", home)
            // The era of the remote is not what most tests are about.
            .env("MCPIPE_PROTOCOL", "legacy")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let said = watch::Sender::new(String::new());
        let heard = watch::Sender::new(false);
        let stderr = {
            let (said, mut heard) = (said.clone(), heard.subscribe());
            TaskTracker::new().spawn(async move {
                let _ = heard.wait_for(|heard| *heard).await;
                let mut line = Vec::new();
                while errors.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
                    said.send_modify(|said| said.push_str(&String::from_utf8_lossy(&line)));
                    line.clear();
                }
            })
        };
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(|out| BufReader::new(out).lines()),
            stderr,
            said,
            heard,
            child,
            _home: None,
        }
    }

    /// Starts it against `url` and opens a session.
    pub(crate) async fn opened(url: &str, arguments: &[&str]) -> Self {
        let mut arguments = arguments.to_vec();
        arguments.push(url);
        let mut host = Self::start(&arguments);
        host.send(INITIALIZE).await;
        assert!(host.next().await.contains("protocolVersion"));
        host.send(INITIALIZED).await;
        host
    }

    /// Says one line.
    pub(crate) async fn send(&mut self, line: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_ref()).await.unwrap();
        stdin.write_all(b"\n").await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// Says one line to a process that may be gone.
    pub(crate) async fn try_send(&mut self, line: &str) {
        let _ = self
            .stdin
            .as_mut()
            .unwrap()
            .write_all(line.as_bytes())
            .await;
    }

    /// The next line of stdout.
    pub(crate) async fn next(&mut self) -> String {
        let line = self.stdout.as_mut().unwrap().next_line();
        let line = time::timeout(TOO_LONG, line).await;
        line.expect("a line in good time")
            .unwrap()
            .expect("a line, not the end")
    }

    pub(crate) async fn next_json(&mut self) -> Value {
        json(&self.next().await)
    }

    /// Waits until it has said this on stderr.
    pub(crate) async fn has_said(&self, wanted: &str) {
        let mut said = self.said.subscribe();
        let found = said.wait_for(|said| said.contains(wanted));
        let found = time::timeout(TOO_LONG, found).await;
        found.expect("it says so in good time").unwrap();
    }

    /// What it has said on stderr so far.
    pub(crate) fn said_so_far(&self) -> String {
        self.said.borrow().clone()
    }

    /// Reads its stderr from now on.
    pub(crate) fn hear(&self) {
        self.heard.send_replace(true);
    }

    /// Closes our end of its stderr.
    pub(crate) fn shut_stderr(&self) {
        self.stderr.abort();
    }

    /// The most memory that it has had so far, in MiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let words: Vec<_> = line.unwrap().split_whitespace().collect();
        words[1].parse::<u64>().unwrap() / 1024
    }

    /// Closes stdin.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Closes our end of its stdout.
    pub(crate) fn stop_reading(&mut self) {
        self.stdout = None;
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.id(), signal).unwrap();
    }

    #[cfg(unix)]
    pub(crate) fn id(&self) -> rustix::process::Pid {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::Pid::from_raw(id).unwrap()
    }

    /// Waits until it has left, reading what it still says.
    pub(crate) async fn exit(mut self) -> Exit {
        let begun = Instant::now();
        let mut lines = Vec::new();
        let status = time::timeout(TOO_LONG, async {
            if let Some(stdout) = &mut self.stdout {
                while let Some(line) = stdout.next_line().await.unwrap() {
                    lines.push(line);
                }
            }
            self.child.wait().await.unwrap()
        });
        let status = status.await.expect("an end in good time");
        let took = begun.elapsed();
        // What was left unread is read now; what was shut is gone.
        self.heard.send_replace(true);
        let _ = self.stderr.await;
        let stderr = self.said.borrow().clone();
        Exit {
            status,
            lines,
            stderr,
            took,
        }
    }

    /// Waits until it has left, its stdout open and unread meanwhile.
    pub(crate) async fn left_unread(mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let status = time::timeout(TOO_LONG, self.child.wait()).await;
        (
            status.expect("an end in good time").unwrap(),
            begun.elapsed(),
        )
    }

    /// Closes stdin and waits.
    pub(crate) async fn closed(mut self) -> Exit {
        self.close();
        self.exit().await
    }
}

impl Exit {
    /// The answers among the lines, those in batches too.
    pub(crate) fn answers(&self) -> Vec<Value> {
        let lines = self.lines.iter().map(|line| json(line));
        let members = lines.flat_map(|line| match line {
            Value::Array(members) => members,
            one => vec![one],
        });
        members
            .filter(|line| line.get("method").is_none())
            .collect()
    }
}

/// The bridge in process.
pub(crate) struct InProcess {
    lines: Option<mpsc::Sender<Line>>,
    pub(crate) out: mpsc::Receiver<Written>,
    pub(crate) stop: Stop,
    pub(crate) run: JoinHandle<Ended>,
}

/// The settings of a bridge in process, as the binary has them without flags.
pub(crate) fn settings() -> Settings {
    // The remote's era is not what most tests are about; era.rs asks.
    Settings {
        protocol: mcpipe::era::Protocol::Legacy,
        ..Settings::new(|| SystemTime::UNIX_EPOCH)
    }
}

/// A rule of the user's, for all tools or those of a pattern.
pub(crate) fn limit<T>(key: &'static str, tools: Option<&str>, value: T) -> Limit<T> {
    Limit {
        tools: tools.map(|tools| Pattern::read(tools).unwrap()),
        value,
        rule: Rule {
            key,
            value: "as written".to_owned(),
            origin: Origin::Variable("MCPIPE_TEST".to_owned()),
        },
    }
}

/// `--call-timeout` of all requests.
pub(crate) fn call_timeout(time: Duration) -> Vec<Limit<Duration>> {
    vec![limit("call-timeout", None, time)]
}

impl InProcess {
    pub(crate) fn bridged_to(remote: impl Remote, settings: Settings) -> Self {
        Self::signed_in_by(Authorizer::off(), remote, settings)
    }

    /// Bridged, with an authorizer that supplies credentials.
    pub(crate) fn signed_in_by(
        authorizer: Authorizer,
        remote: impl Remote,
        settings: Settings,
    ) -> Self {
        let (host, ends) = Host::in_process();
        let stop = Stop::default();
        let parts = Parts {
            host,
            remote,
            authorizer: Arc::new(authorizer),
            settings,
            stop: stop.clone(),
        };
        Self {
            lines: Some(ends.lines),
            out: ends.out,
            stop,
            run: TaskTracker::new().spawn(async { bridge::run(parts).await.ended }),
        }
    }

    /// Bridged, with a session open.
    pub(crate) async fn opened(remote: impl Remote, settings: Settings) -> Self {
        let mut host = Self::bridged_to(remote, settings);
        host.send(INITIALIZE).await;
        assert!(host.next().await.contains("protocolVersion"));
        host.send(INITIALIZED).await;
        host
    }

    pub(crate) async fn send(&self, line: impl AsRef<str>) {
        let lines = self.lines.as_ref().unwrap();
        lines.send(Parsed::read(line.as_ref())).await.unwrap();
    }

    /// The next line; time that is paused runs on to it.
    pub(crate) async fn next(&mut self) -> String {
        let next = time::timeout(Duration::from_secs(3600), self.out.recv()).await;
        next.expect("a line within the hour")
            .expect("a line, not the end")
            .text()
    }

    pub(crate) async fn next_json(&mut self) -> Value {
        json(&self.next().await)
    }

    /// The next message that is no notification.
    pub(crate) async fn next_with_id(&mut self) -> Value {
        loop {
            let line = self.next_json().await;
            if line.get("id").is_some() {
                return line;
            }
        }
    }

    /// Nothing is said for that long.
    pub(crate) async fn hears_nothing_for(&mut self, time: Duration) {
        if let Ok(Some(line)) = time::timeout(time, self.out.recv()).await {
            panic!("heard {}", line.text());
        }
    }

    /// Closes stdin.
    pub(crate) fn close(&mut self) {
        self.lines = None;
    }

    /// Waits for the end and returns what was still said.
    pub(crate) async fn ended(mut self) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        while let Some(line) = self.out.recv().await {
            lines.push(line.text());
        }
        (self.run.await.unwrap(), lines)
    }
}
