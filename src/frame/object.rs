//! JSON objects edited as text: a message two levels deep, and nothing deeper.
//!
//! A rule that must change a frame edits its top level, its `params` or `result`, and their `_meta`, as a list of
//! members whose values stay the text they came as: order, unknown members and numbers beyond `f64` survive.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde_json::Value as Json;

use super::scan;
use super::{Frame, trimmed};

/// A JSON object as its members in order, each value as text.
#[derive(Clone, Default)]
pub(crate) struct Object {
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    /// The name as written, quotes and escapes included.
    written: Piece,
    /// The name, where escapes make it differ from what is written.
    decoded: Option<Box<str>>,
    value: Value,
}

/// A part of a text that others hold too, so that a large value is not copied to be left as it is; or a text of its own.
#[derive(Clone)]
enum Piece {
    Part(Arc<String>, Range<usize>),
    Own(String),
}

#[derive(Clone)]
enum Value {
    Text(Piece),
    /// An object whose members have been found already.
    Message(Arc<String>, scan::Member),
    /// An object that was edited, and its text once that has been asked for.
    Edited(Object, OnceLock<String>),
}

impl Piece {
    fn as_str(&self) -> &str {
        match self {
            Self::Part(text, range) => text.get(range.clone()).unwrap_or_default(),
            Self::Own(text) => text,
        }
    }
}

impl Value {
    fn as_str(&self) -> &str {
        match self {
            Self::Text(piece) => piece.as_str(),
            Self::Message(text, member) => member.place.value(text),
            Self::Edited(object, text) => text.get_or_init(|| object.text()),
        }
    }

    /// The object that it is; `None` for any other value.
    fn object(&self) -> Option<Object> {
        match self {
            Self::Text(Piece::Part(text, range)) => Object::within(text, range.clone()),
            Self::Text(Piece::Own(text)) => Object::read(text),
            Self::Message(text, member) => match &member.members {
                Some(places) => Some(Object::at(text, places)),
                None => Object::within(text, member.place.value.clone()),
            },
            Self::Edited(object, _) => Some(object.clone()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Edited(object, _) => object.len(),
            _ => self.as_str().len(),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Edited(object, _) => object.write(out),
            _ => out.push_str(self.as_str()),
        }
    }
}

impl Member {
    fn new(written: Piece, value: Value) -> Self {
        let decoded = match scan::read(written.as_str()) {
            Cow::Borrowed(_) => None,
            Cow::Owned(name) => Some(name.into()),
        };
        Self {
            written,
            decoded,
            value,
        }
    }

    /// The name; one with a lone surrogate, which is no text, as it is written.
    fn name(&self) -> &str {
        let written = self.written.as_str();
        self.decoded
            .as_deref()
            .unwrap_or_else(|| scan::inner(written))
    }

    fn is(&self, name: &str) -> bool {
        self.name() == name
    }
}

impl Object {
    /// Reads an object; `None` for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = Arc::new(trimmed(text).to_owned());
        Self::within(&text, 0..text.len())
    }

    /// Reads a part of a text, which it shares from then on.
    fn within(text: &Arc<String>, part: Range<usize>) -> Option<Self> {
        let mut members = Vec::new();
        let piece = |range: Range<usize>| {
            Piece::Part(
                Arc::clone(text),
                part.start + range.start..part.start + range.end,
            )
        };
        scan::members(text.get(part.clone())?, |place| {
            members.push(Member::new(
                piece(place.name),
                Value::Text(piece(place.value)),
            ));
        })?;
        Some(Self { members })
    }

    /// The object whose members stand there in the text.
    fn at(text: &Arc<String>, places: &[scan::Place]) -> Self {
        let piece = |range: &Range<usize>| Piece::Part(Arc::clone(text), range.clone());
        let members = places
            .iter()
            .map(|place| Member::new(piece(&place.name), Value::Text(piece(&place.value))));
        Self {
            members: members.collect(),
        }
    }

