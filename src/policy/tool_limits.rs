//! The tools that `max-tools` and `max-depth` leave of a server's list, and the depth of arguments and results.
//!
//! A list and a call are decided by the same function, [`ToolLimits::decide`]. The first tools of a listing are shown, in the
//! server's order, over all its pages; a tool is counted after access has let it pass.

use std::collections::{HashMap, HashSet};

use super::depth::depth;
use super::pattern::folded;
use super::refusal::Refusal;
use super::rule::{Limit, Rule, Rules};
use crate::text::printable;

/// The number of sentences about lists of one server, which may change as often as it likes.
const MAX_SENTENCES: usize = 100;
/// The longest list of names in a sentence.
const NAMED: usize = 10;

/// The limits, and the tools that they hide.
#[derive(Debug)]
pub struct ToolLimits {
    most: Option<(usize, Rule)>,
    depth: Vec<Limit<usize>>,
    /// The tools of the last complete listing that are shown.
    shown: HashSet<Box<str>>,
    /// True where that listing had more.
    was_cut: bool,
    /// The listing under way.
    listing: Option<Listing>,
    /// The depth of tools that are nested too deep, by their folded names.
    deep: HashMap<String, usize>,
    /// The last sentence, and the number of sentences.
    said: String,
    sentences: usize,
}

#[derive(Debug, Default)]
struct Listing {
    shown: HashSet<Box<str>>,
    left_out: Vec<Box<str>>,
    /// The cursor of its next page.
    next: String,
}

impl ToolLimits {
    /// Takes the limits of the rules; `None` where there are none.
    pub fn new(rules: &Rules) -> Option<Self> {
        let most = rules.max_tools.iter().min_by_key(|limit| limit.value);
        if most.is_none() && rules.max_depth.is_empty() {
            return None;
        }
        Some(Self {
            most: most.map(|limit| (limit.value, limit.rule.clone())),
            depth: rules.max_depth.clone(),
            shown: HashSet::new(),
            was_cut: false,
            listing: None,
            deep: HashMap::new(),
            said: String::new(),
            sentences: 0,
        })
    }

    /// Takes a page of a listing: the cursor that it was asked for with, the names and definitions of the tools that access
    /// allows, and the cursor of the next page. Returns a sentence about the tools that are left out, unless it is that
    /// of the last listing.
    pub fn take_page(
        &mut self,
        cursor: Option<&str>,
        tools: &[(String, &str)],
        next: Option<String>,
    ) -> Option<String> {
        let mut fit = Vec::with_capacity(tools.len());
        for (name, definition) in tools {
            // The definition itself is an object.
            let seen = depth(definition).saturating_sub(1);
            match self.depth_of(Some(name)) {
                Some((most, _)) if seen > most => {
                    _ = self.deep.insert(folded(name).into_owned(), seen);
                }
                _ => {
                    self.deep.remove(&*folded(name));
                    fit.push(name.as_str());
                }
            }
        }
        let most = self.most.as_ref().map_or(usize::MAX, |(most, _)| *most);
        let mut listing = match (cursor, self.listing.take()) {
            (None, _) => Listing::default(),
            (Some(cursor), Some(listing)) if listing.next == cursor => listing,
            (Some(_), other) => {
                // A page of no listing that is known: it shows what is known, and what there is room for.
                self.listing = other;
                for name in fit {
                    if self.shown.len() < most {
                        self.shown.insert(name.into());
                    }
                }
                return None;
            }
        };
        for name in fit {
            if listing.shown.contains(name) || listing.shown.len() < most {
                listing.shown.insert(name.into());
            } else {
                listing.left_out.push(name.into());
            }
        }
        if let Some(next) = next {
            listing.next = next;
            self.listing = Some(listing);
            return None;
        }
        self.was_cut = !listing.left_out.is_empty();
        self.shown = listing.shown;
        let said = self.sentence(&listing.left_out);
        let is_new = said != self.said && !said.is_empty() && self.sentences < MAX_SENTENCES;
        self.said.clone_from(&said);
        self.sentences += usize::from(is_new);
        is_new.then_some(said)
    }

