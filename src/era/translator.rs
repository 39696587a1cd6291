//! The four pairs behind one door: which one a host and a remote make, and the way there.
//!
//! The host's era is told by its first words (protocol.md 2.1), the remote's by asking ([`detect`](super::detect)). What the
//! host says meanwhile is held, in order. A host that only asked `server/discover` may still begin the legacy way (V-11).

use std::collections::VecDeque;
use std::time::Duration;

use super::cache::Cache;
use super::detect::{self, Finding};
use super::{
    Action, Arrival, ExchangeId, Legacy, LegacyHost, Mint, Modern, ModernHost, Post, Transport,
};
use crate::frame::{Frame, Id, Trouble};

/// Which era to speak with the remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Whichever it speaks.
    #[default]
    Auto,
    /// The handshake of 2025-11-25 and before.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// What a remote turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers `server/discover`.
    Modern,
    /// It does not.
    Legacy,
}

impl Verdict {
    /// As it is remembered.
    pub fn word(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }

    /// The counterpart of [`Verdict::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Modern, Self::Legacy]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }
}

/// How to begin.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// `--protocol`.
    pub protocol: Protocol,
    /// `--transport`.
    pub transport: Transport,
    /// The verdict of an earlier start, if it is young enough to be believed.
    pub remembered: Option<Verdict>,
    /// For unguessable handles.
    pub seed: [u8; 32],
    /// How long lists may be given again whose server does not say (`--cache-ttl`); without it they are not.
    pub cache_ttl: Option<Duration>,
}

/// Turns what the host says into what the remote understands, and back. No I/O, no clock.
#[derive(Debug)]
pub struct Translator {
    beginning: Beginning,
    state: State,
    verdict: Option<Verdict>,
    /// Translators made so far; each mints exchange ids of its own.
    made: u64,
    /// A modern host's looks around, and whether that is all it has done.
    looks: Vec<Id>,
    is_pinned: bool,
    /// The first words to a remote that is only remembered to be legacy, in case it is not.
    first: Option<Frame>,
    cache: Cache,
}

#[derive(Debug)]
enum State {
    /// The host has said nothing yet.
    Fresh,
    /// The remote is being asked.
    Asking(Asking),
    Legacy(Box<Legacy>),
    Modern(Box<Modern>),
    LegacyHost(Box<LegacyHost>),
    ModernHost(Box<ModernHost>),
}

#[derive(Debug)]
struct Asking {
    exchange: ExchangeId,
    is_host_modern: bool,
    was_asked_again: bool,
    held: VecDeque<Frame>,
}

/// A server that takes this long over the question is taken for one that does not know it.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a host may say before the remote has answered; more is refused.
const MAX_HELD: usize = 4096;

macro_rules! each {
    ($state:expr, $one:ident => $call:expr) => {
        match $state {
            State::Fresh | State::Asking(_) => {}
            State::Legacy($one) => $call,
            State::Modern($one) => $call,
            State::LegacyHost($one) => $call,
            State::ModernHost($one) => $call,
        }
    };
}

impl Translator {
    /// Nothing said, nothing known.
    pub fn new(beginning: Beginning) -> Self {
        Self {
            cache: Cache::new(beginning.cache_ttl),
            beginning,
            state: State::Fresh,
            verdict: None,
            made: 0,
            looks: Vec::new(),
            is_pinned: false,
            first: None,
        }
    }

    /// What the remote was found to be in this run.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// To be said before anything else that happens. `now` counts from any beginning and never backwards; `identity` changes
    /// whenever requests are made in another name, so that nobody is told what was kept for somebody else (K-04).
    pub fn meanwhile(&mut self, now: Duration, identity: u64) {
        self.cache.meanwhile(now, identity);
    }

    /// Takes a frame from the host.
    pub fn from_host(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.method() {
            Some("server/discover") => self.looks.extend(frame.id().cloned()),
            Some(_) if detect::is_modern(&frame) => self.is_pinned = true,
            _ => {}
        }
        match &mut self.state {
            State::Fresh => return self.first_words(frame, actions),
            State::Asking(asking) => return asking.hold(frame, actions),
            State::Modern(_) | State::ModernHost(_) if begins_legacy(&frame) => {
                return self.begin_again(frame, actions);
            }
            _ => {}
        }
        if let Some(answer) = self.cache.host_says(&frame) {
            return actions.push(Action::Reply(answer));
        }
        let before = actions.len();
        each!(&mut self.state, relay => relay.from_host(frame, actions));
        self.cache.saw(actions.iter().skip(before));
    }

