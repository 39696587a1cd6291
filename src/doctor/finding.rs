//! One thing that a check has found: its code, its weight, a sentence, a remedy and the facts behind it.

use crate::doctor::code::Code;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Not looked at, because of another finding or for want of something.
    Skipped,
    /// It works, and something is to be known.
    Warn,
    /// It does not work.
    Fail,
}

impl Verdict {
    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

/// A finding. Sentences begin with a small letter and end without a full stop; they tell what was seen.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The stable code.
    pub code: &'static Code,
    /// The weight.
    pub verdict: Verdict,
    /// One sentence.
    pub sentence: String,
    /// One thing to do, with a command that can be typed where there is one.
    pub remedy: Option<String>,
    /// The facts behind the sentence: names in snake_case, values as text.
    pub facts: Vec<(&'static str, String)>,
}

impl Finding {
    /// Makes a finding.
    pub fn new(code: &'static Code, verdict: Verdict, sentence: impl Into<String>) -> Self {
        Self {
            code,
            verdict,
            sentence: sentence.into(),
            remedy: None,
            facts: Vec::new(),
        }
    }

    /// Makes a finding of what is as it should be.
    pub fn ok(code: &'static Code, sentence: impl Into<String>) -> Self {
        Self::new(code, Verdict::Ok, sentence)
    }

    /// Makes a finding of what works, with something to know.
    pub fn warn(code: &'static Code, sentence: impl Into<String>) -> Self {
        Self::new(code, Verdict::Warn, sentence)
    }

    /// Makes a finding of what does not work.
    pub fn fail(code: &'static Code, sentence: impl Into<String>) -> Self {
        Self::new(code, Verdict::Fail, sentence)
    }

    /// Makes a finding of what was not looked at, with the reason.
    pub fn skipped(code: &'static Code, sentence: impl Into<String>) -> Self {
        Self::new(code, Verdict::Skipped, sentence)
    }

    /// Adds the thing to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds a fact.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "facts are numbers, words and made texts alike"
    )]
    pub fn fact(mut self, name: &'static str, value: impl ToString) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }
}
