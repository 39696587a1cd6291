//! Facts that can be told of a vault without opening it.

use std::fmt;
use std::path::PathBuf;

use crate::store::envelope;
use crate::store::slot::{KEY_FILE, KEY_FILES};
use crate::store::slot::{Slot, SlotKind};

/// The protection of a vault: that of the weakest of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A key file. Does not withstand a copy of the whole disk.
    FilePermissions,
    /// A key that the system or another program gives out.
    Login,
    /// A passphrase.
    Passphrase,
}

impl Level {
    /// Returns what the protection withstands, and what it does not, as text.
    pub fn words(self) -> &'static str {
        match self {
            Self::FilePermissions => {
                "other users are kept out; who copies the whole disk, or runs as you, is not"
            }
            Self::Login => {
                "other users and a stolen disk are kept out, as well as your login is; who runs as you is not"
            }
            Self::Passphrase => {
                "other users and a stolen disk are kept out, as well as the passphrase is chosen; who runs as you \
                 while it is open is not"
            }
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::FilePermissions => "file permissions",
            Self::Login => "tied to your login",
            Self::Passphrase => "passphrase",
        })
    }
}

/// A way to open a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotStatus {
    /// The slot's name within the vault.
    pub id: String,
    /// The name that the user gave it.
    pub label: String,
    /// The kind of secret that opens the slot, and its cost.
    pub kind: SlotKind,
}

/// Facts that can be known of a vault without opening it, and so without being sure of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultStatus {
    /// The path of the file, existing or not; `None` for a vault in memory.
    pub path: Option<PathBuf>,
    /// The number of times that it has been written; `None` if there is no file.
    pub generation: Option<u64>,
    /// The slots that open the vault.
    pub slots: Vec<SlotStatus>,
    /// The protection; `None` if there is no file.
    pub level: Option<Level>,
    /// The generation that this machine wrote last, if the file is an older copy.
    pub behind: Option<u64>,
}

impl SlotStatus {
    /// Says whether the machine's key file opens the vault.
    pub fn is_key_file(&self) -> bool {
        self.kind == SlotKind::Raw && KEY_FILES.contains(&self.label.as_str())
    }

    pub(super) fn of(slot: &Slot) -> Self {
        Self {
            id: slot.id().to_owned(),
            label: slot.label().to_owned(),
            kind: slot.kind(),
        }
    }
}

impl VaultStatus {
    pub(super) fn of(path: Option<PathBuf>, sealed: Option<&envelope::Sealed>) -> Self {
        let slots = sealed.map_or(&[][..], envelope::Sealed::slots).iter();
        let level = |slot: &Slot| match slot.kind() {
            SlotKind::Argon2id(_) => Level::Passphrase,
            SlotKind::Raw if slot.label() == KEY_FILE => Level::FilePermissions,
            SlotKind::Raw => Level::Login,
        };
        Self {
            path,
            generation: sealed.map(envelope::Sealed::generation),
            level: slots.clone().map(level).min(),
            slots: slots.map(SlotStatus::of).collect(),
            behind: None,
        }
    }
}
