//! Checks of the way to the server: the name, connections, the proxy, TLS.

mod name;

use super::check::{Check, Group, PATIENCE};
use super::context::Context;

/// The checks, in the order of their output.
pub(super) const CHECKS: &[Check<Context>] = &[Check {
    name: "name resolution",
    group: Group::Network,
    after: &[],
    patience: PATIENCE,
    run: |context| Box::pin(name::check(context)),
}];
