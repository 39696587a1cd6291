//! Subscriptions, lost, mended and ended.

use std::time::Duration;

use super::{ACK, Play, error, frame, listen, result};
use crate::era::HttpError;
use crate::era::modern::*;

#[test]
fn a_lost_subscription_is_opened_again_unseen_and_makes_up_for_what_was_missed() {
    // MCP 2026-07-28, basic/patterns/subscriptions
    let mut play = Play::new();
    let first = play.subscriptions();
    play.brings(first, Arrival::Ended);
    assert_eq!(play.did(), ["wake 1s"]);
    let token = play.token();
    let again = play.fires(token).posted();
    assert!(play.fires(token).did().is_empty(), "one stream at a time");
    let id = again.frame.id().unwrap().text().to_owned();
    assert_ne!(id, r#""l""#);
    assert_eq!(again.frame.text().replace(&id, r#""l""#), listen());
    play.says(again.exchange, &ACK.replace(r#""l""#, &id));
    let mark = r#""_meta":{"io.modelcontextprotocol/subscriptionId":"l"}"#;
    let updated = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"file:///a",{mark}}}}}"#
    );
    let listed = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{{mark}}}}}"#
    );
    assert_eq!(play.did(), ["wake 60s", &updated, &listed]);
    // Ids are told back, and a forgotten one is added (MCP 2026-07-28, basic/patterns/subscriptions).
    for came in [
        updated.replace(r#""l""#, &id),
        updated.replace(&format!(",{mark}"), ""),
        updated.clone(),
    ] {
        assert_eq!(play.says(again.exchange, &came).did(), [updated.as_str()]);
    }
    // A graceful end is the answer.
    let end = |id: &str| {
        result(
            id,
            &format!(
                r#"{{"resultType":"complete","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#
            ),
        )
    };
    assert_eq!(play.says(again.exchange, &end(&id)).did(), [end(r#""l""#)]);
    assert!(play.brings(again.exchange, Arrival::Ended).did().is_empty());
}

#[test]
fn losses_in_a_row_are_waited_out_longer_until_a_stream_stands() {
    let mut play = Play::new();
    let mut exchange = play.subscriptions();
    for wait in ["1s", "2s", "4s", "8s", "16s", "30s", "30s"] {
        play.brings(
            exchange,
            Arrival::Failed(BridgeError::new("unreachable", "x")),
        );
        assert_eq!(play.did(), [format!("wake {wait}")]);
        let token = play.token();
        exchange = play.fires(token).posted().exchange;
    }
    play.says(exchange, ACK);
    let steady = play.token();
    assert!(play.fires(steady).did().is_empty());
    assert_eq!(play.brings(exchange, Arrival::Ended).did(), ["wake 1s"]);
    // Retry-After is heeded.
    let token = play.token();
    let exchange = play.fires(token).posted().exchange;
    let refusal = HttpError {
        status: 503,
        retry_after: Some(Duration::from_secs(90)),
        ..HttpError::default()
    };
    assert_eq!(
        play.brings(exchange, Arrival::Refused(refusal)).did(),
        ["wake 90s"]
    );
}

#[test]
fn a_subscription_that_cannot_be_had_again_ends_as_stdio_ends_it() {
    // MCP 2026-07-28, basic/patterns/subscriptions
    let ends = |play: &Play, close: Option<ExchangeId>| {
        let did = play.did();
        let mut expected = vec!["forget \"l\"".to_owned()];
        expected.splice(0..0, close.map(|it| format!("close {}", it.0)));
        let at = expected.len() - 1;
        let start =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l","#;
        assert!(did[at].starts_with(start), "{did:?}");
        expected.insert(at, did[at].clone());
        assert_eq!(did, expected);
    };
    for (status, body) in [
        (404, error("null", -32601, "1")),
        (404, String::new()),
        (400, error("null", -32021, "1")),
        (401, String::new()),
    ] {
        let mut play = Play::new();
        let first = play.subscriptions();
        let again = play.listens_again(first);
        ends(play.refuses(again.exchange, status, &body), None);
    }
    let mut play = Play::new();
    let first = play.subscriptions();
    play.brings(
        first,
        Arrival::Failed(BridgeError::new("sign_in_needed", "x").retryable()),
    );
    ends(&play, None);
    // The honoured set shrank.
    let mut play = Play::new();
    let first = play.subscriptions();
    let again = play.listens_again(first);
    play.says(again.exchange, &ACK.replace(r#""file:///a""#, ""));
    ends(&play, Some(again.exchange));
    // The remote says so itself, under the id it knows.
    let mut play = Play::new();
    let first = play.subscriptions();
    let again = play.listens_again(first);
    let id = again.frame.id().unwrap();
    let cancels = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"x"}}}}"#
        )
    };
    assert!(play.says(again.exchange, &cancels("7")).did().is_empty());
    play.says(again.exchange, &cancels(id.text()));
    ends(&play, Some(again.exchange));
}

#[test]
fn a_subscription_that_never_stood_is_answered() {
    // Exactly one answer; and no second try, unless it may come to stand.
    let mut play = Play::new();
    let exchange = play.host(&listen()).posted().exchange;
    play.refuses(exchange, 404, &error("null", -32601, "1"));
    assert_eq!(play.did(), [error(r#""l""#, -32601, "1")]);
    let mut exchange = play.host(&listen()).posted().exchange;
    for _ in 0..3 {
        let again = play.listens_again(exchange);
        assert_ne!(again.frame.id().unwrap().text(), r#""l""#);
        exchange = again.exchange;
    }
    let did = play.brings(exchange, Arrival::Ended).did();
    assert!(
        did.len() == 1 && did[0].contains(r#""kind":"cut""#),
        "{did:?}"
    );
    // But a revision refused is tried once more (MCP 2026-07-28, basic/versioning).
    let refusal = error(r#""l""#, -32022, r#"{"supported":["2026-07-28"]}"#);
    let exchange = play.host(&listen()).posted().exchange;
    let again = play.refuses(exchange, 400, &refusal).posted();
    let id = again.frame.id().unwrap();
    assert_ne!(id.text(), r#""l""#);
    assert_eq!(again.frame.text(), frame(&listen()).with_id(id).text());
    assert_eq!(play.refuses(again.exchange, 400, &refusal).did(), [refusal]);
}

#[test]
fn subscriptions_end_when_the_host_wants_or_is_gone() {
    // Nothing is owed for them.
    let mut play = Play::new();
    let exchange = play.subscriptions();
    play.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l"}}"#);
    assert_eq!(
        play.did(),
        ["forget \"l\"", &format!("close {}", exchange.0)]
    );

    let exchange = play.subscriptions();
    let call = play.calls("tools/call", r#""name":"t""#);
    play.actions.clear();
    play.modern.on_host_gone(&mut play.actions);
    assert_eq!(
        play.did(),
        [&format!("close {}", exchange.0), "forget \"l\""]
    );
    let answer = result("1", r#"{"resultType":"complete"}"#);
    assert_eq!(play.says(call, &answer).did(), [answer]);

    // While the next stream is waited for, too.
    let exchange = play.subscriptions();
    play.brings(exchange, Arrival::Ended);
    let token = play.token();
    play.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l"}}"#);
    assert_eq!(play.did(), ["forget \"l\""]);
    assert!(play.fires(token).did().is_empty());
}
