//! The programs that an MCP client starts, found in the text of its configuration.
//!
//! Every client has its own names for the table (`mcpServers`, `servers`, `context_servers`, `mcp`, `extensions`, a
//! table per project), but in all of them a server is an object with a command and its words, so the search looks for
//! such objects at any depth. [`crate::mcp_remote::command_line`] finds mcp-remote among them.

use std::collections::HashMap;

use crate::text::printable;
use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike, Value as Toml};
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::{Yaml, YamlLoader};

/// The language of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// JSON, perhaps with comments and commas too many.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// A server that a client starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The client's name for it.
    pub name: String,
    /// The command and its words.
    pub words: Vec<String>,
    /// The variables that are put into its environment.
    pub environment: HashMap<String, String>,
}

/// Returns all servers with a command in this text; the reason, for the user, if the text cannot be read.
///
/// # Errors
/// The reason, as text.
pub fn servers(text: &str, language: Language) -> Result<Vec<Server>, String> {
    let value = match language {
        Language::Json => {
            let text = text.trim_start_matches('\u{feff}');
            jsonc_parser::parse_to_serde_value::<Value>(
                text,
                &jsonc_parser::ParseOptions::default(),
            )
            .map_err(|error| position(&error.to_string()))?
        }
        // The parser's errors quote the line, and lines may hold secrets.
        Language::Toml => {
            let document = Document::parse(text).map_err(|error| position(error.message()))?;
            table(document.as_table())
        }
        Language::Yaml => {
            check_yaml(text)?;
            let documents =
                YamlLoader::load_from_str(text).map_err(|error| position(error.info()))?;
            Value::Array(documents.iter().map(plain).collect())
        }
    };
    let mut found = Vec::new();
    collect("", &value, DEEPEST, &mut found);
    Ok(found)
}

/// The deepest nesting that is read: deeper than any client's.
const DEEPEST: usize = 32;

/// The most values of YAML that are read: more than any client's configuration holds.
const MOST: usize = 100_000;

/// Refuses YAML that would take the stack or the memory of this process: its loader calls itself for each level, and
/// copies the target of an alias, so that a few lines may stand for billions of values.
fn check_yaml(text: &str) -> Result<(), String> {
    let mut parser = Parser::new_from_str(text);
    // The anchor and the size of each collection that is open.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    let mut total = 0_usize;
    loop {
        let (event, _) = parser
            .next_token()
            .map_err(|error| position(error.info()))?;
        let (anchor, size) = match event {
            Event::StreamEnd => return Ok(()),
            Event::Alias(anchor) => (0, sizes.get(&anchor).copied().unwrap_or(1)),
            Event::Scalar(_, _, anchor, _) => (anchor, 1),
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push((anchor, 1));
                if open.len() > 2 * DEEPEST {
                    return Err("nested too deeply".to_owned());
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().unwrap_or_default(),
            _ => continue,
        };
        sizes.insert(anchor, size);
        match open.last_mut() {
            Some((_, sum)) => *sum = sum.saturating_add(size),
            None => total = total.saturating_add(size),
        }
        let sum = open.last().map_or(total, |(_, sum)| *sum);
        if sum > MOST {
            return Err("too many values".to_owned());
        }
    }
}

fn position(error: &str) -> String {
    printable(error.lines().next().unwrap_or_default(), 120)
}

fn collect(name: &str, value: &Value, depth: usize, found: &mut Vec<Server>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(object) => {
            if let Some(server) = server(name, object) {
                found.push(server);
                return;
            }
            for (name, value) in object {
                collect(name, value, depth - 1, found);
            }
        }
        Value::Array(items) => {
            for value in items {
                collect(name, value, depth - 1, found);
            }
        }
        _ => {}
    }
}

fn server(name: &str, object: &Map<String, Value>) -> Option<Server> {
    let command = ["command", "cmd"].iter().find_map(|key| object.get(*key))?;
    // Zed once put the whole object under `command`.
    let (command, object) = match command.as_object() {
        Some(inner) => (inner.get("path")?, inner),
        None => (command, object),
    };
    let strings = |value: &Value| -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let mut words = match command {
        Value::String(command) => vec![command.clone()],
        Value::Array(_) => strings(command),
        _ => return None,
    };
    words.extend(object.get("args").map(strings).unwrap_or_default());
    let environment = ["env", "envs", "environment"]
        .iter()
        .find_map(|key| object.get(*key)?.as_object());
    let environment = environment
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Some(Server {
        name: name.to_owned(),
        words,
        environment: environment.collect(),
    })
}

/// Converts a table of TOML to JSON. Only texts, arrays and tables matter here: any other value is null.
fn table(table: &dyn TableLike) -> Value {
    let members = table.iter().map(|(name, item)| {
        let value = match item {
            Item::Value(value) => toml(value),
            Item::Table(inner) => self::table(inner),
            Item::ArrayOfTables(tables) => tables.iter().map(|one| self::table(one)).collect(),
            Item::None => Value::Null,
        };
        (name.to_owned(), value)
    });
    Value::Object(members.collect())
}

