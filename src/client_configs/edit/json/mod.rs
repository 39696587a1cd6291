//! JSON with comments and trailing commas (RFC 8259, and what VS Code and Zed allow beyond it), edited by its spans.
//!
//! New text follows the text around it: indentation, line ends, blanks after colons and commas, lists on one line or on
//! several, commas after last members. An object on one line stays on one line. A comment goes with a removed entry only
//! if it stands on the entry's own lines.

mod style;
pub(super) mod tree;

use std::borrow::Cow;

use jsonc_parser::ast::Value as Node;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Number, Value};

use super::error::EditError;
use super::lines::{
    Change, begins_line, changed, ends_line, indentation, is_blank, line_end, line_start, newline,
    next_line, part, position,
};
use super::path::{Segment, wrapped};
use style::Style;
use tree::{Child, Container, Gap, child, container, end_of_comments, gap};

/// Returns the values of a text; null for one without any.
pub(super) fn read(text: &str) -> Result<Value, EditError> {
    Ok(parse(text)?.as_ref().map_or(Value::Null, plain))
}

/// Writes a value at a place.
pub(super) fn put(text: &str, places: &[Segment], value: &Value) -> Result<String, EditError> {
    let root = parse(text)?;
    let Some(root) = root else {
        return Ok(appended(text, &wrapped(value, places)));
    };
    let mut open = Vec::new();
    let mut here = &root;
    let mut rest = places;
    while let Some((first, below)) = rest.split_first() {
        let Some(found) = child(here, first) else {
            break;
        };
        open.push(here);
        (here, rest) = (found, below);
    }
    let value = wrapped(value, rest.get(1..).unwrap_or_default());
    let style = Style::of(text, &root, open.iter().rev().copied().chain([here]));
    let changes = match (rest.first(), container(here)) {
        (Some(Segment::Member(name)), Some(found)) if found.is_object => {
            insert(text, &found, Some(name), &value, &style)
        }
        (Some(Segment::Item(_)), Some(found)) if !found.is_object => {
            insert(text, &found, None, &value, &style)
        }
        (first, _) => {
            let value = match first {
                Some(first) => wrapped(&value, std::slice::from_ref(first)),
                None => value,
            };
            let parent = open.last().and_then(|parent| container(parent));
            vec![replace(text, here, parent.as_ref(), &value, &style)]
        }
    };
    Ok(changed(text, changes))
}

/// Removes the value at a place, with all members of its name.
pub(super) fn take(text: &str, places: &[Segment]) -> Result<String, EditError> {
    let mut text = Cow::Borrowed(text);
    let Some((last, parents)) = places.split_last() else {
        return Err(EditError::Unsure);
    };
    loop {
        let root = parse(&text)?;
        let parent = parents
            .iter()
            .try_fold(root.as_ref().ok_or(EditError::Unsure)?, |here, segment| {
                child(here, segment).ok_or(EditError::Unsure)
            })?;
        let Some(place) = tree::index(parent, last) else {
            return Ok(text.into_owned());
        };
        let found = container(parent).ok_or(EditError::Unsure)?;
        let after = changed(&text, cut(&text, &found, place));
        if matches!(last, Segment::Item(_)) {
            return Ok(after);
        }
        drop(root);
        text = Cow::Owned(after);
    }
}

fn parse(text: &str) -> Result<Option<Node<'_>>, EditError> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options);
    let parsed = parsed.map_err(|error| {
        let (line, column) = position(text, error.range().start);
        let reason = error.kind().to_string();
        let mut rest = reason.chars();
        let first = rest.next().into_iter().flat_map(char::to_lowercase);
        EditError::Broken {
            line,
            column,
            reason: first.chain(rest).collect(),
        }
    })?;
    Ok(parsed.value)
}

