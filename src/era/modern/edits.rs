//! Requests and answers with one thing in them changed; the very same frame where nothing is.

use crate::era::headers;
use crate::era::protocol::{META_VERSION, MODERN};
use crate::frame::{Frame, Object};

/// Returns the answer with its kind filled in, where the remote left it out; `None` for a kind that is not known
/// (MCP 2026-07-28, basic).
pub(super) fn with_result_type(frame: &Frame) -> Option<Frame> {
    frame.member("result")?;
    match frame.member_in("result", "resultType") {
        None => Some(frame.edit(|message| {
            message.edit("result", |result| result.set("resultType", r#""complete""#));
        })),
        Some(kind) => {
            let kind: String = serde_json::from_str(kind).ok()?;
            matches!(&*kind, "complete" | "input_required" | "task").then(|| frame.clone())
        }
    }
}

/// Returns the request in a revision that the refusal offers and we can speak: its own above all, even if that is the
/// one just refused (MCP 2026-07-28, basic/versioning).
pub(super) fn in_supported_version(request: &Frame, error: &Frame) -> Option<Frame> {
    let error = Object::read(error.member("error")?)?;
    let supported = Object::read(error.get("data")?)?;
    let supported: Vec<String> = serde_json::from_str(supported.get("supported")?).ok()?;
    let own = headers::version(request);
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
