//! A locked vault: requests wait for it as for a user who signs in, and tokens are forgotten when the user locks it.
//!
//! A renewal that needs the vault waits until `mcpipe vault unlock`, or another program, has opened it; requests that
//! wait for the renewal are answered as those that wait for a sign-in. `mcpipe vault lock` makes mcpipe forget the
//! tokens too, because they came out of the vault. A refresh in progress is stored first ([`Vault::lock_in_use`]).
//!
//! [`Vault::lock_in_use`]: crate::store::Vault::lock_in_use

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::frame::BridgeError;
use crate::store::{Error as StoreError, Vault};

/// The interval between two tries to open a locked vault.
pub const POLL: Duration = Duration::from_millis(500);
/// The reason why the vault is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// A vault that stays closed until the user unlocks it.
    Locked,
    /// A vault whose key a program was asked for, which may ask the user.
    Asking,
}

impl Closed {
    /// Returns the error for a request that waits for the vault.
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

/// A guard: while it lives, mcpipe waits for the user to unlock the vault.
#[derive(Debug)]
pub struct WaitingForUnlock {
    user: watch::Sender<bool>,
    closed: watch::Sender<Option<Closed>>,
}

impl WaitingForUnlock {
    fn begin(
        user: &watch::Sender<bool>,
        closed: &watch::Sender<Option<Closed>>,
        why: Closed,
    ) -> Self {
        match why {
            Closed::Locked => {
                tracing::warn!("the vault is locked; `mcpipe vault unlock` lets this go on");
            }
            Closed::Asking => tracing::warn!("what gives the vault's key has not answered yet"),
        }
        // The order matters: a task that sees `user` change reads `closed`.
        closed.send_replace(Some(why));
        user.send_replace(true);
        Self {
            user: user.clone(),
            closed: closed.clone(),
        }
    }
}

impl Drop for WaitingForUnlock {
    fn drop(&mut self) {
        self.closed.send_replace(None);
        self.user.send_replace(false);
    }
}

/// The watches on which requests wait for a vault that is not open, as they wait for a sign-in.
#[derive(Clone, Debug)]
pub(in crate::auth) struct Unlocking {
    /// True while mcpipe waits for the user.
    pub(in crate::auth) user: watch::Sender<bool>,
    pub(in crate::auth) closed: watch::Sender<Option<Closed>>,
    pub(in crate::auth) leaving: CancellationToken,
}

impl Unlocking {
    /// Makes requests wait until the returned value is dropped.
    pub(in crate::auth) fn begin(&self, why: Closed) -> WaitingForUnlock {
        WaitingForUnlock::begin(&self.user, &self.closed, why)
    }

    /// Waits until the user has unlocked the vault; returns false if the process leaves before.
    pub(in crate::auth) async fn until_unlocked(&self, vault: &Vault) -> bool {
        let _waiting = self.begin(Closed::Locked);
        loop {
            tokio::select! {
                () = self.leaving.cancelled() => return false,
                () = tokio::time::sleep(POLL) => {}
            }
            if !is_locked(vault).await {
                return true;
            }
        }
    }
}

/// Says whether only the user can open the vault now.
pub(in crate::auth) async fn is_locked(vault: &Vault) -> bool {
    matches!(vault.list().await, Err(StoreError::Locked { .. }))
}

/// The time that a program usually takes if it does not ask the user.
const MOMENT: Duration = Duration::from_secs(1);

/// Waits until a program that was asked for the vault's key has given no answer for a moment.
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

/// Waits until no program is asked for the vault's key.
pub(in crate::auth) async fn answered(is_asking: Option<watch::Receiver<bool>>) {
    if let Some(mut is_asking) = is_asking {
        let _ = is_asking.wait_for(|is_asking| !is_asking).await;
    }
}
