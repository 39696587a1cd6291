//! A legacy host with a modern remote: a local handshake and translation.
//!
//! Two halves. `Translation` turns what a legacy host says into what a modern one would, and back; it knows nothing of
//! exchanges. [`Modern`] carries that modern conversation over HTTP, as it does for hosts that are modern themselves.

mod calls;
mod handshake;
mod input_requests;
mod listen;
#[cfg(test)]
mod listen_tests;
mod shape;
mod tasks;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_tests;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{Action, Arrival, ExchangeId, Mint, Modern};
use crate::frame::{Frame, Id, Outline, Trouble};
use calls::Call;
pub(super) use handshake::declared;
use handshake::{Host, Remote};
use listen::Subscriptions;

/// The translator.
#[derive(Debug)]
pub struct LegacyToModern {
    translation: Translation,
    inner: Modern,
}

impl LegacyToModern {
    /// `discover` is the remote's `DiscoverResult` as JSON text, `called` what to call a remote that does not give its
    /// name, `initialize` the host's request, which it answers at once.
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
        new.from_host(initialize, actions);
        new
    }

    /// Takes a frame from the host.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every pair of eras is spoken to in the same words"
    )]
    pub fn from_host(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        self.translation.host_says(&frame);
        self.settle(Vec::new(), actions);
    }

    /// Takes what an exchange brought.
    pub fn from_remote(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        let mut done = Vec::new();
        self.inner.from_remote(exchange, arrival, &mut done);
        self.settle(done, actions);
    }

    /// A time asked for with [`Action::SetTimer`] is over.
    pub fn timer_fired(&mut self, token: u64, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        // Odd ones are ours, even ones the relay's.
        if token & 1 == 1 {
            self.translation.timer_fired(token >> 1);
        } else {
            self.inner.timer_fired(token >> 1, &mut done);
        }
        self.settle(done, actions);
    }

    /// Requests that are with nobody at the moment.
    pub fn waiting(&self) -> usize {
        self.inner.waiting()
    }

    /// Asks the remote whether it is there, where the era has a way to.
    pub fn ping(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.inner.ping(&mut done);
        self.settle(done, actions);
    }

    /// The host has closed stdin: it can answer nothing any more.
    pub fn host_gone(&mut self, actions: &mut Vec<Action>) {
        self.translation.host_gone();
        self.settle(Vec::new(), actions);
        let mut done = Vec::new();
        self.inner.host_gone(&mut done);
        self.settle(done, actions);
    }

    /// The last thing.
    pub fn leave(&mut self, actions: &mut Vec<Action>) {
        self.translation.leave();
        self.settle(Vec::new(), actions);
        let mut done = Vec::new();
        self.inner.leave(&mut done);
        self.settle(done, actions);
    }

    /// Closes everything that is open, for a remote that has turned out to be another.
    pub(super) fn abandon(&mut self, actions: &mut Vec<Action>) {
        self.inner.abandon(actions);
    }

    /// Carries words between the halves until both are silent.
    fn settle(&mut self, mut done: Vec<Action>, actions: &mut Vec<Action>) {
        loop {
            for action in done.drain(..) {
                match action {
                    Action::Reply(frame) => self.translation.remote_says(&frame),
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
            let outputs = std::mem::take(&mut self.translation.output);
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::ToServer(frame) if listen::is_unasked(&frame) => {
                        self.inner.listen_unasked(frame, &mut done);
                    }
                    Output::ToServer(frame) => self.inner.from_host(frame, &mut done),
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

/// Where ids of requests to the remote begin, apart from those that the relay mints itself.
const IDS: u64 = 1 << 39;

/// The half that translates: a modern host towards the relay, a legacy remote towards the host.
#[derive(Debug)]
struct Translation {
    host: Host,
    remote: Remote,
    /// As JSON text, once the host has set one.
    level: Option<String>,
    /// By a number of ours: a host may use an id again. In order, so that what is done to all is done alike each time.
    calls: BTreeMap<u64, Call>,
    /// Requests of ours to the remote.
    own_requests: HashMap<Id, OwnRequest>,
    /// Requests of ours to the host, and the call each belongs to.
    questions: HashMap<Id, u64>,
    /// Questions for a host that is not ready for them (MCP 2025-11-25, basic/lifecycle).
    early: Vec<Frame>,
    subscriptions: Subscriptions,
    timers: HashMap<u64, Timer>,
    is_ready: bool,
    is_host_gone: bool,
    count: u64,
    /// Where the ids of requests to the remote begin.
    ids: u64,
    /// What is to be done, in order.
    output: Vec<Output>,
}

/// What a request of ours to the remote is for.
#[derive(Debug)]
enum OwnRequest {
    /// That call.
    Call(u64),
    /// Being told of changes.
    Listen,
    /// Nothing that anybody waits for.
    Unheard,
}

/// Something to be carried.
#[derive(Debug)]
enum Output {
    /// To the remote.
    ToServer(Frame),
    /// To the host.
    ToHost(Frame),
    /// The host's request of that id is owed nothing.
    Cancelled(Id),
    /// When, whose, and whether it is to try again.
    SetTimer(Duration, u64, bool),
}

/// What is to be done when a time is over.
#[derive(Debug)]
enum Timer {
    /// Send a call's next round, with the state of this one.
    Resume(u64, String),
    /// See whether that round of that call has been answered.
    Unanswered(u64, u64),
    /// Ask how a call's task is doing.
    Poll(u64),
    /// Listen again.
    Relisten,
    /// See whether that listen has been acknowledged.
    Unacknowledged(Id),
}

impl Translation {
    fn new(discover: &str, called: &str, ids: u64) -> Self {
        Self {
            host: Host::default(),
            remote: Remote::read(discover, called),
            level: None,
            calls: BTreeMap::new(),
            own_requests: HashMap::new(),
            questions: HashMap::new(),
            early: Vec::new(),
            subscriptions: Subscriptions::default(),
            timers: HashMap::new(),
            is_ready: false,
            is_host_gone: false,
            count: 0,
            ids,
            output: Vec::new(),
        }
    }

    /// Takes what the relay would tell a modern host.
    fn remote_says(&mut self, frame: &Frame) {
        match frame.outline() {
            Outline::Response { id, failed } => {
                let purpose = id.as_ref().and_then(|id| self.own_requests.remove(id));
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

    fn timer_fired(&mut self, token: u64) {
        match self.timers.remove(&token) {
            Some(Timer::Resume(call, state)) => self.send(call, None, Some(&state)),
            Some(Timer::Unanswered(call, round)) => self.unanswered(call, round),
            Some(Timer::Poll(call)) => self.poll(call),
            Some(Timer::Relisten) => self.relisten(),
            Some(Timer::Unacknowledged(listen)) => self.unacknowledged(&listen),
            None => {}
        }
    }

    fn host_gone(&mut self) {
        self.is_host_gone = true;
        let gone = Trouble::new("host_gone", "The server asks for input; the host has left.");
        let asking = |call: &Call| matches!(call.state, calls::CallState::Asking(_));
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

    /// Whatever is under way is closed, which is how a modern remote learns of it. The loop answers for the rest.
    fn leave(&mut self) {
        self.is_host_gone = true;
        for call in std::mem::take(&mut self.calls).into_values() {
            self.stop(call, "The bridge is leaving.");
        }
        self.stop_listening();
    }

    /// A number never given before.
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// An id for a request to the host. It is a string that no server would choose.
    fn id(&mut self) -> Id {
        let number = self.number();
        Id::parse(&format!("\"bridge:h{number}\"")).unwrap_or_else(|| Id::ours(number))
    }

    /// An id for a request to the remote, which never hears the host's own.
    fn upstream_id(&mut self) -> Id {
        let number = self.number();
        Id::ours(self.ids + number)
    }

    fn to_server(&mut self, frame: Frame) {
        self.output.push(Output::ToServer(frame));
    }

    fn to_host(&mut self, frame: Frame) {
        self.output.push(Output::ToHost(frame));
    }

    fn cancelled(&mut self, id: &Id) {
        self.output.push(Output::Cancelled(id.clone()));
    }

    fn set_timer(&mut self, after: Duration, timer: Timer) {
        let token = self.number();
        let is_retry = matches!(timer, Timer::Resume(..) | Timer::Poll(_) | Timer::Relisten);
        self.timers.insert(token, timer);
        self.output.push(Output::SetTimer(after, token, is_retry));
    }
}
