//! A vault that ends with the process, with the same rules as a vault on disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::secret::Secret;
use crate::store::{EntryKind, Error, Expected, VaultEntry, VaultLock};

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    generation: u64,
    entries: BTreeMap<String, VaultEntry>,
    locks: BTreeMap<String, Arc<tokio::sync::Mutex<()>>>,
    notes: BTreeMap<String, String>,
}

impl Memory {
    pub(super) fn read(&self, name: &str) -> Option<VaultEntry> {
        self.kept().entries.get(name).cloned()
    }

    pub(super) fn list(&self) -> Vec<(String, EntryKind)> {
        let kept = self.kept();
        let entries = kept.entries.iter();
        entries
            .map(|(name, entry)| (name.clone(), entry.kind))
            .collect()
    }

    pub(super) fn put(
        &self,
        name: &str,
        kind: EntryKind,
        content: &Secret,
        expected: Expected,
    ) -> Result<u64, Error> {
        let mut kept = self.kept();
        if !expected.is_so(kept.entries.get(name).map(|entry| entry.rev)) {
            return Err(Error::Stale);
        }
        kept.generation += 1;
        let entry = VaultEntry {
            kind,
            rev: kept.generation,
            content: content.clone(),
        };
        kept.entries.insert(name.to_owned(), entry);
        Ok(kept.generation)
    }

    pub(super) fn remove(&self, name: &str) -> bool {
        self.kept().entries.remove(name).is_some()
    }

    pub(super) fn note(&self, name: &str) -> Option<String> {
        self.kept().notes.get(name).cloned()
    }

    pub(super) fn leave_note(&self, name: &str, text: &str) {
        self.kept().notes.insert(name.to_owned(), text.to_owned());
    }

    pub(super) async fn lock(&self, name: &str, patience: Duration) -> Result<VaultLock, Error> {
        let lock = Arc::clone(self.kept().locks.entry(name.to_owned()).or_default());
        let taken = tokio::time::timeout(patience, lock.lock_owned()).await;
        let guard = taken.map_err(|_| Error::Busy { lock: name.into() })?;
        Ok(VaultLock::in_memory(guard))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
