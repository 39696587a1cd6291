//! Audit files and the heads beside them, opened and read to be checked. Changes nothing, and makes no file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::audit::chain::Hash;
use crate::audit::file::beside;
use crate::audit::head::{self, Head};
use crate::audit::verify::{Chain, FoundHead, ScannedFile, Wanted, chains, scan};

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// Reads audit files, in any order, and puts them together as chains. The files beside them that are no audit files (their
/// heads, their locks) may be among the paths, as `audit.jsonl*` gives them. `anchor` is the hash of a line that one of the
/// files has to hold.
///
/// Writers wait while the files are opened; what is written later is not looked at.
///
/// # Errors
/// The first file that cannot be read.
pub fn read(paths: &[PathBuf], anchor: Option<Hash>) -> Result<Vec<Chain>, ReadError> {
    let paths = audit_files(paths);
    let bases: BTreeSet<PathBuf> = paths.iter().map(|path| base(path)).collect();
    let locks: Vec<_> = bases.iter().filter_map(|base| lock(base)).collect();
    let mut open = Vec::new();
    for path in paths {
        let failed = |source| ReadError {
            path: path.clone(),
            source,
        };
        let file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        let head = find_head(&path);
        open.push((path, file, metadata.len(), head));
    }
    drop(locks);
    let mut scanned = Vec::new();
    for (path, mut file, length, head) in open {
        let seq = match &head {
            FoundHead::Head(head) => Some(head.link.seq),
            _ => None,
        };
        let scan = scan(&mut file, length, Wanted { seq, anchor });
        let scan = scan.map_err(|source| ReadError {
            path: path.clone(),
            source,
        })?;
        scanned.push(ScannedFile {
            path: path.display().to_string(),
            scan,
            head,
        });
    }
    Ok(chains(scanned))
}

/// Returns each file once, without heads and locks.
fn audit_files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let is_audit_file = |path: &&PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        !matches!(extension, Some("head" | "lock"))
    };
    let is_new = |path: &&PathBuf| {
        let canonical = fs::canonicalize(path);
        seen.insert(canonical.unwrap_or_else(|_| path.to_path_buf()))
    };
    let paths = paths.iter().filter(is_audit_file).filter(is_new);
    paths.cloned().collect()
}

/// Returns the path without the number that a rotated file has.
fn base(path: &Path) -> PathBuf {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => path.with_extension(""),
        _ => path.to_owned(),
    }
}

/// Locks out writers. Files that are only kept have no lock, and need none.
fn lock(base: &Path) -> Option<File> {
    const PAUSE: Duration = Duration::from_millis(5);
    const ATTEMPTS: usize = 400;
    let file = File::open(beside(base, "lock")).ok()?;
    for _ in 0..ATTEMPTS {
        match file.try_lock_shared() {
            Ok(()) => return Some(file),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(fs::TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn find_head(path: &Path) -> FoundHead {
    let mut text = String::new();
    let limit = u64::try_from(head::LENGTH).unwrap_or(u64::MAX);
    let read = File::open(beside(path, "head"))
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_string(&mut text));
    match read {
        Ok(_) => Head::parse(&text).map_or_else(
            || FoundHead::Unreadable("it is not what mcpipe writes there".to_owned()),
            FoundHead::Head,
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match base(path) == path {
            true => FoundHead::Missing,
            false => FoundHead::Rotated,
        },
        Err(error) => FoundHead::Unreadable(error.to_string()),
    }
}
