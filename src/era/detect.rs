//! The server's era: one question, and the meaning of its answers.
//!
//! The question is `server/discover`. An `initialize` sent first would be cheaper for legacy remotes, but a client that
//! sends it to a server that has refused it fails the conformance suite (`request-metadata`). Whatever is no answer of
//! a modern server to the question leaves it to `initialize` (2026-07-28, basic/versioning: "anything else identifies a
//! legacy server").

use std::time::Duration;

use serde_json::{Value, json};

use super::Arrival;
use super::legacy::to_bridge_error;
use super::protocol::{
    self, HEADER_MISMATCH, META_CAPABILITIES, META_CLIENT, META_VERSION, MISSING_CAPABILITY,
    MODERN, UNSUPPORTED_VERSION, newest_modern_of,
};
use crate::era::HttpError;
use crate::frame::{
    BridgeError, Frame, INVALID_PARAMS, INVALID_REQUEST, Id, METHOD_NOT_FOUND, Object, member_of,
};
use crate::text::printable;

/// The hint for a user whose server was asked the modern way and will not serve this host so.
pub(crate) const OTHER_ERA: &str =
    "If the server also has the protocol of 2025-11-25 and before, --protocol legacy speaks that.";

/// The codes with which a server refuses a request that it does not know, before it does anything.
const NOT_DONE: [i64; 3] = [INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS];

/// The meaning of an answer to `server/discover`.
#[derive(Debug)]
pub(crate) enum ProbeOutcome {
    /// Nothing yet.
    Nothing,
    /// A modern remote, and its `DiscoverResult`.
    Modern(String),
    /// A legacy remote: the answer is one that such remotes give to what they do not know.
    Legacy,
    /// No answer of a modern remote, and none that legacy remotes are known for: `initialize` decides.
    Unclear(BridgeError),
    /// A modern remote that wants the question again.
    Again,
    /// A modern remote, by a code that only such have, that does not answer; this is why.
    Refuses(BridgeError),
    /// A modern remote that speaks other revisions than mcpipe; this is what it names.
    Unsupported(BridgeError),
    /// The question was not sent, or not in the way it has to be: the fault is on this side, or a user is needed.
    Unasked(BridgeError),
    /// The server wants a credential first, and the question is no reason to ask a user for one.
    Challenged,
}

/// Kinds of error that are met before the remote is: another request would meet them too, and may bother the user
/// again.
const ON_THIS_SIDE: [&str; 6] = [
    "vault",
    "vault_locked",
    "header_command",
    "client_certificate",
    "leaving",
    "sign_in_needed",
];

/// Returns the question, with what the host that it is asked for declares in its `_meta`.
pub(crate) fn question(id: &Id, meta: &Object) -> Frame {
    let params = format!(r#"{{"_meta":{}}}"#, meta.text());
    Frame::request(id, "server/discover", Some(&params))
}

/// Returns the declarations in a modern host's `_meta`: its own three keys, in the revision we speak.
pub(crate) fn declared(frame: &Frame) -> Object {
    let host_meta = frame.param("_meta").and_then(Object::read);
    let host_meta = |key: &str| {
        host_meta
            .as_ref()?
            .get(key)
            .filter(|it| it.starts_with('{'))
    };
    let ours = json!({ "name": "mcpipe", "version": env!("CARGO_PKG_VERSION") }).to_string();
    let mut meta = Object::default();
    meta.set(META_VERSION, format!("\"{MODERN}\""));
    meta.set(
        META_CAPABILITIES,
        host_meta(META_CAPABILITIES).unwrap_or("{}"),
    );
    meta.set(META_CLIENT, host_meta(META_CLIENT).unwrap_or(&ours));
    meta
}

/// Returns the time for which a `DiscoverResult` may be repeated to any caller, which the server itself says
/// (MCP 2026-07-28, server/utilities/caching). Nothing, where it is private, for we do not know whose words it was
/// under when the next start asks.
pub(crate) fn lasts(discover: &str) -> Option<Duration> {
    let scope: String = serde_json::from_str(member_of(discover, "cacheScope")?).ok()?;
    let millis: u64 = serde_json::from_str(member_of(discover, "ttlMs")?).ok()?;
    (scope == "public" && millis > 0).then(|| Duration::from_millis(millis))
}

/// The meaning of any other answer for the era of a server that is only remembered to be modern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing.
    Nothing,
    /// The server is modern.
    Modern,
    /// A legacy remote would say the same, and has then done nothing.
    Ambiguous,
}

