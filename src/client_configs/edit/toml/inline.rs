//! Values on the right of an equals sign: arrays and inline tables.

use toml_edit::{InlineTable, Value as Node};

use super::super::error::{EditError, unsupported};
use super::super::json::cut;
use super::super::json::tree::{Child, Container, gap};
use super::super::lines::{Change, indentation, newline, part};
use super::super::path::{Segment, wrapped};
use super::write::{quoted_name, written};
use serde_json::Value;

/// An inline table, or an array, with the places of its children.
fn container(text: &str, node: &Node) -> Result<Container, EditError> {
    let span = node.span().unwrap_or_default();
    let dotted = || unsupported(text, span.start, "an inline table with dotted keys");
    let children: Result<Vec<Child>, EditError> = match node {
        Node::Array(items) => items
            .iter()
            .map(|it| it.span().unwrap_or_default())
            .map(|it| {
                Ok(Child {
                    start: it.start,
                    end: it.end,
                })
            })
            .collect(),
        Node::InlineTable(members) => members
            .iter()
            .map(|(name, value)| {
                let start = name_span(members, name).ok_or_else(dotted)?.start;
                let end = value
                    .span()
                    .filter(|it| it.end > start)
                    .ok_or_else(dotted)?
                    .end;
                Ok(Child { start, end })
            })
            .collect(),
        _ => return Err(unsupported(text, span.start, "a value in place of a table")),
    };
    let found = Container {
        is_object: node.is_inline_table(),
        open: span.start,
        close: span.end.saturating_sub(1),
        children: children?,
    };
    let ends = found.children.iter().map(|it| it.end);
    let starts = found.children.iter().map(|it| it.start);
    let mut gaps = [found.open]
        .into_iter()
        .chain(ends)
        .zip(starts.chain([found.close]));
    match gaps.any(|(from, to)| part(text, from..to).contains('#')) {
        true => Err(unsupported(
            text,
            span.start,
            "an array with comments inside",
        )),
        false => Ok(found),
    }
}

fn name_span(members: &InlineTable, name: &str) -> Option<std::ops::Range<usize>> {
    let (key, item) = members.get_key_value(name)?;
    let is_dotted = item.as_inline_table().is_some_and(InlineTable::is_dotted);
    key.span().filter(|_| !is_dotted)
}

fn child<'n>(node: &'n Node, segment: &Segment) -> Option<(usize, &'n Node)> {
    match (node, segment) {
        (Node::InlineTable(members), Segment::Member(name)) => {
            let index = members.iter().position(|(it, _)| it == name)?;
            Some((index, members.get(name)?))
        }
        (Node::Array(items), Segment::Item(index)) => Some((*index, items.get(*index)?)),
        _ => None,
    }
}

/// Writes a value at a place inside of a value.
pub(super) fn put_inline(
    text: &str,
    node: &Node,
    rest: &[Segment],
    value: &Value,
) -> Result<Vec<Change>, EditError> {
    let Some((first, below)) = rest.split_first() else {
        return Ok(vec![(node.span().unwrap_or_default(), written(value)?)]);
    };
    if let Some((_, node)) = child(node, first) {
        return put_inline(text, node, below, value);
    }
    let found = container(text, node)?;
    let value = written(&wrapped(value, below))?;
    let new = match (first, found.is_object) {
        (Segment::Member(name), true) => format!("{} = {value}", quoted_name(name.as_str())),
        (Segment::Item(_), false) => value,
        _ => return Err(unsupported(text, found.open, "a value in place of a table")),
    };
    let Some(last) = found.children.last() else {
        let padding = if found.is_object { " " } else { "" };
        let range = found.open + 1..found.close;
        return Ok(vec![(range, format!("{padding}{new}{padding}"))]);
    };
    let comma = gap(text, last.end..found.close).comma;
    let at = comma.map_or(last.end, |comma| comma + 1);
    let before = if comma.is_some() { "" } else { "," };
    let after = if comma.is_some() { "," } else { "" };
    let between = match found.has_lines(text) {
        true => format!(
            "{}{}",
            newline(text, found.close),
            indentation(text, last.start)
        ),
        false => " ".to_owned(),
    };
    Ok(vec![(at..at, format!("{before}{between}{new}{after}"))])
}

/// Removes the value at a place inside of a value.
pub(super) fn take_inline(
    text: &str,
    node: &Node,
    rest: &[Segment],
) -> Result<Option<Vec<Change>>, EditError> {
    let Some((first, below)) = rest.split_first() else {
        return Ok(None);
    };
    let Some((index, found)) = child(node, first) else {
        return Ok(None);
    };
    match below.is_empty() {
        true => Ok(Some(cut(text, &container(text, node)?, index))),
        false => take_inline(text, found, below),
    }
}
