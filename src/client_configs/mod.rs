//! The configuration files of MCP hosts, in which a person lists servers.

pub mod edit;
