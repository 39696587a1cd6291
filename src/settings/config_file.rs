//! `mcpipe.toml`, the user's own configuration: what must not come from an environment or a project's files, because it
//! says which programs are run.
//!
//! ```toml
//! [vault]
//! key_command = ["my-vault", "read", "mcpipe"]         # prints a 256-bit key: base64 or hexadecimal
//! key_store_command = ["my-vault", "write", "mcpipe"]  # keeps the key that it reads from stdin; optional
//! ```
//!
//! A file that other users can write to is refused. Keys of other tables are left to the code that reads them; unknown
//! keys of a table read here are mistakes.

use std::io;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item, Table};

use crate::process::argv::{self, Argv};
use crate::report::Failure;
use crate::store::files;
use crate::store::key_command::Configured;
use crate::text::printable;

/// A fault of the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read, or that other users can write to.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A file that is not TOML.
    #[error("{} is not TOML", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The place of the fault, and the reason.
        source: toml_edit::TomlError,
    },
    /// A key this version does not know.
    #[error("{} has an unknown key [{table}] {key}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
    },
    /// A value that is not an array of strings, or an empty array.
    #[error("{}: {key} takes an array of strings, the program first", path.display())]
    NotWords {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// `key_store_command` without `key_command`.
    #[error("{}: key_store_command without key_command", .0.display())]
    StoreAlone(PathBuf),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::File(error) => error.hint(),
            Error::NotWords { key, .. } => Some(format!(
                "write {key} = [\"program\", \"argument\"]; no shell reads it"
            )),
            _ => None,
        };
        Self {
            hint,
            ..Self::usage(error)
        }
    }
}

impl Error {
    /// Returns the error of a file that cannot be read or is refused. Such a file counts as absent until it is needed.
    ///
    /// # Errors
    /// The file was read, and its content is wrong.
    pub fn unread(self) -> Result<files::Error, Self> {
        match self {
            Self::File(error) => Ok(error),
            error => Err(error),
        }
    }
}

/// Returns the key commands of the file at `path`; `None` if there is no file or the file names none.
///
/// # Errors
/// See [`Error`].
pub fn key_commands(path: &Path, loose: bool) -> Result<Option<Configured>, Error> {
    let Some(text) = files::read_trusted(path, loose)? else {
        return Ok(None);
    };
    let document: Document<String> = Document::parse(text).map_err(|source| Error::Toml {
        path: path.into(),
        source,
    })?;
    let Some(table) = document.get("vault").and_then(Item::as_table) else {
        return Ok(None);
    };
    let known = ["key_command", "key_store_command"];
    if let Some((key, _)) = table.iter().find(|(key, _)| !known.contains(key)) {
        return Err(Error::Unknown {
            path: path.into(),
            table: "vault",
            key: printable(key, 100),
        });
    }
    let store = words(table, "key_store_command", path)?;
    match words(table, "key_command", path)? {
        Some(fetch) => Ok(Some(Configured { fetch, store })),
        None if store.is_some() => Err(Error::StoreAlone(path.into())),
        None => Ok(None),
    }
}

fn words(table: &Table, key: &'static str, path: &Path) -> Result<Option<Argv>, Error> {
    let Some(item) = table.get(key) else {
        return Ok(None);
    };
    let words = item.as_array().and_then(|array| {
        array
            .iter()
            .map(|word| word.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    let words = words.map(Argv::new);
    match words {
        Some(Ok(words)) => Ok(Some(words)),
        Some(Err(argv::Error::Words(_))) | None | Some(Err(_)) => Err(Error::NotWords {
            path: path.into(),
            key,
        }),
    }
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
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Configured>, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = path(Some(directory.path())).unwrap();
        std::fs::write(&path, text).unwrap();
        key_commands(&path, false)
    }

    #[test]
    fn commands_are_arrays_of_strings() {
        let configured = read("[vault]\nkey_command = ['a', 'b c']\nkey_store_command = ['d']");
        assert!(configured.unwrap().unwrap().store.is_some());
        let fetch_only = read("[other]\nkey = 1\n[vault]\nkey_command = ['a']");
        assert!(fetch_only.unwrap().unwrap().store.is_none());
        for nothing in ["", "[vault]", "[other]\nkey_command = 1"] {
            assert!(read(nothing).unwrap().is_none(), "{nothing}");
        }
        for wrong in [
            "[vault]\nkey_command = 'a b'",
            "[vault]\nkey_command = []",
            "[vault]\nkey_command = ['']",
            "[vault]\nkey_command = ['a', 1]",
            "[vault]\nkey_store_command = ['a']",
            "[vault]\nkey_comand = ['a']",
            "vault",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_write_to_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = path(Some(directory.path())).unwrap();
        assert!(key_commands(&path, false).unwrap().is_none());
        std::fs::write(&path, "[vault]\nkey_command = ['a']").unwrap();
        for (mode, believed) in [(0o644, true), (0o600, true), (0o664, false), (0o602, false)] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode.clone()).unwrap();
            assert_eq!(key_commands(&path, false).is_ok(), believed, "{mode:?}");
            assert!(key_commands(&path, true).is_ok());
        }
    }
}
