//! Results that were too large for a host, kept whole in private files for it to read.
//!
//! Below the state directory there is one directory for each server and account, and in it one for each result, under an
//! unguessable name. They are a convenience, and no record: the oldest go when there are too many, too old or too large
//! ones, whichever bridge of the user wrote them. A result that another bridge has just written stays, for its host is told
//! where it is. Nothing is synced: a power cut may take the newest.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::random;
use crate::store::VaultPaths;
use crate::store::files::{self, Private};

/// The results that are kept, of all servers.
const MAX_RESULTS: usize = 256;
/// The bytes that they have together.
const MAX_TOTAL: u64 = 1 << 30;
/// The time for which a result is kept.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The age below which a result of another process is not removed to make room.
const SPARED: Duration = Duration::from_secs(600);
/// The age from which an unfinished directory is an abandoned one.
const ABANDONED: Duration = Duration::from_secs(3600);
/// The beginning of the names of unfinished directories.
const UNFINISHED: &str = ".unfinished-";

/// The results of one server and account.
#[derive(Debug)]
pub struct ResultStore {
    /// The directory of all servers; none where nothing can be kept.
    root: Option<PathBuf>,
    scope: String,
    /// The names of results that this process has kept.
    own: Mutex<HashSet<String>>,
}

/// The reason why a result is not kept or not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no state directory.
    #[error("this user has no directory to keep results in")]
    Nowhere,
    /// A result is larger than all that is kept together.
    #[error("it is larger than the {MAX_TOTAL} bytes that are kept")]
    TooLarge,
    /// Other bridges have just kept as much as is kept at most.
    #[error("other bridges have just kept as much as is kept at most")]
    Full,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// The disk refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A file is not as it should be.
    #[error(transparent)]
    File(#[from] files::Error),
}

/// Bytes of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Range {
    /// The bytes from the offset on.
    pub bytes: Vec<u8>,
    /// The length of the file.
    pub total: u64,
}

impl ResultStore {
    /// Returns the store for this server (its address, and the account used there), under `home` if given, else in the
    /// system's state directory. Opens and creates nothing.
    pub fn about(home: Option<&Path>, url: &str, account: &str) -> Self {
        let paths = VaultPaths::new(home).ok();
        // The name does not tell which servers are used.
        let digest = Sha256::digest(format!("{account}\n{url}").as_bytes());
        Self {
            root: paths.map(|paths| paths.results()),
            scope: hex(digest.iter().take(16)),
            own: Mutex::default(),
        }
    }

    /// Returns a store that keeps nothing.
    pub fn nowhere() -> Self {
        Self {
            root: None,
            scope: String::new(),
            own: Mutex::default(),
        }
    }

    /// Returns an unguessable name for a result, and the directory that its files will be in.
    ///
    /// # Errors
    /// [`Error::Nowhere`], [`Error::Random`].
    pub fn place(&self) -> Result<(String, PathBuf), Error> {
        let id = random::bytes::<16>().map_err(|_| Error::Random)?;
        let id = hex(id.iter());
        let directory = self.scope_directory()?.join(&id);
        Ok((id, directory))
    }

