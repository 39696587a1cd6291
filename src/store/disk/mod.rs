//! The vault in its file: unlocked when first needed, read again whenever another process may have written, changed by
//! read, edit and replace under one lock.
//!
//! The root key stays in memory once a slot has opened; the passphrase does not. A vault that does not exist is empty,
//! and asks for nothing until there is an entry to keep; then it is made, with the key that the first source given
//! opens, or else a key file beside it. Blocks; the facade calls it on threads that may.
//! or else a key file beside it. Blocks; the facade calls it on threads that may.

mod admin;
mod export;
mod lockable;
mod unlock;

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use admin::{KeyKind, NewKey, Verified};
pub use export::Moved;
pub(super) use export::exported;
pub(super) use lockable::InUse;
pub use unlock::Unlock;

use crate::secret::Secret;
use crate::store::contents::{self, Contents, Keys};
use crate::store::envelope::{self, MAX_FILE, Sealed};
use crate::store::files::{self, Lock, Private, Stamp};
use crate::store::passphrase::Sources;
use crate::store::primitives::Key;
use crate::store::rollback_guard;
use crate::store::{Entry, Error, Expected, Kind, Place, Status, random};

/// The time for which a writer waits for the others. Each takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest note, in bytes.
const LONGEST_NOTE: usize = 64 << 10;

/// A vault in a file.
#[derive(Debug)]
pub(super) struct Disk {
    place: Place,
    unlock: Unlock,
    // The lock is held while blocking, on threads that may block: two tasks that both need the vault ask for one
    // passphrase.
    state: Mutex<State>,
    /// True while a program, a pipe or the user is asked for what opens it, which may take any time.
    is_asking: watch::Sender<bool>,
    /// True while a key is held that `mcpipe vault lock` may take.
    is_lockable: AtomicBool,
    /// The number of times that it was locked.
    locks: watch::Sender<u64>,
    /// Refreshes that need the key until they are stored.
    in_use: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct State {
    sources: Sources,
    /// The root key that another process of ours has passed to this one.
    inherited: Option<Key>,
    /// The text of the mark of locks when the key was got.
    mark: Option<Option<Vec<u8>>>,
    /// True where a key file on this machine opened the vault: no lock takes that key while it opens the vault.
    is_by_key_file: bool,
    /// True where the passphrase of the environment has been used and dropped.
    forgotten: bool,
    /// True where the user makes the vault, and chooses what opens it.
    is_chosen: bool,
    opened: Option<Opened>,
    /// A vault that is still to be made, and the keys that open it.
    new_vault: Option<(Contents, Keys)>,
    /// The newest generation seen, and its vault.
    seen: Option<(String, u64)>,
    /// The time at which a program last failed to give a key that opens the vault, and the reason.
    failed: Option<(Instant, Error)>,
}

#[derive(Clone, Debug)]
struct Opened {
    stamp: Stamp,
    beginning: Vec<u8>,
    contents: Contents,
    keys: Keys,
}

impl Disk {
    pub(super) fn new(place: Place, mut unlock: Unlock) -> Self {
        let sources = std::mem::take(&mut unlock.passphrase);
        let inherited = unlock.root.take();
        let is_lockable = inherited.is_some();
        Self {
            place,
            unlock,
            state: Mutex::new(State {
                sources,
                inherited,
                forgotten: false,
                mark: None,
                is_by_key_file: false,
                is_chosen: false,
                opened: None,
                new_vault: None,
                seen: None,
                failed: None,
            }),
            is_asking: watch::Sender::new(false),
            is_lockable: AtomicBool::new(is_lockable),
            locks: watch::Sender::new(0),
            in_use: Arc::default(),
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the signal that a program, a pipe or the user is asked for the vault's key or passphrase.
    pub(super) fn is_asking(&self) -> watch::Receiver<bool> {
        self.is_asking.subscribe()
    }

    pub(super) fn loose(&self) -> bool {
        self.unlock.loose
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
        // A kind that this version does not know is another version's, and stays in the file.
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
            // The condition is checked again under the lock: this check counts.
            if !expected.is_so(contents.revision(name)) {
                return Err(Error::Stale);
            }
            let content = content.expose().as_bytes();
            let put = contents.put(keys, name, kind.word(), content, &fresh()?);
            put.map_err(|error| self.broken(error))
        })
    }

