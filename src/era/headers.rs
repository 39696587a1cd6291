//! The header layer of a modern remote: what a frame says in its body is said once more in HTTP headers, so that
//! what stands in between can route it without reading it (MCP 2026-07-28, basic/transports/streamable-http).
//!
//! Knows which arguments of which tool the remote wants repeated, and how a value is written in a header. Decides
//! nothing about when a list is fetched or a call sent again.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::protocol::{META_VERSION, name_param};
use crate::frame::{Frame, Object, string};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

const ANNOTATION: &str = "x-mcp-header";

/// Schemas nested deeper than this are not looked into, as `serde_json` looks into no value nested deeper.
const MAX_DEPTH: usize = 128;

/// Arguments of one tool that may be repeated in headers, and the length of the names that lead to them, in bytes.
const MAX_DECLARATIONS: usize = 64;
const MAX_NAMES: usize = 16 * 1024;
/// The most that is remembered of the declarations of all tools, in bytes.
const MAX_REMEMBERED: usize = 8 * 1024 * 1024;

/// The largest integer that both sides read alike (RFC 8259 section 6).
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Makes a header value of a text from the server.
pub(crate) fn visible_value(text: &str) -> Option<HeaderValue> {
    // Only what the remote sent goes in here; anything but visible ASCII is dropped (RFC 9110 section 5.5).
    text.bytes()
        .all(|byte| (0x21..=0x7e).contains(&byte))
        .then(|| HeaderValue::from_str(text).ok())?
}

/// Returns the headers that go with this frame, all of them read from its body (MCP 2026-07-28,
/// basic/transports/streamable-http). None for a response.
pub(crate) fn of(frame: &Frame, tools: &Tools) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(method) = frame.method() else {
        return headers;
    };
    let version = version(frame);
    if let Some(version) = version.as_deref().and_then(visible_value) {
        headers.insert(VERSION, version);
    }
    if let Some(method) = visible_value(method) {
        headers.insert(METHOD, method);
    }
    let name = name_param(method).and_then(|param| frame.param(param));
    let name = name.and_then(string);
    if let Some(name) = name.as_deref().and_then(value) {
        headers.insert(NAME, name);
    }
    if method == "tools/call"
        && let Some(name) = &name
        && let Some(arguments) = frame.param("arguments")
    {
        for declaration in tools.declared(name) {
            if let Some(value) = declaration.read(arguments) {
                headers.insert(declaration.header.clone(), value);
            }
        }
    }
    headers
}

/// Returns the revision that a request names in its `_meta`.
pub(crate) fn version(request: &Frame) -> Option<String> {
    string(request.meta(META_VERSION)?)
}

/// Adds a revision to the headers of a frame that names none.
pub(crate) fn add_version(headers: &mut HeaderMap, version: &str) {
    if let Some(version) = visible_value(version) {
        headers.entry(VERSION).or_insert(version);
    }
}

/// Writes a text as the value of a header: as it is, or, where HTTP would change or refuse it, in base64 between the
/// marks that say so (MCP 2026-07-28, basic/transports/streamable-http).
fn value(text: &str) -> Option<HeaderValue> {
    let is_visible = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let is_padded = text.starts_with(' ') || text.ends_with(' ');
    let looks_marked = text.starts_with("=?base64?") && text.ends_with("?=");
    if is_visible && !is_padded && !looks_marked {
        HeaderValue::from_str(text).ok()
    } else {
        HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text))).ok()
    }
}

/// An argument of a tool that is to be repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// The names of the properties that lead to it.
    pub(crate) path: Vec<String>,
    /// `mcp-param-` and the declared name.
    pub(crate) header: HeaderName,
}

impl Declaration {
    /// The bytes of its names.
    fn size(&self) -> usize {
        let path: usize = self.path.iter().map(String::len).sum();
        path + self.header.as_str().len()
    }

    /// Returns the value in these arguments; `None` where it is absent, null, or nothing that fits a header.
    fn read(&self, arguments: &str) -> Option<HeaderValue> {
        let mut text = arguments.to_owned();
        for name in &self.path {
            text = Object::read(&text)?.get(name)?.to_owned();
        }
        match text.as_bytes().first()? {
            b'"' => value(&string(&text)?),
            b't' | b'f' => HeaderValue::from_str(&text).ok(),
            b'-' | b'0'..=b'9' => Some(HeaderValue::from(integer(&text)?)),
            _ => None,
        }
    }
}

