//! Errors of a command line, in words that repeat nothing of it.
//!
//! Hosts write stderr to files that users show to others, and a word in the wrong place is as likely a secret as not: a
//! host that tears `--header 'Authorization: Bearer …'` apart at its spaces makes a URL of `Bearer` and a port of the
//! token. So clap's own messages, which quote the words, are never printed. Names of flags and commands come from the
//! definition; a flag that is unknown is named only if nothing but a name can stand there.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::units::ExpectedValue;
use crate::report::Failure;

/// A command line that is not a request.
#[derive(Debug)]
pub enum ParseError {
    /// A request for help or the version, or an empty command line: clap knows the text to print, and the stream.
    Help(clap::Error),
    /// A command line that cannot be understood.
    Usage(UsageError),
}

/// A mistake in a command line.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError {
    text: String,
    hint: String,
}

impl fmt::Display for UsageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Error for UsageError {}

impl From<UsageError> for Failure {
    fn from(mistake: UsageError) -> Self {
        let hint = mistake.hint.clone();
        Self::usage(mistake).hint(hint)
    }
}

/// The hint where a host may have split an argument.
pub const TORN: &str = "if a host tore an argument apart at its spaces, write it without them: --header Name:value, or \
                        --header \"Name:${VAR}\" with the value in the host's `env`";

const HELP: &str = "`mcpipe --help` lists the flags and the commands";

impl UsageError {
    pub(super) fn new(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hint: hint.into(),
        }
    }
}

impl ParseError {
    /// Makes an error of clap's into ours. `words` are the arguments, the program's name first.
    pub(super) fn of(error: clap::Error, command: &Command, words: &[OsString]) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self::Help(error),
            _ => Self::Usage(ClapError(&error).mistake(command, words)),
        }
    }
}

/// An error of clap's, with access to its context.
struct ClapError<'a>(&'a clap::Error);

