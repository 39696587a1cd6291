//! The loop that owns all changing state, and moves frames between the host and the server.
//!
//! Three kinds of event go in (a line from the host, a report of an exchange, a signal to stop), actions come out of
//! the translator, and the loop carries them out. The loop waits for two things only, the next event and room at the
//! writer, and never for an exchange, so exchanges may wait for the loop; that is how a slow host slows the server
//! down. It pauses for a moment where many answers to the server are under way.
//!
//! On end of file and on a signal alike, the loop stops reading, applies arrivals until no answer is owed or the grace
//! is over, answers the open requests with an error, ends the session, and flushes.

mod conversation;
mod credentials;
mod drain;
mod early_discover;
mod early_initialize;
mod elsewhere;
mod end;
mod enforcement;
mod exchanges;
mod from_host;
mod hand_over;
mod inflight;
mod outstanding;
mod response_stream;
mod retry;
mod server_memory;
mod settings;
mod standalone_stream;
mod startup;
mod state;
mod subscriptions;
mod unanswered;
mod upstream;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::task::yield_now;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::auth::store::locked_vault::Closed;
use crate::era::protocol::is_known;
use crate::era::{Action, Arrival, ExchangeId, Post};
use crate::frame::{BridgeError, Frame, Id};
use crate::remote::Remote;
use crate::stdio::Written;
use early_discover::LateAnswer;
pub use elsewhere::{Elsewhere, Found, Moved};
pub use end::{Ended, Outcome, Stop};
use exchanges::ExchangeEvent;
use retry::{tick, until};
pub use settings::{Auditing, PinSettings, Settings};
pub use state::Parts;
use state::{Bridge, Inputs, QUEUE, RunningExchange, WriterGone};
use unanswered::reason_of;
pub use unanswered::{Reason, Unanswered};

/// The number of exchanges that may exist at once, sending, waiting or standing, together with the frames that wait to
/// become one. Above it, stdin is not read.
const MAX_EXCHANGES: usize = 4096;
/// The number of exchanges at which the bridge's own answers to the server are not sent any more. The host's own are
/// read only below [`MAX_EXCHANGES`], and so are always sent.
const MAX_OPEN: usize = MAX_EXCHANGES + 64;
/// The number of answers to the server for which there must be a turn before more reports are taken.
const ANSWERS_AT_ONCE: u32 = 64;
/// The longest pause for that: a server that takes none is answered on, to [`MAX_OPEN`].
const ANSWERS_PAUSE: Duration = Duration::from_millis(50);
/// The time for which `initialize` waits for a sign-in before the host gets an early answer; hosts expect an answer
/// within seconds.
const ANSWER_EARLY_AFTER: Duration = Duration::from_millis(1500);

/// Carries frames until the host leaves, a signal comes, or stdout is closed.
pub async fn run<R: Remote>(parts: Parts<R>) -> Outcome {
    let (bridge, mut inputs) = Bridge::new(parts);
    bridge.run(&mut inputs).await
}

impl<R: Remote> Bridge<R> {
    async fn run(mut self, inputs: &mut Inputs) -> Outcome {
        if let Some(enforcement) = self.enforcement.clone() {
            self.stop
                .soon
                .run_until_cancelled(enforcement.prepare())
                .await;
        }
        let ended = self.carry(inputs).await;
        tracing::info!(?ended, owed = self.inflight.owed(), "leaving");
        if ended == Ended::Moved {
            return self.hand_over(inputs);
        }
        self.drain(ended, inputs).await
    }

