//! The relay alone: frames and arrivals in, actions out.

mod listen;
mod retry;
mod standing;

use http::HeaderMap;

use super::*;
use crate::era::{Head, HttpError, Mint, Post};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

pub(super) const ACK: &str = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a"]},"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}"#;

/// The relay and what it did last.
pub(super) struct Play {
    pub(super) modern: Modern,
    pub(super) actions: Vec<Action>,
}

impl Play {
    pub(super) fn new() -> Self {
        Self {
            modern: Modern::new(Mint::default()),
            actions: Vec::new(),
        }
    }

    pub(super) fn host(&mut self, text: &str) -> &mut Self {
        self.actions.clear();
        self.modern.on_host_message(frame(text), &mut self.actions);
        self
    }

    pub(super) fn brings(&mut self, exchange: ExchangeId, arrival: Arrival) -> &mut Self {
        self.actions.clear();
        self.modern.on_arrival(exchange, arrival, &mut self.actions);
        self
    }

    pub(super) fn says(&mut self, exchange: ExchangeId, text: &str) -> &mut Self {
        self.brings(exchange, Arrival::Frame(frame(text)))
    }

    pub(super) fn refuses(&mut self, exchange: ExchangeId, status: u16, text: &str) -> &mut Self {
        let refusal = HttpError {
            status,
            frame: Frame::parse(text).ok(),
            ..HttpError::default()
        };
        self.brings(exchange, Arrival::Refused(refusal))
    }

    pub(super) fn fires(&mut self, token: u64) -> &mut Self {
        self.actions.clear();
        self.modern.on_timer(token, &mut self.actions);
        self
    }

    /// Returns the only post among the actions.
    pub(super) fn posted(&self) -> Post {
        let mut posts = self.actions.iter().filter_map(|action| match action {
            Action::Post(post) => Some(post.clone()),
            _ => None,
        });
        let post = posts.next().expect("a post");
        assert!(posts.next().is_none(), "{:?}", self.actions);
        assert!(!post.is_resumable && post.endpoint.is_none());
        assert_ne!(post.may_repeat, post.frame.is_request());
        post
    }

    /// Returns the actions, in short.
    pub(super) fn did(&self) -> Vec<String> {
        let short = |action: &Action| match action {
            Action::Reply(frame) => frame.text().to_owned(),
            Action::Cancelled(id) => format!("forget {id}"),
            Action::Close(ExchangeId(number)) => format!("close {number}"),
            Action::Post(post) => format!("post {}", post.frame.text()),
            Action::SetTimer { after, .. } => format!("wake {after:?}"),
            other => format!("{other:?}"),
        };
        self.actions.iter().map(short).collect()
    }

    /// Posts a call of this method under the id 1.
    pub(super) fn calls(&mut self, method: &str, params: &str) -> ExchangeId {
        self.host(&call(method, params)).posted().exchange
    }

    pub(super) fn to_bridge_error(&self) -> serde_json::Value {
        let did = self.did();
        let [reply] = did.as_slice() else {
            panic!("{did:?}")
        };
        let reply: serde_json::Value = serde_json::from_str(reply).unwrap();
        assert_eq!(reply["id"], 1);
        reply["error"]["data"].clone()
    }

    pub(super) fn token(&self) -> u64 {
        let token = |action: &Action| match action {
            Action::SetTimer { token, .. } => Some(*token),
            _ => None,
        };
        self.actions.iter().find_map(token).expect("a wake")
    }

    /// Returns a subscription under the id `"l"`, acknowledged.
    pub(super) fn subscriptions(&mut self) -> ExchangeId {
        let exchange = self.host(&listen()).posted().exchange;
        self.says(exchange, ACK);
        assert_eq!(self.did(), [ACK]);
        exchange
    }

    /// Loses the stream of a subscription and opens the next.
    pub(super) fn listens_again(&mut self, exchange: ExchangeId) -> Post {
        self.brings(exchange, Arrival::Ended);
        let token = self.token();
        self.fires(token).posted()
    }
}

pub(super) fn frame(text: &str) -> Frame {
    Frame::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

pub(super) fn call(method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{comma}{META}}}}}"#)
}

