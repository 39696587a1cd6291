//! From a 401 to a credential: discovery, registration, the browser, tokens, renewal.
//!
//! Each test has a world of its own: a protected server's metadata on one origin, an authorization server on another,
//! a vault in memory, a clock that stands still, and a person who signs in at once or is played by the test.

mod accounts; // two users at one server
mod addresses; // spellings of a server's address
mod adopted; // sign-ins of other programs, taken over
#[cfg(unix)]
mod authorization_pages; // pages that are not opened
mod authorization_servers; // authorization servers that differ from the standards
mod callback; // redirects to the loopback listener
mod changed_issuer; // servers that name another authorization server
mod device; // the device grant
mod discovery; // metadata and their checks
mod identity; // clients: configured, by document, registered
#[cfg(unix)]
mod internal_addresses; // addresses in private networks that a malicious server names
mod limits; // limits on repeated sign-ins
mod metadata_places; // places of metadata at public servers
#[cfg(unix)]
mod origin; // credentials stay at their origin
mod outside; // addresses that a name resolves to
mod own_clients; // clients of the user: secrets, refusals, issuers
mod protected_server; // a server that takes only the newest token
mod renewal; // refreshes: when, by which process, refused
mod requests; // parameters of sign-in and refresh
mod rotated_keys; // client keys that a user changes while bridges run
mod same_browser; // a sign-in belongs to the browser that began it
mod staying_signed_in; // expiry, restarts, other processes, lost registrations
mod strikes; // refused refreshes, counted

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use mcpipe::auth::net::guard::Guard;
use mcpipe::auth::net::http::Http;
use mcpipe::auth::oauth::challenge::Challenge;
use mcpipe::auth::{Announce, Authorizer, Browser, Credential, Notice, Settings};
use mcpipe::clock::Clock;
use mcpipe::store::Vault;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::support::authority::Authority;
use crate::support::browser;

/// Where one test happens.
pub(crate) struct World {
    /// Stands for the MCP server: only its metadata.
    pub(crate) mcp: Authority,
    pub(crate) authority: Authority,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<AtomicU64>,
    /// Pages a person was shown, while the test plays the person.
    pub(crate) shown: mpsc::UnboundedReceiver<Url>,
    pub(crate) show: mpsc::UnboundedSender<Url>,
    pub(crate) windows: Arc<AtomicUsize>,
    pub(crate) people: TaskTracker,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (show, shown) = mpsc::unbounded_channel();
        let world = Self {
            mcp: Authority::start().await,
            authority: Authority::start().await,
            vault: Arc::new(Vault::in_memory()),
            clock: Arc::new(AtomicU64::new(1_800_000_000)),
            shown,
            show,
            windows: Arc::default(),
            people: TaskTracker::new(),
        };
        world.mcp.remove("/.well-known/oauth-authorization-server");
        world
            .mcp
            .protect(PRM, &world.resource(), &[&world.authority.origin]);
        world
            .authority
            .configure(|options| options.resource = Some(world.resource()));
        world
    }

    pub(crate) fn resource(&self) -> String {
        format!("{}/mcp", self.mcp.origin)
    }

    pub(crate) fn settings(&self) -> Settings {
        let clock = Arc::clone(&self.clock);
        let now =
            move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst));
        let mut settings = Settings::new(self.resource(), Clock::new(now)).unwrap();
        settings.browser = Browser::None;
        // A test in which no user comes back has failed; it need not take ten minutes to say so.
        settings.auth_timeout = Duration::from_secs(30);
        settings
    }

    /// A user is there, and signs in at once.
    pub(crate) fn attended(&self) -> Settings {
        let mut settings = self.settings();
        let windows = Arc::clone(&self.windows);
        let people = self.people.clone();
        settings.announce = Announce::new(move |notice| {
            if let Notice::Visit { url, .. } = notice {
                windows.fetch_add(1, Ordering::SeqCst);
                let url = Url::parse(url).unwrap();
                people.spawn(async move { browser::follow(&url).await });
            }
        });
        settings
    }

    /// The test is the person, and finds the pages in `shown`.
    pub(crate) fn watched(&self) -> Settings {
        let mut settings = self.settings();
        let show = self.show.clone();
        let windows = Arc::clone(&self.windows);
        settings.announce = Announce::new(move |notice| {
            if let Notice::Visit { url, .. } = notice {
                windows.fetch_add(1, Ordering::SeqCst);
                let _ = show.send(Url::parse(url).unwrap());
            }
        });
        settings
    }

    pub(crate) fn authorizer_with(&self, settings: Settings) -> Authorizer {
        self.authorizer_over(settings, Arc::clone(&self.vault))
    }

    pub(crate) fn authorizer_over(&self, settings: Settings, vault: Arc<Vault>) -> Authorizer {
        let http = self.http(&settings);
        Authorizer::new(settings, vault, http)
    }

    pub(crate) fn http(&self, settings: &Settings) -> Http {
        let guard = Guard::new(&settings.url, settings.allow_http, settings.allow_private);
        Http::new(tls(), guard)
    }

    pub(crate) fn authorizer(&self) -> Authorizer {
        self.authorizer_with(self.attended())
    }

    pub(crate) fn windows(&self) -> usize {
        self.windows.load(Ordering::SeqCst)
    }

    pub(crate) fn later(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Signs in, and gives the token.
    pub(crate) async fn signed_in(&self, authorizer: &Authorizer) -> Credential {
        authorizer.renew(None, &unauthorized()).await.unwrap()
    }

    pub(crate) fn shows(&self, credential: &Credential) -> String {
        let mut headers = HeaderMap::new();
        let url = Url::parse(&self.resource()).unwrap();
        credential.apply(&mut headers, "POST", &url, SystemTime::UNIX_EPOCH);
        let value = headers[AUTHORIZATION].to_str().unwrap();
        value.strip_prefix("Bearer ").unwrap().to_owned()
    }
}

