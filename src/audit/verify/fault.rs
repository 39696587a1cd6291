//! A fault in a chain: its kind and its place, found from the lines around it.

use std::fmt;

use crate::audit::chain::{ChainId, Hash, Line, Link, NoLine, RECOVERED};

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line has another text than it was written with.
    Changed,
    /// Lines are missing.
    Removed,
    /// A line stands at another place than it was written to.
    Reordered,
    /// A line stands there twice.
    Duplicated,
    /// A line stands there that was not written to this chain.
    Inserted,
    /// A line of another chain, or a head file of another chain.
    Foreign,
    /// Half a line that no `recovered` line names, or a `recovered` line whose half line is not there.
    Torn,
    /// The end is missing.
    Truncated,
    /// There is no head file, or it cannot be read: the end cannot be checked.
    Head,
    /// A file between two others is missing.
    Gap,
    /// A later version of mcpipe wrote the line.
    Newer,
}

impl Kind {
    /// Returns the word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::Duplicated => "duplicated",
            Self::Inserted => "inserted",
            Self::Foreign => "foreign",
            Self::Torn => "torn",
            Self::Truncated => "truncated",
            Self::Head => "head",
            Self::Gap => "gap",
            Self::Newer => "newer",
        }
    }
}

/// The first fault of a file or a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// The line in its file, counted from 1; 0 where the file ends before it, or none is meant.
    pub line: u64,
    /// The description, without the place.
    pub text: String,
}

impl Fault {
    /// Makes a fault.
    pub fn new(kind: Kind, line: u64, text: impl Into<String>) -> Self {
        Self {
            kind,
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.kind.name(), self.text),
            line => write!(out, "line {line}: {}: {}", self.kind.name(), self.text),
        }
    }
}

/// The part of a line that tells its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) chain: ChainId,
    pub(super) link: Link,
    pub(super) prev: Hash,
    pub(super) is_recovery: bool,
}

impl Entry {
    pub(super) fn of(line: &Line<'_>) -> Self {
        Self {
            chain: line.chain,
            link: line.link(),
            prev: line.prev,
            is_recovery: line.event == RECOVERED,
        }
    }
}

/// Finds the kind of the fault at the entry `at`, the first that does not follow `last`, the place behind the entries
/// before it. `entries` are the lines of the file, all of them.
pub(super) fn classify(
    entries: &[Result<Entry, NoLine>],
    at: usize,
    chain: Option<ChainId>,
    last: Link,
) -> Fault {
    let number = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
    let fault = |kind, text: String| Fault::new(kind, number, text);
    let next = last.seq.saturating_add(1);
    let follows = |entry: &Entry| entry.link.seq == next && entry.prev == last.hash;
    let behind = entries.get(at + 1..).unwrap_or_default();
    let next_of_chain = behind.iter().flatten().find(|entry| follows(entry));
    let entry = match entries.get(at) {
        Some(Ok(entry)) => entry,
        Some(Err(NoLine::Newer)) => {
            return fault(Kind::Newer, "a later version of mcpipe wrote it".into());
        }
        Some(Err(NoLine::Hash)) => {
            return fault(Kind::Changed, "its text is not the one of its hash".into());
        }
        Some(Err(NoLine::Form)) | None => {
            return match next_of_chain {
                Some(entry) if entry.is_recovery => fault(
                    Kind::Torn,
                    "it is not the half line that the `recovered` line behind it names".into(),
                ),
                Some(_) => fault(Kind::Inserted, "it is no line of an audit file".into()),
                None => fault(Kind::Changed, "it is no line of an audit file".into()),
            };
        }
    };
    let seq = entry.link.seq;
    let before = entries.get(..at).unwrap_or_default();
    if let Some(same) = position(before, |it| it.link.hash == entry.link.hash) {
        let text = format!("it is line {} once more", same + 1);
        return fault(Kind::Duplicated, text);
    }
    if chain.is_some_and(|chain| chain != entry.chain) {
        return fault(Kind::Foreign, format!("it is of the chain {}", entry.chain));
    }
    if let Some(Ok(sibling)) = before.last()
        && (sibling.link.seq, sibling.prev) == (seq, entry.prev)
        && behind.iter().flatten().any(|it| it.prev == entry.link.hash)
    {
        let text =
            format!("line {number} has its number too, and the lines behind are chained to that");
        return Fault::new(Kind::Inserted, number - 1, text);
    }
    let is_linked = |it: &Entry| it.link.hash == entry.prev || it.prev == entry.link.hash;
    if next_of_chain.is_some() {
        return match position(entries, is_linked) {
            Some(_) => fault(
                Kind::Reordered,
                format!("it has the number {} where {next} follows", entry.link.seq),
            ),
            None => fault(
                Kind::Inserted,
                format!("no line of this file is chained to it, and {next} follows behind it"),
            ),
        };
    }
    if seq > next {
        let missing = match seq - next {
            1 => format!("line {next} of the chain is missing before it"),
            _ => format!(
                "lines {next} to {} of the chain are missing before it",
                seq - 1
            ),
        };
        return fault(Kind::Removed, missing);
    }
    if entry.is_recovery && follows(entry) {
        let text = "the half line that it names is not before it";
        return fault(Kind::Torn, text.into());
    }
    if seq == next && at > 0 {
        let text = "the line behind it was chained to another text";
        return Fault::new(Kind::Changed, number - 1, text);
    }
    let text = format!("it has the number {seq} where {next} follows");
    fault(Kind::Inserted, text)
}

fn position(entries: &[Result<Entry, NoLine>], is_it: impl Fn(&Entry) -> bool) -> Option<usize> {
    entries
        .iter()
        .position(|entry| entry.as_ref().is_ok_and(&is_it))
}
