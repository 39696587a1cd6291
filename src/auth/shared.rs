//! The credential that is held for one remote, and the renewal that brings another: one at a time, on a task of its
//! own.
//!
//! Keeps the changing state behind one lock, and decides whether requests go on under the same identity when a
//! credential is replaced, and when to repeat a renewal that failed. `flow::renew` has the steps of a renewal, and
//! [`Authorizer`](super::Authorizer) decides which caller gets the credential.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::error::{ProviderError, UnattendedError};
use crate::auth::flow::context::Context;
use crate::auth::flow::enterprise::openid_challenge;
use crate::auth::flow::late_callbacks::LateCallbacks;
use crate::auth::flow::sign_in_status::SignInStatus;
use crate::auth::flow::trigger::{Current, IdTokenSource, Origin, Start, Trigger};
use crate::auth::flow::{dpop_policy, renew, when_unlocked};
use crate::auth::grant::GrantConfig;
use crate::auth::net::http::{Http, host_of};
use crate::auth::notice::PendingSignIn;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::dpop::HintCache;
use crate::auth::settings::Settings;
use crate::auth::state::{Renewal, State};
use crate::auth::store::credential_store::CredentialStore;
use crate::auth::store::locked_vault::{Unlocking, asking_long};
use crate::auth::store::record::TokenRecord;
use crate::auth::{Cause, Credential, Error};
use crate::store::Vault;

/// Seconds before the end of a token in which it is not worth sending.
const LEEWAY: u64 = 10;

/// The interval at which an idle process checks whether the user has locked the vault.
const WATCH: Duration = Duration::from_secs(1);

