//! A command line with another word in the place of its target.

use std::ffi::OsString;

use crate::cli::arguments::Cli;
use crate::cli::parse::parse;

/// Returns the command line as if `target` had been typed in the place of `typed`, with its words. Returns `None` where no
/// word of that text is the target.
pub fn retyped(words: &[OsString], typed: &str, target: &str) -> Option<(Cli, Vec<OsString>)> {
    let is_target = |(at, word): (usize, &OsString)| (at > 0 && word == typed).then_some(at);
    let places = words.iter().enumerate().filter_map(is_target);
    // Flags may have the same text as their value.
    places.into_iter().find_map(|at| {
        let mut words = words.to_vec();
        *words.get_mut(at)? = target.into();
        let cli = parse(words.iter().cloned()).ok()?;
        (cli.target() == Some(target)).then_some((cli, words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_target_is_replaced() {
        for (line, wanted) in [
            ("mcpipe work", "mcpipe https://a.example/"),
            (
                "mcpipe --account work work 4000",
                "mcpipe --account work https://a.example/ 4000",
            ),
            (
                "mcpipe config check work",
                "mcpipe config check https://a.example/",
            ),
            ("mcpipe login other --account work", ""),
            ("mcpipe status", ""),
        ] {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            let words = retyped(&words, "work", "https://a.example/").map(|(_, words)| words);
            let words = words.unwrap_or_default();
            let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!(words.join(" "), wanted, "{line}");
        }
    }
}
