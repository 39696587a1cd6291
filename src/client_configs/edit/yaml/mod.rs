//! YAML 1.2, edited by its lines.
//!
//! Members and elements stand on lines of their own; a map or list in braces is changed only if it is empty, or as a
//! whole. Anchors, aliases, merges, tags and several documents are refused, as is what else cannot be changed for sure.
//! A comment goes with a removed entry only if it stands between the entry's own lines.

mod tree;
mod write;

use serde_json::Value;
use yaml_rust2::scanner::TScalarStyle;

use super::error::{EditError, unsupported};
use super::lines::{Change, changed, is_blank, line_end, line_start, newline, next_line, part};
use super::path::{Segment, wrapped};
use tree::{Kind, Node, lines_of, parse, quoted_end};
use write::Indent;

const IN_BRACES: &str = "a map or list in braces is not changed in place";

/// Returns the values of a text; null for one without any.
pub(super) fn read(text: &str) -> Result<Value, EditError> {
    Ok(parse(text)?.as_ref().map_or(Value::Null, Node::plain))
}

/// A value on the way to the entry.
struct Place<'n> {
    node: &'n Node,
    /// The begin of its name, or of its dash; of the value for the root.
    own: usize,
    /// The begin of the next line that belongs to another value.
    limit: usize,
}

/// Writes a value at a place.
pub(super) fn put(text: &str, places: &[Segment], value: &Value) -> Result<String, EditError> {
    let root = parse(text)?;
    let Some(root) = root.filter(|it| !it.is_empty() || it.is_flow(text)) else {
        return appended(text, &wrapped(value, places));
    };
    let indent = indent_of(text, &root);
    let (way, rest) = walk(text, &root, places)?;
    let here = way.last().ok_or(EditError::Unsure)?;
    let change = match rest.split_first() {
        None => replaced(text, here, places.last(), value, indent)?,
        Some((first, below)) => {
            let value = wrapped(value, below);
            if here.node.is_empty() {
                filled(
                    text,
                    here,
                    &wrapped(&value, std::slice::from_ref(first)),
                    indent,
                )?
            } else {
                vec![added(text, here, first, &value, indent)?]
            }
        }
    };
    Ok(changed(text, change))
}

/// Removes the value at a place.
pub(super) fn take(text: &str, places: &[Segment]) -> Result<String, EditError> {
    let root = parse(text)?.ok_or(EditError::Unsure)?;
    let (way, rest) = walk(text, &root, places)?;
    let (here, parents) = way.split_last().ok_or(EditError::Unsure)?;
    let parent = parents.last().ok_or(EditError::Unsure)?;
    if !rest.is_empty() {
        return Err(EditError::Unsure);
    }
    if !begins(text, here.own) {
        return Err(unsupported(
            text,
            here.own,
            "the first member after a dash is not removed alone",
        ));
    }
    let lines = lines_of(text, here.node, line_start(text, here.own), here.limit)?;
    let (count, empty) = match &parent.node.kind {
        Kind::Map(members) => (members.len(), "{}"),
        Kind::List(items) => (items.len(), "[]"),
        Kind::Scalar(..) => return Err(EditError::Unsure),
    };
    let mut changes = vec![(without_last_end(text, lines), String::new())];
    if count == 1 {
        let colon = colon(text, parent.own)?;
        changes.push((colon..colon, format!(" {empty}")));
    }
    Ok(changed(text, changes))
}

fn begins(text: &str, at: usize) -> bool {
    is_blank(part(text, line_start(text, at)..at))
}

/// Lines to be removed; with the line end above them where the last one has none.
fn without_last_end(text: &str, lines: std::ops::Range<usize>) -> std::ops::Range<usize> {
    if lines.start == 0 || lines.end < text.len() || text.ends_with('\n') {
        return lines;
    }
    line_end(text, line_start(text, lines.start - 1))..lines.end
}

/// Goes down as far as the places are there.
fn walk<'n, 'p>(
    text: &str,
    root: &'n Node,
    places: &'p [Segment],
) -> Result<(Vec<Place<'n>>, &'p [Segment]), EditError> {
    let mut limit = text.len();
    let mut at = next_line(text, root.start);
    while at < text.len() {
        let line = part(text, at..text.len());
        if line.starts_with("...") || line.starts_with("---") {
            limit = at;
            break;
        }
        at = next_line(text, at);
    }
    let mut way = vec![Place {
        node: root,
        own: root.start,
        limit,
    }];
    let mut rest = places;
    while let (Some((first, below)), Some(here)) = (rest.split_first(), way.last()) {
        let index = match (&here.node.kind, first) {
            (Kind::Map(members), Segment::Member(name)) => {
                members.iter().position(|(it, _, _)| it == name)
            }
            (Kind::List(items), Segment::Item(index)) => {
                Some(*index).filter(|it| *it < items.len())
            }
            _ => None,
        };
        let Some(index) = index else {
            break;
        };
        let next = child(text, here, index)?.ok_or(EditError::Unsure)?;
        way.push(next);
        rest = below;
    }
    Ok((way, rest))
}

