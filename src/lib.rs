//! mcpipe: a stdio-to-HTTP MCP bridge. (the tour comes when the house stands)

pub mod auth;
pub mod bridge;
pub mod cli;
pub mod commands;
pub mod era;
pub mod frame;
pub mod ledger;
pub mod logging;
pub mod recorder;
pub mod remote;
pub mod report;
pub mod secret;
pub mod settings;
pub mod sse;
pub mod stdio;
pub mod store;
pub mod surroundings;
pub mod transcript;
