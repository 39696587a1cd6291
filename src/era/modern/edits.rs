//! Requests and answers with one thing in them changed; the very same frame where nothing is.

use crate::era::headers;
use crate::era::protocol::{META_VERSION, MODERN};
use crate::frame::{Frame, Object};

/// Returns the result with its kind filled in, where the remote left it out; `None` for a kind that is not known
/// (MCP 2026-07-28, basic).
pub(super) fn with_result_type(frame: &Frame) -> Option<String> {
    let text = frame.member("result")?;
    let Some(mut result) = Object::read(text) else {
        return Some(text.to_owned());
    };
    match result.get("resultType") {
        None => result.set("resultType", r#""complete""#),
        Some(kind) => {
            let kind: String = serde_json::from_str(kind).ok()?;
            return matches!(&*kind, "complete" | "input_required" | "task")
                .then(|| text.to_owned());
        }
    }
    Some(result.text())
}

/// Returns the same answer with another result; the very same frame if it is the same text.
pub(super) fn with_result(frame: &Frame, result: String) -> Frame {
    if frame.member("result") == Some(&*result) {
        return frame.clone();
    }
    frame.edit(|message| message.set("result", result))
}

/// Returns the request in a revision that the refusal offers and we can speak: its own above all, even if that is the
/// one just refused (MCP 2026-07-28, basic/versioning).
pub(super) fn in_supported_version(request: &Frame, error: &Frame) -> Option<Frame> {
    let error = Object::read(error.member("error")?)?;
    let supported = Object::read(error.get("data")?)?;
    let supported: Vec<String> = serde_json::from_str(supported.get("supported")?).ok()?;
    let own = request.param("_meta").and_then(headers::version);
    if own.is_some_and(|own| supported.contains(&own)) {
        return Some(request.clone());
    }
    if !supported.iter().any(|version| version == MODERN) {
        return None;
    }
    Some(request.edit(|message| {
        message.edit("params", |params| {
            params.edit("_meta", |meta| {
                meta.set(META_VERSION, format!("\"{MODERN}\""));
            });
        });
    }))
}
