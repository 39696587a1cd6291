//! The parsed text: values, and the lines on which they begin and end.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::{Marker, TScalarStyle};
use yaml_rust2::yaml::Yaml;

use super::super::error::{EditError, unsupported};
use super::super::lines::{is_blank, line_end, line_start, next_line, part, position};

/// The deepest nesting that is read.
const DEEPEST: usize = 64;

/// A value and its place.
pub(super) struct Node {
    /// The byte of its first character; of a block of text, on its first line. Not to be relied on for an empty
    /// value and for a list of lines.
    pub(super) start: usize,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Scalar(Value, TScalarStyle),
    /// The names, the byte of each name's first character, and the values.
    Map(Vec<(String, usize, Node)>),
    List(Vec<Node>),
}

impl Node {
    pub(super) fn plain(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value, _) => value.clone(),
            Kind::List(items) => items.iter().map(Self::plain).collect(),
            Kind::Map(members) => {
                let members = members
                    .iter()
                    .map(|(name, _, value)| (name.clone(), value.plain()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// Says whether a map or list is written in braces.
    pub(super) fn is_flow(&self, text: &str) -> bool {
        let open = match &self.kind {
            Kind::Scalar(..) => return false,
            Kind::Map(_) => '{',
            // The place of a list of lines can be that of its first element.
            Kind::List(items) if items.first().is_some_and(|it| it.start == self.start) => {
                return false;
            }
            Kind::List(_) => '[',
        };
        part(text, self.start..text.len()).starts_with(open)
    }

    /// Says whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Scalar(value, style) => value.is_null() && *style == TScalarStyle::Plain,
            Kind::Map(members) => members.is_empty(),
            Kind::List(items) => items.is_empty(),
        }
    }

    /// The end of the last quoted text and of the last block of text in this value: lines up to there are no comments.
    pub(super) fn end_of_texts(&self, text: &str) -> Result<usize, EditError> {
        match &self.kind {
            Kind::Scalar(_, TScalarStyle::DoubleQuoted | TScalarStyle::SingleQuoted) => {
                quoted_end(text, self.start).ok_or(EditError::Unsure)
            }
            Kind::Scalar(_, TScalarStyle::Literal | TScalarStyle::Folded) => {
                block_end(text, self.start)
            }
            Kind::Scalar(..) => Ok(0),
            Kind::Map(members) => greatest(members.iter().map(|(_, _, it)| it.end_of_texts(text))),
            Kind::List(items) => greatest(items.iter().map(|it| it.end_of_texts(text))),
        }
    }
}

fn greatest(ends: impl Iterator<Item = Result<usize, EditError>>) -> Result<usize, EditError> {
    ends.reduce(|one, other| Ok(one?.max(other?)))
        .unwrap_or(Ok(0))
}

/// Returns the byte after the closing quote of the text that begins here.
pub(super) fn quoted_end(text: &str, start: usize) -> Option<usize> {
    let rest = part(text, start..text.len());
    let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' && quote == '"' {
            characters.next();
        } else if character == quote {
            if quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
                continue;
            }
            return Some(start + at + 1);
        }
    }
    None
}

/// Returns the end of the last line of the block of text whose first line holds this place.
fn block_end(text: &str, first: usize) -> Result<usize, EditError> {
    let mut header = line_start(text, first);
    while header > 0 {
        header = line_start(text, header - 1);
        if !is_blank(part(text, header..line_end(text, header))) {
            break;
        }
    }
    let line = part(text, header..line_end(text, header));
    let line = line
        .find(" #")
        .map_or(line, |comment| part(line, 0..comment));
    let indicators = line
        .rfind(['|', '>'])
        .map(|at| part(line, at + 1..line.len()).trim_ascii());
    if !matches!(indicators, Some("" | "-")) {
        return Err(unsupported(
            text,
            header,
            "a block of text that is empty, or has `+` or a number",
        ));
    }
    let mut at = line_start(text, first);
    let mut end = line_end(text, header);
    let mut indent = None;
    while at < text.len() {
        let line = part(text, at..line_end(text, at));
        let own = line.len() - line.trim_start_matches(' ').len();
        if own < line.len() {
            if own < *indent.get_or_insert(own.max(1)) {
                break;
            }
            end = line_end(text, at);
        }
        at = next_line(text, at);
    }
    Ok(end)
}

/// An open map, with the name that waits for its value, or an open list.
enum Open {
    Map(usize, Vec<(String, usize, Node)>, Option<(String, usize)>),
    List(usize, Vec<Node>),
}

