//! The user's aliases: names for servers, each with flags that always go with it.
//!
//! ```toml
//! # aliases.toml, beside mcpipe.toml
//! [linear]
//! url = "https://mcp.linear.app/mcp"
//! flags = ["--read-only"]
//! ```
//!
//! The file is edited in place: comments and order stay. Flags may name programs, so a file that other users can write to
//! is refused. No alias holds a secret.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

use crate::cli::is_command;
use crate::report::{Failure, Kind};
use crate::server_card::domain::domain;
use crate::settings::config_file::{self, Error, line_at, parse};
use crate::settings::environment::Environment;
use crate::store::files::{self, FileLock};
use crate::text::{nearest, printable, without_mark};

/// A name for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// The server's address, or a domain.
    pub url: String,
    /// The flags that go with it, each with its value in one word.
    pub flags: Vec<String>,
    /// The line of the file, from 1.
    pub line: usize,
}

/// The aliases of a user.
#[derive(Clone, Debug)]
pub struct Aliases {
    /// The path of the file, which may not be there.
    pub path: PathBuf,
    /// The aliases, in the order of the file.
    pub list: Vec<Alias>,
}

/// The longest name, in characters.
const LONGEST: usize = 64;

const KEYS: [&str; 2] = ["url", "flags"];

/// Returns the reason why no alias can have this name.
pub fn mistake_in_name(name: &str) -> Option<&'static str> {
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(is_of_names) {
        return Some("takes letters, digits, dashes, dots and underscores, 64 at most");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("begins with a letter");
    }
    if is_command(name) {
        return Some("cannot be the name of a command");
    }
    if domain(name).is_some() {
        return Some("cannot be a domain: a domain is a server's address already");
    }
    None
}

impl Aliases {
    /// Reads the user's aliases; none where there is no file.
    ///
    /// # Errors
    /// A file that is refused, or whose content is wrong.
    pub fn read(env: &Environment) -> Result<Self, Failure> {
        let path = path(env)?;
        let text = files::read_trusted(&path, loose(env)).map_err(Error::from)?;
        let list = match text {
            Some(text) => list(&path, without_mark(&text))?,
            None => Vec::new(),
        };
        Ok(Self { path, list })
    }

    /// Returns the alias of this name.
    pub fn find(&self, name: &str) -> Option<&Alias> {
        self.list.iter().find(|alias| alias.name == name)
    }

    /// Returns the name that is most likely meant.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.list.iter().map(|alias| alias.name.as_str()))
    }
}

/// Adds an alias to the file. One that is there with the same address and flags stays as it is.
///
/// # Errors
/// There is another of that name; a file that is refused, is wrong, or cannot be written.
pub fn add(alias: &Alias, env: &Environment) -> Result<PathBuf, Failure> {
    change(env, |aliases, document| {
        if let Some(old) = aliases.find(&alias.name) {
            let is_same = old.url == alias.url && old.flags == alias.flags;
            let error = format!(
                "there is an alias {} already, {}:{}",
                alias.name,
                aliases.path.display(),
                old.line
            );
            let hint = format!("`mcpipe alias remove {}` forgets it", alias.name);
            return match is_same {
                true => Ok(()),
                false => Err(Failure::usage(error).hint(hint)),
            };
        }
        let mut table = Table::new();
        table.insert("url", value(&alias.url));
        if !alias.flags.is_empty() {
            let flags: Array = alias.flags.iter().collect();
            table.insert("flags", value(flags));
        }
        document.insert(&alias.name, Item::Table(table));
        Ok(())
    })
}

/// Removes an alias from the file.
///
/// # Errors
/// There is none of that name; a file that is refused, is wrong, or cannot be written.
pub fn remove(name: &str, env: &Environment) -> Result<(), Failure> {
    let removed = change(env, |aliases, document| match document.remove(name) {
        Some(_) => Ok(()),
        None => {
            let hint = match aliases.nearest(name) {
                Some(near) => format!("perhaps {near} is meant: `mcpipe alias remove {near}`"),
                None => "`mcpipe alias list` shows the aliases".to_owned(),
            };
            Err(Failure::usage("there is no alias of that name").hint(hint))
        }
    });
    removed.map(|_| ())
}

