//! Keys that `mcpipe vault lock` takes from a process that holds one.
//!
//! The user's command changes a mark beside the vault. A process that finds the mark changed forgets its key, unless a
//! key file still opens the vault (`mcpipe vault protect` may have replaced it by a passphrase since), and opens the
//! vault anew at its next need, as a process that starts does. Versions that know no mark keep their key until they
//! end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::store::disk::{Disk, State};
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

impl Disk {
    pub(in crate::store) fn use_key(&self) -> InUse {
        self.in_use.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(&self.in_use))
    }

    pub(in crate::store) fn is_lockable(&self) -> bool {
        self.is_lockable.load(Ordering::Relaxed)
    }

    pub(in crate::store) fn locks(&self) -> u64 {
        *self.locks.borrow()
    }

    /// Forgets the key if the user has locked the vault since this process got the key. Returns the number of such
    /// locks.
    pub(in crate::store) fn heed(&self) -> u64 {
        self.heed_lock(&mut self.state());
        self.locks()
    }

    pub(super) fn heed_lock(&self, state: &mut State) {
        let is_held = state.opened.is_some() || state.inherited.is_some();
        let mark = self.mark();
        match &state.mark {
            Some(seen) if is_held && *seen != mark => {}
            // The mark counts from now on: the key is got after this.
            _ if !is_held => return state.mark = Some(mark),
            None => return state.mark = Some(mark),
            Some(_) => return,
        }
        if state.is_by_key_file && self.key_file_opens() {
            state.mark = Some(mark);
        } else if self.in_use.load(Ordering::Relaxed) == 0 {
            state.mark = Some(mark);
            state.opened = None;
            state.inherited = None;
            self.note_lockable(state);
            self.locks.send_modify(|locks| *locks += 1);
        }
    }

    pub(super) fn note_lockable(&self, state: &State) {
        let is_held = state.opened.is_some() || state.inherited.is_some();
        self.is_lockable.store(is_held, Ordering::Relaxed);
    }

    /// Returns the text of the mark; a mark that cannot be read counts as none.
    fn mark(&self) -> Option<Vec<u8>> {
        let file = Private::open(&self.place.lock_mark(), self.loose());
        file.ok()??.read(LONGEST).ok()
    }
}
