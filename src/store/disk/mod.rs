//! The vault in its file: unlocked when first needed, looked at again whenever somebody else may have written, changed
//! by read, edit and replace under one lock.
//!
//! The root key stays in memory once a slot has opened; the passphrase does not. A vault that does not exist is empty,
//! and asks for nothing until something is to be kept; then it is made, with the key that the first source given opens,
//! or else a key file beside it. Blocks; the facade calls it on threads that may.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::contents::{self, Contents, Keys};
use super::envelope::{self, MAX_FILE, Sealed};
use super::file::{self, Lock, Place, Private, Stamp};
use super::passphrase::Sources;
use super::primitives::Key;
use super::slot::{self, Kdf, Opener, Slot, SlotKind};
use super::{Entry, Error, Expected, Kind, Status, random};
use crate::secret::Secret;

/// The label of the slot that the machine key opens.
pub(super) const KEY_FILE: &str = "keyfile";
const PASSPHRASE: &str = "passphrase";

/// How long a writer waits for the others. Each takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a person may mistype.
const TRIES: usize = 3;

/// How a vault is opened, and made.
#[derive(Clone, Debug)]
pub struct Unlock {
    /// Where a passphrase may come from. With none, a new vault is opened by a key file.
    pub passphrase: Sources,
    /// What a new vault's passphrase costs.
    pub kdf: Kdf,
    /// Accept files that others can use: `MCPIPE_ALLOW_LOOSE_PERMISSIONS`, for file systems without modes.
    pub loose: bool,
}

impl Default for Unlock {
    fn default() -> Self {
        Self {
            passphrase: Sources::default(),
            kdf: Kdf::DEFAULT,
            loose: false,
        }
    }
}

/// A vault in a file.
#[derive(Debug)]
pub(super) struct Disk {
    place: Place,
    kdf: Kdf,
    loose: bool,
    // Held while blocking, on threads that may block: two tasks that both need the vault ask for one passphrase.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sources: Sources,
    /// There was a passphrase in the environment, and it has done its work.
    forgotten: bool,
    opened: Option<Opened>,
    /// The newest generation seen, and of which vault.
    seen: Option<(String, u64)>,
}

#[derive(Clone, Debug)]
struct Opened {
    stamp: Stamp,
    beginning: Vec<u8>,
    contents: Contents,
    keys: Keys,
}

