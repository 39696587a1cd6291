//! Which era the remote speaks: one question, and what counts as an answer (protocol.md 2.2).
//!
//! The question is `server/discover`. An `initialize` sent first would be cheaper for legacy remotes, but dual-era servers
//! do more on their modern path, and a stray `initialize` is a failure to the conformance suite (architecture.md 14.3).
//! Signing in, unreachable hosts and servers in trouble say nothing about an era (V-10).

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Arrival;
use crate::frame::{Frame, Id, Trouble, member_of};
use crate::remote::Refusal;

/// The modern revision we speak.
pub(crate) const MODERN: &str = "2026-07-28";
/// The legacy revisions, newest first.
pub(crate) const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// `_meta`'s key for the revision of one request.
pub(crate) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta`'s key for what the client can do.
pub(crate) const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta`'s key for who the client is.
pub(crate) const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";

const UNSUPPORTED_VERSION: i64 = -32022;
/// Header mismatch and missing capability: only a modern server has these codes (V-14).
const MODERN_CODES: [i64; 2] = [-32020, -32021];

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
    /// Neither; this is why.
    Unknown(Trouble),
}

/// The question.
pub(crate) fn question(id: &Id) -> Frame {
    let params = json!({
        "_meta": {
            VERSION_KEY: MODERN,
            CAPABILITIES_KEY: {},
            CLIENT_KEY: { "name": "mcpipe", "version": env!("CARGO_PKG_VERSION") },
        }
    });
    Frame::request(id, "server/discover", Some(&params.to_string()))
}

/// Its headers (R-02, R-03).
pub(crate) fn headers() -> HeaderMap {
    HeaderMap::from_iter([
        (
            HeaderName::from_static("mcp-protocol-version"),
            HeaderValue::from_static(MODERN),
        ),
        (
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static("server/discover"),
        ),
    ])
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
        (None, 400 | 404 | 405 | 406 | 415 | 422) => Finding::Legacy,
        (None, status) => Finding::Unknown(Trouble {
            status: Some(status),
            retryable: status >= 500 || status == 429,
            retry_after: refusal.retry_after,
            ..Trouble::new("refused", format!("The server answered HTTP {status}."))
        }),
    }
}

/// What an error says of the era: only codes that the specification reserves do (V-14).
fn judge_error(frame: &Frame, was_asked_again: bool) -> Option<Finding> {
    let error: Value = serde_json::from_str(frame.member("error")?).ok()?;
    let code = error.get("code")?.as_i64()?;
    if MODERN_CODES.contains(&code) {
        let words = crate::frame::printable(
            error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default(),
            300,
        );
        let trouble =
            format!("The server refuses the way it is asked what it is ({code}): {words}");
        return Some(Finding::Unknown(Trouble::new("bad_answer", trouble)));
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

fn unsupported(versions: &[String]) -> Trouble {
    let versions: Vec<String> = versions
        .iter()
        .map(|version| crate::frame::printable(version, 40))
        .collect();
    let words = format!(
        "The server speaks no revision that mcpipe does: it names {}.",
        versions.join(", ")
    );
    Trouble::new("unsupported_version", words).hint("A newer mcpipe may.")
}

/// Whether a host's frame is a modern request: it declares a revision that is not a legacy one (V-05).
pub(crate) fn is_modern(frame: &Frame) -> bool {
    let version = frame
        .param("_meta")
        .and_then(|meta| member_of(meta, VERSION_KEY));
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
        })
    }

    fn word(finding: &Finding) -> &'static str {
        match finding {
            Finding::Nothing => "nothing",
            Finding::Modern(_) => "modern",
            Finding::Legacy => "legacy",
            Finding::Again => "again",
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
            (refused(400, &error(-32020, "null")), "unknown"),
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
