//! Files that only their owner may read: opening, replacing and locking them.
//!
//! A file is checked through the descriptor it was opened with, so nothing can be swapped between the check and the
//! read. A file is replaced in one step: a reader sees all of the old or all of the new one, even after a power cut.
//! Locks are files of their own that are never deleted: on Windows a locked file cannot be replaced, and deleting one
//! that a process waits for would give two processes the lock. The system releases a lock when its holder dies.
//!
//! Knows nothing of what the files hold. Blocks; the callers are on threads that may.
//!
//! On Windows, files inherit what the user's local application data directory allows; nothing is checked there.

mod error;
mod shared;
#[cfg(unix)]
pub(in crate::store) mod unix;
#[cfg(not(unix))]
pub(in crate::store) mod windows;

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::store::key_command;
use crate::store::primitives::{Key, encode};
#[cfg(unix)]
pub(in crate::store) use unix as system;
#[cfg(not(unix))]
pub(in crate::store) use windows as system;

pub use error::Error;
pub(in crate::store) use error::{MAKE, Stamp};
pub use shared::{SharedContent, SharedFile};

/// A file of ours, open for reading, that no other user may read.
#[derive(Debug)]
pub struct Private {
    file: File,
    path: PathBuf,
    stamp: Stamp,
}

impl Private {
    /// Opens the file; `None` if there is none. `loose` permits any owner and mode.
    ///
    /// # Errors
    /// [`Error::Symlink`], [`Error::NotRegular`], [`Error::Owner`], [`Error::Mode`], or the system's.
    pub fn open(path: &Path, loose: bool) -> Result<Option<Self>, Error> {
        let file = match system::open(path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) if system::is_symlink(&error) => return Err(Error::Symlink(path.into())),
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        let metadata = file.metadata().map_err(Error::io("look at", path))?;
        if !metadata.is_file() {
            return Err(Error::NotRegular(path.into()));
        }
        if !loose {
            system::check(path, &metadata)?;
        }
        Ok(Some(Self {
            stamp: system::stamp(&metadata),
            path: path.into(),
            file,
        }))
    }

    /// Returns the mark of this content.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Says whether the file begins with these bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn begins_with(&mut self, beginning: &[u8]) -> Result<bool, Error> {
        let mut found = Vec::with_capacity(beginning.len());
        let wanted = u64::try_from(beginning.len()).unwrap_or(u64::MAX);
        let read = (&self.file).take(wanted).read_to_end(&mut found);
        read.and_then(|_| self.file.rewind())
            .map_err(Error::io("read", &self.path))?;
        Ok(found == beginning)
    }

    /// Returns the length that the file had when it was opened, in bytes.
    pub fn length(&self) -> u64 {
        self.stamp.length
    }

    /// Reads from an offset, `length` bytes at most.
    ///
    /// # Errors
    /// The system's.
    pub fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let mut found = Vec::new();
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        let read = self.file.seek(SeekFrom::Start(offset));
        read.and_then(|_| (&self.file).take(wanted).read_to_end(&mut found))
            .map_err(Error::io("read", &self.path))?;
        Ok(found)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond `limit`, before any memory is taken; or the system's.
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let too_large = || Error::TooLarge {
            path: self.path.clone(),
            limit,
        };
        let length = usize::try_from(self.stamp.length).map_err(|_| too_large())?;
        if length > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(length + 1);
        (&self.file)
            .take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", &self.path))?;
        if bytes.len() > limit {
            return Err(too_large());
        }
        Ok(bytes)
    }
}

/// Says whether no file can be there: a file, and a home directory that is `/dev/null`, has nothing below it.
pub(in crate::store) fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Reads the text of a configuration file that decides what is run: refused if another user can write it, unless
/// `loose`. `None` if there is none. Does not wait for a pipe.
///
/// # Errors
/// As [`Private::open`].
pub fn read_trusted(path: &Path, loose: bool) -> Result<Option<String>, Error> {
    const LONGEST: u64 = 1 << 20;
    let file = match system::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if system::is_symlink(&error) => return Err(Error::Symlink(path.into())),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let metadata = file.metadata().map_err(Error::io("look at", path))?;
    if !metadata.is_file() {
        return Err(Error::NotRegular(path.into()));
    }
    if !loose {
        system::check_trusted(path, &metadata)?;
    }
    let mut text = String::new();
    let read = file.take(LONGEST).read_to_string(&mut text);
    read.map_err(Error::io("read", path))?;
    Ok(Some(text))
}