    /// Keeps the files of a result, all of them or none. Blocks: for a thread that may.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], or the disk's.
    pub fn keep(&self, id: &str, parts: &[(&str, &[u8])], now: SystemTime) -> Result<(), Error> {
        let root = self.root.as_ref().ok_or(Error::Nowhere)?;
        let scope = self.scope_directory()?;
        let lengths = parts.iter().map(|(_, bytes)| bytes.len());
        let size = u64::try_from(lengths.sum::<usize>()).unwrap_or(u64::MAX);
        if size > MAX_TOTAL {
            return Err(Error::TooLarge);
        }
        files::private_directory(root)?;
        files::private_directory(&scope)?;
        self.make_room(root, size, now)?;
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&scope)?;
        files::private_directory(unfinished.path())?;
        for (name, bytes) in parts {
            let mut file = NamedTempFile::new_in(unfinished.path())?;
            file.write_all(bytes)?;
            let named = file.persist_noclobber(unfinished.path().join(name));
            named.map_err(|error| error.error)?;
        }
        fs::rename(unfinished.path(), scope.join(id))?;
        // It has another name now.
        let _ = unfinished.keep();
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.insert(id.to_owned());
        Ok(())
    }

    /// Reads from a file of a result at an offset, `length` bytes at most; `None` if there is no such result, or no such
    /// file. Blocks for one read.
    ///
    /// # Errors
    /// The file can be used by others, or the disk's.
    pub fn read(
        &self,
        id: &str,
        name: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Range>, Error> {
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.';
        if !is_id || name.starts_with('.') || name.contains("..") || !name.bytes().all(is_name) {
            return Ok(None);
        }
        let path = self.scope_directory()?.join(id).join(name);
        let Some(mut file) = Private::open(&path, false)? else {
            return Ok(None);
        };
        Ok(Some(Range {
            bytes: file.read_at(offset, length)?,
            total: file.length(),
        }))
    }

    /// Removes what is too old, or too much. Blocks: for a thread that may.
    pub fn sweep(&self, now: SystemTime) {
        if let Some(root) = &self.root {
            let _ = self.make_room(root, 0, now);
        }
    }

    fn scope_directory(&self) -> Result<PathBuf, Error> {
        let root = self.root.as_ref().ok_or(Error::Nowhere)?;
        Ok(root.join(&self.scope))
    }

    /// Removes old results until there is room for one of this size.
    fn make_room(&self, root: &Path, size: u64, now: SystemTime) -> Result<(), Error> {
        let mut results = results(root, now);
        results.sort_by_key(|result| std::cmp::Reverse(result.age));
        let mut count = results.len();
        let mut total: u64 = results.iter().map(|result| result.size).sum();
        let wanted = usize::from(size > 0);
        for result in results {
            let is_too_much =
                count + wanted > MAX_RESULTS || total.saturating_add(size) > MAX_TOTAL;
            if result.age <= MAX_AGE && !is_too_much {
                break;
            }
            if result.age < SPARED && !self.is_own(&result.path) {
                continue;
            }
            if fs::remove_dir_all(&result.path).is_ok() {
                tracing::debug!(path = ?result.path, "an old result is kept no longer");
                count -= 1;
                total = total.saturating_sub(result.size);
            }
        }
        match count + wanted > MAX_RESULTS || total.saturating_add(size) > MAX_TOTAL {
            true if wanted > 0 => Err(Error::Full),
            _ => Ok(()),
        }
    }

    fn is_own(&self, result: &Path) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let name = result.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| own.contains(name))
    }
}

/// A result on the disk.
struct Found {
    path: PathBuf,
    age: Duration,
    size: u64,
}

