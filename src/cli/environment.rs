//! The variables that stand for flags: clap reads them, and this says how.

use std::ffi::OsStr;

use clap::ArgAction;
use clap::builder::Resettable;

use crate::cli::units::switch;

/// Every flag as it is written in `--help` and in the environment: what the help says once at its end need not stand at
/// every flag, and a variable that stands for a switch takes the words people write there.
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

/// Where nothing is something to ask for. Everywhere else an empty variable is how containers and hosts' `env` blocks write
/// that there is none.
const EMPTY_MEANS: [&str; 2] = ["scope", "resource"];

#[expect(
    clippy::disallowed_methods,
    reason = "clap reads these variables, and cannot be told to pass over empty ones"
)]
fn is_set_to_nothing(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}
