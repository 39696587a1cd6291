//! Draining: on end of file, on a signal, and when nothing reads stdout any more.
//!
//! The bridge stops reading; it applies arrivals until no answer is owed or the grace is over; it answers open requests
//! with an error, ends the session and flushes the last line. Each wait has its reason and its bound.
//!
//! The bridge waits for a sign-in only where a user waits for the answers, and can be told: behind a pipe, not for a
//! host that has talked with the bridge and closes stdin to stop it ([`crate::bridge::conversation`]). A signal ends
//! that wait too, and so does a reader of stdout that has left; the sign-in itself runs in a process of its own and
//! goes on.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use crate::bridge::credentials::sign_in_going_on;
use crate::bridge::end::{Ended, Outcome, SIGNAL_GRACE};
use crate::bridge::exchanges::{ExchangeEvent, Exchanges, Waiting};
use crate::bridge::retry::until;
use crate::bridge::state::{Bridge, Inputs, WriterGone};
use crate::era::protocol::is_harmless;
use crate::era::{Action, Arrival, ExchangeId, error_reply};
use crate::frame::{BridgeError, Frame, Id, Parsed};
use crate::remote::{Outgoing, Remote, Verb};
use crate::stdio::{Line, Written};

/// The time that frames for which the host is owed nothing may still take after it has left.
const UNOWED_GRACE: Duration = Duration::from_secs(1);
/// The time for which the bridge tries a server that cannot be reached, once the host has left.
const UNREACHED_GRACE: Duration = Duration::from_millis(1500);
/// The pause between two checks that a program still reads stdout, while a sign-in is waited for.
const READER_POLL: Duration = Duration::from_millis(250);
/// The time that the last lines may take to be written when there is no patience left otherwise.
const LAST_FLUSH: Duration = Duration::from_millis(150);
/// The time that the end of a session may take while other sessions go on.
const SESSION_END: Duration = Duration::from_secs(5);
/// The time that the last posts, then the end of the sessions, and then the last flush, may each take.
const LAST_WAIT: Duration = Duration::from_millis(400);

impl<R: Remote> Bridge<R> {
    pub(super) async fn drain(mut self, ended: Ended, inputs: &mut Inputs) -> Outcome {
        let mut latest = Instant::now() + self.grace;
        inputs.lines.close();
        self.exchanges.leaving.cancel();
        if ended != Ended::HostGone || !self.may_wait_for_sign_in() {
            self.exchanges.authorizer.ask_no_user();
        }
        self.host_unreachable |= ended == Ended::WriterGone;
        if !self.host_unreachable {
            latest = self.settle(ended, inputs).await;
            if self.absence.has_moved() {
                return self.hand_over(inputs);
            }
            // A reader that has left has had all it wanted.
            self.host_unreachable |= self.out.is_closed();
            self.take_unread_lines(&mut inputs.lines).await;
            if let Some(enforcement) = &self.enforcement {
                self.unsent.extend(enforcement.held());
            }
            let is_asked = *inputs.user_awaited.borrow();
            self.answer_outstanding(is_asked).await;
        }
        if let Some(enforcement) = &self.enforcement {
            enforcement.leave();
        }
        if let Some(reason) = self.unanswered_initialize {
            self.inflight.tally.miss(reason);
        }
        let unanswered = self.inflight.tally.unanswered();
        self.say_farewell(inputs).await;
        for running in self.running.values() {
            running.token.cancel();
        }
        drop(self.out);
        let flushed = async {
            if !self.host_unreachable {
                let _ = (&mut inputs.flushed).await;
            }
        };
        // The learnt facts are for the next start, which follows at once where a script starts mcpipe.
        let all = async { tokio::join!(flushed, self.memory.written()) };
        let now = Instant::now();
        let last = if self.host_unreachable {
            now + LAST_WAIT
        } else {
            latest.max(now + LAST_WAIT)
        };
        let enough = async {
            self.stop.deadline().await;
            // The writer writes its lines in no time, unless nothing reads them.
            time::sleep_until(now + LAST_FLUSH).await;
        };
        tokio::select! {
            _ = all => {}
            () = time::sleep_until(last) => {}
            () = enough => {}
        }
        Outcome { ended, unanswered }
    }

    /// Says whether a user waits for the answers, and would see that a sign-in is needed.
    fn may_wait_for_sign_in(&self) -> bool {
        self.exchanges.settings.has_user && !self.conversation.is_two_way()
    }

