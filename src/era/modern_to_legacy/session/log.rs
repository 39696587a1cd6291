//! Log messages, each for a request that asked for them.
//!
//! A message on a request's own stream is for that request. One on a stream that belongs to no request may be for any:
//! servers of the official TypeScript SDK send there what a tool logs, so dropping it would lose it.
//! And because that stream is another connection, the message may arrive a moment after the answer it preceded; so the
//! answer to a request that wants logs is held for that moment.

use std::time::Duration;

use super::{Call, SessionTranslation, Timer};
use crate::era::Action;
use crate::era::modern_to_legacy::shape;
use crate::frame::Frame;

/// The time for which an answer waits for logs that were sent before it on another connection.
const LATE: Duration = Duration::from_millis(20);

impl SessionTranslation {
    pub(super) fn wants_message(&self, frame: &Frame) -> bool {
        let rank = frame.param("level").and_then(shape::rank);
        let is_heard = |call: &Call| call.exchange.is_some() && call.exchange == self.hearing;
        let is_anybodys = !self.calls.values().any(is_heard);
        self.calls.values().any(|call| {
            (is_anybodys || is_heard(call))
                && call.host.is_some()
                && call.level.is_some_and(|wanted| rank >= Some(wanted))
        })
    }

    pub(super) fn may_have_logs_behind_it(&self, number: u64) -> bool {
        let call = self.calls.get(&number);
        call.is_some_and(|call| call.level.is_some() && call.answer.is_none())
            && self.subscriptions.has_stream()
    }

    pub(super) fn wait_for_logs(&mut self, number: u64, answer: Frame, actions: &mut Vec<Action>) {
        if let Some(call) = self.calls.get_mut(&number) {
            call.answer = Some(answer);
            call.asked.clear(); // an answered call asks nothing any more
        }
        self.set_timer(LATE, Timer::Late(number), actions);
    }

    pub(super) fn logs_are_in(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(mut call) = self.calls.remove(&number) else {
            return; // cancelled meanwhile
        };
        if let Some(answer) = call.answer.take() {
            self.finish(&call, &answer, actions);
        }
    }
}