/// Reads a JSON number as an integer, however it is spelled (`42.0`, `4.2e1`).
fn integer(text: &str) -> Option<i64> {
    let integer = match text.parse::<i64>() {
        Ok(integer) => integer,
        Err(_) => {
            let float: f64 = text.parse().ok()?;
            // A whole float of this size prints as an i64; the range is checked below.
            (float.fract() == 0.0 && float.abs() < 1e16)
                .then(|| format!("{float:.0}").parse().ok())??
        }
    };
    (-MAX_INTEGER..=MAX_INTEGER)
        .contains(&integer)
        .then_some(integer)
}

/// The reason for which a tool's annotations cannot be followed; such a tool is not offered (MCP 2026-07-28,
/// basic/transports/streamable-http).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAnnotation {
    /// The schema itself carries one.
    #[error("x-mcp-header on the schema itself")]
    AtRoot,
    /// The annotation is not reached through `properties` alone.
    #[error("x-mcp-header under {0:?}, where no argument has one fixed place")]
    Misplaced(String),
    /// The annotation is not a header name.
    #[error("x-mcp-header is not a header name")]
    NotAName,
    /// Two are one to HTTP, which does not tell upper case from lower.
    #[error("x-mcp-header {0:?} twice")]
    Twice(String),
    /// The annotated property is no string, integer or boolean.
    #[error("x-mcp-header on a property whose type is not string, integer or boolean")]
    NotPrimitive,
    /// The schema is nested too deep to be looked through.
    #[error("a schema nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// No request could carry them.
    #[error("x-mcp-header more than {MAX_DECLARATIONS} times, or under too long names")]
    TooMany,
}

/// Returns the declarations of an `inputSchema`.
///
/// # Errors
/// An annotation that breaks one of the constraints on `x-mcp-header`.
pub(crate) fn scan(schema: &str) -> Result<Vec<Declaration>, BadAnnotation> {
    let mut found = Vec::new();
    // Most tools declare nothing; and a name may be spelled with escapes.
    if schema.contains(ANNOTATION) || schema.contains("\\u") {
        look(schema, Some(&mut Vec::new()), None, MAX_DEPTH, &mut found)?;
    }
    Ok(found)
}

/// Looks through one schema. `path` leads to it, if it leads through `properties` alone; `under` is the keyword that
/// last led anywhere else.
fn look(
    schema: &str,
    mut path: Option<&mut Vec<String>>,
    under: Option<&str>,
    depth: usize,
    found: &mut Vec<Declaration>,
) -> Result<(), BadAnnotation> {
    let Some(schema) = Object::read(schema) else {
        return Ok(()); // `true` and `false` are schemas too
    };
    if depth == 0 {
        return Err(BadAnnotation::TooDeep);
    }
    if let Some(annotation) = schema.get(ANNOTATION) {
        match (under, &path) {
            (None, Some(path)) => {
                let declaration = declare(annotation, schema.get("type"), path)?;
                if let Some(other) = found.iter().find(|it| it.header == declaration.header) {
                    return Err(BadAnnotation::Twice(other.header.to_string()));
                }
                found.push(declaration);
                let names: usize = found.iter().map(Declaration::size).sum();
                if found.len() > MAX_DECLARATIONS || names > MAX_NAMES {
                    return Err(BadAnnotation::TooMany);
                }
            }
            (under, _) => {
                return Err(BadAnnotation::Misplaced(
                    under.unwrap_or_default().to_owned(),
                ));
            }
        }
    }
    for (keyword, value) in schema.iter() {
        match keyword {
            "properties" => {
                for (name, schema) in Object::read(value).unwrap_or_default().iter() {
                    if let Some(path) = path.as_deref_mut() {
                        path.push(name.to_owned());
                        look(schema, Some(path), None, depth - 1, found)?;
                        path.pop();
                    } else {
                        look(schema, None, under, depth - 1, found)?;
                    }
                }
            }
            "items"
            | "prefixItems"
            | "contains"
            | "additionalItems"
            | "additionalProperties"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "propertyNames"
            | "contentSchema"
            | "oneOf"
            | "anyOf"
            | "allOf"
            | "not"
            | "if"
            | "then"
            | "else" => {
                if let Ok(schemas) = serde_json::from_str::<Vec<&RawValue>>(value) {
                    for schema in schemas {
                        look(schema.get(), None, Some(keyword), depth - 1, found)?;
                    }
                } else {
                    look(value, None, Some(keyword), depth - 1, found)?;
                }
            }
            "patternProperties" | "dependentSchemas" | "dependencies" | "$defs" | "definitions" => {
                for (_, schema) in Object::read(value).unwrap_or_default().iter() {
                    look(schema, None, Some(keyword), depth - 1, found)?;
                }
            }
            _ => {} // data, or nothing we know to hold a schema
        }
    }
    Ok(())
}

