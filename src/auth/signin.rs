//! The sign-in by a person: listener, registration, request, browser, answer, tokens.
//!
//! The listener is open before anything is registered or shown, because its address is in both. A registration is
//! reused as long as its redirect URI can be listened on again; otherwise there is a new one.

use oauth2::CsrfToken;
use url::Url;

use super::Cause;
use super::authorizer::House;
use super::browser;
use super::code::{self, Asking, Pending, Redirected, Verdict};
use super::discovery::{AuthorizationServer, ProtectedResource};
use super::entry::{Entry, Registration, State, subject};
use super::ladder::jitter;
use super::learned::{Learned, Lesson};
use super::loopback::{Loopback, Page, Place, Visit};
use super::progress::Shown;
use super::providers::quirks;
use super::registration::{self, Client, FIXED_PATH, Source};
use super::scope::Scopes;
use super::settings::{Notice, Settings};
use super::tokens::{Endpoint, TokenSet};
use crate::secret::Secret;
use crate::store::{Expected, Kind};

/// Who we are, and where we listen under that name.
struct Identity {
    client: Client,
    listener: Loopback,
}

/// What is known from before, and goes on into the entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    learned: Learned,
    wanted: Option<Scopes>,
}

impl Past {
    /// From the entry of before, if it is this issuer's, and what the server names now.
    pub(super) fn new(before: Option<&Entry>, named: Option<&Scopes>) -> Self {
        let before_wanted = before.and_then(|entry| entry.scope_wanted.as_ref());
        Self {
            learned: before
                .map(|entry| entry.learned.clone())
                .unwrap_or_default(),
            wanted: match (before_wanted, named) {
                (Some(before), Some(named)) => Some(before.and(named)),
                (one, other) => one.or(other).cloned(),
            },
        }
    }
}

impl Past {
    /// What the server has taught us.
    pub(super) fn learned(&self) -> &Learned {
        &self.learned
    }
}

impl House {
    /// Has a person sign in, and keeps what comes of it. What a refusal teaches is put right and asked again, each
    /// once: a registration the server has forgotten is made anew, a scope it does not know is left out, and so is the
    /// `resource` it does not want (pains 7, 21, 23).
    pub(super) async fn ask_a_person(
        &self,
        attempt: &str,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        scope: Option<Scopes>,
        mut past: Past,
    ) -> Result<Entry, Cause> {
        let mut scope = scope;
        let mut is_registered_anew = false;
        loop {
            let sent = self.resource_parameter(resource, server, &past.learned);
            let identity = self
                .identity(server, sent.as_deref(), scope.as_ref(), &past.learned)
                .await?;
            let client = identity.client.clone();
            let ended = self
                .one_request(
                    attempt,
                    server,
                    identity,
                    sent.as_deref(),
                    scope.as_ref(),
                    &past,
                )
                .await;
            let Err(why) = &ended else {
                return ended;
            };
            let Some((code, description)) = why.refusal() else {
                return ended;
            };
            if matches!(code, "invalid_client" | "unauthorized_client") {
                if let Cause::Tokens(error) = why
                    && let Some(error) = registration::not_taken(&client, error)
                {
                    return Err(error.into());
                }
                if client.source != Source::Registered || is_registered_anew {
                    return ended;
                }
                is_registered_anew = true;
                self.forget_registration(server.issuer(), &client).await;
            } else if code == "invalid_scope" && scope.is_some() && self.settings.scope.is_none() {
                scope = None;
            } else if Lesson::of(code, description) == Some(Lesson::NoResource)
                && sent.is_some()
                && self.settings.resource_parameter.is_none()
                && self.settings.send_resource.is_none()
            {
                past.learned.refuses_resource = true;
            } else {
                return ended;
            }
            tracing::info!(%why, "asking once more, otherwise");
        }
    }

