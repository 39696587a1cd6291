//! Sessions that are lost and stay lost: no request waits for ever (MCP 2025-11-25, basic/transports and
//! basic/lifecycle; MCP 2026-07-28, basic/patterns/subscriptions).

use super::*;

const LISTS: &str = r#""notifications":{"toolsListChanged":true},"#;
const BOTH: &str = r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["u"]},"#;

fn gone() -> Arrival {
    Arrival::Refused(HttpError {
        status: 404,
        ..HttpError::default()
    })
}

fn away() -> Arrival {
    Arrival::Failed(BridgeError::new("unreachable", "Nobody there.").retryable())
}

/// With an open session that the remote may lose.
fn open() -> Rig {
    let mut rig = Rig::new();
    rig.call(0, "server/discover", "", "");
    let Some(Action::Post(initialize)) = rig.actions.last() else {
        panic!("no initialize")
    };
    let initialize = initialize.exchange;
    rig.brings(initialize, Arrival::Opened(named("s")));
    rig.opens(SERVER, true);
    rig.received();
    rig
}

impl Rig {
    /// Loses the session and returns the `initialize` that is to open it again.
    fn loses_session(&mut self) -> Posted {
        self.call(100, "tools/list", "", "");
        let list = self.posted();
        self.brings(list.0, gone());
        let again = self.posted();
        assert_eq!(again.1["method"], "initialize");
        again
    }

    /// And it cannot be opened again.
    fn breaks(&mut self, why: Arrival) {
        let again = self.loses_session();
        self.brings(again.0, why);
        let received = self.received();
        assert_eq!(received[0]["id"], 100, "{received:?}");
        assert_eq!(code(&received[0]), -32603);
        for received in &received[1..] {
            self.actions
                .push(Action::Reply(Frame::parse(&received.to_string()).unwrap()));
        }
    }

    fn timers(&self) -> Vec<Duration> {
        let timers = self.actions.iter().filter_map(|action| match action {
            Action::SetTimer { after, .. } => Some(*after),
            _ => None,
        });
        timers.collect()
    }
}

