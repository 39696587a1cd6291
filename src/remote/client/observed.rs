//! The time for which a server keeps an idle connection.
//!
//! A call that crosses the server's end of the connection is lost: it may have been read, so it is not sent again. Some
//! servers tell the time (Node's: `Keep-Alive: timeout=5`). Others do not (uvicorn: 5 s, nginx: 75 s), but close after the
//! same time each time.

use std::time::Duration;

/// The least time between our last use of a connection and the server's end of it.
const MARGIN: Duration = Duration::from_secs(1);
/// The difference up to which two times are the same.
const SAME: Duration = Duration::from_millis(500);

/// Returns the part of the time that a server keeps an idle connection in which it is used.
pub(super) fn used_of(kept: Duration) -> Duration {
    kept.saturating_sub(MARGIN).max(kept / 2)
}

/// The times after which a server has closed idle connections.
#[derive(Default)]
pub(super) struct Observed {
    last: Option<Duration>,
    /// The time that was observed twice in a row. Once may be a server that is started anew.
    pub(super) kept_for: Option<Duration>,
}

impl Observed {
    /// Notes that the server has closed a connection that had been idle for so long.
    pub(super) fn note_end(&mut self, idle: Duration) {
        if let Some(last) = self.last.filter(|last| last.abs_diff(idle) < SAME) {
            self.kept_for = Some(last.min(idle));
        }
        self.last = Some(idle);
    }
}
