//! The gate: the step that the host's frames wait for.

use crate::era::ExchangeId;

/// The step that the host's frames wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nothing.
    Open,
    /// HTTP+SSE: the `endpoint` event.
    Endpoint,
    /// The answer to `initialize`.
    Initialize(ExchangeId),
    /// The acceptance of `notifications/initialized`.
    Initialized(ExchangeId),
    /// The standing stream, opened or refused.
    Listening(ExchangeId),
    /// The answers to that many restoring requests.
    Restoring(usize),
    /// The session is lost and could not be opened; the next request tries again.
    Broken,
}
