//! Requests that declare more than the session knows (MCP 2026-07-28, basic and basic/patterns/mrtr).

use super::*;

const SAMPLE: &str =
    r#"{"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":{"messages":[]}}"#;
const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;
const SOON: Duration = Duration::from_millis(30);

/// Returns the envelope of a request that declares this.
fn declaring(capabilities: &str) -> String {
    format!(
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}"#
    )
}

/// With a session open that allows to ask for roots only.
fn modest() -> Rig {
    let mut rig = Rig::new();
    let meta = declaring(r#"{"roots":{}}"#);
    rig.call_as(0, "server/discover", "", &meta);
    rig.opens_as("first");
    rig.received();
    rig
}

impl Rig {
    /// Like `opens`, as a session with this name.
    fn opens_as(&mut self, name: &str) -> ExchangeId {
        let [(initialize, _)] = self.pending_posts()[..] else {
            panic!("no initialize")
        };
        self.brings(initialize, Arrival::Opened(named(name)));
        self.opens(SERVER, true)
    }

    /// Returns the posts, which stay to be looked at again.
    fn pending_posts(&self) -> Vec<(ExchangeId, String)> {
        let posts = self.actions.iter().filter_map(|action| match action {
            Action::Post(post) => Some((post.exchange, post.frame.text().to_owned())),
            _ => None,
        });
        posts.collect()
    }

    /// Returns the names of the sessions that were ended.
    fn ended(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        self.actions.retain(|action| match action {
            Action::EndSession(headers) => {
                ended.push(headers["mcp-session-id"].to_str().unwrap().to_owned());
                false
            }
            _ => true,
        });
        ended
    }

    fn closed(&self) -> Vec<ExchangeId> {
        let closed = self.actions.iter().filter_map(|action| match action {
            Action::Close(exchange) => Some(*exchange),
            _ => None,
        });
        closed.collect()
    }
}

#[test]
fn a_request_that_declares_more_gets_a_session_in_which_it_can_be_asked() {
    let mut rig = modest();
    rig.call_as(
        1,
        "tools/call",
        r#""name":"t","#,
        &declaring(r#"{"sampling":{}}"#),
    );
    let opening: Value = serde_json::from_str(&rig.pending_posts()[0].1).unwrap();
    let both = json!({"roots": {}, "sampling": {}});
    assert_eq!(
        opening["params"]["capabilities"], both,
        "what was known stays"
    );
    rig.opens_as("second");
    let call = rig.posted();
    assert_eq!(call.1["method"], "tools/call");
    assert_eq!(rig.ended(), ["first"]);
    rig.sends(call.0, SAMPLE);
    rig.waits(SOON);
    let question = rig.received_one();
    let asked = &result(&question)["inputRequests"]["1"]["method"];
    assert_eq!(asked, "sampling/createMessage");
    // Less is asked for in the same session, and only what this request allows.
    rig.call_as(2, "tools/call", "", &declaring("{}"));
    let call = rig.posted();
    assert_eq!(call.1["method"], "tools/call");
    rig.sends(call.0, SAMPLE);
    assert_eq!(code(&rig.posted().1), -32601, "undeclared, so not asked");
}

#[test]
fn a_session_that_is_outgrown_ends_when_nothing_of_it_is_in_flight() {
    let mut rig = modest();
    let modest = declaring(r#"{"roots":{}}"#);
    rig.call_as(1, "tools/call", r#""name":"t","#, &modest);
    let old = rig.posted();
    rig.call_as(2, "tools/call", "", &declaring(r#"{"sampling":{}}"#));
    // What the old one can do goes on meanwhile.
    let opening = rig.actions.len();
    rig.call_as(3, "tools/list", "", &modest);
    let meanwhile = rig.actions.pop().unwrap();
    assert_eq!(rig.actions.len(), opening);
    let Action::Post(meanwhile) = meanwhile else {
        panic!("{meanwhile:?}")
    };
    let answer = Frame::result(meanwhile.frame.id().unwrap(), "{}");
    rig.opens_as("second");
    let new = rig.posted();
    assert!(rig.ended().is_empty());
    rig.brings(meanwhile.exchange, Arrival::Frame(answer));
    rig.brings(meanwhile.exchange, Arrival::Ended);
    assert_eq!(rig.received_one()["id"], 3);
    // The old call is answered with a question, and its retry finds it, whatever it declares.
    rig.sends(old.0, ROOTS);
    rig.waits(SOON);
    let question = rig.received_one();
    assert_eq!(question["id"], 1);
    let state = &result(&question)["requestState"];
    let more = declaring(r#"{"roots":{},"elicitation":{}}"#);
    let retry =
        format!(r#""requestState":{state},"inputResponses":{{"1":{{"roots":[]}}}},"name":"t","#);
    rig.call_as(4, "tools/call", &retry, &more);
    let answer = rig.posted();
    assert_eq!(answer.1["id"], "r");
    assert!(rig.ended().is_empty(), "owed an answer");
    rig.brings(answer.0, Arrival::Accepted(Head::default()));
    rig.settles(&old, r#""result":{"content":[]}"#);
    assert_eq!(rig.received_one()["id"], 4);
    assert_eq!(rig.ended(), ["first"]);
    rig.settles(&new, r#""result":{}"#);
    assert_eq!(rig.received_one()["id"], 2);
    rig.host.leave(&mut rig.actions);
    assert_eq!(rig.ended(), ["second"]);
}

#[test]
fn a_remote_that_takes_no_second_session_keeps_the_first() {
    for (refusal, is_tried_again) in [
        (
            r#""error":{"code":-32600,"message":"Server already initialized"}"#,
            false,
        ),
        (
            r#""error":{"code":-32603,"message":"m","data":{"source":"mcpipe","kind":"unreachable","retryable":true}}"#,
            true,
        ),
    ] {
        let mut rig = modest();
        let more = declaring(r#"{"sampling":{}}"#);
        rig.call_as(1, "tools/call", "", &more);
        let opening = rig.posted();
        rig.settles(&opening, refusal);
        let call = rig.posted();
        assert_eq!(call.1["method"], "tools/call");
        rig.settles(&call, r#""result":{"content":[]}"#);
        assert_eq!(rig.received_one()["id"], 1);
        assert!(rig.ended().is_empty());
        rig.call_as(2, "tools/call", "", &more);
        let next = &rig.posted().1["method"];
        assert_eq!(next == "initialize", is_tried_again, "{next}");
    }
}

#[test]
fn a_host_that_always_says_something_new_does_not_get_a_session_each_time() {
    let mut rig = modest();
    let mut openings = 0;
    for id in 1..50 {
        let new = declaring(&format!(r#"{{"experimental":{{"x{id}":{{}}}}}}"#));
        rig.call_as(id, "tools/call", "", &new);
        if rig.pending_posts()[0].1.contains("initialize") {
            openings += 1;
            rig.opens_as("next");
        }
        let call = rig.posted();
        rig.settles(&call, r#""result":{}"#);
        assert_eq!(rig.received_one()["id"], id);
    }
    assert_eq!(openings, 7);
    // And one whose calls never end does not keep more than a few.
    let mut rig = modest();
    let mut openings = 0;
    for id in 1..50 {
        let new = declaring(&format!(r#"{{"experimental":{{"x{id}":{{}}}}}}"#));
        rig.call_as(id, "tools/call", "", &new);
        if rig.pending_posts()[0].1.contains("initialize") {
            openings += 1;
            rig.opens_as("next");
        }
        assert_eq!(rig.posted().1["method"], "tools/call");
    }
    assert_eq!(openings, 4);
}

#[test]
fn subscriptions_move_with_the_host_and_look_again() {
    let mut rig = modest();
    let old = rig.host.current.stream_exchange().unwrap();
    let meta = declaring(r#"{"roots":{}}"#);
    let filter = r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["u"]},"#;
    rig.call_as(1, "subscriptions/listen", filter, &meta);
    let subscribe = rig.posted();
    rig.settles(&subscribe, r#""result":{}"#);
    rig.received_one();
    rig.call_as(2, "tools/call", "", &declaring(r#"{"sampling":{}}"#));
    let new = rig.opens_as("second");
    let posts = rig.posts();
    let methods: Vec<_> = posts.iter().map(|post| &post.1["method"]).collect();
    assert_eq!(methods, ["tools/call", "resources/subscribe"]);
    assert!(
        rig.received().is_empty(),
        "nothing to say before it is sure"
    );
    rig.settles(&posts[1], r#""result":{}"#);
    let received = rig.received();
    let methods: Vec<_> = received
        .iter()
        .map(|received| &received["method"])
        .collect();
    let both = [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ];
    assert_eq!(methods, both);
    // The old stream is gone, and what the new one says is heard once.
    assert_eq!(
        (rig.closed(), rig.ended()),
        (vec![old], vec!["first".to_owned()])
    );
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    rig.sends(old, changed);
    assert!(rig.received().is_empty());
    rig.sends(new, changed);
    assert_eq!(rig.received().len(), 1);
}

#[test]
fn a_subscription_that_the_new_session_refuses_ends_and_says_so() {
    let mut rig = modest();
    let meta = declaring(r#"{"roots":{}}"#);
    let filter = r#""notifications":{"resourceSubscriptions":["u"]},"#;
    rig.call_as(1, "subscriptions/listen", filter, &meta);
    let subscribe = rig.posted();
    rig.settles(&subscribe, r#""result":{}"#);
    rig.received_one();
    rig.call_as(2, "tools/call", "", &declaring(r#"{"sampling":{}}"#));
    rig.opens_as("second");
    let posts = rig.posts();
    rig.settles(&posts[1], r#""error":{"code":-32002,"message":"none"}"#);
    let received = rig.received_one();
    assert_eq!(received["method"], "notifications/cancelled");
    assert_eq!(received["params"]["requestId"], 1);
    assert_eq!(rig.forgot(), ["1"]);
}

#[test]
fn what_waits_for_an_opening_that_is_outgrown_is_served_by_the_next() {
    let mut rig = Rig::new();
    rig.call_as(
        1,
        "subscriptions/listen",
        r#""notifications":{},"#,
        &declaring("{}"),
    );
    let first = rig.posted();
    rig.call_as(2, "tools/call", "", &declaring(r#"{"sampling":{}}"#));
    rig.opens_as("second");
    let call = rig.posted();
    assert_eq!(call.1["method"], "tools/call");
    let acknowledgement = rig.received_one();
    assert_eq!(
        acknowledgement["method"],
        "notifications/subscriptions/acknowledged"
    );
    // The first is opened in vain, and left in good order.
    rig.brings(first.0, Arrival::Opened(named("first")));
    rig.settles(&first, &format!(r#""result":{SERVER}"#));
    let initialized = rig.posted();
    rig.brings(initialized.0, Arrival::Accepted(Head::default()));
    assert_eq!(rig.ended(), ["first"]);
}

#[test]
fn a_cancelled_call_is_cancelled_in_the_session_that_has_it() {
    let mut rig = modest();
    rig.call_as(1, "tools/call", "", &declaring("{}"));
    let old = rig.posted();
    rig.call_as(2, "tools/call", "", &declaring(r#"{"sampling":{}}"#));
    rig.opens_as("second");
    rig.posted();
    rig.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!(rig.forgot(), ["1"]);
    let notice = rig.posted();
    assert_eq!(notice.1["params"]["requestId"], old.1["id"]);
    assert!(rig.ended().is_empty(), "the word is still on its way");
    rig.brings(notice.0, Arrival::Accepted(Head::default()));
    assert_eq!(rig.ended(), ["first"]);
}
