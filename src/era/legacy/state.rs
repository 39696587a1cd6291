//! The state of the relay, and frames on their way out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::gate::Gate;
use super::pending::{Pending, Role};
use super::session::Session;
use super::sse_state::{SseState, Transport};
use crate::era::standing::StandingRequest;
use crate::era::{Action, ExchangeId, Head, Mint, Post};
use crate::frame::{BridgeError, Frame, Id, Outline};

/// The longest time that requests of our own may take.
const OUR_PATIENCE: Duration = Duration::from_secs(30);

/// The relay.
#[derive(Debug)]
pub struct Legacy {
    pub(super) session: Session,
    pub(super) mint: Mint,
    pub(super) gate: Gate,
    /// Frames that came from the host while the gate was closed, in order.
    pub(super) waiting: VecDeque<Queued>,
    /// Every exchange that has not ended, and with HTTP+SSE every request not yet answered.
    pub(super) pending: HashMap<ExchangeId, Pending>,
    /// The standing stream, if one is open.
    pub(super) listening: Option<ExchangeId>,
    /// Requests of the remote that came before the host was ready for them (MCP 2025-11-25, basic/lifecycle).
    pub(super) early: Vec<Frame>,
    pub(super) is_host_ready: bool,
    pub(super) is_host_gone: bool,
    pub(super) sse: SseState,
    /// Requests that stand, were lost and are about to be sent again, by the token of their timer.
    pub(super) lost: HashMap<u64, Queued>,
    /// Requests that the server has ended and not answered, by the token of their timer.
    pub(super) ending: HashMap<u64, ExchangeId>,
    /// Requests of the server that the host has not answered, by their ids: a cancellation may name one of them.
    pub(super) questions: HashSet<Id>,
}

/// A frame of the host's that waits for the session.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) frame: Frame,
    /// The frame has been sent once, into a session that was gone; it is not sent a third time.
    pub(super) is_repeated: bool,
    /// The frame has been sent once, and goes under another id now.
    pub(super) is_again: bool,
    /// The position of a request that stands, or may.
    pub(super) standing: StandingRequest,
}

impl Queued {
    pub(super) fn new(frame: Frame) -> Self {
        Self {
            is_repeated: false,
            is_again: false,
            standing: StandingRequest::of(&frame),
            frame,
        }
    }

    /// Returns the answer to a request that is lost for good.
    pub(super) fn last_answer(&self, error: &BridgeError) -> Option<Frame> {
        let own = self.frame.id().filter(|_| self.frame.is_request())?;
        Some(self.standing.last_answer(own, error))
    }
}

impl Pending {
    /// Returns the frame that was posted, to be posted again. `is_repeated` says that its session was gone.
    pub(super) fn into_queued(self, is_repeated: bool) -> Option<Queued> {
        Some(Queued {
            frame: self.frame?,
            is_repeated,
            is_again: self.sent.is_some(),
            standing: self.standing,
        })
    }
}

impl Legacy {
    /// Makes a relay that has seen nothing yet.
    pub fn new(transport: Transport) -> Self {
        Self::minting(transport, Mint::default())
    }

    /// Makes the same, going on where another translator's exchange ids ended.
    pub fn minting(transport: Transport, mint: Mint) -> Self {
        Self {
            session: Session::default(),
            mint,
            gate: Gate::Open,
            waiting: VecDeque::new(),
            pending: HashMap::new(),
            listening: None,
            early: Vec::new(),
            is_host_ready: false,
            is_host_gone: false,
            sse: SseState::for_transport(transport),
            lost: HashMap::new(),
            ending: HashMap::new(),
            questions: HashSet::new(),
        }
    }

    /// Mints an exchange of another's.
    pub(in crate::era) fn mint_exchange(&mut self) -> ExchangeId {
        self.mint.exchange()
    }

    /// Returns the opening of the session that a request sent now belongs to; `None` where the server keeps no session
    /// that it could lose.
    pub(in crate::era) fn opening(&self) -> Option<u64> {
        self.session.named()
    }

    /// Returns an id that no request under way has.
    pub(super) fn fresh_id(&mut self) -> Id {
        loop {
            let id = Id::ours(self.mint.number());
            let is_it = |frame: &Frame| frame.id().is_some_and(|it| it.number() == id.number());
            let lost = self.lost.values();
            let mut waiting = self.waiting.iter().chain(lost);
            let is_waiting = waiting.any(|queued| is_it(&queued.frame));
            let mut pending = self.pending.values();
            if !is_waiting && !pending.any(|pending| pending.frame.as_ref().is_some_and(is_it)) {
                return id;
            }
        }
    }

    pub(super) fn post(
        &mut self,
        queued: Queued,
        role: Role,
        actions: &mut Vec<Action>,
    ) -> ExchangeId {
        let exchange = self.mint.exchange();
        let sent = queued.is_again.then(|| self.fresh_id());
        let Queued {
            frame,
            is_repeated,
            standing,
            ..
        } = queued;
        let is_initialize = frame.method() == Some("initialize");
        if matches!(frame.outline(), Outline::Notification { .. }) {
            self.sse.responses.notified();
        }
        let headers = if is_initialize {
            http::HeaderMap::new()
        } else {
            self.session.headers()
        };
        let has_open = self
            .pending
            .values()
            .any(|pending| pending.is_owed && pending.role == Role::Host);
        let has_waiting = self.has_requests_waiting();
        let is_asked_by_host = role.is_asked_by_host(&frame, has_waiting, has_open);
        self.pending.insert(
            exchange,
            Pending {
                frame: Some(frame.clone()),
                role,
                head: Head::default(),
                is_owed: frame.is_request(),
                session: if is_initialize {
                    None
                } else {
                    self.session.named()
                },
                is_repeated,
                sent: sent.clone(),
                standing: standing.clone(),
            },
        );
        let frame = match sent {
            Some(sent) => standing.request(&frame).with_id(&sent),
            None => standing.request(&frame),
        };
        actions.push(Action::Post(Post {
            exchange,
            frame,
            headers,
            endpoint: self.sse.endpoint(),
            is_resumable: !self.sse.is_chosen(),
            may_repeat: true,
            is_probe: false,
            patience: (role != Role::Host).then_some(OUR_PATIENCE),
            is_asked_by_host,
        }));
        exchange
    }

    pub(super) fn post_ours(
        &mut self,
        frame: Frame,
        role: Role,
        actions: &mut Vec<Action>,
    ) -> ExchangeId {
        self.post(Queued::new(frame), role, actions)
    }
}
