//! The move from mcp-remote: its command lines, its files, and its processes.
//!
//! `command` reads an mcp-remote command line exactly as mcp-remote does, for the names of its files depend on the
//! typed arguments; `key` makes those names, in every form of any version; `command_line` finds such a command line in
//! the programs that an MCP client starts, and `clients` finds those in a configuration file's text; `records` reads
//! mcp-remote's files of tokens and registrations. All of that is pure. `token_files` opens its directories,
//! `client_configs` knows the paths of clients' configuration, and `running` looks for its processes. No file here
//! signs in, or writes anything but the names of files: that is for `auth::flow::adopt` and `commands::import`.
//!
//! mcp-remote 0.15.1 and its predecessors, as published.

pub mod client_configs;
pub mod clients;
pub mod command;
pub mod command_line;
pub mod key;
pub mod records;
pub mod running;
pub mod token_files;