/// A member or an element of a block.
fn child<'n>(text: &str, parent: &Place<'n>, index: usize) -> Result<Option<Place<'n>>, EditError> {
    if parent.node.is_flow(text) {
        return Err(unsupported(text, parent.node.start, IN_BRACES));
    }
    let (node, own, next) = match &parent.node.kind {
        Kind::Map(members) => {
            let Some((_, own, node)) = members.get(index) else {
                return Ok(None);
            };
            (node, *own, members.get(index + 1).map(|(_, next, _)| *next))
        }
        Kind::List(items) => {
            let Some(node) = items.get(index) else {
                return Ok(None);
            };
            let dashes = dashes(text, parent, items.len())?;
            let own = dashes.get(index).copied().ok_or(EditError::Unsure)?;
            (node, own, dashes.get(index + 1).copied())
        }
        Kind::Scalar(..) => return Ok(None),
    };
    let limit = next.map_or(parent.limit, |next| line_start(text, next));
    Ok(Some(Place { node, own, limit }))
}

/// The dashes of a list, which stand below each other.
fn dashes(text: &str, list: &Place<'_>, count: usize) -> Result<Vec<usize>, EditError> {
    let unsure = || {
        unsupported(
            text,
            list.node.start,
            "the dashes of a list do not stand below each other",
        )
    };
    let Kind::List(items) = &list.node.kind else {
        return Err(unsure());
    };
    let first = first_dash(text, list.own).ok_or_else(unsure)?;
    let mut at = line_start(text, first);
    let column = first - at;
    let mut dashes = Vec::new();
    while at < list.limit {
        let line = part(text, at..line_end(text, at));
        let is_dash = line
            .get(column..)
            .is_some_and(|it| it == "-" || it.starts_with("- "));
        let in_text = items.get(..dashes.len()).unwrap_or_default().iter();
        let least = in_text
            .map(|it| it.end_of_texts(text).unwrap_or(0))
            .max()
            .unwrap_or(0);
        if is_dash && is_blank(part(line, 0..column)) && at >= least {
            dashes.push(at + column);
        }
        at = next_line(text, at);
    }
    match dashes.len() == count {
        true => Ok(dashes),
        false => Err(unsure()),
    }
}

/// The first dash of a list whose name begins here.
fn first_dash(text: &str, name: usize) -> Option<usize> {
    let mut at = next_line(text, name);
    loop {
        let line = part(text, at..line_end(text, at));
        let words = line.trim_ascii_start();
        if words.starts_with('-') {
            return Some(at + line.len() - words.len());
        }
        if at >= text.len() || !(words.is_empty() || words.starts_with('#')) {
            return None;
        }
        at = next_line(text, at);
    }
}

/// The place after the colon of the name that begins here.
fn colon(text: &str, name: usize) -> Result<usize, EditError> {
    let unsure = || {
        unsupported(
            text,
            name,
            "the name of a map or list is not followed by a colon on its line",
        )
    };
    let from = quoted_end(text, name).unwrap_or(name);
    let line = part(text, from..line_end(text, from));
    let ends = |at: usize| {
        line.get(at + 1..)
            .is_some_and(|it| it.is_empty() || it.starts_with(' '))
    };
    let mut colons = line.match_indices(':').map(|(at, _)| at);
    let colon = colons.find(|at| ends(*at)).ok_or_else(unsure)?;
    Ok(from + colon + 1)
}

/// The indentation of the first map and of the first list that are in a map.
fn indent_of(text: &str, root: &Node) -> Indent {
    let column = |at: usize| at - line_start(text, at);
    let mut indent = (None, None);
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        match &node.kind {
            Kind::List(items) => nodes.extend(items),
            Kind::Map(members) => {
                for (_, own, value) in members {
                    let by = |at: usize| column(at).checked_sub(column(*own));
                    match value.kind {
                        _ if value.is_flow(text) => {}
                        Kind::Map(_) => {
                            indent.0 = indent.0.or(by(value.start).filter(|it| *it > 0));
                        }
                        Kind::List(_) => {
                            indent.1 = indent.1.or(first_dash(text, *own).and_then(by));
                        }
                        Kind::Scalar(..) => {}
                    }
                    nodes.push(value);
                }
            }
            Kind::Scalar(..) => {}
        }
    }
    let map = indent.0.unwrap_or(2);
    Indent {
        map,
        list: indent.1.unwrap_or(map),
    }
}

/// A text without values, and a value after what it has.
fn appended(text: &str, value: &Value) -> Result<String, EditError> {
    let end = newline(text, text.len());
    let Value::Object(members) = value else {
        return Err(EditError::Unsure);
    };
    let indent = Indent { map: 2, list: 2 };
    let lines = members
        .iter()
        .flat_map(|(name, value)| write::member(name, value, 0, indent));
    let lines = lines.collect::<Vec<_>>().join(end);
    let between = if is_blank(text) || text.ends_with('\n') {
        ""
    } else {
        end
    };
    let text = if is_blank(text) { "" } else { text };
    Ok(format!("{text}{between}{lines}{end}"))
}

