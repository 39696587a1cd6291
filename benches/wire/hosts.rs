//! Bridges that are started as hosts start them, and what a host says to them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem::find;

use crate::clients;
use crate::server::TOKEN;

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"wire","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"wire","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;
const PASSPHRASE: &str = "correct horse battery staple";

/// The longest time that a rival is measured at one thing. Some hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// The revision of MCP that one side speaks: 2025-11-25 and before, or 2026-07-28.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

impl Era {
    /// The first part of the path of the server of that era.
    pub fn path(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// The `tools/call` number `number` of a host of that era.
pub fn call(host: Era, number: usize, tool: &str) -> String {
    let id = number + 1;
    let arguments = r#""arguments":{"city":"Paris","units":"metric"}"#;
    match host {
        Era::Legacy => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}",{arguments},"_meta":{{"progressToken":{id}}}}}}}"#
        ),
        Era::Modern => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}",{arguments},"_meta":{{"progressToken":{id},{META}}}}}}}"#
        ),
    }
}

/// One of those who are measured.
pub struct Party {
    pub name: String,
    pub kind: Kind,
    pub host: Era,
    pub server: Era,
}

pub enum Kind {
    Direct,
    Floor,
    Mcpipe {
        binary: PathBuf,
        /// The parent of a home for each of [`SECRETS`], and of one without a secret.
        homes: tempfile::TempDir,
    },
    Rival {
        command: String,
        home: tempfile::TempDir,
    },
}

/// The places in which a start finds the bearer token that it sends.
pub const SECRETS: [&str; 4] = ["environment", "key file", "agent", "passphrase"];

/// The home of a start with every guard rail, in the place of one of [`SECRETS`].
pub const GUARD_RAILS: &str = "guard rails";

/// mcpipe in all four pairs of eras.
pub fn pairs(binary: &Path) -> Vec<Party> {
    let pair = |name: &str, host, server| Party {
        name: name.to_owned(),
        kind: Kind::Mcpipe {
            binary: binary.to_owned(),
            homes: tempfile::tempdir().unwrap(),
        },
        host,
        server,
    };
    vec![
        pair("legacy", Era::Legacy, Era::Legacy),
        pair("modern", Era::Modern, Era::Modern),
        pair("legacy host, modern server", Era::Legacy, Era::Modern),
        pair("modern host, legacy server", Era::Modern, Era::Legacy),
    ]
}

impl Party {
    /// The name for readers of the README.
    pub fn title(&self) -> String {
        match self.kind {
            Kind::Mcpipe { .. } => format!("mcpipe, {}", self.name),
            _ => self.name.clone(),
        }
    }

    /// The command that starts this bridge for a server at `url`; `None` if this party is no bridge or cannot do that.
    pub fn command(&self, url: &str, secret: Option<&str>) -> Option<Command> {
        match &self.kind {
            Kind::Direct => None,
            Kind::Floor | Kind::Rival { .. } if secret.is_some() => None,
            Kind::Floor => {
                let mut command = mcpipe::process::command(std::env::current_exe().unwrap());
                command.args(["floor", url]);
                Some(command)
            }
            Kind::Mcpipe { .. } => {
                let mut command = self.mcpipe(secret)?;
                match secret {
                    None => {}
                    Some("environment") => {
                        command.env("TOKEN", TOKEN);
                        command.args(["--header", "Authorization: Bearer ${TOKEN}"]);
                    }
                    Some(GUARD_RAILS) => {
                        command.arg("--audit").arg(self.guard_rails()?);
                    }
                    Some(_) => {
                        command.args(["--bearer", "key"]);
                    }
                }
                command.arg("--ca").arg(clients::authority());
                command.args(["--silent", url]);
                Some(command)
            }
            Kind::Rival { command, home } => {
                let mut words = command
                    .split_ascii_whitespace()
                    .map(|word| word.replace("{url}", url));
                let mut command = mcpipe::process::command(words.next()?);
                command.args(words).stderr(Stdio::null());
                // Some keep files there, and trust the authorities that these variables name.
                command.env("HOME", home.path());
                command.env("NODE_EXTRA_CA_CERTS", clients::authority());
                command.env("SSL_CERT_FILE", clients::authority());
                Some(command)
            }
        }
    }

    /// mcpipe with a home of its own and nothing else of this environment; `None` if this party is not mcpipe.
    fn mcpipe(&self, secret: Option<&str>) -> Option<Command> {
        let Kind::Mcpipe { binary, homes } = &self.kind else {
            return None;
        };
        let mut command = mcpipe::process::command(binary);
        let home = homes.path().join(secret.unwrap_or("none"));
        command.env_clear().env("MCPIPE_HOME", home);
        if secret == Some("passphrase") {
            command.env("MCPIPE_PASSPHRASE", PASSPHRASE);
        }
        Some(command)
    }

    /// Writes the configuration with every guard rail. Returns the place of the audit's file.
    fn guard_rails(&self) -> Option<PathBuf> {
        let Kind::Mcpipe { homes, .. } = &self.kind else {
            return None;
        };
        let home = homes.path().join(GUARD_RAILS);
        std::fs::create_dir_all(&home).unwrap();
        let rules = include_str!("../../fixtures/policy/every-guard-rail.toml");
        std::fs::write(home.join("mcpipe.toml"), rules).unwrap();
        Some(home.join("audit.jsonl"))
    }

