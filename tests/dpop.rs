//! Tokens that are bound to a key (RFC 9449): with it they work like any others, without it they are worth nothing.
//!
//! Each test is a server that takes bound tokens with a proof and others without, its authority, a person who signs in at
//! once, a vault in memory and a clock that stands still.

mod changes; // servers that change their policy
mod nonces; // nonces of both servers
pub(crate) mod traces; // keys and proofs in no file or log

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use mcpipe::auth::flow::accounts::status;
use mcpipe::auth::net::guard::Guard;
use mcpipe::auth::net::http::Http;
use mcpipe::auth::oauth::dpop::{self, HintCache, Prover};
use mcpipe::auth::oauth::jws::Key;
use mcpipe::auth::store::record::TokenRecord;
use mcpipe::auth::{Announce, Authorizer, Browser, Credential, Dpop, Notice, Settings};
use mcpipe::clock::Clock;
use mcpipe::remote::https::{self, Https};
use mcpipe::secret::Secret;
use mcpipe::store::{EntryKind, Vault};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::login::{tls, unauthorized};
use crate::support::authority::Authority;
use crate::support::authority::dpop::Verifier;
use crate::support::browser;
use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, call, settings};
use crate::support::remote::{Ask, Reply, Server, ordinary};

const START: u64 = 1_800_000_000;
const PLACE: &str = "/.well-known/oauth-protected-resource/mcp";

struct Guarded {
    authority: Authority,
    server: Server,
    /// Who looks at the proofs that come to the server.
    door: Arc<Mutex<Verifier>>,
    vault: Arc<Vault>,
    clock: Arc<AtomicU64>,
    windows: Arc<AtomicUsize>,
    people: TaskTracker,
}

impl Guarded {
    async fn new() -> Self {
        let authority = Authority::start().await;
        authority.configure(|options| options.offers_dpop = true);
        let door = Arc::<Mutex<Verifier>>::default();
        let (tokens, looks) = (authority.clone(), Arc::clone(&door));
        let server =
            Server::that(move |ask| answer(ask, &tokens, &mut looks.lock().unwrap())).await;
        authority.protect(PLACE, &server.url(), &[&authority.origin]);
        Self {
            authority,
            server,
            door,
            vault: Arc::new(Vault::in_memory()),
            clock: Arc::new(AtomicU64::new(START)),
            windows: Arc::default(),
            people: TaskTracker::new(),
        }
    }

    fn door(&self) -> MutexGuard<'_, Verifier> {
        self.door.lock().unwrap()
    }

    fn settings(&self, dpop: Dpop) -> Settings {
        let clock = Arc::clone(&self.clock);
        let now =
            move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst));
        let mut settings = Settings::new(self.server.url(), Clock::new(now)).unwrap();
        settings.dpop = dpop;
        settings.browser = Browser::None;
        settings.auth_timeout = Duration::from_secs(30);
        let (windows, people) = (Arc::clone(&self.windows), self.people.clone());
        settings.announce = Announce::new(move |notice| {
            if let Notice::Visit { url, .. } = notice {
                windows.fetch_add(1, Ordering::SeqCst);
                let url = Url::parse(url).unwrap();
                people.spawn(async move { browser::follow(&url).await });
            }
        });
        settings
    }

    fn authorizer(&self, dpop: Dpop) -> Authorizer {
        self.authorizer_with(self.settings(dpop))
    }

    fn authorizer_with(&self, settings: Settings) -> Authorizer {
        let guard = Guard::new(&settings.url, false, false);
        Authorizer::new(settings, Arc::clone(&self.vault), Http::new(tls(), guard))
    }

    /// A bridge to the server, a session open in it.
    async fn bridge(&self, dpop: Dpop) -> InProcess {
        let https = https::Settings {
            url: Url::parse(&self.server.url()).unwrap(),
            headers: HeaderMap::new(),
            deferred: None,
            command: None,
            max_message: 1 << 20,
            connect_timeout: Duration::from_secs(5),
            headers_timeout: None,
            body_timeout: None,
            keeps_cookies: false,
            proxies: Default::default(),
            ipv4_only: false,
            user_agent: "test".into(),
            now: || SystemTime::UNIX_EPOCH + Duration::from_secs(START),
        };
        let remote = Https::new(https, tls()).unwrap();
        let mut host = InProcess::signed_in_by(self.authorizer(dpop), remote, settings());
        host.send(INITIALIZE).await;
        // It may be received before it is signed in.
        let opened = host.next_json().await;
        assert!(opened["result"].is_object(), "{opened}");
        host.send(INITIALIZED).await;
        host
    }

    fn later(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    fn windows(&self) -> usize {
        self.windows.load(Ordering::SeqCst)
    }

    /// The challenge that this server makes.
    fn challenge(&self) -> mcpipe::auth::oauth::challenge::Challenge {
        mcpipe::auth::oauth::challenge::Challenge {
            resource_metadata: Some(format!("{}{PLACE}", self.authority.origin)),
            takes_dpop: true,
            ..unauthorized()
        }
    }

    async fn signed_in(&self, dpop: Dpop) -> Credential {
        let authorizer = self.authorizer(dpop);
        authorizer.renew(None, &self.challenge()).await.unwrap()
    }

    /// The one entry that is kept.
    async fn entry(&self) -> TokenRecord {
        let mut found = Vec::new();
        for (name, kind) in self.vault.list().await.unwrap() {
            if kind == EntryKind::Oauth {
                let kept = self.vault.read(&name).await.unwrap().unwrap();
                found.push(TokenRecord::read(&kept.content).unwrap());
            }
        }
        assert_eq!(found.len(), 1);
        found.pop().unwrap()
    }

    /// What the server says to these headers on a POST.
    fn shown(&self, headers: HeaderMap) -> u16 {
        let ask = Ask {
            verb: "POST".into(),
            path: "/mcp".into(),
            headers,
            body: call(7),
        };
        answer_at(&self.server.url(), &ask, &self.authority, &mut self.door()).status
    }

    /// What it says to this credential, the wire left out.
    fn takes(&self, credential: &Credential) -> u16 {
        let mut headers = HeaderMap::new();
        let url = Url::parse(&self.server.url()).unwrap();
        credential.apply(&mut headers, "POST", &url, SystemTime::UNIX_EPOCH);
        self.shown(headers)
    }
}

