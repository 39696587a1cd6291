//! Subscriptions on the host's behalf, and driving the remote's tasks.

use super::{Talk, id};

const TELLING: &str = r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"listChanged":true,"subscribe":true}}"#;

fn listening() -> (Talk, String) {
    let mut talk = Talk::begin("2025-11-25", "{}", TELLING);
    let said = talk.ready();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains(r#""method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourcesListChanged":true},"#));
    let listen = id(&said[0]);
    assert!(talk.remote(&acknowledged(&listen, "")).is_empty());
    (talk, listen)
}

fn acknowledged(listen: &str, uris: &str) -> String {
    format!(
        r#"{{"method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{"toolsListChanged":true,"resourceSubscriptions":[{uris}]}},"_meta":{{"io.modelcontextprotocol/subscriptionId":{listen}}}}}}}"#
    )
}

fn subscribe(number: u32, verb: &str, uri: &str) -> String {
    format!(r#"{{"id":{number},"method":"resources/{verb}","params":{{"uri":"{uri}"}}}}"#)
}

// MCP 2026-07-28, basic/patterns/subscriptions
#[test]
fn changes_reach_the_host_without_the_mark_of_the_listen() {
    let (mut talk, listen) = listening();
    let tag = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{listen}}}"#);
    assert_eq!(
        talk.remote(&format!(
            r#"{{"method":"notifications/tools/list_changed","params":{{{tag}}}}}"#
        )),
        [r#"down {"method":"notifications/tools/list_changed"}"#]
    );
    assert_eq!(
        talk.remote(&format!(
            r#"{{"method":"notifications/resources/updated","params":{{"uri":"a","x":1e400,{tag}}}}}"#
        )),
        [r#"down {"method":"notifications/resources/updated","params":{"uri":"a","x":1e400}}"#]
    );
}

#[test]
fn a_remote_that_tells_of_nothing_is_not_listened_to() {
    let mut talk = Talk::begin("2025-11-25", "{}", r#"{"tools":{}}"#);
    assert!(talk.ready().is_empty());
    assert!(talk.host(&subscribe(1, "subscribe", "a"))[0].contains("-32601"));
    assert!(talk.host(&subscribe(2, "unsubscribe", "a"))[0].contains("-32601"));
}

// MCP 2026-07-28, basic/patterns/subscriptions
#[test]
fn a_subscription_opens_a_wider_listen_and_then_closes_the_old_one() {
    let (mut talk, old) = listening();
    let said = talk.host(&subscribe(1, "subscribe", "a"));
    assert!(
        said[0].contains(r#""resourceSubscriptions":["a"]}"#),
        "{said:?}"
    );
    assert!(
        said.len() == 2 && said[1].starts_with("wake 30000 "),
        "{said:?}"
    );
    let new = id(&said[0]);
    assert_eq!(
        talk.remote(&acknowledged(&new, r#""a""#)),
        [
            format!(r#"up {{"method":"notifications/cancelled","params":{{"requestId":{old}}}}}"#),
            r#"down {"id":1,"result":{}}"#.to_owned()
        ]
    );
    assert!(talk.on_timer(&said[1]).is_empty());
    // Again is not anew, and what is not honoured is an error.
    assert_eq!(talk.host(&subscribe(2, "subscribe", "a")).len(), 1);
    let said = talk.host(&subscribe(3, "subscribe", "b"));
    let said = talk.remote(&acknowledged(&id(&said[0]), r#""a""#));
    assert!(said[1].starts_with(r#"down {"id":3,"error""#), "{said:?}");
    let said = talk.host(&subscribe(4, "unsubscribe", "a"));
    assert!(!said[0].contains("resourceSubscriptions"), "{said:?}");
    assert_eq!(said[1..], [r#"down {"id":4,"result":{}}"#]);
}

// MCP 2026-07-28, basic/patterns/subscriptions
#[test]
fn subscribers_in_a_row_are_all_answered_and_a_silent_remote_keeps_none_waiting() {
    let (mut talk, _) = listening();
    talk.host(&subscribe(1, "subscribe", "a"));
    let said = talk.host(&subscribe(2, "subscribe", "b"));
    let answers = talk.remote(&acknowledged(&id(&said[0]), r#""a","b""#));
    assert_eq!(answers.len(), 4, "{answers:?}");
    let said = talk.host(&subscribe(3, "subscribe", "c"));
    assert!(talk.on_timer(&said[1])[0].starts_with(r#"down {"id":3,"error""#));
}

// MCP 2026-07-28, basic/patterns/subscriptions and basic/patterns/cancellation
#[test]
fn a_listen_that_ends_is_opened_again_and_everything_may_have_changed() {
    let (mut talk, listen) = listening();
    let graceful = format!(r#"{{"id":{listen},"result":{{"resultType":"complete"}}}}"#);
    let said = talk.remote(&graceful);
    assert!(
        said.len() == 1 && said[0].starts_with("wake 1000 "),
        "{said:?}"
    );
    let said = talk.on_timer(&said[0]);
    let again = id(&said[0]);
    assert_ne!(listen, again);
    assert_eq!(
        talk.remote(&acknowledged(&again, "")),
        [
            r#"down {"method":"notifications/tools/list_changed"}"#,
            r#"down {"method":"notifications/resources/list_changed"}"#
        ]
    );
    let said = talk.remote(&format!(
        r#"{{"method":"notifications/cancelled","params":{{"requestId":{again}}}}}"#
    ));
    assert!(
        said.len() == 1 && said[0].starts_with("wake 2000 "),
        "{said:?}"
    );
}

#[test]
fn a_remote_that_cannot_be_listened_to_is_not_asked_again() {
    let (mut talk, listen) = listening();
    let refused = format!(r#"{{"id":{listen},"error":{{"code":-32601,"message":"no"}}}}"#);
    assert!(talk.remote(&refused).is_empty());
    assert!(talk.host(&subscribe(1, "subscribe", "a"))[0].contains("-32601"));
}

#[test]
fn a_listen_that_needs_a_person_waits_for_a_call_to_be_answered() {
    let (mut talk, listen) = listening();
    let refused = format!(
        r#"{{"id":{listen},"error":{{"code":-32603,"message":"","data":{{"source":"mcpipe","kind":"sign_in_needed","retryable":false}}}}}}"#
    );
    assert!(talk.remote(&refused).is_empty());
    let said = talk.host(r#"{"id":1,"method":"tools/list"}"#);
    let said = talk.remote(&format!(r#"{{"id":{},"result":{{}}}}"#, id(&said[0])));
    assert!(said[1].contains("subscriptions/listen"), "{said:?}");
}

#[test]
fn leaving_closes_what_is_open() {
    let (mut talk, _) = listening();
    talk.host(r#"{"id":1,"method":"tools/list"}"#);
    talk.translation.leave();
    let said = talk.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said.iter()
            .all(|said| said.contains("up {\"method\":\"notifications/cancelled\""))
    );
}

/// Makes a call that becomes a task, and returns the id that `tasks/get` was sent as.
fn task() -> (Talk, String) {
    let remote = r#"{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    let mut talk = Talk::begin("2025-11-25", r#"{"roots":{}}"#, remote);
    talk.ready();
    let up = id(&talk.host(r#"{"id":1,"method":"tools/call"}"#)[0]);
    let said = talk.remote(&format!(
        r#"{{"id":{up},"result":{{"resultType":"task","taskId":"T","status":"working","pollIntervalMs":500}}}}"#
    ));
    assert!(
        said.len() == 1 && said[0].starts_with("wake 500 "),
        "{said:?}"
    );
    let said = talk.on_timer(&said[0]);
    assert!(said[0].contains(r#""method":"tasks/get","params":{"taskId":"T","#));
    (talk, id(&said[0]))
}

// SEP-2663
#[test]
fn a_task_is_asked_about_until_it_is_done() {
    let (mut talk, get) = task();
    let said = talk.remote(&format!(
        r#"{{"id":{get},"result":{{"status":"working"}}}}"#
    ));
    let said = talk.on_timer(&said[0]);
    let done = r#"{"resultType":"complete","status":"completed","result":{"content":[1.0]}}"#;
    assert_eq!(
        talk.remote(&format!(r#"{{"id":{},"result":{done}}}"#, id(&said[0]))),
        [r#"down {"id":1,"result":{"content":[1.0]}}"#]
    );
}

#[test]
fn a_task_asks_each_thing_once() {
    let (mut talk, get) = task();
    let asks = r#"{"status":"input_required","inputRequests":{"k":{"method":"roots/list"}}}"#;
    let said = talk.remote(&format!(r#"{{"id":{get},"result":{asks}}}"#));
    let question = id(&said[1]);
    let said = talk.host(&format!(r#"{{"id":{question},"result":{{"roots":[]}}}}"#));
    assert!(
        said[0].contains(
            r#""method":"tasks/update","params":{"taskId":"T","inputResponses":{"k":{"roots":[]}},"#
        ),
        "{said:?}"
    );
    let said = talk.on_timer(&said[1]);
    let said = talk.remote(&format!(r#"{{"id":{},"result":{asks}}}"#, id(&said[0])));
    assert!(
        said.len() == 1 && said[0].starts_with("wake 500 "),
        "{said:?}"
    );
}

// MCP 2025-11-25, basic/utilities/cancellation
#[test]
fn a_cancelled_call_cancels_its_task() {
    let (mut talk, _) = task();
    let said = talk.host(r#"{"method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert!(
        said[1].contains(r#""method":"tasks/cancel","params":{"taskId":"T","#),
        "{said:?}"
    );
    assert_eq!(said.last().unwrap(), "forget 1");
}

#[test]
fn a_task_that_fails_fails_its_call() {
    for (told, word) in [
        (
            r#""failed","error":{"code":-5,"message":"m"}"#,
            r#"{"code":-5,"message":"m"}"#,
        ),
        (r#""cancelled""#, "cancelled"),
        (r#""completed""#, "bad_answer"),
    ] {
        let (mut talk, get) = task();
        let said = talk.remote(&format!(r#"{{"id":{get},"result":{{"status":{told}}}}}"#));
        let last = said.last().unwrap();
        assert!(
            last.starts_with(r#"down {"id":1,"error""#) && last.contains(word),
            "{said:?}"
        );
    }
}
