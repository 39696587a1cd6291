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

use crate::cli::{
    self, Cli, ConfiguredHeader, Given, HeaderSource, Key, KeyKind, ParseError, PolicyLayer,
};
use crate::report::Failure;
use crate::settings::config_file::{
    self, Layer, LayerValue, Layers, MANAGED, managed_file, user_file,
};
use crate::settings::environment::Environment;
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
    files.check()?;
    let place = given.place.min(words.len());
    let (before, after) = words.split_at(place);
    let added = words_to_add(&files.user, &given, &files.keys);
    let mut cli = match added.is_empty() {
        true => cli,
        false => {
            let words = [before, &added, after].concat();
            cli::parse(words).map_err(|error| with_file(error, files.user_path.as_deref()))?
        }
    };
    if let Some(network) = cli.network_mut() {
        network.configured = headers(&files.user, &given);
    }
    if cli.command.is_none() {
        cli.bridge.policy.files = files.policies()?;
        policy::settle_audit(&mut cli.bridge.policy, env)?;
    }
    Ok(cli)
}

/// What the files have for one server.
pub(super) struct Files {
    pub(super) keys: Vec<Key>,
    pub(super) user_path: Option<PathBuf>,
    pub(super) user: Layers,
    pub(super) managed: Layers,
}

impl Files {
    /// Reads the files. `has_policy` says whether the command has guard rails, so that the administrator's file counts.
    pub(super) fn read(
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

    /// Checks that the flags take their values.
    ///
    /// # Errors
    /// The first value that its flag does not take.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let layers = self.managed.0.iter().chain(&self.user.0);
        let mut values = layers.flat_map(|layer| layer.values.iter().map(move |it| (layer, it)));
        values.try_for_each(|(layer, value)| check(layer, value))
    }

    /// Returns the guard rails of each layer: the administrator's, then the user's, the nearest first.
    pub(super) fn policies(&self) -> Result<Vec<PolicyLayer>, Failure> {
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

fn check(layer: &Layer, value: &LayerValue) -> Result<(), Failure> {
    let mistake = value.word().and_then(|word| cli::value_mistake(&word));
    match mistake {
        None => Ok(()),
        Some(mistake) => {
            let text = mistake.to_string();
            let text = text.strip_prefix("--").unwrap_or(&text);
            let place = format!("{}:{}", layer.path.display(), value.line);
            Err(Failure::usage(format!("{place}: {text}"))
                .hint("`mcpipe --help` has each flag with the values that it takes"))
        }
    }
}

/// Keys that are headers, which are kept apart.
const HEADERS: [&str; 3] = ["header", "header-file", "bearer"];

/// Keys whose values are `NAME=VALUE`; of two with one name the nearer counts.
const PARAMETERS: [&str; 3] = ["authorize-param", "token-param", "refresh-param"];

/// Returns the words that the layers add to a command line. Of a key with one value the nearest layer counts, the
/// command line and the environment before all; lists add up, the nearest last.
fn words_to_add(layers: &Layers, given: &Given, keys: &[Key]) -> Vec<OsString> {
    let excluded_by = |name: &str| -> Vec<String> {
        let key = keys.iter().find(|key| key.name == name);
        key.map(|key| key.excludes.clone()).unwrap_or_default()
    };
    let mut settled: Vec<String> = Vec::new();
    for flag in &given.flags {
        settled.extend(excluded_by(&flag.name));
    }
    let is_given = |name: &str| given.flags.iter().any(|flag| flag.name == name);
    let mut parameters: Vec<(String, String)> = Vec::new();
    for flag in given
        .flags
        .iter()
        .filter(|flag| PARAMETERS.contains(&flag.name.as_str()))
    {
        let names = flag
            .values
            .iter()
            .map(|value| parameter(&value.to_string_lossy()));
        parameters.extend(names.map(|name| (flag.name.clone(), name)));
    }
    let mut lists: Vec<Vec<OsString>> = vec![of_environment(given, keys)];
    let mut single: Vec<OsString> = Vec::new();
    for layer in &layers.0 {
        let mut list = Vec::new();
        let mut here: Vec<String> = Vec::new();
        for value in &layer.values {
            let Some(key) = keys.iter().find(|key| key.name == value.key) else {
                continue;
            };
            let is_apart = key.is_guard_rail || HEADERS.contains(&key.name.as_str());
            if is_apart || !given.known.contains(&key.name) || settled.contains(&key.name) {
                continue;
            }
            here.push(key.name.clone());
            let is_named = PARAMETERS.contains(&key.name.as_str());
            let name = (
                key.name.clone(),
                parameter(value.text.as_deref().unwrap_or_default()),
            );
            match key.kind {
                KeyKind::Many if is_named && parameters.contains(&name) => {}
                KeyKind::Many => {
                    if is_named {
                        parameters.push(name);
                    }
                    list.extend(value.word().map(OsString::from));
                }
                _ if is_given(&key.name) => {}
                _ => single.extend(value.word().map(OsString::from)),
            }
        }
        for name in here {
            let kind = keys.iter().find(|key| key.name == name).map(|key| key.kind);
            settled.extend(excluded_by(&name));
            if kind != Some(KeyKind::Many) {
                settled.push(name);
            }
        }
        lists.push(list);
    }
    // The environment's alone are found by clap.
    if lists.iter().skip(1).all(Vec::is_empty) {
        lists.clear();
    }
    single.extend(lists.into_iter().rev().flatten());
    single
}

/// Returns the lists that the environment sets: a word of the command line would have them passed over.
fn of_environment(given: &Given, keys: &[Key]) -> Vec<OsString> {
    let is_list = |name: &str| {
        keys.iter()
            .any(|key| key.name == name && key.kind == KeyKind::Many && !key.is_guard_rail)
    };
    let flags = given.flags.iter();
    let flags = flags.filter(|flag| flag.source == cli::Source::Variable && is_list(&flag.name));
    let words = flags.flat_map(|flag| {
        flag.values.iter().map(|value| {
            let mut word = OsString::from(format!("--{}=", flag.name));
            word.push(value);
            word
        })
    });
    words.collect()
}

fn parameter(text: &str) -> String {
    text.split('=').next().unwrap_or_default().to_owned()
}

/// Returns the headers that the layers set, the farthest first: of two with one name the later counts.
fn headers(layers: &Layers, given: &Given) -> Vec<ConfiguredHeader> {
    let mut headers = Vec::new();
    for layer in layers.0.iter().rev() {
        for value in &layer.values {
            let Some(text) = value
                .text
                .clone()
                .filter(|_| given.known.contains(&value.key))
            else {
                continue;
            };
            let header = match value.key.as_str() {
                "header" => HeaderSource::Line(text),
                "header-file" => HeaderSource::File(text.into()),
                "bearer" => HeaderSource::Bearer(text),
                _ => continue,
            };
            let place = format!("{}:{}", layer.path.display(), value.line);
            headers.push(ConfiguredHeader { header, place });
        }
    }
    headers
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
