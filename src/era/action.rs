//! Actions: the steps that a translator asks the loop to take.

use std::time::Duration;

use http::HeaderMap;

use super::exchange::ExchangeId;
use crate::frame::{Frame, Id};

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
    /// The exchange of a request that turns out to stand: no limit on the time of a call, on those under way or on a
    /// silence is for it any more.
    Stand(ExchangeId),
    /// Call [`on_timer`](crate::era::Translator::on_timer) with this token after this time. A token may be asked for again before
    /// it is due; each asking is answered.
    SetTimer {
        /// From now.
        after: Duration,
        /// Chosen by who asks.
        token: u64,
        /// The timer is for another try: somewhat later will do, and many bridges should not do it in step.
        is_retry: bool,
    },
    /// Report an exchange as given up when the time that a call may take has passed (`--call-timeout`).
    Limit(CallLimit),
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
    /// as [`crate::era::Arrival::Refused`] with the status of the challenge.
    pub is_asked_by_host: bool,
}

/// The time limit of a call that a server works on between requests, as a task.
#[derive(Clone, Debug)]
pub struct CallLimit {
    /// The exchange that is given up then. It sends nothing. Where there is no such time it is never heard of.
    pub exchange: ExchangeId,
    /// The call, by whose tool the time is found.
    pub call: Frame,
}

/// A stream on which the remote speaks unasked.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The exchange it opens.
    pub exchange: ExchangeId,
    /// The headers that the era adds.
    pub headers: HeaderMap,
    /// The kind of the stream.
    pub kind: Standalone,
    /// As in [`Post`]. A stream that is not asked for is opened when a credential has come that another request led to.
    pub is_asked_by_host: bool,
}

/// The kinds of standing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standalone {
    /// Streamable HTTP's optional GET stream: reopened by its exchange for as long as the session lives
    /// (MCP 2025-11-25, basic/transports).
    Get,
    /// HTTP+SSE's one stream, which is the session (MCP 2024-11-05, basic/transports): never reopened by its exchange.
    /// The number counts earlier losses in a row, and the exchange waits accordingly before it opens.
    Sse(u32),
}
