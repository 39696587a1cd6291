//! Access by name and by annotation: the function that decides for lists and for requests alike.

use std::borrow::Cow;

use url::Url;

use crate::text::printable;

use super::pattern::Pattern;
use super::refusal::Refusal;
use super::request::{Asked, Unclear};
use super::rule::{Filter, Rule, Rules};

/// The hint of a refusal by a rule, for a model and for its user.
const HINT: &str = "use another one; only the user of mcpipe can change the rule";

impl Rules {
    /// Says whether a rule asks for the name or the annotations of something.
    pub fn have_access(&self) -> bool {
        !self.tools.is_empty()
            || !self.prompts.is_empty()
            || !self.resources.is_empty()
            || self.read_only.is_some()
    }

    /// Decides on a tool. `is_read_only` is what its annotations say; `None` where the server lists no such tool.
    ///
    /// # Errors
    /// The refusal, with its rule.
    pub fn tool(&self, name: &str, is_read_only: Option<bool>) -> Result<(), Refusal> {
        self.tools.decide("tool", name, name)?;
        match &self.read_only {
            Some(rule) if is_read_only != Some(true) => {
                let seen = match is_read_only {
                    Some(_) => "the server does not call it read-only",
                    None => "the server lists no tool of this name",
                };
                Err(refused("tool", name, seen, rule))
            }
            _ => Ok(()),
        }
    }

    /// Decides on a prompt.
    ///
    /// # Errors
    /// As [`Rules::tool`].
    pub fn prompt(&self, name: &str) -> Result<(), Refusal> {
        self.prompts.decide("prompt", name, name)
    }

    /// Decides on a resource or a template of resources. A URI counts as it is written and as it is resolved: `%2e%2e`
    /// and `..` lead elsewhere (RFC 3986 section 5.2.4).
    ///
    /// # Errors
    /// As [`Rules::tool`].
    pub fn resource(&self, uri: &str) -> Result<(), Refusal> {
        if self.resources.is_empty() {
            return Ok(());
        }
        self.resources.decide("resource", uri, &resolved(uri))
    }

    /// Decides on what a request names. `is_read_only` is asked for tools.
    ///
    /// # Errors
    /// As [`Rules::tool`].
    pub fn asked(
        &self,
        asked: &Asked,
        is_read_only: impl Fn(&str) -> Option<bool>,
    ) -> Result<(), Refusal> {
        match asked {
            Asked::Tool(name) => self.tool(name, is_read_only(name)),
            Asked::Prompt(name) => self.prompt(name),
            Asked::Resource(uri) => self.resource(uri),
        }
    }
}

impl Filter {
    /// Decides on a name, and on the form of it that a server may make of it.
    fn decide(&self, what: &str, name: &str, also: &str) -> Result<(), Refusal> {
        let denied = |it: &&(Pattern, Rule)| it.0.may_match(name) || it.0.may_match(also);
        if let Some((_, rule)) = self.deny.iter().find(denied) {
            return Err(refused(what, name, "it is denied", rule));
        }
        for list in &self.allow {
            let allowed = |it: &(Pattern, Rule)| it.0.matches(name) && it.0.matches(also);
            if !list.iter().any(allowed)
                && let Some((_, rule)) = list.first()
            {
                return Err(refused(
                    what,
                    name,
                    "it is none of those that are allowed",
                    &all_of(list, rule),
                ));
            }
        }
        Ok(())
    }
}

/// Returns one rule for a list of permissions, to be named in a refusal.
fn all_of(list: &[(Pattern, Rule)], first: &Rule) -> Rule {
    let patterns: Vec<_> = list.iter().map(|(pattern, _)| pattern.text()).collect();
    Rule {
        value: patterns.join(", "),
        ..first.clone()
    }
}

fn refused(what: &str, name: &str, seen: &str, rule: &Rule) -> Refusal {
    let message = format!(
        "The policy refuses the {what} {}: {seen}.",
        printable(name, 200)
    );
    Refusal::by(rule, message).hint(HINT)
}

impl From<Unclear> for Refusal {
    fn from(unclear: Unclear) -> Self {
        let seen = match unclear {
            Unclear::Twice(name) => format!(
                "its member {} stands there twice or in another spelling, and a server may read the other one",
                printable(&name, 100)
            ),
            Unclear::Missing(name) => format!("its member {name} is missing, or no string"),
        };
        Self::unevaluated(format!("The policy cannot judge this message: {seen}."))
    }
}

/// Returns a URI as a server may resolve it: its percent-encoding read until none is left, its dot segments removed, its
/// host in lower case. A template, or a text that is no URI, has only its percent-encoding read.
fn resolved(uri: &str) -> Cow<'_, str> {
    let mut read = Cow::Borrowed(uri);
    // Each round makes it shorter, so there are not many; a server that decodes twice is the reason for more than one.
    while let Some(decoded) = decoded(&read) {
        read = Cow::Owned(decoded);
    }
    match Url::parse(&read) {
        Ok(url) if !uri.contains('{') => {
            let text = url.as_str();
            // The parser encodes some characters again.
            Cow::Owned(decoded(text).unwrap_or_else(|| text.to_owned()))
        }
        _ => read,
    }
}

/// Reads the percent-encoding of a text; `None` if there is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut rest, mut is_other) = (text.as_bytes(), false);
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits
            .filter(|digits| *first == b'%' && digits.bytes().all(|it| it.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                is_other = true;
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    is_other.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
