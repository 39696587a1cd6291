//! Findings as SARIF 2.1.0 (OASIS, 2020): the format that programs which collect findings read.

use serde_json::{Value, json};

use super::finding::{Finding, Subject};
use super::rules::RULES;
use crate::policy::sanitize::visible;

/// Returns the findings about a server as a SARIF log of one run. `server` is its address, without a query.
pub fn sarif(server: &str, findings: &[Finding]) -> Value {
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "name": rule.name,
                "shortDescription": { "text": rule.why },
                "help": { "text": rule.advice },
                "defaultConfiguration": { "level": rule.severity.word() },
            })
        })
        .collect();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| result(server, finding))
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "mcpipe", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(server: &str, finding: &Finding) -> Value {
    let rule = finding.code.rule();
    let index = RULES.iter().position(|other| other.id == rule.id);
    let (kind, name) = match &finding.subject {
        Subject::Instructions => ("instructions", String::new()),
        Subject::Prompt(name) => ("prompt", visible(name)),
        Subject::Tool(name) => ("tool", visible(name)),
    };
    let parts = [server, kind, &name, &visible(&finding.member)];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    json!({
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": finding.severity.word(),
        "message": { "text": format!("{}: {}. {} {}", finding.subject, finding.seen, rule.why, rule.advice) },
        "locations": [{
            "logicalLocations": [{ "name": name, "kind": kind, "fullyQualifiedName": parts.join("/") }],
        }],
        "properties": { "member": visible(&finding.member), "offset": finding.offset },
    })
}
