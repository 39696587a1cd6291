//! The remote's requests as questions in results (MCP 2026-07-28, basic/patterns/mrtr).

use super::*;
use crate::frame::member_of;

const SOON: Duration = Duration::from_millis(30);
const ELICIT: &str = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m","_meta":{},"task":{},"requestedSchema":{"n":1.0}}}"#;
const ROOTS: &str = r#"{"jsonrpc":"2.0","id":5,"method":"roots/list"}"#;

/// Returns a call that has been answered with a question: its exchange, the remote's id of it, and the handle.
fn parked(rig: &mut Rig) -> (Posted, Value) {
    rig.call(
        1,
        "tools/call",
        r#""name":"t","#,
        r#""progressToken":"p1","#,
    );
    let call = rig.posted();
    rig.sends(call.0, ELICIT);
    assert!(rig.received().is_empty(), "more may come");
    rig.waits(SOON);
    (call, rig.received_one())
}

fn retry(rig: &mut Rig, id: u64, name: &str, state: &Value, responses: &str) {
    let params = format!(r#""requestState":{state},"inputResponses":{responses},"name":"{name}","#);
    rig.call(id, "tools/call", &params, r#""progressToken":"p2","#);
}

#[test]
fn a_question_is_a_result_and_its_answer_a_retry() {
    let mut rig = Rig::open();
    rig.call(
        1,
        "tools/call",
        r#""name":"t","#,
        r#""progressToken":"p1","#,
    );
    let call = rig.posted();
    rig.sends(call.0, &ELICIT.replace(r#""n":1.0"#, r#""n":1e400"#));
    rig.sends(call.0, ROOTS);
    rig.waits(SOON);
    let Some(text) = rig.actions.iter().find_map(|action| match action {
        Action::Reply(frame) => Some(frame.text().to_owned()),
        _ => None,
    }) else {
        panic!("no question")
    };
    assert!(
        text.contains(r#""params":{"message":"m","requestedSchema":{"n":1e400}}"#),
        "{text}"
    );
    assert!(text.contains(r#""resultType":"input_required""#), "{text}");
    let state: String = member_of(&text, "result")
        .and_then(|result| serde_json::from_str(member_of(result, "requestState")?).ok())
        .unwrap();
    assert!(!text.contains("ttlMs") && state.len() >= 43, "never cached");
    rig.actions
        .retain(|action| !matches!(action, Action::Reply(_)));
    // One of two answers: the other is asked for again (MCP 2026-07-28, basic/patterns/mrtr).
    retry(
        &mut rig,
        2,
        "t",
        &json!(state),
        r#"{"1":{"action":"decline"}}"#,
    );
    let answer = rig.posted().1;
    assert_eq!(
        (&answer["id"], &answer["result"]),
        (&json!("q"), &json!({"action": "decline"}))
    );
    let again = rig.received_one();
    assert_eq!(
        (&again["id"], result(&again)["inputRequests"].clone()),
        (&json!(2), json!({"2": {"method": "roots/list"}}))
    );
    let state = result(&again)["requestState"].clone();
    retry(&mut rig, 3, "t", &state, r#"{"2":{"roots":[]}}"#);
    assert_eq!(rig.posted().1["id"], 5);
    // Progress is the retry's now (MCP 2026-07-28, basic/patterns/progress), and so is the answer.
    let token = &call.1["params"]["_meta"]["progressToken"];
    rig.sends(call.0, &format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1.0}}}}"#));
    assert_eq!(rig.received_one()["params"]["progressToken"], "p2");
    rig.settles(&call, r#""result":{"content":[]}"#);
    assert_eq!(rig.received_one()["id"], 3);
}

#[test]
fn a_handle_is_good_once_and_for_its_own_request() {
    let mut rig = Rig::open();
    let (_, question) = parked(&mut rig);
    let state = &result(&question)["requestState"];
    for (name, state, responses) in [
        ("t", &json!("guess"), r#"{"1":{}}"#),
        ("other", state, r#"{"1":{}}"#),
        ("t", state, r#"{"1":7}"#),
        ("t", state, "[]"),
        ("t", &Value::Null, r#"{"1":{}}"#),
    ] {
        retry(&mut rig, 2, name, state, responses);
        assert_eq!(
            code(&rig.received_one()),
            -32602,
            "{name} {state} {responses}"
        );
        assert!(rig.posts().is_empty());
    }
    retry(&mut rig, 3, "t", state, r#"{"1":{}}"#);
    assert_eq!(rig.posts().len(), 1);
    retry(&mut rig, 4, "t", state, r#"{"1":{}}"#);
    assert_eq!(code(&rig.received_one()), -32602, "used");
}

#[test]
fn an_answer_that_came_meanwhile_is_kept_for_the_retry() {
    let mut rig = Rig::open();
    let (call, question) = parked(&mut rig);
    rig.settles(&call, r#""result":{"content":[]}"#);
    assert!(rig.received().is_empty());
    retry(
        &mut rig,
        2,
        "t",
        &result(&question)["requestState"],
        r#"{"1":{}}"#,
    );
    assert_eq!(rig.received_one()["id"], 2);
    assert!(rig.posts().is_empty());
}

#[test]
fn a_host_that_never_comes_back_ends_the_call() {
    for goes in [false, true] {
        let mut rig = Rig::open();
        let (call, question) = parked(&mut rig);
        if goes {
            rig.host.on_host_gone(&mut rig.actions);
        } else {
            rig.waits(Duration::from_secs(600));
        }
        let posts = rig.posts();
        assert_eq!(posts[0].1["result"], json!({"action": "cancel"}));
        assert_eq!(posts[1].1["params"]["requestId"], call.1["id"]);
        retry(&mut rig, 2, "t", &result(&question)["requestState"], "{}");
        assert_eq!(code(&rig.received_one()), -32602);
    }
}

#[test]
fn only_calls_that_may_carry_a_question_and_declared_it_do() {
    let mut rig = Rig::open();
    let stream = rig.host.current.stream_exchange().unwrap();
    rig.sends(stream, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(rig.posted().1["result"], json!({}));
    rig.sends(stream, ROOTS);
    assert_eq!(code(&rig.posted().1), -32602, "nobody calls");
    rig.call(1, "tools/list", "", "");
    let (list, _) = rig.posted();
    rig.call(2, "prompts/get", "", "");
    rig.posted();
    rig.call(3, "tools/call", "", "");
    rig.posted();
    rig.sends(list, ROOTS);
    assert_eq!(code(&rig.posted().1), -32602, "no call can carry it");
    rig.sends(
        stream,
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#,
    );
    assert_eq!(code(&rig.posted().1), -32601, "undeclared, so not asked");
    rig.sends(
        stream,
        r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"mode":"url"}}"#,
    );
    assert_eq!(code(&rig.posted().1), -32601, "a mode not declared");
    rig.sends(stream, ROOTS);
    rig.waits(SOON);
    assert_eq!(rig.received_one()["id"], 2, "the oldest that may");
}

#[test]
fn a_question_taken_back_is_not_asked() {
    let mut rig = Rig::open();
    rig.call(1, "tools/call", "", "");
    let call = rig.posted();
    rig.sends(call.0, ELICIT);
    rig.sends(
        call.0,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}"#,
    );
    rig.waits(SOON);
    assert!(rig.received().is_empty());
    rig.settles(&call, r#""result":{}"#);
    assert_eq!(rig.received_one()["id"], 1);
}

#[test]
fn pages_to_visit_are_a_question_for_hosts_that_can_and_an_error_for_others() {
    let error = r#""error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x","message":"go"}]}}"#;
    let mut rig = Rig::open();
    rig.call(1, "tools/call", r#""name":"t","#, "");
    let post = rig.posted();
    rig.settles(&post, error);
    let received = rig.received_one();
    let needed = json!({"requiredCapabilities": {"elicitation": {"url": {}}}});
    assert_eq!(
        (code(&received), &received["error"]["data"]),
        (-32021, &needed)
    );
    let meta = META.replace(r#""elicitation":{}"#, r#""elicitation":{"url":{}}"#);
    let say = |rig: &mut Rig, more: &str| {
        rig.call_as(2, "tools/call", &format!(r#"{more}"name":"t","#), &meta);
    };
    let mut rig = Rig::new();
    rig.call_as(0, "server/discover", "", &meta);
    rig.opens(SERVER, true);
    rig.received();
    say(&mut rig, "");
    let post = rig.posted();
    rig.settles(&post, error);
    let received = rig.received_one();
    let visit = json!({"method": "elicitation/create", "params": {"mode": "url", "message": "go", "url": "https://x"}});
    assert_eq!(result(&received)["inputRequests"], json!({"1": visit}));
    let state = &result(&received)["requestState"];
    say(
        &mut rig,
        &format!(r#""requestState":{state},"inputResponses":{{"1":{{"action":"accept"}}}},"#),
    );
    let again = rig.posted().1;
    assert_eq!(again["params"], json!({"name": "t"}), "called afresh");
}

#[test]
fn a_call_that_is_answered_is_not_answered_with_a_question() {
    let mut rig = Rig::open();
    let level = r#""io.modelcontextprotocol/logLevel":"info","#;
    rig.call(1, "tools/call", r#""name":"t","#, level);
    let levelled = rig.posted();
    rig.settles(&levelled, r#""result":{}"#);
    let call = rig.posted();
    rig.sends(call.0, ELICIT);
    // The answer comes before the question is put, and waits for what may have been logged.
    rig.settles(&call, r#""result":{"content":[]}"#);
    rig.waits(SOON);
    let received = rig.received_one();
    assert_eq!(result(&received)["resultType"], "complete", "{received}");
}
