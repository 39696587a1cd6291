//! The state of the relay, and requests on their way out.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;

use super::open::{AskedTask, Call, LostRequest, OpenExchange, RefreshTools};
use super::subscription::Subscriptions;
use crate::era::headers::{self, Tools};
use crate::era::{Action, ExchangeId, Mint, Post};
use crate::frame::{Frame, Id};

/// The relay.
#[derive(Debug)]
pub struct Modern {
    pub(super) mint: Mint,
    pub(super) tools: Tools,
    /// The revision the host last named, for notifications, which need name none (MCP 2026-07-28,
    /// basic/transports/streamable-http).
    pub(super) version: Option<String>,
    /// Every exchange that is owed something, and those of open subscriptions.
    pub(super) open: HashMap<ExchangeId, OpenExchange>,
    /// Requests that were lost and are about to be asked again, by the token of their timer.
    pub(super) waiting: HashMap<u64, LostRequest>,
    /// Calls that the server has ended and not answered, by the token of their timer.
    pub(super) ending: HashMap<u64, ExchangeId>,
    pub(super) subscriptions: Subscriptions,
    /// States of tasks that are asked for, by the id of the request as a host would know it.
    pub(super) asked_tasks: HashMap<Id, AskedTask>,
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
            ending: HashMap::new(),
            subscriptions: Subscriptions::default(),
            asked_tasks: HashMap::new(),
        }
    }

    /// Says whether an exchange is one of this relay that is owed an answer.
    pub(in crate::era) fn has(&self, exchange: ExchangeId) -> bool {
        self.open.contains_key(&exchange)
    }

    /// Mints an exchange of another's.
    pub(in crate::era) fn mint_exchange(&mut self) -> ExchangeId {
        self.mint.exchange()
    }

    /// Returns an id that no request under way has.
    pub(in crate::era) fn fresh_id(&mut self) -> Id {
        loop {
            let id = Id::ours(self.mint.number());
            let is_it = |call: &Call| {
                [&call.id, call.frame.id().unwrap_or(&call.id)]
                    .iter()
                    .any(|it| it.number() == id.number())
            };
            let is_taken = self.open.values().any(|open| match open {
                OpenExchange::Call(call)
                | OpenExchange::RefreshTools(RefreshTools { call, .. }) => is_it(call),
                OpenExchange::Listen(key) => {
                    let listen = self.subscriptions.id(*key);
                    listen.and_then(Id::number) == id.number()
                }
            });
            if !is_taken {
                return id;
            }
        }
    }

    pub(super) fn post(
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
    pub(super) fn call(&mut self, call: Call, actions: &mut Vec<Action>) {
        let frame = call.standing.request(&call.frame);
        let frame = match frame.id() == Some(&call.id) {
            true => frame,
            false => frame.with_id(&call.id),
        };
        let exchange = self.post(frame, call.patience, call.is_asked_by_host, actions);
        if let Some(Action::Post(post)) = actions.last_mut() {
            post.is_probe = call.is_probe;
        }
        self.open.insert(exchange, OpenExchange::Call(call));
    }

    /// Posts it as a new request, which is what anything sent again is in this era.
    pub(super) fn call_anew(&mut self, mut call: Call, actions: &mut Vec<Action>) {
        call.id = self.fresh_id();
        self.call(call, actions);
    }
}
