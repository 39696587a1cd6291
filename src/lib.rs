//! mcpipe: a stdio-to-HTTP MCP bridge. (the tour comes when the house stands)

pub mod auth;
pub mod frame;
pub mod ledger;
pub mod remote;
pub mod secret;
pub mod sse;
pub mod store;
pub mod transcript;
