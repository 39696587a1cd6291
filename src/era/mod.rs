//! Translation between a host and a server of either era: the actions for the loop, and the news it brings.
//!
//! A [`Translator`] takes frames of the host and arrivals of exchanges, and pushes actions. It does no I/O and reads no
//! clock. A frame of the host goes through `translator` (the phase, and which pair host and server make) and `cache` to
//! the relay of that pair: [`legacy`] and [`modern`] where both sides have the same era, [`legacy_to_modern`] and
//! [`modern_to_legacy`], host first, where they differ. What comes of it goes back the same way.
//!
//! Below the pairs: `protocol` has the constants, `detect` the evidence of a server's era, `headers` the header layer of
//! the modern era, `server_info` and `subscriptions` what several pairs need.

mod cache;
pub(crate) mod detect;
mod extensions;
mod headers;
pub mod legacy;
pub mod legacy_to_modern;
pub mod modern;
pub mod modern_to_legacy;
pub(crate) mod protocol;
mod relay;
mod response;
mod server_info;
mod subscriptions;
mod translator;

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::frame::{BridgeError, Frame, Id};

pub(crate) use detect::lasts;
pub use legacy::{Legacy, Transport};
pub(crate) use legacy::{error_reply, is_session_loss};
pub use legacy_to_modern::LegacyToModern;
pub use modern::Modern;
pub use modern_to_legacy::ModernToLegacy;
use relay::{Pair, Relay};
pub use response::{Head, HttpError};
pub use translator::{Options, Protocol, RememberedDiscover, ServerEra, Translator};

/// Names one exchange: one HTTP request and everything that comes back on it. Minted in order, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// Something for the loop to do.
#[derive(Debug)]
pub enum Action {
    /// Tell the host.
    Reply(Frame),
    /// The host has cancelled this request: it is owed nothing any more (MCP 2026-07-28, basic/patterns/cancellation).
    Cancelled(Id),
    /// Post a frame.
    Post(Post),
    /// Open a stream that stands as long as the session.
    Listen(Listen),
    /// Drop an exchange: its stream is closed and nothing more is heard of it.
    Close(ExchangeId),
    /// Call [`on_timer`](Translator::on_timer) with this token after this time. A token may be asked for again before
    /// it is due; each asking is answered.
    SetTimer {
        /// From now.
        after: Duration,
        /// Chosen by who asks.
        token: u64,
        /// The timer is for another try: somewhat later will do, and many bridges should not do it in step.
        is_retry: bool,
    },
    /// Leave the session these headers name (MCP 2025-11-25, basic/transports), at once: what is still to be said in it
    /// has been said.
    EndSession(HeaderMap),
}

/// A frame on its way to the remote.
#[derive(Clone, Debug)]
pub struct Post {
    /// The exchange it opens.
    pub exchange: ExchangeId,
    /// The frame that is posted.
    pub frame: Frame,
    /// The headers that the era adds: version, session, method.
    pub headers: HeaderMap,
    /// HTTP+SSE: the path the remote named, as it wrote it; the answer then comes on the standing stream.
    pub endpoint: Option<String>,
    /// A broken response stream may be resumed by its last event id (MCP 2025-11-25, basic/transports).
    pub is_resumable: bool,
    /// The exchange itself may send the frame again where it is unknown whether the server saw it, and that does no
    /// harm. Where it may not, the era does: a modern request goes out again under a new id only (MCP 2026-07-28,
    /// changelog).
    pub may_repeat: bool,
    /// The frame asks which era the server speaks: any answer settles that, so the exchange sends it once.
    pub is_probe: bool,
    /// The longest time for its answer, beside `--call-timeout`: requests of our own do not wait for ever.
    pub patience: Option<Duration>,
    /// The host waits for the outcome. Only then may a challenge lead to a user being asked to sign in; any other ends
    /// as [`Arrival::Refused`] with the status of the challenge.
    pub is_asked_by_host: bool,
}

/// A stream on which the remote speaks unasked.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The exchange it opens.
    pub exchange: ExchangeId,
    /// The headers that the era adds.
    pub headers: HeaderMap,
    /// The kind of the stream.
    pub kind: Standing,
    /// As in [`Post`]. A stream that is not asked for is opened when a credential has come that another request led to.
    pub is_asked_by_host: bool,
}

/// The kinds of standing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Streamable HTTP's optional GET stream: reopened by its exchange for as long as the session lives
    /// (MCP 2025-11-25, basic/transports).
    Get,
    /// HTTP+SSE's one stream, which is the session (MCP 2024-11-05, basic/transports): never reopened by its exchange.
    /// The number counts earlier losses in a row, and the exchange waits accordingly before it opens.
    Sse(u32),
}

/// News from an exchange. Exactly one of the last six ends it.
#[derive(Debug)]
pub enum Arrival {
    /// The head of a 2xx response; for a standing stream also when none came in good time, and then without a status.
    Opened(Head),
    /// HTTP+SSE's `endpoint` event, as written.
    Endpoint(String),
    /// A message.
    Frame(Frame),
    /// A 2xx without a message.
    Accepted(Head),
    /// The response is complete, or a standing stream is over for good.
    Ended,
    /// An HTTP refusal of the request itself: nothing was done.
    Refused(HttpError),
    /// The session was gone when a cut response was to be resumed: the answer is lost with it.
    LostWithSession(HttpError),
    /// No answer will come.
    Failed(BridgeError),
    /// No answer has come in good time; the remote may still be at work, and can be told to stop (MCP 2025-11-25,
    /// basic/lifecycle).
    GivenUp(BridgeError),
}

impl Arrival {
    /// Says whether nothing follows.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Opened(_) | Self::Endpoint(_) | Self::Frame(_))
    }
}

/// Makes a header value of a text from the server.
pub(crate) fn header(text: &str) -> Option<HeaderValue> {
    // Only what the remote sent goes in here; anything but visible ASCII is dropped (RFC 9110 section 5.5).
    text.bytes()
        .all(|byte| (0x21..=0x7e).contains(&byte))
        .then(|| HeaderValue::from_str(text).ok())?
}

/// Mints exchange ids and the numbers in request ids of ours.
#[derive(Debug, Default)]
pub struct Mint(u64);

impl Mint {
    /// Makes a mint that begins after this number.
    pub(crate) fn beyond(number: u64) -> Self {
        Self(number)
    }

    pub(crate) fn exchange(&mut self) -> ExchangeId {
        ExchangeId(self.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}
