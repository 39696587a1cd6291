//! A line of an audit file, and the chain that the lines make.
//!
//! ```text
//! {"v":1,"chain":"0f1e2d3c4b5a6978","seq":7,"time":"2026-11-30T15:04:05.678Z","event":"call", … ,"prev":"…","hash":"…"}
//! ```
//!
//! The members before the dots and behind them stand at these places in every line, so that a line can be checked without a
//! reader of JSON. `seq` counts the lines of a chain from 1, across files. `hash` is the SHA-256, in hexadecimal digits, of
//! the bytes of the line before `,"hash":`; `prev` is the `hash` of the line before, 64 zeros in the first. `chain` is a
//! random number that all lines of a chain have in common.
//!
//! The hash has no key. A chain shows that lines were lost, changed or moved by a program or a person that did not compute
//! all hashes anew from there on; against one that did, a hash that was noted elsewhere is of use.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

/// The text that each line begins with.
pub const START: &str = r#"{"v":1,"chain":""#;
/// The event of a line that names half a line before it, as a writer leaves that is ended while it writes.
pub const RECOVERED: &str = "recovered";
/// The event of the first line of a chain.
pub const CREATED: &str = "created";
/// The event of the first line of a file that continues another.
pub const ROTATED: &str = "rotated";

/// The SHA-256 of a text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The predecessor of the first line.
    pub const NONE: Self = Self([0; 32]);

    /// Computes the hash of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Returns the hash that a computation over several texts ends with.
    pub fn end(computation: Sha256) -> Self {
        Self(computation.finalize().into())
    }

    /// Reads 64 small hexadecimal digits.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        hexadecimal(digits).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0, out)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The number that the lines of one chain have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; 8]);

impl ChainId {
    /// Makes the number of a new chain from random bytes.
    pub fn new(random: [u8; 8]) -> Self {
        Self(random)
    }

    /// Reads 16 small hexadecimal digits.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        hexadecimal(digits).map(Self)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0, out)
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

fn digits(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // One write for all: a batch has three hashes in each line.
    let mut text = [0; 64];
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or(b'0');
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    let text = text.get(..bytes.len() * 2).unwrap_or_default();
    out.write_str(std::str::from_utf8(text).unwrap_or_default())
}

/// Reads small hexadecimal digits, two for each byte, and no other spelling: one line has one text.
fn hexadecimal<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// A place in a chain: behind this line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The line's number.
    pub seq: u64,
    /// The line's hash.
    pub hash: Hash,
}

impl Link {
    /// The place before the first line.
    pub const BEGINNING: Self = Self {
        seq: 0,
        hash: Hash::NONE,
    };

    /// Adds a line with its end to `out`, and moves behind it. `content` is the line's members from `"time"` and `"event"`
    /// on, without braces, as JSON text on one line.
    pub fn seal(&mut self, chain: ChainId, content: &str, out: &mut String) {
        let start = out.len();
        let seq = self.seq.saturating_add(1);
        // Writing to a string does not fail.
        let _ = write!(
            out,
            r#"{START}{chain}","seq":{seq},{content},"prev":"{}""#,
            self.hash
        );
        let hash = Hash::of(out.get(start..).unwrap_or_default().as_bytes());
        let _ = writeln!(out, r#","hash":"{hash}"}}"#);
        *self = Self { seq, hash };
    }

    /// Says whether a line stands behind this place.
    pub fn is_before(&self, line: &Line<'_>) -> bool {
        line.seq == self.seq.saturating_add(1) && line.prev == self.hash
    }
}

/// A line that has the form of one. Its own hash is right; its place in the chain is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The chain it is of.
    pub chain: ChainId,
    /// Its number.
    pub seq: u64,
    /// The time (RFC 3339), UTC with milliseconds.
    pub time: &'a str,
    /// The event that it is about.
    pub event: &'a str,
    /// The hash of the line before.
    pub prev: Hash,
    /// Its own hash.
    pub hash: Hash,
    /// All of it, without the line's end.
    pub text: &'a str,
}

/// The reason why a text is no line of an audit file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLine {
    /// The text has not the form of a line.
    Form,
    /// It has the form, and its hash is another text's.
    Hash,
    /// A later version of the format.
    Newer,
}

