//! A vault that ends with the process, with the same rules as a vault on disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::secret::Secret;
use crate::store::{EntryKind, Error, Expected, VaultEntry, VaultLock};

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<MemoryState>);

#[derive(Debug, Default)]
struct MemoryState {
    generation: u64,
    entries: BTreeMap<String, VaultEntry>,
    locks: BTreeMap<String, Arc<tokio::sync::Mutex<()>>>,
    side_files: BTreeMap<String, String>,
}

impl Memory {
    pub(super) fn read(&self, name: &str) -> Option<VaultEntry> {
        self.state().entries.get(name).cloned()
    }

    pub(super) fn list(&self) -> Vec<(String, EntryKind)> {
        let state = self.state();
        let entries = state.entries.iter();
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
        let mut state = self.state();
        if !expected.is_so(state.entries.get(name).map(|entry| entry.rev)) {
            return Err(Error::Stale);
        }
        state.generation += 1;
        let entry = VaultEntry {
            kind,
            rev: state.generation,
            content: content.clone(),
        };
        state.entries.insert(name.to_owned(), entry);
        Ok(state.generation)
    }

    pub(super) fn remove(&self, name: &str) -> bool {
        self.state().entries.remove(name).is_some()
    }

    pub(super) fn side_file(&self, name: &str) -> Option<String> {
        self.state().side_files.get(name).cloned()
    }

    pub(super) fn write_side_file(&self, name: &str, text: &str) {
        self.state()
            .side_files
            .insert(name.to_owned(), text.to_owned());
    }

    pub(super) async fn lock(&self, name: &str, patience: Duration) -> Result<VaultLock, Error> {
        let lock = Arc::clone(self.state().locks.entry(name.to_owned()).or_default());
        let taken = tokio::time::timeout(patience, lock.lock_owned()).await;
        let guard = taken.map_err(|_| Error::Busy { lock: name.into() })?;
        Ok(VaultLock::in_memory(guard))
    }

    fn state(&self) -> MutexGuard<'_, MemoryState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