    async fn carry(&mut self, inputs: &mut Inputs) -> Ended {
        let stop = self.stop.clone();
        let out = self.out.clone();
        // Made once: each registers for its event.
        let (mut soon, mut now) = (pin!(stop.soon.cancelled()), pin!(stop.now.cancelled()));
        let mut closed = pin!(out.closed());
        loop {
            inputs.answer_early_at = self.early_answer_at(inputs);
            let may_read = self.running.len() + self.translator.waiting() < MAX_EXCHANGES;
            let done = tokio::select! {
                () = &mut soon => return Ended::Signalled,
                () = &mut now => return Ended::Signalled,
                () = &mut closed => return Ended::WriterGone,
                line = inputs.lines.recv(), if may_read => match line {
                    Some(line) => self.on_line(line).await,
                    None => return Ended::HostGone,
                },
                Some(event) = inputs.events.recv() => self.on_events(event, inputs).await,
                Ok(()) = inputs.user_awaited.changed() => self.on_sign_in_changed(inputs).await,
                () = until(inputs.answer_early_at) => {
                    inputs.answer_early_at = None;
                    self.answer_early().await
                }
                () = tick(&mut inputs.ping) => {
                    let mut actions = Vec::new();
                    self.translator.ping(&mut actions);
                    self.perform(actions).await
                }
            };
            if done.is_err() {
                return if self.absence.has_moved() {
                    Ended::Moved
                } else if stop.soon.is_cancelled() {
                    Ended::Signalled
                } else {
                    Ended::WriterGone
                };
            }
        }
    }

