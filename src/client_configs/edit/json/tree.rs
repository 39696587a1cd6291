//! The parsed text as what an edit needs of it: objects and lists alike, and what stands between their children.

use std::ops::Range;

use jsonc_parser::ast::Value as Node;
use jsonc_parser::common::Ranged as _;

use super::super::lines::{begins_line, ends_line, indentation, part};
use super::super::path::Segment;

/// A member with its name, or an element.
pub(in crate::client_configs::edit) struct Child {
    pub(in crate::client_configs::edit) start: usize,
    pub(in crate::client_configs::edit) end: usize,
}

/// An object or a list.
pub(in crate::client_configs::edit) struct Container {
    pub(in crate::client_configs::edit) is_object: bool,
    /// The place of the opening brace.
    pub(in crate::client_configs::edit) open: usize,
    /// The place of the closing brace.
    pub(in crate::client_configs::edit) close: usize,
    pub(in crate::client_configs::edit) children: Vec<Child>,
}

pub(in crate::client_configs::edit) fn container(node: &Node<'_>) -> Option<Container> {
    let of = |range: jsonc_parser::common::Range| Child {
        start: range.start,
        end: range.end,
    };
    let children = match node {
        Node::Object(object) => object.properties.iter().map(|it| of(it.range)).collect(),
        Node::Array(list) => list.elements.iter().map(|it| of(it.range())).collect(),
        _ => return None,
    };
    Some(Container {
        is_object: matches!(node, Node::Object(_)),
        open: node.start(),
        close: node.end().saturating_sub(1),
        children,
    })
}

impl Container {
    /// Returns the indentation of a child on a line of its own; `None` if children share the line.
    pub(super) fn indent(&self, text: &str, unit: &str, is_one_line: bool) -> Option<String> {
        let first = || format!("{}{}", indentation(text, self.open), unit);
        if self.children.is_empty() {
            return (!is_one_line).then(first);
        }
        if !self.has_lines(text) {
            return None;
        }
        let on_own_line = |it: &&Child| begins_line(text, it.start);
        let child = self.children.iter().rev().find(on_own_line);
        Some(child.map_or_else(first, |it| indentation(text, it.start).to_owned()))
    }

    /// Says whether a line ends between the braces and outside of the children.
    pub(in crate::client_configs::edit) fn has_lines(&self, text: &str) -> bool {
        let ends = self.children.iter().map(|it| it.end);
        let starts = self.children.iter().map(|it| it.start);
        let mut gaps = [self.open]
            .into_iter()
            .chain(ends)
            .zip(starts.chain([self.close]));
        gaps.any(|(from, to)| part(text, from..to).contains('\n'))
    }
}

/// Returns the place of the last child of this name, which is the one that counts, or of this number.
pub(in crate::client_configs::edit) fn index(node: &Node<'_>, segment: &Segment) -> Option<usize> {
    match (node, segment) {
        (Node::Object(object), Segment::Member(name)) => object
            .properties
            .iter()
            .rposition(|it| it.name.as_str() == name),
        (Node::Array(list), Segment::Item(index)) => {
            (*index < list.elements.len()).then_some(*index)
        }
        _ => None,
    }
}

/// Returns the value of a child.
pub(in crate::client_configs::edit) fn child<'n, 't>(
    node: &'n Node<'t>,
    segment: &Segment,
) -> Option<&'n Node<'t>> {
    let index = index(node, segment)?;
    match node {
        Node::Object(object) => object.properties.get(index).map(|it| &it.value),
        Node::Array(list) => list.elements.get(index),
        _ => None,
    }
}

/// The comma and the comments between two values.
#[derive(Default)]
pub(in crate::client_configs::edit) struct Gap {
    pub(in crate::client_configs::edit) comma: Option<usize>,
    pub(in crate::client_configs::edit) comments: Vec<Range<usize>>,
}

/// Reads what stands between two values.
pub(in crate::client_configs::edit) fn gap(text: &str, range: Range<usize>) -> Gap {
    let mut found = Gap::default();
    let mut at = range.start;
    while at < range.end {
        let rest = part(text, at..range.end);
        let length = if rest.starts_with("//") {
            rest.find(['\n', '\r']).unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            if rest.starts_with(',') {
                found.comma = found.comma.or(Some(at));
            }
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        found.comments.push(at..at + length);
        at += length;
    }
    found
}

/// Returns the end of the comments that stand on the rest of this place's line, if nothing else does.
pub(in crate::client_configs::edit) fn end_of_comments(
    text: &str,
    mut at: usize,
    comments: &[Range<usize>],
) -> usize {
    let from = at;
    for comment in comments.iter().filter(|it| it.start >= from) {
        let between = part(text, at..comment.end);
        if between.contains('\n') {
            break;
        }
        at = comment.end;
    }
    match ends_line(text, at) {
        true => at,
        false => from,
    }
}
