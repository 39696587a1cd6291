//! Host and remote both modern: a relay with a header layer.
//!
//! Bodies pass as they are, each request on an exchange of its own. What is added: the headers, from the body; a call
//! sent again, under an id of ours, when its headers or its revision were refused or when it was lost and does no harm
//! (`retry`); subscriptions that outlive their stream (`listen`); and an answer for every request, exactly one. Keeps
//! no session, for there is none.

mod edits;
mod listen;
mod owner;
mod refresh_tools;
mod retry;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;

use super::headers::{self, Tools};
use super::legacy::{error_reply, to_bridge_error};
use super::protocol::{HEADER_MISMATCH, UNSUPPORTED_VERSION};
use super::{Action, Arrival, ExchangeId, Mint, Pair, Post, Relay};
use crate::frame::{BridgeError, Frame, Id, Object, Outline};
use edits::{in_supported_version, with_result, with_result_type};
use listen::Subscriptions;
use refresh_tools::RefreshTools;
use retry::Lost;

/// The relay.
#[derive(Debug)]
pub struct Modern {
    mint: Mint,
    tools: Tools,
    /// The revision the host last named, for notifications, which need name none (MCP 2026-07-28,
    /// basic/transports/streamable-http).
    version: Option<String>,
    /// Every exchange that is owed something, and those of open subscriptions.
    open: HashMap<ExchangeId, Open>,
    /// Requests that were lost and are about to be asked again, by the token of their timer.
    waiting: HashMap<u64, Lost>,
    subscriptions: Subscriptions,
}

/// An exchange that has not brought what it is for.
#[derive(Debug)]
enum Open {
    /// A request of the host's.
    Call(Call),
    /// Our `tools/list`, for the sake of a call whose headers were refused (MCP 2026-07-28,
    /// basic/transports/streamable-http).
    RefreshTools(RefreshTools),
    /// The subscription with this key.
    Listen(u64),
}

#[derive(Clone, Debug)]
struct Call {
    /// As it is answered: with the host's id.
    frame: Frame,
    /// The id under which the remote knows it now: the host's at first, then ours, for none is used twice
    /// (MCP 2026-07-28, basic and changelog).
    id: Id,
    patience: Option<Duration>,
    /// The host waits for the answer.
    is_asked_by_host: bool,
    /// The number of times that the request was lost.
    losses: u32,
    /// The last progress told of it.
    progress: Option<f64>,
    /// The headers were refused once, and made again.
    is_reheaded: bool,
    /// The revision was refused once, and the request was sent again.
    is_reversed: bool,
    /// The request asks which era the server speaks; when it is lost, that is found out another way.
    is_probe: bool,
}

impl Call {
    fn new(frame: Frame, patience: Option<Duration>, is_asked_by_host: bool) -> Option<Self> {
        Some(Self {
            id: frame.id()?.clone(),
            frame,
            patience,
            is_asked_by_host,
            losses: 0,
            progress: None,
            is_reheaded: false,
            is_reversed: false,
            is_probe: false,
        })
    }
}

impl Modern {
    /// Begins with nothing known of the remote's tools.
    pub fn new(mint: Mint) -> Self {
        Self {
            mint,
            tools: Tools::default(),
            version: None,
            open: HashMap::new(),
            waiting: HashMap::new(),
            subscriptions: Subscriptions::default(),
        }
    }

