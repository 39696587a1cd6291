//! The guard rails that apply to the server, with the place of each, and the tools that they hide.

use crate::doctor::codes::here::{POLICY_APPLIES, POLICY_HIDES, POLICY_HIDES_ALL, POLICY_NONE};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::server::Tools;
use crate::settings::policy;
use crate::text::printable;

/// The rules and the tools that a sentence names.
const SHOWN: usize = 3;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let args = &context.arguments.policy;
    // Wrong values were refused when the command line was read.
    let (Ok(rules), Ok(listed)) = (
        policy::rules(args, &context.env),
        policy::listed(args, &context.env),
    ) else {
        return Vec::new();
    };
    if listed.is_empty() {
        return vec![Finding::ok(
            &POLICY_NONE,
            "no rule of yours restricts this server",
        )];
    }
    let all: Vec<_> = listed
        .iter()
        .map(|rule| format!("{} ({})", rule.text(), rule.origin))
        .collect();
    let words = printable(&shortened(&all), 500);
    let Some(tools) = context.known::<Tools>() else {
        return vec![
            Finding::ok(
                &POLICY_APPLIES,
                format!("rules apply to this server: {words}"),
            )
            .fact("rules", all.join("; ")),
        ];
    };
    let hidden: Vec<_> = tools
        .0
        .iter()
        .filter(|(name, is_read_only)| rules.tool(name, Some(*is_read_only)).is_err())
        .map(|(name, _)| name.clone())
        .collect();
    let (of, count) = (tools.0.len(), hidden.len());
    let remedy = "if that is not meant, change the rule at its place; `mcpipe config check ADDRESS` shows all";
    let remedy = remedy.replace(
        "mcpipe config check ADDRESS",
        &context.typed.line("config check", &[]),
    );
    let finding = match count {
        0 => Finding::ok(
            &POLICY_APPLIES,
            format!("rules apply to this server and hide no tool: {words}"),
        ),
        count if count == of => Finding::fail(
            &POLICY_HIDES_ALL,
            format!("your rules hide all {of} tools from the host: {words}"),
        )
        .remedy(remedy),
        count => Finding::warn(
            &POLICY_HIDES,
            format!(
                "your rules hide {count} of {of} tools, {}: {words}",
                shortened(&hidden)
            ),
        )
        .remedy(remedy),
    };
    vec![finding.fact("rules", all.join("; ")).fact("hidden", count)]
}

fn shortened(all: &[String]) -> String {
    let more = all.len().saturating_sub(SHOWN);
    let shown = all
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
