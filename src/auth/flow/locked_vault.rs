//! A vault that is locked: waited for as for a user who signs in, and heeded when the user locks it again.
//!
//! A climb that needs the vault waits until `mcpipe vault unlock`, or whatever else opens it, has opened it; requests that
//! wait for the climb are answered as those that wait for a sign-in. `mcpipe vault lock` takes the tokens too: they came
//! out of the vault. A refresh that is under way is stored first ([`Vault::lock_in_use`]).
//!
//! [`Vault::lock_in_use`]: crate::store::Vault::lock_in_use

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::auth::Cause;
use crate::auth::authorizer::Authorizer;
use crate::auth::shared::{Origin, Shared, Trigger};
use crate::auth::store::record::Entry;
use crate::frame::BridgeError;
use crate::store::{Error as StoreError, Expected, Kind};

/// How often a locked vault is tried.
pub const GLANCE: Duration = Duration::from_millis(500);
/// How often a process that needs nothing looks whether the user has locked the vault.
const WATCH: Duration = Duration::from_secs(1);
/// How long tokens wait for the vault that is to keep them.
const KEEPING: Duration = Duration::from_secs(3600);

/// Why the vault is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nothing opens it until the user does.
    Locked,
    /// A program was asked for its key, and may ask the user.
    Asking,
}

impl Closed {
    /// What a request is told that waits for the vault.
    pub fn to_bridge_error(self) -> BridgeError {
        let (what, hint) = match self {
            Self::Locked => (
                "The vault is locked.",
                "Run `mcpipe vault unlock` in a terminal and try again.",
            ),
            Self::Asking => (
                "The vault is not open yet: what gives its key has not answered.",
                "Answer it, or run `mcpipe vault unlock` in a terminal, and try again.",
            ),
        };
        BridgeError::new("vault_locked", what)
            .retryable()
            .hint(hint)
    }
}

/// For as long as this lives, a user is waited for who is to unlock the vault.
#[derive(Debug)]
pub struct WaitingForUnlock {
    person: watch::Sender<bool>,
    closed: watch::Sender<Option<Closed>>,
}

impl WaitingForUnlock {
    fn begin(
        person: &watch::Sender<bool>,
        closed: &watch::Sender<Option<Closed>>,
        why: Closed,
    ) -> Self {
        match why {
            Closed::Locked => {
                tracing::warn!("the vault is locked; `mcpipe vault unlock` lets this go on");
            }
            Closed::Asking => tracing::warn!("what gives the vault's key has not answered yet"),
        }
        // In this order: who hears of the one looks at the other.
        closed.send_replace(Some(why));
        person.send_replace(true);
        Self {
            person: person.clone(),
            closed: closed.clone(),
        }
    }
}

impl Drop for WaitingForUnlock {
    fn drop(&mut self) {
        self.closed.send_replace(None);
        self.person.send_replace(false);
    }
}

impl Authorizer {
    /// Why the vault is not open that requests wait for, if they do.
    pub fn vault_is_closed(&self) -> Option<Closed> {
        *self.closed.borrow()
    }

    /// Has requests wait as for a sign-in, for headers whose secrets are in a vault that is locked.
    pub fn wait_for_unlock(&self, why: Closed) -> WaitingForUnlock {
        WaitingForUnlock::begin(&self.person, &self.closed, why)
    }

    /// Whether the credential that was held is in a vault that the user has locked since: requests wait for it, and are not
    /// sent in no name.
    pub fn is_locked_out(&self) -> bool {
        let shared = self.shared.as_ref();
        shared.is_some_and(|shared| shared.state().is_locked_out)
    }
}