/// All that is kept, revisions included, with its secrets.
pub(crate) async fn kept_text(world: &World) -> Vec<(String, u64, String)> {
    let mut kept = Vec::new();
    for (name, _) in world.vault.list().await.unwrap() {
        let entry = world.vault.read(&name).await.unwrap().unwrap();
        kept.push((name, entry.rev, entry.content.expose().to_owned()));
    }
    kept
}

pub(crate) const PRM: &str = "/.well-known/oauth-protected-resource/mcp";
pub(crate) const ROOT_PRM: &str = "/.well-known/oauth-protected-resource";

pub(crate) fn unauthorized() -> Challenge {
    Challenge {
        status: 401,
        ..Challenge::default()
    }
}

pub(crate) fn asking_for(scope: &str) -> Challenge {
    Challenge {
        scope: Some(scope.to_owned()),
        ..unauthorized()
    }
}

pub(crate) fn insufficient(scope: &str) -> Challenge {
    Challenge {
        status: 403,
        error: Some("insufficient_scope".to_owned()),
        ..asking_for(scope)
    }
}

pub(crate) fn tls() -> rustls::ClientConfig {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

#[tokio::test]
async fn a_challenge_leads_to_a_sign_in_and_the_next_start_is_silent() {
    let world = World::new().await;
    let authority = &world.authority;
    authority.configure(|options| {
        options.iss = Some(authority.origin.clone());
        options.metadata =
            serde_json::json!({"authorization_response_iss_parameter_supported": true});
    });
    let authorizer = world.authorizer();
    assert!(authorizer.current().await.unwrap().is_none());
    assert!(
        authority.seen().is_empty() && world.mcp.seen().is_empty(),
        "a sign-in starts from a 401"
    );

    let credential = world.signed_in(&authorizer).await;

    let issued = authority.access_tokens();
    assert_eq!(issued, [world.shows(&credential)]);
    let registration: serde_json::Value =
        serde_json::from_str(&authority.at("/register")[0].body).unwrap();
    assert_eq!(
        registration["grant_types"],
        serde_json::json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(registration["token_endpoint_auth_method"], "none");
    let asked = &authority.at("/authorize")[0];
    assert_eq!(asked.field("resource"), Some(world.resource().as_str()));
    assert_eq!(asked.field("scope"), None, "scopes are never invented");
    let redirect = asked.field("redirect_uri").unwrap();
    assert!(redirect.starts_with("http://127.0.0.1:"), "{redirect}");
    assert_eq!(registration["redirect_uris"], serde_json::json!([redirect]));

    let before = authority.seen().len();
    let next = world.authorizer();
    let kept = next.current().await.unwrap().unwrap();
    assert_eq!(world.shows(&kept), issued[0]);
    assert_eq!(authority.seen().len(), before);
    assert_eq!(world.windows(), 1);
}

#[tokio::test]
async fn five_requests_that_meet_a_401_make_one_sign_in_and_the_one_that_began_it_may_leave() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let challenge = unauthorized();
    let waits = authorizer.waits_for_a_person();
    {
        let mut first = Box::pin(authorizer.renew(None, &challenge));
        // The host gives up as soon as the page is shown.
        let url = tokio::select! {
            url = world.shown.recv() => url.unwrap(),
            _ = &mut first => panic!("nobody signed in yet"),
        };
        drop(first);
        world.show.send(url).unwrap();
    }
    assert!(*waits.borrow());
    let others = futures_util::future::join_all((0..4).map(|_| authorizer.renew(None, &challenge)));
    let person = async {
        let url = world.shown.recv().await.unwrap();
        browser::follow(&url).await
    };
    let (others, page) = tokio::join!(others, person);

    assert!(page.body.contains("You are signed in"), "{}", page.body);
    for credential in others {
        assert_eq!(
            world.shows(&credential.unwrap()),
            world.authority.access_tokens()[0]
        );
    }
    assert_eq!(world.authority.at("/register").len(), 1);
    assert_eq!(world.authority.at("/token").len(), 1);
    assert_eq!(world.windows(), 1);
    assert!(!*waits.borrow());
}

/// Reported in punkpeye/mcp-remote#68.
#[tokio::test]
async fn a_person_who_does_not_come_is_not_asked_again_by_itself() {
    let world = World::new().await;
    let mut settings = world.watched();
    settings.auth_timeout = Duration::from_millis(20);
    let authorizer = world.authorizer_with(settings);
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("nobody finished"), "{error}");
    assert_eq!(error.to_bridge_error().kind, "sign_in_needed");

    let again = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(
        again
            .to_bridge_error()
            .hint
            .unwrap()
            .contains("mcpipe login http")
    );
    assert_eq!(world.windows(), 1);

    world.later(601);
    authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert_eq!(world.windows(), 2);
}

