//! The one place that knows revisions, result kinds, methods and extensions by name.
//!
//! Holds every word of the specification that more than one rule reads or writes, and the rules of each method as
//! tables: a revision, a method, a standing request or an extension is added here, as a row. Whatever has no row passes
//! as it came, in every pair. Decides nothing.

mod extension;
#[cfg(test)]
pub(crate) mod made_up;
mod method;
mod revision;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use extension::{ListChanges, TASKS, list_changes};
pub(crate) use method::{
    cacheable, has_cache_hints, is_harmless, is_known, is_not_modern, is_repeatable,
    may_ask_for_input, name_param, overtakes, secret_param, standing, takes_no_turn,
    waits_for_work,
};
pub(crate) use revision::{MODERN, NEWEST_LEGACY, is_legacy, is_modern, modern, newest_modern_of};
pub(crate) use rules::{ACKNOWLEDGED, Cacheable, Content, Standing};

use crate::frame::string;

/// The revision of one request.
pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The capabilities that the client declares for one request.
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The name and version of the client.
pub(crate) const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// The lowest level of logs that one request asks for.
pub(crate) const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The name and version of the server.
pub(crate) const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
/// The standing request that a notification belongs to, by its id.
pub(crate) const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// `HeaderMismatch` (MCP 2026-07-28, basic, "Error Codes").
pub(crate) const HEADER_MISMATCH: i64 = -32020;
/// `MissingRequiredClientCapability`, from the same table.
pub(crate) const MISSING_CAPABILITY: i64 = -32021;
/// `UnsupportedProtocolVersion`, from the same table.
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;
/// A resource that does not exist, in the legacy era (MCP 2025-11-25, server/resources).
pub(crate) const RESOURCE_NOT_FOUND: i64 = -32002;
/// Pages to be visited before the call, in the legacy era (MCP 2025-11-25, client/elicitation).
pub(crate) const URL_ELICITATION_REQUIRED: i64 = -32042;

/// Resources that one host may watch at once. Each of them may cost a request whenever a session or a subscription is
/// opened anew.
pub(crate) const MAX_WATCHES: usize = 1000;

/// Log levels, the most talkative first.
pub(crate) const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// The kinds of result that the modern era names in `resultType` (MCP 2026-07-28, basic) and mcpipe acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    /// The answer. A result that names no kind is one.
    Complete,
    /// Questions that the host answers by calling again (MCP 2026-07-28, basic/patterns/mrtr).
    InputRequired,
    /// A task that the call has become (SEP-2663).
    Task,
    /// A kind that has no row: it passes as it came.
    Other,
}

impl ResultKind {
    /// The kinds by name.
    const NAMES: [(&str, Self); 3] = [
        ("complete", Self::Complete),
        ("input_required", Self::InputRequired),
        ("task", Self::Task),
    ];

    /// Reads `resultType`, as JSON text. Without one a result is complete (MCP 2026-07-28, basic).
    pub(crate) fn read(result_type: Option<&str>) -> Self {
        let Some(text) = result_type else {
            return Self::Complete;
        };
        let name = string(text);
        let mut kinds = Self::NAMES.iter();
        let known = kinds.find(|(known, _)| name.as_deref() == Some(*known));
        known.map_or(Self::Other, |(_, kind)| *kind)
    }
}
