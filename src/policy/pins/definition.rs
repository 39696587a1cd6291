//! The pinned parts of a server: the definitions of tools and prompts, and its instructions.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::frame::{Object, string};
use crate::policy::folded;
use crate::policy::pins::canonical::canonical;

/// The longest canonical text that is kept beside its digest, in bytes; of longer ones no diff is shown.
pub const MAX_TEXT: usize = 64 << 10;

/// A kind of definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The tools of `tools/list`.
    Tool,
    /// The prompts of `prompts/list`.
    Prompt,
    /// The instructions of the handshake, one text.
    Instructions,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Tool, Self::Prompt, Self::Instructions];

    /// Returns its name for one definition.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Instructions => "instructions",
        }
    }

    /// Returns the members that are pinned, their names [`folded`].
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Tool => &[
                "name",
                "title",
                "description",
                "inputschema",
                "outputschema",
                "annotations",
            ],
            Self::Prompt => &["name", "title", "description", "arguments"],
            Self::Instructions => &[],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// A definition as a server gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name in its kind; that of the instructions is "instructions".
    pub name: String,
    /// Its content.
    pub version: Version,
}

impl Definition {
    /// Reads a tool or a prompt as it stands in a list; `None` for one without a name, or with two that differ: programs
    /// would disagree about which of them it has.
    pub fn read(kind: Kind, json: &str) -> Option<Self> {
        let object = Object::read(json)?;
        let mut names = object.iter().filter(|(member, _)| folded(member) == "name");
        let name = string(names.next()?.1)?;
        if names.any(|(_, other)| string(other).as_deref() != Some(&name)) {
            return None;
        }
        let whole = pinned(kind, &object, "");
        // Hosts of the legacy era are not shown an output schema that is none of an object, so a definition without it
        // is no other one.
        let is_bare = kind == Kind::Tool
            && object
                .iter()
                .any(|(member, schema)| folded(member) == OUTPUT_SCHEMA && !is_of_object(schema));
        let mut version = Version::of(&whole);
        let bare = || canonical_or_raw(&pinned(kind, &object, OUTPUT_SCHEMA));
        version.bare = is_bare.then(|| digest(&bare()));
        Some(Self { name, version })
    }

    /// Reads the instructions, a JSON string.
    pub fn instructions(json: &str) -> Self {
        Self {
            name: INSTRUCTIONS.to_owned(),
            version: Version::of(json),
        }
    }
}

/// The name of the instructions among definitions.
pub const INSTRUCTIONS: &str = "instructions";

const OUTPUT_SCHEMA: &str = "outputschema";

