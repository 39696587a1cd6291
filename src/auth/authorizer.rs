//! Who lends out the credential; one climb at a time.
//!
//! Lending is quick: what is held, as long as it is good. When it is not, or the remote says so, a climb of the
//! ladder begins, and it belongs to the authorizer's house: those who wait only watch it, and leaving them does not end it.
//! So a host that gives up on its request after a minute does not end the sign-in a person is in the middle of, and five
//! requests that meet a 401 together make one.
//!
//! This is the door; what is held, and the climb, is in `shared`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::flow::helper::SignInRequest;
use crate::auth::flow::locked_vault::Closed;
use crate::auth::flow::sign_in_status::fingerprint;
use crate::auth::grant::GrantConfig;
use crate::auth::net::http::{Http, host_of};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::dpop::HintCache;
use crate::auth::settings::{Dpop, Settings};
use crate::auth::shared::{Shared, State, Trigger};
use crate::auth::user_key::{Source, UserKey};
use crate::auth::{Cause, Credential, Error};
use crate::frame::BridgeError;
use crate::store::Vault;

/// Lends out the credential for one remote.
#[derive(Debug)]
pub struct Authorizer {
    pub(super) shared: Option<Arc<Shared>>,
    /// The header that replaces signing in, where there is no house.
    given: UserKey,
    pub(super) person: watch::Sender<bool>,
    pending: watch::Sender<Option<PendingSignIn>>,
    pub(super) closed: watch::Sender<Option<Closed>>,
}

/// A page that waits for a person, here or in another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingSignIn {
    /// Where to go.
    pub url_to_show: String,
    /// The authorization server there.
    pub host: String,
    /// What to type there, where the page does not know it (RFC 8628).
    pub user_code: Option<String>,
}

impl Authorizer {
    /// For a remote that is signed in to with OAuth, when it asks for it.
    pub fn new(settings: Settings, vault: Arc<Vault>, http: Http) -> Self {
        let (person, pending) = (watch::Sender::new(false), watch::Sender::new(None));
        Self::watched(
            settings,
            vault,
            http,
            person,
            pending,
            watch::Sender::new(None),
        )
    }

    fn watched(
        settings: Settings,
        vault: Arc<Vault>,
        http: Http,
        person: watch::Sender<bool>,
        pending: watch::Sender<Option<PendingSignIn>>,
        closed: watch::Sender<Option<Closed>>,
    ) -> Self {
        let provider = match &settings.grant {
            GrantConfig::Enterprise(provider) if provider.id_token.is_none() => {
                Some(Self::watched(
                    provider.sign_in(&settings),
                    Arc::clone(&vault),
                    http.at_home(&provider.issuer),
                    person.clone(),
                    pending.clone(),
                    closed.clone(),
                ))
            }
            _ => None,
        };
        let shared = Shared {
            provider,
            resource: settings.canonical_resource().into(),
            tried: fingerprint(&settings),
            settings,
            vault,
            http,
            hints: HintCache::default(),
            tasks: TaskTracker::new(),
            newest: watch::Sender::new(0),
            lingering: TaskTracker::new(),
            leaving: CancellationToken::new(),
            unattended: CancellationToken::new(),
            person: person.clone(),
            pending: pending.clone(),
            closed: closed.clone(),
            state: Mutex::new(State::default()),
        };
        Self {
            shared: Some(Arc::new(shared)),
            given: of_the_arguments(),
            person,
            pending,
            closed,
        }
    }

    /// For a remote whose `Authorization` the user brings: never a credential, and a challenge is an error.
    pub fn off() -> Self {
        Self::replaced_by(None)
    }

    /// The same, where it is known from where the header comes.
    pub fn replaced_by(given: Option<UserKey>) -> Self {
        Self {
            shared: None,
            given: given.unwrap_or_else(of_the_arguments),
            person: watch::Sender::new(false),
            pending: watch::Sender::new(None),
            closed: watch::Sender::new(None),
        }
    }

