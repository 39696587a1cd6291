//! Requests that stand, by their method or by what the server does.

use super::{Play, call, error, result};
use crate::era::modern::*;

fn notice(id: &str, method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/events/{method}","params":{{{params}{comma}"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
    )
}

fn event(id: &str, number: u32) -> String {
    let params = format!(r#""eventId":"e{number}","cursor":"c{number}""#);
    notice(id, "event", &params)
}

fn end(id: &str) -> String {
    let mark = format!(r#"{{"io.modelcontextprotocol/subscriptionId":{id}}}"#);
    result(
        id,
        &format!(r#"{{"resultType":"complete","_meta":{mark}}}"#),
    )
}

/// Begins a stream of events under the id 1, confirmed at the cursor `c0`.
fn streaming(play: &mut Play) -> ExchangeId {
    let stream = play.calls("events/stream", r#""name":"x","maxAgeMs":1000"#);
    let active = notice("1", "active", r#""cursor":"c0","truncated":false"#);
    assert_eq!(play.says(stream, &active).did(), [active]);
    stream
}

// SEP-3415, "Push-Based Delivery"
#[test]
fn a_stream_of_events_goes_on_at_the_cursor_that_the_host_was_told_of() {
    let mut play = Play::new();
    let mut stream = streaming(&mut play);
    assert_eq!(play.says(stream, &event("1", 1)).did(), [event("1", 1)]);
    for (cut, pause) in [("c1", "1s"), ("c1", "2s")] {
        play.brings(stream, Arrival::Ended);
        assert_eq!(play.did(), [format!("wake {pause}")]);
        let token = play.token();
        let again = play.fires(token).posted();
        let id = again.frame.id().unwrap().text().to_owned();
        assert_ne!(id, "1");
        assert_eq!(again.frame.param("cursor"), Some(&*format!("\"{cut}\"")));
        assert_eq!(again.frame.param("maxAgeMs"), Some("1000"));
        assert!(again.is_asked_by_host);
        stream = again.exchange;
        // The host knows that it is confirmed.
        let active = notice(&id, "active", r#""cursor":"c1","truncated":false"#);
        assert!(play.says(stream, &active).did().is_empty());
        // Nor is it told an event twice.
        assert!(play.says(stream, &event(&id, 1)).did().is_empty());
    }
    let id = play.modern.known_as(stream).unwrap().text().to_owned();
    assert_eq!(play.says(stream, &event(&id, 2)).did(), [event("1", 2)]);
    // The row of losses is over.
    assert_eq!(play.brings(stream, Arrival::Ended).did(), ["wake 1s"]);
    let token = play.token();
    let again = play.fires(token).posted();
    assert_eq!(again.frame.param("cursor"), Some(r#""c2""#));
    let id = again.frame.id().unwrap().text().to_owned();
    assert_eq!(play.says(again.exchange, &end(&id)).did(), [end("1")]);
}

#[test]
fn the_id_of_a_later_request_is_known_in_another_spelling() {
    let mut play = Play::new();
    let stream = streaming(&mut play);
    play.brings(stream, Arrival::Ended);
    let token = play.token();
    let again = play.fires(token).posted();
    let id = format!("\"{}\"", again.frame.id().unwrap().text());
    let heard = play.says(again.exchange, &event(&id, 1)).did();
    assert_eq!(heard, [event("1", 1)]);
}

#[test]
fn a_later_confirmation_is_told_as_far_as_it_is_news() {
    for (params, told) in [
        (
            r#""cursor":"c9","truncated":true"#,
            Some(notice("1", "active", r#""cursor":"c9","truncated":true"#)),
        ),
        (
            r#""cursor":"c5","truncated":false"#,
            Some(notice("1", "heartbeat", r#""cursor":"c5""#)),
        ),
        (r#""cursor":null"#, None),
        ("", None),
    ] {
        let mut play = Play::new();
        let stream = streaming(&mut play);
        play.brings(stream, Arrival::Ended);
        let token = play.token();
        let again = play.fires(token).posted();
        let id = again.frame.id().unwrap().text().to_owned();
        let active = notice(&id, "active", params);
        let did = play.says(again.exchange, &active).did();
        assert_eq!(did, Vec::from_iter(told), "{params}");
    }
}

#[test]
fn without_a_cursor_a_lost_stream_is_answered_with_what_was_seen() {
    for active in [r#""cursor":null"#, ""] {
        let mut play = Play::new();
        let stream = play.calls("events/stream", r#""name":"x""#);
        play.says(stream, &notice("1", "active", active));
        play.says(stream, &notice("1", "heartbeat", ""));
        play.brings(stream, Arrival::Ended);
        let data = play.to_bridge_error();
        assert_eq!(
            (&data["kind"], &data["retryable"]),
            (&"cut".into(), &true.into())
        );
        assert!(play.did()[0].contains("no cursor"), "{:?}", play.did());
    }
}

#[test]
fn a_stream_that_was_never_confirmed_is_asked_for_a_few_times_at_the_hosts_own_cursor() {
    let mut play = Play::new();
    let mut stream = play.calls("events/stream", r#""name":"x","cursor":"mine""#);
    for pause in ["1s", "2s", "4s"] {
        assert_eq!(
            play.brings(stream, Arrival::Ended).did(),
            [format!("wake {pause}")]
        );
        let token = play.token();
        let again = play.fires(token).posted();
        assert_eq!(again.frame.param("cursor"), Some(r#""mine""#));
        stream = again.exchange;
    }
    play.brings(stream, Arrival::Ended);
    assert_eq!(play.to_bridge_error()["kind"], "cut");
    // Nothing is sent again for a server that was not reached.
    let stream = play.calls("events/stream", r#""name":"x""#);
    let unreachable = BridgeError::new("unreachable", "x").retryable();
    play.brings(stream, Arrival::Failed(unreachable));
    assert_eq!(play.to_bridge_error()["kind"], "unreachable");
}

#[test]
fn an_error_to_a_request_that_goes_on_is_its_end() {
    let mut play = Play::new();
    let stream = streaming(&mut play);
    play.brings(stream, Arrival::Ended);
    let token = play.token();
    let again = play.fires(token).posted();
    let id = again.frame.id().unwrap().text().to_owned();
    let forbidden = |id: &str| error(id, -32024, "null");
    play.says(again.exchange, &forbidden(&id));
    assert_eq!(play.did(), [forbidden("1")]);
    assert!(play.brings(again.exchange, Arrival::Ended).did().is_empty());
}

#[test]
fn a_sign_in_that_is_needed_ends_it() {
    let mut play = Play::new();
    let stream = streaming(&mut play);
    let needed = BridgeError::new("sign_in_needed", "x");
    play.brings(stream, Arrival::Failed(needed));
    assert_eq!(play.to_bridge_error()["kind"], "sign_in_needed");
}

#[test]
fn a_terminated_stream_is_not_sent_again_and_has_one_answer() {
    let terminated = |id: &str| notice(id, "terminated", r#""error":{"code":-32024}"#);
    for way in 0..3 {
        let mut play = Play::new();
        let stream = streaming(&mut play);
        play.says(stream, &terminated("1"));
        assert_eq!(play.did(), [terminated("1"), "wake 5s".to_owned()]);
        let token = play.token();
        match way {
            0 => assert_eq!(play.says(stream, &end("1")).did(), [end("1")]),
            1 => assert_eq!(play.brings(stream, Arrival::Ended).did(), [end("1")]),
            _ => {
                assert!(play.says(stream, &terminated("1")).did().is_empty());
                let close = format!("close {}", stream.0);
                assert_eq!(play.fires(token).did(), [end("1"), close]);
            }
        }
        assert!(play.fires(token).did().is_empty());
        assert!(play.brings(stream, Arrival::Ended).did().is_empty());
    }
}

#[test]
fn a_standing_request_is_cancelled_by_either_side() {
    let cancelled = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        )
    };
    let mut play = Play::new();
    let stream = streaming(&mut play);
    let close = format!("close {}", stream.0);
    assert_eq!(play.host(&cancelled("1")).did(), ["forget 1", &close]);
    // While it waits to be sent again there is nothing to close.
    let stream = streaming(&mut play);
    play.brings(stream, Arrival::Ended);
    let token = play.token();
    assert_eq!(play.host(&cancelled("1")).did(), ["forget 1"]);
    assert!(play.fires(token).did().is_empty());
    // By the server, under the id that it knows.
    let stream = streaming(&mut play);
    play.brings(stream, Arrival::Ended);
    let token = play.token();
    let again = play.fires(token).posted();
    let id = again.frame.id().unwrap().text().to_owned();
    let close = format!("close {}", again.exchange.0);
    assert_eq!(
        play.says(again.exchange, &cancelled(&id)).did(),
        [cancelled("1"), "forget 1".to_owned(), close]
    );
}

#[test]
fn a_request_of_an_unknown_method_stands_once_a_notification_names_it() {
    let news = |id: &str| {
        let mark = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#);
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/x/news","params":{{{mark}}}}}"#)
    };
    let mut play = Play::new();
    let watch = play.calls("x/watch", "");
    // The mark of another request is not its own, be the number the same.
    for other in ["2", r#""1""#] {
        assert_eq!(play.says(watch, &news(other)).did(), [news(other)]);
    }
    let stand = format!("{:?}", Action::Stand(watch));
    assert_eq!(play.says(watch, &news("1")).did(), [stand, news("1")]);
    assert_eq!(play.says(watch, &news("1")).did(), [news("1")]);
    play.brings(watch, Arrival::Ended);
    let data = play.to_bridge_error();
    assert_eq!(
        (&data["kind"], &data["retryable"]),
        (&"cut".into(), &true.into())
    );
    // A call of a tool is known, and stands by no mark.
    let tool = play.calls("tools/call", r#""name":"x""#);
    assert_eq!(play.says(tool, &news("1")).did(), [news("1")]);
}

#[test]
fn a_host_that_leaves_is_owed_nothing_for_what_stands() {
    let mut play = Play::new();
    let stream = streaming(&mut play);
    play.actions.clear();
    play.modern.on_host_gone(&mut play.actions);
    let close = format!("close {}", stream.0);
    assert_eq!(play.did(), ["forget 1", &close]);
    let stream = streaming(&mut play);
    play.brings(stream, Arrival::Ended);
    play.actions.clear();
    play.modern.on_host_gone(&mut play.actions);
    assert_eq!(play.did(), ["forget 1"]);
    assert_eq!(play.modern.waiting(), 0);
}

#[test]
fn a_poll_that_was_lost_is_asked_again_and_a_list_too() {
    for method in [
        "events/poll",
        "events/list",
        "events/subscribe",
        "events/unsubscribe",
    ] {
        let mut play = Play::new();
        let lost = play.calls(method, r#""cursor":null"#);
        play.brings(lost, Arrival::Ended);
        let token = play.token();
        let again = play.fires(token).posted();
        assert_eq!(again.frame.param("cursor"), Some("null"), "{method}");
        assert_eq!(
            play.host(&call("ping", "").replace(":1,", ":2,"))
                .did()
                .len(),
            1
        );
    }
}
