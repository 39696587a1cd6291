//! The most work that a schema can make, from its text alone.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The pairs of a subschema and a depth that are looked at for one answer. More than that is no small amount of work.
const MAX_STATES: usize = 100_000;
/// The subschemas within subschemas that are followed.
const MAX_CHAIN: usize = 1000;

/// Keywords whose subschemas are evaluated with members and elements of a value.
const BELOW: [&str; 9] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose members are schemas, under names that are none of the specification's.
const BY_NAME: [&str; 4] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
];
/// Keywords whose values are evaluated only where a reference names them, or are no schemas.
const ASIDE: [&str; 7] = [
    "$defs",
    "definitions",
    "enum",
    "const",
    "default",
    "examples",
    "required",
];
/// Keywords that evaluate what stands beside them a second time.
const TWICE: [&str; 2] = ["unevaluatedItems", "unevaluatedProperties"];

/// The work of an evaluation, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// The subschemas that are evaluated.
    pub(super) steps: u64,
    /// The subschemas that are evaluated within one another.
    pub(super) levels: usize,
}

impl Work {
    /// More than can be said.
    pub(super) const UNKNOWN: Self = Self {
        steps: u64::MAX,
        levels: usize::MAX,
    };
    const ONE: Self = Self {
        steps: 1,
        levels: 1,
    };

    /// Adds the work of a part.
    fn and(self, part: Self) -> Self {
        Self {
            steps: self.steps.saturating_add(part.steps),
            levels: self.levels.max(part.levels.saturating_add(1)),
        }
    }
}

/// The parts of a schema that its references name.
#[derive(Debug)]
pub(super) struct Shape {
    /// False where a reference goes to another place than one of this text.
    is_closed: bool,
    /// The number of different references.
    pub(super) references: usize,
    /// True where a pattern needs more than one pass over a string: it looks around, or repeats what it found.
    pub(super) has_costly_pattern: bool,
    anchors: HashMap<String, String>,
}

impl Shape {
    /// Looks through a schema.
    pub(super) fn of(schema: &Value) -> Self {
        let mut shape = Self {
            is_closed: true,
            references: 0,
            has_costly_pattern: false,
            anchors: HashMap::new(),
        };
        let mut references = std::collections::HashSet::new();
        let mut left = vec![(schema, String::new())];
        while let Some((value, place)) = left.pop() {
            match value {
                Value::Object(members) => {
                    shape.note(members, &place, &mut references);
                    left.extend(members.iter().map(|(name, value)| {
                        let name = name.replace('~', "~0").replace('/', "~1");
                        (value, format!("{place}/{name}"))
                    }));
                }
                Value::Array(elements) => {
                    let elements = elements.iter().enumerate();
                    left.extend(elements.map(|(at, value)| (value, format!("{place}/{at}"))));
                }
                _ => {}
            }
        }
        let resolves = |reference: &str| shape.target(schema, reference).is_some();
        shape.is_closed &= references.iter().copied().all(resolves);
        shape.references = references.len();
        shape
    }

    fn note<'a>(
        &mut self,
        members: &'a Map<String, Value>,
        place: &str,
        references: &mut std::collections::HashSet<&'a str>,
    ) {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        for name in ["$ref", "$dynamicRef", "$recursiveRef"] {
            references.extend(text(name));
        }
        for name in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = text(name) {
                self.anchors.insert(anchor.to_owned(), place.to_owned());
            }
        }
        // Below another address, references mean other places.
        if !place.is_empty() && (text("$id").is_some() || text("id").is_some_and(is_address)) {
            self.is_closed = false;
        }
        let patterns = members
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .chain(text("pattern"));
        for pattern in patterns {
            let marks = ["(?=", "(?!", "(?<", "\\1", "\\2", "\\k", "(?>"];
            self.has_costly_pattern |= marks.iter().any(|mark| pattern.contains(mark));
        }
    }

    fn target<'a>(&self, root: &'a Value, reference: &str) -> Option<&'a Value> {
        let fragment = reference.strip_prefix('#')?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return root.pointer(&percent_decoded(fragment));
        }
        root.pointer(self.anchors.get(fragment)?)
    }

    /// Returns the work that it is to evaluate a schema with one value and with those on the way from it to any value below,
    /// `depth` levels deep.
    pub(super) fn work(&self, schema: &Value, depth: usize) -> Work {
        if !self.is_closed {
            return Work::UNKNOWN;
        }
        let mut count = Count {
            shape: self,
            root: schema,
            known: HashMap::new(),
            chain: 0,
        };
        count.of(schema, depth)
    }
}

fn is_address(id: &str) -> bool {
    id.contains(':') || id.contains('#')
}

struct Count<'a> {
    shape: &'a Shape,
    root: &'a Value,
    /// The answers by the address of a subschema and the depth; none for one that is being counted.
    known: HashMap<(*const Value, usize), Option<Work>>,
    chain: usize,
}

