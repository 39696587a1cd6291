//! HTTP+SSE, the transport of 2024-11-05: one stream that is the session, and an address to post to (H-16 to H-19).
//!
//! The same relay, with three differences: frames wait for the stream to name its `endpoint`; answers come on the
//! stream, whatever exchange asked; and when the stream is lost, the session is, and the answers still owed with it.

use super::{Gate, Legacy, Pending, refusal_trouble};
use crate::era::{Action, ExchangeId, Listen, Standing};
use crate::frame::Trouble;
use crate::remote::Refusal;

/// Which of the two legacy transports to try, in mcp-remote's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP, then HTTP+SSE.
    #[default]
    HttpFirst,
    /// HTTP+SSE, then Streamable HTTP.
    SseFirst,
    /// Streamable HTTP only.
    HttpOnly,
    /// HTTP+SSE only.
    SseOnly,
}

/// How far HTTP+SSE is used.
#[derive(Debug, Default)]
pub(super) struct State {
    is_chosen: bool,
    /// The address the stream named, as written.
    endpoint: Option<String>,
    /// Losses in a row, for the pause before the next try.
    losses: u32,
    /// What the other transport said, when this one is a fallback, or the other way round.
    other_failed: Option<Trouble>,
}

impl State {
    pub(super) fn for_transport(transport: Transport) -> Self {
        let is_chosen = matches!(transport, Transport::SseFirst | Transport::SseOnly);
        Self {
            is_chosen,
            ..Self::default()
        }
    }

    pub(super) fn is_chosen(&self) -> bool {
        self.is_chosen
    }

    pub(super) fn is_open(&self) -> bool {
        self.endpoint.is_some()
    }

    pub(super) fn endpoint(&self) -> Option<String> {
        self.endpoint.clone()
    }

    /// `initialize` was answered: this transport works.
    pub(super) fn settled(&mut self) {
        self.losses = 0;
        self.other_failed = None;
    }
}

impl Legacy {
    /// Whether a refusal of the first POST may mean a remote that speaks only HTTP+SSE (V-08, E-08).
    pub(super) fn falls_back(&self, refusal: &Refusal) -> bool {
        self.transport == Transport::HttpFirst
            && !self.sse.is_chosen
            && !self.is_reopening
            && self.sse.other_failed.is_none()
            && matches!(refusal.status, 400 | 404 | 405 | 406 | 415 | 422)
    }

    pub(super) fn fall_back(
        &mut self,
        exchange: ExchangeId,
        refusal: &Refusal,
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
            status = refusal.status,
            "Streamable HTTP refused; trying HTTP+SSE"
        );
        self.sse.is_chosen = true;
        self.sse.other_failed = Some(
            match refusal
                .frame
                .as_ref()
                .and_then(|frame| frame.member("error"))
            {
                Some(error) => {
                    let words: Option<String> = crate::frame::member_of(error, "message")
                        .and_then(|text| serde_json::from_str(text).ok());
                    Trouble {
                        message: format!(
                            "The server answered HTTP {}: {}",
                            refusal.status,
                            crate::frame::printable(&words.unwrap_or_default(), 300)
                        ),
                        ..refusal_trouble(refusal)
                    }
                }
                None => refusal_trouble(refusal),
            },
        );
        self.waiting.push_front(super::Waiting {
            frame,
            is_repeated: false,
        });
        self.open_sse(actions);
    }

    pub(super) fn open_sse(&mut self, actions: &mut Vec<Action>) {
        let exchange = self.mint.exchange();
        self.pending.insert(exchange, Pending::listening(None));
        self.listening = Some(exchange);
        self.gate = Gate::Endpoint;
        actions.push(Action::Listen(Listen {
            exchange,
            headers: self.session.headers(),
            kind: Standing::Sse(self.sse.losses),
            is_asked_by_host: self.has_requests_waiting(),
        }));
    }

    /// The stream said where to post. The first word counts; later ones would move the session elsewhere (T4).
    pub(super) fn endpoint_named(
        &mut self,
        exchange: ExchangeId,
        endpoint: String,
        actions: &mut Vec<Action>,
    ) {
        if self.listening != Some(exchange) || self.gate != Gate::Endpoint {
            return;
        }
        self.sse.endpoint = Some(endpoint);
        if self.is_reopening {
            self.reopen(actions);
        } else {
            self.open_gate(actions);
        }
    }

    pub(super) fn listen_over(
        &mut self,
        exchange: ExchangeId,
        trouble: &Trouble,
        actions: &mut Vec<Action>,
    ) {
        if self.listening != Some(exchange) {
            return;
        }
        self.listening = None;
        if self.sse.is_chosen {
            self.sse_over(trouble, actions);
        } else if self.gate == Gate::Listening(exchange) {
            self.restore(actions);
        }
    }

    fn sse_over(&mut self, trouble: &Trouble, actions: &mut Vec<Action>) {
        let was_open = self.sse.endpoint.take().is_some();
        self.sse.losses += 1;
        if !was_open {
            return self.sse_never_opened(trouble, actions);
        }
        let cut = Trouble::new(
            "cut",
            "The server's event stream broke; the answer is lost.",
        )
        .retryable();
        // Lost again before it was usable: once is repaired, twice is reported.
        let is_hopeless = matches!(self.gate, Gate::Initialize(_))
            || self.is_reopening && self.gate != Gate::Open;
        let mut lost: Vec<_> = self.pending.drain().collect();
        lost.sort_by_key(|(exchange, _)| *exchange);
        for (exchange, pending) in lost {
            actions.push(Action::Close(exchange));
            if pending.is_owed {
                pending.reply(&cut, actions);
            }
        }
        self.session.lose();
        if is_hopeless || !self.session.has_begun() {
            self.give_up(&cut, actions);
        } else if !self.is_host_gone {
            self.reopen(actions);
        } else {
            self.is_reopening = true;
            self.give_up(&cut, actions);
        }
    }

    /// Neither an endpoint nor a stream came: the other transport's turn, or the end of this attempt.
    fn sse_never_opened(&mut self, trouble: &Trouble, actions: &mut Vec<Action>) {
        let mut why = trouble.clone();
        if let Some(other) = self.sse.other_failed.take() {
            // Both were tried; the first one's words are the likelier truth for a server of today.
            why = Trouble {
                message: format!("{} As HTTP+SSE: {}", other.message, trouble.message),
                ..other
            };
            self.sse.is_chosen = self.transport == Transport::SseOnly;
        } else if self.transport == Transport::SseFirst
            && (trouble.status.is_some() || trouble.kind == "bad_answer")
            && !self.is_reopening
        {
            tracing::info!(
                status = trouble.status,
                "HTTP+SSE refused; trying Streamable HTTP"
            );
            self.sse.is_chosen = false;
            self.sse.other_failed = Some(why);
            return self.open_gate(actions);
        }
        self.give_up(&why, actions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_refusal_of_a_first_post_falls_back() {
        let refusal = |status| Refusal {
            status,
            ..Refusal::default()
        };
        let relay = Legacy::new(Transport::HttpFirst);
        for (status, falls) in [
            (400, true),
            (404, true),
            (405, true),
            (401, false),
            (403, false),
            (500, false),
        ] {
            assert_eq!(relay.falls_back(&refusal(status)), falls, "{status}");
        }
        assert!(!Legacy::new(Transport::HttpOnly).falls_back(&refusal(405)));
    }
}
