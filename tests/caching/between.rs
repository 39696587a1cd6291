//! A translator between a host and a remote of either era, in a time of its own.

use std::time::Duration;

use mcpipe::era::{
    Action, Arrival, ExchangeId, Head, HttpError, Options, Post, Protocol, Translator, Transport,
};
use mcpipe::frame::{Frame, Id};
use mcpipe::secret::Secret;

use super::PUBLIC;

/// The era of the host and that of the remote.
pub(super) type Pair = (Era, Era);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

pub(super) const PAIRS: [Pair; 4] = [
    (Era::Legacy, Era::Legacy),
    (Era::Legacy, Era::Modern),
    (Era::Modern, Era::Legacy),
    (Era::Modern, Era::Modern),
];

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"resources":{}},"ttlMs":0,"cacheScope":"private"}"#;
const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"resources":{}},"serverInfo":{"name":"s","version":"1"}}"#;
/// A translator in the middle, and a remote that answers at once with what it is told to.
pub(super) struct Between {
    pub(super) translator: Translator,
    pub(super) pair: Pair,
    /// The next answer's `result`; without one nothing is answered.
    pub(super) result: Option<String>,
    pub(super) told: Vec<Frame>,
    pub(super) asked: Vec<Post>,
    pub(super) now: Duration,
    /// The newest exchange.
    pub(super) last: ExchangeId,
    pub(super) ids: u64,
}

impl Between {
    pub(super) fn new(pair: Pair, cache_ttl: Option<Duration>) -> Self {
        let mut between = Self {
            translator: Translator::new(Options {
                protocol: Protocol::Auto,
                transport: Transport::HttpOnly,
                seed: [7; 32],
                cache_ttl,
                ..Options::default()
            }),
            pair,
            result: Some(PUBLIC.to_owned()),
            told: Vec::new(),
            asked: Vec::new(),
            now: Duration::ZERO,
            last: ExchangeId(0),
            ids: 0,
        };
        between.open();
        between
    }

    /// Says what comes before everything else.
    pub(super) fn open(&mut self) {
        match self.pair.0 {
            Era::Legacy => {
                let initialize =
                    r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{}}"#;
                self.says(Frame::request(&Id::ours(0), "initialize", Some(initialize)));
                self.says(Frame::notification("notifications/initialized", None));
            }
            // Whatever is asked first also finds out what the remote is.
            Era::Modern => _ = self.asks("tools/call", r#"{"name":"x"}"#),
        }
        self.told.clear();
        self.asked.clear();
    }

    pub(super) fn says(&mut self, frame: Frame) {
        let mut actions = Vec::new();
        self.translator.on_host_message(frame, &mut actions);
        self.settle(actions);
    }

    pub(super) fn brings(&mut self, exchange: ExchangeId, arrival: Arrival) {
        let mut actions = Vec::new();
        self.translator.on_arrival(exchange, arrival, &mut actions);
        self.settle(actions);
    }

    /// Asks what a host of this era would, and returns the answer, if there is one, and whether the remote was asked.
    pub(super) fn asks(&mut self, method: &str, params: &str) -> (Option<Frame>, bool) {
        self.ids += 1;
        let id = Id::parse(&format!("\"host {}\"", self.ids)).unwrap();
        let params = match self.pair.0 {
            Era::Legacy => params.to_owned(),
            Era::Modern => in_envelope(params),
        };
        let asked = self.asked.len();
        self.says(Frame::request(&id, method, Some(&params)));
        let answer = self.told.iter().find(|frame| frame.id() == Some(&id));
        (answer.cloned(), self.asked.len() > asked)
    }

    /// Whether the remote had to be asked for an answer.
    pub(super) fn is_asked(&mut self, method: &str, params: &str) -> bool {
        let (answer, is_asked) = self.asks(method, params);
        assert!(answer.is_some(), "{:?} {method} {params}", self.pair);
        is_asked
    }

    pub(super) fn answers(&mut self, post: &Post, result: &str) {
        let answer = Frame::result(post.frame.id().unwrap(), result);
        let head = Head {
            status: 200,
            session: Some(Secret::new("session")),
        };
        self.brings(post.exchange, Arrival::Opened(head));
        self.brings(post.exchange, Arrival::Frame(answer));
        self.brings(post.exchange, Arrival::Ended);
    }

    pub(super) fn refuses(&mut self, post: &Post, status: u16, code: i64) {
        let error = Frame::error(post.frame.id(), code, "no", None);
        let refusal = HttpError {
            status,
            frame: Some(error),
            ..HttpError::default()
        };
        self.brings(post.exchange, Arrival::Refused(refusal));
    }

    /// The remote says something on whichever stream there is.
    pub(super) fn notes(&mut self, method: &str, params: Option<&str>) {
        let note = Frame::notification(method, params);
        self.brings(self.last, Arrival::Frame(note));
    }

    pub(super) fn later(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.translator.update_context(self.now, 0);
    }

    fn settle(&mut self, actions: Vec<Action>) {
        let gone = |status| {
            Arrival::Refused(HttpError {
                status,
                ..HttpError::default()
            })
        };
        for action in actions {
            if let Action::Post(post) = &action {
                self.last = post.exchange;
            }
            match action {
                Action::Reply(frame) => self.told.push(frame),
                Action::Listen(listen) => self.brings(listen.exchange, gone(405)),
                Action::Post(post) => match (post.frame.method(), self.pair.1) {
                    (Some("server/discover"), Era::Legacy) => self.brings(post.exchange, gone(404)),
                    (Some("server/discover"), Era::Modern) if is_ours(&post) => {
                        self.answers(&post, DISCOVERED);
                    }
                    (Some("initialize"), Era::Modern) => self.brings(post.exchange, gone(400)),
                    (Some("initialize"), Era::Legacy) => self.answers(&post, INITIALIZED),
                    _ if !post.frame.is_request() => {
                        self.brings(post.exchange, Arrival::Accepted(Head::default()));
                    }
                    _ => {
                        self.asked.push(post.clone());
                        if let Some(result) = self.result.clone() {
                            self.answers(&post, &result);
                        }
                    }
                },
                _ => {}
            }
        }
    }
}

pub(super) fn is_ours(post: &Post) -> bool {
    post.frame.id().unwrap().number() >= Some(1 << 40)
}

pub(super) fn in_envelope(params: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}"#;
    match params.strip_prefix('{') {
        Some("}") => format!("{{{meta}}}"),
        Some(rest) => format!("{{{meta},{rest}"),
        None => panic!("{params}"),
    }
}
