//! Arguments of a tool as a user types them, `k=v` and `k:=JSON`, by the tool's `inputSchema` (MCP 2025-11-25, server/tools).

use serde_json::Value;

use crate::frame::Object;
use crate::text::nearest;

/// The number of `$ref` that are followed in a row.
const MAX_REFERENCES: usize = 16;

/// An argument that does not fit the tool.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// The word is neither `k=v` nor `k:=JSON`.
    #[error("`{0}` is not NAME=VALUE")]
    NoPair(String),
    /// The tool has no such argument.
    #[error("the tool has no argument `{name}`")]
    Unknown {
        /// The name that was typed.
        name: String,
        /// A name of the tool that is almost the same.
        nearest: Option<String>,
    },
    /// The tool requires an argument that was not given.
    #[error("the argument `{0}` is missing")]
    Missing(String),
    /// The value is not of the type that the tool asks for.
    #[error("the argument `{name}` is not {wanted}")]
    Type {
        /// The argument.
        name: String,
        /// The type or the values that the tool asks for.
        wanted: String,
    },
    /// The arguments of `--args` are no JSON object.
    #[error("the arguments are no JSON object")]
    NoObject,
}

/// Returns the arguments as a JSON object, digits as typed. `base` is a JSON object under the words; a word of the same name
/// replaces its member.
///
/// # Errors
/// A word that is no pair; an argument that is unknown, missing, or not of its type.
pub fn read(schema: &Value, base: Option<&str>, words: &[&str]) -> Result<String, Mistake> {
    let mut arguments = Object::read(base.unwrap_or("{}")).ok_or(Mistake::NoObject)?;
    for word in words {
        let no_pair = || Mistake::NoPair((*word).to_owned());
        let (name, typed) = word.split_once('=').ok_or_else(no_pair)?;
        let (name, is_json) = match name.strip_suffix(':') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty() {
            return Err(no_pair());
        }
        let property = property(schema, name)?;
        let value = match (is_json, property) {
            (true, _) => json(typed).ok_or_else(|| wrong(name, "JSON"))?,
            (false, Some(of)) => typed_as(followed(schema, of), name, typed)?,
            (false, None) => quoted(typed),
        };
        arguments.set(name, value);
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if arguments.get(name).is_none() {
            return Err(Mistake::Missing(name.to_owned()));
        }
    }
    Ok(arguments.text())
}

/// Returns the schema of an argument; `None` where the tool takes arguments that it does not name.
fn property<'a>(schema: &'a Value, name: &str) -> Result<Option<&'a Value>, Mistake> {
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(found) = properties.and_then(|all| all.get(name)) {
        return Ok(Some(found));
    }
    match (properties, schema.get("additionalProperties")) {
        (Some(known), None | Some(Value::Bool(false))) => Err(Mistake::Unknown {
            name: name.to_owned(),
            nearest: nearest(name, known.keys().map(String::as_str)).map(ToOwned::to_owned),
        }),
        _ => Ok(None),
    }
}

fn followed<'a>(root: &'a Value, mut of: &'a Value) -> &'a Value {
    for _ in 0..MAX_REFERENCES {
        let place = of.get("$ref").and_then(Value::as_str);
        match place.and_then(|place| root.pointer(place.strip_prefix('#')?)) {
            Some(found) => of = found,
            None => break,
        }
    }
    of
}

/// Adds the names of the types that a schema allows.
fn types<'a>(of: &'a Value, found: &mut Vec<&'a str>) {
    match of.get("type") {
        Some(Value::String(one)) => found.push(one),
        Some(Value::Array(many)) => found.extend(many.iter().filter_map(Value::as_str)),
        _ => {}
    }
    let branches = ["anyOf", "oneOf"].map(|word| of.get(word).and_then(Value::as_array));
    for branch in branches.into_iter().flatten().flatten() {
        if let Some(Value::String(one)) = branch.get("type") {
            found.push(one);
        }
    }
}

fn typed_as(of: &Value, name: &str, typed: &str) -> Result<String, Mistake> {
    if let Some(allowed) = of.get("enum").and_then(Value::as_array) {
        let is_typed = |value: &&Value| match value {
            Value::String(text) => text == typed,
            other => typed == other.to_string().as_str(),
        };
        let found = allowed.iter().find(is_typed).map(Value::to_string);
        let all: Vec<_> = allowed.iter().map(Value::to_string).collect();
        return found.ok_or_else(|| wrong(name, &format!("one of {}", all.join(", "))));
    }
    let mut allowed = Vec::new();
    types(of, &mut allowed);
    if allowed.is_empty() || allowed.contains(&"string") {
        return Ok(quoted(typed));
    }
    let value = serde_json::from_str::<Value>(typed).ok();
    let fits = value.is_some_and(|value| allowed.iter().any(|kind| is_of(kind, &value, typed)));
    match fits {
        true => Ok(typed.trim().to_owned()),
        false => Err(wrong(name, &format!("of type {}", allowed.join(" or ")))),
    }
}

fn is_of(kind: &str, value: &Value, typed: &str) -> bool {
    match kind {
        "integer" => value.is_number() && !typed.contains(['.', 'e', 'E']),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn json(typed: &str) -> Option<String> {
    serde_json::from_str::<Value>(typed).ok()?;
    Some(typed.trim().to_owned())
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn wrong(name: &str, wanted: &str) -> Mistake {
    Mistake::Type {
        name: name.to_owned(),
        wanted: wanted.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_schema_of_their_argument() {
        let schema = serde_json::json!({ "required": ["s"], "$defs": { "n": { "type": "integer" } }, "properties": {
            "s": { "type": "string" }, "i": { "$ref": "#/$defs/n" }, "f": { "type": "number" }, "b": { "type": "boolean" },
            "l": { "type": "array" }, "e": { "enum": ["a", 1] }, "u": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
            "z": { "type": ["integer", "null"] },
        }});
        for (word, sent) in [
            ("s=0123", Some(r#""0123""#)),
            ("s==a=b", Some(r#""=a=b""#)),
            ("i=12345678901234567890123", Some("12345678901234567890123")),
            ("i=1.5", None),
            ("i=0123", None),
            ("f=1.50", Some("1.50")),
            ("b=true", Some("true")),
            ("b=yes", None),
            ("l=[1]", Some("[1]")),
            ("l=1", None),
            ("e=a", Some(r#""a""#)),
            ("e=1", Some("1")),
            ("e=b", None),
            ("u=null", Some(r#""null""#)),
            ("z=null", Some("null")),
            ("b:={", None),
            ("x=1", None),
            ("=1", None),
            ("s", None),
        ] {
            let base = r#"{"s":""}"#;
            let name = word.split(['=', ':']).next().unwrap_or_default();
            let read = read(&schema, Some(base), &[word]).ok();
            let value = read
                .as_deref()
                .and_then(|all| crate::frame::member_of(all, name));
            assert_eq!(value, sent, "{word}");
        }
        let missing = read(&schema, None, &["i=1"]);
        assert_eq!(missing, Err(Mistake::Missing("s".to_owned())));
    }
}
