//! The host's book, the exchanges and the times, and what must hold of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcpipe::era::{Action, Arrival, ExchangeId, Options, Post, Translator};
use mcpipe::frame::{BridgeError, Frame, Id, Outline, member_of};

use super::files::Files;
use super::remote;
use super::stream::{Streams, is_stream};

/// What the host declares, in the spelling under which an earlier start remembers it.
pub(super) const CAPABILITIES: &str =
    r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#;

/// More than this is not done in the wake of one thing: something goes round in circles.
const MAX_STEPS: usize = 3000;
/// What may be left of a conversation that is over, as debug text.
const MAX_LEFT: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
    /// Looks around the modern way and may begin the legacy one.
    Both,
}

/// What came of posting a tool's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing so far.
    Open,
    /// The remote has said that it has, or has not, done it.
    Known,
    /// The outcome is unknown.
    Doubtful,
}

#[derive(Debug)]
struct Owed {
    method: String,
    /// The call's number.
    nonce: Option<u64>,
}

impl Owed {
    fn stands(&self) -> bool {
        matches!(&*self.method, "subscriptions/listen" | "events/stream")
    }
}

pub(super) struct World {
    translator: Translator,
    host: Era,
    has_begun: bool,
    /// Ids so far.
    count: u64,
    owed: BTreeMap<String, Owed>,
    /// Ids the host has cancelled.
    cancelled: BTreeSet<String>,
    /// Ids of `initialize`. One answered from memory may have to be said again, and the bridge keeps the answer to
    /// that.
    handshakes: BTreeSet<String>,
    /// In the order in which they were asked.
    asked: Vec<String>,
    /// The remote's questions that the host has been asked.
    questions: Vec<Id>,
    /// Calls that were answered with questions: the number of the call, and the state it goes on with.
    rounds: Vec<(u64, String)>,
    posts: BTreeMap<ExchangeId, Post>,
    events: Streams,
    files: Files,
    /// The host says something, and nothing has come from the remote since.
    is_saying: bool,
    streams: BTreeSet<ExchangeId>,
    timers: Vec<u64>,
    /// What has become of each call, by its number, posting by posting.
    fates: BTreeMap<u64, Vec<(ExchangeId, Fate)>>,
    now: Duration,
    name: u64,
    is_gone: bool,
    log: Vec<String>,
}

impl World {
    pub(super) fn new(host: Era, options: Options) -> Self {
        Self {
            translator: Translator::new(options),
            host,
            has_begun: false,
            count: 0,
            owed: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            handshakes: BTreeSet::new(),
            asked: Vec::new(),
            questions: Vec::new(),
            rounds: Vec::new(),
            posts: BTreeMap::new(),
            events: Streams::default(),
            files: Files::default(),
            is_saying: false,
            streams: BTreeSet::new(),
            timers: Vec::new(),
            fates: BTreeMap::new(),
            now: Duration::ZERO,
            name: 0,
            is_gone: false,
            log: Vec::new(),
        }
    }