/// Opens a file that lines are added to (a log, a recording), made for its owner alone if it is not there. Waits for
/// nothing. A character device takes lines too: `/dev/null`.
///
/// # Errors
/// [`Error::Symlink`], [`Error::NotRegular`], [`Error::Owner`], or the system's.
pub fn open_to_append(path: &Path) -> Result<File, Error> {
    let (file, metadata) = checked(path, system::open_to_append(path))?;
    if !metadata.is_file() && !system::is_character_device(&metadata) {
        return Err(Error::NotRegular(path.into()));
    }
    system::check_owner(path, &metadata)?;
    Ok(file)
}

/// Does as [`open_to_append`], for a file that is read too; no device is one.
///
/// # Errors
/// As [`open_to_append`].
pub fn open_to_continue(path: &Path) -> Result<File, Error> {
    let (file, metadata) = checked(path, system::open_to_continue(path))?;
    if !metadata.is_file() {
        return Err(Error::NotRegular(path.into()));
    }
    system::check_owner(path, &metadata)?;
    Ok(file)
}

fn checked(path: &Path, opened: io::Result<File>) -> Result<(File, Metadata), Error> {
    let file = match opened {
        Ok(file) => file,
        Err(error) if system::is_symlink(&error) => return Err(Error::Symlink(path.into())),
        Err(error) if system::is_pipe(&error) => return Err(Error::NotRegular(path.into())),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let metadata = file.metadata().map_err(Error::io("look at", path))?;
    Ok((file, metadata))
}

const UNFINISHED: (&str, &str) = (".vault-", ".tmp");

/// Replaces any file at `path` by `bytes`, in one step, and returns once the new file would survive a power cut. The
/// caller holds the vault's lock, because of [`sweep`].
///
/// # Errors
/// The system's; the old file is still there then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<Stamp, Error> {
    let (unfinished, stamp) = write_beside(path, bytes, UNFINISHED.0, true)?;
    put_in_place(&unfinished, path)?;
    sync_directory_of(path)?;
    Ok(stamp)
}

/// Does as [`replace`], without waiting for the disk: after a power cut the file may be the old one, or missing.
///
/// # Errors
/// As [`replace`].
pub fn replace_soon(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (unfinished, _) = write_beside(path, bytes, UNFINISHED.0, false)?;
    put_in_place(&unfinished, path)
}

/// Does as [`replace`], for a process that does not hold the vault's lock.
///
/// # Errors
/// As [`replace`].
pub fn write_side_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (unfinished, _) = write_beside(path, bytes, ".note-", true)?;
    put_in_place(&unfinished, path)?;
    sync_directory_of(path)
}

/// Does as [`replace`], where there is no file yet.
///
/// # Errors
/// As [`replace`], and if there is a file.
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (unfinished, _) = write_beside(path, bytes, ".export-", true)?;
    // A second name can only be given where there is none; renaming would replace.
    let linked = fs::hard_link(&unfinished, path);
    let _ = fs::remove_file(&unfinished);
    linked.map_err(Error::io("create", path))?;
    sync_directory_of(path)
}

