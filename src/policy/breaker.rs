//! The circuit breaker: calls are refused for a time while the server only fails.
//!
//! The breaker judges by the ends of calls, and by no clock. A number of failures in a row opens it; an answer of any
//! kind closes it. While it is open, calls are refused for a pause that doubles with each trial that fails; behind the
//! pause one call is let through as the trial. The pause is the time of the refusals and decides nothing about the
//! server.
//!
//! Time is an argument, and counts from any beginning.

use std::time::Duration;

use serde::Deserialize;

use crate::backoff;
use crate::frame::{Frame, member_of};
use crate::policy::refusal::{CIRCUIT_OPEN, Refusal};
use crate::policy::rule::Rule;
use crate::text::printable;

/// The first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The number of characters of a failure's words that are kept.
const LONGEST_WORDS: usize = 300;

/// The breaker of one server.
#[derive(Debug)]
pub struct Breaker {
    /// The number of failures in a row that opens it.
    most: u32,
    rule: Rule,
    state: State,
    /// The failures in a row so far, and the words of the last.
    failures: u32,
    last: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// Calls are refused until that time, and the next is the trial. `pauses` counts the pauses in a row.
    Open {
        until: Duration,
        pauses: u32,
    },
    /// A trial is under way. One that has not ended by that time is joined by another: a server may keep a call open for
    /// ever.
    Trial {
        until: Duration,
        pauses: u32,
    },
}

/// The end of a call, as far as it says something of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The server answered: with a result, an error of its own, or a refusal that is no failure of its own.
    Answered,
    /// The server did not answer, or said that it failed; with the words for it.
    Failed(String),
    /// The call ended for another reason: cancelled, refused here, in want of a sign-in.
    Other,
}

impl Breaker {
    /// Makes a breaker that this many failures in a row open, one at least.
    pub fn new(most: u32, rule: Rule) -> Self {
        Self {
            most: most.max(1),
            rule,
            state: State::Closed,
            failures: 0,
            last: String::new(),
        }
    }

    /// Lets a call pass. Says whether it is the trial; its end has to be told with that word.
    ///
    /// # Errors
    /// The refusal, while the breaker is open.
    pub fn admit(&mut self, now: Duration) -> Result<bool, Refusal> {
        match self.state {
            State::Closed => Ok(false),
            State::Open { until, pauses } | State::Trial { until, pauses } if now >= until => {
                let until = now.saturating_add(pause(pauses));
                self.state = State::Trial { until, pauses };
                Ok(true)
            }
            State::Open { until, .. } | State::Trial { until, .. } => {
                Err(self.refusal(until.saturating_sub(now)))
            }
        }
    }

    /// Takes the end of a call that was let pass. `fraction` is a random number from 0 to 1, by which pauses of many
    /// processes differ.
    pub fn note(&mut self, end: End, is_trial: bool, now: Duration, fraction: f64) {
        match end {
            End::Answered => {
                self.failures = 0;
                self.state = State::Closed;
            }
            End::Failed(words) => {
                self.failures = self.failures.saturating_add(1);
                self.last = printable(&words, LONGEST_WORDS);
                let pauses = match self.state {
                    State::Closed if self.failures >= self.most => 0,
                    State::Trial { pauses, .. } if is_trial => pauses.saturating_add(1),
                    // The call was sent before the breaker opened.
                    _ => return,
                };
                let until = now.saturating_add(backoff::lengthened(pause(pauses), fraction));
                self.state = State::Open { until, pauses };
            }
            End::Other => {
                if let (State::Trial { pauses, .. }, true) = (self.state, is_trial) {
                    // The trial has shown nothing: the next call is one.
                    self.state = State::Open { until: now, pauses };
                }
            }
        }
    }

    fn refusal(&self, retry_after: Duration) -> Refusal {
        let Self {
            failures,
            last,
            rule,
            ..
        } = self;
        let calls = if *failures == 1 {
            "call"
        } else {
            "calls in a row"
        };
        let message = format!(
            "The server did not answer the last {failures} {calls}, and no more are sent for now. The last of them: {last}"
        );
        let seconds = (retry_after.as_secs_f64() * 10.0).ceil() / 10.0;
        Refusal {
            kind: CIRCUIT_OPEN,
            retry_after: Some(retry_after),
            ..Refusal::by(rule, message).hint(format!(
                "try again in {seconds} s: one call is then sent to see whether the server answers"
            ))
        }
    }
}

/// Returns the pause behind so many others in a row.
fn pause(pauses: u32) -> Duration {
    backoff::doubled(FIRST_PAUSE, pauses, LONGEST_PAUSE)
}

