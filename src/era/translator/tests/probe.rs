//! The question, and servers that are only remembered to be modern.

use crate::era::translator::*;
use crate::era::{HttpError, Post};
use crate::frame::BridgeError;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"}}"#;
pub(super) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"public"}"#;
const REQUIRED: &str =
    r#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{"elicitation":{"url":{}}}}}"#;

pub(super) struct Play {
    pub(super) translator: Translator,
    pub(super) actions: Vec<Action>,
}

impl Play {
    pub(super) fn new(remembered: Option<ServerEra>, known: &[(&str, &str)]) -> Self {
        let known = known
            .iter()
            .map(|(capabilities, discover)| RememberedDiscover {
                capabilities: (*capabilities).to_owned(),
                discover: (*discover).to_owned(),
            });
        Self {
            translator: Translator::new(Options {
                remembered,
                known: known.collect(),
                ..Options::default()
            }),
            actions: Vec::new(),
        }
    }

    pub(super) fn says(&mut self, text: &str) -> &mut Self {
        self.actions.clear();
        let frame = Frame::parse(text).unwrap();
        self.translator.on_host_message(frame, &mut self.actions);
        self
    }

    pub(super) fn brings(&mut self, exchange: ExchangeId, arrival: Arrival) -> &mut Self {
        self.actions.clear();
        self.translator
            .on_arrival(exchange, arrival, &mut self.actions);
        self
    }

    /// Lets the timer fire that was asked for.
    pub(super) fn fires(&mut self) -> &mut Self {
        let token = |action: &Action| match action {
            Action::SetTimer { token, .. } => Some(*token),
            _ => None,
        };
        let token = self.actions.iter().find_map(token).expect("a timer");
        self.actions.clear();
        self.translator.on_timer(token, &mut self.actions);
        self
    }

    /// Returns the remote answers what was posted: `"result":…` or `"error":…`.
    pub(super) fn answers(&mut self, post: &Post, rest: &str) -> &mut Self {
        let id = post.frame.id().unwrap();
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},{rest}}}"#);
        self.brings(post.exchange, Arrival::Frame(Frame::parse(&text).unwrap()))
    }

    pub(super) fn refuses(&mut self, post: &Post, status: u16, error: &str) -> &mut Self {
        let id = post.frame.id().unwrap();
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
        let refusal = HttpError {
            status,
            frame: Frame::parse(&text).ok(),
            ..HttpError::default()
        };
        self.brings(post.exchange, Arrival::Refused(refusal))
    }

    pub(super) fn posts(&self) -> Vec<Post> {
        let post = |action: &Action| match action {
            Action::Post(post) => Some(post.clone()),
            _ => None,
        };
        self.actions.iter().filter_map(post).collect()
    }

    pub(super) fn posted(&self) -> Post {
        let [post] = &self.posts()[..] else {
            panic!("{:?}", self.actions)
        };
        post.clone()
    }

    /// Plays a legacy remote from the answer to this `initialize` on, until the host's requests are out.
    fn opens(&mut self, initialize: &Post) -> &mut Self {
        assert_eq!(initialize.frame.method(), Some("initialize"));
        self.answers(
            initialize,
            r#""result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#,
        );
        let initialized = self.posts().remove(0);
        assert_eq!(
            initialized.frame.method(),
            Some("notifications/initialized")
        );
        let accepted = Arrival::Accepted(crate::era::Head::default());
        self.brings(initialized.exchange, accepted);
        let [Action::Listen(listen)] = &self.actions[..] else {
            panic!("{:?}", self.actions)
        };
        let refusal = HttpError {
            status: 405,
            ..HttpError::default()
        };
        self.brings(listen.exchange, Arrival::Refused(refusal))
    }

    pub(super) fn methods(&self) -> Vec<String> {
        let posts = self.posts().into_iter();
        posts
            .map(|post| post.frame.method().unwrap().to_owned())
            .collect()
    }

    pub(super) fn replies(&self) -> Vec<String> {
        let reply = |action: &Action| match action {
            Action::Reply(frame) => Some(frame.text().to_owned()),
            _ => None,
        };
        self.actions.iter().filter_map(reply).collect()
    }
}

