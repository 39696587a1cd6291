//! The eras that a server speaks, as far as they have been found out.

/// The eras that a server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEra {
    /// The server answers `server/discover`, and offers a legacy host nothing better.
    Modern,
    /// The server does not answer `server/discover`.
    Legacy,
    /// The server answers `server/discover`, and serves legacy hosts in sessions of their own.
    Both,
}

impl ServerEra {
    /// Returns the word under which the era is remembered.
    pub fn word(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
            Self::Both => "both",
        }
    }

    /// Reads the word of [`ServerEra::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Modern, Self::Legacy, Self::Both]
            .into_iter()
            .find(|era| era.word() == word)
    }
}
