//! A legacy host with a modern remote: a local handshake and translation.
//!
//! Two halves. `Translation` turns what a legacy host says into what a modern one would, and back; it knows nothing of
//! exchanges. [`Modern`] carries that modern conversation over HTTP, as it does for hosts that are modern themselves.

mod calls;
mod handshake;
mod input_requests;
mod listen;
mod outbox;
mod peers;
mod shape;
mod standing;
mod task_calls;
mod tasks;
#[cfg(test)]
mod tests;
mod translation;

use std::collections::BTreeMap;

use super::{Action, Arrival, CallLimit, ExchangeId, Mint, Modern, Pair, Relay};
use crate::frame::Frame;
pub(super) use handshake::declared;
use outbox::OutboxItem;
use translation::Translation;

/// The number at which ids of requests to the server begin, apart from those that the relay mints itself.
const IDS: u64 = 1 << 39;

/// The translator.
#[derive(Debug)]
pub struct LegacyToModern {
    translation: Translation,
    inner: Modern,
    /// The calls whose time runs, by the exchange that is given up when it has passed.
    limits: BTreeMap<ExchangeId, u64>,
}

impl LegacyToModern {
    /// Begins. `discover` is the server's `DiscoverResult` as JSON text, `fallback_name` the name for a server that
    /// does not give its own, `initialize` the host's request, which it answers at once.
    pub fn new(
        mint: Mint,
        discover: &str,
        fallback_name: &str,
        initialize: Frame,
        actions: &mut Vec<Action>,
    ) -> Self {
        let mut new = Self {
            translation: Translation::new(discover, fallback_name, mint.last() + IDS),
            inner: Modern::new(mint),
            limits: BTreeMap::new(),
        };
        new.on_host_message(initialize, actions);
        new
    }

    /// Lets the time of a call count no more.
    fn end_limit(&mut self, number: u64, actions: &mut Vec<Action>) {
        let found = self.limits.iter().find(|(_, call)| **call == number);
        if let Some(exchange) = found.map(|(exchange, _)| *exchange) {
            self.limits.remove(&exchange);
            actions.push(Action::Close(exchange));
        }
    }

    /// Carries words between the halves until both are silent.
    fn settle(&mut self, mut done: Vec<Action>, actions: &mut Vec<Action>) {
        loop {
            for action in done.drain(..) {
                match action {
                    Action::Reply(frame) => self.translation.on_server_message(&frame),
                    // Requests of ours, whose ids no host knows.
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
                    OutboxItem::ToServer(frame) if listen::is_unasked(&frame) => {
                        self.inner.listen_unasked(frame, &mut done);
                    }
                    OutboxItem::ToServer(frame) => self.inner.on_host_message(frame, &mut done),
                    OutboxItem::ToHost(frame) => actions.push(Action::Reply(frame)),
                    OutboxItem::Cancelled(id) => actions.push(Action::Cancelled(id)),
                    OutboxItem::Limit(number, call) => {
                        self.end_limit(number, actions);
                        let exchange = self.inner.mint_exchange();
                        self.limits.insert(exchange, number);
                        actions.push(Action::Limit(CallLimit { exchange, call }));
                    }
                    OutboxItem::EndLimit(number) => self.end_limit(number, actions),
                    OutboxItem::SetTimer(after, token, is_retry) => {
                        actions.push(Action::SetTimer {
                            after,
                            token: (token << 1) | 1,
                            is_retry,
                        });
                    }
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
        if let Some(number) = self.limits.remove(&exchange) {
            if let Arrival::GivenUp(late) = arrival {
                self.translation.on_limit(number, &late);
            }
        } else {
            self.inner.on_arrival(exchange, arrival, &mut done);
        }
        self.settle(done, actions);
    }

    fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        // Odd tokens are the translation's, even ones the relay's.
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
