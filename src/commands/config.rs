//! `mcpipe config check`: the configuration files, checked, and the values that apply to a server.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::{ConfigCheckArgs, ConfigCommand};
use crate::commands::print;
use crate::policy::Origin;
use crate::report::Failure;
use crate::settings::Environment;
use crate::settings::config_report::{ConfigReport, FileReport, ValueReport, config_report};
use crate::text::without_query;

/// Checks the files, and prints what they hold. Sends nothing, and opens no vault.
///
/// # Errors
/// A file that is refused, or the first mistake in one.
pub fn run(command: &ConfigCommand, env: &Environment) -> Result<(), Failure> {
    let ConfigCommand::Check(args) = command;
    match config_report(args.url.as_deref(), args.account.as_deref(), env) {
        Ok(report) if args.json => print(&format!("{:#}\n", as_json(&report, args))),
        Ok(report) => print(&as_text(&report, args)),
        Err(failure) => {
            if args.json {
                let error = json!({"message": failure.error.to_string(), "hint": failure.hint});
                print(&format!("{:#}\n", json!({"version": 1, "error": error})))?;
            }
            Err(failure)
        }
    }
}

fn as_text(report: &ConfigReport, args: &ConfigCheckArgs) -> String {
    let mut text = String::new();
    for FileReport {
        path,
        is_managed,
        tables,
    } in &report.files
    {
        let whose = if *is_managed {
            " (the administrator's)"
        } else {
            ""
        };
        let _ = match tables {
            Some(tables) => {
                let tables = tables.iter();
                let tables: Vec<_> = tables
                    .map(|(name, line)| format!("line {line} {name}"))
                    .collect();
                let tables = match tables.is_empty() {
                    true => "in order, with nothing in it".to_owned(),
                    false => format!("in order\n  {}", tables.join("\n  ")),
                };
                writeln!(text, "{}{whose}: {tables}", path.display())
            }
            None => writeln!(text, "{}{whose}: not there", path.display()),
        };
    }
    if let Some(url) = &args.url {
        let _ = writeln!(text, "\nFor {}:", without_query(url));
    }
    let is_set = |value: &&ValueReport| value.origin.is_some();
    let set = report.values.iter().filter(is_set);
    let defaults = report.values.iter().filter(|value| !is_set(value));
    for ValueReport { key, value, origin } in set.chain(defaults) {
        let setting = format!("{key} = {value}");
        let place = origin.as_ref().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("default");
        let _ = writeln!(text, "  {setting:<44} # {place}");
    }
    text
}

fn as_json(report: &ConfigReport, args: &ConfigCheckArgs) -> Value {
    let file = |file: &FileReport| {
        let tables = file.tables.as_ref().map(|tables| {
            let tables = tables.iter();
            let tables = tables.map(|(name, line)| json!({"name": name, "line": line}));
            tables.collect::<Vec<_>>()
        });
        json!({
            "path": file.path.display().to_string(),
            "managed": file.is_managed,
            "exists": file.tables.is_some(),
            "tables": tables.unwrap_or_default(),
        })
    };
    let value = |value: &ValueReport| {
        json!({
            "key": value.key,
            "value": value.value,
            "origin": origin(value.origin.as_ref()),
        })
    };
    json!({
        "version": 1,
        "server": args.url.as_deref().map(without_query),
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
        "values": report.values.iter().map(value).collect::<Vec<_>>(),
    })
}

fn origin(origin: Option<&Origin>) -> Value {
    match origin {
        None => json!({"kind": "default"}),
        Some(Origin::Flag(name)) => json!({"kind": "flag", "name": name}),
        Some(Origin::Variable(name)) => json!({"kind": "variable", "name": name}),
        Some(Origin::File(path, line)) => {
            json!({"kind": "file", "path": path.display().to_string(), "line": line})
        }
    }
}
