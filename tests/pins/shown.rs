//! What people and programs see: help, flags and variables, JSON, exit codes, the words of errors.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use mcpipe::auth::Settings;
use mcpipe::auth::oauth::scope::Scopes;
use mcpipe::auth::store::record::TokenRecord;
use mcpipe::cli::Cli;
use mcpipe::clock::Clock;
use mcpipe::report::{Failure, Kind};
use mcpipe::store::{self, Expected, Unlock, Vault, VaultPaths};
use serde_json::Value;

#[cfg(unix)]
use super::is_all;
use super::written::tokens;
use super::{is_pinned, sources};
use crate::support::host::Process;

/// Every command, hidden ones too, by the words that lead to it.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    fn below(
        path: &[String],
        command: &clap::Command,
        found: &mut Vec<(Vec<String>, clap::Command)>,
    ) {
        found.push((path.to_vec(), command.clone()));
        for sub in command.get_subcommands() {
            let mut path = path.to_vec();
            path.push(sub.get_name().to_owned());
            below(&path, sub, found);
        }
    }
    let mut found = Vec::new();
    below(&[], &Cli::command(), &mut found);
    found
}

#[cfg(unix)] // on Windows it calls itself mcpipe.exe
#[tokio::test]
async fn the_help_of_every_command_is_known() {
    let mut files = Vec::new();
    for (path, _) in commands() {
        let mut words: Vec<_> = path.iter().map(String::as_str).collect();
        words.push("--help");
        let left = Process::start_with(&words, &[("MCPIPE_PROTOCOL", "")])
            .closed()
            .await;
        assert!(left.status.success(), "{words:?}: {}", left.stderr);
        let mut name = path.join(" ");
        if name.is_empty() {
            "mcpipe".clone_into(&mut name);
        }
        let file = format!("{}.txt", name.replace(' ', "-"));
        is_pinned(&format!("help/{file}"), &(left.lines.join("\n") + "\n"));
        files.push(file);
    }
    is_all("help", &files);
}

/// One line for each word that may be typed.
#[test]
fn flags_are_called_by_these_names() {
    let mut lines = Vec::new();
    for (path, command) in commands() {
        let command_line = format!("mcpipe {}", path.join(" "));
        lines.push(command_line.trim().to_owned());
        for argument in command.get_arguments() {
            let mut names: Vec<String> = Vec::new();
            let short = argument.get_short().map(|short| format!("-{short}"));
            names.extend(short);
            let long = argument.get_long().into_iter();
            let aliases = argument.get_all_aliases().unwrap_or_default();
            names.extend(long.chain(aliases).map(|name| format!("--{name}")));
            if names.is_empty() {
                names.push(format!("<{}>", argument.get_id()));
            }
            let variable = argument
                .get_env()
                .map(|name| name.to_str().unwrap().to_owned());
            names.extend(variable);
            let values = argument.get_possible_values();
            let values: Vec<_> = values
                .iter()
                .map(clap::builder::PossibleValue::get_name)
                .collect();
            if !values.is_empty() {
                names.push(values.join("|"));
            }
            lines.push(format!("{command_line:<25} {}", names.join(" ")));
        }
    }
    is_pinned("flags.txt", &(lines.join("\n") + "\n"));
}

#[test]
fn variables_are_called_by_these_names() {
    let mut found = BTreeSet::new();
    for (_, code) in sources() {
        for (at, _) in code.match_indices("MCPIPE_") {
            let is_part = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_';
            let name: String = code[at..].chars().take_while(is_part).collect();
            if name != "MCPIPE_" {
                found.insert(name);
            }
        }
    }
    let lines: Vec<_> = found.into_iter().collect();
    is_pinned("variables.txt", &(lines.join("\n") + "\n"));
}

/// The words of `data.kind`, by which a program tells errors of ours apart.
#[test]
fn errors_are_of_these_kinds() {
    /// Where the word is not written at the place; all that it may be.
    const COMPUTED: &[(&str, &[&str])] = &[
        (
            "auth/error/remedy.rs",
            &[
                "leaving",
                "vault_locked",
                "vault",
                "unreachable",
                "sign_in_needed",
            ],
        ),
        (
            "policy/refusal.rs",
            &["refused_by_policy", "rate_limited", "circuit_open"],
        ),
        ("remote/transport_error.rs", &["vault_locked", "vault"]),
    ];
    let mut kinds = BTreeSet::new();
    let mut computed = Vec::new();
    for (name, code) in sources() {
        for (at, before) in code.match_indices("BridgeError::new(") {
            match code[at + before.len()..].trim_start().strip_prefix('"') {
                Some(word) => kinds.extend(word.split('"').next().map(str::to_owned)),
                None => computed.push(name.clone()),
            }
        }
        for (_, words) in COMPUTED.iter().filter(|(place, _)| *place == name) {
            for word in *words {
                assert!(code.contains(&format!("\"{word}\"")), "{name}: {word}");
                kinds.insert((*word).to_owned());
            }
        }
    }
    let known: Vec<_> = COMPUTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(computed, known, "COMPUTED says which words those may be");
    let lines: Vec<_> = kinds.into_iter().collect();
    is_pinned("kinds.txt", &(lines.join("\n") + "\n"));
}