    /// Waits for answers, each for as long as it makes sense. Returns the time until which the host may read them.
    async fn settle(&mut self, ended: Ended, inputs: &mut Inputs) -> Instant {
        let stop = self.stop.clone();
        let mut begun = Instant::now();
        let mut latest = begun + self.grace;
        let mut actions = Vec::new();
        self.translator.on_host_gone(&mut actions);
        let held = self.subscriptions.held().into_iter();
        actions.extend(held.map(Action::Cancelled));
        if !self.in_time(latest, Self::perform, actions).await {
            return latest;
        }
        let mut was_asked = *inputs.user_awaited.borrow();
        loop {
            let is_asked = *inputs.user_awaited.borrow_and_update();
            // Another event may have come first, and the change is seen only here.
            if std::mem::replace(&mut was_asked, is_asked) != is_asked && ended != Ended::Signalled
            {
                begun = Instant::now();
                latest = begun + self.grace;
            }
            let awaits_user = self.waits_only_for_user(is_asked);
            let patience = match ended {
                _ if stop.soon.is_cancelled() || ended == Ended::Signalled => Some(SIGNAL_GRACE),
                _ if self.is_idle() => return latest,
                _ if awaits_user && !self.may_go_on_waiting() => return latest,
                _ if awaits_user && self.exchanges.settings.sign_in_patience.is_none() => None,
                _ if self.inflight.owed() == 0 => Some(self.grace.min(UNOWED_GRACE)),
                _ if !self.exchanges.is_reached.load(Ordering::Relaxed) => {
                    Some(self.grace.min(UNREACHED_GRACE))
                }
                _ => Some(self.grace),
            };
            if self.is_idle() {
                return latest;
            }
            if patience.is_none() {
                // Requests that wait for the sign-in get their own time.
                begun = Instant::now();
                latest = begun + self.grace;
            }
            let is_leaving_soon = ended == Ended::Signalled || stop.soon.is_cancelled();
            if awaits_user && !is_leaving_soon {
                self.exchanges.settings.awaits_sign_in.send_replace(true);
            }
            let next_poll = awaits_user.then(|| Instant::now() + READER_POLL);
            tokio::select! {
                () = until(patience.map(|patience| begun + patience)) => return latest,
                () = stop.now.cancelled() => return latest,
                () = stop.soon.cancelled(), if ended != Ended::Signalled && patience != Some(SIGNAL_GRACE) => {}
                changed = inputs.user_awaited.changed() => {
                    if changed.is_err() {
                        return latest;
                    }
                    // A sign-in that has begun gets its time, and the requests behind it get theirs.
                    if !is_leaving_soon {
                        begun = Instant::now();
                        latest = begun + self.grace;
                    }
                }
                () = self.out.closed() => return latest,
                () = until(next_poll) => {}
                Some(event) = inputs.events.recv() => {
                    if !self.in_time(latest, Self::on_event, event).await {
                        return latest;
                    }
                }
            }
        }
    }

    /// Does work that may have to wait for a host that does not read: a host that has closed stdin may have stopped
    /// reading too. Says whether the host can be told more.
    async fn in_time<T>(
        &mut self,
        latest: Instant,
        does: impl AsyncFnOnce(&mut Self, T) -> Result<(), WriterGone>,
        what: T,
    ) -> bool {
        let done = time::timeout_at(latest, does(self, what)).await;
        self.host_unreachable |= done.is_err() && self.out.capacity() == 0;
        matches!(done, Ok(Ok(())))
    }

    /// Says whether the bridge waits for a sign-in: a user waits for the answers, and a program still reads them.
    fn may_go_on_waiting(&self) -> bool {
        self.inflight.owed() > 0
            && self.may_wait_for_sign_in()
            && !(self.exchanges.settings.is_reader_gone)()
    }

    /// Says whether no answer is owed and no message is being sent.
    fn is_idle(&self) -> bool {
        self.inflight.owed() == 0 && self.running.values().all(|running| running.is_standing)
    }

    fn waits_only_for_user(&self, is_user_asked: bool) -> bool {
        is_user_asked
            && self
                .running
                .values()
                .all(|running| running.is_standing || running.waiting.is_some())
    }

    /// Takes the lines that came before the reason to leave: their requests are owed an answer too, though only the
    /// error that the bridge leaves.
    async fn take_unread_lines(&mut self, lines: &mut mpsc::Receiver<Line>) {
        while let Ok(line) = lines.try_recv() {
            let written = match line {
                Ok(Parsed::One(frame)) => match self.inflight.open(&frame) {
                    Ok(()) => {
                        self.unsent.extend(frame.id().cloned());
                        None
                    }
                    Err(reply) => Some(Written::One(reply)),
                },
                Ok(Parsed::Batch(members)) => {
                    let (frames, written) = self.inflight.open_batch(members);
                    self.unsent
                        .extend(frames.iter().filter_map(Frame::id).cloned());
                    written
                }
                Err(malformed) => {
                    self.inflight.count_refused_line();
                    Some(Written::One(malformed.reply()))
                }
            };
            if let Some(written) = written
                && self.write(written).await.is_err()
            {
                return;
            }
        }
    }

