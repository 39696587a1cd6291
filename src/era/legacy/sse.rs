//! HTTP+SSE, the transport of 2024-11-05: one stream that is the session, and an address to post to (MCP 2024-11-05,
//! basic/transports).
//!
//! The same relay, with three differences: frames wait for the stream to name its `endpoint`; answers come on the
//! stream, whatever exchange asked; and when the stream is lost, the session is, and the answers still owed with it.

use super::gate::{Gate, Opening};
use super::pending::{Pending, Role};
use super::sse_state::Transport;
use super::state::{Legacy, Queued};
use super::strays::StreamResponses;
use crate::era::{Action, ExchangeId, Listen, Standalone};
use crate::frame::{BridgeError, Frame, Outline};

/// The losses in a row after which a host that asks for something waits no longer than before.
const HURRIED: u32 = 3;

impl Legacy {
    pub(super) fn fall_back(
        &mut self,
        exchange: ExchangeId,
        error: BridgeError,
        answer: Option<Frame>,
        actions: &mut Vec<Action>,
    ) {
        let Some(frame) = self
            .pending
            .remove(&exchange)
            .and_then(|pending| pending.frame)
        else {
            return;
        };
        tracing::info!(
            status = error.status,
            why = error.message,
            "Streamable HTTP refused; trying HTTP+SSE"
        );
        self.sse.is_chosen = true;
        self.sse.other_failed = Some((error, answer));
        self.waiting.push_front(Queued::new(frame));
        self.open_sse(Opening::First, actions);
    }

    pub(super) fn open_sse(&mut self, opening: Opening, actions: &mut Vec<Action>) {
        let exchange = self.mint.exchange();
        self.pending.insert(exchange, Pending::listening(None));
        self.listening = Some(exchange);
        self.gate = Gate::Endpoint(opening);
        // The host does not wait as long for its answer as for what it has not asked for.
        let is_awaited = self.waiting.iter().any(|queued| queued.frame.is_request());
        let losses = match is_awaited {
            true => self.sse.losses.min(HURRIED),
            false => self.sse.losses,
        };
        actions.push(Action::Listen(Listen {
            exchange,
            headers: self.session.headers(),
            kind: Standalone::Sse(losses),
            is_asked_by_host: self.has_requests_waiting(),
        }));
    }

    /// Shortens the wait for the stream when the host asks for something meanwhile.
    pub(super) fn hurry(&mut self, actions: &mut Vec<Action>) {
        let is_first = self
            .waiting
            .iter()
            .filter(|it| it.frame.is_request())
            .count()
            == 1;
        let Gate::Endpoint(opening) = self.gate else {
            return;
        };
        let Some(exchange) = self.listening else {
            return;
        };
        let is_opened = self
            .pending
            .get(&exchange)
            .is_some_and(|it| it.head.status != 0);
        if is_first && !is_opened && self.sse.losses > HURRIED {
            self.pending.remove(&exchange);
            actions.push(Action::Close(exchange));
            self.open_sse(opening, actions);
        }
    }

    /// Takes the address that the stream named. The first one counts; later ones would move the session elsewhere.
    pub(super) fn on_endpoint(
        &mut self,
        exchange: ExchangeId,
        endpoint: String,
        actions: &mut Vec<Action>,
    ) {
        if self.listening != Some(exchange) {
            return self.on_endpoint_in_response(exchange, endpoint, actions);
        }
        if !self.gate.awaits_endpoint() {
            return;
        }
        self.use_endpoint(endpoint, actions);
    }

    fn use_endpoint(&mut self, endpoint: String, actions: &mut Vec<Action>) {
        self.sse.endpoint = Some(endpoint);
        if self.gate.is_reopening() {
            self.reopen(actions);
        } else {
            self.open_gate(actions);
        }
    }