impl ClapError<'_> {
    fn mistake(&self, command: &Command, words: &[OsString]) -> UsageError {
        match self.0.kind() {
            ErrorKind::InvalidValue if self.text(ContextKind::InvalidValue) == Some("") => {
                self.without_value(words)
            }
            ErrorKind::InvalidValue => self.none_of_the_values(words),
            ErrorKind::ValueValidation => self.not_such_a_value(command, words),
            ErrorKind::TooManyValues => UsageError::new(
                format!("{} takes no value", self.argument()),
                "leave out what stands behind the `=`",
            ),
            ErrorKind::UnknownArgument => self.unknown(command, words),
            ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand => {
                let (path, commands) = commands(command, words);
                UsageError::new(
                    format!("`{path}` is followed by a command, and there is none of that name"),
                    format!("the commands are {commands}"),
                )
            }
            ErrorKind::MissingRequiredArgument => self.missing(command, words),
            ErrorKind::ArgumentConflict => self.conflict(command, words),
            ErrorKind::InvalidUtf8 => UsageError::new("an argument is not UTF-8", TORN),
            _ => UsageError::new("the arguments cannot be understood", HELP),
        }
    }

    /// Returns the error for a flag at the end, or one that another flag follows.
    fn without_value(&self, words: &[OsString]) -> UsageError {
        let argument = self.argument();
        let text = format!("{} has no value", self.source_of(&argument, words));
        let values = self.texts(ContextKind::ValidValue);
        let hint = match argument.as_str() {
            "--header" => format!("write --header Name:value; {TORN}"),
            _ if !values.is_empty() => format!("it takes one of {}", values.join(", ")),
            _ => format!(
                "write {argument} {}; a value that begins with a dash is written {argument}=VALUE",
                self.value_name().unwrap_or("VALUE")
            ),
        };
        UsageError::new(text, hint)
    }

    fn none_of_the_values(&self, words: &[OsString]) -> UsageError {
        let argument = self.argument();
        let text = format!(
            "{} takes one of {}",
            self.source_of(&argument, words),
            self.texts(ContextKind::ValidValue).join(", ")
        );
        let hint = match self.text(ContextKind::SuggestedValue) {
            Some(value) => format!("perhaps {value} is meant"),
            None => HELP.to_owned(),
        };
        UsageError::new(text, hint)
    }

    fn not_such_a_value(&self, command: &Command, words: &[OsString]) -> UsageError {
        let argument = self.argument();
        let expected = self.0.source().and_then(|source| source.downcast_ref());
        let expected = match expected {
            Some(ExpectedValue(expected)) => expected,
            None => "another value",
        };
        if argument == "CALLBACK_PORT" {
            if let Some(mistake) = first_word(command, words) {
                return mistake;
            }
            let place = self.place(ContextKind::InvalidValue, words);
            let hint = match late_command(command, words) {
                Some(name) => {
                    format!("write `mcpipe {name}` first, and everything else after it")
                }
                None => TORN.to_owned(),
            };
            return UsageError::new(
                format!("{place} stands behind the URL and is no port"),
                hint,
            );
        }
        let text = format!("{} takes {expected}", self.source_of(&argument, words));
        UsageError::new(text, HELP)
    }

    fn unknown(&self, command: &Command, words: &[OsString]) -> UsageError {
        let argument = self.text(ContextKind::InvalidArg).unwrap_or_default();
        let is_flag = argument.starts_with('-') && argument != "-" && argument != "--";
        if !is_flag {
            return first_word(command, words)
                .unwrap_or_else(|| self.one_too_many(ContextKind::InvalidArg, words));
        }
        let text = match named(argument) {
            Some(name) => format!("there is no flag {name}"),
            None => "there is a flag that mcpipe does not have".to_owned(),
        };
        let hint = match (self.text(ContextKind::SuggestedArg), argument) {
            (Some(known), _) => format!("perhaps {known} is meant; {HELP}"),
            (None, "-H") => "a header is written --header Name:value".to_owned(),
            // The word begins with a dash, and was part of a value.
            (None, short) if !short.starts_with("--") => {
                format!("a value that begins with a dash is written --flag=VALUE; {TORN}")
            }
            _ => HELP.to_owned(),
        };
        UsageError::new(text, hint)
    }

    fn one_too_many(&self, kind: ContextKind, words: &[OsString]) -> UsageError {
        let place = self.place(kind, words);
        UsageError::new(format!("{place} is one too many"), TORN)
    }

    fn missing(&self, command: &Command, words: &[OsString]) -> UsageError {
        let missing = self.texts(ContextKind::InvalidArg).join(" and ");
        if !missing.contains("<URL>") {
            return UsageError::new(format!("{missing} is missing"), HELP);
        }
        let (path, _) = commands(command, words);
        let all = match path.ends_with(" logout") {
            true => ", or `mcpipe logout --all`",
            false => "",
        };
        UsageError::new(
            format!("the server's address is missing: {missing}"),
            format!("write `{path} https://mcp.example.com/mcp`{all}; `mcpipe --help` says more"),
        )
    }

    fn conflict(&self, command: &Command, words: &[OsString]) -> UsageError {
        // clap calls any word a command that stands where one might.
        if let Some(word) = self.text(ContextKind::InvalidSubcommand) {
            let Some(command) = command.find_subcommand(word) else {
                return first_word(command, words)
                    .unwrap_or_else(|| self.one_too_many(ContextKind::InvalidSubcommand, words));
            };
            let name = command.get_name();
            return UsageError::new(
                format!("the command `{name}` stands behind other arguments"),
                format!("write `mcpipe {name}` first, and everything else after it"),
            );
        }
        let argument = self.argument();
        let others: Vec<_> = self
            .texts(ContextKind::PriorArg)
            .into_iter()
            .map(name)
            .collect();
        if others.is_empty() || others.contains(&argument) {
            return UsageError::new(
                format!("{argument} stands there twice"),
                "it can be given once",
            );
        }
        UsageError::new(
            format!("{argument} and {} exclude each other", others.join(", ")),
            "leave one of them out",
        )
    }

    /// Returns an argument by its name in the definition: `--grace` of `--grace <SECONDS>`; `CALLBACK_PORT` of
    /// `[CALLBACK_PORT]`.
    fn argument(&self) -> String {
        let argument = self.texts(ContextKind::InvalidArg);
        argument.first().copied().map(name).unwrap_or_default()
    }

    fn value_name(&self) -> Option<&str> {
        let argument = self.text(ContextKind::InvalidArg)?;
        let (_, value) = argument.split_once('<')?;
        value.split_once('>').map(|(value, _)| value)
    }

    /// Returns the flag, or the variable that stands for it where the flag was not typed.
    fn source_of(&self, argument: &str, words: &[OsString]) -> String {
        let is_typed = words.iter().any(|word| {
            let word = word.to_string_lossy();
            word == argument || word.starts_with(&format!("{argument}="))
        });
        match argument.strip_prefix("--") {
            Some(flag) if !is_typed && flag.len() > 1 => {
                format!("MCPIPE_{}", flag.replace('-', "_").to_ascii_uppercase())
            }
            _ => argument.to_owned(),
        }
    }

    /// Returns the place of the word that clap names; the word itself may be a secret.
    fn place(&self, kind: ContextKind, words: &[OsString]) -> String {
        let wanted = OsStr::new(self.text(kind).unwrap_or_default());
        let mut places = words.iter().skip(1).enumerate();
        let mut places = places.by_ref().filter(|(_, word)| *word == wanted);
        match (places.next(), places.next()) {
            (Some((at, _)), None) => format!("argument {}", at + 1),
            _ => "an argument".to_owned(),
        }
    }

    fn text(&self, kind: ContextKind) -> Option<&str> {
        match self.0.get(kind) {
            Some(ContextValue::String(text)) => Some(text),
            _ => None,
        }
    }

    fn texts(&self, kind: ContextKind) -> Vec<&str> {
        match self.0.get(kind) {
            Some(ContextValue::String(text)) => vec![text],
            Some(ContextValue::Strings(texts)) => texts.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Returns a flag or argument without the names of its values.
fn name(usage: &str) -> String {
    let name = usage.split(' ').next().unwrap_or_default();
    name.trim_matches(['[', ']', '<', '>', '.']).to_owned()
}

/// Returns a flag's name, where the argument is nothing else: one letter behind one dash, or behind two dashes words as
/// flags have them. A token has more digits, or letters of both cases.
fn named(argument: &str) -> Option<&str> {
    const LONGEST: usize = 40;
    let name = argument.split('=').next().unwrap_or_default();
    let is_name = match name.strip_prefix("--") {
        Some(long) => {
            long.len() <= LONGEST
                && long.starts_with(|c: char| c.is_ascii_lowercase())
                && long
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                && long.chars().filter(char::is_ascii_digit).count() <= 2
        }
        None => name.len() == 2 && name.ends_with(|c: char| c.is_ascii_alphanumeric()),
    };
    is_name.then_some(name)
}

/// Returns a command's name among the words, for a command that stands behind other arguments.
fn late_command<'a>(command: &'a Command, words: &[OsString]) -> Option<&'a str> {
    let words = words.iter().skip(1).filter_map(|word| word.to_str());
    let mut commands = words.filter_map(|word| command.find_subcommand(word));
    commands.next().map(Command::get_name)
}

