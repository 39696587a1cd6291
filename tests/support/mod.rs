//! The worlds that tests live in. Loopback only.
#![allow(dead_code, reason = "no test uses every option")]
#![allow(unreachable_pub, reason = "a test target has no outside")]

pub mod authority; // an authorization server that a test configures
pub mod browser; // follows links and fills in forms
pub(crate) mod host; // the MCP host: the real binary, or the bridge in process
pub(crate) mod matching; // JSON beside what was expected
pub(crate) mod memory; // a server in memory, for tests that pause time
pub(crate) mod pairs; // the four pairs of eras, in process
pub(crate) mod protected; // a server that wants a token
#[cfg(unix)]
pub(crate) mod pty; // a terminal with its screen
pub(crate) mod remote; // a server on a socket
pub(crate) mod replay; // a server that a transcript plays
pub(crate) mod script; // the order in which the lines of a transcript are played
pub(crate) mod tls; // TLS in front of either server
