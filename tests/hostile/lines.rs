//! What a malicious server says reaches the host as the messages that mcpipe read, one on each line, or not at all; and
//! what it gives for headers comes back to it as a header or not at all.

use proptest::prelude::*;
use serde_json::Value;

use crate::support::host::Process;
use crate::support::host::{INITIALIZE, INITIALIZED, call};
use crate::support::remote::{Ask, Reply, Server, Step, opening, ordinary, result_of};

/// A message that no test asks for; a host that reads it has been smuggled to.
const EVIL: &str =
    r#"{"jsonrpc":"2.0","id":99,"method":"sampling/createMessage","params":{"evil":1}}"#;

/// What a call is answered with, and whether its answer is a result.
fn smuggled(at: u64, ask: &Ask) -> (Reply, bool) {
    let good = result_of(ask, r#"{"text":"a"}"#);
    let events = |data: String| Reply::events([Step::text(data), Step::text("\n\n")]);
    match at {
        // Two messages in one event, whatever stands between them.
        0 => (events(format!("data: {good}\ndata: {EVIL}")), false),
        1 => (events(format!("data: {good}\u{2028}{EVIL}")), false),
        2 => (events(format!("data: {good}{EVIL}")), false),
        3 => (Reply::json(format!("{good}\n{EVIL}")), false),
        4 => (Reply::json(format!("{good}\r{EVIL}")), false),
        5 => (Reply::json(format!("{good}\u{0}{EVIL}")), false),
        // Line breaks inside one message are between its tokens or no JSON.
        6 => (
            Reply::json(good.replace(r#""a""#, &format!("\"a\n{EVIL}\""))),
            false,
        ),
        7 => (Reply::json(good.replace(r#""a""#, "\"a\rb\"")), false),
        8 => (Reply::json(good.replace(',', ",\r\n")), true),
        9 => (
            events(format!("data: {}", good.replace(',', ",\ndata: "))),
            true,
        ),
        10 => (
            Reply::json(good.replace(r#""a""#, "\"\u{2028}\u{2029}\u{85}\"")),
            true,
        ),
        // No messages at all.
        11 => (events("data: bare text".into()), false),
        12 => (events(format!("event: message\ndata: [{EVIL}")), false),
        13 => (Reply::json("\"text\""), false),
        14 => (Reply::json(format!("// {EVIL}\n{good}")), false),
        _ => (Reply::json(format!("\u{feff}{good}")), true),
    }
}

#[tokio::test]
async fn every_line_is_one_message_that_was_read_as_such() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => smuggled(ask.id().parse().unwrap(), ask).0,
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &["--grace", "1"]).await;
    for id in 0..16 {
        host.send(call(id)).await;
        let line = host.next().await;
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{id}: {line}"));
        assert_eq!(answer["id"], id, "{line}");
        let ask = Ask {
            verb: "POST".into(),
            path: String::new(),
            headers: http::HeaderMap::new(),
            body: call(id),
        };
        let (_, is_result) = smuggled(id, &ask);
        assert_eq!(answer.get("result").is_some(), is_result, "{line}");
        assert!(
            !line.contains("evil") && !line.contains(['\r', '\0']),
            "{line}"
        );
    }
    let left = host.closed().await;
    assert!(left.lines.is_empty(), "{:?}", left.lines);
}

/// A session id and an event's id as no server should choose them, as bytes of HTTP/1.1 that a client can read.
fn odd_id() -> impl Strategy<Value = String> {
    let odd = proptest::char::any()
        .prop_filter("no end of a header", |c| !matches!(c, '\r' | '\n' | '\0'));
    prop_oneof![
        "[!-~]{1,40}",
        proptest::collection::vec(odd, 0..40).prop_map(|them| them.into_iter().collect()),
        (1_usize..40_000).prop_map(|length| "x".repeat(length)),
        Just("a\tb".to_owned()),
        Just("a: b".to_owned()),
        Just("\u{7f}".to_owned()),
        Just("caf\u{e9}\u{202e}".to_owned()),
    ]
}

/// What came back of these two ids.
async fn said_back(session: String, event: String) -> (Option<String>, Option<String>) {
    let server = Server::that(move |ask| match ask.label().as_str() {
        "POST initialize" => {
            let mut reply = opening(ask, "none");
            reply.headers.retain(|(name, _)| name != "Mcp-Session-Id");
            reply.with("Mcp-Session-Id", &session)
        }
        "POST tools/call" => {
            let data = format!("retry: 1\nid: {event}\ndata:\n\n");
            Reply::events([Step::text(data), Step::Cut])
        }
        "GET" if ask.headers.contains_key("last-event-id") => {
            Reply::events([Step::event(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)])
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::start(&["--grace", "1", &server.url()]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    host.next().await;
    let asks = server.all();
    let resumed = asks
        .iter()
        .find(|ask| ask.headers.contains_key("last-event-id"));
    let called = server.asked("POST tools/call", 1).await;
    let value = |ask: &Ask, name: &str| {
        let value = ask.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    host.closed().await;
    (
        value(&called, "mcp-session-id"),
        resumed.and_then(|ask| value(ask, "last-event-id")),
    )
}

#[test]
fn what_a_server_gives_for_a_header_comes_back_to_the_letter_or_not_at_all() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let both = runtime.block_on(said_back("session-1".into(), "event-1".into()));
    assert_eq!(both, (Some("session-1".into()), Some("event-1".into())));
    let long = runtime.block_on(said_back("x".repeat(9000), "y".repeat(9000)));
    assert!(long == (None, None), "what is too long came back");
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    };
    proptest!(config, |(session in odd_id(), event in odd_id())| {
        let (sent, resumed) = runtime.block_on(said_back(session.clone(), event.clone()));
        for (given, said) in [(session.trim(), sent), (event.as_str(), resumed)] {
            if let Some(said) = said {
                prop_assert!(said.trim() == given.trim());
                prop_assert!(said.len() <= 8 * 1024, "{} bytes", said.len());
                // Beyond ASCII it is UTF-8, as the HTML standard has it for this header.
                let is_odd = said.bytes().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127));
                prop_assert!(!is_odd, "{:?}", said);
            }
        }
    });
}
