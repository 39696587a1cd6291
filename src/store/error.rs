//! The reasons why the vault did not do as asked, and the advice for the user.

use std::path::PathBuf;
use std::sync::Arc;

use crate::store::envelope::MOST_TRIED;
use crate::store::{agent, envelope, files, key_command, passphrase};

/// A reason why the vault did not do as asked. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process wrote in between.
    #[error("the entry has changed meanwhile")]
    Stale,
    /// The vault takes a passphrase, and there is no source for one.
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
        /// The source it was read from; `None` if the user typed it.
        from: Option<&'static str>,
    },
    /// The file is a vault that asks for a key, not for a passphrase.
    #[error("no passphrase opens the vault at {}: it opens by a key", vault.display())]
    NoPassphraseOpens {
        /// The vault.
        vault: PathBuf,
    },
    /// The passphrase opens none of the slots it was tried on, and there are more.
    #[error(
        "the passphrase opens none of the first {MOST_TRIED} passphrase slots of the vault at {}; more are not tried", vault.display()
    )]
    WrongPassphrases {
        /// The vault.
        vault: PathBuf,
    },
    /// A further passphrase would never be tried.
    #[error("{MOST_TRIED} passphrases open this vault already; no more are tried")]
    TooManyPassphrases,
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
        /// The path of the key file that is missing.
        key: PathBuf,
    },
    /// A program gives a key that opens nothing.
    #[error("the key that {label} gives does not open the vault at {}", vault.display())]
    ForeignKey {
        /// The slot.
        label: &'static str,
        /// The vault.
        vault: PathBuf,
    },
    /// There is no vault to work on.
    #[error("there is no vault at {}", vault.display())]
    NoVault {
        /// The path at which it would be.
        vault: PathBuf,
    },
    /// There is no file to import.
    #[error("there is no file {}", file.display())]
    NoExport {
        /// The path at which it would be.
        file: PathBuf,
    },
    /// There is a vault already.
    #[error("there is a vault at {} already", vault.display())]
    AlreadyThere {
        /// The path of the vault.
        vault: PathBuf,
    },
    /// No slot, or more than one, is called so.
    #[error("no single slot is called {which:?}; there are: {}", there.join(", "))]
    NoSuchSlot {
        /// The slot that was asked for.
        which: String,
        /// The labels there are.
        there: Vec<String>,
    },
    /// There is a slot of this name already.
    #[error("there is a slot {label:?} already")]
    SlotTaken {
        /// The slot's label.
        label: String,
    },
    /// The slot is the last that opens the vault.
    #[error("{label:?} is the vault's last slot")]
    LastSlot {
        /// The slot's label.
        label: String,
    },
    /// None of the slots that would be left opens now.
    #[error(
        "without {label:?} the vault would not open: no other slot's key is where it should be"
    )]
    LockOut {
        /// The slot's label.
        label: String,
    },
    /// The slot's key or passphrase is needed, and not available.
    #[error("nothing here opens the slot {label:?}")]
    SlotClosed {
        /// The slot's label.
        label: String,
    },
    /// The service manager has handed in no key.
    #[error("there is no credential `mcpipe-vault-key`")]
    NoCredential,
    /// A vault in memory does not have this operation.
    #[error("a vault in memory ends with this command")]
    InMemory,
    /// Another program did not give or keep a key.
    #[error(transparent)]
    KeyCommand(#[from] key_command::Error),
    /// The same error as a moment ago: a program that failed is left alone for a while.
    #[error("{why}")]
    Earlier {
        /// The text of that error, with its causes.
        why: String,
        /// The advice for the user.
        hint: Option<String>,
    },
    /// `mcpipe.toml` cannot be used: it may be another user's, and its key command is not known.
    #[error("mcpipe.toml, which says what opens the vault, cannot be used")]
    Unread(#[source] Arc<files::Error>),
    /// The unlock agent failed.
    #[error(transparent)]
    Agent(#[from] agent::Error),
    /// The source gave no passphrase.
    #[error(transparent)]
    Passphrase(#[from] passphrase::Error),
    /// The file is no vault, damaged, from a newer version, or asks too much.
    #[error("the vault at {} cannot be used", vault.display())]
    Envelope {
        /// The vault.
        vault: PathBuf,
        /// The error of the format.
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
    File(#[from] files::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// The work was cut off: a panic, or the process is leaving.
    #[error("the vault's work was cut off")]
    CutOff,
}

impl Error {
    /// Returns the same error for callers that come later.
    pub(super) fn earlier(&self) -> Self {
        let causes = std::iter::successors(Some(self as &dyn std::error::Error), |it| it.source());
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        Self::Earlier {
            why: causes.join(": "),
            hint: self.hint(),
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Locked { .. } => {
                "run `mcpipe vault unlock`, or give the passphrase in MCPIPE_PASSPHRASE_FILE or with --passphrase-command"
            }
            Self::TooManyPassphrases => "take one away: `mcpipe vault slot remove`",
            Self::WrongPassphrases { .. } => {
                "open it by another slot and take those away that nobody uses: `mcpipe vault slot remove`; \
                 if nobody added so many, the file was tampered with: restore it from a backup"
            }
            Self::WrongPassphrase {
                from: Some(from), ..
            } => return Some(format!("see that {from} holds this vault's passphrase")),
            Self::WrongPassphrase { vault, from: None } => {
                return Some(format!(
                    "Forgotten? It cannot be recovered: move {} away and sign in again",
                    vault.display()
                ));
            }
            Self::NoPassphraseOpens { .. } => {
                "make the file with `mcpipe vault export` on the machine whose vault it is"
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
            Self::ForeignKey { .. } => "restore the key there, or open the vault by another slot",
            Self::NoVault { .. } => "`mcpipe vault init` makes one; so does the first sign-in",
            Self::NoExport { .. } => "`mcpipe vault export FILE` makes one on the other machine",
            Self::AlreadyThere { .. } => "`mcpipe vault status` says what opens it",
            Self::NoSuchSlot { .. } => {
                "`mcpipe vault slot list` shows them; an id is always single"
            }
            Self::SlotTaken { .. } => {
                "`mcpipe vault passwd` changes a passphrase, `mcpipe vault slot rotate` any slot's key"
            }
            Self::LastSlot { .. } | Self::LockOut { .. } => {
                "add another first: `mcpipe vault slot add passphrase`"
            }
            Self::SlotClosed { .. } => {
                "give its passphrase or key, or take it away first: `mcpipe vault slot remove`"
            }
            Self::NoCredential => "run mcpipe in a unit with LoadCredential=mcpipe-vault-key:…",
            Self::KeyCommand(key_command::Error::Unconfigured) => {
                "in mcpipe.toml write: [vault] key_command = [\"program\", \"argument\"]"
            }
            Self::KeyCommand(_) => "run the program by hand to see what it says",
            Self::Earlier { hint, .. } => return hint.clone(),
            Self::Agent(error) => return error.hint(),
            Self::File(error) => return error.hint(),
            Self::Unread(error) => return error.hint(),
            Self::InMemory => "leave out --vault none",
            Self::Stale | Self::Passphrase(_) | Self::Random(_) | Self::CutOff => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}
