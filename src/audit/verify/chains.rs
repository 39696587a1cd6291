//! Several files, in any order, put together as the chains that they hold.
//!
//! Each chain has to be whole from its first file to its last, and its end has to be the one that its head names. Its
//! beginning may be missing: the user may have put the oldest files away. That is told, and is a fault only
//! where the files do not say that mcpipe itself began a new file there.

use serde::Deserialize;

use super::fault::{Fault, Kind};
use super::scan::{First, Scan};
use crate::audit::chain::{CREATED, ChainId, Link, RECOVERED, ROTATED};
use crate::audit::head::Head;

/// A file that was read.
#[derive(Clone, Debug)]
pub struct ScannedFile {
    /// Its path, as it is shown.
    pub path: String,
    /// The lines in it.
    pub scan: Scan,
    /// The head beside it.
    pub head: FoundHead,
}

/// The head file of an audit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundHead {
    /// The head.
    Head(Head),
    /// None is there, and none has to be: the file was rotated.
    Rotated,
    /// None is there.
    Missing,
    /// There is one that cannot be read.
    Unreadable(String),
}

/// A chain, as far as it was found.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The chain; none where the files have no line.
    pub id: Option<ChainId>,
    /// Its files, oldest first.
    pub files: Vec<String>,
    /// The number of the lines found.
    pub lines: u64,
    /// The place before the first line.
    pub before: Link,
    /// The place behind the last line.
    pub last: Link,
    /// The times of the first and of the last line.
    pub times: Option<(String, String)>,
    /// True where the hash that was asked for is a line's.
    pub has_anchor: bool,
    /// Facts that a reader has to know, and that are no faults.
    pub notes: Vec<String>,
    /// The first fault, with the file that it is in.
    pub fault: Option<(String, Fault)>,
}

impl ScannedFile {
    /// Returns the chain that the file is of, and the number of the line before it. A file in which no line is yet is of its
    /// head's chain, and comes last.
    fn place(&self) -> Option<(ChainId, u64)> {
        match (&self.scan.first, &self.head) {
            (Some(first), _) => Some((first.chain, first.before.seq)),
            (None, FoundHead::Head(head)) => Some((head.chain, u64::MAX)),
            (None, _) => None,
        }
    }
}

/// Puts files together. A file of which nothing tells its chain is a chain of its own.
pub fn chains(mut files: Vec<ScannedFile>) -> Vec<Chain> {
    files.sort_by_cached_key(|file| {
        let last = file.scan.last.map_or(0, |link| link.seq);
        (file.place(), last, file.path.clone())
    });
    let is_same = |a: &ScannedFile, b: &ScannedFile| {
        let id = |file: &ScannedFile| file.place().map(|(chain, _)| chain);
        id(a).is_some() && id(a) == id(b)
    };
    files.chunk_by(is_same).filter_map(chain).collect()
}

fn chain(files: &[ScannedFile]) -> Option<Chain> {
    let first_line = files.first()?.scan.first.as_ref();
    let last = files.iter().rev().find_map(|file| file.scan.last);
    let mut last_time = files.iter().map(|file| &file.scan.last_time);
    let last_time = last_time.rfind(|time| !time.is_empty());
    let mut chain = Chain {
        id: files.first()?.place().map(|(chain, _)| chain),
        files: files.iter().map(|file| file.path.clone()).collect(),
        lines: files.iter().map(|file| file.scan.lines).sum(),
        before: first_line.map_or(Link::BEGINNING, |line| line.before),
        last: last.unwrap_or(Link::BEGINNING),
        times: first_line
            .zip(last_time)
            .map(|(line, last)| (line.time.clone(), last.clone())),
        has_anchor: files.iter().any(|file| file.scan.has_anchor),
        notes: Vec::new(),
        fault: None,
    };
    let recovered: u64 = files.iter().map(|file| file.scan.recovered).sum();
    if recovered > 0 {
        chain.notes.push(format!(
            "{recovered} times a writer was ended while it wrote; the half line is named by the line behind it"
        ));
    }
    chain.fault = fault(files, &mut chain.notes);
    Some(chain)
}

fn fault(files: &[ScannedFile], notes: &mut Vec<String>) -> Option<(String, Fault)> {
    let mut before: Option<&ScannedFile> = None;
    for file in files {
        let at_seam = match (before, &file.scan.first) {
            (Some(before), Some(first)) => seam(before, file, first),
            (None, Some(first)) => beginning(first, notes),
            _ => None,
        };
        let found = at_seam.or_else(|| file.scan.fault.clone());
        if let Some(fault) = found {
            return Some((file.path.clone(), fault));
        }
        if let Some(rest) = &file.scan.rest {
            let text = format!(
                "the last {} bytes of {} are half a line: its writer was ended while it wrote",
                rest.bytes, file.path
            );
            notes.push(text);
        }
        before = Some(file);
    }
    let last = files.last()?;
    let before = files.iter().rev().find_map(|file| file.scan.last);
    end(last, before, notes).map(|fault| (last.path.clone(), fault))
}

