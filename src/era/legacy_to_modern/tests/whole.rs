//! Both halves: what is posted, and what the host is told.

use crate::era::{Action, Arrival, LegacyToModern, Mint, Post, Relay};
use crate::frame::Frame;

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"h","version":"1"}}}"#;

fn begin() -> LegacyToModern {
    let mut actions = Vec::new();
    let initialize = Frame::parse(INITIALIZE).unwrap();
    let host = LegacyToModern::new(Mint::default(), DISCOVERED, "x", initialize, &mut actions);
    assert_eq!(
        replies(&actions),
        [
            r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"s","version":"1"}}}"#
        ]
    );
    host
}

fn said(host: &mut LegacyToModern, text: &str) -> Vec<Action> {
    let mut actions = Vec::new();
    host.on_host_message(Frame::parse(text).unwrap(), &mut actions);
    actions
}

fn came(host: &mut LegacyToModern, post: &Post, rest: &str) -> Vec<Action> {
    let mut actions = Vec::new();
    let id = post.frame.id().unwrap();
    let frame = Frame::parse(&format!(r#"{{"jsonrpc":"2.0","id":{id},{rest}}}"#)).unwrap();
    host.on_arrival(post.exchange, Arrival::Frame(frame), &mut actions);
    actions
}

fn replies(actions: &[Action]) -> Vec<&str> {
    let replies = actions.iter().filter_map(|action| match action {
        Action::Reply(frame) => Some(frame.text()),
        _ => None,
    });
    replies.collect()
}

fn posts(actions: &[Action]) -> Vec<&Post> {
    let posts = actions.iter().filter_map(|action| match action {
        Action::Post(post) => Some(post),
        _ => None,
    });
    posts.collect()
}

// MCP 2026-07-28, basic/transports/streamable-http and basic/patterns/mrtr
#[test]
fn a_booking_that_asks_is_booked() {
    let mut host = begin();
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"book","arguments":{"region":"eu"},"_meta":{"progressToken":"p7"}}}"#;
    let actions = said(&mut host, call);
    let first = posts(&actions)[0].clone();
    assert_eq!(first.headers["mcp-method"], "tools/call");
    assert_eq!(first.headers["mcp-name"], "book");
    assert_eq!(first.headers["mcp-protocol-version"], "2026-07-28");
    said(
        &mut host,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    );
    let actions = came(
        &mut host,
        &first,
        r#""result":{"resultType":"input_required","inputRequests":{"ok":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{}}}},"requestState":"S1"}"#,
    );
    let question = Frame::parse(replies(&actions)[0]).unwrap();
    assert_eq!(question.method(), Some("elicitation/create"));
    let answer = Frame::result(
        question.id().unwrap(),
        r#"{"action":"accept","content":{"yes":true}}"#,
    );
    let actions = said(&mut host, answer.text());
    let second = posts(&actions)[0].clone();
    assert_ne!(second.frame.id(), first.frame.id());
    assert_eq!(second.headers["mcp-name"], "book");
    assert_eq!(second.frame.param("requestState"), Some("\"S1\""));
    let actions = came(
        &mut host,
        &second,
        r#""result":{"resultType":"complete","content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#,
    );
    assert_eq!(
        replies(&actions),
        [r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#]
    );
}

// MCP 2026-07-28, basic/patterns/cancellation and basic/patterns/subscriptions
#[test]
fn cancelling_and_leaving_close_exchanges_and_post_nothing() {
    let mut host = begin();
    let actions = said(
        &mut host,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    );
    let listen = posts(&actions)[0].clone();
    assert_eq!(listen.frame.method(), Some("subscriptions/listen"));
    let actions = said(
        &mut host,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    );
    let call = posts(&actions)[0].clone();
    let actions = said(
        &mut host,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
    );
    assert!(posts(&actions).is_empty());
    assert!(
        matches!(&actions[..], [Action::Close(closed), Action::Cancelled(id)]
            if *closed == call.exchange && id.text() == "1")
            || matches!(&actions[..], [Action::Cancelled(id), Action::Close(closed)]
            if *closed == call.exchange && id.text() == "1"),
        "{actions:?}"
    );
    let mut actions = Vec::new();
    host.leave(&mut actions);
    assert!(
        matches!(&actions[..], [Action::Close(closed)] if *closed == listen.exchange),
        "{actions:?}"
    );
}

// MCP 2026-07-28, basic
#[test]
fn an_answer_that_never_comes_is_one_error() {
    let mut host = begin();
    let actions = said(
        &mut host,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#,
    );
    let call = posts(&actions)[0].clone();
    let mut actions = Vec::new();
    host.on_arrival(call.exchange, Arrival::Ended, &mut actions);
    assert_eq!(replies(&actions).len(), 1, "{actions:?}");
    assert!(replies(&actions)[0].starts_with(r#"{"jsonrpc":"2.0","id":1,"error""#));
}

#[test]
fn a_list_that_was_lost_is_asked_for_again_unseen() {
    // MCP 2026-07-28, changelog
    let mut host = begin();
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let first = posts(&said(&mut host, list))[0].clone();
    let mut actions = Vec::new();
    host.on_arrival(first.exchange, Arrival::Ended, &mut actions);
    let [Action::SetTimer { token, .. }] = actions[..] else {
        panic!("{actions:?}")
    };
    actions.clear();
    host.on_timer(token, &mut actions);
    let again = posts(&actions)[0].clone();
    assert_ne!(again.frame.id(), first.frame.id());
    let actions = came(&mut host, &again, r#""result":{"tools":[]}"#);
    assert_eq!(
        replies(&actions),
        [r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#]
    );
}
