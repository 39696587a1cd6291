//! A home with nothing in it, a server with an authorization server, and stand-ins for programs that are not ours.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mcpipe::auth::oauth::jws::Key;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::early_initialize::noting;
use crate::support::authority::Authority;
use crate::support::authority::grants::token;
use crate::support::browser;
use crate::support::host::INITIALIZE;
use crate::support::remote::{Ask, Reply, Server, ordinary};
use crate::support::tls::{Front, fixture};

/// What the server takes in the place of a token, and what proves the client.
const KEY: &str = "k3y-0f-th3-r3ad3r";
const SECRET: &str = "s3cr3t-0f-th3-r0b0t";
const PASSPHRASE: &str = "correct horse battery staple";
/// How long one example may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The home of one block.
pub(super) struct Sandbox {
    folder: TempDir,
    server: Server,
    authority: Authority,
    provider: Authority,
    assertion: String,
}

/// What came of a command.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn guarded(ask: &Ask, authority: &Authority) -> Reply {
    if let Some(document) = authority.metadata_of(ask) {
        return document;
    }
    // Behind a gateway that asks for a certificate, which has been shown.
    if ask
        .header("host")
        .is_some_and(|host| host.starts_with("localhost"))
    {
        return ordinary(ask);
    }
    let shown = ask.header("authorization").unwrap_or_default();
    let tokens = authority.access_tokens();
    let is_known = tokens.iter().map(String::as_str).chain([KEY]);
    let is_known = is_known
        .into_iter()
        .any(|token| shown == format!("Bearer {token}"));
    match (
        is_known || ask.header("x-api-key") == Some(KEY),
        ask.path.as_str(),
    ) {
        (true, "/api") => Reply::json(r#"{"from":"the api"}"#),
        (true, _) => ordinary(ask),
        (false, _) => Reply::status(401).with("WWW-Authenticate", "Bearer"),
    }
}