    async fn translate(
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
    async fn on_sign_in_changed(&mut self, inputs: &mut Inputs) -> Result<(), WriterGone> {
        let is_asked = *inputs.user_awaited.borrow_and_update();
        self.exchanges
            .asking_since
            .send_replace(is_asked.then(Instant::now));
        if is_asked {
            let closed = self.exchanges.authorizer.vault_is_closed();
            let is_locked = closed == Some(Closed::Locked);
            self.early_initialize.waits(is_locked);
            self.subscriptions.wait(is_locked);
            return self.translate([]).await;
        }
        let news = self.early_initialize.unlocked();
        for news in news.into_iter().chain(self.subscriptions.unlocked()) {
            if let Some(written) = self.inflight.close(news) {
                self.write(written).await?;
            }
        }
        // Requests that waited for a sign-in go on by themselves when it is done.
        let first = self.early_initialize.replay();
        let first = first.into_iter().chain(self.early_discover.replay());
        let all: Vec<Frame> = first.chain(self.subscriptions.release()).collect();
        self.translate(all).await
    }

    /// Returns the time of the early answer, if a user is waited for: counted from the host's request or the start of
    /// that wait.
    fn early_answer_at(&self, inputs: &Inputs) -> Option<Instant> {
        let is_patient = self.exchanges.settings.sign_in_patience.is_none();
        let is_early = || self.early_initialize.is_waiting() || self.early_discover.is_waiting();
        let is_waiting = *inputs.user_awaited.borrow() && !is_patient && is_early();
        is_waiting.then(|| {
            let planned = inputs.answer_early_at;
            planned.unwrap_or_else(|| Instant::now() + ANSWER_EARLY_AFTER)
        })
    }

    async fn answer_early(&mut self) -> Result<(), WriterGone> {
        let is_remembered = self.early_initialize.is_remembered();
        let is_locked = self.exchanges.authorizer.vault_is_closed().is_some();
        let initialize = self.early_initialize.early_result(is_locked);
        let remembered = self.memory.discover_result();
        let discover = self
            .early_discover
            .early_results(is_locked, remembered.as_deref());
        let answers = initialize.map(|answer| (answer, is_remembered));
        for (answer, is_remembered) in answers.into_iter().chain(discover) {
            let answer = match &self.enforcement {
                Some(enforcement) => enforcement.early(answer),
                None => answer,
            };
            let Some(written) = self.inflight.close(answer) else {
                continue;
            };
            self.unanswered_initialize = (!is_remembered).then_some(match is_locked {
                true => Reason::Locked,
                false => Reason::SignIn,
            });
            self.conversation.answered();
            tracing::info!("a user is waited for; the host is answered meanwhile");
            self.write(written).await?;
        }
        Ok(())
    }

    /// Takes an event, and those that wait behind it, to about the length of the queue.
    async fn on_events(
        &mut self,
        first: ExchangeEvent,
        inputs: &mut Inputs,
    ) -> Result<(), WriterGone> {
        let mut taken = first.length();
        self.on_event(first).await?;
        while taken < QUEUE
            && let Ok(event) = inputs.events.try_recv()
        {
            taken += event.length();
            self.on_event(event).await?;
        }
        let released = self.early_discover.release();
        if !released.is_empty() {
            self.translate(released).await?;
        }
        if taken >= QUEUE {
            // The exchanges have their turn before more is taken, and a server that asks without end takes some answers
            // first, each of which has a connection of its own.
            yield_now().await;
            let fewer = self.exchanges.answers.acquire_many(ANSWERS_AT_ONCE);
            let _ = time::timeout(ANSWERS_PAUSE, fewer).await;
        }
        Ok(())
    }

    async fn on_event(&mut self, event: ExchangeEvent) -> Result<(), WriterGone> {
        match event {
            ExchangeEvent::Waiting(exchange, waiting) => {
                if let Some(running) = self.running.get_mut(&exchange) {
                    running.waiting = waiting;
                }
                Ok(())
            }
            ExchangeEvent::Standing(exchange) => {
                if let Some(running) = self.running.get_mut(&exchange) {
                    running.is_standing = true;
                }
                Ok(())
            }
            ExchangeEvent::TimerFired(token) => {
                let mut actions = Vec::new();
                self.update_clock();
                self.translator.on_timer(token, &mut actions);
                self.perform(actions).await
            }
            ExchangeEvent::Admitted(id, admission) => {
                let enforcement = self.enforcement.as_ref();
                let is_held = id
                    .as_ref()
                    .is_none_or(|id| enforcement.is_some_and(|it| it.release(id)));
                match is_held {
                    true => self.on_admission(id.as_ref(), admission).await,
                    // The host has cancelled it in the meantime.
                    false => Ok(()),
                }
            }
            ExchangeEvent::Ask(frame) => self.translate([frame]).await,
            ExchangeEvent::News(frame) => self.write(Written::One(frame)).await,
            ExchangeEvent::Arrivals(exchange, arrivals) => {
                for arrival in arrivals {
                    // A closed exchange is not heard any more, whatever it had in the queue.
                    let Some(running) = self.running.get(&exchange) else {
                        break;
                    };
                    let span = running.span.clone();
                    let actions = span.in_scope(|| self.on_arrival(exchange, arrival));
                    drop(span);
                    self.perform(actions).await?;
                }
                Ok(())
            }
        }
    }

    /// Takes the report of an open exchange, and returns the actions that follow from it.
    fn on_arrival(&mut self, exchange: ExchangeId, arrival: Arrival) -> Vec<Action> {
        if arrival.is_last() {
            self.running.remove(&exchange);
        }
        tracing::debug!(exchange = exchange.0, ?arrival, "from the remote");
        self.absence.note_arrival(&arrival);
        let mut actions = Vec::new();
        self.update_clock();
        self.translator.on_arrival(exchange, arrival, &mut actions);
        self.memory.remember(&mut self.translator);
        actions
    }

    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), WriterGone> {
        for action in actions {
            match action {
                Action::Reply(frame) => self.reply(frame).await?,
                Action::Cancelled(id) => {
                    self.early_discover.cancel(&id);
                    self.subscriptions.close(&id);
                    if let Some(enforcement) = &self.enforcement {
                        enforcement.forget(&id);
                    }
                    if let Some(written) = self.inflight.cancel(&id) {
                        self.write(written).await?;
                    }
                }
                Action::Post(post) => self.post(post),
                Action::Listen(listen) => {
                    let exchanges = Arc::clone(&self.exchanges);
                    self.spawn(listen.exchange, true, None, async move {
                        Box::pin(exchanges.listen(listen)).await;
                    });
                }
                Action::Close(exchange) => {
                    if let Some(running) = self.running.remove(&exchange) {
                        running.token.cancel();
                    }
                }
                Action::Stand(exchange) => {
                    let running = self.running.get(&exchange);
                    if let Some(stands) = running.and_then(|running| running.stands.as_ref()) {
                        stands.cancel();
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
                Action::Limit(limit) => {
                    let exchanges = Arc::clone(&self.exchanges);
                    let exchange = limit.exchange;
                    let run = async move { exchanges.give_up_in_time(limit).await };
                    self.spawn(exchange, true, None, run);
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

    /// Passes a message to the host: one of the server, or an error that answers a request of the host. Every answer of
    /// the server passes here, also while the bridge drains, in the host's era and under the host's id, and here the policy
    /// trims or replaces it. Only a response has an open request; a request of the server may have the same id. The result
    /// of a call that became a task may come as the answer to `tasks/result` or `tasks/get`. The errors of a bridge that
    /// drains do not pass.
    async fn reply(&mut self, mut frame: Frame) -> Result<(), WriterGone> {
        if frame.is_error() && self.is_user_awaited() && self.subscriptions.take_back(&frame) {
            return Ok(());
        }
        if let Some(status) = self.absence.is_told_by(&frame) {
            frame = self.search(status, frame).await?;
        }
        // As the server said it: the policy of a later start may be another.
        if let Some(identity) = self.early_initialize.identity(&frame) {
            match self.translator.is_initialize_translated() {
                true => self.memory.remember_translated(identity),
                false => self.memory.remember_identity(identity),
            }
        }
        let late = self.early_discover.on_server_message(&frame);
        if let Some(enforcement) = self.enforcement.clone() {
            match enforcement.inbound(frame).await {
                Some(passed) => frame = passed,
                None => return Ok(()),
            }
        }
        if self.early_initialize.is_handshake(&frame) || late.is_some() {
            self.unanswered_initialize = self.unanswered_initialize.and(reason_of(&frame));
        }
        let mut news = self.early_initialize.on_server_message(&frame);
        news.extend(self.subscriptions.on_server_message(&frame));
        if let Some(LateAnswer::Result { is_other }) = late {
            news.extend(self.subscriptions.on_discovered(is_other));
        }
        for frame in std::iter::once(frame).chain(news) {
            if let Some(written) = self.inflight.close(frame) {
                self.conversation.answered();
                self.write(written).await?;
            }
        }
        Ok(())
    }

    fn is_user_awaited(&self) -> bool {
        *self.exchanges.authorizer.waits_for_a_person().borrow()
    }

    /// Starts the exchange that posts a frame.
    fn post(&mut self, post: Post) {
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
                exchanges.report(exchange, last).await;
            });
            return;
        }
        let id = post.frame.id().filter(|_| post.frame.is_request()).cloned();
        // Of a method that is known, it is known from the beginning.
        let may_stand = post.frame.method().is_some_and(|it| !is_known(it));
        let stands = (id.is_some() && may_stand).then(CancellationToken::new);
        let signal = stands.clone();
        // In a box: each layer around a task moves its future once more, and an exchange's is some KB long.
        self.spawn(exchange, false, id, async move {
            Box::pin(exchanges.post(post, signal.as_ref())).await;
        });
        if let Some(running) = self.running.get_mut(&exchange) {
            running.stands = stands;
        }
    }

    fn spawn(
        &mut self,
        exchange: ExchangeId,
        is_standing: bool,
        id: Option<Id>,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let token = CancellationToken::new();
        let span = self.span(exchange, id.as_ref());
        self.running.insert(
            exchange,
            RunningExchange {
                token: token.clone(),
                id,
                span: span.clone(),
                is_standing,
                stands: None,
                waiting: None,
            },
        );
        let run = async move {
            token.run_until_cancelled(run).await;
        };
        self.tracker.spawn(run.instrument(span));
    }

    async fn write(&mut self, line: Written) -> Result<(), WriterGone> {
        self.absence.note_written(&line);
        let line = match self.out.try_send(line) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(line) | TrySendError::Closed(line)) => line,
        };
        let sent = tokio::select! {
            biased;
            sent = self.out.send(line) => sent.is_ok(),
            // The loop leaves a host that neither reads nor lets it leave.
            () = self.stop.deadline() => false,
        };
        self.host_unreachable |= !sent;
        sent.then_some(()).ok_or(WriterGone)
    }
}
