//! Messages that the bridge writes itself, and messages under another id.

use std::ops::Range;

use serde_json::Value;

use super::id::Id;
use super::outline::Outline;
use super::scan::{self, Member, Place};
use super::shared::{Text, Writer};
use super::{Frame, quoted};

/// The member that every message begins with here.
const VERSION: (&str, &str) = ("jsonrpc", "\"2.0\"");

impl Frame {
    /// A message of our own: its outline and its members, each a plain name and JSON text on one line.
    fn ours(outline: Outline, members: &[(&str, &str)]) -> Self {
        let lengths = members
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4);
        let mut text = String::with_capacity(lengths.sum::<usize>() + 1);
        let mut noted = Some(Vec::with_capacity(members.len()));
        for (name, value) in members {
            text.push(if text.is_empty() { '{' } else { ',' });
            let start = text.len();
            text.push('"');
            text.push_str(name);
            text.push('"');
            let name = start..text.len();
            text.push(':');
            let start = text.len();
            text.push_str(value);
            let read = scan::value(value);
            noted = noted.zip(read).map(|(mut noted, read)| {
                let value = start + read.place.start..start + read.place.end;
                let (place, members) = (Place { name, value }, read.members);
                noted.push(Member { place, members });
                noted
            });
        }
        text.push('}');
        Self::new(Text::new(text), noted, outline)
    }

    /// A request of our own. `params` is JSON text, passed on as it is.
    pub fn request(id: &Id, method: &str, params: Option<&str>) -> Self {
        let name = quoted(method);
        let mut members = vec![VERSION, ("id", id.text()), ("method", &*name)];
        members.extend(params.map(|params| ("params", params)));
        let (id, method) = (id.clone(), method.into());
        Self::ours(Outline::Request { id, method }, &members)
    }

    /// A notification of our own. `params` is JSON text, passed on as it is.
    pub fn notification(method: &str, params: Option<&str>) -> Self {
        let name = quoted(method);
        let mut members = vec![VERSION, ("method", &*name)];
        members.extend(params.map(|params| ("params", params)));
        let method = method.into();
        Self::ours(Outline::Notification { method }, &members)
    }

    /// A successful answer. `result` is JSON text, passed on as it is.
    pub fn result(id: &Id, result: &str) -> Self {
        let members = [VERSION, ("id", id.text()), ("result", result)];
        let (id, failed) = (Some(id.clone()), false);
        Self::ours(Outline::Response { id, failed }, &members)
    }

    /// An error answer; without an id it is `null` (JSON-RPC 2.0 section 5).
    pub fn error(id: Option<&Id>, code: i64, message: &str, data: Option<&Value>) -> Self {
        let shown = id.map_or("null", Id::text);
        let data = data
            .map(|data| format!(r#","data":{data}"#))
            .unwrap_or_default();
        let error = format!(r#"{{"code":{code},"message":{}{data}}}"#, quoted(message));
        let members = [VERSION, ("id", shown), ("error", &error)];
        let (id, failed) = (id.cloned(), true);
        Self::ours(Outline::Response { id, failed }, &members)
    }

    /// Returns the request or response under another id, even if it had none. Everything but the id keeps its text.
    pub fn with_id(&self, id: &Id) -> Self {
        let mut outline = self.0.outline.clone();
        match &mut outline {
            Outline::Request { id: place, .. } => *place = id.clone(),
            Outline::Response { id: place, .. } => *place = Some(id.clone()),
            Outline::Notification { .. } => return self.clone(),
        }
        let Some(members) = &self.0.members else {
            return self.with_id_found_anew(id, outline);
        };
        let text = &self.0.text;
        let mut out = Writer::with_capacity(text.len() + id.text().len() + 8);
        let mut moved = Vec::with_capacity(members.len() + 1);
        let mut from = 0;
        let is_id = |it: &Member| scan::reads(text.get(it.place.name.clone()), "id");
        if !members.iter().any(is_id) {
            out.push("{\"id\":");
            out.push(id.text());
            out.push(",");
            let (name, value) = (1..5, 6..6 + id.text().len());
            let (place, members) = (Place { name, value }, None);
            moved.push(Member { place, members });
            from = 1;
        }
        for member in members {
            // What is written so far stands for the text up to `from`.
            let (written, start) = (out.len(), from);
            let shifted = |range: &Range<usize>| {
                let place = |at: usize| at - start + written;
                place(range.start)..place(range.end)
            };
            let Place { name, value } = &member.place;
            let mut place = Place {
                name: shifted(name),
                value: shifted(value),
            };
            if is_id(member) {
                out.share(text, from..value.start);
                out.push(id.text());
                place.value.end = out.len();
                from = value.end;
            }
            let members = member.members.clone().filter(|_| !is_id(member));
            moved.push(Member { place, members });
        }
        out.share(text, from..text.len());
        let members = (moved.len() <= scan::MAX_NOTED).then_some(moved);
        Self::new(out.finish(), members, outline)
    }

    /// The same for a message whose members are too many to be noted.
    fn with_id_found_anew(&self, id: &Id, outline: Outline) -> Self {
        let (text, mut out, mut from) = (self.text(), String::new(), 0);
        scan::members(text, |place| {
            if scan::reads(place.name(text), "id") {
                out.push_str(text.get(from..place.value.start).unwrap_or_default());
                out.push_str(id.text());
                from = place.value.end;
            }
        });
        if from == 0 {
            out = format!("{{\"id\":{id},");
            from = 1;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Self::new(Text::new(out), None, outline)
    }
}
