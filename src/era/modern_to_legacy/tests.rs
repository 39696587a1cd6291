//! The rules of this pair, one by one: what the host and the remote each see.

mod growth;
mod losses;
mod questions;
mod subscriptions;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::era::{Head, HttpError};
use crate::frame::BridgeError;
use crate::secret::Secret;

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"roots":{},"elicitation":{},"tasks":{}}"#;
const SERVER: &str = r#"{"protocolVersion":"2025-11-25","serverInfo":{"name":"s","version":"2"},"instructions":"i","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{},"tasks":{}}}"#;

/// A translator and what it has asked for.
struct Rig {
    host: ModernToLegacy,
    actions: Vec<Action>,
}

/// An exchange and the message posted on it.
type Posted = (ExchangeId, Value);

impl Rig {
    fn new() -> Self {
        Self {
            host: ModernToLegacy::new(Mint::default(), Transport::HttpOnly, [1; 32]),
            actions: Vec::new(),
        }
    }

    /// With its session open and nothing left to do.
    fn open() -> Self {
        Self::open_to(SERVER, true)
    }

    fn open_to(server: &str, has_stream: bool) -> Self {
        let mut rig = Self::new();
        rig.call(0, "server/discover", "", "");
        rig.opens(server, has_stream);
        rig.actions.clear();
        rig
    }

    /// Opens a session as the server and returns its standing stream.
    fn opens(&mut self, server: &str, has_stream: bool) -> ExchangeId {
        let initialize = self.posted();
        assert_eq!(initialize.1["method"], "initialize");
        self.settles(&initialize, &format!(r#""result":{server}"#));
        let initialized = self.posted();
        assert_eq!(initialized.1["method"], "notifications/initialized");
        self.brings(initialized.0, Arrival::Accepted(Head::default()));
        let stream = self.stream();
        let arrival = if has_stream {
            Arrival::Opened(Head::default())
        } else {
            Arrival::Refused(HttpError {
                status: 405,
                ..HttpError::default()
            })
        };
        self.brings(stream, arrival);
        stream
    }

    fn says(&mut self, text: &str) {
        let frame = Frame::parse(text).unwrap();
        self.host.on_host_message(frame, &mut self.actions);
        self.is_modern();
    }

    /// A modern request; `params` and `meta` are members, each with a comma behind.
    fn call(&mut self, id: u64, method: &str, params: &str, meta: &str) {
        self.call_as(id, method, params, &format!("{meta}{META}"));
    }

    /// The same with another envelope.
    fn call_as(&mut self, id: u64, method: &str, params: &str, meta: &str) {
        self.says(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{{meta}}}}}}}"#
        ));
    }

    fn brings(&mut self, exchange: ExchangeId, arrival: Arrival) {
        self.host.on_arrival(exchange, arrival, &mut self.actions);
        self.is_modern();
    }

    fn sends(&mut self, exchange: ExchangeId, text: &str) {
        self.brings(exchange, Arrival::Frame(Frame::parse(text).unwrap()));
    }

    fn answers(&mut self, exchange: ExchangeId, outcome: &str, id: &str) {
        self.sends(
            exchange,
            &format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#),
        );
    }

    /// Answers a posted request.
    fn settles(&mut self, (exchange, posted): &Posted, outcome: &str) {
        self.answers(*exchange, outcome, &posted["id"].to_string());
        self.brings(*exchange, Arrival::Ended);
    }

    /// Whatever happens, a host is told things and never asked (MCP 2026-07-28, basic/transports/stdio).
    fn is_modern(&self) {
        for action in &self.actions {
            assert!(!matches!(action, Action::Reply(frame) if frame.is_request()));
        }
    }

    /// Takes the frames that the host was received.
    fn received(&mut self) -> Vec<Value> {
        let mut received = Vec::new();
        self.actions.retain(|action| match action {
            Action::Reply(frame) => {
                received.push(serde_json::from_str(frame.text()).unwrap());
                false
            }
            _ => true,
        });
        received
    }

    fn received_one(&mut self) -> Value {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }

    fn posts(&mut self) -> Vec<Posted> {
        let mut posts = Vec::new();
        self.actions.retain(|action| match action {
            Action::Post(post) => {
                let text = post.frame.text();
                posts.push((post.exchange, serde_json::from_str(text).unwrap()));
                false
            }
            _ => true,
        });
        posts
    }

    fn posted(&mut self) -> Posted {
        let posts = self.posts();
        assert_eq!(posts.len(), 1, "{posts:?}");
        posts[0].clone()
    }

    fn stream(&mut self) -> ExchangeId {
        let mut listens = self.actions.iter().filter_map(|action| match action {
            Action::Listen(listen) => Some(listen.exchange),
            _ => None,
        });
        listens.next_back().expect("no standing stream")
    }

    /// Lets every time asked for pass that is no longer than this.
    fn waits(&mut self, at_most: Duration) {
        let mut tokens = Vec::new();
        self.actions.retain(|action| match action {
            Action::SetTimer { after, token, .. } if *after <= at_most => {
                tokens.push(*token);
                false
            }
            _ => true,
        });
        for token in tokens {
            self.host.on_timer(token, &mut self.actions);
        }
        self.is_modern();
    }

    fn forgot(&self) -> Vec<String> {
        let forgets = self.actions.iter().filter_map(|action| match action {
            Action::Cancelled(id) => Some(id.text().to_owned()),
            _ => None,
        });
        forgets.collect()
    }
}

