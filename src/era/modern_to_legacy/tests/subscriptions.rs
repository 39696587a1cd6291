//! `subscriptions/listen` (MCP 2026-07-28, basic/patterns/subscriptions).

use super::*;

const KEY: &str = "io.modelcontextprotocol/subscriptionId";

fn note(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#)
}

fn listen(rig: &mut Rig, id: &str, filter: &str) {
    rig.says(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{filter},"_meta":{{{META}}}}}}}"#
    ));
}

/// Opened, with the exchange of its standing stream.
fn open() -> (Rig, ExchangeId) {
    let rig = Rig::open();
    let stream = rig.host.current.stream_exchange().unwrap();
    (rig, stream)
}

#[test]
fn what_can_be_heard_is_acknowledged_first_and_then_heard() {
    let (mut rig, stream) = open();
    listen(
        &mut rig,
        "\"a\"",
        r#"{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["f:/x"],"taskIds":["t"]}"#,
    );
    let subscribe = rig.posted();
    assert_eq!(subscribe.1["method"], "resources/subscribe");
    assert_eq!(subscribe.1["params"], json!({"uri": "f:/x"}));
    rig.sends(stream, &note("tools/list_changed", "{}"));
    assert!(
        rig.received().is_empty(),
        "nothing before the acknowledgement"
    );
    rig.settles(&subscribe, r#""result":{}"#);
    let received = rig.received_one();
    assert_eq!(
        received["method"],
        "notifications/subscriptions/acknowledged"
    );
    let granted = json!({"toolsListChanged": true, "resourceSubscriptions": ["f:/x"]});
    assert_eq!(
        received["params"],
        json!({"notifications": granted, "_meta": {KEY: "a"}})
    );
    for (heard, is_wanted) in [
        (note("tools/list_changed", "{}"), true),
        (note("resources/updated", r#"{"uri":"f:/x"}"#), true),
        (note("resources/updated", r#"{"uri":"f:/y"}"#), false),
        (note("resources/list_changed", "{}"), false),
        (
            note("elicitation/complete", r#"{"elicitationId":"1"}"#),
            false,
        ),
        (note("tasks/status", "{}"), false),
    ] {
        rig.sends(stream, &heard);
        let received = rig.received();
        assert_eq!(received.len(), usize::from(is_wanted), "{heard}");
        assert!(
            received
                .iter()
                .all(|received| received["params"]["_meta"][KEY] == "a")
        );
    }
}

#[test]
fn a_resource_is_subscribed_to_once_for_all_who_watch_it() {
    let (mut rig, stream) = open();
    listen(&mut rig, "1", r#"{"resourceSubscriptions":["u"]}"#);
    listen(&mut rig, "\"1\"", r#"{"resourceSubscriptions":["\u0075"]}"#);
    let subscribe = rig.posted();
    rig.settles(&subscribe, r#""result":{}"#);
    assert_eq!(rig.received().len(), 2);
    rig.sends(stream, &note("resources/updated", r#"{"uri":"u"}"#));
    let keys: Vec<_> = rig
        .received()
        .iter()
        .map(|received| received["params"]["_meta"][KEY].clone())
        .collect();
    assert_eq!(keys, [json!(1), json!("1")], "types kept");
    let cancel = |id: &str| note("cancelled", &format!(r#"{{"requestId":{id}}}"#));
    rig.says(&cancel("1"));
    assert!(rig.posts().is_empty(), "still watched");
    rig.says(&cancel("\"1\""));
    assert_eq!(rig.posted().1["method"], "resources/unsubscribe");
    assert_eq!(rig.forgot(), ["1", "\"1\""]);
    // Wanted again while it is being given up: one after the other.
    listen(&mut rig, "2", r#"{"resourceSubscriptions":["u"]}"#);
    assert!(rig.posts().is_empty());
}

#[test]
fn a_refused_resource_is_not_granted_and_a_broken_filter_is_refused() {
    let (mut rig, _) = open();
    listen(&mut rig, "1", r#"{"resourceSubscriptions":["u"]}"#);
    let subscribe = rig.posted();
    rig.settles(&subscribe, r#""error":{"code":-32002,"message":"none"}"#);
    let received = rig.received_one();
    assert_eq!(
        received["params"]["notifications"],
        json!({"resourceSubscriptions": []})
    );
    assert!(rig.posts().is_empty());
    for filter in [
        "1",
        r#"{"resourceSubscriptions":[1]}"#,
        r#"{"resourceSubscriptions":"u"}"#,
    ] {
        listen(&mut rig, "2", filter);
        assert_eq!(code(&rig.received_one()), -32602, "{filter}");
    }
}

#[test]
fn without_a_standing_stream_no_list_is_promised() {
    let mut rig = Rig::open_to(SERVER, false);
    listen(&mut rig, "1", r#"{"toolsListChanged":true}"#);
    assert_eq!(rig.received_one()["params"]["notifications"], json!({}));
}

#[test]
fn subscriptions_end_with_a_result_when_the_host_goes() {
    let (mut rig, _) = open();
    listen(&mut rig, "1", "{}");
    rig.received();
    rig.host.on_host_gone(&mut rig.actions);
    let received = rig.received_one();
    assert_eq!(received["id"], 1);
    assert_eq!(result(&received)["resultType"], "complete");
    assert_eq!(
        result(&received)["_meta"][KEY],
        1,
        "the end names its subscription"
    );
}
