//! The vault: what is kept between starts, encrypted. (design: security.md section 2)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::secret::Secret;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tokens for one resource (security.md 2.3).
    Oauth,
    /// A client registration with one issuer.
    ClientRegistration,
}

/// One decrypted entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Counts its writes; compare-and-swap uses it.
    pub rev: u64,
    /// JSON text.
    pub content: Secret,
}

/// What must be so for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there is replaced.
    Anything,
    /// Nothing is there.
    Absent,
    /// This revision is there.
    Revision(u64),
}

/// Why the vault did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody wrote in between.
    #[error("the entry has changed meanwhile")]
    Stale,
    /// The lock stayed taken.
    #[error("another process holds the lock on this credential")]
    Busy,
}

/// Everything kept, for this process. Opening is lazy: a vault that nobody asks is never unlocked.
#[derive(Debug, Default)]
pub struct Vault {
    entries: Mutex<BTreeMap<String, Entry>>,
    locks: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Held until dropped; the system lets go if the process dies.
#[derive(Debug)]
pub struct Lock {
    _held: tokio::sync::OwnedMutexGuard<()>,
}

impl Vault {
    /// Keeps everything in memory only (`--vault none`).
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The entry of this name. Reads what is on disk now, without a lock.
    ///
    /// # Errors
    /// The vault cannot be opened, read or trusted.
    pub async fn read(&self, name: &str) -> Result<Option<Entry>, Error> {
        Ok(held(&self.entries).get(name).cloned())
    }

    /// The names and kinds of all entries.
    ///
    /// # Errors
    /// As [`Vault::read`].
    pub async fn list(&self) -> Result<Vec<(String, Kind)>, Error> {
        let entries = held(&self.entries);
        Ok(entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry.kind))
            .collect())
    }

    /// Writes an entry and returns its new revision, once it is safely on disk.
    ///
    /// # Errors
    /// [`Error::Stale`] if `expected` is not so; otherwise as [`Vault::read`], or the disk refused.
    pub async fn put(
        &self,
        name: &str,
        kind: Kind,
        content: &Secret,
        expected: Expected,
    ) -> Result<u64, Error> {
        let mut entries = held(&self.entries);
        let now = entries.get(name).map(|entry| entry.rev);
        match expected {
            Expected::Absent if now.is_some() => return Err(Error::Stale),
            Expected::Revision(rev) if now != Some(rev) => return Err(Error::Stale),
            _ => {}
        }
        let rev = now.unwrap_or(0) + 1;
        let content = content.clone();
        entries.insert(name.to_owned(), Entry { kind, rev, content });
        Ok(rev)
    }

    /// Removes an entry; false if there was none.
    ///
    /// # Errors
    /// As [`Vault::put`].
    pub async fn remove(&self, name: &str) -> Result<bool, Error> {
        Ok(held(&self.entries).remove(name).is_some())
    }

    /// Takes the lock that stands for `name` (held across a refresh), waiting at most `patience`. Within one process too.
    ///
    /// # Errors
    /// It stayed taken, or the file system has no locks.
    pub async fn lock(&self, name: &str, patience: Duration) -> Result<Lock, Error> {
        let lock = Arc::clone(held(&self.locks).entry(name.to_owned()).or_default());
        match tokio::time::timeout(patience, lock.lock_owned()).await {
            Ok(held) => Ok(Lock { _held: held }),
            Err(_) => Err(Error::Busy),
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
