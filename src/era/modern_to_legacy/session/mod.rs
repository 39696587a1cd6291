//! A legacy session, served to a host of the modern era.
//!
//! Towards the remote this is a legacy host, played to a [`Legacy`] relay: the relay opens the session, opens it again
//! when it is lost, resumes streams and falls back to HTTP+SSE, and knows nothing of the era of the real host. Towards
//! the host this is a modern server. What is in between: requests lose their envelope and answers gain theirs
//! (`shape`), the remote's own requests become questions in results (`input_required`), and `subscriptions/listen` is
//! made of what a session offers (`listen`).
//!
//! Knows nothing of other sessions; whether a request belongs here has been decided when it comes.

mod from_server;
mod input_required;
mod listen;
mod log;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use super::capabilities::{Capabilities, capabilities};
use super::shape;
use super::{IDS, RANGE};
use crate::era::protocol::may_ask_for_input;
use crate::era::server_info::ServerInfo;
use crate::era::{Action, Arrival, ExchangeId, Legacy, Mint, Relay, Transport};
use crate::frame::{BridgeError, Frame, Id, Outline};

use input_required::{Parked, PendingQuestion, Seed, Timer};
use listen::Subscriptions;

/// The longest time for an answer to `initialize`: hosts give up after a minute.
const OPENING_PATIENCE: Duration = Duration::from_secs(60);
/// The longest time for answers to other requests of our own (MCP 2025-11-25, basic/lifecycle).
const OUR_PATIENCE: Duration = Duration::from_secs(30);

/// The session, and what the host has in it.
pub(super) struct SessionTranslation {
    inner: Legacy,
    handshake: Handshake,
    /// The capabilities that the server is told of.
    declared: Capabilities,
    /// The reason for which the session could not be opened; held requests have not been answered with it yet.
    refusal: Option<Frame>,
    /// Frames that came from the host before the session was open, in order.
    held: VecDeque<Frame>,
    server: ServerInfo,
    /// Counts ids, handles and times asked for.
    count: u64,
    /// The number that is added to another to make an id of it.
    ids: u64,
    seed: Seed,
    /// Every request of the host's that is with the remote, the oldest first, by the number in its id.
    calls: BTreeMap<u64, Call>,
    /// Requests of our own, by the number in their ids.
    own_requests: HashMap<u64, OwnRequest>,
    /// The log level that the server has been set to, and is being set to.
    level: Option<usize>,
    levelling: Option<usize>,
    /// Calls whose answer is a question, by the handle the host was given.
    parked: HashMap<String, Parked>,
    /// The purpose of a timer.
    timers: HashMap<u64, Timer>,
    subscriptions: Subscriptions,
    /// Openings in a row that failed and were not for a request of the host.
    failures: u32,
    /// The exchange that is being heard.
    hearing: Option<ExchangeId>,
    is_host_gone: bool,
}

/// The state of the handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handshake {
    None,
    /// `initialize` is out.
    Begun,
    /// Answered; the relay knows what to wait for.
    Done,
}

/// A request of the host's that the remote has.
struct Call {
    /// The host's id that the answer is for; none while the call is parked.
    host: Option<Id>,
    method: Box<str>,
    digest: [u8; 32],
    /// The host's progress token, as JSON text.
    token: Option<String>,
    level: Option<usize>,
    /// The capabilities that this request declared.
    capabilities: String,
    /// The exchange it went out on.
    exchange: Option<ExchangeId>,
    /// The request, held until the server has taken a log level.
    held: Option<Frame>,
    /// Questions of the server that are open.
    asked: Vec<PendingQuestion>,
    /// Counts what it asked.
    questions: u64,
    /// The answer that came while it was parked.
    answer: Option<Frame>,
}

/// A request of our own.
enum OwnRequest {
    Initialize,
    Level,
    /// To subscribe or to unsubscribe.
    Watch(String),
}

impl fmt::Debug for SessionTranslation {
    /// Writes the session without its seed and its handles.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SessionTranslation")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl SessionTranslation {
    /// Counts its ids, handles and times from `count`, and exchange ids from `base` on. `seed` is 32 random bytes from
    /// which unguessable handles are made.
    pub(super) fn new(
        count: u64,
        base: u64,
        mint: Mint,
        transport: Transport,
        seed: [u8; 32],
        declared: Capabilities,
    ) -> Self {
        Self {
            inner: Legacy::minting(transport, mint),
            handshake: Handshake::None,
            declared,
            refusal: None,
            held: VecDeque::new(),
            server: ServerInfo::default(),
            count,
            ids: base + IDS,
            seed: Seed::new(seed),
            calls: BTreeMap::new(),
            own_requests: HashMap::new(),
            level: None,
            levelling: None,
            parked: HashMap::new(),
            timers: HashMap::new(),
            subscriptions: Subscriptions::default(),
            failures: 0,
            hearing: None,
            is_host_gone: false,
        }
    }

    /// Returns the capabilities that the server has been told of, or will be.
    pub(super) fn declared(&self) -> &Capabilities {
        &self.declared
    }

