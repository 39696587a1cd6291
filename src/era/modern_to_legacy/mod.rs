//! A modern host with a legacy remote: the session is kept here.
//!
//! The questions that a legacy server may ask of its host are settled once a session, while a modern host says with
//! every request what it can do. So the session is opened with what the first request declares, and when a later one
//! declares more, another session is opened with all that was ever declared and takes the place of the first. There is
//! one session at a time for what is new: a session per set of capabilities would split what the remote remembers of
//! its host between them for good, where this parts from it once. What one request has not declared the remote may
//! still want to ask for its sake; that is refused here, question by question (MCP 2026-07-28, basic/patterns/mrtr).
//!
//! Nothing in flight is lost: the old session goes on until its answers have come, its questions are answered and the
//! new one is open; a remote that refuses a second session leaves the first as it was.

mod cache_hints;
mod capabilities;
mod session;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::{Action, Arrival, ExchangeId, Mint, Pair, Relay, Transport};
use crate::era::task::is_ours;
use crate::frame::{Frame, Outline};
use capabilities::{Capabilities, capabilities};
use session::{RANGE, SessionTranslation};

/// Sessions that one host may have in its life. It is a modest number because the sets that hosts declare are few; one
/// that says something new each time stays with the last.
const MAX_SESSIONS: u64 = 8;
/// Sessions at once.
const MAX_AT_ONCE: usize = 4;
/// The translator.
#[derive(Debug)]
pub struct ModernToLegacy {
    /// The number at which exchange ids begin.
    base: u64,
    transport: Transport,
    seed: [u8; 32],
    /// Takes what the host asks.
    current: SessionTranslation,
    /// Will take its place when it is open.
    next: Option<SessionTranslation>,
    /// Sessions that only finish what they have begun.
    outgrown: Vec<SessionTranslation>,
    /// Sessions so far.
    opened: u64,
    /// The capabilities that a request has declared last, as JSON text, where the present session knows them all.
    covered: Option<String>,
}

impl ModernToLegacy {
    /// Begins. `seed` is 32 random bytes from which unguessable handles are made.
    pub fn new(mint: Mint, transport: Transport, seed: [u8; 32]) -> Self {
        let base = mint.last();
        Self {
            base,
            transport,
            seed,
            current: SessionTranslation::new(
                0,
                base,
                mint,
                transport,
                seed,
                Capabilities::default(),
            ),
            next: None,
            outgrown: Vec::new(),
            opened: 1,
            covered: None,
        }
    }

    fn sessions(&mut self) -> impl Iterator<Item = &mut SessionTranslation> {
        let others = self.next.iter_mut().chain(&mut self.outgrown);
        std::iter::once(&mut self.current).chain(others)
    }

    /// Returns the session that this number is of.
    fn session_of(&mut self, number: u64) -> Option<&mut SessionTranslation> {
        self.sessions()
            .find(|session| session.range() == number >> RANGE)
    }

    /// Finds the session for a request: the one that has parked it, or one whose server may ask what it declares.
    fn session_for(&mut self, request: &Frame) -> &mut SessionTranslation {
        let state = request.param("requestState");
        let state: Option<String> = state.and_then(|state| serde_json::from_str(state).ok());
        let has_it = |session: &SessionTranslation| {
            let state = state.as_deref();
            state.is_some_and(|state| session.has_parked(state))
        };
        let is_parked = self.sessions().any(|session| has_it(session));
        if !is_parked && self.is_outgrown_by(request) {
            return self.next.as_mut().unwrap_or(&mut self.current);
        }
        let mut others = self.outgrown.iter_mut();
        let found = others.find(|session| has_it(session));
        found.unwrap_or(&mut self.current)
    }

    /// Says whether a request declares more than the present session knows. Another session that knows it is then
    /// prepared, if there may be one.
    fn is_outgrown_by(&mut self, request: &Frame) -> bool {
        if self.covered.as_deref() == Some(capabilities(request)) {
            return false;
        }
        let declared = Capabilities::of(request);
        if self.current.handshake.is_unopened() {
            let all = self.current.handshake.declared().join(&declared);
            self.current.handshake.declare(all);
        }
        // These are answered here, so there is nothing that the remote could ask for their sake.
        let is_ours = matches!(
            request.method(),
            Some("server/discover" | "subscriptions/listen")
        );
        if is_ours {
            return false;
        }
        if self.current.handshake.declared().cover(&declared) {
            self.covered = Some(capabilities(request).to_owned());
            return false;
        }
        if self.next.is_none() {
            self.outgrow(&declared);
        }
        true
    }