/// Converts a value of TOML to JSON.
fn toml(value: &Toml) -> Value {
    match value {
        Toml::String(text) => text.value().as_str().into(),
        Toml::Array(items) => items.iter().map(toml).collect(),
        Toml::InlineTable(inner) => table(inner),
        Toml::Integer(_) | Toml::Float(_) | Toml::Boolean(_) | Toml::Datetime(_) => Value::Null,
    }
}

/// Converts YAML to JSON; names that are no text are left out.
fn plain(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => text.clone().into(),
        Yaml::Integer(number) => number.to_string().into(),
        Yaml::Boolean(truth) => (*truth).into(),
        Yaml::Array(items) => items.iter().map(plain).collect(),
        Yaml::Hash(pairs) => {
            let members = pairs
                .iter()
                .filter_map(|(name, value)| Some((name.as_str()?.to_owned(), plain(value))));
            Value::Object(members.collect())
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, language: Language) -> Vec<(String, String)> {
        let servers = servers(text, language).unwrap();
        let told = |server: Server| (server.name, server.words.join(" "));
        servers.into_iter().map(told).collect()
    }

    #[test]
    fn every_clients_table_is_found() {
        let wanted = [(
            "x".to_owned(),
            "npx -y mcp-remote https://a.example/mcp".to_owned(),
        )];
        let args = r#"["-y", "mcp-remote", "https://a.example/mcp"]"#;
        for (client, text, language) in [
            ("claude desktop, cursor, windsurf, gemini", format!(r#"{{"mcpServers":{{"x":{{"command":"npx","args":{args}}}}}}}"#), Language::Json),
            ("claude code", format!(r#"{{"projects":{{"/p":{{"mcpServers":{{"x":{{"type":"stdio","command":"npx","args":{args},"env":{{}}}}}}}}}}}}"#), Language::Json),
            ("vs code", format!(r#"{{"servers":{{"x":{{"command":"npx","args":{args}}}}}}}"#), Language::Json),
            ("vs code settings", format!(r#"{{"mcp":{{"servers":{{"x":{{"command":"npx","args":{args}}}}}}}}}"#), Language::Json),
            ("zed", format!("// settings\n{{\"context_servers\": {{ /* mine */ \"x\": {{\"source\":\"custom\",\"command\":\"npx\",\"args\":{args},}},}},}}"), Language::Json),
            ("zed of old", format!(r#"{{"context_servers":{{"x":{{"command":{{"path":"npx","args":{args},"env":null}}}}}}}}"#), Language::Json),
            ("opencode", r#"{"mcp":{"x":{"type":"local","command":["npx","-y","mcp-remote","https://a.example/mcp"]}}}"#.to_owned(), Language::Json),
            ("codex", format!("model = \"m\"\n[mcp_servers.x]\ncommand = \"npx\"\nargs = {args}\n"), Language::Toml),
            ("goose", "extensions:\n  x:\n    type: stdio\n    cmd: npx\n    args:\n      - -y\n      - mcp-remote\n      - https://a.example/mcp\n".to_owned(), Language::Yaml),
        ] {
            assert_eq!(found(&text, language), wanted, "{client}");
        }
    }

    #[test]
    fn the_environment_comes_with_it() {
        for (text, language) in [
            (
                r#"{"x":{"command":"c","env":{"A":"1","N":2}}}"#,
                Language::Json,
            ),
            (
                r#"{"x":{"command":["c"],"environment":{"A":"1"}}}"#,
                Language::Json,
            ),
            ("[x]\ncommand='c'\nenv={A='1'}", Language::Toml),
            ("x: {cmd: c, envs: {A: '1'}}", Language::Yaml),
        ] {
            let [server] = servers(text, language).unwrap().try_into().unwrap();
            assert_eq!(server.environment.get("A").unwrap(), "1", "{text}");
            assert_eq!(server.environment.len(), 1);
        }
    }

    #[test]
    fn what_cannot_be_read_says_where_and_shows_nothing() {
        for (text, language) in [
            ("{\"token\": \"s3cret\" \"x\"]", Language::Json),
            ("token = s3cret", Language::Toml),
            ("a: [s3cret", Language::Yaml),
        ] {
            let error = servers(text, language).unwrap_err();
            assert!(!error.is_empty() && !error.contains("s3cret"), "{error}");
        }
        assert_eq!(servers("", Language::Json).unwrap(), []);
        assert_eq!(servers("", Language::Yaml).unwrap(), []);
        let dashes = format!("a:\n  {}b", "- ".repeat(100_000));
        assert!(servers(&dashes, Language::Yaml).is_err());
        let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let last = format!("*a{}, ", level - 1).repeat(10);
            aliases += &format!("a{level}: &a{level} [{last}]\n");
        }
        assert!(servers(&aliases, Language::Yaml).is_err());
        let shared = "x: &x {cmd: c}\ny: *x\n";
        assert_eq!(servers(shared, Language::Yaml).unwrap().len(), 2);
        for depth in [400, 100_000] {
            let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            for language in [Language::Json, Language::Toml, Language::Yaml] {
                let deep = match language {
                    Language::Toml => format!("a={deep}"),
                    _ => deep.clone(),
                };
                assert_eq!(servers(&deep, language).unwrap_or_default(), []);
            }
        }
    }
}
