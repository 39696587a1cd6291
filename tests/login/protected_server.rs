//! A protected server that takes only the newest token, and a home, for the commands and for sign-ins in process.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpipe::auth::net::guard::Guard;
use mcpipe::auth::net::http::Http;
use mcpipe::auth::{Announce, Authorizer, Browser, Notice, Settings};
use mcpipe::clock::Clock;
use mcpipe::store::{Unlock, Vault, VaultPaths};
use tokio_util::task::TaskTracker;

use super::{World, tls, unauthorized};
use crate::support::authority::{Authority, Seen};
use crate::support::browser;
use crate::support::host::{Exit, Process};
use crate::support::remote::{Reply, Server, ordinary};

/// A protected server that takes only the newest token, its authority, and a home with a vault in it.
pub(super) struct Protected {
    pub(super) authority: Authority,
    pub(super) server: Server,
    pub(super) home: tempfile::TempDir,
    /// What the server saw as `Authorization`, request by request.
    shown: Arc<Mutex<Vec<Option<String>>>>,
}

impl Protected {
    pub(super) async fn new() -> Self {
        let authority = Authority::start().await;
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (tokens, seen) = (authority.clone(), Arc::clone(&shown));
        let server = Server::that(move |ask| {
            let authorization = ask.header("authorization").map(str::to_owned);
            seen.lock().unwrap().push(authorization.clone());
            let newest = tokens
                .access_tokens()
                .pop()
                .map(|it| format!("Bearer {it}"));
            if newest.is_some() && newest == authorization {
                return ordinary(ask);
            }
            let place = format!("{}{PLACE}", tokens.origin);
            let words = format!(r#"Bearer error="invalid_token", resource_metadata="{place}""#);
            Reply::status(401).with("WWW-Authenticate", &words)
        })
        .await;
        authority.protect(PLACE, &server.url(), &[&authority.origin]);
        let home = tempfile::tempdir().unwrap();
        Self {
            authority,
            server,
            home,
            shown,
        }
    }

    pub(super) fn shown(&self) -> Vec<Option<String>> {
        self.shown.lock().unwrap().clone()
    }

    /// Signs in to this server, or another, so many seconds ago.
    pub(super) async fn sign_in(&self, resource: &str, account: &str, ago: u64) {
        let clock = Clock::new(move || mcpipe::settings::now() - Duration::from_secs(ago));
        let mut settings = Settings::new(resource, clock).unwrap();
        settings.account = account.to_owned();
        settings.browser = Browser::None;
        let people = TaskTracker::new();
        settings.announce = Announce::new(move |notice| {
            if let Notice::Visit { url, .. } = notice {
                let url = url::Url::parse(url).unwrap();
                people.spawn(async move { browser::follow(&url).await });
            }
        });
        let mut challenge = unauthorized();
        challenge.resource_metadata = Some(format!("{}{PLACE}", self.authority.origin));
        let guard = Guard::new(&settings.url, false, false);
        let vault = Arc::new(vault_in(self.home.path()));
        let authorizer = Authorizer::new(settings, vault, Http::new(tls(), guard));
        authorizer.login(&challenge).await.unwrap();
        authorizer.settle(Duration::from_secs(5)).await;
    }

    /// The binary, with this home.
    pub(super) fn start(&self, arguments: &[&str]) -> Process {
        let home = self.home.path().display().to_string();
        Process::start_with(arguments, &[("MCPIPE_HOME", &home), ("BROWSER", "false")])
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Exit {
        self.start(arguments).closed().await
    }
}

pub(super) const PLACE: &str = "/.well-known/oauth-protected-resource/mcp";

pub(super) fn vault_in(home: &Path) -> Vault {
    Vault::on_disk(VaultPaths::new(Some(home)).unwrap(), Unlock::default())
}

/// The values of one field, request by request.
pub(super) fn fields(seen: &[Seen], name: &str) -> Vec<Option<String>> {
    seen.iter()
        .map(|one| one.field(name).map(str::to_owned))
        .collect()
}

/// The world's settings, as a person who signs in at once would have them.
pub(super) fn with(world: &World, change: impl FnOnce(&mut Settings)) -> Authorizer {
    let mut settings = world.attended();
    change(&mut settings);
    world.authorizer_with(settings)
}
