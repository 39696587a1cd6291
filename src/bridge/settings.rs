//! The settings of one run of the bridge.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::audit::{Audit, Source};
use crate::bridge::elsewhere::Elsewhere;
use crate::era::{Protocol, Transport};
use crate::pin_store::PinStore;
use crate::policy::{Rule, Rules};
use crate::result_store::ResultStore;
use crate::server_cache::ServerCache;

/// The settings of one run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The legacy transport to try first.
    pub transport: Transport,
    /// The era to speak with the remote (`--protocol`).
    pub protocol: Protocol,
    /// The time to wait for answers once the host has left (`--grace`).
    pub grace: Duration,
    /// The number of requests that the server gets at once (`--max-in-flight`); more wait their turn.
    pub max_in_flight: usize,
    /// The pause between two pings of the remote (`--ping-interval`); never if absent.
    pub ping_interval: Option<Duration>,
    /// The extensions that are declared to the server beside those that the host declares.
    pub extensions: Vec<&'static str>,
    /// The time for which lists of a server that states no time may be given again (`--cache-ttl`); never if absent.
    pub cache_ttl: Option<Duration>,
    /// The time for which a request may wait for a user to sign in before its answer says that a sign-in is needed.
    /// `None` waits as long as the sign-in does, `initialize` included (`--wait-for-login`).
    pub sign_in_patience: Option<Duration>,
    /// True where a user can be told to sign in, and would see it: on a terminal, or a display. Then requests that came
    /// through a pipe wait for the sign-in when stdin has ended; before its end this is not asked.
    pub has_user: bool,
    /// A function that says whether the reader of stdout has left, as far as can be seen without writing.
    pub is_reader_gone: fn() -> bool,
    /// True once stdin has ended and a sign-in is waited for.
    pub awaits_sign_in: watch::Sender<bool>,
    /// The server's name, for a host that gets an early answer.
    pub server: String,
    /// The facts learned about the server, and the place to keep more of them.
    pub facts: ServerCache,
    /// The rules for what the host may list and call.
    pub policy: Rules,
    /// The path, without an ending, of the files in which processes share the state of limits on calls; with limits and
    /// without it, calls are refused.
    pub limits_stem: Option<PathBuf>,
    /// The audit of what the host sends (`--audit`).
    pub audit: Option<Auditing>,
    /// The place of results that are too large for the host.
    pub results: Arc<ResultStore>,
    /// The place of the pins, for a policy that pins definitions.
    pub pins: Option<PinSettings>,
    /// The search for the server at another address, should this one show that it has none.
    pub elsewhere: Option<Elsewhere>,
    /// The wall clock.
    pub now: fn() -> SystemTime,
    /// A function that returns a random number from 0 to 1 ([`crate::random::fraction`]): the part of the longest delay
    /// that is added before a repeated attempt.
    pub random_fraction: fn() -> f64,
}

/// The audit of one run.
#[derive(Clone, Debug)]
pub struct Auditing {
    /// The file.
    pub audit: Audit,
    /// The part of each line that says whose it is.
    pub source: Source,
    /// True where lines have the arguments of calls (`--audit-arguments`).
    pub keeps_arguments: bool,
    /// The rule by which requests are refused while the file cannot be written.
    pub rule: Rule,
}

impl Settings {
    /// Returns the defaults of the command line, without memory and without randomness.
    pub fn new(now: fn() -> SystemTime) -> Self {
        Self {
            transport: Transport::default(),
            protocol: Protocol::default(),
            grace: Duration::from_secs(30),
            max_in_flight: 512,
            ping_interval: None,
            extensions: Vec::new(),
            cache_ttl: None,
            sign_in_patience: Some(Duration::from_secs(45)),
            has_user: false,
            is_reader_gone: || false,
            awaits_sign_in: watch::Sender::new(false),
            server: String::new(),
            facts: ServerCache::nowhere(),
            policy: Rules::default(),
            results: Arc::new(ResultStore::nowhere()),
            limits_stem: None,
            audit: None,
            pins: None,
            elsewhere: None,
            now,
            random_fraction: || 0.0,
        }
    }
}

/// The pins of the account at the server.
#[derive(Clone, Debug)]
pub struct PinSettings {
    /// The place where they are kept.
    pub store: PinStore,
    /// The command that shows them: `mcpipe pins` with the server's address and the account.
    pub command: String,
}
