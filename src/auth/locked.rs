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

use super::authorizer::Authorizer;
use super::entry::Entry;
use super::house::{House, Origin, Why};
use super::{Cause, assertion};
use crate::frame::Trouble;
use crate::static_secret;
use crate::store::{Error as StoreError, Expected, Kind};

/// How often a locked vault is tried.
pub const GLANCE: Duration = Duration::from_millis(500);
/// How often a process that needs nothing looks whether the user has locked the vault.
const WATCH: Duration = Duration::from_secs(1);
/// How long tokens wait for the vault that is to keep them.
const KEEPING: Duration = Duration::from_secs(3600);

/// What a request is told that waits for a vault that is locked.
pub fn trouble() -> Trouble {
    Trouble::new("vault_locked", "The vault is locked.")
        .retryable()
        .hint("Run `mcpipe vault unlock` in a terminal and try again.")
}

/// For as long as this lives, a user is waited for who is to unlock the vault.
#[derive(Debug)]
pub struct WaitingForUnlock {
    person: watch::Sender<bool>,
    locked: watch::Sender<bool>,
}

impl WaitingForUnlock {
    fn begin(person: &watch::Sender<bool>, locked: &watch::Sender<bool>) -> Self {
        tracing::warn!("the vault is locked; `mcpipe vault unlock` lets this go on");
        // In this order: who hears of the one looks at the other.
        locked.send_replace(true);
        person.send_replace(true);
        Self {
            person: person.clone(),
            locked: locked.clone(),
        }
    }
}

impl Drop for WaitingForUnlock {
    fn drop(&mut self) {
        self.locked.send_replace(false);
        self.person.send_replace(false);
    }
}

impl Authorizer {
    /// Whether it is the vault that a user is waited for to open.
    pub fn waits_for_unlock(&self) -> bool {
        *self.locked.borrow()
    }

    /// Has requests wait as for a sign-in, for headers whose secrets are in a vault that is locked.
    pub fn wait_for_unlock(&self) -> WaitingForUnlock {
        WaitingForUnlock::begin(&self.person, &self.locked)
    }

    /// Whether the credential that was held is in a vault that the user has locked since: requests wait for it, and are not
    /// sent in no name.
    pub fn is_locked_out(&self) -> bool {
        let house = self.house.as_ref();
        house.is_some_and(|house| house.desk().is_locked_out)
    }
}

impl House {
    /// Climbs until something better is in hand, if need be when the vault is unlocked.
    pub(super) async fn ladder(&self, why: &Why) -> Result<(Entry, Origin), Cause> {
        let is_asked = matches!(why, Why::Told(_) | Why::Challenged { is_asked: true, .. });
        let may_wait = is_asked && self.settings.waits_for_unlock;
        loop {
            // Before anything is locked that other processes need.
            if may_wait && self.is_locked().await {
                self.until_unlocked().await?;
            }
            match self.rungs(why).await {
                Err(why) if why.is_locked() && may_wait => self.until_unlocked().await?,
                ended => return ended,
            }
        }
    }

    async fn until_unlocked(&self) -> Result<(), Cause> {
        let _waiting = WaitingForUnlock::begin(&self.person, &self.locked);
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
    pub(super) async fn put_when_unlocked(
        &self,
        name: &str,
        entry: &Entry,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        let content = entry.write();
        let put = || self.vault.put(name, Kind::Oauth, &content, expected);
        match put().await {
            Err(StoreError::Locked { vault }) if self.settings.waits_for_unlock => {
                self.desk().unsaved = Some((name.to_owned(), entry.clone()));
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
    pub(super) async fn heed_lock(&self) {
        let locks = self.vault.heed_lock().await;
        let mut desk = self.desk();
        if std::mem::replace(&mut desk.locks, locks) == locks {
            return;
        }
        if desk.held.take().is_some() {
            tracing::info!("the vault was locked; its key and the tokens are forgotten");
            desk.identity += 1;
            desk.is_locked_out = true;
            desk.look_again();
        }
    }

    /// Heeds a lock also while nothing is needed of the vault.
    pub(super) fn watch_lock(self: &Arc<Self>) {
        if !self.vault.is_lockable() || std::mem::replace(&mut self.desk().is_watching, true) {
            return;
        }
        let house = Arc::clone(self);
        self.lingering.spawn(async move {
            let watching = async {
                loop {
                    tokio::time::sleep(WATCH).await;
                    house.heed_lock().await;
                }
            };
            house.leaving.run_until_cancelled(watching).await;
        });
    }
}

impl Cause {
    /// Whether only a locked vault is in the way.
    pub(super) fn is_locked(&self) -> bool {
        matches!(
            self,
            Self::Vault(StoreError::Locked { .. })
                | Self::ClientKey(assertion::Error::Vault(static_secret::Error::Vault(
                    StoreError::Locked { .. }
                )))
        )
    }
}
