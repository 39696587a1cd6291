//! The flags of an alias: those that a command takes over, and secrets among them.

use std::ffi::OsString;

use serde_json::Value;

use crate::cli::{Given, GivenFlag, Key, KeyKind, Source};
use crate::secret::shapes::{is_secret_name, is_secret_value};

/// Flags whose values have a name: of two with one name the typed one counts.
const NAMED: [&str; 4] = ["header", "authorize-param", "token-param", "refresh-param"];

/// Returns the words that the flags of an alias add to a typed command line: those of flags that the command has, where
/// nothing typed says otherwise.
pub(super) fn added(flags: &[GivenFlag], typed: &Given, keys: &[Key]) -> Vec<OsString> {
    let typed_flags = typed.flags.iter().filter(|flag| is_typed(flag));
    let typed_flags: Vec<_> = typed_flags.collect();
    let is_excluded = |name: &str| {
        let key = keys.iter().find(|key| key.name == name);
        typed_flags.iter().any(|flag| {
            let is_same = flag.name == name;
            let is_other = key.is_some_and(|key| key.excludes.contains(&flag.name));
            is_other || is_same && key.is_none_or(|key| key.kind != KeyKind::Many)
        })
    };
    let is_replaced = |name: &str, value: &OsString| {
        NAMED.contains(&name)
            && typed_flags.iter().any(|flag| {
                let mut values = flag.values.iter();
                flag.name == name && values.any(|it| name_of(name, it) == name_of(name, value))
            })
    };
    let mut words = Vec::new();
    for flag in flags.iter().filter(|flag| is_typed(flag)) {
        if !typed.known.contains(&flag.name) || is_excluded(&flag.name) {
            continue;
        }
        if is_switch(flag, keys) {
            words.push(format!("--{}", flag.name).into());
            continue;
        }
        let values = flag.values.iter();
        let values = values.filter(|value| !is_replaced(&flag.name, value));
        words.extend(values.map(|value| word(&flag.name, value)));
    }
    words
}

/// Returns the flags that were typed, each with its value in one word.
pub(super) fn words(given: &Given, keys: &[Key]) -> Vec<String> {
    let mut words = Vec::new();
    for flag in given.flags.iter().filter(|flag| is_typed(flag)) {
        match is_switch(flag, keys) {
            true => words.push(format!("--{}", flag.name)),
            false => words.extend(flag.values.iter().map(|value| {
                let word = word(&flag.name, value);
                word.to_string_lossy().into_owned()
            })),
        }
    }
    words
}

/// Returns the same words with `…` in the place of secrets.
pub(super) fn shown(given: &Given, keys: &[Key]) -> Vec<String> {
    let words = words(given, keys).into_iter().map(|word| {
        let flag = word
            .strip_prefix("--")
            .and_then(|word| word.split_once('='));
        match flag {
            Some((name, value)) if secret(name, value, "").is_some() => format!("--{name}=…"),
            _ => word,
        }
    });
    words.collect()
}

fn is_typed(flag: &GivenFlag) -> bool {
    flag.source == Source::Flag
}

fn is_switch(flag: &GivenFlag, keys: &[Key]) -> bool {
    let mut keys = keys.iter();
    let is_switch = keys.any(|key| key.name == flag.name && key.kind == KeyKind::Switch);
    is_switch || flag.values.is_empty()
}

fn word(name: &str, value: &OsString) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// Returns the name of a parameter, or of a header in small letters.
fn name_of(flag: &str, value: &OsString) -> String {
    let value = value.to_string_lossy();
    let end = if flag == "header" { ':' } else { '=' };
    let name = value.split(end).next().unwrap_or_default().trim();
    name.to_ascii_lowercase()
}

/// A flag that holds a secret in plain sight, with the better way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainSecret {
    /// The flag, and the header or parameter where it has one; no value.
    pub(super) place: String,
    /// The better way, which can be typed.
    pub(super) hint: String,
}

/// Returns the first secret that stands in plain sight among flags, each with its value in one word.
pub(super) fn plain_secret(flags: &[GivenFlag], alias: &str) -> Option<PlainSecret> {
    let values = flags.iter().flat_map(|flag| {
        let values = flag.values.iter();
        values.map(move |value| (flag.name.as_str(), value.to_string_lossy()))
    });
    values
        .into_iter()
        .find_map(|(name, value)| secret(name, &value, alias))
}

