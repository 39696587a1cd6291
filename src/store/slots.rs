//! The operations of a user on a whole vault: making it, its slots, its root key, its check, its export.
//!
//! This file is the other half of the facade; all of it is work on a file, and a vault in memory has none of it.

use std::path::Path;
use std::sync::Arc;

use crate::store::disk::{Disk, Imported, KeyKind, NewKey, Verified, exported};
use crate::store::passphrase::{Passphrase, Sources};
use crate::store::primitives::Key;
use crate::store::{Backend, Error, SlotStatus, Vault, VaultPaths, blocking};

impl Vault {
    /// Makes the vault, opened as its sources say.
    ///
    /// # Errors
    /// [`Error::AlreadyThere`]; as [`Vault::put`].
    pub async fn init(&self) -> Result<(), Error> {
        blocking(self.disk()?, Disk::init).await
    }

    /// Makes the vault, opened by a key file.
    ///
    /// # Errors
    /// As [`Vault::init`].
    pub async fn init_with_key_file(&self) -> Result<(), Error> {
        blocking(self.disk()?, Disk::init_with_key_file).await
    }

    /// Returns the paths of the vault.
    ///
    /// # Errors
    /// [`Error::InMemory`].
    pub fn paths(&self) -> Result<VaultPaths, Error> {
        Ok(self.disk()?.file().paths().clone())
    }

    /// Tells all processes that hold this vault's key to forget it. Opens nothing.
    ///
    /// # Errors
    /// The disk refused.
    pub async fn lock_everywhere(&self) -> Result<(), Error> {
        blocking(self.disk()?, |disk| disk.file().paths().mark_locked()).await
    }

    /// Opens the vault and returns its id and root key, for the unlock agent to hold.
    ///
    /// # Errors
    /// As [`Vault::read`], and [`Error::NoVault`].
    pub async fn root_key(&self) -> Result<(String, Key), Error> {
        blocking(self.disk()?, Disk::root_key).await
    }

    /// Reads every entry.
    ///
    /// # Errors
    /// As [`Vault::read`], and [`Error::NoVault`]. An entry that does not authenticate is no error.
    pub async fn verify(&self) -> Result<Verified, Error> {
        blocking(self.disk()?, Disk::verify).await
    }

    /// Adds a way to open the vault, or replaces another (`replacing`: an id or a label). Touches no entry. The label
    /// is for passphrases; keys have theirs.
    ///
    /// # Errors
    /// [`Error::SlotTaken`], [`Error::NoSuchSlot`], [`Error::KeyCommand`]; as [`Vault::put`]. The earlier ways to open
    /// the vault still work.
    pub async fn put_slot(
        &self,
        new: NewKey,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<SlotStatus, Error> {
        let (label, replacing) = (label.map(str::to_owned), replacing.map(str::to_owned));
        let work = move |disk: &Disk| disk.put_slot(&new, label.as_deref(), replacing.as_deref());
        blocking(self.disk()?, work).await
    }

    /// Says whether [`Vault::put_slot`] would find a place for such a key, as the file states. Opens nothing, and asks
    /// the user nothing.
    ///
    /// # Errors
    /// [`Error::NoVault`], [`Error::SlotTaken`], [`Error::NoSuchSlot`], [`Error::TooManyPassphrases`].
    pub async fn may_put_slot(
        &self,
        new: KeyKind,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<(), Error> {
        let (label, replacing) = (label.map(str::to_owned), replacing.map(str::to_owned));
        let work =
            move |disk: &Disk| disk.may_put_slot(new, label.as_deref(), replacing.as_deref());
        blocking(self.disk()?, work).await
    }

    /// Checks that this is a file that [`Vault::export`] made. Opens nothing, and asks the user nothing.
    ///
    /// # Errors
    /// [`Error::NoExport`], [`Error::Envelope`], [`Error::NoPassphraseOpens`].
    pub async fn may_import(&self, from: &Path) -> Result<(), Error> {
        let from = from.to_owned();
        blocking(self.disk()?, move |_| exported(&from).map(|_| ())).await
    }

    /// Removes a way to open the vault; the key file goes with its slot.
    ///
    /// # Errors
    /// [`Error::LastSlot`], [`Error::LockOut`], [`Error::NoSuchSlot`]; as [`Vault::put`].
    pub async fn remove_slot(&self, which: &str) -> Result<SlotStatus, Error> {
        let which = which.to_owned();
        blocking(self.disk()?, move |disk| disk.remove_slot(&which)).await
    }

    /// Gives the vault a new root key and seals every entry again; returns the number of entries. Copies made before
    /// stay readable with the old slots' keys, and later writes do not. Takes every slot's key or passphrase.
    ///
    /// # Errors
    /// [`Error::SlotClosed`]; as [`Vault::put`].
    pub async fn rekey(&self, passphrases: Sources) -> Result<usize, Error> {
        blocking(self.disk()?, move |disk| disk.rekey(&passphrases)).await
    }

    /// Writes all entries into a new file that this passphrase opens; returns their number.
    ///
    /// # Errors
    /// The file exists or cannot be written; as [`Vault::read`].
    pub async fn export(&self, to: &Path, passphrase: Passphrase) -> Result<usize, Error> {
        let to = to.to_owned();
        blocking(self.disk()?, move |disk| disk.export(&to, &passphrase)).await
    }

    /// Takes the entries of such a file; entries that are in the vault already stay as they are, unless `replace`.
    ///
    /// # Errors
    /// The file is no export, or its passphrase is another; as [`Vault::put`].
    pub async fn import(
        &self,
        from: &Path,
        passphrase: Passphrase,
        replace: bool,
    ) -> Result<Imported, Error> {
        let from = from.to_owned();
        let work = move |disk: &Disk| disk.import(&from, &passphrase, replace);
        blocking(self.disk()?, work).await
    }

    fn disk(&self) -> Result<&Arc<Disk>, Error> {
        match &self.0 {
            Backend::Disk(disk) => Ok(disk),
            Backend::Memory(_) => Err(Error::InMemory),
        }
    }
}