/// Changes the file, which no other process changes meanwhile. Returns its path.
fn change(
    env: &Environment,
    step: impl FnOnce(&Aliases, &mut DocumentMut) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let path = path(env)?;
    if let Some(directory) = path.parent() {
        files::private_directory(directory).map_err(|error| {
            let error = format!("cannot make the directory {}: {error}", directory.display());
            Failure::new(Kind::Failed, error)
        })?;
    }
    let lock = path.with_file_name(".aliases.lock");
    let _lock = FileLock::take(&lock, loose(env)).map_err(Error::from)?;
    let aliases = Aliases::read(env)?;
    let text = files::read_trusted(&path, loose(env)).map_err(Error::from)?;
    let text = text.unwrap_or_default();
    let mut document: DocumentMut = without_mark(&text)
        .parse()
        .map_err(|_| Failure::usage(format!("{} is not TOML", path.display())))?;
    step(&aliases, &mut document)?;
    let changed = document.to_string();
    if changed != text {
        let written = files::write_side_file(&path, changed.as_bytes());
        written.map_err(|error| Failure::new(Kind::Failed, error))?;
    }
    Ok(path)
}

/// Returns the path of the file. Reads nothing.
fn path(env: &Environment) -> Result<PathBuf, Failure> {
    let beside = config_file::path(env.get("MCPIPE_HOME").map(Path::new));
    let beside = beside.map_err(|_| {
        Failure::usage("the system names no directory for configuration")
            .hint("MCPIPE_HOME names one")
    })?;
    Ok(beside.with_file_name("aliases.toml"))
}

fn loose(env: &Environment) -> bool {
    env.is_on("MCPIPE_ALLOW_LOOSE_PERMISSIONS")
}

/// Returns the aliases of a text.
fn list(path: &Path, text: &str) -> Result<Vec<Alias>, Error> {
    let document = parse(path, text)?;
    let aliases = document.iter().map(|(name, item)| {
        let span = document.key(name).and_then(toml_edit::Key::span);
        let span = span.or_else(|| item.span());
        let line = span.map_or(1, |span| line_at(text, span.start));
        let reading = Reading { path, text, line };
        reading.alias(name, item)
    });
    aliases.collect()
}

/// A table of the file that is read.
struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    line: usize,
}

