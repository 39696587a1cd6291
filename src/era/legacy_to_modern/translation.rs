//! The half that translates: each frame goes to the part that it concerns.
//!
//! A modern host towards the relay, a legacy server towards the host. Holds the parts; they decide.

use super::calls::MultiRoundCalls;
use super::listen::ServerListens;
use super::outbox::{Outbox, OwnRequest, Timer};
use super::peers::Peers;
use crate::era::protocol::LEVELS;
use crate::era::subscriptions;
use crate::frame::{BridgeError, Frame, Id, Outline, string};

/// The translation between one host and one server.
#[derive(Debug)]
pub(super) struct Translation {
    peers: Peers,
    calls: MultiRoundCalls,
    listens: ServerListens,
    pub(super) out: Outbox,
}

impl Translation {
    /// Begins. `discover` is the server's `DiscoverResult` as JSON text, `fallback_name` the name for a server that
    /// does not give its own, `ids` the number at which ids of requests to the server begin.
    pub(super) fn new(discover: &str, fallback_name: &str, ids: u64) -> Self {
        Self {
            peers: Peers::new(discover, fallback_name),
            calls: MultiRoundCalls::default(),
            listens: ServerListens::default(),
            out: Outbox::new(ids),
        }
    }

    /// Takes a frame from the host.
    pub(super) fn on_host_message(&mut self, frame: &Frame) {
        match frame.outline() {
            Outline::Response { .. } => {
                self.calls
                    .on_host_response(frame, &self.peers, &mut self.out);
            }
            Outline::Notification { method } => match &**method {
                "notifications/initialized" => self.on_initialized(),
                "notifications/cancelled" => {
                    if let Some(id) = frame.cancels() {
                        self.cancel(&id);
                    }
                }
                // Nothing in the modern era corresponds to them.
                "notifications/roots/list_changed" | "notifications/progress" => {}
                _ => {
                    let signed = self.peers.signed(frame, None, false, |_| {});
                    self.out.send_to_server(signed);
                }
            },
            Outline::Request { id, method } => self.on_host_request(frame, id, method),
        }
    }

    fn on_host_request(&mut self, frame: &Frame, id: &Id, method: &str) {
        let Self {
            peers,
            calls,
            listens,
            out,
        } = self;
        match method {
            "initialize" => self.begin_anew(frame, id),
            "ping" => out.send_to_host(Frame::result(id, "{}")),
            "logging/setLevel" => self.set_level(frame, id),
            "resources/subscribe" => listens.subscribe(frame, id, peers, out),
            "resources/unsubscribe" => listens.unsubscribe(frame, id, peers, out),
            "server/discover" | "subscriptions/listen" => out.unknown(id, method),
            _ if method.starts_with("tasks/") => out.unknown(id, method),
            _ => calls.forward(frame, id, method, peers, out),
        }
    }

    /// Begins anew with the host: its open requests are answered, and nothing is left of what it wanted before. There
    /// is no session that the server would have to be told of.
    fn begin_anew(&mut self, initialize: &Frame, id: &Id) {
        let anew = BridgeError::new("superseded", "The host has begun anew with initialize.");
        self.calls.fail_all(&anew, &self.peers, &mut self.out);
        self.calls = MultiRoundCalls::default();
        self.listens.stop(&mut self.out);
        self.listens = ServerListens::default();
        let result = self.peers.initialize(initialize);
        self.out.send_to_host(Frame::result(id, &result));
    }

    /// Takes the host's `notifications/initialized`: from now on it takes requests and notifications.
    fn on_initialized(&mut self) {
        self.calls.on_initialized(&mut self.out);
        self.listens.listen_if_not_yet(&self.peers, &mut self.out);
    }

    fn set_level(&mut self, frame: &Frame, id: &Id) {
        if !self.peers.server.has_logging() {
            return self.out.unknown(id, "logging/setLevel");
        }
        let level = frame.param("level");
        match level.and_then(string) {
            Some(name) if LEVELS.contains(&name.as_str()) => {
                self.peers.level = level.map(str::to_owned);
                self.out.send_to_host(Frame::result(id, "{}"));
            }
            _ => self.out.invalid(id, "No such log level."),
        }
    }

    /// Cancels the host's request (MCP 2026-07-28, basic/patterns/cancellation).
    fn cancel(&mut self, id: &Id) {
        if self.listens.forget_subscriber(id) || self.calls.cancel(id, &self.peers, &mut self.out) {
            self.out.cancelled(id);
        }
    }

