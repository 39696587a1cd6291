//! The introduction of a host: its `initialize`, or one that is made for a host that sends none.

use crate::era::protocol::{META_CAPABILITIES, NEWEST_LEGACY};
use crate::era::{detect, legacy_to_modern};
use crate::frame::{Frame, Id, Object};

pub(super) fn begins_legacy(frame: &Frame) -> bool {
    frame.is_request() && frame.method() == Some("initialize") && !detect::is_modern(frame)
}

pub(super) fn introduction() -> Frame {
    let params = format!(
        r#"{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"mcpipe","version":"{}"}}}}"#,
        NEWEST_LEGACY,
        env!("CARGO_PKG_VERSION")
    );
    // Not a number: it is answered on this side, and a host may have a request with that number under way.
    let id = Id::parse("\"bridge:introduction\"").unwrap_or_else(|| Id::ours(0));
    Frame::request(&id, "initialize", Some(&params))
}

/// Returns the `_meta` of a legacy host, or of one that skips the handshake.
pub(super) fn declared(first: &Frame) -> Object {
    if first.method() == Some("initialize") {
        legacy_to_modern::declared(first)
    } else {
        legacy_to_modern::declared(&introduction())
    }
}

/// Reads the capabilities from a host's `_meta`.
pub(super) fn capabilities(meta: &Object) -> String {
    let capabilities = meta.get(META_CAPABILITIES);
    capabilities.unwrap_or("{}").to_owned()
}