impl Sandbox {
    pub(super) async fn new() -> Self {
        let (authority, provider) = (Authority::start().await, Authority::start().await);
        let issuer = authority.clone();
        let server = Server::that(move |ask| guarded(ask, &issuer)).await;
        provider.welcome_anywhere("ours-at-the-provider");
        provider.turn_grants(|grants| grants.gives_id_tokens = true);
        let metadata = json!({ "scopes_supported": ["openid", "offline_access"] });
        provider.configure(|options| options.metadata = metadata);
        provider.serve_metadata_at("/.well-known/openid-configuration");
        let issuer = "https://idp.example.com";
        let sandbox = Self {
            folder: tempfile::tempdir().unwrap(),
            server,
            authority,
            provider,
            assertion: token(&json!({ "sub": "the workload", "iss": issuer })),
        };
        sandbox.furnish();
        sandbox
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn furnish(&self) {
        for folder in ["bin", "home/.mcp-auth", "work"] {
            std::fs::create_dir_all(self.path().join(folder)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_mcpipe"), self.path().join("bin/mcpipe")).unwrap();
        // A host's own command line adds a server to its configuration; this one starts it at once.
        let claude = format!(
            "while [ \"$1\" != -- ]; do shift; done; shift; printf '%s\\n' '{INITIALIZE}' | \"$@\""
        );
        self.program("claude", &claude);
        self.program("my-tool", &format!("echo '{{\"X-Api-Key\":\"{KEY}\"}}'"));
        self.program("gcloud", &format!("echo '{}'", self.assertion));
        let work = self.path().join("work");
        for (from, to) in [("client.pem", "me.pem"), ("client.key", "me.key")] {
            std::fs::copy(fixture(from), work.join(to)).unwrap();
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(work.join(to), private).unwrap();
        }
        std::fs::write(work.join("secret"), SECRET).unwrap();
        std::fs::write(work.join("token"), &self.assertion).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// Makes the world one in which the command of an example makes sense. Returns the server's origin.
    async fn prepare(&self, command: &str) -> String {
        if command.contains("--client-key") {
            let key = Key::generate().unwrap();
            let file = self.path().join("work/robot.pem");
            std::fs::write(file, key.text().expose()).unwrap();
            self.authority.add_signing_client("robot", &key);
        }
        for client in ["robot", "ours-at-the-server"] {
            if command.contains("--client-secret") && command.contains(client) {
                let method = "client_secret_basic";
                self.authority.add_secret_client(client, SECRET, method);
            }
        }
        if command.contains("--idp-issuer") {
            let provider = self.provider.clone();
            self.authority
                .turn_grants(|grants| grants.provider = Some(provider));
        }
        let assertion = self.assertion.clone();
        self.authority
            .turn_grants(|grants| grants.assertions = vec![assertion]);
        // What a person signed in to before.
        let is_signed_in = command.starts_with("printf") || command.contains("mcpipe token");
        if is_signed_in {
            let login = format!("mcpipe login {}", self.server.url());
            let ran = self.runs(&login, "", true).await;
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        }
        if command.contains("--client-cert") {
            return Front::for_the_known(&self.server.origin()).await.origin;
        }
        self.server.origin()
    }

    /// Runs one example, and judges what came of it.
    pub(super) async fn plays(&self, line: usize, example: &str) {
        let origin = self.prepare(example).await;
        let command = example
            .replace("https://mcp.example.com", &origin)
            .replace("https://login.example.com", &self.provider.origin)
            .replace("https://as.example.com", &self.authority.origin)
            .replace(
                "/var/run/secrets/tokens/mcp",
                &self.path().join("work/token").display().to_string(),
            );
        let words: Vec<&str> = command.split_whitespace().collect();
        let is_bridge = words.first() == Some(&"mcpipe")
            && words.get(1).is_some_and(|word| word.contains("://"));
        let input = match &*words {
            _ if is_bridge => format!("{INITIALIZE}\n"),
            ["mcpipe", "vault", "put", ..] => format!("{KEY}\n"),
            _ => String::new(),
        };
        let ran = self.runs(&command, &input, true).await;
        let said = format!(
            "README line {line}: {command}\n{}\n{}",
            ran.stdout, ran.stderr
        );
        assert_eq!(ran.code, Some(0), "{said}");
        let answers = ran.stdout.lines().filter(|line| {
            let answer: Value = serde_json::from_str(line).unwrap_or_default();
            answer["result"].is_object()
        });
        let wanted = match &*words {
            ["printf", ..] => 2,
            ["claude", ..] => 1,
            _ if is_bridge => 1,
            _ => 0,
        };
        assert!(answers.count() >= wanted, "{said}");
        if command.contains("curl") {
            assert!(ran.stdout.contains("the api"), "{said}");
        }
    }

    async fn runs(&self, command: &str, input: &str, has_user: bool) -> Ran {
        let (home, work) = (self.path().join("home"), self.path().join("work"));
        let _ = std::fs::remove_file(self.path().join("address"));
        let path = format!("{}:/usr/bin:/bin", self.path().join("bin").display());
        let mut shell = Command::from(mcpipe::process::command("/bin/sh"));
        shell
            .args(["-c", command])
            .current_dir(&work)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &home)
            .env("MCPIPE_HOME", home.join("mcpipe"))
            .env("MCPIPE_PROTOCOL", "legacy")
            .env("SSL_CERT_FILE", fixture("ca.pem"))
            .env("ROBOT_SECRET", SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if command.contains("vault init") || command.contains("vault unlock") {
            shell.env("MCPIPE_PASSPHRASE", PASSPHRASE);
        }
        let user = TaskTracker::new();
        let gone = CancellationToken::new();
        // The user of one command has left before the next: two would race to one page.
        let _leaves = gone.clone().drop_guard();
        if has_user {
            shell
                .env("DISPLAY", ":97")
                .env("BROWSER", noting(self.path()));
            let address = self.path().join("address");
            user.spawn(gone.run_until_cancelled_owned(async move {
                // The page may never be shown.
                loop {
                    if let Ok(address) = std::fs::read_to_string(&address) {
                        browser::follow(&address.parse().unwrap()).await;
                        return;
                    }
                    time::sleep(Duration::from_millis(50)).await;
                }
            }));
        }
        let mut child = shell.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may be gone.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{command}: too long"))
            .unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Ends what an example has left running.
    pub(super) async fn leave(self) {
        self.runs("mcpipe vault lock", "", false).await;
    }
}