/// A value in new words.
fn replaced(
    text: &str,
    here: &Place<'_>,
    last: Option<&Segment>,
    value: &Value,
    indent: Indent,
) -> Result<Vec<Change>, EditError> {
    let column = here.own - line_start(text, here.own);
    let end = newline(text, here.own);
    let lines = match last {
        Some(Segment::Member(name)) => {
            let colon = colon(text, here.own)?;
            let is_on_line = here.node.start > colon && here.node.start <= line_end(text, colon);
            let is_single = |it: &Value| !matches!(it, Value::Object(_) | Value::Array(_));
            if let (Kind::Scalar(_, style), true, true) =
                (&here.node.kind, is_on_line, is_single(value))
                && let Some(to) = scalar_end(text, here, *style)
            {
                let new = match value {
                    Value::String(it) => write::text(it),
                    other => write::flow(other),
                };
                return Ok(vec![(here.node.start..to, new)]);
            }
            match here.node.is_flow(text) && !here.node.is_empty() {
                true => vec![format!(
                    "{} {}",
                    part(text, here.own..colon),
                    write::flow(value)
                )],
                false => write::member(name, value, column, indent),
            }
        }
        Some(Segment::Item(_)) => write::item(value, column, indent),
        None => return Err(EditError::Unsure),
    };
    let old = lines_of(text, here.node, line_start(text, here.own), here.limit)?;
    let to = match part(text, old.clone()).ends_with('\n') {
        true => line_end(text, line_start(text, old.end - 1)),
        false => old.end,
    };
    Ok(vec![(here.own..to, lines.join(end))])
}

/// The end of a text or another single value, if it ends on its first line.
fn scalar_end(text: &str, here: &Place<'_>, style: TScalarStyle) -> Option<usize> {
    let start = here.node.start;
    let line = line_end(text, start);
    match style {
        TScalarStyle::SingleQuoted | TScalarStyle::DoubleQuoted => {
            quoted_end(text, start).filter(|it| *it <= line)
        }
        TScalarStyle::Plain => {
            let lines = lines_of(text, here.node, line_start(text, here.own), here.limit).ok()?;
            let rest = part(text, start..line);
            let length = rest
                .find(" #")
                .or_else(|| rest.find("\t#"))
                .unwrap_or(rest.len());
            let value = part(rest, 0..length).trim_ascii_end();
            (lines.end <= next_line(text, start) && !value.is_empty())
                .then_some(start + value.len())
        }
        _ => None,
    }
}

/// The first child of an empty map or list.
fn filled(
    text: &str,
    here: &Place<'_>,
    value: &Value,
    indent: Indent,
) -> Result<Vec<Change>, EditError> {
    let reason = "an empty map or list is not written as `{}`, `[]` or nothing on its name's line";
    let colon = colon(text, here.own)?;
    let line = line_end(text, colon);
    let rest = part(text, colon..line);
    let comment = rest.find(" #");
    let old = comment.map_or(rest, |at| part(rest, 0..at).trim_ascii_end());
    let token: String = old.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if !matches!(token.as_str(), "" | "{}" | "[]" | "~" | "null") {
        return Err(unsupported(text, here.own, reason));
    }
    let end = newline(text, here.own);
    let column = here.own - line_start(text, here.own);
    let lines = write::member("", value, column, indent);
    let lines = lines.get(1..).unwrap_or_default().join(end);
    Ok(vec![
        (colon..colon + old.len(), String::new()),
        (line..line, format!("{end}{lines}")),
    ])
}

/// A new last child of a block.
fn added(
    text: &str,
    here: &Place<'_>,
    first: &Segment,
    value: &Value,
    indent: Indent,
) -> Result<Change, EditError> {
    if here.node.is_flow(text) {
        return Err(unsupported(text, here.node.start, IN_BRACES));
    }
    let count = match &here.node.kind {
        Kind::Map(members) => members.len(),
        Kind::List(items) => items.len(),
        Kind::Scalar(..) => return Err(EditError::Unsure),
    };
    let last = count.checked_sub(1).ok_or(EditError::Unsure)?;
    let last = child(text, here, last)?.ok_or(EditError::Unsure)?;
    let begin = line_start(text, last.own);
    let column = last.own - begin;
    let at = lines_of(text, last.node, begin, last.limit)?.end;
    let lines = match first {
        Segment::Member(name) => write::member(name, value, column, indent),
        Segment::Item(_) => write::item(value, column, indent),
    };
    let end = newline(text, last.own);
    let lines = format!("{}{}", " ".repeat(column), lines.join(end));
    Ok(match part(text, 0..at).ends_with('\n') {
        true => (at..at, format!("{lines}{end}")),
        false => (at..at, format!("{end}{lines}")),
    })
}
