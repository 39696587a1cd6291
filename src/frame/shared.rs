//! The text of a message, shared by all that hold a part of it.
//!
//! An edit of a large message leaves most of its text as it was. So a text is one string, or parts of several strings
//! that are written one after another. A short part is copied, for that costs less than to share it: the text of a
//! short message is one string, whatever was edited in it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The length in bytes from which on a part is shared.
const SHARED_FROM: usize = 8 * 1024;

/// A text, cheap to clone.
#[derive(Clone)]
pub(super) enum Text {
    Whole(Arc<String>),
    Parts(Arc<Parts>),
}

/// A text in parts.
pub(super) struct Parts {
    parts: Vec<Part>,
    length: usize,
    /// The parts as one string, once that has been asked for.
    joined: OnceLock<Arc<String>>,
}

/// A part of a string that others may hold too.
#[derive(Clone)]
struct Part {
    text: Arc<String>,
    range: Range<usize>,
}

impl Part {
    fn as_str(&self) -> &str {
        self.text.get(self.range.clone()).unwrap_or_default()
    }
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        Self::Whole(Arc::new(text))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Parts(parts) => parts.length,
        }
    }

    /// The text as one string. The first call copies a text in parts, which keeps the string from then on.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Whole(text) => text,
            Self::Parts(parts) => parts.joined(),
        }
    }

    /// The text as slices that follow one another.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &str> {
        let (whole, parts) = match self {
            Self::Whole(text) => (Some(text.as_str()), &[][..]),
            Self::Parts(parts) => (None, parts.parts.as_slice()),
        };
        whole.into_iter().chain(parts.iter().map(Part::as_str))
    }

    /// Returns a range of the text. Only one that goes over the end of a part makes the text one string.
    pub(super) fn get(&self, range: Range<usize>) -> &str {
        let found = match self {
            Self::Whole(text) => text.get(range),
            Self::Parts(parts) => match parts.part(&range) {
                Some((part, within)) => part.text.get(within),
                None => parts.joined().get(range),
            },
        };
        found.unwrap_or_default()
    }
}

impl Parts {
    fn joined(&self) -> &Arc<String> {
        self.joined.get_or_init(|| {
            let mut joined = String::with_capacity(self.length);
            joined.extend(self.parts.iter().map(Part::as_str));
            Arc::new(joined)
        })
    }

    /// Finds the part that holds all of a range, and the place of the range in that part's string.
    fn part(&self, range: &Range<usize>) -> Option<(&Part, Range<usize>)> {
        let mut start = 0;
        for part in &self.parts {
            let end = start + part.range.len();
            if range.start >= start && range.end <= end {
                let offset = |at: usize| at - start + part.range.start;
                return Some((part, offset(range.start)..offset(range.end)));
            }
            start = end;
        }
        None
    }
}

/// Writes a text from new pieces and from ranges of other texts.
pub(super) struct Writer {
    parts: Vec<Part>,
    /// The length of the parts.
    before: usize,
    /// The text behind the parts.
    end: String,
}

impl Writer {
    /// Makes a writer of a text that is about that long.
    pub(super) fn with_capacity(length: usize) -> Self {
        Self {
            parts: Vec::new(),
            before: 0,
            end: String::with_capacity(length.min(SHARED_FROM)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.before + self.end.len()
    }

    /// Copies a piece.
    pub(super) fn push(&mut self, piece: &str) {
        self.end.push_str(piece);
    }

    /// Adds a range of a text: shares what is long, copies what is short.
    pub(super) fn share(&mut self, text: &Text, range: Range<usize>) {
        match text {
            Text::Whole(text) => self.share_part(text, range),
            Text::Parts(parts) => {
                let mut start = 0;
                for part in &parts.parts {
                    let end = start + part.range.len();
                    let from = range.start.clamp(start, end);
                    let to = range.end.clamp(start, end);
                    if from < to {
                        let offset = |at: usize| at - start + part.range.start;
                        self.share_part(&part.text, offset(from)..offset(to));
                    }
                    start = end;
                }
            }
        }
    }

    fn share_part(&mut self, text: &Arc<String>, range: Range<usize>) {
        if range.len() < SHARED_FROM {
            return self.end.push_str(text.get(range).unwrap_or_default());
        }
        self.end_part();
        self.before += range.len();
        self.parts.push(Part {
            text: Arc::clone(text),
            range,
        });
    }

    /// Makes a part of the text behind the parts.
    fn end_part(&mut self) {
        if !self.end.is_empty() {
            let text = std::mem::take(&mut self.end);
            self.before += text.len();
            self.parts.push(Part {
                range: 0..text.len(),
                text: Arc::new(text),
            });
        }
    }

    pub(super) fn finish(mut self) -> Text {
        if self.parts.is_empty() {
            return Text::new(self.end);
        }
        self.end_part();
        Text::Parts(Arc::new(Parts {
            parts: self.parts,
            length: self.before,
            joined: OnceLock::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces that are shared or copied, longer and shorter than what is worth sharing.
    fn pieces() -> impl Strategy<Value = Vec<(bool, usize, u8)>> {
        let piece = (any::<bool>(), 0..3 * SHARED_FROM / 2, 0..26_u8);
        prop::collection::vec(piece, 0..5)
    }

    /// The text that is written from these pieces, and the string that it stands for.
    fn written(pieces: Vec<(bool, usize, u8)>) -> (Text, String) {
        let (mut writer, mut whole) = (Writer::with_capacity(0), String::new());
        for (is_shared, length, letter) in pieces {
            let piece = char::from(b'a' + letter).to_string().repeat(length);
            whole.push_str(&piece);
            match is_shared {
                true => writer.share(&Text::new(format!("<{piece}>")), 1..1 + length),
                false => writer.push(&piece),
            }
        }
        (writer.finish(), whole)
    }

    proptest! {
        #[test]
        fn a_text_in_parts_reads_as_the_string_that_was_written(pieces in pieces(), from: prop::sample::Index, to: prop::sample::Index) {
            let (text, whole) = written(pieces);
            let (from, to) = (from.index(whole.len() + 1), to.index(whole.len() + 1));
            let range = from.min(to)..from.max(to);
            let mut again = Writer::with_capacity(0);
            again.push("[");
            again.share(&text, range.clone());
            again.push("]");
            prop_assert_eq!(again.len(), range.len() + 2);
            let again = again.finish();
            prop_assert_eq!(again.as_str(), format!("[{}]", &whole[range.clone()]));
            prop_assert_eq!(text.get(range.clone()), &whole[range]);
            prop_assert_eq!(text.pieces().collect::<String>(), &whole[..]);
            prop_assert_eq!(text.len(), whole.len());
            prop_assert_eq!(text.as_str(), whole);
        }
    }

    #[test]
    fn what_is_long_is_shared_and_what_is_short_is_one_string() {
        let long = Arc::new("x".repeat(SHARED_FROM));
        let mut writer = Writer::with_capacity(0);
        writer.push("{");
        writer.share(&Text::Whole(Arc::clone(&long)), 0..SHARED_FROM);
        writer.push("}");
        let Text::Parts(parts) = writer.finish() else {
            panic!("it was copied")
        };
        assert!(Arc::ptr_eq(&parts.parts[1].text, &long));
        let mut writer = Writer::with_capacity(0);
        writer.share(&Text::Whole(long), 1..SHARED_FROM);
        writer.push("}");
        assert!(matches!(writer.finish(), Text::Whole(_)));
    }
}
