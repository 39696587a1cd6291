//! Texts about tools, prompts, resources and the server itself, in which unwanted characters are escaped.
//!
//! The members that are looked at are those of `role`: names, titles, descriptions, schemas, instructions and errors. The
//! content of results is not, except that of a result that is an error. Everything else keeps its bytes.
//!
//! A host sends names back, and values of schemas; [`Sanitizer::request`] puts the server's own spelling in their place.

mod characters;
mod names;
mod role;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use self::names::{Named, Names, json};
use self::role::{Role, role};
use self::text::{Tally, escaped, escaped_json};
use crate::frame::{Frame, Object, string};
use crate::policy::json_strings::{self, Found, Step};
use crate::policy::lists::{Kind, elements};
use crate::text::plain;

pub use self::characters::{Kind as Unwanted, unwanted};
pub use self::text::Form;

/// The longest place of a text in a notice, in characters.
const LONGEST_PLACE: usize = 160;
/// The number of places of which is said that something was escaped there.
const MAX_PLACES: usize = 1000;

/// A message, and what is to be said about it.
#[derive(Debug)]
pub struct Sanitized {
    /// The message for the host.
    pub frame: Frame,
    /// Sentences, each for one place, and none said before.
    pub notices: Vec<String>,
}

/// The names of a conversation that were escaped, and the places of which that was said.
#[derive(Debug, Default)]
pub struct Sanitizer {
    names: Names,
    said: HashSet<String>,
}

/// The strings of one message that were escaped.
#[derive(Default)]
struct Edits {
    /// By the index of the element that they stand in, if any, and the place in it.
    places: BTreeMap<(Option<usize>, String), Tally>,
    /// The names of the elements, as they are shown and as the server has them.
    names: BTreeMap<usize, (String, String)>,
    /// Strings that a host sends back: the element, the text that is shown, the JSON of the server.
    returned: Vec<(usize, String, String)>,
    /// Elements whose `outputSchema` a result would not fit any more.
    without_output_schema: BTreeSet<usize>,
}

impl Sanitizer {
    /// Returns an answer to a request of this method, escaped.
    pub fn answer(&mut self, method: &str, frame: Frame) -> Sanitized {
        if frame.is_error() {
            return self.member(frame, "error", method);
        }
        // A skill's description is part of a file of which the host knows the digest, and is compared with it (SEP-2640).
        let is_verbatim = |kind: &Kind| *kind == Kind::Skills;
        if let Some(kind) = Kind::of(method).filter(|kind| !is_verbatim(kind)) {
            return self.list(frame, kind);
        }
        let has = |name| frame.member_in("result", name).is_some();
        let wants = match method {
            "initialize" | "server/discover" | "prompts/get" => true,
            "resources/read" => self.names.has_resources() || has("inputRequests"),
            "tools/call" | "tasks/result" | "tasks/get" => {
                has("inputRequests") || is_failure(&frame)
            }
            _ => false,
        };
        match wants {
            true => self.member(frame, "result", method),
            false => self.identity(frame),
        }
    }

    /// Returns a request or notification of the server, escaped.
    pub fn message(&mut self, frame: Frame) -> Sanitized {
        match frame.method().map(str::to_owned) {
            Some(method) if role::is_of_interest(&method) => self.member(frame, "params", &method),
            _ => unchanged(frame),
        }
    }

    /// Returns a message of the host with the names that the server knows.
    pub fn request(&self, frame: Frame) -> Frame {
        if self.names.is_empty() {
            return frame;
        }
        let named = match frame.method() {
            Some("tools/call") => Named::Tool,
            Some("prompts/get") => Named::Prompt,
            Some("resources/read" | "resources/subscribe" | "resources/unsubscribe") => {
                Named::Resource
            }
            Some("completion/complete") => return self.completion(&frame),
            Some("subscriptions/listen") => {
                return frame.edit(|message| {
                    message.edit("params", |params| {
                        self.put_back(params, "notifications", |text| {
                            self.names.original(Named::Resource, text)
                        });
                    });
                });
            }
            _ => return frame,
        };
        let member = if named == Named::Resource {
            "uri"
        } else {
            "name"
        };
        let Some(shown) = frame.param(member).and_then(string) else {
            return frame;
        };
        let written = self.names.original(named, &shown);
        let name = written.map_or(shown.clone(), |written| {
            json_strings::read(written).0.into_owned()
        });
        let values = self.names.returned(named, &name);
        if written.is_none() && values.is_none() {
            return frame;
        }
        frame.edit(|message| {
            message.edit("params", |params| {
                if let Some(written) = written {
                    params.set(member, written);
                }
                if let Some(values) = values {
                    self.put_back(params, "arguments", |text| values.get(text).map(|it| &**it));
                }
            });
        })
    }