    /// Takes what an exchange brought.
    pub fn from_remote(
        &mut self,
        exchange: ExchangeId,
        arrival: Arrival,
        actions: &mut Vec<Action>,
    ) {
        if let State::Asking(asking) = &self.state {
            if asking.exchange == exchange {
                self.remote_answers(&arrival, actions);
            }
            return;
        }
        if self.was_mistaken(&arrival, actions) {
            return;
        }
        if matches!(arrival, Arrival::Frame(_)) {
            self.first = None;
        }
        self.cache.remote_says(exchange, &arrival);
        let before = actions.len();
        each!(&mut self.state, relay => relay.from_remote(exchange, arrival, actions));
        self.cache.saw(actions.iter().skip(before));
    }

    /// A time asked for with [`Action::Wake`] is over.
    pub fn woke(&mut self, token: u64, actions: &mut Vec<Action>) {
        let before = actions.len();
        match &mut self.state {
            State::Fresh | State::Asking(_) | State::Legacy(_) => {}
            State::Modern(relay) => relay.woke(token, actions),
            State::LegacyHost(relay) => relay.woke(token, actions),
            State::ModernHost(relay) => relay.woke(token, actions),
        }
        self.cache.saw(actions.iter().skip(before));
    }

    /// Asks the remote whether it is there, where the era has a way to.
    pub fn ping(&mut self, actions: &mut Vec<Action>) {
        each!(&mut self.state, relay => relay.ping(actions));
    }

    /// The host has closed stdin: it can answer nothing any more.
    pub fn host_gone(&mut self, actions: &mut Vec<Action>) {
        each!(&mut self.state, relay => relay.host_gone(actions));
    }

    /// The last thing.
    pub fn leave(&mut self, actions: &mut Vec<Action>) {
        each!(&mut self.state, relay => relay.leave(actions));
    }

    /// Frames of the host that wait for the remote.
    pub fn waiting(&self) -> usize {
        match &self.state {
            State::Asking(asking) => asking.held.len(),
            State::Legacy(relay) => relay.waiting(),
            State::ModernHost(relay) => relay.waiting(),
            _ => 0,
        }
    }

    /// A host that has looked around in the modern way begins in the legacy one (V-11). One that has done more than look
    /// is modern, and stays so (V-12).
    fn begin_again(&mut self, initialize: Frame, actions: &mut Vec<Action>) {
        if self.is_pinned {
            let data = serde_json::json!({ "supported": [detect::MODERN] });
            let words = "This process serves a modern host: it takes no initialize.";
            actions.extend(
                initialize
                    .id()
                    .map(|id| Action::Reply(Frame::error(Some(id), -32022, words, Some(&data)))),
            );
            return;
        }
        // What it still waits for, nobody brings any more. Those that were answered are owed nothing, and hear nothing.
        let left = Trouble::new("superseded", "The host has begun with initialize instead.");
        actions.extend(
            self.looks
                .drain(..)
                .map(|id| Action::Reply(left.reply(&id))),
        );
        self.state = State::Fresh;
        self.first_words(initialize, actions);
    }

    /// A remote that was remembered to be legacy says that it is modern: it is asked after all (V-06).
    fn was_mistaken(&mut self, arrival: &Arrival, actions: &mut Vec<Action>) -> bool {
        let State::Legacy(relay) = &self.state else {
            return false;
        };
        let is_modern = matches!(arrival, Arrival::Refused(_))
            && matches!(detect::judge(arrival, false), Finding::Again);
        if !is_modern || relay.waiting() > 0 {
            return false;
        }
        let Some(first) = self.first.take() else {
            return false;
        };
        self.beginning.remembered = None;
        self.verdict = None;
        self.state = State::Fresh;
        self.first_words(first, actions);
        true
    }

