//! What may stand at the end of a command line, from the definition: commands, flags, values.
//!
//! clap_complete would have to be given room in each argument of every start, a bridge's too; the definition says all that
//! is needed.

use clap::{Arg, Command, ValueHint};

/// What may stand at the end of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A whole word, and what it is.
    Word(String, String),
    /// The name of any file, behind these letters of the word.
    File(String),
}

/// Returns what may stand in the place of the last word. `words` are those behind the program's name; `named` gives the
/// names for an argument that is a server or a subject of the help, by the argument's name.
pub fn candidates(
    command: &Command,
    words: &[String],
    named: &dyn Fn(&str) -> Vec<(String, String)>,
) -> Vec<Candidate> {
    let Some((current, before)) = words.split_last() else {
        return Vec::new();
    };
    let place = Place::behind(command, before);
    let mut found = Vec::new();
    if let Some(flag) = place.flag {
        found.extend(values(flag, current, "", named));
    } else if let Some((name, value)) = current
        .split_once('=')
        .filter(|_| current.starts_with("--"))
    {
        if let Some(flag) = flag_of(place.command, name) {
            found.extend(values(flag, value, &format!("{name}="), named));
        }
    } else if current.starts_with('-') && !place.is_escaped {
        found.extend(flags(place.command, current));
    } else {
        if place.positionals == 0 && !place.is_escaped {
            found.extend(commands(place.command, current));
        }
        let mut positionals = place.command.get_positionals();
        // The last takes all that follow, if it takes several.
        let several = place.command.get_positionals().last();
        let several = several.filter(|it| it.get_num_args().is_some_and(|n| n.max_values() > 1));
        if let Some(argument) = positionals.nth(place.positionals).or(several) {
            found.extend(values(argument, current, "", named));
        }
    }
    found
}

/// The place of the last word.
struct Place<'a> {
    command: &'a Command,
    /// The flag whose value it is.
    flag: Option<&'a Arg>,
    /// The number of words before it that belong to no flag.
    positionals: usize,
    is_escaped: bool,
}

impl<'a> Place<'a> {
    fn behind(command: &'a Command, words: &[String]) -> Self {
        let mut place = Self {
            command,
            flag: None,
            positionals: 0,
            is_escaped: false,
        };
        for word in words {
            if place.flag.take().is_some() {
                continue;
            }
            let below = place.command.find_subcommand(word);
            match below {
                _ if place.is_escaped => place.positionals += 1,
                _ if word == "--" => place.is_escaped = true,
                _ if word.starts_with('-') && word.len() > 1 => {
                    place.flag = flag_of(place.command, word).filter(|flag| takes_next_word(flag));
                }
                Some(below) if place.positionals == 0 => place.command = below,
                _ => place.positionals += 1,
            }
        }
        place
    }
}

fn takes_next_word(flag: &Arg) -> bool {
    flag.get_action().takes_values() && flag.get_num_args().is_none_or(|it| it.min_values() > 0)
}

fn flag_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| {
        let is_long = word.strip_prefix("--").is_some_and(|word| {
            argument.get_long() == Some(word)
                || argument
                    .get_all_aliases()
                    .is_some_and(|all| all.contains(&word))
        });
        let mut letters = word.chars().skip(1);
        let is_short = letters.next().is_some_and(|letter| {
            letter != '-' && argument.get_short() == Some(letter) && letters.next().is_none()
        });
        is_long || is_short
    })
}

fn flags(command: &Command, begun: &str) -> Vec<Candidate> {
    let visible = command.get_arguments().filter(|it| !it.is_hide_set());
    let flags = visible.filter_map(|flag| {
        let word = format!("--{}", flag.get_long()?);
        let about = flag.get_help().map(ToString::to_string).unwrap_or_default();
        word.starts_with(begun)
            .then_some(Candidate::Word(word, about))
    });
    flags.collect()
}

fn commands(command: &Command, begun: &str) -> Vec<Candidate> {
    let visible = command.get_subcommands().filter(|it| !it.is_hide_set());
    let commands = visible.filter(|it| it.get_name().starts_with(begun));
    let commands = commands.map(|it| {
        let about = it.get_about().map(ToString::to_string).unwrap_or_default();
        Candidate::Word(it.get_name().to_owned(), about)
    });
    commands.collect()
}

fn values(
    argument: &Arg,
    begun: &str,
    before: &str,
    named: &dyn Fn(&str) -> Vec<(String, String)>,
) -> Vec<Candidate> {
    let possible = argument.get_possible_values();
    let mut known: Vec<(String, String)> = possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| {
            let about = value
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            (value.get_name().to_owned(), about)
        })
        .collect();
    if !argument.get_action().takes_values() {
        return Vec::new();
    }
    known.extend(named(argument.get_id().as_str()));
    known.retain(|(value, _)| value.starts_with(begun));
    let mut found: Vec<_> = known
        .into_iter()
        .map(|(value, about)| Candidate::Word(format!("{before}{value}"), about))
        .collect();
    let is_file = matches!(
        argument.get_value_hint(),
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath
    );
    if is_file {
        found.push(Candidate::File(before.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        let mut command = crate::cli::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        let named = |argument: &str| match argument {
            "url" => vec![("linear".to_owned(), String::new())],
            "words" => vec![("sign-in".to_owned(), String::new())],
            _ => Vec::new(),
        };
        let found = candidates(&command, &words, &named).into_iter();
        let found = found.map(|it| match it {
            Candidate::Word(word, _) => word,
            Candidate::File(before) => format!("{before}FILE"),
        });
        found.collect()
    }

    #[test]
    fn commands_flags_values_and_servers_are_completed() {
        for (line, wanted) in [
            ("log", &["login", "logout"][..]),
            ("li", &["linear"]),
            ("login l", &["linear"]),
            ("vault slot a", &["add"]),
            ("--transport ht", &["http-first", "http-only"]),
            (
                "--transport=ht",
                &["--transport=http-first", "--transport=http-only"],
            ),
            ("login https://a.example/mcp --dpop r", &["require"]),
            ("linear --call-t", &["--call-timeout"]),
            ("--ca ", &["FILE"]),
            ("--ca=", &["--ca=FILE"]),
            ("--verbose l", &["login", "logout", "linear"]),
            ("-v login --verbo", &["--verbose"]),
            ("help si", &["sign-in"]),
            ("completions z", &["zsh"]),
            ("--account login l", &["login", "logout", "linear"]),
            ("--nonsense", &[]),
            ("login -- --ver", &[]),
            ("sign-in-h", &[]),
        ] {
            let mut found = found(line);
            found.retain(|it| !["list"].contains(&it.as_str()));
            assert_eq!(found, wanted, "{line}");
        }
    }
}
