//! The worlds that tests live in. Loopback only.
#![allow(dead_code, reason = "no test uses every option")]
#![allow(unreachable_pub, reason = "a test target has no outside")]

pub mod authority; // an authorization server, told what to want and what to answer
pub mod browser; // follows links and fills in forms
pub(crate) mod host; // the MCP host: the real binary, or the bridge in process
pub(crate) mod memory; // the remote in memory, for tests that pause time
pub(crate) mod protected;
#[cfg(unix)]
pub(crate) mod pty;
pub(crate) mod remote; // the remote on a socket
pub(crate) mod tls; // TLS in front of either // a terminal, with its screen
