//! The sign-in by a person: listener, registration, request, browser, answer, tokens.
//!
//! The listener is open before anything is registered or shown, because its address is in both (see
//! [`super::identity`]).

use oauth2::CsrfToken;

use super::Cause;
use super::browser;
use super::code::{self, Asking, Pending, Redirected, Verdict};
use super::discovery::{AuthorizationServer, ProtectedResource};
use super::entry::{Entry, State};
use super::house::House;
use super::identity::Identity;
use super::ladder::jitter;
use super::learned::{Learned, Lesson};
use super::loopback::{Loopback, Page, Visit};
use super::progress::Shown;
use super::providers::quirks;
use super::registration::{self, Client, Source};
use super::scope::Scopes;
use super::settings::{Notice, Pasted, Settings};
use super::tokens::{self, Endpoint, TokenSet};
use crate::secret::Secret;
use crate::store::Expected;

/// What is known from before, and goes on into the entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    learned: Learned,
    wanted: Option<Scopes>,
    /// Whether the tokens to come are bound to a key.
    binds: bool,
}

impl Past {
    /// From the entry of before, if it is this issuer's, and what the server names now.
    pub(super) fn new(before: Option<&Entry>, named: Option<&Scopes>, binds: bool) -> Self {
        let before_wanted = before.and_then(|entry| entry.scope_wanted.as_ref());
        Self {
            binds,
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
    /// It does not want the `resource` parameter.
    pub(super) fn refuses_resource(&mut self) {
        self.learned.refuses_resource = true;
    }

    /// What the server has taught us.
    pub(super) fn learned(&self) -> &Learned {
        &self.learned
    }

    /// Whether the tokens to come are bound to a key.
    pub(super) fn binds(&self) -> bool {
        self.binds
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
            let request = self.one_request(
                attempt,
                server,
                identity,
                sent.as_deref(),
                scope.as_ref(),
                &past,
            );
            let ended = Box::pin(request).await;
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
                && !past.learned.refuses_resource
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
        let prover = self.new_prover(past.binds)?;
        let key = prover.as_ref().map(|prover| prover.key().thumbprint());
        let asking = Asking {
            server,
            client: &client,
            redirect_uri: listener.uri(),
            resource: sent,
            scope,
            key: key.as_deref(),
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
        let redirected = self.answer(attempt, &mut listener, &pending, server);
        let (redirected, visit) = redirected.await?;
        let endpoint = Endpoint {
            http: &self.http,
            url: server.token_endpoint(),
            client: &client,
            resource: sent,
            extra: &self.settings.token_params,
            use_id_token: self.settings.use_id_token,
            proof: self.proving(prover.as_ref()),
        };
        let sent_at = self.settings.now.seconds();
        let (was_sent, mut sent) = (sent.is_some(), sent);
        let mut redeemed = redirected.redeem(&endpoint).await;
        if let Err(error) = &redeemed
            && was_sent
            && self.is_of_resource(error)
        {
            tracing::info!(%error, "spending the code without the resource parameter");
            let without = Endpoint {
                resource: None,
                ..endpoint
            };
            if let Ok(tokens) = redirected.redeem(&without).await {
                (redeemed, sent) = (Ok(tokens), None);
            }
        }
        match redeemed {
            Ok(tokens) => {
                let key = tokens.bound_by(prover.as_ref());
                let mut entry = self.entry(server, client, scope, tokens, sent_at, past);
                entry.dpop_key = key;
                entry.learned.refuses_resource |= was_sent && sent.is_none();
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
                answer(visit, Page::SignedIn);
                self.signed_in(&server.host());
                Ok(entry)
            }
            Err(error) => {
                answer(visit, Page::Failed);
                Err(error.into())
            }
        }
    }

    /// Whether a refusal is of the `resource` parameter, by its words, and the user does not insist on it.
    pub(super) fn is_of_resource(&self, error: &tokens::Error) -> bool {
        let Settings {
            resource_parameter,
            send_resource,
            ..
        } = &self.settings;
        let is_ours_to_say = resource_parameter.is_none() && send_resource.is_none();
        is_ours_to_say && error.lesson() == Some(Lesson::NoResource)
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
    ) -> Result<(Redirected, Option<Visit>), Cause> {
        let patience = self.settings.auth_timeout;
        let end = tokio::time::sleep(patience);
        let superseded = self.superseded(attempt);
        tokio::pin!(end, superseded);
        let pasted = self.settings.pasted.as_ref();
        loop {
            let (verdict, visit) = tokio::select! {
                visit = listener.visit() => (pending.judge(&visit.parameters), Some(visit)),
                line = Pasted::next(pasted) => (pending.judge_pasted(&line), None),
                () = self.leaving.cancelled() => return Err(Cause::Leaving),
                () = &mut superseded => return Err(Cause::Superseded),
                () = &mut end => {
                    return Err(Cause::TooLate { host: server.host(), seconds: patience.as_secs() });
                }
            };
            match verdict {
                Verdict::NotOurs if visit.is_none() => {
                    self.settings.announce.tell(&Notice::NotOurs);
                }
                Verdict::NotOurs => answer(visit, Page::NotOurs),
                Verdict::Code(redirected) => return Ok((redirected, visit)),
                Verdict::Ended(why) => {
                    answer(visit, Page::Failed);
                    return Err(why);
                }
            }
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
            grant: self.settings.grant.kind(),
            dpop_key: None,
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

/// Who pasted sees no page.
fn answer(visit: Option<Visit>, page: Page) {
    if let Some(visit) = visit {
        visit.answer(page);
    }
}
