//! The path to an entry: as the caller says it, and as it lies in one document.

use serde_json::Value;

use super::error::EditError;

/// A step from the document's root to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member of this name. A dot in it is part of the name.
    Member(String),
    /// The element of a list whose member `key` is `value`.
    Item {
        /// The name of the member.
        key: String,
        /// Its value.
        value: String,
    },
}

/// A step in one document. A segment beyond the end of a list is an element to be added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    Member(String),
    Item(usize),
}

/// Returns the path as a person writes it: `mcpServers.github`, with quotes around names that are no plain words.
pub fn shown(path: &[Step]) -> String {
    let names = path.iter().map(|step| match step {
        Step::Member(name) | Step::Item { value: name, .. } => name,
    });
    let names: Vec<_> = names
        .map(|name| match is_plain(name) {
            true => name.clone(),
            false => Value::from(name.as_str()).to_string(),
        })
        .collect();
    names.join(".")
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

/// Finds the path in a document. What is missing, or null, has nothing below it.
pub(super) fn resolve(root: &Value, path: &[Step]) -> Result<Vec<Segment>, EditError> {
    if path.is_empty() {
        let reason = "no entry is named".to_owned();
        return Err(EditError::Unsupported { line: 1, reason });
    }
    let mut found = Vec::new();
    let mut here = Some(root);
    for (depth, step) in path.iter().enumerate() {
        let to = |depth: usize| shown(path.get(..depth).unwrap_or_default());
        let segment = match (step, here.filter(|value| !value.is_null())) {
            (Step::Member(name), None | Some(Value::Object(_))) => Segment::Member(name.clone()),
            (Step::Member(_), Some(_)) => {
                return Err(EditError::NotAnObject { path: to(depth) });
            }
            (Step::Item { .. }, None) => Segment::Item(0),
            (Step::Item { key, value }, Some(Value::Array(items))) => {
                let has_name = |item: &Value| item.get(key).and_then(Value::as_str) == Some(value);
                let mut matching = (0..).zip(items).filter(|(_, item)| has_name(item));
                let first = matching.next().map_or(items.len(), |(index, _)| index);
                if matching.next().is_some() {
                    return Err(EditError::Ambiguous {
                        path: to(depth + 1),
                    });
                }
                Segment::Item(first)
            }
            (Step::Item { .. }, Some(_)) => {
                return Err(EditError::NotAList { path: to(depth) });
            }
        };
        here = here.and_then(|value| below(value, &segment));
        found.push(segment);
    }
    Ok(found)
}

fn below<'a>(value: &'a Value, segment: &Segment) -> Option<&'a Value> {
    match segment {
        Segment::Member(name) => value.get(name),
        Segment::Item(index) => value.get(*index),
    }
}

/// Returns the value at a place.
pub(super) fn at<'a>(root: &'a Value, places: &[Segment]) -> Option<&'a Value> {
    places
        .iter()
        .try_fold(root, |value, segment| below(value, segment))
}

/// Returns the value inside of new parents, for places that are not there.
pub(super) fn wrapped(value: &Value, places: &[Segment]) -> Value {
    places
        .iter()
        .rev()
        .fold(value.clone(), |value, segment| match segment {
            Segment::Member(name) => Value::Object([(name.clone(), value)].into_iter().collect()),
            Segment::Item(_) => Value::Array(vec![value]),
        })
}
