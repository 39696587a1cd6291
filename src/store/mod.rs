//! The vault: what is kept between starts, encrypted. (design: security.md section 2)

pub mod contents;
pub mod envelope;
pub mod primitives;
pub mod slot;

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
}

/// Everything kept, for this process. Opening is lazy: a vault that nobody asks is never unlocked.
#[derive(Debug)]
pub struct Vault {}

/// Held until dropped; the system lets go if the process dies.
#[derive(Debug)]
pub struct Lock {}

impl Vault {
    /// Keeps everything in memory only (`--vault none`).
    pub fn in_memory() -> Self {
        Self {}
    }

    /// The entry of this name. Reads what is on disk now, without a lock.
    ///
    /// # Errors
    /// The vault cannot be opened, read or trusted.
    pub async fn read(&self, _name: &str) -> Result<Option<Entry>, Error> {
        Ok(None)
    }

    /// The names and kinds of all entries.
    ///
    /// # Errors
    /// As [`Vault::read`].
    pub async fn list(&self) -> Result<Vec<(String, Kind)>, Error> {
        Ok(Vec::new())
    }

    /// Writes an entry and returns its new revision, once it is safely on disk.
    ///
    /// # Errors
    /// [`Error::Stale`] if `expected` is not so; otherwise as [`Vault::read`], or the disk refused.
    pub async fn put(
        &self,
        _name: &str,
        _kind: Kind,
        _content: &Secret,
        _expected: Expected,
    ) -> Result<u64, Error> {
        Err(Error::Stale)
    }

    /// Removes an entry; false if there was none.
    ///
    /// # Errors
    /// As [`Vault::put`].
    pub async fn remove(&self, _name: &str) -> Result<bool, Error> {
        Ok(false)
    }

    /// Takes the lock that stands for `name` (held across a refresh), waiting at most `patience`. Within one process too.
    ///
    /// # Errors
    /// It stayed taken, or the file system has no locks.
    pub async fn lock(&self, _name: &str, _patience: Duration) -> Result<Lock, Error> {
        Ok(Lock {})
    }
}
