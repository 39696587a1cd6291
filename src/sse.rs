//! Bytes to server-sent events, bounded, no I/O.
//!
//! Keeps what an event needs and nothing else: the value of a `data` line goes straight into the event it belongs to,
//! comments and unknown fields are passed over without being kept. Fields are cut at ASCII bytes, which never stand
//! inside a UTF-8 sequence, so decoding can wait for the whole event. Does not know what an event means.
//!
//! WHATWG HTML section 9.2.6; MCP 2025-11-25, basic/transports.

use std::fmt::{self, Write as _};
use std::mem;
use std::time::Duration;

use memchr::memchr2;

/// A dispatched event.
///
/// Unlike a browser's, it also comes without `data` when a block gave an `id` or a `retry`: both must be remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event`, when it is there and not empty.
    pub kind: Option<String>,
    /// The `data` lines, joined with `\n`. Empty for a priming event (SEP-1699).
    pub data: String,
    /// `id` as this event gave it: `None` leaves the stream's last id as it is, empty clears it.
    pub id: Option<String>,
    /// `retry` as this event gave it; at most `u32::MAX` milliseconds, whatever was written.
    pub retry: Option<Duration>,
}

impl Event {
    /// Returns the event as the text of a stream.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.data.len() + 64);
        for (name, value) in [("event", &self.kind), ("id", &self.id)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
        if let Some(retry) = self.retry {
            let _ = writeln!(text, "retry: {}", retry.as_millis());
        }
        for line in self.data.split('\n') {
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
        text
    }
}

/// An event grew past the parser's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {limit} bytes")]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

/// Turns chunks, cut anywhere, into events. What follows the last blank line when the stream ends is dropped,
/// except what [`Parser::end`] says.
pub struct Parser {
    limit: usize,
    /// A byte order mark may still come.
    at_start: bool,
    /// The last line ended in `\r`; a `\n` that follows belongs to it.
    after_cr: bool,
    line: Line,
    /// The start of a line up to its colon; never longer than [`LONGEST_NAME`].
    name: Vec<u8>,
    /// The value of any field but `data`.
    value: Vec<u8>,
    /// The data lines so far; `None` before the first.
    data: Option<Vec<u8>>,
    kind: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
}

/// The part of a line that comes next.
#[derive(Clone, Copy)]
enum Line {
    /// Before the colon.
    Name,
    /// Between the colon and the value, where one space is dropped.
    Colon(Field),
    Value(Field),
    /// In a comment or an unknown field.
    PassedOver,
}

#[derive(Clone, Copy)]
enum Field {
    Data,
    Event,
    Id,
    Retry,
}

const MARK: &[u8] = b"\xEF\xBB\xBF";
/// A byte order mark and `event`.
const LONGEST_NAME: usize = 8;

impl Parser {
    /// A parser that refuses events with more than `limit` bytes of data, or of anything else that has to be kept.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            at_start: true,
            after_cr: false,
            line: Line::Name,
            name: Vec::new(),
            value: Vec::new(),
            data: None,
            kind: None,
            id: None,
            retry: None,
        }
    }

    /// Takes the next bytes and pushes the events they complete.
    ///
    /// # Errors
    /// [`TooLong`]; the parser is of no use afterwards. Events completed before it have been pushed.
    pub fn push(&mut self, bytes: &[u8], events: &mut impl Extend<Event>) -> Result<(), TooLong> {
        let mut rest = bytes;
        if mem::take(&mut self.after_cr) {
            match rest.split_first() {
                Some((b'\n', after)) => rest = after,
                Some(_) => {}
                None => self.after_cr = true,
            }
        }
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let (line, after) = rest.split_at(end);
            if !self.take_whole_line(line, events)? {
                self.take(line)?;
                self.end_line(events)?;
            }
            rest = match after {
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
                [] => &[],
            };
        }
        self.take(rest)
    }

    /// The event that the stream has ended in, if all that is missing of it is the blank line after it: its data is JSON to
    /// the end. Some servers close the stream instead of writing that line.
    pub fn end(&mut self) -> Option<Event> {
        let mut events = Vec::new();
        let is_between_lines = matches!(self.line, Line::Name) && self.name.is_empty();
        if !is_between_lines {
            self.end_line(&mut events).ok()?;
        }
        serde_json::from_slice::<serde::de::IgnoredAny>(self.data.as_deref()?).ok()?;
        self.dispatch(&mut events);
        events.pop()
    }

    /// Takes a line of which nothing came before, if it is blank or a `data` line without a byte order mark: nearly all lines
    /// are, and their names need not be kept.
    fn take_whole_line(
        &mut self,
        line: &[u8],
        events: &mut impl Extend<Event>,
    ) -> Result<bool, TooLong> {
        if !matches!(self.line, Line::Name) || !self.name.is_empty() {
            return Ok(false);
        }
        if line.is_empty() {
            self.dispatch(events);
        } else if let Some(value) = line.strip_prefix(b"data:") {
            self.begin(Field::Data)?;
            self.line = Line::Colon(Field::Data);
            self.take(value)?;
            self.line = Line::Name;
        } else {
            return Ok(false);
        }
        self.at_start = false;
        Ok(true)
    }

    /// Takes a part of a line.
    fn take(&mut self, mut part: &[u8]) -> Result<(), TooLong> {
        if matches!(self.line, Line::Name) {
            part = self.take_name(part)?;
        }
        if let (Line::Colon(field), Some(first)) = (self.line, part.first()) {
            part = part.get(usize::from(*first == b' ')..).unwrap_or_default();
            self.line = Line::Value(field);
        }
        let kept = match self.line {
            Line::Value(Field::Data) => self.data.get_or_insert_default(),
            Line::Value(_) => &mut self.value,
            Line::Name | Line::Colon(_) | Line::PassedOver => return Ok(()),
        };
        if kept.len() + part.len() > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        kept.extend_from_slice(part);
        Ok(())
    }

    /// Takes what belongs to the name, and gives back what follows the colon.
    fn take_name<'a>(&mut self, part: &'a [u8]) -> Result<&'a [u8], TooLong> {
        let room = LONGEST_NAME - self.name.len();
        // One byte more than fits, because that byte may be the colon.
        let seen = part.get(..=room).unwrap_or(part);
        let Some(colon) = seen.iter().position(|byte| *byte == b':') else {
            if seen.len() > room {
                self.line = Line::PassedOver;
                return Ok(&[]);
            }
            self.name.extend_from_slice(part);
            return Ok(&[]);
        };
        let (name, value) = part.split_at(colon);
        self.name.extend_from_slice(name);
        self.line = match self.field() {
            Some(field) => {
                self.begin(field)?;
                Line::Colon(field)
            }
            None => Line::PassedOver,
        };
        Ok(value.get(1..).unwrap_or_default())
    }

    /// The field that the name read so far is that of.
    fn field(&self) -> Option<Field> {
        match self.bare_name() {
            b"data" => Some(Field::Data),
            b"event" => Some(Field::Event),
            b"id" => Some(Field::Id),
            b"retry" => Some(Field::Retry),
            _ => None,
        }
    }

    fn bare_name(&self) -> &[u8] {
        match self.name.strip_prefix(MARK) {
            Some(bare) if self.at_start => bare,
            _ => &self.name,
        }
    }

    fn begin(&mut self, field: Field) -> Result<(), TooLong> {
        self.value.clear();
        if !matches!(field, Field::Data) {
            return Ok(());
        }
        match &mut self.data {
            Some(data) if data.len() >= self.limit => return Err(TooLong { limit: self.limit }),
            Some(data) => data.push(b'\n'),
            None => self.data = Some(Vec::new()),
        }
        Ok(())
    }

    fn end_line(&mut self, events: &mut impl Extend<Event>) -> Result<(), TooLong> {
        match self.line {
            Line::Name if self.bare_name().is_empty() => self.dispatch(events),
            Line::Name => {
                // A line without a colon is a field with an empty value.
                if let Some(field) = self.field() {
                    self.begin(field)?;
                    self.keep(field);
                }
            }
            Line::Colon(field) | Line::Value(field) => self.keep(field),
            Line::PassedOver => {}
        }
        self.line = Line::Name;
        self.name.clear();
        self.at_start = false;
        Ok(())
    }

    /// Keeps a field whose line has ended.
    fn keep(&mut self, field: Field) {
        let value = mem::take(&mut self.value);
        match field {
            Field::Data => {}
            Field::Event => self.kind = Some(decoded(value)),
            Field::Id if value.contains(&0) => {}
            Field::Id => self.id = Some(decoded(value)),
            Field::Retry => self.retry = milliseconds(&value).or(self.retry),
        }
    }

    /// A blank line: what was gathered is an event, unless it is only a kind.
    fn dispatch(&mut self, events: &mut impl Extend<Event>) {
        let kind = self.kind.take().filter(|kind| !kind.is_empty());
        let (data, id, retry) = (self.data.take(), self.id.take(), self.retry.take());
        if data.is_none() && id.is_none() && retry.is_none() {
            return;
        }
        events.extend([Event {
            kind,
            data: decoded(data.unwrap_or_default()),
            id,
            retry,
        }]);
    }
}

impl fmt::Debug for Parser {
    /// Shows sizes only: what is half read may hold a person's data.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.data.as_ref().map_or(0, Vec::len);
        write!(out, "Parser ({held} of {} bytes)", self.limit)
    }
}

/// The text, with what is not UTF-8 replaced.
pub(crate) fn decoded(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Digits only; a number too large for `u32` is the largest there is, so that it can be added to any clock.
fn milliseconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u32, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    });
    Some(Duration::from_millis(number.into()))
}

#[cfg(test)]
mod tests;
