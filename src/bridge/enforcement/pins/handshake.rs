//! The pinned parts of a handshake: the server's instructions, and that lists may change.

use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use crate::bridge::early_initialize::is_own;
use crate::bridge::enforcement::Enforcement;
use crate::bridge::enforcement::pins::Pinning;
use crate::frame::{Frame, member_of, string};
use crate::policy::folded;
use crate::policy::pins::definition::{Definition, INSTRUCTIONS, Kind};
use crate::policy::pins::view::Instructions;

/// The time that the start of a bridge waits for the pins. Without them the host gets no instructions.
const PATIENCE: Duration = Duration::from_secs(5);

impl Enforcement {
    /// Returns the answer to a handshake as the host may see it, and every other answer as it is.
    pub(in crate::bridge::enforcement) fn pinned_handshake(
        self: &Arc<Self>,
        answer: Frame,
        method: &str,
    ) -> Frame {
        let Some(pins) = &self.pins else {
            return answer;
        };
        if !matches!(method, "initialize" | "server/discover") || answer.is_error() {
            return answer;
        }
        let shown = shown(&answer);
        let listed: Vec<Definition> = shown.iter().cloned().collect();
        self.take_shown(pins, Kind::Instructions, listed, true);
        if self.rules.dry_run {
            return answer;
        }
        with_changing_lists(pins.with_accepted_instructions(answer, shown.as_ref()))
    }
}

impl Pinning {
    /// Reads the pins, so that the handshake is judged by them. Does so before the host's first line is read: no message
    /// passes the handshake while it waits.
    pub(in crate::bridge::enforcement) async fn prepare(&self) {
        let Ok(place) = self.place() else { return };
        if !place.store.is_lasting() {
            tracing::warn!(
                "pins are kept in memory only (--vault none): they end with this process"
            );
        }
        let stamp = place.store.stamp().await;
        match time::timeout(PATIENCE, place.store.read()).await {
            Ok(Ok(set)) => {
                let mut state = self.state();
                state.view.take(set.unwrap_or_default());
                state.stamp = Some(stamp);
            }
            Ok(Err(error)) => {
                let refusal = self.unusable(&error);
                let hint = refusal.hint.unwrap_or_default();
                tracing::warn!(
                    "{} Calls are refused until they can. {hint}",
                    refusal.message
                );
            }
            Err(_) => tracing::warn!("the vault is not open yet, so the host gets no instructions"),
        }
    }

    /// Returns the early answer to a handshake with the instructions that the host may see.
    pub(in crate::bridge::enforcement) fn early(&self, answer: Frame) -> Frame {
        let shown = shown(&answer);
        let text = answer.member_in("result", INSTRUCTIONS).and_then(string);
        match text.is_some_and(|text| is_own(&text)) {
            true => answer,
            false => with_changing_lists(self.with_accepted_instructions(answer, shown.as_ref())),
        }
    }

    fn with_accepted_instructions(&self, answer: Frame, shown: Option<&Definition>) -> Frame {
        let decided = self.state().view.instructions(shown);
        let spelled = spellings(&answer);
        if decided == Instructions::Pass && spelled.len() <= 1 {
            return answer;
        }
        let text = match decided {
            Instructions::Pass => answer.member_in("result", INSTRUCTIONS).map(str::to_owned),
            Instructions::Replace(text) => Some(text),
            Instructions::Remove => None,
        };
        answer.edit(|message| {
            message.edit("result", |result| {
                for name in &spelled {
                    result.remove(name);
                }
                if let Some(text) = text {
                    result.set(INSTRUCTIONS, text);
                }
            });
        })
    }
}

/// Returns the names of the members that a host may take for the instructions: some read names whatever their case.
fn spellings(answer: &Frame) -> Vec<String> {
    let names = answer.names(Some("result"));
    let names = names.iter().filter(|name| folded(name) == INSTRUCTIONS);
    names.map(ToString::to_string).collect()
}

/// Returns the instructions of a handshake, if it has any.
fn shown(answer: &Frame) -> Option<Definition> {
    let text = answer.member_in("result", INSTRUCTIONS)?;
    match string(text) {
        Some(text) if text.is_empty() => None,
        _ if text == "null" => None,
        _ => Some(Definition::instructions(text)),
    }
}

/// Says in a handshake that its lists may change: an approval changes them, whatever the server does.
fn with_changing_lists(answer: Frame) -> Frame {
    let capabilities = answer.member_in("result", "capabilities");
    let lacks = |list: &&str| {
        let list = capabilities.and_then(|capabilities| member_of(capabilities, list));
        list.is_some_and(|list| {
            list.starts_with('{') && member_of(list, "listChanged") != Some("true")
        })
    };
    let lists: Vec<&str> = ["tools", "prompts"].into_iter().filter(lacks).collect();
    if lists.is_empty() {
        return answer;
    }
    answer.edit(|message| {
        message.edit("result", |result| {
            result.edit("capabilities", |capabilities| {
                for list in lists {
                    capabilities.edit(list, |list| list.set("listChanged", "true"));
                }
            });
        });
    })
}
