//! TOML 1.0, edited by its spans.
//!
//! An entry is a table of its own (`[mcp_servers.NAME]`), or an inline table where its neighbours are. A comment goes
//! with a removed table if it stands directly above the header, and a blank line or nothing above it.

mod inline;
mod write;

use serde_json::{Map, Number, Value};
use toml_edit::{Document, Item, Table, TableLike, Value as Node};

use super::entry::ordered;
use super::error::{EditError, unsupported};
use super::lines::{
    Change, changed, indentation, is_blank, line_end, line_start, newline, next_line, part,
    position,
};
use super::path::Segment;
use inline::{put_inline, take_inline};
use write::{key, pair, written};

/// Returns the values of a text. Dates are texts.
pub(super) fn read(text: &str) -> Result<Value, EditError> {
    Ok(table(parse(text)?.as_table()))
}

/// Writes a value at a place.
pub(super) fn put(text: &str, places: &[Segment], value: &Value) -> Result<String, EditError> {
    let document = parse(text)?;
    let outline = Outline::of(text, &document);
    if let Some(pair) = outline.pairs.iter().find(|it| places.starts_with(&it.path)) {
        let rest = places.get(pair.path.len()..).unwrap_or_default();
        return Ok(changed(text, put_inline(text, pair.value, rest, value)?));
    }
    let is_here = |it: &Section| it.path == places;
    if let Value::Object(members) = value
        && outline.sections.iter().any(is_here)
    {
        return refilled(text, places, members);
    }
    if outline.has_below(places) {
        let without = take(text, places)?;
        return put(&without, places, value);
    }
    Ok(changed(text, vec![outline.added(text, places, value)?]))
}

/// Gives a table that has a header other members.
fn refilled(
    text: &str,
    places: &[Segment],
    members: &Map<String, Value>,
) -> Result<String, EditError> {
    let before = read(text)?;
    let old = super::path::at(&before, places).and_then(Value::as_object);
    let mut text = text.to_owned();
    for name in old.into_iter().flat_map(Map::keys) {
        let last = Segment::Member(name.clone());
        let member: Vec<_> = places.iter().cloned().chain([last]).collect();
        text = take(&text, &member)?;
    }
    let document = parse(&text)?;
    let outline = Outline::of(&text, &document);
    let here = outline.sections.iter().find(|it| it.path == places);
    let at = here.ok_or(EditError::Unsure)?.end;
    if members.is_empty() {
        return Ok(text);
    }
    let end = newline(&text, text.len());
    let lines: Result<Vec<_>, _> = ordered(members).into_iter().map(pair).collect();
    let change = as_lines(&text, at, &lines?.join(end), end);
    Ok(changed(&text, vec![change]))
}

/// Removes the value at a place, with the tables that are below it.
pub(super) fn take(text: &str, places: &[Segment]) -> Result<String, EditError> {
    let mut text = text.to_owned();
    let mut sections = None;
    loop {
        let document = parse(&text)?;
        let outline = Outline::of(&text, &document);
        // Once an element is gone, the next one has its number.
        let left = sections.unwrap_or_else(|| outline.below(places).count());
        if sections.is_some() && left == 0 && matches!(places.last(), Some(Segment::Item(_))) {
            return Ok(text);
        }
        sections = left.checked_sub(1);
        let pair = outline.pairs.iter().rev();
        let mut pair = pair.filter(|it| it.path.starts_with(places));
        let changes = if let Some(section) = outline.below(places).next_back() {
            vec![outline.section_cut(&text, section)]
        } else if let Some(pair) = pair.next() {
            let range = pair.start..next_line(&text, pair.end);
            vec![(to_the_end(&text, range), String::new())]
        } else {
            let mut around = outline
                .pairs
                .iter()
                .filter(|it| places.starts_with(&it.path));
            let Some(pair) = around.next() else {
                return Ok(text);
            };
            let rest = places.get(pair.path.len()..).unwrap_or_default();
            match take_inline(&text, pair.value, rest)? {
                Some(changes) => return Ok(changed(&text, changes)),
                None => return Ok(text),
            }
        };
        let after = changed(&text, changes);
        drop(document);
        text = after;
    }
}

fn parse(text: &str) -> Result<Document<&str>, EditError> {
    Document::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        let (line, column) = position(text, at);
        // The parser's own words; its display would quote the line, which may hold secrets.
        let reason = error
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        EditError::Broken {
            line,
            column,
            reason,
        }
    })
}

fn table(members: &dyn TableLike) -> Value {
    let members = members.iter().filter_map(|(name, item)| {
        let value = match item {
            Item::Value(value) => plain(value),
            Item::Table(inner) => table(inner),
            Item::ArrayOfTables(tables) => tables.iter().map(|it| table(it)).collect(),
            Item::None => return None,
        };
        Some((name.to_owned(), value))
    });
    Value::Object(members.collect::<Map<_, _>>())
}