    /// Makes a vault of each kind, with the bearer token for the server at `url`.
    pub fn prepare_secrets(&self, url: &str) {
        for secret in SECRETS {
            let run = |words: &[&str]| {
                let Some(mut command) = self.mcpipe(Some(secret)) else {
                    return;
                };
                // A vault that an agent opens has a passphrase.
                if secret == "agent" {
                    command.env("MCPIPE_PASSPHRASE", PASSPHRASE);
                }
                let mut child = command
                    .args(words)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(TOKEN.as_bytes()).unwrap();
                drop(stdin);
                assert!(child.wait().unwrap().success(), "mcpipe {words:?}");
            };
            if secret == "environment" {
                continue;
            }
            run(&["vault", "init"]);
            run(&["vault", "put", "key", "--for", url]);
            if secret == "agent" {
                run(&["vault", "unlock", "--for", "1h"]);
            }
        }
    }

    /// Starts this bridge; `None` if this party is no bridge or cannot do that.
    pub fn start(&self, url: &str, secret: Option<&str>) -> Option<Bridge> {
        let bridge = Bridge::start(self.command(url, secret)?, self.host);
        match self.kind {
            Kind::Rival { .. } => Some(bridge.that_may_fail()),
            _ => Some(bridge),
        }
    }
}

impl Drop for Party {
    /// Ends the agent, which would outlive this program.
    fn drop(&mut self) {
        let Kind::Mcpipe { homes, .. } = &self.kind else {
            return;
        };
        if !homes.path().join("agent").exists() {
            return;
        }
        if let Some(mut command) = self.mcpipe(Some("agent")) {
            let _ = command
                .args(["vault", "lock"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// A bridge that runs, and the host's ends of its pipes. Ours end this program when they do not answer; of rivals the
/// figure is missing.
pub struct Bridge {
    pub host: Era,
    pub pid: u32,
    child: Arc<Mutex<Child>>,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
    may_fail: bool,
}

impl Bridge {
    pub fn start(mut command: Command, host: Era) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::with_capacity(256 << 10, child.stdout.take().unwrap());
        Self {
            host,
            pid: child.id(),
            child: Arc::new(Mutex::new(child)),
            stdin,
            stdout,
            line: Vec::new(),
            may_fail: false,
        }
    }

    /// Ends the bridge when it takes too long, so that it counts as gone.
    fn that_may_fail(mut self) -> Self {
        self.may_fail = true;
        let child = Arc::downgrade(&self.child);
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            if let Some(child) = child.upgrade() {
                let _ = child.lock().unwrap().kill();
            }
        });
        self
    }

    fn fail<T>(&self, reason: &str) -> Option<T> {
        assert!(self.may_fail, "{reason}");
        eprintln!("no figure: {reason}");
        None
    }

    fn send(&mut self, line: &str) -> Option<()> {
        match self.stdin.write_all(format!("{line}\n").as_bytes()) {
            Ok(()) => Some(()),
            Err(error) => self.fail(&format!("the bridge takes no more: {error}")),
        }
    }

    /// Waits for the next response. Returns the number of other lines that came before it.
    fn response(&mut self) -> Option<usize> {
        let mut others = 0;
        loop {
            self.line.clear();
            if !matches!(self.stdout.read_until(b'\n', &mut self.line), Ok(1..)) {
                return self.fail("the bridge is gone");
            }
            let line = &self.line;
            let head = line.get(..line.len().min(200))?;
            if find(head, b"\"method\":").is_some() {
                others += 1;
                continue;
            }
            if find(head, b"\"error\":").is_some() {
                return self.fail(&String::from_utf8_lossy(head));
            }
            return Some(others);
        }
    }

    /// The first exchange of a host.
    pub fn greet(&mut self) -> Option<()> {
        match self.host {
            Era::Legacy => self.send(INITIALIZE),
            Era::Modern => self.send(&format!(
                r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{"_meta":{{{META}}}}}}}"#
            )),
        }?;
        self.response()?;
        Some(())
    }

    pub fn initialized(&mut self) -> Option<()> {
        match self.host {
            Era::Legacy => self.send(INITIALIZED),
            Era::Modern => Some(()),
        }
    }

    /// Calls a tool `calls` times, `at_once` in flight.
    pub fn burst(&mut self, tool: &str, at_once: usize, calls: usize) -> Option<()> {
        let mut sent = 0;
        while sent < at_once.min(calls) {
            self.send(&call(self.host, sent, tool))?;
            sent += 1;
        }
        for _ in 0..calls {
            self.response()?;
            if sent < calls {
                self.send(&call(self.host, sent, tool))?;
                sent += 1;
            }
        }
        Some(())
    }

    /// Calls a tool, one call after the other. Returns the time of each in microseconds.
    pub fn times(&mut self, tool: &str, calls: usize) -> Option<Vec<f64>> {
        let mut times = Vec::with_capacity(calls);
        for number in 0..calls {
            let began = Instant::now();
            self.send(&call(self.host, number, tool))?;
            self.response()?;
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Some(times)
    }

    /// Calls a tool. Returns the number of lines that came before the response.
    pub fn lines_before_response(&mut self, tool: &str) -> Option<usize> {
        self.send(&call(self.host, 0, tool))?;
        self.response()
    }

    /// Ends it as a host does: closes its stdin, reads what still comes, and waits.
    pub fn end(self) {
        let Self {
            child,
            stdin,
            stdout,
            may_fail,
            ..
        } = self;
        drop(stdin);
        let mut child = child.lock().unwrap();
        if !may_fail {
            for _ in stdout.lines() {}
        } else {
            drop(stdout);
            let patience = Instant::now() + Duration::from_secs(5);
            while Instant::now() < patience && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
        }
        child.wait().unwrap();
    }
}
