//! The whole definition of the command line, and its help: the commands by what they are for.

use clap::CommandFactory as _;
use clap::builder::StyledStr;

use crate::cli::arguments::Cli;
use crate::cli::environment;
use crate::help::wrapped;
use crate::text::Style;

/// What commands are for, with their names. A command may be listed here before there is one.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Signing in", &["login", "logout", "status", "token"]),
    (
        "Using a server by hand",
        &[
            "list", "show", "call", "read", "prompt", "complete", "raw", "tasks",
        ],
    ),
    ("Setting up hosts", &["client", "alias", "import"]),
    (
        "Seeing what is wrong",
        &["doctor", "config", "pins", "audit", "replay"],
    ),
    ("Keeping secrets", &["vault"]),
    ("Getting help", &["help", "completions", "man"]),
];

/// Returns the definition of the whole command line.
pub fn command() -> clap::Command {
    environment::named(Cli::command())
}

/// Returns the names of the commands that people type.
pub fn commands() -> Vec<String> {
    let cli = command();
    let commands = cli
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    commands
        .map(|command| command.get_name().to_owned())
        .collect()
}

/// Returns the commands of the definition by what they are for, the bridge first; each is its name and what it does.
pub fn grouped(command: &clap::Command) -> Vec<(&'static str, Vec<(String, String)>)> {
    let bridge = (
        "mcpipe URL".to_owned(),
        "The bridge: JSON-RPC on stdin and stdout, one message a line".to_owned(),
    );
    let mut groups = vec![("The bridge, which a host starts", vec![bridge])];
    for (heading, names) in GROUPS {
        let found = names.iter().filter_map(|name| {
            let about = command.find_subcommand(name)?.get_about()?;
            Some(((*name).to_owned(), about.to_string()))
        });
        let found: Vec<_> = found.collect();
        if !found.is_empty() {
            groups.push((heading, found));
        }
    }
    groups
}

/// Returns the help of the command that these words lead to, if they lead to one.
pub fn help_of<'a>(
    words: impl IntoIterator<Item = &'a str>,
    is_long: bool,
    width: usize,
    style: Style,
) -> Option<String> {
    let mut whole = command();
    let mut words = words.into_iter().peekable();
    if words.peek().is_none() {
        whole = with_groups(whole, width, style);
    }
    whole.build();
    let mut at = &mut whole;
    for word in words {
        at = at.find_subcommand_mut(word)?;
    }
    let help = match is_long {
        true => at.render_long_help(),
        false => at.render_help(),
    };
    Some(match style.is_coloured() {
        true => help.ansi().to_string(),
        false => help.to_string(),
    })
}

/// Returns the definition with the commands as [`grouped`] has them in the place of clap's list.
fn with_groups(command: clap::Command, width: usize, style: Style) -> clap::Command {
    const NAMES: usize = 13;
    let mut list = String::new();
    for (heading, commands) in grouped(&command) {
        list.push_str(&style.bold(&format!("{heading}:")));
        list.push('\n');
        for (name, about) in commands {
            let line = wrapped(&about, width, NAMES + 2, NAMES + 2);
            let rest = line.get(NAMES + 2..).unwrap_or_default();
            list.push_str(&format!("  {name:NAMES$}{rest}"));
        }
        list.push('\n');
    }
    let names = command.get_subcommands().map(|it| it.get_name().to_owned());
    let names: Vec<_> = names.collect();
    let hidden = |command: clap::Command| command.hide(true);
    let command = names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, hidden)
    });
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}{{all-args}}{{after-help}}"
    );
    command
        .override_usage("mcpipe [OPTIONS] <URL> [CALLBACK_PORT]\n       mcpipe <COMMAND>")
        .help_template(StyledStr::from(template))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = command();
        let visible = command.get_subcommands().filter(|it| !it.is_hide_set());
        for name in visible.map(clap::Command::get_name) {
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&name));
            assert_eq!(groups.count(), 1, "GROUPS says what {name} is for");
        }
    }

    #[test]
    fn the_help_has_the_groups_and_each_flag() {
        let help = help_of([], true, 100, Style::default()).unwrap();
        for words in [
            "Signing in:\n  login ",
            "Guard rails:",
            "--call-timeout",
            "Exit codes:",
        ] {
            assert!(help.contains(words), "{words}: {help}");
        }
        assert!(!help.contains("\nCommands:"), "{help}");
        assert!(!help.contains("sign-in-helper"), "{help}");
        let init = help_of(["vault", "init"], true, 100, Style::default()).unwrap();
        assert!(init.contains("Usage: mcpipe vault init"), "{init}");
        assert_eq!(help_of(["nonsense"], true, 100, Style::default()), None);
    }
}
