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
use crate::auth::oauth::challenge::Challenge;

pub(super) use tools::Tools;

/// Returns the challenge to the first question; `None` where there was no answer. Its status is 0 where the server did not
/// ask for a credential. The check that asks names `request` in its `after`.
pub(super) fn challenge(context: &Context) -> Option<Challenge> {
    let first = context.known::<request::First>()?;
    let exchange = &first.greeting.exchange;
    let challenge = Challenge::read(exchange.status, &exchange.headers);
    let is_one = first.greeting.wants_sign_in() && exchange.stop.is_none();
    // A refusal without a scheme says nothing of a sign-in, unless its status does.
    let is_meant = challenge.status == 401 || !challenge.schemes.is_empty();
    Some(if is_one && is_meant {
        challenge
    } else {
        Challenge::default()
    })
}

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