    /// The host asks for something.
    pub(super) fn ask(&mut self, which: u8) {
        if self.host == Era::Both && which.is_multiple_of(16) && !self.has_begun {
            return self.initialize();
        }
        let is_modern = self.host != Era::Legacy;
        if !is_modern && (!self.has_begun && !which.is_multiple_of(8) || which == 255) {
            return self.initialize();
        }
        // One that has begun the legacy way goes on so.
        let is_modern = is_modern && !(self.host == Era::Both && self.has_begun);
        let methods: &[&str] = match (self.host, is_modern) {
            (Era::Both, true) => &["server/discover"],
            (_, true) => &[
                "tools/call",
                "tools/call",
                "tools/list",
                "resources/read",
                "resources/read",
                "skills/get",
                "skills/get",
                "prompts/get",
                "server/discover",
                "subscriptions/listen",
                "events/stream",
                "events/stream",
            ],
            (_, false) => &[
                "tools/call",
                "tools/call",
                "tools/list",
                "resources/read",
                "resources/read",
                "skills/get",
                "skills/get",
                "prompts/get",
                "resources/subscribe",
                "logging/setLevel",
                "ping",
                "events/stream",
                "events/stream",
            ],
        };
        let method = methods[usize::from(which / 4) % methods.len()];
        let is_round = is_modern && method == "tools/call" && which.is_multiple_of(2);
        let round = self.rounds.pop().filter(|_| is_round);
        let nonce = match (&round, method) {
            (Some((nonce, _)), _) => Some(*nonce),
            (None, "tools/call") => Some(self.count),
            _ => None,
        };
        // Now and then an id that has been used before, which the modern era lets hosts do (MCP 2026-07-28, basic).
        self.count += 1;
        let number = match which % 7 {
            0 if is_modern => self.count % 5,
            _ => self.count,
        };
        let id = number.to_string();
        if self.owed.contains_key(&id) {
            return; // the bridge refuses these before anything else
        }
        if let Some(fates) = nonce.and_then(|nonce| self.fates.get_mut(&nonce)) {
            fates.clear(); // it is the host that says it again
        }
        let mut params = match method {
            "tools/call" => format!(
                r#""name":"t","arguments":{{"nonce":{}}}"#,
                nonce.unwrap_or_default()
            ),
            "resources/read" | "skills/get" | "resources/subscribe" => {
                let uri = format!("file:///{}", u8::from(!which.is_multiple_of(4)));
                self.files.asks(&id, uri.clone());
                format!(r#""uri":"{uri}""#)
            }
            "prompts/get" => r#""name":"p""#.into(),
            "logging/setLevel" => r#""level":"info""#.into(),
            "events/stream" => r#""name":"x","cursor":null"#.into(),
            "subscriptions/listen" => {
                r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///1"],"taskIds":["t"]}"#
                    .into()
            }
            _ => r#""x":1"#.into(),
        };
        if let Some((_, state)) = &round {
            params += &format!(
                r#","requestState":{state},"inputResponses":{{"a":{{"action":"accept","content":{{}}}},"1":{{"action":"accept","content":{{}}}}}}"#
            );
        }
        let token = format!(r#""progressToken":{number}"#);
        let meta = match (is_modern, which % 5) {
            (false, _) => token,
            (true, 0) => format!(
                r#"{token},"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}"#
            ),
            (true, _) => format!(
                r#"{token},"io.modelcontextprotocol/logLevel":"info","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{CAPABILITIES}"#
            ),
        };
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params},"_meta":{{{meta}}}}}}}"#
        );
        if method == "events/stream" {
            self.events.begins(&id);
        }
        self.owe(id, method, nonce);
        self.say(&line);
    }

    fn initialize(&mut self) {
        self.has_begun = true;
        self.count += 1;
        let id = match self.count % 2 {
            0 if self.host == Era::Both => 1,
            _ => self.count,
        };
        let id = id.to_string();
        self.handshakes.insert(id.clone());
        if self.owed.contains_key(&id) {
            return;
        }
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{CAPABILITIES},"clientInfo":{{"name":"h","version":"1"}}}}}}"#
        );
        self.owe(id, "initialize", None);
        self.say(&line);
    }

    fn owe(&mut self, id: String, method: &str, nonce: Option<u64>) {
        self.cancelled.remove(&id);
        self.asked.push(id.clone());
        let method = method.to_owned();
        self.owed.insert(id, Owed { method, nonce });
    }

    pub(super) fn cancel(&mut self, which: u8) {
        // Mostly of what is open.
        let open: Vec<String> = self.owed.keys().cloned().collect();
        let from = if which < 40 { &self.asked } else { &open };
        if from.is_empty() {
            return;
        }
        let id = from[usize::from(which) % from.len()].clone();
        self.cancelled.insert(id.clone());
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"r"}}}}"#
        ));
    }

    /// The host answers a question of the remote's.
    pub(super) fn answer(&mut self, which: u8, how: u8) {
        if self.questions.is_empty() {
            return;
        }
        let id = self
            .questions
            .swap_remove(usize::from(which) % self.questions.len());
        let frame = match how % 4 {
            0 => Frame::error(Some(&id), -32603, "no", None),
            1 => Frame::result(&id, r#"{"action":"cancel"}"#),
            2 => Frame::result(&id, "7"),
            _ => Frame::result(&id, r#"{"action":"accept","content":{}}"#),
        };
        self.say(frame.text());
    }

    pub(super) fn notify(&mut self, which: u8) {
        let method = match which % 3 {
            0 => "notifications/roots/list_changed",
            1 => "notifications/something",
            _ => "notifications/initialized",
        };
        self.say(&format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#));
    }

    fn say(&mut self, line: &str) {
        self.log.push(format!("host: {line}"));
        let mut actions = Vec::new();
        self.translator.update_context(self.now, self.name);
        let frame = Frame::parse(line).unwrap();
        self.translator.on_host_message(frame, &mut actions);
        self.is_saying = true;
        self.act(actions);
        self.is_saying = false;
    }

    pub(super) fn arrive(&mut self, which: u8, what: u8) {
        let open: Vec<ExchangeId> = self.posts.keys().chain(&self.streams).copied().collect();
        if open.is_empty() {
            return;
        }
        let exchange = open[usize::from(which) % open.len()];
        self.count += 1;
        let arrival = match self.posts.get(&exchange) {
            Some(post) if is_stream(post) => self.events.arrival(exchange, post, what),
            Some(post) => remote::arrival(post, self.count, what),
            None => remote::on_stream(self.count, what),
        };
        self.bring(exchange, arrival);
    }

    fn bring(&mut self, exchange: ExchangeId, arrival: Arrival) {
        self.log.push(format!("{exchange:?}: {arrival:?}"));
        if let Some(nonce) = self.posts.get(&exchange).and_then(nonce) {
            let fates = self.fates.entry(nonce).or_default();
            let fate = fates.iter_mut().rfind(|(of, _)| *of == exchange);
            if let Some((_, fate)) = fate.filter(|(_, fate)| *fate == Fate::Open) {
                *fate = match &arrival {
                    // Whatever its id: only this was asked there.
                    Arrival::Frame(frame) if frame.is_response() => Fate::Known,
                    Arrival::Refused(refusal) => match refusal.status {
                        408 | 500 | 502 | 504 => Fate::Doubtful,
                        _ => Fate::Known,
                    },
                    Arrival::Failed(error) if error.kind != "cut" => Fate::Known,
                    other if other.is_last() => Fate::Doubtful,
                    _ => Fate::Open,
                };
            }
        }
        if arrival.is_last() {
            self.posts.remove(&exchange);
            self.streams.remove(&exchange);
        }
        // The answer to a handshake that names an endpoint is the stream of HTTP+SSE: the handshake is posted there.
        let is_handshake = |post: &Post| post.frame.method() == Some("initialize");
        if matches!(arrival, Arrival::Endpoint(_))
            && self.posts.get(&exchange).is_some_and(is_handshake)
        {
            self.posts.remove(&exchange);
            self.streams.insert(exchange);
        }
        let mut actions = Vec::new();
        self.translator.update_context(self.now, self.name);
        self.translator.on_arrival(exchange, arrival, &mut actions);
        self.act(actions);
    }

    pub(super) fn wake(&mut self, which: u8) {
        if self.timers.is_empty() {
            return;
        }
        let at = usize::from(which) % self.timers.len();
        let token = self.timers.remove(at);
        self.log.push(format!("wake {token}"));
        let mut actions = Vec::new();
        self.translator.on_timer(token, &mut actions);
        self.act(actions);
    }

    pub(super) fn pass(&mut self, millis: u16) {
        self.now += Duration::from_millis(millis.into());
    }

    pub(super) fn other_name(&mut self) {
        self.name += 1;
    }

    pub(super) fn ping(&mut self) {
        let mut actions = Vec::new();
        self.translator.ping(&mut actions);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.log.push(format!("  {action:?}"));
            match action {
                Action::Reply(frame) => self.told(&frame),
                Action::Cancelled(id) => {
                    let id = id.text();
                    let Some(owed) = self.owed.remove(id) else {
                        continue;
                    };
                    if !self.cancelled.contains(id) && !owed.stands() {
                        self.fail(&format!("{id} is forgotten, and nobody has cancelled it"));
                    }
                    if owed.method == "initialize" {
                        self.fail("a handshake was cancelled");
                    }
                }
                Action::Post(post) => self.posted(post),
                Action::Listen(listen) => {
                    self.streams.insert(listen.exchange);
                }
                Action::Close(exchange) => {
                    if let Some(nonce) = self.posts.remove(&exchange).as_ref().and_then(nonce) {
                        for (of, fate) in self.fates.entry(nonce).or_default() {
                            if *of == exchange && *fate == Fate::Open {
                                *fate = Fate::Doubtful;
                            }
                        }
                    }
                    self.streams.remove(&exchange);
                }
                Action::SetTimer { token, .. } => self.timers.push(token),
                // No call has a time limit here.
                Action::EndSession(_) | Action::Limit(_) | Action::Stand(_) => {}
            }
        }
    }

    fn told(&mut self, frame: &Frame) {
        match frame.outline() {
            Outline::Request { id, .. } => {
                if self.host == Era::Modern {
                    self.fail("a modern host is asked");
                }
                self.questions.push(id.clone());
            }
            Outline::Notification { .. } => {
                if let Some(wrong) = self.events.told(frame) {
                    self.fail(&wrong);
                }
            }
            Outline::Response { id, .. } => {
                let id = id.as_ref().map_or("null", |id| id.text()).to_owned();
                let Some(owed) = self.owed.remove(&id) else {
                    // The handshake of a host that skips it is made up, and so is this answer to it.
                    if id == r#""bridge:introduction""# || self.handshakes.contains(&id) {
                        return;
                    }
                    return self.fail(&format!("{id} is answered, and owed nothing"));
                };
                let is_kept = self.is_saying;
                if let Some(wrong) = self.files.told(&id, &owed.method, frame, is_kept) {
                    self.fail(&wrong);
                }
                self.answered(frame, &owed);
            }
        }
    }

    fn answered(&mut self, frame: &Frame, owed: &Owed) {
        let Some(nonce) = owed.nonce else { return };
        let result = frame.member("result").unwrap_or_default();
        if let Some(state) = member_of(result, "requestState") {
            self.rounds.push((nonce, state.to_owned()));
        }
        let data = frame
            .member("error")
            .and_then(|error| member_of(error, "data"));
        let says = |name| data.and_then(|data| member_of(data, name));
        let is_ours = says("source") == Some(r#""mcpipe""#);
        let last = self.fates.get(&nonce).and_then(|fates| fates.last());
        let is_doubtful = last.is_some_and(|(_, fate)| *fate == Fate::Doubtful);
        if is_ours && is_doubtful && says("retryable") == Some("true") {
            self.fail("a call that may have been done is said to be worth repeating");
        }
    }

    fn posted(&mut self, post: Post) {
        if let Some(nonce) = nonce(&post) {
            let fates = self.fates.entry(nonce).or_default();
            let is_known = fates.iter().all(|(_, fate)| *fate == Fate::Known);
            fates.push((post.exchange, Fate::Open));
            if !is_known {
                self.fail(&format!("call {nonce} is made again, and may be done"));
            }
        }
        if let Some(id) = post.frame.id().filter(|_| post.frame.is_request()) {
            let is_ours = id.number().is_none_or(|id| id > self.count);
            if is_ours
                && !id
                    .number()
                    .is_some_and(|id| (1 << 39..1 << 53).contains(&id))
            {
                self.fail(&format!("{id} is no integer out of the host's way"));
            }
            let mut posts = self.posts.values();
            let is_it = |other: &Post| other.frame.is_request() && other.frame.id() == Some(id);
            if is_ours && posts.any(is_it) {
                self.fail(&format!("{id} is under way twice"));
            }
        }
        let is_new = self.posts.insert(post.exchange, post).is_none();
        assert!(is_new, "an exchange id is used twice");
    }

    /// Lets everything end.
    pub(super) fn end(mut self, leaves: bool) {
        if leaves {
            self.leave();
        }
        self.run_out();
        let is_call = |(_, owed): &(&String, &Owed)| !owed.stands();
        if let Some((id, owed)) = self.owed.iter().find(is_call) {
            self.fail(&format!("{id} was never answered: {owed:?}"));
        }
        if !leaves {
            self.leave();
            self.run_out();
        }
        if !self.owed.is_empty() {
            self.fail("not everybody knows at the end");
        }
        if self.translator.waiting() > 0 {
            self.fail("something still waits at the end");
        }
        let mut actions = Vec::new();
        self.translator.leave(&mut actions);
        self.act(actions);
        let left = format!("{:?}", self.translator);
        if left.len() > MAX_LEFT {
            self.fail(&format!("{} bytes are left behind: {left}", left.len()));
        }
    }

    fn leave(&mut self) {
        self.log.push("the host leaves".into());
        self.is_gone = true;
        self.questions.clear();
        let mut actions = Vec::new();
        self.translator.on_host_gone(&mut actions);
        self.act(actions);
    }

    /// No exchange brings anything more, no time is left to wait for, and the host answers what it is asked.
    fn run_out(&mut self) {
        for _ in 0..MAX_STEPS {
            if !self.is_gone && self.owed.values().all(Owed::stands) {
                return; // what stands is opened again for as long as the host wants them
            }
            if let Some(exchange) = self.posts.keys().next().copied() {
                let error = BridgeError::new("unreachable", "x");
                self.bring(exchange, Arrival::Failed(error));
            } else if let Some(stream) = self.streams.iter().next().copied() {
                self.bring(stream, Arrival::Failed(BridgeError::new("refused", "x")));
            } else if !self.questions.is_empty() && !self.is_gone {
                self.answer(0, 0);
            } else if !self.timers.is_empty() {
                self.wake(0);
            } else {
                return;
            }
        }
        self.fail("it goes on for ever");
    }

    fn fail(&self, what: &str) {
        panic!("{what}\n{}", self.log.join("\n"));
    }
}

/// Which call that is.
fn nonce(post: &Post) -> Option<u64> {
    if post.frame.method() != Some("tools/call") {
        return None;
    }
    member_of(post.frame.param("arguments")?, "nonce")?
        .parse()
        .ok()
}
