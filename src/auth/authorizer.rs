//! The credential for each request to one remote, with one renewal at a time.
//!
//! The held credential is returned at once, as long as it is good. When it has ended, or the remote says so, a renewal
//! begins, which belongs to the shared state: requests only watch it, and a request that leaves does not end it. So a
//! host that gives up on its request after a minute does not end the sign-in that a user is in the middle of, and five
//! requests that meet a 401 together start one renewal.
//!
//! The held credential and the renewal are in `shared`; this file is the public side.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::auth::flow::coordinate;
use crate::auth::flow::helper::SignInRequest;
use crate::auth::flow::trigger::Trigger;
use crate::auth::net::http::Http;
use crate::auth::notice::PendingSignIn;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::settings::{Dpop, Settings};
use crate::auth::shared::Shared;
use crate::auth::store::locked_vault::{Closed, Unlocking, WaitingForUnlock};
use crate::auth::user_key::{Source, UserKey};
use crate::auth::{Cause, Credential, Error};
use crate::frame::BridgeError;
use crate::store::Vault;

/// The source of credentials for one remote.
#[derive(Debug)]
pub struct Authorizer {
    pub(super) shared: Option<Arc<Shared>>,
    /// The header that replaces signing in, where there is no shared state.
    given: UserKey,
    unlocking: Unlocking,
    pending: watch::Sender<Option<PendingSignIn>>,
}

impl Authorizer {
    /// Returns an authorizer for a remote that the user signs in to with OAuth, when the remote asks for it.
    pub fn new(settings: Settings, vault: Arc<Vault>, http: Http) -> Self {
        let (unlocking, pending) = (watches(), watch::Sender::new(None));
        let shared = Shared::new(settings, vault, http, &unlocking, &pending);
        Self {
            shared: Some(Arc::new(shared)),
            given: of_the_arguments(),
            unlocking,
            pending,
        }
    }

    /// Returns an authorizer for a remote whose `Authorization` the user brings: never a credential, and a challenge is
    /// an error.
    pub fn off() -> Self {
        Self::replaced_by(None)
    }

    /// Returns an authorizer as [`Authorizer::off`] does, where the source of the user's header is known.
    pub fn replaced_by(given: Option<UserKey>) -> Self {
        Self {
            shared: None,
            given: given.unwrap_or_else(of_the_arguments),
            unlocking: watches(),
            pending: watch::Sender::new(None),
        }
    }

    /// Returns the credential to use now: the stored one, renewed first if it is due. `None` if none is held, which is
    /// not an error: a sign-in starts from a challenge, not before (MCP, basic/authorization). A vault that cannot be
    /// read is reported when a challenge makes it matter, because many servers need no credential. The same holds for a
    /// program that gives the vault's key and hangs: only requests that met a challenge wait for it.
    ///
    /// # Errors
    /// A credential that has expired and cannot be renewed for a reason that may pass.
    pub async fn current(&self) -> Result<Option<Credential>, Error> {
        match &self.shared {
            Some(shared) => shared.current().await,
            None => Ok(None),
        }
    }

