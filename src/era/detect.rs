//! Which era the remote speaks: one question, and what counts as an answer (protocol.md 2.2).
//!
//! The question is `server/discover`. An `initialize` sent first would be cheaper for legacy remotes, but dual-era servers
//! do more on their modern path, and a stray `initialize` is a failure to the conformance suite (architecture.md 14.3).
//! Signing in, unreachable hosts and servers in trouble say nothing about an era (V-10).

use std::time::Duration;

use serde_json::{Value, json};

use super::Arrival;
use super::edit::Object;
use super::vocabulary::{META_CAPABILITIES, META_CLIENT, META_VERSION};
use crate::frame::{
    Frame, INVALID_PARAMS, INVALID_REQUEST, Id, METHOD_NOT_FOUND, Trouble, member_of, printable,
};
use crate::remote::Refusal;

/// The modern revision we speak.
pub(crate) const MODERN: &str = "2026-07-28";
/// The legacy revisions, newest first.
pub(crate) const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const UNSUPPORTED_VERSION: i64 = -32022;
const HEADER_MISMATCH: i64 = -32020;
const MISSING_CAPABILITY: i64 = -32021;
/// What a server that knows nothing of a request says of it, before it does anything.
const NOT_DONE: [i64; 3] = [INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS];

/// What an answer to the question says.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Nothing yet.
    Nothing,
    /// A modern remote, and its `DiscoverResult`.
    Modern(String),
    /// A legacy remote, or one that may be.
    Legacy,
    /// A modern remote that wants the question again.
    Again,
    /// A modern remote, by a code that only such have (V-14), that does not answer; this is why.
    Refuses(Trouble),
    /// Neither; this is why.
    Unknown(Trouble),
}

/// The question, with what the host that it is asked for declares in its `_meta`.
pub(crate) fn question(id: &Id, meta: &Object) -> Frame {
    let params = format!(r#"{{"_meta":{}}}"#, meta.text());
    Frame::request(id, "server/discover", Some(&params))
}

/// What a host declares in its modern `_meta`: its own three keys, in the revision we speak.
pub(crate) fn declared(frame: &Frame) -> Object {
    let said = frame.param("_meta").and_then(Object::read);
    let said = |key: &str| said.as_ref()?.get(key).filter(|it| it.starts_with('{'));
    let ours = json!({ "name": "mcpipe", "version": env!("CARGO_PKG_VERSION") }).to_string();
    let mut meta = Object::default();
    meta.set(META_VERSION, format!("\"{MODERN}\""));
    meta.set(META_CAPABILITIES, said(META_CAPABILITIES).unwrap_or("{}"));
    meta.set(META_CLIENT, said(META_CLIENT).unwrap_or(&ours));
    meta
}

/// How long a `DiscoverResult` may be repeated, and to anyone: what the server itself says of it (K-01). Nothing, where it
/// is private, for we do not know whose words it was under when the next start asks.
pub(crate) fn lasts(discover: &str) -> Option<Duration> {
    let scope: String = serde_json::from_str(member_of(discover, "cacheScope")?).ok()?;
    let millis: u64 = serde_json::from_str(member_of(discover, "ttlMs")?).ok()?;
    (scope == "public" && millis > 0).then(|| Duration::from_millis(millis))
}

/// What an answer to any other request says of the era of a remote that is only remembered to be modern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing.
    Nothing,
    /// It is modern.
    Modern,
    /// A legacy remote would say the same, and has then done nothing.
    Doubt,
}

/// Looks for evidence in what came of a modern request that is no question.
pub(crate) fn evidence(arrival: &Arrival) -> Evidence {
    match arrival {
        Arrival::Frame(frame) if frame.is_response() => match frame.member("result") {
            Some(result) if member_of(result, "resultType").is_some() => Evidence::Modern,
            Some(_) => Evidence::Nothing,
            None => match evidence_of(frame) {
                None if code(frame).is_some_and(|code| NOT_DONE.contains(&code)) => Evidence::Doubt,
                found => found.unwrap_or(Evidence::Nothing),
            },
        },
        Arrival::Refused(refusal) => {
            let frame = refusal.frame.as_ref();
            match (frame.and_then(evidence_of), frame.and_then(code)) {
                (Some(found), _) => found,
                (None, Some(METHOD_NOT_FOUND)) if refusal.status == 404 => Evidence::Modern,
                _ if is_legacy(refusal.status) => Evidence::Doubt,
                _ => Evidence::Nothing,
            }
        }
        _ => Evidence::Nothing,
    }
}