    /// Takes HTTP+SSE's stream as the answer to a request. To `initialize` that is an offer of this transport; it is
    /// said again where the stream says.
    fn on_endpoint_in_response(
        &mut self,
        exchange: ExchangeId,
        endpoint: String,
        actions: &mut Vec<Action>,
    ) {
        let is_offer = self.gate.awaits_initialize(exchange)
            && self.sse.transport != Transport::HttpOnly
            && !self.sse.is_open();
        if !is_offer {
            if self.pending.get(&exchange).is_some_and(|it| it.is_owed) {
                let words = "The server answers with the event stream of HTTP+SSE (2024-11-05).";
                self.on_exchange_over(exchange, &BridgeError::new("bad_answer", words), actions);
                actions.push(Action::Close(exchange));
            }
            return;
        }
        tracing::info!("the server answers with HTTP+SSE's stream");
        let asked = self
            .pending
            .insert(exchange, Pending::listening(None))
            .filter(|asked| asked.role == Role::Host);
        if let Some(frame) = asked.and_then(|asked| asked.frame) {
            self.waiting.push_front(Queued::new(frame));
        }
        self.listening = Some(exchange);
        self.sse.is_chosen = true;
        self.sse.came_by_post = true;
        self.use_endpoint(endpoint, actions);
    }

    pub(super) fn on_listen_over(
        &mut self,
        exchange: ExchangeId,
        error: &BridgeError,
        actions: &mut Vec<Action>,
    ) {
        if self.listening != Some(exchange) {
            return;
        }
        self.listening = None;
        if self.sse.is_chosen {
            self.on_sse_over(error, actions);
        } else if self.gate.awaits_stream(exchange) {
            self.restore(actions);
        }
    }

    fn on_sse_over(&mut self, error: &BridgeError, actions: &mut Vec<Action>) {
        let was_open = self.sse.endpoint.take().is_some();
        self.sse.losses = self.sse.losses.saturating_add(1);
        self.sse.responses = StreamResponses::default();
        if !was_open {
            return self.on_sse_never_opened(error, actions);
        }
        let cut = match error.kind {
            // Something came on it that could not be used.
            "cut" if error.message.contains("on it came") => error.clone(),
            _ => BridgeError::new(
                "cut",
                "The server's event stream broke; the answer is lost.",
            )
            .retryable(),
        };
        // Lost again before it was usable: once is repaired, twice is reported.
        let is_hopeless = matches!(self.gate, Gate::Initialize(..)) || self.gate.is_reopening();
        let mut lost: Vec<_> = self.pending.drain().collect();
        lost.sort_by_key(|(exchange, _)| *exchange);
        for (exchange, pending) in lost {
            actions.push(Action::Close(exchange));
            if pending.is_owed && pending.role == Role::Host && pending.standing.stands() {
                if let Some(queued) = pending.into_queued(false) {
                    self.on_standing_lost(queued, &cut, actions);
                }
            } else if pending.is_owed {
                pending.reply(&cut, actions);
            }
        }
        self.session.lose();
        if is_hopeless || !self.session.has_begun() {
            self.give_up(&cut, actions);
        } else if !self.is_host_gone {
            self.reopen(actions);
        } else {
            self.give_up_opening(Opening::Again, &cut, actions);
        }
    }

    /// Turns to the other transport, or ends the attempt, when neither an endpoint nor a stream came.
    fn on_sse_never_opened(&mut self, error: &BridgeError, actions: &mut Vec<Action>) {
        let mut why = error.clone();
        if let Some((other, answer)) = self.sse.other_failed.take() {
            // Both were tried; the first one's words are the likelier truth for a server of today.
            let is_initialize = |queued: &Queued| queued.frame.method() == Some("initialize");
            if let Some(answer) = answer
                && let Some(at) = self.waiting.iter().position(is_initialize)
                && let Some(queued) = self.waiting.remove(at)
                && let Outline::Request { id, .. } = queued.frame.outline()
            {
                actions.push(Action::Reply(answer.with_id(id)));
            }
            why = BridgeError {
                message: format!("{} As HTTP+SSE: {}", other.message, error.message),
                ..other
            };
            self.sse.is_chosen = self.sse.transport == Transport::SseOnly;
        } else if self.sse.came_by_post && self.gate.is_reopening() {
            // Once: if that is no stream either, the session is not opened again.
            self.sse.came_by_post = false;
            self.sse.is_chosen = false;
            return self.reopen(actions);
        } else if self.sse.transport == Transport::SseFirst
            && (error.status.is_some() || error.kind == "bad_answer")
            && !self.gate.is_reopening()
        {
            tracing::info!(
                status = error.status,
                "HTTP+SSE refused; trying Streamable HTTP"
            );
            self.sse.is_chosen = false;
            self.sse.other_failed = Some((why, None));
            return self.open_gate(actions);
        }
        self.give_up(&why, actions);
    }
}
