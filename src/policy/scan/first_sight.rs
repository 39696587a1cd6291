//! The definitions of the first complete lists of a conversation, kept until they are scanned.

use crate::frame::{Frame, string};
use crate::policy::lists::{Kind, elements};

/// The text of definitions that is kept for the scan, in bytes. Of a list that is longer only its beginning is judged.
const MAX_KEPT: usize = 1 << 20;

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
    /// The number of definitions that were not kept.
    left_out: usize,
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
    /// Takes a page of a list, as it answers a request with this cursor; with the last page of the first listing,
    /// returns the definitions that are to be scanned, and the number of those that are too many.
    pub fn take_page(
        &mut self,
        kind: Kind,
        page: &Frame,
        cursor: Option<&str>,
    ) -> Option<(Vec<String>, usize)> {
        let slot = match kind {
            Kind::Tools => &mut self.tools,
            Kind::Prompts => &mut self.prompts,
            Kind::Resources | Kind::Templates | Kind::Directory | Kind::Skills => return None,
        };
        let pages = slot.as_mut()?;
        if cursor.is_none() {
            *pages = Pages::default();
        }
        for definition in elements(page, kind)? {
            pages.bytes += definition.len();
            if pages.bytes > MAX_KEPT {
                pages.left_out += 1;
                continue;
            }
            pages.definitions.push(definition.to_owned());
        }
        match page.member_in("result", "nextCursor").and_then(string) {
            Some(_) => None,
            None => slot.take().map(|pages| (pages.definitions, pages.left_out)),
        }
    }

    /// Says whether these instructions, JSON, are the first.
    pub fn take_instructions(&mut self, instructions: &str) -> bool {
        std::mem::take(&mut self.instructions) && instructions.len() <= MAX_KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Id;

    fn page(result: &str) -> Frame {
        Frame::result(&Id::parse("1").unwrap(), result)
    }

    #[test]
    fn the_first_complete_list_is_seen_once() {
        let mut seen = FirstSight::default();
        let first = page(r#"{"tools":[{"name":"a"}],"nextCursor":"2"}"#);
        let last = page(r#"{"tools":[{"name":"b"}]}"#);
        assert_eq!(seen.take_page(Kind::Tools, &first, None), None);
        assert_eq!(
            seen.take_page(Kind::Tools, &first, None),
            None,
            "it begins anew"
        );
        let (definitions, left_out) = seen.take_page(Kind::Tools, &last, Some("2")).unwrap();
        assert_eq!(definitions, [r#"{"name":"a"}"#, r#"{"name":"b"}"#]);
        assert_eq!(left_out, 0);
        assert_eq!(seen.take_page(Kind::Tools, &last, None), None);
        assert!(seen.take_instructions("\"a\"") && !seen.take_instructions("\"b\""));
    }

    #[test]
    fn of_a_long_list_the_beginning_is_kept() {
        let tool = format!(r#"{{"name":"{}"}}"#, "a".repeat(MAX_KEPT / 2));
        let long = page(&format!(r#"{{"prompts":[{tool},{tool},{tool}]}}"#));
        let seen = FirstSight::default()
            .take_page(Kind::Prompts, &long, None)
            .unwrap();
        assert_eq!((seen.0.len(), seen.1), (1, 2));
    }
}
