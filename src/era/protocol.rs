//! The constants of the protocol: revisions, `_meta` keys, error codes, log levels, and sets of methods.
//!
//! Holds every word of the specification that more than one rule reads or writes. Decides nothing.

/// The modern revision that mcpipe speaks.
pub(crate) const MODERN: &str = "2026-07-28";
/// The legacy revisions, which begin with `initialize`, newest first.
pub(crate) const LEGACY: [&str; 4] = [NEWEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];
/// The last legacy revision, and the first with URL elicitation.
pub(crate) const NEWEST_LEGACY: &str = "2025-11-25";

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
/// The subscription that a notification belongs to.
pub(crate) const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// The extension for tasks (SEP-2663).
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";

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

/// Says whether doing it twice is doing it once. Tools are not harmless: their `idempotentHint` is a hint that nothing
/// vouches for.
pub(crate) fn is_harmless(method: &str) -> bool {
    method.ends_with("/list")
        || matches!(
            method,
            "initialize"
                | "ping"
                | "resources/read"
                | "tasks/get"
                | "prompts/get"
                | "completion/complete"
                | "server/discover"
                | "resources/templates/list"
                | "resources/subscribe"
                | "resources/unsubscribe"
                | "logging/setLevel"
        )
}

/// Says whether the result of a method may be `input_required` (MCP 2026-07-28, basic/patterns/mrtr).
pub(crate) fn may_ask_for_input(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

/// Says whether the result of a method may be repeated for as long as its `ttlMs` (MCP 2026-07-28,
/// server/utilities/caching).
pub(crate) fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}

/// Says whether a method was done away with by revision 2026-07-28 (MCP 2026-07-28, changelog), or belongs to the
/// extension for tasks.
pub(crate) fn is_not_modern(method: &str) -> bool {
    matches!(
        method,
        "initialize"
            | "ping"
            | "logging/setLevel"
            | "resources/subscribe"
            | "resources/unsubscribe"
            | "tasks/get"
            | "tasks/result"
            | "tasks/list"
            | "tasks/cancel"
            | "tasks/update"
    )
}
