//! The same change on values, to compare a changed text with.

use serde_json::Value;

use super::path::{Segment, wrapped};

/// Puts a value at a place.
pub(super) fn place(root: &mut Value, places: &[Segment], value: Value) {
    let Some((first, rest)) = places.split_first() else {
        *root = value;
        return;
    };
    match (&mut *root, first) {
        (Value::Object(members), Segment::Member(name)) => match members.get_mut(name) {
            Some(member) => place(member, rest, value),
            None => {
                members.insert(name.clone(), wrapped(&value, rest));
            }
        },
        (Value::Array(items), Segment::Item(index)) => match items.get_mut(*index) {
            Some(item) => place(item, rest, value),
            None => items.push(wrapped(&value, rest)),
        },
        _ => *root = wrapped(&value, places),
    }
}

/// Removes the value at a place.
pub(super) fn remove(root: &mut Value, places: &[Segment]) {
    let Some((last, parents)) = places.split_last() else {
        return;
    };
    match (at_mut(root, parents), last) {
        (Some(Value::Object(members)), Segment::Member(name)) => {
            members.remove(name);
        }
        (Some(Value::Array(items)), Segment::Item(index)) if *index < items.len() => {
            items.remove(*index);
        }
        _ => {}
    }
}

fn at_mut<'a>(root: &'a mut Value, places: &[Segment]) -> Option<&'a mut Value> {
    places
        .iter()
        .try_fold(root, |value, segment| match segment {
            Segment::Member(name) => value.get_mut(name),
            Segment::Item(index) => value.get_mut(*index),
        })
}

/// Says whether two documents are equal once parents that the removal left empty are gone from both: TOML cannot always
/// write a table without entries.
pub(super) fn same_but_for_empty_parents(
    mut one: Value,
    mut other: Value,
    places: &[Segment],
) -> bool {
    if one == other {
        return true;
    }
    prune(&mut one, places);
    prune(&mut other, places);
    one == other
}

fn prune(root: &mut Value, places: &[Segment]) {
    for length in (1..places.len()).rev() {
        let parent = places.get(..length).unwrap_or_default();
        let is_empty = match at_mut(root, parent) {
            Some(Value::Object(members)) => members.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Null) | None => true,
            Some(_) => false,
        };
        if !is_empty {
            return;
        }
        remove(root, parent);
    }
}
