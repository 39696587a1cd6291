//! Rules for header fields that the user or a program of the user's sets: those of the protocol and of the connection are
//! mcpipe's own.

use http::{HeaderMap, HeaderName};

/// Returns the user's headers without those that would contradict what is said or how it is framed.
pub(super) fn without_ours(mut headers: HeaderMap) -> HeaderMap {
    let ours: Vec<_> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    if !ours.is_empty() {
        tracing::warn!(names = ?ours, "headers of the user's that mcpipe sets itself are passed over");
    }
    for name in ours {
        headers.remove(name);
    }
    headers
}

fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("mcp-")
        || matches!(
            name,
            "accept"
                | "accept-encoding"
                | "connection"
                | "content-encoding"
                | "content-length"
                | "content-type"
                | "expect"
                | "keep-alive"
                | "last-event-id"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}
