//! Opening a vault, by the cheapest way first.
//!
//! The order: a key that another process of ours has passed on; the agent, which holds the opened key; the key file; a
//! service's credential; the passphrase that was given; a key command, which may ask the user; the terminal. So Argon2
//! runs only where a passphrase is the only way. An agent's key is believed if the whole file authenticates under it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use crate::store::agent;
use crate::store::contents::{Contents, Keys};
use crate::store::disk::state::DiskState;
use crate::store::disk::unlock::Unlock;
use crate::store::disk::vault_file::VaultFile;
use crate::store::envelope::{self, MOST_TRIED, Sealed};
use crate::store::files::{self, FileLock, system};
use crate::store::key_command::{KeyCommand, KeyHolder};
use crate::store::passphrase::{self, Passphrase, TRIES};
use crate::store::primitives::Key;
use crate::store::slot::{Kdf, Opener, Slot, SlotKind};
use crate::store::{Error, VaultPaths, random};

/// The time to wait for another process that asks a program for a key, before this one asks it too.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ways to open one vault.
#[derive(Debug)]
pub(in crate::store) struct Unlocker {
    file: VaultFile,
    /// The settings, without the sources of a passphrase and the inherited key: those change, and are in the state.
    unlock: Unlock,
    /// True while a program, a pipe or the user is asked for what opens the vault, which may take any time.
    is_asking: watch::Sender<bool>,
}

impl Unlocker {
    pub(super) fn new(paths: VaultPaths, unlock: Unlock) -> Self {
        Self {
            file: VaultFile::new(paths, unlock.loose, unlock.tell),
            unlock,
            is_asking: watch::Sender::new(false),
        }
    }

    pub(in crate::store) fn file(&self) -> &VaultFile {
        &self.file
    }

    /// Returns the cost of a new passphrase.
    pub(super) fn kdf(&self) -> Kdf {
        self.unlock.kdf
    }

    /// Returns the signal that a program, a pipe or the user is asked for the vault's key or passphrase.
    pub(in crate::store) fn is_asking(&self) -> watch::Receiver<bool> {
        self.is_asking.subscribe()
    }

    /// Opens the vault: with the keys at hand if they are still its own.
    pub(super) fn open(
        &self,
        state: &mut DiskState,
        sealed: &Sealed,
    ) -> Result<(Contents, Keys), Error> {
        let held = state.opened.as_ref().map(|opened| &opened.keys);
        let held = held.filter(|keys| keys.belong_to(sealed.vault_id()));
        match held.map(|keys| (sealed.open(keys), keys.clone())) {
            Some((Ok(contents), keys)) => Ok((contents, keys)),
            // The index is damaged, or another process gave the vault a new root key: the slots tell.
            Some((Err(error @ envelope::Error::Damaged(_)), _)) => self
                .unlock(state, sealed)
                .map_err(|_| self.file.broken(error)),
            Some((Err(error), _)) => Err(self.file.broken(error)),
            None => self.unlock(state, sealed),
        }
    }

    fn unlock(&self, state: &mut DiskState, sealed: &Sealed) -> Result<(Contents, Keys), Error> {
        self.refuse_odd_configuration()?;
        state.is_by_key_file = false;
        if let Some(root) = state.inherited.clone()
            && let Ok(opened) = self.opened_by(root, sealed)
        {
            return Ok(opened);
        }
        if let Some(root) = self.agents_key(sealed) {
            match self.opened_by(root, sealed) {
                Ok(opened) => return Ok(opened),
                Err(error) => tracing::debug!(%error, "the agent's key is not this vault's"),
            }
        }
        let root = self.root_of(state, sealed)?;
        self.opened_by(root, sealed)
    }

    /// Refuses a configuration that is a link, a pipe or open to other users: they may have made it. A configuration
    /// that cannot be checked counts as none until its key command is wanted.
    pub(super) fn refuse_odd_configuration(&self) -> Result<(), Error> {
        match &self.unlock.unread {
            Some(why) if why.is_refusal() => Err(Error::Unread(Arc::clone(why))),
            _ => Ok(()),
        }
    }

    fn opened_by(&self, root: Key, sealed: &Sealed) -> Result<(Contents, Keys), Error> {
        let keys = Keys::new(root, sealed.vault_id());
        let contents = sealed
            .open(&keys)
            .map_err(|error| self.file.broken(error))?;
        Ok((contents, keys))
    }

    fn agents_key(&self, sealed: &Sealed) -> Option<Key> {
        let asked = self
            .unlock
            .agent
            .then(|| agent::key(self.file.paths(), sealed.vault_id()));
        asked?.unwrap_or_else(|error| {
            self.file
                .tell(&format!("Warning: the unlock agent is not asked: {error}."));
            None
        })
    }

