//! Who lends out the credential; one climb at a time.
//!
//! Lending is quick: what is held, as long as it is good. When it is not, or the remote says so, a climb of the
//! ladder begins, and it belongs to the authorizer's house: those who wait only watch it, and leaving them does not end it.
//! So a host that gives up on its request after a minute does not end the sign-in a person is in the middle of, and five
//! requests that meet a 401 together make one.
//!
//! This is the door; what is held, and the climb, is in `shared`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::auth::flow::helper::SignInRequest;
use crate::auth::net::http::Http;
use crate::auth::notice::PendingSignIn;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::settings::{Dpop, Settings};
use crate::auth::shared::{Shared, Trigger};
use crate::auth::store::locked_vault::{Closed, Unlocking, WaitingForUnlock};
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
    unlocking: Unlocking,
    pending: watch::Sender<Option<PendingSignIn>>,
}

impl Authorizer {
    /// For a remote that is signed in to with OAuth, when it asks for it.
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

    /// For a remote whose `Authorization` the user brings: never a credential, and a challenge is an error.
    pub fn off() -> Self {
        Self::replaced_by(None)
    }

    /// The same, where it is known from where the header comes.
    pub fn replaced_by(given: Option<UserKey>) -> Self {
        Self {
            shared: None,
            given: given.unwrap_or_else(of_the_arguments),
            unlocking: watches(),
            pending: watch::Sender::new(None),
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
        match &self.shared {
            Some(shared) => shared.current().await,
            None => Ok(None),
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
        shared.renew_for_host(stale, why).await
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
        shared.renew_silently(stale, why).await
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
        self.unlocking.user.subscribe()
    }

    /// The page that waits for a person now, if there is one.
    pub fn pending(&self) -> watch::Receiver<Option<PendingSignIn>> {
        self.pending.subscribe()
    }

    /// Does the sign-in that others wait for, unless somebody is at it or was: what a helper does.
    ///
    /// # Errors
    /// As [`Authorizer::renew`]; those who wait have been told.
    pub async fn sign_in_for_others(&self, request: SignInRequest) -> Result<(), Error> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        // What a person is asked for is asked at the provider, if there is one.
        let shared = shared.provider.as_ref().unwrap_or(shared);
        shared.watch_lock();
        let done = shared.sign_in_for_others(request).await;
        done.map_err(|why| Error::new(&shared.resource, why))
    }

    /// Begins no sign-in from now on that asks a user: there is none who would see it. One that is going on goes on.
    pub fn ask_no_user(&self) {
        if let Some(shared) = &self.shared {
            shared.ask_no_user();
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
            shared.settle(grace).await;
        }
    }

    /// Why the vault is not open that requests wait for, if they do.
    pub fn vault_is_closed(&self) -> Option<Closed> {
        *self.unlocking.closed.borrow()
    }

    /// Has requests wait as for a sign-in, for headers whose secrets are in a vault that is locked.
    pub fn wait_for_unlock(&self, why: Closed) -> WaitingForUnlock {
        self.unlocking.begin(why)
    }

    /// Whether the credential that was held is in a vault that the user has locked since: requests wait for it, and are not
    /// sent in no name.
    pub fn is_locked_out(&self) -> bool {
        let shared = self.shared.as_ref();
        shared.is_some_and(|shared| shared.state().is_locked_out)
    }

    /// Waits until the listener of the last sign-in is closed: for a process that has nothing else to do.
    pub async fn last_visits(&self) {
        if let Some(shared) = &self.shared {
            shared.late_callbacks.wait().await;
        }
    }

    /// Waits until a person has seen how the last sign-in ended, where only a browser that looks ahead has.
    pub async fn page_seen(&self) {
        if let Some(shared) = &self.shared {
            shared.late_callbacks.page_seen().await;
        }
    }
}

impl Drop for Authorizer {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.late_callbacks.stop();
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
