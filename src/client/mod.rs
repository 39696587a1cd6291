//! An MCP client in this process: the host of a bridge for one command.
//!
//! It speaks in the era of the server where the bridge knows it, so that results come as the server gave them; a server of
//! which nothing is known is asked first (`server/discover`). Sign-in, retries, sessions, policy, audit and recording are the
//! bridge's. It does not print and does not ask: the command's [`User`] does.
//!
//! MCP 2025-11-25, basic/lifecycle; MCP 2026-07-28, basic/versioning, server/discover and basic/patterns/mrtr.

pub mod arguments;
mod error;
mod params;
mod questions;
mod session;
mod user;

pub use error::Error;
pub use session::Client;
pub use user::{NoUser, User, declined};