impl Count<'_> {
    fn of(&mut self, schema: &Value, depth: usize) -> Work {
        let key = (std::ptr::from_ref(schema), depth);
        match self.known.get(&key) {
            Some(Some(work)) => return *work,
            // A reference back to itself, for the same value.
            Some(None) => return Work::UNKNOWN,
            None => {}
        }
        if self.known.len() >= MAX_STATES || self.chain >= MAX_CHAIN {
            return Work::UNKNOWN;
        }
        self.known.insert(key, None);
        self.chain += 1;
        let work = match schema {
            Value::Object(members) => self.of_members(members, depth),
            Value::Array(elements) => elements
                .iter()
                .fold(Work::ONE, |sum, it| sum.and(self.of(it, depth))),
            _ => Work::ONE,
        };
        self.chain -= 1;
        self.known.insert(key, Some(work));
        work
    }

    fn of_members(&mut self, members: &Map<String, Value>, depth: usize) -> Work {
        let mut sum = Work::ONE;
        for (name, value) in members {
            let name = name.as_str();
            let part = match value {
                _ if ASIDE.contains(&name) => Work::ONE,
                Value::String(reference) if name.starts_with('$') && name.ends_with("ef") => {
                    match self.shape.target(self.root, reference) {
                        Some(target) => self.of(target, depth),
                        None => Work::UNKNOWN,
                    }
                }
                _ if BELOW.contains(&name) => match depth.checked_sub(1) {
                    Some(below) => self.of_keyword(name, value, below),
                    None => Work::ONE,
                },
                _ => self.of_keyword(name, value, depth),
            };
            sum = sum.and(part);
        }
        if TWICE.iter().any(|name| members.contains_key(*name)) {
            sum.steps = sum.steps.saturating_mul(2);
        }
        sum
    }
}

impl Count<'_> {
    /// Counts the value of a keyword: schemas by name, or one schema, or an array of them.
    fn of_keyword(&mut self, name: &str, value: &Value, depth: usize) -> Work {
        match value {
            Value::Object(schemas) if BY_NAME.contains(&name) => schemas
                .values()
                .fold(Work::ONE, |sum, it| sum.and(self.of(it, depth))),
            _ => self.of(value, depth),
        }
    }
}

/// Decodes a fragment of an address (RFC 3986 section 2.1); one that is no Unicode then stays as it is.
fn percent_decoded(fragment: &str) -> String {
    if !fragment.contains('%') {
        return fragment.to_owned();
    }
    let (mut bytes, mut rest) = (Vec::new(), fragment.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = match code {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| fragment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn work(schema: &Value, depth: usize) -> u64 {
        Shape::of(schema).work(schema, depth).steps
    }

    #[test]
    fn a_plain_schema_is_as_much_work_as_it_is_long() {
        let schema =
            json!({"type":"object","properties":{"a":{"type":"string"},"b":{"enum":[1,2,3]}}});
        assert!(work(&schema, 1) < 16, "{}", work(&schema, 1));
        assert_eq!(work(&schema, 1), work(&schema, 9));
    }

    #[test]
    fn a_property_may_have_the_name_of_a_keyword() {
        let schema = json!({"properties":{"enum":{"properties":{"properties":{"enum":[1]}}}}});
        let plain = json!({"properties":{"x":{"properties":{"y":{"enum":[1]}}}}});
        assert_eq!(work(&schema, 2), work(&plain, 2));
        assert!(work(&schema, 2) > 5);
    }

    #[test]
    fn references_that_double_at_each_step_are_counted_out() {
        let mut definitions = Map::new();
        for step in 0..40 {
            let next = json!({"$ref": format!("#/$defs/s{}", step + 1)});
            definitions.insert(format!("s{step}"), json!({"anyOf":[next, next]}));
        }
        definitions.insert("s40".into(), json!({"type":"null"}));
        let schema = json!({"$ref":"#/$defs/s0","$defs":definitions});
        assert!(work(&schema, 1) > 1 << 40);
    }

    #[test]
    fn levels_are_counted_through_references() {
        let schema = json!({"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"type":"null"}}});
        let work = Shape::of(&schema).work(&schema, 1);
        assert!((5..9).contains(&work.levels), "{work:?}");
        let looks_ahead = json!({"properties":{"a":{"pattern":"^(?!a)"}}});
        assert!(Shape::of(&looks_ahead).has_costly_pattern);
    }

    #[test]
    fn a_tree_is_as_much_work_as_the_value_is_deep() {
        let schema = json!({"$ref":"#/$defs/node","$defs":{"node":{"properties":{
            "left":{"$ref":"#/$defs/node"},"right":{"$ref":"#/$defs/node"}}}}});
        assert!(work(&schema, 2) < 100);
        assert!(work(&schema, 60) > 1 << 50);
    }

    #[test]
    fn what_leads_elsewhere_or_back_to_itself_cannot_be_said() {
        for schema in [
            json!({"$ref":"#"}),
            json!({"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"}]}}}),
            json!({"$ref":"https://example.com/schema"}),
            json!({"properties":{"a":{"$id":"https://example.com/a","$ref":"#/b"}}}),
        ] {
            assert_eq!(work(&schema, 3), u64::MAX, "{schema}");
        }
        let anchored = json!({"properties":{"a":{"$ref":"#a%20b"},"b":{"$ref":"#/$defs/x%20y"}},
            "$defs":{"x y":{"$anchor":"a%20b"}}});
        assert!(work(&anchored, 1) < 20);
    }
}
