//! One pass over JSON text that checks it (RFC 8259) and finds where values stand, without building any.
//!
//! Most bytes of a message are inside strings, so strings are read eight bytes at a time, as one number: a word without
//! quote, backslash and control character is passed over whole. Of a long string, blocks of 64 bytes are, which the compiler
//! looks at with vector instructions. The same over all of a message, as in simdjson, gained a quarter where strings are
//! short and nothing in texts (measured with the crate `wide`, for the standard library's vectors need `unsafe`).

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// The bytes of a string that are looked at together.
const WORD: usize = 8;
/// The bytes of a long string that are looked at together.
const BLOCK: usize = 64;
/// One in each byte of a word.
const ONES: u64 = u64::MAX / 255;
/// The highest bit of each byte of a word.
const HIGH: u64 = ONES << 7;

/// The members of one object that are noted at most. Messages have few; what has more is looked through when it is asked.
pub(super) const MAX_NOTED: usize = 64;

/// A member of an object, or an element of an array (then without a name): where its name and its value stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The name with its quotes, as written. Empty for an element of an array.
    pub(super) name: Range<usize>,
    /// The value.
    pub(super) value: Range<usize>,
}

impl Place {
    /// The name as written in `text`, quotes included.
    pub(super) fn name<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.name.clone()).unwrap_or_default()
    }

    /// The value as written in `text`.
    pub(super) fn value<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.value.clone()).unwrap_or_default()
    }
}

/// A member of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) place: Place,
    /// The places of its own members, counted from the start of its value; `None` where that is no object, or has too many.
    pub(super) members: Option<Arc<[Place]>>,
}

/// The place of a value, and those of its members as in [`Member`].
pub(super) type Noting = (Range<usize>, Option<Arc<[Place]>>);

/// Reads an object two levels deep, and calls back with each member of the first; `None` as for [`members`]. Of an object
/// that has too many members none are returned: a peer chooses how many, and each costs more here than on the wire.
pub(super) fn message(
    text: &str,
    mut each: impl FnMut(&Place),
) -> Option<(Option<Vec<Member>>, Scanned)> {
    let (mut found, mut noted) = (Vec::new(), Noted::default());
    let scanned = Scanner::over(text).whole(b'{', |scanner, name| {
        let (value, members) = scanner.noting(&mut noted)?;
        let place = Place { name, value };
        each(&place);
        if found.len() <= MAX_NOTED {
            found.push(Member { place, members });
        }
        Some(())
    })?;
    Some(((found.len() <= MAX_NOTED).then_some(found), scanned))
}

/// A value that stands alone: its place in its text, and the places of its members as in [`Member`].
pub(super) struct Value {
    pub(super) place: Range<usize>,
    pub(super) members: Option<Arc<[Place]>>,
    pub(super) scanned: Scanned,
}

/// Reads one value with white space around it; `None` for any other text.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut scanner = Scanner::over(text);
    scanner.white_space();
    let (place, members) = scanner.noting(&mut Noted::default())?;
    Some(Value {
        place,
        members,
        scanned: scanner.end()?,
    })
}

/// The places of the members of an object, counted from its start, while they are not too many.
#[derive(Default)]
pub(super) struct Noted(Vec<Place>);

impl Noted {
    /// Begins anew, for another object.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn push(&mut self, place: Place) {
        if self.0.len() <= MAX_NOTED {
            self.0.push(place);
        }
    }

    pub(super) fn places(&self) -> Option<Arc<[Place]>> {
        (self.0.len() <= MAX_NOTED).then(|| Arc::from(self.0.as_slice()))
    }
}

/// Walks an object and calls back with each member. `None` for a text that is not one JSON object, and white space around
/// it; what was called back before that is then worth nothing.
pub(super) fn members(text: &str, mut each: impl FnMut(Place)) -> Option<Scanned> {
    Scanner::over(text).whole(b'{', |scanner, name| scanner.place(name).map(&mut each))
}

/// Walks an array and calls back with each element; `None` as for [`members`].
pub(super) fn elements(text: &str, mut each: impl FnMut(Place)) -> Option<Scanned> {
    Scanner::over(text).whole(b'[', |scanner, name| scanner.place(name).map(&mut each))
}

/// Reads a name as it is written, quotes included. One with a lone surrogate, which is no text, stays as it is.
pub(super) fn read(written: &str) -> Cow<'_, str> {
    if inner(written).contains('\\') {
        let read = serde_json::from_str::<String>(written);
        Cow::Owned(read.unwrap_or_else(|_| written.to_owned()))
    } else {
        Cow::Borrowed(inner(written))
    }
}

/// Says whether a name as it is written, quotes included, reads so.
pub(super) fn reads(written: &str, name: &str) -> bool {
    inner(written) == name || inner(written).contains('\\') && read(written) == name
}

/// The text between the quotes.
pub(super) fn inner(written: &str) -> &str {
    written
        .get(1..written.len().saturating_sub(1))
        .unwrap_or_default()
}

/// A fact about a whole text, found beside its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned {
    /// True where a line break stands between two tokens. None can stand inside a string.
    pub(super) has_line_breaks: bool,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    has_line_breaks: bool,
    /// True for each open container that is an object, the innermost last.
    open: Vec<bool>,
}