    /// The same for a completion, which names a prompt or a template (MCP 2025-11-25, server/utilities/completion).
    fn completion(&self, frame: &Frame) -> Frame {
        let reference = frame.param("ref").and_then(Object::read);
        let shown = reference.and_then(|it| it.get("name").and_then(string));
        let written = shown
            .as_deref()
            .and_then(|shown| self.names.original(Named::Prompt, shown));
        let name = written.map(|written| json_strings::read(written).0.into_owned());
        let values = name
            .or(shown)
            .and_then(|name| self.names.returned(Named::Prompt, &name));
        frame.edit(|message| {
            message.edit("params", |params| {
                self.put_back(params, "ref", |text| {
                    let prompt = self.names.original(Named::Prompt, text);
                    prompt.or_else(|| self.names.original(Named::Resource, text))
                });
                for member in ["argument", "context"] {
                    self.put_back(params, member, |text| values?.get(text).map(|it| &**it));
                }
            });
        })
    }

    /// Puts the server's JSON in the place of strings of a member that the host was shown otherwise.
    fn put_back<'a>(
        &self,
        object: &mut Object,
        member: &str,
        original: impl Fn(&str) -> Option<&'a str>,
    ) {
        let Some(value) = object.get(member) else {
            return;
        };
        let new = json_strings::rewritten(value, |found| {
            original(&json_strings::read(found.written).0).map(str::to_owned)
        });
        if let std::borrow::Cow::Owned(new) = new {
            object.set(member, new);
        }
    }

    /// A list, element by element.
    fn list(&mut self, frame: Frame, kind: Kind) -> Sanitized {
        let Some(result) = frame.member("result") else {
            return unchanged(frame);
        };
        let mut edits = Edits::default();
        let new = json_strings::rewritten(result, |found| {
            let role = role(kind.member(), found)?;
            self.replaced(kind, role, found, &mut edits)
        });
        let has_changed = matches!(new, std::borrow::Cow::Owned(_));
        let mut frame = match has_changed {
            true => {
                let new = new.into_owned();
                frame.edit(|message| message.set("result", new))
            }
            false => frame,
        };
        let dropped = std::mem::take(&mut edits.without_output_schema);
        if !dropped.is_empty() {
            frame = without_output_schemas(&frame, &dropped);
        }
        let named = Named::of(kind);
        for (index, shown, written) in std::mem::take(&mut edits.returned) {
            if let Some((_, original)) = edits.names.get(&index) {
                self.names.returns(named, original, shown, written);
            }
        }
        let what = match kind {
            Kind::Tools => "tool",
            Kind::Prompts => "prompt",
            Kind::Resources | Kind::Directory => "resource",
            Kind::Templates => "resource template",
            Kind::Skills => "skill",
        };
        let mut notices = self.notices(&edits, what);
        for index in dropped {
            let name = edits.names.get(&index).map_or("", |(shown, _)| shown);
            notices.extend(self.once(format!(
                "The outputSchema of tool \"{}\" is left out: it has unwanted characters where results are checked against it.",
                plain(name, LONGEST_PLACE)
            )));
        }
        Sanitized { frame, notices }
    }

    /// The JSON in the place of a string of a list; `None` where it stays.
    fn replaced(
        &mut self,
        kind: Kind,
        role: Role,
        found: &Found<'_>,
        edits: &mut Edits,
    ) -> Option<String> {
        let index = found.path.iter().find_map(|step| match step {
            Step::Element(index) => Some(*index),
            Step::Member(_) => None,
        });
        let mut tally = Tally::default();
        let shown = match role {
            Role::Key => {
                let original = json_strings::read(found.written).0;
                let shown = self.names.shown(Named::of(kind), found.written, &mut tally);
                let name = shown
                    .clone()
                    .unwrap_or_else(|| original.clone().into_owned());
                edits.names.insert(index?, (name, original.into_owned()));
                shown
            }
            Role::Text(form) => escaped_json(found.written, form, &mut tally),
            Role::Returned => {
                let shown = escaped_json(found.written, Form::Lines, &mut tally)?;
                edits
                    .returned
                    .push((index?, shown.clone(), found.written.to_owned()));
                Some(shown)
            }
            Role::Output => {
                escaped_json(found.written, Form::Lines, &mut tally)?;
                edits.without_output_schema.insert(index?);
                return None;
            }
        };
        if !tally.is_empty() {
            let place = (
                index,
                place(found.path.get(2..).unwrap_or_default(), found.is_name),
            );
            edits.places.entry(place).or_default().join(tally);
        }
        shown.map(|shown| json(&shown))
    }

    /// One member of a message, all strings of which have a role by their place.
    fn member(&mut self, frame: Frame, member: &'static str, method: &str) -> Sanitized {
        let Some(value) = frame.member(member) else {
            return unchanged(frame);
        };
        let mut edits = Edits::default();
        let root = if member == "error" { "error" } else { method };
        let new = json_strings::rewritten(value, |found| {
            let mut tally = Tally::default();
            let shown = match role(root, found)? {
                Role::Key => self.names.shown(Named::Resource, found.written, &mut tally),
                Role::Text(form) => escaped_json(found.written, form, &mut tally),
                Role::Returned | Role::Output => None,
            };
            if !tally.is_empty() {
                let place = (None, place(found.path, found.is_name));
                edits.places.entry(place).or_default().join(tally);
            }
            shown.map(|shown| json(&shown))
        });
        let frame = match new {
            std::borrow::Cow::Owned(new) => frame.edit(|message| message.set(member, new)),
            std::borrow::Cow::Borrowed(_) => frame,
        };
        let what = match member {
            "error" => format!("an error that answers {method}"),
            "result" => format!("the answer to {method}"),
            _ => method.to_owned(),
        };
        let notices = self.notices(&edits, &what);
        Sanitized { frame, notices }
    }

    /// The identity of a modern server, which every result may have in `_meta` (MCP 2026-07-28, basic).
    fn identity(&mut self, frame: Frame) -> Sanitized {
        let meta = frame.member_in("result", "_meta");
        let mut tally = Tally::default();
        let new = meta.map(|meta| {
            json_strings::rewritten(meta, |found| {
                let role = role("_meta", found)?;
                let Role::Text(form) = role else { return None };
                escaped_json(found.written, form, &mut tally).map(|shown| json(&shown))
            })
        });
        let Some(std::borrow::Cow::Owned(new)) = new else {
            return unchanged(frame);
        };
        let frame = frame.edit(|message| message.edit("result", |result| result.set("_meta", new)));
        let notices = self.once(format!(
            "Escaped {} in the server's name.",
            tally.in_words()
        ));
        Sanitized {
            frame,
            notices: notices.into_iter().collect(),
        }
    }

    fn notices(&mut self, edits: &Edits, what: &str) -> Vec<String> {
        let mut notices = Vec::new();
        for ((index, place), tally) in &edits.places {
            let name = index.and_then(|index| edits.names.get(&index));
            let whose = match (index, name) {
                (Some(_), Some((shown, _))) => {
                    let shown = escaped(shown, Form::Line, &mut Tally::default());
                    format!("{what} \"{}\"", plain(&shown, LONGEST_PLACE))
                }
                (Some(index), None) => format!("{what} {}", index + 1),
                (None, _) => what.to_owned(),
            };
            let words = tally.in_words();
            notices.extend(self.once(format!("Escaped {words} in {place} of {whose}.")));
        }
        notices
    }

    /// Returns a sentence that was not said before.
    fn once(&mut self, sentence: String) -> Option<String> {
        if self.said.len() > MAX_PLACES || self.said.contains(&sentence) {
            return None;
        }
        self.said.insert(sentence.clone());
        Some(match self.said.len() > MAX_PLACES {
            true => "Escaped characters in more places, which are not listed any more.".to_owned(),
            false => sentence,
        })
    }
}

