//! The paths of the vault's files: the only module that makes names of files.
//!
//! Opens nothing; `files` checks what is prepared.

use std::path::{Path, PathBuf, absolute};

use crate::store::files::{self, Error, MAKE, system};
use crate::store::primitives::digest;

/// The paths of the vault, its key and its locks.
#[derive(Clone, Debug)]
pub struct VaultPaths {
    directory: PathBuf,
    key_directory: PathBuf,
    runtime_directory: PathBuf,
    /// True where the user chose the directory (`MCPIPE_HOME`), so that its mode is the user's decision.
    chosen: bool,
}

impl VaultPaths {
    /// Returns the paths under `home` if given, else where the system keeps an application's data. Opens and creates
    /// nothing.
    ///
    /// # Errors
    /// [`Error::NoPlace`] if there is neither.
    pub fn new(home: Option<&Path>) -> Result<Self, Error> {
        if let Some(home) = home {
            let directory = absolute(home).map_err(|_| Error::NoPlace)?;
            return Ok(Self {
                key_directory: directory.join("state"),
                runtime_directory: directory.join("state"),
                directory,
                chosen: true,
            });
        }
        // The local directory: on Windows the other travels between machines. Elsewhere they are the same.
        let data = dirs::data_local_dir().ok_or(Error::NoPlace)?;
        let state = dirs::state_dir().map(|state| state.join("mcpipe"));
        // The directory differs from the vault's, so that a copy of one is not a copy of both.
        let state = state.unwrap_or_else(|| data.join("mcpipe-state"));
        // Hosts that start mcpipe with a few variables only (the official SDKs pass HOME and PATH) leave out XDG_RUNTIME_DIR.
        let runtime = dirs::runtime_dir().or_else(system::runtime_directory);
        let runtime = runtime.map(|runtime| runtime.join("mcpipe"));
        Ok(Self {
            directory: data.join("mcpipe"),
            runtime_directory: runtime.unwrap_or_else(|| state.clone()),
            key_directory: state,
            chosen: false,
        })
    }

    /// Returns paths at which no file can be: nothing is found there, and nothing can be kept.
    pub fn nowhere() -> Self {
        // No file can be below `/dev/null`. The directory is read, and never made.
        let directory = PathBuf::from("/dev/null/mcpipe");
        Self {
            key_directory: directory.clone(),
            runtime_directory: directory.clone(),
            directory,
            chosen: false,
        }
    }

    fn is_nowhere(&self) -> bool {
        self.directory == Self::nowhere().directory
    }

    /// Returns all paths on one line, for a process that has no environment to derive them from.
    pub fn to_line(&self) -> String {
        let paths = [
            &self.directory,
            &self.key_directory,
            &self.runtime_directory,
        ];
        serde_json::json!({ "paths": paths, "chosen": self.chosen }).to_string()
    }