    async fn answer_outstanding(&mut self, is_asked: bool) {
        for (id, method) in self.inflight.open_requests() {
            if self.host_unreachable {
                return;
            }
            let Some(reply) = self.last_error(&id, &method, is_asked) else {
                continue;
            };
            let reply = match &self.enforcement {
                Some(enforcement) => enforcement.last_error(reply),
                None => reply,
            };
            if let Some(written) = self.inflight.close(reply) {
                let line = time::timeout(LAST_WAIT, self.write(written)).await;
                self.host_unreachable |= !matches!(line, Ok(Ok(())));
            }
        }
    }

    /// Returns the error that answers a request when the bridge leaves: the reason, and whether the server may have
    /// done the work.
    fn last_error(&self, id: &Id, method: &str, is_asked: bool) -> Option<Frame> {
        let own = self
            .running
            .values()
            .find(|running| running.id.as_ref() == Some(id));
        let waits_to_be_sent = match own {
            Some(running) => running.waiting == Some(Waiting::ToSend),
            // The request waits behind another one, or is under way under another id.
            None => self.waits_only_for_user(is_asked) && self.is_all_to_be_sent(),
        };
        if is_asked && waits_to_be_sent {
            let authorizer = &self.exchanges.authorizer;
            let error = match authorizer.sign_in_needed() {
                Some(error) if authorizer.pending().borrow().is_none() => error.retryable(),
                Some(BridgeError {
                    hint: Some(command),
                    ..
                }) => {
                    let waiting = sign_in_going_on(authorizer);
                    let page = waiting.hint.clone().unwrap_or_default();
                    waiting.hint(format!("{page}; or {command}"))
                }
                _ => sign_in_going_on(authorizer),
            };
            return Some(error.reply(id));
        }
        let leaving = BridgeError::new(
            "leaving",
            "The bridge is leaving before the server has answered.",
        )
        .retryable();
        if self.unsent.contains(id) || is_harmless(method) {
            return Some(leaving.reply(id));
        }
        error_reply(&Frame::request(id, method, None), &leaving)
    }

    fn is_all_to_be_sent(&self) -> bool {
        let mut running = self.running.values();
        running.all(|running| running.is_standing || running.waiting == Some(Waiting::ToSend))
    }

    /// Tells the server what it must hear of the end: first what is posted, then, in a session where nothing more is
    /// said, the end of the session. The host is told nothing more, whatever the server answers.
    async fn say_farewell(&mut self, inputs: &mut Inputs) {
        let open: HashSet<ExchangeId> = self.running.keys().copied().collect();
        self.sessions_to_end = Some(Vec::new());
        let mut actions = Vec::new();
        self.translator.leave(&mut actions);
        actions.retain(|action| !matches!(action, Action::Reply(_)));
        let _ = self.perform(actions).await;
        let sessions_to_end = self.sessions_to_end.take().unwrap_or_default();
        if self.stop.now.is_cancelled() {
            return;
        }
        let posted: HashSet<ExchangeId> = self.running.keys().copied().collect();
        let said = time::timeout(LAST_WAIT, over(&posted - &open, inputs));
        let _ = self.stop.now.run_until_cancelled(said).await;
        self.end_sessions(sessions_to_end).await;
    }

    async fn end_sessions(&mut self, sessions_to_end: Vec<HeaderMap>) {
        let sessions_to_end = sessions_to_end.into_iter().map(|headers| {
            let exchanges = Arc::clone(&self.exchanges);
            self.tracker
                .spawn(async move { exchanges.end(headers).await })
        });
        let sessions_to_end: Vec<_> = sessions_to_end.collect();
        let all = async {
            for session in sessions_to_end {
                let _ = session.await;
            }
        };
        let _ = time::timeout(LAST_WAIT, all).await;
    }
}

/// Returns when all of these exchanges have ended.
async fn over(mut exchanges: HashSet<ExchangeId>, inputs: &mut Inputs) {
    while !exchanges.is_empty()
        && let Some(event) = inputs.events.recv().await
    {
        if let ExchangeEvent::Arrivals(exchange, arrivals) = event
            && arrivals.iter().any(Arrival::is_last)
        {
            exchanges.remove(&exchange);
        }
    }
}

impl<R: Remote> Exchanges<R> {
    /// Ends a session. Any answer, 405 included, is fine.
    pub(super) async fn end(&self, headers: HeaderMap) {
        let ending = async {
            let credential = self.authorizer.current().await.ok().flatten();
            let outgoing = Outgoing {
                to: None,
                verb: Verb::Delete,
                headers: &headers,
                credential: credential.as_ref(),
                progress: None,
            };
            let _ = self.remote.send(outgoing).await;
        };
        let _ = time::timeout(SESSION_END, ending).await;
    }
}
