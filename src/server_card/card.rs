//! A server card: the endpoints of one MCP server, in the words of another party.
//!
//! Of a card only the endpoints are read, and what a caller has to bring to use them. Values of headers and variables,
//! packages and commands are not read: nothing of a card is sent or run. Public cards lack members that the schema wants,
//! so none is asked for but an endpoint's address.
//!
//! SEP-2127; <https://github.com/modelcontextprotocol/experimental-ext-server-card>.

use serde_json::Value;

use crate::text::printable;

/// The media type of a card.
pub const MEDIA_TYPE: &str = "application/mcp-server-card+json";

/// The most endpoints of one card that are read.
const MAX_REMOTES: usize = 16;
/// The most headers of one endpoint that are read.
const MAX_HEADERS: usize = 32;
/// The longest name that is kept, in characters.
const LONGEST_NAME: usize = 80;
/// The longest address that is read, in bytes.
const LONGEST_URL: usize = 2 * 1024;

/// A server as its card describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The title, or the name; empty if there is neither.
    pub name: String,
    /// The endpoints. Never empty.
    pub remotes: Vec<Remote>,
}

/// An endpoint as a card describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The transport.
    pub transport: Transport,
    /// The address, which may have variables.
    pub url: String,
    /// The names of the variables in the address.
    pub variables: Vec<String>,
    /// The names of the headers that requests must have, as written.
    pub headers: Vec<String>,
}

/// The transport of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP.
    StreamableHttp,
    /// HTTP+SSE (2024-11-05).
    Sse,
}

/// Reads a card. Endpoints that cannot be read are passed over; a document without one that can be read is no card.
pub fn read(document: &Value) -> Option<Card> {
    let remotes = document.get("remotes")?.as_array()?;
    let remotes: Vec<_> = remotes
        .iter()
        .take(MAX_REMOTES)
        .filter_map(remote)
        .collect();
    let text = |name| document.get(name).and_then(Value::as_str);
    let name = text("title").or(text("name")).unwrap_or_default();
    (!remotes.is_empty()).then(|| Card {
        name: printable(name.trim(), LONGEST_NAME),
        remotes,
    })
}

fn remote(remote: &Value) -> Option<Remote> {
    let transport = match remote.get("type").and_then(Value::as_str)? {
        "streamable-http" | "streamable_http" | "http" => Transport::StreamableHttp,
        "sse" => Transport::Sse,
        _ => return None,
    };
    let url = remote.get("url")?.as_str()?.trim();
    let headers = remote.get("headers").and_then(Value::as_array);
    let headers = headers.into_iter().flatten().take(MAX_HEADERS);
    let headers = headers.filter_map(|header| {
        let is_required = header.get("isRequired").and_then(Value::as_bool);
        let name = header.get("name").and_then(Value::as_str)?;
        is_required?.then(|| printable(name, LONGEST_NAME))
    });
    (url.len() <= LONGEST_URL && !url.is_empty()).then(|| Remote {
        transport,
        url: url.to_owned(),
        variables: variables(url),
        headers: headers.collect(),
    })
}

/// Returns the names in curly braces.
fn variables(url: &str) -> Vec<String> {
    let parts = url.split('{').skip(1);
    let names = parts.map(|part| part.split('}').next().unwrap_or_default());
    names.map(|name| printable(name, LONGEST_NAME)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_card_only_the_endpoints_are_read() {
        let card = read(&json!({
            "$schema": "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json",
            "name": "com.example/weather",
            "title": " Weather\u{1b}[31m ",
            "packages": [{"registryType": "npm", "identifier": "evil", "runtimeHint": "npx"}],
            "command": "evil",
            "remotes": [
                {"type": "streamable-http", "url": "https://{tenant}.example.com/{path}", "headers": [
                    {"name": "X-Key", "isRequired": true, "isSecret": true, "value": "s3cret"},
                    {"name": "X-Region", "value": "eu"},
                    {"isRequired": true},
                ], "variables": {"tenant": {"value": "evil"}}},
                {"type": "sse", "url": "https://example.com/sse"},
            ],
        }));
        let remote = |transport, url: &str, variables: &[&str], headers: &[&str]| Remote {
            transport,
            url: url.to_owned(),
            variables: variables.iter().map(ToString::to_string).collect(),
            headers: headers.iter().map(ToString::to_string).collect(),
        };
        let wanted = Card {
            name: "Weather[31m".to_owned(),
            remotes: vec![
                remote(
                    Transport::StreamableHttp,
                    "https://{tenant}.example.com/{path}",
                    &["tenant", "path"],
                    &["X-Key"],
                ),
                remote(Transport::Sse, "https://example.com/sse", &[], &[]),
            ],
        };
        assert_eq!(card, Some(wanted));
    }

    #[test]
    fn endpoints_that_cannot_be_read_are_passed_over() {
        let card = read(&json!({"name": "a", "remotes": [
            7,
            {"type": "stdio", "url": "https://example.com/a"},
            {"type": "streamable-http"},
            {"type": "streamable-http", "url": 1},
            {"type": "streamable-http", "url": ""},
            {"url": "https://example.com/b"},
            {"type": "streamable-http", "url": "https://example.com/mcp", "headers": "none"},
        ]}));
        let urls: Vec<_> = card.unwrap().remotes.into_iter().map(|it| it.url).collect();
        assert_eq!(urls, ["https://example.com/mcp"]);
        for none in [
            json!({}),
            json!([]),
            json!({"remotes": []}),
            json!({"remotes": {}}),
            json!({"remotes": [{"type": "stdio"}]}),
            // The form that cards had in 2025.
            json!({"serverInfo": {"name": "a"}, "transport": {"type": "streamable-http", "endpoint": "/mcp"}}),
        ] {
            assert_eq!(read(&none), None, "{none}");
        }
    }
}