#[test]
fn a_listen_to_a_session_that_stays_lost_is_answered_so() {
    for filter in [LISTS, BOTH] {
        // While it is being opened again,
        let mut rig = open();
        let again = rig.loses_session();
        rig.call(1, "subscriptions/listen", filter, "");
        assert!(rig.received().is_empty());
        rig.brings(again.0, away());
        let received = rig.received();
        let ids: Vec<_> = received
            .iter()
            .map(|received| (&received["id"], code(received)))
            .collect();
        assert_eq!(ids, [(&json!(100), -32603), (&json!(1), -32603)]);
        assert_eq!(received[1]["error"]["data"]["kind"], "unreachable");
        assert!(rig.timers().is_empty(), "nobody listens");
        // and after that, when another try is made for its sake.
        rig.call(2, "subscriptions/listen", filter, "");
        let again = rig.posted();
        assert_eq!(again.1["method"], "initialize");
        rig.brings(again.0, away());
        assert_eq!(rig.received_one()["id"], 2);
        // Which may go well.
        rig.call(3, "subscriptions/listen", filter, "");
        rig.opens(SERVER, true);
        if filter == BOTH {
            let subscribe = rig.posted();
            assert_eq!(subscribe.1["method"], "resources/subscribe");
            rig.settles(&subscribe, r#""result":{}"#);
        }
        let received = rig.received_one();
        assert_eq!(
            received["method"],
            "notifications/subscriptions/acknowledged"
        );
        let granted = &received["params"]["notifications"];
        assert_eq!(granted["toolsListChanged"], true);
        assert_eq!(granted["resourceSubscriptions"].is_array(), filter == BOTH);
    }
}

#[test]
fn a_session_is_opened_again_for_who_listens_without_being_asked() {
    let mut rig = open();
    rig.call(1, "subscriptions/listen", BOTH, "");
    let subscribe = rig.posted();
    rig.settles(&subscribe, r#""result":{}"#);
    rig.received_one();
    rig.breaks(away());
    assert!(rig.received().is_empty());
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.extend(rig.timers());
        rig.waits(Duration::from_secs(30));
        let again = rig.posted();
        assert_eq!(again.1["method"], "initialize");
        rig.brings(again.0, away());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs));
    rig.waits(Duration::from_secs(30));
    rig.opens(SERVER, true);
    let restored = rig.posted();
    assert_eq!(restored.1["method"], "resources/subscribe");
    assert!(rig.received().is_empty());
    rig.settles(&restored, r#""result":{}"#);
    let received = rig.received();
    let methods: Vec<_> = received
        .iter()
        .map(|received| &received["method"])
        .collect();
    let both = [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ];
    assert_eq!(methods, both, "what was missed is looked for");
    assert!(rig.posts().is_empty());
}

#[test]
fn a_subscription_ends_where_trying_again_is_of_no_use() {
    let mut rig = open();
    rig.call(1, "subscriptions/listen", LISTS, "");
    rig.received_one();
    rig.breaks(Arrival::Failed(BridgeError::new(
        "sign_in_needed",
        "Sign in.",
    )));
    let received = rig.received_one();
    assert_eq!(received["method"], "notifications/cancelled");
    let params = json!({"requestId": 1, "reason": "Sign in."});
    assert_eq!(received["params"], params);
    assert_eq!(rig.forgot(), ["1"]);
    assert!(rig.timers().is_empty());
}

#[test]
fn a_subscription_whose_stream_is_over_for_good_ends() {
    let mut rig = open();
    let stream = rig.host.current.stream_exchange().unwrap();
    rig.call(1, "subscriptions/listen", LISTS, "");
    rig.received_one();
    let filter = r#""notifications":{"resourceSubscriptions":[]},"#;
    rig.call(2, "subscriptions/listen", filter, "");
    rig.received_one();
    rig.brings(stream, Arrival::Ended);
    let received = rig.received_one();
    assert_eq!(received["method"], "notifications/cancelled");
    assert_eq!(received["params"]["requestId"], 1);
    assert_eq!(rig.forgot(), ["1"], "the other never needed it");
}

#[test]
fn requests_of_our_own_are_not_waited_for_without_end() {
    let mut rig = Rig::new();
    let patience = |rig: &Rig| match rig.actions.last() {
        Some(Action::Post(post)) => post.patience,
        other => panic!("{other:?}"),
    };
    let late = || Arrival::GivenUp(BridgeError::new("timed_out", "Late.").retryable());
    rig.call(1, "tools/call", "", "");
    assert_eq!(patience(&rig), Some(Duration::from_secs(60)));
    let initialize = rig.posted();
    rig.brings(initialize.0, late());
    assert_eq!(rig.received_one()["id"], 1);

    let mut rig = Rig::open();
    let level = r#""io.modelcontextprotocol/logLevel":"debug","#;
    rig.call(1, "tools/call", "", level);
    assert_eq!(patience(&rig), Some(Duration::from_secs(30)));
    let set = rig.posted();
    rig.brings(set.0, late());
    let posts = rig.posts();
    let methods: Vec<_> = posts.iter().map(|post| &post.1["method"]).collect();
    assert_eq!(methods, ["tools/call", "notifications/cancelled"]);

    rig.call(2, "subscriptions/listen", BOTH, "");
    assert_eq!(patience(&rig), Some(Duration::from_secs(30)));
    let subscribe = rig.posted();
    rig.brings(subscribe.0, late());
    let granted = rig.received_one()["params"]["notifications"].clone();
    assert_eq!(
        granted,
        json!({"toolsListChanged": true, "resourceSubscriptions": []})
    );
    // A call is the host's own, and it has its own patience.
    rig.posts();
    rig.call(3, "tools/call", "", "");
    assert_eq!(patience(&rig), None);
}
