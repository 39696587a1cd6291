//! An entry of the vault as callers see it: its kind, its revision, and the condition for a write.

use crate::secret::Secret;

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Tokens for one resource.
    Oauth,
    /// A client registration with one issuer.
    ClientRegistration,
    /// A secret that the user put there.
    ApiKey,
    /// The key that signs DPoP proofs.
    DpopKey,
    /// The key that signs client assertions.
    JwtKey,
    /// The definitions of a server that the user has accepted.
    Pins,
}

impl EntryKind {
    const ALL: [Self; 6] = [
        Self::Oauth,
        Self::ClientRegistration,
        Self::ApiKey,
        Self::DpopKey,
        Self::JwtKey,
        Self::Pins,
    ];

    /// Returns the kind's name in the format.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Oauth => "oauth",
            Self::ClientRegistration => "client_reg",
            Self::ApiKey => "api_key",
            Self::DpopKey => "dpop_key",
            Self::JwtKey => "jwt_key",
            Self::Pins => "pins",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A decrypted entry.
#[derive(Clone, Debug)]
pub struct VaultEntry {
    /// The kind.
    pub kind: EntryKind,
    /// The revision; it grows with every write, and is never used again. Compare-and-swap uses it.
    pub rev: u64,
    /// JSON text.
    pub content: Secret,
}

/// The condition for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Any entry, or none; an entry that is there is replaced.
    Anything,
    /// No entry of this name.
    Absent,
    /// An entry of this revision.
    Revision(u64),
}

impl Expected {
    pub(super) fn is_so(self, found: Option<u64>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => found.is_none(),
            Self::Revision(wanted) => found == Some(wanted),
        }
    }
}