impl<'a> Scanner<'a> {
    fn over(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            has_line_breaks: false,
            open: Vec::new(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn white_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' => {}
                b'\n' | b'\r' => self.has_line_breaks = true,
                _ => return,
            }
            self.at += 1;
        }
    }

    /// The whole text as one container.
    fn whole(
        mut self,
        opening: u8,
        each: impl FnMut(&mut Self, Range<usize>) -> Option<()>,
    ) -> Option<Scanned> {
        self.white_space();
        (self.peek()? == opening).then_some(())?;
        self.content(opening == b'{', each)?;
        self.end()
    }

    /// The end of the text, and white space before it.
    fn end(mut self) -> Option<Scanned> {
        self.white_space();
        (self.at == self.bytes.len()).then_some(Scanned {
            has_line_breaks: self.has_line_breaks,
        })
    }

    /// The value here: its place, and the places of its members where it is an object that has not too many.
    fn noting(&mut self, noted: &mut Noted) -> Option<Noting> {
        let start = self.at;
        if self.peek()? != b'{' {
            self.value()?;
            return Some((start..self.at, None));
        }
        noted.clear();
        self.content(true, |scanner, name| {
            let Place { name, value } = scanner.place(name)?;
            let from_start = |range: Range<usize>| range.start - start..range.end - start;
            noted.push(Place {
                name: from_start(name),
                value: from_start(value),
            });
            Some(())
        })?;
        Some((start..self.at, noted.places()))
    }

    /// A container that begins here. `each` reads each value, given the place of its name.
    fn content(
        &mut self,
        is_object: bool,
        mut each: impl FnMut(&mut Self, Range<usize>) -> Option<()>,
    ) -> Option<()> {
        let closing = if is_object { b'}' } else { b']' };
        self.at += 1;
        self.white_space();
        if self.peek()? == closing {
            self.at += 1;
            return Some(());
        }
        loop {
            let name = if is_object {
                self.name()?
            } else {
                self.at..self.at
            };
            each(self, name)?;
            self.white_space();
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => self.white_space(),
                byte if byte == closing => return Some(()),
                _ => return None,
            }
        }
    }

    /// The value here, and its place beside that of its name.
    fn place(&mut self, name: Range<usize>) -> Option<Place> {
        let start = self.at;
        self.value()?;
        let value = start..self.at;
        Some(Place { name, value })
    }

    /// A name, its colon, and the white space around that.
    fn name(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.take(b'"')?;
        self.string()?;
        let name = start..self.at;
        self.white_space();
        self.take(b':')?;
        self.white_space();
        Some(name)
    }

    /// A value, however deep: without recursion, for a peer chooses the depth.
    fn value(&mut self) -> Option<()> {
        self.open.clear();
        loop {
            // A value begins here.
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    self.string()?;
                }
                b'{' => {
                    self.at += 1;
                    self.white_space();
                    if self.peek()? == b'}' {
                        self.at += 1;
                    } else {
                        self.open.push(true);
                        self.name()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.white_space();
                    if self.peek()? == b']' {
                        self.at += 1;
                    } else {
                        self.open.push(false);
                        continue;
                    }
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => return None,
            }
            // A value has ended here, and with it perhaps what it stands in.
            loop {
                let Some(&is_object) = self.open.last() else {
                    return Some(());
                };
                self.white_space();
                match (self.peek()?, is_object) {
                    (b',', _) => {
                        self.at += 1;
                        self.white_space();
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        self.open.pop();
                    }
                    _ => return None,
                }
            }
        }
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.bytes
            .get(self.at..)?
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    /// A number (RFC 8259 section 6).
    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// The rest of a string, behind its opening quote.
    fn string(&mut self) -> Option<()> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let special = match rest.split_first_chunk::<BLOCK>() {
                Some((near, far)) => match special_in_words(near) {
                    Some(special) => special,
                    None => BLOCK + special_in_blocks(far)?,
                },
                None => special_in_words(rest)?,
            };
            self.at += special + 1;
            match rest.get(special)? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// The rest of an escape, behind its backslash. Surrogates need no partner, as in all of JSON's grammar.
    fn escape(&mut self) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }
}

/// Finds the first byte that [`is_special`].
fn special_in_words(bytes: &[u8]) -> Option<usize> {
    let (words, last) = bytes.as_chunks::<WORD>();
    let marks = words.iter().map(|word| specials(u64::from_le_bytes(*word)));
    Some(match marks.enumerate().find(|(_, marks)| *marks != 0) {
        Some((at, marks)) => at * WORD + (marks.trailing_zeros() / 8) as usize,
        None => bytes.len() - last.len() + last.iter().position(|&byte| is_special(byte))?,
    })
}

/// The same where none is expected soon.
#[inline(never)]
fn special_in_blocks(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // All of a block, for a loop that may end early is not made one of vectors.
    let has_special = |block: &[u8; BLOCK]| {
        let specials = block.iter().map(|&byte| is_special(byte));
        specials.fold(false, |any, is_special| any | is_special)
    };
    let plain = blocks.iter().position(has_special);
    let start = plain.unwrap_or(blocks.len()) * BLOCK;
    Some(start + special_in_words(bytes.get(start..)?)?)
}

/// The lowest mark is on the first byte of a little-endian word that [`is_special`]; none if no byte is. What is marked
/// behind that may be wrong: a subtraction borrows from the next byte where it finds something.
fn specials(word: u64) -> u64 {
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\')) & HIGH
}

/// Says whether a byte ends a run of plain characters in a string: a quote, a backslash, or a control character, which
/// must be escaped there (RFC 8259 section 7).
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < b' ')
}

#[cfg(test)]
mod tests;
