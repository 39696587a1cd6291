//! The target of a command: an address, an alias, or a domain.
//!
//! Another word than an address is replaced before the command line is read for good, because configuration files, the
//! vault and the helper go by the address. An address costs nothing here: no file is read for it.

use std::ffi::OsString;

use crate::cli::{self, Cli, Given, ParseError, TORN};
use crate::report::Failure;
use crate::server_card::domain::domain;
use crate::settings::alias_flags::{self, plain_secret};
use crate::settings::aliases::{Alias, Aliases, mistake_in_name};
use crate::settings::config_file::Error;
use crate::settings::environment::Environment;
use crate::text::{may_be_secret, nearest};

/// A command line whose target is an address or a domain.
#[derive(Debug)]
pub struct Resolved {
    /// The command line.
    pub cli: Cli,
    /// Its words, the program's name first.
    pub words: Vec<OsString>,
    /// The environment, with those words.
    pub env: Environment,
}

/// Puts the address in the place of a name, and the flags that go with the name beside the typed ones.
///
/// # Errors
/// A word that is nothing of all that; a file of names that is refused, or wrong.
pub fn resolved(cli: Cli, words: Vec<OsString>, env: Environment) -> Result<Resolved, Failure> {
    let typed = cli.target().filter(|target| !target.contains("://"));
    let Some(typed) = typed.map(ToOwned::to_owned) else {
        return Ok(Resolved { cli, words, env });
    };
    let aliases = match mistake_in_name(&typed) {
        None => Some(Aliases::read(&env)?),
        Some(_) => None,
    };
    let alias = aliases.as_ref().and_then(|aliases| aliases.find(&typed));
    if let (Some(alias), Some(aliases)) = (alias, &aliases) {
        let named = Named { alias, aliases };
        return named.in_place_of(&typed, &words, env);
    }
    if domain(&typed).is_some() {
        return Ok(Resolved { cli, words, env });
    }
    Err(unknown(&typed, aliases.as_ref()))
}

/// Returns the names that can be typed as a target. Says nothing of files that cannot be read.
pub fn names(env: &Environment) -> Vec<String> {
    let aliases = Aliases::read(env).map(|aliases| aliases.list);
    let aliases = aliases.unwrap_or_default().into_iter();
    aliases.map(|alias| alias.name).collect()
}

const NO_FLAGS: &str = "an alias holds a server's address and flags of the bridge";

/// Returns the failure for a word that is neither an address nor a name.
fn unknown(typed: &str, aliases: Option<&Aliases>) -> Failure {
    let is_shown = !typed.is_empty() && !may_be_secret(typed) && mistake_in_name(typed).is_none();
    let word = match is_shown {
        true => format!("`{typed}`"),
        false => "what stands in the place of the server's address".to_owned(),
    };
    let error = format!("{word} is not a URL, and no alias");
    let is_bare_address = typed
        .split_once('/')
        .is_some_and(|(host, _)| domain(host).is_some());
    let near = aliases.and_then(|aliases| aliases.nearest(typed));
    let commands = cli::commands();
    let command = nearest(typed, commands.iter().map(String::as_str));
    let hint = match (near, command) {
        _ if is_bare_address => "write https:// in front of it".to_owned(),
        (Some(near), _) => {
            format!("perhaps {near} is meant; `mcpipe alias list` shows the aliases")
        }
        (None, Some(command)) => {
            format!("perhaps `mcpipe {command}` is meant; `mcpipe --help` lists the commands")
        }
        (None, None) if is_shown => {
            "an address looks like https://mcp.example.com/mcp; `mcpipe alias add NAME URL` gives one a name".to_owned()
        }
        (None, None) => format!(
            "an address looks like https://mcp.example.com/mcp; `mcpipe --help` lists the commands; {TORN}"
        ),
    };
    Failure::usage(error).hint(hint)
}

/// An alias, and the file that it stands in.
struct Named<'a> {
    alias: &'a Alias,
    aliases: &'a Aliases,
}