/// The state that the clones of an authorizer and its renewal share.
pub(super) struct Shared {
    pub(super) context: Context,
    /// The state of the sign-in at the enterprise's provider, where the user signs in there.
    pub(super) provider: Option<Arc<Self>>,
    pub(super) resource: Arc<str>,
    /// Tasks that leaving does not wait for.
    lingering: TaskTracker,
    /// The generation of the newest credential.
    pub(super) newest: watch::Sender<u64>,
    state: Mutex<State>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider {
            provider.context.late_callbacks.stop();
        }
    }
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        vault: Arc<Vault>,
        http: Http,
        unlocking: &Unlocking,
        pending: &watch::Sender<Option<PendingSignIn>>,
    ) -> Self {
        let provider = match &settings.grant {
            GrantConfig::Enterprise(provider) if provider.id_token.is_none() => {
                // The two share the watches; each sign-in leaves by itself.
                let unlocking = Unlocking {
                    leaving: CancellationToken::new(),
                    ..unlocking.clone()
                };
                let there = provider.sign_in(&settings);
                let http = http.for_origin_of(&provider.issuer);
                Some(Arc::new(Self::new(
                    there,
                    Arc::clone(&vault),
                    http,
                    &unlocking,
                    pending,
                )))
            }
            _ => None,
        };
        let settings = Arc::new(settings);
        let pending = pending.clone();
        let user = unlocking.user.clone();
        let lingering = TaskTracker::new();
        let status = SignInStatus::new(Arc::clone(&vault), Arc::clone(&settings), user, pending);
        Self {
            resource: settings.canonical_resource().into(),
            context: Context {
                store: CredentialStore::new(vault, Arc::clone(&settings), unlocking.clone()),
                status: Arc::new(status),
                settings,
                http,
                hints: HintCache::default(),
                late_callbacks: LateCallbacks::new(lingering.clone()),
                tasks: TaskTracker::new(),
                leaving: unlocking.leaving.clone(),
                unattended: CancellationToken::new(),
            },
            provider,
            lingering,
            newest: watch::Sender::new(0),
            state: Mutex::new(State::default()),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the credential to use now, renewed first if it is due: see
    /// [`Authorizer::current`](super::Authorizer::current).
    pub(super) async fn current(self: &Arc<Self>) -> Result<Option<Credential>, Error> {
        self.heed_lock().await;
        self.load_briefly().await;
        self.watch_lock();
        let now = self.context.now();
        let (held, may_try) = {
            let state = self.state();
            (state.held.clone(), now >= state.retry_at)
        };
        let Some(held) = held else {
            let mut state = self.state();
            state.has_had_none |= state.has_loaded;
            return Ok(None);
        };
        if !held.entry.is_due(now) {
            return Ok(Some(held.credential));
        }
        // A token that still works is used while the next one is fetched.
        if !held.entry.has_expired(now + LEEWAY) {
            if may_try {
                self.start_renewal(Trigger::Expiring);
            }
            return Ok(Some(held.credential));
        }
        let failure = self.state().last_failure.clone().filter(|_| !may_try);
        let outcome = match failure {
            Some(why) => Err(Error::new(&self.resource, why)),
            None => self.start_renewal(Trigger::Expiring).outcome().await,
        };
        match outcome {
            Ok(credential) => Ok(Some(credential)),
            Err(error) if error.is_passing() => Err(error),
            // The server has refused: the remote's challenge starts the remaining steps.
            Err(_) => {
                let mut state = self.state();
                let dead = held.credential.generation;
                let taken = state
                    .held
                    .take_if(|held| held.credential.generation == dead);
                state.identity += u64::from(taken.is_some());
                Ok(None)
            }
        }
    }

    /// Returns a credential newer than `stale` for a request of the host's: by a refresh, or by a sign-in.
    pub(super) async fn renew_for_host(
        self: &Arc<Self>,
        stale: Option<&Credential>,
        why: &Challenge,
    ) -> Result<Credential, Error> {
        self.state().is_challenged = true;
        self.renew(stale, why, true).await
    }

    /// Returns a credential newer than `stale` without asking the user; `None` where that brings none.
    pub(super) async fn renew_silently(
        self: &Arc<Self>,
        stale: Option<&Credential>,
        why: &Challenge,
    ) -> Result<Option<Credential>, Error> {
        match self.renew(stale, why, false).await {
            Ok(credential) => Ok(Some(credential)),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "challenged, and not asked for by the host");
                Ok(None)
            }
        }
    }

    /// Begins no sign-in from now on that asks a user; one in progress goes on.
    pub(super) fn ask_no_user(&self) {
        self.context.unattended.cancel();
        if let Some(provider) = &self.provider {
            provider.ask_no_user();
        }
    }

    /// Waits until a refresh in progress is stored, at most `grace`, and ends a sign-in that is done in this process.
    pub(super) async fn settle(&self, grace: Duration) {
        if let Some(provider) = &self.provider {
            Box::pin(provider.settle(grace)).await;
        }
        self.context.leaving.cancel();
        self.context.late_callbacks.stop();
        self.context.tasks.close();
        // A task that is not done by then never will be: the process leaves.
        let _ = tokio::time::timeout(grace, self.context.tasks.wait()).await;
    }

    /// Reads the vault once. An empty result is remembered too: a challenge makes mcpipe find what another process
    /// stores later.
    pub(super) async fn load_once(self: &Arc<Self>) {
        let mut loaded = self.begin_load();
        let _ = loaded.wait_for(|is_done| *is_done).await;
    }

    /// Reads the vault as [`Shared::load_once`] does, but does not wait for a program that does not answer for a moment:
    /// many servers want no credential, and one that wants it says so.
    pub(super) async fn load_briefly(self: &Arc<Self>) {
        if self.state().is_loading_long {
            return;
        }
        let mut loaded = self.begin_load();
        tokio::select! {
            biased;
            _ = loaded.wait_for(|is_done| *is_done) => {}
            () = asking_long(self.context.store.vault().is_asking()) => {
                tracing::info!("the vault is not open yet; going on without a credential meanwhile");
                self.state().is_loading_long = true;
            }
        }
    }

    /// Begins to read the vault, unless that has begun. Leaving does not wait for the read, which may run a program
    /// that hangs.
    pub(super) fn begin_load(self: &Arc<Self>) -> watch::Receiver<bool> {
        let mut state = self.state();
        if state.has_loaded {
            return watch::Sender::new(true).subscribe();
        }
        if let Some(load) = &state.load {
            return load.clone();
        }
        let (done, load) = watch::channel(false);
        state.load = Some(load.clone());
        let shared = Arc::clone(self);
        self.lingering.spawn(async move {
            shared.read_vault().await;
            done.send_replace(true);
        });
        load
    }

    async fn read_vault(&self) {
        let found = match self.context.store.stored().await.map_err(Cause::from) {
            Ok(found) => found,
            Err(why) if why.is_locked() => {
                tracing::warn!("the vault is locked; only a request that needs a credential waits");
                None
            }
            Err(why) => {
                tracing::warn!(%why, "the vault is not readable; going on without a credential");
                None
            }
        };
        let mut state = self.state();
        if let Some(kept) = found
            && state.held.is_none()
        {
            self.install(&mut state, kept.entry, Origin::Stored);
        }
        state.has_loaded = true;
        state.is_loading_long = false;
    }

    /// Joins the renewal in progress, or begins one.
    pub(super) fn start_renewal(self: &Arc<Self>, why: Trigger) -> Renewal {
        self.start_or_join(why).0
    }

    /// Joins the renewal in progress, or begins one and returns true with it.
    fn start_or_join(self: &Arc<Self>, why: Trigger) -> (Renewal, bool) {
        let mut state = self.state();
        // A renewal whose task is gone without an outcome is over.
        if let Some(renewal) = &state.renewal
            && renewal.outcome.has_changed().is_ok()
        {
            return (renewal.clone(), false);
        }
        let (tell, outcome) = watch::channel(None);
        let renewal = Renewal {
            is_whole: why.may_ask_user(),
            outcome,
            resource: Arc::clone(&self.resource),
        };
        if self.context.leaving.is_cancelled() {
            return (renewal, true);
        }
        state.renewal = Some(renewal.clone());
        let shared = Arc::clone(self);
        self.context.tasks.spawn(async move {
            let reached = Box::pin(shared.obtain(&why)).await;
            let mut state = shared.state();
            state.renewal = None;
            let was_signing_in = shared.context.status.take_has_asked();
            let outcome = match reached {
                Ok((entry, origin)) => {
                    state.note_success();
                    Ok(shared.install(&mut state, entry, origin))
                }
                Err(cause) => {
                    let cause = Arc::new(cause);
                    state.note_failure(shared.context.now(), why, &cause);
                    tracing::info!(why = %cause, "no credential");
                    let error = Error::new(&shared.resource, cause);
                    Err(match was_signing_in {
                        true => error.after_a_sign_in(),
                        false => error,
                    })
                }
            };
            tell.send_replace(Some(outcome));
        });
        (renewal, true)
    }

    /// Obtains a newer record; where the vault is locked and a request waits, once the user has unlocked it.
    async fn obtain(&self, why: &Trigger) -> Result<(TokenRecord, Origin), Cause> {
        let provider = self.provider.as_ref();
        let id_tokens = provider.map(|provider| {
            move |before: Option<Credential>| -> BoxFuture<'_, Result<Credential, Cause>> {
                Box::pin(provider.id_token(before, why))
            }
        });
        when_unlocked::obtain(&self.context, why.may_ask_user(), || async {
            let Context {
                settings, store, ..
            } = &self.context;
            if let Some(key) = &settings.client_key {
                key.fetch(store.vault(), &settings.url, &settings.now)
                    .await?;
            }
            let start = {
                let state = self.state();
                Start {
                    why,
                    held: state.held.clone(),
                    refused: state.refused.clone(),
                    id_tokens: id_tokens
                        .as_ref()
                        .map(|source| source as &IdTokenSource<'_>),
                }
            };
            renew::obtain(&self.context, start).await
        })
        .await
    }

    /// Returns the ID token that is held, or another than `before`: renewed, or by a sign-in at the provider.
    ///
    /// # Errors
    /// There is none, and the user may not be asked.
    async fn id_token(
        self: &Arc<Self>,
        before: Option<Credential>,
        why: &Trigger,
    ) -> Result<Credential, Cause> {
        let held = match before {
            None => self.current().await,
            Some(_) => Ok(None),
        };
        let before = before.as_ref();
        let challenge = openid_challenge();
        let found = match held {
            Ok(Some(held)) => Ok(held),
            Ok(None) if matches!(why, Trigger::Expiring) => return Err(Cause::NoUser),
            Ok(None) if why.may_ask_user() => self.renew_for_host(before, &challenge).await,
            Ok(None) => match self.renew_silently(before, &challenge).await {
                Ok(Some(held)) => Ok(held),
                Ok(None) => return Err(Cause::NoUser),
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        found.map_err(|why| {
            let host = host_of(&self.context.settings.url);
            UnattendedError::from(ProviderError::SignIn { host, why }).into()
        })
    }

    /// Returns a credential newer than `stale`. Asks the user for one only if the host waits for it.
    pub(super) async fn renew(
        self: &Arc<Self>,
        stale: Option<&Credential>,
        why: &Challenge,
        is_asked: bool,
    ) -> Result<Credential, Error> {
        let seen = stale.map_or(0, Credential::generation);
        loop {
            if let Some(held) = &self.state().held
                && held.credential.generation > seen
            {
                return Ok(held.credential.clone());
            }
            let (renewal, is_own) = self.start_or_join(Trigger::Challenged {
                stale: stale.cloned(),
                challenge: why.clone(),
                is_asked,
            });
            let outcome = match is_asked {
                true => renewal.outcome().await,
                // The host does not wait for this answer: the request stops waiting once mcpipe asks the user, and does
                // not hold up the requests behind it.
                false => {
                    let mut person = self.context.store.unlocking().user.subscribe();
                    tokio::select! {
                        biased;
                        outcome = renewal.outcome() => outcome,
                        _ = person.wait_for(|is_asked| *is_asked) => {
                            return Err(Error::new(&self.resource, Cause::NoUser));
                        }
                    }
                }
            };
            match outcome {
                Ok(credential) if credential.generation > seen => return Ok(credential),
                // A renewal that was in progress already knew nothing of the challenge, or went less far.
                outcome if is_own || renewal.is_whole => return outcome,
                _ => {}
            }
        }
    }

    fn install(&self, state: &mut State, entry: TokenRecord, origin: Origin) -> Credential {
        let is_the_same =
            |held: &Current| origin == Origin::Refreshed && held.is_same_identity(&entry);
        if !state.held.as_ref().is_some_and(is_the_same) {
            state.identity += 1;
        }
        state.generation += 1;
        state.is_locked_out = false;
        self.newest.send_replace(state.generation);
        let credential = Credential {
            generation: state.generation,
            token: entry.access.clone(),
            home: self.context.settings.url.origin(),
            prover: dpop_policy::prover_of(&self.context.hints, &entry),
        };
        state.held = Some(Current {
            credential: credential.clone(),
            entry: Arc::new(entry),
        });
        credential
    }

    /// Forgets the held credential if the user has locked the vault since.
    pub(super) async fn heed_lock(&self) {
        let locks = self.context.store.vault().heed_lock().await;
        let mut state = self.state();
        if std::mem::replace(&mut state.locks, locks) == locks {
            return;
        }
        if state.held.take().is_some() {
            tracing::info!("the vault was locked; its key and the tokens are forgotten");
            state.identity += 1;
            state.is_locked_out = true;
            state.load_again();
        }
    }

    /// Notices a lock also while nothing needs the vault.
    pub(super) fn watch_lock(self: &Arc<Self>) {
        if !self.context.store.vault().is_lockable()
            || std::mem::replace(&mut self.state().is_watching, true)
        {
            return;
        }
        let shared = Arc::clone(self);
        // The task is among those that end when the process leaves; a helper leaves when no task lingers.
        self.context.tasks.spawn(async move {
            let watching = async {
                loop {
                    tokio::time::sleep(WATCH).await;
                    shared.heed_lock().await;
                }
            };
            shared.context.leaving.run_until_cancelled(watching).await;
        });
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Shared({})", self.resource)
    }
}
