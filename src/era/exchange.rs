//! Exchanges and their names: one HTTP request each, and everything that comes back on it.

/// Names one exchange: one HTTP request and everything that comes back on it. Minted in order, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// Mints exchange ids and the numbers in request ids of ours.
#[derive(Debug, Default)]
pub struct Mint(u64);

impl Mint {
    /// Makes a mint that begins after this number.
    pub(crate) fn beyond(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number that the mint has given out last, or that it began after.
    pub(super) fn last(&self) -> u64 {
        self.0
    }

    pub(crate) fn exchange(&mut self) -> ExchangeId {
        ExchangeId(self.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}
