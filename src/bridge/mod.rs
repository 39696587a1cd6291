//! The loop that owns all changing state, and moves frames between the host and the server.
//!
//! Three kinds of event go in (a line from the host, a report of an exchange, a signal to stop), actions come out of
//! the translator, and the loop carries them out. The loop waits for two things only, the next event and room at the
//! writer, and never for an exchange, so exchanges may wait for the loop; that is how a slow host slows the server
//! down.
//!
//! On end of file and on a signal alike, the loop stops reading, applies arrivals until no answer is owed or the grace
//! is over, answers the open requests with an error, ends the session, and flushes.

mod conversation;
mod drain;
mod early_initialize;
mod exchanges;
mod inflight;
mod outstanding;
mod response_stream;
mod retry;
mod server_memory;
mod standalone_stream;
mod startup;
mod unanswered;
mod upstream;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::auth::Authorizer;
use crate::auth::store::locked_vault::Closed;
use crate::clock::Elapsed;
use crate::era::{Action, Arrival, ExchangeId, Protocol, Translator, Transport};
use crate::frame::{BridgeError, Frame, Id, Malformed, Parsed};
use crate::remote::Remote;
use crate::server_cache::Facts;
use crate::stdio::{Host, Line, Written};
use conversation::Conversation;
use drain::deadline;
use early_initialize::EarlyInitialize;
use exchanges::{Event, Exchanges, Waiting};
use inflight::Inflight;
use outstanding::Outstanding;
use retry::{tick, until};
use server_memory::beginning;
use startup::Startup;
use unanswered::reason_of;
pub use unanswered::{Reason, Unanswered};

/// The number of arrivals that wait for the loop. When the queue is full, exchanges stop reading, and the server has to
/// wait.
const QUEUE: usize = 64;
/// The number of exchanges that may exist at once, sending, waiting or standing, together with the frames that wait to
/// become one. Above it, stdin is not read.
const MAX_EXCHANGES: usize = 4096;
/// The number of exchanges at which the bridge's own answers to the server are not sent any more. The host's own are
/// read only below [`MAX_EXCHANGES`], and so are always sent.
const MAX_OPEN: usize = MAX_EXCHANGES + 64;
/// The time for which `initialize` waits for a sign-in before the host gets an early answer; hosts expect an answer
/// within seconds.
const RECEIVE_AFTER: Duration = Duration::from_millis(1500);
/// The name under which the server's identity is remembered.
const IDENTITY: &str = "identity";

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
    /// The time that one request may take (`--call-timeout`); for ever if absent.
    pub call_timeout: Option<Duration>,
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
    /// through a pipe wait for the sign-in when stdin has ended.
    pub has_user: bool,
    /// A function that says whether the reader of stdout has left, as far as can be seen without writing.
    pub is_reader_gone: fn() -> bool,
    /// True once stdin has ended and a sign-in is waited for.
    pub awaits_sign_in: watch::Sender<bool>,
    /// The server's name, for a host that gets an early answer.
    pub server: String,
    /// The facts learned about the server, and the place to keep more of them.
    pub facts: Facts,
    /// The wall clock.
    pub now: fn() -> SystemTime,
    /// A function that returns a random number from 0 to 1 ([`crate::random::fraction`]): the part of the longest delay
    /// that is added before a repeated attempt.
    pub random_fraction: fn() -> f64,
}

impl Settings {
    /// Returns the defaults of the command line, without memory and without randomness.
    pub fn new(now: fn() -> SystemTime) -> Self {
        Self {
            transport: Transport::default(),
            protocol: Protocol::default(),
            grace: Duration::from_secs(30),
            max_in_flight: 512,
            call_timeout: None,
            ping_interval: None,
            extensions: Vec::new(),
            cache_ttl: None,
            sign_in_patience: Some(Duration::from_secs(45)),
            has_user: false,
            is_reader_gone: || false,
            awaits_sign_in: watch::Sender::new(false),
            server: String::new(),
            facts: Facts::nowhere(),
            now,
            random_fraction: || 0.0,
        }
    }
}

