//! The vault: the encrypted store of what is kept between starts.
//!
//! This file is the facade. Entries have names, kinds and revisions, and are written by compare-and-swap; two processes
//! that share a vault lose nothing of each other's. [`Vault::lock`] is for work that must happen once on the whole
//! machine, such as spending a refresh token. `slots` has the operations on a vault as a whole.
//!
//! Below the facade: `envelope`, `contents`, `slot` and `primitives` are the format, pure. `paths` makes the names of
//! files, `files` opens, replaces and locks them, `rollback_guard` remembers the newest generation. `passphrase`,
//! `key_command` (through `process::argv`) and `agent` are the sources of keys. `disk` joins them, `memory` does without;
//! `core_dumps` protects this process's memory.
//!
//! # When the format changes
//!
//! The file says its format in its first eight bytes, and its suite, slot types and kinds of entries by name. A version
//! that meets a format, suite or slot type it does not know says so and touches nothing; entries of a kind it does not
//! know it keeps as they are. So a new kind of entry or slot label needs no new format. For one that does: `envelope`
//! keeps reading every format there was, each parser ending in the same [`contents`]; `seal` writes the newest, so the
//! first write after an upgrade is the upgrade, in one step like every write, and the old file is there until it is
//! done; whatever rights an old format gave its reader end there (security floors are those of the reader, not of the
//! file). The first write to a file of an older format copies it to `vault.bin.formatN` first, because older programs
//! may still run. Files of every format stay in `fixtures/vault` and open. Paths never hold a version.
//!
//! Knows nothing of what an entry's text means.

pub mod agent;
pub mod contents;
pub mod core_dumps;
mod disk;
mod entry;
pub mod envelope;
mod error;
pub mod files;
pub mod key_command;
mod lock;
mod memory;
pub mod passphrase;
mod paths;
pub mod primitives;
mod rollback_guard;
pub mod slot;
mod slots;
mod status;
mod strength;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use disk::{Imported, KeyKind, NewKey, Unlock, Verified};
pub use entry::{EntryKind, Expected, VaultEntry};
pub use error::Error;
pub use lock::VaultLock;
pub use paths::VaultPaths;
pub use status::{Level, SlotStatus, VaultStatus};

use tokio::sync::watch;

use disk::Disk;
use memory::Memory;

use crate::random::bytes as random;
use crate::secret::Secret;

/// The vault, for this process. Opening is lazy: a vault that no part of the program asks is never unlocked.
#[derive(Debug)]
pub struct Vault(Backend);

#[derive(Debug)]
enum Backend {
    Memory(Memory),
    Disk(Arc<Disk>),
}

impl Vault {
    /// Makes a vault that keeps its entries in memory only (`--vault none`).
    pub fn in_memory() -> Self {
        Self(Backend::Memory(Memory::default()))
    }

    /// Makes a vault that keeps its entries in a file. Reads nothing and asks for nothing yet; the first [`Vault::put`]
    /// makes the file.
    pub fn on_disk(paths: VaultPaths, unlock: Unlock) -> Self {
        Self(Backend::Disk(Arc::new(Disk::new(paths, unlock))))
    }

    /// Returns the path of the file, existing or not; `None` in memory.
    pub fn location(&self) -> Option<PathBuf> {
        match &self.0 {
            Backend::Memory(_) => None,
            Backend::Disk(disk) => Some(disk.file().paths().vault()),
        }
    }

    /// Returns the signal that a program, a pipe or the user is asked for the vault's key or passphrase, which may take
    /// any time; `None` in memory.
    pub fn is_asking(&self) -> Option<watch::Receiver<bool>> {
        match &self.0 {
            Backend::Memory(_) => None,
            Backend::Disk(disk) => Some(disk.unlocker().is_asking()),
        }
    }

    /// Returns the facts that need no opening: asks for no passphrase.
    ///
    /// # Errors
    /// The file cannot be used, or is no vault.
    pub async fn status(&self) -> Result<VaultStatus, Error> {
        match &self.0 {
            Backend::Memory(_) => Ok(VaultStatus::of(None, None)),
            Backend::Disk(disk) => blocking(disk, |disk| disk.file().status()).await,
        }
    }