#[tokio::test]
async fn a_user_who_says_login_is_asked_whatever_was_before() {
    let world = World::new().await;
    let mut settings = world.watched();
    settings.auth_timeout = Duration::from_millis(20);
    let tired = world.authorizer_with(settings);
    tired.renew(None, &unauthorized()).await.unwrap_err();

    let authorizer = world.authorizer();
    let first = authorizer.login(&unauthorized()).await.unwrap();
    let second = authorizer.login(&unauthorized()).await.unwrap();
    assert!(second.generation() > first.generation());
    assert_eq!(world.authority.grants("authorization_code").len(), 2);
    let held = authorizer.current().await.unwrap().unwrap();
    assert_eq!(world.shows(&held), world.shows(&second));
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_is() {
    let world = World::new().await;
    let mut settings = world.attended();
    settings.attended = false;
    let authorizer = world.authorizer_with(settings);
    let error = authorizer
        .renew(None, &unauthorized())
        .await
        .unwrap_err()
        .to_bridge_error();
    assert_eq!(error.kind, "sign_in_needed");
    assert!(!error.retryable);
    assert_eq!(world.windows(), 0);
    assert!(world.authority.at("/register").is_empty());
}

#[tokio::test]
async fn leaving_ends_a_sign_in_at_once() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let challenge = unauthorized();
    let leaving = async {
        world.shown.recv().await.unwrap();
        authorizer.settle(Duration::from_secs(60)).await;
    };
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), leaving);
    assert_eq!(answer.unwrap_err().to_bridge_error().kind, "leaving");
    let late = authorizer.renew(None, &challenge).await.unwrap_err();
    assert_eq!(late.to_bridge_error().kind, "leaving");
}

#[tokio::test]
async fn a_header_of_the_users_own_switches_all_this_off() {
    let authorizer = Authorizer::off();
    assert!(authorizer.current().await.unwrap().is_none());
    let error = authorizer
        .renew(None, &unauthorized())
        .await
        .unwrap_err()
        .to_bridge_error();
    assert_eq!((error.kind, error.status), ("sign_in_needed", Some(401)));
    assert!(error.hint.unwrap().contains("--header"));
}

#[tokio::test]
async fn signing_out_revokes_and_forgets() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    let status = mcpipe::auth::flow::accounts::status(&world.vault)
        .await
        .unwrap();
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].resource, world.resource());
    assert_eq!(status[0].expires_at, Some(1_800_003_600));
    assert!(!format!("{status:?}").contains("canary"));

    let settings = world.settings();
    let http = Http::new(tls(), Guard::new(&settings.url, false, false));
    let out = mcpipe::auth::flow::accounts::logout(&settings, &world.vault, &http)
        .await
        .unwrap();

    assert_eq!(out.len(), 1);
    let revoked = world.authority.at("/revoke");
    let hints: Vec<_> = revoked
        .iter()
        .map(|seen| seen.field("token_type_hint"))
        .collect();
    assert_eq!(hints, [Some("refresh_token"), Some("access_token")]);
    assert_eq!(
        revoked[0].field("token"),
        Some(world.authority.refresh_tokens()[0].as_str())
    );
    assert!(
        mcpipe::auth::flow::accounts::status(&world.vault)
            .await
            .unwrap()
            .is_empty()
    );
    let next = world.authorizer();
    assert!(next.current().await.unwrap().is_none());
}
