//! `mcpipe completions`, and the answer to a shell that asks: no error, no word on stderr, no network.

use crate::cli::{self, Candidate, CandidatesArgs, Shell};
use crate::commands::print;
use crate::help::TOPICS;
use crate::report::Failure;
use crate::settings::{Environment, targets};
use crate::text::{printable, split_words};

/// Prints what a shell needs.
///
/// # Errors
/// stdout cannot be written.
pub fn script(shell: Shell) -> Result<(), Failure> {
    print(match shell {
        Shell::Bash => include_str!("bash.sh"),
        Shell::Zsh => include_str!("zsh.zsh"),
        Shell::Fish => include_str!("fish.fish"),
        Shell::Powershell => include_str!("powershell.ps1"),
    })
}

/// Prints what may stand at the end of a line: `word:` or `file:` and the rest, a line each.
///
/// # Errors
/// stdout cannot be written.
pub fn answer(args: &CandidatesArgs, env: &Environment) -> Result<(), Failure> {
    print(&answered(args, env))
}

fn answered(args: &CandidatesArgs, env: &Environment) -> String {
    let (words, strip) = match (args.shell, &*args.words) {
        (Shell::Bash, [line, breaks]) => of_bash(line, breaks),
        (Shell::Bash, _) => return String::new(),
        (_, words) => (words.to_vec(), 0),
    };
    let mut command = cli::command();
    command.build();
    let mut text = String::new();
    let named = |argument: &str| named(argument, env);
    for candidate in cli::candidates(&command, &words, &named) {
        match candidate {
            Candidate::Word(word, about) => {
                let about = printable(&about, 70);
                let word = word.get(strip..).unwrap_or_default();
                let line = match args.shell {
                    Shell::Bash => word.to_owned(),
                    // What stands behind the first colon is the description.
                    Shell::Zsh => {
                        let word = word.replace('\\', "\\\\").replace(':', "\\:");
                        format!("{word}:{}", about.replace('\\', "\\\\"))
                    }
                    Shell::Fish | Shell::Powershell => format!("{word}\t{about}"),
                };
                text.push_str(&format!("word:{line}\n"));
            }
            Candidate::File(before) => {
                let begun = words.last().and_then(|word| word.get(before.len()..));
                let said = match args.shell {
                    Shell::Bash => begun.unwrap_or_default(),
                    _ => &*before,
                };
                text.push_str(&format!("file:{said}\n"));
            }
        }
    }
    text
}

/// Returns the words of a line of bash behind the program's name, and how much of the last one bash keeps by itself: it
/// divides words at `:` and `=` too, and replaces what stands behind them.
fn of_bash(line: &str, breaks: &str) -> (Vec<String>, usize) {
    let mut words = split_words(line);
    if line.is_empty() || line.ends_with(char::is_whitespace) {
        words.push(String::new());
    }
    let words: Vec<String> = words.into_iter().skip(1).collect();
    let last = words.last().map(String::as_str).unwrap_or_default();
    let divides = |c: char| (c == ':' || c == '=') && breaks.contains(c);
    let strip = last.rfind(divides).map_or(0, |at| at + 1);
    (words, strip)
}

/// Returns the names for an argument.
fn named(argument: &str, env: &Environment) -> Vec<(String, String)> {
    match argument {
        "url" => {
            let names = targets::names(env).into_iter();
            names.map(|name| (name, "an alias".to_owned())).collect()
        }
        "words" => {
            let topics = TOPICS.iter();
            let mut names: Vec<_> = topics
                .map(|topic| (topic.name.to_owned(), topic.about().to_owned()))
                .collect();
            for (_, commands) in cli::grouped(&cli::command()).into_iter().skip(1) {
                names.extend(commands);
            }
            names
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(shell: Shell, words: &[&str]) -> String {
        answered(
            &CandidatesArgs {
                shell,
                words: words.iter().map(|word| (*word).to_owned()).collect(),
            },
            &Environment::default(),
        )
    }

    #[test]
    fn bash_gets_what_it_replaces() {
        let breaks = " \t\n\"'><=;|&(:";
        for (line, wanted) in [
            ("mcpipe logi", "word:login\n"),
            ("mcpipe --dpop=r", "word:require\n"),
            ("mcpipe --ca=a/b", "file:a/b\n"),
            ("mcpipe --ca ", "file:\n"),
            ("mcpipe nonsense --nonsense", ""),
            ("", ""),
        ] {
            let found = of(Shell::Bash, &[line, breaks]);
            if line.is_empty() {
                continue;
            }
            assert_eq!(found, wanted, "{line}");
        }
        assert_eq!(
            of(Shell::Bash, &["mcpipe --dpop=r", " "]),
            "word:--dpop=require\n"
        );
        assert_eq!(of(Shell::Bash, &["only one"]), "");
    }

    #[test]
    fn others_get_descriptions() {
        let zsh = of(Shell::Zsh, &["help", "sign"]);
        assert!(zsh.starts_with("word:sign-in:signing in"), "{zsh}");
        let fish = of(Shell::Fish, &["logi"]);
        assert!(fish.starts_with("word:login\tSigns in now"), "{fish}");
    }
}
