//! The pinned set of a server: what was accepted of it, beside what it lists now.
//!
//! One set per server and account. Each kind is pinned as a whole when it is first seen. From then on a definition is
//! accepted only by the user: one that differs, or is new, waits beside its pin, and a pin whose definition has vanished
//! stays. The order of a list does not count. Times are seconds since 1970.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::policy::pins::definition::{Definition, Kind, Version};
use crate::policy::pins::likeness::successors;

/// The number of definitions of one kind that can be pinned.
pub const MAX_ITEMS: usize = 10_000;
/// The sum of the texts that are kept in one set, in bytes. Digests are kept of all.
pub const MAX_TEXTS: usize = 1 << 20;

const FORMAT: u32 = 1;

/// A server lists more than [`MAX_ITEMS`] definitions of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server lists more than {MAX_ITEMS} {0}s, which are too many to pin")]
pub struct TooMany(pub Kind);

/// The reason why a stored set is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pins of this server were written by another version of mcpipe")]
pub struct Foreign;

/// The pins of one account at one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinSet {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<Pins>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompts: Option<Pins>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instructions: Option<Pins>,
}

/// The pins of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// The time of the first sight.
    pub since: u64,
    /// The pins by name.
    #[serde(default)]
    pub items: BTreeMap<String, Pin>,
}

/// One name: what was accepted, and what was seen that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The version that was accepted; none of a new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Version>,
    /// The time at which it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<u64>,
    /// The version that was seen and is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Version>,
    /// The time at which it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_since: Option<u64>,
    /// The time since which the server has not listed the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<u64>,
}

/// A difference between a pinned set and what the server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The kind.
    pub kind: Kind,
    /// The name as the server has it now; of one that has vanished, as it was.
    pub name: &'a str,
    /// The difference.
    pub what: What<'a>,
}

/// The ways in which a definition differs from its pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// Another content under the same name.
    Changed {
        /// The accepted version.
        from: &'a Version,
        /// The version that waits.
        to: &'a Version,
    },
    /// A name that was not there.
    New {
        /// The version that waits.
        to: &'a Version,
    },
    /// A new name for nearly the text of a name that has vanished.
    Renamed {
        /// The name before.
        old: &'a str,
        /// The likeness of the texts, in percent.
        percent: u8,
        /// The accepted version.
        from: &'a Version,
        /// The version that waits.
        to: &'a Version,
    },
    /// A name that is not listed any more. Its pin stays.
    Vanished {
        /// The accepted version.
        from: &'a Version,
    },
}

impl Default for PinSet {
    fn default() -> Self {
        Self {
            format: FORMAT,
            tools: None,
            prompts: None,
            instructions: None,
        }
    }
}

impl PinSet {
    /// Reads a stored set.
    ///
    /// # Errors
    /// [`Foreign`] for a text of another format.
    pub fn parse(text: &str) -> Result<Self, Foreign> {
        let set: Self = serde_json::from_str(text).map_err(|_| Foreign)?;
        (set.format == FORMAT).then_some(set).ok_or(Foreign)
    }

    /// Returns the set as text to be stored: JSON.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the pins of a kind; none where it has not been seen.
    pub fn pins(&self, kind: Kind) -> Option<&Pins> {
        match kind {
            Kind::Tool => self.tools.as_ref(),
            Kind::Prompt => self.prompts.as_ref(),
            Kind::Instructions => self.instructions.as_ref(),
        }
    }

    /// Returns the pin of a name.
    pub fn pin(&self, kind: Kind, name: &str) -> Option<&Pin> {
        self.pins(kind)?.items.get(name)
    }

    fn slot(&mut self, kind: Kind) -> &mut Option<Pins> {
        match kind {
            Kind::Tool => &mut self.tools,
            Kind::Prompt => &mut self.prompts,
            Kind::Instructions => &mut self.instructions,
        }
    }

    /// Says whether this definition was accepted.
    pub fn accepts(&self, kind: Kind, definition: &Definition) -> bool {
        let accepted = self
            .pin(kind, &definition.name)
            .and_then(|pin| pin.accepted.as_ref());
        accepted.is_some_and(|accepted| accepted.covers(&definition.version))
    }

    /// Takes what the server lists of a kind at `now`, and returns whether the set is another for it. A complete list of a
    /// kind that was never seen is accepted. A part of a list makes no pin, and tells nothing of what it lacks.
    ///
    /// # Errors
    /// [`TooMany`]; the set is as it was.
    pub fn observe(
        &mut self,
        kind: Kind,
        listed: &[Definition],
        is_complete: bool,
        now: u64,
    ) -> Result<bool, TooMany> {
        let before = self.slot(kind).clone();
        let known = before.as_ref().map_or(0, |pins| pins.items.len());
        let names: BTreeSet<&str> = listed.iter().map(|it| it.name.as_str()).collect();
        let added = names
            .iter()
            .filter(|name| self.pin(kind, name).is_none())
            .count();
        if known + added > MAX_ITEMS {
            return Err(TooMany(kind));
        }
        let slot = self.slot(kind);
        let mut pins = match slot.take() {
            Some(pins) => pins,
            None if !is_complete => return Ok(false),
            None => first_sight(listed, now),
        };
        for name in &names {
            let versions = listed.iter().filter(|it| it.name == **name);
            pins.take(name, versions.map(|it| &it.version), now);
        }
        if is_complete {
            pins.items.retain(|name, pin| {
                let is_listed = names.contains(name.as_str());
                if !is_listed {
                    pin.pending = None;
                    pin.pending_since = None;
                    pin.gone_since.get_or_insert(now);
                }
                is_listed || pin.accepted.is_some()
            });
        }
        *slot = Some(pins);
        self.shed_texts();
        Ok(*self.slot(kind) != before)
    }

