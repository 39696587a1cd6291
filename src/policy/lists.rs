//! Lists without the things that a rule hides.

use serde_json::value::RawValue;

use crate::frame::{Frame, Object, string};

use super::pattern::folded;
use super::request::unique;

/// The kinds of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
    /// `resources/directory/read` (SEP-2640)
    Directory,
    /// `skills/list` (SEP-2640). Each has the URI of a resource.
    Skills,
}

impl Kind {
    /// Returns the kind of list that a method asks for, in any spelling that a server may take for it.
    pub fn of(method: &str) -> Option<Self> {
        Some(match &*folded(method) {
            "tools/list" => Self::Tools,
            "prompts/list" => Self::Prompts,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::Templates,
            "resources/directory/read" => Self::Directory,
            "skills/list" => Self::Skills,
            _ => return None,
        })
    }

    /// The member of the result that holds the list.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Directory => "resources",
            Self::Templates => "resourceTemplates",
            Self::Skills => "skills",
        }
    }

    /// The member of an element that names it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources | Self::Directory | Self::Skills => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// A list, and the names of what was taken out of it.
#[derive(Debug)]
pub struct Trimmed {
    /// The answer for the host.
    pub frame: Frame,
    /// The names of what is hidden.
    pub hidden: Vec<String>,
}

/// Returns the elements of the list in an answer, as JSON texts; `None` where there is no list.
pub fn elements(answer: &Frame, kind: Kind) -> Option<Vec<&str>> {
    let list = answer.member_in("result", kind.member())?;
    let elements: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// Takes out of a list what is not kept. The texts of all else, its order, `nextCursor` and every other member stay as
/// they came; a page of which nothing is left is an empty page. An element that has no name, or that could have two, is not
/// kept.
pub fn trim(answer: &Frame, kind: Kind, mut keeps: impl FnMut(&str, &str) -> bool) -> Trimmed {
    let mut hidden = Vec::new();
    let Some(elements) = elements(answer, kind) else {
        let frame = answer.clone();
        return Trimmed { frame, hidden };
    };
    let mut kept = Vec::with_capacity(elements.len());
    for element in &elements {
        let name = name(element, kind);
        match name {
            Some(name) if keeps(&name, element) => kept.push(*element),
            name => hidden.push(name.unwrap_or_default()),
        }
    }
    let is_once = |outer, name: &str| {
        let names: Vec<_> = answer.names(outer);
        names.iter().filter(|it| *it == name).count() == 1
    };
    // Of two members of one name a host may read the other.
    let is_one = is_once(None, "result") && is_once(Some("result"), kind.member());
    let frame = match hidden.is_empty() && is_one {
        true => answer.clone(),
        false => {
            let list = format!("[{}]", kept.join(","));
            answer.edit(|message| message.edit("result", |result| result.set(kind.member(), list)))
        }
    };
    Trimmed { frame, hidden }
}

fn name(element: &str, kind: Kind) -> Option<String> {
    let element = Object::read(element)?;
    unique(&element.names(), &[kind.key()]).ok()?;
    string(element.get(kind.key())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Id;

    fn trimmed(result: &str) -> Trimmed {
        let answer = Frame::result(&Id::parse("1").unwrap(), result);
        trim(&answer, Kind::Tools, |name, _| !name.starts_with("x"))
    }

    #[test]
    fn what_is_kept_keeps_its_text_and_the_page_its_cursor() {
        let out = trimmed(
            r#"{"nextCursor":"c", "tools":[ {"name":"a", "n":1e400}, {"name":"x1"},{"name":"b"}],"_meta":{}}"#,
        );
        assert_eq!(out.hidden, ["x1"]);
        assert_eq!(
            out.frame.member("result").unwrap(),
            r#"{"nextCursor":"c","tools":[{"name":"a", "n":1e400},{"name":"b"}],"_meta":{}}"#
        );
    }

    #[test]
    fn a_page_of_which_nothing_is_left_is_an_empty_page() {
        let out = trimmed(r#"{"tools":[{"name":"x"}],"nextCursor":"c"}"#);
        assert_eq!(
            out.frame.member("result").unwrap(),
            r#"{"tools":[],"nextCursor":"c"}"#
        );
    }

    #[test]
    fn a_list_of_which_all_is_kept_keeps_every_byte() {
        let text = r#"{ "tools" : [ {"name":"a"} ] }"#;
        assert_eq!(trimmed(text).frame.member("result").unwrap(), text);
        assert_eq!(
            trimmed(r#"{"tools":7}"#).frame.member("result").unwrap(),
            r#"{"tools":7}"#
        );
    }

    #[test]
    fn what_could_have_two_names_is_hidden() {
        for tool in [
            r#"{"name":"x","name":"a"}"#,
            r#"{"name":"a","Name":"x"}"#,
            r#"{"title":"a"}"#,
            r#"{"name":7}"#,
            "3",
        ] {
            let out = trimmed(&format!(r#"{{"tools":[{tool}]}}"#));
            assert_eq!(
                out.frame.member("result").unwrap(),
                r#"{"tools":[]}"#,
                "{tool}"
            );
        }
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"x"}]},"result":{"tools":[{"name":"a"}]}}"#;
        let twice = trim(&Frame::parse(text).unwrap(), Kind::Tools, |name, _| {
            name == "a"
        });
        assert!(!twice.frame.text().contains('x'), "{}", twice.frame.text());
        let two = trimmed(r#"{"tools":[{"name":"x"}],"tools":[{"name":"a"}]}"#);
        assert_eq!(
            two.frame.member("result").unwrap(),
            r#"{"tools":[{"name":"a"}]}"#
        );
    }
}
