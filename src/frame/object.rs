//! JSON objects edited as text: a message two levels deep, and nothing deeper.
//!
//! A rule that must change a frame edits its top level, its `params` or `result`, and their `_meta`, as a list of
//! members whose values stay the text they came as: order, unknown members and numbers beyond `f64` survive.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Frame;

/// A JSON object as its members in order, each value as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object {
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    /// The name as written, quotes and escapes included.
    spelling: String,
    name: String,
    value: String,
}

impl Object {
    /// Reads an object; `None` for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut members = Vec::new();
        for_each_member(text, |spelling, value| {
            members.push(Member {
                name: serde_json::from_str(spelling).unwrap_or_else(|_| spelling.to_owned()),
                spelling: spelling.to_owned(),
                value: value.to_owned(),
            });
        })?;
        Some(Self { members })
    }

    /// A member's text; of two with one name the last, as in JavaScript.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.members.iter().rev();
        named
            .find(|member| member.name == name)
            .map(|member| member.value.as_str())
    }

    /// Puts a member in the place of the one it replaces, or at the end; others of that name go, for a reader may well
    /// take the first of them. `value` is JSON text.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        let is_it = |member: &Member| member.name == name;
        let Some(last) = self.members.iter().rposition(is_it) else {
            return self.members.push(Member {
                spelling: Value::from(name).to_string(),
                name: name.to_owned(),
                value,
            });
        };
        let mut place = 0;
        self.members.retain_mut(|member| {
            let is_last = place == last;
            place += 1;
            if is_last {
                member.value.clone_from(&value);
            }
            is_last || member.name != name
        });
    }

    /// Takes a member out, all of that name.
    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        let value = self.get(name).map(str::to_owned);
        self.members.retain(|member| member.name != name);
        value
    }

    /// Reads a member that is an object, edits it, and puts it back; an empty one is taken out. A member that is there
    /// and no object is left alone.
    pub(crate) fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Self)) {
        let Some(mut inner) = Self::read(self.get(name).unwrap_or("{}")) else {
            return;
        };
        edit(&mut inner);
        if inner.is_empty() {
            self.remove(name);
        } else {
            self.set(name, inner.text());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The names and values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members
            .iter()
            .map(|member| (member.name.as_str(), member.value.as_str()))
    }

    /// The object as JSON text on one line.
    pub(crate) fn text(&self) -> String {
        let members: Vec<String> = self
            .members
            .iter()
            .map(|member| format!("{}:{}", member.spelling, member.value))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

impl Frame {
    /// Returns the same message, edited. One that cannot be edited stays as it is.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Object)) -> Self {
        self.edited(edit).unwrap_or_else(|| self.clone())
    }

    /// Returns the same message, edited; `None` where the result is no message.
    pub(crate) fn edited(&self, edit: impl FnOnce(&mut Object)) -> Option<Self> {
        let mut message = Object::read(self.text())?;
        edit(&mut message);
        Self::parse(&message.text()).ok()
    }
}

/// Reads a JSON string; `None` for any other value.
pub(crate) fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

/// Calls back with each member of an object: its name as written and its value's text. `None` for what is no object.
fn for_each_member(text: &str, mut each: impl FnMut(&str, &str)) -> Option<()> {
    let body = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    // serde_json hands out values as raw text but not names; so the object is walked as a list of values, by hand
    // between them. What reaches this function has been read as JSON once, so only the shape is looked at here.
    let mut rest = body.trim_start();
    while !rest.is_empty() {
        let (name, after) = raw_value(rest)?;
        let (value, after) = raw_value(after.trim_start().strip_prefix(':')?.trim_start())?;
        each(name, value);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(())
}

/// The JSON value at the beginning of `text`, and what follows it.
fn raw_value(text: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let value = values.next()?.ok()?.get();
    // RawValue borrows from the text: its place says where it ends.
    let end = value.as_ptr() as usize - text.as_ptr() as usize + value.len();
    Some((value, text.get(end..)?))
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
