//! The worlds tests live in.

pub(crate) mod host; // the MCP host: the real binary, or the bridge in process
pub(crate) mod memory; // the remote in memory, for tests that pause time
pub(crate) mod remote; // the remote on a socket
