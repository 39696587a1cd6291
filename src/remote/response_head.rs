//! Reads the header fields of a response that only an MCP server sends. Keeps no field that is not understood.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderName};

use crate::era::Head;
use crate::remote::client::Response;
use crate::secret::Secret;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The longest session id that is sent back: common servers take 8 KiB of a header field and no more.
const LONGEST_SESSION: usize = 8 * 1024;

/// Returns the part of a response's head that is kept.
pub(super) fn head(response: &Response) -> Head {
    Head {
        status: response.status.as_u16(),
        session: session(&response.headers),
    }
}

/// The session id. One that cannot be sent back is said without its value, which is a secret: the server will miss it.
fn session(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(SESSION).filter(|value| !value.is_empty())?;
    let length = value.len();
    // MCP 2025-11-25, basic/transports, "Session Management": visible ASCII only.
    let is_visible = |byte: &u8| (0x21..=0x7e).contains(byte);
    if length > LONGEST_SESSION {
        tracing::warn!(
            length,
            limit = LONGEST_SESSION,
            "the server's Mcp-Session-Id is too long and is not sent back"
        );
        return None;
    }
    if !value.as_bytes().iter().all(is_visible) {
        tracing::warn!(
            length,
            "the server's Mcp-Session-Id holds other than visible ASCII characters and is not sent back"
        );
        return None;
    }
    value.to_str().ok().map(Secret::new)
}

/// Says whether one of the challenges is for a token (RFC 6750 section 3, RFC 9449 section 7.1).
pub(super) fn asks_for_a_token(headers: &HeaderMap) -> bool {
    headers.get_all(WWW_AUTHENTICATE).iter().any(|field| {
        let scheme = field.to_str().unwrap_or_default().split(' ').next();
        scheme.is_some_and(|scheme| {
            scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop")
        })
    })
}