impl Reading<'_> {
    fn alias(&self, name: &str, item: &Item) -> Result<Alias, Error> {
        let shown = printable(name, LONGEST);
        let hint = "write [NAME], and below it url = \"https://mcp.example.com/mcp\"";
        if let Some(mistake) = mistake_in_name(name) {
            let text = format!("an alias's name {mistake}");
            return Err(Error::line(self.path, self.line, text, hint));
        }
        let Some(table) = item.as_table_like() else {
            let text = format!("{shown} is no table");
            return Err(Error::line(self.path, self.line, text, hint));
        };
        self.check_keys(&shown, table)?;
        let url = table.get("url").and_then(Item::as_str);
        let Some(url) = url else {
            let text = format!("the alias {shown} has no url");
            return Err(Error::line(self.path, self.line, text, hint));
        };
        let flags = match table.get("flags") {
            None => Some(Vec::new()),
            Some(item) => item.as_array().and_then(|array| {
                let words = array.iter().map(|word| word.as_str().map(str::to_owned));
                words.collect()
            }),
        };
        let Some(flags) = flags else {
            let text = "flags takes an array of strings";
            let hint = "write flags = [\"--read-only\", \"--header\", \"X-Team: blue\"]";
            return Err(Error::line(
                self.path,
                self.line_of(table, "flags"),
                text,
                hint,
            ));
        };
        Ok(Alias {
            name: name.to_owned(),
            url: url.to_owned(),
            flags,
            line: self.line,
        })
    }

    fn check_keys(&self, name: &str, table: &dyn TableLike) -> Result<(), Error> {
        let mut keys = table.iter().map(|(key, _)| key);
        let Some(unknown) = keys.find(|key| !KEYS.contains(key)) else {
            return Ok(());
        };
        let text = format!("the alias {name} has no key {}", printable(unknown, 100));
        let hint = match nearest(unknown, KEYS) {
            Some(near) => format!("perhaps {near} is meant"),
            None => {
                "its keys are url and flags; a flag is written flags = [\"--read-only\"]".into()
            }
        };
        Err(Error::line(
            self.path,
            self.line_of(table, unknown),
            text,
            hint,
        ))
    }

    fn line_of(&self, table: &dyn TableLike, key: &str) -> usize {
        let span = table.key(key).and_then(toml_edit::Key::span);
        span.map_or(self.line, |span| line_at(self.text, span.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::env;

    fn at(home: &Path) -> Environment {
        env(&[("MCPIPE_HOME", home.to_str().unwrap())])
    }

    fn alias(name: &str, url: &str, flags: &[&str]) -> Alias {
        Alias {
            name: name.to_owned(),
            url: url.to_owned(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            line: 1,
        }
    }

    #[test]
    fn the_file_is_edited_in_place() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("aliases.toml");
        let own = "# mine\n[b]   # the second\nurl = 'https://b.example/'\n\n[a]\nurl = 'https://a.example/'\n";
        std::fs::write(&path, own).unwrap();
        let env = at(home.path());
        add(&alias("c", "https://c.example/", &["--read-only"]), &env).unwrap();
        let read = Aliases::read(&env).unwrap();
        let names: Vec<_> = read.list.iter().map(|it| (&*it.name, it.line)).collect();
        assert_eq!(names, [("b", 2), ("a", 5), ("c", 8)]);
        assert_eq!(read.find("c").unwrap().flags, ["--read-only"]);
        // The same again is no mistake, and another is.
        add(&alias("c", "https://c.example/", &["--read-only"]), &env).unwrap();
        assert!(add(&alias("c", "https://d.example/", &[]), &env).is_err());
        remove("c", &env).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), own);
        let said = remove("c", &env).unwrap_err();
        assert_eq!(said.kind, Kind::Usage);
    }

    #[test]
    fn a_mistake_names_its_line_and_nothing_is_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("aliases.toml");
        let env = at(home.path());
        for (text, wanted) in [
            ("[a]\nurl = ", ":2 is not TOML"),
            ("a = 'https://a.example/'", ":1: a is no table"),
            (
                "[a]\nurl = 'x'\nflag = []",
                ":3: the alias a has no key flag",
            ),
            ("\n[a]\nflags = []", ":2: the alias a has no url"),
            ("[a]\nurl = 'x'\nflags = '--x'", ":3: flags takes an array"),
            (
                "[login]\nurl = 'x'",
                ":1: an alias's name cannot be the name",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = Aliases::read(&env).unwrap_err();
            let is_said = said.error.to_string().contains(wanted);
            assert!(is_said && said.kind == Kind::Usage, "{}", said.text());
            assert!(add(&alias("b", "https://b.example/", &[]), &env).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn names_are_neither_commands_nor_addresses() {
        for good in ["linear", "a", "my-server_2", "v1.2", "GitHub"] {
            assert_eq!(mistake_in_name(good), None, "{good}");
        }
        for bad in [
            "",
            "login",
            "help",
            "a/b",
            "https://a",
            "example.com",
            "localhost",
            "a b",
            "-a",
            "4000",
            "ä",
            "a:b",
            "alias",
        ] {
            assert!(mistake_in_name(bad).is_some(), "{bad}");
        }
    }
}
