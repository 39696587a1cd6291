//! Secrets in texts that spell some of their characters with escapes.
//!
//! Which characters a writer escapes is the writer's choice: `encodeURIComponent` leaves `~`, `System.Text.Json` spells `+`
//! as `\u002B`, a page spells `"` as `&quot;`, and a text may be escaped twice. So the text is read as it is meant, and what
//! is found there is what stood in the text.

use std::ops::Range;

use aho_corasick::AhoCorasick;

/// The most times that a text may have been escaped.
const MOST_TIMES: usize = 3;

/// Returns the places of a finder's patterns in a text, and which, once its escapes are read. In no order.
pub(super) fn found(finder: &AhoCorasick, text: &[u8]) -> Vec<(Range<usize>, usize)> {
    found_within(finder, text, MOST_TIMES)
}

fn found_within(finder: &AhoCorasick, text: &[u8], times: usize) -> Vec<(Range<usize>, usize)> {
    let Some(read) = read(text).filter(|_| times > 0) else {
        return Vec::new();
    };
    let mut found: Vec<_> = finder
        .find_iter(&read)
        .map(|found| (found.range(), found.pattern().as_usize()))
        .collect();
    found.extend(found_within(finder, &read, times - 1));
    written(text, &mut found);
    found
}

/// The text without its escapes; `None` if it has none.
fn read(text: &[u8]) -> Option<Vec<u8>> {
    let may_escape = |byte: &u8| matches!(byte, b'%' | b'\\' | b'&');
    let first = text.iter().position(may_escape)?;
    let mut read = Vec::with_capacity(text.len());
    let (plain, mut rest) = text.split_at(first);
    read.extend_from_slice(plain);
    while let Some((byte, length)) = next(rest) {
        read.push(byte);
        rest = rest.get(length..).unwrap_or_default();
    }
    (read.len() < text.len()).then_some(read)
}

/// Turns places in what was read into places in the text that was written.
fn written(text: &[u8], found: &mut [(Range<usize>, usize)]) {
    let mut ends: Vec<&mut usize> = found
        .iter_mut()
        .flat_map(|(Range { start, end }, _)| [start, end])
        .collect();
    ends.sort_unstable();
    let (mut at, mut position) = (0, 0);
    for end in ends {
        while position < *end {
            let rest = text.get(at..).unwrap_or_default();
            at += next(rest).map_or(1, |(_, length)| length);
            position += 1;
        }
        *end = at;
    }
}

/// The next byte as it is meant, and how many bytes it is written with.
fn next(text: &[u8]) -> Option<(u8, usize)> {
    let (&first, rest) = text.split_first()?;
    let escape = match first {
        b'%' => hexadecimal(rest, 2).map(|byte| (byte, 3)),
        b'\\' => after_backslash(rest),
        b'&' => reference(rest),
        _ => None,
    };
    Some(escape.unwrap_or((first, 1)))
}

/// JSON and JavaScript.
fn after_backslash(rest: &[u8]) -> Option<(u8, usize)> {
    match rest.split_first()? {
        (b'u', digits) => hexadecimal(digits, 4).map(|byte| (byte, 6)),
        (b'x', digits) => hexadecimal(digits, 2).map(|byte| (byte, 4)),
        (&byte @ (b'"' | b'\'' | b'/' | b'\\'), _) => Some((byte, 2)),
        _ => None,
    }
}

/// A character reference of HTML to an ASCII character.
fn reference(rest: &[u8]) -> Option<(u8, usize)> {
    const LONGEST: usize = 8;
    let end = rest.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(rest.get(..end)?).ok()?;
    let byte = match name {
        "amp" => b'&',
        "quot" => b'"',
        "apos" => b'\'',
        "lt" => b'<',
        "gt" => b'>',
        "plus" => b'+',
        "equals" => b'=',
        "sol" => b'/',
        _ => {
            let number = name.strip_prefix('#')?;
            match number.strip_prefix(['x', 'X']) {
                Some(digits) => u8::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            }
        }
    };
    byte.is_ascii().then_some((byte, end + 2))
}

/// That many hexadecimal digits, of a number below 256.
fn hexadecimal(text: &[u8], digits: usize) -> Option<u8> {
    let digits = text.get(..digits)?;
    let is_number = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    u8::from_str_radix(digits, 16).ok()
}
