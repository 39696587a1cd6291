//! Beginning anew: a host that has only looked around begins the legacy way after all, and a remote that was remembered
//! to be legacy turns out not to be.

use super::{State, Translator};
use crate::era::detect::{self, Evidence, Finding};
use crate::era::{Action, Arrival, ExchangeId};
use crate::frame::{Frame, Trouble};

impl Translator {
    /// A look that was answered is not owed another word, and its id may be used again (T-06).
    pub(super) fn strike_looks(&mut self, done: Option<&[Action]>) {
        for action in done.into_iter().flatten() {
            match action {
                Action::Reply(frame) if frame.is_response() => {
                    self.looks.retain(|look| Some(look) != frame.id());
                }
                Action::Forget(id) => self.looks.retain(|look| look != id),
                _ => {}
            }
        }
    }

    /// A host that has looked around in the modern way begins in the legacy one (V-11). One that has done more than look
    /// is modern, and stays so (V-12).
    pub(super) fn begin_again(&mut self, initialize: Frame, actions: &mut Vec<Action>) {
        if self.is_pinned {
            let data = serde_json::json!({ "supported": [detect::MODERN] });
            let words = "This process serves a modern host: it takes no initialize.";
            actions.extend(
                initialize
                    .id()
                    .map(|id| Action::Reply(Frame::error(Some(id), -32022, words, Some(&data)))),
            );
            return;
        }
        // What it still waits for, nobody brings any more.
        let left = Trouble::new("superseded", "The host has begun with initialize instead.");
        actions.extend(
            self.looks
                .drain(..)
                .map(|id| Action::Reply(left.reply(&id))),
        );
        // And what was begun with the remote is ended: it would be heard as part of what begins now.
        self.trial = None;
        if let Some(mut probe) = self.probe.take() {
            probe.abandon(actions);
        }
        match &mut self.state {
            State::Modern(relay) => relay.abandon(actions),
            State::ModernHost(relay) => relay.end(actions),
            _ => {}
        }
        self.state = State::Fresh;
        self.first_words(initialize, actions);
    }

    /// A remote that was remembered to be legacy says that it is modern: it is asked after all (V-06).
    pub(super) fn was_mistaken(
        &mut self,
        exchange: ExchangeId,
        arrival: &Arrival,
        actions: &mut Vec<Action>,
    ) -> bool {
        let is_modern = match arrival {
            // Nothing is known of it, so whatever a modern server says to a handshake of old is worth the question.
            _ if self.was_challenged => detect::evidence(arrival) != Evidence::Nothing,
            Arrival::Refused(_) => matches!(detect::judge(arrival, false), Finding::Again),
            _ => false,
        };
        if self.first.is_none() || !is_modern {
            return false;
        }
        // What else is under way would be answered by nobody.
        let said = match &mut self.state {
            State::Legacy(relay) => {
                let asked = relay.all_that_is_asked(exchange).map(Frame::text);
                let first = self.first.take_if(|first| asked == Some(first.text()));
                first.map(|first| [first].into())
            }
            State::ModernHost(relay) => relay.all_that_waits(exchange),
            _ => None,
        };
        let Some(said) = said else { return false };
        self.first = None;
        self.beginning.remembered = None;
        self.verdict = None;
        self.state = State::Fresh;
        for frame in said {
            self.from_host(frame, actions);
        }
        true
    }
}
