//! The tables of a configuration file that hold flags: `[defaults]`, `[server."…"]` and `[tool."…"]`.
//!
//! A key is a flag's name, an underscore as good as a dash. An unknown table or key, and a value of the wrong type, is a
//! mistake that names its line; the value itself is never shown. The values are texts here, as they would be typed;
//! the flags' own rules are applied by the code that reads flags.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};

use crate::cli::{Key, KeyKind};
use crate::settings::config_file::error::Error;
use crate::settings::config_file::nearest::nearest;
use crate::settings::config_file::server_pattern::{NotServer, ServerPattern};
use crate::text::{printable, without_query};

/// A table of flags.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// The servers it is for; `None` for all.
    pub(super) server: Option<ServerPattern>,
    /// Its name in the file: `[defaults]`.
    pub(super) name: String,
    /// The line of its name.
    pub(super) line: usize,
    /// Its values, in the file's order.
    pub(super) entries: Vec<Entry>,
}

/// A value of a key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: EntryValue,
    pub(super) line: usize,
}

/// A value as it would be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryValue {
    Switch(bool),
    Text(String),
}

/// Keys of `[tool."…"]`, each with the flag that takes it together with the table's pattern.
const OF_TOOLS: [(&str, &str); 6] = [
    ("allow", "allow-tool"),
    ("deny", "deny-tool"),
    ("rate-limit", "rate-limit"),
    ("max-concurrent", "max-concurrent"),
    ("call-timeout", "call-timeout"),
    ("max-result", "max-result"),
];

/// A configuration file that is being read.
pub(super) struct Reading<'a> {
    /// The file, for messages.
    pub(super) path: &'a Path,
    /// The text without a byte order mark.
    pub(super) text: &'a str,
    /// The keys that there are.
    pub(super) keys: &'a [Key],
    /// True for the administrator's file, which holds guard rails only.
    pub(super) is_managed: bool,
}

