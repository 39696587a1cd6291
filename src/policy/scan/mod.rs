//! A scan of a server's definitions by rules that are written down: no network, no model, and the same result each time.
//!
//! A rule is a code, a reason and an advice ([`rules::RULES`]). A finding names the rule, the place and the words that
//! were seen. Attacks on models through descriptions are as many as there are words, so a scan without findings says that
//! none of these rules found something, and no more.

mod encoded;
mod fold;
mod names;
mod phrases;
mod rules;
mod sarif;
mod secrets;
mod texts;

use std::collections::BTreeMap;
use std::fmt;

use crate::frame::{member_of, string};
use crate::policy::json_strings::{self, Step};
use crate::policy::sanitize::visible;

pub use rules::{Code, RULES, Rule, Severity};
pub use sarif::sarif;

/// The longest description that is not remarked on, in characters.
const LONG: usize = 8000;
/// The number of findings of one scan: what comes behind them is only more of the same.
const MAX_FINDINGS: usize = 1000;
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

/// Scans the definitions of a server. `others` are the user's other servers, as far as they are known. Findings are in the
/// order of the definitions.
pub fn scan(server: &Server<'_>, others: &[Server<'_>]) -> Vec<Finding> {
    let own: Vec<String> = server.tools.iter().filter_map(|tool| name(tool)).collect();
    let foreign = texts::Foreign::new(&own, others);
    let mut found = Vec::new();
    if let Some(instructions) = server.instructions {
        texts::scan(&Subject::Instructions, instructions, &foreign, &mut found);
    }
    for prompt in &server.prompts {
        let subject = Subject::Prompt(name(prompt).unwrap_or_default());
        texts::scan(&subject, prompt, &foreign, &mut found);
    }
    for tool in &server.tools {
        let Some(name) = name(tool) else {
            let subject = Subject::Tool(String::new());
            found.push(about(
                Code::Unreadable,
                &subject,
                excerpt(tool, 0, tool.len()),
            ));
            continue;
        };
        let subject = Subject::Tool(name.clone());
        texts::scan(&subject, tool, &foreign, &mut found);
        annotations(&subject, &name, tool, &mut found);
        foreign.same(&subject, &name, tool, &mut found);
        if found.len() > MAX_FINDINGS {
            break;
        }
    }
    look_alike(&own, &mut found);
    found.truncate(MAX_FINDINGS);
    found
}

fn name(definition: &str) -> Option<String> {
    member_of(definition, "name").and_then(string)
}

/// A finding about a definition as a whole.
fn about(code: Code, subject: &Subject, seen: String) -> Finding {
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

/// Compares what a tool says of itself (MCP 2025-03-26 and later, server/tools, "Annotations") with its name.
fn annotations(subject: &Subject, name: &str, tool: &str, found: &mut Vec<Finding>) {
    let annotations = member_of(tool, "annotations").unwrap_or("{}");
    let says = |hint| member_of(annotations, hint) == Some("true");
    if !says("readOnlyHint") {
        return;
    }
    if says("destructiveHint") {
        let seen = "readOnlyHint and destructiveHint are both true".to_owned();
        found.push(about(Code::Contradiction, subject, seen));
    }
    if let Some(word) = names::changing_word(name) {
        let seen = format!("readOnlyHint is true, and the name says \"{word}\"");
        found.push(about(Code::Contradiction, subject, seen));
    }
}

fn look_alike(own: &[String], found: &mut Vec<Finding>) {
    let mut first: BTreeMap<String, &String> = BTreeMap::new();
    for name in own {
        match first.get(&names::skeleton(name)) {
            Some(other) => {
                let seen = format!("it looks like \"{}\"", visible(other));
                found.push(about(Code::LooksAlike, &Subject::Tool(name.clone()), seen));
            }
            None => _ = first.insert(names::skeleton(name), name),
        }
    }
}

/// The words around a place, on one line, in quotation marks.
fn excerpt(text: &str, at: usize, end: usize) -> String {
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
fn member(path: &[Step<'_>]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Member(name) => json_strings::read(&format!("\"{name}\"")).0.into_owned(),
        Step::Element(index) => index.to_string(),
    });
    steps.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests;
