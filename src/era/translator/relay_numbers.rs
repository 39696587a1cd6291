//! The numbers of the relays of one translator: each relay mints exchange ids from a range of its own, so that an
//! exchange tells which relay it belongs to.

use crate::era::{ExchangeId, Mint};

/// The number of exchange ids for each relay, as a power of two.
const RANGE: u32 = 40;
/// Relays that count in ranges of their own. Their numbers are ids of requests too, and those stay below 2^53, where
/// JSON numbers read as doubles are exact. Of a relay that is this many relays ago nothing is left.
const MAX_MADE: u64 = (1 << 12) - 1;

/// The relays made so far, and the one that serves the host.
#[derive(Debug, Default)]
pub(super) struct RelayNumbers {
    made: u64,
    serving: u64,
}

impl RelayNumbers {
    /// Makes a mint for another relay, whose numbers meet no other relay's.
    pub(super) fn mint(&mut self) -> Mint {
        self.made = self.made % MAX_MADE + 1;
        Mint::beyond(self.made << RANGE)
    }

    /// Returns the number of the relay that was made last.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Lets the relay that was made last serve the host.
    pub(super) fn serve_last(&mut self) {
        self.serving = self.made;
    }

    /// Returns the number of the relay that serves the host.
    pub(super) fn serving(&self) -> u64 {
        self.serving
    }

    /// Says whether an exchange is of the relay that serves the host.
    pub(super) fn is_serving(&self, exchange: ExchangeId) -> bool {
        exchange.0 >> RANGE == self.serving
    }
}
