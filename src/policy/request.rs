//! The things that a message of the host names.
//!
//! Servers read JSON in more than one way: of two members with one name some take the first and some the last, and Go's
//! `encoding/json` takes a member whatever its case. A message that could name two things is refused: the policy would
//! judge the one and the server do the other.

use std::borrow::Cow;

use crate::frame::{Frame, Object, string};

use super::pattern::folded;

/// A thing that a request asks the server for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A call of a tool, by its name.
    Tool(String),
    /// A prompt, by its name: its messages, or completions of its arguments.
    Prompt(String),
    /// A resource or a template of resources, by its URI: its content, completions, notifications about it.
    Resource(String),
}

/// The reason why a message is not judged: the member that makes it ambiguous, or that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// The member of this name stands there twice, in one spelling or in two that servers take for the same.
    Twice(String),
    /// The member of this name is missing, or no string.
    Missing(&'static str),
}

/// Members of a message of which the policy must see the one that the server sees.
const MESSAGE: &[&str] = &["method", "params", "id", "jsonrpc"];
const PARAMS: &[&str] = &["name", "uri", "ref", "arguments", "notifications", "task"];
const REFERENCE: &[&str] = &["type", "name", "uri"];

/// Returns the things that a request or notification of the host names.
///
/// # Errors
/// See [`Unclear`].
pub fn asked(frame: &Frame) -> Result<Vec<Asked>, Unclear> {
    let Some(method) = frame.method() else {
        return Ok(Vec::new());
    };
    unique(&frame.names(None), MESSAGE)?;
    let method = folded(method);
    let Some((family, _)) = method.split_once('/') else {
        return Ok(Vec::new());
    };
    let is_judged = [
        "tools",
        "tasks",
        "prompts",
        "resources",
        "skills",
        "completion",
        "subscriptions",
    ];
    if !is_judged.contains(&family) {
        return Ok(Vec::new());
    }
    unique(&frame.names(Some("params")), PARAMS)?;
    let text = |name: &'static str| frame.param(name).and_then(string);
    // Every thing that the message names counts, also one that this method has no use for: the method may be one of a kind
    // that is not known here.
    let mut things = Vec::new();
    things.extend(text("name").map(|name| match family {
        "prompts" => Asked::Prompt(name),
        _ => Asked::Tool(name),
    }));
    things.extend(text("uri").map(Asked::Resource));
    if let Some(reference) = frame.param("ref") {
        things.extend(referred_to(reference)?);
    }
    if let Some(wanted) = frame.param("notifications") {
        things.extend(subscribed_to(wanted)?);
    }
    match &*method {
        "tools/call" | "prompts/get" if text("name").is_none() => Err(Unclear::Missing("name")),
        "resources/read" | "resources/subscribe" if text("uri").is_none() => {
            Err(Unclear::Missing("uri"))
        }
        "completion/complete" if things.is_empty() => Err(Unclear::Missing("ref")),
        _ => Ok(things),
    }
}

/// Returns the prompt or the template of a completion (MCP 2025-11-25, server/utilities/completion).
fn referred_to(reference: &str) -> Result<Vec<Asked>, Unclear> {
    let reference = Object::read(reference).ok_or(Unclear::Missing("ref"))?;
    unique(&reference.names(), REFERENCE)?;
    let text = |name| reference.get(name).and_then(string);
    let named = [
        text("name").map(Asked::Prompt),
        text("uri").map(Asked::Resource),
    ];
    Ok(named.into_iter().flatten().collect())
}

/// Returns the resources that a host wants notifications about (MCP 2026-07-28, basic/patterns/subscriptions).
fn subscribed_to(wanted: &str) -> Result<Vec<Asked>, Unclear> {
    const RESOURCES: &str = "resourceSubscriptions";
    let Some(wanted) = Object::read(wanted) else {
        return Ok(Vec::new());
    };
    unique(&wanted.names(), &[RESOURCES])?;
    let Some(uris) = wanted.get(RESOURCES) else {
        return Ok(Vec::new());
    };
    let uris: Vec<String> = serde_json::from_str(uris).map_err(|_| Unclear::Missing(RESOURCES))?;
    Ok(uris.into_iter().map(Asked::Resource).collect())
}

/// Refuses two members of one name, among those that matter, and one that is only nearly of that name.
pub(super) fn unique(names: &[Cow<'_, str>], known: &[&'static str]) -> Result<(), Unclear> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        let plain = known.iter().find(|known| **known == *name);
        let near = plain.or_else(|| {
            let name = folded(name);
            known.iter().find(|known| folded(known) == name)
        });
        if let Some(known) = near {
            if plain.is_none() || seen.contains(known) {
                return Err(Unclear::Twice(name.clone().into_owned()));
            }
            seen.push(known);
        }
    }
    Ok(())
}
