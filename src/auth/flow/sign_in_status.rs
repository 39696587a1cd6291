//! The sign-in of one account at one server, as the processes of this machine share it: the lock, the record beside the
//! vault, and the watches of this process on the page that waits for the user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oauth2::CsrfToken;
use tokio::sync::watch;

use crate::auth::flow::status_record::{Phase, StatusRecord, WaitingPage, fingerprint};
use crate::auth::notice::{Notice, PendingSignIn};
use crate::auth::settings::Settings;
use crate::auth::store::name::shared_name;
use crate::store::{Error as StoreError, Vault, VaultLock};

/// The interval at which the process that signs in looks if another has taken the sign-in over.
pub(in crate::auth) const TAKEOVER_POLL: Duration = Duration::from_millis(500);

/// The sign-in of one account at one server.
pub(in crate::auth) struct SignInStatus {
    vault: Arc<Vault>,
    settings: Arc<Settings>,
    /// The name of the lock, and of the record beside the vault.
    name: String,
    /// The settings that attempts and windows are counted under ([`fingerprint`]).
    tried: String,
    /// True while a user is waited for; shared with the sign-in at the enterprise's provider.
    user: watch::Sender<bool>,
    /// True once this process has come to the step that asks the user.
    has_asked: AtomicBool,
    /// The page that waits for the user.
    pending: watch::Sender<Option<PendingSignIn>>,
}

impl SignInStatus {
    pub(in crate::auth) fn new(
        vault: Arc<Vault>,
        settings: Arc<Settings>,
        user: watch::Sender<bool>,
        pending: watch::Sender<Option<PendingSignIn>>,
    ) -> Self {
        Self {
            name: shared_name("sign-in", &settings),
            tried: fingerprint(&settings),
            vault,
            settings,
            user,
            has_asked: AtomicBool::new(false),
            pending,
        }
    }

    /// The settings that attempts and windows are counted under.
    pub(in crate::auth) fn tried(&self) -> &str {
        &self.tried
    }

    /// Has requests wait for the user until the returned value is dropped.
    pub(in crate::auth) fn wait_for_user(&self) -> WaitingForUser<'_> {
        self.user.send_replace(true);
        self.has_asked.store(true, Ordering::Relaxed);
        WaitingForUser(self)
    }

    /// Says whether this process has come to the step that asks the user since the last call.
    pub(in crate::auth) fn take_has_asked(&self) -> bool {
        self.has_asked.swap(false, Ordering::Relaxed)
    }

    /// Takes the lock of the sign-in, waiting for another process that has it.
    pub(in crate::auth) async fn lock(&self, patience: Duration) -> Result<VaultLock, StoreError> {
        self.vault.lock(&self.name, patience).await
    }

    /// Takes the lock of the sign-in, if no process has it.
    pub(in crate::auth) async fn try_lock(&self) -> Result<Option<VaultLock>, StoreError> {
        match self.vault.lock(&self.name, Duration::ZERO).await {
            Ok(lock) => Ok(Some(lock)),
            Err(StoreError::Busy { .. }) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Shows the page to the user of this process.
    pub(in crate::auth) fn publish(&self, shown: &WaitingPage) {
        self.settings.announce.tell(&Notice::Visit {
            url: &shown.url,
            user_code: shown.user_code.as_deref(),
            good_for: shown.code_good_until.map(|until| {
                Duration::from_secs(until.saturating_sub(self.settings.now.seconds()))
            }),
            opened: shown.opened,
        });
        self.pending.send_replace(Some(PendingSignIn {
            url_to_show: shown.url.clone(),
            host: shown.host.clone(),
            user_code: shown.user_code.clone(),
        }));
    }

    /// Shows a page to a person here, and to those who watch. From now on it counts as a window.
    pub(in crate::auth) async fn show(&self, attempt: &str, shown: WaitingPage) {
        self.publish(&shown);
        let now = self.settings.now.seconds();
        self.update(attempt, |record| {
            record.note_window(&self.tried, now);
            record.phase = Phase::WaitingForUser(shown);
        })
        .await;
    }

    /// The record of this account at this server; one that cannot be read is empty.
    pub(in crate::auth) async fn record(&self) -> StatusRecord {
        match self.vault.side_file(&self.name).await {
            Ok(text) => text.as_deref().map(StatusRecord::read).unwrap_or_default(),
            Err(why) => {
                tracing::debug!(%why, "the note on this sign-in is not readable");
                StatusRecord::default()
            }
        }
    }

    /// Writes the record.
    pub(in crate::auth) async fn write(&self, record: &StatusRecord) {
        if let Err(why) = self
            .vault
            .write_side_file(&self.name, &record.write())
            .await
        {
            tracing::warn!(%why, "other processes will not know of this sign-in");
        }
    }

    /// The record, if one is written and can be read.
    pub(in crate::auth) async fn written(&self) -> Option<StatusRecord> {
        let text = self.vault.side_file(&self.name).await.ok().flatten();
        text.as_deref().map(StatusRecord::read)
    }

    /// Edits the record if it is still about this attempt.
    pub(in crate::auth) async fn update(
        &self,
        attempt: &str,
        edit: impl FnOnce(&mut StatusRecord),
    ) {
        let mut record = self.record().await;
        if record.attempt == attempt {
            edit(&mut record);
            self.write(&record).await;
        }
    }

    /// Returns when another process has taken the lock, or the status that this one would write is gone.
    pub(in crate::auth) async fn superseded(&self, attempt: &str) {
        if self.vault.location().is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(TAKEOVER_POLL).await;
            let note = self.vault.side_file(&self.name).await;
            if note
                .is_ok_and(|note| StatusRecord::read(&note.unwrap_or_default()).attempt != attempt)
            {
                return;
            }
        }
    }
}

/// A user is waited for as long as this lives.
pub(in crate::auth) struct WaitingForUser<'a>(&'a SignInStatus);

impl Drop for WaitingForUser<'_> {
    fn drop(&mut self) {
        self.0.user.send_replace(false);
        self.0.pending.send_replace(None);
    }
}

/// Returns a name for an attempt that no other process can guess: a process that finds another name in the record has
/// been superseded.
pub(in crate::auth) fn attempt_name() -> String {
    CsrfToken::new_random_len(16).into_secret()
}
