//! Opening a vault, or making one, for its own sake: the entries are not touched.

use crate::store::Error;
use crate::store::disk::transaction::Disk;
use crate::store::passphrase::Sources;
use crate::store::primitives::Key;

impl Disk {
    /// Opens the vault, or checks that one can be made, and asks for the passphrase in either case. Makes none.
    pub(in crate::store) fn open_or_prepare(&self) -> Result<(), Error> {
        let mut state = self.state();
        if self.load(&mut state)?.is_none() {
            self.file().prepare()?;
            self.new_vault(&mut state)?;
        }
        Ok(())
    }

    /// Makes the vault, with the slot that its sources name.
    pub(in crate::store) fn init(&self) -> Result<(), Error> {
        self.may_be_made()?;
        self.state().is_chosen = true;
        self.change(|_, _| Ok(()))
    }

    /// Checks that there is no vault and that one can be kept, before the user is asked for anything.
    fn may_be_made(&self) -> Result<(), Error> {
        if self.file().status()?.generation.is_some() {
            let vault = self.file().paths().vault();
            return Err(Error::AlreadyThere { vault });
        }
        self.file().prepare()
    }

    /// Makes the vault with the key file, whatever passphrase there may be.
    pub(in crate::store) fn init_with_key_file(&self) -> Result<(), Error> {
        self.may_be_made()?;
        self.state().sources = Sources::default();
        self.init()
    }

    /// Returns the root key, for another process of ours. `None` if there is no vault yet and a key file will open it:
    /// then the other process makes the vault, once there is an entry to keep. A vault with a passphrase is made here.
    pub(in crate::store) fn root(&self) -> Result<Option<Key>, Error> {
        {
            let mut state = self.state();
            if let Some(opened) = self.load(&mut state)? {
                return Ok(Some(opened.keys.root().clone()));
            }
            if self.new_vault(&mut state)?.0.slots.is_empty() {
                // The other process has no user to tell.
                self.file().tell_of_key_file();
                return Ok(None);
            }
        }
        self.change(|_, keys| Ok(Some(keys.root().clone())))
    }

    /// Returns the vault's id and root key, for the agent.
    pub(in crate::store) fn root_key(&self) -> Result<(String, Key), Error> {
        let mut state = self.state();
        let opened = self.existing(&mut state)?;
        Ok((opened.0.vault_id().to_owned(), opened.1.root().clone()))
    }
}