    async fn one_request(
        &self,
        attempt: &str,
        server: &AuthorizationServer,
        identity: Identity,
        sent: Option<&str>,
        scope: Option<&Scopes>,
        past: &Past,
    ) -> Result<Entry, Cause> {
        let Identity {
            client,
            mut listener,
        } = identity;
        let asking = Asking {
            server,
            client: &client,
            redirect_uri: listener.uri(),
            resource: sent,
            scope,
        };
        let state = Secret::new(CsrfToken::new_random_len(32).into_secret());
        let pending = code::begin(&asking, &self.settings, state)?;
        self.http.check(pending.url())?;
        tracing::info!(host = server.host(), "waiting for a sign-in");
        let opened = browser::show(&self.settings.browser, pending.url()).await;
        let shown = Shown {
            url: pending.url().to_string(),
            host: server.host(),
            user_code: None,
            opened,
        };
        self.show(attempt, shown).await;
        let answer = self.answer(attempt, &mut listener, &pending, server);
        let (redirected, visit) = answer.await?;
        let endpoint = Endpoint {
            http: &self.http,
            url: server.token_endpoint(),
            client: &client,
            resource: sent,
            extra: &self.settings.token_params,
            use_id_token: self.settings.use_id_token,
        };
        let sent_at = self.settings.now.seconds();
        match redirected.redeem(&endpoint).await {
            Ok(tokens) => {
                let mut entry = self.entry(server, client, scope, tokens, sent_at, past);
                entry.resource_sent = sent.map(str::to_owned);
                self.keep(&entry).await;
                self.confirm_registration(&entry, listener.uri()).await;
                if entry.refresh.is_none() && entry.expires_at.is_some() {
                    let host = server.host();
                    tracing::warn!(
                        host,
                        "no refresh token was given: when this token ends, a person has to sign in again"
                    );
                }
                visit.answer(Page::SignedIn);
                self.signed_in(&server.host());
                Ok(entry)
            }
            Err(error) => {
                visit.answer(Page::Failed);
                Err(error.into())
            }
        }
    }

    pub(super) fn signed_in(&self, host: &str) {
        tracing::info!(host, "signed in");
        self.settings.announce.tell(&Notice::SignedIn { host });
    }

    /// Waits for the answer; everybody else who calls is turned away and forgotten (C5).
    async fn answer(
        &self,
        attempt: &str,
        listener: &mut Loopback,
        pending: &Pending,
        server: &AuthorizationServer,
    ) -> Result<(Redirected, Visit), Cause> {
        let patience = self.settings.auth_timeout;
        let end = tokio::time::sleep(patience);
        let superseded = self.superseded(attempt);
        tokio::pin!(end, superseded);
        loop {
            let visit = tokio::select! {
                visit = listener.visit() => visit,
                () = self.leaving.cancelled() => return Err(Cause::Leaving),
                () = &mut superseded => return Err(Cause::Superseded),
                () = &mut end => {
                    return Err(Cause::TooLate { host: server.host(), seconds: patience.as_secs() });
                }
            };
            match pending.judge(&visit.parameters) {
                Verdict::NotOurs => visit.answer(Page::NotOurs),
                Verdict::Code(redirected) => return Ok((redirected, visit)),
                Verdict::Ended(why) => {
                    visit.answer(Page::Failed);
                    return Err(why);
                }
            }
        }
    }