/// Looks for evidence in what came of a modern request that is no question.
pub(crate) fn evidence(arrival: &Arrival) -> Evidence {
    match arrival {
        Arrival::Frame(frame) if frame.is_response() => match frame.member("result") {
            Some(_) if frame.member_in("result", "resultType").is_some() => Evidence::Modern,
            Some(_) => Evidence::Nothing,
            None => match evidence_of(frame) {
                None if code(frame).is_some_and(|code| NOT_DONE.contains(&code)) => {
                    Evidence::Ambiguous
                }
                found => found.unwrap_or(Evidence::Nothing),
            },
        },
        Arrival::Refused(refusal) => {
            let frame = refusal.frame.as_ref();
            match (frame.and_then(evidence_of), frame.and_then(code)) {
                (Some(found), _) => found,
                (None, Some(METHOD_NOT_FOUND)) if refusal.status == 404 => Evidence::Modern,
                _ if is_legacy(refusal.status) => Evidence::Ambiguous,
                _ => Evidence::Nothing,
            }
        }
        _ => Evidence::Nothing,
    }
}

fn evidence_of(error: &Frame) -> Option<Evidence> {
    judge_error(error, false).map(|finding| match finding {
        ProbeOutcome::Legacy => Evidence::Ambiguous,
        _ => Evidence::Modern,
    })
}

/// Judges what came of it.
pub(crate) fn judge(arrival: &Arrival, was_asked_again: bool) -> ProbeOutcome {
    match arrival {
        Arrival::Opened(_) | Arrival::Endpoint(_) => ProbeOutcome::Nothing,
        Arrival::Frame(frame) if frame.is_response() => judge_answer(frame, was_asked_again),
        Arrival::Frame(_) => ProbeOutcome::Nothing,
        // A server that takes a question and says nothing to it does not know what it was asked.
        Arrival::Accepted(_) => ProbeOutcome::Legacy,
        Arrival::Refused(refusal) | Arrival::LostWithSession(refusal) => {
            judge_refusal(refusal, was_asked_again)
        }
        // A credential that the user brought may be refused for this one method only; it has a status.
        Arrival::Failed(error)
            if (ON_THIS_SIDE.contains(&error.kind) || error.is_after_a_sign_in)
                && error.status.is_none() =>
        {
            ProbeOutcome::Unasked(error.clone())
        }
        Arrival::Failed(error) | Arrival::GivenUp(error) => ProbeOutcome::Unclear(error.clone()),
        Arrival::Ended => {
            let cut = BridgeError::new("cut", "The server ended its response without an answer.");
            ProbeOutcome::Unclear(cut.retryable())
        }
    }
}

/// Says whether the server itself has answered the question, in whatever way: a failure on the way there, and a challenge
/// that was not met, say nothing of the question.
pub(crate) fn was_answered(error: &BridgeError) -> bool {
    !matches!(
        error.kind,
        "unreachable" | "timed_out" | "cut" | "sign_in_needed"
    )
}

/// Says whether the server has named the revisions that it speaks, in refusing another, and no legacy one is among
/// them: it is not to be sent `initialize`.
pub(crate) fn refuses_legacy(arrival: &Arrival) -> bool {
    let error = match arrival {
        Arrival::Frame(frame) => Some(frame),
        Arrival::Refused(refusal) | Arrival::LostWithSession(refusal) => refusal.frame.as_ref(),
        _ => None,
    };
    error.is_some_and(|error| {
        matches!(
            judge_error(error, false),
            Some(ProbeOutcome::Again | ProbeOutcome::Unsupported(_))
        ) && !supported(error)
            .iter()
            .any(|version| protocol::is_legacy(version))
    })
}

/// Says whether a legacy handshake was answered with a session, or at least a revision, of that era.
pub(crate) fn is_handshake(answer: &Frame) -> bool {
    let version = answer
        .member("result")
        .and_then(|result| member_of(result, "protocolVersion"));
    let version: Option<String> = version.and_then(|text| serde_json::from_str(text).ok());
    version.is_some_and(|version| protocol::is_legacy(&version))
}

/// Says whether a refusal has one of the codes that only modern servers have.
pub(crate) fn is_modern_error(refusal: &HttpError) -> bool {
    let error = refusal.frame.as_ref();
    error.is_some_and(|error| {
        !matches!(judge_error(error, false), None | Some(ProbeOutcome::Legacy))
    })
}