/// Returns what the answer to a call says of the server. Errors of mcpipe's own tell that there was no answer; every
/// other one is an answer, an error of a tool too.
pub fn end_of(answer: &Frame) -> End {
    #[derive(Deserialize)]
    struct Data {
        source: String,
        kind: String,
        status: Option<u16>,
        stage: Option<String>,
    }
    let error = answer.member("error");
    let data = error.and_then(|error| member_of(error, "data"));
    let data: Option<Data> = data.and_then(|data| serde_json::from_str(data).ok());
    let Some(data) = data.filter(|data| data.source == "mcpipe") else {
        return End::Answered;
    };
    // These stages are over before the server could have shown anything.
    if matches!(data.stage.as_deref(), Some("turn" | "credential")) {
        return End::Other;
    }
    match (data.kind.as_str(), data.status) {
        ("unreachable" | "cut" | "timed_out", _) | ("refused", Some(500..=599)) => {
            let words = error.and_then(|error| member_of(error, "message"));
            let words = words.and_then(crate::frame::string);
            End::Failed(words.unwrap_or_default())
        }
        ("refused", Some(_)) => End::Answered,
        _ => End::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{BridgeError, Id, Stage};
    use crate::policy::rule::Origin;

    fn breaker(most: u32) -> Breaker {
        let rule = Rule {
            key: "circuit-breaker",
            value: most.to_string(),
            origin: Origin::Flag("--circuit-breaker"),
        };
        Breaker::new(most, rule)
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn failed() -> End {
        End::Failed("cannot connect to a.example.".to_owned())
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_starts_the_row_anew() {
        let mut breaker = breaker(2);
        for end in [failed(), End::Answered, failed(), End::Other, failed()] {
            assert_eq!(breaker.admit(at(0)).ok(), Some(false));
            breaker.note(end, false, at(0), 0.0);
        }
        let refusal = breaker.admit(at(0)).unwrap_err();
        assert_eq!(refusal.kind, CIRCUIT_OPEN);
        assert_eq!(refusal.retry_after, Some(at(1)));
        assert_eq!(
            refusal.message,
            "The server did not answer the last 2 calls in a row, and no more are sent for now. The last of them: cannot connect to a.example."
        );
    }

    #[test]
    fn one_call_at_a_time_is_the_trial_and_each_that_fails_doubles_the_pause() {
        let mut breaker = breaker(1);
        breaker.note(failed(), false, at(0), 0.0);
        let mut now = at(0);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            let refusal = breaker.admit(now).unwrap_err();
            assert_eq!(refusal.retry_after, Some(at(pause)));
            now += at(pause);
            assert_eq!(breaker.admit(now).ok(), Some(true));
            assert!(breaker.admit(now).is_err());
            // A failure of a call that was sent before says nothing new.
            breaker.note(failed(), false, now, 0.0);
            assert!(breaker.admit(now).is_err());
            breaker.note(failed(), true, now, 0.0);
        }
        assert_eq!(breaker.admit(now + at(60)).ok(), Some(true));
        breaker.note(End::Answered, true, now + at(60), 0.0);
        assert_eq!(breaker.admit(now + at(60)).ok(), Some(false));
    }

    #[test]
    fn a_trial_that_shows_nothing_makes_the_next_call_the_trial() {
        let mut breaker = breaker(1);
        breaker.note(failed(), false, at(0), 0.0);
        assert_eq!(breaker.admit(at(1)).ok(), Some(true));
        // Nor does a call that was sent before end the trial.
        breaker.note(failed(), false, at(1), 0.0);
        breaker.note(End::Other, true, at(1), 0.0);
        assert_eq!(breaker.admit(at(1)).ok(), Some(true));
    }

    #[test]
    fn a_trial_that_never_ends_is_joined_by_another_after_the_pause() {
        let mut breaker = breaker(1);
        breaker.note(failed(), false, at(0), 0.0);
        assert_eq!(breaker.admit(at(1)).ok(), Some(true));
        assert_eq!(breaker.admit(at(1)).unwrap_err().retry_after, Some(at(1)));
        assert_eq!(breaker.admit(at(2)).ok(), Some(true));
        breaker.note(End::Answered, true, at(2), 0.0);
        assert_eq!(breaker.admit(at(2)).ok(), Some(false));
    }

    #[test]
    fn a_late_answer_of_a_call_that_was_sent_before_closes_it() {
        let mut breaker = breaker(1);
        breaker.note(failed(), false, at(0), 0.0);
        breaker.note(End::Answered, false, at(0), 0.0);
        assert_eq!(breaker.admit(at(0)).ok(), Some(false));
    }

    #[test]
    fn an_answer_is_any_word_of_the_server_and_a_failure_is_none() {
        let id = Id::ours(1);
        let of = |kind: &'static str, status| {
            let error = BridgeError {
                status,
                ..BridgeError::new(kind, "Words.")
            };
            end_of(&error.reply(&id))
        };
        let failed = || End::Failed("Words.".to_owned());
        for (kind, status, expected) in [
            ("unreachable", None, failed()),
            ("timed_out", None, failed()),
            ("cut", None, failed()),
            ("refused", Some(503), failed()),
            ("refused", Some(429), End::Answered),
            ("refused", Some(404), End::Answered),
            ("sign_in_needed", None, End::Other),
            ("rate_limited", None, End::Other),
            ("leaving", None, End::Other),
        ] {
            assert_eq!(of(kind, status), expected, "{kind} {status:?}");
        }
        for (stage, expected) in [
            (Stage::Turn, End::Other),
            (Stage::Credential, End::Other),
            (Stage::Connecting, failed()),
            (Stage::Body, failed()),
        ] {
            let error = BridgeError {
                stage: Some(stage),
                ..BridgeError::new("timed_out", "Words.")
            };
            assert_eq!(end_of(&error.reply(&id)), expected, "{stage:?}");
        }
        let theirs = serde_json::json!({"kind": "unreachable", "source": "gateway"});
        for answer in [
            Frame::result(&id, r#"{"isError":true}"#),
            Frame::error(Some(&id), -32603, "no", None),
            Frame::error(Some(&id), -32603, "no", Some(&theirs)),
        ] {
            assert_eq!(end_of(&answer), End::Answered);
        }
    }
}