    /// Returns the root key, from the first slot that a given key or passphrase opens.
    fn root_of(&self, state: &mut DiskState, sealed: &Sealed) -> Result<Key, Error> {
        let takes_passphrase = !sealed.slots().iter().all(is_raw);
        // The reason why a usable way failed; reported if no other way opens the vault.
        let mut obstacle = None;

        if let Some(root) = self.root_by_key_file(sealed, &mut obstacle)? {
            state.is_by_key_file = true;
            return Ok(root);
        }
        if takes_passphrase && let Some(passphrase) = self.given(state)? {
            let root = self.try_slots(sealed, Opener::Passphrase(passphrase.expose()))?;
            let root = root.ok_or_else(|| self.wrong_passphrase(sealed, state.sources.name()))?;
            state.forget();
            return Ok(root);
        }
        if let Some(root) = self.root_by_program(state, sealed, &mut obstacle) {
            return Ok(root);
        }
        if takes_passphrase && let Some(root) = self.ask(state, sealed)? {
            return Ok(root);
        }
        Err(self.closed(takes_passphrase, obstacle))
    }

    /// Tries the key file, and the key that the service manager hands in.
    fn root_by_key_file(
        &self,
        sealed: &Sealed,
        obstacle: &mut Option<Error>,
    ) -> Result<Option<Key>, Error> {
        if !sealed.slots().iter().any(is_raw) {
            return Ok(None);
        }
        let key_file = self.file.paths().key();
        for path in [Some(&key_file), self.unlock.credential.as_ref()] {
            let Some(path) = path else { continue };
            match files::read_key(path, self.file.loose()) {
                Ok(None) => {}
                Ok(Some(key)) => match self.try_slots(sealed, Opener::Raw(&key))? {
                    Some(root) => return Ok(Some(root)),
                    None => {
                        obstacle.get_or_insert(Error::WrongKey {
                            vault: self.file.paths().vault(),
                            key: path.clone(),
                        });
                    }
                },
                Err(error) => *obstacle = Some(error.into()),
            }
        }
        Ok(None)
    }

    /// Asks the programs that hold keys of slots, unless one has failed a moment ago.
    fn root_by_program(
        &self,
        state: &mut DiskState,
        sealed: &Sealed,
        obstacle: &mut Option<Error>,
    ) -> Option<Key> {
        let programs = sealed.slots().iter().filter(|slot| is_raw(slot));
        let programs = programs.filter_map(|slot| Some((slot, KeyHolder::of(slot.label())?)));
        let programs: Vec<_> = programs.take(MOST_TRIED).collect();
        if let Some(earlier) = state.failure()
            && !programs.is_empty()
        {
            *obstacle = Some(earlier);
            return None;
        }
        for (slot, with) in programs {
            match self.fetch(with, sealed, slot) {
                Ok(root) => return Some(root),
                Err(error) => *obstacle = Some(state.failed(error)),
            }
        }
        None
    }

    /// Returns the error of a vault that no way has opened.
    fn closed(&self, takes_passphrase: bool, obstacle: Option<Error>) -> Error {
        let vault = self.file.paths().vault();
        match obstacle {
            Some(obstacle) if !matches!(obstacle, Error::WrongKey { .. }) || !takes_passphrase => {
                obstacle
            }
            _ if takes_passphrase => Error::Locked { vault },
            _ => Error::KeyMissing {
                vault,
                key: self.file.paths().key(),
            },
        }
    }

    /// Says whether a key file, or a service's credential, opens the vault as the file is now.
    pub(super) fn key_file_opens(&self) -> bool {
        let sealed = self.file.open().ok().flatten();
        let Some(sealed) = sealed.and_then(|mut file| self.file.parse(&mut file).ok()) else {
            return false;
        };
        let key = self.file.paths().key();
        let mut paths = [Some(&key), self.unlock.credential.as_ref()].into_iter();
        paths.any(|path| {
            let key = path.and_then(|path| files::read_key(path, self.file.loose()).ok().flatten());
            key.is_some_and(|key| {
                let opened = self.try_slots(&sealed, Opener::Raw(&key));
                opened.is_ok_and(|root| root.is_some())
            })
        })
    }

    /// Returns the passphrase of the first source that does not ask the user.
    pub(super) fn given(&self, state: &mut DiskState) -> Result<Option<Passphrase>, Error> {
        let is_program = state.sources.is_program();
        if is_program && let Some(earlier) = state.failure() {
            return Err(earlier);
        }
        // A file or a descriptor may be a pipe.
        let _asking = self.asking();
        let read = state.sources.read().map_err(Error::from);
        match read {
            Err(error) if is_program => Err(state.failed(error)),
            read => read,
        }
    }

