//! The scan at first sight: the definitions of the first complete lists, and the instructions, judged by the rules of
//! `policy::scan`. Findings are warnings, and hide nothing.

use crate::bridge::enforcement::Enforcement;
use crate::frame::Frame;
use crate::policy::Kind;
use crate::policy::scan::{Finding, Server, Severity, scan};

/// The findings that are said; the command shows the rest.
const MAX_SAID: usize = 20;

impl Enforcement {
    /// Takes a page of a list, without what access hides, before it is sanitized.
    pub(super) fn first_sight_of_list(&self, kind: Kind, page: &Frame, cursor: Option<&str>) {
        let mut state = self.state();
        let seen = state.first_sight.as_mut();
        let Some((definitions, left_out)) =
            seen.and_then(|seen| seen.take_page(kind, page, cursor))
        else {
            return;
        };
        drop(state);
        if left_out > 0 {
            let list = kind.member();
            tracing::warn!(target: "mcpipe::policy", "The list of {list} is long: its last {left_out} were not scanned.");
        }
        // Some thousand words a millisecond: too long for the loop's thread where there are many tools.
        tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = definitions.iter().map(String::as_str).collect();
            let server = match kind {
                Kind::Prompts => Server {
                    prompts: texts,
                    ..Server::default()
                },
                _ => Server {
                    tools: texts,
                    ..Server::default()
                },
            };
            say(&scan(&server, &[]));
        });
    }

    /// Takes the answer to a handshake.
    pub(super) fn first_sight_of_instructions(&self, answer: &Frame) {
        let Some(instructions) = answer.member_in("result", "instructions") else {
            return;
        };
        let mut state = self.state();
        let seen = state.first_sight.as_mut();
        let is_first = seen.is_some_and(|seen| seen.take_instructions(instructions));
        drop(state);
        if is_first {
            let instructions = instructions.to_owned();
            tokio::task::spawn_blocking(move || {
                let instructions = Some(instructions.as_str());
                say(&scan(
                    &Server {
                        instructions,
                        ..Server::default()
                    },
                    &[],
                ));
            });
        }
    }
}

/// Says what weighs more than a note. Each is another finding, and all are said.
fn say(findings: &[Finding]) {
    let weighty = || {
        findings
            .iter()
            .filter(|finding| finding.severity > Severity::Note)
    };
    for finding in weighty().take(MAX_SAID) {
        tracing::warn!(target: "mcpipe::policy", "{finding}");
    }
    let more = weighty().count().saturating_sub(MAX_SAID);
    if more > 0 {
        tracing::warn!(target: "mcpipe::policy", "{more} more findings; `mcpipe pins TARGET scan` shows all");
    }
}
