//! Lines that are no JSON-RPC message, and the codes of JSON-RPC 2.0 section 5.1.

use super::id::Id;
use crate::text::printable;

/// JSON-RPC's code for text that is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON-RPC's code for JSON that is not a message.
pub const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC's code for a method that is not known here.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC 2.0 section 5.1.
pub const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC's code for everything that went wrong on our side of the wire.
pub const INTERNAL_ERROR: i64 = -32603;

/// The reason why a line is not a message: what to answer, and to which id if it could be read.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// The id found in the broken message, if one could be read.
    pub id: Option<Id>,
    /// `-32700` for text that is not JSON, `-32600` for JSON that is not a message (JSON-RPC 2.0 section 5.1).
    pub code: i64,
    /// The fault.
    pub reason: String,
}

impl Malformed {
    /// An array of several messages, where the revision that was agreed on has none.
    pub fn batch(revision: &str) -> Self {
        let revision = printable(revision, 20);
        Self {
            id: None,
            code: INVALID_REQUEST,
            reason: format!("an array of several messages, which MCP {revision} does not have"),
        }
    }
}
