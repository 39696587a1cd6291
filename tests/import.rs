//! `mcpipe import mcp-remote`, the real binary in a home of its own: what it finds, what it leaves alone, what it says.
//! What mcp-remote itself wrote is taken over in tests/outside/import.test.mjs; signing in is not needed for any of this.

mod files; // configuration files and their limits
mod issuers; // names of authorization servers that are no URLs
mod words; // the whole output

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use mcpipe::mcp_remote::command;
use mcpipe::mcp_remote::key::{self, Form};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::authority::Authority;

const KEY: &str = "fcc436b0d1e0a1ed9a2b15bbd638eb13";
const URL: &str = "https://mcp.linear.app/mcp";
const TOKENS: &str = r#"{"access_token":"s3cret-access","refresh_token":"s3cret-refresh","expires_in":3600,
    "scope":"read write","issuer":"https://issuer.example","expires_at":4000000000000}"#;
const CLIENT: &str = r#"{"client_id":"client-1","client_secret":"s3cret-client",
    "redirect_uris":["http://localhost:22227/oauth/callback"]}"#;

/// A person's home, with a store of mcp-remote's in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.store()).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path(".mcp-auth/mcp-remote-v1")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn keep(&self, key: &str, name: &str, text: &str) {
        fs::write(self.store().join(format!("{key}_{name}")), text).unwrap();
    }

    /// A client starts mcp-remote with these words.
    fn configure(&self, words: &[&str]) {
        let args = serde_json::json!([&["-y", "mcp-remote"], words].concat());
        let text =
            format!(r#"{{"mcpServers": {{"linear": {{"command": "npx", "args": {args}}}}}}}"#);
        self.write(".cursor/mcp.json", &text);
    }

    async fn import(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command();
        command
            .args(arguments)
            .env("MCP_REMOTE_CONFIG_DIR", self.path(".mcp-auth"));
        said(command).await
    }

    /// The command, in the home and with nothing of this process's environment.
    fn command(&self) -> Command {
        let mut command = Command::from(mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe")));
        command
            .args(["import", "mcp-remote"])
            .env_clear()
            .env("HOME", self.0.path())
            .env("MCPIPE_HOME", self.path("mcpipe"))
            .current_dir(self.0.path())
            .kill_on_drop(true);
        command
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, found),
                    false => found.push((path.clone(), fs::read(path).unwrap_or_default())),
                }
            }
        }
        let mut found = Vec::new();
        walk(self.0.path(), &mut found);
        found.sort();
        found
    }
}

/// The exit code and all that was said, in which no secret of the store is.
async fn said(mut command: Command) -> (Option<i32>, String) {
    let ended = tokio::time::timeout(Duration::from_secs(60), command.output());
    let Output {
        status,
        stdout,
        stderr,
    } = ended.await.expect("it ends").unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    (status.code(), text)
}