/// Returns a text of a server on one line, with its unwanted characters escaped.
pub fn visible(text: &str) -> String {
    escaped(text, Form::Line, &mut Tally::default()).into_owned()
}

fn unchanged(frame: Frame) -> Sanitized {
    let notices = Vec::new();
    Sanitized { frame, notices }
}

/// Says whether a result is one that a tool calls an error, at once or as the end of a task.
fn is_failure(frame: &Frame) -> bool {
    let is_true = |value: Option<&str>| value == Some("true");
    let inner = frame.member_in("result", "result");
    is_true(frame.member_in("result", "isError"))
        || is_true(inner.and_then(|result| crate::frame::member_of(result, "isError")))
}

/// A place for people: `inputSchema.properties.city.description`.
fn place(path: &[Step<'_>], is_name: bool) -> String {
    let mut steps: Vec<String> = Vec::with_capacity(path.len());
    for step in path {
        match step {
            Step::Member(name) => {
                let written = format!("\"{name}\"");
                let name = json_strings::read(&written).0;
                steps.push(escaped(&name, Form::Line, &mut Tally::default()).into_owned());
            }
            Step::Element(index) => steps.push((index + 1).to_string()),
        }
    }
    let path = plain(&steps.join("."), LONGEST_PLACE);
    match is_name {
        true => format!("the names of members of {path}"),
        false => path,
    }
}

/// Takes `outputSchema` out of some elements of a list of tools.
fn without_output_schemas(frame: &Frame, dropped: &BTreeSet<usize>) -> Frame {
    let Some(tools) = elements(frame, Kind::Tools) else {
        return frame.clone();
    };
    let tools = tools.into_iter().enumerate().map(|(index, tool)| {
        let is_dropped = dropped.contains(&index);
        match Object::read(tool).filter(|_| is_dropped) {
            Some(mut tool) => {
                tool.remove("outputSchema");
                tool.text()
            }
            None => tool.to_owned(),
        }
    });
    let list = format!("[{}]", tools.collect::<Vec<_>>().join(","));
    frame.edit(|message| message.edit("result", |result| result.set("tools", list)))
}

#[cfg(test)]
mod tests;