fn modern(id: u64, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"t",{META}}}}}"#)
}

pub(super) fn initialize(capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"h","version":"1"}}}}}}"#
    )
}

const UNKNOWN: &str = r#"{"code":-32000,"message":"Bad Request: no session"}"#;

#[test]
fn a_modern_hosts_own_discovery_is_the_question_and_its_answer() {
    let mut play = Play::new(None, &[]);
    let asked = play.says(&modern(1, "server/discover")).posted();
    assert_eq!(asked.frame.text(), modern(1, "server/discover"));
    assert!(asked.patience.is_some());
    assert!(play.says(&modern(2, "tools/call")).posts().is_empty());
    play.answers(&asked, &format!(r#""result":{DISCOVERED}"#));
    assert_eq!(
        play.replies(),
        [format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{DISCOVERED}}}"#
        )]
    );
    assert_eq!(play.posted().frame.text(), modern(2, "tools/call"));
    assert_eq!(play.translator.server_era(), Some(ServerEra::Modern));
    let known = play.translator.take_discovered().unwrap();
    assert_eq!(known.discover, DISCOVERED);
    assert_eq!(known.capabilities, r#"{"sampling":{}}"#);
}

#[test]
fn a_modern_hosts_own_discovery_may_find_a_legacy_server() {
    let mut play = Play::new(None, &[]);
    let asked = play.says(&modern(1, "server/discover")).posted();
    play.says(&modern(2, "tools/call"));
    play.refuses(&asked, 400, UNKNOWN);
    assert!(play.replies().is_empty(), "{:?}", play.actions);
    // It is remembered when the handshake has been answered.
    assert_eq!(play.translator.server_era(), None);
    let initialize = play.posted();
    play.opens(&initialize);
    assert_eq!(play.translator.server_era(), Some(ServerEra::Legacy));
}

#[test]
fn a_discovery_that_is_cancelled_leaves_the_rest_to_ask() {
    // MCP 2026-07-28, server/discover
    let mut play = Play::new(None, &[]);
    play.says(&modern(1, "server/discover"));
    play.says(&modern(2, "tools/list"));
    play.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert!(matches!(&play.actions[0], Action::Cancelled(id) if id.text() == "1"));
    assert!(matches!(&play.actions[1], Action::Close(_)));
    assert_ne!(play.posted().frame.id().unwrap().text(), "1");
    assert_eq!(play.methods(), ["server/discover"]);
    assert_eq!(play.translator.waiting(), 1);
}

