//! Where a story plays: a home with nothing in it, a server that wants a sign-in or a key, and its authorization server.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use mcpipe::mcp_remote::{command, key};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::{self, Duration};
use tokio_util::task::TaskTracker;

use super::terminal::Terminal;
use crate::early_initialize::{noted, noting};
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::TOO_LONG;
use crate::support::remote::{Ask, Reply, Server};

const SERVER: &str = "https://mcp.example.com";
const AUTHORITY: &str = "https://as.example.com";

/// What the server takes besides tokens of its authorization server.
const MCP_REMOTES_TOKEN: &str = "t0k3n-0f-mcp-r3m0t3";
const ROBOT_SECRET: &str = "s3cr3t-0f-th3-r0b0t";

#[derive(Default)]
struct Doors {
    keys: Vec<String>,
    /// Tokens that are taken no more.
    ended: Vec<String>,
}

pub(super) struct Stage {
    folder: TempDir,
    server: Server,
    authority: Authority,
    doors: Arc<Mutex<Doors>>,
    variables: Vec<(String, String)>,
    host: Option<Host>,
}

/// What an MCP host holds of its server.
struct Host {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Arc<Mutex<String>>,
    listening: tokio::task::JoinHandle<()>,
    asked: u64,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let authority = Authority::start().await;
        authority.add_secret_client("robot", ROBOT_SECRET, "client_secret_basic");
        let doors: Arc<Mutex<Doors>> = Arc::default();
        let (issuer, guard) = (authority.clone(), Arc::clone(&doors));
        let server = Server::that(move |ask| answer(ask, &issuer, &guard)).await;
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "home", "run"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(folder.path().join("run"), private).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_mcpipe"),
            folder.path().join("bin/mcpipe"),
        )
        .unwrap();
        Self {
            folder,
            server,
            authority,
            doors,
            variables: Vec::new(),
            host: None,
        }
    }

    /// Does what a line says. Returns what is seen.
    pub(super) async fn does(&mut self, line: &str, keys: &[(String, String)]) -> Vec<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let seen = match word {
            "$" => self.terminal(rest, keys).await,
            "%" | "!" => self.shell(rest, word == "!").await,
            "host" => self.start(rest),
            "send" => self.send(rest).await,
            "receive" => self.receive().await,
            "stderr" => self.stderr(rest).await,
            "leave" => self.leave().await,
            "browser" => self.browser().await,
            "world" => self.change(rest),
            _ => String::new(),
        };
        let seen = self.named(&seen);
        seen.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// With the addresses of this run.
    fn here(&self, text: &str) -> String {
        text.replace(SERVER, &self.server.origin())
            .replace(AUTHORITY, &self.authority.origin)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = mcpipe::process::command(program);
        command
            .current_dir(self.path("home"))
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("LANG", "C.UTF-8")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A browser can be shown.
    fn on_a_desktop(&self, command: &mut Command) {
        if self
            .variables
            .iter()
            .all(|(name, _)| name != "SSH_CONNECTION")
        {
            let browser = noting(self.folder.path());
            command.env("DISPLAY", ":97").env("BROWSER", browser);
        }
    }

    async fn terminal(&self, line: &str, keys: &[(String, String)]) -> String {
        let mut command = self.command("/usr/bin/setsid");
        // A shell with a line editor outlives Ctrl-C too.
        let line = format!("trap : INT; {}", self.here(line));
        command.args(["--ctty", "/bin/sh", "-c", &line]);
        // What another browser window was opened at.
        let _ = std::fs::remove_file(self.path("address"));
        self.on_a_desktop(&mut command);
        let mut terminal = Terminal::start(command);
        for (words, text) in keys {
            terminal.shows(&self.here(words)).await;
            match &**text {
                "(signs in)" => drop(self.browser().await),
                text => terminal.types(&self.here(text)).await,
            }
        }
        let (status, screen) = terminal.ends().await;
        let screen = screen.replace('\r', "");
        format!("{}\n{}", screen.trim_end(), ended(status))
            .trim_start()
            .to_owned()
    }

    async fn shell(&self, line: &str, on_a_desktop: bool) -> String {
        let mut command = self.command("/usr/bin/setsid");
        command.args(["--wait", "/bin/sh", "-c", &self.here(line)]);
        if on_a_desktop {
            self.on_a_desktop(&mut command);
        }
        let mut command = tokio::process::Command::from(command);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = time::timeout(TOO_LONG, child.wait_with_output());
        if on_a_desktop {
            let page = TaskTracker::new();
            let folder = self.folder.path().to_owned();
            page.spawn(async move { browser::follow(&noted(&folder).await).await });
        }
        let output = output.await.expect("it ends").unwrap();
        let text = |bytes: &[u8], name: &str| {
            let text = String::from_utf8_lossy(bytes);
            let lines = text.lines().map(|line| format!("{name}{line}\n"));
            lines.collect::<String>()
        };
        format!(
            "{}{}{}",
            text(&output.stdout, "stdout: "),
            text(&output.stderr, "stderr: "),
            ended(output.status)
        )
    }

    fn start(&mut self, line: &str) -> String {
        let mut command = self.command("/bin/sh");
        command.args(["-c", &format!("exec {}", self.here(line))]);
        self.on_a_desktop(&mut command);
        let mut command = tokio::process::Command::from(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr: Arc<Mutex<String>> = Arc::default();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::clone(&stderr);
        let listening = TaskTracker::new().spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                *said.lock().unwrap() += &format!("stderr: {line}\n");
            }
        });
        self.host = Some(Host {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr,
            listening,
            asked: 0,
            child,
        });
        String::new()
    }

    async fn send(&mut self, rest: &str) -> String {
        let host = self.host.as_mut().expect("a host");
        let (method, text) = rest.split_once(' ').unwrap_or((rest, "x"));
        let params = match method {
            "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "cursor", "version": "1"}}),
            "tools/call" => json!({"name": "greet", "arguments": {"name": text}}),
            _ => json!({}),
        };
        let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if !method.starts_with("notifications/") {
            host.asked += 1;
            message["id"] = host.asked.into();
        }
        let line = format!("{message}\n");
        host.stdin.write_all(line.as_bytes()).await.unwrap();
        String::new()
    }

    async fn receive(&mut self) -> String {
        let host = self.host.as_mut().expect("a host");
        let mut seen = String::new();
        loop {
            let line = time::timeout(TOO_LONG, host.stdout.next_line()).await;
            let line = line.expect("an answer in good time").unwrap();
            let line = line.expect("an answer, not the end");
            seen += &format!("{line}\n");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == host.asked {
                return seen;
            }
        }
    }

    async fn stderr(&mut self, words: &str) -> String {
        let host = self.host.as_ref().expect("a host");
        let is_there = async {
            while !host.stderr.lock().unwrap().contains(words) {
                time::sleep(Duration::from_millis(20)).await;
            }
            // What belongs to it is said with it.
            time::sleep(Duration::from_millis(300)).await;
        };
        let is_there = time::timeout(TOO_LONG, is_there).await;
        let said = std::mem::take(&mut *host.stderr.lock().unwrap());
        assert!(is_there.is_ok(), "{words:?} is not in {said:?}");
        said
    }

    async fn leave(&mut self) -> String {
        let mut host = self.host.take().expect("a host");
        drop(host.stdin);
        let mut seen = String::new();
        let status = time::timeout(TOO_LONG, async {
            while let Some(line) = host.stdout.next_line().await.unwrap() {
                seen += &format!("{line}\n");
            }
            host.child.wait().await.unwrap()
        });
        let status = status.await.expect("it leaves");
        let _ = time::timeout(Duration::from_secs(1), host.listening).await;
        seen += &host.stderr.lock().unwrap();
        seen + &ended(status)
    }

    async fn browser(&self) -> String {
        let page = noted(self.folder.path()).await;
        std::fs::remove_file(self.path("address")).unwrap();
        let page = browser::follow(&page).await;
        let mut text = String::new();
        let mut is_tag = false;
        let body = page.body.split("</style>").last().unwrap_or_default();
        for c in body.replace("</h1>", "\n").chars() {
            match c {
                '<' => is_tag = true,
                '>' if is_tag => is_tag = false,
                c if !is_tag => text.push(c),
                _ => {}
            }
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(|line| format!("the page: {line}\n")).collect()
    }

    fn change(&mut self, thing: &str) -> String {
        let mut doors = self.doors.lock().unwrap();
        match thing.split_once(' ').unwrap_or((thing, "")) {
            ("takes-only-the-key", key) => doors.keys = vec![key.to_owned()],
            ("ends-all-tokens", _) => {
                doors.ended = self.authority.access_tokens();
                self.authority.revoke_all();
            }
            ("takes-the-token-of-mcp-remote", _) => {
                doors.keys.push(MCP_REMOTES_TOKEN.to_owned());
                self.furnish_mcp_remote();
            }
            ("gives-device-codes", _) => self.authority.configure(|options| {
                let at = format!("{}/device", self.authority.origin);
                options.metadata = json!({ "device_authorization_endpoint": at });
                options.device_answers = ["authorization_pending"].into();
            }),
            ("is-over-ssh", _) => {
                let connection = "192.0.2.7 50022 192.0.2.9 22";
                for (name, value) in [("SSH_CONNECTION", connection), ("USER", "ada")] {
                    self.variables.push((name.to_owned(), value.to_owned()));
                }
            }
            ("knows-the-robot", _) => {
                let secret = ("ROBOT_SECRET".to_owned(), ROBOT_SECRET.to_owned());
                self.variables.push(secret);
            }
            (other, _) => panic!("{other}: no such change"),
        }
        String::new()
    }

    /// What mcp-remote kept, and how Cursor starts it.
    fn furnish_mcp_remote(&self) {
        let home = self.path("home");
        let url = self.server.url();
        let told = command::read(std::slice::from_ref(&url), &|_| Ok(String::new())).unwrap();
        let key = key::of(&told, key::Form::Full);
        let store = home.join(".mcp-auth/mcp-remote-v1");
        std::fs::create_dir_all(&store).unwrap();
        let tokens = json!({"access_token": MCP_REMOTES_TOKEN, "refresh_token": "kept",
            "issuer": self.authority.origin, "expires_at": 4_000_000_000_000_u64, "expires_in": 3600});
        let client = json!({"client_id": "client-of-mcp-remote", "redirect_uris": ["http://localhost:22227/oauth/callback"]});
        for (name, document) in [("tokens", tokens), ("client_info", client)] {
            let path = store.join(format!("{key}_{name}.json"));
            std::fs::write(path, document.to_string()).unwrap();
        }
        std::fs::create_dir_all(home.join(".cursor")).unwrap();
        let servers = json!({"mcpServers": {"example": {"command": "npx", "args": ["-y", "mcp-remote", url]}}});
        std::fs::write(home.join(".cursor/mcp.json"), servers.to_string()).unwrap();
    }

    /// With names in the place of what differs from run to run.
    fn named(&self, text: &str) -> String {
        let mut text = without_colours(text)
            .replace(&self.server.origin(), SERVER)
            .replace(&self.authority.origin, AUTHORITY)
            .replace(&*self.path("home").display().to_string(), "~")
            .replace(&*self.folder.path().display().to_string(), "/…")
            .replace(
                concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\""),
                "\"version\":\"VERSION\"",
            )
            .replace(
                concat!("mcpipe ", env!("CARGO_PKG_VERSION")),
                "mcpipe VERSION",
            );
        let (server, authority) = (self.server.origin(), self.authority.origin.clone());
        for (origin, name) in [(server, SERVER), (authority, AUTHORITY)] {
            let host = |origin: &str| origin.split("://").nth(1).unwrap().to_owned();
            text = text.replace(&host(&origin), &host(name));
        }
        while let Some(at) = text.find(" GMT") {
            text.replace_range(at.saturating_sub(DATE)..at + 4, "TIME");
        }
        let words = text.split_inclusive(|c: char| " \n`\"'()".contains(c));
        words.map(named_word).collect()
    }

    pub(super) async fn ends(&mut self) {
        drop(self.host.take());
        // The agent that holds a vault open.
        let _ = self.shell("mcpipe vault lock", false).await;
    }
}

