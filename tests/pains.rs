//! What users of other bridges suffered, one test or more per number. The numbers in the names of the tests are these,
//! each with a public report of it (mr: punkpeye/mcp-remote):
//!
//! - 1, a sign-in every hour although a refresh token came: mr#166. 2, the end of a token forgotten at a restart:
//!   mr#273.
//! - 3, one rotating refresh token spent by two processes: can1357/oh-my-pi#5072. 4, access tokens that end when a
//!   sibling refreshes: damianvtran/local-operator#340. 5, a refresh that brings no new refresh token loses the old
//!   one: modelcontextprotocol/rust-sdk#949. 6, a token endpoint that is down is taken for a logout: rust-sdk#963.
//! - 7, a registration the server has forgotten: mr#36, supabase/mcp#355. 8, a server that rejects every token, and is
//!   asked for more without end: mr#91. 9, a storm of windows: mr#68. 10, two accounts at one address:
//!   microsoft/vscode#293533.
//! - 11, hosts that give up before the user has signed in: mr#320. 12, cold starts that disturb one another: mr#306.
//!   13, the callback's port is taken: mr#253. 14, a window whose answer nothing waits for: mr#239. 15, a redirect
//!   address that is spelled in two ways: mr#81. 16 and 17, containers and machines without a screen:
//!   openai/codex#8835.
//! - 18, servers at which no client can register: github/github-mcp-server#2532. 19, registrations that are refused:
//!   mr#186. 20, the secret shown in the wrong place: mr#184. 21 and 22, scopes that are unknown, or asked for again
//!   and again: mr#240, openai/codex#15643. 23, `resource`, which some need and some refuse: mr#217.
//! - 24, metadata in other places: mr#192. 25, parameters that are no standard's: danny-avila/LibreChat#13401. 26,
//!   Google's refresh tokens: can1357/oh-my-pi#12438. 27, a sign-in although the user gave a header: mr#110.
//!
//! Some can only be shown with several real processes, with a host that gives up, or without a screen; those are
//! elsewhere, and named here:
//!
//! - 3, two processes spend one rotating refresh token: `coordination`, with real processes; in one process
//!   `login::renewal::of_many_processes_one_spends_the_refresh_token`.
//! - 9, a storm of windows: `coordination`; `login::a_person_who_does_not_come_is_not_asked_again_by_itself`.
//! - 11, hosts that give up before the person is done: `early_initialize`, and `coordination` for hosts that kill.
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

use mcpipe::auth::net::guard::Guard;
use mcpipe::auth::net::http::Http;
use mcpipe::auth::{Announce, Authorizer, Browser, Clock, Notice, Settings};
use mcpipe::store::{Place, Unlock, Vault};
use tokio_util::task::TaskTracker;

use crate::login::{World, tls, unauthorized};
use crate::support::authority::{Authority, Seen};
use crate::support::browser;
use crate::support::host::{Exit, Process};
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

    async fn run(&self, arguments: &[&str]) -> Exit {
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
