//! What users of other bridges suffered, one test or more per number (the list the project was begun with).
//!
//! Some can only be shown with several real processes, with a host that gives up, or without a screen; those are
//! elsewhere, and named here:
//!
//! - 3, two processes spend one rotating refresh token: `coordination`, with real processes; in one process
//!   `login::renewal::of_many_processes_one_spends_the_refresh_token`.
//! - 9, a storm of windows: `coordination`; `login::a_person_who_does_not_come_is_not_asked_again_by_itself`.
//! - 11, hosts that give up before the person is done: `waiting`, and `coordination` for hosts that kill.
//! - 12, many cold starts at once: `coordination`; `login::renewal::of_many_cold_processes_one_opens_a_window`.
//! - 13, the callback's port is taken: `login::callback::a_port_that_was_asked_for_and_is_taken_is_an_error`, and for
//!   clients that may move `login::identity::a_registration_is_used_again_with_the_same_redirect_uri`.
//! - 16, 17, containers and machines without a screen: `coordination`; the part of 16 that needs no terminal is here.
//! - 26, Google: its address cannot be visited by a test, so `auth::code` shows in its own tests what it would be asked;
//!   what happens where no refresh token comes is here.

mod identity;
mod layouts;
mod signing_in;
mod staying;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpipe::auth::guard::Guard;
use mcpipe::auth::http::Http;
use mcpipe::auth::{Announce, Authorizer, Browser, Clock, Notice, Settings};
use mcpipe::store::{Place, Unlock, Vault};
use tokio_util::task::TaskTracker;

use crate::login::{World, tls, unauthorized};
use crate::support::authority::{Authority, Seen};
use crate::support::browser;
use crate::support::host::{Left, Process};
use crate::support::remote::{Reply, Server, ordinary};

/// A protected server that takes only the newest token, its authority, and a home with a vault in it.
struct Protected {
    authority: Authority,
    server: Server,
    home: tempfile::TempDir,
    /// What the server saw as `Authorization`, request by request.
    shown: Arc<Mutex<Vec<Option<String>>>>,
}

impl Protected {
    async fn new() -> Self {
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

    fn shown(&self) -> Vec<Option<String>> {
        self.shown.lock().unwrap().clone()
    }

    /// Signs in to this server, or another, so many seconds ago.
    async fn sign_in(&self, resource: &str, account: &str, ago: u64) {
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
    fn start(&self, arguments: &[&str]) -> Process {
        let home = self.home.path().display().to_string();
        Process::start_with(arguments, &[("MCPIPE_HOME", &home), ("BROWSER", "false")])
    }

    async fn run(&self, arguments: &[&str]) -> Left {
        self.start(arguments).closed().await
    }
}

const PLACE: &str = "/.well-known/oauth-protected-resource/mcp";

fn vault_in(home: &Path) -> Vault {
    Vault::on_disk(Place::new(Some(home)).unwrap(), Unlock::default())
}

/// The values of one field, request by request.
fn fields(seen: &[Seen], name: &str) -> Vec<Option<String>> {
    seen.iter()
        .map(|one| one.field(name).map(str::to_owned))
        .collect()
}

/// The world's settings, as a person who signs in at once would have them.
fn with(world: &World, change: impl FnOnce(&mut Settings)) -> Authorizer {
    let mut settings = world.attended();
    change(&mut settings);
    world.authorizer_with(settings)
}