fn plain(value: &Node) -> Value {
    match value {
        Node::String(text) => text.value().as_str().into(),
        Node::Integer(number) => (*number.value()).into(),
        Node::Float(number) => Number::from_f64(*number.value())
            .map_or_else(|| number.value().to_string().into(), Value::Number),
        Node::Boolean(truth) => (*truth.value()).into(),
        Node::Datetime(date) => date.value().to_string().into(),
        Node::Array(items) => items.iter().map(plain).collect(),
        Node::InlineTable(inner) => table(inner),
    }
}

/// A header, its table's path, and where the table's own lines end.
struct Section {
    path: Vec<Segment>,
    /// The begin of the header's line.
    start: usize,
    /// The begin of the line after the header, and after the last pair.
    end: usize,
}

/// A name and its value on lines of their own.
struct Pair<'d> {
    path: Vec<Segment>,
    /// The begin of its line.
    start: usize,
    /// The end of the value.
    end: usize,
    value: &'d Node,
}

/// A document as headers and pairs, in the order of the text.
struct Outline<'d> {
    sections: Vec<Section>,
    pairs: Vec<Pair<'d>>,
}

impl<'d> Outline<'d> {
    fn of(text: &str, document: &'d Document<&str>) -> Self {
        let mut outline = Self {
            sections: Vec::new(),
            pairs: Vec::new(),
        };
        outline.walk(text, document.as_table(), &mut Vec::new());
        outline.sections.sort_by_key(|it| it.start);
        outline.pairs.sort_by_key(|it| it.start);
        for pair in &outline.pairs {
            let mut own = outline.sections.iter_mut().rev();
            if let Some(section) = own.find(|it| it.start <= pair.start) {
                section.end = section.end.max(next_line(text, pair.end));
            }
        }
        outline
    }

    fn walk(&mut self, text: &str, table: &'d Table, path: &mut Vec<Segment>) {
        for (name, item) in table {
            path.push(Segment::Member(name.to_owned()));
            match item {
                Item::None => {}
                Item::Value(value) => {
                    let key = table.get_key_value(name).and_then(|(key, _)| key.span());
                    let (key, span) = (key.unwrap_or_default(), value.span().unwrap_or_default());
                    self.pairs.push(Pair {
                        path: path.clone(),
                        start: line_start(text, key.start),
                        end: span.end,
                        value,
                    });
                }
                Item::Table(inner) => {
                    if !inner.is_dotted() && !inner.is_implicit() {
                        self.section(text, inner, path);
                    }
                    self.walk(text, inner, path);
                }
                Item::ArrayOfTables(tables) => {
                    for (index, inner) in tables.iter().enumerate() {
                        path.push(Segment::Item(index));
                        self.section(text, inner, path);
                        self.walk(text, inner, path);
                        path.pop();
                    }
                }
            }
            path.pop();
        }
    }

    fn section(&mut self, text: &str, table: &Table, path: &[Segment]) {
        let span = table.span().unwrap_or_default();
        self.sections.push(Section {
            path: path.to_vec(),
            start: line_start(text, span.start),
            end: next_line(text, span.end),
        });
    }

    /// The numbers of the headers of a place and below it.
    fn below(&self, places: &[Segment]) -> impl DoubleEndedIterator<Item = usize> {
        let sections = (0..)
            .zip(&self.sections)
            .collect::<Vec<(usize, &Section)>>();
        let below = sections.into_iter();
        below
            .filter(|(_, it)| it.path.starts_with(places))
            .map(|(index, _)| index)
    }

    fn has_below(&self, places: &[Segment]) -> bool {
        self.below(places).next().is_some()
            || self.pairs.iter().any(|it| it.path.starts_with(places))
    }

    /// The section that a line stands in.
    fn section_of(&self, line: usize) -> Option<&Section> {
        self.sections.iter().rev().find(|it| it.start <= line)
    }