impl Named<'_> {
    /// Returns the command line with this alias's address and flags.
    fn in_place_of(
        &self,
        typed: &str,
        words: &[OsString],
        env: Environment,
    ) -> Result<Resolved, Failure> {
        let url = &self.alias.url;
        let is_address = url.contains("://") || domain(url).is_some();
        if !is_address {
            let hint = "write url = \"https://mcp.example.com/mcp\"";
            return Err(self.mistake("its url is no address", hint));
        }
        let Some((cli, words)) = cli::retyped(words, typed, url) else {
            let error = "the arguments cannot be read with the alias's address";
            return Err(Failure::usage(error).hint("write the address itself"));
        };
        let kept = self.kept()?;
        let (cli, words) = match (kept, cli::given(&words)) {
            (Some(kept), Some(given)) => {
                let added = alias_flags::added(&kept.flags, &given, &cli::keys());
                let (before, after) = words.split_at(given.place.min(words.len()));
                let words = [before, &added, after].concat();
                let cli = cli::parse(words.iter().cloned());
                (cli.map_err(|error| self.with_flags(error))?, words)
            }
            _ => (cli, words),
        };
        let env = env.with_arguments(&words).about(cli.server());
        Ok(Resolved { cli, words, env })
    }

    /// Returns the alias's flags, checked; `None` where it has none.
    fn kept(&self) -> Result<Option<Given>, Failure> {
        if self.alias.flags.is_empty() {
            return Ok(None);
        }
        let words = ["mcpipe", self.alias.url.as_str()].into_iter();
        let words = words.chain(self.alias.flags.iter().map(String::as_str));
        let words: Vec<_> = words.map(OsString::from).collect();
        let wrong = |failure: Failure| {
            let hint = failure.hint.unwrap_or_default();
            self.mistake(&failure.error.to_string(), &hint)
        };
        let kept = match bridge(&words) {
            Ok(Some(kept)) => kept,
            Err(ParseError::Usage(mistake)) => return Err(wrong(Failure::from(mistake))),
            Ok(None) | Err(ParseError::Help(_) | ParseError::Alone) => {
                return Err(self.mistake(NO_FLAGS, "`mcpipe --help` lists the flags"));
            }
        };
        if let Some(found) = plain_secret(&kept.flags, &self.alias.name) {
            let text = format!("{} holds a secret in plain sight", found.place);
            return Err(self.mistake(&text, &found.hint));
        }
        Ok(Some(kept))
    }

    fn mistake(&self, text: &str, hint: &str) -> Failure {
        let Alias { name, line, .. } = self.alias;
        let text = format!("the alias {name}: {text}");
        Error::line(&self.aliases.path, *line, text, hint).into()
    }

    /// Returns the failure of a command line with the alias's flags in it: each is right, and they do not go together.
    fn with_flags(&self, error: ParseError) -> Failure {
        let failure = match error {
            ParseError::Usage(mistake) => Failure::from(mistake),
            ParseError::Help(_) | ParseError::Alone => {
                Failure::usage("the arguments cannot be understood")
            }
        };
        let error = format!(
            "{}, with the flags of the alias {}",
            failure.error, self.alias.name
        );
        Failure {
            error: error.into(),
            ..failure
        }
    }
}

/// Reads the words of a bridge; the program's name is the first. Returns `None` for those of another command.
fn bridge(words: &[OsString]) -> Result<Option<Given>, ParseError> {
    let cli = cli::parse(words.iter().cloned())?;
    Ok(cli::given(words).filter(|_| cli.command.is_none()))
}

/// Returns the flags of an alias as they may be shown: an alias that was edited by hand may hold a secret.
pub fn shown_flags(alias: &Alias) -> Vec<String> {
    let words = ["mcpipe", alias.url.as_str()].into_iter();
    let words = words.chain(alias.flags.iter().map(String::as_str));
    let words: Vec<_> = words.map(OsString::from).collect();
    match bridge(&words) {
        Ok(Some(given)) => alias_flags::shown(&given, &cli::keys()),
        _ => {
            let names = alias.flags.iter().map(|word| match word.split_once('=') {
                Some((name, _)) if name.starts_with("--") => format!("{name}=…"),
                None if word.starts_with("--") => word.clone(),
                _ => "…".to_owned(),
            });
            names.collect()
        }
    }
}

/// Makes an alias of a name and the words of a bridge: an address, and flags in any order.
///
/// # Errors
/// A name that none can have; words that are no bridge's; no address; a secret in plain sight.
pub fn alias_of(name: &str, words: &[String]) -> Result<Alias, Failure> {
    if let Some(mistake) = mistake_in_name(name) {
        let error = format!("an alias's name {mistake}");
        return Err(
            Failure::usage(error).hint("write `mcpipe alias add NAME https://mcp.example.com/mcp`")
        );
    }
    let words = std::iter::once("mcpipe").chain(words.iter().map(String::as_str));
    let words: Vec<_> = words.map(OsString::from).collect();
    let given = match bridge(&words) {
        Ok(Some(given)) => given,
        Err(ParseError::Usage(mistake)) => return Err(mistake.into()),
        Ok(None) | Err(ParseError::Help(_) | ParseError::Alone) => {
            let hint = format!(
                "write `mcpipe alias add {name} https://mcp.example.com/mcp`; `mcpipe --help` lists the flags"
            );
            return Err(Failure::usage(NO_FLAGS).hint(hint));
        }
    };
    let url = given.url.clone();
    if domain(&url).is_none() {
        let allows_http = given.flags.iter().any(|flag| flag.name == "allow-http");
        super::address(&url, super::SERVER, allows_http)?;
    }
    if let Some(found) = plain_secret(&given.flags, name) {
        let error = format!("{} would keep a secret in plain sight", found.place);
        return Err(Failure::usage(error).hint(found.hint));
    }
    Ok(Alias {
        name: name.to_owned(),
        url,
        flags: alias_flags::words(&given, &cli::keys()),
        line: 1,
    })
}
