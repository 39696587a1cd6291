//! Slots and keys: adding, replacing and removing ways to open a vault, giving it a new root key, and checking that all
//! of it is there.
//!
//! A slot wraps 32 bytes, so none of its changes touches an entry. A step that asks the user or a program happens
//! before the vault's lock is taken. A key is in its new place before any slot needs it, and in its old place until no
//! slot does, so a process that dies in between leaves a vault that opens.

use std::fs;
use std::io;

use crate::store::contents::{Contents, Keys};
use crate::store::disk::unlock::{CREDENTIAL, PASSPHRASE, is_machine_key};
use crate::store::disk::{Disk, State, fresh};
use crate::store::envelope::{self, MOST_TRIED, Sealed};
use crate::store::files::system;
use crate::store::files::{self, Private};
use crate::store::key_command::With;
use crate::store::passphrase::{self, Passphrase, Sources, TRIES};
use crate::store::primitives::{Key, encode};
use crate::store::slot::{Opener, Slot, SlotKind};
use crate::store::{Error, SlotStatus, agent, random};

/// The passphrase or key that a new slot is to be opened with.
#[derive(Debug)]
pub enum NewKey {
    /// A passphrase.
    Passphrase(Passphrase),
    /// The machine's key file; on Windows sealed by the system.
    KeyFile,
    /// A key that another program holds.
    Command(With),
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
    Command(With),
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

/// The findings of [`Vault::verify`](crate::store::Vault::verify).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries that authenticate.
    pub entries: usize,
    /// The names of the entries that do not.
    pub damaged: Vec<String>,
}

impl Disk {
    /// Makes the vault, with the slot that its sources name.
    pub(in crate::store) fn init(&self) -> Result<(), Error> {
        self.may_be_made()?;
        self.state().is_chosen = true;
        self.change(|_, _| Ok(()))
    }

    /// Checks that there is no vault and that one can be kept, before the user is asked for anything.
    fn may_be_made(&self) -> Result<(), Error> {
        if self.status()?.generation.is_some() {
            let vault = self.place.vault();
            return Err(Error::AlreadyThere { vault });
        }
        Ok(self.place.prepare(self.loose())?)
    }

    /// Makes the vault with the key file, whatever passphrase there may be.
    pub(in crate::store) fn init_with_key_file(&self) -> Result<(), Error> {
        self.may_be_made()?;
        self.state().sources = Sources::default();
        self.init()
    }

    /// Returns the vault's id and root key, for the agent.
    pub(in crate::store) fn root_key(&self) -> Result<(String, Key), Error> {
        let mut state = self.state();
        let opened = self.existing(&mut state)?;
        Ok((opened.0.vault_id().to_owned(), opened.1.root().clone()))
    }

    pub(in crate::store) fn verify(&self) -> Result<Verified, Error> {
        let mut state = self.state();
        let (contents, keys) = self.existing(&mut state)?;
        let is_damaged = |name: &&str| contents.read(&keys, name).is_err();
        let names: Vec<&str> = contents.list().map(|(name, ..)| name).collect();
        let damaged: Vec<String> = names
            .iter()
            .filter(|name| is_damaged(name))
            .map(ToString::to_string)
            .collect();
        Ok(Verified {
            entries: names.len() - damaged.len(),
            damaged,
        })
    }