    fn first_words(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let is_host_modern = detect::is_modern(&frame);
        let has_old_transport = matches!(
            self.beginning.transport,
            Transport::SseFirst | Transport::SseOnly
        );
        let is_legacy = match self.beginning.protocol {
            Protocol::Legacy => true,
            Protocol::Modern => false,
            Protocol::Auto => {
                let known = self.verdict.or(self.beginning.remembered);
                has_old_transport || known == Some(Verdict::Legacy)
            }
        };
        if is_legacy {
            let is_remembered = self.beginning.protocol == Protocol::Auto && !has_old_transport;
            self.first = is_remembered.then(|| frame.clone());
            return self.begin(Finding::Legacy, is_host_modern, [frame].into(), actions);
        }
        if !frame.is_request() {
            // Nothing to ask about yet, and nobody to tell.
            tracing::debug!(?frame, "before the first request");
            return;
        }
        let mint = &mut self.mint();
        self.state = State::Asking(Asking {
            exchange: ask(mint, actions),
            is_host_modern,
            was_asked_again: false,
            held: [frame].into(),
        });
    }

    fn remote_answers(&mut self, arrival: &Arrival, actions: &mut Vec<Action>) {
        let State::Asking(asking) = &self.state else {
            return;
        };
        let mut finding = detect::judge(arrival, asking.was_asked_again);
        if let (Protocol::Modern, Finding::Legacy) = (self.beginning.protocol, &finding) {
            let words = "The server does not speak the protocol that --protocol modern asks for.";
            finding = Finding::Unknown(
                Trouble::new("unsupported_version", words).hint("Leave out --protocol."),
            );
        }
        match finding {
            Finding::Nothing => {}
            Finding::Again => {
                let mint = &mut self.mint();
                let exchange = ask(mint, actions);
                if let State::Asking(asking) = &mut self.state {
                    asking.exchange = exchange;
                    asking.was_asked_again = true;
                }
            }
            Finding::Unknown(trouble) => {
                let held = self.held();
                // The next request asks again: nothing is known.
                self.state = State::Fresh;
                actions.extend(
                    held.iter()
                        .filter(|frame| frame.is_request())
                        .filter_map(|frame| Some(Action::Reply(trouble.reply(frame.id()?)))),
                );
            }
            found => {
                let is_host_modern = asking.is_host_modern;
                let held = self.held();
                // A server that never answered is not remembered for it.
                let is_evidence = !matches!(arrival, Arrival::GivenUp(_));
                let verdict = if matches!(found, Finding::Modern(_)) {
                    Verdict::Modern
                } else {
                    Verdict::Legacy
                };
                self.verdict = is_evidence.then_some(verdict);
                tracing::debug!(?verdict, is_host_modern, "the eras are known");
                self.begin(found, is_host_modern, held, actions);
            }
        }
    }

    fn begin(
        &mut self,
        found: Finding,
        is_host_modern: bool,
        mut held: VecDeque<Frame>,
        actions: &mut Vec<Action>,
    ) {
        let mint = self.mint();
        let transport = self.beginning.transport;
        self.cache.clear();
        self.state = match (found, is_host_modern) {
            (Finding::Modern(_), true) => State::Modern(Box::new(Modern::new(mint))),
            (Finding::Modern(discover), false) => {
                let initialize = match held.front() {
                    Some(frame) if frame.method() == Some("initialize") => held.pop_front(),
                    _ => None,
                };
                // A host that skips the handshake is introduced; the answer to that is nobody's and goes nowhere.
                let initialize = initialize.unwrap_or_else(introduction);
                State::LegacyHost(Box::new(LegacyHost::new(
                    mint, &discover, initialize, actions,
                )))
            }
            (_, true) => State::ModernHost(Box::new(ModernHost::new(
                mint,
                transport,
                self.beginning.seed,
            ))),
            (_, false) => State::Legacy(Box::new(Legacy::minting(transport, mint))),
        };
        for frame in held {
            self.from_host(frame, actions);
        }
    }

    fn held(&mut self) -> VecDeque<Frame> {
        match &mut self.state {
            State::Asking(asking) => std::mem::take(&mut asking.held),
            _ => VecDeque::new(),
        }
    }

    /// A mint whose numbers meet nobody else's.
    fn mint(&mut self) -> Mint {
        self.made += 1;
        Mint::beyond(self.made << 32)
    }
}

