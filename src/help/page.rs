//! A topic as text for a terminal or a pipe.

use std::fmt::Write as _;

use crate::help::{Block, Topic};
use crate::text::Style;

/// The columns before the text below a heading, and before an example.
const INDENT: usize = 2;
const EXAMPLE_INDENT: usize = 4;

/// Returns a topic as a page: headings in bold, text wrapped to `width` columns, examples as they are.
pub(super) fn of(topic: &Topic, width: usize, style: Style) -> String {
    let mut page = format!("{}: {}\n", style.bold(topic.name), topic.about());
    let mut before = None;
    for block in topic.blocks() {
        // One of a list stands close to the one before.
        let is_close = matches!(
            (&before, &block),
            (Some(Block::Item(_)), Block::Item(_)) | (Some(Block::Term(..)), Block::Term(..))
        );
        if !is_close {
            page.push('\n');
        }
        match &block {
            Block::Heading(heading) => {
                let _ = writeln!(page, "{}", style.bold(heading));
            }
            Block::Paragraph(text) => page.push_str(&wrapped(text, width, INDENT, INDENT)),
            Block::Item(text) => {
                let item = format!("- {text}");
                page.push_str(&wrapped(&item, width, INDENT, INDENT + 2));
            }
            Block::Term(term, text) => {
                let _ = writeln!(page, "{:INDENT$}{}", "", style.bold(term));
                page.push_str(&wrapped(text, width, INDENT + 4, INDENT + 4));
            }
            Block::Example(lines) => {
                for line in lines {
                    let _ = writeln!(page, "{:EXAMPLE_INDENT$}{line}", "");
                }
            }
        }
        before = Some(block);
    }
    page.lines().fold(String::new(), |mut page, line| {
        page.push_str(line.trim_end());
        page.push('\n');
        page
    })
}

/// Returns a text in lines of at most `width` columns, the first behind `first` blanks and the others behind `others`. A word
/// that is longer than a line has a line of its own.
pub fn wrapped(text: &str, width: usize, first: usize, others: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length <= width {
            lines.push(' ');
            column += 1 + length;
        } else {
            let indent = if lines.is_empty() { first } else { others };
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent + length;
        }
        lines.push_str(word);
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::help::{TOPICS, topic};

    #[test]
    fn a_page_is_wrapped_and_its_examples_are_not() {
        let topic = topic(
            "x",
            "about\n\nOne two three four.\n\n## Head\n\n- five six seven eight\n- nine\n= --flag N\nSays it.\n\n    an example that is long enough\n",
        );
        assert_eq!(
            of(&topic, 16, Style::default()),
            "x: about\n\n  One two three\n  four.\n\nHead\n\n  - five six\n    seven eight\n  - nine\n\n  --flag N\n      Says it.\n\n    an example that is long enough\n"
        );
        let forced = |name: &str| (name == "CLICOLOR_FORCE").then_some("1");
        let bold = of(&topic, 16, Style::of(forced, false));
        assert!(bold.contains("\n\x1b[1mHead\x1b[0m\n"), "{bold:?}");
        assert!(bold.contains("  \x1b[1m--flag N\x1b[0m\n"), "{bold:?}");
    }

    #[test]
    fn every_topic_fits_every_width() {
        for topic in &TOPICS {
            let examples = topic.examples().concat();
            for width in [40, 80, 100] {
                for line in topic.page(width, Style::default()).lines().skip(1) {
                    let is_word = !line.trim().contains(' ');
                    let is_title = !line.starts_with("   ");
                    let is_example = examples.contains(line.trim());
                    assert!(
                        line.chars().count() <= width
                            || is_word
                            || is_example
                            || (is_title && width < 80),
                        "{} at {width}: {line}",
                        topic.name
                    );
                    assert_eq!(line.trim_end(), line, "{}", topic.name);
                }
            }
        }
    }
}