    fn asking(&self) -> AskingGuard<'_> {
        self.is_asking.send_replace(true);
        AskingGuard(&self.is_asking)
    }

    /// Asks a program for the key, one process at a time: each of them may show the user a prompt, and the first answer
    /// may spare the others theirs.
    fn fetch(&self, with: KeyHolder, sealed: &Sealed, slot: &Slot) -> Result<Key, Error> {
        let _asking = self.asking();
        let _lock = self.lock_programs();
        if let Some(root) = self.agents_key(sealed)
            && sealed
                .open(&Keys::new(root.clone(), sealed.vault_id()))
                .is_ok()
        {
            return Ok(root);
        }
        let command = self.key_command(with, sealed.vault_id(), slot.id())?;
        let key = command.fetch()?;
        let root = slot.open(sealed.vault_id(), Opener::Raw(&key));
        root.map_err(|error| match error {
            envelope::Error::WrongKey => Error::ForeignKey {
                label: with.label(),
                vault: self.file.paths().vault(),
            },
            error => self.file.broken(error),
        })
    }

    /// Takes the lock for asking a program. Best effort: without the lock there are two prompts instead of one.
    fn lock_programs(&self) -> Option<FileLock> {
        let mut waited = Duration::ZERO;
        loop {
            match FileLock::try_take(&self.file.paths().unlock_lock(), self.file.loose()) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) if waited < PATIENCE => {}
                _ => return None,
            }
            let [jitter] = random().unwrap_or_default();
            let pause = Duration::from_millis(50 + u64::from(jitter) / 5);
            thread::sleep(pause);
            waited += pause;
        }
    }

    /// Returns the command that holds the key of this slot.
    pub(super) fn key_command(
        &self,
        with: KeyHolder,
        vault_id: &str,
        slot_id: &str,
    ) -> Result<KeyCommand, Error> {
        let sealed = self.file.paths().sealed_key(slot_id);
        let commands = self.unlock.commands.as_ref();
        if let (KeyHolder::Command, Some(why)) = (with, &self.unlock.unread) {
            return Err(Error::Unread(Arc::clone(why)));
        }
        let is_root = system::is_root();
        Ok(KeyCommand::new(
            with, vault_id, slot_id, &sealed, is_root, commands,
        )?)
    }

    /// Asks the user at the terminal, if there is one.
    fn ask(&self, state: &DiskState, sealed: &Sealed) -> Result<Option<Key>, Error> {
        let _asking = self.asking();
        let mut question = format!("Passphrase for {}: ", self.file.paths().vault().display());
        for _ in 0..TRIES {
            let root = match state.sources.ask(&question) {
                Ok(None) => return Ok(None),
                Ok(Some(typed)) => self.try_slots(sealed, Opener::Passphrase(typed.expose()))?,
                // Such a passphrase opens nothing either.
                Err(passphrase::Error::Empty | passphrase::Error::TooLong) => None,
                Err(error) => return Err(error.into()),
            };
            if root.is_some() {
                return Ok(root);
            }
            "That does not open it. Once more: ".clone_into(&mut question);
        }
        Err(self.wrong_passphrase(sealed, None))
    }

    /// Returns the root key, from the first slot that this key or passphrase opens.
    pub(super) fn try_slots(
        &self,
        sealed: &Sealed,
        opener: Opener<'_>,
    ) -> Result<Option<Key>, Error> {
        let mut damaged = None;
        for slot in sealed.worth_trying(opener) {
            match slot.open(sealed.vault_id(), opener) {
                Ok(root) => return Ok(Some(root)),
                Err(envelope::Error::WrongKey) => {}
                Err(error) => damaged = Some(error),
            }
        }
        damaged.map_or(Ok(None), |error| Err(self.file.broken(error)))
    }

    /// Returns the error of a wrong passphrase. `from` is its source; `None` if the user typed it.
    fn wrong_passphrase(&self, sealed: &Sealed, from: Option<&'static str>) -> Error {
        let vault = self.file.paths().vault();
        let is_one = |slot: &&Slot| slot.kind() != SlotKind::Raw;
        match sealed.slots().iter().filter(is_one).count() {
            ..=MOST_TRIED => Error::WrongPassphrase { vault, from },
            _ => Error::WrongPassphrases { vault },
        }
    }

    /// Returns the key that the service manager hands in, if it does.
    pub(super) fn credential(&self) -> Result<Option<Key>, Error> {
        match &self.unlock.credential {
            Some(path) => Ok(files::read_key(path, self.file.loose())?),
            None => Ok(None),
        }
    }

    /// Returns the key of a raw slot, from the source that its label names.
    pub(super) fn raw_key(&self, vault_id: &str, slot: &Slot) -> Result<Key, Error> {
        let label = || slot.label().to_owned();
        let key = if slot.is_key_file() {
            let key = self.file.paths().key();
            let missing = || Error::KeyMissing {
                vault: self.file.paths().vault(),
                key: key.clone(),
            };
            Some(files::read_key(&key, self.file.loose())?.ok_or_else(missing)?)
        } else if let Some(with) = KeyHolder::of(slot.label()) {
            Some(self.key_command(with, vault_id, slot.id())?.fetch()?)
        } else {
            self.credential()?
        };
        let key = key.ok_or_else(|| Error::SlotClosed { label: label() })?;
        match slot.open(vault_id, Opener::Raw(&key)) {
            Ok(_) => Ok(key),
            Err(envelope::Error::WrongKey) => Err(Error::SlotClosed { label: label() }),
            Err(error) => Err(self.file.broken(error)),
        }
    }
}

fn is_raw(slot: &Slot) -> bool {
    slot.kind() == SlotKind::Raw
}

/// A guard: a program, a pipe or the user is being asked as long as it lives.
struct AskingGuard<'a>(&'a watch::Sender<bool>);

impl Drop for AskingGuard<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}
