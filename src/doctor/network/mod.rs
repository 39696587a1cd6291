//! Checks of the way to the server: the name, connections, the proxy, TLS.

mod name;
mod proxy;
mod tcp;
mod tls;

use super::check::{Check, Group, PATIENCE};
use super::context::Context;

pub(super) use tcp::Reached;
pub(super) use tls::Trusted;

/// The checks, in the order of their output.
pub(super) const CHECKS: &[Check<Context>] = &[
    Check {
        name: "proxy",
        group: Group::Network,
        after: &[],
        patience: PATIENCE,
        run: |context| Box::pin(proxy::check(context)),
    },
    Check {
        name: "name resolution",
        group: Group::Network,
        after: &[],
        patience: PATIENCE,
        run: |context| Box::pin(name::check(context)),
    },
    Check {
        name: "connection",
        group: Group::Network,
        after: &["name resolution"],
        patience: PATIENCE,
        run: |context| Box::pin(tcp::check(context)),
    },
    Check {
        name: "TLS",
        group: Group::Network,
        after: &["connection"],
        patience: PATIENCE,
        run: |context| Box::pin(tls::check(context)),
    },
];
