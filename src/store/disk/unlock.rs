//! Opening a vault, by the cheapest way first, and the choice of what opens a new one.
//!
//! The order: a key that another process of ours has passed on; the agent, which holds the opened key; the key file; a
//! service's credential; the passphrase that was given; a key command, which may ask the user; the terminal. So Argon2
//! runs only where a passphrase is the only way. An agent's key is believed if the whole file authenticates under it.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::store::agent;
use crate::store::contents::{Contents, Keys};
use crate::store::disk::{Disk, State};
use crate::store::envelope::{self, MOST_TRIED, Sealed};
use crate::store::files::system;
use crate::store::files::{self, Lock, Private};
use crate::store::key_command::{Configured, KeyCommand, With};
use crate::store::passphrase::{self, Passphrase, Sources, TRIES};
use crate::store::primitives::Key;
use crate::store::slot::{self, DPAPI, KEY_FILE, KEY_FILES, Kdf, Opener, Slot, SlotKind};
use crate::store::{Error, random, strength};

/// The label of a passphrase's slot.
pub(super) const PASSPHRASE: &str = "passphrase";
/// The label of a slot whose key a service manager hands in.
pub(super) const CREDENTIAL: &str = "credential";

/// The time to wait for another process that asks a program for a key, before this one asks it too.
const TURN: Duration = Duration::from_secs(60);

/// The question for the passphrase of a vault that the user makes.
const NEW_PASSPHRASE: &str = "With a passphrase, hosts need `mcpipe vault unlock` once a day.
Passphrase for the new vault (nothing: a choice of a generated one and a key file): ";

/// The time for which a program that gave nothing is not asked again: it may show the user a prompt each time, or hang
/// each time.
const FAILED_FOR: Duration = Duration::from_secs(60);

/// The ways by which a vault is opened, and made.
#[derive(Clone, Debug)]
pub struct Unlock {
    /// The sources of a passphrase. With none, a new vault is opened by a key file.
    pub passphrase: Sources,
    /// The cost of a new vault's passphrase.
    pub kdf: Kdf,
    /// True to accept files that other users can use: `MCPIPE_ALLOW_LOOSE_PERMISSIONS`, for file systems without modes.
    pub loose: bool,
    /// The key commands of `mcpipe.toml`.
    pub commands: Option<Configured>,
    /// The reason why `mcpipe.toml` was not read: reported where its key command is needed to open the vault, and
    /// wherever the vault is opened or made if the file itself is odd.
    pub unread: Option<Arc<files::Error>>,
    /// A file with a raw key that the service manager hands in (`$CREDENTIALS_DIRECTORY/mcpipe-vault-key`).
    pub credential: Option<PathBuf>,
    /// The root key, from another process of ours that has opened the vault. Tried before the user is asked.
    pub root: Option<Key>,
    /// True to ask the agent; false where the passphrase itself is wanted.
    pub agent: bool,
    /// The function that tells the user of a command a sentence. A bridge has the log.
    pub tell: Option<fn(&str)>,
}

impl Default for Unlock {
    fn default() -> Self {
        Self {
            passphrase: Sources::default(),
            kdf: Kdf::DEFAULT,
            loose: false,
            commands: None,
            unread: None,
            credential: None,
            root: None,
            agent: true,
            tell: None,
        }
    }
}

/// Says whether this is the slot of the key file.
pub(super) fn is_machine_key(slot: &Slot) -> bool {
    slot.kind() == SlotKind::Raw && KEY_FILES.contains(&slot.label())
}

impl Disk {
    pub(super) fn open(
        &self,
        state: &mut State,
        sealed: &Sealed,
    ) -> Result<(Contents, Keys), Error> {
        let held = state.opened.as_ref().map(|opened| &opened.keys);
        let held = held.filter(|keys| keys.belong_to(sealed.vault_id()));
        match held.map(|keys| (sealed.open(keys), keys.clone())) {
            Some((Ok(contents), keys)) => Ok((contents, keys)),
            // The index is damaged, or another process gave the vault a new root key: the slots tell.
            Some((Err(error @ envelope::Error::Damaged(_)), _)) => {
                self.unlock(state, sealed).map_err(|_| self.broken(error))
            }
            Some((Err(error), _)) => Err(self.broken(error)),
            None => self.unlock(state, sealed),
        }
    }

