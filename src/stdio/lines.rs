//! The host's bytes, cut into lines and read as messages.

use std::mem;

use memchr::memchr;

use crate::frame::{INVALID_REQUEST, Malformed, PARSE_ERROR, Parsed};

/// The number of bytes that are read at once: the size of a pipe.
pub(super) const BUFFER: usize = 64 * 1024;

/// A line of stdin, parsed.
pub type Line = Result<Parsed, Malformed>;

/// A line that has not ended, and what was passed over of one that is too long.
#[derive(Debug)]
pub(super) struct Lines {
    /// The longest line that is read, in bytes, line end included (`--max-message-size`).
    limit: usize,
    /// The beginning of the line whose end has not come.
    begun: Vec<u8>,
    /// The length of that line so far; it grows beyond what is kept.
    length: usize,
    /// True until the first line has ended: only that one may begin with a byte order mark.
    is_first: bool,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            begun: Vec::new(),
            length: 0,
            is_first: true,
        }
    }

    /// Takes bytes from the front of `bytes` to the end of the next line that is not blank. Returns `None` when all are
    /// taken.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Line> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end + 1);
            *bytes = rest;
            let found = if self.length == 0 && line.len() <= self.limit {
                self.read(line)
            } else {
                self.begin(line);
                self.end()
            };
            if found.is_some() {
                return found;
            }
        }
        self.begin(bytes);
        *bytes = &[];
        None
    }

    /// Returns the last line, where no line end follows it.
    pub(super) fn end(&mut self) -> Option<Line> {
        let line = mem::take(&mut self.begun);
        let length = mem::take(&mut self.length);
        if length > self.limit {
            self.is_first = false;
            let limit = self.limit;
            let reason = format!("a line of more than {limit} bytes (--max-message-size)");
            return Some(refused(INVALID_REQUEST, reason));
        }
        if self.has_mark(&line) {
            return self.read(&line);
        }
        self.is_first &= line.is_empty();
        if is_blank(&line) {
            return None;
        }
        Some(match String::from_utf8(line) {
            Ok(text) => Parsed::read_owned(text),
            Err(_) => not_utf8(),
        })
    }

    /// Reads a whole line; `None` if it is blank.
    fn read(&mut self, line: &[u8]) -> Option<Line> {
        let text = match self.has_mark(line) {
            true => line.get(MARK.len()..).unwrap_or_default(),
            false => line,
        };
        self.is_first = false;
        if is_blank(text) {
            return None;
        }
        Some(match std::str::from_utf8(text) {
            Ok(text) => Parsed::read(text),
            Err(_) => not_utf8(),
        })
    }

    /// Keeps a part of a line, unless the line is too long by then.
    fn begin(&mut self, part: &[u8]) {
        self.length = self.length.saturating_add(part.len());
        if self.length <= self.limit {
            self.begun.extend_from_slice(part);
        } else {
            self.begun = Vec::new();
        }
    }

    fn has_mark(&self, line: &[u8]) -> bool {
        self.is_first && line.starts_with(MARK)
    }
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn not_utf8() -> Line {
    refused(PARSE_ERROR, "not UTF-8".into())
}

fn refused(code: i64, reason: String) -> Line {
    let id = None;
    Err(Malformed { id, code, reason })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};
    use proptest::{collection::vec, sample::select, strategy::Strategy as _};

    use super::*;

    /// Returns the lines of these pieces, as `Debug` shows them.
    fn read<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        for mut piece in pieces {
            while let Some(line) = lines.next(&mut piece) {
                found.push(format!("{line:?}"));
            }
        }
        found.extend(lines.end().map(|line| format!("{line:?}")));
        found
    }

    #[test]
    fn blank_lines_carriage_returns_and_a_byte_order_mark_are_nothing() {
        let input = b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\r\n\n  \r\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}";
        let plain =
            b"{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}\n";
        assert_eq!(read(1000, [&input[..]]), read(1000, [&plain[..]]));
        assert_eq!(read(1000, [&plain[..]]).len(), 2);
    }

    #[test]
    fn a_line_over_the_limit_is_refused_once_and_the_next_one_read() {
        let input = [
            &b"["[..],
            &[b'x'; 100],
            b"\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}\n",
        ]
        .concat();
        for size in [1, 7, input.len()] {
            let found = read(40, input.chunks(size));
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found[0].contains("--max-message-size"), "{found:?}");
            assert!(found[1].contains("Ok"), "{found:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_a_parse_error() {
        for end in ["", "\n"] {
            let input = [
                &b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}"[..],
                end.as_bytes(),
            ]
            .concat();
            let found = read(100, [&input[..]]);
            assert!(found[0].contains("not UTF-8"), "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_their_bytes_are_cut(
            words in vec(
                prop_oneof![
                    4 => select(vec![
                        "{\"jsonrpc\":\"2.0\",\"method\":\"a\"}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"é\"}",
                        "\n", "\r\n", "\n\n", " ", "\u{feff}", "[", "x", "12345678901234567890",
                    ]).prop_map(|word| word.as_bytes().to_vec()),
                    1 => vec(any::<u8>(), 1..4),
                ],
                0..30,
            ),
            sizes in vec(1_usize..9, 1..40),
        ) {
            let input = words.concat();
            let whole: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
            let mut rest = &input[..];
            let cut = sizes.iter().map(|size| {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                rest = after;
                piece
            });
            let mut pieces: Vec<&[u8]> = cut.collect();
            pieces.push(rest);
            prop_assert_eq!(read(60, pieces), read(60, whole.iter().copied()));
            prop_assert_eq!(read(60, [&input[..]]), read(60, whole));
        }
    }
}
