//! A refusal: the rule, and the words for the host.

use std::time::Duration;

use crate::frame::BridgeError;

use super::rule::Rule;

/// `data.kind` of what a rule forbids.
pub const REFUSED: &str = "refused_by_policy";
/// `data.kind` of a call over a limit.
pub const RATE_LIMITED: &str = "rate_limited";
/// `data.kind` of a call that is not sent because the server has not answered those before it.
pub const CIRCUIT_OPEN: &str = "circuit_open";

/// A request that a rule refuses. It was not sent.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// `data.kind`: [`REFUSED`], [`RATE_LIMITED`] or [`CIRCUIT_OPEN`].
    pub kind: &'static str,
    /// A sentence: what was seen.
    pub message: String,
    /// The thing to do about it, if anything.
    pub hint: Option<String>,
    /// The rule; none where the policy could not be evaluated. In a box: refusals are small.
    pub rule: Option<Box<Rule>>,
    /// The time after which the same request may pass; `None` if never.
    pub retry_after: Option<Duration>,
    /// True where a `tools/call` is answered with a result whose `isError` is true, which models read.
    pub as_result: bool,
}

impl Refusal {
    /// Makes a refusal by a rule.
    pub fn by(rule: &Rule, message: impl Into<String>) -> Self {
        Self {
            rule: Some(Box::new(rule.clone())),
            ..Self::unevaluated(message)
        }
    }

    /// Makes a refusal of a request that the policy cannot judge.
    pub fn unevaluated(message: impl Into<String>) -> Self {
        Self {
            kind: REFUSED,
            message: message.into(),
            hint: None,
            rule: None,
            retry_after: None,
            as_result: false,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the message with the rule and the place where it was set.
    pub fn sentence(&self) -> String {
        match &self.rule {
            Some(rule) => format!(
                "{} Rule: {}, from {}.",
                self.message,
                rule.text(),
                rule.origin
            ),
            None => self.message.clone(),
        }
    }

    /// Returns the error for the host.
    pub fn error(&self) -> BridgeError {
        let rule = self
            .rule
            .as_ref()
            .map(|rule| Box::new((rule.text(), rule.origin.to_string())));
        BridgeError {
            hint: self.hint.clone(),
            retryable: self.retry_after.is_some(),
            retry_after: self.retry_after,
            rule,
            ..BridgeError::new(self.kind, self.sentence())
        }
    }
}