    pub(super) fn remove(&self, name: &str) -> Result<bool, Error> {
        // Nothing is made, or written anew, for an entry that does not exist.
        if self.revision(name)?.is_none() {
            return Ok(false);
        }
        self.change(|contents, _| Ok(contents.remove(name)))
    }

    /// Returns the root key, for another process of ours. `None` if there is no vault yet and a key file will open it:
    /// then the other process makes the vault, once there is an entry to keep. A vault with a passphrase is made here.
    pub(super) fn root(&self) -> Result<Option<Key>, Error> {
        {
            let mut state = self.state();
            if let Some(opened) = self.look(&mut state)? {
                return Ok(Some(opened.keys.root().clone()));
            }
            if self.new_vault(&mut state)?.0.slots.is_empty() {
                // The other process has no user to tell.
                self.say_key_file();
                return Ok(None);
            }
        }
        self.change(|_, keys| Ok(Some(keys.root().clone())))
    }

    fn say_key_file(&self) {
        self.tell(&format!(
            "The new vault, {}, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.",
            self.place.vault().display()
        ));
    }

    /// Tells the user a sentence: for a bridge, in its log.
    fn tell(&self, sentence: &str) {
        match self.unlock.tell {
            Some(tell) => tell(&format!("{sentence}\n")),
            None => tracing::warn!("{sentence}"),
        }
    }

    /// Opens the vault, or checks that one can be made, and asks for the passphrase in either case. Makes none.
    pub(super) fn open_or_conceive(&self) -> Result<(), Error> {
        let mut state = self.state();
        if self.look(&mut state)?.is_none() {
            self.place.prepare(self.loose())?;
            self.new_vault(&mut state)?;
        }
        Ok(())
    }

    /// Returns the vault that would be made, prepared once: the passphrase is asked for once.
    fn new_vault(&self, state: &mut State) -> Result<(Contents, Keys), Error> {
        if let Some(new_vault) = &state.new_vault {
            return Ok(new_vault.clone());
        }
        let new_vault = self.create(state)?;
        Ok(state.new_vault.insert(new_vault).clone())
    }

    pub(super) fn note(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(mut file) = Private::open(&self.place.note(name), self.loose())? else {
            return Ok(None);
        };
        // A note that cannot be read counts as none.
        Ok(String::from_utf8(file.read(LONGEST_NOTE)?).ok())
    }

    pub(super) fn leave_note(&self, name: &str, text: &str) -> Result<(), Error> {
        self.place.prepare(self.loose())?;
        Ok(files::write_side_file(
            &self.place.note(name),
            text.as_bytes(),
        )?)
    }

    fn revision(&self, name: &str) -> Result<Option<u64>, Error> {
        let mut state = self.state();
        let opened = self.look(&mut state)?;
        Ok(opened.and_then(|opened| opened.contents.revision(name)))
    }

    /// Reads the file without opening the vault: asks for no passphrase.
    pub(super) fn status(&self) -> Result<Status, Error> {
        let path = self.place.vault();
        let sealed = match Private::open(&path, self.loose())? {
            Some(mut file) => Some(self.parse(&mut file)?),
            None => None,
        };
        let behind = sealed.as_ref().and_then(|sealed| self.behind(sealed));
        Ok(Status {
            behind,
            ..Status::of(Some(path), sealed.as_ref())
        })
    }

    /// Returns the generation that this machine wrote last, if the file is older.
    fn behind(&self, sealed: &Sealed) -> Option<u64> {
        let anchor = rollback_guard::read(&self.place.anchor(), self.loose());
        anchor.and_then(|anchor| anchor.is_ahead_of(sealed.vault_id(), sealed.generation()))
    }

    /// Warns of an old file, and uses it: restoring a backup is legitimate. The next write ends the warning.
    fn compare_with_anchor(&self, sealed: &Sealed) {
        if let Some(newest) = self.behind(sealed) {
            self.tell(&format!(
                "Warning: the vault {} is an older copy of itself: it is of generation {}, and this machine has written {newest}. Tokens in it may have been replaced since.",
                self.place.vault().display(),
                sealed.generation()
            ));
        }
    }

