//! The bridge's flags: transport, era, the time it waits, and the way it leaves.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::units::{duration, in_flight, seconds};
use crate::era::{Protocol, Transport};

/// The bridge's flags: how it speaks, waits and leaves.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bridge")]
pub struct BridgeOptions {
    /// Which transport to try first
    #[arg(
        long,
        value_enum,
        default_value = "http-first",
        env = "MCPIPE_TRANSPORT"
    )]
    pub transport: TransportArg,
    /// Which protocol era to speak with the server: 'legacy' begins with initialize (2025-11-25 and before), 'modern' is 2026-07-28
    #[arg(long, value_enum, default_value = "auto", env = "MCPIPE_PROTOCOL")]
    pub protocol: ProtocolArg,
    /// How long to wait for answers when stdin has ended, and for a sign-in that a user sees
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, env = "MCPIPE_GRACE")]
    pub grace: f64,
    /// Requests at the server at once; more wait their turn
    #[arg(long, value_name = "N", default_value = "512", value_parser = in_flight, env = "MCPIPE_MAX_IN_FLIGHT")]
    pub max_in_flight: u32,
    /// Lets every request wait for a sign-in, `initialize` too, as long as it takes; a pipe waits too
    #[arg(long, env = "MCPIPE_WAIT_FOR_LOGIN")]
    pub wait_for_login: bool,
    /// Pings the server now and then
    #[arg(long, env = "MCPIPE_KEEP_ALIVE")]
    pub keep_alive: bool,
    /// How often to ping it (implies --keep-alive; default 30)
    #[arg(long, value_name = "SECONDS", value_parser = seconds, env = "MCPIPE_PING_INTERVAL")]
    pub ping_interval: Option<f64>,
    /// Answers lists from memory for this long (500ms, 30s, 2m), if the server does not say how long they are good; off by default
    #[arg(long, value_name = "TIME", value_parser = duration, env = "MCPIPE_CACHE_TTL")]
    pub cache_ttl: Option<Duration>,
    /// Writes what host and server say to a file that you can pass on: no secrets, and of the content only types, lengths and names
    #[arg(long, value_name = "FILE", env = "MCPIPE_RECORD")]
    pub record: Option<PathBuf>,
    /// Keeps the content of messages in the file of --record
    #[arg(long, env = "MCPIPE_RECORD_CONTENT")]
    pub record_content: bool,
}

/// The era to speak.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProtocolArg {
    /// Whichever the server speaks
    Auto,
    /// The handshake of 2025-11-25 and before
    Legacy,
    /// 2026-07-28
    Modern,
}

impl From<ProtocolArg> for Protocol {
    fn from(arg: ProtocolArg) -> Self {
        match arg {
            ProtocolArg::Auto => Self::Auto,
            ProtocolArg::Legacy => Self::Legacy,
            ProtocolArg::Modern => Self::Modern,
        }
    }
}

/// The order of transports, in mcp-remote's words.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TransportArg {
    /// Streamable HTTP, then HTTP+SSE
    HttpFirst,
    /// HTTP+SSE, then Streamable HTTP
    SseFirst,
    /// Streamable HTTP only
    HttpOnly,
    /// HTTP+SSE only
    SseOnly,
}

impl From<TransportArg> for Transport {
    fn from(arg: TransportArg) -> Self {
        match arg {
            TransportArg::HttpFirst => Self::HttpFirst,
            TransportArg::SseFirst => Self::SseFirst,
            TransportArg::HttpOnly => Self::HttpOnly,
            TransportArg::SseOnly => Self::SseOnly,
        }
    }
}
