//! Translation between a host and a server of either era: the actions for the loop, and the news it brings.
//!
//! A [`Translator`] takes frames of the host and arrivals of exchanges, and pushes actions. It does no I/O and reads no
//! clock. A frame of the host goes through `translator` (the phase, and which pair host and server make) and `cache` to
//! the relay of that pair: [`legacy`] and [`modern`] where both sides have the same era, [`legacy_to_modern`] and
//! [`modern_to_legacy`], host first, where they differ. What comes of it goes back the same way.
//!
//! `action`, `arrival` and `exchange` are the words between the loop and a translator, `relay` is the trait of the
//! pairs. Below the pairs: `protocol` has the tables, `detect` the evidence of a server's era, `headers` the header
//! layer of the modern era, `secrets` what of a host's messages is written nowhere; `server_info`, `standing`,
//! `subscriptions`, `progress` and `task` what several pairs need.
//! `remembered` repeats the handshake of an earlier time.

mod action;
mod arrival;
mod cache;
pub(crate) mod detect;
mod exchange;
mod extensions;
mod headers;
pub mod legacy;
pub mod legacy_to_modern;
pub mod modern;
pub mod modern_to_legacy;
mod progress;
pub(crate) mod protocol;
mod relay;
pub(crate) mod remembered;
mod response;
pub(crate) mod secrets;
mod server_info;
mod standing;
pub(crate) mod subscriptions;
mod task;
mod translator;

pub use action::{Action, CallLimit, Listen, Post, Standalone};
pub use arrival::Arrival;
pub(crate) use detect::lasts;
pub use exchange::{ExchangeId, Mint};
pub use legacy::{Legacy, Transport};
pub(crate) use legacy::{error_reply, is_session_loss};
pub use legacy_to_modern::LegacyToModern;
pub use modern::Modern;
pub use modern_to_legacy::ModernToLegacy;
use relay::{Pair, Relay};
pub use response::{Head, HttpError};
pub use translator::{Options, Protocol, RememberedDiscover, ServerEra, Translator};
