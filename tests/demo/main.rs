//! The demonstration: what mcpipe does, shown on this machine alone.
//!
//! An authorization server and a protected MCP server on the loopback interface, a small scripted host, and between
//! them the real `mcpipe` binary. `cargo run --example demo`; `-- --scripted` never opens a browser.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a demonstration talks to a person, and stops when something is wrong"
)]

#[path = "../support/authority.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests, which turn more options"
)]
mod authority;
#[path = "../support/browser.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests, which visit more"
)]
mod browser;
#[path = "../support/remote.rs"]
#[allow(dead_code, reason = "shared with the tests, which ask for more")]
mod remote;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use url::Url;

use authority::Authority;
use remote::{Ask, Reply, Server};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    // mcpipe starts its "browser" with the page's address; in a scripted demonstration that is this program again.
    match arguments.get(1).map(String::as_str) {
        Some("--browse") => runtime.block_on(browse(&arguments[2])),
        Some("--scripted") => runtime.block_on(demonstrate(true)),
        _ => runtime.block_on(demonstrate(!has_browser())),
    }
}

async fn demonstrate(is_scripted: bool) {
    title("mcpipe: a demonstration on this machine alone");
    say("Linking the real binary; its parts have just been built.");
    let mcpipe = build();
    let home = tempfile::tempdir().unwrap();
    let world = World::begin().await;
    say(&format!(
        "An authorization server listens at {}.",
        world.authority.origin
    ));
    say(&format!(
        "A protected MCP server listens at   {}.",
        world.url
    ));
    say(&format!(
        "mcpipe keeps what it keeps in       {}.",
        home.path().display()
    ));

    title("1. The first start: a host spawns `mcpipe URL` and says `initialize`");
    let mut host = Host::start(&mcpipe, &world.url, home.path(), is_scripted);
    if is_scripted {
        say("No browser here: a scripted one will open the sign-in page and press its button.");
    } else {
        say("Your browser will open the sign-in page. Press its button.");
    }
    let greeting = host.ask("initialize", hello()).await;
    host.tell("notifications/initialized").await;
    story(&world);
    say(&format!(
        "The host got its answer, from {}.",
        greeting["serverInfo"]["name"]
    ));

    title("2. Tools, listed and called, through the same bridge");
    let tools = host.ask("tools/list", json!({})).await;
    say(&format!("tools/list  -> {}", tools["tools"]));
    let sum = host
        .ask(
            "tools/call",
            json!({"name": "add", "arguments": {"a": 19, "b": 23}}),
        )
        .await;
    say(&format!(
        "tools/call  -> 19 + 23 = {}",
        sum["content"][0]["text"]
    ));
    assert_eq!(sum["content"][0]["text"], "42");
    host.leave().await;
    say("The host closed stdin; mcpipe ended its session at the server and left with exit code 0.");

    title("3. What is on disk now");
    let token = world.authority.access_tokens().pop().unwrap();
    for path in files(home.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let is_there = bytes
            .windows(token.len())
            .any(|window| window == token.as_bytes());
        assert!(
            !is_there,
            "the token stands in the open in {}",
            path.display()
        );
        say(&format!(
            "{:>6} bytes  {}",
            bytes.len(),
            path.strip_prefix(home.path()).unwrap().display()
        ));
    }
    say("The access token is in none of them in the open: the vault is encrypted.");
    say("`mcpipe status` says:");
    let status = mcpipe::process::command(&mcpipe)
        .arg("status")
        .env("MCPIPE_HOME", home.path())
        .output()
        .unwrap();
    for line in String::from_utf8_lossy(&status.stdout).lines() {
        println!("     | {line}");
    }

    title("4. The second start: no browser, no question");
    let before = world.authority.at("/authorize").len();
    let mut host = Host::start(&mcpipe, &world.url, home.path(), true);
    host.ask("initialize", hello()).await;
    host.tell("notifications/initialized").await;
    let sum = host
        .ask(
            "tools/call",
            json!({"name": "add", "arguments": {"a": 1, "b": 2}}),
        )
        .await;
    assert_eq!(sum["content"][0]["text"], "3");
    host.leave().await;
    assert_eq!(world.authority.at("/authorize").len(), before);
    say("It signed nobody in, asked nothing, and 1 + 2 is still 3.");
    title(
        "That is all. Put `mcpipe` and your server's address into your host's config: see README.md.",
    );
}

/// Tells what the two servers saw during the sign-in, in order.
fn story(world: &World) {
    say("What happened, as the servers saw it:");
    for line in world.challenges.lock().unwrap().iter() {
        say(line);
    }
    for seen in world.authority.seen() {
        let field = |name: &str| seen.field(name).unwrap_or("-").to_owned();
        let line = match seen.path.as_str() {
            "/.well-known/oauth-protected-resource/mcp" => {
                "protected resource metadata (RFC 9728) read".to_owned()
            }
            path if path.starts_with("/.well-known/") => {
                "authorization server metadata (RFC 8414) read".to_owned()
            }
            "/register" => "dynamic client registration (RFC 7591)".to_owned(),
            "/authorize" if seen.field("allowed").is_some() => "the person allowed it".to_owned(),
            "/authorize" => {
                format!(
                    "sign-in page asked for; PKCE {}, resource {}",
                    field("code_challenge_method"),
                    field("resource")
                )
            }
            "/token" => {
                "the code exchanged for tokens, PKCE verifier checked; tokens into the vault"
                    .to_owned()
            }
            other => other.to_owned(),
        };
        say(&format!("  authorization server: {line}"));
    }
    say("  MCP server: `initialize` sent again, with the token, and answered");
}

