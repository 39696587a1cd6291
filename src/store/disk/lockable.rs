//! Keys that `mcpipe vault lock` takes from a process that holds one.
//!
//! The user's command changes a mark beside the vault. A process that finds the mark changed forgets its key, unless a
//! key file still opens the vault (`mcpipe vault protect` may have replaced it by a passphrase since), and opens the
//! vault anew at its next need, as a process that starts does. Versions that know no mark keep their key until they
//! end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::store::disk::state::DiskState;
use crate::store::disk::unlocker::Unlocker;
use crate::store::disk::vault_file::VaultFile;
use crate::store::files::Private;

/// The longest mark, in bytes.
const LONGEST: usize = 256;

/// A refresh that needs the key until it is stored.
#[derive(Debug)]
pub(in crate::store) struct InUse(Arc<AtomicUsize>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The key of this process, as far as `mcpipe vault lock` is concerned.
#[derive(Debug)]
pub(in crate::store) struct LockableKey {
    /// True while a key is held that `mcpipe vault lock` may take.
    is_held: AtomicBool,
    /// The number of times that the vault was locked.
    locks: watch::Sender<u64>,
    /// Refreshes that need the key until they are stored.
    in_use: Arc<AtomicUsize>,
}

impl LockableKey {
    pub(super) fn new(is_held: bool) -> Self {
        Self {
            is_held: AtomicBool::new(is_held),
            locks: watch::Sender::new(0),
            in_use: Arc::default(),
        }
    }

    pub(in crate::store) fn in_use(&self) -> InUse {
        self.in_use.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(&self.in_use))
    }

    pub(in crate::store) fn is_lockable(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    pub(in crate::store) fn locks(&self) -> u64 {
        *self.locks.borrow()
    }

    /// Forgets the key if the user has locked the vault since this process got the key.
    pub(super) fn heed_lock(&self, state: &mut DiskState, unlocker: &Unlocker) {
        let is_held = state.is_held();
        let mark = mark(unlocker.file());
        match &state.mark {
            Some(seen) if is_held && *seen != mark => {}
            // The mark counts from now on: the key is got after this.
            _ if !is_held => return state.mark = Some(mark),
            None => return state.mark = Some(mark),
            Some(_) => return,
        }
        if state.is_by_key_file && unlocker.key_file_opens() {
            state.mark = Some(mark);
        } else if self.in_use.load(Ordering::Relaxed) == 0 {
            state.mark = Some(mark);
            state.opened = None;
            state.inherited = None;
            self.note(state);
            self.locks.send_modify(|locks| *locks += 1);
        }
    }

    /// Notes whether this process holds the key now.
    pub(super) fn note(&self, state: &DiskState) {
        self.is_held.store(state.is_held(), Ordering::Relaxed);
    }
}

/// Returns the text of the mark; a mark that cannot be read counts as none.
fn mark(file: &VaultFile) -> Option<Vec<u8>> {
    let file = Private::open(&file.paths().lock_mark(), file.loose());
    file.ok()??.read(LONGEST).ok()
}