    /// The credential to use now: stored, renewed first if it is due; `None` if none is held, which is not an error:
    /// a sign-in starts from a challenge, not before (MCP, basic/authorization). A vault that cannot be read is said
    /// when a challenge makes it matter: many servers need no credential. So it is with a program that gives the
    /// vault's key and hangs: only requests that met a challenge wait for it.
    ///
    /// # Errors
    /// What is held has expired, and cannot be renewed for a reason that may pass.
    pub async fn current(&self) -> Result<Option<Credential>, Error> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        shared.heed_lock().await;
        shared.look_briefly().await;
        shared.watch_lock();
        let now = shared.settings.now.seconds();
        let (held, may_try) = {
            let state = shared.state();
            (state.held.clone(), now >= state.retry_at)
        };
        let Some(held) = held else {
            let mut state = shared.state();
            state.has_lent_nothing |= state.has_looked;
            return Ok(None);
        };
        if !held.entry.is_due(now) {
            return Ok(Some(held.credential));
        }
        // What still works is used while the next one is fetched.
        if !held.entry.has_expired(now + LEEWAY) {
            if may_try {
                shared.start_renewal(Trigger::Due);
            }
            return Ok(Some(held.credential));
        }
        let fault = shared.state().last_fault.clone().filter(|_| !may_try);
        let outcome = match fault {
            Some(why) => Err(Error::new(&shared.resource, why)),
            None => shared.start_renewal(Trigger::Due).outcome().await,
        };
        match outcome {
            Ok(credential) => Ok(Some(credential)),
            Err(error) if error.is_passing() => Err(error),
            // Refused: the remote's challenge starts what is left to do.
            Err(_) => {
                let mut state = shared.state();
                let dead = held.credential.generation;
                let taken = state
                    .held
                    .take_if(|held| held.credential.generation == dead);
                state.identity += u64::from(taken.is_some());
                Ok(None)
            }
        }
    }

    /// A credential newer than `stale`, by the cheapest rung that brings one: somebody else's, a refresh, a sign-in.
    /// Many may ask at once; one climbs. Dropping the future leaves the climb going.
    ///
    /// # Errors
    /// Refused, given up, nobody there to sign in.
    pub async fn renew(
        &self,
        stale: Option<&Credential>,
        why: &Challenge,
    ) -> Result<Credential, Error> {
        let Some(shared) = &self.shared else {
            return Err(Error::new(
                &"".into(),
                Cause::header_refused(why, &self.given),
            ));
        };
        shared.state().is_challenged = true;
        shared.renew(stale, why, true).await
    }

    /// The same for a request that the host does not wait for, so that nobody is asked for anything: what is stored and
    /// what a refresh brings is all there is. `None` where that is nothing.
    ///
    /// # Errors
    /// A refresh failed for a reason that may pass.
    pub async fn renew_silently(
        &self,
        stale: Option<&Credential>,
        why: &Challenge,
    ) -> Result<Option<Credential>, Error> {
        let Some(shared) = &self.shared else {
            return Err(Error::new(
                &"".into(),
                Cause::header_refused(why, &self.given),
            ));
        };
        match shared.renew(stale, why, false).await {
            Ok(credential) => Ok(Some(credential)),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "challenged, and not asked for by the host");
                Ok(None)
            }
        }
    }

    /// Changes with each newer credential; `None` where there never is one.
    pub fn newest(&self) -> Option<watch::Receiver<u64>> {
        self.shared.as_ref().map(|shared| shared.newest.subscribe())
    }

    /// Signs in now, whatever is held: `mcpipe login`. `why` is the remote's challenge, if it was asked.
    ///
    /// # Errors
    /// As [`Authorizer::renew`].
    pub async fn login(&self, why: &Challenge) -> Result<Credential, Error> {
        let Some(shared) = &self.shared else {
            return Err(Error::new(
                &"".into(),
                Cause::header_refused(why, &self.given),
            ));
        };
        loop {
            let start_renewal = shared.start_renewal(Trigger::Told(why.clone()));
            let outcome = start_renewal.outcome().await;
            if start_renewal.is_whole {
                return outcome;
            }
        }
    }

    /// Whether a climb is going that waits for a person. Leaving does not wait for those.
    pub fn waits_for_a_person(&self) -> watch::Receiver<bool> {
        self.person.subscribe()
    }

    /// The page that waits for a person now, if there is one.
    pub fn pending(&self) -> watch::Receiver<Option<PendingSignIn>> {
        self.pending.subscribe()
    }

    /// Does the sign-in that others wait for, unless somebody is at it or was: what a helper does.
    ///
    /// # Errors
    /// As [`Authorizer::renew`]; those who wait have been told.
    pub async fn sign_in_for_others(&self, errand: SignInRequest) -> Result<(), Error> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        // What a person is asked for is asked at the provider, if there is one.
        let shared = match shared.provider.as_ref().map(|it| &it.shared) {
            Some(Some(provider)) => provider,
            _ => shared,
        };
        shared.watch_lock();
        let done = shared.sign_in_for_others(errand).await;
        done.map_err(|why| Error::new(&shared.resource, why))
    }

    /// Begins no sign-in from now on that asks a user: there is none who would see it. One that is going on goes on.
    pub fn ask_no_user(&self) {
        if let Some(shared) = &self.shared {
            shared.unattended.cancel();
            if let Some(provider) = &shared.provider {
                provider.ask_no_user();
            }
        }
    }

    /// The error that answers a request which waits for a sign-in that nothing waits for any more: it names the command.
    /// `None` where there is no sign-in.
    pub fn sign_in_needed(&self) -> Option<BridgeError> {
        let shared = self.shared.as_ref()?;
        Some(Error::new(&shared.resource, Cause::NobodyThere).to_bridge_error())
    }

    /// Begins to open the vault, beside whatever else a start has to do: this remote is known to want a credential.
    pub fn begin(&self) {
        if let Some(shared) = &self.shared {
            shared.begin_look();
        }
    }

    /// Leaves the vault closed until the remote asks for a credential: it is known to want none.
    pub fn wait_to_be_asked(&self) {
        if let Some(shared) = &self.shared {
            shared.state().has_looked = true;
        }
    }

    /// Where it signs in, for people.
    pub(super) fn host(&self) -> String {
        let shared = self.shared.as_ref();
        shared.map_or_else(String::new, |shared| host_of(&shared.settings.url))
    }

    /// The extensions of MCP it was told to use, for the host's declaration of what clients can do. DPoP is declared where
    /// it was asked for, not where it is merely taken if offered: what nobody asked for changes no message.
    pub fn extensions(&self) -> Vec<&'static str> {
        let Some(shared) = &self.shared else {
            return Vec::new();
        };
        let dpop = (shared.settings.dpop == Dpop::Require).then_some(DPOP_EXTENSION);
        let grant = shared.settings.grant.kind().extension();
        grant.into_iter().chain(dpop).collect()
    }

    /// Whether the remote wants a credential, as far as this process has seen.
    pub fn wants_credential(&self) -> Option<bool> {
        let state = self.shared.as_ref()?.state();
        match &state.held {
            Some(_) => Some(true),
            None => (state.has_lent_nothing && !state.is_challenged).then_some(false),
        }
    }

    /// A number that changes whenever requests are made in another name than before, as far as that can be told: after a
    /// sign-in, and with every credential that is not a renewal of the one that was held. Nothing is told of it else.
    pub fn identity(&self) -> u64 {
        self.shared
            .as_ref()
            .map_or(0, |shared| shared.state().identity)
    }

    /// Waits until a refresh that is under way is stored, at most `grace`; for leaving. Ends a sign-in that is done
    /// here; one that a helper does goes on.
    pub async fn settle(&self, grace: Duration) {
        if let Some(shared) = &self.shared {
            if let Some(provider) = &shared.provider {
                Box::pin(provider.settle(grace)).await;
            }
            shared.leaving.cancel();
            shared.stop_lingering();
            shared.tasks.close();
            // What is not done by then is not going to be: the process leaves.
            let _ = tokio::time::timeout(grace, shared.tasks.wait()).await;
        }
    }
}

fn of_the_arguments() -> UserKey {
    UserKey {
        header: "Authorization".to_owned(),
        from: Source::Arguments,
    }
}

/// The name of DPoP among MCP's extensions (SEP-1932).
const DPOP_EXTENSION: &str = "io.modelcontextprotocol/auth/dpop";
/// A token this close to its end (seconds) is not worth sending.
const LEEWAY: u64 = 10;