struct World {
    authority: Authority,
    url: String,
    challenges: Arc<Mutex<Vec<String>>>,
    _server: Server,
}

impl World {
    async fn begin() -> Self {
        let authority = Authority::start().await;
        authority.configure(|options| options.page = Some(page));
        let challenges: Arc<Mutex<Vec<String>>> = Arc::default();
        let (told, tokens) = (Arc::clone(&challenges), authority.clone());
        let metadata = format!(
            "{}/.well-known/oauth-protected-resource/mcp",
            authority.origin
        );
        let server = Server::that(move |ask| {
            let bearer = ask
                .header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "));
            if bearer.is_some_and(|token| tokens.access_tokens().iter().any(|known| known == token))
            {
                return answer(ask);
            }
            told.lock().unwrap().push(format!(
                "  MCP server: {} without a token, challenged (HTTP 401)",
                ask.label()
            ));
            let challenge = format!(r#"Bearer resource_metadata="{metadata}""#);
            Reply::status(401).with("WWW-Authenticate", &challenge)
        })
        .await;
        let url = format!("{}/mcp", server.origin());
        authority.protect(
            "/.well-known/oauth-protected-resource/mcp",
            &url,
            &[&authority.origin],
        );
        Self {
            authority,
            url,
            challenges,
            _server: server,
        }
    }
}

/// The MCP server: one tool.
fn answer(ask: &Ask) -> Reply {
    let message: Value = serde_json::from_str(&ask.body).unwrap_or_default();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "demo-server", "version": "1"},
        }),
        Some("tools/list") => json!({"tools": [{
            "name": "add",
            "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
        }]}),
        Some("tools/call") => {
            let number = |name: &str| message["params"]["arguments"][name].as_i64().unwrap_or(0);
            json!({"content": [{"type": "text", "text": (number("a") + number("b")).to_string()}]})
        }
        _ => return remote::ordinary(ask),
    };
    let reply = Reply::result(ask, &result.to_string());
    if message["method"] == "initialize" {
        reply.with("Mcp-Session-Id", "demo-session")
    } else {
        reply
    }
}

fn page(link: &str) -> String {
    let link = link.replace('&', "&amp;");
    format!(
        "<!doctype html><meta charset=utf-8><title>Sign in</title>\
         <body style='font:18px system-ui;max-width:32em;margin:4em auto'>\
         <h1>The demo's authorization server</h1>\
         <p><b>mcpipe</b> would like to use the demo MCP server for you.</p>\
         <p><a id=allow href='{link}' style='padding:.6em 1.2em;background:#246;color:#fff;border-radius:.4em'>Allow</a></p>"
    )
}

/// The scripted browser: opens the page, presses its button, goes where it is sent.
async fn browse(address: &str) {
    let url = Url::parse(address).unwrap();
    let start = browser::visit(&url).await;
    let url = Url::parse(
        start
            .header("location")
            .expect("it leads to the sign-in page"),
    )
    .unwrap();
    let page = browser::visit(&url).await;
    let link = page
        .body
        .split("href='")
        .nth(1)
        .and_then(|rest| rest.split('\'').next());
    let link = link.expect("the page has a button").replace("&amp;", "&");
    browser::follow(&url.join(&link).unwrap()).await;
}

/// A host that spawns mcpipe as its stdio server.
struct Host {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    asked: u64,
}

impl Host {
    fn start(mcpipe: &Path, url: &str, home: &Path, is_scripted: bool) -> Self {
        let mut command = tokio::process::Command::from(mcpipe::process::command(mcpipe));
        command
            .arg(url)
            .env("MCPIPE_HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if is_scripted {
            command.env(
                "BROWSER",
                format!("\"{}\" --browse", env::current_exe().unwrap().display()),
            );
        }
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            stdin,
            lines,
            asked: 0,
        }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params}))
            .await;
        loop {
            let line = self
                .lines
                .next_line()
                .await
                .unwrap()
                .expect("mcpipe left without an answer");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{message}");
                return message["result"].clone();
            }
        }
    }

    async fn tell(&mut self, method: &str) {
        self.send(&json!({"jsonrpc": "2.0", "method": method}))
            .await;
    }

    async fn send(&mut self, message: &Value) {
        self.stdin
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn leave(mut self) {
        drop(self.stdin);
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "mcpipe left with {status}");
    }
}

fn hello() -> Value {
    json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "demo-host", "version": "1"}})
}

/// Links the binary beside this example, in the same profile, and says where it is.
///
/// The example is named too: cargo then gives the crates below the features that tests need, as it did for this example, and
/// takes what it has just built. So it does where it finds the environment that it found then, without what it has set for
/// a program that it runs: a build script (that of ring) runs again when one of those variables has changed.
fn build() -> PathBuf {
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = mcpipe::process::command(cargo);
    build
        .args(["build", "--quiet", "--bin", "mcpipe", "--example", "demo"])
        .args(["--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in env::vars_os() {
        let is_of_a_run = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if is_of_a_run {
            build.env_remove(name);
        }
    }
    assert!(
        build.status().unwrap().success(),
        "mcpipe could not be built"
    );
    let examples = env::current_exe().unwrap();
    let folder = examples.parent().and_then(Path::parent).unwrap();
    folder.join(format!("mcpipe{}", env::consts::EXE_SUFFIX))
}

fn has_browser() -> bool {
    if cfg!(any(windows, target_os = "macos")) {
        return true;
    }
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    found.sort();
    found
}

fn title(text: &str) {
    println!("\n== {text}");
}

fn say(text: &str) {
    println!("   {text}");
}