/// Brings the names in the directory of a file to the disk.
///
/// # Errors
/// The system's.
pub fn sync_directory_of(path: &Path) -> Result<(), Error> {
    let directory = directory_of(path);
    system::sync(directory).map_err(Error::io("write", directory))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_beside(
    path: &Path,
    bytes: &[u8],
    prefix: &str,
    is_synced: bool,
) -> Result<(PathBuf, Stamp), Error> {
    let failed = |doing| Error::io(doing, path);
    let directory = directory_of(path);
    // The file is created with mode 0600 and O_EXCL, under a random name, and removed when dropped.
    let mut unfinished = tempfile::Builder::new()
        .prefix(prefix)
        .suffix(UNFINISHED.1)
        .tempfile_in(directory)
        .map_err(Error::io("create a file in", directory))?;
    unfinished.write_all(bytes).map_err(failed("write"))?;
    let file = unfinished.as_file();
    if is_synced {
        file.sync_all().map_err(failed("write"))?;
    }
    let stamp = system::stamp(&file.metadata().map_err(failed("look at"))?);
    let (file, unfinished) = unfinished
        .keep()
        .map_err(|error| failed("write")(error.error))?;
    drop(file);
    Ok((unfinished, stamp))
}

fn put_in_place(unfinished: &Path, path: &Path) -> Result<(), Error> {
    let renamed = system::rename(unfinished, path);
    renamed.map_err(|error| {
        // Should this fail too, the next writer sweeps.
        let _ = fs::remove_file(unfinished);
        Error::io("replace", path)(error)
    })
}

/// Makes a directory for the user alone, and its missing parents. A directory of the user's own that is open to others
/// is closed; where that cannot be done it stays as it is.
///
/// # Errors
/// The system's.
pub fn private_directory(path: &Path) -> io::Result<()> {
    system::create_directory(path)?;
    system::make_private(path);
    Ok(())
}

/// Removes the files that dead writers left beside `path`. Every writer works under the vault's lock, so for the
/// process that holds it, an unfinished file is an abandoned one.
pub fn sweep(path: &Path) {
    let entries = path
        .parent()
        .and_then(|directory| fs::read_dir(directory).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1));
        if ours && fs::remove_file(entry.path()).is_ok() {
            tracing::debug!(path = ?entry.path(), "removed what a writer left unfinished");
        }
    }
}

/// Opens a file to read and write it (a lock, a head), made for its owner alone if it is not there. `loose` permits any
/// owner.
///
/// # Errors
/// [`Error::Symlink`], [`Error::NotRegular`], [`Error::Owner`], or the system's.
pub fn open_or_create(path: &Path, loose: bool) -> Result<File, Error> {
    let (file, metadata) = checked(path, system::open_lock(path))?;
    if !metadata.is_file() {
        return Err(Error::NotRegular(path.into()));
    }
    if !loose {
        system::check_owner(path, &metadata)?;
    }
    Ok(file)
}

/// A locked file. Dropping it releases the lock; so does the end of the process, of whatever kind.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock; `None` if another process holds it, or this one. Does not wait. `loose` permits any owner.
    ///
    /// # Errors
    /// [`Error::Symlink`], [`Error::NotRegular`], [`Error::Owner`], [`Error::NoLocks`], or the system's.
    pub fn try_take(path: &Path, loose: bool) -> Result<Option<Self>, Error> {
        let file = open_or_create(path, loose)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) if system::is_unsupported(&source) => {
                let path = path.into();
                Err(Error::NoLocks { path, source })
            }
            Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
        }
    }
}

/// The beginning of a key file that the system has sealed.
const SEALED: &[u8] = b"dpapi:";

/// Reads the key in a key file: 32 bytes, base64url, on the first line; on Windows sealed by the system for this user.
///
/// # Errors
/// As [`Private::open`], and [`Error::NoKey`].
pub fn read_key(path: &Path, loose: bool) -> Result<Option<Key>, Error> {
    const LONGEST: usize = 4096;
    let Some(mut file) = Private::open(path, loose)? else {
        return Ok(None);
    };
    let bytes = Zeroizing::new(file.read(LONGEST)?);
    let key = match bytes.strip_prefix(SEALED) {
        Some(sealed) => {
            let sealed = STANDARD.decode(sealed.trim_ascii());
            let sealed = sealed.map_err(|_| Error::NoKey(path.into()))?;
            let key = system::unseal(&sealed).map_err(Error::io("unseal", path))?;
            key.as_slice().try_into().ok().map(Key::new)
        }
        None => key_command::read_key(&bytes),
    };
    key.map(Some).ok_or_else(|| Error::NoKey(path.into()))
}

/// Writes a key file.
///
/// # Errors
/// As [`replace`]; or the system does not seal.
pub fn write_key(path: &Path, key: &Key) -> Result<(), Error> {
    let line = match system::seal(key.expose()).map_err(Error::io("seal", path))? {
        Some(sealed) => [SEALED, STANDARD.encode(sealed).as_bytes(), b"\n"].concat(),
        None => (encode(key.expose()) + "\n").into_bytes(),
    };
    replace(path, &Zeroizing::new(line)).map(|_| ())
}