/// Returns the head of an answer that begins this session.
fn named(name: &str) -> Head {
    Head {
        session: Some(Secret::new(name)),
        ..Head::default()
    }
}

fn result(frame: &Value) -> &Value {
    assert!(frame["error"].is_null(), "{frame}");
    &frame["result"]
}

fn code(frame: &Value) -> i64 {
    frame["error"]["code"].as_i64().unwrap()
}

#[test]
fn the_first_request_opens_a_session_in_the_hosts_name() {
    let mut rig = Rig::new();
    rig.call(7, "tools/list", "", "");
    let (exchange, initialize) = rig.posted();
    assert_eq!(initialize["method"], "initialize");
    assert_eq!(initialize["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(initialize["params"]["clientInfo"]["name"], "h");
    let declared = json!({"roots": {}, "elicitation": {}});
    assert_eq!(initialize["params"]["capabilities"], declared);
    rig.answers(exchange, &format!(r#""result":{SERVER}"#), "549755813889");
    let (exchange, initialized) = rig.posted();
    assert_eq!(initialized["method"], "notifications/initialized");
    rig.brings(exchange, Arrival::Accepted(Head::default()));
    let stream = rig.stream();
    rig.brings(stream, Arrival::Opened(Head::default()));
    let list = rig.posted();
    assert_eq!(list.1["method"], "tools/list");
    assert!(list.1["params"].is_null(), "an emptied _meta is taken out");
    rig.settles(&list, r#""result":{"tools":[]}"#);
    assert_eq!(rig.received_one()["id"], 7);
}

#[test]
fn a_refused_handshake_answers_everything_that_waited_and_is_tried_again() {
    let mut rig = Rig::new();
    rig.call(1, "tools/list", "", "");
    rig.call(2, "server/discover", "", "");
    rig.call(3, "prompts/list", "", "");
    rig.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}"#);
    let initialize = rig.posted();
    rig.settles(&initialize, r#""error":{"code":-32000,"message":"no"}"#);
    let received = rig.received();
    let ids: Vec<_> = received
        .iter()
        .map(|frame| (&frame["id"], code(frame)))
        .collect();
    assert_eq!(ids, [(&json!(1), -32000), (&json!(2), -32000)]);
    assert_eq!(rig.forgot(), ["3"]);
    rig.call(4, "tools/list", "", "");
    assert_eq!(rig.posted().1["method"], "initialize");
}

#[test]
fn requests_without_a_proper_envelope_are_refused_by_the_rule_that_they_break() {
    let mut rig = Rig::new();
    for (meta, expected) in [
        ("{}", -32602),
        (
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
            -32602,
        ),
        (
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}"#,
            -32602,
        ),
        (
            r#"{"io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{}}"#,
            -32022,
        ),
    ] {
        rig.says(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{meta}}}}}"#
        ));
        let received = rig.received_one();
        assert_eq!(code(&received), expected, "{meta}");
        if expected == -32022 {
            let data = json!({"supported": ["2026-07-28"], "requested": "2099-01-01"});
            assert_eq!(received["error"]["data"], data);
        }
    }
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
        "tasks/update",
    ] {
        rig.call(1, method, "", "");
        assert_eq!(code(&rig.received_one()), -32601, "{method}");
    }
    rig.says(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert!(rig.received().is_empty() && rig.posts().is_empty());
}

#[test]
fn discover_says_what_initialize_said() {
    let mut rig = Rig::open();
    rig.call(1, "server/discover", "", "");
    let expected = json!({
        "resultType": "complete", "supportedVersions": ["2026-07-28"], "instructions": "i",
        "capabilities": {"tools": {"listChanged": true}, "resources": {"subscribe": true, "listChanged": true}, "logging": {}},
        "ttlMs": 0, "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2"}},
    });
    assert_eq!(result(&rig.received_one()), &expected);
    assert!(rig.posts().is_empty());
}