/// Returns the revisions that an error names.
fn supported(error: &Frame) -> Vec<String> {
    let data = error
        .member("error")
        .and_then(|error| member_of(error, "data"));
    let supported = data.and_then(|data| member_of(data, "supported"));
    supported
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn judge_answer(frame: &Frame, was_asked_again: bool) -> ProbeOutcome {
    let Some(result) = frame.member("result") else {
        return judge_error(frame, was_asked_again).unwrap_or(ProbeOutcome::Legacy);
    };
    let versions: Vec<String> = member_of(result, "supportedVersions")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let is_complete = member_of(result, "capabilities").is_some();
    if is_complete && newest_modern_of(&versions).is_some() {
        ProbeOutcome::Modern(result.to_owned())
    } else if !is_complete
        || versions.is_empty()
        || versions.iter().any(|version| protocol::is_legacy(version))
    {
        ProbeOutcome::Legacy
    } else {
        ProbeOutcome::Unsupported(unsupported(&versions))
    }
}

fn judge_refusal(refusal: &HttpError, was_asked_again: bool) -> ProbeOutcome {
    let found = refusal
        .frame
        .as_ref()
        .and_then(|frame| judge_error(frame, was_asked_again));
    match (found, refusal.status) {
        (Some(found), _) => found,
        (None, status) if is_legacy(status) => ProbeOutcome::Legacy,
        (None, 401) => ProbeOutcome::Challenged,
        (None, _) => ProbeOutcome::Unclear(to_bridge_error(refusal)),
    }
}

/// Says whether legacy servers refuse an unknown request with this status.
fn is_legacy(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 406 | 415 | 422)
}

fn code(error: &Frame) -> Option<i64> {
    serde_json::from_str(member_of(error.member("error")?, "code")?).ok()
}

/// Reads the era from an error: only the codes that the specification reserves tell it.
fn judge_error(frame: &Frame, was_asked_again: bool) -> Option<ProbeOutcome> {
    let error: Value = serde_json::from_str(frame.member("error")?).ok()?;
    let code = error.get("code")?.as_i64()?;
    if let HEADER_MISMATCH | MISSING_CAPABILITY = code {
        return Some(ProbeOutcome::Refuses(refused(code, &error)));
    }
    if code != UNSUPPORTED_VERSION {
        return None;
    }
    let versions: Vec<String> =
        serde_json::from_value(error.pointer("/data/supported")?.clone()).ok()?;
    if versions.is_empty() {
        return None; // it names nothing, as if there were no list
    }
    let is_modern = newest_modern_of(&versions).is_some();
    Some(if is_modern && !was_asked_again {
        ProbeOutcome::Again // even when it is the version just offered
    } else if !is_modern && versions.iter().any(|version| protocol::is_legacy(version)) {
        ProbeOutcome::Legacy
    } else {
        ProbeOutcome::Unsupported(unsupported(&versions))
    })
}

/// Returns the error that the host is told where the error itself cannot be passed on.
fn refused(code: i64, error: &Value) -> BridgeError {
    let required = error.pointer("/data/requiredCapabilities");
    let required = required.and_then(Value::as_object);
    if let Some(required) = required.filter(|_| code == MISSING_CAPABILITY) {
        let names: Vec<String> = required.keys().map(|name| printable(name, 40)).collect();
        let words = format!(
            "The server serves only hosts that can do what this one does not say it can: {}.",
            names.join(", ")
        );
        return BridgeError::new("missing_capability", words).hint(OTHER_ERA);
    }
    let words = error.get("message").and_then(Value::as_str);
    let words = printable(words.unwrap_or_default(), 300);
    let words = words.trim_end_matches('.');
    let words = format!(
        "The server refused server/discover, in which it was asked what it speaks ({code}: {words})."
    );
    BridgeError::new("bad_answer", words).hint(OTHER_ERA)
}

fn unsupported(versions: &[String]) -> BridgeError {
    let versions: Vec<String> = versions
        .iter()
        .map(|version| printable(version, 40))
        .collect();
    let words = format!(
        "The server speaks no revision that mcpipe does: it names {}.",
        versions.join(", ")
    );
    BridgeError {
        supported: Some(Box::new(versions.into())),
        ..BridgeError::new("unsupported_version", words)
            .hint(format!("A newer mcpipe may speak one of them. {OTHER_ERA}"))
    }
}

/// Says whether a host's frame is a modern request: it declares a revision that is not a legacy one (MCP 2026-07-28,
/// basic/versioning).
pub(crate) fn is_modern(frame: &Frame) -> bool {
    let version = frame.meta(META_VERSION);
    let version: Option<String> = version.and_then(|text| serde_json::from_str(text).ok());
    version.is_some_and(|version| !protocol::is_legacy(&version))
}

#[cfg(test)]
mod tests;
