//! The changing state of a sign-in: the current credential, the renewal in progress, and the failures in a row.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::auth::flow::trigger::{Current, RecentRefusal, Trigger};
use crate::auth::{Cause, Credential, Error};
use crate::backoff;

/// The longest pause between renewals that fail in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Seconds in which a token that is about to end is not renewed again after a refusal.
const RETRY_AFTER_REFUSAL: u64 = 30;

/// The changing state. Never locked across a wait.
#[derive(Default)]
pub(super) struct State {
    pub(super) has_loaded: bool,
    /// The read of the vault in progress; says when it is done.
    pub(super) load: Option<watch::Receiver<bool>>,
    /// True while the read waits for a program that has not answered for a moment.
    pub(super) is_loading_long: bool,
    /// True once a request went out without a credential.
    pub(super) has_had_none: bool,
    /// True once the remote has asked for a credential.
    pub(super) is_challenged: bool,
    pub(super) generation: u64,
    /// The count of changes of mcpipe's identity at the remote.
    pub(super) identity: u64,
    pub(super) held: Option<Current>,
    pub(super) renewal: Option<Renewal>,
    /// The count of failed renewals in a row; the next two fields hold the last failure and the time of the next try
    /// (seconds since 1970).
    pub(super) failures: u32,
    pub(super) last_failure: Option<Arc<Cause>>,
    pub(super) retry_at: u64,
    pub(super) refused: Option<RecentRefusal>,
    /// The count of the vault's locks that this process has noticed.
    pub(super) locks: u64,
    /// True while the credential that was held is in a vault that the user has locked.
    pub(super) is_locked_out: bool,
    /// True once a task checks whether the user has locked the vault.
    pub(super) is_watching: bool,
}

/// A renewal that requests can watch.
#[derive(Clone)]
pub(super) struct Renewal {
    /// True if the renewal goes as far as a sign-in, if it has to.
    pub(super) is_whole: bool,
    pub(super) outcome: watch::Receiver<Option<Result<Credential, Error>>>,
    pub(super) resource: Arc<str>,
}

impl Renewal {
    pub(super) async fn outcome(&self) -> Result<Credential, Error> {
        let mut watched = self.outcome.clone();
        let outcome = watched.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome,
            None => Err(Error::new(&self.resource, Cause::Leaving)),
        }
    }
}

impl State {
    /// Makes the next request read the vault again.
    pub(super) fn load_again(&mut self) {
        self.has_loaded = false;
        self.load = None;
    }

    /// Records that a renewal has brought a credential.
    pub(super) fn note_success(&mut self) {
        self.failures = 0;
        self.last_failure = None;
        self.retry_at = 0;
        self.refused = None;
    }

    /// Records why a renewal has failed, and with it the time of the next try.
    pub(super) fn note_failure(&mut self, now: u64, why: Trigger, cause: &Arc<Cause>) {
        if cause.is_passing() {
            self.back_off(now, cause);
        } else if matches!(why, Trigger::Expiring) {
            self.retry_at = now + RETRY_AFTER_REFUSAL;
        }
        if let Trigger::Challenged { challenge, .. } = why
            && cause.is_refused_unattended()
        {
            self.refused = Some(RecentRefusal {
                at: now,
                challenge,
                cause: Arc::clone(cause),
            });
        }
    }

    /// Sets the time of the next try. The first failure may be a hiccup; the pauses after it are 2, 4, 8 … 60 s.
    fn back_off(&mut self, now: u64, why: &Arc<Cause>) {
        let wait = match self.failures {
            0 => 0,
            failures => backoff::doubled(Duration::from_secs(1), failures, LONGEST_PAUSE).as_secs(),
        };
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + wait;
        self.last_failure = Some(Arc::clone(why));
    }
}