fn evidence_of(error: &Frame) -> Option<Evidence> {
    judge_error(error, false).map(|finding| match finding {
        Finding::Legacy => Evidence::Doubt,
        _ => Evidence::Modern,
    })
}

/// Judges what came of it.
pub(crate) fn judge(arrival: &Arrival, was_asked_again: bool) -> Finding {
    match arrival {
        Arrival::Opened(_) | Arrival::Endpoint(_) => Finding::Nothing,
        Arrival::Frame(frame) if frame.is_response() => judge_answer(frame, was_asked_again),
        Arrival::Frame(_) => Finding::Nothing,
        // A server that takes a question and says nothing to it does not know what it was asked.
        Arrival::Accepted(_) | Arrival::GivenUp(_) => Finding::Legacy,
        Arrival::Refused(refusal) | Arrival::LostWithSession(refusal) => {
            judge_refusal(refusal, was_asked_again)
        }
        Arrival::Failed(trouble) => Finding::Unknown(trouble.clone()),
        Arrival::Ended => {
            let cut = Trouble::new("cut", "The server ended its response without an answer.");
            Finding::Unknown(cut.retryable())
        }
    }
}

fn judge_answer(frame: &Frame, was_asked_again: bool) -> Finding {
    let Some(result) = frame.member("result") else {
        return judge_error(frame, was_asked_again).unwrap_or(Finding::Legacy);
    };
    let versions: Vec<String> = member_of(result, "supportedVersions")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let is_complete = member_of(result, "capabilities").is_some();
    if is_complete && versions.iter().any(|version| version == MODERN) {
        Finding::Modern(result.to_owned())
    } else if versions.is_empty()
        || versions
            .iter()
            .any(|version| LEGACY.contains(&version.as_str()))
    {
        Finding::Legacy
    } else {
        Finding::Unknown(unsupported(&versions))
    }
}

fn judge_refusal(refusal: &Refusal, was_asked_again: bool) -> Finding {
    let found = refusal
        .frame
        .as_ref()
        .and_then(|frame| judge_error(frame, was_asked_again));
    match (found, refusal.status) {
        (Some(found), _) => found,
        (None, status) if is_legacy(status) => Finding::Legacy,
        (None, status) => Finding::Unknown(Trouble {
            status: Some(status),
            retryable: status >= 500 || status == 429,
            retry_after: refusal.retry_after,
            ..Trouble::new("refused", format!("The server answered HTTP {status}."))
        }),
    }
}

/// Whether legacy servers refuse what they do not know with this (V-08).
fn is_legacy(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 406 | 415 | 422)
}

fn code(error: &Frame) -> Option<i64> {
    serde_json::from_str(member_of(error.member("error")?, "code")?).ok()
}

/// What an error says of the era: only codes that the specification reserves do (V-14).
fn judge_error(frame: &Frame, was_asked_again: bool) -> Option<Finding> {
    let error: Value = serde_json::from_str(frame.member("error")?).ok()?;
    let code = error.get("code")?.as_i64()?;
    if let HEADER_MISMATCH | MISSING_CAPABILITY = code {
        return Some(Finding::Refuses(refused(code, &error)));
    }
    if code != UNSUPPORTED_VERSION {
        return None;
    }
    let versions: Vec<String> =
        serde_json::from_value(error.pointer("/data/supported")?.clone()).ok()?;
    let speaks = |known: &[&str]| {
        versions
            .iter()
            .any(|version| known.contains(&version.as_str()))
    };
    Some(if speaks(&[MODERN]) && !was_asked_again {
        Finding::Again // even when it is the version just offered (V-06)
    } else if speaks(&LEGACY) && !speaks(&[MODERN]) {
        Finding::Legacy
    } else {
        Finding::Unknown(unsupported(&versions))
    })
}

/// What is told where the error itself cannot be passed on.
fn refused(code: i64, error: &Value) -> Trouble {
    let required = error.pointer("/data/requiredCapabilities");
    let required = required.and_then(Value::as_object);
    if let Some(required) = required.filter(|_| code == MISSING_CAPABILITY) {
        let names: Vec<String> = required.keys().map(|name| printable(name, 40)).collect();
        let words = format!(
            "The server serves only hosts that can do what this one does not say it can: {}.",
            names.join(", ")
        );
        return Trouble::new("missing_capability", words);
    }
    let words = error.get("message").and_then(Value::as_str);
    let words = printable(words.unwrap_or_default(), 300);
    let words = format!("The server refuses the way it is asked what it is ({code}): {words}");
    Trouble::new("bad_answer", words)
}

