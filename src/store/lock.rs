//! A lock that is held for work which must happen once on the whole machine.

use crate::store::disk::InUse;
use crate::store::files;

/// A lock that is held until dropped; the system releases it if the process dies.
#[derive(Debug)]
pub struct VaultLock {
    _held: HeldLock,
    _in_use: Option<InUse>,
}

#[derive(Debug)]
enum HeldLock {
    Memory {
        _guard: tokio::sync::OwnedMutexGuard<()>,
    },
    File {
        _lock: files::FileLock,
    },
}

impl VaultLock {
    /// Makes a lock of this process only.
    pub(super) fn in_memory(guard: tokio::sync::OwnedMutexGuard<()>) -> Self {
        let _held = HeldLock::Memory { _guard: guard };
        let _in_use = None;
        Self { _held, _in_use }
    }

    /// Makes a lock between processes.
    pub(super) fn between_processes(lock: files::FileLock) -> Self {
        let _held = HeldLock::File { _lock: lock };
        let _in_use = None;
        Self { _held, _in_use }
    }

    /// Returns the lock, which keeps the vault's key in use as well.
    pub(super) fn with_key(self, in_use: InUse) -> Self {
        let _in_use = Some(in_use);
        Self { _in_use, ..self }
    }
}
