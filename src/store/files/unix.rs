//! Files as Unix has them: modes, owners, symbolic links, and replacing a file that another process reads.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::{Error, Stamp};

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

pub(in crate::store) fn open(path: &Path) -> io::Result<File> {
    // The open must not block: a pipe in the vault's place would hold the process before it can be recognised.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags.bits().cast_signed());
    options.open(path)
}

pub(in crate::store) fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let options = options.mode(0o600).custom_flags(flags.bits().cast_signed());
    let file = options.open(path)?;
    // An earlier version may have made the file.
    close_to_others(&file, 0o600);
    Ok(file)
}

/// Returns the directory in which systemd keeps what users have while they are logged in, whether or not the
/// environment names it.
pub(in crate::store) fn runtime_directory() -> Option<std::path::PathBuf> {
    let me = rustix::process::geteuid().as_raw();
    let directory = Path::new("/run/user").join(me.to_string());
    let found = directory.symlink_metadata().ok()?;
    let is_ours = found.is_dir() && found.uid() == me && found.mode() & OTHERS == 0;
    (cfg!(target_os = "linux") && is_ours).then_some(directory)
}

pub(in crate::store) fn make_private(directory: &Path) {
    if let Ok(directory) = File::open(directory) {
        close_to_others(&directory, 0o700);
    }
}

/// Removes other users' rights, where the file is the user's own. Best effort.
fn close_to_others(file: &File, mode: u32) {
    let is_open_to_others = file.metadata().is_ok_and(|found| {
        found.mode() & OTHERS != 0 && found.uid() == rustix::process::geteuid().as_raw()
    });
    if is_open_to_others {
        let _ = file.set_permissions(Permissions::from_mode(mode));
    }
}

pub(in crate::store) fn open_to_append(path: &Path) -> io::Result<File> {
    append(path, false)
}

pub(in crate::store) fn open_to_continue(path: &Path) -> io::Result<File> {
    append(path, true)
}

fn append(path: &Path, is_read: bool) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).read(is_read);
    let options = options.mode(0o600).custom_flags(flags.bits().cast_signed());
    options.open(path)
}

pub(in crate::store) fn is_character_device(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_char_device(&metadata.file_type())
}

/// Says whether this is a pipe that no process reads, opened to write without waiting.
pub(in crate::store) fn is_pipe(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NXIO)
}

pub(in crate::store) fn is_symlink(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

pub(in crate::store) fn is_unsupported(error: &io::Error) -> bool {
    let known = [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOLCK, Errno::NOSYS];
    Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}

pub(in crate::store) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        inode: (metadata.dev(), metadata.ino()),
        length: metadata.len(),
        modified: metadata.modified().ok(),
    }
}

pub(in crate::store) fn check(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::Owner(path.into()));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(Error::Mode {
            path: path.into(),
            mode: metadata.mode() & 0o777,
        });
    }
    Ok(())
}

/// Checks that a file is this user's or root's.
pub(in crate::store) fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Err(Error::Owner(path.into()));
    }
    Ok(())
}

/// Checks that a file is ours or root's, and that no other user writes to it.
pub(in crate::store) fn check_trusted(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    check_owner(path, metadata)?;
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(Error::Mode {
            path: path.into(),
            mode: metadata.mode() & 0o777,
        });
    }
    Ok(())
}

pub(in crate::store) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(in crate::store) fn check_directory(path: &Path, chosen: bool) -> Result<(), Error> {
    let looked = Error::io("look at", path);
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECTORY.bits().cast_signed())
        .open(path);
    let looked_at = directory.and_then(|directory| Ok((directory.metadata()?, directory)));
    let (metadata, directory) = looked_at.map_err(looked)?;
    let (mode, owner) = (metadata.mode(), metadata.uid());
    let mine = owner == rustix::process::geteuid().as_raw();
    // A directory of root's may be chosen: a user who does not trust root can trust no other.
    let trusted = mine || (chosen && owner == 0);
    if !trusted {
        return Err(Error::Owner(path.into()));
    }
    if !chosen && mode & OTHERS != 0 {
        let private = Permissions::from_mode(0o700);
        let fixed = directory.set_permissions(private);
        return fixed.map_err(Error::io("make private", path));
    }
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(Error::WritableDirectory {
            path: path.into(),
            mode: mode & 0o777,
        });
    }
    Ok(())
}

/// Says whether no name leads to the file any more.
pub(in crate::store) fn is_removed(metadata: &Metadata) -> bool {
    metadata.nlink() == 0
}

pub(in crate::store) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(into, offset)
}

pub(in crate::store) fn write_at(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, 0)
}

pub(in crate::store) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

pub(in crate::store) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

pub(in crate::store) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Seals nothing: this system does not seal for a user, and the file's mode has to do.
pub(in crate::store) fn seal(_: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

pub(in crate::store) fn unseal(_: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    Err(io::ErrorKind::Unsupported.into())
}
