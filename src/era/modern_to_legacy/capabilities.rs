//! The capabilities that a host declares, as sets that can be compared and joined.
//!
//! A modern host says it anew with every request (MCP 2026-07-28, basic); a legacy remote is told once a session.

use crate::era::protocol::{META_CAPABILITIES, TASKS};
use crate::era::server_info::without_extension;
use crate::frame::{Frame, Object, member_of};

/// Capabilities as a legacy remote is told of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities(Object);

impl Capabilities {
    /// Reads the capabilities that a request declares.
    pub(super) fn of(request: &Frame) -> Self {
        let mut declared = Object::read(capabilities(request)).unwrap_or_default();
        declared.remove("tasks");
        if declared.get("roots").is_some() {
            declared.set("roots", "{}"); // the host does not announce changes of roots any more
        }
        without_extension(&mut declared, TASKS);
        Self(declared)
    }

    /// Says whether all of `wanted` is among them. Of two values for one thing either will do: a session can have but
    /// one.
    pub(super) fn cover(&self, wanted: &Self) -> bool {
        covers(&self.spelled_out(), &wanted.spelled_out())
    }

    /// Returns these, and what `more` has beside them.
    pub(super) fn join(&self, more: &Self) -> Self {
        let both = [self, more].map(|it| it.0.get("elicitation"));
        if self.cover(more) {
            self.clone()
        } else if let [Some(_), Some(_)] = both {
            Self(joined(self.spelled_out(), &more.spelled_out()))
        } else {
            Self(joined(self.0.clone(), &more.0))
        }
    }

    pub(super) fn text(&self) -> String {
        self.0.text()
    }

    /// Returns them with elicitation's default in words, as it gets lost when something stands beside it.
    fn spelled_out(&self) -> Object {
        let mut all = self.0.clone();
        let is_bare = |elicitation| Object::read(elicitation).is_some_and(|it| it.is_empty());
        if all.get("elicitation").is_some_and(is_bare) {
            all.set("elicitation", r#"{"form":{}}"#);
        }
        all
    }
}

fn covers(have: &Object, wanted: &Object) -> bool {
    wanted.iter().all(|(name, wanted)| {
        let Some(have) = have.get(name) else {
            return false;
        };
        match (Object::read(have), Object::read(wanted)) {
            (Some(have), Some(wanted)) => covers(&have, &wanted),
            _ => true,
        }
    })
}

fn joined(mut all: Object, more: &Object) -> Object {
    for (name, more) in more.iter() {
        match all.get(name).map(Object::read) {
            None => all.set(name, more),
            Some(Some(had)) => {
                if let Some(more) = Object::read(more) {
                    all.set(name, joined(had, &more).text());
                }
            }
            Some(None) => {}
        }
    }
    all
}

/// Says whether `capabilities` name one. Elicitation without parts means forms.
pub(super) fn declares(capabilities: &str, name: &str, part: Option<&str>) -> bool {
    let Some(found) = member_of(capabilities, name).and_then(Object::read) else {
        return false;
    };
    part.is_none_or(|part| {
        found.get(part).is_some() || (name, part) == ("elicitation", "form") && found.is_empty()
    })
}

/// Reads the capabilities that a request declares, as JSON text.
pub(super) fn capabilities(frame: &Frame) -> &str {
    frame.meta(META_CAPABILITIES).unwrap_or("{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Capabilities {
        let meta = format!(r#"{{"io.modelcontextprotocol/clientCapabilities":{text}}}"#);
        let params = format!(r#"{{"_meta":{meta}}}"#);
        let request = Frame::request(&crate::frame::Id::ours(1), "x", Some(&params));
        Capabilities::of(&request)
    }

    #[test]
    fn a_set_grows_by_what_is_new_and_by_nothing_else() {
        for (had, wanted, both) in [
            ("{}", "{}", None),
            (r#"{"roots":{}}"#, "{}", None),
            ("{}", r#"{"tasks":{}}"#, None),
            (r#"{"roots":{}}"#, r#"{"roots":{"listChanged":true}}"#, None),
            ("{}", r#"{"roots":{}}"#, Some(r#"{"roots":{}}"#)),
            (
                r#"{"sampling":{}}"#,
                r#"{"sampling":{"tools":{}}}"#,
                Some(r#"{"sampling":{"tools":{}}}"#),
            ),
            (
                r#"{"elicitation":{}}"#,
                r#"{"elicitation":{"form":{}}}"#,
                None,
            ),
            (
                r#"{"elicitation":{"form":{}}}"#,
                r#"{"elicitation":{}}"#,
                None,
            ),
            (
                r#"{"elicitation":{}}"#,
                r#"{"elicitation":{"url":{}}}"#,
                Some(r#"{"elicitation":{"form":{},"url":{}}}"#),
            ),
            (
                r#"{"elicitation":{"url":{}}}"#,
                r#"{"elicitation":{}}"#,
                Some(r#"{"elicitation":{"url":{},"form":{}}}"#),
            ),
            // One of two values: a session for each would be one for every request.
            (
                r#"{"extensions":{"x/y":{"n":1}}}"#,
                r#"{"extensions":{"x/y":{"n":2}}}"#,
                None,
            ),
            (
                r#"{"experimental":1}"#,
                r#"{"experimental":{"x":1e400}}"#,
                None,
            ),
            (
                r#"{"experimental":{"a":1}}"#,
                r#"{"experimental":{"x":1e400}}"#,
                Some(r#"{"experimental":{"a":1,"x":1e400}}"#),
            ),
        ] {
            let (had, wanted) = (set(had), set(wanted));
            let joined = had.join(&wanted);
            assert_eq!(had.cover(&wanted), both.is_none(), "{wanted:?} of {had:?}");
            let expected = both.map_or_else(|| had.text(), str::to_owned);
            assert_eq!(joined.text(), expected);
            assert!(joined.cover(&had) && joined.cover(&wanted));
        }
    }
}