/// The pinned members but one, in the order in which they came. A member that is null is as good as none. Hosts in Go
/// read a member whatever its case, so a description is one in every case.
fn pinned(kind: Kind, object: &Object, but: &str) -> String {
    let members: Vec<String> = object
        .iter()
        .filter(|(name, value)| {
            let name = folded(name);
            kind.members().contains(&&*name) && name != but && *value != "null"
        })
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn is_of_object(schema: &str) -> bool {
    schema == "null"
        || Object::read(schema)
            .is_some_and(|schema| schema.get("type").and_then(string).as_deref() == Some("object"))
}

/// A text that has no canonical form, because it is too long or too deep, stands for itself.
fn canonical_or_raw(json: &str) -> String {
    canonical(json).unwrap_or_else(|| format!("raw {json}"))
}

fn digest(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// The content of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// SHA-256 of its canonical text, in hexadecimal digits.
    pub sha256: String,
    /// The same without an output schema that hosts of the legacy era are not shown, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bare: Option<String>,
    /// Its canonical text, unless that is longer than [`MAX_TEXT`] or there are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Version {
    fn of(json: &str) -> Self {
        let canonical = canonical_or_raw(json);
        Self {
            sha256: digest(&canonical),
            bare: None,
            text: (canonical.len() <= MAX_TEXT).then_some(canonical),
        }
    }

    /// Returns the version without its text, to be compared only.
    pub(super) fn without_text(&self) -> Self {
        Self {
            text: None,
            ..self.clone()
        }
    }

    /// Says whether a host that is shown `seen` is shown nothing but this version.
    pub fn covers(&self, seen: &Self) -> bool {
        self.sha256 == seen.sha256 || self.bare.as_ref() == Some(&seen.sha256)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tool(json: &str) -> Version {
        Definition::read(Kind::Tool, json).unwrap().version
    }

    const ADD: &str = r#"{"name":"add","title":"Add","description":"Adds.","inputSchema":{"type":"object","properties":{"a":{"type":"number"},"b":{"maximum":10}}},"outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#;

    #[test]
    fn a_definition_is_the_same_in_any_order_and_with_members_that_are_not_pinned() {
        let other = r#" { "annotations" : {"readOnlyHint":true}, "_meta":{"a":1}, "icons":[], "n\u0061me":"\u0061dd",
            "inputSchema":{"properties":{"b":{"maximum":1.0e1},"a":{"type":"number"}},"type":"object"},
            "outputSchema":{"type":"object"}, "description":"Adds.", "title":"Add", "execution":{"taskSupport":"optional"} }"#;
        assert_eq!(tool(ADD), tool(other));
        let without_title = ADD.replace(r#""title":"Add","#, "");
        assert_eq!(tool(&ADD.replace("\"Add\"", "null")), tool(&without_title));
    }

    #[test]
    fn a_definition_differs_by_each_pinned_member() {
        for (from, to) in [
            ("\"add\"", "\"sum\""),
            ("\"Add\"", "\"Sum\""),
            ("Adds.", "Adds. "),
            ("\"number\"", "\"string\""),
            ("10}", "11}"),
            (
                r#""outputSchema":{"type":"object"}"#,
                r#""outputSchema":{"type":"object","a":1}"#,
            ),
            ("true", "false"),
            (
                "\"description\":",
                "\"description\":\"First.\",\"description\":",
            ),
            (
                "\"description\":",
                "\"Description\":\"First.\",\"description\":",
            ),
        ] {
            let other = ADD.replacen(from, to, 1);
            assert_ne!(other, ADD);
            assert!(!tool(ADD).covers(&tool(&other)), "{other}");
        }
        let prompt = |json| Definition::read(Kind::Prompt, json).unwrap().version;
        let one = prompt(r#"{"name":"p","arguments":[{"name":"a"}]}"#);
        assert!(!one.covers(&prompt(r#"{"name":"p","arguments":[{"name":"b"}]}"#)));
    }

    #[test]
    fn a_definition_without_one_name_is_none() {
        for json in [
            "7",
            "{}",
            r#"{"name":1}"#,
            r#"{"name":"a","name":"b"}"#,
            r#"{"name":"a","NAME":"b"}"#,
        ] {
            assert!(Definition::read(Kind::Tool, json).is_none(), "{json}");
        }
        assert!(Definition::read(Kind::Tool, r#"{"name":"a","name":"\u0061"}"#).is_some());
    }

    #[test]
    fn an_output_schema_that_a_host_is_not_shown_does_not_make_another_definition() {
        let whole = tool(r#"{"name":"a","outputSchema":{"type":"array"}}"#);
        let bare = tool(r#"{"name":"a"}"#);
        assert!(whole.covers(&bare));
        // The other way round there is more to see than was seen.
        assert!(!bare.covers(&whole));
        let of_object = tool(r#"{"name":"a","outputSchema":{"type":"object"}}"#);
        assert!(!of_object.covers(&bare));
    }

    #[test]
    fn a_definition_that_has_no_canonical_text_is_pinned_as_it_is_spelled() {
        let deep = |blank| {
            let schema = format!("{}{blank}{}", "[".repeat(200), "]".repeat(200));
            tool(&format!(r#"{{"name":"a","inputSchema":{schema}}}"#))
        };
        assert!(deep("").covers(&deep("")));
        assert!(!deep("").covers(&deep(" ")));
        let long = tool(&format!(
            r#"{{"name":"a","description":"{}"}}"#,
            "x".repeat(MAX_TEXT)
        ));
        assert_eq!(long.text, None);
    }

    /// A tool with these members, in the order of their numbers, with blanks where JSON allows them.
    fn spelled(members: &[(usize, String)], blank: &str) -> String {
        const NAMES: [&str; 7] = [
            "title",
            "description",
            "inputSchema",
            "outputSchema",
            "annotations",
            "_meta",
            "icons",
        ];
        let members: Vec<String> = members
            .iter()
            .filter_map(|(at, value)| {
                Some(format!("\"{}\"{blank}:{blank}{value}", NAMES.get(*at)?))
            })
            .collect();
        let members = members.join(&format!("{blank},{blank}"));
        format!(r#"{blank}{{{blank}{members},"name":"a"}}"#)
    }

    proptest! {
        #[test]
        fn order_and_white_space_do_not_count_and_each_pinned_member_does(
            values in prop::collection::vec((0..9u32, "[a-z]{0,3}"), 7),
            order in Just((0..7usize).collect::<Vec<_>>()).prop_shuffle(),
            blank in "[ \t\r\n]{0,2}",
            changed in 0..7usize,
        ) {
            let object = |at: usize, shift: u32| {
                let (number, text) = &values[at];
                let number = number + shift;
                format!(r#"{{"type":"object","{text}x":[{number},"{text}"],"b":{{"d":1,"c":null}}}}"#)
            };
            let straight: Vec<_> = (0..7).map(|at| (at, object(at, 0))).collect();
            let one = tool(&spelled(&straight, ""));
            let mixed: Vec<_> = order.iter().map(|at| (*at, object(*at, 0))).collect();
            let other = tool(&spelled(&mixed, &blank));
            prop_assert_eq!(&one.sha256, &other.sha256);
            let edited: Vec<_> = order.iter().map(|at| (*at, object(*at, u32::from(*at == changed)))).collect();
            let is_pinned = changed < 5;
            prop_assert_eq!(one.covers(&tool(&spelled(&edited, &blank))), !is_pinned);
            let without: Vec<_> = mixed.into_iter().filter(|(at, _)| *at != changed).collect();
            prop_assert_eq!(one.covers(&tool(&spelled(&without, &blank))), !is_pinned);
        }
    }
}