    /// A member's text; of two with one name the last, as in JavaScript.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.member(name).map(Value::as_str)
    }

    fn member(&self, name: &str) -> Option<&Value> {
        let mut members = self.members.iter().rev();
        members
            .find(|member| member.is(name))
            .map(|member| &member.value)
    }

    /// Puts a member in the place of the one it replaces, or at the end; others of that name go, for a reader may well
    /// take the first of them. `value` is JSON text.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, Value::Text(Piece::Own(value.into())));
    }

    /// Puts an object in the place of a member as [`Object::set`] does.
    pub(crate) fn set_object(&mut self, name: &str, object: Self) {
        self.put(name, Value::Edited(object, OnceLock::new()));
    }

    fn put(&mut self, name: &str, value: Value) {
        let Some(last) = self.members.iter().rposition(|member| member.is(name)) else {
            return self
                .members
                .push(Member::new(Piece::Own(Json::from(name).to_string()), value));
        };
        if let Some(member) = self.members.get_mut(last) {
            member.value = value;
        }
        let mut place = 0;
        self.members.retain(|member| {
            let is_last = place == last;
            place += 1;
            is_last || !member.is(name)
        });
    }

    /// Takes a member out, all of that name.
    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        let value = self.get(name).map(str::to_owned);
        self.members.retain(|member| !member.is(name));
        value
    }

    /// Reads a member that is an object, edits it, and puts it back; an empty one is taken out. A member that is there
    /// and no object is left alone.
    pub(crate) fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Self)) {
        let mut inner = match self.member(name).map(Value::object) {
            None => Self::default(),
            Some(None) => return,
            Some(Some(object)) => object,
        };
        edit(&mut inner);
        if inner.is_empty() {
            self.remove(name);
        } else {
            self.set_object(name, inner);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The names and values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let members = self.members.iter();
        members.map(|member| (member.name(), member.value.as_str()))
    }

    /// The object as JSON text on one line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.len());
        self.write(&mut text);
        text
    }

    fn len(&self) -> usize {
        let members = self.members.iter();
        let lengths = members.map(|member| member.written.as_str().len() + member.value.len() + 2);
        lengths.sum::<usize>() + 2
    }

    fn write(&self, out: &mut String) {
        out.push('{');
        for (at, member) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(member.written.as_str());
            out.push(':');
            member.value.write(out);
        }
        out.push('}');
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Object {}

impl fmt::Debug for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text())
    }
}

impl Frame {
    fn part(&self, member: &scan::Member) -> Member {
        let name = Piece::Part(Arc::clone(&self.text), member.place.name.clone());
        Member::new(name, Value::Message(Arc::clone(&self.text), member.clone()))
    }

    /// Returns a top-level member that is an object, to be read or edited apart from the message; `None` for any other. Of
    /// two with one name it is the last; the message may hold both.
    pub(crate) fn object(&self, name: &str) -> Option<Object> {
        Value::Message(Arc::clone(&self.text), self.find(name)?).object()
    }

    /// Returns the same message, edited. One that cannot be edited stays as it is.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Object)) -> Self {
        self.edited(edit).unwrap_or_else(|| self.clone())
    }

    /// Returns the same message, edited; `None` where the result is no message.
    pub(crate) fn edited(&self, edit: impl FnOnce(&mut Object)) -> Option<Self> {
        let mut message = match &self.members {
            Some(members) => Object {
                members: members.iter().map(|member| self.part(member)).collect(),
            },
            None => Object::within(&self.text, 0..self.text.len())?,
        };
        edit(&mut message);
        Self::of(message.text().into()).ok()
    }
}

/// Reads a JSON string; `None` for any other value.
pub(crate) fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_edited_keeps_its_text_and_its_place() {
        let mut object =
            Object::read(r#" { "b" : 1e400 , "\u0061":{"z":1,"y": [ ] }, "c":"\ud800" } "#)
                .unwrap();
        object.set("a", "2");
        object.set("new", "null");
        assert_eq!(
            object.text(),
            r#"{"b":1e400,"\u0061":2,"c":"\ud800","new":null}"#
        );
        assert_eq!(object.remove("b").as_deref(), Some("1e400"));
        assert_eq!(object.get("c"), Some(r#""\ud800""#));
    }

    #[test]
    fn of_several_with_one_name_one_is_left_once_a_rule_has_set_it() {
        let mut object =
            Object::read(r#"{"a":1,"b":1,"\u0061":2,"b":2,"a":{"x":1,"x":2}}"#).unwrap();
        assert_eq!(object.get("a"), Some(r#"{"x":1,"x":2}"#));
        object.edit("a", |inner| inner.set("y", "3"));
        assert_eq!(object.text(), r#"{"b":1,"b":2,"a":{"x":1,"x":2,"y":3}}"#);
        object.set("b", "3");
        assert_eq!(object.text(), r#"{"b":3,"a":{"x":1,"x":2,"y":3}}"#);
    }

    #[test]
    fn an_inner_object_is_edited_and_goes_when_it_is_empty() {
        let mut object = Object::read(r#"{"_meta":{"x":1}}"#).unwrap();
        object.edit("_meta", |meta| meta.set("y", "2"));
        assert_eq!(object.text(), r#"{"_meta":{"x":1,"y":2}}"#);
        object.edit("_meta", |meta| {
            meta.remove("x");
            meta.remove("y");
        });
        assert_eq!(object.text(), "{}");
    }

    #[test]
    fn only_objects_are_objects() {
        for text in ["", "[]", "1", "\"{}\"", "null", "{\"a\"}", "{\"a\":1,,}"] {
            assert_eq!(Object::read(text), None, "{text}");
        }
    }
}
