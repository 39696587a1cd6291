//! A server that wants a sign-in, and two authorization servers that it may send users to.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use mcpipe::store::{Unlock, Vault, VaultPaths as Home};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::RFC8414;
use crate::coordination::eventually;
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{Exit, Process};
use crate::support::remote::{Ask, Reply, Server, ordinary};

/// The token that the second authorization server issues.
const SECOND: &str = "second-canary";
const PRM: &str = "/.well-known/oauth-protected-resource/mcp";

/// What the server says, which a test changes.
#[derive(Default)]
pub(in super::super) struct Said {
    /// The authorization servers its metadata name; no metadata if there are none.
    pub(in super::super) named: Vec<String>,
    /// Where the challenge says that the metadata are.
    pub(in super::super) place: Option<String>,
    /// Tokens issued before this one, by either, are turned down.
    pub(in super::super) good: Vec<Authority>,
    pub(in super::super) good_from: usize,
    /// No token is good.
    pub(in super::super) is_closed: bool,
    /// A token that is good is short of scope.
    pub(in super::super) is_short: bool,
    /// Its own metadata as an authorization server.
    pub(in super::super) root: Option<Value>,
}

pub(in super::super) struct Place {
    pub(in super::super) home: TempDir,
    pub(in super::super) first: Authority,
    pub(in super::super) second: Authority,
    pub(in super::super) remote: Server,
    said: Arc<Mutex<Said>>,
}

impl Place {
    pub(in super::super) async fn new() -> Self {
        let (first, second) = (Authority::start().await, Authority::start().await);
        second.configure(|options| options.token_extra = (200, json!({ "access_token": SECOND })));
        let said = Arc::new(Mutex::new(Said {
            named: vec![first.origin.clone()],
            good: vec![first.clone(), second.clone()],
            ..Said::default()
        }));
        let told = Arc::clone(&said);
        let remote = Server::that(move |ask| told.lock().unwrap().reply(ask)).await;
        let home = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}/shown'\n",
            home.path().display()
        );
        let browser = home.path().join("browser");
        std::fs::write(&browser, script).unwrap();
        std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self {
            home,
            first,
            second,
            remote,
            said,
        }
    }

    /// One in which the user has signed in at the first, whose tokens are good for nothing any more.
    pub(in super::super) async fn signed_in_before() -> Self {
        let place = Self::new().await;
        place.login(&[], 1).await;
        place.turn_down();
        place
    }

    pub(in super::super) fn turn_down(&self) {
        self.first.revoke_all();
        self.said().good_from = self.first.access_tokens().len();
    }

    pub(in super::super) fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap()
    }

    pub(in super::super) fn shown(&self) -> Vec<Url> {
        let text = std::fs::read_to_string(self.home.path().join("shown")).unwrap_or_default();
        text.lines().map(|line| Url::parse(line).unwrap()).collect()
    }

    pub(in super::super) async fn page(&self, nth: usize) -> Url {
        eventually(|| self.shown().get(nth - 1).cloned()).await
    }

    fn variables(&self) -> [(&'static str, String); 2] {
        let browser = self.home.path().join("browser").display().to_string();
        [
            ("BROWSER", browser),
            ("CLIENT_SECRET", "secret-canary".to_owned()),
        ]
    }

    pub(in super::super) fn start(&self, arguments: &[&str]) -> Process {
        let url = self.remote.url();
        let mut all = arguments.to_vec();
        all.extend(["--wait-for-login", "--auth-timeout", "40", &url]);
        let variables = self.variables();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Process::start_in(self.home.path(), &all, &variables)
    }

    /// Runs a command to its end.
    pub(in super::super) async fn run(&self, arguments: &[&str]) -> Exit {
        let variables = self.variables();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Process::start_in(self.home.path(), arguments, &variables)
            .closed()
            .await
    }

    /// The user's word: `mcpipe login`, whose page is the `nth`. What it said on stderr.
    pub(in super::super) async fn login(&self, arguments: &[&str], nth: usize) -> String {
        let url = self.remote.url();
        let mut all = vec!["login", &url];
        all.extend(arguments);
        let person = async { browser::follow(&self.page(nth).await).await };
        let (left, page) = tokio::join!(self.run(&all), person);
        assert!(left.status.success(), "{}", left.stderr);
        assert!(page.body.contains("You are signed in"), "{}", page.body);
        left.stderr
    }

    pub(in super::super) fn vault(&self) -> Vault {
        Vault::on_disk(
            Home::new(Some(self.home.path())).unwrap(),
            Unlock::default(),
        )
    }
}

impl Said {
    fn reply(&self, ask: &Ask) -> Reply {
        let host = ask.header("host").unwrap();
        let path = ask.path.as_str();
        if path == RFC8414 {
            return match &self.root {
                Some(root) => Reply::json(root.to_string()),
                None => Reply::status(404),
            };
        }
        if path.starts_with("/.well-known/oauth-protected-resource") {
            return match self.named.as_slice() {
                [] => Reply::status(404),
                named => Reply::json(
                    json!({ "resource": format!("http://{host}/mcp"), "authorization_servers": named }).to_string(),
                ),
            };
        }
        if path != "/mcp" {
            return Reply::status(404);
        }
        let shown = ask.header("authorization").unwrap_or_default();
        let good: Vec<String> = match self.good.as_slice() {
            [first, second] => {
                let old = first.access_tokens().into_iter().skip(self.good_from);
                let new = second
                    .access_tokens()
                    .into_iter()
                    .map(|_| SECOND.to_owned());
                old.chain(new).collect()
            }
            _ => Vec::new(),
        };
        let is_good =
            !self.is_closed && good.iter().any(|token| shown == format!("Bearer {token}"));
        if is_good && !(self.is_short && ask.label() == "POST tools/call") {
            return ordinary(ask);
        }
        let place = self
            .place
            .clone()
            .unwrap_or_else(|| format!("http://{host}{PRM}"));
        match is_good {
            true => Reply::status(403).with(
                "WWW-Authenticate",
                &format!(r#"Bearer error="insufficient_scope", scope="more", resource_metadata="{place}""#),
            ),
            false => Reply::status(401)
                .with("WWW-Authenticate", &format!(r#"Bearer resource_metadata="{place}""#)),
        }
    }
}