impl Asking {
    fn hold(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        if let Some(id) = frame.cancels() {
            let held = self.held.len();
            let is_it = |held: &Frame| {
                held.is_request() && held.id() == Some(&id) && held.method() != Some("initialize")
            };
            self.held.retain(|held| !is_it(held));
            if self.held.len() < held {
                actions.push(Action::Forget(id));
            }
            return;
        }
        match frame.id().filter(|_| frame.is_request()) {
            Some(id) if frame.method() == Some("ping") => {
                actions.push(Action::Reply(Frame::result(id, "{}")));
            }
            Some(id) if self.held.len() >= MAX_HELD => {
                let full = Trouble::new("overloaded", "Too much waits for the server already.")
                    .retryable();
                actions.push(Action::Reply(full.reply(id)));
            }
            _ if self.held.len() >= MAX_HELD => {}
            _ => self.held.push_back(frame),
        }
    }
}

fn begins_legacy(frame: &Frame) -> bool {
    frame.is_request() && frame.method() == Some("initialize") && !detect::is_modern(frame)
}

fn ask(mint: &mut Mint, actions: &mut Vec<Action>) -> ExchangeId {
    let exchange = mint.exchange();
    actions.push(Action::Post(Post {
        exchange,
        frame: detect::question(&Id::ours(mint.number())),
        headers: detect::headers(),
        endpoint: None,
        is_resumable: false,
        patience: Some(PATIENCE),
    }));
    exchange
}

