//! A legacy host with a modern remote: a local handshake and translation.
//!
//! Two halves. `Translation` turns what a legacy host says into what a modern one would, and back; it knows nothing of
//! exchanges. [`Modern`] carries that modern conversation over HTTP, as it does for hosts that are modern themselves.

mod calls;
mod handshake;
mod input_requests;
mod listen;
mod output;
mod shape;
mod state;
mod tasks;
#[cfg(test)]
mod tests;

use super::{Action, Arrival, ExchangeId, Mint, Modern, Pair, Relay};
use crate::frame::{BridgeError, Frame, Outline};
pub(super) use handshake::declared;
use output::{Output, OwnRequest, Timer};
use state::{Call, CallState, Translation};

/// The translator.
#[derive(Debug)]
pub struct LegacyToModern {
    translation: Translation,
    inner: Modern,
}

impl LegacyToModern {
    /// Begins. `discover` is the server's `DiscoverResult` as JSON text, `called` the name for a remote that does not
    /// give its name, `initialize` the host's request, which it answers at once.
    pub fn new(
        mint: Mint,
        discover: &str,
        called: &str,
        initialize: Frame,
        actions: &mut Vec<Action>,
    ) -> Self {
        let mut new = Self {
            translation: Translation::new(discover, called, mint.0 + IDS),
            inner: Modern::new(mint),
        };
        new.on_host_message(initialize, actions);
        new
    }

    /// Carries words between the halves until both are silent.
    fn settle(&mut self, mut done: Vec<Action>, actions: &mut Vec<Action>) {
        loop {
            for action in done.drain(..) {
                match action {
                    Action::Reply(frame) => self.translation.on_server_message(&frame),
                    // It forgets requests of ours, which no host has ever heard of.
                    Action::Cancelled(_) => {}
                    Action::SetTimer {
                        after,
                        token,
                        is_retry,
                    } => actions.push(Action::SetTimer {
                        after,
                        token: token << 1,
                        is_retry,
                    }),
                    other => actions.push(other),
                }
            }
            let outputs = self.translation.out.take();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::ToServer(frame) if listen::is_unasked(&frame) => {
                        self.inner.listen_unasked(frame, &mut done);
                    }
                    Output::ToServer(frame) => self.inner.on_host_message(frame, &mut done),
                    Output::ToHost(frame) => actions.push(Action::Reply(frame)),
                    Output::Cancelled(id) => actions.push(Action::Cancelled(id)),
                    Output::SetTimer(after, token, is_retry) => actions.push(Action::SetTimer {
                        after,
                        token: (token << 1) | 1,
                        is_retry,
                    }),
                }
            }
        }
    }
}

impl Relay for LegacyToModern {
    fn pair(&self) -> Pair {
        Pair::LegacyToModern
    }

    fn on_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        self.translation.on_host_message(&frame);
        self.settle(Vec::new(), actions);
    }

    fn on_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.inner.on_arrival(exchange, arrival, &mut done);
        self.settle(done, actions);
    }

    fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        // Odd ones are ours, even ones the relay's.
        if token & 1 == 1 {
            self.translation.on_timer(token >> 1);
        } else {
            self.inner.on_timer(token >> 1, &mut done);
        }
        self.settle(done, actions);
    }

    /// Requests that are not with the server at the moment.
    fn waiting(&self) -> usize {
        self.inner.waiting()
    }

    fn ping(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.inner.ping(&mut done);
        self.settle(done, actions);
    }

    fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        self.translation.on_host_gone();
        self.settle(Vec::new(), actions);
        let mut done = Vec::new();
        self.inner.on_host_gone(&mut done);
        self.settle(done, actions);
    }

    fn leave(&mut self, actions: &mut Vec<Action>) {
        self.translation.leave();
        self.settle(Vec::new(), actions);
        let mut done = Vec::new();
        self.inner.leave(&mut done);
        self.settle(done, actions);
    }

    fn abandon(&mut self, actions: &mut Vec<Action>) {
        self.inner.abandon(actions);
    }
}

/// The number at which ids of requests to the server begin, apart from those that the relay mints itself.
const IDS: u64 = 1 << 39;

impl Translation {
    /// Takes what the relay would tell a modern host.
    fn on_server_message(&mut self, frame: &Frame) {
        match frame.outline() {
            Outline::Response { id, failed } => {
                let purpose = id.as_ref().and_then(|id| self.out.take_purpose(id));
                match (purpose, id) {
                    (Some(OwnRequest::Call(number)), _) => self.call_answered(number, frame),
                    (Some(OwnRequest::Listen), Some(id)) => {
                        self.listen_over(id, failed.then_some(frame));
                    }
                    _ => tracing::debug!(?frame, "an answer nobody waits for"),
                }
            }
            Outline::Notification { method } => self.notified(frame, method),
            // A modern remote has nothing to ask outside of results.
            Outline::Request { .. } => tracing::debug!(?frame, "a request of the remote's"),
        }
    }

    fn on_timer(&mut self, token: u64) {
        match self.out.take_timer(token) {
            Some(Timer::Resume(call, state)) => self.send(call, None, Some(&state)),
            Some(Timer::Unanswered(call, round)) => self.unanswered(call, round),
            Some(Timer::Poll(call)) => self.poll(call),
            Some(Timer::Relisten) => self.relisten(),
            Some(Timer::Unacknowledged(listen)) => self.unacknowledged(&listen),
            None => {}
        }
    }

    fn on_host_gone(&mut self) {
        self.is_host_gone = true;
        let gone = BridgeError::new("host_gone", "The server asks for input; the host has left.");
        let asking = |call: &Call| matches!(call.state, CallState::Asking(_));
        let asking: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, call)| asking(call))
            .map(|(number, _)| *number)
            .collect();
        for number in asking {
            self.fail(number, &gone);
        }
        self.stop_listening();
    }

    /// Closes everything under way, which is how a modern server learns of it. The loop answers for the rest.
    fn leave(&mut self) {
        self.is_host_gone = true;
        for call in std::mem::take(&mut self.calls).into_values() {
            self.stop(call, "The bridge is leaving.");
        }
        self.stop_listening();
    }
}