    /// Adds a way to open the vault; with `replacing` (an id or a label) it takes that slot's place.
    pub(in crate::store) fn put_slot(
        &self,
        new: &NewKey,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<SlotStatus, Error> {
        let (contents, _) = self.existing(&mut self.state())?;
        let plan = self.plan(&contents.slots, new.kind(), label, replacing)?;
        let Plan {
            old,
            label,
            moves_key_file,
        } = plan;
        let id: [u8; 8] = random()?;
        // A configured command keeps one key under one name: the old key is needed if the vault cannot be written.
        let mut before = None;
        let key = match new {
            NewKey::Passphrase(_) => None,
            NewKey::KeyFile if moves_key_file => {
                let key = Key::new(random()?);
                files::write_key(&self.place.next_key(), &key)?;
                Some(key)
            }
            NewKey::KeyFile => Some(self.key_file()?),
            NewKey::Command(with) => {
                let slot_id = encode(&id);
                let command = self.key_command(*with, contents.vault_id(), &slot_id)?;
                if command.keeps() {
                    self.place.prepare_key(self.loose())?;
                    before = command.fetch().ok().map(|key| (*with, slot_id, key));
                    let key = Key::new(random()?);
                    command.store(&key)?;
                    Some(key)
                } else {
                    Some(command.fetch()?)
                }
            }
            NewKey::Credential => {
                let path = self.unlock.credential.as_ref();
                let found = path.map(|path| files::read_key(path, self.loose()));
                let found = found.transpose()?.flatten();
                Some(found.ok_or(Error::NoCredential)?)
            }
        };
        let added = self.change(|contents, keys| {
            let opener = match (new, &key) {
                (NewKey::Passphrase(passphrase), _) => Opener::Passphrase(passphrase.expose()),
                (_, Some(key)) => Opener::Raw(key),
                (_, None) => return Err(Error::Stale),
            };
            if let Some(old) = &old
                && !moves_key_file
            {
                self.take_out(contents, old)?;
            }
            let slot = self.wrapped(contents, keys, &label, opener, id)?;
            let status = SlotStatus::of(&slot);
            contents.slots.push(slot);
            Ok(status)
        });
        if added.is_err()
            && let Some((with, slot_id, key)) = before
        {
            let command = self.key_command(with, contents.vault_id(), &slot_id);
            let put_back = command.and_then(|command| Ok(command.store(&key)?));
            if let Err(error) = put_back {
                tracing::error!(%error, "the key that was replaced could not be put back");
            }
        }
        let added = added?;
        if let Some(old) = old {
            if moves_key_file {
                let (next, key) = (self.place.next_key(), self.place.key());
                let moved = system::rename(&next, &key);
                moved.map_err(files::Error::io("replace", &key))?;
                // A dead rotation may have left a second key file slot, which goes with the old one.
                let is_new = |slot: &Slot| !is_machine_key(slot) || slot.id() == added.id;
                self.change(|contents, _| {
                    contents.slots.retain(is_new);
                    Ok(())
                })?;
            } else if is_machine_key(&old) {
                self.remove_key_file()?;
            }
        }
        Ok(added)
    }

    /// Says whether [`Disk::put_slot`] would find a place for it, by what the file says: opens nothing, and asks the
    /// user nothing.
    pub(in crate::store) fn may_put_slot(
        &self,
        new: KeyKind,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<(), Error> {
        let sealed = self.sealed()?;
        self.plan(sealed.slots(), new, label, replacing).map(|_| ())
    }

    fn plan(
        &self,
        slots: &[Slot],
        new: KeyKind,
        label: Option<&str>,
        replacing: Option<&str>,
    ) -> Result<Plan, Error> {
        let old = replacing.map(|which| self.find(slots, which));
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
            KeyKind::KeyFile => self.machine_label(),
            KeyKind::Command(with) => with.label(),
            KeyKind::Credential => CREDENTIAL,
        };
        let is_key_file = new == KeyKind::KeyFile;
        let moves_key_file = is_key_file && old.as_ref().is_some_and(is_machine_key);
        let is_taken = |slot: &Slot| {
            let stays = old.as_ref().is_none_or(|old| old.id() != slot.id()) && !moves_key_file;
            slot.label() == label && stays
        };
        let label = label.to_owned();
        match slots.iter().any(is_taken) {
            true => Err(Error::SlotTaken { label }),
            false => Ok(Plan {
                old,
                label,
                moves_key_file,
            }),
        }
    }

    /// Reads the vault as it is in the file, unopened.
    fn sealed(&self) -> Result<Sealed, Error> {
        let file = Private::open(&self.place.vault(), self.loose())?;
        let mut file = file.ok_or_else(|| Error::NoVault {
            vault: self.place.vault(),
        })?;
        self.parse(&mut file)
    }

    /// Removes a way to open the vault. The check that it may go comes before any question.
    pub(in crate::store) fn remove_slot(&self, which: &str) -> Result<SlotStatus, Error> {
        let sealed = self.sealed()?;
        let slot = self.find(sealed.slots(), which)?.clone();
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
            SlotKind::Raw => self.raw_key(sealed.vault_id(), slot).is_ok(),
        };
        if !rest.iter().any(|slot| opens(slot)) {
            return Err(Error::LockOut {
                label: slot.label().to_owned(),
            });
        }
        self.existing(&mut self.state())?;
        self.change(|contents, _| {
            self.take_out(contents, &slot)?;
            match contents.slots.is_empty() {
                true => Err(Error::Stale),
                false => Ok(()),
            }
        })?;
        if is_machine_key(&slot) {
            self.remove_key_file()?;
        }
        Ok(SlotStatus::of(&slot))
    }