    async fn identity(
        &self,
        server: &AuthorizationServer,
        resource: Option<&str>,
        scope: Option<&Scopes>,
        learned: &Learned,
    ) -> Result<Identity, Cause> {
        if let Some(mut client) = registration::known(server, &self.settings)? {
            self.belongs_there(&client, server).await?;
            learned.correct(&mut client);
            let place = self.place(server, Some(FIXED_PATH), None);
            let listener = self.listen(&place).await?;
            return Ok(Identity { client, listener });
        }
        let name = Registration::name(server.issuer(), &self.settings);
        if let Some(kept) = self.registration(&name).await? {
            let place = self.place(server, None, Url::parse(&kept.redirect_uri).ok().as_ref());
            if let Ok(listener) = Loopback::open(&place, &self.tasks).await
                && listener.uri() == kept.redirect_uri
            {
                let asking = Asking {
                    server,
                    client: &kept.client,
                    redirect_uri: listener.uri(),
                    resource,
                    scope,
                };
                if !self.is_forgotten(&asking, kept.known_at).await? {
                    let client = kept.client;
                    return Ok(Identity { client, listener });
                }
                tracing::info!(host = server.host(), "the registration is lost there");
            }
        }
        let place = self.place(server, None, None);
        let listener = self.listen(&place).await?;
        let registered =
            registration::register(&self.http, server, &self.settings, listener.uri()).await;
        let is_free = self.settings.callback_host.is_none() && self.settings.redirect_uri.is_none();
        let (registered, listener) = match registered {
            // Some know this machine only by its name, whatever RFC 8252 says (G-07).
            Err(registration::Error::Refused {
                code: Some(code), ..
            }) if code == "invalid_redirect_uri" && is_free && place.host != "localhost" => {
                drop(listener);
                let place = Place {
                    host: "localhost".to_owned(),
                    ..place
                };
                let listener = self.listen(&place).await?;
                let uri = listener.uri();
                let again = registration::register(&self.http, server, &self.settings, uri).await;
                (again?, listener)
            }
            registered => (registered?, listener),
        };
        let kept = Registration {
            client: registered.client.clone(),
            redirect_uri: listener.uri().to_owned(),
            expires_at: registered.expires_at,
            known_at: self.settings.now.seconds(),
        };
        self.keep_registration(&name, &kept).await;
        Ok(Identity {
            client: registered.client,
            listener,
        })
    }

    async fn keep_registration(&self, name: &str, kept: &Registration) {
        let (kind, content) = (Kind::ClientRegistration, kept.write());
        let put = self.vault.put(name, kind, &content, Expected::Anything);
        if let Err(why) = put.await {
            tracing::warn!(%why, "the registration cannot be kept");
        }
    }

    /// Whether the server has lost a registration of ours. One it has just honoured is not asked after.
    async fn is_forgotten(&self, asking: &Asking<'_>, known_at: u64) -> Result<bool, Cause> {
        let now = self.settings.now.seconds();
        if (known_at..known_at.saturating_add(TRUSTED)).contains(&now) {
            return Ok(false);
        }
        // What is looked at is not the page that will be shown: its state and verifier are thrown away.
        let state = Secret::new(CsrfToken::new_random_len(32).into_secret());
        let page = code::begin(asking, &self.settings, state)?;
        self.http.check(page.url())?;
        Ok(registration::is_forgotten(&self.http, page.url(), asking.redirect_uri).await)
    }

    /// Notes that a registration was honoured, and how its secret was taken.
    async fn confirm_registration(&self, entry: &Entry, redirect_uri: &str) {
        let name = Registration::name(&entry.issuer, &self.settings);
        if entry.client.source != Source::Registered {
            return;
        }
        if let Ok(Some(kept)) = self.registration(&name).await
            && kept.client.id == entry.client.id
            && kept.redirect_uri == redirect_uri
        {
            let kept = Registration {
                client: entry.client.clone(),
                known_at: entry.obtained_at,
                ..kept
            };
            self.keep_registration(&name, &kept).await;
        }
    }

    /// A client the user brought was registered with somebody. Where the server once named that one and now another,
    /// the client's secret is none of the other's business (G-02, T8), unless the user says so.
    pub(super) async fn belongs_there(
        &self,
        client: &Client,
        server: &AuthorizationServer,
    ) -> Result<(), Cause> {
        if client.source != Source::Given || self.settings.authorization_server.is_some() {
            return Ok(());
        }
        let ours = subject(&self.settings);
        let mut was = None;
        for (name, kind) in self.vault.list().await? {
            let parts: Vec<String> = serde_json::from_str(&name).unwrap_or_default();
            if kind != Kind::Oauth || !parts.starts_with(&ours) || parts.get(4) != Some(&client.id)
            {
                continue;
            }
            match parts.get(3) {
                Some(issuer) if issuer == server.issuer() => return Ok(()),
                issuer => was = issuer.cloned(),
            }
        }
        was.map_or(Ok(()), |was| {
            Err(registration::Error::Elsewhere {
                client: super::plain(&client.id, 200),
                was: super::plain(&was, 200),
                now: super::plain(server.issuer(), 200),
            }
            .into())
        })
    }

