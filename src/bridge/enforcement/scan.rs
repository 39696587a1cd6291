//! The scan at first sight: the definitions of the first complete lists, and the instructions, judged by the rules of
//! `policy::scan`. Findings are warnings, and hide nothing.

use crate::bridge::enforcement::Enforcement;
use crate::frame::{Frame, string};
use crate::policy::scan::{Finding, Server, Severity, scan};
use crate::policy::{Kind, elements};

/// The findings that are said; the command shows the rest.
const MAX_SAID: usize = 20;
/// The text of definitions that is kept for the scan, in bytes. Of a list that is longer only its beginning is judged.
const MAX_KEPT: usize = 4 << 20;

/// The lists that have not been scanned.
#[derive(Debug)]
pub(super) struct FirstSight {
    tools: Option<Pages>,
    prompts: Option<Pages>,
    instructions: bool,
}

/// The definitions of a listing so far.
#[derive(Debug, Default)]
struct Pages {
    definitions: Vec<String>,
    bytes: usize,
}

impl Default for FirstSight {
    fn default() -> Self {
        Self {
            tools: Some(Pages::default()),
            prompts: Some(Pages::default()),
            instructions: true,
        }
    }
}

impl FirstSight {
    /// Takes a page; returns all definitions with the last one of the first listing.
    fn page(&mut self, kind: Kind, page: &Frame, cursor: Option<&str>) -> Option<Vec<String>> {
        let slot = match kind {
            Kind::Tools => &mut self.tools,
            Kind::Prompts => &mut self.prompts,
            Kind::Resources | Kind::Templates => return None,
        };
        let pages = slot.as_mut()?;
        if cursor.is_none() {
            *pages = Pages::default();
        }
        for definition in elements(page, kind)? {
            pages.bytes += definition.len();
            if pages.bytes > MAX_KEPT {
                break;
            }
            pages.definitions.push(definition.to_owned());
        }
        match page.member_in("result", "nextCursor").and_then(string) {
            Some(_) => None,
            None => slot.take().map(|pages| pages.definitions),
        }
    }
}

impl Enforcement {
    /// Takes a page of a list, without what access hides, before it is sanitized.
    pub(super) fn first_sight_of_list(&self, kind: Kind, page: &Frame, cursor: Option<&str>) {
        let mut state = self.state();
        let seen = state.first_sight.as_mut();
        let Some(definitions) = seen.and_then(|seen| seen.page(kind, page, cursor)) else {
            return;
        };
        drop(state);
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
        let is_first = state
            .first_sight
            .as_mut()
            .is_some_and(|seen| std::mem::take(&mut seen.instructions));
        drop(state);
        if is_first && instructions.len() <= MAX_KEPT {
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

/// Says what weighs more than a note.
fn say(findings: &[Finding]) {
    let weighty = || {
        findings
            .iter()
            .filter(|finding| finding.severity > Severity::Note)
    };
    for finding in weighty().take(MAX_SAID) {
        tracing::warn!("{finding}");
    }
    let more = weighty().count().saturating_sub(MAX_SAID);
    if more > 0 {
        tracing::warn!("{more} more findings; `mcpipe pins TARGET scan` shows all");
    }
}
