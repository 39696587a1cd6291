//! Facts learned about servers: nothing secret, nothing that is needed.
//!
//! One small JSON file per server in the cache directory, replaced whole. It may be deleted at any time, and no failure
//! to read or write it ever troubles the bridge: the next start learns again. Members this version does not know are
//! kept. Learning is reading and writing whole, so bridges that learn at once take turns.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::store::files::{self, FileLock, Private};

/// A file longer than this, in bytes, is none of ours: a start does not wait for it to be read.
const MAX_SIZE: usize = 1024 * 1024;

/// The cache of the facts about one server.
#[derive(Clone, Debug)]
pub struct ServerCache {
    path: Option<PathBuf>,
    /// Held while one is learned: the file is read and written whole, and two may be learned at once.
    writing: Arc<Mutex<()>>,
    /// The facts as this process has last seen them.
    seen: Arc<Mutex<Option<Facts>>>,
}

type Facts = Map<String, Value>;

impl ServerCache {
    /// About this server (its address, and the account used there), under `home` if given, else in the system's cache
    /// directory.
    pub fn about(home: Option<&Path>, url: &str, account: &str) -> Self {
        let folder = match home {
            Some(home) => Some(home.join("cache")),
            None => dirs::cache_dir().map(|cache| cache.join("mcpipe")),
        };
        // The name does not tell which servers are used.
        let digest = Sha256::digest(format!("{account}\n{url}").as_bytes());
        let name: String = digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            path: folder.map(|folder| folder.join("servers").join(format!("{name}.json"))),
            writing: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Remembers nothing.
    pub fn nowhere() -> Self {
        Self {
            path: None,
            writing: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Returns what is remembered under `name`. Blocks for one small read.
    pub fn load(&self, name: &str) -> Option<Value> {
        self.read().remove(name)
    }

    /// Returns what was remembered under `name` when this process asked for the first fact, or has stored one since. Blocks for
    /// one small read the first time, and never again: the facts of a start are asked for one by one.
    pub fn recall(&self, name: &str) -> Option<Value> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert_with(|| self.read()).get(name).cloned()
    }

    /// Remembers it, or forgets it where `value` is null. Blocks for one small write, and for a fifth of a second where another
    /// process holds the lock: for threads that may.
    pub fn store(&self, name: &str, value: Value) {
        let Some(path) = &self.path else { return };
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _others = others_wait(path)
            .inspect_err(|error| tracing::debug!(%error, "facts are learned without taking turns"));
        let mut known = self.read();
        if known.get(name).unwrap_or(&Value::Null) != &value {
            known.insert(name.to_owned(), value);
            known.retain(|_, value| !value.is_null());
            if let Err(error) = write(path, &known) {
                tracing::debug!(%error, "a fact is not remembered");
                return;
            }
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    fn read(&self) -> Facts {
        let text = self.path.as_ref().and_then(|path| {
            let mut file = Private::open(path, true).ok()??;
            file.read(MAX_SIZE).ok()
        });
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }
}

/// Keeps other processes from learning for as long as it is held. Waits a moment for one of them that does, and no longer:
/// each takes milliseconds, and who holds the lock for more than that may hold it for ever.
fn others_wait(path: &Path) -> Result<FileLock, Unlocked> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    make_private(folder)?;
    let mut waited = Duration::ZERO;
    loop {
        // One for all servers: learning is rare and short, and the folder does not fill with locks.
        if let Some(lock) = FileLock::try_take(&folder.join("lock"), false)? {
            return Ok(lock);
        }
        if waited >= PATIENCE {
            return Err(Unlocked::Held);
        }
        thread::sleep(POLL);
        waited += POLL;
    }
}

const PATIENCE: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(5);

/// The reason why the lock was not taken.
#[derive(Debug, thiserror::Error)]
enum Unlocked {
    #[error("another process holds the lock")]
    Held,
    #[error(transparent)]
    File(#[from] files::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<io::ErrorKind> for Unlocked {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Io(kind.into())
    }
}

/// Makes private the folder `servers` and the directory of the cache above it: which servers are used is for the user
/// alone to see.
fn make_private(servers: &Path) -> io::Result<()> {
    files::private_directory(servers)?;
    servers.parent().map_or(Ok(()), files::private_directory)
}

fn write(path: &Path, facts: &Facts) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    make_private(folder)?;
    // Private from the start, as tempfile makes them: server names are no other user's business.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(facts)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_learned_is_recalled_by_server_and_account() {
        let home = tempfile::tempdir().unwrap();
        let facts = ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
        assert_eq!(facts.load("identity"), None);
        facts.store("identity", json!({"name": "x"}));
        facts.store("era", json!("modern"));
        let again = ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
        assert_eq!(again.load("identity"), Some(json!({"name": "x"})));
        let other = ServerCache::about(Some(home.path()), "https://a.example/mcp", "work");
        assert_eq!(other.load("identity"), None);
        facts.store("era", Value::Null);
        assert_eq!(again.load("era"), None);
    }

    #[test]
    fn what_is_recalled_is_read_once_and_follows_what_is_stored_here() {
        let home = tempfile::tempdir().unwrap();
        let about = || ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
        let (facts, other) = (about(), about());
        other.store("era", json!("legacy"));
        assert_eq!(facts.recall("era"), Some(json!("legacy")));
        other.store("era", json!("modern"));
        assert_eq!(facts.recall("era"), Some(json!("legacy")));
        assert_eq!(facts.load("era"), Some(json!("modern")));
        facts.clone().store("auth", json!("none"));
        assert_eq!(facts.recall("auth"), Some(json!("none")));
        assert_eq!(facts.recall("era"), Some(json!("modern")));
    }

    #[test]
    fn facts_learned_at_once_are_all_remembered() {
        let home = tempfile::tempdir().unwrap();
        let facts = ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
        thread::scope(|scope| {
            for number in 0..16 {
                let facts = facts.clone();
                scope.spawn(move || facts.store(&number.to_string(), json!(number)));
            }
        });
        for number in 0..16 {
            assert_eq!(facts.load(&number.to_string()), Some(json!(number)));
        }
    }

    #[test]
    fn facts_learned_at_once_by_several_bridges_are_all_remembered() {
        let home = tempfile::tempdir().unwrap();
        let about = || ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
        thread::scope(|scope| {
            for number in 0..16 {
                let facts = about();
                scope.spawn(move || facts.store(&number.to_string(), json!(number)));
            }
        });
        for number in 0..16 {
            assert_eq!(about().load(&number.to_string()), Some(json!(number)));
        }
    }

    #[test]
    fn a_file_too_long_to_be_ours_is_nothing_known_and_is_mended() {
        let home = tempfile::tempdir().unwrap();
        let facts = ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
        facts.store("era", json!("legacy"));
        let path = facts.path.as_ref().unwrap();
        let long = format!(r#"{{"era":"legacy","x":"{}"}}"#, "x".repeat(1 << 20));
        std::fs::write(path, long).unwrap();
        assert_eq!(facts.load("era"), None);
        facts.store("era", json!("modern"));
        assert_eq!(facts.load("era"), Some(json!("modern")));
    }

    #[test]
    fn a_damaged_file_is_nothing_known_and_is_mended() {
        let home = tempfile::tempdir().unwrap();
        let facts = ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
        facts.store("era", json!("legacy"));
        std::fs::write(facts.path.as_ref().unwrap(), "{").unwrap();
        assert_eq!(facts.load("era"), None);
        facts.store("era", json!("modern"));
        assert_eq!(facts.load("era"), Some(json!("modern")));
    }

    #[test]
    fn a_place_that_cannot_be_written_troubles_nobody() {
        ServerCache::nowhere().store("era", json!(1));
        let facts = ServerCache::about(
            Some(Path::new("/proc/nowhere")),
            "https://a.example",
            "default",
        );
        facts.store("era", json!(1));
        assert_eq!(facts.load("era"), None);
    }
}
