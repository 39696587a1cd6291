//! The relay to the legacy server, with everything that the translation has under way through it: numbers, requests of
//! its own, timers, and the exchanges that frames go out on.
//!
//! The relay answers `ping` alone at once, which is no request of a modern host's. So a frame can be sent in the middle
//! of a step, and nothing comes back before the step is over.

use std::collections::HashMap;
use std::time::Duration;

use crate::era::{Action, Arrival, CallLimit, ExchangeId, Legacy, Mint, Relay, Transport};
use crate::frame::{BridgeError, Frame, Id};

/// Each session counts in a range of its own, so that the number of an exchange or a timer names its session.
pub(in crate::era::modern_to_legacy) const RANGE: u32 = 36;
/// The number at which ids of requests in all sessions begin, apart from those that the relays of the sessions mint
/// themselves.
const IDS: u64 = 1 << 39;

/// The longest time for an answer to `initialize`: hosts give up after a minute.
const OPENING_PATIENCE: Duration = Duration::from_secs(60);
/// The longest time for answers to other requests of our own (MCP 2025-11-25, basic/lifecycle).
const OUR_PATIENCE: Duration = Duration::from_secs(30);

/// The way to the server.
pub(super) struct Link {
    pub(super) relay: Legacy,
    /// Counts ids, handles and times asked for.
    count: u64,
    /// The number that is added to another to make an id of it.
    ids: u64,
    /// Requests of our own, by the number in their ids.
    own_requests: HashMap<u64, SessionRequest>,
    /// The exchanges of the host's requests, by the number in their ids; none before the request is posted.
    exchanges: HashMap<u64, Option<ExchangeId>>,
    timers: HashMap<u64, SessionTimer>,
    /// The exchange that is given up when the time of a call has passed, by the number of the call.
    limits: HashMap<u64, ExchangeId>,
    /// The standing stream, on which the server speaks unasked.
    stream: Option<ExchangeId>,
    /// The exchange of the arrival that is being dealt with.
    receiving: Option<ExchangeId>,
}

/// A request of our own.
pub(super) enum SessionRequest {
    Initialize,
    Level,
    /// To subscribe or to unsubscribe.
    Watch(String),
    /// The status of the task that the call of that number has become.
    TaskStatus(u64),
    /// The result of that task.
    TaskResult(u64),
    /// A request whose answer is not waited for.
    Unawaited,
}

impl SessionRequest {
    /// Returns the longest time for the answer: a request that only mcpipe waits for, only mcpipe would ever give up. The
    /// result of a task is waited for as long as the task takes.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self::Initialize => Some(OPENING_PATIENCE),
            Self::Level | Self::Watch(_) | Self::TaskStatus(_) | Self::Unawaited => {
                Some(OUR_PATIENCE)
            }
            Self::TaskResult(_) => None,
        }
    }
}

/// The purpose of a timer.
pub(super) enum SessionTimer {
    /// Put what the remote has asked to this call's host.
    Ask(u64),
    /// Give up on a parked call.
    Expire(String),
    /// Hand over an answer that waited for what was said before it.
    Late(u64),
    /// Ask for the status of a call's task.
    Poll(u64),
    /// Open the session again for the sake of subscriptions.
    Mend,
    /// A timer of the relay, by its own token.
    Relay(u64),
}

impl Link {
    /// Counts ids, handles and times from `count`, and exchange ids from `base` on.
    pub(super) fn new(count: u64, base: u64, mint: Mint, transport: Transport) -> Self {
        Self {
            relay: Legacy::minting(transport, mint),
            count,
            ids: base + IDS,
            own_requests: HashMap::new(),
            exchanges: HashMap::new(),
            timers: HashMap::new(),
            limits: HashMap::new(),
            stream: None,
            receiving: None,
        }
    }

    /// Returns the range that the session's numbers are of.
    pub(super) fn range(&self) -> u64 {
        self.count >> RANGE
    }

    pub(super) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Returns the id under which the server knows the request of this number.
    pub(super) fn id_of(&self, number: u64) -> Id {
        Id::ours(self.ids + number)
    }

    /// Returns the number in an id of ours, however the server spells it.
    pub(super) fn number_of(&self, id: &Id) -> Option<u64> {
        id.number()?.checked_sub(self.ids)
    }

    /// Sends a frame as the relay's host.
    pub(super) fn send(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.relay.on_host_message(frame, &mut done);
        for action in done {
            self.carry(action, actions);
        }
    }

    /// Sends a request of our own, and returns its number.
    pub(super) fn ask(
        &mut self,
        purpose: SessionRequest,
        method: &str,
        params: &str,
        actions: &mut Vec<Action>,
    ) -> u64 {
        let number = self.number();
        self.own_requests.insert(number, purpose);
        let request = Frame::request(&self.id_of(number), method, Some(params));
        self.send(request, actions);
        number
    }

    /// Takes the purpose of a request of our own that is answered.
    pub(super) fn take_own(&mut self, number: u64) -> Option<SessionRequest> {
        self.own_requests.remove(&number)
    }

