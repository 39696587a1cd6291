//! Leaving: on end of file, on a signal, and when nobody reads any more (T-11, T-13).
//!
//! Reading stops; what comes is applied until nothing is owed or the grace is over; what is still owed is answered with an
//! error; the session is ended and the last line flushed. Each wait has its reason and its bound.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use super::exchange::Road;
use super::{Bridge, Ended, Inputs, Stop};
use crate::frame::{Parsed, Trouble};
use crate::remote::{Outgoing, Remote, Verb};
use crate::stdio::{Line, Written};

/// How long frames the host is owed nothing for may still take after it has left.
const UNOWED_GRACE: Duration = Duration::from_secs(1);
/// How long a remote that cannot be reached is waited for once the host has left.
const UNREACHED_GRACE: Duration = Duration::from_millis(1500);
/// How long answers may still come after a signal.
const TOLD_GRACE: Duration = Duration::from_millis(300);
/// How long the last lines may take to be written when there is no patience left otherwise.
const LAST_FLUSH: Duration = Duration::from_millis(150);
/// How long a session that is ended while others go on may take to end.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the end of the sessions, and then the last flush, may take.
const FAREWELL: Duration = Duration::from_millis(400);

impl<R: Remote> Bridge<R> {
    pub(super) async fn drain(mut self, ended: Ended, inputs: &mut Inputs) {
        let latest = Instant::now() + self.grace;
        inputs.lines.close();
        self.road.leaving.cancel();
        self.is_deaf |= ended == Ended::WriterGone;
        if !self.is_deaf {
            // A host that has closed stdin may have stopped reading too.
            let settled = time::timeout_at(latest, self.settle(ended, inputs)).await;
            self.is_deaf |= settled.is_err() && self.out.capacity() == 0;
            self.take_what_was_said(&mut inputs.lines).await;
            self.pay_debts().await;
        }
        self.say_goodbye().await;
        for running in self.running.values() {
            running.token.cancel();
        }
        drop(self.out);
        if !self.is_deaf {
            let now = Instant::now();
            let enough = async {
                patience_over(&self.stop).await;
                // What is in the pipe's own thread by now is written in no time, unless nobody reads.
                time::sleep_until(now + LAST_FLUSH).await;
            };
            tokio::select! {
                _ = &mut inputs.flushed => {}
                () = time::sleep_until(latest.max(now + FAREWELL)) => {}
                () = enough => {}
            }
        }
    }

    /// Waits for answers, each for as long as it makes sense.
    async fn settle(&mut self, ended: Ended, inputs: &mut Inputs) {
        let begun = Instant::now();
        let stop = self.stop.clone();
        let mut actions = Vec::new();
        self.translator.host_gone(&mut actions);
        if self.act(actions).await.is_err() {
            return;
        }
        loop {
            let patience = match ended {
                _ if stop.soon.is_cancelled() || ended == Ended::Told => TOLD_GRACE,
                _ if self.is_idle() => return,
                _ if self.waits_only_for_a_person(*inputs.person.borrow()) => return,
                _ if self.inflight.owed() == 0 => self.grace.min(UNOWED_GRACE),
                _ if !self.road.is_reached.load(Ordering::Relaxed) => {
                    self.grace.min(UNREACHED_GRACE)
                }
                _ => self.grace,
            };
            if self.is_idle() {
                return;
            }
            tokio::select! {
                () = time::sleep_until(begun + patience) => return,
                () = stop.now.cancelled() => return,
                () = stop.soon.cancelled(), if ended != Ended::Told && patience > TOLD_GRACE => {}
                changed = inputs.person.changed() => if changed.is_err() { return },
                () = self.out.closed() => return,
                Some(event) = inputs.events.recv() => if self.exchange_told(event).await.is_err() { return },
            }
        }
    }

    /// Nothing is owed and nothing is being said.
    fn is_idle(&self) -> bool {
        self.inflight.owed() == 0 && self.running.values().all(|running| running.is_standing)
    }

    fn waits_only_for_a_person(&self, is_somebody_asked: bool) -> bool {
        is_somebody_asked
            && self
                .running
                .values()
                .all(|running| running.is_standing || running.is_waiting)
    }

    /// Lines that had come before the word to leave are owed an answer too, though only that we are leaving.
    async fn take_what_was_said(&mut self, lines: &mut mpsc::Receiver<Line>) {
        while let Ok(line) = lines.try_recv() {
            let written = match line {
                Ok(Parsed::One(frame)) => self.inflight.enter(&frame).err().map(Written::One),
                Ok(Parsed::Batch(members)) => self.inflight.enter_batch(members).1,
                Err(malformed) => Some(Written::One(malformed.reply())),
            };
            if let Some(written) = written
                && self.write(written).await.is_err()
            {
                return;
            }
        }
    }

    async fn pay_debts(&mut self) {
        let leaving = Trouble::new(
            "leaving",
            "The bridge is leaving before the server has answered.",
        )
        .retryable();
        for id in self.inflight.ids() {
            if self.is_deaf {
                return;
            }
            if let Some(written) = self.inflight.leave(leaving.reply(&id)) {
                let line = time::timeout(FAREWELL, self.write(written)).await;
                self.is_deaf |= !matches!(line, Ok(Ok(())));
            }
        }
    }

    async fn say_goodbye(&mut self) {
        self.farewells = Some(Vec::new());
        let mut actions = Vec::new();
        self.translator.leave(&mut actions);
        let _ = self.act(actions).await;
        let farewells = self.farewells.take().unwrap_or_default();
        if self.stop.now.is_cancelled() {
            return;
        }
        let farewells = farewells.into_iter().map(|headers| {
            let road = Arc::clone(&self.road);
            self.tracker.spawn(async move { road.end(headers).await })
        });
        let farewells: Vec<_> = farewells.collect();
        let all = async {
            for farewell in farewells {
                let _ = farewell.await;
            }
        };
        let _ = time::timeout(FAREWELL, all).await;
    }
}

impl<R: Remote> Road<R> {
    /// Ends a session. Whatever comes back, 405 included, is fine (H-10).
    pub(super) async fn end(&self, headers: HeaderMap) {
        let goodbye = async {
            let credential = self.authorizer.current().await.ok().flatten();
            let outgoing = Outgoing {
                to: None,
                verb: Verb::Delete,
                headers: &headers,
                credential: credential.as_ref(),
            };
            let _ = self.remote.send(outgoing).await;
        };
        let _ = time::timeout(GOODBYE, goodbye).await;
    }
}

/// Resolves when a host that does not read has been waited for long enough: soon after the first signal, or with the
/// second.
pub(super) async fn patience_over(stop: &Stop) {
    let told = async {
        stop.soon.cancelled().await;
        time::sleep(TOLD_GRACE).await;
    };
    tokio::select! {
        () = told => {}
        () = stop.now.cancelled() => {}
    }
}
