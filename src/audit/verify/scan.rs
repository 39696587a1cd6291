//! One file, line by line: the part of a chain that it holds, and the first fault.
//!
//! Half a line, as a writer leaves that is ended while it writes, is no fault where the next line of the chain is a
//! `recovered` line that names its length and hash, nor at the end of the file.

use std::io::{self, BufRead, BufReader, Read, Seek};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::fault::{Entry, Fault, classify};
use crate::audit::chain::{ChainId, Hash, Line, Link, NoLine, RECOVERED, START};

/// The longest line that is read as one, in bytes; the writer's are shorter.
const LONGEST: u64 = 4 * 1024 * 1024;
const BUFFER: usize = 64 * 1024;

/// The part of a chain that stands in one file.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// The first line.
    pub first: Option<First>,
    /// The place behind the last line.
    pub last: Option<Link>,
    /// The time of the last line.
    pub last_time: String,
    /// The number of the lines of the chain.
    pub lines: u64,
    /// The number of half lines that a `recovered` line names.
    pub recovered: u64,
    /// The place behind the last line of the chain, in bytes from the file's beginning.
    pub length: u64,
    /// True where the last line has no end.
    pub lacks_end: bool,
    /// The text behind that which is no line of the chain.
    pub rest: Option<Rest>,
    /// The first fault.
    pub fault: Option<Fault>,
    /// The hash of the line whose number was asked for.
    pub wanted: Option<Hash>,
    /// True where the hash that was asked for is a line's.
    pub has_anchor: bool,
}

/// The first line of a file.
#[derive(Clone, Debug)]
pub struct First {
    /// The chain.
    pub chain: ChainId,
    /// The place before the line.
    pub before: Link,
    /// Its time.
    pub time: String,
    /// Its event.
    pub event: String,
    /// Its text.
    pub text: String,
}

/// Bytes behind the last line of a chain.
#[derive(Clone, Debug)]
pub struct Rest {
    /// The line in the file that they begin, counted from 1.
    pub line: u64,
    /// Their number, without the end of a line behind them.
    pub bytes: u64,
    /// Their hash, without the end of a line behind them.
    pub hash: Hash,
    /// True where a line ends behind them.
    pub ends_line: bool,
}

/// The hashes that are looked for while a file is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// The number of a line whose hash is of interest.
    pub seq: Option<u64>,
    /// The hash of a line that has to be there.
    pub anchor: Option<Hash>,
}

/// Reads a file from its beginning up to this length.
///
/// # Errors
/// The system's.
pub fn scan<R: Read + Seek>(file: &mut R, length: u64, wanted: Wanted) -> io::Result<Scan> {
    let mut scanner = Scanner::new(None, wanted);
    file.rewind()?;
    let text = file.by_ref().take(length);
    lines(&mut BufReader::with_capacity(BUFFER, text), |line| {
        scanner.line(line);
    })?;
    let at = scanner.is_at_fault();
    let mut scan = scanner.end();
    if let Some(at) = at {
        file.rewind()?;
        let text = file.by_ref().take(length);
        let mut entries = Vec::new();
        lines(&mut BufReader::with_capacity(BUFFER, text), |line| {
            if line.is_first {
                let parsed = match line.is_whole {
                    true => Line::parse(line.text).map(|line| Entry::of(&line)),
                    false => Err(NoLine::Form),
                };
                entries.push(parsed);
            }
        })?;
        let (chain, last) = (scan.first.as_ref().map(|it| it.chain), scan.last);
        let last = last.unwrap_or(Link::BEGINNING);
        scan.fault = Some(classify(&entries, at, chain, last));
    }
    Ok(scan)
}

/// Reads the lines behind a place of which the chain and the length of the file before it are known.
///
/// # Errors
/// The system's.
pub fn scan_behind<R: BufRead>(
    file: &mut R,
    chain: ChainId,
    place: Link,
    length: u64,
) -> io::Result<Scan> {
    let mut scanner = Scanner::new(Some((chain, place)), Wanted::default());
    scanner.scan.length = length;
    lines(file, |line| scanner.line(line))?;
    Ok(scanner.end())
}

/// A line, or a piece of one that is too long.
struct Piece<'a> {
    text: &'a [u8],
    /// True where the line's end stood behind it.
    has_end: bool,
    is_first: bool,
    /// True for a line in one piece.
    is_whole: bool,
}

fn lines<R: BufRead>(file: &mut R, mut take: impl FnMut(&Piece<'_>)) -> io::Result<()> {
    let (mut text, mut is_first) = (Vec::new(), true);
    loop {
        text.clear();
        let read = file.by_ref().take(LONGEST).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(());
        }
        let has_end = text.pop_if(|last| *last == b'\n').is_some();
        let is_cut = !has_end && u64::try_from(read).is_ok_and(|read| read >= LONGEST);
        take(&Piece {
            text: &text,
            has_end,
            is_first,
            is_whole: is_first && !is_cut,
        });
        is_first = has_end;
    }
}

struct Scanner {
    wanted: Wanted,
    /// The chain and the place from which lines are expected; none before the first line.
    place: Option<(ChainId, Link)>,
    scan: Scan,
    /// The lines of the file, ended or not.
    seen: u64,
    unchained: Option<Unchained>,
}

