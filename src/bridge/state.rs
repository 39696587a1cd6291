//! The state of the loop, and its beginning. `mod.rs` and `drain` change it.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authorizer;
use crate::bridge::conversation::Conversation;
use crate::bridge::early_discover::EarlyDiscover;
use crate::bridge::early_initialize::EarlyInitialize;
use crate::bridge::elsewhere::Absence;
use crate::bridge::end::Stop;
use crate::bridge::enforcement::Enforcement;
use crate::bridge::exchanges::{ExchangeEvent, Exchanges, Waiting};
use crate::bridge::inflight::Inflight;
use crate::bridge::outstanding::Outstanding;
use crate::bridge::server_memory::ServerMemory;
use crate::bridge::settings::Settings;
use crate::bridge::startup::Startup;
use crate::bridge::subscriptions::Subscriptions;
use crate::bridge::unanswered::Reason;
use crate::clock::Elapsed;
use crate::era::{ExchangeId, Translator};
use crate::frame::Id;
use crate::remote::Remote;
use crate::stdio::{Host, Line, Written};

/// The number of arrivals that wait for the loop. When the queue is full, exchanges stop reading, and the server has to
/// wait.
pub(super) const QUEUE: usize = 64;

/// The number of answers that are sent to the server at once, each for a while.
const MAX_ANSWERS: usize = 256;

/// The parts of one run of the bridge.
pub struct Parts<R> {
    /// The host's pipes.
    pub host: Host,
    /// The server.
    pub remote: R,
    /// The source of credentials.
    pub authorizer: Arc<Authorizer>,
    /// The settings.
    pub settings: Settings,
    /// The signals to leave.
    pub stop: Stop,
}

pub(super) struct Bridge<R> {
    pub(super) exchanges: Arc<Exchanges<R>>,
    pub(super) translator: Translator,
    pub(super) elapsed: Elapsed,
    pub(super) inflight: Inflight,
    pub(super) conversation: Conversation,
    pub(super) early_initialize: EarlyInitialize,
    pub(super) early_discover: EarlyDiscover,
    pub(super) subscriptions: Subscriptions,
    /// The policy, where there is one.
    pub(super) enforcement: Option<Arc<Enforcement>>,
    /// The reason why the server has not answered the handshake to which the host has an answer that is none of the
    /// server's.
    pub(super) unanswered_initialize: Option<Reason>,
    pub(super) running: HashMap<ExchangeId, RunningExchange>,
    pub(super) tracker: TaskTracker,
    /// The facts about the server for the next start.
    pub(super) memory: ServerMemory,
    pub(super) out: mpsc::Sender<Written>,
    pub(super) stop: Stop,
    pub(super) grace: Duration,
    /// True once the host has stopped reading, or has closed its end: it gets no further lines.
    pub(super) host_unreachable: bool,
    /// The requests that were read after the time to send them.
    pub(super) unsent: Vec<Id>,
    /// The signs that no server is at its address.
    pub(super) absence: Absence,
    /// Sessions to be ended last of all; none before that time has come.
    pub(super) sessions_to_end: Option<Vec<HeaderMap>>,
}

pub(super) struct RunningExchange {
    pub(super) token: CancellationToken,
    /// The request that the exchange was opened for.
    pub(super) id: Option<Id>,
    /// The log's span for this exchange.
    pub(super) span: tracing::Span,
    pub(super) is_standing: bool,
    /// The signal to the exchange that its request stands, where its method does not show that.
    pub(super) stands: Option<CancellationToken>,
    /// The reason for which the exchange waits for a credential, if it does.
    pub(super) waiting: Option<Waiting>,
}

pub(super) struct Inputs {
    pub(super) lines: mpsc::Receiver<Line>,
    pub(super) events: mpsc::Receiver<ExchangeEvent>,
    pub(super) user_awaited: watch::Receiver<bool>,
    pub(super) flushed: oneshot::Receiver<()>,
    pub(super) ping: Option<time::Interval>,
    /// The time at which the host gets an early answer although a user is waited for.
    pub(super) answer_early_at: Option<Instant>,
}

/// The reader of stdout is gone.
pub(super) struct WriterGone;

impl<R: Remote> Bridge<R> {
    /// Returns the state at the start of a run, and the inputs of the loop.
    pub(super) fn new(parts: Parts<R>) -> (Self, Inputs) {
        let Parts {
            host,
            remote,
            authorizer,
            settings,
            stop,
        } = parts;
        let (events_in, events) = mpsc::channel(QUEUE);
        let inputs = Inputs {
            lines: host.lines,
            events,
            user_awaited: authorizer.waits_for_a_person(),
            flushed: host.flushed,
            answer_early_at: None,
            ping: settings.ping_interval.map(|period| {
                let mut ping = time::interval_at(Instant::now() + period, period);
                ping.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
                ping
            }),
        };
        let tracker = TaskTracker::new();
        let leaving = CancellationToken::new();
        let enforcement = Enforcement::new(&settings, &events_in, &tracker, &leaving);
        let memory = ServerMemory::new(settings.facts.clone(), settings.now);
        let bridge = Self {
            translator: Translator::new(memory.options(&settings)),
            elapsed: Elapsed::since((settings.now)(), Instant::now().into_std()),
            inflight: Inflight::default(),
            conversation: Conversation::default(),
            unanswered_initialize: None,
            enforcement,
            early_initialize: EarlyInitialize::new(
                settings.server.clone(),
                memory.initialize_result(&settings.server),
            ),
            early_discover: EarlyDiscover::default(),
            subscriptions: Subscriptions::default(),
            running: HashMap::new(),
            tracker,
            memory,
            out: host.out,
            stop,
            grace: settings.grace,
            host_unreachable: false,
            unsent: Vec::new(),
            absence: Absence::new(settings.elsewhere.clone()),
            sessions_to_end: None,
            exchanges: Arc::new(Exchanges {
                remote,
                authorizer,
                requests: Semaphore::new(settings.max_in_flight),
                answers: Semaphore::new(MAX_ANSWERS),
                outstanding: Outstanding::default(),
                settings,
                asking_since: watch::Sender::new(None),
                events: events_in,
                leaving,
                is_reached: AtomicBool::new(true),
                refused_initialized: Mutex::default(),
                startup: Startup::new(),
            }),
        };
        (bridge, inputs)
    }

    /// Returns the log's span for an exchange, with the name that the audit has for its request.
    pub(super) fn span(&self, exchange: ExchangeId, id: Option<&Id>) -> tracing::Span {
        let enforcement = self.enforcement.as_ref();
        let call = enforcement
            .zip(id)
            .and_then(|(enforcement, id)| enforcement.correlation_id(id));
        // The span's target is the whole program, so that no filter of single modules switches it off.
        match call {
            None => tracing::error_span!(target: "mcpipe", "exchange", exchange = exchange.0),
            Some(call) => {
                tracing::error_span!(target: "mcpipe", "exchange", exchange = exchange.0, call)
            }
        }
    }
}