pub(super) fn listen() -> String {
    let wanted =
        r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a"]}"#;
    call("subscriptions/listen", wanted).replace(r#""id":1"#, r#""id":"l""#)
}

pub(super) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

pub(super) fn error(id: &str, code: i64, data: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"m","data":{data}}}}}"#
    )
}

/// The ways to lose an answer.
pub(super) const LOST: [fn() -> Arrival; 4] = [
    || Arrival::Ended,
    || Arrival::Failed(BridgeError::new("cut", "x").retryable()),
    || refused_with(502),
    || refused_with(503),
];

pub(super) fn refused_with(status: u16) -> Arrival {
    Arrival::Refused(HttpError {
        status,
        ..HttpError::default()
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn a_body_passes_untouched_and_its_headers_are_its_own() {
    // MCP 2026-07-28, basic/transports/streamable-http and basic
    let text = call(
        "tools/call",
        r#""name":"t","arguments":{"n":1e400,"s":"\ud800"}"#,
    );
    let mut play = Play::new();
    let post = play.host(&text).posted();
    assert_eq!(post.frame.text(), text);
    assert_eq!(
        header(&post.headers, "mcp-protocol-version"),
        Some("2026-07-28")
    );
    assert_eq!(header(&post.headers, "mcp-method"), Some("tools/call"));
    assert_eq!(header(&post.headers, "mcp-name"), Some("t"));
    assert_eq!(post.patience, None);
    // A notification that names no revision goes under the one last named.
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    let post = play.host(notice).posted();
    assert_eq!(
        header(&post.headers, "mcp-protocol-version"),
        Some("2026-07-28")
    );
    assert_eq!(header(&post.headers, "mcp-method"), Some("notifications/x"));
}

#[test]
fn an_answer_passes_as_it_came_and_only_once() {
    for kind in ["complete", "input_required", "task"] {
        let mut play = Play::new();
        let exchange = play.calls("tools/call", r#""name":"t""#);
        let answer = result("1", &format!(r#"{{"x":1.0, "resultType":"{kind}"}}"#));
        assert_eq!(play.says(exchange, &answer).did(), [answer.as_str()]);
        assert!(play.says(exchange, &answer).did().is_empty());
        assert!(play.brings(exchange, Arrival::Ended).did().is_empty());
    }
}

#[test]
fn a_missing_result_type_is_complete_and_an_unknown_one_passes() {
    // MCP 2026-07-28, basic
    let mut play = Play::new();
    let exchange = play.calls("tools/call", r#""name":"t""#);
    play.says(exchange, &result("1", r#"{"x":1.0}"#));
    assert_eq!(
        play.did(),
        [result("1", r#"{"x":1.0,"resultType":"complete"}"#)]
    );
    for kind in [r#""later""#, "7", "null"] {
        let exchange = play.calls("tools/list", "");
        let answer = result("1", &format!(r#"{{"resultType":{kind},"x":1.0}}"#));
        play.says(exchange, &answer);
        assert_eq!(play.did(), [answer], "{kind}");
    }
}

#[test]
fn a_response_is_for_the_request_it_came_to_unless_its_id_is_that_of_another() {
    let mut play = Play::new();
    for other in [r#""1""#, "1.0", "0", "99", "null"] {
        let exchange = play.calls("tools/list", "");
        play.says(exchange, &result(other, r#"{"resultType":"complete"}"#));
        assert_eq!(play.did(), [result("1", r#"{"resultType":"complete"}"#)]);
        assert!(play.brings(exchange, Arrival::Ended).did().is_empty());
    }
    // As an error without an id always was.
    let exchange = play.calls("tools/list", "");
    play.says(exchange, &error("null", -32600, "1"));
    assert_eq!(play.did(), [error("1", -32600, "1")]);
}

#[test]
fn notices_pass_and_a_server_that_asks_is_not_heard() {
    let mut play = Play::new();
    let exchange = play.calls("tools/call", r#""name":"t""#);
    let notice =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}"#;
    assert_eq!(play.says(exchange, notice).did(), [notice]);
    let asks = r#"{"jsonrpc":"2.0","id":9,"method":"roots/list"}"#;
    assert!(play.says(exchange, asks).did().is_empty());
    // And the host has no server's request to answer.
    assert!(play.host(&result("9", "{}")).did().is_empty());
    let head = Head::default();
    assert!(
        play.brings(exchange, Arrival::Opened(head))
            .did()
            .is_empty()
    );
}

#[test]
fn cancelling_closes_the_stream_and_posts_nothing() {
    // MCP 2026-07-28, basic/patterns/cancellation
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let mut play = Play::new();
    assert!(play.host(cancel).did().is_empty());
    let exchange = play.calls("tools/call", r#""name":"t""#);
    let other = cancel.replace(":1}", r#":"1"}"#);
    assert!(play.host(&other).did().is_empty());
    let close = format!("close {}", exchange.0);
    assert_eq!(play.host(cancel).did(), ["forget 1", &close]);
    assert!(play.says(exchange, &result("1", "{}")).did().is_empty());
    assert!(play.host(cancel).did().is_empty());
}

#[test]
fn a_refusal_with_an_error_in_it_is_the_answer() {
    // MCP 2026-07-28, basic/transports/streamable-http
    for (status, id, code) in [
        (400, "1", -32021),
        (404, "1", -32601),
        (400, "null", -32602),
    ] {
        let mut play = Play::new();
        let exchange = play.calls("prompts/get", r#""name":"p""#);
        play.refuses(exchange, status, &error(id, code, r#"{"k":1.0}"#));
        assert_eq!(play.did(), [error("1", code, r#"{"k":1.0}"#)]);
    }
    let mut play = Play::new();
    let exchange = play.calls("prompts/get", r#""name":"p""#);
    let error = play.refuses(exchange, 403, "").to_bridge_error();
    assert_eq!(
        (&error["kind"], &error["status"]),
        (&"refused".into(), &403.into())
    );
}

#[test]
fn a_lost_answer_is_worth_trying_again_only_where_that_does_no_harm() {
    for (method, retryable) in [("tools/list", true), ("tools/call", false)] {
        let mut play = Play::new();
        let exchange = play.calls(method, r#""name":"t""#);
        let late = Arrival::GivenUp(BridgeError::new("timed_out", "x").retryable());
        let error = play.brings(exchange, late).to_bridge_error();
        assert_eq!(error["retryable"], retryable, "{method}: {error}");
    }
    for lost in LOST {
        let mut play = Play::new();
        let exchange = play.calls("tools/call", r#""name":"t""#);
        let error = play.brings(exchange, lost()).to_bridge_error();
        if error["kind"] == "cut" {
            assert_eq!(error["retryable"], false);
            assert!(error["hint"].as_str().unwrap().contains("may have been"));
        }
    }
    let mut play = Play::new();
    let exchange = play.calls("tools/call", r#""name":"t""#);
    let error = play
        .brings(exchange, Arrival::Accepted(Head::default()))
        .to_bridge_error();
    assert_eq!(error["kind"], "bad_answer");
}

#[test]
fn a_refused_revision_is_tried_exactly_once_more() {
    // MCP 2026-07-28, basic/versioning
    for (asked, supported, sent) in [
        ("2026-07-28", r#"["2026-07-28"]"#, Some("2026-07-28")),
        (
            "2027-01-01",
            r#"["2025-11-25","2026-07-28"]"#,
            Some("2026-07-28"),
        ),
        (
            "2027-01-01",
            r#"["2026-07-28","2027-01-01"]"#,
            Some("2027-01-01"),
        ),
        ("2026-07-28", r#"["2025-11-25"]"#, None),
        ("2026-07-28", "1", None),
    ] {
        let text = call("tools/call", r#""n":1e400,"name":"t""#).replace("2026-07-28", asked);
        let refusal = error("1", -32022, &format!(r#"{{"supported":{supported}}}"#));
        let mut play = Play::new();
        let first = play.host(&text).posted().exchange;
        play.refuses(first, 400, &refusal);
        let Some(sent) = sent else {
            assert_eq!(play.did(), [refusal]);
            continue;
        };
        let again = play.posted();
        let upstream = again.frame.id().unwrap().clone();
        assert_ne!(upstream.text(), "1");
        let expected = frame(&text.replace(asked, sent)).with_id(&upstream);
        assert_eq!(again.frame.text(), expected.text());
        assert_eq!(header(&again.headers, "mcp-protocol-version"), Some(sent));
        let refused = refusal.replace(r#""id":1"#, &format!(r#""id":{upstream}"#));
        play.refuses(again.exchange, 400, &refused);
        assert_eq!(play.did(), [refusal]);
    }
}

#[test]
fn refused_headers_are_made_anew_from_the_list_once() {
    // MCP 2026-07-28, basic/transports/streamable-http, "Client Behavior"
    let text = call("tools/call", r#""name":"t","arguments":{"p":"v"}"#)
        .replace(r#""_meta":{"#, r#""_meta":{"progressToken":5,"#);
    let refusal = error("1", -32020, "{}");
    let mut play = Play::new();
    let first = play.host(&text).posted();
    assert_eq!(header(&first.headers, "mcp-param-p"), None);
    let page = play.refuses(first.exchange, 400, &refusal).posted();
    assert_eq!(page.frame.method(), Some("tools/list"));
    assert_eq!(page.frame.param("cursor"), None);
    assert!(page.frame.text().contains("clientCapabilities"));
    assert!(!page.frame.text().contains("progressToken"));
    assert!(page.patience.is_some());
    let empty = result(
        page.frame.id().unwrap().text(),
        r#"{"tools":[],"nextCursor":""}"#,
    );
    let page = play.says(page.exchange, &empty).posted();
    assert_eq!(page.frame.param("cursor"), Some(r#""""#));
    let found = r#"{"tools":[{"name":"t","inputSchema":{"properties":{"p":{"type":"string","x-mcp-header":"P"}}}}],"nextCursor":"more"}"#;
    let found = result(page.frame.id().unwrap().text(), found);
    let again = play.says(page.exchange, &found).posted();
    let upstream = again.frame.id().unwrap().clone();
    assert!(upstream.text() != "1" && Some(&upstream) != page.frame.id());
    assert_eq!(again.frame.text(), frame(&text).with_id(&upstream).text());
    assert_eq!(header(&again.headers, "mcp-param-p"), Some("v"));
    let refused = refusal.replace(r#""id":1"#, &format!(r#""id":{upstream}"#));
    play.refuses(again.exchange, 400, &refused);
    assert_eq!(play.did(), [refusal]);
}

#[test]
fn a_list_that_does_not_come_leaves_the_refusal_standing() {
    // A call being mended can still be cancelled.
    let refusal = error("1", -32020, "{}");
    for arrival in [
        || refused_with(403),
        || Arrival::GivenUp(BridgeError::new("timed_out", "x")),
        || Arrival::Frame(frame(&error("null", -32603, "1"))),
    ] {
        let mut play = Play::new();
        let exchange = play.calls("tools/call", r#""name":"t""#);
        let list = play.refuses(exchange, 400, &refusal).posted();
        assert_eq!(
            play.brings(list.exchange, arrival()).did(),
            [refusal.as_str()]
        );
    }
    let mut play = Play::new();
    let exchange = play.calls("tools/call", r#""name":"t""#);
    let list = play.refuses(exchange, 400, &refusal).posted();
    play.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!(
        play.did(),
        ["forget 1", &format!("close {}", list.exchange.0)]
    );
    // Only a call has such headers.
    let exchange = play.calls("tools/list", "");
    assert_eq!(play.refuses(exchange, 400, &refusal).did(), [refusal]);
}

#[test]
fn a_tool_whose_headers_cannot_be_told_is_not_listed() {
    // MCP 2026-07-28, basic/transports/streamable-http
    let mut play = Play::new();
    let exchange = play.calls("tools/list", "");
    let tool = r#"{"name":"bad","inputSchema":{"x-mcp-header":"A"}}"#;
    let page = |tools: &str| {
        result(
            "1",
            &format!(r#"{{"tools":[{tools}],"nextCursor":"","resultType":"complete"}}"#),
        )
    };
    assert_eq!(play.says(exchange, &page(tool)).did(), [page("")]);
}
