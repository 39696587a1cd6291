//! The entries of a vault on disk.

use crate::secret::Secret;
use crate::store::disk::fresh;
use crate::store::disk::transaction::Disk;
use crate::store::{EntryKind, Error, Expected, VaultEntry, envelope};

/// The findings of [`Vault::verify`](crate::store::Vault::verify).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries that authenticate.
    pub entries: usize,
    /// The names of the entries that do not.
    pub damaged: Vec<String>,
}

impl Disk {
    pub(in crate::store) fn read(&self, name: &str) -> Result<Option<VaultEntry>, Error> {
        let mut state = self.state();
        let Some(opened) = self.load(&mut state)? else {
            return Ok(None);
        };
        let read = opened.contents.read(&opened.keys, name);
        read.map_err(|error| self.file().broken(error))?
            .map(|found| {
                let kind = EntryKind::from_word(&found.kind).ok_or_else(|| {
                    self.file().broken(envelope::Error::Unknown {
                        what: "kind of entry",
                        found: found.kind.clone(),
                    })
                })?;
                let mut content = found.content;
                let text = String::from_utf8(std::mem::take(&mut *content))
                    .map_err(|_| self.file().broken(envelope::Error::Damaged("entry's text")))?;
                Ok(VaultEntry {
                    kind,
                    rev: found.rev,
                    content: Secret::new(text),
                })
            })
            .transpose()
    }

    pub(in crate::store) fn list(&self) -> Result<Vec<(String, EntryKind)>, Error> {
        let mut state = self.state();
        let Some(opened) = self.load(&mut state)? else {
            return Ok(Vec::new());
        };
        // A kind that this version does not know is another version's, and stays in the file.
        let known = |(name, kind, _): (&str, &str, u64)| {
            EntryKind::from_word(kind).map(|kind| (name.to_owned(), kind))
        };
        Ok(opened.contents.list().filter_map(known).collect())
    }

    pub(in crate::store) fn put(
        &self,
        name: &str,
        kind: EntryKind,
        content: &Secret,
        expected: Expected,
    ) -> Result<u64, Error> {
        if !expected.is_so(self.revision(name)?) {
            return Err(Error::Stale);
        }
        self.change(|contents, keys| {
            // The condition is checked again under the lock: this check counts.
            if !expected.is_so(contents.revision(name)) {
                return Err(Error::Stale);
            }
            let content = content.expose().as_bytes();
            let put = contents.put(keys, name, kind.word(), content, &fresh::for_entry()?);
            put.map_err(|error| self.file().broken(error))
        })
    }

    pub(in crate::store) fn remove(&self, name: &str) -> Result<bool, Error> {
        // Nothing is made, or written anew, for an entry that does not exist.
        if self.revision(name)?.is_none() {
            return Ok(false);
        }
        self.change(|contents, _| Ok(contents.remove(name)))
    }

    fn revision(&self, name: &str) -> Result<Option<u64>, Error> {
        let mut state = self.state();
        let opened = self.load(&mut state)?;
        Ok(opened.and_then(|opened| opened.contents.revision(name)))
    }

    pub(in crate::store) fn verify(&self) -> Result<Verified, Error> {
        let mut state = self.state();
        let (contents, keys) = self.existing(&mut state)?;
        let is_damaged = |name: &&str| contents.read(&keys, name).is_err();
        let names: Vec<&str> = contents.list().map(|(name, ..)| name).collect();
        let damaged: Vec<String> = names
            .iter()
            .filter(|name| is_damaged(name))
            .map(ToString::to_string)
            .collect();
        Ok(Verified {
            entries: names.len() - damaged.len(),
            damaged,
        })
    }
}
