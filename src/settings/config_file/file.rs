//! The user's configuration file: its place, and its tables of flags.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Key;
use crate::settings::config_file::error::Error;
use crate::settings::config_file::sections::{Reading, Section, parse};
use crate::store::files;

/// A configuration file with its tables of flags.
#[derive(Clone, Debug)]
pub(in crate::settings) struct ConfigFile {
    /// Its path.
    pub(in crate::settings) path: PathBuf,
    /// Its tables, in the order of the file.
    pub(super) sections: Vec<Section>,
}

impl ConfigFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) fn of(
        path: PathBuf,
        text: &str,
        keys: &[Key],
        is_managed: bool,
    ) -> Result<Self, Error> {
        let reading = Reading {
            path: &path,
            text: without_mark(text),
            keys,
            is_managed,
        };
        let sections = reading.sections()?;
        Ok(Self { path, sections })
    }

    /// Reads the user's file at `path`; `None` if there is none.
    ///
    /// # Errors
    /// See [`Error`].
    pub(in crate::settings) fn read(
        path: &Path,
        loose: bool,
        keys: &[Key],
    ) -> Result<Option<Self>, Error> {
        match files::read_trusted(path, loose)? {
            Some(text) => Self::of(path.into(), &text, keys, false).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the names of the tables, each with its line.
    pub(in crate::settings) fn tables(&self) -> impl Iterator<Item = (&str, usize)> {
        let tables = self.sections.iter();
        tables.map(|section| (section.name.as_str(), section.line))
    }
}

/// Reads the user's file; `None` if there is none, or it has no tables of flags. `keys` is asked for only if there are
/// such tables. A file that is refused (another user's, or one that other users can write to) counts as absent if it has no
/// such tables either: the code that needs what else is in it says so.
///
/// # Errors
/// See [`Error`]. A file that is refused, or cannot be read, and may have such tables.
pub(in crate::settings) fn user_file(
    path: &Path,
    loose: bool,
    keys: impl FnOnce() -> Vec<Key>,
) -> Result<Option<ConfigFile>, Error> {
    let text = match files::read_trusted(path, loose) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(error) if may_hold_flags(path) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    if !holds_flags(path, &text)? {
        return Ok(None);
    }
    ConfigFile::of(path.into(), &text, &keys(), false).map(Some)
}

/// Says whether a text has anything beside `[vault]`.
fn holds_flags(path: &Path, text: &str) -> Result<bool, Error> {
    let document = parse(path, without_mark(text))?;
    Ok(document.iter().any(|(name, _)| name != "vault"))
}

/// Says whether a file that is not to be believed may have tables of flags, denials among them. A directory, or a link
/// that leads nowhere, has none.
fn may_hold_flags(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => match std::fs::read_to_string(path) {
            Ok(text) => holds_flags(path, &text).unwrap_or(true),
            Err(_) => true,
        },
        _ => false,
    }
}

/// Returns a text without a byte order mark at its beginning. Spans count from there.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the path of the file: under `home` if given, else in the user's configuration directory. Reads nothing.
///
/// # Errors
/// The system names no such directory.
pub fn path(home: Option<&Path>) -> io::Result<PathBuf> {
    let directory = match home {
        Some(home) => Some(home.to_owned()),
        None => dirs::config_dir().map(|config| config.join("mcpipe")),
    };
    let directory = directory.ok_or(io::ErrorKind::NotFound)?;
    Ok(std::path::absolute(directory)?.join("mcpipe.toml"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cli::keys;

    #[test]
    fn a_file_that_is_not_believed_is_an_error_if_it_may_hold_guard_rails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcpipe.toml");
        for (text, is_error) in [
            ("[vault]\nkey_command = ['a']", false),
            ("", false),
            ("[defaults]\ndeny-tool = ['a']", true),
            ("[server.'https://a.example']", true),
            ("not toml", true),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
            let read = user_file(&path, false, keys);
            assert_eq!(read.is_err(), is_error, "{text}");
            if let Ok(read) = read {
                assert!(read.is_none(), "{text}");
            }
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(user_file(&path, false, keys).unwrap().is_none());
    }

    #[test]
    fn without_tables_of_flags_no_flags_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcpipe.toml");
        let none = || panic!("the keys are asked for");
        assert!(user_file(&path, false, none).unwrap().is_none());
        std::fs::write(&path, "[vault]\nkey_command = ['a']").unwrap();
        assert!(user_file(&path, false, none).unwrap().is_none());
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcpipe.toml");
        std::fs::write(&path, "\u{feff}[defaults]\r\ngrace = 5\r\n").unwrap();
        let read = user_file(&path, false, keys).unwrap().unwrap();
        assert_eq!(read.tables().collect::<Vec<_>>(), [("[defaults]", 1)]);
    }
}
