//! Streams of events: what a server says on one, and what the host must hear of it: each event once, and in order.

use std::collections::BTreeMap;

use mcpipe::era::{Arrival, ExchangeId, HttpError, Post};
use mcpipe::frame::{BridgeError, Frame, member_of};

const MARK: &str = "io.modelcontextprotocol/subscriptionId";

/// The streams of one play. Each has a name of its own, which is told in its arguments.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// How far the server is on each exchange, once it has confirmed it there, and whether it has said the last event of
    /// the stream before again.
    on: BTreeMap<ExchangeId, (u64, bool)>,
    /// The last event that the host has heard of each, by the id of its request.
    heard: BTreeMap<String, u64>,
}

/// Says whether a post opens a stream of events.
pub(super) fn is_stream(post: &Post) -> bool {
    post.frame.method() == Some("events/stream")
}

impl Streams {
    /// The host opens one.
    pub(super) fn begins(&mut self, id: &str) {
        self.heard.insert(id.to_owned(), 0);
    }

    /// What comes on one. The server begins anew with each request, where its cursor says; the events before come again
    /// now and then.
    pub(super) fn arrival(&mut self, exchange: ExchangeId, post: &Post, what: u8) -> Arrival {
        let id = post.frame.id().unwrap();
        let notice = |method: &str, params: &str| {
            let params = format!(r#"{{{params},"_meta":{{"{MARK}":{id}}}}}"#);
            let method = format!("notifications/{method}");
            Arrival::Frame(Frame::notification(&method, Some(&params)))
        };
        let event = |at: u64| {
            notice(
                "events/event",
                &format!(r#""eventId":"e{at}","cursor":"c{at}""#),
            )
        };
        let begun = post
            .frame
            .param("cursor")
            .map_or("null", |it| it.trim_matches('"'));
        let begun: u64 = begun.strip_prefix('c').map_or(0, |at| at.parse().unwrap());
        let Some((at, is_again)) = self.on.get_mut(&exchange) else {
            if what % 8 > 1 {
                self.on.insert(exchange, (begun, false));
                return notice(
                    "events/active",
                    &format!(r#""cursor":"c{begun}","truncated":false"#),
                );
            }
            return failed(what);
        };
        match what % 32 {
            0..18 if begun > 0 && *at == begun && !std::mem::replace(is_again, true) => {
                event(begun)
            }
            0..14 => {
                *at += 1;
                event(*at)
            }
            14..20 => notice("events/heartbeat", &format!(r#""cursor":"c{at}""#)),
            20 => notice("events/error", r#""error":{"code":-32603,"message":"x"}"#),
            21 => notice(
                "events/terminated",
                r#""error":{"code":-32024,"message":"x"}"#,
            ),
            22 => notice("cancelled", &format!(r#""requestId":{id}"#)),
            23 => Arrival::Frame(Frame::result(id, r#"{"resultType":"complete"}"#)),
            24 => Arrival::Frame(Frame::error(Some(id), -32024, "x", None)),
            _ => failed(what),
        }
    }

    /// The host hears a notification. Returns what is wrong with it.
    pub(super) fn told(&mut self, frame: &Frame) -> Option<String> {
        let method = frame.method()?.strip_prefix("notifications/events/")?;
        let id = member_of(frame.param("_meta")?, MARK)?;
        let Some(heard) = self.heard.get_mut(id) else {
            return Some(format!("{id} is no stream of events: {}", frame.text()));
        };
        let number = |name: &str| -> Option<u64> {
            frame.param(name)?.trim_matches('"').get(1..)?.parse().ok()
        };
        if method == "event" {
            *heard += 1;
            let came = number("eventId")?;
            return (came != *heard).then(|| format!("{id}: event {came} instead of {heard}"));
        }
        let cursor = number("cursor")?;
        (cursor != *heard).then(|| format!("{id}: at {cursor}, and has heard {heard}"))
    }
}

fn failed(what: u8) -> Arrival {
    let refused = |status| {
        Arrival::Refused(HttpError {
            status,
            ..HttpError::default()
        })
    };
    match what % 7 {
        0 => Arrival::Ended,
        1 => Arrival::Failed(BridgeError::new("cut", "x").retryable()),
        2 => Arrival::Failed(BridgeError::new("unreachable", "x").retryable()),
        3 => refused(502),
        4 => refused(503),
        5 => Arrival::LostWithSession(HttpError {
            status: 404,
            ..HttpError::default()
        }),
        _ => refused(404),
    }
}
