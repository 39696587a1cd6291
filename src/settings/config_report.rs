//! The configuration files, checked, and the values that apply to a server with the place where each was set.
//!
//! A value that may be a secret is not told: of a header its references only, of a command its program only.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::{self, Given, Key, ParseError, Source};
use crate::policy::{Origin, Rule};
use crate::process::argv::Argv;
use crate::report::Failure;
use crate::secret::shapes::{is_secret_name, is_secret_value};
use crate::settings::address::address;
use crate::settings::config_file::{self, ConfigFile, Layers, MANAGED, managed_file};
use crate::settings::configured::{check, configured_beside};
use crate::settings::environment::Environment;
use crate::settings::error::SERVER;
use crate::settings::file_values::{FileValue, file_values};
use crate::settings::policy;
use crate::text::{printable, without_query};

/// The configuration files, and the values that apply to a server.
#[derive(Clone, Debug)]
pub struct ConfigReport {
    /// The files, the user's first.
    pub files: Vec<FileReport>,
    /// The values that apply, in the order of `--help`; none if no server was named.
    pub values: Vec<ValueReport>,
}

/// A configuration file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The path.
    pub path: PathBuf,
    /// True for the administrator's file.
    pub is_managed: bool,
    /// The names of its tables, each with its line from 1; `None` if there is no file.
    pub tables: Option<Vec<(String, usize)>>,
}

/// A value that applies.
#[derive(Clone, Debug)]
pub struct ValueReport {
    /// The key.
    pub key: String,
    /// The value, without secrets; `true` or `false` for a switch.
    pub value: String,
    /// The place where it was set; `None` for a default.
    pub origin: Option<Origin>,
}

/// Checks the files, and returns the values for the server at `url` if one is named, as `account`.
///
/// # Errors
/// A file that is refused, or the first mistake in one.
pub fn config_report(
    url: Option<&str>,
    account: Option<&str>,
    env: &Environment,
) -> Result<ConfigReport, Failure> {
    config_report_beside(url, account, env, Path::new(MANAGED))
}

/// Does as [`config_report`], with the administrator's file at another place: for tests within a process.
///
/// # Errors
/// As [`config_report`].
pub fn config_report_beside(
    url: Option<&str>,
    account: Option<&str>,
    env: &Environment,
    managed: &Path,
) -> Result<ConfigReport, Failure> {
    let keys = cli::keys();
    let loose = env.is_on("MCPIPE_ALLOW_LOOSE_PERMISSIONS");
    let path = config_file::path(env.get("MCPIPE_HOME").map(Path::new)).ok();
    let user = match &path {
        Some(path) => {
            config_file::key_commands(path, loose)?;
            ConfigFile::read(path, loose, &keys)?
        }
        None => None,
    };
    let of_administrator = managed_file(managed, cli::keys)?;
    for file in [&of_administrator, &user].into_iter().flatten() {
        check(&Layers::all(file))?;
    }
    let report = |path: &Path, file: Option<&ConfigFile>, is_managed| FileReport {
        path: path.into(),
        is_managed,
        tables: file.map(|file| {
            let tables = file.tables();
            tables.map(|(name, line)| (name.to_owned(), line)).collect()
        }),
    };
    let user_report = path
        .as_deref()
        .map(|path| report(path, user.as_ref(), false));
    let mut files: Vec<_> = user_report.into_iter().collect();
    files.push(report(managed, of_administrator.as_ref(), true));
    let values = match url {
        Some(url) => values(url, account, (&keys, user.as_ref()), env, managed)?,
        None => Vec::new(),
    };
    Ok(ConfigReport { files, values })
}

fn values(
    url: &str,
    account: Option<&str>,
    (keys, user): (&[Key], Option<&ConfigFile>),
    env: &Environment,
    managed: &Path,
) -> Result<Vec<ValueReport>, Failure> {
    let server = address(url, SERVER, true)?;
    let mut words: Vec<OsString> = vec!["mcpipe".into(), url.into()];
    words.extend(account.map(|account| format!("--account={account}").into()));
    let cli = cli::parse(words.iter().cloned()).map_err(|error| match error {
        ParseError::Usage(mistake) => mistake.into(),
        ParseError::Help(_) => Failure::usage("the address is not one"),
    })?;
    let cli = configured_beside(cli, &words, env, managed)?;
    let rules = policy::listed(&cli.bridge.policy, env)?;
    let Some(given) = cli::given(&words) else {
        return Ok(Vec::new());
    };
    let layers = user.map(|file| Layers::of(file, Some(&server)));
    let layers = layers.unwrap_or_default();
    let of_files = file_values(&layers, &given, keys);
    let found = keys.iter().flat_map(|key| {
        let found = match key.is_guard_rail {
            true => guard_rails(key, &rules),
            false => plain(key, &of_files, &given),
        };
        match (found.is_empty(), &key.default) {
            (true, Some(default)) => vec![ValueReport {
                key: key.name.clone(),
                value: default.clone(),
                origin: None,
            }],
            _ => found,
        }
    });
    Ok(found.collect())
}