    /// Drops the texts that are too many, those of the instructions last.
    fn shed_texts(&mut self) {
        let mut left = MAX_TEXTS;
        for kind in [Kind::Instructions, Kind::Tool, Kind::Prompt] {
            let items = self
                .slot(kind)
                .iter_mut()
                .flat_map(|pins| pins.items.values_mut());
            let versions = items.flat_map(|pin| [&mut pin.pending, &mut pin.accepted]);
            for version in versions.flatten() {
                let length = version.text.as_ref().map_or(0, String::len);
                match left.checked_sub(length) {
                    Some(less) => left = less,
                    None => version.text = None,
                }
            }
        }
    }

    /// Returns all differences, by kind and name.
    pub fn changes(&self) -> Vec<Change<'_>> {
        let kinds = Kind::ALL.into_iter();
        let kinds = kinds.filter_map(|kind| self.pins(kind).map(|pins| (kind, pins)));
        kinds.flat_map(|(kind, pins)| pins.changes(kind)).collect()
    }

    /// Accepts the difference of this name at `now`: the version that waits, or that the name has vanished. For a name that
    /// is another's successor, the old name's pin goes too. Returns false if there is no difference of this name.
    pub fn accept(&mut self, kind: Kind, name: &str, now: u64) -> bool {
        let old = self
            .changes()
            .into_iter()
            .find(|change| change.kind == kind && change.name == name)
            .map(|change| match change.what {
                What::Renamed { old, .. } => Some(old.to_owned()),
                _ => None,
            });
        let (Some(old), Some(pins)) = (old, self.slot(kind)) else {
            return false;
        };
        if let Some(old) = old {
            pins.items.remove(&old);
        }
        match pins
            .items
            .get_mut(name)
            .map(|pin| (pin.pending.take(), pin))
        {
            Some((Some(pending), pin)) => {
                *pin = Pin {
                    accepted: Some(pending),
                    accepted_at: Some(now),
                    ..Pin::default()
                };
            }
            _ => {
                pins.items.remove(name);
            }
        }
        true
    }
}

fn first_sight(listed: &[Definition], now: u64) -> Pins {
    let mut items = BTreeMap::new();
    for definition in listed {
        // Of two definitions with one name the first is accepted, and the second differs from it: neither is shown.
        items.entry(definition.name.clone()).or_insert_with(|| Pin {
            accepted: Some(definition.version.clone()),
            accepted_at: Some(now),
            ..Pin::default()
        });
    }
    Pins { since: now, items }
}

impl Pins {
    /// Takes all versions that a list has of one name.
    fn take<'a>(&mut self, name: &str, versions: impl Iterator<Item = &'a Version>, now: u64) {
        let pin = self.items.entry(name.to_owned()).or_default();
        pin.gone_since = None;
        let accepted = pin.accepted.as_ref();
        let differing: Vec<&Version> = versions
            .filter(|version| !accepted.is_some_and(|accepted| accepted.covers(version)))
            .collect();
        let is_waiting = |version: &&Version| {
            let pending = pin.pending.as_ref();
            pending.is_some_and(|pending| pending.sha256 == version.sha256)
        };
        let Some(differing) = differing
            .iter()
            .find(|it| is_waiting(it))
            .or(differing.first())
        else {
            pin.pending = None;
            pin.pending_since = None;
            return;
        };
        if !is_waiting(differing) {
            pin.pending = Some((*differing).clone());
            pin.pending_since = Some(now);
        }
    }

    fn changes(&self, kind: Kind) -> Vec<Change<'_>> {
        let items = || self.items.iter().map(|(name, pin)| (name.as_str(), pin));
        let vanished: Vec<_> = items()
            .filter(|(_, pin)| pin.gone_since.is_some())
            .filter_map(|(name, pin)| Some((name, pin.accepted.as_ref()?)))
            .collect();
        let fresh: Vec<_> = items()
            .filter(|(_, pin)| pin.accepted.is_none())
            .filter_map(|(name, pin)| Some((name, pin.pending.as_ref()?)))
            .collect();
        let found = successors(&texts(&vanished), &texts(&fresh));
        let renamed: BTreeMap<&str, (usize, u8)> = fresh
            .iter()
            .zip(found)
            .filter_map(|((name, _), found)| Some((*name, found?)))
            .collect();
        let taken: BTreeSet<usize> = renamed.values().map(|(from, _)| *from).collect();
        let mut changes = Vec::new();
        for (name, pin) in items() {
            let successor = renamed
                .get(name)
                .and_then(|(from, percent)| Some((vanished.get(*from)?, *percent)));
            let what = match (&pin.accepted, &pin.pending, successor) {
                (Some(from), Some(to), _) => What::Changed { from, to },
                (None, Some(to), Some(((old, from), percent))) => What::Renamed {
                    old,
                    percent,
                    from,
                    to,
                },
                (None, Some(to), None) => What::New { to },
                (Some(from), None, _) if pin.gone_since.is_some() => {
                    let at = vanished.iter().position(|(vanished, _)| *vanished == name);
                    if at.is_some_and(|at| taken.contains(&at)) {
                        continue;
                    }
                    What::Vanished { from }
                }
                _ => continue,
            };
            changes.push(Change { kind, name, what });
        }
        changes
    }
}

/// A text that is not kept is like no other.
fn texts<'a>(versions: &[(&'a str, &'a Version)]) -> Vec<&'a str> {
    let texts = versions.iter().map(|(_, version)| version.text.as_deref());
    texts.map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests;