    /// Takes a frame that the relay has for a modern host.
    pub(super) fn on_server_message(&mut self, frame: &Frame) {
        match frame.outline() {
            Outline::Response { id, failed } => {
                let purpose = id.as_ref().and_then(|id| self.out.take_purpose(id));
                match (purpose, id) {
                    (Some(OwnRequest::Call(number)), _) => self.on_call_response(number, frame),
                    (Some(OwnRequest::Update(number)), _) => {
                        self.calls.on_update_response(number, frame);
                    }
                    (Some(OwnRequest::Listen), Some(id)) => {
                        let error = failed.then_some(frame);
                        self.listens.on_listen_over(id, error, &mut self.out);
                    }
                    _ => tracing::debug!(?frame, "an answer nobody waits for"),
                }
            }
            Outline::Notification { method } => self.on_server_notification(frame, method),
            // A modern remote has nothing to ask outside of results.
            Outline::Request { .. } => tracing::debug!(?frame, "a request of the remote's"),
        }
    }

    fn on_call_response(&mut self, number: u64, frame: &Frame) {
        let Self {
            peers,
            calls,
            listens,
            out,
        } = self;
        let frame = calls.marked(number, frame);
        let is_complete = calls.on_response(number, &frame, peers, out);
        if is_complete {
            listens.on_call_complete(peers, out);
        }
    }

    /// Takes a notification of the server's.
    fn on_server_notification(&mut self, frame: &Frame, method: &str) {
        match method {
            subscriptions::ACKNOWLEDGED => {
                self.listens
                    .on_acknowledged(frame, &self.peers, &mut self.out);
            }
            "notifications/cancelled" => {
                // All that a modern server may cancel is what stands (MCP 2026-07-28, basic/patterns/cancellation).
                if let Some(id) = frame.cancels()
                    && !self.calls.on_cancelled(&id, frame, &mut self.out)
                {
                    self.listens.on_listen_over(&id, None, &mut self.out);
                }
            }
            "notifications/progress" => self.calls.on_progress(frame, &mut self.out),
            "notifications/message" if self.peers.level.is_none() => {} // MCP 2026-07-28, server/utilities/logging
            "notifications/tasks" => {}                                 // tasks are polled
            _ => {
                if let Some(told) = self.calls.told(frame) {
                    return self.out.send_to_host(told);
                }
                // A legacy host knows of no listen. What another mark means is not known here.
                let mark = subscriptions::id_of(frame);
                let is_of_listen = mark.is_some_and(|mark| self.out.is_ours(&mark));
                if is_of_listen {
                    self.listens.on_notification();
                }
                self.out.send_to_host(match is_of_listen {
                    true => subscriptions::without_id(frame),
                    false => frame.clone(),
                });
            }
        }
    }

    /// Gives up the call of that number, which a server works on as a task, with the error for its host.
    pub(super) fn on_limit(&mut self, number: u64, late: &BridgeError) {
        self.calls
            .on_limit(number, late, &self.peers, &mut self.out);
    }

    /// Takes the end of a time that was asked for with [`Outbox::set_timer`].
    pub(super) fn on_timer(&mut self, token: u64) {
        let Self {
            peers,
            calls,
            listens,
            out,
        } = self;
        match out.take_timer(token) {
            Some(Timer::Resume(call, state)) => calls.send(call, None, Some(&state), peers, out),
            Some(Timer::Unanswered(call, round)) => calls.unanswered(call, round, peers, out),
            Some(Timer::Poll(call)) => calls.poll(call, peers, out),
            Some(Timer::Relisten) => listens.relisten(peers, out),
            Some(Timer::Unacknowledged(listen)) => listens.unacknowledged(&listen, out),
            None => {}
        }
    }

    /// Takes the news that the host has closed stdin: it takes no question and no notification any more.
    pub(super) fn on_host_gone(&mut self) {
        self.peers.is_host_gone = true;
        self.calls.on_host_gone(&self.peers, &mut self.out);
        self.calls.end_standing(&self.peers, &mut self.out);
        self.listens.stop(&mut self.out);
    }

    /// Closes everything under way, which is how a modern server learns of it. The loop answers for the rest.
    pub(super) fn leave(&mut self) {
        self.peers.is_host_gone = true;
        self.calls.stop_all(&self.peers, &mut self.out);
        self.listens.stop(&mut self.out);
    }
}
