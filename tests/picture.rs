//! The README's picture of a terminal: commands that are typed, and what the binary prints on a terminal of its own.
//!
//! ```text
//! MCPIPE_PIN=1 cargo test --test main picture::
//! ```
//!
//! takes it anew. The server and its authorization server are on this machine; their addresses are named after the fact.
#![cfg(unix)]

mod svg; // a screen with colours, as SVG

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time;

use crate::early_initialize::{noted, noting};
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::TOO_LONG;
use crate::support::pty;
use crate::support::remote::{Ask, Reply, Server, opening, ordinary};

/// What is typed, in this order.
const TYPED: [&str; 3] = [
    "mcpipe login https://mcp.example.com/mcp",
    "mcpipe status https://mcp.example.com/mcp",
    r#"mcpipe raw https://mcp.example.com/mcp tools/call '{"name":"greet","arguments":{"name":"Ada"}}'"#,
];

fn answer(ask: &Ask, issuer: &Authority) -> Reply {
    if let Some(document) = issuer.metadata_of(ask) {
        return document;
    }
    let shown = ask.header("authorization").unwrap_or_default();
    let mut good = issuer.access_tokens().into_iter();
    if !good.any(|token| shown == format!("Bearer {token}")) {
        return Reply::status(401).with("WWW-Authenticate", "Bearer");
    }
    match ask.label().as_str() {
        "POST initialize" => opening(ask, "session-1"),
        "POST tools/list" => {
            let schema = json!({
                "type": "object",
                "properties": { "name": { "type": "string" } },
                "required": ["name"],
            });
            let greet = json!({ "name": "greet", "description": "Greets a person.", "inputSchema": schema });
            Reply::result(ask, &json!({ "tools": [greet] }).to_string())
        }
        "POST tools/call" => {
            let text = json!([{ "type": "text", "text": "Hello, Ada!" }]);
            Reply::result(ask, &json!({ "content": text }).to_string())
        }
        _ => ordinary(ask),
    }
}

/// A user at a terminal, with a browser.
struct User {
    home: TempDir,
    server: Server,
    authority: Authority,
}

impl User {
    async fn new() -> Self {
        let authority = Authority::start().await;
        let issuer = authority.clone();
        let server = Server::that(move |ask| answer(ask, &issuer)).await;
        let resource = server.url();
        authority.configure(|options| options.resource = Some(resource));
        let home = tempfile::tempdir().unwrap();
        Self {
            home,
            server,
            authority,
        }
    }

    /// Runs a command on a terminal of its own. Returns what stands there at the end.
    async fn types(&self, command: &str) -> String {
        let (users, end) = pty::open();
        let folder = self.home.path();
        let bin = Path::new(env!("CARGO_BIN_EXE_mcpipe")).parent().unwrap();
        let command = command.replace("https://mcp.example.com", &self.server.origin());
        let stream = || Stdio::from(end.try_clone().unwrap());
        let mut shell = Command::from(mcpipe::process::command("sh"));
        shell
            .args(["-c", &command])
            .current_dir(folder)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", folder)
            .env("MCPIPE_HOME", folder.join("kept"))
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("TZ", "UTC")
            .env("DISPLAY", ":97")
            .env("BROWSER", noting(folder))
            .stdin(stream())
            .stdout(stream())
            .stderr(stream());
        let mut child = shell.spawn().unwrap();
        drop((shell, end));
        let (screen, reader) = pty::watch(&users);
        let signs_in = async {
            let page = noted(folder).await;
            std::fs::remove_file(folder.join("address")).unwrap();
            browser::follow(&page).await;
            std::future::pending().await
        };
        let status = tokio::select! {
            status = child.wait() => status.unwrap(),
            never = signs_in => never,
            () = time::sleep(TOO_LONG) => panic!("{command} stays: {}", screen.lock().unwrap()),
        };
        let seen = tokio::task::spawn_blocking(|| reader.join());
        let _ = time::timeout(TOO_LONG, seen).await;
        let screen = screen.lock().unwrap().replace("\r\n", "\n");
        assert!(status.success(), "{command}: {screen}");
        let named = screen
            .replace(&self.server.origin(), "https://mcp.example.com")
            .replace(&self.authority.origin, "https://auth.example.com")
            .replace(
                &folder.join("kept").display().to_string(),
                "~/.local/share/mcpipe",
            );
        svg::without_chance(&named)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is for the person who runs the tests"
)]
fn is_taken_anew() -> bool {
    std::env::var_os("MCPIPE_PIN").is_some()
}

#[tokio::test]
async fn the_picture_in_the_readme_shows_what_the_commands_print() {
    let user = User::new().await;
    let mut shown = Vec::new();
    for command in TYPED {
        shown.push((command, user.types(command).await));
    }
    let picture = svg::picture(&shown);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/terminal.svg");
    if is_taken_anew() {
        std::fs::write(&path, &picture).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        svg::texts(&kept),
        svg::texts(&picture),
        "MCPIPE_PIN=1 cargo test --test main picture:: takes it anew"
    );
}
