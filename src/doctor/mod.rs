//! `mcpipe doctor`: checks of one server and of what mcpipe keeps for it, from the name's addresses to the policy.
//!
//! A check ([`check::Check`]) is a name and an async function over the shared [`context::Context`]; it returns findings
//! ([`finding::Finding`]), each with a stable code ([`code::Code`]). The checks run side by side; one that needs what another
//! learns names that one, and reads it with [`context::Context::known`]. Their order of output is that of [`checks`].
//!
//! No check opens a browser, registers a client, refreshes a token, or sends a secret to a place that is not verified. Nothing
//! here prints: [`report`] makes texts, and the command prints them.

pub mod check;
pub mod code;
pub mod codes;
pub mod context;
pub mod finding;
pub mod redact;
pub mod report;
pub mod typed;

mod engine;
mod here;
mod network;
mod server;
mod sign_in;

use check::Check;
use context::Context;

pub use engine::run;

/// Returns all checks, in the order of their output. A check that depends on others stands below them.
pub fn checks() -> Vec<Check<Context>> {
    [
        network::CHECKS,
        server::CHECKS,
        sign_in::CHECKS,
        here::CHECKS,
    ]
    .concat()
}