#[test]
fn exit_codes_are_these() {
    for (kind, code) in [
        (Kind::Failed, 1),
        (Kind::Usage, 2),
        (Kind::SignIn, 3),
        (Kind::Network, 4),
        (Kind::Protocol, 5),
        (Kind::Interrupted, 130),
        (Kind::Terminated, 143),
    ] {
        let found = Failure::new(kind, "x").code();
        assert_eq!(found, std::process::ExitCode::from(code), "{kind:?}");
    }
}

/// What these values have in common: members, and what each of them holds.
fn shape(values: &[&Value], indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut shapes = BTreeSet::new();
    let objects: Vec<_> = values
        .iter()
        .filter_map(|value| value.as_object())
        .collect();
    let names: BTreeSet<_> = objects.iter().flat_map(|object| object.keys()).collect();
    if !objects.is_empty() {
        let members = names.into_iter().map(|name| {
            let values: Vec<_> = objects
                .iter()
                .filter_map(|object| object.get(name))
                .collect();
            let always = if values.len() == objects.len() {
                ""
            } else {
                "?"
            };
            format!("\n{pad}  {name}{always}: {}", shape(&values, indent + 2))
        });
        shapes.insert(format!("{{{}\n{pad}}}", members.collect::<String>()));
    }
    let arrays: Vec<_> = values.iter().filter_map(|value| value.as_array()).collect();
    if !arrays.is_empty() {
        let items: Vec<_> = arrays.into_iter().flatten().collect();
        shapes.insert(format!("[{}]", shape(&items, indent)));
    }
    shapes.extend(values.iter().filter_map(|value| match value {
        Value::Null => Some("null".to_owned()),
        Value::Bool(_) => Some("boolean".to_owned()),
        Value::Number(_) => Some("number".to_owned()),
        Value::String(_) => Some("string".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }));
    shapes.into_iter().collect::<Vec<_>>().join(" or ")
}

/// A vault with tokens that say all there is to say, and others that say nothing.
async fn full_vault() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let vault = Vault::on_disk(
        VaultPaths::new(Some(home.path())).unwrap(),
        Unlock::default(),
    );
    let few = TokenRecord {
        resource: "https://other.example/mcp".to_owned(),
        scope_requested: None,
        scope_granted: None,
        scope_wanted: None,
        expires_at: None,
        last_error: None,
        ..tokens()
    };
    let known = TokenRecord {
        resource: "https://third.example/mcp".to_owned(),
        issuer: "https://accounts.google.com".to_owned(),
        scope_granted: Some(Scopes::parse("a z")),
        scope_wanted: Some(Scopes::parse("a")),
        ..tokens()
    };
    for entry in [tokens(), few, known] {
        let now = Clock::new(|| std::time::SystemTime::UNIX_EPOCH);
        let settings = Settings::new(entry.resource.as_str(), now).unwrap();
        let name = entry.name(&settings);
        vault
            .put(
                &name,
                store::EntryKind::Oauth,
                &entry.write(),
                Expected::Absent,
            )
            .await
            .unwrap();
    }
    home
}

#[tokio::test]
async fn json_for_programs_has_these_members() {
    let home = full_vault().await;
    for words in [
        &["status", "--json"][..],
        &["vault", "status", "--json"],
        &["vault", "verify", "--json"],
        &["vault", "slot", "list", "--json"],
    ] {
        let left = Process::start_in(home.path(), words, &[]).closed().await;
        assert!(left.status.success(), "{words:?}: {}", left.stderr);
        let value: Value = serde_json::from_str(&left.lines.join("\n")).unwrap();
        let name = words[..words.len() - 1].join("-");
        is_pinned(&format!("json/{name}.txt"), &(shape(&[&value], 0) + "\n"));
    }
}
