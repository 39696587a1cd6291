//! The variables that stand for flags, as clap reads them.

use std::ffi::OsStr;

use clap::ArgAction;
use clap::builder::Resettable;

use crate::cli::units::switch;

/// Returns the command with each flag as `--help` and the environment have it: a text that the help says once at its
/// end need not stand at every flag, and a variable that stands for a switch takes the words that users write there.
pub(super) fn named(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| {
            let argument = argument.hide_env(true);
            let says_nothing = argument.get_env().is_some_and(is_set_to_nothing);
            let argument = match says_nothing && !EMPTY_MEANS.contains(&argument.get_id().as_str())
            {
                true => argument.env(Resettable::Reset),
                false => argument,
            };
            match (argument.get_action(), argument.get_env()) {
                (ArgAction::SetTrue, Some(_)) => argument.value_parser(switch),
                _ => argument,
            }
        })
        .mut_subcommands(named)
}

/// Flags for which an empty value asks for something. For every other flag, containers and hosts' `env` blocks write an
/// empty variable where there is none.
const EMPTY_MEANS: [&str; 2] = ["scope", "resource"];

#[expect(
    clippy::disallowed_methods,
    reason = "clap reads these variables, and cannot be told to pass over empty ones"
)]
fn is_set_to_nothing(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// Says whether one of these variables is set, to whatever.
#[expect(
    clippy::disallowed_methods,
    reason = "clap reads these variables; this spares it the definition of their flags"
)]
pub(super) fn is_any_set(variables: &[&str]) -> bool {
    variables
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}