fn answer(ask: &Ask, authority: &Authority, door: &mut Verifier) -> Reply {
    let url = format!("http://{}{}", ask.header("host").unwrap(), ask.path);
    answer_at(&url, ask, authority, door)
}

/// A resource as it should be: a bound token with a proof of its key, another as a bearer token, and nothing else.
fn answer_at(url: &str, ask: &Ask, authority: &Authority, door: &mut Verifier) -> Reply {
    let shown = ask
        .header("authorization")
        .and_then(|it| it.split_once(' '));
    let error = match shown {
        None => None,
        Some((_, token)) if !authority.access_tokens().iter().any(|it| it == token) => {
            Some("invalid_token")
        }
        Some((scheme, token)) => match (scheme, authority.key_of(token)) {
            ("Bearer", None) => return ordinary(ask),
            ("DPoP", Some(key)) => match door.judge(&ask.verb, url, &ask.headers, Some(token)) {
                Ok(Some(proof)) if proof.key == key => {
                    return with_headers(ordinary(ask), door);
                }
                Ok(_) => Some("invalid_token"),
                Err(code) => Some(code),
            },
            _ => Some("invalid_token"),
        },
    };
    let error = error
        .map(|code| format!(r#"error="{code}", "#))
        .unwrap_or_default();
    let place = format!("{}{PLACE}", authority.origin);
    let words = format!(r#"DPoP {error}algs="ES256", resource_metadata="{place}""#);
    with_headers(Reply::status(401).with("WWW-Authenticate", &words), door)
}

fn with_headers(reply: Reply, door: &Verifier) -> Reply {
    let headers = door.headers();
    headers
        .iter()
        .fold(reply, |reply, (name, value)| reply.with(name, value))
}

#[tokio::test]
async fn a_bound_sign_in_proves_itself_with_every_request_and_the_next_start_with_the_same_key() {
    let guarded = Guarded::new().await;
    let mut host = guarded.bridge(Dpop::Auto).await;
    host.send(call(1)).await;
    assert!(host.next_json().await["result"].is_object());
    guarded.server.asked("GET", 1).await;
    host.close();
    host.ended().await;
    guarded.server.asked("DELETE", 1).await;

    let proofs = guarded.door().proofs.clone();
    let methods: HashSet<_> = proofs
        .iter()
        .map(|proof| proof.claims["htm"].to_string())
        .collect();
    assert_eq!(methods.len(), 3, "POST, GET, DELETE: {methods:?}");
    assert_eq!(
        proofs.len() + 1,
        guarded.server.labels().len(),
        "all but the first"
    );
    assert!(guarded.door().refusals.is_empty());
    let asked = &guarded.authority.at("/authorize")[0];
    let at_the_authority = guarded.authority.verifier(|verifier| verifier.keys());
    assert_eq!(
        at_the_authority,
        HashSet::from([asked.field("dpop_jkt").unwrap().to_owned()])
    );
    assert_eq!(guarded.door().keys(), at_the_authority);

    let kept = &status(&guarded.vault).await.unwrap()[0];
    assert!(kept.is_bound);
    assert!(!format!("{kept:?}").contains("PRIVATE"));
    let entry = guarded.entry().await;
    assert!(
        !format!("{entry:?}").contains("PRIVATE"),
        "a key does not print"
    );
    assert!(entry.write().expose().contains(r#""token_type":"DPoP""#));

    let next = guarded.authorizer(Dpop::Require);
    let credential = next.current().await.unwrap().unwrap();
    assert_eq!(guarded.takes(&credential), 200);
    assert_eq!(guarded.door().keys(), at_the_authority);
    assert_eq!(guarded.windows(), 1);
}

#[tokio::test]
async fn a_stolen_token_without_its_key_is_worth_nothing() {
    let guarded = Guarded::new().await;
    let ours = guarded.signed_in(Dpop::Auto).await;
    let entry = guarded.entry().await;
    let url = Url::parse(&guarded.server.url()).unwrap();
    let token = entry.access.clone();
    let with = |scheme: &str, proof: Option<&Secret>| {
        let mut headers = HeaderMap::new();
        let shown = format!("{scheme} {}", token.expose());
        headers.insert("authorization", shown.parse().unwrap());
        if let Some(proof) = proof {
            headers.insert("dpop", proof.expose().parse().unwrap());
        }
        headers
    };
    let thief = Prover::new(Key::generate().unwrap(), &HintCache::default());
    let proof = |of: &Prover, method: &str, for_what: &Secret| {
        let at = SystemTime::UNIX_EPOCH;
        of.proof(dpop::ServerRole::Resource, method, &url, Some(for_what), at)
            .unwrap()
    };
    assert_eq!(guarded.shown(with("Bearer", None)), 401);
    assert_eq!(guarded.shown(with("DPoP", None)), 401);
    let forged = proof(&thief, "POST", &token);
    assert_eq!(guarded.shown(with("DPoP", Some(&forged))), 401);
    // Our own proof, for another request, another token, or a second time.
    let owner = Prover::new(entry.dpop_key.clone().unwrap(), &HintCache::default());
    let elsewhere = proof(&owner, "GET", &token);
    assert_eq!(guarded.shown(with("DPoP", Some(&elsewhere))), 401);
    let other = proof(&owner, "POST", &Secret::new("another"));
    assert_eq!(guarded.shown(with("DPoP", Some(&other))), 401);
    let good = proof(&owner, "POST", &token);
    assert_eq!(guarded.shown(with("DPoP", Some(&good))), 200);
    assert_eq!(
        guarded.shown(with("DPoP", Some(&good))),
        401,
        "overheard and sent again"
    );
    assert_eq!(
        guarded.takes(&ours),
        200,
        "and the owner is none the worse for it"
    );

    // The refresh token neither, with another key or none.
    let refresh = entry.refresh.clone().unwrap();
    let at = entry.token_endpoint.clone();
    let http = Http::new(tls(), Guard::new(&url, false, false));
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", refresh.expose())
        .append_pair("client_id", &entry.client.id)
        .finish();
    for is_proven in [false, true] {
        let mut headers = HeaderMap::new();
        let kind = "application/x-www-form-urlencoded";
        headers.insert("content-type", kind.parse().unwrap());
        if is_proven {
            let proof = thief.proof(
                dpop::ServerRole::Authorization,
                "POST",
                &at,
                None,
                SystemTime::UNIX_EPOCH,
            );
            headers.insert("dpop", proof.unwrap().expose().parse().unwrap());
        }
        let answer = http
            .post(&at, headers, form.clone().into_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{is_proven}");
    }
    guarded.later(4000);
    let renewed = guarded
        .authorizer(Dpop::Auto)
        .current()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(guarded.takes(&renewed), 200);
}

#[tokio::test]
async fn a_nonce_costs_one_more_request_and_no_renewal() {
    let guarded = Guarded::new().await;
    {
        let mut door = guarded.door();
        (door.wants_nonce, door.rotates) = (true, true);
    }
    guarded.authority.verifier(|verifier| {
        (verifier.wants_nonce, verifier.rotates) = (true, true);
    });
    let mut host = guarded.bridge(Dpop::Auto).await;
    for id in 1..=5 {
        host.send(call(id)).await;
        assert!(host.next_json().await["result"].is_object());
    }

    // The code was not spent by the request that was refused for its proof, nor was the user asked again.
    let redeemed = guarded.authority.grants("authorization_code");
    assert_eq!(redeemed.len(), 2);
    assert_eq!(redeemed[0].field("code"), redeemed[1].field("code"));
    assert_ne!(redeemed[0].headers["dpop"], redeemed[1].headers["dpop"]);
    guarded.authority.verifier(|verifier| {
        assert_eq!(verifier.refusals, ["use_dpop_nonce"]);
    });
    assert!(guarded.authority.grants("refresh_token").is_empty());
    assert_eq!(guarded.windows(), 1);
    // One at a time they cost nothing more: each answer brings the next nonce. (The standing GET goes beside the others.)
    let calls = guarded.server.count("POST tools/call");
    assert!((5..=6).contains(&calls), "{:?}", guarded.server.labels());
    let refusals = guarded.door().refusals.clone();
    assert!((1..=3).contains(&refusals.len()), "{refusals:?}");
    assert!(refusals.iter().all(|code| *code == "use_dpop_nonce"));

    // The same with the next token.
    guarded.later(4000);
    let authorizer = guarded.authorizer(Dpop::Auto);
    authorizer.current().await.unwrap().unwrap();
    let refreshed = guarded.authority.grants("refresh_token");
    assert_eq!(refreshed.len(), 2);
    assert_eq!(
        refreshed[0].field("refresh_token"),
        refreshed[1].field("refresh_token")
    );
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected_from_the_date_header() {
    for theirs in [START - 7200, START + 86_400] {
        let guarded = Guarded::new().await;
        guarded.door().clock = Some(theirs);
        guarded
            .authority
            .verifier(|verifier| verifier.clock = Some(theirs));
        let mut host = guarded.bridge(Dpop::Auto).await;
        for id in 1..=3 {
            host.send(call(id)).await;
            assert!(host.next_json().await["result"].is_object());
        }
        // The door's first answer was the challenge, before there was any proof; the authority's was the refusal.
        guarded.authority.verifier(|verifier| {
            assert_eq!(verifier.refusals, ["invalid_dpop_proof"]);
        });
        assert_eq!(guarded.authority.grants("authorization_code").len(), 2);
        assert_eq!(guarded.door().refusals, ["invalid_dpop_proof"]);
        assert!(guarded.authority.grants("refresh_token").is_empty());
        assert_eq!(guarded.windows(), 1);
    }
}

#[tokio::test]
async fn two_bridges_share_one_key() {
    let guarded = Guarded::new().await;
    let (one, two) = (
        guarded.authorizer(Dpop::Auto),
        guarded.authorizer(Dpop::Auto),
    );
    let challenge = guarded.challenge();
    let (first, second) = tokio::join!(one.renew(None, &challenge), two.renew(None, &challenge));
    for credential in [first.unwrap(), second.unwrap()] {
        assert_eq!(guarded.takes(&credential), 200);
    }
    assert_eq!((guarded.windows(), guarded.door().keys().len()), (1, 1));

    guarded.later(4000);
    let (first, second) = tokio::join!(one.current(), two.current());
    for credential in [first.unwrap().unwrap(), second.unwrap().unwrap()] {
        assert_eq!(guarded.takes(&credential), 200);
    }
    assert_eq!(guarded.authority.grants("refresh_token").len(), 1);
    let keys = guarded.authority.verifier(|verifier| verifier.keys());
    assert_eq!(keys, guarded.door().keys());
    assert_eq!(
        keys.len(),
        1,
        "its renewals are proven by the key it was begun with"
    );

    // A new sign-in of the same account is a new key.
    one.login(&challenge).await.unwrap();
    let keys = guarded.authority.verifier(|verifier| verifier.keys());
    assert_eq!(keys.len(), 2);
}

#[tokio::test]
async fn a_sign_in_by_device_code_is_bound_too() {
    let guarded = Guarded::new().await;
    let at = format!("{}/device", guarded.authority.origin);
    guarded.authority.configure(|options| {
        options.metadata = serde_json::json!({ "device_authorization_endpoint": at });
        options.device_answers = ["authorization_pending", "authorization_pending"].into();
    });
    guarded.authority.verifier(|verifier| {
        (verifier.wants_nonce, verifier.rotates) = (true, true);
    });
    let mut settings = guarded.settings(Dpop::Auto);
    settings.device_code = true;
    settings.announce = Announce::nowhere();
    let authorizer = guarded.authorizer_with(settings);
    let credential = authorizer.renew(None, &guarded.challenge()).await.unwrap();

    assert_eq!(guarded.takes(&credential), 200);
    guarded.authority.verifier(|verifier| {
        assert_eq!(verifier.proofs.len(), 3, "one for each time it was asked");
        assert_eq!(verifier.refusals, ["use_dpop_nonce"]);
        assert_eq!(verifier.keys().len(), 1);
    });
}
