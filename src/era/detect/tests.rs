//! The evidence of an era.

use super::*;

fn answer(text: &str) -> Arrival {
    Arrival::Frame(Frame::parse(&format!(r#"{{"jsonrpc":"2.0","id":"bridge:1",{text}}}"#)).unwrap())
}

fn refused(status: u16, body: &str) -> Arrival {
    Arrival::Refused(HttpError {
        status,
        frame: Frame::parse(body).ok(),
        text: body.to_owned(),
        ..HttpError::default()
    })
}

fn word(finding: &ProbeOutcome) -> &'static str {
    match finding {
        ProbeOutcome::Nothing => "nothing",
        ProbeOutcome::Modern(_) => "modern",
        ProbeOutcome::Legacy => "legacy",
        ProbeOutcome::Unclear(_) => "unclear",
        ProbeOutcome::Again => "again",
        ProbeOutcome::Refuses(_) => "refuses",
        ProbeOutcome::Unsupported(_) => "unsupported",
        ProbeOutcome::Unasked(_) => "unasked",
        ProbeOutcome::Challenged => "challenged",
    }
}

#[test]
fn what_counts_as_evidence_and_what_never_does() {
    let error = |code: i64, data: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"bridge:1","error":{{"code":{code},"message":"no","data":{data}}}}}"#
        )
    };
    for (arrival, expected) in [
        (
            answer(r#""result":{"supportedVersions":["2026-07-28"],"capabilities":{}}"#),
            "modern",
        ),
        (
            answer(r#""result":{"supportedVersions":["2025-11-25"],"capabilities":{}}"#),
            "legacy",
        ),
        (
            answer(r#""result":{"supportedVersions":["2031-01-01"],"capabilities":{}}"#),
            "unsupported",
        ),
        (answer(r#""result":{}"#), "legacy"),
        (
            answer(r#""error":{"code":-32601,"message":"no"}"#),
            "legacy",
        ),
        (
            answer(r#""error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}"#),
            "again",
        ),
        (
            refused(400, &error(-32022, r#"{"supported":["2026-07-28"]}"#)),
            "again",
        ),
        (
            refused(400, &error(-32022, r#"{"supported":["2025-11-25"]}"#)),
            "legacy",
        ),
        // A list of nothing says no more than none.
        (
            refused(400, &error(-32022, r#"{"supported":[]}"#)),
            "legacy",
        ),
        (
            answer(r#""error":{"code":-32022,"message":"no","data":{"supported":[]}}"#),
            "legacy",
        ),
        (refused(400, &error(-32020, "null")), "refuses"),
        (refused(400, &error(-32021, "null")), "refuses"),
        (refused(400, &error(-32000, "null")), "legacy"),
        (refused(404, &error(-32001, "null")), "legacy"),
        (refused(404, "not found"), "legacy"),
        (refused(405, ""), "legacy"),
        (refused(500, ""), "unclear"),
        (refused(501, &error(-32601, "null")), "unclear"),
        (refused(403, ""), "unclear"),
        (refused(409, ""), "unclear"),
        (Arrival::Ended, "unclear"),
        (
            Arrival::Failed(BridgeError::new("unreachable", "x")),
            "unclear",
        ),
        (
            Arrival::Failed(BridgeError::new("bad_answer", "x")),
            "unclear",
        ),
        (
            Arrival::GivenUp(BridgeError::new("timed_out", "x")),
            "unclear",
        ),
        (
            Arrival::Failed(BridgeError {
                status: Some(401),
                ..BridgeError::new("sign_in_needed", "x")
            }),
            "unclear",
        ),
        (
            Arrival::Failed(BridgeError::new("sign_in_needed", "x")),
            "unasked",
        ),
        (
            Arrival::Failed(BridgeError::new("header_command", "x")),
            "unasked",
        ),
        (
            answer(r#""result":{"supportedVersions":["2026-07-28"]}"#),
            "legacy",
        ),
        (refused(401, ""), "challenged"),
        (Arrival::Opened(crate::era::Head::default()), "nothing"),
    ] {
        assert_eq!(word(&judge(&arrival, false)), expected, "{arrival:?}");
    }
    // Asked again once, and refused again: that is final.
    let again = refused(400, &error(-32022, r#"{"supported":["2026-07-28"]}"#));
    assert_eq!(word(&judge(&again, true)), "unsupported");
}

#[test]
fn only_a_list_of_revisions_without_a_legacy_one_says_that_initialize_is_not_wanted() {
    let error = |code: i64, data: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no","data":{data}}}}}"#
        )
    };
    for (arrival, expected) in [
        (
            refused(400, &error(-32022, r#"{"supported":["2026-07-28"]}"#)),
            true,
        ),
        (
            refused(400, &error(-32022, r#"{"supported":["2031-01-01"]}"#)),
            true,
        ),
        (
            refused(
                400,
                &error(-32022, r#"{"supported":["2025-11-25","2026-07-28"]}"#),
            ),
            false,
        ),
        (refused(400, &error(-32022, "{}")), false),
        (refused(400, &error(-32020, "{}")), false),
        (
            answer(r#""error":{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}"#),
            true,
        ),
        (
            answer(r#""result":{"supportedVersions":["2026-07-28"],"capabilities":{}}"#),
            false,
        ),
    ] {
        assert_eq!(refuses_legacy(&arrival), expected, "{arrival:?}");
    }
}

#[test]
fn what_any_other_answer_says_of_a_remote_that_is_remembered_to_be_modern() {
    use Evidence::{Ambiguous, Modern, Nothing};
    let error = |code: i64, data: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no","data":{data}}}}}"#
        )
    };
    for (arrival, expected) in [
        (answer(r#""result":{"resultType":"complete"}"#), Modern),
        (answer(r#""result":{"tools":[]}"#), Nothing),
        (
            answer(r#""error":{"code":-32601,"message":"no"}"#),
            Ambiguous,
        ),
        (answer(r#""error":{"code":-32603,"message":"no"}"#), Nothing),
        (answer(r#""error":{"code":-32021,"message":"no"}"#), Modern),
        (refused(400, &error(-32020, "1")), Modern),
        (
            refused(400, &error(-32022, r#"{"supported":["2026-07-28"]}"#)),
            Modern,
        ),
        (
            refused(400, &error(-32022, r#"{"supported":["2025-11-25"]}"#)),
            Ambiguous,
        ),
        (refused(404, &error(-32601, "1")), Modern),
        (refused(404, &error(-32001, "1")), Ambiguous),
        (refused(400, &error(-32000, "1")), Ambiguous),
        (refused(400, ""), Ambiguous),
        (refused(403, ""), Nothing),
        (refused(500, &error(-32603, "1")), Nothing),
        (Arrival::Failed(BridgeError::new("cut", "x")), Nothing),
        (Arrival::Accepted(crate::era::Head::default()), Nothing),
    ] {
        assert_eq!(evidence(&arrival), expected, "{arrival:?}");
    }
}

#[test]
fn a_discovery_is_repeated_only_as_long_and_as_widely_as_it_says() {
    let millis = |text: &str| lasts(text).map(|it| it.as_millis());
    assert_eq!(
        millis(r#"{"ttlMs":5000,"cacheScope":"public"}"#),
        Some(5000)
    );
    for never in [
        r#"{"ttlMs":5000,"cacheScope":"private"}"#,
        r#"{"ttlMs":0,"cacheScope":"public"}"#,
        r#"{"ttlMs":-1,"cacheScope":"public"}"#,
        r#"{"ttlMs":5000}"#,
        "{}",
    ] {
        assert_eq!(millis(never), None, "{never}");
    }
}

#[test]
fn a_host_is_modern_by_what_its_request_declares() {
    let with = |meta: &str| {
        Frame::parse(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{meta}}}}}"#
        ))
        .unwrap()
    };
    assert!(is_modern(&with(
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#
    )));
    assert!(is_modern(&with(
        r#"{"io.modelcontextprotocol/protocolVersion":"2030-01-01"}"#
    )));
    assert!(!is_modern(&with(
        r#"{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}"#
    )));
    assert!(!is_modern(&with(r#"{"progressToken":1}"#)));
}