/// The signals to leave.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// The signal to leave properly, within a second.
    pub soon: CancellationToken,
    /// The signal to leave at once.
    pub now: CancellationToken,
}

/// The reason why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The host closed stdin.
    HostGone,
    /// A signal came.
    Signalled,
    /// The reader of stdout is gone.
    WriterGone,
}

/// The reason why the loop ended, and the requests it left unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The reason.
    pub ended: Ended,
    /// The requests that got no answer of the server's.
    pub unanswered: Option<Unanswered>,
}

/// Carries frames until the host leaves, a signal comes, or stdout is closed.
pub async fn run<R: Remote>(parts: Parts<R>) -> Ended {
    run_to_the_end(parts).await.ended
}

/// Does as [`run`], and says which requests were left unanswered.
pub async fn run_to_the_end<R: Remote>(parts: Parts<R>) -> Outcome {
    let (bridge, mut inputs) = Bridge::new(parts);
    bridge.run(&mut inputs).await
}

struct Bridge<R> {
    exchanges: Arc<Exchanges<R>>,
    translator: Translator,
    elapsed: Elapsed,
    /// The verdict that has been remembered.
    verdict: Option<server_memory::Discovered>,
    inflight: Inflight,
    conversation: Conversation,
    early_initialize: EarlyInitialize,
    /// The reason why the server has not answered the `initialize` to which the host has an answer that is none of the
    /// server's.
    unopened: Option<Reason>,
    running: HashMap<ExchangeId, Running>,
    tracker: TaskTracker,
    /// The writes for the next start that are under way.
    learning: TaskTracker,
    out: mpsc::Sender<Written>,
    stop: Stop,
    grace: Duration,
    /// True once the host has stopped reading, or has closed its end: it gets no further lines.
    host_unreachable: bool,
    /// The requests that were read after the time to send them.
    unsent: Vec<Id>,
    /// Sessions to be ended last of all; none before that time has come.
    sessions_to_end: Option<Vec<HeaderMap>>,
}

struct Running {
    token: CancellationToken,
    /// The request that the exchange was opened for.
    id: Option<Id>,
    /// The log's span for this exchange.
    span: tracing::Span,
    is_standing: bool,
    /// The reason for which the exchange waits for a credential, if it does.
    waiting: Option<Waiting>,
}

struct Inputs {
    lines: mpsc::Receiver<Line>,
    events: mpsc::Receiver<Event>,
    person: watch::Receiver<bool>,
    flushed: tokio::sync::oneshot::Receiver<()>,
    ping: Option<time::Interval>,
    /// The time at which the host gets an early answer although a user is waited for.
    receive_at: Option<Instant>,
}

/// The reader of stdout is gone.
struct WriterGone;