/// Returns the error for a first word that is neither an address nor a command: the words after it are not at fault.
fn first_word(command: &Command, words: &[OsString]) -> Option<UsageError> {
    let first = words.get(1)?.to_str()?;
    if first.starts_with('-') || first.contains("://") || command.find_subcommand(first).is_some() {
        return None;
    }
    let (_, commands) = commands(command, &[]);
    Some(UsageError::new(
        "argument 1 is neither the server's address nor a command",
        format!(
            "an address looks like https://mcp.example.com/mcp; the commands are {commands}; {TORN}"
        ),
    ))
}

/// Returns the command that these words begin with, and the commands below it.
fn commands(command: &Command, words: &[OsString]) -> (String, String) {
    let (mut path, mut at) = (command.get_name().to_owned(), command);
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        match at.find_subcommand(word) {
            Some(below) => {
                path = format!("{path} {}", below.get_name());
                at = below;
            }
            // Flags, and their values, may stand before the first command.
            None if at.get_name() == command.get_name() || word.starts_with('-') => {}
            None => break,
        }
    }
    let names = at
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name);
    (path, names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_named_only_if_it_can_be_nothing_else() {
        for (typed, shown) in [
            ("--nonsense", Some("--nonsense")),
            ("--ipv5", Some("--ipv5")),
            ("--call-timeuot=5", Some("--call-timeuot")),
            ("-H", Some("-H")),
            ("-1", Some("-1")),
            ("-sk-abcdef", None),
            ("--5f4dcc3b5aa765d61d8327deb882cf99", None),
            ("--a5f4dcc3b5aa765d", None),
            ("--eyJhbGciOiJub25lIn0", None),
            ("--Authorization: Bearer", None),
            ("--a.b", None),
            ("--", None),
        ] {
            assert_eq!(named(typed), shown, "{typed}");
        }
    }
}