impl<'a> Line<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// It is none, or was changed.
    pub fn parse(text: &'a [u8]) -> Result<Self, NoLine> {
        let text = std::str::from_utf8(text).map_err(|_| NoLine::Form)?;
        let Some(rest) = text.strip_prefix(START) else {
            let version = text
                .strip_prefix(r#"{"v":"#)
                .and_then(|rest| rest.split_once(','));
            let version = version.and_then(|(version, _)| version.parse().ok());
            return Err(match version {
                Some(2..=u32::MAX) => NoLine::Newer,
                _ => NoLine::Form,
            });
        };
        let (line, hashed) = Self::of_form(text, rest).ok_or(NoLine::Form)?;
        match Hash::of(hashed.as_bytes()) == line.hash {
            true => Ok(line),
            false => Err(NoLine::Hash),
        }
    }

    /// Returns the line, and the part of it that its hash is of.
    fn of_form(text: &'a str, rest: &'a str) -> Option<(Self, &'a str)> {
        const HASH: usize = r#","hash":""}"#.len() + 64;
        const PREV: usize = r#","prev":"""#.len() + 64;
        let (chain, rest) = rest.split_once(r#"","seq":"#)?;
        let (seq, rest) = rest.split_once(r#","time":""#)?;
        let (time, rest) = rest.split_once(r#"","event":""#)?;
        let (event, _) = rest.split_once('"')?;
        let (hashed, hash) = text.split_at_checked(text.len().checked_sub(HASH)?)?;
        let (_, prev) = hashed.split_at_checked(hashed.len().checked_sub(PREV)?)?;
        let hash = hash.strip_prefix(r#","hash":""#)?.strip_suffix("\"}")?;
        let prev = prev.strip_prefix(r#","prev":""#)?.strip_suffix('"')?;
        let is_number = seq.bytes().all(|byte| byte.is_ascii_digit()) && !seq.starts_with('0');
        let line = Self {
            chain: ChainId::parse(chain.as_bytes())?,
            seq: seq.parse().ok().filter(|_| is_number)?,
            time,
            event,
            prev: Hash::parse(prev.as_bytes())?,
            hash: Hash::parse(hash.as_bytes())?,
            text,
        };
        Some((line, hashed))
    }

    /// Returns the place behind this line.
    pub fn link(&self) -> Link {
        Link {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(contents: &[&str]) -> String {
        let (mut link, mut out) = (Link::BEGINNING, String::new());
        for content in contents {
            link.seal(ChainId::new([1; 8]), content, &mut out);
        }
        out
    }

    const CALL: &str = r#""time":"2026-11-30T15:04:05.678Z","event":"call","tool":"a\"b""#;

    #[test]
    fn a_line_is_json_that_names_the_line_before() {
        let text = sealed(&[CALL, CALL]);
        let mut before = Hash::NONE;
        for (line, seq) in text.lines().zip(1..) {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&json["v"], &json["seq"]), (&1.into(), &seq.into()));
            assert_eq!(json["prev"], before.to_string());
            assert_eq!(json["tool"], "a\"b");
            let read = Line::parse(line.as_bytes()).unwrap();
            assert_eq!(json["hash"], read.hash.to_string());
            assert_eq!((read.seq, read.event), (seq, "call"));
            assert_eq!(read.time, "2026-11-30T15:04:05.678Z");
            before = read.hash;
        }
    }

    /// The way that the documentation gives to check a line without mcpipe.
    #[test]
    fn the_hash_is_of_the_bytes_before_it() {
        let text = sealed(&[CALL]);
        let (before, after) = text.split_once(r#","hash":""#).unwrap();
        assert_eq!(Hash::of(before.as_bytes()).to_string(), after[..64]);
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of(b"abc").to_string(), known);
        assert_eq!(Hash::parse(known.as_bytes()), Some(Hash::of(b"abc")));
        assert_eq!(Hash::parse(known.to_uppercase().as_bytes()), None);
    }

    #[test]
    fn no_byte_of_a_line_can_be_another() {
        let text = sealed(&[CALL]);
        let text = text.trim_end();
        for at in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] ^= 1;
            assert!(Line::parse(&changed).is_err(), "{at}");
            assert!(Line::parse(&text.as_bytes()[..at]).is_err(), "{at}");
        }
        let newer = text.replace(r#"{"v":1"#, r#"{"v":2"#);
        assert_eq!(Line::parse(newer.as_bytes()), Err(NoLine::Newer));
    }
}
