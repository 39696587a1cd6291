//! Requests and answers with one thing in them changed; the very same frame where nothing is.

use crate::era::headers;
use crate::era::protocol::{META_VERSION, newest_modern_of};
use crate::frame::{Frame, Object};

/// Returns the answer with its kind filled in, where the remote left it out (MCP 2026-07-28, basic). A kind that is not
/// known is for the host to judge: an extension may have declared it. `None` for what is no result.
pub(super) fn with_result_type(frame: &Frame) -> Option<Frame> {
    let result = frame.member("result")?;
    if !result.starts_with('{') || frame.member_in("result", "resultType").is_some() {
        return Some(frame.clone());
    }
    Some(frame.edit(|message| {
        message.edit("result", |result| result.set("resultType", r#""complete""#));
    }))
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
    let newest = newest_modern_of(&supported)?;
    Some(request.edit(|message| {
        message.edit("params", |params| {
            params.edit("_meta", |meta| {
                meta.set(META_VERSION, format!("\"{newest}\""));
            });
        });
    }))
}
