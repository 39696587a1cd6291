//! The order in which the members of an entry are written.

use serde_json::{Map, Value};

use super::path::Step;

/// The members that people look for first, in the order of the hosts' own documentation.
const FIRST: &[&str] = &[
    "name",
    "source",
    "enabled",
    "disabled",
    "type",
    "transport",
    "command",
    "cmd",
    "args",
    "cwd",
    "env",
    "envs",
    "environment",
];

/// Returns the members, those that people look for first at the front.
pub(super) fn ordered(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |name: &str| {
        FIRST
            .iter()
            .position(|it| *it == name)
            .unwrap_or(FIRST.len())
    };
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| rank(name));
    members
}

/// Returns the entry with the member by which it is found in its list.
pub(super) fn complete(entry: &Map<String, Value>, path: &[Step]) -> Map<String, Value> {
    let mut entry = entry.clone();
    if let Some(Step::Item { key, value }) = path.last() {
        entry.insert(key.clone(), value.as_str().into());
    }
    entry
}
