//! The credentials of one account at one server, in the vault, and the lock that processes share for them.
//!
//! Knows the names under which records are kept and which record counts; does not know how tokens are obtained. Tokens
//! that the vault does not take are held here, for they are the only successors of what was spent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::client::{Client, Source};
use crate::auth::grant::GrantType;
use crate::auth::net::http::TOKEN_PATIENCE;
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::registration;
use crate::auth::settings::Settings;
use crate::auth::store::locked_vault::{self, Unlocking};
use crate::auth::store::record::{Entry, Registration, State, is_for, is_of, shared_name};
use crate::store::{Error as StoreError, Expected, Kind, Lock, Vault};
use crate::text::plain;

/// How long tokens wait for the vault that is to keep them.
const KEEPING: Duration = Duration::from_secs(3600);

/// The reason why a credential is not read or written.
#[derive(Debug, thiserror::Error)]
pub(in crate::auth) enum Error {
    /// The vault cannot be read or written.
    #[error(transparent)]
    Vault(#[from] StoreError),
    /// What the vault holds for this server is not readable as ours.
    #[error("the stored entry for this server was written by another version")]
    ForeignEntry,
    /// What the user brought belongs to another authorization server.
    #[error(transparent)]
    Registration(#[from] registration::Error),
}

/// An entry of the vault, where it was found, and at which revision.
pub(in crate::auth) struct Kept {
    pub(in crate::auth) name: String,
    pub(in crate::auth) rev: u64,
    pub(in crate::auth) entry: Entry,
}

/// The credentials of one account at one server.
pub(in crate::auth) struct CredentialStore {
    vault: Arc<Vault>,
    settings: Arc<Settings>,
    unlocking: Unlocking,
    /// Tokens that the vault would not take, with their name: the only place where a spent refresh token's successor is.
    unsaved: Mutex<Option<(String, Entry)>>,
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

    /// Tokens that the vault has not taken, with the name that they are to have.
    pub(in crate::auth) fn unsaved(&self) -> MutexGuard<'_, Option<(String, Entry)>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::auth) async fn is_locked(&self) -> bool {
        locked_vault::is_locked(&self.vault).await
    }

    /// Waits until the user has unlocked the vault; false if the process leaves before.
    pub(in crate::auth) async fn until_unlocked(&self) -> bool {
        self.unlocking.until_unlocked(&self.vault).await
    }

    /// What is kept for us: the newest that is not known to be dead, of those that the user lets us use (`--dpop`). What the
    /// vault would not take counts too.
    pub(in crate::auth) async fn stored(&self) -> Result<Option<Kept>, Error> {
        let unsaved = self.unsaved().clone();
        let mut best = match self.in_vault().await {
            Err(why) if unsaved.is_none() => return Err(why),
            found => found.unwrap_or_default(),
        };
        if let Some((name, entry)) = unsaved
            && best
                .as_ref()
                .is_none_or(|kept| rank(&entry) >= rank(&kept.entry))
        {
            let rev = best
                .filter(|kept| kept.name == name)
                .map_or(0, |kept| kept.rev);
            best = Some(Kept { name, rev, entry });
        }
        Ok(best)
    }

    async fn in_vault(&self) -> Result<Option<Kept>, Error> {
        let mut all: Vec<Kept> = Vec::new();
        for (name, kind) in self.vault.list().await? {
            if kind != Kind::Oauth || !is_for(&name, &self.settings) {
                continue;
            }
            let Some(found) = self.vault.read(&name).await? else {
                continue;
            };
            let entry = Entry::read(&found.content).ok_or(Error::ForeignEntry)?;
            let kept = Kept {
                name,
                rev: found.rev,
                entry,
            };
            if self.settings.dpop.allows(kept.entry.is_bound()) {
                all.push(kept);
            }
        }
        // Tokens of an authorization server that the user has left are not those of the one signed in to since.
        let last = all
            .iter()
            .max_by_key(|kept| (kept.entry.signed_in_at, kept.rev));
        let last = last.map(|kept| kept.entry.issuer.clone());
        Ok(all
            .into_iter()
            .max_by_key(|kept| kept.rank(last.as_deref())))
    }

    /// Keeps an entry. If that cannot be done the tokens still serve this process, and the user hears of it.
    pub(in crate::auth) async fn save(&self, name: &str, entry: &Entry, expected: Expected) {
        match self.put_when_unlocked(name, entry, expected).await {
            Ok(_) => *self.unsaved() = None,
            // Somebody signed in meanwhile: theirs is newer than what we renewed.
            Err(StoreError::Stale) => {
                tracing::debug!("the entry changed meanwhile; left as it is");
            }
            Err(why) => {
                tracing::error!(%why, "the tokens cannot be kept: the next start has to sign in");
                *self.unsaved() = Some((name.to_owned(), entry.clone()));
            }
        }
    }

    /// Removes what a sign-in has taken the place of: entries for the same of the same issuer, under clients of old. One of
    /// a kind that is of no use here (`--dpop`) is somebody else's.
    pub(in crate::auth) async fn supersede(&self, newest: &str, issuer: &str) {
        let names = self.vault.list().await.unwrap_or_default();
        for (name, kind) in names {
            if kind != Kind::Oauth || name == newest || !is_for(&name, &self.settings) {
                continue;
            }
            let found = self.vault.read(&name).await.ok().flatten();
            let entry = found.and_then(|found| Entry::read(&found.content));
            let is_ours = |entry: Entry| {
                entry.issuer == issuer && self.settings.dpop.allows(entry.is_bound())
            };
            if entry.is_some_and(is_ours)
                && let Err(why) = self.vault.remove(&name).await
            {
                tracing::debug!(%why, "an entry of old stays");
            }
        }
    }

    /// Forgets a registration the server does not know any more; tokens stay until they are replaced.
    pub(in crate::auth) async fn forget_registration(&self, issuer: &str, client: &Client) {
        if client.source != Source::Registered {
            return;
        }
        let name = Registration::name(issuer, &self.settings);
        let kept = self.vault.read(&name).await.ok().flatten();
        let kept = kept.and_then(|found| Registration::read(&found.content));
        if kept.is_some_and(|kept| kept.client.id == client.id)
            && let Err(why) = self.vault.remove(&name).await
        {
            tracing::warn!(%why, "the dead registration cannot be removed");
        }
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
                *self.unsaved() = Some((name.to_owned(), entry.clone()));
                let unlocked =
                    tokio::time::timeout(KEEPING, self.unlocking.until_unlocked(&self.vault)).await;
                match unlocked {
                    Ok(true) => put().await,
                    _ => Err(StoreError::Locked { vault }),
                }
            }
            put => put,
        }
    }

    pub(in crate::auth) async fn lock(&self) -> Result<Lock, Error> {
        // Longer than the slowest token request of the process that holds it.
        self.lock_within(TOKEN_PATIENCE + Duration::from_secs(10))
            .await
    }

    pub(in crate::auth) async fn lock_within(&self, patience: Duration) -> Result<Lock, Error> {
        Ok(self
            .vault
            .lock_in_use(&self.lock_name("credential"), patience)
            .await?)
    }

    pub(in crate::auth) fn lock_name(&self, what: &str) -> String {
        shared_name(what, &self.settings)
    }

    pub(in crate::auth) async fn keep_registration(&self, name: &str, kept: &Registration) {
        let (kind, content) = (Kind::ClientRegistration, kept.write());
        let put = self.vault.put(name, kind, &content, Expected::Anything);
        if let Err(why) = put.await {
            tracing::warn!(%why, "the registration cannot be kept");
        }
    }

    /// Notes that a registration was honoured, and how its secret was taken.
    pub(in crate::auth) async fn confirm_registration(&self, entry: &Entry, redirect_uri: &str) {
        let name = Registration::name(&entry.issuer, &self.settings);
        if entry.client.source != Source::Registered {
            return;
        }
        if let Ok(Some(kept)) = self.registration(&name).await
            && kept.client.id == entry.client.id
            && kept.redirect_uri == redirect_uri
        {
            let kept = Registration {
                client: entry.client.clone(),
                known_at: entry.obtained_at,
                ..kept
            };
            self.keep_registration(&name, &kept).await;
        }
    }

    /// What the user brought belongs to somebody. Where the server once named that one and now another, a secret is none
    /// of the other's business (MCP 2026-07-28, basic/authorization), unless the user says so. `id` is that of a
    /// client; without one, what was brought is a token for registering, or an assertion.
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
            let parts: Vec<String> = serde_json::from_str(&name).unwrap_or_default();
            let is_theirs = id.is_none_or(|id| parts.get(4).is_some_and(|kept| kept == id));
            if kind != Kind::Oauth || !is_of(&parts, &self.settings) || !is_theirs {
                continue;
            }
            match parts.get(3) {
                Some(issuer) if issuer == server.issuer() => return Ok(()),
                issuer => was = issuer.cloned(),
            }
        }
        was.map_or(Ok(()), |was| {
            Err(registration::Error::Elsewhere {
                what: match id {
                    Some(id) => format!("the client {}", plain(id, 200)),
                    None if self.settings.grant.kind() == GrantType::Workload => {
                        "the assertion".to_owned()
                    }
                    None => "the token for registering".to_owned(),
                },
                was: plain(&was, 200),
                now: plain(server.issuer(), 200),
            }
            .into())
        })
    }

    pub(in crate::auth) async fn registration(
        &self,
        name: &str,
    ) -> Result<Option<Registration>, Error> {
        let found = self.vault.read(name).await?;
        let now = self.settings.now.seconds();
        Ok(found
            .and_then(|found| Registration::read(&found.content))
            .filter(|kept| kept.expires_at.is_none_or(|at| now < at)))
    }
}

pub(in crate::auth) fn revision(rev: u64) -> Expected {
    if rev == 0 {
        Expected::Absent
    } else {
        Expected::Revision(rev)
    }
}

impl Kept {
    /// Which of two is used: the one that lives, then the one of the issuer signed in to last, then the one that is bound (a newer sign-in without a key is another
    /// user's of the vault, who wants it so with `--dpop off`), then the one that was written last. The vault counts its
    /// writes; clocks are coarse, and go backwards. Entries that were written together, by `vault rekey`, have their time.
    fn rank(&self, last: Option<&str>) -> (bool, bool, bool, u64, u64) {
        let (is_alive, obtained_at) = rank(&self.entry);
        let is_last = last == Some(self.entry.issuer.as_str());
        let is_bound = self.entry.is_bound();
        (is_alive, is_last, is_bound, self.rev, obtained_at)
    }
}

/// The same for one that the vault would not take, and so has not counted.
fn rank(entry: &Entry) -> (bool, u64) {
    (entry.state != State::NeedsLogin, entry.obtained_at)
}
