//! Checks of the server: what it answers, how it speaks, and what it offers.

mod cards;
mod clock;
mod era;
mod exchange;
mod greeting;
mod handshake;
mod redirects;
mod request;
mod tools;

use std::time::Duration;

use super::check::{Check, Group, PATIENCE};
use super::context::Context;

pub(super) use tools::Tools;

/// The time for several questions.
const LONG: Duration = Duration::from_secs(60);

/// The checks, in the order of their output.
pub(super) const CHECKS: &[Check<Context>] = &[
    Check {
        name: "request",
        group: Group::Server,
        after: &["connection", "TLS"],
        patience: LONG,
        run: |context| Box::pin(request::check(context)),
    },
    Check {
        name: "clock",
        group: Group::Server,
        after: &["request"],
        patience: PATIENCE,
        run: |context| Box::pin(clock::check(context)),
    },
    Check {
        name: "server card",
        group: Group::Server,
        after: &["request"],
        patience: Duration::from_secs(25),
        run: |context| Box::pin(cards::check(context)),
    },
    Check {
        name: "handshake",
        group: Group::Server,
        after: &["request"],
        patience: LONG,
        run: |context| Box::pin(handshake::check(context)),
    },
    Check {
        name: "era",
        group: Group::Server,
        after: &["handshake"],
        patience: PATIENCE,
        run: |context| Box::pin(era::check(context)),
    },
    Check {
        name: "tools",
        group: Group::Server,
        after: &["handshake"],
        patience: LONG,
        run: |context| Box::pin(tools::check(context)),
    },
];
