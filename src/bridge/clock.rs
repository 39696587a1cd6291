//! The time that has passed, for what may be kept only so long.
//!
//! The monotonic clock stands still while the machine sleeps, and the wall clock may be set back: each time the longer of
//! the two counts, so that too much is taken for old rather than too little.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Time since it was made; never less than before.
#[derive(Debug)]
pub(super) struct Passed {
    wall: SystemTime,
    ticks: Instant,
    passed: Duration,
}

impl Passed {
    pub(super) fn since(wall: SystemTime) -> Self {
        Self {
            wall,
            ticks: Instant::now(),
            passed: Duration::ZERO,
        }
    }

    /// Returns the time that has passed when the wall clock says this.
    pub(super) fn until(&mut self, wall: SystemTime) -> Duration {
        let ticks = Instant::now();
        let ticked = ticks.saturating_duration_since(self.ticks);
        let passed = wall.duration_since(self.wall).unwrap_or_default();
        (self.wall, self.ticks) = (wall, ticks);
        self.passed = self.passed.saturating_add(passed.max(ticked));
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longer_of_the_two_clocks_counts_each_time() {
        let wall = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut passed = Passed::since(wall(1000));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(passed.until(wall(1000)), Duration::from_secs(5));
        // Asleep.
        assert_eq!(passed.until(wall(1100)), Duration::from_secs(105));
        // Set back.
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(passed.until(wall(3)), Duration::from_secs(106));
        assert_eq!(passed.until(wall(4)), Duration::from_secs(107));
    }
}