    /// Returns a credential newer than `stale`, by the cheapest step that brings one: another process's, a refresh, a
    /// sign-in. Concurrent callers share one renewal. Dropping the future leaves the renewal going.
    ///
    /// # Errors
    /// A refusal, a sign-in that was given up, or no user to sign in.
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
        shared.renew_for_host(stale, why).await
    }

    /// Returns a credential newer than `stale` for a request that the host does not wait for, without asking the user:
    /// a stored one or one from a refresh. `None` where there is neither.
    ///
    /// # Errors
    /// A refresh that failed for a reason that may pass.
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
        shared.renew_silently(stale, why).await
    }

    /// Returns the generation of the newest credential, to be watched; `None` where there never is one.
    pub fn newest(&self) -> Option<watch::Receiver<u64>> {
        self.shared.as_ref().map(|shared| shared.newest.subscribe())
    }

    /// Signs in now, whatever is held: `mcpipe login`. `why` is the remote's challenge, if mcpipe asked it.
    ///
    /// # Errors
    /// See [`Authorizer::renew`].
    pub async fn login(&self, why: &Challenge) -> Result<Credential, Error> {
        let Some(shared) = &self.shared else {
            return Err(Error::new(
                &"".into(),
                Cause::header_refused(why, &self.given),
            ));
        };
        loop {
            let renewal = shared.start_renewal(Trigger::Requested(why.clone()));
            let outcome = renewal.outcome().await;
            if renewal.is_whole {
                return outcome;
            }
        }
    }

    /// Returns whether a renewal waits for the user, to be watched. Leaving does not wait for such a renewal.
    pub fn waits_for_a_person(&self) -> watch::Receiver<bool> {
        self.unlocking.user.subscribe()
    }

    /// Returns the page that waits for the user now, to be watched; `None` if there is none.
    pub fn pending(&self) -> watch::Receiver<Option<PendingSignIn>> {
        self.pending.subscribe()
    }

    /// Does the sign-in that other processes wait for, unless another process does it or has done it: the work of a
    /// helper.
    ///
    /// # Errors
    /// See [`Authorizer::renew`]; the processes that wait have been told.
    pub async fn sign_in_for_others(&self, request: SignInRequest) -> Result<(), Error> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        // The user signs in at the enterprise's provider, if there is one.
        let shared = shared.provider.as_ref().unwrap_or(shared);
        shared.watch_lock();
        let done = coordinate::sign_in_for_others(&shared.context, request).await;
        done.map_err(|why| Error::new(&shared.resource, why))
    }

    /// Begins no sign-in from now on that asks the user, who would not see it. A sign-in in progress goes on.
    pub fn ask_no_user(&self) {
        if let Some(shared) = &self.shared {
            shared.ask_no_user();
        }
    }

    /// Returns the error, with the command to run, for a request whose sign-in mcpipe no longer waits for. `None` where
    /// there is no sign-in.
    pub fn sign_in_needed(&self) -> Option<BridgeError> {
        let shared = self.shared.as_ref()?;
        Some(Error::new(&shared.resource, Cause::NoUser).to_bridge_error())
    }

    /// Begins to open the vault in parallel with the rest of the start, for a remote that is known to want a
    /// credential.
    pub fn begin(&self) {
        if let Some(shared) = &self.shared {
            shared.begin_load();
        }
    }

    /// Leaves the vault closed until the remote asks for a credential, for a remote that is known to want none.
    pub fn wait_to_be_asked(&self) {
        if let Some(shared) = &self.shared {
            shared.state().has_loaded = true;
        }
    }

    /// Returns the extensions of MCP that the user asked for, to be declared among the host's capabilities. DPoP is
    /// declared only where the user requires it, not where mcpipe uses it because the servers offer it: a message
    /// changes only on the user's request.
    pub fn extensions(&self) -> Vec<&'static str> {
        let Some(shared) = &self.shared else {
            return Vec::new();
        };
        let dpop = (shared.context.settings.dpop == Dpop::Require).then_some(DPOP_EXTENSION);
        let grant = shared.context.settings.grant.kind().extension();
        grant.into_iter().chain(dpop).collect()
    }

    /// Says whether the remote wants a credential, as far as this process has seen.
    pub fn wants_credential(&self) -> Option<bool> {
        let state = self.shared.as_ref()?.state();
        match &state.held {
            Some(_) => Some(true),
            None => (state.has_had_none && !state.is_challenged).then_some(false),
        }
    }

    /// Returns a number that changes when requests are made under another identity than before, as far as that can be
    /// told: after a sign-in, and with every credential that is not a renewal of the held one. The number has no other
    /// meaning.
    pub fn identity(&self) -> u64 {
        self.shared
            .as_ref()
            .map_or(0, |shared| shared.state().identity)
    }

    /// Waits until a refresh in progress is stored, at most `grace`, before the process leaves. Ends a sign-in of this
    /// process; a sign-in of a helper goes on.
    pub async fn settle(&self, grace: Duration) {
        if let Some(shared) = &self.shared {
            shared.settle(grace).await;
        }
    }

    /// Returns the reason why the vault is not open, if requests wait for it.
    pub fn vault_is_closed(&self) -> Option<Closed> {
        *self.unlocking.closed.borrow()
    }

    /// Makes requests wait as for a sign-in, for headers whose secrets are in a locked vault.
    pub fn wait_for_unlock(&self, why: Closed) -> WaitingForUnlock {
        self.unlocking.begin(why)
    }

    /// Says whether the credential that was held is in a vault that the user has locked since: requests wait for it,
    /// and are not sent without a credential.
    pub fn is_locked_out(&self) -> bool {
        let shared = self.shared.as_ref();
        shared.is_some_and(|shared| shared.state().is_locked_out)
    }

    /// Waits until the listener of the last sign-in is closed, in a process that has nothing else to do.
    pub async fn last_visits(&self) {
        if let Some(shared) = &self.shared {
            shared.context.late_callbacks.wait().await;
        }
    }

    /// Waits until the user has seen the result of the last sign-in, where so far only a browser's prefetch has fetched
    /// it.
    pub async fn page_seen(&self) {
        if let Some(shared) = &self.shared {
            shared.context.late_callbacks.page_seen().await;
        }
    }
}

impl Drop for Authorizer {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.context.late_callbacks.stop();
        }
    }
}

fn watches() -> Unlocking {
    Unlocking {
        user: watch::Sender::new(false),
        closed: watch::Sender::new(None),
        leaving: CancellationToken::new(),
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