    /// Notes from now on which exchange the host's request of this number goes out on.
    pub(super) fn follow(&mut self, number: u64) {
        self.exchanges.insert(number, None);
    }

    pub(super) fn unfollow(&mut self, number: u64) {
        self.exchanges.remove(&number);
    }

    /// Says whether the server has been sent the host's request of this number.
    pub(super) fn is_posted(&self, number: u64) -> bool {
        self.exchanges.get(&number).is_some_and(Option::is_some)
    }

    /// Says whether the present arrival came on the exchange of the host's request of this number.
    pub(super) fn is_received_on(&self, number: u64) -> bool {
        self.is_posted(number) && self.exchanges.get(&number) == Some(&self.receiving)
    }

    /// Says whether the server has a stream that belongs to no request.
    pub(super) fn has_stream(&self) -> bool {
        self.stream.is_some()
    }

    #[cfg(test)]
    pub(super) fn stream(&self) -> Option<ExchangeId> {
        self.stream
    }

    pub(super) fn set_timer(
        &mut self,
        after: Duration,
        timer: SessionTimer,
        actions: &mut Vec<Action>,
    ) {
        let token = self.number();
        let is_retry = matches!(timer, SessionTimer::Mend | SessionTimer::Poll(_));
        self.timers.insert(token, timer);
        actions.push(Action::SetTimer {
            after,
            token,
            is_retry,
        });
    }

    /// Begins the time of a call, or begins it anew.
    pub(super) fn limit(&mut self, number: u64, call: &Frame, actions: &mut Vec<Action>) {
        self.end_limit(number, actions);
        let exchange = self.relay.mint_exchange();
        self.limits.insert(number, exchange);
        let call = call.clone();
        actions.push(Action::Limit(CallLimit { exchange, call }));
    }

    /// Lets the time of a call count no more.
    pub(super) fn end_limit(&mut self, number: u64, actions: &mut Vec<Action>) {
        actions.extend(self.limits.remove(&number).map(Action::Close));
    }

    /// Takes an arrival that is the end of a call's time, and returns the number of the call and the error for it.
    pub(super) fn take_limit(
        &mut self,
        exchange: ExchangeId,
        arrival: &Arrival,
    ) -> Option<(u64, BridgeError)> {
        let Arrival::GivenUp(late) = arrival else {
            return None;
        };
        let mut limits = self.limits.iter();
        let number = limits
            .find(|(_, limit)| **limit == exchange)
            .map(|(number, _)| *number)?;
        self.limits.remove(&number);
        Some((number, late.clone()))
    }

    /// Takes the purpose of a timer that has fired.
    pub(super) fn take_timer(&mut self, token: u64) -> Option<SessionTimer> {
        self.timers.remove(&token)
    }

    /// Begins with what an exchange brought, and returns what the relay makes of it.
    pub(super) fn receive(&mut self, exchange: ExchangeId, arrival: Arrival) -> Vec<Action> {
        if arrival.is_last() {
            self.end_stream(exchange);
        }
        self.receiving = Some(exchange);
        let mut done = Vec::new();
        self.relay.on_arrival(exchange, arrival, &mut done);
        done
    }

    pub(super) fn end_receive(&mut self) {
        self.receiving = None;
    }

    /// Opens a lost session again that could not be opened before, without a request that would make it necessary.
    pub(super) fn mend(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.relay.mend(&mut done);
        for action in done {
            self.carry(action, actions);
        }
    }

    /// Passes an action of the relay on that concerns the transport.
    pub(super) fn carry(&mut self, action: Action, actions: &mut Vec<Action>) {
        match action {
            Action::Reply(frame) => {
                debug_assert!(false, "the relay has answered at once");
                tracing::debug!(?frame, "an answer that came too early");
            }
            Action::Cancelled(_) => {} // of an id that the host does not know
            Action::Post(mut post) => {
                let id = post.frame.id().filter(|_| post.frame.is_request());
                if let Some(number) = id.and_then(|id| self.number_of(id)) {
                    let own = self.own_requests.get(&number);
                    // What the server asks on the stream of the result, it asks for the sake of the call.
                    let call = match own {
                        Some(SessionRequest::TaskResult(call)) => *call,
                        _ => number,
                    };
                    if let Some(exchange) = self.exchanges.get_mut(&call) {
                        *exchange = Some(post.exchange);
                    }
                    post.patience = own.and_then(SessionRequest::patience).or(post.patience);
                }
                actions.push(Action::Post(post));
            }
            Action::Listen(listen) => {
                self.stream = Some(listen.exchange);
                actions.push(Action::Listen(listen));
            }
            Action::Close(exchange) => {
                self.end_stream(exchange);
                actions.push(Action::Close(exchange));
            }
            Action::SetTimer { after, token, .. } => {
                self.set_timer(after, SessionTimer::Relay(token), actions);
            }
            other => actions.push(other),
        }
    }

    fn end_stream(&mut self, exchange: ExchangeId) {
        self.stream = self.stream.filter(|stream| *stream != exchange);
    }
}
