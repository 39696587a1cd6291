//! The source of a key that the user brings, so that a refusal names the key truly and the user can replace it at its
//! source.
//!
//! Holds names only, never a value.

use crate::text::may_be_secret;

/// A header that carries a key of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKey {
    /// The header.
    pub header: String,
    /// The source of the header's value.
    pub from: Source,
}

/// The source of a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Keys in the vault, by name (`--bearer`, `${vault:NAME}`).
    Vault(Vec<String>),
    /// A file of `--header-file`.
    File(String),
    /// An environment variable (`${NAME}`).
    Variable(String),
    /// The arguments themselves.
    Arguments,
    /// The program of `--header-command`.
    Command,
    /// A program that prints the value or a part of it (`${command:…}`), by its name.
    Program(String),
}

impl UserKey {
    /// Says whether the key's header is the one that replaces signing in.
    pub fn is_authorization(&self) -> bool {
        self.header.eq_ignore_ascii_case("authorization")
    }

    /// Returns the message about a refusal of the key. `words` are the challenge's, cleaned.
    pub(super) fn refused(&self, status: u16, words: Option<&str>) -> String {
        let answer = match words {
            Some(words) if !words.is_empty() => format!("HTTP {status}: {words}"),
            _ => format!("HTTP {status}"),
        };
        let header = &self.header;
        match &self.from {
            Source::Vault(names) => match names.as_slice() {
                [name] => {
                    let name = named(name);
                    format!("key `{name}` was refused: `mcpipe vault put {name}` ({answer})")
                }
                names => {
                    let names: Vec<_> = names
                        .iter()
                        .map(|name| format!("`{}`", named(name)))
                        .collect();
                    let names = names.join(" and ");
                    format!(
                        "keys {names} were refused together: `mcpipe vault put NAME` ({answer})"
                    )
                }
            },
            Source::File(path) => {
                format!("the server refuses the {header} header from the file {path} ({answer})")
            }
            Source::Variable(name) => {
                format!(
                    "the server refuses the {header} header with the variable {name} ({answer})"
                )
            }
            Source::Program(program) => {
                format!(
                    "the server refuses the {header} header for which the program {program} is run ({answer})"
                )
            }
            Source::Arguments => {
                format!("the server refuses the {header} header that --header gives ({answer})")
            }
            Source::Command => {
                format!(
                    "the server refuses the {header} header that --header-command prints ({answer})"
                )
            }
        }
    }

    /// Returns the hint that tells the user what to do about the refusal.
    pub(super) fn hint(&self) -> String {
        match &self.from {
            Source::Vault(_) => {
                "a key that is put there is taken by running bridges with their next request"
                    .to_owned()
            }
            Source::File(_) => {
                "correct that file: running bridges read it again with their next request"
                    .to_owned()
            }
            Source::Variable(name) => {
                format!("set {name} anew where the host starts mcpipe, and restart the host")
            }
            Source::Program(program) => format!("check what {program} prints: it is run again"),
            Source::Command => "check what the program of --header-command prints".to_owned(),
            Source::Arguments if self.is_authorization() => {
                "check the --header that sets Authorization, or leave it out to sign in with OAuth"
                    .to_owned()
            }
            Source::Arguments => "check that --header in the host's configuration".to_owned(),
        }
    }
}

/// Returns the name, or a placeholder where the name may be the key itself.
fn named(name: &str) -> &str {
    if may_be_secret(name) { "NAME" } else { name }
}
