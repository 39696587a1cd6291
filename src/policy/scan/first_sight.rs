//! The definitions of the first complete lists of a conversation, kept until they are scanned.

use crate::frame::{Frame, string};
use crate::policy::lists::{Kind, elements};

/// The text of definitions that is kept for the scan, in bytes. Of a list that is longer only its beginning is judged.
const MAX_KEPT: usize = 4 << 20;

/// The lists that have not been scanned.
#[derive(Debug)]
pub struct FirstSight {
    tools: Option<Pages>,
    prompts: Option<Pages>,
    instructions: bool,
}

/// The definitions of a listing so far.
#[derive(Debug, Default)]
struct Pages {
    definitions: Vec<String>,
    bytes: usize,
}

impl Default for FirstSight {
    fn default() -> Self {
        Self {
            tools: Some(Pages::default()),
            prompts: Some(Pages::default()),
            instructions: true,
        }
    }
}

impl FirstSight {
    /// Takes a page of a list, as it answers a request with this cursor; returns all definitions with the last page of the first
    /// listing.
    pub fn take_page(
        &mut self,
        kind: Kind,
        page: &Frame,
        cursor: Option<&str>,
    ) -> Option<Vec<String>> {
        let slot = match kind {
            Kind::Tools => &mut self.tools,
            Kind::Prompts => &mut self.prompts,
            Kind::Resources | Kind::Templates => return None,
        };
        let pages = slot.as_mut()?;
        if cursor.is_none() {
            *pages = Pages::default();
        }
        for definition in elements(page, kind)? {
            pages.bytes += definition.len();
            if pages.bytes > MAX_KEPT {
                break;
            }
            pages.definitions.push(definition.to_owned());
        }
        match page.member_in("result", "nextCursor").and_then(string) {
            Some(_) => None,
            None => slot.take().map(|pages| pages.definitions),
        }
    }

    /// Says whether these instructions, JSON, are the first.
    pub fn take_instructions(&mut self, instructions: &str) -> bool {
        std::mem::take(&mut self.instructions) && instructions.len() <= MAX_KEPT
    }
}