    fn take_out(&self, contents: &mut Contents, slot: &Slot) -> Result<(), Error> {
        let before = contents.slots.len();
        contents.slots.retain(|other| other.id() != slot.id());
        // Another process removed the slot first.
        if contents.slots.len() == before || before == 0 {
            return Err(Error::Stale);
        }
        Ok(())
    }

    fn find<'a>(&self, slots: &'a [Slot], which: &str) -> Result<&'a Slot, Error> {
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
    fn key_file(&self) -> Result<Key, Error> {
        let path = self.place.key();
        self.place.prepare_key(self.loose())?;
        if let Some(key) = files::read_key(&path, self.loose())? {
            return Ok(key);
        }
        let key = Key::new(random()?);
        files::write_key(&path, &key)?;
        Ok(key)
    }

    /// Removes the key file, unless a slot still needs it: a dead rotation may have left two.
    fn remove_key_file(&self) -> Result<(), Error> {
        let (contents, _) = self.existing(&mut self.state())?;
        if contents.slots.iter().any(is_machine_key) {
            return Ok(());
        }
        let path = self.place.key();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(files::Error::io("remove", &path)(error).into())
            }
            _ => Ok(()),
        }
    }

    /// Gives the vault a new root key: every entry is sealed again, every slot wrapped again. So every slot's key is
    /// needed; passphrases come from `passphrases`, or from the user.
    pub(in crate::store) fn rekey(&self, passphrases: &Sources) -> Result<usize, Error> {
        let sealed = self.sealed()?;
        let given = passphrases.read()?;
        let mut openers = Vec::new();
        for slot in sealed.slots() {
            let opener = match slot.kind() {
                SlotKind::Raw => Material::Key(self.raw_key(sealed.vault_id(), slot)?),
                SlotKind::Argon2id(_) => {
                    let opener = self.slots_passphrase(&sealed, slot, given.as_ref(), passphrases);
                    Material::Passphrase(opener?)
                }
            };
            openers.push((slot.clone(), opener));
        }
        // A key that opens a slot opens the vault: the user is not asked for it again.
        if let Some((slot, opener)) = openers.first() {
            let root = slot.open(sealed.vault_id(), opener.as_opener());
            self.state().inherited = root.ok();
        }
        let entries = self.change(|contents, keys| {
            let is_same = openers.len() == contents.slots.len()
                && openers
                    .iter()
                    .zip(&contents.slots)
                    .all(|((slot, _), other)| slot.id() == other.id());
            if !is_same {
                return Err(Error::Stale);
            }
            self.renewed(contents, keys, &openers)
        })?;
        self.tell_agent();
        Ok(entries)
    }

    /// Makes a new root key in passing, where the user need not be asked for anything.
    pub(super) fn rekey_unasked(
        &self,
        contents: &mut Contents,
        keys: &mut Keys,
    ) -> Result<(), Error> {
        let mut openers = Vec::new();
        for slot in contents.slots.clone() {
            let key = match slot.kind() {
                SlotKind::Raw => self.raw_key(contents.vault_id(), &slot),
                SlotKind::Argon2id(_) => Err(Error::SlotClosed {
                    label: slot.label().to_owned(),
                }),
            };
            match key {
                Ok(key) => openers.push((slot, Material::Key(key))),
                Err(error) => {
                    tracing::warn!(%error, "the vault is due for `mcpipe vault rekey`");
                    return Ok(());
                }
            }
        }
        self.renewed(contents, keys, &openers).map(|_| ())
    }

    fn renewed(
        &self,
        contents: &mut Contents,
        keys: &mut Keys,
        openers: &[(Slot, Material)],
    ) -> Result<usize, Error> {
        let new = Keys::new(Key::new(random()?), contents.vault_id());
        let names: Vec<String> = contents.list().map(|(name, ..)| name.to_owned()).collect();
        for name in &names {
            let broken = |error| self.broken(error);
            let Some(entry) = contents.read(keys, name).map_err(broken)? else {
                continue;
            };
            let put = contents.put(&new, name, &entry.kind, &entry.content, &fresh()?);
            put.map_err(broken)?;
        }
        let slots = openers.iter().map(|(slot, opener)| {
            let opener = opener.as_opener();
            let fresh = slot.again(random()?, random()?);
            let wrapped = slot.rewrap(contents.vault_id(), opener, new.root(), fresh);
            wrapped.map_err(|error| self.broken(error))
        });
        contents.slots = slots.collect::<Result<_, _>>()?;
        *keys = new;
        Ok(names.len())
    }

    /// Returns the key of a raw slot, from the source that its label names.
    fn raw_key(&self, vault_id: &str, slot: &Slot) -> Result<Key, Error> {
        let label = || slot.label().to_owned();
        let key = if is_machine_key(slot) {
            let key = self.place.key();
            let missing = || Error::KeyMissing {
                vault: self.place.vault(),
                key: key.clone(),
            };
            Some(files::read_key(&key, self.loose())?.ok_or_else(missing)?)
        } else if let Some(with) = With::of(slot.label()) {
            Some(self.key_command(with, vault_id, slot.id())?.fetch()?)
        } else if let Some(path) = &self.unlock.credential {
            files::read_key(path, self.loose())?
        } else {
            None
        };
        let key = key.ok_or_else(|| Error::SlotClosed { label: label() })?;
        match slot.open(vault_id, Opener::Raw(&key)) {
            Ok(_) => Ok(key),
            Err(envelope::Error::WrongKey) => Err(Error::SlotClosed { label: label() }),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn slots_passphrase(
        &self,
        sealed: &Sealed,
        slot: &Slot,
        given: Option<&Passphrase>,
        sources: &Sources,
    ) -> Result<Passphrase, Error> {
        let opens = |passphrase: &Passphrase| {
            let opener = Opener::Passphrase(passphrase.expose());
            slot.open(sealed.vault_id(), opener).is_ok()
        };
        if let Some(given) = given.filter(|given| opens(given)) {
            return Ok(given.clone());
        }
        let label = slot.label();
        let mut question = format!("Passphrase of the slot {label:?} (as the file says): ");
        for _ in 0..TRIES {
            match sources.ask(&question) {
                Ok(Some(typed)) if opens(&typed) => return Ok(typed),
                Ok(None) => break,
                Ok(Some(_)) | Err(passphrase::Error::Empty | passphrase::Error::TooLong) => {}
                Err(error) => return Err(error.into()),
            }
            "That does not open it. Once more: ".clone_into(&mut question);
        }
        Err(Error::SlotClosed {
            label: slot.label().to_owned(),
        })
    }

    /// Gives an agent that holds the old root key the new one.
    fn tell_agent(&self) {
        let state = self.state();
        let Some(opened) = &state.opened else { return };
        let (id, root) = (opened.contents.vault_id(), opened.keys.root());
        if let Err(error) = agent::replace(&self.place, id, root) {
            tracing::debug!(%error, "no agent has taken the new key");
        }
    }

    pub(super) fn existing(&self, state: &mut State) -> Result<(Contents, Keys), Error> {
        let opened = self.look(state)?;
        let opened = opened.map(|opened| (opened.contents.clone(), opened.keys.clone()));
        opened.ok_or_else(|| Error::NoVault {
            vault: self.place.vault(),
        })
    }
}

enum Material {
    Key(Key),
    Passphrase(Passphrase),
}

impl Material {
    fn as_opener(&self) -> Opener<'_> {
        match self {
            Self::Key(key) => Opener::Raw(key),
            Self::Passphrase(passphrase) => Opener::Passphrase(passphrase.expose()),
        }
    }
}
