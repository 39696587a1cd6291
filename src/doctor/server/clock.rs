//! This machine's clock beside the server's.

use super::request::First;
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::server::{CLOCK_RIGHT, CLOCK_WRONG};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::http_fields::date;

/// The difference in seconds that is of no consequence: `Date` is whole seconds, and answers take time.
const SMALL: u64 = 60;
/// The difference in seconds at which tokens and proofs are refused.
const LARGE: u64 = 300;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Some(first) = context.known::<First>() else {
        return vec![Finding::skipped(
            &SKIPPED,
            "the clock: no answer to compare it with",
        )];
    };
    let exchange = &first.greeting.exchange;
    let Some(theirs) = date(&exchange.headers) else {
        return vec![Finding::skipped(
            &SKIPPED,
            "the clock: the server sends no Date to compare it with",
        )];
    };
    let (seconds, is_behind) = match exchange.received.duration_since(theirs) {
        Ok(ahead) => (ahead.as_secs(), false),
        Err(behind) => (behind.duration().as_secs(), true),
    };
    let way = if is_behind { "behind" } else { "ahead of" };
    let sentence = format!("this machine's clock is {seconds} s {way} the server's");
    let finding = match seconds {
        0..=SMALL => Finding::ok(
            &CLOCK_RIGHT,
            "this machine's clock agrees with the server's",
        ),
        seconds if seconds < LARGE => Finding::warn(&CLOCK_WRONG, sentence),
        _ => Finding::fail(&CLOCK_WRONG, sentence),
    };
    let finding = match seconds {
        0..=SMALL => finding,
        _ => {
            finding.remedy("set the clock (`timedatectl set-ntp true`); in WSL: `sudo hwclock -s`")
        }
    };
    vec![finding.fact("seconds", seconds)]
}
