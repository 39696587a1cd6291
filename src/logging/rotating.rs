//! A log file that stays short: above a limit it becomes `FILE.1`, that `FILE.2`, and a new one is begun.
//!
//! Several processes may write to one file. Each adds whole lines at the end, and looks before each whether the path still
//! leads to the file that it has open: another process, or logrotate, may have renamed it. Only the renaming is done under
//! a lock, which no process waits for. Renaming follows no link, and what is opened is none.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::files;

/// The length above which a new file is begun, in bytes.
pub(super) const LIMIT: u64 = 10 * 1024 * 1024;

/// The number of old files that are kept.
const KEPT: u32 = 3;

/// A log file that is renamed when it is too long.
pub(super) struct Rotating {
    path: PathBuf,
    file: File,
    limit: u64,
}

impl Rotating {
    /// Opens the file, to add to it.
    ///
    /// # Errors
    /// As [`files::open_to_append`].
    pub(super) fn open(path: &Path, limit: u64) -> Result<Self, files::Error> {
        Ok(Self {
            path: path.to_owned(),
            file: files::open_to_append(path)?,
            limit,
        })
    }

    /// Takes the file that the path leads to, and begins a new one if it would be too long with `more` bytes. What fails
    /// here is tried again at the next line: a log in the wrong file is better than none.
    fn renew(&mut self, more: usize) -> io::Result<()> {
        if !self.file.metadata()?.is_file() {
            return Ok(());
        }
        if !self.is_at_its_path() {
            self.reopen();
        }
        let length = self.file.metadata()?.len();
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if length == 0 || length.saturating_add(more) <= self.limit {
            return Ok(());
        }
        if self.file.try_lock().is_ok() {
            // Between the look and the lock another process may have been here.
            if self.is_at_its_path() {
                self.rename_all();
            }
            // The lock ends with the file, if another one is opened.
            let _ = self.file.unlock();
        }
        self.reopen();
        Ok(())
    }

    fn rename_all(&self) {
        for number in (1..KEPT).rev() {
            let _ = fs::rename(self.old(number), self.old(number + 1));
        }
        let _ = fs::rename(&self.path, self.old(1));
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }

    fn reopen(&mut self) {
        if let Ok(file) = files::open_to_append(&self.path) {
            self.file = file;
        }
    }

    fn is_at_its_path(&self) -> bool {
        let (there, here) = (fs::symlink_metadata(&self.path), self.file.metadata());
        matches!((there, here), (Ok(there), Ok(here)) if is_same(&there, &here))
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Windows tells no number of a file without more.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

impl Write for Rotating {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let _ = self.renew(text.len());
        self.file.write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::*;

    fn lines(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).unwrap();
        let texts = files.map(|it| fs::read_to_string(it.unwrap().path()).unwrap());
        let texts: Vec<_> = texts.collect();
        texts
            .iter()
            .flat_map(|text| text.lines().map(ToOwned::to_owned))
            .collect()
    }

    #[test]
    fn a_long_file_is_renamed_and_three_old_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = Rotating::open(&path, 20).unwrap();
        for number in 0..10 {
            log.write_all(format!("line {number} 12345678\n").as_bytes())
                .unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a.log", "a.log.1", "a.log.2", "a.log.3"]);
        let newest = fs::read_to_string(&path).unwrap();
        assert!(newest.contains("line 9") && newest.len() <= 20, "{newest}");
        let before = fs::read_to_string(folder.path().join("a.log.1")).unwrap();
        assert!(before.contains("line 8"), "{before}");
    }

    #[test]
    fn two_writers_of_one_file_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        // 400 lines of 12 bytes fit into the file and its three predecessors.
        thread::scope(|scope| {
            for writer in 0..2 {
                let mut log = Rotating::open(&path, 1500).unwrap();
                scope.spawn(move || {
                    for number in 0..200 {
                        log.write_all(format!("{writer} line {number:03}\n").as_bytes())
                            .unwrap();
                    }
                });
            }
        });
        let lines = lines(folder.path());
        let found: BTreeSet<_> = lines.iter().collect();
        assert_eq!((lines.len(), found.len()), (400, 400));
        assert!(folder.path().join("a.log.1").exists());
    }

    #[test]
    fn no_line_goes_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.log"), folder.path().join("other"));
        fs::write(&other, "mine\n").unwrap();
        let mut log = Rotating::open(&path, 1000).unwrap();
        log.write_all(b"one\n").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine\n");
        // The same where an old file is to be: the link is replaced, not followed.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join("a.log.1")).unwrap();
        let mut log = Rotating::open(&path, 5).unwrap();
        log.write_all(b"three\n").unwrap();
        log.write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine\n");
        assert_eq!(
            fs::read_to_string(folder.path().join("a.log.1")).unwrap(),
            "three\n"
        );
    }
}