/// Reads the one document of a text; `None` for a text without one.
pub(super) fn parse(text: &str) -> Result<Option<Node>, EditError> {
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let byte = |mark: Marker| bytes.get(mark.index()).copied().unwrap_or(text.len());
    if let Some(at) = lone_carriage_return(text) {
        return Err(unsupported(text, at, "a carriage return alone ends a line"));
    }
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    loop {
        let (event, mark) = parser.next_token().map_err(|error| {
            let (line, column) = position(text, byte(*error.marker()));
            let reason = error.info().to_owned();
            EditError::Broken {
                line,
                column,
                reason,
            }
        })?;
        let at = byte(mark);
        if let Some(reason) = refused(&event) {
            return Err(unsupported(text, at, reason));
        }
        let node = match event {
            Event::StreamEnd => return Ok(root),
            Event::DocumentStart if root.is_some() => {
                return Err(unsupported(text, at, "the file has several documents"));
            }
            Event::MappingStart(..) | Event::SequenceStart(..) if open.len() >= DEEPEST => {
                return Err(unsupported(text, at, "the nesting is too deep"));
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(at, Vec::new(), None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(at, Vec::new()));
                continue;
            }
            Event::Scalar(value, style, ..) => {
                if let Some(Open::Map(_, members, name @ None)) = open.last_mut() {
                    *name = Some(named(text, at, value, style, members)?);
                    continue;
                }
                Node {
                    start: at,
                    kind: Kind::Scalar(scalar(value, style), style),
                }
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(Open::Map(start, members, _)) => {
                    let is_flow = part(text, start..text.len()).starts_with('{');
                    let first = members
                        .first()
                        .map(|(_, first, _)| *first)
                        .filter(|_| !is_flow);
                    Node {
                        start: first.unwrap_or(start),
                        kind: Kind::Map(members),
                    }
                }
                Some(Open::List(start, items)) => Node {
                    start,
                    kind: Kind::List(items),
                },
                None => return Err(EditError::Unsure),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, members, name)) => match name.take() {
                Some((name, at)) => members.push((name, at, node)),
                None => return Err(unsupported(text, at, "a name that is a list or a map")),
            },
        }
    }
}

fn lone_carriage_return(text: &str) -> Option<usize> {
    let mut returns = text.match_indices('\r').map(|(at, _)| at);
    returns.find(|at| !part(text, at + 1..text.len()).starts_with('\n'))
}

/// The reason why a text with this event is not read, and so not changed.
fn refused(event: &Event) -> Option<&'static str> {
    match event {
        Event::Alias(_) => Some("an alias (`*name`) is not followed"),
        Event::Scalar(_, _, 1.., _)
        | Event::MappingStart(1.., _)
        | Event::SequenceStart(1.., _) => Some("an anchor (`&name`) is not kept for sure"),
        Event::Scalar(_, _, _, Some(_))
        | Event::MappingStart(_, Some(_))
        | Event::SequenceStart(_, Some(_)) => Some("a tag (`!name`) is not understood"),
        _ => None,
    }
}

fn named(
    text: &str,
    at: usize,
    name: String,
    style: TScalarStyle,
    members: &[(String, usize, Node)],
) -> Result<(String, usize), EditError> {
    if name == "<<" && style == TScalarStyle::Plain {
        return Err(unsupported(text, at, "a merge (`<<`) is not followed"));
    }
    if members.iter().any(|(other, _, _)| *other == name) {
        return Err(unsupported(text, at, "two members have one name"));
    }
    Ok((name, at))
}

fn scalar(text: String, style: TScalarStyle) -> Value {
    if style != TScalarStyle::Plain {
        return text.into();
    }
    match Yaml::from_str(&text) {
        Yaml::Integer(number) => number.into(),
        Yaml::Boolean(truth) => truth.into(),
        Yaml::Null => Value::Null,
        Yaml::Real(_) => {
            let number = text.parse().ok().and_then(Number::from_f64);
            number.map_or_else(|| text.into(), Value::Number)
        }
        _ => text.into(),
    }
}

/// Returns the lines of a child: up to the last that is no comment and not blank.
pub(super) fn lines_of(
    text: &str,
    node: &Node,
    start: usize,
    limit: usize,
) -> Result<Range<usize>, EditError> {
    let least = node.end_of_texts(text)?;
    let mut end = start;
    let mut at = start;
    while at < limit {
        let line = part(text, at..line_end(text, at)).trim_ascii();
        let next = next_line(text, at);
        if at < least || at == start || !(line.is_empty() || line.starts_with('#')) {
            end = next;
        }
        at = next;
    }
    Ok(start..end)
}
