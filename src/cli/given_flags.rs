//! The flags that were given, by name and without their values: for the readers of a recording or a log.

use std::ffi::OsString;

use clap::CommandFactory as _;

use crate::cli::arguments::Cli;

/// Returns the names of the flags among these words and variables. Returns only names that mcpipe has, so none can be a
/// value.
pub fn given_flags(
    words: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = OsString>,
) -> Vec<String> {
    let mut names = Vec::new();
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        names.extend(command.get_arguments().filter_map(|argument| {
            let flag = format!("--{}", argument.get_long()?);
            Some((flag, argument.get_env().map(ToOwned::to_owned)))
        }));
        commands.extend(command.get_subcommands().cloned());
    }
    let words: Vec<_> = words
        .into_iter()
        .map_while(|word| word.into_string().ok().filter(|word| word != "--"))
        .map(|word| word.split('=').next().unwrap_or_default().to_owned())
        .collect();
    let variables: Vec<_> = variables.into_iter().collect();
    let mut given: Vec<String> = names
        .into_iter()
        .flat_map(|(flag, variable)| {
            let typed = words.contains(&flag).then_some(flag);
            let set = variable.filter(|name| variables.contains(name));
            let set = set.and_then(|name| name.into_string().ok());
            [typed, set]
        })
        .flatten()
        .collect();
    given.sort_unstable();
    given.dedup();
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_by_name_and_nothing_else_is() {
        let words = [
            "mcpipe",
            "https://a.example/?canary",
            "--header",
            "X-Key: canary",
            "--record=canary",
            "--canary",
            "--",
            "--silent",
        ];
        let found = given_flags(
            words.map(OsString::from),
            ["MCPIPE_GRACE", "MCPIPE_CANARY", "HOME"].map(OsString::from),
        );
        assert_eq!(found, ["--header", "--record", "MCPIPE_GRACE"]);
    }
}
