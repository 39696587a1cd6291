//! Exponential backoff: the pause grows to twice its length with each try in a row, up to a longest one.
//!
//! The constants stay with the callers, and so does the random part: this file draws no random numbers.

use std::time::Duration;

/// Returns `first`, doubled this often, and `longest` at most.
pub fn doubled(first: Duration, doublings: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

/// Returns the pause shortened by up to a quarter, so that many processes do not return at once; `fraction` is a random
/// number from 0 to 1.
pub fn shortened(pause: Duration, fraction: f64) -> Duration {
    pause.mul_f64(1.0 - fraction.clamp(0.0, 1.0) / 4.0)
}

/// Returns the pause lengthened by up to a quarter, so that many processes that lost one server do not return to it in
/// step. Never shorter: the server may have asked for it. `fraction` is a random number from 0 to 1.
pub fn lengthened(pause: Duration, fraction: f64) -> Duration {
    pause.saturating_add((pause / 4).mul_f64(fraction.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_to_its_ceiling_and_never_past_it() {
        let (first, longest) = (Duration::from_millis(250), Duration::from_secs(60));
        for (doublings, expected) in [
            (0, 250),
            (1, 500),
            (7, 32_000),
            (8, 60_000),
            (31, 60_000),
            (32, 60_000),
            (u32::MAX, 60_000),
        ] {
            let pause = doubled(first, doublings, longest);
            assert_eq!(pause, Duration::from_millis(expected), "{doublings}");
        }
    }

    #[test]
    fn a_spread_pause_is_at_most_a_quarter_longer_and_never_shorter() {
        let pause = Duration::from_secs(8);
        for (drawn, expected) in [
            (0.0, 8.0),
            (0.5, 9.0),
            (1.0, 10.0),
            (7.0, 10.0),
            (-1.0, 8.0),
        ] {
            assert_eq!(lengthened(pause, drawn), Duration::from_secs_f64(expected));
        }
        assert_eq!(shortened(pause, 1.0), Duration::from_secs(6));
        assert_eq!(shortened(pause, 0.0), pause);
    }
}
