mod tampering;

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::audit::chain::{CREATED, ChainId, Hash, Link, RECOVERED, ROTATED};
use crate::audit::head::Head;

/// A writer of chains in memory.
struct Written {
    chain: ChainId,
    link: Link,
    files: Vec<String>,
}

impl Written {
    fn new(chain: u8) -> Self {
        let mut written = Self {
            chain: ChainId::new([chain; 8]),
            link: Link::BEGINNING,
            files: vec![String::new()],
        };
        written.event(CREATED, "");
        written
    }

    fn event(&mut self, event: &str, more: &str) {
        let content = format!(r#""time":"2026-11-30T15:04:05.678Z","event":"{event}"{more}"#);
        let file = self.files.last_mut().unwrap();
        self.link.seal(self.chain, &content, file);
    }

    fn calls(&mut self, number: usize) {
        for tool in 0..number {
            self.event("call", &format!(r#","tool":"t{tool}""#));
        }
    }

    /// Half a line, and the line that names it.
    fn torn(&mut self, half: &str) {
        self.files.last_mut().unwrap().push_str(half);
        self.files.last_mut().unwrap().push('\n');
        self.recovered(half);
    }

    fn recovered(&mut self, half: &str) {
        let hash = Hash::of(half.as_bytes());
        let torn = format!(r#","torn":{{"bytes":{},"sha256":"{hash}"}}"#, half.len());
        self.event(RECOVERED, &torn);
    }

    fn rotate(&mut self) {
        let from = format!(r#","from":"a.{}""#, self.files.len());
        self.files.push(String::new());
        self.event(ROTATED, &from);
    }

    fn head(&self) -> Head {
        Head {
            chain: self.chain,
            link: self.link,
            length: self.files.last().unwrap().len() as u64,
        }
    }

    /// The only chain, with these files in the place of its own.
    fn verify(&self, files: &[String]) -> Chain {
        let found = verify(files, &FoundHead::Head(self.head()));
        assert_eq!(found.len(), 1);
        found.into_iter().next().unwrap()
    }
}

fn scanned(text: &[u8], wanted: Wanted) -> Scan {
    scan(&mut Cursor::new(text), text.len() as u64, wanted).unwrap()
}

fn verify(files: &[String], head: &FoundHead) -> Vec<Chain> {
    let scanned = files.iter().enumerate().map(|(at, text)| {
        let is_last = at + 1 == files.len();
        let head = match is_last {
            true => head.clone(),
            false => FoundHead::Rotated,
        };
        let seq = match &head {
            FoundHead::Head(head) => Some(head.link.seq),
            _ => None,
        };
        let wanted = Wanted { seq, anchor: None };
        ScannedFile {
            path: match is_last {
                true => "a".to_owned(),
                false => format!("a.{}", at + 1),
            },
            scan: scanned(text.as_bytes(), wanted),
            head,
        }
    });
    let mut scanned: Vec<_> = scanned.collect();
    scanned.reverse(); // any order will do
    chains(scanned)
}

/// The fault as file, line and kind.
fn place(chain: &Chain) -> Option<(&str, u64, Kind)> {
    let (file, fault) = chain.fault.as_ref()?;
    Some((file, fault.line, fault.kind))
}

/// Three files of ten lines each.
fn three() -> Written {
    let mut written = Written::new(1);
    written.calls(9);
    written.rotate();
    written.calls(9);
    written.rotate();
    written.calls(9);
    written
}

#[test]
fn a_chain_that_nothing_happened_to_is_whole() {
    let written = three();
    let chain = written.verify(&written.files);
    assert_eq!(chain.fault, None);
    assert_eq!((chain.lines, chain.last), (30, written.link));
    assert_eq!(chain.files, ["a.1", "a.2", "a"]);
    assert_eq!(chain.notes, [""; 0]);
}

#[test]
fn the_head_is_checked() {
    let written = three();
    let with = |head: FoundHead| {
        let chains = verify(&written.files, &head);
        chains
            .iter()
            .find_map(place)
            .map(|(_, line, kind)| (line, kind))
    };
    assert_eq!(with(FoundHead::Missing), Some((0, Kind::Head)));
    assert_eq!(
        with(FoundHead::Unreadable("x".into())),
        Some((0, Kind::Head))
    );
    let head = written.head();
    let ahead = Link {
        seq: 40,
        hash: Hash::of(b""),
    };
    assert_eq!(
        with(FoundHead::Head(Head {
            link: ahead,
            ..head
        })),
        Some((11, Kind::Truncated))
    );
    let other = Link {
        seq: 28,
        hash: Hash::of(b""),
    };
    assert_eq!(
        with(FoundHead::Head(Head {
            link: other,
            ..head
        })),
        Some((0, Kind::Changed))
    );
    let chain = ChainId::new([3; 8]);
    assert_eq!(
        with(FoundHead::Head(Head { chain, ..head })),
        Some((0, Kind::Foreign))
    );
    let old = Link {
        seq: 4,
        hash: Hash::of(b""),
    };
    assert_eq!(
        with(FoundHead::Head(Head { link: old, ..head })),
        Some((0, Kind::Head))
    );
}

#[test]
fn lines_that_the_head_does_not_know_are_no_fault() {
    let mut written = Written::new(1);
    written.calls(3);
    let head = written.head();
    written.calls(2);
    let chains = verify(&written.files, &FoundHead::Head(head));
    assert_eq!(chains[0].fault, None);
    // A new file that has been begun, and the head not yet written.
    let before = written.head();
    written.rotate();
    let chains = verify(&written.files, &FoundHead::Head(before));
    assert_eq!(chains[0].fault, None);
}

#[test]
fn a_file_that_was_only_begun_belongs_to_its_chain() {
    let mut written = three();
    let head = Head {
        length: 0,
        ..written.head()
    };
    written.files.push(String::new());
    let with = |head: Head, files: &[String]| {
        let chains = verify(files, &FoundHead::Head(head));
        assert_eq!(chains.len(), 1);
        assert_eq!(chains[0].lines, 10 * (files.len() as u64 - 1));
        chains[0].fault.clone().map(|(_, fault)| fault.kind)
    };
    assert_eq!(with(head, &written.files), None);
    assert_eq!(with(head, &written.files[3..]), None);
    let files = [&written.files[..2], &written.files[3..]].concat();
    assert_eq!(with(head, &files), Some(Kind::Truncated));
    let link = Link {
        hash: Hash::NONE,
        ..head.link
    };
    assert_eq!(
        with(Head { link, ..head }, &written.files),
        Some(Kind::Changed)
    );
    assert_eq!(
        with(Head { length: 9, ..head }, &written.files),
        Some(Kind::Truncated)
    );
}

#[test]
fn half_a_line_is_no_fault_where_the_next_line_names_it() {
    for half in ["{\"v\":1,\"chain\":\"01", "", "x\ny", "\0\0\0\n\n\0", "\n"] {
        let mut written = Written::new(1);
        written.calls(2);
        written.torn(half);
        written.calls(2);
        let chain = written.verify(&written.files);
        assert_eq!(chain.fault, None, "{half:?}");
        assert_eq!(chain.notes.len(), 1);
        // Another half line, or none, is one.
        let text = &written.files[0];
        let start = text.find(&format!("}}\n{half}\n{{")).unwrap() + 2;
        let mut other = text.clone();
        other.insert(start, 'x');
        let chain = written.verify(&[other]);
        assert!(
            matches!(place(&chain), Some(("a", 4, Kind::Torn))),
            "{half:?} {chain:?}"
        );
        let mut without = text.clone();
        without.replace_range(start..=start + half.len(), "");
        let chain = written.verify(&[without]);
        assert!(
            matches!(place(&chain), Some(("a", 4, Kind::Torn))),
            "{half:?} {chain:?}"
        );
    }
}

#[test]
fn half_a_line_at_the_end_is_told() {
    let mut written = Written::new(1);
    written.calls(2);
    for rest in ["{\"v\":1", "x"] {
        let files = [format!("{}{rest}", written.files[0])];
        let chain = written.verify(&files);
        assert_eq!(chain.fault, None);
        assert_eq!(chain.notes.len(), 1);
    }
    // The end of the last line alone is missing.
    let files = [written.files[0].trim_end().to_owned()];
    assert_eq!(written.verify(&files).fault, None);
    let files = [format!("{}x\n", written.files[0])];
    assert_eq!(
        place(&written.verify(&files)),
        Some(("a", 4, Kind::Changed))
    );
}

#[test]
fn the_oldest_files_may_have_been_put_away() {
    let written = three();
    let chain = written.verify(&written.files[1..]);
    assert_eq!(chain.fault, None);
    assert_eq!(chain.before.seq, 10);
    assert!(
        chain.notes[0].contains("lines 1 to 10"),
        "{:?}",
        chain.notes
    );
    // A file that another program took away has to be given too.
    let mut written = Written::new(1);
    written.calls(9);
    written.files.push(String::new());
    written.event(ROTATED, r#","from":null"#);
    assert_eq!(written.verify(&written.files).fault, None);
    let chain = written.verify(&written.files[1..]);
    assert_eq!(place(&chain), Some(("a", 1, Kind::Removed)));
}

#[test]
fn chains_of_several_files_are_told_apart() {
    let (mut one, mut two) = (Written::new(1), Written::new(2));
    one.calls(3);
    two.calls(4);
    let files = [one.files[0].clone(), two.files[0].clone()];
    let found = verify(&files, &FoundHead::Head(two.head()));
    let found: Vec<_> = found
        .iter()
        .map(|chain| (chain.lines, chain.fault.is_none()))
        .collect();
    assert_eq!(found, [(4, true), (5, true)]);
}

#[test]
fn a_line_too_long_for_any_writer_is_no_line() {
    let mut written = Written::new(1);
    written.calls(1);
    let long = "x".repeat(9 * 1024 * 1024);
    written.torn(&long);
    written.calls(1);
    assert_eq!(written.verify(&written.files).fault, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No byte can be another, be missing or be added, except behind the last line.
    #[test]
    fn any_edit_is_found(at in 0..1_000_000usize, what in 0..3, byte in any::<u8>(), torn in any::<bool>()) {
        let mut written = three();
        if torn {
            written.torn("{\"v\":1,\"ch");
            written.calls(2);
        }
        let whole = written.files.concat().into_bytes();
        let ends: Vec<_> = written.files.iter().scan(0, |end, file| { *end += file.len(); Some(*end) }).collect();
        let at = at * whole.len() / 1_000_000;
        let file = ends.iter().position(|end| at < *end).unwrap();
        let mut files: Vec<_> = written.files.iter().map(|file| file.clone().into_bytes()).collect();
        let start = ends[file] - files[file].len();
        match what {
            0 => { if files[file][at - start] == byte { return Ok(()); } files[file][at - start] = byte; }
            1 => {
                // The end of the last line of a file may be missing.
                if at - start + 1 == files[file].len() { return Ok(()); }
                files[file].remove(at - start);
            }
            _ => files[file].insert(at - start, byte),
        }
        let scanned = files.iter().enumerate().map(|(at, text)| {
            let is_last = at == 2;
            ScannedFile {
                path: at.to_string(),
                scan: scanned(text, Wanted { seq: Some(written.link.seq), anchor: None }),
                head: if is_last { FoundHead::Head(written.head()) } else { FoundHead::Rotated },
            }
        });
        let found = chains(scanned.collect());
        prop_assert!(found.iter().any(|chain| chain.fault.is_some()), "{found:?}");
    }

    /// Any bytes are read, and no chain is found in them.
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let scan = scanned(&bytes, Wanted::default());
        prop_assert_eq!(scan.lines, 0);
    }
}