    fn unlock(&self, state: &mut State, sealed: &Sealed) -> Result<(Contents, Keys), Error> {
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
    fn refuse_odd_configuration(&self) -> Result<(), Error> {
        match &self.unlock.unread {
            Some(why) if why.is_refusal() => Err(Error::Unread(Arc::clone(why))),
            _ => Ok(()),
        }
    }

    fn opened_by(&self, root: Key, sealed: &Sealed) -> Result<(Contents, Keys), Error> {
        let keys = Keys::new(root, sealed.vault_id());
        let contents = sealed.open(&keys).map_err(|error| self.broken(error))?;
        Ok((contents, keys))
    }

    fn agents_key(&self, sealed: &Sealed) -> Option<Key> {
        let asked = self
            .unlock
            .agent
            .then(|| agent::key(&self.place, sealed.vault_id()));
        asked?.unwrap_or_else(|error| {
            self.tell(&format!("Warning: the unlock agent is not asked: {error}."));
            None
        })
    }

    /// Returns the root key, from the first slot that a given key or passphrase opens.
    fn root_of(&self, state: &mut State, sealed: &Sealed) -> Result<Key, Error> {
        let is_raw = |slot: &Slot| slot.kind() == SlotKind::Raw;
        let takes_passphrase = !sealed.slots().iter().all(is_raw);
        // The reason why a usable way failed; reported if no other way opens the vault.
        let mut obstacle = None;

        if sealed.slots().iter().any(is_raw) {
            for path in [Some(&self.place.key()), self.unlock.credential.as_ref()] {
                let Some(path) = path else { continue };
                match files::read_key(path, self.loose()) {
                    Ok(None) => {}
                    Ok(Some(key)) => match self.try_slots(sealed, Opener::Raw(&key))? {
                        Some(root) => {
                            state.is_by_key_file = true;
                            return Ok(root);
                        }
                        None => {
                            obstacle.get_or_insert(Error::WrongKey {
                                vault: self.place.vault(),
                                key: path.clone(),
                            });
                        }
                    },
                    Err(error) => obstacle = Some(error.into()),
                }
            }
        }
        if takes_passphrase && let Some(passphrase) = self.given(state)? {
            let root = self.try_slots(sealed, Opener::Passphrase(passphrase.expose()))?;
            let root = root.ok_or_else(|| self.wrong_passphrase(sealed, state.sources.name()))?;
            state.forget();
            return Ok(root);
        }
        let programs = sealed.slots().iter().filter(|slot| is_raw(slot));
        let programs = programs.filter_map(|slot| Some((slot, With::of(slot.label())?)));
        let programs: Vec<_> = programs.take(MOST_TRIED).collect();
        match state.failure() {
            Some(earlier) if !programs.is_empty() => obstacle = Some(earlier),
            _ => {
                for (slot, with) in programs {
                    match self.fetch(with, sealed, slot) {
                        Ok(root) => return Ok(root),
                        Err(error) => obstacle = Some(state.failed(error)),
                    }
                }
            }
        }
        if takes_passphrase && let Some(root) = self.ask(state, sealed)? {
            return Ok(root);
        }
        let vault = self.place.vault();
        Err(match obstacle {
            Some(obstacle) if !matches!(obstacle, Error::WrongKey { .. }) || !takes_passphrase => {
                obstacle
            }
            _ if takes_passphrase => Error::Locked { vault },
            _ => Error::KeyMissing {
                vault,
                key: self.place.key(),
            },
        })
    }

    /// Says whether a key file, or a service's credential, opens the vault as the file is now.
    pub(super) fn key_file_opens(&self) -> bool {
        let sealed = Private::open(&self.place.vault(), self.loose())
            .ok()
            .flatten();
        let Some(sealed) = sealed.and_then(|mut file| self.parse(&mut file).ok()) else {
            return false;
        };
        let key = self.place.key();
        let mut paths = [Some(&key), self.unlock.credential.as_ref()].into_iter();
        paths.any(|path| {
            let key = path.and_then(|path| files::read_key(path, self.loose()).ok().flatten());
            key.is_some_and(|key| {
                let opened = self.try_slots(&sealed, Opener::Raw(&key));
                opened.is_ok_and(|root| root.is_some())
            })
        })
    }

    /// Returns the passphrase of the first source that does not ask the user.
    fn given(&self, state: &mut State) -> Result<Option<Passphrase>, Error> {
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

    fn asking(&self) -> Asking<'_> {
        self.is_asking.send_replace(true);
        Asking(&self.is_asking)
    }

    /// Asks a program for the key, one process at a time: each of them may show the user a prompt, and the first answer
    /// may spare the others theirs.
    fn fetch(&self, with: With, sealed: &Sealed, slot: &Slot) -> Result<Key, Error> {
        let _asking = self.asking();
        let _turn = self.turn();
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
                vault: self.place.vault(),
            },
            error => self.broken(error),
        })
    }

    /// Takes the lock for asking a program. Best effort: without the lock there are two prompts instead of one.
    fn turn(&self) -> Option<Lock> {
        let mut waited = Duration::ZERO;
        loop {
            match Lock::try_take(&self.place.unlock_lock(), self.loose()) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) if waited < TURN => {}
                _ => return None,
            }
            let [jitter] = random().unwrap_or_default();
            let pause = Duration::from_millis(50 + u64::from(jitter) / 5);
            thread::sleep(pause);
            waited += pause;
        }
    }

    pub(super) fn key_command(
        &self,
        with: With,
        vault_id: &str,
        slot_id: &str,
    ) -> Result<KeyCommand, Error> {
        let sealed = self.place.sealed_key(slot_id);
        let commands = self.unlock.commands.as_ref();
        if let (With::Command, Some(why)) = (with, &self.unlock.unread) {
            return Err(Error::Unread(Arc::clone(why)));
        }
        let is_root = system::is_root();
        Ok(KeyCommand::new(
            with, vault_id, slot_id, &sealed, is_root, commands,
        )?)
    }

    /// Asks the user at the terminal, if there is one.
    fn ask(&self, state: &State, sealed: &Sealed) -> Result<Option<Key>, Error> {
        let _asking = self.asking();
        let mut question = format!("Passphrase for {}: ", self.place.vault().display());
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
        damaged.map_or(Ok(None), |error| Err(self.broken(error)))
    }

    /// Returns the error of a wrong passphrase. `from` is its source; `None` if the user typed it.
    fn wrong_passphrase(&self, sealed: &Sealed, from: Option<&'static str>) -> Error {
        let vault = self.place.vault();
        let is_one = |slot: &&Slot| slot.kind() != SlotKind::Raw;
        match sealed.slots().iter().filter(is_one).count() {
            ..=MOST_TRIED => Error::WrongPassphrase { vault, from },
            _ => Error::WrongPassphrases { vault },
        }
    }

    /// Makes a vault that is not yet in a file. With a passphrase it has its slot; without, it has none, and gets the
    /// key file's under the lock.
    pub(super) fn create(&self, state: &mut State) -> Result<(Contents, Keys), Error> {
        self.refuse_odd_configuration()?;
        let passphrase = match self.given(state)? {
            Some(given) => Some(given),
            None if state.forgotten => {
                let vault = self.place.vault();
                return Err(Error::Locked { vault });
            }
            None if state.is_chosen => match state.sources.ask_new(NEW_PASSPHRASE)? {
                None => state
                    .sources
                    .offer("a key file, with which hosts need nothing from you")?,
                chosen => chosen,
            },
            // The user who signs in has not asked for a passphrase that locks every host out.
            None => None,
        };
        let mut contents = Contents::new(&random()?);
        let keys = Keys::new(Key::new(random()?), contents.vault_id());
        if let Some(passphrase) = passphrase {
            let opener = Opener::Passphrase(passphrase.expose());
            let slot = self.wrapped(&contents, &keys, PASSPHRASE, opener, random()?)?;
            contents.slots.push(slot);
        }
        Ok((contents, keys))
    }

    pub(super) fn add_key_file(&self, contents: &mut Contents, keys: &Keys) -> Result<(), Error> {
        let path = self.place.key();
        self.place.prepare_key(self.loose())?;
        // An existing key may open an export or a backup, and is kept.
        let key = match files::read_key(&path, self.loose())? {
            Some(key) => key,
            None => {
                files::sweep(&path);
                let key = Key::new(random()?);
                files::write_key(&path, &key)?;
                key
            }
        };
        let label = self.machine_label();
        let slot = self.wrapped(contents, keys, label, Opener::Raw(&key), random()?)?;
        contents.slots.push(slot);
        Ok(())
    }

    pub(super) fn machine_label(&self) -> &'static str {
        if cfg!(windows) { DPAPI } else { KEY_FILE }
    }

    /// Returns the root key, wrapped for one more way of opening.
    pub(super) fn wrapped(
        &self,
        contents: &Contents,
        keys: &Keys,
        label: &str,
        opener: Opener<'_>,
        id: [u8; 8],
    ) -> Result<Slot, Error> {
        if let Opener::Passphrase(passphrase) = opener
            && strength::is_weak(passphrase)
        {
            self.tell(
                "Warning: this passphrase is weak: whoever gets a copy of the file can find it by guessing; several unusual words are better.",
            );
        }
        let fresh = slot::Fresh {
            id,
            salt: random()?,
            nonce: random()?,
        };
        let vault_id = contents.vault_id();
        let slot = Slot::wrap(vault_id, label, opener, self.unlock.kdf, keys.root(), fresh);
        slot.map_err(|error| self.broken(error))
    }
}

/// A guard: a program, a pipe or the user is being asked as long as it lives.
struct Asking<'a>(&'a watch::Sender<bool>);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

impl State {
    /// Returns the reason why a program gave nothing, for as long as it is not asked again.
    fn failure(&self) -> Option<Error> {
        let (at, why) = self.failed.as_ref()?;
        (at.elapsed() < FAILED_FOR).then(|| why.earlier())
    }

    fn failed(&mut self, why: Error) -> Error {
        self.failed = Some((Instant::now(), why.earlier()));
        why
    }
}