/// The bytes that are no line of the chain, up to here.
struct Unchained {
    line: u64,
    bytes: u64,
    hash: Sha256,
    /// The end of a line behind them, which counts once more follows.
    ends_line: bool,
    /// True where a line's end stands in them or behind them.
    has_line_end: bool,
    /// True where each line of them is the beginning of a writer's.
    are_beginnings: bool,
}

impl Unchained {
    fn push(&mut self, piece: &Piece<'_>) {
        if piece.is_first {
            self.are_beginnings &= is_beginning(piece.text);
        }
        if self.ends_line {
            self.hash.update(b"\n");
            self.bytes = self.bytes.saturating_add(1);
        }
        self.hash.update(piece.text);
        let length = u64::try_from(piece.text.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        self.ends_line = piece.has_end;
        self.has_line_end |= piece.has_end;
    }

    fn rest(&self) -> Rest {
        Rest {
            line: self.line,
            bytes: self.bytes,
            hash: Hash::end(self.hash.clone()),
            ends_line: self.ends_line,
        }
    }
}

/// Says whether a text is a writer's line without its end.
fn is_beginning(text: &[u8]) -> bool {
    let length = text.len().min(START.len());
    text.get(..length) == START.as_bytes().get(..length) && Line::parse(text) == Err(NoLine::Form)
}

impl Scanner {
    fn new(place: Option<(ChainId, Link)>, wanted: Wanted) -> Self {
        let scan = Scan {
            last: place.map(|(_, link)| link),
            ..Scan::default()
        };
        Self {
            wanted,
            place,
            scan,
            seen: 0,
            unchained: None,
        }
    }

    fn line(&mut self, piece: &Piece<'_>) {
        self.seen += u64::from(piece.is_first);
        let line = match piece.is_whole {
            true => Line::parse(piece.text).ok(),
            false => None,
        };
        let line = line.filter(|line| self.follows(line));
        let torn = line.filter(|line| line.event == RECOVERED);
        let torn = torn.map(|line| Torn::of(line.text));
        match (&mut self.unchained, line, torn) {
            (None, Some(line), None) => self.take(&line, piece),
            (Some(unchained), Some(line), Some(torn))
                if torn == Some(Torn::from(unchained.rest())) =>
            {
                let skipped = unchained.bytes.saturating_add(1);
                self.scan.length = self.scan.length.saturating_add(skipped);
                self.scan.recovered += 1;
                self.unchained = None;
                self.take(&line, piece);
            }
            (Some(unchained), ..) => unchained.push(piece),
            (None, ..) => {
                let mut unchained = Unchained {
                    line: self.seen,
                    bytes: 0,
                    hash: Sha256::new(),
                    ends_line: false,
                    has_line_end: false,
                    are_beginnings: true,
                };
                unchained.push(piece);
                self.unchained = Some(unchained);
            }
        }
    }

    fn follows(&self, line: &Line<'_>) -> bool {
        match self.place {
            Some((chain, place)) => line.chain == chain && place.is_before(line),
            None => line.seq > 1 || line.prev == Hash::NONE,
        }
    }

    fn take(&mut self, line: &Line<'_>, piece: &Piece<'_>) {
        let scan = &mut self.scan;
        let length = u64::try_from(piece.text.len()).unwrap_or(u64::MAX);
        let length = length.saturating_add(u64::from(piece.has_end));
        scan.length = scan.length.saturating_add(length);
        scan.lines += 1;
        scan.lacks_end = !piece.has_end;
        scan.last = Some(line.link());
        scan.last_time.clear();
        scan.last_time.push_str(line.time);
        scan.first.get_or_insert_with(|| First {
            chain: line.chain,
            before: Link {
                seq: line.seq.saturating_sub(1),
                hash: line.prev,
            },
            time: line.time.into(),
            event: line.event.into(),
            text: line.text.into(),
        });
        if self.wanted.seq == Some(line.seq) {
            scan.wanted = Some(line.hash);
        }
        scan.has_anchor |= self.wanted.anchor == Some(line.hash);
        self.place = Some((line.chain, line.link()));
    }

    /// Returns the index of the line that is at fault: not half a line at the end, and not several, of writers that were ended
    /// one after another before they had named it.
    fn is_at_fault(&self) -> Option<usize> {
        let unchained = self.unchained.as_ref()?;
        let line = usize::try_from(unchained.line).ok()?;
        let is_half_line = !unchained.has_line_end || unchained.are_beginnings;
        (!is_half_line).then(|| line.saturating_sub(1))
    }

    fn end(mut self) -> Scan {
        self.scan.rest = self.unchained.map(|it| it.rest());
        self.scan
    }
}

/// The half line that a `recovered` line names.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Torn {
    bytes: u64,
    sha256: String,
}

impl Torn {
    fn of(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Recovered {
            torn: Torn,
        }
        let recovered: Recovered = serde_json::from_str(text).ok()?;
        Some(recovered.torn)
    }
}

impl From<Rest> for Torn {
    fn from(rest: Rest) -> Self {
        Self {
            bytes: rest.bytes,
            sha256: rest.hash.to_string(),
        }
    }
}
