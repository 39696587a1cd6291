//! The slots of a vault: adding, replacing and removing ways to open it.
//!
//! A slot wraps 32 bytes, so none of its changes touches an entry. A step that asks the user or a program happens
//! before the vault's lock is taken. A key is in its new place before any slot needs it, and in its old place until no
//! slot does, so a process that dies in between leaves a vault that opens.

use std::fs;
use std::io;

use crate::store::contents::Contents;
use crate::store::disk::create::{key_file_label, wrap};
use crate::store::disk::root_key::SlotSecret;
use crate::store::disk::transaction::Disk;
use crate::store::disk::unlocker::Unlocker;
use crate::store::disk::vault_file::VaultFile;
use crate::store::envelope::MOST_TRIED;
use crate::store::files::{self, system};
use crate::store::key_command::{KeyCommand, KeyHolder};
use crate::store::passphrase::Passphrase;
use crate::store::primitives::{Key, encode};
use crate::store::slot::{CREDENTIAL, PASSPHRASE, Slot, SlotKind};
use crate::store::{Error, SlotStatus, random};

/// The passphrase or key that a new slot is to be opened with.
#[derive(Debug)]
pub enum NewKey {
    /// A passphrase.
    Passphrase(Passphrase),
    /// The machine's key file; on Windows sealed by the system.
    KeyFile,
    /// A key that another program holds.
    Command(KeyHolder),
    /// The key that the service manager hands in.
    Credential,
}

/// The kind of a [`NewKey`], without the passphrase, which the user is asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A passphrase.
    Passphrase,
    /// The machine's key file.
    KeyFile,
    /// A key that another program holds.
    Command(KeyHolder),
    /// The key that the service manager hands in.
    Credential,
}

impl NewKey {
    fn kind(&self) -> KeyKind {
        match self {
            Self::Passphrase(_) => KeyKind::Passphrase,
            Self::KeyFile => KeyKind::KeyFile,
            Self::Command(with) => KeyKind::Command(*with),
            Self::Credential => KeyKind::Credential,
        }
    }
}

/// The place of a new slot among the others.
struct Plan {
    /// The slot that the new one replaces.
    old: Option<Slot>,
    label: String,
    moves_key_file: bool,
}

impl Plan {
    /// Returns the place of a new key among these slots.
    fn new(
        slots: &[Slot],
        new: KeyKind,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<Self, Error> {
        let old = replacing.map(|which| find(slots, which));
        let old = old.transpose()?.cloned();
        let staying = slots.iter().filter(|slot| {
            let is_replaced = old.as_ref().is_some_and(|old| old.id() == slot.id());
            slot.kind() != SlotKind::Raw && !is_replaced
        });
        if new == KeyKind::Passphrase && staying.count() >= MOST_TRIED {
            return Err(Error::TooManyPassphrases);
        }
        let label = match new {
            KeyKind::Passphrase => {
                let theirs = old.as_ref().filter(|old| old.kind() != SlotKind::Raw);
                label.or(theirs.map(Slot::label)).unwrap_or(PASSPHRASE)
            }
            KeyKind::KeyFile => key_file_label(),
            KeyKind::Command(with) => with.label(),
            KeyKind::Credential => CREDENTIAL,
        };
        let is_key_file = new == KeyKind::KeyFile;
        let moves_key_file = is_key_file && old.as_ref().is_some_and(Slot::is_key_file);
        let is_taken = |slot: &Slot| {
            let stays = old.as_ref().is_none_or(|old| old.id() != slot.id()) && !moves_key_file;
            slot.label() == label && stays
        };
        let label = label.to_owned();
        match slots.iter().any(is_taken) {
            true => Err(Error::SlotTaken { label }),
            false => Ok(Self {
                old,
                label,
                moves_key_file,
            }),
        }
    }
}

/// The key or passphrase of a new slot, where it is kept already.
struct Obtained {
    secret: SlotSecret,
    /// The key that a configured command held before, under the same name: it is needed if the vault cannot be written.
    before: Option<(KeyCommand, Key)>,
}

impl Obtained {
    fn new(secret: SlotSecret) -> Self {
        let before = None;
        Self { secret, before }
    }

    /// Obtains the key that is to open the slot of this id.
    fn of(
        new: &NewKey,
        unlocker: &Unlocker,
        vault_id: &str,
        slot_id: &str,
        moves_key_file: bool,
    ) -> Result<Self, Error> {
        let key = match new {
            NewKey::Passphrase(passphrase) => {
                return Ok(Self::new(SlotSecret::Passphrase(passphrase.clone())));
            }
            NewKey::KeyFile if moves_key_file => {
                let key = Key::new(random()?);
                files::write_key(&unlocker.file().paths().next_key(), &key)?;
                key
            }
            NewKey::KeyFile => key_file(unlocker.file())?,
            NewKey::Command(with) => {
                let command = unlocker.key_command(*with, vault_id, slot_id)?;
                return Self::of_command(command, unlocker.file());
            }
            NewKey::Credential => unlocker.credential()?.ok_or(Error::NoCredential)?,
        };
        Ok(Self::new(SlotSecret::Key(key)))
    }

    /// Gives the command a new key to keep, or takes the key that it has.
    fn of_command(command: KeyCommand, file: &VaultFile) -> Result<Self, Error> {
        if !command.keeps() {
            return Ok(Self::new(SlotSecret::Key(command.fetch()?)));
        }
        file.prepare_key()?;
        let before = command.fetch().ok();
        let key = Key::new(random()?);
        command.store(&key)?;
        Ok(Self {
            secret: SlotSecret::Key(key),
            before: before.map(|before| (command, before)),
        })
    }