/// How long a date of HTTP is, up to its time zone.
const DATE: usize = "Mon, 30 Nov 2026 00:00:00".len();

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

/// One word, or the name of what it stands for.
fn named_word(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '\n', '`', '"', '\'', '(', ')', ',', '.', ':']);
    let rest = &word[bare.len()..];
    let is_date =
        |text: &str| text.len() >= 20 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
    let is_time = |text: &str| {
        let parts: Vec<_> = text.split(':').collect();
        parts.len() == 3
            && parts
                .iter()
                .all(|part| part.len() == 2 && part.parse::<u8>().is_ok())
    };
    if bare.starts_with("http://127.0.0.1:") {
        let end = if bare.ends_with("/start") {
            "/…/start"
        } else {
            "/…"
        };
        return format!("http://127.0.0.1:PORT{end}{rest}");
    }
    if let Some((page, _)) = bare.split_once("/authorize?") {
        return format!("{page}/authorize?…{rest}");
    }
    if bare.contains(":127.0.0.1:") {
        return format!("PORT:127.0.0.1:PORT{rest}");
    }
    if let Some((folder, name)) = bare.rsplit_once('/')
        && let Some((hash, name)) = name.split_once('_')
        && key::is_key(hash)
    {
        return format!("{folder}/HASH_{name}{rest}");
    }
    if is_date(bare) || is_time(bare) {
        return format!("TIME{rest}");
    }
    word.to_owned()
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit {code}"),
        None => format!("ended by a signal: {status}"),
    }
}