impl<R: Remote> Bridge<R> {
    fn new(parts: Parts<R>) -> (Self, Inputs) {
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
            person: authorizer.waits_for_a_person(),
            flushed: host.flushed,
            receive_at: None,
            ping: settings.ping_interval.map(|period| {
                let mut ping = time::interval_at(Instant::now() + period, period);
                ping.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
                ping
            }),
        };
        let bridge = Self {
            translator: Translator::new(beginning(&settings)),
            elapsed: Elapsed::since((settings.now)(), Instant::now().into_std()),
            verdict: None,
            inflight: Inflight::default(),
            conversation: Conversation::default(),
            unopened: None,
            early_initialize: EarlyInitialize::new(
                settings.server.clone(),
                settings.facts.recall(IDENTITY),
            ),
            running: HashMap::new(),
            tracker: TaskTracker::new(),
            learning: TaskTracker::new(),
            out: host.out,
            stop,
            grace: settings.grace,
            host_unreachable: false,
            unsent: Vec::new(),
            sessions_to_end: None,
            exchanges: Arc::new(Exchanges {
                remote,
                authorizer,
                requests: Semaphore::new(settings.max_in_flight),
                outstanding: Outstanding::default(),
                settings,
                asking_since: watch::Sender::new(None),
                events: events_in,
                leaving: CancellationToken::new(),
                is_reached: AtomicBool::new(true),
                unsaid: Mutex::default(),
                startup: Startup::new(),
            }),
        };
        (bridge, inputs)
    }

    async fn run(mut self, inputs: &mut Inputs) -> Outcome {
        let ended = self.carry(inputs).await;
        tracing::info!(?ended, owed = self.inflight.owed(), "leaving");
        let unanswered = self.drain(ended, inputs).await;
        Outcome { ended, unanswered }
    }

    async fn carry(&mut self, inputs: &mut Inputs) -> Ended {
        let stop = self.stop.clone();
        let out = self.out.clone();
        loop {
            inputs.receive_at = self.early_initialize_at(inputs);
            let may_read = self.running.len() + self.translator.waiting() < MAX_EXCHANGES;
            let done = tokio::select! {
                () = stop.soon.cancelled() => return Ended::Signalled,
                () = stop.now.cancelled() => return Ended::Signalled,
                () = out.closed() => return Ended::WriterGone,
                line = inputs.lines.recv(), if may_read => match line {
                    Some(line) => self.host_said(line).await,
                    None => return Ended::HostGone,
                },
                Some(event) = inputs.events.recv() => self.exchange_told(event).await,
                Ok(()) = inputs.person.changed() => self.sign_in_changed(inputs).await,
                () = until(inputs.receive_at) => {
                    inputs.receive_at = None;
                    self.receive().await
                }
                () = tick(&mut inputs.ping) => {
                    let mut actions = Vec::new();
                    self.translator.ping(&mut actions);
                    self.perform(actions).await
                }
            };
            if done.is_err() {
                return if stop.soon.is_cancelled() {
                    Ended::Signalled
                } else {
                    Ended::WriterGone
                };
            }
        }
    }

    async fn host_said(&mut self, line: Line) -> Result<(), WriterGone> {
        match line {
            Ok(Parsed::One(frame)) => self.one_from_host(frame).await,
            Ok(Parsed::Batch(members)) => self.batch_from_host(members).await,
            Err(malformed) => self.refuse(&malformed).await,
        }
    }

    async fn one_from_host(&mut self, frame: Frame) -> Result<(), WriterGone> {
        self.conversation.heard(&frame, self.inflight.owed());
        match self.inflight.open(&frame) {
            Ok(()) => self.frame_from_host(frame).await,
            Err(reply) => self.write(Written::One(reply)).await,
        }
    }

    async fn batch_from_host(
        &mut self,
        mut members: Vec<Result<Frame, Malformed>>,
    ) -> Result<(), WriterGone> {
        if let Some(revision) = self.early_initialize.without_batches(&members) {
            let only = members.pop().filter(|_| members.is_empty());
            return match only {
                Some(Ok(frame)) => self.one_from_host(frame).await,
                Some(Err(malformed)) => self.refuse(&malformed).await,
                None => self.refuse(&Malformed::batch(&revision)).await,
            };
        }
        for frame in members.iter().flatten() {
            self.conversation.heard(frame, self.inflight.owed());
        }
        let (passed, written) = self.inflight.open_batch(members);
        if let Some(written) = written {
            self.write(written).await?;
        }
        for frame in passed {
            self.frame_from_host(frame).await?;
        }
        Ok(())
    }

    async fn refuse(&mut self, malformed: &Malformed) -> Result<(), WriterGone> {
        tracing::warn!(reason = malformed.reason, "a line that is not a message");
        self.inflight.refuse();
        self.write(Written::One(malformed.reply())).await
    }

    /// Passes a frame of the host on. Every frame of the host comes through here once: the place for a policy that refuses
    /// calls, before the translator sees them.
    async fn frame_from_host(&mut self, frame: Frame) -> Result<(), WriterGone> {
        tracing::debug!(?frame, "from the host");
        if let Some(id) = frame
            .id()
            .filter(|_| frame.method() == Some("server/discover"))
            && let Some(remembered) = self.translator.remembered(&frame)
        {
            self.early_initialize.discovers(id, remembered);
        }
        let first = self.early_initialize.host_says(&frame);
        self.tell_translator(first.into_iter().chain([frame])).await
    }

    async fn tell_translator(
        &mut self,
        frames: impl IntoIterator<Item = Frame>,
    ) -> Result<(), WriterGone> {
        let mut actions = Vec::new();
        self.update_clock();
        for frame in frames {
            self.translator.on_host_message(frame, &mut actions);
        }
        self.perform(actions).await
    }

    /// Updates the clock of the translator, and the credential in whose name requests are made.
    fn update_clock(&mut self) {
        let now = self
            .elapsed
            .until((self.exchanges.settings.now)(), Instant::now().into_std());
        self.translator
            .update_context(now, self.exchanges.authorizer.identity());
    }

    /// Notes that a user is asked to sign in, or is no longer asked.
    async fn sign_in_changed(&mut self, inputs: &mut Inputs) -> Result<(), WriterGone> {
        let is_asked = *inputs.person.borrow_and_update();
        self.exchanges
            .asking_since
            .send_replace(is_asked.then(Instant::now));
        if is_asked {
            let closed = self.exchanges.authorizer.vault_is_closed();
            self.early_initialize.waits(closed == Some(Closed::Locked));
            return self.tell_translator([]).await;
        }
        for news in self.early_initialize.unlocked() {
            if let Some(written) = self.inflight.close(news) {
                self.write(written).await?;
            }
        }
        // Requests that waited for a sign-in go on by themselves when it is done.
        let first = self.early_initialize.open();
        self.tell_translator(first).await
    }

    /// Returns the time of the early answer, if a user is waited for: counted from the host's request or the start of
    /// that wait.
    fn early_initialize_at(&self, inputs: &Inputs) -> Option<Instant> {
        let is_patient = self.exchanges.settings.sign_in_patience.is_none();
        let is_waiting =
            *inputs.person.borrow() && !is_patient && self.early_initialize.is_waiting();
        is_waiting.then(|| {
            let planned = inputs.receive_at;
            planned.unwrap_or_else(|| Instant::now() + RECEIVE_AFTER)
        })
    }

    async fn receive(&mut self) -> Result<(), WriterGone> {
        let is_remembered = self.early_initialize.is_remembered();
        let is_locked = self.exchanges.authorizer.vault_is_closed().is_some();
        let Some(written) = self
            .early_initialize
            .receive(is_locked)
            .and_then(|answer| self.inflight.close(answer))
        else {
            return Ok(());
        };
        self.unopened = (!is_remembered).then_some(match is_locked {
            true => Reason::Locked,
            false => Reason::SignIn,
        });
        self.conversation.answered();
        tracing::info!("a user is waited for; the host is answered meanwhile");
        self.write(written).await
    }

    async fn exchange_told(&mut self, event: Event) -> Result<(), WriterGone> {
        match event {
            Event::Waiting(exchange, waiting) => {
                if let Some(running) = self.running.get_mut(&exchange) {
                    running.waiting = waiting;
                }
                Ok(())
            }
            Event::Standing(exchange) => {
                if let Some(running) = self.running.get_mut(&exchange) {
                    running.is_standing = true;
                }
                Ok(())
            }
            Event::Woke(token) => {
                let mut actions = Vec::new();
                self.update_clock();
                self.translator.on_timer(token, &mut actions);
                self.perform(actions).await
            }
            Event::Arrival(exchange, arrival) => {
                // A closed exchange is not heard any more, whatever it had in the queue.
                let Some(running) = self.running.get(&exchange) else {
                    return Ok(());
                };
                let span = running.span.clone();
                let actions = span.in_scope(|| self.heard(exchange, arrival));
                drop(span);
                self.perform(actions).await
            }
        }
    }

    /// Takes the report of an open exchange, and returns the actions that follow from it.
    fn heard(&mut self, exchange: ExchangeId, arrival: Arrival) -> Vec<Action> {
        if arrival.is_last() {
            self.running.remove(&exchange);
        }
        tracing::debug!(exchange = exchange.0, ?arrival, "from the remote");
        let mut actions = Vec::new();
        self.update_clock();
        self.translator.on_arrival(exchange, arrival, &mut actions);
        self.remember();
        actions
    }

    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), WriterGone> {
        for action in actions {
            match action {
                // Every answer of the server passes here, also while the bridge drains: the place for a policy that
                // trims results, before `close` forgets the method of the request. What mcpipe itself says to the
                // host (an early `initialize`, errors while it drains) does not pass here.
                Action::Reply(frame) => {
                    if let Some(identity) = self.early_initialize.identity(&frame) {
                        let facts = self.exchanges.settings.facts.clone();
                        self.learning
                            .spawn_blocking(move || facts.learn(IDENTITY, identity));
                    }
                    if self.early_initialize.is_handshake(&frame) {
                        self.unopened = self.unopened.and(reason_of(&frame));
                    }
                    let news = self.early_initialize.remote_answers(&frame);
                    for frame in std::iter::once(frame).chain(news) {
                        if let Some(written) = self.inflight.close(frame) {
                            self.conversation.answered();
                            self.write(written).await?;
                        }
                    }
                }
                Action::Cancelled(id) => {
                    if let Some(written) = self.inflight.cancel(&id) {
                        self.write(written).await?;
                    }
                }
                Action::Post(post) => {
                    if post.endpoint.is_some() {
                        self.exchanges.outstanding.note_revision(&post.headers);
                    }
                    let exchanges = Arc::clone(&self.exchanges);
                    let exchange = post.exchange;
                    if post.frame.is_response() && self.running.len() >= MAX_OPEN {
                        // The server asks without end and takes no answer.
                        let full = BridgeError::new("busy", "The server takes no more answers.");
                        let last = Arrival::Failed(full);
                        self.spawn(exchange, false, None, async move {
                            exchanges.tell(exchange, last).await;
                        });
                        continue;
                    }
                    let id = post.frame.id().filter(|_| post.frame.is_request()).cloned();
                    self.spawn(
                        exchange,
                        false,
                        id,
                        async move { exchanges.post(post).await },
                    );
                }
                Action::Listen(listen) => {
                    let exchanges = Arc::clone(&self.exchanges);
                    self.spawn(listen.exchange, true, None, async move {
                        exchanges.listen(listen).await;
                    });
                }
                Action::Close(exchange) => {
                    if let Some(running) = self.running.remove(&exchange) {
                        running.token.cancel();
                    }
                }
                Action::SetTimer {
                    after,
                    token,
                    is_retry,
                } => {
                    let exchanges = Arc::clone(&self.exchanges);
                    let wake = async move { exchanges.wake(after, token, is_retry).await };
                    self.tracker.spawn(wake);
                }
                Action::EndSession(headers) => match &mut self.sessions_to_end {
                    Some(sessions_to_end) => sessions_to_end.push(headers),
                    None => {
                        let exchanges = Arc::clone(&self.exchanges);
                        self.tracker
                            .spawn(async move { exchanges.end(headers).await });
                    }
                },
            }
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        exchange: ExchangeId,
        is_standing: bool,
        id: Option<Id>,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let token = CancellationToken::new();
        // The span's target is the whole program, so that no filter of single modules switches it off.
        let span = tracing::error_span!(target: "mcpipe", "exchange", exchange = exchange.0);
        self.running.insert(
            exchange,
            Running {
                token: token.clone(),
                id,
                span: span.clone(),
                is_standing,
                waiting: None,
            },
        );
        let run = async move {
            token.run_until_cancelled(run).await;
        };
        self.tracker.spawn(run.instrument(span));
    }

    async fn write(&mut self, line: Written) -> Result<(), WriterGone> {
        let sent = tokio::select! {
            biased;
            sent = self.out.send(line) => sent.is_ok(),
            // The loop leaves a host that neither reads nor lets it leave.
            () = deadline(&self.stop) => false,
        };
        self.host_unreachable |= !sent;
        sent.then_some(()).ok_or(WriterGone)
    }
}
