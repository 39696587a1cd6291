//! `mcpipe alias`: names for servers.

use serde_json::json;

use crate::cli::{AliasAddArgs, AliasCommand, AliasListArgs};
use crate::commands::print;
use crate::report::Failure;
use crate::settings::Environment;
use crate::settings::aliases::{self, Alias, Aliases};
use crate::settings::targets;
use crate::text::{printable, without_query};

/// Adds, shows or removes aliases. Sends nothing, and opens no vault.
///
/// # Errors
/// A name or words that make no alias, no alias of the name, or a file that is refused, wrong, or cannot be written.
pub fn run(command: &AliasCommand, env: &Environment) -> Result<(), Failure> {
    match command {
        AliasCommand::Add(args) => add(args, env),
        AliasCommand::List(args) => list(args, env),
        AliasCommand::Remove(args) => {
            aliases::remove(&args.name, env)?;
            print(&format!("The alias {} is forgotten.\n", args.name))
        }
    }
}

fn add(args: &AliasAddArgs, env: &Environment) -> Result<(), Failure> {
    let alias = targets::alias_of(&args.name, &args.bridge)?;
    let path = aliases::add(&alias, env)?;
    let Alias { name, url, .. } = &alias;
    print(&format!(
        "{name} stands for {} now, in {}. `mcpipe login {name}` signs in there.\n",
        without_query(url),
        path.display()
    ))
}

fn list(args: &AliasListArgs, env: &Environment) -> Result<(), Failure> {
    let aliases = Aliases::read(env)?;
    if args.json {
        let list = aliases.list.iter().map(|alias| {
            json!({"name": alias.name, "url": without_query(&alias.url), "flags": flags(alias)})
        });
        let list: Vec<_> = list.collect();
        let path = aliases.path.display().to_string();
        return print(&format!(
            "{:#}\n",
            json!({"version": 1, "path": path, "aliases": list})
        ));
    }
    if aliases.list.is_empty() {
        return print("There are no aliases. `mcpipe alias add NAME URL` makes one.\n");
    }
    let widths = aliases.list.iter().map(|alias| alias.name.len());
    let width = widths.max().unwrap_or_default();
    let lines = aliases.list.iter().map(|alias| {
        let flags = flags(alias);
        let flags = flags.iter().map(|flag| format!(" {}", quoted(flag)));
        let url = printable(&without_query(&alias.url), 500);
        format!(
            "{:width$}  {url}{}\n",
            alias.name,
            flags.collect::<String>()
        )
    });
    print(&lines.collect::<String>())
}

/// Returns the flags of an alias as they may be shown: a file that was edited by hand may hold a secret.
fn flags(alias: &Alias) -> Vec<String> {
    let flags = targets::shown_flags(alias).into_iter();
    flags.map(|flag| printable(&flag, 500)).collect()
}

/// Returns a word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