impl Disk {
    pub(super) fn new(place: Place, unlock: Unlock) -> Self {
        Self {
            place,
            kdf: unlock.kdf,
            loose: unlock.loose,
            state: Mutex::new(State {
                sources: unlock.passphrase,
                forgotten: false,
                opened: None,
                seen: None,
            }),
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn loose(&self) -> bool {
        self.loose
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Entry>, Error> {
        let mut state = self.state();
        let Some(opened) = self.look(&mut state)? else {
            return Ok(None);
        };
        let read = opened.contents.read(&opened.keys, name);
        read.map_err(|error| self.broken(error))?
            .map(|found| {
                let kind = Kind::from_word(&found.kind).ok_or_else(|| {
                    self.broken(envelope::Error::Unknown {
                        what: "kind of entry",
                        found: found.kind.clone(),
                    })
                })?;
                let mut content = found.content;
                let text = String::from_utf8(std::mem::take(&mut *content))
                    .map_err(|_| self.broken(envelope::Error::Damaged("entry's text")))?;
                Ok(Entry {
                    kind,
                    rev: found.rev,
                    content: Secret::new(text),
                })
            })
            .transpose()
    }

    pub(super) fn list(&self) -> Result<Vec<(String, Kind)>, Error> {
        let mut state = self.state();
        let Some(opened) = self.look(&mut state)? else {
            return Ok(Vec::new());
        };
        // A kind this version does not know is somebody's, and stays in the file.
        let known = |(name, kind, _): (&str, &str, u64)| {
            Kind::from_word(kind).map(|kind| (name.to_owned(), kind))
        };
        Ok(opened.contents.list().filter_map(known).collect())
    }

    pub(super) fn put(
        &self,
        name: &str,
        kind: Kind,
        content: &Secret,
        expected: Expected,
    ) -> Result<u64, Error> {
        if !expected.is_so(self.revision(name)?) {
            return Err(Error::Stale);
        }
        self.change(|contents, keys| {
            // Asked again under the lock: this is the answer that counts.
            if !expected.is_so(contents.revision(name)) {
                return Err(Error::Stale);
            }
            let fresh = contents::Fresh {
                id: random()?,
                data_key: Key::new(random()?),
                dek_nonce: random()?,
                nonce: random()?,
            };
            let content = content.expose().as_bytes();
            let put = contents.put(keys, name, kind.word(), content, &fresh);
            put.map_err(|error| self.broken(error))
        })
    }

    pub(super) fn remove(&self, name: &str) -> Result<bool, Error> {
        // Nothing is made, or written anew, for what is not there.
        if self.revision(name)?.is_none() {
            return Ok(false);
        }
        self.change(|contents, _| Ok(contents.remove(name)))
    }

    fn revision(&self, name: &str) -> Result<Option<u64>, Error> {
        let mut state = self.state();
        let opened = self.look(&mut state)?;
        Ok(opened.and_then(|opened| opened.contents.revision(name)))
    }

    /// Looks without opening: asks for no passphrase.
    pub(super) fn status(&self) -> Result<Status, Error> {
        let path = self.place.vault();
        let sealed = match Private::open(&path, self.loose)? {
            Some(mut file) => Some(self.parse(&mut file)?),
            None => None,
        };
        Ok(Status::of(Some(path), sealed.as_ref()))
    }

    /// Edits the contents and writes them, under the lock. Makes the vault if there is none.
    fn change<T>(
        &self,
        edit: impl FnOnce(&mut Contents, &Keys) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.state();
        // Whatever takes long or asks somebody happens before the lock is taken.
        let unborn = match self.look(&mut state)? {
            Some(_) => None,
            None => Some(self.conceive(&state)?),
        };
        self.place.prepare(self.loose)?;
        let _lock = self.lock()?;
        file::sweep(&self.place.vault());

        let found = self.look(&mut state)?;
        let found = found.map(|opened| (opened.contents.clone(), opened.keys.clone()));
        let is_new = found.is_none();
        let (mut contents, keys) = match (found, unborn) {
            (Some(found), _) => found,
            (None, Some(unborn)) => unborn,
            (None, None) => self.conceive(&state)?,
        };
        let edited = edit(&mut contents, &keys)?;
        let asks_nobody = contents.slots.is_empty();
        if asks_nobody {
            self.add_key_file(&mut contents, &keys)?;
        }
        let file = envelope::seal(&mut contents, &keys, &random()?);
        let file = file.map_err(|error| self.broken(error))?;
        let stamp = file::replace(&self.place.vault(), &file)?;

        state.seen = Some((contents.vault_id().to_owned(), contents.generation()));
        state.opened = Some(Opened {
            stamp,
            beginning: envelope::beginning(&file).to_vec(),
            contents,
            keys,
        });
        if asks_nobody {
            tracing::warn!(
                vault = %self.place.vault().display(),
                key = %self.place.key().display(),
                "credentials are stored encrypted; their key is protected by file permissions only"
            );
        } else if is_new {
            state.forget();
        }
        Ok(edited)
    }

    /// What is in the file now; `None` if there is no file. Reads and opens only what it has not opened before.
    fn look<'a>(&self, state: &'a mut State) -> Result<Option<&'a Opened>, Error> {
        let Some(mut file) = Private::open(&self.place.vault(), self.loose)? else {
            state.opened = None;
            return Ok(None);
        };
        let known = match &state.opened {
            Some(opened) if opened.stamp == *file.stamp() => file.begins_with(&opened.beginning)?,
            _ => false,
        };
        if !known {
            let sealed = self.parse(&mut file)?;
            if let Some((vault, seen)) = &state.seen
                && *vault == sealed.vault_id()
                && *seen > sealed.generation()
            {
                return Err(Error::RolledBack {
                    vault: self.place.vault(),
                    seen: *seen,
                    found: sealed.generation(),
                });
            }
            let (contents, keys) = self.open(state, &sealed)?;
            state.seen = Some((contents.vault_id().to_owned(), contents.generation()));
            state.opened = Some(Opened {
                stamp: file.stamp().clone(),
                beginning: sealed.beginning().to_vec(),
                contents,
                keys,
            });
        }
        Ok(state.opened.as_ref())
    }

    fn open(&self, state: &mut State, sealed: &Sealed) -> Result<(Contents, Keys), Error> {
        let held = state.opened.as_ref().map(|opened| &opened.keys);
        let held = held
            .filter(|keys| keys.belong_to(sealed.vault_id()))
            .cloned();
        let Some(keys) = held else {
            let keys = Keys::new(self.unlock(state, sealed)?, sealed.vault_id());
            let contents = sealed.open(&keys).map_err(|error| self.broken(error))?;
            return Ok((contents, keys));
        };
        match sealed.open(&keys) {
            Ok(contents) => Ok((contents, keys)),
            // Damaged, or given a new root key by somebody else: the slots know.
            Err(error @ envelope::Error::Damaged(_)) => match self.unlock(state, sealed) {
                Ok(root) if !root.same_as(keys.root().expose()) => {
                    let keys = Keys::new(root, sealed.vault_id());
                    let contents = sealed.open(&keys).map_err(|error| self.broken(error))?;
                    Ok((contents, keys))
                }
                _ => Err(self.broken(error)),
            },
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The root key, from the first slot that fits what there is to open it with.
    fn unlock(&self, state: &mut State, sealed: &Sealed) -> Result<Key, Error> {
        let vault = || self.place.vault();
        let is_raw = |slot: &Slot| slot.kind() == SlotKind::Raw;
        let asks_passphrase = !sealed.slots().iter().all(is_raw);

        if asks_passphrase && let Some(passphrase) = state.sources.read()? {
            let opener = Opener::Passphrase(passphrase.expose());
            let root = self.try_slots(sealed, opener)?;
            let root = root.ok_or_else(|| Error::WrongPassphrase { vault: vault() })?;
            state.forget();
            return Ok(root);
        }
        let mut key_does_not_fit = false;
        if sealed.slots().iter().any(is_raw)
            && let Some(key) = file::read_key(&self.place.key(), self.loose)?
        {
            if let Some(root) = self.try_slots(sealed, Opener::Raw(&key))? {
                return Ok(root);
            }
            key_does_not_fit = true;
        }
        if asks_passphrase {
            let question = format!("Passphrase for {}: ", vault().display());
            for tried in 1.. {
                let Some(passphrase) = state.sources.ask(&question)? else {
                    break;
                };
                let opener = Opener::Passphrase(passphrase.expose());
                match self.try_slots(sealed, opener)? {
                    Some(root) => return Ok(root),
                    None if tried < TRIES => {}
                    None => return Err(Error::WrongPassphrase { vault: vault() }),
                }
            }
        }
        let (vault, key) = (vault(), self.place.key());
        Err(if key_does_not_fit {
            Error::WrongKey { vault, key }
        } else if asks_passphrase {
            Error::Locked { vault }
        } else {
            Error::KeyMissing { vault, key }
        })
    }

    fn try_slots(&self, sealed: &Sealed, opener: Opener<'_>) -> Result<Option<Key>, Error> {
        let mut damaged = None;
        for slot in sealed.slots() {
            match slot.open(sealed.vault_id(), opener) {
                Ok(root) => return Ok(Some(root)),
                Err(envelope::Error::WrongKey) => {}
                Err(error) => damaged = Some(error),
            }
        }
        damaged.map_or(Ok(None), |error| Err(self.broken(error)))
    }

    /// A vault that is not yet in a file. With a passphrase it has its slot; without, it has none, and gets the key
    /// file's under the lock.
    fn conceive(&self, state: &State) -> Result<(Contents, Keys), Error> {
        let passphrase = match state.sources.read()? {
            Some(given) => Some(given),
            None if state.forgotten => {
                let vault = self.place.vault();
                return Err(Error::Locked { vault });
            }
            None => state.sources.ask_new(
                "A new vault is made. Its passphrase (none: a key file, which asks nobody): ",
            )?,
        };
        let mut contents = Contents::new(&random()?);
        let keys = Keys::new(Key::new(random()?), contents.vault_id());
        if let Some(passphrase) = passphrase {
            let opener = Opener::Passphrase(passphrase.expose());
            self.add_slot(&mut contents, &keys, PASSPHRASE, opener)?;
        }
        Ok((contents, keys))
    }

    fn add_key_file(&self, contents: &mut Contents, keys: &Keys) -> Result<(), Error> {
        let path = self.place.key();
        self.place.prepare_key(self.loose)?;
        // One that is there may open an export or a backup, and is kept.
        let key = match file::read_key(&path, self.loose)? {
            Some(key) => key,
            None => {
                file::sweep(&path);
                let key = Key::new(random()?);
                file::write_key(&path, &key)?;
                key
            }
        };
        self.add_slot(contents, keys, KEY_FILE, Opener::Raw(&key))
    }

    fn add_slot(
        &self,
        contents: &mut Contents,
        keys: &Keys,
        label: &str,
        opener: Opener<'_>,
    ) -> Result<(), Error> {
        let fresh = slot::Fresh {
            id: random()?,
            salt: random()?,
            nonce: random()?,
        };
        let id = contents.vault_id();
        let slot = Slot::wrap(id, label, opener, self.kdf, keys.root(), fresh);
        contents
            .slots
            .push(slot.map_err(|error| self.broken(error))?);
        Ok(())
    }

    fn lock(&self) -> Result<Lock, Error> {
        let path = self.place.vault_lock();
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(lock) = Lock::try_take(&path)? {
                return Ok(lock);
            }
            if waited >= PATIENCE {
                return Err(Error::Busy { lock: path });
            }
            // Not in step with the others who wait.
            let [jitter] = random()?;
            let this = pause + pause * u32::from(jitter) / 256;
            thread::sleep(this);
            waited += this;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn parse(&self, file: &mut Private) -> Result<Sealed, Error> {
        let bytes = file.read(MAX_FILE)?;
        Sealed::parse(bytes).map_err(|error| self.broken(error))
    }

    fn broken(&self, source: envelope::Error) -> Error {
        Error::Envelope {
            vault: self.place.vault(),
            source,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic left is either the old state or the new one: every assignment is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The opened key is enough from here on.
    fn forget(&mut self) {
        self.forgotten |= self.sources.environment.take().is_some();
    }
}
