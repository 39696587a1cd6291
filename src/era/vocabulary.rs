//! Words of the revisions that more than one rule reads or writes: the keys of `_meta`, the log levels.

/// The revision of one request.
pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do.
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Who the client is.
pub(crate) const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// From which level on a request wants to hear of logs.
pub(crate) const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Who the server is.
pub(crate) const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
/// The subscription that a notification belongs to.
pub(crate) const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// The extension that tasks became.
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";

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
