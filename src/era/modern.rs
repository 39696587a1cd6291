//! Host and remote both modern: a relay with a header layer (protocol.md 2.4).

use super::{Action, Arrival, ExchangeId, Mint};
use crate::frame::Frame;

/// The relay.
#[derive(Debug)]
pub struct Modern {}

impl Modern {
    /// Begins with nothing known of the remote's tools.
    pub fn new(_mint: Mint) -> Self {
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
