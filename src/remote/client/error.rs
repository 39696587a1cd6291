//! The reasons why a request got no response, or not all of it.

use std::error::Error as StdError;

use super::connect::TimedOut;

/// A failed exchange. The causes are told by [`StdError::source`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot stand in a request.
    #[error("the address cannot be requested")]
    Address(#[source] Box<dyn StdError + Send + Sync>),
    /// No connection was made, so nothing was sent.
    #[error("no connection")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    /// The exchange broke after the request may have been read.
    #[error("the exchange broke")]
    Broken(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("nothing came")]
    Silent(#[source] TimedOut),
}

impl Error {
    /// Says whether nothing was sent.
    pub fn is_before_sending(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Connect(_))
    }

    /// Says whether no connection was made.
    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}