    /// Declares capabilities for a session that is not being opened yet.
    pub(super) fn declare(&mut self, declared: Capabilities) {
        self.declared = declared;
    }

    /// Says whether the server has not heard of the session, or has refused it.
    pub(super) fn is_unopened(&self) -> bool {
        self.handshake == Handshake::None
    }

    /// Says whether the server has answered `initialize`. The session may have been lost again since.
    pub(super) fn is_open(&self) -> bool {
        self.handshake == Handshake::Done
    }

    /// Says whether the host has nothing in the session any more, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
            && self.calls.is_empty()
            && self.parked.is_empty()
            && self.subscriptions.is_empty()
            && self.inner.is_quiet()
    }

    /// Takes the reason of a failed opening, and the frames that waited for it.
    pub(super) fn failed(&mut self) -> Option<(Frame, VecDeque<Frame>)> {
        Some((self.refusal.take()?, std::mem::take(&mut self.held)))
    }

    /// Returns the frames that wait, if the session is being opened on this exchange and nothing else is under way.
    pub(super) fn waiting_for_handshake(&self, exchange: ExchangeId) -> Option<VecDeque<Frame>> {
        self.inner
            .all_that_is_asked(exchange)
            .filter(|_| self.handshake == Handshake::Begun)?;
        Some(self.held.clone())
    }

    /// Returns the range that its numbers are of.
    pub(super) fn range(&self) -> u64 {
        self.count >> RANGE
    }

    /// Takes a request that has been checked, or a notification that cancels nothing.
    pub(super) fn says(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if frame.is_request() {
            self.requested(frame, actions);
        } else {
            self.notified(frame, actions);
        }
    }

    /// Takes the place of the session before it: what waited there to be heard at all, and who listens.
    pub(super) fn take_over(&mut self, old: &mut Self, actions: &mut Vec<Action>) {
        self.adopt(&mut old.subscriptions, actions);
        for frame in std::mem::take(&mut old.held) {
            self.says(frame, actions);
        }
    }

    /// Takes a request that has been checked.
    pub(super) fn requested(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match self.handshake {
            Handshake::Done => self.serve(frame, actions),
            Handshake::Begun => self.held.push_back(frame),
            Handshake::None => {
                let params = shape::initialize(&frame, &self.declared);
                self.held.push_back(frame);
                self.handshake = Handshake::Begun;
                let number = self.number();
                self.run(
                    number,
                    OwnRequest::Initialize,
                    "initialize",
                    &params,
                    actions,
                );
            }
        }
    }

    /// Takes a notification that cancels nothing.
    pub(super) fn notified(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.method() {
            Some("notifications/initialized" | "notifications/roots/list_changed") => {
                tracing::debug!(?frame, "not part of this revision");
            }
            _ => match self.handshake {
                Handshake::Done => {
                    if let Some(frame) = shape::downgrade(&frame, None) {
                        self.tell(frame, actions);
                    }
                }
                Handshake::Begun => self.held.push_back(frame),
                Handshake::None => tracing::debug!(?frame, "nobody to tell yet"),
            },
        }
    }

    /// Takes what an exchange of this session brought.
    pub(super) fn take_arrival(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        if arrival.is_last() {
            self.subscriptions.stream_over(exchange);
        }
        self.hearing = Some(exchange);
        let mut done = Vec::new();
        self.inner.on_arrival(exchange, arrival, &mut done);
        self.translate(done, actions);
        self.hearing = None;
        self.acknowledge(actions);
        self.look_after_losses(actions);
    }

    /// Takes the end of a time that was asked for with [`Action::SetTimer`].
    pub(super) fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        match self.timers.remove(&token) {
            Some(Timer::Ask(number)) => self.ask(number, actions),
            Some(Timer::Expire(handle)) => self.expire(&handle, actions),
            Some(Timer::Late(number)) => self.logs_are_in(number, actions),
            Some(Timer::Mend) => self.mend(actions),
            Some(Timer::Relay(token)) => {
                let mut done = Vec::new();
                self.inner.on_timer(token, &mut done);
                self.translate(done, actions);
            }
            None => {}
        }
    }

    /// Frames of the host that wait for the session.
    pub(super) fn waiting(&self) -> usize {
        self.held.len() + self.inner.waiting()
    }

    /// Asks the remote whether it is there, where the era has a way to.
    pub(super) fn ping(&mut self, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.inner.ping(&mut done);
        self.translate(done, actions);
    }

    /// Takes the news that the host has closed stdin: it can answer nothing any more, and cancel no subscription. Calls
    /// go on.
    pub(super) fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        self.is_host_gone = true;
        self.end_subscriptions(actions);
        self.ask_no_more(actions);
        let mut done = Vec::new();
        self.inner.on_host_gone(&mut done);
        self.translate(done, actions);
    }

    /// Ends what is open, as the last thing before the bridge leaves.
    pub(super) fn leave(&mut self, actions: &mut Vec<Action>) {
        self.inner.leave(actions);
    }

    /// Ends the session while others stay: nothing of it may be heard any more.
    pub(super) fn end(&mut self, actions: &mut Vec<Action>) {
        self.inner.abandon(actions);
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Returns the id under which the remote knows the request of this number.
    fn id_of(&self, number: u64) -> Id {
        Id::ours(self.ids + number)
    }

    /// Returns the number in an id of ours, however the remote spells it.
    fn number_of(&self, id: &Id) -> Option<u64> {
        id.number()?.checked_sub(self.ids)
    }

    fn serve(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let Outline::Request { id, method } = frame.outline() else {
            return self.notified(frame, actions);
        };
        let is_retry =
            frame.param("requestState").is_some() || frame.param("inputResponses").is_some();
        match &**method {
            "server/discover" => {
                let result = self.server.discover();
                actions.push(Action::Reply(Frame::result(id, &result)));
            }
            "subscriptions/listen" => self.listen(&frame, id, actions),
            method if may_ask_for_input(method) && is_retry => self.retry(&frame, id, actions),
            _ => self.call(&frame, id, actions),
        }
    }

    /// Sends a request on.
    fn call(&mut self, frame: &Frame, id: &Id, actions: &mut Vec<Action>) {
        let number = self.number();
        let Some(request) = shape::downgrade(frame, Some(&self.id_of(number))) else {
            let words = "The request cannot be translated.";
            return actions.push(Action::Reply(
                BridgeError::new("bad_request", words).reply(id),
            ));
        };
        let level = shape::level(frame).filter(|_| self.server.has_logging());
        let waits = level.is_some();
        let call = Call {
            host: Some(id.clone()),
            method: frame.method().unwrap_or_default().into(),
            digest: shape::digest(frame),
            token: shape::progress_token(frame).map(str::to_owned),
            level,
            capabilities: capabilities(frame).to_owned(),
            exchange: None,
            held: waits.then(|| request.clone()),
            asked: Vec::new(),
            questions: 0,
            answer: None,
        };
        self.calls.insert(number, call);
        if waits {
            self.settle_level(actions);
        } else {
            self.tell(request, actions);
        }
    }

    /// Lets calls go that want no more talk than the remote has been told to make, and tells it if they want more. The
    /// level is the session's, so it only ever rises; what a request did not ask for is kept from it one by one.
    fn settle_level(&mut self, actions: &mut Vec<Action>) {
        let held = |call: &Call| call.held.as_ref().and(call.level);
        if self.levelling.is_none()
            && let Some(wanted) = self.calls.values().filter_map(held).min()
            && self.level.is_none_or(|level| wanted < level)
            && let Some(params) = shape::level_params(wanted)
        {
            self.levelling = Some(wanted);
            let number = self.number();
            self.run(
                number,
                OwnRequest::Level,
                "logging/setLevel",
                &params,
                actions,
            );
        }
        let Some(level) = self.level else { return };
        let free = |call: &mut Call| call.held.take_if(|_| call.level >= Some(level));
        let free: Vec<Frame> = self.calls.values_mut().filter_map(free).collect();
        for request in free {
            self.tell(request, actions);
        }
    }

    /// Sends a request of our own.
    fn run(
        &mut self,
        number: u64,
        own_request: OwnRequest,
        method: &str,
        params: &str,
        actions: &mut Vec<Action>,
    ) {
        self.own_requests.insert(number, own_request);
        let request = Frame::request(&self.id_of(number), method, Some(params));
        self.tell(request, actions);
    }

    /// Says something as the relay's host.
    fn tell(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        self.inner.on_host_message(frame, &mut done);
        self.translate(done, actions);
    }

    /// Cancels the host's request of that id, if it is here.
    pub(super) fn cancel(&mut self, id: &Id, reason: Option<&str>, actions: &mut Vec<Action>) {
        let is_it = |frame: &Frame| frame.is_request() && frame.id() == Some(id);
        if let Some(at) = self.held.iter().position(is_it) {
            self.held.remove(at);
            actions.push(Action::Cancelled(id.clone()));
        } else if self.unlisten(id) {
            actions.push(Action::Cancelled(id.clone()));
            self.settle_watches(actions);
        } else if let Some((&number, _)) = self
            .calls
            .iter()
            .find(|(_, call)| call.host.as_ref() == Some(id))
        {
            actions.push(Action::Cancelled(id.clone()));
            self.stop(number, reason, actions);
        }
    }

    /// Tells the remote to stop, and that its questions will not be answered.
    fn stop(&mut self, number: u64, reason: Option<&str>, actions: &mut Vec<Action>) {
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        let id = self.id_of(number);
        for asked in call.asked {
            self.tell(asked.declined(), actions);
        }
        if call.held.is_none() && call.answer.is_none() {
            let reason = reason
                .map(|reason| format!(r#","reason":{reason}"#))
                .unwrap_or_default();
            let params = format!(r#"{{"requestId":{id}{reason}}}"#);
            let notice = Frame::notification("notifications/cancelled", Some(&params));
            self.tell(notice, actions);
        }
    }
}