fn unsupported(versions: &[String]) -> Trouble {
    let versions: Vec<String> = versions
        .iter()
        .map(|version| printable(version, 40))
        .collect();
    let words = format!(
        "The server speaks no revision that mcpipe does: it names {}.",
        versions.join(", ")
    );
    Trouble {
        supported: Some(Box::new(versions.into())),
        ..Trouble::new("unsupported_version", words).hint("A newer mcpipe may.")
    }
}

/// Whether a host's frame is a modern request: it declares a revision that is not a legacy one (V-05).
pub(crate) fn is_modern(frame: &Frame) -> bool {
    let version = frame
        .param("_meta")
        .and_then(|meta| member_of(meta, META_VERSION));
    let version: Option<String> = version.and_then(|text| serde_json::from_str(text).ok());
    version.is_some_and(|version| !LEGACY.contains(&version.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Arrival {
        Arrival::Frame(
            Frame::parse(&format!(r#"{{"jsonrpc":"2.0","id":"bridge:1",{text}}}"#)).unwrap(),
        )
    }

    fn refused(status: u16, body: &str) -> Arrival {
        Arrival::Refused(Refusal {
            status,
            frame: Frame::parse(body).ok(),
            text: body.to_owned(),
            retry_after: None,
            redirect: None,
        })
    }

    fn word(finding: &Finding) -> &'static str {
        match finding {
            Finding::Nothing => "nothing",
            Finding::Modern(_) => "modern",
            Finding::Legacy => "legacy",
            Finding::Again => "again",
            Finding::Refuses(_) => "refuses",
            Finding::Unknown(_) => "unknown",
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
                "unknown",
            ),
            (answer(r#""result":{}"#), "legacy"),
            (
                answer(r#""error":{"code":-32601,"message":"no"}"#),
                "legacy",
            ),
            (
                answer(
                    r#""error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}"#,
                ),
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
            (refused(400, &error(-32020, "null")), "refuses"),
            (refused(400, &error(-32021, "null")), "refuses"),
            (refused(400, &error(-32000, "null")), "legacy"),
            (refused(404, &error(-32001, "null")), "legacy"),
            (refused(404, "not found"), "legacy"),
            (refused(405, ""), "legacy"),
            (refused(500, ""), "unknown"),
            (refused(403, ""), "unknown"),
            (Arrival::Failed(Trouble::new("unreachable", "x")), "unknown"),
            (Arrival::Opened(crate::remote::Head::default()), "nothing"),
        ] {
            assert_eq!(word(&judge(&arrival, false)), expected, "{arrival:?}");
        }
        // Asked again once, and refused again: that is final (V-06).
        let again = refused(400, &error(-32022, r#"{"supported":["2026-07-28"]}"#));
        assert_eq!(word(&judge(&again, true)), "unknown");
    }

    #[test]
    fn what_any_other_answer_says_of_a_remote_that_is_remembered_to_be_modern() {
        use Evidence::{Doubt, Modern, Nothing};
        let error = |code: i64, data: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no","data":{data}}}}}"#
            )
        };
        for (arrival, expected) in [
            (answer(r#""result":{"resultType":"complete"}"#), Modern),
            (answer(r#""result":{"tools":[]}"#), Nothing),
            (answer(r#""error":{"code":-32601,"message":"no"}"#), Doubt),
            (answer(r#""error":{"code":-32603,"message":"no"}"#), Nothing),
            (answer(r#""error":{"code":-32021,"message":"no"}"#), Modern),
            (refused(400, &error(-32020, "1")), Modern),
            (
                refused(400, &error(-32022, r#"{"supported":["2026-07-28"]}"#)),
                Modern,
            ),
            (
                refused(400, &error(-32022, r#"{"supported":["2025-11-25"]}"#)),
                Doubt,
            ),
            (refused(404, &error(-32601, "1")), Modern),
            (refused(404, &error(-32001, "1")), Doubt),
            (refused(400, &error(-32000, "1")), Doubt),
            (refused(400, ""), Doubt),
            (refused(403, ""), Nothing),
            (refused(500, &error(-32603, "1")), Nothing),
            (Arrival::Failed(Trouble::new("cut", "x")), Nothing),
            (Arrival::Accepted(crate::remote::Head::default()), Nothing),
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
}