    /// Returns the entry of this name. Reads the file as it is now, without a lock.
    ///
    /// # Errors
    /// The vault cannot be opened, read or trusted.
    pub async fn read(&self, name: &str) -> Result<Option<VaultEntry>, Error> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.read(name)),
            Backend::Disk(disk) => {
                let name = name.to_owned();
                blocking(disk, move |disk| disk.read(&name)).await
            }
        }
    }

    /// Returns the names and kinds of all entries.
    ///
    /// # Errors
    /// As [`Vault::read`].
    pub async fn list(&self) -> Result<Vec<(String, EntryKind)>, Error> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.list()),
            Backend::Disk(disk) => blocking(disk, Disk::list).await,
        }
    }

    /// Writes an entry and returns its new revision, once it is safely on disk. A caller that stops waiting does not
    /// stop the write.
    ///
    /// # Errors
    /// [`Error::Stale`] if `expected` is not so; otherwise as [`Vault::read`], or the disk refused.
    pub async fn put(
        &self,
        name: &str,
        kind: EntryKind,
        content: &Secret,
        expected: Expected,
    ) -> Result<u64, Error> {
        match &self.0 {
            Backend::Memory(memory) => memory.put(name, kind, content, expected),
            Backend::Disk(disk) => {
                let (name, content) = (name.to_owned(), content.clone());
                blocking(disk, move |disk| disk.put(&name, kind, &content, expected)).await
            }
        }
    }

    /// Removes an entry; false if there was none.
    ///
    /// # Errors
    /// As [`Vault::put`].
    pub async fn remove(&self, name: &str) -> Result<bool, Error> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.remove(name)),
            Backend::Disk(disk) => {
                let name = name.to_owned();
                blocking(disk, move |disk| disk.remove(&name)).await
            }
        }
    }

    /// Opens the vault, or checks that one can be made; asks for the passphrase in either case. Makes no vault, which
    /// would be left behind if there is never an entry to keep.
    ///
    /// # Errors
    /// As [`Vault::put`].
    pub async fn open_or_prepare(&self) -> Result<(), Error> {
        match &self.0 {
            Backend::Memory(_) => Ok(()),
            Backend::Disk(disk) => blocking(disk, Disk::open_or_prepare).await,
        }
    }

    /// Returns the root key, to be passed to another process of ours through a pipe; `None` in memory, and where that
    /// process can make the vault itself because a key file will open it.
    ///
    /// # Errors
    /// As [`Vault::put`].
    pub async fn root(&self) -> Result<Option<primitives::Key>, Error> {
        match &self.0 {
            Backend::Memory(_) => Ok(None),
            Backend::Disk(disk) => blocking(disk, Disk::root).await,
        }
    }

    /// Reads the side file of this name, which processes leave for each other. Not encrypted: it holds no token.
    ///
    /// # Errors
    /// The file cannot be read or trusted.
    pub async fn side_file(&self, name: &str) -> Result<Option<String>, Error> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.side_file(name)),
            Backend::Disk(disk) => {
                let name = name.to_owned();
                blocking(disk, move |disk| disk.file().side_file(&name)).await
            }
        }
    }

    /// Replaces the side file of this name, whichever process wrote it.
    ///
    /// # Errors
    /// The disk refused.
    pub async fn write_side_file(&self, name: &str, text: &str) -> Result<(), Error> {
        match &self.0 {
            Backend::Memory(memory) => {
                memory.write_side_file(name, text);
                Ok(())
            }
            Backend::Disk(disk) => {
                let (name, text) = (name.to_owned(), text.to_owned());
                blocking(disk, move |disk| disk.file().write_side_file(&name, &text)).await
            }
        }
    }

    /// Takes the lock of `name` (held across a refresh), waiting at most `patience`. The lock works within one process
    /// too. Tries once even with no patience.
    ///
    /// # Errors
    /// [`Error::Busy`] if it stayed taken; or the file system has no locks.
    pub async fn lock(&self, name: &str, patience: Duration) -> Result<VaultLock, Error> {
        match &self.0 {
            Backend::Memory(memory) => memory.lock(name, patience).await,
            Backend::Disk(disk) => {
                let path = disk.file().paths().entry_lock(name);
                let attempt = || {
                    let path = path.clone();
                    blocking(disk, move |disk| {
                        let file = disk.file();
                        file.prepare()?;
                        Ok(files::FileLock::try_take(&path, file.loose())?)
                    })
                };
                let waiting = async {
                    loop {
                        // The lock is polled, because a wait inside the system could not be given up.
                        let [jitter] = random()?;
                        tokio::time::sleep(Duration::from_millis(50 + u64::from(jitter) / 5)).await;
                        if let Some(lock) = attempt().await? {
                            return Ok::<_, Error>(lock);
                        }
                    }
                };
                let lock = match attempt().await? {
                    Some(lock) => lock,
                    None => match tokio::time::timeout(patience, waiting).await {
                        Ok(taken) => taken?,
                        // A process that stood still tries once more before it reports that time is up.
                        Err(_) => match attempt().await? {
                            Some(lock) => lock,
                            None => return Err(Error::Busy { lock: path }),
                        },
                    },
                };
                Ok(VaultLock::between_processes(lock))
            }
        }
    }

    /// Does as [`Vault::lock`], for a refresh: while it is held, `mcpipe vault lock` takes the key from no refresh that
    /// has begun, whose tokens are nowhere else yet.
    ///
    /// # Errors
    /// As [`Vault::lock`].
    pub async fn lock_in_use(&self, name: &str, patience: Duration) -> Result<VaultLock, Error> {
        let lock = self.lock(name, patience).await?;
        let Backend::Disk(disk) = &self.0 else {
            return Ok(lock);
        };
        self.heed_lock().await;
        Ok(lock.with_key(disk.key().in_use()))
    }

    /// Says whether `mcpipe vault lock` may take a key from this process. A key file is no reason against it: `mcpipe vault protect`
    /// may put a passphrase in its place.
    pub fn is_lockable(&self) -> bool {
        match &self.0 {
            Backend::Memory(_) => false,
            Backend::Disk(disk) => disk.key().is_lockable(),
        }
    }

    /// Forgets the key if `mcpipe vault lock` was run since this process got the key, and returns the number of such
    /// locks.
    pub async fn heed_lock(&self) -> u64 {
        match &self.0 {
            Backend::Memory(_) => 0,
            Backend::Disk(disk) if !disk.key().is_lockable() => disk.key().locks(),
            Backend::Disk(disk) => {
                // The state may be held by a thread that waits for a user.
                let heeded = blocking(disk, |disk| Ok(disk.heed_lock())).await;
                heeded.unwrap_or_else(|_| disk.key().locks())
            }
        }
    }
}

/// Runs work that blocks on a thread that may block.
async fn blocking<T: Send + 'static>(
    disk: &Arc<Disk>,
    work: impl FnOnce(&Disk) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let disk = Arc::clone(disk);
    let done = tokio::task::spawn_blocking(move || work(&disk)).await;
    done.map_err(|_| Error::CutOff)?
}
