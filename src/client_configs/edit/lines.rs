//! Lines of a text, and pieces put into it.

use std::ops::Range;

/// A range of the text, and the text that is put there.
pub(super) type Change = (Range<usize>, String);

/// Returns a part of the text, empty where there is none.
pub(super) fn part(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap_or_default()
}

/// Returns the text after the changes, which do not overlap.
pub(super) fn changed(text: &str, mut changes: Vec<Change>) -> String {
    changes.sort_by_key(|(range, _)| (range.start, range.end));
    let mut after = String::with_capacity(text.len());
    let mut done = 0;
    for (range, new) in changes {
        after.push_str(part(text, done..range.start));
        after.push_str(&new);
        done = range.end;
    }
    after.push_str(part(text, done..text.len()));
    after
}

/// Returns the begin of the line of this place.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    part(text, 0..at).rfind('\n').map_or(0, |end| end + 1)
}

/// Returns the end of the line of this place, before its line end.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let end = part(text, at..text.len()).find('\n');
    let end = end.map_or(text.len(), |end| at + end);
    match part(text, at..end).ends_with('\r') {
        true => end - 1,
        false => end,
    }
}

/// Returns the begin of the line after this place, or the text's end.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    let end = part(text, at..text.len()).find('\n');
    end.map_or(text.len(), |end| at + end + 1)
}

/// Returns the blanks that the line of this place begins with.
pub(super) fn indentation(text: &str, at: usize) -> &str {
    let line = part(text, line_start(text, at)..text.len());
    let length = line.find(|c| c != ' ' && c != '\t').unwrap_or(line.len());
    part(line, 0..length)
}

/// Says whether nothing but blanks stands before this place on its line.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    is_blank(part(text, line_start(text, at)..at))
}

/// Says whether nothing but blanks stands from this place to the end of its line.
pub(super) fn ends_line(text: &str, at: usize) -> bool {
    is_blank(part(text, at..line_end(text, at)))
}

/// Says whether a text is empty but for white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.trim_ascii().is_empty()
}

/// Returns the line end that is used near this place.
pub(super) fn newline(text: &str, at: usize) -> &'static str {
    let before = part(text, 0..at).rfind('\n');
    match before.or_else(|| text.find('\n')) {
        Some(end) if part(text, 0..end).ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Returns the line and the column of a place, from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let at = (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let before = part(text, 0..at.unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = part(text, line_start(text, before.len())..before.len());
    (line, column.chars().count() + 1)
}