/// The server: one tool, for those who bring a token or a key.
fn answer(ask: &Ask, authority: &Authority, doors: &Mutex<Doors>) -> Reply {
    if let Some(document) = authority.metadata_of(ask) {
        return document;
    }
    let doors = doors.lock().unwrap();
    let bearer = ask
        .header("authorization")
        .and_then(|it| it.strip_prefix("Bearer "));
    let is_known = bearer.is_some_and(|shown| {
        let mut keys = doors.keys.iter().map(String::as_str);
        let is_token = authority.access_tokens().iter().any(|it| it == shown);
        keys.any(|it| it == shown) || is_token && !doors.ended.iter().any(|it| it == shown)
    });
    if !is_known {
        return Reply::status(401).with("WWW-Authenticate", "Bearer");
    }
    if ask.path == "/api" {
        return Reply::json(r#"{"from":"the api"}"#);
    }
    match ask.verb.as_str() {
        "POST" => {}
        "DELETE" => return Reply::status(200),
        _ => return Reply::status(405),
    }
    let message: Value = serde_json::from_str(&ask.body).unwrap_or_default();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": true}},
            "serverInfo": {"name": "example", "version": "1"},
        }),
        Some("tools/list") => {
            json!({"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]})
        }
        Some("tools/call") => {
            let name = message["params"]["arguments"]["name"]
                .as_str()
                .unwrap_or_default();
            json!({"content": [{"type": "text", "text": format!("Hello, {name}!")}]})
        }
        _ if message.get("id").is_none() => return Reply::accepted(),
        _ => {
            let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}});
            return Reply::json(error.to_string());
        }
    };
    let reply = Reply::result(ask, &result.to_string());
    match message["method"] == "initialize" {
        true => reply.with("Mcp-Session-Id", "session-1"),
        false => reply,
    }
}
