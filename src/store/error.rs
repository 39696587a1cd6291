//! Why the vault did not do as asked, and what the person can do about it.

use std::path::PathBuf;

use super::{envelope, file, passphrase};

/// Why the vault did not do as asked. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody wrote in between.
    #[error("the entry has changed meanwhile")]
    Stale,
    /// It takes a passphrase, and there is nowhere to get one.
    #[error("the vault at {} is locked: no passphrase was given", vault.display())]
    Locked {
        /// The vault.
        vault: PathBuf,
    },
    /// The passphrase opens no slot.
    #[error("the passphrase does not open the vault at {}", vault.display())]
    WrongPassphrase {
        /// The vault.
        vault: PathBuf,
    },
    /// The key file opens no slot.
    #[error("the key at {} does not open the vault at {}", key.display(), vault.display())]
    WrongKey {
        /// The vault.
        vault: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// Only the key file opens it, and there is none.
    #[error("the vault at {} needs the key that was at {}", vault.display(), key.display())]
    KeyMissing {
        /// The vault.
        vault: PathBuf,
        /// Where the key file should be.
        key: PathBuf,
    },
    /// No passphrase came from where it should.
    #[error(transparent)]
    Passphrase(#[from] passphrase::Error),
    /// The file is no vault, damaged, from a newer version, or asks too much.
    #[error("the vault at {} cannot be used", vault.display())]
    Envelope {
        /// The vault.
        vault: PathBuf,
        /// Which of these.
        source: envelope::Error,
    },
    /// An older copy is in the place of a newer one that this process has seen.
    #[error("the vault at {} went back from generation {seen} to {found}", vault.display())]
    RolledBack {
        /// The vault.
        vault: PathBuf,
        /// The newest generation seen.
        seen: u64,
        /// The generation there now.
        found: u64,
    },
    /// The lock stayed taken.
    #[error("another mcpipe holds {} for too long", lock.display())]
    Busy {
        /// The lock file, or in memory the name.
        lock: PathBuf,
    },
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] file::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// The work was cut off: a panic, or the process is leaving.
    #[error("the vault's work was cut off")]
    CutOff,
}

impl Error {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Locked { .. } => {
                "give the passphrase in MCPIPE_PASSPHRASE_FILE or with --passphrase-command"
            }
            Self::WrongPassphrase { .. } => {
                "see that MCPIPE_PASSPHRASE and its relatives hold the passphrase this vault was made with"
            }
            Self::WrongKey { .. } | Self::KeyMissing { .. } => {
                "put the key file back; without it, move the vault away and sign in again"
            }
            Self::Envelope { source, .. } => match source {
                envelope::Error::NewerFormat(_) | envelope::Error::Unknown { .. } => {
                    "use the newest mcpipe"
                }
                envelope::Error::NoMemory { .. } => "give mcpipe more memory",
                envelope::Error::OverCeiling { .. }
                | envelope::Error::BelowFloor { .. }
                | envelope::Error::NotAVault
                | envelope::Error::WrongKey
                | envelope::Error::Damaged(_) => {
                    "restore the vault from a backup, or move it away and sign in again"
                }
            },
            Self::RolledBack { .. } => {
                "if the older copy was restored on purpose, start mcpipe again"
            }
            Self::Busy { .. } => "end the mcpipe that hangs",
            Self::File(error) => return error.hint(),
            Self::Stale | Self::Passphrase(_) | Self::Random(_) | Self::CutOff => return None,
        };
        Some(hint.to_owned())
    }
}
