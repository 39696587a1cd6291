//! mcp-remote's directories: their files, read with care, and moved aside.
//!
//! This user wrote all files in them: a link, another user's file, or a file of an impossible size is reported and left
//! alone.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::clock;
use crate::mcp_remote::key::{Form, is_key};

/// A directory of mcp-remote's.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The path.
    pub path: PathBuf,
    /// True for the layout that all versions from 0.2 on share, as opposed to one directory per version.
    pub is_shared: bool,
}

impl Directory {
    /// Returns the forms in which files may be named there, the likeliest first.
    pub fn forms(&self) -> &'static [Form] {
        if self.is_shared {
            &[Form::Full]
        } else {
            &[Form::Full, Form::Headers, Form::Address]
        }
    }

    /// Returns the path of one of the files for this key.
    pub fn file(&self, key: &str, name: &str) -> PathBuf {
        self.path.join(format!("{key}_{name}"))
    }

    /// Returns the keys whose files are worth moving, in order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = names(&self.path)
            .filter_map(|name| {
                let (key, rest) = name.split_once('_')?;
                ([TOKENS, CLIENT].contains(&rest) && is_key(key)).then(|| key.to_owned())
            })
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// The directory that all versions from 0.2 on share.
const SHARED: &str = "mcp-remote-v1";
/// The file of the tokens.
pub const TOKENS: &str = "tokens.json";
/// The file of the registration.
pub const CLIENT: &str = "client_info.json";
/// The file that is held while a refresh token is spent.
pub const LEASE: &str = "refresh_in_progress.json";
/// The debug log, which may hold tokens too.
pub const DEBUG_LOG: &str = "debug.log";
/// The suffix of files that were taken over.
pub const MOVED: &str = ".imported";

/// Returns the directories under `base`, newest first: the shared one, then those of single versions. `base` may be
/// such a directory itself.
pub fn directories(base: &Path) -> Vec<Directory> {
    if let Some(name) = base.file_name().and_then(|name| name.to_str())
        && name.starts_with("mcp-remote-")
        && base.is_dir()
    {
        let (path, is_shared) = (base.to_owned(), name == SHARED);
        return vec![Directory { path, is_shared }];
    }
    let mut found: Vec<(bool, SystemTime, PathBuf)> = names(base)
        .filter(|name| name.starts_with("mcp-remote-"))
        .filter_map(|name| {
            let path = base.join(&name);
            let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_dir)?;
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some((name == SHARED, modified, path))
        })
        .collect();
    found.sort();
    let directory = |(is_shared, _, path)| Directory { path, is_shared };
    found.into_iter().rev().map(directory).collect()
}

/// A file's content and the time it was written, in seconds since 1970.
pub struct TokenFile {
    /// The content, which may hold tokens.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The time at which it was written.
    pub written: u64,
}

/// The reason why a file is left alone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file leads elsewhere.
    #[error("it is a symbolic link")]
    Link,
    /// The file is a directory, a pipe, or the like.
    #[error("it is no regular file")]
    NotRegular,
    /// Another user put it there.
    #[error("it belongs to another user")]
    Owner,
    /// The file is larger than any such file.
    #[error("it is larger than {LARGEST} bytes")]
    TooLarge,
    /// The system's error.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// The longest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Reads a file of mcp-remote's; `None` if there is none.
///
/// # Errors
/// See [`Error`].
pub fn read(path: &Path) -> Result<Option<TokenFile>, Error> {
    let file = match open(path) {
        Ok(file) => file,
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::NotRegular);
    }
    if !is_ours(&metadata) {
        return Err(Error::Owner);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    if metadata.len() > LARGEST {
        return Err(Error::TooLarge);
    }
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(Error::TooLarge);
    }
    let written = clock::seconds(metadata.modified()?);
    Ok(Some(TokenFile { bytes, written }))
}

/// Renames a file that was taken over; false if there is none.
///
/// # Errors
/// The system's.
pub fn set_aside(path: &Path) -> io::Result<bool> {
    let mut name = path.as_os_str().to_owned();
    name.push(MOVED);
    match fs::rename(path, PathBuf::from(name)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The lock to use a refresh token, which mcp-remote's processes take in turn. Released when dropped.
#[derive(Debug)]
pub struct Lease(PathBuf);

impl Lease {
    /// Takes the lease, unless another process has it. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// The system's.
    pub fn try_take(path: &Path, now: u64) -> io::Result<Option<Self>> {
        let text = format!(
            "{{\n  \"pid\": {},\n  \"nonce\": \"mcpipe-{now}\",\n  \"at\": {now}\n}}",
            std::process::id()
        );
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(mut file) => {
                io::Write::write_all(&mut file, text.as_bytes())?;
                Ok(Some(Self(path.to_owned())))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(unix)]
fn open(path: &Path) -> Result<fs::File, Error> {
    use rustix::fs::{Mode, OFlags};
    // A pipe in the file's place would block the open without NONBLOCK.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::LOOP) => Err(Error::Link),
        Err(error) => Err(Error::Io(error.into())),
    }
}

#[cfg(not(unix))]
fn open(path: &Path) -> Result<fs::File, Error> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(Error::Link);
    }
    Ok(fs::File::open(path)?)
}

#[cfg(unix)]
fn is_ours(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(metadata) == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_ours(_: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_of_a_sensible_size_are_read() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("good"), "{}").unwrap();
        assert_eq!(*read(&path("good")).unwrap().unwrap().bytes, b"{}");
        assert!(read(&path("missing")).unwrap().is_none());
        fs::write(path("large"), vec![b' '; (1 << 20) + 1]).unwrap();
        assert!(matches!(read(&path("large")), Err(Error::TooLarge)));
        fs::create_dir(path("folder")).unwrap();
        assert!(matches!(read(&path("folder")), Err(Error::NotRegular)));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("good"), path("link")).unwrap();
            assert!(matches!(read(&path("link")), Err(Error::Link)));
        }
    }

    #[test]
    fn the_shared_directory_comes_first_then_the_newest() {
        let place = tempfile::tempdir().unwrap();
        for name in [
            "mcp-remote-v1",
            "mcp-remote-0.1.29",
            "mcp-remote-0.1.43",
            "other",
        ] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
        for name in ["mcp-remote-v1", "mcp-remote-0.1.43"] {
            let directory = fs::File::open(place.path().join(name)).unwrap();
            directory.set_modified(old).unwrap();
        }
        let found = directories(place.path());
        let names: Vec<_> = found
            .iter()
            .map(|it| it.path.file_name().unwrap())
            .collect();
        assert_eq!(
            names,
            ["mcp-remote-v1", "mcp-remote-0.1.29", "mcp-remote-0.1.43"]
        );
        assert_eq!(found[0].forms(), [Form::Full]);
        assert!(directories(&place.path().join("none")).is_empty());
    }

    #[test]
    fn a_lease_is_held_by_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lease");
        let lease = Lease::try_take(&path, 1_000).unwrap();
        assert!(lease.is_some());
        assert!(Lease::try_take(&path, 1_000).unwrap().is_none());
        let read = crate::mcp_remote::records::lease(&read(&path).unwrap().unwrap().bytes);
        assert_eq!(read, Some(31_000));
        drop(lease);
        assert!(Lease::try_take(&path, 1_000).unwrap().is_some());
    }
}
