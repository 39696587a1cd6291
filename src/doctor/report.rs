//! The report of all checks: as text for a person, and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::doctor::check::Outcome;
use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};
use crate::text::{Style, printable, without_query};

/// The findings of all checks about a server.
#[derive(Clone, Debug)]
pub struct Report {
    /// The server's address.
    pub target: String,
    /// The findings, check by check.
    pub outcomes: Vec<Outcome>,
    /// True where names have been replaced.
    pub is_redacted: bool,
}

impl Report {
    /// Makes the report about the context's server.
    pub fn new(context: &Context, outcomes: Vec<Outcome>) -> Self {
        Self {
            target: without_query(context.url().as_str()),
            outcomes,
            is_redacted: false,
        }
    }

    /// The number of findings that have failed.
    pub fn failed(&self) -> usize {
        self.count(Verdict::Fail)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings()
            .filter(|(_, it)| it.verdict == verdict)
            .count()
    }

    fn findings(&self) -> impl Iterator<Item = (&Outcome, &Finding)> {
        let outcomes = self.outcomes.iter();
        outcomes.flat_map(|outcome| outcome.findings.iter().map(move |it| (outcome, it)))
    }

    /// Returns the report for a person.
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("mcpipe {VERSION} checks {}\n", shown(&self.target));
        let mut group = None;
        for (outcome, finding) in self.findings() {
            if group != Some(outcome.group) {
                group = Some(outcome.group);
                let _ = writeln!(text, "\n{}", style.bold(outcome.group.title()));
            }
            let mark = format!("{:<7}", finding.verdict.word());
            let mark = match finding.verdict {
                Verdict::Ok => style.green(&mark),
                Verdict::Warn => style.yellow(&mark),
                Verdict::Fail => style.red(&mark),
                Verdict::Skipped => style.dim(&mark),
            };
            let code = style.dim(&format!("[{}]", finding.code.name));
            let _ = writeln!(text, "  {mark} {} {code}", shown(&finding.sentence));
            if let Some(remedy) = &finding.remedy {
                let _ = writeln!(text, "          > {}", shown(remedy));
            }
        }
        let counts = [
            (Verdict::Fail, "failed"),
            (Verdict::Warn, "to know"),
            (Verdict::Ok, "ok"),
            (Verdict::Skipped, "skipped"),
        ];
        let counts: Vec<_> = counts
            .iter()
            .map(|(verdict, word)| format!("{} {word}", self.count(*verdict)))
            .collect();
        let _ = writeln!(text, "\n{}", counts.join(", "));
        text
    }

    /// Returns the report for a program: one document.
    pub fn json(&self) -> String {
        let findings = self.findings().map(|(outcome, finding)| {
            let facts = finding.facts.iter();
            let facts = facts.map(|(name, value)| ((*name).to_owned(), shown(value).into()));
            json!({
                "check": outcome.check,
                "group": outcome.group.title(),
                "code": finding.code.name,
                "verdict": finding.verdict.word(),
                "sentence": shown(&finding.sentence),
                "remedy": finding.remedy.as_deref().map(shown),
                "facts": facts.collect::<Map<String, Value>>(),
            })
        });
        let document = json!({
            "version": 1,
            "mcpipe": VERSION,
            "platform": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "target": shown(&self.target),
            "redacted": self.is_redacted,
            "findings": findings.collect::<Vec<_>>(),
            "summary": {
                "ok": self.count(Verdict::Ok),
                "warn": self.count(Verdict::Warn),
                "fail": self.count(Verdict::Fail),
                "skipped": self.count(Verdict::Skipped),
            },
        });
        format!("{document:#}\n")
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns a text fit for a terminal: servers have a part in many.
fn shown(text: &str) -> String {
    printable(text, 2000)
}
