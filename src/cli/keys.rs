//! The flags that `mcpipe.toml` can set: its keys are their names.

use clap::{Arg, ArgAction, Args as _};

use crate::cli::arguments::BridgeArgs;
use crate::cli::policy::GUARD_RAILS;

/// A key of `mcpipe.toml`: a flag's name without its dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// The values that it takes.
    pub kind: KeyKind,
    /// True for a guard rail, of which the layers of settings add up and which an administrator's file may set.
    pub is_guard_rail: bool,
    /// The keys that mean another way to the same thing: where a nearer layer of settings has one of them, this one does not
    /// count.
    pub excludes: Vec<String>,
    /// The default, as it would be typed; `None` if there is none.
    pub default: Option<String>,
}

/// The values that a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A flag without a value: `true` or `false`.
    Switch,
    /// A flag with one value: a string or a number.
    One,
    /// A flag that can be given more than once: an array.
    Many,
}

/// Ways to the same thing that clap's definition does not have as such: the grants, the proofs of a client, the levels of the
/// log.
const ALTERNATIVES: [&[&str]; 3] = [
    &[
        "client-credentials",
        "assertion-file",
        "assertion-command",
        "idp-issuer",
        "device-code",
    ],
    &[
        "client-key",
        "client-secret",
        "client-secret-file",
        "client-secret-env",
        "static-oauth-client-info",
    ],
    &["verbose", "silent"],
];

/// Flags that are no settings: mcp-remote's, which only says that it does nothing here.
const NO_SETTINGS: [&str; 1] = ["clean"];

/// Returns the keys: the flags of a bridge.
pub fn keys() -> Vec<Key> {
    let flags = BridgeArgs::augment_args(clap::Command::new("mcpipe"));
    let keys = flags.get_arguments();
    keys.filter_map(|argument| key(argument, &flags)).collect()
}

fn key(argument: &Arg, flags: &clap::Command) -> Option<Key> {
    let name = argument.get_long()?;
    let kind = match argument.get_action() {
        ArgAction::SetTrue => KeyKind::Switch,
        ArgAction::Append => KeyKind::Many,
        ArgAction::Set => KeyKind::One,
        _ => return None,
    };
    let conflicts = flags.get_arg_conflicts_with(argument);
    let conflicts = conflicts.into_iter().filter_map(Arg::get_long);
    let alternatives = ALTERNATIVES.iter().filter(|group| group.contains(&name));
    let alternatives = alternatives.flat_map(|group| group.iter().copied());
    let mut excludes: Vec<String> = conflicts
        .chain(alternatives)
        .filter(|other| *other != name)
        .map(ToOwned::to_owned)
        .collect();
    excludes.sort_unstable();
    excludes.dedup();
    let default = argument.get_default_values().first();
    (!NO_SETTINGS.contains(&name)).then(|| Key {
        name: name.to_owned(),
        kind,
        is_guard_rail: argument.get_help_heading() == Some(GUARD_RAILS),
        excludes,
        default: default.map(|text| text.to_string_lossy().into_owned()),
    })
}
