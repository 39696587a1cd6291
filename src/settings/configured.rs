//! The command line together with what configuration files set.
//!
//! The command line is read as if the files' values stood in it, before its own words and only where neither it nor the
//! environment has the flag: so each value is held to the flag's own rules. Headers and guard rails are kept apart: a
//! message about them names the file and the line, and the guard rails of all layers count.
//!
//! Where no file has tables of flags, nothing is read twice.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use url::Url;

use crate::cli::{self, Cli, Key, ParseError, PolicyLayer};
use crate::report::Failure;
use crate::settings::config_file::{self, Layer, Layers, MANAGED, managed_file, user_file};
use crate::settings::environment::Environment;
use crate::settings::file_values::{self, file_values, headers};
use crate::settings::policy;

/// Returns the command line with what configuration files set for its server. `words` are its words, the program's name
/// first. A command that is about no server is returned unchanged.
///
/// # Errors
/// A file that is refused, or whose content is wrong.
pub fn configured(cli: Cli, words: &[OsString], env: &Environment) -> Result<Cli, Failure> {
    configured_beside(cli, words, env, Path::new(MANAGED))
}

/// Does as [`configured`], with the administrator's file at another place: for tests within a process.
///
/// # Errors
/// As [`configured`].
pub fn configured_beside(
    cli: Cli,
    words: &[OsString],
    env: &Environment,
    managed: &Path,
) -> Result<Cli, Failure> {
    let Some(url) = cli.server() else {
        return Ok(cli);
    };
    let files = Files::read(url, env, managed, cli.command.is_none())?;
    if files.is_empty() {
        return Ok(cli);
    }
    let Some(given) = cli::given(words) else {
        return Ok(cli);
    };
    check(&files.managed)?;
    check(&files.user)?;
    let place = given.place.min(words.len());
    let (before, after) = words.split_at(place);
    let values = file_values(&files.user, &given, &files.keys);
    let added = file_values::words(&values, &given, &files.keys);
    let mut cli = match added.is_empty() {
        true => cli,
        false => {
            let words = [before, &added, after].concat();
            cli::parse(words).map_err(|error| with_file(error, files.user_path.as_deref()))?
        }
    };
    if let Some(network) = cli.network_mut() {
        network.configured = headers(&values);
    }
    if cli.command.is_none() {
        cli.bridge.policy.files = files.policies()?;
        policy::settle_audit(&mut cli.bridge.policy, env)?;
    }
    Ok(cli)
}

/// The tables of the files that count for one server.
struct Files {
    keys: Vec<Key>,
    user_path: Option<PathBuf>,
    user: Layers,
    managed: Layers,
}

impl Files {
    /// Reads the files. `has_policy` says whether the command has guard rails, so that the administrator's file counts.
    fn read(
        url: &str,
        env: &Environment,
        managed: &Path,
        has_policy: bool,
    ) -> Result<Self, Failure> {
        let user_path = config_file::path(env.get("MCPIPE_HOME").map(Path::new)).ok();
        let loose = env.is_on("MCPIPE_ALLOW_LOOSE_PERMISSIONS");
        let user = match &user_path {
            Some(path) => user_file(path, loose, cli::keys)?,
            None => None,
        };
        let managed = match has_policy {
            true => managed_file(managed, cli::keys)?,
            false => None,
        };
        let server = Url::parse(url).ok();
        let layers = |file: &_| Layers::of(file, server.as_ref());
        Ok(Self {
            keys: match user.is_some() || managed.is_some() {
                true => cli::keys(),
                false => Vec::new(),
            },
            user_path,
            user: user.as_ref().map(layers).unwrap_or_default(),
            managed: managed.as_ref().map(layers).unwrap_or_default(),
        })
    }

    fn is_empty(&self) -> bool {
        self.user.0.is_empty() && self.managed.0.is_empty()
    }

    /// Returns the guard rails of each layer: the administrator's, then the user's, the nearest first.
    fn policies(&self) -> Result<Vec<PolicyLayer>, Failure> {
        let managed = self.managed.0.iter().map(|layer| (layer, true));
        let user = self.user.0.iter().map(|layer| (layer, false));
        managed
            .chain(user)
            .map(|(layer, is_managed)| self.policy(layer, is_managed))
            .collect()
    }

    fn policy(&self, layer: &Layer, is_managed: bool) -> Result<PolicyLayer, Failure> {
        let values = layer.values.iter();
        let values = values.filter(|value| is_guard_rail(&self.keys, &value.key));
        let values: Vec<_> = values.collect();
        let words = values.iter().filter_map(|value| value.word());
        let args = cli::policy_of(words.map(OsString::from))
            .map_err(|error| with_file(error, Some(&layer.path)))?;
        Ok(PolicyLayer {
            args,
            path: layer.path.clone(),
            lines: values
                .iter()
                .map(|value| (value.key.clone(), value.line))
                .collect(),
            off: values
                .iter()
                .filter(|value| !value.is_on)
                .map(|value| value.key.clone())
                .collect(),
            is_managed,
        })
    }
}

fn is_guard_rail(keys: &[Key], name: &str) -> bool {
    keys.iter().any(|key| key.name == name && key.is_guard_rail)
}

/// Checks that the flags take their values.
///
/// # Errors
/// The first mistake in a value, with its file and line.
pub(super) fn check(layers: &Layers) -> Result<(), Failure> {
    let mut values = layers.0.iter().flat_map(|layer| {
        let values = layer.values.iter();
        values.map(move |value| (layer, value))
    });
    values.try_for_each(|(layer, value)| {
        let mistake = value.word().and_then(|word| cli::value_mistake(&word));
        let Some(mistake) = mistake else {
            return Ok(());
        };
        let text = mistake.to_string();
        let text = text.strip_prefix("--").unwrap_or(&text);
        let place = format!("{}:{}", layer.path.display(), value.line);
        Err(Failure::usage(format!("{place}: {text}"))
            .hint("`mcpipe --help` has each flag with the values that it takes"))
    })
}

/// Returns the failure of a command line with a file's values in it: each value is right, and they do not go together.
fn with_file(error: ParseError, path: Option<&Path>) -> Failure {
    let failure = match error {
        ParseError::Usage(mistake) => Failure::from(mistake),
        ParseError::Help(_) => Failure::usage("the arguments cannot be understood"),
    };
    match path {
        Some(path) => {
            let error = format!("{}, with what {} sets", failure.error, path.display());
            Failure {
                error: error.into(),
                ..failure
            }
        }
        None => failure,
    }
}
