//! `[vault]`: the programs that give the vault's key.

use std::path::Path;

use toml_edit::{Item, Table};

use crate::process::argv::Argv;
use crate::settings::config_file::error::Error;
use crate::settings::config_file::nearest::nearest;
use crate::settings::config_file::sections::{line_at, parse};
use crate::store::files;
use crate::store::key_command::Configured;
use crate::text::printable;

const KNOWN: [&str; 2] = ["key_command", "key_store_command"];

/// Returns the key commands of the file at `path`; `None` if there is no file or the file names none.
///
/// # Errors
/// See [`Error`].
pub fn key_commands(path: &Path, loose: bool) -> Result<Option<Configured>, Error> {
    let Some(text) = files::read_trusted(path, loose)? else {
        return Ok(None);
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let document = parse(path, text)?;
    let Some(table) = document.get("vault").and_then(Item::as_table) else {
        return Ok(None);
    };
    let vault = VaultTable { path, text, table };
    if let Some((key, _)) = table.iter().find(|(key, _)| !KNOWN.contains(key)) {
        let hint = match nearest(key, KNOWN) {
            Some(near) => format!("perhaps {near} is meant"),
            None => format!("its keys are {}", KNOWN.join(" and ")),
        };
        let text = format!("[vault] has no key {}", printable(key, 100));
        return Err(Error::line(path, vault.line_of(key), text, hint));
    }
    let store = vault.words("key_store_command")?;
    match vault.words("key_command")? {
        Some(fetch) => Ok(Some(Configured { fetch, store })),
        None if store.is_some() => {
            let text = "key_store_command without key_command";
            let hint = "write key_command too: it prints the key that key_store_command keeps";
            let line = vault.line_of("key_store_command");
            Err(Error::line(path, line, text, hint))
        }
        None => Ok(None),
    }
}

struct VaultTable<'a> {
    path: &'a Path,
    text: &'a str,
    table: &'a Table,
}

impl VaultTable<'_> {
    fn words(&self, key: &'static str) -> Result<Option<Argv>, Error> {
        let Some(item) = self.table.get(key) else {
            return Ok(None);
        };
        let words = item.as_array().and_then(|array| {
            let words = array.iter().map(|word| word.as_str().map(str::to_owned));
            words.collect::<Option<Vec<_>>>()
        });
        match words.map(Argv::new) {
            Some(Ok(words)) => Ok(Some(words)),
            _ => {
                let text = format!("{key} takes an array of strings, the program first");
                let hint = format!("write {key} = [\"program\", \"argument\"]; no shell reads it");
                Err(Error::line(self.path, self.line_of(key), text, hint))
            }
        }
    }

    fn line_of(&self, key: &str) -> usize {
        let span = self
            .table
            .get_key_value(key)
            .and_then(|(key, _)| key.span());
        span.map_or(1, |span| line_at(self.text, span.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::config_file::file::path;

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

    #[test]
    fn a_mistake_names_its_line() {
        let error = read("# mine\n[vault]\nkey_comand = ['a']").unwrap_err();
        let said = error.to_string();
        assert!(
            said.ends_with("mcpipe.toml:3: [vault] has no key key_comand"),
            "{said}"
        );
        let Error::Line { hint, .. } = error else {
            panic!("{said}")
        };
        assert_eq!(hint, "perhaps key_command is meant");
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
