//! The command line's choices for a translator, and the findings of an earlier start.

use std::time::Duration;

use super::server_era::ServerEra;
use crate::era::Transport;

/// The choice of era to speak with the server (`--protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The era that the server speaks.
    #[default]
    Auto,
    /// The handshake of 2025-11-25 and before.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// A remote's word of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedDiscover {
    /// The capabilities that the asking host declared, as JSON text.
    pub capabilities: String,
    /// The `DiscoverResult`, as JSON text.
    pub discover: String,
}

/// The command line's choices, and the findings of an earlier start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--protocol`.
    pub protocol: Protocol,
    /// `--transport`.
    pub transport: Transport,
    /// The era that an earlier start found, if that is young enough to be believed.
    pub remembered: Option<ServerEra>,
    /// That era is [`ServerEra::Modern`], and no legacy host's `initialize` has been tried: only modern hosts came.
    pub is_legacy_untried: bool,
    /// Discover results of a modern server, as far as they may still be repeated.
    pub known: Vec<RememberedDiscover>,
    /// The name for a server that does not give its own.
    pub server: String,
    /// For unguessable handles.
    pub seed: [u8; 32],
    /// Extensions that the bridge itself supports, by the names under which clients declare them.
    pub extensions: Vec<&'static str>,
    /// The time for which lists may be repeated whose server does not say (`--cache-ttl`); without it they are not.
    pub cache_ttl: Option<Duration>,
}
