//! Requests that were lost on the way are asked again where that does no harm (MCP 2026-07-28, changelog): as a new
//! request, a few times, with pauses that grow. A call of a tool never is; its error says that it may have been done.

use std::time::Duration;

use super::open::{LostRequest, OpenExchange};
use super::state::Modern;
use crate::backoff;
use crate::era::Action;
use crate::era::subscriptions::was_lost;
use crate::frame::{BridgeError, Id};

/// The most times that one request is asked again.
pub(super) const MAX_LOSSES: u32 = 3;
/// The pause before the first time; each later one is twice as long as the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A remote that asks for more patience than this gets its refusal passed on instead.
const MAX_PAUSE: Duration = Duration::from_secs(30);

impl Modern {
    /// Asks for the time to ask this again, if it was lost and may be; gives it back otherwise.
    pub(super) fn wait_to_ask_again(
        &mut self,
        open: OpenExchange,
        error: &BridgeError,
        actions: &mut Vec<Action>,
    ) -> Option<OpenExchange> {
        let open = match open {
            OpenExchange::Call(call) if call.standing.stands() => {
                let call = self.wait_to_go_on(call, error, actions);
                return call.map(OpenExchange::Call);
            }
            open => open,
        };
        let losses = match &open {
            OpenExchange::Call(call) if call.may_be_asked_again() => call.losses,
            OpenExchange::RefreshTools(refresh_tools) => refresh_tools.losses,
            _ => return Some(open),
        };
        let after = error.retry_after.unwrap_or_default();
        if losses >= MAX_LOSSES || !was_lost(error) || after > MAX_PAUSE {
            return Some(open);
        }
        let waiting = match open {
            OpenExchange::Call(mut call) => {
                call.losses += 1;
                LostRequest::Call(call)
            }
            OpenExchange::RefreshTools(mut refresh_tools) => {
                refresh_tools.losses += 1;
                LostRequest::RefreshTools(refresh_tools)
            }
            OpenExchange::Listen(_) => return Some(open),
        };
        let after = after.max(backoff::doubled(FIRST_PAUSE, losses, MAX_PAUSE));
        let method = waiting.call().frame.method();
        tracing::debug!(method, ?after, why = error.message, "asking again");
        let token = self.mint.number();
        self.waiting.insert(token, waiting);
        actions.push(Action::SetTimer {
            after,
            token,
            is_retry: true,
        });
        None
    }

    pub(super) fn on_retry_timer(&mut self, token: u64, actions: &mut Vec<Action>) {
        match self.waiting.remove(&token) {
            Some(LostRequest::Call(call)) => self.call_anew(call, actions),
            Some(LostRequest::RefreshTools(refresh_tools)) => {
                self.refresh_tools(refresh_tools, actions);
            }
            None => {}
        }
    }

    /// Forgets the request with this id, which the host has cancelled; `false` if it does not wait here.
    pub(super) fn forget_waiting(&mut self, id: &Id) -> bool {
        let before = self.waiting.len();
        self.waiting
            .retain(|_, waiting| waiting.call().frame.id() != Some(id));
        self.waiting.len() < before
    }
}