    /// Prepares a session in which the remote may ask all that it may ask now, and this.
    fn outgrow(&mut self, declared: &Capabilities) {
        if self.opened >= MAX_SESSIONS || self.outgrown.len() + 2 > MAX_AT_ONCE {
            tracing::debug!("no further session; what the remote may ask stays as it is");
            return;
        }
        let count = self.opened << RANGE;
        self.opened += 1;
        self.next = Some(SessionTranslation::new(
            count,
            self.base,
            Mint::beyond(self.base + count),
            self.transport,
            self.seed,
            self.current.handshake.declared().join(declared),
        ));
    }

    /// Draws the consequences of what has happened to the sessions.
    fn settle(&mut self, actions: &mut Vec<Action>) {
        if let Some((why, held)) = self.current.handshake.take_failure() {
            for request in held.iter().filter(|held| held.is_request()) {
                actions.extend(request.id().map(|id| Action::Reply(why.with_id(id))));
            }
        }
        if let Some(mut next) = self.next.take() {
            if next.handshake.is_open() {
                tracing::info!("the host can do more than it said; a new session knows it");
                next.take_over(&mut self.current, actions);
                self.covered = None;
                self.outgrown
                    .push(std::mem::replace(&mut self.current, next));
            } else if let Some((why, held)) = next.handshake.take_failure() {
                tracing::info!(?why, "no second session; the first one goes on");
                if is_final(&why) {
                    next.end(actions);
                    self.opened = MAX_SESSIONS;
                } else {
                    self.next = Some(next); // to be tried again by the next request that needs it
                }
                for frame in held {
                    self.current.on_host_message(frame, actions);
                }
            } else {
                self.next = Some(next);
            }
        }
        for mut session in std::mem::take(&mut self.outgrown) {
            if session.is_idle() {
                session.end(actions);
            } else {
                self.outgrown.push(session);
            }
        }
    }
}

impl Relay for ModernToLegacy {
    fn pair(&self) -> Pair {
        Pair::ModernToLegacy
    }

    fn on_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.outline() {
            Outline::Response { .. } => {
                tracing::debug!(?frame, "an answer from a host that was asked nothing");
            }
            Outline::Notification { .. } => match frame.cancels() {
                Some(id) => {
                    for session in self.sessions() {
                        session.cancel(&id, frame.param("reason"), actions);
                    }
                }
                None => self.current.on_notification(frame, actions),
            },
            Outline::Request { id, method } => match shape::check(&frame, id, method) {
                Err(refusal) => actions.push(Action::Reply(refusal)),
                Ok(()) => self.session_for(&frame).on_request(frame, actions),
            },
        }
        self.settle(actions);
    }

    fn on_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>) {
        let number = exchange.0.wrapping_sub(self.base);
        if let Some(session) = self.session_of(number) {
            session.on_arrival(exchange, arrival, actions);
            self.settle(actions);
        }
    }

    fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        if let Some(session) = self.session_of(token) {
            session.on_timer(token, actions);
            self.settle(actions);
        }
    }

    /// Frames of the host that wait for a session.
    fn waiting(&self) -> usize {
        let others = self.next.iter().chain(&self.outgrown);
        std::iter::once(&self.current)
            .chain(others)
            .map(SessionTranslation::waiting)
            .sum()
    }

    fn ping(&mut self, actions: &mut Vec<Action>) {
        for session in self.sessions() {
            session.ping(actions);
        }
    }

    /// Takes the news that the host has closed stdin: it can answer nothing any more, and cancel no subscription. Calls
    /// go on.
    fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        for session in self.sessions() {
            session.on_host_gone(actions);
        }
        self.settle(actions);
    }

    fn leave(&mut self, actions: &mut Vec<Action>) {
        for session in self.sessions() {
            session.leave(actions);
        }
    }

    fn abandon(&mut self, actions: &mut Vec<Action>) {
        for session in self.sessions() {
            session.end(actions);
        }
    }

    fn take_initialized(&mut self) -> Option<String> {
        self.sessions()
            .find_map(SessionTranslation::take_initialized)
    }

    fn waiting_for_handshake(&self, exchange: ExchangeId) -> Option<VecDeque<Frame>> {
        let is_alone = self.next.is_none() && self.outgrown.is_empty();
        is_alone.then(|| self.current.waiting_for_handshake(exchange))?
    }
}

/// Says whether it was the server that would not have a second session, rather than something in between.
fn is_final(why: &Frame) -> bool {
    !is_ours(why)
        || why.error_data("kind") == Some(r#""refused""#)
            && why.error_data("retryable") != Some("true")
}
