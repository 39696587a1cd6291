//! A small file that several processes keep open, and change in place under its own lock.
//!
//! Replacing a file makes a new one each time, which costs a dozen system calls; where a change may be lost in a power
//! cut, a few in place do. A process that is killed leaves the lock free and, for a content within one page, either all
//! of its change or none.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::system;

/// The file, open. Its lock is a process's: threads of one process have to take turns by other means.
#[derive(Debug)]
pub struct SharedFile {
    file: File,
    path: PathBuf,
}

/// The lock of the file, and the access to its content. Dropping it releases the lock; so does the end of the process.
#[derive(Debug)]
pub struct SharedContent(Arc<SharedFile>);

impl SharedFile {
    /// Opens the file, made for its owner alone if it is not there.
    ///
    /// # Errors
    /// [`Error::Symlink`], [`Error::NotRegular`], [`Error::Owner`], or the system's.
    pub fn open(path: &Path) -> Result<Arc<Self>, Error> {
        let file = system::open_lock(path).map_err(|error| match system::is_symlink(&error) {
            true => Error::Symlink(path.into()),
            false => Error::io("open", path)(error),
        })?;
        let metadata = file.metadata().map_err(Error::io("look at", path))?;
        if !metadata.is_file() {
            return Err(Error::NotRegular(path.into()));
        }
        system::check_owner(path, &metadata)?;
        Ok(Arc::new(Self {
            file,
            path: path.into(),
        }))
    }

    /// Takes the lock; `None` while another process holds it. Does not wait.
    ///
    /// # Errors
    /// [`Error::NoLocks`], or the system's.
    pub fn try_lock(self: &Arc<Self>) -> Result<Option<SharedContent>, Error> {
        match self.file.try_lock() {
            Ok(()) => Ok(Some(SharedContent(Arc::clone(self)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) if system::is_unsupported(&source) => {
                let path = self.path.clone();
                Err(Error::NoLocks { path, source })
            }
            Err(TryLockError::Error(source)) => Err(Error::io("lock", &self.path)(source)),
        }
    }

    /// Says whether the file has been removed: other processes have opened, or will open, another one.
    pub fn is_removed(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| system::is_removed(&metadata))
    }
}

impl SharedContent {
    /// Reads the content into `content`, in the place of what is there, and no more than `limit` bytes of it.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, content: &mut Vec<u8>, limit: usize) -> Result<(), Error> {
        const STEP: usize = 4096;
        content.clear();
        while content.len() < limit {
            let start = content.len();
            let end = limit.min(start + STEP);
            content.resize(end, 0);
            let free = content.get_mut(start..).unwrap_or_default();
            let offset = u64::try_from(start).unwrap_or(u64::MAX);
            let read = system::read_at(&self.0.file, free, offset);
            let read = read.map_err(Error::io("read", &self.0.path))?;
            content.truncate(start + read);
            // A page that is not full is the last: nothing grows while the lock is held.
            if start + read < end {
                break;
            }
        }
        Ok(())
    }

    /// Writes the beginning of the content, and leaves what is behind it. Does not wait for the disk.
    ///
    /// # Errors
    /// The system's; the content may be written in part then.
    pub fn write(&self, content: &[u8]) -> Result<(), Error> {
        let written = system::write_at(&self.0.file, content);
        written.map_err(Error::io("write", &self.0.path))
    }
}

impl Drop for SharedContent {
    fn drop(&mut self) {
        if let Err(error) = self.0.file.unlock() {
            tracing::warn!(%error, path = %self.0.path.display(), "a lock was not released");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_changes_the_content_in_place() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("shared");
        let (one, two) = (
            SharedFile::open(&path).unwrap(),
            SharedFile::open(&path).unwrap(),
        );
        let content = one.try_lock().unwrap().unwrap();
        assert!(two.try_lock().unwrap().is_none());
        content.write(&vec![b'x'; 5000]).unwrap();
        content.write(b"abc").unwrap();
        drop(content);
        let mut read = vec![1; 9];
        let content = two.try_lock().unwrap().unwrap();
        content.read(&mut read, 4096 + 100).unwrap();
        assert_eq!((read.len(), &read[..4]), (4196, &b"abcx"[..]));
        content.read(&mut read, 9000).unwrap();
        assert_eq!(read.len(), 5000);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_removed_is_known_and_a_link_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("shared");
        let file = SharedFile::open(&path).unwrap();
        assert!(!file.is_removed());
        std::fs::remove_file(&path).unwrap();
        assert!(file.is_removed());
        std::os::unix::fs::symlink(home.path().join("other"), &path).unwrap();
        assert!(matches!(SharedFile::open(&path), Err(Error::Symlink(_))));
    }
}