fn plain(node: &Node<'_>) -> Value {
    match node {
        Node::StringLit(text) => Value::from(text.value.as_ref()),
        // A number beyond those of this machine is compared by its text.
        Node::NumberLit(number) => number
            .value
            .parse::<Number>()
            .map_or_else(|_| number.value.into(), Value::Number),
        Node::BooleanLit(truth) => truth.value.into(),
        Node::NullKeyword(_) => Value::Null,
        Node::Array(list) => list.elements.iter().map(plain).collect(),
        Node::Object(object) => {
            let members = object.properties.iter();
            let members = members.map(|it| (it.name.as_str().to_owned(), plain(&it.value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// A text without values, and a value after what it has.
fn appended(text: &str, value: &Value) -> String {
    let end = newline(text, text.len());
    let style = Style::new(end);
    let between = match is_blank(text) {
        true => return format!("{}{end}", style.written(value, Some(""))),
        false if text.ends_with('\n') => "",
        false => end,
    };
    format!("{text}{between}{}{end}", style.written(value, Some("")))
}

/// A member or an element in new words.
fn replace(
    text: &str,
    old: &Node<'_>,
    parent: Option<&Container>,
    value: &Value,
    style: &Style<'_>,
) -> Change {
    let range = old.start()..old.end();
    let has_line = |from: usize, to: usize| part(text, from..to).contains('\n');
    let is_in_line = match container(old) {
        Some(old) if !old.children.is_empty() => !has_line(old.open, old.close),
        _ => parent.is_some_and(|it| !has_line(it.open, it.close)) || style.is_one_line,
    };
    let new = match (is_in_line, value) {
        (true, _) => style.written(value, None),
        // A list that had a form keeps it.
        (false, Value::Array(items)) if has_line(range.start, range.end) => {
            style.list(items, indentation(text, range.start))
        }
        (false, _) => style.written(value, Some(indentation(text, range.start))),
    };
    (range, new)
}

/// A new last member, or element, of an object or a list.
fn insert(
    text: &str,
    parent: &Container,
    name: Option<&str>,
    value: &Value,
    style: &Style<'_>,
) -> Vec<Change> {
    let closing = indentation(text, parent.open);
    let indent = parent.indent(text, style.unit, style.is_one_line);
    let child = match name {
        Some(name) => style.member(name, value, indent.as_deref()),
        None => style.written(value, indent.as_deref()),
    };
    let end = style.newline;
    let from = parent.children.last().map_or(parent.open + 1, |it| it.end);
    let Gap { comma, comments } = gap(text, from..parent.close);
    let at = comments.last().map_or(from, |it| it.end);
    let at = comma.map_or(at, |comma| at.max(comma + 1));
    let Some(last) = parent.children.last() else {
        let rest = part(text, at..parent.close);
        return match (indent, comments.is_empty()) {
            (Some(indent), true) => {
                vec![(
                    at..parent.close,
                    format!("{end}{indent}{child}{end}{closing}"),
                )]
            }
            (Some(indent), false) if rest.contains('\n') => {
                vec![(at..at, format!("{end}{indent}{child}"))]
            }
            (Some(indent), false) => {
                vec![(
                    at..parent.close,
                    format!("{end}{indent}{child}{end}{closing}"),
                )]
            }
            (None, true) => vec![(at..parent.close, format!("{0}{child}{0}", style.padding))],
            (None, false) => vec![(at..at, format!(" {child}"))],
        };
    };
    let mut changes = Vec::new();
    if comma.is_none() {
        changes.push((last.end..last.end, ",".to_owned()));
    }
    let comma = if comma.is_some() { "," } else { "" };
    let new = match indent {
        Some(indent) => format!("{end}{indent}{child}{comma}"),
        None => format!("{}{child}{comma}", style.blank_after_comma()),
    };
    changes.push((at..at, new));
    changes
}

/// The changes that remove a member, or an element, and all that goes with it.
pub(super) fn cut(text: &str, parent: &Container, place: usize) -> Vec<Change> {
    let Some(&Child { start, end }) = parent.children.get(place) else {
        return Vec::new();
    };
    let previous = place.checked_sub(1).and_then(|it| parent.children.get(it));
    let next = parent.children.get(place + 1);
    let before = gap(text, previous.map_or(parent.open + 1, |it| it.end)..start);
    let after = gap(text, end..next.map_or(parent.close, |it| it.start));
    let (mut from, mut to) = (start, end);
    let mut changes = Vec::new();
    let leads = before.comma.filter(|comma| {
        begins_line(text, *comma) && line_start(text, *comma) == line_start(text, start)
    });
    match (before.comma, after.comma) {
        (Some(comma), own) if leads.is_some() || (next.is_none() && own.is_none()) => {
            let between = part(text, comma + 1..start);
            if is_blank(between) && !between.contains('\n') {
                from = comma;
            } else {
                changes.push((comma..comma + 1, String::new()));
            }
        }
        (_, Some(own)) if !part(text, end..own).contains('\n') => to = own + 1,
        (_, Some(own)) => match next {
            Some(next) if after.comments.is_empty() => to = next.start,
            _ => changes.push((own..own + 1, String::new())),
        },
        (_, None) => {}
    }
    to = end_of_comments(text, to, &after.comments);
    let is_alone = parent.children.len() == 1;
    let inside = parent.open + 1..parent.close;
    if is_alone && is_blank(part(text, inside.start..from)) && is_blank(part(text, to..inside.end))
    {
        return vec![(inside, String::new())];
    }
    // A closing brace directly after the last member stays directly after the last member.
    let above = part(text, 0..from).trim_ascii_end().len();
    let is_line_comment =
        |it: &std::ops::Range<usize>| it.end >= above && part(text, it.clone()).starts_with("//");
    if next.is_none()
        && begins_line(text, from)
        && !ends_line(text, to)
        && !before.comments.last().is_some_and(is_line_comment)
    {
        from = above;
    }
    changes.push((tidied(text, from..to, next.is_some()), String::new()));
    changes
}

/// The range with the blanks, and the line ends, that would stand there for nothing.
fn tidied(text: &str, range: std::ops::Range<usize>, is_followed: bool) -> std::ops::Range<usize> {
    let std::ops::Range { start, end } = range;
    let line = line_start(text, start);
    match (begins_line(text, start), ends_line(text, end)) {
        (true, true) => {
            let next = next_line(text, end);
            let above = line.checked_sub(1).map(|above| line_start(text, above));
            let above = above.filter(|above| is_blank(part(text, *above..line)));
            let is_below_open = ends_line(text, next) || !is_followed;
            let from = above.filter(|_| is_below_open).unwrap_or(line);
            match from.checked_sub(1) {
                // Of the two line ends around a last line, the one above came with it.
                Some(above) if !is_followed => {
                    line_end(text, line_start(text, above))..line_end(text, end)
                }
                _ => from..next,
            }
        }
        (false, true) => {
            let kept = part(text, line..start).trim_ascii_end().len();
            line + kept..end
        }
        (begins, false) if begins || is_followed => {
            let rest = part(text, end..line_end(text, end));
            start..end + rest.len() - rest.trim_ascii_start().len()
        }
        _ => line + part(text, line..start).trim_ascii_end().len()..end,
    }
}