fn guard_rails(key: &Key, rules: &[Rule]) -> Vec<ValueReport> {
    let rules = rules.iter().filter(|rule| rule.key == key.name);
    let found = rules.map(|rule| ValueReport {
        key: key.name.clone(),
        value: match rule.value.is_empty() {
            true => "true".to_owned(),
            false => printable(&rule.value, 500),
        },
        origin: Some(rule.origin.clone()),
    });
    found.collect()
}

/// Returns the values of a key that is no guard rail: those of files, the farthest first, then those of the environment
/// and the command line.
fn plain(key: &Key, of_files: &[FileValue<'_>], given: &Given) -> Vec<ValueReport> {
    let report = |text: Option<&str>, is_on: bool, origin| ValueReport {
        key: key.name.clone(),
        value: match text {
            Some(text) => shown(&key.name, text),
            None => is_on.to_string(),
        },
        origin: Some(origin),
    };
    let of_files = of_files.iter().filter(|it| it.value.key == key.name);
    let mut found: Vec<_> = of_files
        .map(|FileValue { path, value }| {
            let origin = Origin::File((*path).to_owned(), value.line);
            report(value.text.as_deref(), value.is_on, origin)
        })
        .collect();
    for flag in given.flags.iter().filter(|flag| flag.name == key.name) {
        let origin = || match flag.source {
            // The only flag that was typed.
            Source::Flag => Origin::Flag("--account"),
            Source::Variable => Origin::Variable(format!(
                "MCPIPE_{}",
                key.name.replace('-', "_").to_ascii_uppercase()
            )),
        };
        let values = flag.values.iter().map(|value| value.to_string_lossy());
        found.extend(values.map(|value| report(Some(&value), true, origin())));
    }
    found
}

/// Returns a value as it may be shown.
fn shown(key: &str, text: &str) -> String {
    const HIDDEN: &str = "(not shown)";
    let text = match key {
        "header" => match text.split_once(':') {
            Some((name, value)) => format!("{name}: {}", shown_header(name.trim(), value.trim())),
            None => HIDDEN.to_owned(),
        },
        "authorize-param" | "token-param" | "refresh-param" => match text.split_once('=') {
            Some((name, value)) if is_secret_name(name) || is_secret_value(value) => {
                format!("{name}={HIDDEN}")
            }
            _ => text.to_owned(),
        },
        "static-oauth-client-info" | "static-oauth-client-metadata" if !text.starts_with('@') => {
            HIDDEN.to_owned()
        }
        "bearer" | "client-secret" | "dcr-token" | "idp-client-secret" => reference(text),
        key if key.ends_with("-command") => program(text),
        _ => without_query(text),
    };
    printable(&text, 500)
}

/// Returns a header's value: its references, and its text if that is no secret.
fn shown_header(name: &str, value: &str) -> String {
    let is_secret = is_secret_name(name) || is_secret_value(value);
    if !is_secret && !value.contains("${") {
        return value.to_owned();
    }
    let mut shown = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else {
            break;
        };
        shown.push_str(between(before));
        shown.push_str(&format!("${{{}}}", reference(inside)));
        rest = after;
    }
    shown.push_str(between(rest));
    shown
}

/// Returns a text beside references: the scheme of a credential, or three dots.
fn between(text: &str) -> &str {
    let schemes = [
        "", "Bearer ", "Basic ", "Token ", "token ", "bearer ", "basic ",
    ];
    if schemes.contains(&text) { text } else { "…" }
}

/// Returns a reference, or the name of a variable or a secret; of a command its program only.
fn reference(text: &str) -> String {
    match text.split_once(':') {
        Some(("command", command)) => format!("command:{}", program(command)),
        _ => text.to_owned(),
    }
}

fn program(command: &str) -> String {
    match Argv::split(command) {
        Ok(words) if words.iter().count() > 1 => format!("{} …", words.program()),
        Ok(words) => words.program().to_owned(),
        Err(_) => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_references_are() {
        for (key, text, wanted) in [
            ("header", "X-Team: blue", "X-Team: blue"),
            ("header", "X-Api-Key: s3cret", "X-Api-Key: …"),
            ("header", "Authorization: Bearer s3cret", "Authorization: …"),
            ("header", "X-Team: Bearer s3cret", "X-Team: …"),
            (
                "header",
                "Authorization: Bearer ${vault:linear}",
                "Authorization: Bearer ${vault:linear}",
            ),
            ("header", "X-Key: s3cret${KEY}", "X-Key: …${KEY}"),
            (
                "header",
                "X-Key: ${command:op read s3cret}",
                "X-Key: ${command:op …}",
            ),
            ("header", "s3cret", "(not shown)"),
            ("bearer", "file:/run/key", "file:/run/key"),
            ("client-secret", "command:op read s3cret", "command:op …"),
            ("header-command", "op --token s3cret", "op …"),
            (
                "token-param",
                "client_secret=s3cret",
                "client_secret=(not shown)",
            ),
            ("token-param", "audience=a", "audience=a"),
            (
                "static-oauth-client-info",
                "{\"client_secret\":\"s3cret\"}",
                "(not shown)",
            ),
            ("static-oauth-client-info", "@/f.json", "@/f.json"),
            (
                "token-endpoint",
                "https://a.example/?key=s3cret",
                "https://a.example/?…",
            ),
            ("scope", "a b", "a b"),
        ] {
            assert_eq!(shown(key, text), wanted, "{text}");
        }
    }
}
