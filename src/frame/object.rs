//! JSON objects edited as text: a message two levels deep, and nothing deeper.
//!
//! A rule that must change a frame edits its top level, its `params` or `result`, and their `_meta`, as a list of
//! members whose values stay the text they came as: order, unknown members and numbers beyond `f64` survive.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::members::Members;
use super::scan::{self, Noted, Place};
use super::shared::{Text, Writer};
use super::{Frame, quoted, trimmed, without_line_breaks};

/// A JSON object as its members in order, each value as text.
#[derive(Clone, Default)]
pub(crate) struct Object {
    /// The text that members stand in, so that a large value is not copied to be left as it is. It has no line breaks.
    text: Option<Text>,
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

/// A part of the object's text, or a text of its own.
#[derive(Clone)]
enum Piece {
    Here(Range<usize>),
    Own(String),
}

#[derive(Clone)]
enum Value {
    /// JSON in the object's text, with the places of its members as in [`scan::Member`].
    Here(Range<usize>, Option<Arc<[Place]>>),
    /// JSON that was put in, and has not been looked at.
    Own(String),
    /// An object that was edited, and its text once that has been asked for.
    Edited(Object, OnceLock<String>),
}

fn here<'a>(text: Option<&'a Text>, range: &Range<usize>) -> &'a str {
    text.map_or("", |text| text.get(range.clone()))
}

impl Member {
    fn here(text: &Text, name: Range<usize>, value: Value) -> Self {
        let decoded = match scan::read(text.get(name.clone())) {
            Cow::Borrowed(_) => None,
            Cow::Owned(name) => Some(name.into()),
        };
        Self {
            written: Piece::Here(name),
            decoded,
            value,
        }
    }

    fn written<'a>(&'a self, text: Option<&'a Text>) -> &'a str {
        match &self.written {
            Piece::Here(range) => here(text, range),
            Piece::Own(name) => name,
        }
    }

    /// The name; one with a lone surrogate, which is no text, as it is written.
    fn name<'a>(&'a self, text: Option<&'a Text>) -> &'a str {
        let decoded = self.decoded.as_deref();
        decoded.unwrap_or_else(|| scan::inner(self.written(text)))
    }
}

impl Value {
    fn as_str<'a>(&'a self, text: Option<&'a Text>) -> &'a str {
        match self {
            Self::Here(range, _) => here(text, range),
            Self::Own(value) => value,
            Self::Edited(object, written) => written.get_or_init(|| object.text()),
        }
    }

    /// The object that it is; `None` for any other value.
    fn object(&self, text: Option<&Text>) -> Option<Object> {
        match self {
            Self::Here(range, Some(places)) => Some(Object::at(text?, range.start, places)),
            Self::Here(range, None) => Object::within(text?, range.clone()),
            Self::Own(value) => Object::read(value),
            Self::Edited(object, _) => Some(object.clone()),
        }
    }

    /// Says what it is to [`Members`], to which an object is an object: a large one is not made one string for that.
    fn outlined<'a>(&'a self, text: Option<&'a Text>) -> &'a str {
        match self {
            Self::Here(_, Some(_)) | Self::Edited(..) => "{}",
            _ => self.as_str(text).trim_ascii(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Here(range, _) => range.len(),
            Self::Own(value) => value.len(),
            Self::Edited(object, _) => object.len(),
        }
    }

    /// Writes it. Returns its place, and the places of its members as in [`scan::Member`]; `None` if it was put in and is
    /// no JSON.
    fn write(&self, text: Option<&Text>, out: &mut Writer) -> Option<scan::Noting> {
        let start = out.len();
        match self {
            Self::Here(range, places) => {
                out.share(text?, range.clone());
                Some((start..out.len(), places.clone()))
            }
            Self::Own(value) => {
                let read = scan::value(value)?;
                if read.scanned.has_line_breaks {
                    return Self::Own(without_line_breaks(value)).write(None, out);
                }
                out.push(value);
                let place = start + read.place.start..start + read.place.end;
                Some((place, read.members))
            }
            Self::Edited(object, _) => {
                let mut noted = Noted::default();
                object.write(out, |place, _| {
                    let from_start = |range: Range<usize>| range.start - start..range.end - start;
                    noted.push(Place {
                        name: from_start(place.name),
                        value: from_start(place.value),
                    });
                })?;
                Some((start..out.len(), noted.places()))
            }
        }
    }
}

impl Object {
    /// Reads an object; `None` for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = trimmed(text);
        let mut places = Vec::new();
        let scanned = scan::members(text, |place| places.push(place))?;
        if scanned.has_line_breaks {
            return Self::read(&without_line_breaks(text));
        }
        Some(Self::at(&Text::new(text.to_owned()), 0, &places))
    }

    /// Reads a range of a text without line breaks, and shares it from then on.
    fn within(text: &Text, range: Range<usize>) -> Option<Self> {
        let mut places = Vec::new();
        scan::members(text.get(range.clone()), |place| places.push(place))?;
        Some(Self::at(text, range.start, &places))
    }

    /// The object that begins there in a text without line breaks, with the places of its members from there.
    fn at(text: &Text, start: usize, places: &[Place]) -> Self {
        let moved = |range: &Range<usize>| start + range.start..start + range.end;
        let members = places.iter().map(|place| {
            let value = Value::Here(moved(&place.value), None);
            Member::here(text, moved(&place.name), value)
        });
        Self {
            members: members.collect(),
            text: Some(text.clone()),
        }
    }