    fn sentence(&self, left_out: &[Box<str>]) -> String {
        let mut sentences = Vec::new();
        if let Some((most, rule)) = self.most.as_ref().filter(|_| !left_out.is_empty()) {
            sentences.push(format!(
                "{} of the server's tools are shown, {} left out (rule: {}, from {}): {}.",
                self.shown.len().min(*most),
                left_out.len(),
                rule.text(),
                rule.origin,
                named(left_out.iter().map(|name| &**name)),
            ));
        }
        if let Some(limit) = self.depth.first().filter(|_| !self.deep.is_empty()) {
            let mut deep: Vec<&str> = self.deep.keys().map(String::as_str).collect();
            deep.sort_unstable();
            sentences.push(format!(
                "Left out are tools whose definitions are nested too deep, {} in all (rule: {}, from {}): {}.",
                deep.len(),
                limit.rule.text(),
                limit.rule.origin,
                named(deep.into_iter()),
            ));
        }
        sentences.join(" ")
    }

    /// Decides on a tool of the server's list, or of a call.
    ///
    /// # Errors
    /// The tool is nested too deep, or is none of those that are shown.
    pub fn decide(&self, name: &str) -> Result<(), Refusal> {
        if let Some(seen) = self.deep.get(&*folded(name))
            && let Some((most, rule)) = self.depth_of(Some(name))
        {
            let what = format!("the tool {}: its definition is", printable(name, 200));
            return Err(too_deep(&what, *seen, most, rule));
        }
        let Some((most, rule)) = &self.most else {
            return Ok(());
        };
        let listing = self.listing.as_ref();
        let is_shown = |listing: &Listing| listing.shown.contains(name);
        let is_left_out = |listing: &Listing| listing.left_out.iter().any(|it| **it == *name);
        if listing.is_some_and(is_shown) {
            return Ok(());
        }
        let was_left_out = self.was_cut && !self.shown.contains(name);
        if !was_left_out && !listing.is_some_and(is_left_out) {
            return Ok(());
        }
        let message = format!(
            "The policy refuses the tool {}: it is none of the first {most} of the server's list.",
            printable(name, 200)
        );
        Err(Refusal::by(rule, message)
            .hint("raise the limit, or hide other tools with --deny-tool"))
    }

    /// Decides on the arguments of a call.
    ///
    /// # Errors
    /// They are nested too deep.
    pub fn arguments(&self, tool: &str, arguments: &str) -> Result<(), Refusal> {
        let Some((most, rule)) = self.depth_of(Some(tool)) else {
            return Ok(());
        };
        let seen = depth(arguments);
        match seen > most {
            true => {
                let what = format!("a call of {}: its arguments are", printable(tool, 200));
                Err(too_deep(&what, seen, most, rule).hint("send arguments that are less nested"))
            }
            false => Ok(()),
        }
    }

    /// Decides on a result, or on the error in its place: of a tool, or of another request.
    ///
    /// # Errors
    /// It is nested too deep.
    pub fn result(&self, method: &str, tool: Option<&str>, result: &str) -> Result<(), Refusal> {
        let Some((most, rule)) = self.depth_of(tool) else {
            return Ok(());
        };
        let seen = depth(result);
        match seen > most {
            true => {
                let what = match tool {
                    Some(tool) => format!("the answer of {}: it is", printable(tool, 200)),
                    None => format!("the answer to {}: it is", printable(method, 200)),
                };
                Err(too_deep(&what, seen, most, rule)
                    .hint("the server has carried the request out; do not send it again for this"))
            }
            false => Ok(()),
        }
    }

    /// The least depth for a tool, or for what is of no tool.
    fn depth_of(&self, tool: Option<&str>) -> Option<(usize, &Rule)> {
        let is_for = |limit: &&Limit<usize>| match tool {
            Some(tool) => limit.is_for(tool),
            None => limit.tools.is_none(),
        };
        let least = self
            .depth
            .iter()
            .filter(is_for)
            .min_by_key(|limit| limit.value)?;
        Some((least.value, &least.rule))
    }
}

fn too_deep(what: &str, seen: usize, most: usize, rule: &Rule) -> Refusal {
    let message = format!("The policy refuses {what} nested {seen} deep, and {most} is the most.");
    Refusal::by(rule, message)
}

