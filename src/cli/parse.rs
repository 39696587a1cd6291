//! From words and variables to [`Cli`].

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Args as _, CommandFactory as _, FromArgMatches as _, Subcommand as _};

use crate::cli::arguments::{BridgeArgs, Cli, Command, UnguardedArgs};
use crate::cli::usage_error::{ParseError, UsageError};
use crate::cli::{environment, policy};

/// Reads the command line.
///
/// # Errors
/// The command line asks for help or the version, or cannot be understood.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, ParseError> {
    let words: Vec<OsString> = args.into_iter().collect();
    let cli = match bridge(&words) {
        Some(bridge) => Cli {
            command: None,
            bridge,
        },
        None => any(&words)?,
    };
    // clap's `conflicts_with` would not do: to it MCPIPE_SILENT=0 is --silent too.
    match cli.log() {
        Some(log) if log.verbose && log.silent => Err(ParseError::Usage(UsageError::new(
            "--verbose and --silent are opposites",
            "leave one of them out",
        ))),
        _ => Ok(cli),
    }
}

/// Reads the command line of a bridge by the definition of its flags alone, at first without the guard rails: with the
/// commands it is five times as long, and a host waits for it at every start. Returns `None` where a word is the name of a command, and for all that clap does
/// not take; [`any`] says then what it is.
fn bridge(words: &[OsString]) -> Option<BridgeArgs> {
    let is_command = |word: &OsString| word.to_str().is_some_and(Command::has_subcommand);
    if words.iter().skip(1).any(is_command) {
        return None;
    }
    if !environment::is_any_set(&policy::VARIABLES)
        && let Some(bridge) = read::<UnguardedArgs>(words)
    {
        return Some(bridge.into());
    }
    read(words)
}

fn read<A: clap::Args>(words: &[OsString]) -> Option<A> {
    let flags = A::augment_args(clap::Command::new("mcpipe"));
    let mut matches = environment::named(flags).try_get_matches_from(words).ok()?;
    A::from_arg_matches_mut(&mut matches).ok()
}

/// Reads any command line.
fn any(words: &[OsString]) -> Result<Cli, ParseError> {
    let command = || environment::named(Cli::command());
    command()
        .try_get_matches_from(words)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches))
        .map_err(|error| ParseError::of(error, &command(), words))
}

/// Returns the mistake in the value of a flag that a file sets; `None` if the flag takes the value. `word` is flag and
/// value in one word. The variables of the environment have no part in it.
pub fn value_mistake(word: &str) -> Option<UsageError> {
    let flags = BridgeArgs::augment_args(clap::Command::new("mcpipe"));
    let flags = flags.mut_args(|argument| argument.env(Resettable::Reset));
    let words = [OsString::from("mcpipe"), OsString::from(word)];
    let error = flags.clone().try_get_matches_from(&words).err()?;
    match error.kind() {
        // The address is missing, and what the flag needs beside it: nothing is wrong with the value.
        ErrorKind::MissingRequiredArgument => None,
        _ => match ParseError::of(error, &flags, &words) {
            ParseError::Usage(mistake) => Some(mistake),
            ParseError::Help(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cli(words: &str) -> Result<Cli, ParseError> {
        parse(
            std::iter::once("mcpipe")
                .chain(words.split_whitespace())
                .map(OsString::from),
        )
    }

    #[test]
    fn every_flag_explains_itself() {
        let mut command = Cli::command();
        command.build();
        let mut commands = vec![&command];
        while let Some(command) = commands.pop() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            commands.extend(command.get_subcommands());
            for argument in command.get_arguments() {
                let (command, argument, help) =
                    (command.get_name(), argument.get_id(), argument.get_help());
                assert!(help.is_some(), "{command}: {argument} has no help");
            }
        }
    }

    #[test]
    fn an_address_alone_is_the_bridge_and_flags_may_stand_anywhere() {
        let bridge = cli("--grace 2 https://a.example/mcp 4000 --header A:b --header=B:c").unwrap();
        assert!(bridge.command.is_none());
        assert_eq!(
            bridge.bridge.target.url.as_deref(),
            Some("https://a.example/mcp")
        );
        assert_eq!(bridge.bridge.callback_port(), Some(4000));
        assert_eq!(bridge.bridge.target.network.headers, ["A:b", "B:c"]);
    }

    #[test]
    fn the_variables_of_guard_rails_are_those_of_their_flags() {
        let flags = crate::cli::PolicyArgs::augment_args(clap::Command::new("mcpipe"));
        let variables = flags
            .get_arguments()
            .filter_map(|flag| flag.get_env()?.to_str());
        let mut variables: Vec<_> = variables.collect();
        variables.sort_unstable();
        assert_eq!(variables, policy::VARIABLES);
    }

    #[test]
    fn a_bridge_is_read_without_the_commands_as_it_is_with_them() {
        let mut read = 0;
        for words in [
            "https://a.example/mcp",
            "https://a.example/mcp 4000 --header A:b --header=B:c --silent",
            "--grace 2 --transport sse-only https://a.example/mcp --host localhost",
            "--client-secret-file statuses https://a.example/mcp -- 4000",
            "--deny-tool a --deny-tool=b --rate-limit 5/m https://a.example/mcp --read-only",
            "https://a.example/mcp --header X:--deny-tool --account deny-tool",
            // These are for the whole definition.
            "",
            "--help",
            "-V",
            "--version",
            "help",
            "loginn",
            "status --json",
            "https://a.example/mcp login",
            "--account login https://a.example/mcp",
            "--resource token https://a.example/mcp",
            "--nonsense https://a.example/mcp",
            "https://a.example/mcp --grace x",
        ] {
            let words: Vec<_> = std::iter::once("mcpipe")
                .chain(words.split_whitespace())
                .map(OsString::from)
                .collect();
            let Some(bridge) = bridge(&words) else {
                continue;
            };
            let whole = any(&words).unwrap();
            assert!(whole.command.is_none(), "{words:?}");
            assert_eq!(format!("{bridge:?}"), format!("{:?}", whole.bridge));
            read += 1;
        }
        assert_eq!(read, 8, "bridges among these");
    }

    #[test]
    fn every_command_goes_by_its_one_name() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(Command::has_subcommand(name), "{name}");
            assert_eq!(command.get_all_aliases().count(), 0, "{name}");
        }
    }

    #[test]
    fn commands_are_commands() {
        assert!(matches!(
            cli("status --json").unwrap().command,
            Some(Command::Status(_))
        ));
        assert!(matches!(
            cli("logout --all").unwrap().command,
            Some(Command::Logout(_))
        ));
        assert!(matches!(
            cli("token --json https://a.example").unwrap().command,
            Some(Command::Token(_))
        ));
        assert!(matches!(
            cli("login https://a.example").unwrap().command,
            Some(Command::Login(_))
        ));
    }

    #[test]
    fn mistakes_are_mistakes() {
        for words in [
            "",
            "--grace x https://a",
            "--nonsense https://a",
            "logout",
            "login",
            "--max-in-flight 0 https://a",
            "--cache-ttl 5 https://a",
        ] {
            assert!(cli(words).is_err(), "{words}");
        }
    }
}