    fn raise_anchor(&self, contents: &Contents) {
        let raised = self.place.prepare_key(self.loose()).and_then(|()| {
            let anchor = rollback_guard::Anchor::new(contents.vault_id(), contents.generation());
            anchor.write(&self.place.anchor())
        });
        if let Err(error) = raised {
            tracing::debug!(%error, "no anchor: an older copy of the vault would not be noticed");
        }
    }

    /// Edits the contents and writes them, under the lock. Makes the vault if there is none.
    fn change<T>(
        &self,
        edit: impl FnOnce(&mut Contents, &mut Keys) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.state();
        // Work that is slow or asks the user is done before the lock is taken.
        let new_vault = match self.look(&mut state)? {
            Some(_) => None,
            None => Some(self.new_vault(&mut state)?),
        };
        self.place.prepare(self.loose())?;
        let _lock = self.lock()?;
        files::sweep(&self.place.vault());

        let found = self.look(&mut state)?;
        let found = found.map(|opened| (opened.contents.clone(), opened.keys.clone()));
        let is_new = found.is_none();
        let (mut contents, mut keys) = match (found, new_vault) {
            (Some(found), _) => found,
            (None, Some(new_vault)) => new_vault,
            (None, None) => self.new_vault(&mut state)?,
        };
        let edited = edit(&mut contents, &mut keys)?;
        if contents.is_rekey_due() {
            self.rekey_unasked(&mut contents, &mut keys)?;
        }
        let asks_nobody = contents.slots.is_empty();
        if asks_nobody {
            self.add_key_file(&mut contents, &keys)?;
        }
        let file = envelope::seal(&mut contents, &keys, &random()?);
        let file = file.map_err(|error| self.broken(error))?;
        let stamp = files::replace(&self.place.vault(), &file)?;
        self.raise_anchor(&contents);

        state.new_vault = None;
        state.seen = Some((contents.vault_id().to_owned(), contents.generation()));
        state.opened = Some(Opened {
            stamp,
            beginning: envelope::beginning(&file).to_vec(),
            contents,
            keys,
        });
        state.is_by_key_file |= asks_nobody;
        self.note_lockable(&state);
        if asks_nobody {
            self.say_key_file();
        } else if is_new {
            state.forget();
        }
        Ok(edited)
    }

    /// Returns the contents of the file; `None` if there is no file. Reads and opens only what it has not opened
    /// before.
    fn look<'a>(&self, state: &'a mut State) -> Result<Option<&'a Opened>, Error> {
        let Some(mut file) = Private::open(&self.place.vault(), self.loose())? else {
            state.opened = None;
            return Ok(None);
        };
        self.heed_lock(state);
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
            if state.seen.is_none() {
                self.compare_with_anchor(&sealed);
            }
            let (contents, keys) = self.open(state, &sealed)?;
            state.seen = Some((contents.vault_id().to_owned(), contents.generation()));
            state.opened = Some(Opened {
                stamp: file.stamp().clone(),
                beginning: sealed.beginning().to_vec(),
                contents,
                keys,
            });
            self.note_lockable(state);
        }
        Ok(state.opened.as_ref())
    }

    fn lock(&self) -> Result<Lock, Error> {
        let path = self.place.vault_lock();
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(lock) = Lock::try_take(&path, self.loose())? {
                return Ok(lock);
            }
            if waited >= PATIENCE {
                return Err(Error::Busy { lock: path });
            }
            // The pause differs between the processes that wait.
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
        // A panic leaves either the old state or the new one: every assignment is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops the unopened key: the opened key is enough from here on.
    fn forget(&mut self) {
        self.forgotten |= self.sources.environment.take().is_some();
    }
}

/// Returns the random numbers of one write of one entry.
fn fresh() -> Result<contents::Fresh, Error> {
    Ok(contents::Fresh {
        id: random()?,
        data_key: Key::new(random()?),
        dek_nonce: random()?,
        nonce: random()?,
    })
}
