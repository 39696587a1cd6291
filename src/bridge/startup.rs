//! A server that is still starting when the host sends its first request.
//!
//! Hosts start mcpipe and local servers together, from one configuration, and a request that fails in the first second
//! takes the server out of a host's list for good. So long as nothing has ever answered, a refused connection means
//! "not yet" for ten seconds. Only a refused connection does: other failures do not pass so quickly.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::remote::{Answer, TransportError};

/// The time that a server may take to start: as long as the most impatient hosts wait for `initialize`.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time between attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// The state of a server that may still be starting.
#[derive(Debug)]
pub(super) struct Startup {
    /// The time at which the first connection was refused.
    refused_at: OnceLock<Instant>,
    /// True where the last attempt was refused.
    is_refused: AtomicBool,
    /// True once another result came, or the time is up.
    is_over: AtomicBool,
    is_waiting: watch::Sender<bool>,
}

impl Startup {
    pub(super) fn new() -> Self {
        Self {
            refused_at: OnceLock::new(),
            is_refused: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_waiting: watch::Sender::new(false),
        }
    }

    /// Notes the result of an attempt.
    pub(super) fn note(&self, attempt: &Result<Answer, TransportError>) {
        let is_refused = matches!(attempt, Err(TransportError::NotListening { .. }));
        self.is_refused.store(is_refused, Ordering::Relaxed);
        if !is_refused {
            self.end();
        }
    }

    /// Returns the pause before the next attempt, while the server may be starting.
    pub(super) fn pause(&self) -> Option<Duration> {
        if self.is_over.load(Ordering::Relaxed) || !self.is_refused.load(Ordering::Relaxed) {
            return None;
        }
        if self.refused_at.get().is_none() {
            tracing::info!(
                seconds = PATIENCE.as_secs(),
                "the connection is refused; waiting for the server to start"
            );
        }
        let since = self.refused_at.get_or_init(Instant::now).elapsed();
        if since + PAUSE > PATIENCE {
            self.end();
            return None;
        }
        self.is_waiting.send_replace(true);
        Some(PAUSE)
    }

    /// Returns the signal that a request waits for the server to start: time in which the server could not have
    /// answered.
    pub(super) fn is_waiting(&self) -> watch::Receiver<bool> {
        self.is_waiting.subscribe()
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.is_waiting.send_if_modified(std::mem::take);
    }
}