    pub(super) async fn registration(&self, name: &str) -> Result<Option<Registration>, Cause> {
        let found = self.vault.read(name).await?;
        let now = self.settings.now.seconds();
        Ok(found
            .and_then(|found| Registration::read(&found.content))
            .filter(|kept| kept.expires_at.is_none_or(|at| now < at)))
    }

    async fn listen(&self, place: &Place) -> Result<Loopback, Cause> {
        Loopback::open(place, &self.tasks)
            .await
            .map_err(|error| Cause::Listener {
                place: format!("{}:{}", place.host, place.port),
                error,
            })
    }

    /// Where to listen: what the user says, else where the kept registration says, else anywhere, under a path nobody
    /// can guess unless `fixed` has to be it.
    fn place(
        &self,
        server: &AuthorizationServer,
        fixed: Option<&str>,
        kept: Option<&Url>,
    ) -> Place {
        let settings = &self.settings;
        let announced = settings.redirect_uri.as_deref();
        let parsed = announced.and_then(|uri| Url::parse(uri).ok());
        let pattern = parsed.as_ref().or(kept);
        let host = settings
            .callback_host
            .clone()
            .or_else(|| quirks(server.issuer()).callback_host.map(str::to_owned))
            .or_else(|| {
                kept?
                    .host_str()
                    .map(|host| host.trim_matches(['[', ']']).to_owned())
            });
        let path = settings
            .callback_path
            .as_deref()
            .or(pattern.map(Url::path))
            .or(fixed)
            .map_or_else(unguessable_path, str::to_owned);
        let port = settings.callback_port.or(pattern.and_then(Url::port));
        Place {
            host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: port.unwrap_or(0),
            path,
            announced: announced.map(str::to_owned),
        }
    }

    /// The user's word, else the resource's own name byte for byte, else the canonical URI; nothing where the
    /// server is known not to take it.
    pub(super) fn resource_parameter(
        &self,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        learned: &Learned,
    ) -> Option<String> {
        let Settings {
            resource_parameter,
            send_resource,
            ..
        } = &self.settings;
        let takes_it = quirks(server.issuer()).takes_resource && !learned.refuses_resource
            || resource_parameter.is_some();
        send_resource.unwrap_or(takes_it).then(|| {
            resource_parameter
                .clone()
                .or_else(|| resource.name().map(str::to_owned))
                .unwrap_or_else(|| self.settings.canonical_resource())
        })
    }

    pub(super) fn entry(
        &self,
        server: &AuthorizationServer,
        client: Client,
        scope: Option<&Scopes>,
        tokens: TokenSet,
        sent_at: u64,
        past: &Past,
    ) -> Entry {
        let mut entry = Entry {
            resource: self.settings.canonical_resource(),
            account: self.settings.account.clone(),
            issuer: server.issuer().to_owned(),
            token_endpoint: server.token_endpoint().clone(),
            revocation_endpoint: server.revocation_endpoint().cloned(),
            client,
            access: tokens.access.clone(),
            refresh: None,
            obtained_at: sent_at,
            expires_at: None,
            refresh_at: None,
            resource_sent: None,
            scope_requested: scope.cloned(),
            // What is not said was granted as asked (RFC 6749 section 5.1).
            scope_granted: scope.cloned(),
            state: State::Ok,
            strikes: 0,
            last_error: None,
            scope_wanted: past.wanted.clone(),
            learned: past.learned.clone(),
        };
        entry.renew(tokens, sent_at, jitter());
        entry
    }

    pub(super) async fn keep(&self, entry: &Entry) {
        match self.lock().await {
            Ok(_lock) => {
                let name = entry.name(&self.settings);
                self.save(&name, entry, Expected::Anything).await;
                self.supersede(&name, &entry.issuer).await;
            }
            Err(why) => {
                tracing::error!(%why, "the tokens cannot be kept: the next start has to sign in");
            }
        }
    }
}

/// Seconds in which a registration the server has honoured is not asked after.
const TRUSTED: u64 = 600;

fn unguessable_path() -> String {
    format!("/cb/{}", CsrfToken::new_random_len(16).into_secret())
}
