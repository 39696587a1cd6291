//! The changing state of a vault on disk: the key that opened it, the contents it was read with, and the sources that
//! are left.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::Error;
use crate::store::contents::{Contents, Keys};
use crate::store::files::Stamp;
use crate::store::passphrase::Sources;
use crate::store::primitives::Key;

/// The time for which a program that gave nothing is not asked again: it may show the user a prompt each time, or hang
/// each time.
const FAILED_FOR: Duration = Duration::from_secs(60);

/// The state of a vault on disk, behind one lock.
#[derive(Debug, Default)]
pub(super) struct DiskState {
    pub(super) sources: Sources,
    /// The root key that another process of ours has passed to this one.
    pub(super) inherited: Option<Key>,
    /// The text of the mark of locks when the key was got.
    pub(super) mark: Option<Option<Vec<u8>>>,
    /// True where a key file on this machine opened the vault: no lock takes that key while it opens the vault.
    pub(super) is_by_key_file: bool,
    /// True where the passphrase of the environment has been used and dropped.
    pub(super) forgotten: bool,
    /// True where the user makes the vault, and chooses what opens it.
    pub(super) is_chosen: bool,
    pub(super) opened: Option<OpenedVault>,
    /// A vault that is still to be made, and the keys that open it.
    pub(super) new_vault: Option<(Contents, Keys)>,
    /// The newest generation seen, and its vault.
    pub(super) seen: Option<(String, u64)>,
    /// The time at which a program last failed to give a key that opens the vault, and the reason.
    failed: Option<(Instant, Error)>,
}

/// A vault as it was read, or written, last.
#[derive(Clone, Debug)]
pub(super) struct OpenedVault {
    pub(super) stamp: Stamp,
    pub(super) beginning: Vec<u8>,
    pub(super) contents: Contents,
    pub(super) keys: Keys,
}

impl DiskState {
    pub(super) fn new(sources: Sources, inherited: Option<Key>) -> Self {
        Self {
            sources,
            inherited,
            ..Self::default()
        }
    }

    /// Says whether this process holds the vault's key.
    pub(super) fn is_held(&self) -> bool {
        self.opened.is_some() || self.inherited.is_some()
    }

    /// Drops the unopened key: the opened key is enough from here on.
    pub(super) fn forget(&mut self) {
        self.forgotten |= self.sources.environment.take().is_some();
    }

    /// Takes a vault as the one that was read, or written, last.
    pub(super) fn set_opened(&mut self, opened: OpenedVault) {
        let contents = &opened.contents;
        self.seen = Some((contents.vault_id().to_owned(), contents.generation()));
        self.opened = Some(opened);
    }

    /// Returns the reason why a program gave nothing, for as long as it is not asked again.
    pub(super) fn failure(&self) -> Option<Error> {
        let (at, why) = self.failed.as_ref()?;
        (at.elapsed() < FAILED_FOR).then(|| why.earlier())
    }

    /// Notes that a program gave nothing, and returns the reason.
    pub(super) fn failed(&mut self, why: Error) -> Error {
        self.failed = Some((Instant::now(), why.earlier()));
        why
    }
}
