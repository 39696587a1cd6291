//! Time as it is passed in, and as it is counted: the wall clock, seconds since 1970, and elapsed time.
//!
//! Reads no clock itself; callers hand in a function or a reading.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The wall clock, passed in.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that asks this function.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Seconds since 1970; 0 before that.
    pub fn seconds(&self) -> u64 {
        seconds(self.now())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Clock")
    }
}

/// Returns the time since 1970; nothing before that.
fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Returns the whole seconds since 1970; 0 before that.
pub fn seconds(time: SystemTime) -> u64 {
    since_1970(time).as_secs()
}

/// Returns the whole milliseconds since 1970; 0 before that.
pub fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(since_1970(time).as_millis()).unwrap_or(u64::MAX)
}

/// Elapsed time that counts the machine's sleep; never less than before.
///
/// The monotonic clock stands still while the machine sleeps, and the wall clock may be set back. Of each reading the
/// longer of the two counts, so that too much is taken for old rather than too little.
#[derive(Debug)]
pub struct Elapsed {
    wall: SystemTime,
    ticks: Instant,
    elapsed: Duration,
}

impl Elapsed {
    /// Begins to count at these readings of the two clocks.
    pub fn since(wall: SystemTime, ticks: Instant) -> Self {
        Self {
            wall,
            ticks,
            elapsed: Duration::ZERO,
        }
    }

    /// Returns the time that has elapsed at these readings.
    pub fn until(&mut self, wall: SystemTime, ticks: Instant) -> Duration {
        let ticked = ticks.saturating_duration_since(self.ticks);
        let passed = wall.duration_since(self.wall).unwrap_or_default();
        (self.wall, self.ticks) = (wall, ticks);
        self.elapsed = self.elapsed.saturating_add(passed.max(ticked));
        self.elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longer_of_the_two_clocks_counts_each_time() {
        let wall = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let ticks = || tokio::time::Instant::now().into_std();
        let mut elapsed = Elapsed::since(wall(1000), ticks());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(elapsed.until(wall(1000), ticks()), Duration::from_secs(5));
        // Asleep.
        assert_eq!(elapsed.until(wall(1100), ticks()), Duration::from_secs(105));
        // Set back.
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(elapsed.until(wall(3), ticks()), Duration::from_secs(106));
        assert_eq!(elapsed.until(wall(4), ticks()), Duration::from_secs(107));
    }
}
