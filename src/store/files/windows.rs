//! Files on Windows: modes and owners are not checked, the system seals keys, and a file that is being read is replaced
//! after some attempts.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
#[cfg(not(windows))]
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::{Error, Stamp};

pub(in crate::store) fn runtime_directory() -> Option<std::path::PathBuf> {
    None
}

pub(in crate::store) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(in crate::store) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

pub(in crate::store) fn make_private(_: &Path) {}

pub(in crate::store) fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

pub(in crate::store) fn open_to_continue(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).read(true).open(path)
}

pub(in crate::store) fn is_pipe(_: &io::Error) -> bool {
    false
}

pub(in crate::store) fn is_character_device(_: &Metadata) -> bool {
    false
}

pub(in crate::store) fn is_symlink(_: &io::Error) -> bool {
    false
}

pub(in crate::store) fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

pub(in crate::store) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        inode: (0, 0),
        length: metadata.len(),
        modified: metadata.modified().ok(),
    }
}

pub(in crate::store) fn check(_: &Path, _: &Metadata) -> Result<(), Error> {
    Ok(())
}

pub(in crate::store) fn check_owner(_: &Path, _: &Metadata) -> Result<(), Error> {
    Ok(())
}

pub(in crate::store) fn check_trusted(_: &Path, _: &Metadata) -> Result<(), Error> {
    Ok(())
}

pub(in crate::store) fn create_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

pub(in crate::store) fn check_directory(_: &Path, _: bool) -> Result<(), Error> {
    Ok(())
}

/// Says no: a file that is open keeps its name until it is closed.
pub(in crate::store) fn is_removed(_: &Metadata) -> bool {
    false
}

#[cfg(windows)]
pub(in crate::store) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    match std::os::windows::fs::FileExt::seek_read(file, into, offset) {
        // ERROR_HANDLE_EOF
        Err(error) if error.raw_os_error() == Some(38) => Ok(0),
        read => read,
    }
}

#[cfg(not(windows))]
pub(in crate::store) fn read_at(
    mut file: &File,
    into: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    file.seek(io::SeekFrom::Start(offset))?;
    file.read(into)
}

#[cfg(windows)]
pub(in crate::store) fn write_at(file: &File, mut bytes: &[u8]) -> io::Result<()> {
    let mut offset = 0_u64;
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
                bytes = bytes.get(written..).unwrap_or_default();
            }
        }
    }
    Ok(())
}

#[cfg(not(windows))]
pub(in crate::store) fn write_at(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)
}

/// Renames a file, after some attempts. Virus scanners and synchronisers hold new files open for a moment: access
/// denied (5), sharing violation (32).
pub(in crate::store) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    for pause in [10, 25, 50, 100, 200] {
        match std::fs::rename(from, to) {
            Err(error) if matches!(error.raw_os_error(), Some(5 | 32)) => {
                std::thread::sleep(Duration::from_millis(pause));
            }
            done => return done,
        }
    }
    std::fs::rename(from, to)
}

pub(in crate::store) fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(in crate::store) fn is_root() -> bool {
    false
}

/// Seals with DPAPI: only this user, on this machine, opens it again.
#[cfg(windows)]
pub(in crate::store) fn seal(key: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
    let sealed = windows_dpapi::encrypt_data(key, windows_dpapi::Scope::User, Some(ENTROPY));
    sealed.map(Some).map_err(io::Error::other)
}

#[cfg(windows)]
pub(in crate::store) fn unseal(sealed: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let key = windows_dpapi::decrypt_data(sealed, windows_dpapi::Scope::User, Some(ENTROPY));
    key.map(Zeroizing::new).map_err(io::Error::other)
}

/// The text that keeps other programs' calls from opening it by accident.
#[cfg(windows)]
const ENTROPY: &[u8] = b"mcpipe/1/dpapi";

#[cfg(not(windows))]
pub(in crate::store) fn seal(_: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

#[cfg(not(windows))]
pub(in crate::store) fn unseal(_: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    Err(io::ErrorKind::Unsupported.into())
}