    /// A new table, or a new pair in a table that is there.
    fn added(&self, text: &str, places: &[Segment], value: &Value) -> Result<Change, EditError> {
        let (last, parent) = places.split_last().ok_or(EditError::Unsure)?;
        let end = newline(text, text.len());
        let here = self.sections.iter().rev().find(|it| it.path == parent);
        let is_direct =
            |pair: &&Pair<'_>| pair.path.len() == places.len() && pair.path.starts_with(parent);
        let mut direct = self.pairs.iter().filter(is_direct).peekable();
        let has_pairs = direct.peek().is_some();
        if let (Segment::Member(_), true) = (last, !value.is_object() || has_pairs)
            && (here.is_some() || has_pairs)
        {
            let above = direct.next_back();
            let at =
                above.map_or_else(|| here.map_or(0, |it| it.end), |it| next_line(text, it.end));
            let own = self
                .section_of(at.saturating_sub(1))
                .map_or(0, |it| it.path.len());
            let names = parent.get(own..).unwrap_or_default().iter().chain([last]);
            let names: Result<Vec<_>, _> = names.map(key).collect();
            let indent = above.map_or("", |it| indentation(text, it.start));
            let line = format!("{indent}{} = {}", names?.join("."), written(value)?);
            return Ok(as_lines(text, at, &line, end));
        }
        let Value::Object(members) = value else {
            return Err(unsupported(
                text,
                0,
                "the table is not written as a table of its own",
            ));
        };
        let names = places.iter().filter(|it| matches!(it, Segment::Member(_)));
        let names: Result<Vec<_>, _> = names.map(key).collect();
        let names = names?.join(".");
        let items = places
            .iter()
            .filter(|it| matches!(it, Segment::Item(_)))
            .count();
        let header = match (items, last) {
            (0, _) => format!("[{names}]"),
            (1, Segment::Item(_)) => format!("[[{names}]]"),
            _ => return Err(unsupported(text, 0, "the list is inside of another list")),
        };
        let mut lines = vec![header];
        for member in ordered(members) {
            lines.push(pair(member)?);
        }
        let lines = lines.join(end);
        let at = match (self.below(parent).next_back(), parent.is_empty()) {
            (Some(family), false) => self.end_of(text, family),
            _ => text.trim_ascii_end().len(),
        };
        let at = if at == text.trim_ascii_end().len() {
            next_line(text, at)
        } else {
            at
        };
        if is_blank(text) {
            return Ok((text.len()..text.len(), format!("{lines}{end}")));
        }
        Ok(match ends_with_line(text, at) {
            true => (at..at, format!("{end}{lines}{end}")),
            false => (at..at, format!("{end}{end}{lines}")),
        })
    }

    /// The end of a table, with the comments that are its own.
    fn end_of(&self, text: &str, place: usize) -> usize {
        let next = self.sections.get(place + 1);
        let next = next.map_or(text.len(), |it| it.start);
        let end = self.sections.get(place).map_or(next, |it| it.end);
        end_of_comments(text, end, next)
    }

    /// The change that removes a table: its lines, its comment, and the blank lines above or, at the begin of the
    /// text, below.
    fn section_cut(&self, text: &str, place: usize) -> Change {
        let Some(Section { start, .. }) = self.sections.get(place) else {
            return (0..0, String::new());
        };
        let to = self.end_of(text, place);
        let from = begin_of_comments(text, *start);
        let mut above = from;
        while above > 0 && is_blank(part(text, line_start(text, above - 1)..above)) {
            above = line_start(text, above - 1);
        }
        if above > 0 {
            return (to_the_end(text, above..to), String::new());
        }
        let rest = part(text, to..text.len());
        let blank = rest.len() - rest.trim_ascii_start().len();
        (0..line_start(text, to + blank).max(to), String::new())
    }
}

fn ends_with_line(text: &str, at: usize) -> bool {
    part(text, 0..at).ends_with('\n')
}

/// New lines at the begin of a line, or after a last line without an end.
fn as_lines(text: &str, at: usize, lines: &str, end: &str) -> Change {
    match at == 0 || ends_with_line(text, at) {
        true => (at..at, format!("{lines}{end}")),
        false => (at..at, format!("{end}{lines}")),
    }
}

/// Lines to be removed; with the line end above them if they are the last and have none, as the text had none.
fn to_the_end(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    if range.end < text.len() || text.ends_with('\n') || range.start == 0 {
        return range;
    }
    line_end(text, line_start(text, range.start - 1))..range.end
}

fn is_comment(text: &str, line: usize) -> bool {
    part(text, line..text.len())
        .trim_start_matches([' ', '\t'])
        .starts_with('#')
}

/// The begin of the comment lines directly above, if a blank line or nothing is above them.
fn begin_of_comments(text: &str, line: usize) -> usize {
    let mut from = line;
    while from > 0 && is_comment(text, line_start(text, from - 1)) {
        from = line_start(text, from - 1);
    }
    match from == 0 || is_blank(part(text, line_start(text, from - 1)..from)) {
        // A comment at the begin of the text is about the text.
        true if from > 0 => from,
        _ => line,
    }
}

/// The end of the comment lines directly below, if a blank line or nothing is below them.
fn end_of_comments(text: &str, line: usize, next: usize) -> usize {
    let mut to = line;
    while to < next && is_comment(text, to) {
        to = next_line(text, to);
    }
    let is_blank = is_blank(part(text, to..line_end(text, to)));
    match to >= text.len() || (to < next && is_blank) {
        true => to,
        false => line,
    }
}