    /// Gives the command back the key that it held before.
    fn put_back(self) {
        if let Some((command, key)) = self.before
            && let Err(error) = command.store(&key)
        {
            let error = Error::from(error);
            tracing::error!(%error, "the key that was replaced could not be put back");
        }
    }
}

impl Disk {
    /// Adds a way to open the vault; with `replacing` (an id or a label) it takes that slot's place.
    pub(in crate::store) fn put_slot(
        &self,
        new: &NewKey,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<SlotStatus, Error> {
        let (contents, _) = self.existing(&mut self.state())?;
        let plan = Plan::new(&contents.slots, new.kind(), label, replacing)?;
        let id: [u8; 8] = random()?;
        let (vault_id, slot_id) = (contents.vault_id(), encode(&id));
        let moves_key_file = plan.moves_key_file;
        let obtained = Obtained::of(new, &self.unlocker, vault_id, &slot_id, moves_key_file)?;
        let added = match self.write_slot(&plan, &obtained.secret, id) {
            Ok(added) => added,
            Err(error) => {
                obtained.put_back();
                return Err(error);
            }
        };
        match plan.old {
            Some(_) if moves_key_file => self.move_key_file(&added)?,
            Some(old) if old.is_key_file() => self.remove_key_file()?,
            _ => {}
        }
        Ok(added)
    }

    /// Writes the new slot, in the place of the old one.
    fn write_slot(
        &self,
        plan: &Plan,
        secret: &SlotSecret,
        id: [u8; 8],
    ) -> Result<SlotStatus, Error> {
        self.change(|contents, keys| {
            if let Some(old) = &plan.old
                && !plan.moves_key_file
            {
                take_out(contents, old)?;
            }
            let opener = secret.as_opener();
            let slot = wrap(&self.unlocker, contents, keys, &plan.label, opener, id)?;
            let status = SlotStatus::of(&slot);
            contents.slots.push(slot);
            Ok(status)
        })
    }

    /// Puts the new key file in the place of the old one, and then removes the slots of the old one.
    fn move_key_file(&self, added: &SlotStatus) -> Result<(), Error> {
        let paths = self.file().paths();
        let (next, key) = (paths.next_key(), paths.key());
        let moved = system::rename(&next, &key);
        moved.map_err(files::Error::io("replace", &key))?;
        // A dead rotation may have left a second key file slot, which goes with the old one.
        let is_new = |slot: &Slot| !slot.is_key_file() || slot.id() == added.id;
        self.change(|contents, _| {
            contents.slots.retain(is_new);
            Ok(())
        })
    }

    /// Says whether [`Disk::put_slot`] would find a place for it, by what the file says: opens nothing, and asks the
    /// user nothing.
    pub(in crate::store) fn may_put_slot(
        &self,
        new: KeyKind,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<(), Error> {
        let sealed = self.file().sealed()?;
        Plan::new(sealed.slots(), new, label, replacing).map(|_| ())
    }

    /// Removes a way to open the vault. The check that it may go comes before any question.
    pub(in crate::store) fn remove_slot(&self, which: &str) -> Result<SlotStatus, Error> {
        let sealed = self.file().sealed()?;
        let slot = find(sealed.slots(), which)?.clone();
        let rest: Vec<&Slot> = sealed
            .slots()
            .iter()
            .filter(|other| other.id() != slot.id())
            .collect();
        if rest.is_empty() {
            return Err(Error::LastSlot {
                label: slot.label().to_owned(),
            });
        }
        // mcpipe cannot check that the user knows a passphrase; a key has to be where it should.
        let opens = |slot: &Slot| match slot.kind() {
            SlotKind::Argon2id(_) => true,
            SlotKind::Raw => self.unlocker.raw_key(sealed.vault_id(), slot).is_ok(),
        };
        if !rest.iter().any(|slot| opens(slot)) {
            return Err(Error::LockOut {
                label: slot.label().to_owned(),
            });
        }
        self.existing(&mut self.state())?;
        self.change(|contents, _| {
            take_out(contents, &slot)?;
            match contents.slots.is_empty() {
                true => Err(Error::Stale),
                false => Ok(()),
            }
        })?;
        if slot.is_key_file() {
            self.remove_key_file()?;
        }
        Ok(SlotStatus::of(&slot))
    }

    /// Removes the key file, unless a slot still needs it: a dead rotation may have left two.
    fn remove_key_file(&self) -> Result<(), Error> {
        let (contents, _) = self.existing(&mut self.state())?;
        if contents.slots.iter().any(Slot::is_key_file) {
            return Ok(());
        }
        let path = self.file().paths().key();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(files::Error::io("remove", &path)(error).into())
            }
            _ => Ok(()),
        }
    }
}

fn take_out(contents: &mut Contents, slot: &Slot) -> Result<(), Error> {
    let before = contents.slots.len();
    contents.slots.retain(|other| other.id() != slot.id());
    // Another process removed the slot first.
    if contents.slots.len() == before || before == 0 {
        return Err(Error::Stale);
    }
    Ok(())
}

/// Returns the one slot of this id or label.
fn find<'a>(slots: &'a [Slot], which: &str) -> Result<&'a Slot, Error> {
    let mut found = slots
        .iter()
        .filter(|slot| slot.id() == which || slot.label() == which);
    match (found.next(), found.next()) {
        (Some(slot), None) => Ok(slot),
        _ => Err(Error::NoSuchSlot {
            which: which.to_owned(),
            there: slots.iter().map(|slot| slot.label().to_owned()).collect(),
        }),
    }
}

/// Returns the machine key; made if there is none.
fn key_file(file: &VaultFile) -> Result<Key, Error> {
    let path = file.paths().key();
    file.prepare_key()?;
    if let Some(key) = files::read_key(&path, file.loose())? {
        return Ok(key);
    }
    let key = Key::new(random()?);
    files::write_key(&path, &key)?;
    Ok(key)
}
