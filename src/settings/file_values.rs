//! The values of a file that count beside a command line and the environment.
//!
//! Of a key with one value the nearest counts: the command line, the environment, then the tables, the nearest first. Two
//! ways to the same thing (`client-secret-file` and `client-secret-env`) count as one key. Lists add up, the nearest last; of
//! two parameters with one name (`authorize-param`) the nearer counts.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::{ConfiguredHeader, Given, HeaderSource, Key, KeyKind, Source};
use crate::settings::config_file::{LayerValue, Layers};
use crate::settings::secret_files::others_can_read;

/// A value that counts, and its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileValue<'a> {
    pub(super) path: &'a Path,
    pub(super) value: &'a LayerValue,
}

/// Keys whose values have a name: `NAME=VALUE`, and for headers `NAME: VALUE`.
const NAMED: [&str; 4] = ["header", "authorize-param", "token-param", "refresh-param"];

/// Keys that are headers, which go another way than words.
const HEADERS: [&str; 3] = ["header", "header-file", "bearer"];

/// Returns the values that count, those of the farthest table first. Guard rails are not among them.
pub(super) fn file_values<'a>(
    layers: &'a Layers,
    given: &Given,
    keys: &[Key],
) -> Vec<FileValue<'a>> {
    let mut settled = Settled::by(given, keys);
    let mut tables = Vec::new();
    for layer in &layers.0 {
        let counts: Vec<_> = layer
            .values
            .iter()
            .filter(|value| given.known.contains(&value.key) && settled.leave(value))
            .map(|value| FileValue {
                path: &layer.path,
                value,
            })
            .collect();
        for FileValue { value, .. } in &counts {
            settled.add(value);
        }
        tables.push(counts);
    }
    tables.into_iter().rev().flatten().collect()
}

/// The keys and parameters that nearer layers have set.
struct Settled<'a> {
    keys: &'a [Key],
    names: Vec<String>,
    parameters: Vec<(String, String)>,
}

impl<'a> Settled<'a> {
    fn by(given: &Given, keys: &'a [Key]) -> Self {
        let mut settled = Self {
            keys,
            names: Vec::new(),
            parameters: Vec::new(),
        };
        for flag in &given.flags {
            settled.exclude(&flag.name);
            if !settled.is_list(&flag.name) {
                settled.names.push(flag.name.clone());
            }
            for value in &flag.values {
                settled.add_parameter(&flag.name, &value.to_string_lossy());
            }
        }
        settled
    }

    /// Says whether the nearer layers leave this value its place.
    fn leave(&self, value: &LayerValue) -> bool {
        let text = value.text.as_deref().unwrap_or_default();
        let parameter = (value.key.clone(), name_of(&value.key, text));
        let is_guard_rail = self.key(&value.key).is_none_or(|key| key.is_guard_rail);
        !is_guard_rail && !self.names.contains(&value.key) && !self.parameters.contains(&parameter)
    }

    fn add(&mut self, value: &LayerValue) {
        if value.is_on {
            self.exclude(&value.key);
        }
        if !self.is_list(&value.key) {
            self.names.push(value.key.clone());
        }
        self.add_parameter(&value.key, value.text.as_deref().unwrap_or_default());
    }

    fn add_parameter(&mut self, key: &str, text: &str) {
        if NAMED.contains(&key) {
            self.parameters.push((key.to_owned(), name_of(key, text)));
        }
    }

    /// Settles the keys that mean other ways to the same thing.
    fn exclude(&mut self, name: &str) {
        let others = self.key(name).map(|key| key.excludes.clone());
        self.names.extend(others.unwrap_or_default());
    }

    fn is_list(&self, name: &str) -> bool {
        let is_list = |key: &Key| key.kind == KeyKind::Many;
        self.key(name).is_some_and(is_list)
    }

    fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Returns the words that these values add to a command line; headers are no words, see [`headers`]. The environment's part
/// of a list goes along, since a word has clap pass over the variable.
pub(super) fn words(values: &[FileValue<'_>], given: &Given, keys: &[Key]) -> Vec<OsString> {
    let values = values
        .iter()
        .filter(|it| !HEADERS.contains(&it.value.key.as_str()));
    let words = values.clone().filter_map(|it| it.value.word());
    let mut words: Vec<_> = words.map(OsString::from).collect();
    let is_list = |name: &str| {
        let mut keys = keys.iter();
        keys.any(|key| key.name == name && key.kind == KeyKind::Many)
    };
    for flag in &given.flags {
        let is_shadowed = flag.source == Source::Variable
            && is_list(&flag.name)
            && values.clone().any(|it| it.value.key == flag.name);
        if is_shadowed {
            words.extend(flag.values.iter().map(|value| {
                let mut word = OsString::from(format!("--{}=", flag.name));
                word.push(value);
                word
            }));
        }
    }
    words
}

/// Returns the headers among these values.
pub(super) fn headers(values: &[FileValue<'_>]) -> Vec<ConfiguredHeader> {
    let headers = values.iter().filter_map(|FileValue { path, value }| {
        let text = value.text.clone()?;
        let header = match value.key.as_str() {
            "header" => HeaderSource::Line(text),
            "header-file" => HeaderSource::File(text.into()),
            "bearer" => HeaderSource::Bearer(text),
            _ => return None,
        };
        let place = format!("{}:{}", path.display(), value.line);
        let is_open = others_can_read(path);
        Some(ConfiguredHeader {
            header,
            place,
            is_open,
        })
    });
    headers.collect()
}

/// Returns the name of a parameter, or of a header in small letters.
fn name_of(key: &str, text: &str) -> String {
    let end = if key == "header" { ':' } else { '=' };
    let name = text.split(end).next().unwrap_or_default().trim();
    match key {
        "header" => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{given, keys};
    use crate::settings::config_file::{Layer, LayerValue};

    /// Layers of words, the nearest first. `-name` switches off.
    fn layers(tables: &[&[&str]]) -> Layers {
        let value = |word: &&str| {
            let (key, text) = match word.split_once('=') {
                Some((key, text)) => (key, Some(text.to_owned())),
                None => (*word, None),
            };
            LayerValue {
                key: key.trim_start_matches('-').to_owned(),
                text,
                is_on: !key.starts_with('-'),
                line: 1,
            }
        };
        let layer = |values: &&[&str]| Layer {
            path: "/mcpipe.toml".into(),
            values: values.iter().map(value).collect(),
        };
        Layers(tables.iter().map(layer).collect())
    }

    /// The words that the tables add to a command line.
    fn added(line: &str, tables: &[&[&str]]) -> String {
        let line = format!("mcpipe {line}");
        let line: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        let (given, keys, layers) = (given(&line).unwrap(), keys(), layers(tables));
        let values = file_values(&layers, &given, &keys);
        let words = words(&values, &given, &keys);
        let words = words.iter().map(|word| word.to_str().unwrap());
        let headers = headers(&values);
        let headers = headers.iter().map(|header| match &header.header {
            HeaderSource::Line(text) | HeaderSource::Bearer(text) => text.as_str(),
            HeaderSource::File(_) => "file",
        });
        words.chain(headers).collect::<Vec<_>>().join(" ")
    }

    const URL: &str = "https://a.example/mcp";

    #[test]
    fn of_a_key_with_one_value_the_nearest_counts() {
        for (typed, tables, wanted) in [
            ("", &[&["grace=1"][..], &["grace=2"]][..], "--grace=1"),
            ("--grace 5", &[&["grace=1"]], ""),
            ("", &[&["-keep-alive"], &["keep-alive"]], ""),
            ("", &[&["keep-alive"], &["-keep-alive"]], "--keep-alive"),
            ("", &[&["ipv4"], &["scope="]], "--scope= --ipv4"),
            ("--bearer a", &[&["bearer=b"]], ""),
            ("", &[&["bearer=a"], &["bearer=b"]], "a"),
            // Guard rails go another way.
            ("", &[&["deny-tool=x", "read-only"]], ""),
        ] {
            assert_eq!(
                added(&format!("{URL} {typed}"), tables),
                wanted,
                "{tables:?}"
            );
        }
    }

    #[test]
    fn lists_add_up_and_of_two_with_one_name_the_nearer_counts() {
        for (typed, tables, wanted) in [
            (
                "",
                &[&["ca=a", "ca=b"][..], &["ca=c"]][..],
                "--ca=c --ca=a --ca=b",
            ),
            ("--ca d", &[&["ca=a"]], "--ca=a"),
            (
                "--authorize-param x=1",
                &[&[
                    "authorize-param=x=2",
                    "authorize-param=y=1",
                    "authorize-param=y=2",
                ]],
                "--authorize-param=y=1 --authorize-param=y=2",
            ),
            (
                "",
                &[&["header=X-A:1"], &["header=x-a: 2", "header=X-B:1"]],
                "X-B:1 X-A:1",
            ),
            (
                "--header X-A:0",
                &[&["header=X-A:1"], &["header-file=f"]],
                "file",
            ),
        ] {
            assert_eq!(
                added(&format!("{URL} {typed}"), tables),
                wanted,
                "{tables:?}"
            );
        }
    }

    #[test]
    fn two_ways_to_the_same_thing_are_one_key() {
        for (typed, tables, wanted) in [
            (
                "--client-secret-env X",
                &[&["client-secret-file=f"][..]][..],
                "",
            ),
            (
                "",
                &[&["client-secret=env:X"], &["client-secret-file=f"]],
                "--client-secret=env:X",
            ),
            ("--device-code", &[&["client-credentials"]], ""),
            ("", &[&["silent"], &["verbose"]], "--silent"),
            ("", &[&["-silent"], &["verbose"]], "--verbose"),
        ] {
            assert_eq!(
                added(&format!("{URL} {typed}"), tables),
                wanted,
                "{tables:?}"
            );
        }
    }

    #[test]
    fn a_command_gets_the_flags_that_it_has() {
        let tables: &[&[&str]] = &[&["grace=1", "scope=a", "account=b", "header=X:1"]];
        let login = added(&format!("login {URL}"), tables);
        assert_eq!(login, "--scope=a --account=b X:1");
        assert_eq!(added(&format!("status {URL}"), tables), "");
    }
}
