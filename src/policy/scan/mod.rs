//! A scan of a server's definitions by rules that are written down: no network, no model, and the same result each time.
//!
//! A rule is a code, a reason and an advice ([`rules::RULES`]). A finding names the rule, the place and the words that
//! were seen. Attacks on models through descriptions are as many as there are words, so a scan without findings says that
//! none of these rules found something, and no more.

mod encoded;
mod finding;
mod first_sight;
mod fold;
mod names;
mod phrases;
mod rules;
mod sarif;
mod secrets;
mod texts;

use std::collections::BTreeMap;

use self::finding::{about, excerpt, name};
use crate::frame::member_of;
use crate::policy::sanitize::visible;

pub use finding::{Finding, Server, Subject};
pub use first_sight::FirstSight;
pub use rules::{Code, RULES, Rule, Severity};
pub use sarif::sarif;

/// The number of findings of one scan: what comes behind them is only more of the same.
const MAX_FINDINGS: usize = 1000;

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

#[cfg(test)]
mod tests;