fn secret(flag: &str, value: &str, alias: &str) -> Option<PlainSecret> {
    let refused = |place: &str, hint: String| {
        let place = match place {
            "" => format!("--{flag}"),
            name => format!("--{flag} {name}"),
        };
        Some(PlainSecret { place, hint })
    };
    match flag {
        "header" => {
            let (name, value) = value.split_once(':')?;
            let (name, value) = (name.trim(), value.trim());
            let is_secret = is_secret_name(name) || is_secret_value(value);
            if !is_secret || value.is_empty() || value.contains("${") {
                return None;
            }
            let is_bearer = name.eq_ignore_ascii_case("authorization")
                && value.to_ascii_lowercase().starts_with("bearer ");
            let way = match is_bearer {
                true => format!("--bearer {alias}"),
                false => format!("--header '{name}: ${{vault:{alias}}}'"),
            };
            let hint = format!("`mcpipe vault put {alias}` keeps the secret; then write {way}");
            refused(name, hint)
        }
        "authorize-param" | "token-param" | "refresh-param" => {
            let (key, _) = value.split_once('=')?;
            let hint = "leave that parameter out of the alias, and type it beside the alias";
            match is_secret_name(key) {
                true => refused(key, hint.to_owned()),
                false => None,
            }
        }
        "static-oauth-client-info" | "static-oauth-client-metadata" => {
            let document: Value = serde_json::from_str(value).ok()?;
            let secret = document.get("client_secret")?.as_str()?;
            let hint = "write \"client_secret\": \"${NAME}\", or @FILE instead of the JSON";
            match secret.contains("${") {
                true => None,
                false => refused("", hint.to_owned()),
            }
        }
        "client-secret" | "dcr-token" => {
            let kinds = ["file:", "env:", "cred:", "command:"];
            let is_reference = kinds.iter().any(|kind| value.starts_with(kind));
            let hint = "a secret is named by file:PATH, env:NAME, cred:NAME or command:PROGRAM";
            match is_reference {
                true => None,
                false => refused("", hint.to_owned()),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{given, keys};

    fn of(line: &[&str]) -> Given {
        let words: Vec<_> = line.iter().map(OsString::from).collect();
        given(&words).unwrap()
    }

    const URL: &str = "https://a.example/mcp";

    #[test]
    fn typed_flags_win_over_those_of_an_alias_and_lists_add_up() {
        let kept = [
            "mcpipe",
            URL,
            "4000",
            "--account",
            "work",
            "--scope=",
            "--header",
            "X-A: 1",
            "--header",
            "X-B: 2",
            "--deny-tool",
            "a",
            "--read-only",
            "--silent",
            "--client-secret-env",
            "S",
        ];
        let kept = of(&kept);
        let all = "--header=X-A: 1|--header=X-B: 2|--scope=|--account=work|--client-secret-env=S|--callback-port=4000|--silent|--deny-tool=a|--read-only";
        let sorted = |text: &str| {
            let mut words: Vec<_> = text.split('|').map(str::to_owned).collect();
            words.sort();
            words
        };
        for (typed, wanted) in [
            (&[][..], all.to_owned()),
            (&["--account", "home"], all.replace("|--account=work", "")),
            (&["--header", "x-a: 9"], all.replace("--header=X-A: 1|", "")),
            (&["--verbose"], all.replace("|--silent", "")),
            (
                &["--client-secret-file", "f"],
                all.replace("|--client-secret-env=S", ""),
            ),
            (&["--deny-tool", "b"], all.to_owned()),
            (&["5000"], all.replace("|--callback-port=4000", "")),
        ] {
            let line = [&["mcpipe", URL][..], typed].concat();
            let mut words: Vec<_> = added(&kept.flags, &of(&line), &keys())
                .into_iter()
                .map(|word| word.into_string().unwrap())
                .collect();
            words.sort();
            assert_eq!(words, sorted(&wanted), "{typed:?}");
        }
        let login = added(&kept.flags, &of(&["mcpipe", "status", URL]), &keys());
        assert_eq!(login, ["--silent"]);
    }

    #[test]
    fn secrets_in_plain_sight_are_told_with_the_better_way() {
        for (flag, wanted) in [
            ("--header=Authorization: Bearer canary", Some("--bearer me")),
            (
                "--header=X-Api-Key: canary",
                Some("'X-Api-Key: ${vault:me}'"),
            ),
            (
                "--header=X-Mine: eyJhbGciOiJub25lIn0.e30.x",
                Some("vault put me"),
            ),
            ("--header=Authorization: Bearer ${TOKEN}", None),
            ("--header=X-Team: blue", None),
            ("--authorize-param=api_key=canary", Some("beside the alias")),
            ("--authorize-param=audience=x", None),
            (
                "--static-oauth-client-info={\"client_id\":\"a\",\"client_secret\":\"canary\"}",
                Some("${NAME}"),
            ),
            (
                "--static-oauth-client-info={\"client_id\":\"a\",\"client_secret\":\"${S}\"}",
                None,
            ),
            ("--client-secret=canary", Some("file:PATH")),
            ("--client-secret=env:S", None),
            ("--bearer=me", None),
        ] {
            let found = plain_secret(&of(&["mcpipe", URL, flag]).flags, "me");
            let hint = found.as_ref().map(|found| found.hint.as_str());
            assert_eq!(hint.is_some(), wanted.is_some(), "{flag}");
            if let (Some(hint), Some(wanted)) = (hint, wanted) {
                assert!(hint.contains(wanted), "{flag}: {hint}");
                assert!(!format!("{found:?}").contains("canary"), "{found:?}");
            }
        }
    }
}