    /// Takes a subscription that the host knows nothing of.
    pub(super) fn listen_unasked(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if let Some(version) = frame.param("_meta").and_then(headers::version) {
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

    /// Says whether an exchange is one of this relay that is owed an answer.
    pub(super) fn has(&self, exchange: ExchangeId) -> bool {
        self.open.contains_key(&exchange)
    }

    /// Returns an id that no request under way has.
    pub(super) fn fresh_id(&mut self) -> Id {
        loop {
            let id = Id::ours(self.mint.number());
            let is_it = |call: &Call| {
                [&call.id, call.frame.id().unwrap_or(&call.id)]
                    .iter()
                    .any(|it| it.number() == id.number())
            };
            let is_taken = self.open.values().any(|open| match open {
                Open::Call(call) | Open::RefreshTools(RefreshTools { call, .. }) => is_it(call),
                Open::Listen(key) => {
                    let listen = self.subscriptions.id(*key);
                    listen.and_then(Id::number) == id.number()
                }
            });
            if !is_taken {
                return id;
            }
        }
    }

    fn post(
        &mut self,
        frame: Frame,
        patience: Option<Duration>,
        is_asked_by_host: bool,
        actions: &mut Vec<Action>,
    ) -> ExchangeId {
        let exchange = self.mint.exchange();
        let is_request = frame.is_request();
        let mut headers: HeaderMap = headers::of(&frame, &self.tools);
        if let Some(version) = self.version.as_deref().filter(|_| !is_request) {
            headers::add_version(&mut headers, version);
        }
        actions.push(Action::Post(Post {
            exchange,
            frame,
            headers,
            endpoint: None,
            is_resumable: false,
            may_repeat: !is_request,
            is_probe: false,
            patience,
            is_asked_by_host,
        }));
        exchange
    }

    /// Posts it under its present id.
    fn call(&mut self, call: Call, actions: &mut Vec<Action>) {
        let frame = match call.frame.id() == Some(&call.id) {
            true => call.frame.clone(),
            false => call.frame.with_id(&call.id),
        };
        let exchange = self.post(frame, call.patience, call.is_asked_by_host, actions);
        if let Some(Action::Post(post)) = actions.last_mut() {
            post.is_probe = call.is_probe;
        }
        self.open.insert(exchange, Open::Call(call));
    }

    /// Posts it as a new request, which is what anything sent again is in this era.
    fn call_anew(&mut self, mut call: Call, actions: &mut Vec<Action>) {
        call.id = self.fresh_id();
        self.call(call, actions);
    }

    /// Cancels a request by closing its stream. A cancellation of nothing known is ignored (MCP 2026-07-28,
    /// basic/patterns/cancellation).
    fn cancel(&mut self, id: &Id, actions: &mut Vec<Action>) {
        if self.forget_listen(id, actions) {
            return;
        }
        let is_it = |open: &Open| match open {
            Open::Call(call) | Open::RefreshTools(RefreshTools { call, .. }) => {
                call.frame.id() == Some(id)
            }
            Open::Listen(_) => false,
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
                match self.open.get_mut(&exchange) {
                    Some(Open::Call(call)) => {
                        if !call.goes_back(&frame) {
                            actions.push(Action::Reply(frame));
                        }
                    }
                    Some(Open::Listen(key)) => {
                        let key = *key;
                        self.on_subscription_notification(key, frame, actions);
                    }
                    Some(Open::RefreshTools(_)) | None => {
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
                if is_error(&frame) {
                    self.on_error(owner, frame, actions);
                } else {
                    self.on_result(owner, &frame, actions);
                }
            }
        }
    }

    fn on_result(&mut self, exchange: ExchangeId, frame: &Frame, actions: &mut Vec<Action>) {
        match self.open.remove(&exchange) {
            Some(Open::Call(call)) => {
                let answer = match with_result_type(frame) {
                    Some(result) if call.frame.method() == Some("tools/list") => {
                        let is_first = call.frame.param("cursor").is_none_or(|it| it == "null");
                        let page = self.tools.page(&result, is_first);
                        Some(with_result(frame, page.without_hidden.unwrap_or(result)))
                    }
                    Some(result) => Some(with_result(frame, result)),
                    None => {
                        let unknown = "The server's answer is of a kind that is not known.";
                        error_reply(&call.frame, &BridgeError::new("bad_answer", unknown))
                    }
                };
                let own = call.frame.id().filter(|own| **own != call.id);
                let answer = match own {
                    Some(own) => answer.map(|answer| answer.with_id(own)),
                    None => answer,
                };
                actions.extend(answer.map(Action::Reply));
            }
            Some(Open::RefreshTools(refresh_tools)) => {
                self.on_tools_page(refresh_tools, frame, actions);
            }
            Some(Open::Listen(key)) => self.on_listen_result(key, frame, actions),
            None => {}
        }
    }

    /// Takes an error for the request of this exchange: under its id, whichever it came with.
    fn on_error(&mut self, exchange: ExchangeId, frame: Frame, actions: &mut Vec<Action>) {
        match self.open.remove(&exchange) {
            Some(Open::Call(call)) => self.on_call_error(call, frame, actions),
            Some(Open::RefreshTools(refresh_tools)) => {
                tracing::warn!("the tools could not be listed again");
                actions.push(Action::Reply(refresh_tools.error));
            }
            Some(Open::Listen(key)) => self.on_listen_error(key, &frame, actions),
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
        match code(&error) {
            Some(UNSUPPORTED_VERSION) if !call.is_reversed => {
                if let Some(frame) = in_supported_version(&call.frame, &error) {
                    call.is_reversed = true;
                    call.frame = frame;
                    return self.call_anew(call, actions);
                }
            }
            Some(HEADER_MISMATCH)
                if !call.is_reheaded && call.frame.method() == Some("tools/call") =>
            {
                call.is_reheaded = true;
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
            Some(Open::Call(call)) => {
                actions.extend(error_reply(&call.frame, error).map(Action::Reply));
            }
            Some(Open::RefreshTools(refresh_tools)) => {
                tracing::warn!(why = error.message, "the tools could not be listed again");
                actions.push(Action::Reply(refresh_tools.error));
            }
            Some(Open::Listen(key)) => self.on_listen_lost(key, error, actions),
            None => {}
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
                if let Some(version) = frame.param("_meta").and_then(headers::version) {
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

    fn on_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        self.on_retry_timer(token, actions);
        self.on_listen_timer(token, actions);
    }

    /// Requests of the host that are not with the server at the moment.
    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Asks the remote whether it is there, where the era has a way to: this one has none, and no session to keep warm.
    fn ping(&mut self, _actions: &mut Vec<Action>) {}

    /// Ends the subscriptions, for a host that has closed stdin hears of no change. Calls are still answered.
    fn on_host_gone(&mut self, actions: &mut Vec<Action>) {
        self.end_listens(actions);
    }

    /// Does nothing: there is no session to leave.
    fn leave(&mut self, _actions: &mut Vec<Action>) {}

    fn abandon(&mut self, actions: &mut Vec<Action>) {
        let mut open: Vec<ExchangeId> = self.open.drain().map(|(exchange, _)| exchange).collect();
        open.sort_unstable();
        actions.extend(open.into_iter().map(Action::Close));
        self.waiting.clear();
        self.subscriptions = Subscriptions::default();
    }
}

fn is_error(frame: &Frame) -> bool {
    matches!(frame.outline(), Outline::Response { failed: true, .. })
}

/// Returns the code of an error answer.
fn code(error: &Frame) -> Option<i64> {
    let error = Object::read(error.member("error")?)?;
    serde_json::from_str(error.get("code")?).ok()
}
