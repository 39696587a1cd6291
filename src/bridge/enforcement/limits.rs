//! Limits on calls and the circuit breaker, carried out: a call is let pass, waits, or is refused before it is sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{self, Instant};

use crate::bridge::enforcement::turns::Turns;
use crate::bridge::settings::Settings;
use crate::frame::Frame;
use crate::policy::breaker::{Breaker, End, end_of};
use crate::policy::limit::{Excess, Limits, call_of};
use crate::policy::{Limit, RATE_LIMITED, Refusal, timeout};
use crate::shared_limits::{Error, Place, SharedLimits};

/// The time for which a call waits for its limits, where `--call-timeout` sets no other.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The pause after which a call that waits for others under way looks again: those of other processes end unseen.
const PLACE_POLL: Duration = Duration::from_millis(100);

/// The limits of one run.
pub(super) struct CallLimits {
    shared: Option<Arc<SharedLimits>>,
    /// The order of calls that wait; none where a call over a limit is refused at once.
    turns: Option<Arc<Turns>>,
    timeouts: Vec<Limit<Duration>>,
    as_result: bool,
    breaker: Option<Arc<RunningBreaker>>,
}

#[derive(Debug)]
struct RunningBreaker {
    breaker: Mutex<Breaker>,
    begun: Instant,
    random_fraction: fn() -> f64,
}

/// A call that was let pass. Dropping it ends the call.
#[derive(Debug)]
pub(super) struct PassedCall {
    /// The place that it holds among the calls under way.
    _place: Option<Place>,
    /// The breaker, until it knows the end of the call.
    breaker: Option<Arc<RunningBreaker>>,
    is_trial: bool,
}

impl CallLimits {
    /// Makes the limits of a run.
    pub(super) fn new(settings: &Settings) -> Self {
        let rules = &settings.policy;
        let limits = Limits::new(&rules.rate_limit, &rules.max_concurrent);
        let is_waiting = rules.rate_limit_wait && !rules.dry_run;
        // The lowest of several counts.
        let breaker = rules.circuit_breaker.iter().min_by_key(|it| it.value);
        Self {
            shared: (!limits.is_empty())
                .then(|| SharedLimits::new(limits, settings.limits_stem.clone(), settings.now)),
            turns: is_waiting.then(Arc::default),
            timeouts: rules.call_timeout.clone(),
            as_result: rules.rate_limit_as_result,
            breaker: breaker.map(|limit| {
                Arc::new(RunningBreaker {
                    breaker: Mutex::new(Breaker::new(limit.value, limit.rule.clone())),
                    begun: Instant::now(),
                    random_fraction: settings.random_fraction,
                })
            }),
        }
    }

    /// Lets a message of the host pass, at once or after a wait. `None` for one that nothing counts.
    ///
    /// # Errors
    /// The refusal by the breaker or a limit, or of a call for which the limits cannot be kept.
    pub(super) async fn admit(&self, frame: &Frame) -> Result<Option<PassedCall>, Refusal> {
        if self.shared.is_none() && self.breaker.is_none() || call_of(frame).is_none() {
            return Ok(None);
        }
        let breaker = self.breaker.as_ref().filter(|_| frame.is_request());
        // Ends the trial when the limits refuse it.
        let mut passed = PassedCall {
            is_trial: breaker.map_or(Ok(false), |breaker| breaker.admit())?,
            breaker: breaker.cloned(),
            _place: None,
        };
        if let Some(shared) = &self.shared {
            passed._place = Some(self.take(shared, frame).await?);
        }
        Ok(Some(passed))
    }

    async fn take(&self, shared: &Arc<SharedLimits>, frame: &Frame) -> Result<Place, Refusal> {
        let applied = shared.limits().for_frame(frame);
        let Some(turns) = self.turns.as_ref().filter(|_| !applied.is_empty()) else {
            let admitted = shared
                .admit(&applied)
                .await
                .map_err(|error| unkept(&error))?;
            return admitted.map_err(|excess| self.refusal(shared, &excess, None));
        };
        let limit = timeout::lowest(&self.timeouts, frame);
        let longest = limit.map_or(LONGEST_WAIT, |limit| limit.value);
        let deadline = Instant::now() + longest;
        let turn = turns.enter(&applied);
        loop {
            if let Some((limits, changed)) = turn.behind(&applied) {
                turn.waits_for(&limits);
                match time::timeout_at(deadline, changed.cancelled()).await {
                    Ok(()) => continue,
                    Err(_) => {
                        let excess = Excess::behind(limits);
                        return Err(excess.map_or_else(
                            || Refusal::unevaluated("The call has waited too long for its turn."),
                            |excess| self.refusal(shared, &excess, Some(longest)),
                        ));
                    }
                }
            }
            // Registered before the attempt: an end in between is not missed.
            let freed = shared.freed().notified();
            let excess = match shared
                .admit(&applied)
                .await
                .map_err(|error| unkept(&error))?
            {
                Ok(place) => return Ok(place),
                Err(excess) => excess,
            };
            turn.waits_for(&excess.by);
            let left = deadline.saturating_duration_since(Instant::now());
            if excess.least > left || left.is_zero() {
                return Err(self.refusal(shared, &excess, Some(longest)));
            }
            match excess.least.is_zero() {
                true => {
                    let _ = time::timeout(PLACE_POLL.min(left), freed).await;
                }
                false => time::sleep(excess.least).await,
            }
        }
    }

    /// Returns the refusal of a call, which could have `waited` for so long.
    fn refusal(&self, shared: &SharedLimits, excess: &Excess, waited: Option<Duration>) -> Refusal {
        let refusal = shared.limits().refusal(excess);
        let mut refusal = refusal.unwrap_or_else(|| Refusal::unevaluated("A limit is reached."));
        if let Some(longest) = waited {
            let seconds = longest.as_secs_f64();
            refusal.message += &format!(" A call waits for {seconds} s at most.");
        }
        refusal.as_result = self.as_result;
        refusal
    }
}

impl PassedCall {
    /// Takes the answer, on its way to the host.
    pub(super) fn answered(&mut self, answer: &Frame) {
        if let Some(breaker) = self.breaker.take() {
            breaker.note(end_of(answer), self.is_trial);
        }
    }
}

impl Drop for PassedCall {
    fn drop(&mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.note(End::Other, self.is_trial);
        }
    }
}

impl RunningBreaker {
    fn admit(&self) -> Result<bool, Refusal> {
        let now = self.begun.elapsed();
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker.admit(now)
    }

    fn note(&self, end: End, is_trial: bool) {
        let now = self.begun.elapsed();
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker.note(end, is_trial, now, (self.random_fraction)());
    }
}

/// Returns the refusal of a call for which the limits cannot be kept.
fn unkept(error: &Error) -> Refusal {
    let retry_after = matches!(error, Error::Held(_) | Error::Full(_));
    Refusal {
        kind: RATE_LIMITED,
        retry_after: retry_after.then_some(Duration::from_secs(1)),
        ..Refusal::unevaluated(format!("{}.", crate::text::capitalised(&error.to_string())))
            .hint(error.hint())
    }
}
