//! Requests whose answers were lost.

use super::{LOST, Play, result};
use crate::era::modern::*;

#[test]
fn a_harmless_request_that_was_lost_is_a_new_request_a_few_times() {
    // MCP 2026-07-28, changelog
    for lost in LOST {
        for method in [
            "tools/list",
            "resources/read",
            "prompts/get",
            "completion/complete",
            "server/discover",
        ] {
            let mut play = Play::new();
            let mut exchange = play.calls(method, r#""name":"t","uri":"u""#);
            let mut ids = vec!["1".to_owned()];
            for pause in ["250ms", "500ms", "1s"] {
                assert_eq!(
                    play.brings(exchange, lost()).did(),
                    [format!("wake {pause}")]
                );
                assert_eq!(play.modern.waiting(), 1);
                let token = play.token();
                let again = play.fires(token).posted();
                let id = again.frame.id().unwrap().text().to_owned();
                assert!(!ids.contains(&id), "{id} of {ids:?}");
                assert_eq!(again.frame.method(), Some(method));
                ids.push(id);
                exchange = again.exchange;
                assert!(play.fires(token).did().is_empty());
            }
            assert!(play.brings(exchange, lost()).to_bridge_error()["retryable"] == true);
        }
    }
}

#[test]
fn what_is_asked_again_is_answered_under_the_hosts_id_and_its_progress_only_grows() {
    // MCP 2026-07-28, changelog and basic/patterns/progress
    let progress = |number: f64| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":5,"progress":{number}}}}}"#
        )
    };
    let mut play = Play::new();
    let exchange = play.calls("resources/read", r#""uri":"u""#);
    assert_eq!(play.says(exchange, &progress(0.5)).did(), [progress(0.5)]);
    play.brings(exchange, Arrival::Ended);
    let token = play.token();
    let again = play.fires(token).posted();
    assert!(play.says(again.exchange, &progress(0.25)).did().is_empty());
    assert!(play.says(again.exchange, &progress(0.5)).did().is_empty());
    assert_eq!(
        play.says(again.exchange, &progress(0.75)).did(),
        [progress(0.75)]
    );
    let upstream = again.frame.id().unwrap().text().to_owned();
    let answer = r#"{"resultType":"complete","x":1e400}"#;
    play.says(again.exchange, &result(&upstream, answer));
    assert_eq!(play.did(), [result("1", answer)]);
}

#[test]
fn what_waits_to_be_asked_again_can_be_cancelled_and_a_persons_answers_are_not_said_twice() {
    // MCP 2026-07-28, basic/patterns/cancellation and basic/patterns/mrtr
    let mut play = Play::new();
    let exchange = play.calls("tools/list", "");
    play.brings(exchange, Arrival::Ended);
    let token = play.token();
    play.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!(play.did(), ["forget 1"]);
    assert!(play.fires(token).did().is_empty());

    let round = r#""name":"p","inputResponses":{"k":{}},"requestState":"s""#;
    let exchange = play.calls("prompts/get", round);
    assert_eq!(
        play.brings(exchange, Arrival::Ended).to_bridge_error()["kind"],
        "cut"
    );
}
