//! mcpipe: a stdio-to-HTTP MCP bridge. (the tour comes when the house stands)

pub mod auth;
pub mod bridge;
pub mod era;
pub mod frame;
pub mod remote;
pub mod secret;
pub mod sse;
pub mod stdio;
pub mod store;
