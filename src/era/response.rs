//! HTTP responses, as far as the rules of the eras look at them.

use std::time::Duration;

use crate::frame::Frame;
use crate::secret::Secret;

/// The part of a response's head that is kept.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// `Mcp-Session-Id`, if it was visible ASCII of at most 8 KiB. A secret.
    pub session: Option<Secret>,
}

/// An HTTP response that is neither a success nor a challenge.
#[derive(Clone, Debug, Default)]
pub struct HttpError {
    /// The HTTP status.
    pub status: u16,
    /// The JSON-RPC message in the body, if there was one.
    pub frame: Option<Frame>,
    /// The start of a body that is not JSON-RPC, as text, for rules that look at wording. At most 2 KiB, never shown to the
    /// host as it is.
    pub text: String,
    /// The body's words for people, cleaned: of plain text the text, of JSON its message. Never a page.
    pub words: Option<String>,
    /// The address that refused, without its query.
    pub url: Option<String>,
    /// `Retry-After`, seconds or date, as a time from now.
    pub retry_after: Option<Duration>,
    /// The address a redirect named that was not followed, without its query.
    pub redirect: Option<String>,
    /// A 403 came with a challenge for tokens: another credential may do (RFC 6750 section 3).
    pub asks_for_a_token: bool,
}