impl Reading<'_> {
    /// Returns the tables of the file that hold flags.
    ///
    /// # Errors
    /// See [`Error`]; the first mistake of the file.
    pub(super) fn sections(&self) -> Result<Vec<Section>, Error> {
        let document = parse(self.path, self.text)?;
        let root = document.as_table();
        let mut sections = Vec::new();
        for (name, item) in root.iter() {
            let line = self.line_of(root, name);
            match name {
                // Its keys are for the code that opens the vault.
                "vault" if !self.is_managed => sections.push(Section {
                    server: None,
                    name: "[vault]".to_owned(),
                    line,
                    entries: Vec::new(),
                }),
                "defaults" => {
                    let table = self.table(item, line, "[defaults]")?;
                    sections.push(self.section(None, "[defaults]", line, table)?);
                }
                "server" => {
                    let servers = self.table(item, line, "[server]")?;
                    sections.extend(self.servers(servers)?);
                }
                "tool" => {
                    let tools = self.table(item, line, "[tool]")?;
                    sections.push(Section {
                        server: None,
                        name: "[tool]".to_owned(),
                        line,
                        entries: self.tools(tools, "")?,
                    });
                }
                name => return Err(self.unknown_table(name, line)),
            }
        }
        Ok(sections)
    }

    fn servers(&self, servers: &dyn TableLike) -> Result<Vec<Section>, Error> {
        let mut sections = Vec::new();
        for (name, item) in servers.iter() {
            let line = self.line_of(servers, name);
            let shown = format!("[server.\"{}\"]", shown(name));
            let pattern = ServerPattern::read(name).map_err(|NotServer(hint)| {
                let is_key = self.keys.iter().any(|key| key.name == name);
                let hint = match is_key {
                    true => "write it below [server.\"https://…\"], or below [defaults]",
                    false => hint,
                };
                Error::line(self.path, line, format!("{shown} names no server"), hint)
            })?;
            let table = self.table(item, line, &shown)?;
            sections.push(self.section(Some(pattern), &shown, line, table)?);
        }
        Ok(sections)
    }

    fn section(
        &self,
        server: Option<ServerPattern>,
        name: &str,
        line: usize,
        table: &dyn TableLike,
    ) -> Result<Section, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for (typed, item) in table.iter() {
            let line = self.line_of(table, typed);
            if typed == "tool" && server.is_some() {
                let tools = self.table(item, line, "tool")?;
                entries.extend(self.tools(tools, name)?);
                continue;
            }
            let key = self.key(typed, line, name)?;
            if seen.contains(&key.name) {
                let text = format!("{} stands twice in {name}", key.name);
                return Err(Error::line(self.path, line, text, "leave one of them out"));
            }
            seen.push(key.name.clone());
            entries.extend(self.values(key, item, line)?);
        }
        Ok(Section {
            server,
            name: name.to_owned(),
            line,
            entries,
        })
    }

    fn key(&self, typed: &str, line: usize, table: &str) -> Result<&Key, Error> {
        let name = typed.replace('_', "-");
        let known = self.keys.iter().find(|key| key.name == name);
        match known {
            Some(key) if key.is_guard_rail || !self.is_managed => Ok(key),
            Some(key) => Err(Error::line(
                self.path,
                line,
                format!(
                    "{} is no guard rail, and this file takes no other keys",
                    key.name
                ),
                "an administrator's file only tightens; each user's own mcpipe.toml takes every key",
            )),
            None => {
                let known = self
                    .keys
                    .iter()
                    .filter(|key| key.is_guard_rail || !self.is_managed);
                let near = nearest(&name, known.map(|key| key.name.as_str()));
                let hint = match near {
                    Some(near) => format!("perhaps {near} is meant"),
                    None => {
                        "the keys are the flags of `mcpipe --help`, without the dashes before them"
                            .to_owned()
                    }
                };
                let text = format!("{table} has no key {}", shown(typed));
                Err(Error::line(self.path, line, text, hint))
            }
        }
    }

    fn values(&self, key: &Key, item: &Item, line: usize) -> Result<Vec<Entry>, Error> {
        let entry = |value, line| Entry {
            key: key.clone(),
            value,
            line,
        };
        let wrong = |line: usize, expected: &str, example: &str| {
            let text = format!("{} takes {expected}", key.name);
            Error::line(
                self.path,
                line,
                text,
                format!("write {} = {example}", key.name),
            )
        };
        match (key.kind, item) {
            (KeyKind::Switch, Item::Value(Value::Boolean(on))) => {
                Ok(vec![entry(EntryValue::Switch(*on.value()), line)])
            }
            (KeyKind::Switch, _) => Err(wrong(line, "true or false", "true")),
            (KeyKind::One, Item::Value(value)) => match text(value) {
                Some(text) => Ok(vec![entry(EntryValue::Text(text), line)]),
                None => Err(wrong(line, "a string or a number", "\"…\"")),
            },
            (KeyKind::One, _) => Err(wrong(line, "a string or a number", "\"…\"")),
            (KeyKind::Many, Item::Value(Value::Array(array))) => array
                .iter()
                .map(|value| {
                    let line = value.span().map_or(line, |span| self.line_at(&span));
                    let text =
                        text(value).ok_or_else(|| wrong(line, "an array of strings", "[\"…\"]"))?;
                    Ok(entry(EntryValue::Text(text), line))
                })
                .collect(),
            // One element without its brackets means the same.
            (KeyKind::Many, Item::Value(value)) => match text(value) {
                Some(text) => Ok(vec![entry(EntryValue::Text(text), line)]),
                None => Err(wrong(line, "an array of strings", "[\"…\"]")),
            },
            (KeyKind::Many, _) => Err(wrong(line, "an array of strings", "[\"…\"]")),
        }
    }

    fn tools(&self, tools: &dyn TableLike, above: &str) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for (pattern, item) in tools.iter() {
            let line = self.line_of(tools, pattern);
            let name = match above.strip_suffix(']') {
                Some(above) if !above.is_empty() => {
                    format!("{above}.tool.\"{}\"]", shown(pattern))
                }
                _ => format!("[tool.\"{}\"]", shown(pattern)),
            };
            if pattern.is_empty() {
                let text = format!("{name} names no tool");
                let hint = "write a tool's name, or a pattern such as delete_*";
                return Err(Error::line(self.path, line, text, hint));
            }
            let table = self.table(item, line, &name)?;
            for (typed, item) in table.iter() {
                let line = self.line_of(table, typed);
                entries.push(self.of_tool((&name, pattern), typed, item, line)?);
            }
        }
        Ok(entries)
    }

    fn of_tool(
        &self,
        (table, pattern): (&str, &str),
        typed: &str,
        item: &Item,
        line: usize,
    ) -> Result<Entry, Error> {
        let wrong = |text: String, hint: String| Error::line(self.path, line, text, hint);
        let own = typed.replace('_', "-");
        let flag = OF_TOOLS.iter().find(|(name, _)| *name == own);
        let key = flag.and_then(|(_, flag)| self.keys.iter().find(|key| key.name == *flag));
        let Some(key) = key else {
            let known = OF_TOOLS.map(|(name, _)| name);
            let hint = match nearest(&own, known) {
                Some(near) => format!("perhaps {near} is meant"),
                None => format!("its keys are {}", known.join(", ")),
            };
            return Err(wrong(format!("{table} has no key {}", shown(typed)), hint));
        };
        let value = match (own.as_str(), item) {
            ("allow" | "deny", Item::Value(Value::Boolean(on))) if *on.value() => {
                pattern.to_owned()
            }
            ("allow" | "deny", _) => {
                let hint = format!("write {own} = true, or leave it out: nothing undoes a denial");
                return Err(wrong(format!("{own} takes true"), hint));
            }
            (_, item) => match item.as_value().and_then(text) {
                Some(value) => format!("{pattern}={value}"),
                None => {
                    let text = format!("{own} takes a string or a number");
                    return Err(wrong(text, format!("write {own} = \"…\"")));
                }
            },
        };
        Ok(Entry {
            key: key.clone(),
            value: EntryValue::Text(value),
            line,
        })
    }

    fn unknown_table(&self, name: &str, line: usize) -> Error {
        let dashed = name.replace('_', "-");
        if self.keys.iter().any(|key| key.name == dashed) {
            let text = format!("{dashed} stands outside of every table");
            return Error::line(self.path, line, text, "write it below [defaults]");
        }
        let known = ["defaults", "server", "tool", "vault"];
        let known = known
            .into_iter()
            .filter(|name| *name != "vault" || !self.is_managed);
        let hint = match nearest(name, known.clone()) {
            Some(near) => format!("perhaps [{near}] is meant"),
            None => format!("the tables are {}", known.collect::<Vec<_>>().join(", ")),
        };
        let text = format!("there is no table or key {}", shown(name));
        Error::line(self.path, line, text, hint)
    }

    fn table<'a>(
        &self,
        item: &'a Item,
        line: usize,
        name: &str,
    ) -> Result<&'a dyn TableLike, Error> {
        item.as_table_like().ok_or_else(|| {
            let text = format!("{name} is a table");
            Error::line(
                self.path,
                line,
                text,
                "write its keys below it, each on a line",
            )
        })
    }

    fn line_of(&self, table: &dyn TableLike, key: &str) -> usize {
        let key = table.get_key_value(key);
        let span = key.and_then(|(key, item)| key.span().or_else(|| item.span()));
        span.map_or(1, |span| self.line_at(&span))
    }

    fn line_at(&self, span: &Range<usize>) -> usize {
        line_at(self.text, span.start)
    }
}

/// Parses the text of a file.
///
/// # Errors
/// [`Error::Toml`].
pub(super) fn parse(path: &Path, text: &str) -> Result<Document<String>, Error> {
    Document::parse(text.to_owned()).map_err(|error| Error::Toml {
        path: path.into(),
        line: error.span().map_or(1, |span| line_at(text, span.start)),
        reason: printable(error.message().lines().next().unwrap_or_default(), 200),
    })
}

/// Returns the number of the line, from 1, that this byte is in.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// Returns a value as it would be typed; `None` for one that cannot be.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Float(number) => Some(number.value().to_string()),
        _ => None,
    }
}

/// Returns a name of the file as messages show it: the query of an address may hold a key.
fn shown(name: &str) -> String {
    without_query(&printable(name, 100))
}

#[cfg(test)]
mod tests;
