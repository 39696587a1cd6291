//! The gate: the step that the host's frames wait for.

use crate::era::ExchangeId;
use crate::frame::BridgeError;

/// The step that the host's frames wait for.
#[derive(Debug)]
pub(super) enum Gate {
    /// Nothing.
    Open,
    /// HTTP+SSE: the `endpoint` event.
    Endpoint(Opening),
    /// The answer to `initialize`.
    Initialize(ExchangeId, Opening),
    /// The acceptance of `notifications/initialized`.
    Initialized(ExchangeId, Opening),
    /// The standing stream, opened or refused.
    Listening(ExchangeId, Opening),
    /// The answers to that many restoring requests, which only a session that is opened again needs.
    Restoring(usize),
    /// The session is lost and could not be opened again, for this reason; the next request tries again.
    Broken(BridgeError),
}

/// The occasion on which a session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// The host's `initialize`.
    First,
    /// The loss of the session.
    Again,
}

impl Gate {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }

    pub(super) fn opening(&self) -> Opening {
        match self {
            Self::Open => Opening::First,
            Self::Endpoint(opening)
            | Self::Initialize(_, opening)
            | Self::Initialized(_, opening)
            | Self::Listening(_, opening) => *opening,
            Self::Restoring(_) | Self::Broken(_) => Opening::Again,
        }
    }

    /// Says whether a lost session is being opened again, or could not be.
    pub(super) fn is_reopening(&self) -> bool {
        self.opening() == Opening::Again
    }

    pub(super) fn awaits_endpoint(&self) -> bool {
        matches!(self, Self::Endpoint(_))
    }

    /// Says whether this exchange is to bring the answer to `initialize`.
    pub(super) fn awaits_initialize(&self, exchange: ExchangeId) -> bool {
        matches!(self, Self::Initialize(awaited, _) if *awaited == exchange)
    }

    /// Says whether this exchange is to bring the answer to the host's own `initialize`.
    pub(super) fn awaits_first_initialize(&self, exchange: ExchangeId) -> bool {
        self.awaits_initialize(exchange) && !self.is_reopening()
    }

    /// Says whether this exchange is to bring the acceptance of `notifications/initialized`.
    pub(super) fn awaits_initialized(&self, exchange: ExchangeId) -> bool {
        matches!(self, Self::Initialized(awaited, _) if *awaited == exchange)
    }

    /// Says whether this exchange is to open the standing stream.
    pub(super) fn awaits_stream(&self, exchange: ExchangeId) -> bool {
        matches!(self, Self::Listening(awaited, _) if *awaited == exchange)
    }
}
