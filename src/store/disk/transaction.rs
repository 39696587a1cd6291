//! A vault in its file: read again whenever another process may have written, changed by read, edit and replace under
//! one lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::contents::{Contents, Keys};
use crate::store::disk::lockable::LockableKey;
use crate::store::disk::state::{DiskState, OpenedVault};
use crate::store::disk::unlock::Unlock;
use crate::store::disk::unlocker::Unlocker;
use crate::store::disk::vault_file::VaultFile;
use crate::store::disk::{create, root_key};
use crate::store::{Error, VaultPaths, envelope, files, random};

/// A vault in a file.
#[derive(Debug)]
pub(in crate::store) struct Disk {
    pub(super) unlocker: Unlocker,
    key: LockableKey,
    // The lock is held while blocking, on threads that may block: two tasks that both need the vault ask for one
    // passphrase.
    state: Mutex<DiskState>,
}

impl Disk {
    pub(in crate::store) fn new(paths: VaultPaths, mut unlock: Unlock) -> Self {
        let sources = std::mem::take(&mut unlock.passphrase);
        let inherited = unlock.root.take();
        Self {
            key: LockableKey::new(inherited.is_some()),
            state: Mutex::new(DiskState::new(sources, inherited)),
            unlocker: Unlocker::new(paths, unlock),
        }
    }

    pub(in crate::store) fn unlocker(&self) -> &Unlocker {
        &self.unlocker
    }

    pub(in crate::store) fn file(&self) -> &VaultFile {
        self.unlocker.file()
    }

    pub(in crate::store) fn key(&self) -> &LockableKey {
        &self.key
    }

    /// Forgets the key if the user has locked the vault since this process got the key. Returns the number of such
    /// locks.
    pub(in crate::store) fn heed_lock(&self) -> u64 {
        self.key.heed_lock(&mut self.state(), &self.unlocker);
        self.key.locks()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, DiskState> {
        // A panic leaves either the old state or the new one: every assignment is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the contents of the file; `None` if there is no file. Reads and opens only what it has not opened
    /// before.
    pub(super) fn load<'a>(
        &self,
        state: &'a mut DiskState,
    ) -> Result<Option<&'a OpenedVault>, Error> {
        let Some(mut file) = self.file().open()? else {
            state.opened = None;
            return Ok(None);
        };
        self.key.heed_lock(state, &self.unlocker);
        let known = match &state.opened {
            Some(opened) if opened.stamp == *file.stamp() => file.begins_with(&opened.beginning)?,
            _ => false,
        };
        if !known {
            let sealed = self.file().parse(&mut file)?;
            if let Some((vault, seen)) = &state.seen
                && *vault == sealed.vault_id()
                && *seen > sealed.generation()
            {
                return Err(Error::RolledBack {
                    vault: self.file().paths().vault(),
                    seen: *seen,
                    found: sealed.generation(),
                });
            }
            if state.seen.is_none() {
                self.file().compare_with_anchor(&sealed);
            }
            let (contents, keys) = self.unlocker.open(state, &sealed)?;
            state.set_opened(OpenedVault {
                stamp: file.stamp().clone(),
                beginning: sealed.beginning().to_vec(),
                contents,
                keys,
            });
            self.key.note(state);
        }
        Ok(state.opened.as_ref())
    }

    /// Returns a vault that must exist, opened.
    pub(super) fn existing(&self, state: &mut DiskState) -> Result<(Contents, Keys), Error> {
        let opened = self.load(state)?;
        let opened = opened.map(|opened| (opened.contents.clone(), opened.keys.clone()));
        opened.ok_or_else(|| self.file().absent())
    }

    /// Returns the vault that would be made, prepared once: the passphrase is asked for once.
    pub(super) fn new_vault(&self, state: &mut DiskState) -> Result<(Contents, Keys), Error> {
        if let Some(new_vault) = &state.new_vault {
            return Ok(new_vault.clone());
        }
        let new_vault = create::new_vault(&self.unlocker, state)?;
        Ok(state.new_vault.insert(new_vault).clone())
    }

    /// Edits the contents and writes them, under the lock. Makes the vault if there is none.
    pub(super) fn change<T>(
        &self,
        edit: impl FnOnce(&mut Contents, &mut Keys) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.state();
        // Work that is slow or asks the user is done before the lock is taken.
        let new_vault = match self.load(&mut state)? {
            Some(_) => None,
            None => Some(self.new_vault(&mut state)?),
        };
        self.file().prepare()?;
        let _lock = self.file().lock()?;
        files::sweep(&self.file().paths().vault());

        let found = self.load(&mut state)?;
        let found = found.map(|opened| (opened.contents.clone(), opened.keys.clone()));
        let is_new = found.is_none();
        let (mut contents, mut keys) = match (found, new_vault) {
            (Some(found), _) => found,
            (None, Some(new_vault)) => new_vault,
            (None, None) => self.new_vault(&mut state)?,
        };
        let edited = edit(&mut contents, &mut keys)?;
        if contents.is_rekey_due() {
            root_key::renew_unasked(&self.unlocker, &mut contents, &mut keys)?;
        }
        let is_by_key_file = contents.slots.is_empty();
        if is_by_key_file {
            create::add_key_file(&self.unlocker, &mut contents, &keys)?;
        }
        self.write(&mut state, contents, keys)?;
        state.is_by_key_file |= is_by_key_file;
        self.key.note(&state);
        if is_by_key_file {
            self.file().tell_of_key_file();
        } else if is_new {
            state.forget();
        }
        Ok(edited)
    }

    /// Writes the contents as the next generation, and takes them as what is opened.
    fn write(
        &self,
        state: &mut DiskState,
        mut contents: Contents,
        keys: Keys,
    ) -> Result<(), Error> {
        let file = self.file();
        let bytes = envelope::seal(&mut contents, &keys, &random()?);
        let bytes = bytes.map_err(|error| file.broken(error))?;
        let stamp = files::replace(&file.paths().vault(), &bytes)?;
        file.raise_anchor(&contents);
        state.new_vault = None;
        state.set_opened(OpenedVault {
            stamp,
            beginning: envelope::beginning(&bytes).to_vec(),
            contents,
            keys,
        });
        Ok(())
    }
}