    /// A member's text; of two with one name the last, as in JavaScript.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.member(name)?;
        Some(value.as_str(self.text.as_ref()))
    }

    /// A member that is an object; `None` for any other. Of two with one name it is the last.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        self.member(name)?.object(self.text.as_ref())
    }

    fn member(&self, name: &str) -> Option<&Value> {
        let text = self.text.as_ref();
        let mut members = self.members.iter().rev();
        let found = members.find(|member| member.name(text) == name)?;
        Some(&found.value)
    }

    /// Puts a member in the place of the one it replaces, or at the end; others of that name go, for a reader may well
    /// take the first of them. `value` is JSON text.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, Value::Own(value.into()));
    }

    /// Puts an object in the place of a member as [`Object::set`] does.
    pub(crate) fn set_object(&mut self, name: &str, object: Self) {
        self.put(name, Value::Edited(object, OnceLock::new()));
    }

    fn put(&mut self, name: &str, value: Value) {
        let text = self.text.as_ref();
        let is_it = |member: &Member| member.name(text) == name;
        let Some(last) = self.members.iter().rposition(is_it) else {
            return self.members.push(Member {
                written: Piece::Own(quoted(name)),
                decoded: None,
                value,
            });
        };
        if let Some(member) = self.members.get_mut(last) {
            member.value = value;
        }
        let mut place = 0;
        self.members.retain(|member| {
            let is_last = place == last;
            place += 1;
            is_last || !is_it(member)
        });
    }

    /// Takes a member out, all of that name.
    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?.to_owned();
        let text = self.text.as_ref();
        self.members.retain(|member| member.name(text) != name);
        Some(value)
    }

    /// Reads a member that is an object, edits it, and puts it back; an empty one is taken out. A member that is there
    /// and no object is left alone.
    pub(crate) fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Self)) {
        let text = self.text.as_ref();
        let mut inner = match self.member(name).map(|value| value.object(text)) {
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
        let text = self.text.as_ref();
        let members = self.members.iter();
        members.map(move |member| (member.name(text), member.value.as_str(text)))
    }

    /// The names of the members, each as often as it stands there.
    pub(crate) fn names(&self) -> Vec<Cow<'_, str>> {
        let text = self.text.as_ref();
        let members = self.members.iter();
        members.map(|member| member.name(text).into()).collect()
    }

    /// The object as JSON text on one line.
    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(self.len());
        self.write_text(&mut out);
        out
    }

    fn len(&self) -> usize {
        let text = self.text.as_ref();
        let members = self.members.iter();
        let lengths = members.map(|member| member.written(text).len() + member.value.len() + 2);
        lengths.sum::<usize>() + 2
    }

    fn write_text(&self, out: &mut String) {
        let text = self.text.as_ref();
        out.push('{');
        for (at, member) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(member.written(text));
            out.push(':');
            match &member.value {
                Value::Edited(object, _) => object.write_text(out),
                value => out.push_str(value.as_str(text)),
            }
        }
        out.push('}');
    }

    /// Writes the object, and calls back with the place of each member, and the places of that one's members as in
    /// [`scan::Member`]; `None` if a value was put in that is no JSON.
    fn write(
        &self,
        out: &mut Writer,
        mut each: impl FnMut(Place, Option<Arc<[Place]>>),
    ) -> Option<()> {
        let text = self.text.as_ref();
        out.push("{");
        for (at, member) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(",");
            }
            let start = out.len();
            match &member.written {
                Piece::Here(range) => out.share(text?, range.clone()),
                Piece::Own(name) => out.push(name),
            }
            let name = start..out.len();
            out.push(":");
            let (value, places) = member.value.write(text, out)?;
            each(Place { name, value }, places);
        }
        out.push("}");
        Some(())
    }

    /// The message that the object is; `None` if it is none.
    fn message(&self) -> Option<Frame> {
        let text = self.text.as_ref();
        let mut found = Members::default();
        for member in &self.members {
            found.take(member.written(text), member.value.outlined(text));
        }
        let outline = found.outline().ok()?;
        if found.unwanted(&outline).is_some() || self.members.len() > scan::MAX_NOTED {
            return Frame::of(self.text().into()).ok();
        }
        let mut out = Writer::with_capacity(self.len());
        let mut noted = Vec::with_capacity(self.members.len());
        self.write(&mut out, |place, members| {
            noted.push(scan::Member { place, members });
        })?;
        Some(Frame::new(out.finish(), Some(noted), outline))
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
    /// Returns a top-level member that is an object, to be read or edited apart from the message; `None` for any other. Of
    /// two with one name it is the last; the message may hold both.
    pub(crate) fn object(&self, name: &str) -> Option<Object> {
        let member = self.find(name)?;
        let value = Value::Here(member.place.value.clone(), member.members.clone());
        value.object(Some(&self.0.text))
    }

    /// Returns the same message, edited. One that cannot be edited stays as it is.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Object)) -> Self {
        self.edited(edit).unwrap_or_else(|| self.clone())
    }

    /// Returns the same message, edited; `None` where the result is no message.
    pub(crate) fn edited(&self, edit: impl FnOnce(&mut Object)) -> Option<Self> {
        let text = &self.0.text;
        let Some(members) = &self.0.members else {
            let mut message = Object::within(text, 0..text.len())?;
            edit(&mut message);
            return Self::of(message.text().into()).ok();
        };
        let members = members.iter().map(|member| {
            let Place { name, value } = member.place.clone();
            Member::here(text, name, Value::Here(value, member.members.clone()))
        });
        let mut message = Object {
            members: members.collect(),
            text: Some(text.clone()),
        };
        edit(&mut message);
        message.message()
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