    /// Reads the line of [`VaultPaths::to_line`].
    pub fn from_line(line: &str) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Line {
            paths: [PathBuf; 3],
            chosen: bool,
        }
        let Line { paths, chosen } = serde_json::from_str(line).ok()?;
        let [directory, key_directory, runtime_directory] = paths;
        Some(Self {
            directory,
            key_directory,
            runtime_directory,
            chosen,
        })
    }

    /// Returns the path of the vault.
    pub fn vault(&self) -> PathBuf {
        self.directory.join("vault.bin")
    }

    /// Returns the path of the machine key, for the slot that asks the user nothing.
    pub fn key(&self) -> PathBuf {
        self.key_directory.join("vault.key")
    }

    /// Returns the path of the machine key that is about to replace the other.
    pub fn next_key(&self) -> PathBuf {
        self.key_directory.join("vault.key.next")
    }

    /// Returns the path of the newest generation written on this machine. It is beside the key, so that a copy of the
    /// vault's directory is not a copy of both.
    pub fn anchor(&self) -> PathBuf {
        self.key_directory.join("vault.anchor")
    }

    /// Returns the path of the key of one slot, sealed by `systemd-creds`.
    pub fn sealed_key(&self, slot_id: &str) -> PathBuf {
        self.key_directory.join(format!("slot-{slot_id}.cred"))
    }

    /// Returns the path of the agent's socket.
    pub fn socket(&self) -> PathBuf {
        self.runtime_directory.join("agent.sock")
    }

    /// Returns the path of the lock that the agent holds as long as it lives.
    pub fn agent_lock(&self) -> PathBuf {
        self.runtime_directory.join("agent.lock")
    }

    /// Returns the path of the lock that is held while a program is asked for a key, which may ask the user for it.
    pub fn unlock_lock(&self) -> PathBuf {
        self.directory.join("unlock.lock")
    }

    /// Returns the path of the mark that `mcpipe vault lock` changes, and the end of the unlock agent's time: processes
    /// that hold the vault's key then forget it.
    pub fn lock_mark(&self) -> PathBuf {
        self.directory.join("vault.locked")
    }

    /// Changes the mark.
    ///
    /// # Errors
    /// The disk refused.
    pub(super) fn mark_locked(&self) -> Result<(), crate::store::Error> {
        let mark = crate::store::primitives::encode(&crate::store::random::<16>()?);
        Ok(files::write_side_file(&self.lock_mark(), mark.as_bytes())?)
    }

    /// Returns the path of the lock that is held while the vault is read, changed and written: milliseconds.
    pub fn vault_lock(&self) -> PathBuf {
        self.directory.join("vault.lock")
    }

    /// Returns the path of the lock that is held while one entry is renewed: seconds. It is taken before the vault's,
    /// never after.
    pub fn entry_lock(&self, name: &str) -> PathBuf {
        self.directory
            .join(format!("cred-{}.lock", hex_digest(name)))
    }

    /// Returns the path of a side file that processes leave for each other: small, and no place for tokens.
    pub fn side_file(&self, name: &str) -> PathBuf {
        self.directory
            .join(format!("note-{}.json", hex_digest(name)))
    }

    /// Returns the path of what processes count of a server and account for the user's limits, without an ending.
    pub fn limits(&self, url: &str, account: &str) -> PathBuf {
        // The name does not tell which servers are used.
        let name = hex_digest(&format!("{account}\n{url}"));
        let name = name.get(..32).unwrap_or(&name);
        self.key_directory.join("limits").join(name)
    }

    /// Returns the path of the directory in which large results are kept for hosts, of all servers.
    pub fn results(&self) -> PathBuf {
        self.key_directory.join("results")
    }

    /// Makes the vault's directory, or checks that it is private.
    ///
    /// # Errors
    /// [`Error::Owner`], [`Error::WritableDirectory`], or the system's.
    pub fn prepare(&self, loose: bool) -> Result<(), Error> {
        match self.is_nowhere() {
            true => Err(Error::NoPlace),
            false => prepare(&self.directory, self.chosen, loose),
        }
    }

    /// Does as [`VaultPaths::prepare`], for the machine key's directory.
    ///
    /// # Errors
    /// As [`VaultPaths::prepare`].
    pub fn prepare_key(&self, loose: bool) -> Result<(), Error> {
        match self.is_nowhere() {
            true => Err(Error::NoPlace),
            false => prepare(&self.key_directory, false, loose),
        }
    }

    /// Does as [`VaultPaths::prepare`], for the agent socket's directory.
    ///
    /// # Errors
    /// As [`VaultPaths::prepare`].
    pub fn prepare_runtime(&self) -> Result<(), Error> {
        match self.is_nowhere() {
            true => Err(Error::NoPlace),
            false => prepare(&self.runtime_directory, false, false),
        }
    }
}

fn prepare(directory: &Path, chosen: bool, loose: bool) -> Result<(), Error> {
    system::create_directory(directory).map_err(Error::io(MAKE, directory))?;
    if loose {
        return Ok(());
    }
    system::check_directory(directory, chosen)
}

fn hex_digest(name: &str) -> String {
    let bytes = digest(name.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