/// Checks that a file goes on where the one before it ends.
fn seam(before: &ScannedFile, file: &ScannedFile, first: &First) -> Option<Fault> {
    let end = before.scan.last.unwrap_or(Link::BEGINNING);
    if first.before == end {
        return None;
    }
    let (path, next) = (&before.path, end.seq.saturating_add(1));
    let same = |scan: &Scan| scan.first.as_ref().map(|first| first.before);
    if same(&before.scan) == Some(first.before) {
        let text = match before.scan.last == file.scan.last {
            true => format!("{path} holds the same lines"),
            false => format!("{path} begins with the same line, and ends with another"),
        };
        return Some(Fault::new(Kind::Duplicated, 1, text));
    }
    let number = first.before.seq.saturating_add(1);
    Some(match number > next {
        true => Fault::new(
            Kind::Gap,
            1,
            format!(
                "lines {next} to {} of the chain are missing: a file between {path} and this one, or the end of {path}",
                number - 1
            ),
        ),
        false if number == next => {
            let text = format!("it was chained to another line than the last of {path}");
            Fault::new(Kind::Changed, 1, text)
        }
        false => {
            let text = format!(
                "it begins with the number {number}, and {path} ends with {}",
                end.seq
            );
            Fault::new(Kind::Inserted, 1, text)
        }
    })
}

/// Checks the first line of a chain's first file.
fn beginning(first: &First, notes: &mut Vec<String>) -> Option<Fault> {
    #[derive(Deserialize)]
    struct Rotated {
        from: Option<String>,
    }
    let before = first.before.seq;
    let missing = match before {
        1 => "line 1 of the chain is".to_owned(),
        _ => format!("lines 1 to {before} of the chain are"),
    };
    match first.event.as_str() {
        CREATED | RECOVERED if before == 0 => None,
        // Half a line may stand before the first whole one.
        ROTATED | RECOVERED if before > 0 => {
            let rotated = serde_json::from_str::<Rotated>(&first.text);
            match rotated.ok().and_then(|rotated| rotated.from) {
                Some(from) => {
                    notes.push(format!(
                        "{missing} in {from} and the files before it, which were not given"
                    ));
                    None
                }
                None => Some(Fault::new(
                    Kind::Removed,
                    1,
                    format!(
                        "{missing} missing: another program than mcpipe took the file away; give it too"
                    ),
                )),
            }
        }
        _ => Some(Fault::new(
            Kind::Removed,
            1,
            match before {
                0 => "the first line of a chain says that it was created".to_owned(),
                _ => format!("{missing} missing before it, and no new file begins there"),
            },
        )),
    }
}

/// Checks the end of a chain's last file against the head. `before` is the last line that was found.
fn end(file: &ScannedFile, before: Option<Link>, notes: &mut Vec<String>) -> Option<Fault> {
    let (path, scan) = (&file.path, &file.scan);
    let head = match &file.head {
        FoundHead::Head(head) => head,
        FoundHead::Rotated => {
            notes.push(format!(
                "the end cannot be checked: {path} is not the last file of its chain; give that too"
            ));
            return None;
        }
        FoundHead::Missing => {
            let text =
                format!("{path}.head is not there, and without it lines may be missing at the end");
            return Some(Fault::new(Kind::Head, 0, text));
        }
        FoundHead::Unreadable(why) => {
            let text = format!("{path}.head cannot be read: {why}");
            return Some(Fault::new(Kind::Head, 0, text));
        }
    };
    let Some(first) = &scan.first else {
        return end_before(path, head, before);
    };
    let last = scan.last.unwrap_or(Link::BEGINNING);
    if head.chain != first.chain {
        let text = format!("{path}.head is of the chain {}", head.chain);
        return Some(Fault::new(Kind::Foreign, 0, text));
    }
    if head.link.seq > last.seq {
        let (from, to) = (last.seq.saturating_add(1), head.link.seq);
        let text = match to - last.seq {
            1 => format!("line {to} of the chain is missing: {path}.head says that it was written"),
            _ => format!(
                "lines {from} to {to} of the chain are missing: {path}.head says that they were written"
            ),
        };
        return Some(Fault::new(
            Kind::Truncated,
            scan.lines.saturating_add(1),
            text,
        ));
    }
    let known = match head.link.seq == first.before.seq {
        true => Some(first.before.hash),
        false => scan.wanted,
    };
    match known {
        Some(hash) if hash == head.link.hash => None,
        Some(_) => {
            let text = format!(
                "line {} of the chain has another hash than {path}.head says: lines were written anew",
                head.link.seq
            );
            Some(Fault::new(Kind::Changed, 0, text))
        }
        None => {
            let text = format!(
                "{path}.head is of an earlier file: it ends with line {}",
                head.link.seq
            );
            Some(Fault::new(Kind::Head, 0, text))
        }
    }
}

/// Checks a file in which no line is yet: its process was ended when it had begun the file, or another program emptied it.
fn end_before(path: &str, head: &Head, before: Option<Link>) -> Option<Fault> {
    let seq = head.link.seq;
    if head.length > 0 {
        let text = format!("it is empty, and {path}.head names line {seq} in it");
        return Some(Fault::new(Kind::Truncated, 0, text));
    }
    let before = before?;
    if before.seq < seq {
        let text = format!(
            "{path}.head names line {seq}, and the files before end with line {}",
            before.seq
        );
        return Some(Fault::new(Kind::Truncated, 0, text));
    }
    (before.seq == seq && before.hash != head.link.hash).then(|| {
        let text = format!("line {seq} of the chain has another hash than {path}.head says: lines were written anew");
        Fault::new(Kind::Changed, 0, text)
    })
}
