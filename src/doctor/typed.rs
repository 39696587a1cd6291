//! The user's own words in remedies: another command with the flags that were given, as far as that command takes them.
//!
//! A value that may be a secret is shown as `config check` shows it, and stands there to be put in.

use std::ffi::OsString;

use crate::cli::{self, Source};
use crate::settings::config_report::shown;
use crate::text::{printable, without_query};

/// The words of the command line: the address, and the flags with their values.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    url: String,
    flags: Vec<(String, Vec<String>)>,
}

impl Typed {
    /// Reads the words of a command line; the program's name is the first. What variables set is set for other commands too.
    pub fn read(url: &str, words: &[String]) -> Self {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        let given = cli::given(&words).map(|given| given.flags);
        let typed = given
            .into_iter()
            .flatten()
            .filter(|flag| flag.source == Source::Flag);
        let flags = typed.map(|flag| {
            // clap gives a switch that was typed the value `true`.
            let word = OsString::from(format!("--{}", flag.name));
            let mut behind = words.iter().skip_while(|it| **it != word).skip(1);
            let is_switch = flag.values == ["true"]
                && words.contains(&word)
                && behind.next().is_none_or(|it| it != "true");
            let values = flag.values.iter().filter(|_| !is_switch).map(|value| {
                let value = value.to_string_lossy();
                quoted(&shown(&flag.name, &value))
            });
            (flag.name.clone(), values.collect())
        });
        Self {
            url: url.to_owned(),
            flags: flags.collect(),
        }
    }

    /// Returns the line that runs a command of mcpipe (empty for the bridge) for this server, with the flags that were given and
    /// that this command takes, and with these words after them.
    pub fn line(&self, command: &str, more: &[&str]) -> String {
        self.line_to(&self.url, command, more)
    }

    /// Does as [`Typed::line`], for a server at another address.
    pub fn line_to(&self, url: &str, command: &str, more: &[&str]) -> String {
        let command_words = command.split_whitespace();
        let words = ["mcpipe"].into_iter().chain(command_words);
        let words = words.map(ToOwned::to_owned);
        let url = quoted(&printable(&without_query(url), 500));
        let mut line: Vec<String> = words.chain([url]).collect();
        let asked: Vec<_> = line.iter().map(OsString::from).collect();
        let known = cli::given(&asked)
            .map(|given| given.known)
            .unwrap_or_default();
        let is_set_anew = |name: &str| {
            let flag = format!("--{name}");
            more.iter().any(|word| *word == flag)
        };
        for (name, values) in &self.flags {
            if !known.contains(name) || is_set_anew(name) || OWN.contains(&name.as_str()) {
                continue;
            }
            let flag = format!("--{name}");
            if values.is_empty() {
                line.push(flag.clone());
            }
            for value in values {
                line.push(format!("{flag} {value}"));
            }
        }
        line.extend(more.iter().map(|word| (*word).to_owned()));
        line.join(" ")
    }
}

/// Flags of doctor itself, and of the text that is shown: no remedy repeats them.
const OWN: [&str; 8] = [
    "json",
    "redact",
    "no-redact",
    "compare",
    "verbose",
    "debug",
    "silent",
    "log-file",
];

/// Returns a word as a POSIX shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=[]".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        let words: Vec<_> = line.split(' ').map(|it| it.replace('+', " ")).collect();
        Typed::read("https://a.example/mcp?key=s3cret", &words)
    }

    #[test]
    fn a_remedy_has_the_flags_that_its_command_takes_and_no_secret() {
        let typed = typed(
            "mcpipe doctor https://a.example/mcp?key=s3cret --json --header X-Key:+s3cret --header X-Team:blue --scope a+b --account work --grace 5 --keep-alive",
        );
        assert_eq!(
            typed.line("login", &[]),
            "mcpipe login 'https://a.example/mcp?…' --header 'X-Key: …' --header 'X-Team: blue' --account work --scope 'a b'"
        );
        assert_eq!(
            typed.line_to("https://b.example/mcp", "", &["--account", "home"]),
            "mcpipe https://b.example/mcp --header 'X-Key: …' --header 'X-Team: blue' --scope 'a b' --grace 5 --keep-alive --account home"
        );
    }
}