/// The first of some names, for a sentence.
fn named<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut shown: Vec<String> = names.take(NAMED).map(|name| printable(name, 80)).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Origin, Pattern};

    fn limit(value: usize, tools: Option<&str>) -> Limit<usize> {
        let origin = Origin::Flag("--max");
        Limit {
            tools: tools.map(|text| Pattern::read(text).unwrap()),
            value,
            rule: Rule {
                key: "max",
                value: value.to_string(),
                origin,
            },
        }
    }

    fn at_most(count: usize) -> ToolLimits {
        let max_tools = vec![limit(count + 5, None), limit(count, None)];
        ToolLimits::new(&Rules {
            max_tools,
            ..Rules::default()
        })
        .unwrap()
    }

    fn page(
        limits: &mut ToolLimits,
        cursor: Option<&str>,
        names: &str,
        next: Option<&str>,
    ) -> String {
        let tools: Vec<_> = names
            .split(' ')
            .map(|name| (name.to_owned(), "{}"))
            .collect();
        let said = limits.take_page(cursor, &tools, next.map(str::to_owned));
        said.unwrap_or_default()
    }

    fn shown(limits: &ToolLimits, names: &str) -> String {
        let shown: Vec<_> = names
            .split(' ')
            .filter(|name| limits.decide(name).is_ok())
            .collect();
        shown.join(" ")
    }

    #[test]
    fn the_first_tools_of_all_pages_are_shown_and_called() {
        let mut limits = at_most(3);
        page(&mut limits, None, "a b", Some("2"));
        assert_eq!(shown(&limits, "a b"), "a b");
        page(&mut limits, Some("2"), "c d", Some("3"));
        assert_eq!(shown(&limits, "a b c d"), "a b c");
        let said = page(&mut limits, Some("3"), "e", None);
        assert_eq!(
            said,
            "3 of the server's tools are shown, 2 left out (rule: max 3, from --max): d, e."
        );
        assert_eq!(shown(&limits, "a b c d e D hidden"), "a b c");
        let refusal = limits.decide("d").unwrap_err();
        assert_eq!(
            refusal.message,
            "The policy refuses the tool d: it is none of the first 3 of the server's list."
        );
    }

    #[test]
    fn a_new_listing_decides_anew() {
        let mut limits = at_most(2);
        assert!(!page(&mut limits, None, "a b c", None).is_empty());
        assert_eq!(
            page(&mut limits, None, "a b c", None),
            "",
            "it is said once"
        );
        page(&mut limits, None, "c a", Some("2"));
        assert_eq!(
            shown(&limits, "a b c"),
            "a b c",
            "the new listing is not complete"
        );
        page(&mut limits, Some("2"), "b", None);
        assert_eq!(shown(&limits, "a b c"), "a c");
        page(&mut limits, Some("other"), "d", None);
        assert_eq!(shown(&limits, "a b c d"), "a c", "there is no room");
        page(&mut limits, None, "x", None);
        assert_eq!(
            shown(&limits, "x unlisted"),
            "x unlisted",
            "nothing is left out"
        );
    }

    #[test]
    fn tools_arguments_and_results_that_are_too_deep_are_refused() {
        let max_depth = vec![limit(3, None), limit(1, Some("flat_*"))];
        let mut limits = ToolLimits::new(&Rules {
            max_depth,
            ..Rules::default()
        })
        .unwrap();
        let tools = [
            ("a", r#"{"inputSchema":{"b":{}}}"#),
            ("deep", r#"{"inputSchema":{"b":{"c":[[]]}}}"#),
            ("flat_a", r#"{"x":{"y":1}}"#),
            ("flat_b", r#"{"x":{"y":[]}}"#),
        ];
        let tools = tools.map(|(name, text)| (name.to_owned(), text));
        let said = limits.take_page(None, &tools, None).unwrap();
        assert_eq!(
            said,
            "Left out are tools whose definitions are nested too deep, 2 in all (rule: max 3, from --max): deep, flat_b."
        );
        assert_eq!(
            shown(&limits, "a deep DEEP flat_a flat_b other"),
            "a flat_a other"
        );
        assert!(limits.arguments("a", "[[[]]]").is_ok());
        let refusal = limits.arguments("flat_a", "[[]]").unwrap_err();
        assert_eq!(
            refusal.message,
            "The policy refuses a call of flat_a: its arguments are nested 2 deep, and 1 is the most."
        );
        assert!(limits.result("tools/call", Some("flat_a"), "[[]]").is_err());
        assert!(limits.result("prompts/get", None, "[[[]]]").is_ok());
        assert!(limits.result("prompts/get", None, "[[[[]]]]").is_err());
    }

    #[test]
    fn rules_without_limits_need_nothing() {
        assert!(ToolLimits::new(&Rules::default()).is_none());
    }
}