fn introduction() -> Frame {
    let params = format!(
        r#"{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"mcpipe","version":"{}"}}}}"#,
        detect::LEGACY[0],
        env!("CARGO_PKG_VERSION")
    );
    Frame::request(&Id::ours(0), "initialize", Some(&params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::{Head, Refusal};

    fn translator(protocol: Protocol, remembered: Option<Verdict>) -> Translator {
        Translator::new(Beginning {
            protocol,
            transport: Transport::HttpFirst,
            remembered,
            seed: [0; 32],
            cache_ttl: None,
        })
    }

    fn initialize() -> Frame {
        Frame::parse(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#).unwrap()
    }

    fn posts(actions: &[Action]) -> Vec<(ExchangeId, String)> {
        let post = |action: &Action| match action {
            Action::Post(post) => Some((
                post.exchange,
                post.frame.method().unwrap_or("answer").to_owned(),
            )),
            _ => None,
        };
        actions.iter().filter_map(post).collect()
    }

    #[test]
    fn an_unknown_remote_is_asked_before_anything_else_is_said() {
        let mut actions = Vec::new();
        let mut translator = translator(Protocol::Auto, None);
        translator.from_host(initialize(), &mut actions);
        let asked = posts(&actions);
        assert_eq!(
            asked
                .iter()
                .map(|(_, method)| method.as_str())
                .collect::<Vec<_>>(),
            ["server/discover"]
        );

        actions.clear();
        let refused = Arrival::Refused(Refusal {
            status: 404,
            ..Refusal::default()
        });
        translator.from_remote(asked[0].0, refused, &mut actions);
        assert_eq!(posts(&actions)[0].1, "initialize");
        assert_ne!(posts(&actions)[0].0, asked[0].0);
        assert_eq!(translator.verdict(), Some(Verdict::Legacy));
    }

    #[test]
    fn a_remembered_legacy_remote_is_asked_nothing() {
        for mut translator in [
            translator(Protocol::Auto, Some(Verdict::Legacy)),
            translator(Protocol::Legacy, None),
        ] {
            let mut actions = Vec::new();
            translator.from_host(initialize(), &mut actions);
            assert_eq!(posts(&actions)[0].1, "initialize");
            assert_eq!(translator.verdict(), None);
        }
    }

    #[test]
    fn a_remote_in_trouble_is_told_to_the_host_and_asked_again_by_the_next_request() {
        let mut actions = Vec::new();
        let mut translator = translator(Protocol::Auto, None);
        translator.from_host(initialize(), &mut actions);
        let exchange = posts(&actions)[0].0;
        actions.clear();
        let down = Trouble::new("unreachable", "x");
        translator.from_remote(exchange, Arrival::Failed(down), &mut actions);
        assert!(
            matches!(actions.as_slice(), [Action::Reply(frame)] if frame.id() == initialize().id())
        );
        actions.clear();
        translator.from_host(initialize(), &mut actions);
        assert_eq!(posts(&actions)[0].1, "server/discover");
    }

    #[test]
    fn a_version_refused_is_asked_for_once_more() {
        let mut actions = Vec::new();
        let mut translator = translator(Protocol::Auto, None);
        translator.from_host(initialize(), &mut actions);
        let exchange = posts(&actions)[0].0;
        let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}}"#;
        let refusal = || {
            Arrival::Refused(Refusal {
                status: 400,
                frame: Frame::parse(body).ok(),
                ..Refusal::default()
            })
        };
        actions.clear();
        translator.from_remote(exchange, refusal(), &mut actions);
        let again = posts(&actions)[0].0;
        assert_ne!(again, exchange);
        actions.clear();
        translator.from_remote(again, Arrival::Opened(Head::default()), &mut actions);
        assert!(actions.is_empty());
        translator.from_remote(again, refusal(), &mut actions);
        assert!(matches!(actions.as_slice(), [Action::Reply(_)]));
    }

    #[test]
    fn what_is_said_meanwhile_is_held_and_what_is_cancelled_is_forgotten() {
        let mut actions = Vec::new();
        let mut translator = translator(Protocol::Auto, None);
        translator.from_host(initialize(), &mut actions);
        let list = Frame::request(&Id::ours(7), "tools/list", None);
        translator.from_host(list, &mut actions);
        let cancel = Frame::notification(
            "notifications/cancelled",
            Some(r#"{"requestId":"bridge:7"}"#),
        );
        translator.from_host(cancel, &mut actions);
        assert!(matches!(actions.last(), Some(Action::Forget(id)) if *id == Id::ours(7)));
        let ping = Frame::request(&Id::ours(8), "ping", None);
        translator.from_host(ping, &mut actions);
        assert!(
            matches!(actions.last(), Some(Action::Reply(frame)) if frame.id() == Some(&Id::ours(8)))
        );
        assert_eq!(translator.waiting(), 1);
    }

    fn modern(id: u64, method: &str) -> Frame {
        let params = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
        Frame::request(&Id::ours(id), method, Some(params))
    }

    const DISCOVERED: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;

    fn found_modern(translator: &mut Translator, first: Frame) -> Vec<Action> {
        let mut actions = Vec::new();
        translator.from_host(first, &mut actions);
        let exchange = posts(&actions)[0].0;
        let Action::Post(post) = &actions[0] else {
            panic!("{actions:?}")
        };
        let answer = Frame::result(post.frame.id().unwrap(), DISCOVERED);
        let mut actions = Vec::new();
        translator.from_remote(exchange, Arrival::Frame(answer), &mut actions);
        actions
    }

    #[test]
    fn a_host_that_only_looked_around_may_begin_the_legacy_way() {
        let mut translator = translator(Protocol::Auto, None);
        found_modern(&mut translator, modern(1, "server/discover"));
        let mut actions = Vec::new();
        translator.from_host(initialize(), &mut actions);
        assert!(
            matches!(&actions[0], Action::Reply(frame) if frame.id() == Some(&Id::ours(1))),
            "{actions:?}"
        );
        assert_eq!(posts(&actions)[0].1, "server/discover");
    }

    #[test]
    fn a_host_that_has_called_the_modern_way_keeps_its_calls() {
        let mut translator = translator(Protocol::Auto, None);
        found_modern(&mut translator, modern(1, "tools/list"));
        let mut actions = Vec::new();
        translator.from_host(initialize(), &mut actions);
        assert!(posts(&actions).is_empty());
        assert!(
            matches!(&actions[..], [Action::Reply(frame)] if frame.text().contains("2026-07-28")),
            "{actions:?}"
        );
    }

    #[test]
    fn a_remote_remembered_wrongly_is_asked_after_all() {
        let mut translator = translator(Protocol::Auto, Some(Verdict::Legacy));
        let mut actions = Vec::new();
        translator.from_host(initialize(), &mut actions);
        let exchange = posts(&actions)[0].0;
        let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}}"#;
        let refusal = Refusal {
            status: 400,
            frame: Frame::parse(body).ok(),
            ..Refusal::default()
        };
        actions.clear();
        translator.from_remote(exchange, Arrival::Refused(refusal), &mut actions);
        assert_eq!(posts(&actions)[0].1, "server/discover");
    }
}
