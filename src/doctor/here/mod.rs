//! Checks of this machine: the policy that applies to the server, and the last failures of hosts with it.

mod failures;
mod policy;

use super::check::{Check, Group, PATIENCE};
use super::context::Context;

/// The checks, in the order of their output.
pub(super) const CHECKS: &[Check<Context>] = &[
    Check {
        name: "policy",
        group: Group::Here,
        after: &["tools"],
        patience: PATIENCE,
        run: |context| Box::pin(policy::check(context)),
    },
    Check {
        name: "last failures",
        group: Group::Here,
        after: &[],
        patience: PATIENCE,
        run: |context| Box::pin(failures::check(context)),
    },
];
