//! The end of a run: the signals that ask for it, and the reason that it had.

use std::time::Duration;

use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::bridge::unanswered::Unanswered;

/// The time in which answers may still come after a signal.
pub(super) const SIGNAL_GRACE: Duration = Duration::from_millis(300);

/// The signals to leave.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// The signal to leave properly, within a second.
    pub soon: CancellationToken,
    /// The signal to leave at once.
    pub now: CancellationToken,
}

impl Stop {
    /// Returns when a host that does not read has been waited for long enough: soon after the first signal, or with the
    /// second.
    pub(super) async fn deadline(&self) {
        let signalled = async {
            self.soon.cancelled().await;
            time::sleep(SIGNAL_GRACE).await;
        };
        tokio::select! {
            () = signalled => {}
            () = self.now.cancelled() => {}
        }
    }
}

/// The reason why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The host closed stdin.
    HostGone,
    /// A signal came.
    Signalled,
    /// The reader of stdout is gone.
    WriterGone,
    /// The server is at another address, and the host has been handed over
    /// ([`Elsewhere::take`](crate::bridge::Elsewhere::take)).
    Moved,
}

/// The reason why the loop ended, and the requests it left unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The reason.
    pub ended: Ended,
    /// The requests that got no answer of the server's.
    pub unanswered: Option<Unanswered>,
}
