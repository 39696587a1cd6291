//! A topic as a section of the manual: roff with the macros of man(7).

use std::fmt::Write as _;

use crate::help::{Block, Topic};

pub(super) fn section(topic: &Topic) -> String {
    let name = topic.name.to_uppercase();
    let mut out = format!(".SH \"{name}\"\n{}\n", text(topic.about()));
    for block in topic.blocks() {
        let _ = match block {
            Block::Heading(heading) => writeln!(out, ".SS \"{}\"", quoted(heading)),
            Block::Paragraph(paragraph) => writeln!(out, ".PP\n{}", text(paragraph)),
            Block::Item(item) => writeln!(out, ".IP \\(bu 2\n{}", text(item)),
            Block::Term(term, meaning) => writeln!(out, ".TP\n{}\n{}", bold(term), text(meaning)),
            Block::Example(lines) => {
                let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
                writeln!(out, ".PP\n.RS 4\n.nf\n{}\n.fi\n.RE", lines.join("\n"))
            }
        };
    }
    // A heading begins a paragraph by itself.
    let mut lines = Vec::new();
    for line in out.lines() {
        let is_heading = |line: &&str| line.starts_with(".SS ") || line.starts_with(".SH ");
        if line != ".PP" || !lines.last().is_some_and(is_heading) {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

/// Returns words of a text in the language of the manual: backslashes, dashes and what would begin a request escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            // As typed, and not as a hyphen of a language.
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '…' => out.push_str("..."),
            c => out.push(c),
        }
    }
    match out.starts_with('.') {
        true => format!("\\&{out}"),
        false => out,
    }
}

/// Returns a paragraph: what stands in backticks is bold, and each sentence begins a line.
fn text(paragraph: &str) -> String {
    let mut out = String::new();
    for (nth, part) in paragraph.split('`').enumerate() {
        match nth % 2 {
            0 => out.push_str(&escaped_inside(part)),
            _ => {
                let _ = write!(out, "\\fB{}\\fR", escaped_inside(part));
            }
        }
    }
    match out.starts_with('.') {
        true => format!("\\&{out}"),
        false => out,
    }
}

fn bold(term: &str) -> String {
    format!("\\fB{}\\fR", escaped_inside(&term.replace('`', "")))
}

fn quoted(heading: &str) -> String {
    escaped_inside(heading).replace('"', "\\(dq")
}

fn escaped_inside(part: &str) -> String {
    let escaped = escaped(part);
    match escaped.strip_prefix("\\&") {
        Some(inside) => inside.to_owned(),
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::help::topic;

    #[test]
    fn what_roff_would_take_as_its_own_is_escaped() {
        let topic = topic(
            "x",
            "about\n\n.x `--a\\b` it's ~\n\n    .example 'y'\n\n= --flag\nSays.\n",
        );
        assert_eq!(
            section(&topic),
            ".SH \"X\"\nabout\n.PP\n\\&.x \\fB\\-\\-a\\eb\\fR it\\(aqs \\(ti\n.PP\n.RS 4\n.nf\n\\&.example \\(aqy\\(aq\n.fi\n.RE\n.TP\n\\fB\\-\\-flag\\fR\nSays.\n"
        );
    }
}
