//! A finding, and the definitions that it is about.

use std::fmt;

use super::rules::{Code, Severity};
use crate::frame::{member_of, string};
use crate::policy::json_strings::{self, Step};
use crate::policy::sanitize::visible;

/// The longest excerpt, in characters.
const EXCERPT: usize = 100;

/// The definitions of a server, each as JSON.
#[derive(Clone, Debug, Default)]
pub struct Server<'a> {
    /// The name or address by which the user knows the server.
    pub name: &'a str,
    /// The tools, as elements of `tools/list`.
    pub tools: Vec<&'a str>,
    /// The prompts, as elements of `prompts/list`.
    pub prompts: Vec<&'a str>,
    /// The instructions, a JSON string.
    pub instructions: Option<&'a str>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub code: Code,
    /// The weight: that of the rule, or less.
    pub severity: Severity,
    /// The thing that it is about.
    pub subject: Subject,
    /// The member of the definition, with dots between names; empty where it is the definition.
    pub member: String,
    /// The place in the text of that member, in bytes.
    pub offset: usize,
    /// The words that were seen, visible and in one line.
    pub seen: String,
}

/// The thing that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The server's instructions.
    Instructions,
    /// A prompt, by its name.
    Prompt(String),
    /// A tool, by its name.
    Tool(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instructions => out.write_str("the instructions"),
            Self::Prompt(name) => write!(out, "prompt \"{}\"", visible(name)),
            Self::Tool(name) => write!(out, "tool \"{}\"", visible(name)),
        }
    }
}

impl fmt::Display for Finding {
    /// One line: `MCP012 error: tool "add", description, at 40: "do not tell the user". A tool has …`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} {}: {}",
            self.code,
            self.severity.word(),
            self.subject
        )?;
        if !self.member.is_empty() {
            write!(out, ", {}, at {}", visible(&self.member), self.offset)?;
        }
        write!(out, ": {}. {}", self.seen, self.code.rule().why)
    }
}

/// Returns the name of a definition.
pub(super) fn name(definition: &str) -> Option<String> {
    member_of(definition, "name").and_then(string)
}

/// A finding about a definition as a whole.
pub(super) fn about(code: Code, subject: &Subject, seen: String) -> Finding {
    let severity = code.rule().severity;
    let (member, offset) = (String::new(), 0);
    Finding {
        code,
        severity,
        subject: subject.clone(),
        member,
        offset,
        seen,
    }
}

/// The words around a place, on one line, in quotation marks.
pub(super) fn excerpt(text: &str, at: usize, end: usize) -> String {
    let end = (at..=end.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    let words = text.get(at..end.unwrap_or(at)).unwrap_or_default();
    let words: Vec<&str> = words.split_whitespace().collect();
    let shown = visible(&words.join(" "));
    let short: String = shown.chars().take(EXCERPT).collect();
    let more = if short.len() < shown.len() { "…" } else { "" };
    format!("\"{short}{more}\"")
}

/// A path as one text.
pub(super) fn member(path: &[Step<'_>]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Member(name) => json_strings::read(&format!("\"{name}\"")).0.into_owned(),
        Step::Element(index) => index.to_string(),
    });
    steps.collect::<Vec<_>>().join(".")
}
