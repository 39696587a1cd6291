//! Host and remote both modern: a relay with a header layer.
//!
//! Bodies pass as they are, each request on an exchange of its own. What is added: the headers, from the body; a call
//! sent again, under an id of ours, when its headers or its revision were refused or when it was lost and does no harm
//! (`retry`); subscriptions and other requests that outlive their stream (`listen`, `standing`); and an answer for every
//! request, exactly one. Keeps no session, for there is none. `state` has the fields and the way out of a request, `open` what is owed an answer.

mod edits;
mod listen;
mod open;
mod owner;
mod refresh_tools;
mod retry;
mod standing;
mod state;
mod subscription;
mod task_states;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::headers;
use super::legacy::{error_reply, to_bridge_error};
use super::protocol::{HEADER_MISMATCH, UNSUPPORTED_VERSION};
use super::{Action, Arrival, ExchangeId, Pair, Relay};
use crate::frame::{BridgeError, Frame, Id, Outline};
use edits::{in_supported_version, with_result_type};
use open::{Call, OpenExchange, RefreshTools};
pub use state::Modern;
use subscription::Subscriptions;

impl Modern {
    /// Takes a subscription that the host knows nothing of.
    pub(super) fn listen_unasked(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if let Some(version) = headers::version(&frame) {
            self.version = Some(version);
        }
        self.listen(frame, false, actions);
    }

    /// Takes a request that may take this long to be answered, each time it is sent.
    pub(crate) fn ask(
        &mut self,
        frame: Frame,
        patience: Option<Duration>,
        is_asked_by_host: bool,
        actions: &mut Vec<Action>,
    ) {
        if let Some(call) = Call::new(frame, patience, is_asked_by_host) {
            self.call(call, actions);
        }
    }

    /// Takes the question which era the remote speaks: it is sent once, and once more where its revision is refused.
    pub(crate) fn probe(
        &mut self,
        question: Frame,
        patience: Option<Duration>,
        is_asked_by_host: bool,
        actions: &mut Vec<Action>,
    ) {
        if let Some(call) = Call::new(question, patience, is_asked_by_host) {
            self.call(
                Call {
                    is_probe: true,
                    ..call
                },
                actions,
            );
        }
    }

    /// Cancels a request by closing its stream. A cancellation of nothing known is ignored (MCP 2026-07-28,
    /// basic/patterns/cancellation).
    fn cancel(&mut self, id: &Id, actions: &mut Vec<Action>) {
        if self.forget_listen(id, actions) {
            return;
        }
        let is_it = |open: &OpenExchange| match open {
            OpenExchange::Call(call) | OpenExchange::RefreshTools(RefreshTools { call, .. }) => {
                call.frame.id() == Some(id)
            }
            OpenExchange::Listen(_) => false,
        };
        if self.forget_waiting(id) {
            return actions.push(Action::Cancelled(id.clone()));
        }
        let found = self.open.iter().find(|(_, open)| is_it(open));
        if let Some(exchange) = found.map(|(exchange, _)| *exchange) {
            self.open.remove(&exchange);
            actions.push(Action::Cancelled(id.clone()));
            actions.push(Action::Close(exchange));
        }
    }

    fn on_server_message(&mut self, exchange: ExchangeId, frame: Frame, actions: &mut Vec<Action>) {
        match frame.outline() {
            Outline::Request { .. } => {
                tracing::warn!(?frame, "a modern server may not ask; dropped");
            }
            Outline::Notification { method } => {
                if &**method == "notifications/tools/list_changed" {
                    self.tools.list_changed();
                }
                match self.open.get(&exchange) {
                    Some(OpenExchange::Call(_)) => {
                        self.on_call_notification(exchange, &frame, actions);
                    }
                    Some(OpenExchange::Listen(key)) => {
                        let key = *key;
                        self.on_subscription_notification(key, frame, actions);
                    }
                    Some(OpenExchange::RefreshTools(_)) | None => {
                        tracing::debug!(?frame, "a notice nobody waits for");
                    }
                }
            }
            Outline::Response { id, .. } => {
                let Some(owner) = self.owner_of(exchange, id.as_ref()) else {
                    return tracing::debug!(?frame, "an answer nobody waits for");
                };
                if owner != exchange {
                    return self.on_response_elsewhere(owner, &frame, actions);
                }
                let own = self.known_as(owner).filter(|own| Some(*own) != id.as_ref());
                let frame = match own {
                    Some(own) => frame.with_id(own),
                    None => frame,
                };
                if frame.is_error() {
                    self.on_error(owner, frame, actions);
                } else {
                    self.on_result(owner, &frame, actions);
                }
            }
        }
    }

