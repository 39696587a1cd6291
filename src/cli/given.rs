//! The flags that a command line and the environment set, each with its source: what a configuration file does not set.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use crate::cli::arguments::Cli;
use crate::cli::environment;

/// The flags of a command about one server.
#[derive(Clone, Debug)]
pub struct Given {
    /// The server's address, as typed.
    pub url: String,
    /// The names of the flags that the command has, without their dashes.
    pub known: Vec<String>,
    /// The flags that are set.
    pub flags: Vec<GivenFlag>,
    /// The place among the words where further flags can be put in.
    pub place: usize,
}

/// A flag that is set.
#[derive(Clone, Debug)]
pub struct GivenFlag {
    /// The name without its dashes.
    pub name: String,
    /// The place where it is set.
    pub source: Source,
    /// The values, as they were written; none for a switch that was typed.
    pub values: Vec<OsString>,
}

/// The place where a flag is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// A variable of the environment.
    Variable,
}

/// Returns the flags that these words and the variables set; `None` for a command that is not about one server, and for
/// words that are no command. The program's name is the first word.
pub fn given(words: &[OsString]) -> Option<Given> {
    let whole = environment::named(Cli::command());
    let matches = whole.clone().try_get_matches_from(words).ok()?;
    let (mut command, mut matches, mut place) = (&whole, &matches, 1);
    while let Some((name, below)) = matches.subcommand() {
        command = command.find_subcommand(name)?;
        matches = below;
        place += 1;
    }
    let url = matches.try_get_one::<String>("url").ok()??.clone();
    let flags = command.get_arguments().filter_map(|argument| {
        let id = argument.get_id().as_str();
        // mcp-remote's second word is its callback port.
        let name = match id {
            "port" => "callback-port",
            _ => argument.get_long()?,
        };
        let source = source(matches, id)?;
        let values = matches.get_raw(id).into_iter().flatten();
        Some(GivenFlag {
            name: name.to_owned(),
            source,
            values: values.map(ToOwned::to_owned).collect(),
        })
    });
    let known = command.get_arguments().filter_map(clap::Arg::get_long);
    Some(Given {
        url,
        known: known.map(ToOwned::to_owned).collect(),
        flags: flags.collect(),
        place,
    })
}

fn source(matches: &ArgMatches, id: &str) -> Option<Source> {
    match matches.value_source(id)? {
        ValueSource::CommandLine => Some(Source::Flag),
        ValueSource::EnvVariable => Some(Source::Variable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Given> {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        given(&words)
    }

    #[test]
    fn flags_are_told_with_the_command_that_takes_them() {
        let bridge = of("mcpipe https://a.example/mcp 4000 --grace=5 --keep-alive").unwrap();
        let names: Vec<_> = bridge.flags.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["callback-port", "grace", "keep-alive"]);
        assert!(bridge.flags.iter().all(|flag| flag.source == Source::Flag));
        assert_eq!(
            (bridge.url.as_str(), bridge.place),
            ("https://a.example/mcp", 1)
        );
        assert!(bridge.known.iter().any(|name| name == "deny-tool"));

        let login = of("mcpipe login https://a.example/mcp --scope a").unwrap();
        assert_eq!(login.place, 2);
        assert!(login.known.iter().any(|name| name == "scope"));
        assert!(!login.known.iter().any(|name| name == "grace"));
    }

    #[test]
    fn commands_about_no_server_have_none() {
        for line in [
            "mcpipe status",
            "mcpipe logout --all",
            "mcpipe vault list",
            "mcpipe --nonsense",
        ] {
            assert!(of(line).is_none(), "{line}");
        }
    }
}