impl Shared {
    /// Climbs until something better is in hand, if need be when the vault is unlocked.
    pub(in crate::auth) async fn ladder(&self, why: &Trigger) -> Result<(Entry, Origin), Cause> {
        let is_asked = matches!(
            why,
            Trigger::Told(_) | Trigger::Challenged { is_asked: true, .. }
        );
        if !is_asked || !self.settings.waits_for_unlock {
            return self.obtain(why).await;
        }
        let mut start_renewal = Box::pin(self.when_unlocked(why));
        let mut waiting = None;
        loop {
            let is_waiting = waiting.is_some();
            tokio::select! {
                biased;
                ended = &mut start_renewal => return ended,
                () = asking_long(self.vault.is_asking()), if !is_waiting => {
                    let why = Closed::Asking;
                    waiting = Some(WaitingForUnlock::begin(&self.person, &self.closed, why));
                }
                () = answered(self.vault.is_asking()), if is_waiting => waiting = None,
                // Nothing is held that would have to be stored.
                () = self.leaving.cancelled(), if is_waiting => return Err(Cause::Leaving),
            }
        }
    }

    async fn when_unlocked(&self, why: &Trigger) -> Result<(Entry, Origin), Cause> {
        loop {
            // Before anything is locked that other processes need.
            if self.is_locked().await {
                self.until_unlocked().await?;
            }
            match self.obtain(why).await {
                Err(why) if why.is_locked() => self.until_unlocked().await?,
                ended => return ended,
            }
        }
    }

    async fn until_unlocked(&self) -> Result<(), Cause> {
        let _waiting = WaitingForUnlock::begin(&self.person, &self.closed, Closed::Locked);
        loop {
            tokio::select! {
                () = self.leaving.cancelled() => return Err(Cause::Leaving),
                () = tokio::time::sleep(GLANCE) => {}
            }
            if !self.is_locked().await {
                return Ok(());
            }
        }
    }

    async fn is_locked(&self) -> bool {
        matches!(self.vault.list().await, Err(StoreError::Locked { .. }))
    }

    /// Writes an entry; into a vault that the user has locked meanwhile, when it is unlocked.
    pub(in crate::auth) async fn put_when_unlocked(
        &self,
        name: &str,
        entry: &Entry,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        let content = entry.write();
        let put = || self.vault.put(name, Kind::Oauth, &content, expected);
        match put().await {
            Err(StoreError::Locked { vault }) if self.settings.waits_for_unlock => {
                self.state().unsaved = Some((name.to_owned(), entry.clone()));
                let unlocked = tokio::time::timeout(KEEPING, self.until_unlocked()).await;
                match unlocked {
                    Ok(Ok(())) => put().await,
                    _ => Err(StoreError::Locked { vault }),
                }
            }
            put => put,
        }
    }

    /// Forgets what is held if the user has locked the vault since.
    pub(in crate::auth) async fn heed_lock(&self) {
        let locks = self.vault.heed_lock().await;
        let mut state = self.state();
        if std::mem::replace(&mut state.locks, locks) == locks {
            return;
        }
        if state.held.take().is_some() {
            tracing::info!("the vault was locked; its key and the tokens are forgotten");
            state.identity += 1;
            state.is_locked_out = true;
            state.look_again();
        }
    }

    /// Heeds a lock also while nothing is needed of the vault.
    pub(in crate::auth) fn watch_lock(self: &Arc<Self>) {
        if !self.vault.is_lockable() || std::mem::replace(&mut self.state().is_watching, true) {
            return;
        }
        let shared = Arc::clone(self);
        // Among the tasks that end when the process leaves; a helper leaves when nothing lingers.
        self.tasks.spawn(async move {
            let watching = async {
                loop {
                    tokio::time::sleep(WATCH).await;
                    shared.heed_lock().await;
                }
            };
            shared.leaving.run_until_cancelled(watching).await;
        });
    }
}

/// How long a program usually takes that asks no user.
const MOMENT: Duration = Duration::from_secs(1);

/// Ends when something has been asked for what opens the vault, and has given no answer for a moment.
pub async fn asking_long(is_asking: Option<watch::Receiver<bool>>) {
    if let Some(mut is_asking) = is_asking {
        while is_asking.wait_for(|is_asking| *is_asking).await.is_ok() {
            let answered = is_asking.wait_for(|is_asking| !is_asking);
            if tokio::time::timeout(MOMENT, answered).await.is_err() {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Ends when nothing is asked for what opens the vault.
async fn answered(is_asking: Option<watch::Receiver<bool>>) {
    if let Some(mut is_asking) = is_asking {
        let _ = is_asking.wait_for(|is_asking| !is_asking).await;
    }
}