/// Returns all results of all servers. Abandoned directories are removed on the way.
fn results(root: &Path, now: SystemTime) -> Vec<Found> {
    let mut found = Vec::new();
    for result in entries(root).flat_map(|scope| entries(&scope)) {
        let modified = fs::symlink_metadata(&result).and_then(|it| it.modified());
        let age = modified.map_or(Duration::MAX, |at| {
            now.duration_since(at).unwrap_or_default()
        });
        let name = result.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with(UNFINISHED)) {
            if age > ABANDONED {
                let _ = fs::remove_dir_all(&result);
            }
            continue;
        }
        let sizes =
            entries(&result).map(|file| fs::symlink_metadata(file).map_or(0, |it| it.len()));
        let size = sizes.sum();
        found.push(Found {
            path: result,
            age,
            size,
        });
    }
    found
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://a.example/mcp";

    #[expect(clippy::disallowed_methods, reason = "files have the disk's time")]
    fn now() -> SystemTime {
        SystemTime::now()
    }

    fn store(home: &Path) -> ResultStore {
        ResultStore::about(Some(home), URL, "default")
    }

    fn keep(store: &ResultStore, text: &str, now: SystemTime) -> String {
        let (id, _) = store.place().unwrap();
        store
            .keep(&id, &[("result.json", text.as_bytes())], now)
            .unwrap();
        id
    }

    fn read(store: &ResultStore, id: &str) -> Option<String> {
        let read = store.read(id, "result.json", 0, 100).unwrap()?;
        Some(String::from_utf8(read.bytes).unwrap())
    }

    #[test]
    fn a_result_is_read_by_bridges_of_the_same_server_and_account_only() {
        let home = tempfile::tempdir().unwrap();
        let now = now();
        let id = keep(&store(home.path()), "abcdef", now);
        assert_eq!(read(&store(home.path()), &id).unwrap(), "abcdef");
        let part = store(home.path()).read(&id, "result.json", 2, 3).unwrap();
        let bytes = b"cde".to_vec();
        assert_eq!(part.unwrap(), Range { bytes, total: 6 });
        let beyond = store(home.path()).read(&id, "result.json", 99, 3).unwrap();
        assert!(beyond.unwrap().bytes.is_empty());
        for (url, account) in [(URL, "other"), ("https://b.example/mcp", "default")] {
            let other = ResultStore::about(Some(home.path()), url, account);
            assert_eq!(read(&other, &id), None);
        }
    }

    #[test]
    fn names_cannot_lead_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path());
        let id = keep(&store, "x", now());
        for (id, name) in [
            (&*id, "../result.json"),
            (&*id, "..%2fresult.json"),
            (&*id, ".."),
            (&*id, ""),
            (&*id, "missing.txt"),
            ("..", "result.json"),
            ("", "result.json"),
            (&*"0".repeat(32), "result.json"),
        ] {
            let read = store.read(id, name, 0, 10);
            assert!(
                matches!(read, Ok(None)) || name.is_empty(),
                "{id} {name} {read:?}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_files_are_the_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path());
        let (id, directory) = store.place().unwrap();
        store.keep(&id, &[("0.txt", b"x")], now()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = directory.join("0.txt");
        assert_eq!((mode(&file), mode(&directory)), (0o600, 0o700));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            store.read(&id, "0.txt", 0, 1).is_err(),
            "others may have written it"
        );
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
        assert!(store.read(&id, "0.txt", 0, 1).is_err());
    }

    #[test]
    fn old_results_go_and_new_ones_of_other_bridges_stay() {
        let home = tempfile::tempdir().unwrap();
        let now = now();
        let (one, other) = (store(home.path()), store(home.path()));
        let first = keep(&one, "first", now);
        let theirs = keep(&other, "theirs", now);
        for _ in 2..MAX_RESULTS {
            keep(&one, "x", now);
        }
        keep(&one, "last", now);
        let all = results(one.root.as_ref().unwrap(), now);
        assert_eq!(all.len(), MAX_RESULTS);
        assert!(read(&one, &theirs).is_some(), "{first}");
        let later = now + MAX_AGE + Duration::from_secs(60);
        one.sweep(later);
        assert!(results(one.root.as_ref().unwrap(), now).is_empty());
    }

    #[test]
    fn what_a_dead_bridge_left_unfinished_goes() {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path());
        let now = now();
        keep(&store, "x", now);
        let left = store.scope_directory().unwrap().join(".unfinished-1");
        fs::create_dir(&left).unwrap();
        store.sweep(now);
        assert!(left.exists(), "another bridge may be at it");
        store.sweep(now + ABANDONED + Duration::from_secs(60));
        assert!(!left.exists());
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_kept_and_it_is_said() {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path());
        let root = store.root.as_ref().unwrap();
        fs::create_dir_all(root.parent().unwrap()).unwrap();
        fs::write(root, "in the way").unwrap();
        let (id, _) = store.place().unwrap();
        let kept = store.keep(&id, &[("a.txt", b"x")], now());
        assert!(!kept.unwrap_err().to_string().is_empty());
        assert_eq!(store.read(&id, "a.txt", 0, 1).unwrap(), None);
        let nowhere = ResultStore::nowhere();
        assert!(matches!(nowhere.place(), Err(Error::Nowhere)));
    }
}
