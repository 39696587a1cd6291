//! From words and variables to [`Cli`].

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::arguments::Cli;
use crate::cli::environment;
use crate::cli::usage_error::{ParseError, UsageError};

/// Reads the command line.
///
/// # Errors
/// The command line asks for help or the version, or cannot be understood.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, ParseError> {
    let words: Vec<OsString> = args.into_iter().collect();
    let command = environment::named(Cli::command());
    let cli = command
        .clone()
        .try_get_matches_from(&words)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| ParseError::of(error, &command, &words))?;
    // clap's `conflicts_with` would not do: to it MCPIPE_SILENT=0 is --silent too.
    match cli.log() {
        Some(log) if log.verbose && log.silent => Err(ParseError::Usage(UsageError::new(
            "--verbose and --silent are opposites",
            "leave one of them out",
        ))),
        _ => Ok(cli),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Command;

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
