//! Coming from mcp-remote: what it was told, what it kept, and where.
//!
//! `command` reads one of its command lines exactly as it does itself, for the names of its files are made of what was
//! typed; `key` makes those names, in every form there ever was; `launch` finds such a command line in what an MCP
//! client starts, and `clients` finds those in a configuration file's text; `kept` reads what it wrote about tokens and
//! registrations. All of that is pure. `stash` opens its directories and `places` knows where clients have their
//! configuration. No file here signs in, or writes anything but the names of files: that is for `auth::adopt` and
//! `commands::import`.
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