    fn on_result(&mut self, exchange: ExchangeId, frame: &Frame, actions: &mut Vec<Action>) {
        match self.open.remove(&exchange) {
            Some(OpenExchange::Call(call)) => {
                let answer = match with_result_type(frame) {
                    Some(answer) if call.frame.method() == Some("tools/list") => {
                        let is_first = call.frame.param("cursor").is_none_or(|it| it == "null");
                        let result = answer.member("result").unwrap_or_default();
                        let page = self.tools.page(result, is_first);
                        Some(match page.without_hidden {
                            Some(shown) => answer.edit(|message| message.set("result", shown)),
                            None => answer,
                        })
                    }
                    Some(answer) => Some(answer),
                    None => {
                        let unknown = "The server's answer is of a kind that is not known.";
                        error_reply(&call.frame, &BridgeError::new("bad_answer", unknown))
                    }
                };
                let own = call.own();
                let answer =
                    answer.map(|answer| call.standing.marked(&answer, "result", own, &call.id));
                let answer = match *own != call.id {
                    true => answer.map(|answer| answer.with_id(own)),
                    false => answer,
                };
                actions.extend(answer.map(Action::Reply));
            }
            Some(OpenExchange::RefreshTools(refresh_tools)) => {
                self.on_tools_page(refresh_tools, frame, actions);
            }
            Some(OpenExchange::Listen(key)) => self.on_listen_result(key, frame, actions),
            None => {}
        }
    }

    /// Takes an error for the request of this exchange: under its id, whichever it came with.
    fn on_error(&mut self, exchange: ExchangeId, frame: Frame, actions: &mut Vec<Action>) {
        match self.open.remove(&exchange) {
            Some(OpenExchange::Call(call)) => self.on_call_error(call, frame, actions),
            Some(OpenExchange::RefreshTools(refresh_tools)) => {
                tracing::warn!("the tools could not be listed again");
                actions.push(Action::Reply(refresh_tools.error));
            }
            Some(OpenExchange::Listen(key)) => self.on_listen_error(key, &frame, actions),
            None => tracing::debug!(?frame, "an error nobody waits for"),
        }
    }

    fn on_call_error(&mut self, mut call: Call, frame: Frame, actions: &mut Vec<Action>) {
        let Some(id) = call.frame.id().cloned() else {
            return;
        };
        let error = match frame.id() == Some(&id) {
            true => frame,
            false => frame.with_id(&id),
        };
        match error.error_code() {
            Some(UNSUPPORTED_VERSION) if !call.has_new_version => {
                if let Some(frame) = in_supported_version(&call.frame, &error) {
                    call.has_new_version = true;
                    call.frame = frame;
                    return self.call_anew(call, actions);
                }
            }
            Some(HEADER_MISMATCH)
                if !call.has_new_headers && call.frame.method() == Some("tools/call") =>
            {
                call.has_new_headers = true;
                self.tools.list_changed();
                return self.refresh_tools(RefreshTools::new(call, error), actions);
            }
            _ => {}
        }
        actions.push(Action::Reply(error));
    }

