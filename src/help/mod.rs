//! The topics of `mcpipe help`: what a user may want to know beyond the flags, as text for a terminal and for the manual.
//!
//! Each topic is a file of `topics`: its first line says what it is about, the rest is read by [`Block::of`]. Knows
//! nothing of the command line's definition.

mod manual;
mod page;

pub use manual::escaped;
pub use page::wrapped;

use crate::text::Style;

/// A topic of `mcpipe help`.
#[derive(Debug)]
pub struct Topic {
    /// The word to type.
    pub name: &'static str,
    text: &'static str,
}

/// All topics, in the order in which they are listed.
pub const TOPICS: [Topic; 11] = [
    topic("sign-in", include_str!("topics/sign-in.txt")),
    topic("headers", include_str!("topics/headers.txt")),
    topic("network", include_str!("topics/network.txt")),
    topic("vault", include_str!("topics/vault.txt")),
    topic("policy", include_str!("topics/policy.txt")),
    topic("scripting", include_str!("topics/scripting.txt")),
    topic("logs", include_str!("topics/logs.txt")),
    topic("migration", include_str!("topics/migration.txt")),
    topic("protocol", include_str!("topics/protocol.txt")),
    topic("security", include_str!("topics/security.txt")),
    topic("files", include_str!("topics/files.txt")),
];

const fn topic(name: &'static str, text: &'static str) -> Topic {
    Topic { name, text }
}

/// A part of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block<'a> {
    /// `## WORDS`.
    Heading(&'a str),
    /// A line that begins with nothing special: a paragraph.
    Paragraph(&'a str),
    /// `- WORDS`: one of a list.
    Item(&'a str),
    /// `= WORDS`, and the line behind it: a word with what it means.
    Term(&'a str, &'a str),
    /// Lines behind four blanks, shown as they are.
    Example(Vec<&'a str>),
}

impl Topic {
    /// Returns the topic of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TOPICS.iter().find(|topic| topic.name == name)
    }

    /// Returns what the topic is about, in one line.
    pub fn about(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default()
    }

    /// Returns the topic as a page of at most `width` columns.
    pub fn page(&self, width: usize, style: Style) -> String {
        page::of(self, width, style)
    }

    /// Returns the topic as a section of the manual, in the language of man pages (man(7)).
    pub fn section(&self) -> String {
        manual::section(self)
    }

    /// Returns the examples of the topic, each as its lines.
    pub fn examples(&self) -> Vec<String> {
        let blocks = self.blocks().into_iter();
        let examples = blocks.filter_map(|block| match block {
            Block::Example(lines) => Some(lines.join("\n") + "\n"),
            _ => None,
        });
        examples.collect()
    }

    /// Returns the sentences' paragraphs: all but headings and examples.
    pub fn paragraphs(&self) -> Vec<&'static str> {
        let blocks = self.blocks().into_iter();
        let paragraphs = blocks.filter_map(|block| match block {
            Block::Paragraph(text) | Block::Item(text) | Block::Term(_, text) => Some(text),
            Block::Heading(_) | Block::Example(_) => None,
        });
        paragraphs.collect()
    }

    /// Takes the text apart, behind its first line.
    fn blocks(&self) -> Vec<Block<'static>> {
        let mut blocks: Vec<Block<'static>> = Vec::new();
        let mut gap = 0;
        let mut lines = self.text.lines().skip(1);
        while let Some(line) = lines.next() {
            if line.is_empty() {
                gap += 1;
                continue;
            }
            let example = line.strip_prefix("    ");
            match (example, blocks.last_mut()) {
                (Some(line), Some(Block::Example(example))) => {
                    example.extend(std::iter::repeat_n("", gap));
                    example.push(line);
                }
                (Some(line), _) => blocks.push(Block::Example(vec![line])),
                (None, _) => {
                    let marked = |mark| line.strip_prefix(mark);
                    blocks.push(if let Some(heading) = marked("## ") {
                        Block::Heading(heading)
                    } else if let Some(item) = marked("- ") {
                        Block::Item(item)
                    } else if let Some(term) = marked("= ") {
                        Block::Term(term, lines.next().unwrap_or_default())
                    } else {
                        Block::Paragraph(line)
                    });
                }
            }
            gap = 0;
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_taken_apart() {
        let topic = topic(
            "x",
            "about it\n\nOne.\n\n## A\n\n    one\n\n      two\n\n- item\n- other\n= --flag N\nSays.\n",
        );
        assert_eq!(topic.about(), "about it");
        assert_eq!(
            topic.blocks(),
            [
                Block::Paragraph("One."),
                Block::Heading("A"),
                Block::Example(vec!["one", "", "  two"]),
                Block::Item("item"),
                Block::Item("other"),
                Block::Term("--flag N", "Says."),
            ]
        );
    }

    #[test]
    fn every_topic_says_what_it_is_about_and_has_words() {
        for topic in &TOPICS {
            let about = topic.about();
            assert!((20..=90).contains(&about.len()), "{}: {about}", topic.name);
            assert!(topic.paragraphs().len() > 3, "{}", topic.name);
            for block in topic.blocks() {
                if let Block::Term(term, text) = block {
                    assert!(!text.is_empty(), "{}: {term}", topic.name);
                }
            }
        }
    }

    /// What is wider than a page breaks a line where it means something; JSON of one line stays what it is.
    #[test]
    fn examples_are_no_wider_than_a_page() {
        for topic in &TOPICS {
            for line in topic.examples().iter().flat_map(|example| example.lines()) {
                let is_json = line.trim_start().starts_with("'{");
                assert!(
                    is_json || line.chars().count() <= 76,
                    "{}: {line}",
                    topic.name
                );
            }
        }
    }
}
