//! The credentials of one account at one server, in the vault, with the lock that processes share for them.
//!
//! Knows the names of the records and decides which record counts; does not know how tokens are obtained. Tokens that
//! the vault refuses are held in memory, because they are the only successors of spent ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::client::{Client, ClientSource};
use crate::auth::grant::GrantType;
use crate::auth::net::http::TOKEN_PATIENCE;
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::registration;
use crate::auth::settings::Settings;
use crate::auth::store::locked_vault::{self, Unlocking};
use crate::auth::store::name::{self, TokenName};
use crate::auth::store::record::{ClientRecord, TokenRecord, TokenState};
use crate::auth::text_limits::MAX_NAME;
use crate::store::{EntryKind, Error as StoreError, Expected, Vault, VaultLock};
use crate::text::plain;

/// The time that tokens wait for a vault that is to store them.
const UNSAVED_LIFETIME: Duration = Duration::from_secs(3600);

/// The reason why a credential is not read or written.
#[derive(Debug, thiserror::Error)]
pub(in crate::auth) enum Error {
    /// A vault that cannot be read or written.
    #[error(transparent)]
    Vault(#[from] StoreError),
    /// A stored entry for this server that this version cannot read.
    #[error("the stored entry for this server was written by another version")]
    ForeignRecord,
    /// A client or a token of the user's that belongs to another authorization server.
    #[error(transparent)]
    Registration(#[from] registration::Error),
}

/// An entry of the vault with its name and its revision.
pub(in crate::auth) struct StoredTokens {
    pub(in crate::auth) name: String,
    pub(in crate::auth) rev: u64,
    pub(in crate::auth) entry: TokenRecord,
}

/// The credentials of one account at one server.
pub(in crate::auth) struct CredentialStore {
    vault: Arc<Vault>,
    settings: Arc<Settings>,
    unlocking: Unlocking,
    /// Tokens that the vault has refused, with their name: the only copy of a spent refresh token's successor.
    unsaved: Mutex<Option<(String, TokenRecord)>>,
}

impl CredentialStore {
    pub(in crate::auth) fn new(
        vault: Arc<Vault>,
        settings: Arc<Settings>,
        unlocking: Unlocking,
    ) -> Self {
        Self {
            vault,
            settings,
            unlocking,
            unsaved: Mutex::new(None),
        }
    }

    pub(in crate::auth) fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    pub(in crate::auth) fn unlocking(&self) -> &Unlocking {
        &self.unlocking
    }

    /// Returns the tokens that the vault has not stored, with the name that they are to have.
    pub(in crate::auth) fn unsaved(&self) -> MutexGuard<'_, Option<(String, TokenRecord)>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::auth) async fn is_locked(&self) -> bool {
        locked_vault::is_locked(&self.vault).await
    }

    /// Waits until the user has unlocked the vault; returns false if the process leaves before.
    pub(in crate::auth) async fn until_unlocked(&self) -> bool {
        self.unlocking.until_unlocked(&self.vault).await
    }

    /// Returns the newest entry for this account that is not known to be dead, of those that the user allows
    /// (`--dpop`). Tokens that the vault has refused count too.
    pub(in crate::auth) async fn stored(&self) -> Result<Option<StoredTokens>, Error> {
        let unsaved = self.unsaved().clone();
        let mut best = match self.in_vault().await {
            Err(why) if unsaved.is_none() => return Err(why),
            found => found.unwrap_or_default(),
        };
        if let Some((name, entry)) = unsaved
            && best
                .as_ref()
                .is_none_or(|tokens| rank(&entry) >= rank(&tokens.entry))
        {
            let rev = best
                .filter(|tokens| tokens.name == name)
                .map_or(0, |tokens| tokens.rev);
            best = Some(StoredTokens { name, rev, entry });
        }
        Ok(best)
    }

    async fn in_vault(&self) -> Result<Option<StoredTokens>, Error> {
        let mut all: Vec<StoredTokens> = Vec::new();
        for (name, kind) in self.vault.list().await? {
            if kind != EntryKind::Oauth || !TokenName::parse(&name).is_for(&self.settings) {
                continue;
            }
            let Some(found) = self.vault.read(&name).await? else {
                continue;
            };
            let entry = TokenRecord::read(&found.content).ok_or(Error::ForeignRecord)?;
            let tokens = StoredTokens {
                name,
                rev: found.rev,
                entry,
            };
            if self.settings.dpop.allows(tokens.entry.is_bound()) {
                all.push(tokens);
            }
        }
        // The issuer of the last sign-in comes first: an issuer that the user has left may have newer tokens.
        let last = all
            .iter()
            .max_by_key(|tokens| (tokens.entry.signed_in_at, tokens.rev));
        let last = last.map(|tokens| tokens.entry.issuer.clone());
        Ok(all
            .into_iter()
            .max_by_key(|tokens| tokens.rank(last.as_deref())))
    }

    /// Stores an entry. If the vault refuses it, the tokens still serve this process, and the log says so.
    pub(in crate::auth) async fn save(&self, name: &str, entry: &TokenRecord, expected: Expected) {
        match self.put_when_unlocked(name, entry, expected).await {
            Ok(_) => *self.unsaved() = None,
            // Another process has stored tokens of a sign-in meanwhile: they are newer than the renewed ones.
            Err(StoreError::Stale) => {
                tracing::debug!("the entry changed meanwhile; left as it is");
            }
            Err(why) => {
                tracing::error!(%why, "the tokens cannot be kept: the next start has to sign in");
                *self.unsaved() = Some((name.to_owned(), entry.clone()));
            }
        }
    }

    /// Removes the entries that a sign-in has replaced: those of the same account and issuer under earlier clients. An
    /// entry of a kind that `--dpop` excludes here belongs to another configuration and stays.
    pub(in crate::auth) async fn supersede(&self, newest: &str, issuer: &str) {
        let names = self.vault.list().await.unwrap_or_default();
        for (name, kind) in names {
            if kind != EntryKind::Oauth
                || name == newest
                || !TokenName::parse(&name).is_for(&self.settings)
            {
                continue;
            }
            let found = self.vault.read(&name).await.ok().flatten();
            let entry = found.and_then(|found| TokenRecord::read(&found.content));
            let is_ours = |entry: TokenRecord| {
                entry.issuer == issuer && self.settings.dpop.allows(entry.is_bound())
            };
            if entry.is_some_and(is_ours)
                && let Err(why) = self.vault.remove(&name).await
            {
                tracing::debug!(%why, "an entry of old stays");
            }
        }
    }

    /// Removes a registration that the server does not know any more; tokens stay until they are replaced.
    pub(in crate::auth) async fn forget_registration(&self, issuer: &str, client: &Client) {
        if client.source != ClientSource::Registered {
            return;
        }
        let name = ClientRecord::name(issuer, &self.settings);
        let record = self.vault.read(&name).await.ok().flatten();
        let record = record.and_then(|found| ClientRecord::read(&found.content));
        if record.is_some_and(|record| record.client.id == client.id)
            && let Err(why) = self.vault.remove(&name).await
        {
            tracing::warn!(%why, "the dead registration cannot be removed");
        }
    }

    /// Writes an entry, or waits to write it until the user has unlocked a locked vault.
    pub(in crate::auth) async fn put_when_unlocked(
        &self,
        name: &str,
        entry: &TokenRecord,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        let content = entry.write();
        let put = || self.vault.put(name, EntryKind::Oauth, &content, expected);
        match put().await {
            Err(StoreError::Locked { vault }) if self.settings.waits_for_unlock => {
                *self.unsaved() = Some((name.to_owned(), entry.clone()));
                let unlocked = tokio::time::timeout(
                    UNSAVED_LIFETIME,
                    self.unlocking.until_unlocked(&self.vault),
                )
                .await;
                match unlocked {
                    Ok(true) => put().await,
                    _ => Err(StoreError::Locked { vault }),
                }
            }
            put => put,
        }
    }

    pub(in crate::auth) async fn lock(&self) -> Result<VaultLock, Error> {
        // The patience is longer than the slowest token request of the process that holds the lock.
        self.lock_within(TOKEN_PATIENCE + Duration::from_secs(10))
            .await
    }

    pub(in crate::auth) async fn lock_within(
        &self,
        patience: Duration,
    ) -> Result<VaultLock, Error> {
        Ok(self
            .vault
            .lock_in_use(&name::credential_lock(&self.settings), patience)
            .await?)
    }

    pub(in crate::auth) fn lock_name(&self, what: &str) -> String {
        name::shared_name(what, &self.settings)
    }

    pub(in crate::auth) async fn save_registration(&self, name: &str, record: &ClientRecord) {
        let (kind, content) = (EntryKind::ClientRegistration, record.write());
        let put = self.vault.put(name, kind, &content, Expected::Anything);
        if let Err(why) = put.await {
            tracing::warn!(%why, "the registration cannot be kept");
        }
    }

    /// Records that the server has accepted a registration, and how it took the client's secret.
    pub(in crate::auth) async fn confirm_registration(
        &self,
        entry: &TokenRecord,
        redirect_uri: &str,
    ) {
        let name = ClientRecord::name(&entry.issuer, &self.settings);
        if entry.client.source != ClientSource::Registered {
            return;
        }
        if let Ok(Some(record)) = self.registration(&name).await
            && record.client.id == entry.client.id
            && record.redirect_uri == redirect_uri
        {
            let record = ClientRecord {
                client: entry.client.clone(),
                known_at: entry.obtained_at,
                ..record
            };
            self.save_registration(&name, &record).await;
        }
    }

    /// Checks that a client or token from the user goes to the authorization server that it belongs to. Where the MCP
    /// server once named another one, the new one must not see the secret (MCP 2026-07-28, basic/authorization), unless
    /// the user says so. `id` is that of a client; without one, the user brought a token for registering, or an
    /// assertion.
    pub(in crate::auth) async fn belongs_there(
        &self,
        id: Option<&str>,
        server: &AuthorizationServer,
    ) -> Result<(), Error> {
        if self.settings.authorization_server.is_some() || self.settings.token_endpoint.is_some() {
            return Ok(());
        }
        let mut was = None;
        for (name, kind) in self.vault.list().await? {
            let name = TokenName::parse(&name);
            let is_theirs = id.is_none_or(|id| name.client_id() == Some(id));
            if kind != EntryKind::Oauth || !name.is_of(&self.settings) || !is_theirs {
                continue;
            }
            match name.issuer() {
                Some(issuer) if issuer == server.issuer() => return Ok(()),
                issuer => was = issuer.map(str::to_owned),
            }
        }
        was.map_or(Ok(()), |was| {
            Err(registration::Error::OtherServer {
                what: match id {
                    Some(id) => format!("the client {}", plain(id, MAX_NAME)),
                    None if self.settings.grant.kind() == GrantType::Workload => {
                        "the assertion".to_owned()
                    }
                    None => "the token for registering".to_owned(),
                },
                was: plain(&was, MAX_NAME),
                now: plain(server.issuer(), MAX_NAME),
            }
            .into())
        })
    }

    pub(in crate::auth) async fn registration(
        &self,
        name: &str,
    ) -> Result<Option<ClientRecord>, Error> {
        let found = self.vault.read(name).await?;
        let now = self.settings.now.seconds();
        Ok(found
            .and_then(|found| ClientRecord::read(&found.content))
            .filter(|record| record.expires_at.is_none_or(|at| now < at)))
    }
}

pub(in crate::auth) fn revision(rev: u64) -> Expected {
    if rev == 0 {
        Expected::Absent
    } else {
        Expected::Revision(rev)
    }
}

impl StoredTokens {
    /// Returns the entry's rank; the highest is used. A living entry comes first, then one of the issuer of the last
    /// sign-in, then a bound one (a newer sign-in without a key was made by another configuration with `--dpop off`),
    /// then the one that was written last. The vault counts its writes, because clocks are coarse and go backwards.
    /// Entries that `vault rekey` has written together are ranked by their time.
    fn rank(&self, last: Option<&str>) -> (bool, bool, bool, u64, u64) {
        let (is_alive, obtained_at) = rank(&self.entry);
        let is_last = last == Some(self.entry.issuer.as_str());
        let is_bound = self.entry.is_bound();
        (is_alive, is_last, is_bound, self.rev, obtained_at)
    }
}

/// Returns the rank of an entry that the vault has refused, and so has not counted.
fn rank(entry: &TokenRecord) -> (bool, u64) {
    (entry.state != TokenState::NeedsLogin, entry.obtained_at)
}
