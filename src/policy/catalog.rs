//! The tools of the server, as its lists describe them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::frame::{member_of, string};

/// A tool, as far as rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// True where its annotations say `readOnlyHint` (MCP 2025-03-26 and later, server/tools).
    pub is_read_only: bool,
    /// The JSON text of its definition, where a rule asks for it.
    pub definition: Option<Arc<str>>,
}

/// The tools of the last complete listing, and those of pages since.
#[derive(Debug, Default)]
pub struct Catalog {
    keeps_definitions: bool,
    tools: HashMap<Box<str>, Tool>,
    /// The tools of a listing under way, and the cursor of its next page.
    listing: Option<(HashMap<Box<str>, Tool>, String)>,
    is_complete: bool,
}

impl Catalog {
    /// Makes an empty catalog.
    pub fn new(keeps_definitions: bool) -> Self {
        Self {
            keeps_definitions,
            ..Self::default()
        }
    }

    /// Says whether all tools of the server are known, as far as the server has said.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns the tool of this name, if a list had it.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let listing = self.listing.as_ref();
        listing
            .and_then(|(tools, _)| tools.get(name))
            .or_else(|| self.tools.get(name))
    }

    /// Notes that the server's tools have changed: what is known must be asked for again.
    pub fn expire(&mut self) {
        self.is_complete = false;
        self.listing = None;
        self.tools.clear();
    }

    /// Takes a page of a list: the cursor that was asked for, the JSON texts of the tools, and the cursor of the next page.
    /// Pages of a listing that is not the one under way add to what is known, and complete nothing.
    pub fn take_page(&mut self, cursor: Option<&str>, tools: &[&str], next: Option<String>) {
        let mut page = HashMap::with_capacity(tools.len());
        for tool in tools {
            let Some(name) = member_of(tool, "name").and_then(string) else {
                continue;
            };
            let annotations = member_of(tool, "annotations").unwrap_or("{}");
            let found = Tool {
                is_read_only: member_of(annotations, "readOnlyHint") == Some("true"),
                definition: self.keeps_definitions.then(|| Arc::from(*tool)),
            };
            page.insert(name.into(), found);
        }
        let so_far = match (cursor, self.listing.take()) {
            (None, _) => Some(HashMap::new()),
            (Some(cursor), Some((so_far, expected))) if expected == cursor => Some(so_far),
            (Some(_), other) => {
                self.listing = other;
                None
            }
        };
        match (so_far, next) {
            (Some(mut so_far), next) => {
                so_far.extend(page);
                match next {
                    Some(next) => self.listing = Some((so_far, next)),
                    None => {
                        self.tools = so_far;
                        self.is_complete = true;
                    }
                }
            }
            (None, _) => self.tools.extend(page),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = r#"{"name":"read","annotations":{"readOnlyHint":true}}"#;
    const WRITE: &str = r#"{"name":"write"}"#;

    #[test]
    fn a_listing_is_complete_with_its_last_page() {
        let mut catalog = Catalog::new(true);
        catalog.take_page(None, &[READ], Some("2".into()));
        assert!(!catalog.is_complete());
        assert!(catalog.tool("read").unwrap().is_read_only);
        catalog.take_page(Some("2"), &[WRITE], None);
        assert!(catalog.is_complete());
        assert_eq!(
            catalog.tool("write").unwrap().definition.as_deref(),
            Some(WRITE)
        );
        catalog.take_page(None, &[WRITE], None);
        assert!(
            catalog.tool("read").is_none(),
            "the new listing replaces the old"
        );
        catalog.expire();
        assert!(!catalog.is_complete() && catalog.tool("write").is_none());
    }

    #[test]
    fn a_page_of_another_listing_completes_nothing() {
        let mut catalog = Catalog::new(false);
        catalog.take_page(None, &[READ], Some("2".into()));
        catalog.take_page(Some("9"), &[WRITE], None);
        assert!(!catalog.is_complete());
        assert!(catalog.tool("write").is_some());
        catalog.take_page(Some("2"), &[], None);
        assert!(catalog.is_complete());
    }
}