#[tokio::test]
async fn a_dry_run_tells_and_touches_nothing() {
    let home = Home::new();
    home.configure(&[URL]);
    home.keep(KEY, "tokens.json", TOKENS);
    home.keep(KEY, "client_info.json", CLIENT);
    let before = home.files();
    let (code, text) = home.import(&["--dry-run"]).await;
    assert_eq!(code, Some(0), "{text}");
    for word in [
        URL,
        "Cursor: linear",
        "https://issuer.example",
        "until Tue, 02 Oct 2096 07:06:40 GMT, can be renewed",
        "client-1",
        "http://localhost:22227/oauth/callback",
        "Nothing was changed",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(home.files(), before);
}

#[tokio::test]
async fn what_nobody_claims_is_listed_without_its_secrets() {
    let home = Home::new();
    home.keep("00000000000000000000000000000001", "tokens.json", TOKENS);
    home.keep(
        "00000000000000000000000000000002",
        "client_info.json",
        CLIENT,
    );
    home.keep(
        "00000000000000000000000000000003",
        "tokens.json",
        "nonsense s3cret",
    );
    home.keep("not-a-key", "tokens.json", TOKENS);
    let (code, text) = home.import(&[]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("01_*  tokens of https://issuer.example for read write"),
        "{text}"
    );
    assert!(text.contains("02_*  a client"), "{text}");
    assert!(text.contains("03_*  cannot be read"), "{text}");
    assert!(!text.contains("not-a-key"), "{text}");
}

#[tokio::test]
async fn odd_files_are_reported_and_passed_over() {
    for (what, said) in [
        ("link", "symbolic link"),
        ("large", "larger than"),
        ("nonsense", "is not what mcp-remote writes"),
        ("folder", "no regular file"),
    ] {
        let home = Home::new();
        home.configure(&[URL]);
        let path = home.store().join(format!("{KEY}_tokens.json"));
        match what {
            "link" => {
                home.write("elsewhere", TOKENS);
                #[cfg(unix)]
                std::os::unix::fs::symlink(home.path("elsewhere"), &path).unwrap();
                #[cfg(not(unix))]
                continue;
            }
            "large" => fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap(),
            "folder" => fs::create_dir(&path).unwrap(),
            _ => fs::write(&path, "{\"access_token\": \"s3cret").unwrap(),
        }
        let (code, text) = home.import(&["--dry-run"]).await;
        assert_eq!(code, Some(1), "{what}: {text}");
        assert!(text.contains(said), "{what}: {text}");
    }
}

#[tokio::test]
async fn configuration_that_cannot_be_read_is_named_and_the_rest_goes_on() {
    let home = Home::new();
    home.configure(&[URL]);
    home.keep(KEY, "tokens.json", TOKENS);
    home.write(".gemini/settings.json", "{ /* mcp-remote */ s3cret s3cret");
    home.write(
        ".claude.json",
        r#"{"x": {"command": "npx", "args": ["mcp-remote", "nowhere"]}}"#,
    );
    let (code, text) = home.import(&["--dry-run"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("settings.json: "), "{text}");
    assert!(
        text.contains("Claude Code: x: `nowhere` is not a URL"),
        "{text}"
    );
    assert!(text.contains("would be taken over"), "{text}");
}

#[tokio::test]
async fn what_was_typed_decides_which_files_are_meant() {
    let header = "f9236f92c4600c1ae6b23ab573bfa558";
    let resource = "224d1023ed8b747f99479d42f28f0bb6";
    let url = "https://remote.mcp.server/mcp";
    let typed = "Authorization: Bearer ${AUTH_TOKEN}";
    for (key, words) in [
        (KEY, &["--url", URL][..]),
        (header, &["--url", url, "--header", typed]),
        (
            resource,
            &[
                "--url",
                "https://mcp.atlassian.com/v1/sse",
                "--resource",
                "https://tenant1.atlassian.net/",
            ],
        ),
        (
            header,
            &[
                "--",
                "npx",
                "-y",
                "mcp-remote@latest",
                url,
                "3334",
                "--header",
                typed,
            ],
        ),
        (KEY, &["--", URL]),
    ] {
        let home = Home::new();
        home.keep(key, "tokens.json", TOKENS);
        let (code, text) = home.import(&[&["--dry-run"], words].concat()).await;
        assert_eq!(code, Some(0), "{words:?}: {text}");
        assert!(text.contains("would be taken over"), "{words:?}: {text}");
    }
    // Older directories have older names.
    let home = Home::new();
    let from = home.path("old");
    home.write(&format!("old/mcp-remote-0.1.29/{KEY}_tokens.json"), TOKENS);
    let words = [
        "--dry-run",
        "--from",
        from.to_str().unwrap(),
        "--url",
        URL,
        "--header",
        "A: 1",
    ];
    let (_, text) = home.import(&words).await;
    assert!(text.contains("would be taken over"), "{text}");
}

#[tokio::test]
async fn tokens_in_an_older_directory_come_before_a_client_in_a_newer() {
    // Each version had a directory of its own, and some registered and never got to tokens.
    let home = Home::new();
    home.configure(&[URL]);
    home.keep(KEY, "client_info.json", CLIENT);
    for old in ["0.1.43", "0.1.37"] {
        let file = |name| format!(".mcp-auth/mcp-remote-{old}/{KEY}_{name}");
        let client = CLIENT.replace("client-1", &format!("client-{old}"));
        home.write(&file("client_info.json"), &client);
        if old == "0.1.37" {
            home.write(&file("tokens.json"), TOKENS);
        }
    }
    let (code, text) = home.import(&["--dry-run"]).await;
    assert_eq!(code, Some(0), "{text}");
    for word in ["can be renewed", "client-0.1.37", "would be taken over"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // The others are no account's now.
    assert_eq!(text.matches("_*  a client").count(), 2, "{text}");
}

#[tokio::test]
async fn a_server_that_will_not_have_it_leaves_the_files_where_they_are() {
    let server = Authority::start().await;
    let url = format!("{}/mcp", server.origin);
    server.protect(
        "/.well-known/oauth-protected-resource/mcp",
        &url,
        &[&server.origin],
    );
    // What a header needs may be in a client's environment only.
    let typed = [url.clone(), "--header".to_owned(), "X: ${UNSET}".to_owned()];
    let asked = command::read(&typed, &|_| Ok(String::new())).unwrap();
    let key = key::of(&asked, Form::Full);
    let unsaid = TOKENS.replace(r#""issuer":"https://issuer.example","#, "");
    for (tokens, said, is_asked) in [
        (TOKENS, "it was issued by https://issuer.example", false),
        (&unsaid, "to see whether it belongs there", true),
    ] {
        let home = Home::new();
        home.keep(&key, "tokens.json", tokens);
        home.keep(&key, "client_info.json", CLIENT);
        let before = home.files();
        let (code, text) = home
            .import(&["--url", &url, "--header", "X: ${UNSET}"])
            .await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(said), "{text}");
        assert_eq!(!server.at("/token").is_empty(), is_asked, "{text}");
        let is_store = |(path, _): &(PathBuf, Vec<u8>)| path.starts_with(home.store());
        let stored: Vec<_> = home.files().into_iter().filter(is_store).collect();
        assert_eq!(stored, before, "{text}");
    }
}
