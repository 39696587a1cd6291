//! One server's entry in a host's configuration file, changed in place.
//!
//! An editor is given the text of a file and returns the text with one entry added, changed or removed. Each byte that
//! the change does not need stays: comments, order, indentation, line ends, a byte order mark, commas, a last line
//! without an end. Does not know hosts, and reads no file.
//!
//! No text is returned unless it was read back: the entry is as asked for, and all other values are equal to those
//! before. [`EditError::Unsure`] is the answer otherwise. Where an entry is changed, members of it that stay equal keep
//! their text too.
//!
//! Setting an entry and removing it again gives the first text byte for byte if the table that holds it was there and
//! had other entries; otherwise the same values, perhaps with an empty table.

mod check;
mod entry;
mod error;
mod json;
mod lines;
mod path;
mod toml;
mod yaml;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::text::without_mark;
pub use error::EditError;
use path::Segment;
pub use path::{Step, shown};

/// The language of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, perhaps with comments and trailing commas.
    Json,
    /// TOML 1.0.
    Toml,
    /// YAML 1.2.
    Yaml,
}

/// Returns the text with this entry at this path: added, or in place of the one that is there. Missing parents are
/// made. An empty text is a new file.
///
/// # Errors
/// See [`EditError`].
pub fn set(
    format: Format,
    text: &str,
    path: &[Step],
    entry: &Map<String, Value>,
) -> Result<String, EditError> {
    let (mark, text) = parted(text);
    let before = format.read(text)?;
    let places = path::resolve(&before, path)?;
    let wanted = Value::Object(entry::complete(entry, path));
    let existing = path::at(&before, &places);
    if existing == Some(&wanted) {
        return Ok(format!("{mark}{text}"));
    }
    let mut expected = before.clone();
    check::place(&mut expected, &places, wanted.clone());
    let is_as_expected = |after: &String| format.read(after).is_ok_and(|value| value == expected);
    if let (Some(Value::Object(old)), Value::Object(new)) = (existing, &wanted)
        && !old.is_empty()
        && let Ok(after) = merge(format, text.to_owned(), &places, old, new)
        && is_as_expected(&after)
    {
        return Ok(format!("{mark}{after}"));
    }
    let after = format.put(text, &places, &wanted)?;
    match is_as_expected(&after) {
        true => Ok(format!("{mark}{after}")),
        false => Err(EditError::Unsure),
    }
}

/// Returns the text without the entry at this path; `None` if there is no such entry. Parents stay, empty or not, where
/// the format can write an empty one.
///
/// # Errors
/// See [`EditError`].
pub fn remove(format: Format, text: &str, path: &[Step]) -> Result<Option<String>, EditError> {
    let (mark, text) = parted(text);
    let before = format.read(text)?;
    let places = path::resolve(&before, path)?;
    if path::at(&before, &places).is_none() {
        return Ok(None);
    }
    let mut expected = before;
    check::remove(&mut expected, &places);
    let after = format.take(text, &places)?;
    let is_as_expected = format
        .read(&after)
        .is_ok_and(|value| check::same_but_for_empty_parents(value, expected, &places));
    match is_as_expected {
        true => Ok(Some(format!("{mark}{after}"))),
        false => Err(EditError::Unsure),
    }
}

/// Returns the values of a text. Of members with one name the last counts, as it does for hosts.
///
/// # Errors
/// [`EditError::Broken`], and for YAML [`EditError::Unsupported`].
pub fn read(format: Format, text: &str) -> Result<Value, EditError> {
    format.read(without_mark(text))
}

/// Returns a new file that holds this entry alone, for a person to paste.
///
/// # Errors
/// See [`EditError`].
pub fn snippet(
    format: Format,
    path: &[Step],
    entry: &Map<String, Value>,
) -> Result<String, EditError> {
    set(format, "", path, entry)
}

impl Format {
    fn read(self, text: &str) -> Result<Value, EditError> {
        match self {
            Self::Json => json::read(text),
            Self::Toml => toml::read(text),
            Self::Yaml => yaml::read(text),
        }
    }

    /// Writes a value at a place, whether or not there is one.
    fn put(self, text: &str, places: &[Segment], value: &Value) -> Result<String, EditError> {
        match self {
            Self::Json => json::put(text, places, value),
            Self::Toml => toml::put(text, places, value),
            Self::Yaml => yaml::put(text, places, value),
        }
    }

    /// Removes the value at a place, where there is one.
    fn take(self, text: &str, places: &[Segment]) -> Result<String, EditError> {
        match self {
            Self::Json => json::take(text, places),
            Self::Toml => toml::take(text, places),
            Self::Yaml => yaml::take(text, places),
        }
    }
}

/// Changes, adds and removes the members in which two objects differ, and leaves the others' text.
fn merge(
    format: Format,
    mut text: String,
    place: &[Segment],
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<String, EditError> {
    let member = |name: &str| {
        let last = Segment::Member(name.to_owned());
        place.iter().cloned().chain([last]).collect::<Vec<_>>()
    };
    for (name, value) in entry::ordered(new) {
        text = match (old.get(name), value) {
            (Some(before), after) if before == after => text,
            (Some(Value::Object(before)), Value::Object(after)) if !before.is_empty() => {
                merge(format, text, &member(name), before, after)?
            }
            _ => format.put(&text, &member(name), value)?,
        };
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        text = format.take(&text, &member(name))?;
    }
    Ok(text)
}

/// The byte order mark, if there is one, and the text after it.
fn parted(text: &str) -> (&str, &str) {
    let rest = without_mark(text);
    let mark = text.get(..text.len() - rest.len()).unwrap_or_default();
    (mark, rest)
}