#[test]
fn what_is_the_envelopes_is_stripped_and_the_rest_arrives_as_it_left() {
    let mut rig = Rig::open();
    rig.call(
        1,
        "tools/call",
        r#""name":"t","big":1e400,"#,
        r#""vendor/x":[1.0],"traceparent":"t","#,
    );
    let Some(Action::Post(post)) = rig.actions.last() else {
        panic!("nothing posted")
    };
    let params =
        r#""params":{"name":"t","big":1e400,"_meta":{"vendor/x":[1.0],"traceparent":"t"}}"#;
    assert!(post.frame.text().contains(params), "{}", post.frame.text());
}

#[test]
fn results_are_completed_and_lose_what_they_say_of_tasks() {
    let mut rig = Rig::open();
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/get",
        "tools/call",
        "completion/complete",
        "skills/list",
        "skills/get",
        "resources/directory/read",
        "vendor/x",
    ] {
        rig.call(1, method, "", "");
        let post = rig.posted();
        rig.settles(&post, r#""result":{"_meta":{"x":1},"nextCursor":""}"#);
        let received = rig.received_one();
        let result = result(&received);
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["nextCursor"], "");
        let meta =
            json!({"x": 1, "io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2"}});
        assert_eq!(result["_meta"], meta);
        assert!(result["ttlMs"] == 0 && result["cacheScope"] == "private");
    }
    rig.call(2, "tools/list", "", "");
    let post = rig.posted();
    rig.settles(&post, r#""result":{"tools":[{"name":"a","execution":{"taskSupport":"required"}},{"name":"b","execution":{"taskSupport":"optional"}},{"name":"c","n":1.0}]}"#);
    let tools = json!([{"name": "a"}, {"name": "b"}, {"name": "c", "n": 1.0}]);
    assert_eq!(result(&rig.received_one())["tools"], tools);
}

#[test]
fn codes_of_the_old_era_do_not_reach_the_host() {
    let mut rig = Rig::open();
    for (remote, host) in [(-32002, -32602), (-32601, -32601), (-1, -1)] {
        rig.call(1, "resources/read", "", "");
        let post = rig.posted();
        rig.settles(
            &post,
            &format!(r#""error":{{"code":{remote},"message":"m","data":{{"uri":"u"}}}}"#),
        );
        let received = rig.received_one();
        assert_eq!(
            (code(&received), &received["error"]["data"]["uri"]),
            (host, &json!("u"))
        );
    }
    // What is no answer becomes an error of ours (MCP 2026-07-28, basic, "Error Codes").
    rig.call(2, "tools/call", "", "");
    let post = rig.posted();
    rig.brings(
        post.0,
        Arrival::Failed(BridgeError::new("unreachable", "Nobody.")),
    );
    let received = rig.received_one();
    assert_eq!((code(&received), &received["id"]), (-32603, &json!(2)));
}

#[test]
fn a_cancelled_call_is_stopped_under_the_id_the_remote_knows() {
    let mut rig = Rig::open();
    rig.call(1, "tools/call", "", "");
    let call = rig.posted();
    rig.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"r"}}"#);
    assert_eq!(rig.forgot(), ["1"]);
    let notice = rig.posted().1;
    assert_eq!(
        notice["params"],
        json!({"requestId": call.1["id"], "reason": "r"})
    );
    rig.settles(&call, r#""result":{}"#);
    assert!(
        rig.received().is_empty(),
        "nothing is told of a cancelled request"
    );
    rig.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}"#);
    assert!(
        rig.posts().is_empty(),
        "a cancellation of nothing open is ignored"
    );
}

#[test]
fn the_log_level_is_the_most_talkative_asked_for_and_each_request_hears_its_own() {
    let mut rig = Rig::open();
    rig.call(
        1,
        "tools/call",
        "",
        r#""io.modelcontextprotocol/logLevel":"warning","#,
    );
    let level = rig.posted();
    assert_eq!(level.1["method"], "logging/setLevel");
    assert_eq!(level.1["params"], json!({"level": "warning"}));
    rig.settles(&level, r#""result":{}"#);
    let (call, _) = rig.posted();
    rig.call(2, "tools/call", "", "");
    let (quiet, _) = rig.posted();
    let say = |level: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
        )
    };
    rig.sends(call, &say("info"));
    rig.sends(quiet, &say("error"));
    assert!(rig.received().is_empty());
    rig.sends(call, &say("error"));
    assert_eq!(rig.received_one()["params"]["level"], "error");
    // A quieter request needs no new level, a more talkative one does.
    rig.call(
        3,
        "tools/call",
        "",
        r#""io.modelcontextprotocol/logLevel":"error","#,
    );
    assert_eq!(rig.posted().1["method"], "tools/call");
    rig.call(
        4,
        "tools/call",
        "",
        r#""io.modelcontextprotocol/logLevel":"debug","#,
    );
    assert_eq!(rig.posted().1["params"], json!({"level": "debug"}));
}