    /// Takes the end of an exchange. If it still owes an answer, `error` is it.
    fn on_exchange_over(
        &mut self,
        exchange: ExchangeId,
        error: &BridgeError,
        actions: &mut Vec<Action>,
    ) {
        let Some(open) = self.open.remove(&exchange) else {
            return;
        };
        match self.wait_to_ask_again(open, error, actions) {
            Some(OpenExchange::Call(call)) if call.standing.stands() => {
                actions.push(Action::Reply(call.last_answer(error)));
            }
            Some(OpenExchange::Call(call)) => {
                actions.extend(error_reply(&call.frame, error).map(Action::Reply));
            }
            Some(OpenExchange::RefreshTools(refresh_tools)) => {
                tracing::warn!(why = error.message, "the tools could not be listed again");
                actions.push(Action::Reply(refresh_tools.error));
            }
            Some(OpenExchange::Listen(key)) => self.on_listen_lost(key, error, actions),
            None => {}
        }
    }

    /// Takes what an exchange brought.
    fn take_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>) {
        match arrival {
            Arrival::Opened(_) | Arrival::Endpoint(_) => {}
            Arrival::Frame(frame) => self.on_server_message(exchange, frame, actions),
            Arrival::Accepted(_) => {
                let empty = "The server accepted the request but sent no answer.";
                self.on_exchange_over(exchange, &BridgeError::new("bad_answer", empty), actions);
            }
            Arrival::Ended => {
                let lost = "The server ended its response without an answer.";
                self.on_exchange_over(
                    exchange,
                    &BridgeError::new("cut", lost).retryable(),
                    actions,
                );
            }
            Arrival::Refused(refusal) | Arrival::LostWithSession(refusal) => {
                match &refusal.frame {
                    // What is in it is the answer, whatever the status.
                    Some(frame) if frame.is_response() => {
                        let own = self.known_as(exchange);
                        let frame = own.map_or_else(|| frame.clone(), |own| frame.with_id(own));
                        self.on_server_message(exchange, frame, actions);
                    }
                    _ => self.on_exchange_over(exchange, &to_bridge_error(&refusal), actions),
                }
            }
            Arrival::Failed(error) | Arrival::GivenUp(error) => {
                self.on_exchange_over(exchange, &error, actions);
            }
        }
    }
}

impl Relay for Modern {
    fn pair(&self) -> Pair {
        Pair::Modern
    }

    fn on_host_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.outline() {
            Outline::Response { .. } => {
                tracing::debug!(?frame, "an answer to a remote that asks nothing");
            }
            Outline::Notification { .. } => match frame.cancels() {
                Some(id) => self.cancel(&id, actions),
                None => {
                    self.post(frame, None, false, actions);
                }
            },
            Outline::Request { method, .. } => {
                if let Some(version) = headers::version(&frame) {
                    self.version = Some(version);
                }
                if &**method == "subscriptions/listen" {
                    return self.listen(frame, true, actions);
                }
                self.ask(frame, None, true, actions);
            }
        }
    }

    fn on_arrival(&mut self, exchange: ExchangeId, arrival: Arrival, actions: &mut Vec<Action>) {
        let before = actions.len();
        self.take_arrival(exchange, arrival, actions);
        self.settle_tasks(before, actions);
    }

    fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        let before = actions.len();
        self.on_retry_timer(token, actions);
        self.on_listen_timer(token, actions);
        self.on_ending_timer(token, actions);
        self.settle_tasks(before, actions);
    }

    /// Requests of the host that are not with the server at the moment.
    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Asks the remote whether it is there, where the era has a way to: this one has none, and no session to keep warm.
    fn ping(&mut self, _actions: &mut Vec<Action>) {}

    /// Ends what stands, for a host that has closed stdin hears of no change. Calls are still answered.
    fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        self.end_listens(actions);
        self.end_standing(actions);
    }

    /// Does nothing: there is no session to leave.
    fn leave(&mut self, _actions: &mut Vec<Action>) {}

    fn abandon(&mut self, actions: &mut Vec<Action>) {
        let mut open: Vec<ExchangeId> = self.open.drain().map(|(exchange, _)| exchange).collect();
        open.sort_unstable();
        actions.extend(open.into_iter().map(Action::Close));
        self.waiting.clear();
        self.asked_tasks.clear();
        self.ending.clear();
        self.subscriptions = Subscriptions::default();
    }
}
