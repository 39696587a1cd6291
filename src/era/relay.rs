//! The conversation of one pair of eras, once it is known which pair a host and a server make.

use std::collections::VecDeque;
use std::fmt;

use super::action::Action;
use super::arrival::Arrival;
use super::exchange::ExchangeId;
use crate::frame::Frame;

/// A pair of eras, the host's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Legacy,
    Modern,
    LegacyToModern,
    ModernToLegacy,
}

impl Pair {
    pub(super) fn is_host_modern(self) -> bool {
        matches!(self, Self::Modern | Self::ModernToLegacy)
    }
}

/// The four pairs as the translator speaks to them. Each takes frames and arrivals and pushes actions.
pub(super) trait Relay: fmt::Debug + Send {
    fn pair(&self) -> Pair;

    /// Takes a frame from the host.
    fn on_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>);

    /// Takes what an exchange brought.
    fn on_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>);

    /// Takes the end of a time that was asked for with [`Action::SetTimer`].
    fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>);

    /// Asks the server whether it is there, where the era has a way to (`--ping-interval`).
    fn ping(&mut self, actions: &mut Vec<Action>);

    /// Takes the news that the host has closed stdin: it can answer nothing any more.
    fn on_host_gone(&mut self, actions: &mut Vec<Action>);

    /// Ends what is open, as the last thing before the bridge leaves.
    fn leave(&mut self, actions: &mut Vec<Action>);

    /// Ends and closes everything at once, where the loop goes on with another relay: nothing of this one may be
    /// heard any more.
    fn abandon(&mut self, actions: &mut Vec<Action>);

    /// Returns how many frames of the host have not been sent yet.
    fn waiting(&self) -> usize;

    /// Takes the server's `InitializeResult`, as JSON text, where the pair asked for it in the place of a host that knows
    /// no `initialize`.
    fn take_initialized(&mut self) -> Option<String> {
        None
    }

    /// Returns everything the host has said, if all of it waits for the handshake that is answered on this exchange.
    /// A pair without a handshake towards the server has none.
    fn waiting_for_handshake(&self, exchange: ExchangeId) -> Option<VecDeque<Frame>> {
        let _ = exchange;
        None
    }
}