#[test]
fn a_server_that_requires_more_says_so_to_a_modern_host_itself() {
    // -32021 is evidence (MCP 2026-07-28, basic), and is passed on with its data (MCP 2026-07-28,
    // basic/transports/streamable-http).
    let error = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{REQUIRED}}}"#);
    let mut play = Play::new(None, &[]);
    let asked = play.says(&modern(1, "server/discover")).posted();
    play.says(&modern(2, "tools/call"));
    play.refuses(&asked, 400, REQUIRED);
    assert_eq!(play.replies(), [&*error]);
    assert_eq!(play.translator.server_era(), Some(ServerEra::Modern));
    assert_eq!(play.posted().frame.text(), modern(2, "tools/call"));

    let mut play = Play::new(None, &[]);
    let asked = play.says(&modern(1, "tools/call")).posted();
    let meta = asked.frame.param("_meta").unwrap();
    assert!(meta.contains(r#""io.modelcontextprotocol/clientCapabilities":{"sampling":{}}"#));
    assert!(meta.contains(r#""name":"h""#));
    let call = play.refuses(&asked, 400, REQUIRED).posted();
    assert_eq!(play.refuses(&call, 400, REQUIRED).replies(), [&*error]);
}

#[test]
fn a_legacy_host_is_asked_for_with_what_it_declared_and_told_what_is_missing() {
    let mut play = Play::new(None, &[]);
    let says = initialize(r#"{"roots":{"listChanged":true},"sampling":{}}"#);
    let asked = play.says(&says).posted();
    let meta = asked.frame.param("_meta").unwrap();
    assert!(
        meta.contains(r#""io.modelcontextprotocol/clientCapabilities":{"roots":{},"sampling":{}}"#),
        "{meta}"
    );
    play.refuses(&asked, 400, REQUIRED);
    let [reply] = &play.replies()[..] else {
        panic!("{:?}", play.actions)
    };
    assert!(reply.contains(r#""kind":"missing_capability""#), "{reply}");
    assert!(reply.contains("elicitation"), "{reply}");
    // It is not taken for a legacy one: the next handshake asks again.
    assert_eq!(play.says(&says).methods(), ["server/discover"]);
}

#[test]
fn a_remembered_modern_server_is_asked_nothing_by_a_modern_host() {
    let mut play = Play::new(Some(ServerEra::Modern), &[]);
    let call = play.says(&modern(1, "tools/call")).posted();
    assert_eq!(call.frame.text(), modern(1, "tools/call"));
    assert_eq!(play.translator.server_era(), None);
    play.answers(&call, r#""result":{"resultType":"complete"}"#);
    assert_eq!(play.replies().len(), 1);
    assert_eq!(play.translator.server_era(), Some(ServerEra::Modern));
    // From now on a refusal is a refusal.
    let call = play.says(&modern(2, "tools/call")).posted();
    play.refuses(&call, 400, UNKNOWN);
    assert!(play.posts().is_empty() && play.replies().len() == 1);
}

#[test]
fn a_remembered_modern_server_that_is_legacy_now_hears_it_all_again() {
    let mut play = Play::new(Some(ServerEra::Modern), &[]);
    let call = play.says(&modern(1, "tools/call")).posted();
    let list = play.says(&modern(2, "tools/list")).posted();
    let other = play.says(&modern(3, "tools/call")).posted();
    let asked = play.refuses(&call, 400, UNKNOWN).posted();
    assert_eq!(asked.frame.method(), Some("server/discover"));
    assert!(play.replies().is_empty());
    play.refuses(&asked, 400, UNKNOWN);
    // What may have been done is not done again.
    let [reply] = &play.replies()[..] else {
        panic!("{:?}", play.actions)
    };
    assert!(reply.starts_with(r#"{"jsonrpc":"2.0","id":3,"#), "{reply}");
    assert!(reply.contains(r#""retryable":false"#), "{reply}");
    let closed = |exchange| {
        let mut actions = play.actions.iter();
        actions.any(|action| matches!(action, Action::Close(closed) if *closed == exchange))
    };
    assert!(closed(list.exchange) && closed(other.exchange));
    let initialize = play.posted();
    play.opens(&initialize);
    assert_eq!(play.translator.server_era(), Some(ServerEra::Legacy));
    let mut again = play.methods();
    again.sort();
    assert_eq!(again, ["tools/call", "tools/list"], "{:?}", play.actions);
}

#[test]
fn a_doubt_that_was_none_is_told_after_all() {
    let error = r#"{"code":-32602,"message":"no such tool"}"#;
    let told = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
    for settled in [
        format!(r#""result":{DISCOVERED}"#),
        format!(r#""error":{REQUIRED}"#),
    ] {
        let mut play = Play::new(Some(ServerEra::Modern), &[]);
        let call = play.says(&modern(1, "tools/call")).posted();
        let asked = play.answers(&call, &format!(r#""error":{error}"#)).posted();
        assert_eq!(play.answers(&asked, &settled).replies(), [&*told]);
        assert_eq!(play.translator.server_era(), Some(ServerEra::Modern));
    }
    // Where the era stays unknown it is told too, and nothing is remembered.
    let mut play = Play::new(Some(ServerEra::Modern), &[]);
    let call = play.says(&modern(1, "tools/call")).posted();
    let asked = play.answers(&call, &format!(r#""error":{error}"#)).posted();
    let away = Arrival::Failed(BridgeError::new("unreachable", "x"));
    assert_eq!(play.brings(asked.exchange, away).replies(), [&*told]);
    assert_eq!(play.translator.server_era(), None);
    // And where the host has cancelled it meanwhile, it is not.
    let mut play = Play::new(Some(ServerEra::Modern), &[]);
    let call = play.says(&modern(1, "tools/call")).posted();
    let asked = play.answers(&call, &format!(r#""error":{error}"#)).posted();
    play.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert!(matches!(&play.actions[..], [Action::Cancelled(_)]));
    play.answers(&asked, &format!(r#""result":{DISCOVERED}"#));
    assert!(play.replies().is_empty());
}

#[test]
fn a_legacy_host_is_answered_from_memory_where_that_is_what_it_would_be_told() {
    // MCP 2026-07-28, server/utilities/caching
    let known = [(r#"{"roots":{}}"#, DISCOVERED)];
    let mut play = Play::new(Some(ServerEra::Modern), &known);
    play.says(&initialize(r#"{"roots":{}}"#));
    assert!(play.posts().is_empty());
    assert!(play.replies()[0].contains(r#""capabilities":{"tools":{}}"#));
    play.says(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let list = play
        .says(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .posted();
    play.answers(&list, r#""result":{"resultType":"complete","tools":[]}"#);
    assert_eq!(play.translator.server_era(), Some(ServerEra::Modern));

    for (remembered, capabilities) in [(Some(ServerEra::Modern), "{}"), (None, r#"{"roots":{}}"#)] {
        let mut play = Play::new(remembered, &known);
        assert_eq!(
            play.says(&initialize(capabilities)).methods(),
            ["server/discover"]
        );
    }
}

#[test]
fn a_legacy_host_answered_from_memory_gets_its_session_all_the_same() {
    let mut play = Play::new(Some(ServerEra::Modern), &[("{}", DISCOVERED)]);
    play.says(&initialize("{}"));
    play.says(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    let posted = play.says(call).posted();
    let asked = play.refuses(&posted, 400, UNKNOWN).posted();
    let again = play.refuses(&asked, 404, UNKNOWN).posted();
    play.opens(&again);
    assert_eq!(play.translator.server_era(), Some(ServerEra::Legacy));
    let again = play.posts();
    assert!(
        again.iter().any(|post| post.frame.text() == call),
        "{again:?}"
    );
}

#[test]
fn a_subscription_that_has_ended_on_trial_is_not_begun_again() {
    let mut play = Play::new(Some(ServerEra::Modern), &[]);
    let listens = modern(3, "subscriptions/listen").replace(
        r#""name":"t""#,
        r#""notifications":{"toolsListChanged":true}"#,
    );
    let subscription = play.says(&listens).posted();
    let id = subscription.frame.id().unwrap();
    let ends = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    );
    play.brings(
        subscription.exchange,
        Arrival::Frame(Frame::parse(&ends).unwrap()),
    );
    let is_forgotten =
        |action: &Action| matches!(action, Action::Cancelled(id) if id.text() == "3");
    assert!(play.actions.iter().any(is_forgotten), "{:?}", play.actions);

    let list = play.says(&modern(4, "tools/list")).posted();
    let question = play
        .refuses(&list, 400, r#"{"code":-32000,"message":"no session"}"#)
        .posted();
    play.answers(&question, r#""error":{"code":-32601,"message":"no"}"#);
    // Nothing is owed to it: neither an error now nor an answer later.
    assert!(play.replies().is_empty(), "{:?}", play.replies());
    let opening = play.posted();
    play.opens(&opening);
    assert_eq!(play.methods(), ["tools/list"]);
}
