//! The anchor: the generation of the vault that this machine wrote last, kept beside the key that opens the vault.
//!
//! An older copy of the vault is a valid vault; only a process that remembers the newest tells one from the other.
//! Running processes remember by themselves; the anchor is for those that start. A user who can put back both files is
//! not noticed. The anchor is written after the vault and without waiting for the disk, so it never claims a generation
//! that does not exist. It holds nothing secret and is not authenticated: a user who can forge it can also remove it,
//! and its only effect is a warning.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::files::{self, Private};

/// A vault and one of its generations.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Anchor {
    vault_id: String,
    gen_no: u64,
}

/// The longest anchor, in bytes.
const MAX: usize = 1024;

/// Reads the anchor; `None` if it cannot be read.
pub(super) fn read(path: &Path, loose: bool) -> Option<Anchor> {
    let bytes = Private::open(path, loose).ok()??.read(MAX).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl Anchor {
    pub(super) fn new(vault_id: &str, gen_no: u64) -> Self {
        Self {
            vault_id: vault_id.to_owned(),
            gen_no,
        }
    }

    /// Returns the generation of the anchor, if it is of this vault and newer.
    pub(super) fn is_ahead_of(&self, vault_id: &str, generation: u64) -> Option<u64> {
        (self.vault_id == vault_id && self.gen_no > generation).then_some(self.gen_no)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), files::Error> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        files::replace_soon(path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another version of mcpipe reads the same file.
    #[test]
    fn an_anchor_is_written_with_these_words() {
        let text = r#"{"vault_id":"v","gen_no":7}"#;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.anchor");
        Anchor::new("v", 7).write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let read = read(&path, true).unwrap();
        assert_eq!(read.is_ahead_of("v", 6), Some(7));
    }
}
