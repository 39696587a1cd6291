//! Files with a secret that the user names, and the warning where other users can read such a file.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::named_file;
use crate::secret::Secret;
use crate::settings::error::Error;
use crate::text::without_mark;

/// Returns the secret that is all that a file holds.
///
/// # Errors
/// The file cannot be read, or holds nothing.
pub(super) fn in_file(path: &Path) -> Result<Secret, Error> {
    warn_if_others_read(path, "a secret");
    let text = Zeroizing::new(read(path.into())?);
    match without_mark(&text).trim_end_matches(['\r', '\n']) {
        "" => Err(Error::Empty(path.into())),
        secret => Ok(Secret::new(secret)),
    }
}

/// Reads the text of a file that a flag names.
pub(super) fn read(path: PathBuf) -> Result<String, Error> {
    named_file::read_text(&path).map_err(|source| Error::Unreadable { path, source })
}

/// Warns that other users of the machine can read a file with a secret.
#[cfg(unix)]
pub(super) fn warn_if_others_read(path: &Path, flag: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    let is_open = std::fs::metadata(path)
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o007 != 0);
    if is_open {
        let path = path.display();
        tracing::warn!(%path, "others on this machine can use the file of {flag}: `chmod 600` it");
    }
}

#[cfg(not(unix))]
pub(super) fn warn_if_others_read(_: &Path, _: &str) {}

/// Says whether other users of the machine can read a file.
#[cfg(unix)]
pub(super) fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o044 != 0)
}

/// Returns false: files on Windows inherit the permissions of the user's directories.
#[cfg(not(unix))]
pub(super) fn others_can_read(_: &Path) -> bool {
    false
}
