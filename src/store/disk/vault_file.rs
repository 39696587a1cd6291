//! The vault's file and the files around it, as far as no key is needed: reading, locking, the newest generation seen on
//! this machine, and side files.

use std::thread;
use std::time::Duration;

use crate::store::contents::Contents;
use crate::store::envelope::{self, MAX_FILE, Sealed};
use crate::store::files::{self, FileLock, Private};
use crate::store::rollback_guard::{self, Anchor};
use crate::store::{Error, VaultPaths, VaultStatus, random};

/// The time for which a writer waits for the others. Each takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest side file, in bytes.
const LONGEST_SIDE_FILE: usize = 64 << 10;

/// The paths of a vault, and the way in which its files are used.
#[derive(Debug)]
pub(in crate::store) struct VaultFile {
    paths: VaultPaths,
    /// True to accept files that other users can use.
    loose: bool,
    /// The function that tells the user of a command a sentence. A bridge has the log.
    tell: Option<fn(&str)>,
}

impl VaultFile {
    pub(super) fn new(paths: VaultPaths, loose: bool, tell: Option<fn(&str)>) -> Self {
        Self { paths, loose, tell }
    }

    pub(in crate::store) fn paths(&self) -> &VaultPaths {
        &self.paths
    }

    pub(in crate::store) fn loose(&self) -> bool {
        self.loose
    }

    /// Makes the vault's directory, or checks that it is private.
    pub(in crate::store) fn prepare(&self) -> Result<(), Error> {
        Ok(self.paths.prepare(self.loose)?)
    }

    /// Makes the key file's directory, or checks that it is private.
    pub(super) fn prepare_key(&self) -> Result<(), Error> {
        Ok(self.paths.prepare_key(self.loose)?)
    }

    /// Opens the file, unread; `None` if there is none.
    pub(super) fn open(&self) -> Result<Option<Private>, Error> {
        Ok(Private::open(&self.paths.vault(), self.loose)?)
    }

    /// Reads the vault in an opened file.
    pub(super) fn parse(&self, file: &mut Private) -> Result<Sealed, Error> {
        let bytes = file.read(MAX_FILE)?;
        Sealed::parse(bytes).map_err(|error| self.broken(error))
    }

    /// Reads the vault as it is in the file, unopened.
    pub(super) fn sealed(&self) -> Result<Sealed, Error> {
        let file = self.open()?;
        let mut file = file.ok_or_else(|| self.absent())?;
        self.parse(&mut file)
    }

    /// Returns the error of a vault that does not exist.
    pub(super) fn absent(&self) -> Error {
        Error::NoVault {
            vault: self.paths.vault(),
        }
    }

    /// Returns the error of a vault that cannot be used.
    pub(super) fn broken(&self, source: envelope::Error) -> Error {
        Error::Envelope {
            vault: self.paths.vault(),
            source,
        }
    }

    /// Takes the lock of the file, which writers hold.
    pub(super) fn lock(&self) -> Result<FileLock, Error> {
        let path = self.paths.vault_lock();
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(lock) = FileLock::try_take(&path, self.loose)? {
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

    /// Reads the file without opening the vault: asks for no passphrase.
    pub(in crate::store) fn status(&self) -> Result<VaultStatus, Error> {
        let sealed = match self.open()? {
            Some(mut file) => Some(self.parse(&mut file)?),
            None => None,
        };
        let behind = sealed.as_ref().and_then(|sealed| self.newer(sealed));
        Ok(VaultStatus {
            behind,
            ..VaultStatus::of(Some(self.paths.vault()), sealed.as_ref())
        })
    }

    /// Returns the generation that this machine wrote last, if the file is older.
    fn newer(&self, sealed: &Sealed) -> Option<u64> {
        let anchor = rollback_guard::read(&self.paths.anchor(), self.loose);
        anchor.and_then(|anchor| anchor.is_ahead_of(sealed.vault_id(), sealed.generation()))
    }

    /// Warns of an old file, and uses it: restoring a backup is legitimate. The next write ends the warning.
    pub(super) fn compare_with_anchor(&self, sealed: &Sealed) {
        if let Some(newest) = self.newer(sealed) {
            self.tell(&format!(
                "Warning: the vault {} is an older copy of itself: it is of generation {}, and this machine has written {newest}. Tokens in it may have been replaced since.",
                self.paths.vault().display(),
                sealed.generation()
            ));
        }
    }

    /// Writes down the generation of these contents as the newest.
    pub(super) fn raise_anchor(&self, contents: &Contents) {
        let raised = self.paths.prepare_key(self.loose).and_then(|()| {
            let anchor = Anchor::new(contents.vault_id(), contents.generation());
            anchor.write(&self.paths.anchor())
        });
        if let Err(error) = raised {
            tracing::debug!(%error, "no anchor: an older copy of the vault would not be noticed");
        }
    }

    /// Reads a side file, which other processes write too.
    pub(in crate::store) fn side_file(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(mut file) = Private::open(&self.paths.side_file(name), self.loose)? else {
            return Ok(None);
        };
        // A side file that cannot be read counts as none.
        Ok(String::from_utf8(file.read(LONGEST_SIDE_FILE)?).ok())
    }

    /// Replaces a side file.
    pub(in crate::store) fn write_side_file(&self, name: &str, text: &str) -> Result<(), Error> {
        self.prepare()?;
        Ok(files::write_side_file(
            &self.paths.side_file(name),
            text.as_bytes(),
        )?)
    }

    /// Tells the user a sentence: for a bridge, in its log.
    pub(super) fn tell(&self, sentence: &str) {
        match self.tell {
            Some(tell) => tell(&format!("{sentence}\n")),
            None => tracing::warn!("{sentence}"),
        }
    }

    /// Tells the user that a key file opens the new vault.
    pub(super) fn tell_of_key_file(&self) {
        self.tell(&format!(
            "The new vault, {}, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.",
            self.paths.vault().display()
        ));
    }
}
