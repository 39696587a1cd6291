//! The strings of a message that are escaped, by their places.

use super::text::Form;
use crate::policy::json_strings::{Found, Step, read};

/// The use of a string that is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The name or address by which a host asks for the element.
    Key,
    /// A text that is shown.
    Text(Form),
    /// A part of a schema or signature that a host sends back in arguments.
    Returned,
    /// A part of a schema that results are checked against.
    Output,
}

/// The member that the identity of a server stands in (MCP 2026-07-28, basic).
const IDENTITY: &str = "io.modelcontextprotocol/serverInfo";

/// Says whether requests or notifications of the server with this method have strings with a role.
pub(super) fn is_of_interest(method: &str) -> bool {
    matches!(
        method,
        "elicitation/create" | "notifications/resources/updated"
    )
}

/// Returns the role of a string. `root` is the member of a list, `error`, `_meta`, or the method whose result or parameters the
/// path begins in.
pub(super) fn role(root: &str, found: &Found<'_>) -> Option<Role> {
    let path = Path(found.path);
    if path.is(0, "_meta") && path.is(1, IDENTITY) || root == "_meta" && path.is(0, IDENTITY) {
        return (!found.is_name).then_some(Role::Text(Form::Line));
    }
    match root {
        "tools" if path.is(0, root) => tool(path, found.is_name),
        "prompts" if path.is(0, root) => prompt(path, found.is_name),
        "resources" | "resourceTemplates" if path.is(0, root) => resource(path, found.is_name),
        "error" if !found.is_name => Some(Role::Text(Form::Lines)),
        _ if found.is_name => None,
        "initialize" | "server/discover" => handshake(path),
        "notifications/resources/updated" => path.is(0, "uri").then_some(Role::Key),
        "elicitation/create" => asked(path),
        _ if path.is(0, "inputRequests") && path.is(2, "params") => asked(path.from(3)),
        "resources/read" => (path.is(0, "contents") && path.is(2, "uri")).then_some(Role::Key),
        "prompts/get" => path.is(0, "description").then_some(Role::Text(Form::Lines)),
        "tools/call" | "tasks/result" | "tasks/get" => {
            let path = if path.is(0, "result") {
                path.from(1)
            } else {
                path
            };
            let is_text = path.is(0, "content") && path.is(2, "text") && path.0.len() == 3;
            is_text.then_some(Role::Text(Form::Lines))
        }
        _ => None,
    }
}

fn tool(path: Path<'_>, is_name: bool) -> Option<Role> {
    match path.0.len() {
        0..=2 => None,
        3 if path.is(2, "name") => Some(Role::Key),
        3 if path.is(2, "title") => Some(Role::Text(Form::Line)),
        4 if path.is(2, "annotations") && path.is(3, "title") => Some(Role::Text(Form::Line)),
        _ if path.is_of_host(2) => None,
        _ if path.is(2, "inputSchema") => Some(match !is_name && path.is_shown() {
            true => Role::Text(Form::Lines),
            false => Role::Returned,
        }),
        _ if path.is(2, "outputSchema") => Some(match !is_name && path.is_shown() {
            true => Role::Text(Form::Lines),
            false => Role::Output,
        }),
        _ => (!is_name).then_some(Role::Text(Form::Lines)),
    }
}

fn prompt(path: Path<'_>, is_name: bool) -> Option<Role> {
    match path.0.len() {
        0..=2 => None,
        3 if path.is(2, "name") => Some(Role::Key),
        3 if path.is(2, "title") => Some(Role::Text(Form::Line)),
        _ if path.is_of_host(2) || is_name => None,
        5 if path.is(2, "arguments") && path.is(4, "name") => Some(Role::Returned),
        _ => Some(Role::Text(Form::Lines)),
    }
}

fn resource(path: Path<'_>, is_name: bool) -> Option<Role> {
    match path.0.len() {
        0..=2 => None,
        3 if path.is(2, "uri") || path.is(2, "uriTemplate") => Some(Role::Key),
        _ if path.is_of_host(2) || is_name => None,
        3 if !path.is(2, "description") => Some(Role::Text(Form::Line)),
        _ => Some(Role::Text(Form::Lines)),
    }
}

fn handshake(path: Path<'_>) -> Option<Role> {
    match path.is(0, "instructions") {
        true => Some(Role::Text(Form::Lines)),
        false => {
            (path.is(0, "serverInfo") && !path.is(1, "icons")).then_some(Role::Text(Form::Line))
        }
    }
}

/// The texts of a question to the user (MCP 2025-11-25, client/elicitation).
fn asked(path: Path<'_>) -> Option<Role> {
    let is_text = path.is(0, "message") || path.is(0, "requestedSchema") && path.is_shown();
    is_text.then_some(Role::Text(Form::Lines))
}

/// The steps to a string.
#[derive(Clone, Copy)]
struct Path<'a>(&'a [Step<'a>]);

impl<'a> Path<'a> {
    /// Says whether a step is the member of this name, however the name is written.
    fn is(self, at: usize, name: &str) -> bool {
        match self.0.get(at) {
            Some(Step::Member(written)) if written.contains('\\') => {
                read(&format!("\"{written}\"")).0 == name
            }
            Some(Step::Member(written)) => *written == name,
            _ => false,
        }
    }

    fn from(self, at: usize) -> Self {
        Self(self.0.get(at..).unwrap_or_default())
    }

    /// Says whether the member there is for the host's program, and no text.
    fn is_of_host(self, at: usize) -> bool {
        self.is(at, "_meta") || self.is(at, "icons")
    }

    /// Says whether a string of a schema is only shown (JSON Schema 2020-12 Validation, section 9.1).
    fn is_shown(self) -> bool {
        let last = self.0.len().saturating_sub(1);
        // A property may have one of these names: its schema is no string.
        ["description", "title", "$comment"]
            .iter()
            .any(|name| self.is(last, name))
    }
}
