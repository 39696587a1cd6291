//! The administrator's configuration file: guard rails of every user of the machine.
//!
//! Its place is fixed, and no variable leads elsewhere: a user who could choose it could leave it out. The file has to be
//! the administrator's own, and so the directory that it is in, since the owner of a directory exchanges its files. Links
//! are followed (NixOS makes `/etc` of them), and the file that they lead to is looked at.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::cli::Key;
use crate::report::Failure;
use crate::settings::config_file::file::ConfigFile;

/// The place of the file.
#[cfg(windows)]
pub(in crate::settings) const MANAGED: &str = r"C:\ProgramData\mcpipe\mcpipe.toml";
/// The place of the file.
#[cfg(target_os = "macos")]
pub(in crate::settings) const MANAGED: &str = "/Library/Application Support/mcpipe/mcpipe.toml";
/// The place of the file.
#[cfg(not(any(windows, target_os = "macos")))]
pub(in crate::settings) const MANAGED: &str = "/etc/mcpipe/mcpipe.toml";

/// The largest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// The reason why the file cannot be kept to.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The file is there and cannot be read.
    #[error("cannot read the administrator's file {}", path.display())]
    Unread { path: PathBuf, source: io::Error },
    /// The file, or its directory, is of a user who is no administrator, or such users may write to it.
    #[error("the administrator's file {} is not to be relied on: {} {fault}", path.display(), at.display())]
    Loose {
        path: PathBuf,
        at: PathBuf,
        fault: &'static str,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::Unread { .. } => {
                "every user has to be able to read it; only an administrator can mend that"
                    .to_owned()
            }
            Error::Loose { at, .. } => format!(
                "as root: chown root '{0}' && chmod go-w '{0}'",
                at.display()
            ),
        };
        Self::usage(error).hint(hint)
    }
}

/// Reads the administrator's file at `path`; `None` if there is none. `keys` is asked for only if there is one.
///
/// # Errors
/// A file that cannot be read, that others than administrators could change, or whose content is wrong.
pub(in crate::settings) fn managed_file(
    path: &Path,
    keys: impl FnOnce() -> Vec<Key>,
) -> Result<Option<ConfigFile>, Failure> {
    read(path, keys, is_administrator)
}

fn read(
    path: &Path,
    keys: impl FnOnce() -> Vec<Key>,
    is_administrator: fn(&Metadata) -> bool,
) -> Result<Option<ConfigFile>, Failure> {
    let unread = |source| {
        let path = path.to_owned();
        Error::Unread { path, source }
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(unread(error).into()),
    };
    let metadata = file.metadata().map_err(unread)?;
    if !metadata.is_file() {
        return Err(unread(io::Error::other("it is no regular file")).into());
    }
    let directory = path.parent().unwrap_or(path);
    let above = fs::metadata(directory).map_err(unread)?;
    for (at, metadata) in [(path, &metadata), (directory, &above)] {
        let fault = match metadata {
            found if !is_administrator(found) => "is not root's",
            found if others_can_write(found) => "can be written to by others",
            _ => continue,
        };
        return Err(Error::Loose {
            path: path.into(),
            at: at.into(),
            fault,
        }
        .into());
    }
    if metadata.len() > LONGEST {
        return Err(unread(io::Error::other("it is longer than 1 MiB")).into());
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(unread)?;
    Ok(Some(ConfigFile::of(path.into(), &text, &keys(), true)?))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(unix)]
fn is_administrator(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.uid() == 0
}

/// Returns true: files below `ProgramData` are by the system's default writable by their makers and administrators only.
#[cfg(not(unix))]
fn is_administrator(_: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn others_can_write(found: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o022 != 0
}

#[cfg(not(unix))]
fn others_can_write(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cli::keys;

    /// A directory with a file that holds this text, and the modes of both.
    fn made(text: &str, file: u32, directory: u32) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mcpipe.toml");
        fs::write(&path, text).unwrap();
        for (path, mode) in [(path.as_path(), file), (home.path(), directory)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        (home, path)
    }

    const TEXT: &str = "[defaults]\ndeny-tool = ['x']";

    #[test]
    fn only_a_file_that_no_user_can_change_is_relied_on() {
        for (file, directory, is_relied_on) in [
            (0o644, 0o755, true),
            (0o664, 0o755, false),
            (0o646, 0o755, false),
            (0o644, 0o775, false),
            (0o644, 0o757, false),
        ] {
            let (_home, path) = made(TEXT, file, directory);
            let found = read(&path, keys, |_| true);
            assert_eq!(found.is_ok(), is_relied_on, "{file:o} {directory:o}");
            // The same, owned by another.
            let said = read(&path, keys, |_| false).unwrap_err();
            assert!(said.text().contains("is not root's"), "{}", said.text());
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_none_and_one_that_cannot_be_read_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        for name in ["mcpipe.toml", "missing/mcpipe.toml"] {
            let found = read(&home.path().join(name), keys, |_| true);
            assert!(found.unwrap().is_none(), "{name}");
        }
        let directory = home.path().join("mcpipe.toml");
        fs::create_dir(&directory).unwrap();
        assert!(read(&directory, keys, |_| true).is_err());
        let (_home, path) = made("not toml", 0o644, 0o755);
        assert!(read(&path, keys, |_| true).is_err());
    }

    #[test]
    fn a_link_leads_to_the_file_that_is_looked_at() {
        let (_home, path) = made(TEXT, 0o644, 0o755);
        let (home, link) = made("", 0o644, 0o755);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read(&link, keys, |_| true).unwrap().is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read(&link, keys, |_| true).is_err());
        drop(home);
    }
}
