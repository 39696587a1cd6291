//! A legacy host with a modern remote: a local handshake and translation (protocol.md 2.5).

use super::{Action, Arrival, ExchangeId, Mint};
use crate::frame::Frame;

/// The translator.
#[derive(Debug)]
pub struct LegacyHost {}

impl LegacyHost {
    /// `discover` is the remote's `DiscoverResult` as JSON text, `initialize` the host's request, which it answers at once.
    pub fn new(
        _mint: Mint,
        _discover: &str,
        _initialize: Frame,
        _actions: &mut Vec<Action>,
    ) -> Self {
        Self {}
    }

    /// Takes a frame from the host.
    pub fn from_host(&mut self, _frame: Frame, _actions: &mut Vec<Action>) {}

    /// Takes what an exchange brought.
    pub fn from_remote(
        &mut self,
        _exchange: ExchangeId,
        _arrival: Arrival,
        _actions: &mut Vec<Action>,
    ) {
    }

    /// A time asked for with [`Action::Wake`] is over.
    pub fn woke(&mut self, _token: u64, _actions: &mut Vec<Action>) {}

    /// Asks the remote whether it is there, where the era has a way to.
    pub fn ping(&mut self, _actions: &mut Vec<Action>) {}

    /// The host has closed stdin: it can answer nothing any more.
    pub fn host_gone(&mut self, _actions: &mut Vec<Action>) {}

    /// The last thing.
    pub fn leave(&mut self, _actions: &mut Vec<Action>) {}
}