fn declare(
    annotation: &str,
    kind: Option<&str>,
    path: &[String],
) -> Result<Declaration, BadAnnotation> {
    if path.is_empty() {
        return Err(BadAnnotation::AtRoot);
    }
    let name = string(annotation)
        .filter(|name| !name.is_empty())
        .ok_or(BadAnnotation::NotAName)?;
    // A header name of the http crate is a token of RFC 9110 and nothing else, in lower case.
    let header =
        HeaderName::try_from(format!("mcp-param-{name}")).map_err(|_| BadAnnotation::NotAName)?;
    let kind = kind.and_then(string);
    if !matches!(kind.as_deref(), Some("string" | "integer" | "boolean")) {
        return Err(BadAnnotation::NotPrimitive);
    }
    Ok(Declaration {
        path: path.to_vec(),
        header,
    })
}

/// The declarations of the server's tools, as far as their list has been seen.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// Those that declare something.
    by_name: HashMap<String, Vec<Declaration>>,
    /// The bytes of the names in `by_name`.
    size: usize,
    /// The list has changed since; what is known holds until it is listed again (MCP 2026-07-28,
    /// basic/transports/streamable-http).
    is_stale: bool,
}

/// A page of `tools/list`, looked through.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The result without the tools that are not offered; `None` if all of them are.
    pub(crate) without_hidden: Option<String>,
    /// The names on the page, hidden ones among them.
    pub(crate) names: Vec<String>,
    /// The tools not offered, and why.
    pub(crate) hidden: Vec<(String, BadAnnotation)>,
    /// JSON text; `""` is a cursor like any other (MCP 2026-07-28, server/utilities/pagination).
    pub(crate) next_cursor: Option<String>,
}

impl Tools {
    /// Returns the declarations of a tool; none for a tool not seen (MCP 2026-07-28, basic/transports/streamable-http).
    pub(crate) fn declared(&self, tool: &str) -> &[Declaration] {
        self.by_name.get(tool).map_or(&[], Vec::as_slice)
    }

    /// The list has changed: its next first page begins a new table.
    pub(crate) fn list_changed(&mut self) {
        self.is_stale = true;
    }

    /// Notes what a tool declares. A tool for which there is no room is called as one that was not seen, and then looked
    /// for when the server refuses the call for want of headers.
    fn remember(&mut self, name: &str, declarations: Vec<Declaration>) {
        let size = |declarations: &[Declaration]| -> usize {
            name.len() + declarations.iter().map(Declaration::size).sum::<usize>()
        };
        if let Some(old) = self.by_name.remove(name) {
            self.size = self.size.saturating_sub(size(&old));
        }
        let new = size(&declarations);
        if !declarations.is_empty() && self.size + new <= MAX_REMEMBERED {
            self.size += new;
            self.by_name.insert(name.to_owned(), declarations);
        }
    }

    /// Takes a page of the list, and says what of it may be shown (MCP 2026-07-28, basic/transports/streamable-http).
    /// Nothing else in it changes.
    pub(crate) fn page(&mut self, result: &str, is_first: bool) -> Page {
        if is_first && self.is_stale {
            self.by_name.clear();
            self.size = 0;
            self.is_stale = false;
        }
        let mut page = Page::default();
        let Some(mut result) = Object::read(result) else {
            return page;
        };
        page.next_cursor = result
            .get("nextCursor")
            .filter(|cursor| *cursor != "null")
            .map(str::to_owned);
        let Some(Ok(tools)) = result
            .get("tools")
            .map(serde_json::from_str::<Vec<&RawValue>>)
        else {
            return page;
        };
        let mut shown = Vec::new();
        for tool in tools {
            let read = Object::read(tool.get()).unwrap_or_default();
            let name = read.get("name").and_then(string).unwrap_or_default();
            match scan(read.get("inputSchema").unwrap_or("{}")) {
                Ok(declarations) => {
                    self.remember(&name, declarations);
                    shown.push(tool.get());
                }
                Err(reason) => {
                    self.remember(&name, Vec::new());
                    page.hidden.push((name.clone(), reason));
                }
            }
            page.names.push(name);
        }
        if let Some((tool, reason)) = page.hidden.first() {
            let tools = page.hidden.len();
            tracing::warn!(tools, first = ?tool, %reason, "tools are hidden: their headers cannot be told");
            let shown = format!("[{}]", shown.join(","));
            result.set("tools", shown);
            page.without_hidden = Some(result.text());
        }
        page
    }
}
