use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::file::AuditFile;
use super::verify::{Chain, Kind};
use super::*;
use crate::clock::Clock;

struct Place {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        Self { directory, path }
    }

    fn file(&self) -> AuditFile {
        self.file_of(u64::MAX)
    }

    fn file_of(&self, max_size: u64) -> AuditFile {
        AuditFile::new(&self.path, max_size, clock())
    }

    fn beside(&self, extension: &str) -> PathBuf {
        beside(&self.path, extension)
    }

    /// All files of the directory, checked.
    fn verify(&self) -> Vec<Chain> {
        let files = fs::read_dir(self.directory.path()).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        read(&files, None).unwrap()
    }

    /// The only chain, which is whole.
    fn whole(&self) -> Chain {
        let mut chains = self.verify();
        assert_eq!(chains.len(), 1, "{chains:?}");
        let chain = chains.remove(0);
        assert_eq!(chain.fault, None, "{chain:?}");
        chain
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn add(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).open(&self.path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn clock() -> Clock {
    Clock::new(|| SystemTime::UNIX_EPOCH + Duration::from_millis(1_796_052_245_678))
}

const CALL: &str = r#""time":"2026-11-30T15:24:05.678Z","event":"call""#;

fn write(file: &mut AuditFile, lines: usize) {
    let appended = file.append(&vec![CALL; lines], None);
    assert!(appended.error.is_none(), "{appended:?}");
    assert_eq!(appended.written, lines);
}

fn refusal(file: &mut AuditFile) -> Error {
    let appended = file.append(&[CALL], None);
    assert_eq!(appended.written, 0);
    appended.error.unwrap()
}

fn events(text: &str) -> Vec<String> {
    let events = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["event"].as_str().unwrap().to_owned()
    });
    events.collect()
}

#[test]
fn two_writers_go_on_with_one_chain() {
    let place = Place::new();
    let (mut one, mut two) = (place.file(), place.file());
    for _ in 0..3 {
        write(&mut one, 2);
        write(&mut two, 1);
    }
    let chain = place.whole();
    assert_eq!((chain.lines, chain.before.seq), (10, 0));
    assert_eq!(events(&place.text())[..2], ["created", "call"]);
    #[cfg(unix)]
    for path in [
        place.path.clone(),
        place.beside("head"),
        place.beside("lock"),
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_file_that_is_long_enough_is_renamed_and_the_chain_goes_on() {
    let place = Place::new();
    let (mut one, mut two) = (place.file_of(2000), place.file_of(2000));
    for _ in 0..10 {
        write(&mut one, 1);
        write(&mut two, 2);
    }
    let chain = place.whole();
    assert!(chain.files.len() > 4, "{chain:?}");
    let lines = 1 + 30 + chain.files.len() - 1; // created, calls, rotated
    assert_eq!(chain.lines, lines as u64);
    // Nothing is renamed again, and a missing file is found.
    fs::remove_file(place.beside("2")).unwrap();
    let fault = place.verify().remove(0).fault.unwrap();
    assert!(fault.0.ends_with("audit.jsonl.3"), "{fault:?}");
    assert_eq!((fault.1.kind, fault.1.line), (Kind::Gap, 1));
    write(&mut one, 20);
    assert!(!place.beside("2").exists());
}

#[test]
fn a_file_that_was_cut_is_not_continued() {
    let place = Place::new();
    let mut file = place.file();
    write(&mut file, 5);
    let text = place.text();
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    for cut in [last, last + 9, text.len() - 1, 1] {
        fs::write(&place.path, &text[..cut]).unwrap();
        for mut file in [place.file(), AuditFile::new(&place.path, 1, clock())] {
            let error = refusal(&mut file);
            assert!(matches!(error, Error::Altered { seq: 6, .. }), "{error:?}");
        }
        assert_eq!(place.text(), text[..cut]);
    }
    let changed = text.replace("\"hash\":\"", "\"hash\":\"0");
    fs::write(&place.path, changed).unwrap();
    assert!(matches!(refusal(&mut file), Error::Altered { .. }));
    // Nor one that was put back, with its head, to an earlier time.
    fs::write(&place.path, &text).unwrap();
    let head = fs::read(place.beside("head")).unwrap();
    write(&mut file, 1);
    fs::write(&place.path, &text).unwrap();
    fs::write(place.beside("head"), head).unwrap();
    assert!(matches!(refusal(&mut file), Error::Altered { seq: 7, .. }));
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let place = Place::new();
    fs::write(&place.path, "my notes\n").unwrap();
    assert!(matches!(refusal(&mut place.file()), Error::NoHead(_)));
    assert_eq!(place.text(), "my notes\n");
    assert!(!place.beside("head").exists());
    fs::remove_file(&place.path).unwrap();
    fs::write(place.beside("head"), "x").unwrap();
    assert!(matches!(refusal(&mut place.file()), Error::Head(_)));
}

#[cfg(unix)]
#[test]
fn links_pipes_and_directories_are_no_audit_files() {
    let place = Place::new();
    let target = place.beside("target");
    std::os::unix::fs::symlink(&target, &place.path).unwrap();
    let error = refusal(&mut place.file());
    assert!(
        error
            .to_string()
            .ends_with("is a symbolic link, which is not followed"),
        "{error}"
    );
    assert!(!error.may_pass() && !target.exists());
    fs::remove_file(&place.path).unwrap();
    fs::create_dir(&place.path).unwrap();
    assert!(!refusal(&mut place.file()).may_pass());
    fs::remove_dir(&place.path).unwrap();
    std::os::unix::fs::symlink(&target, place.beside("head")).unwrap();
    assert!(matches!(refusal(&mut place.file()), Error::File(_)));
    assert!(!target.exists());
}

#[test]
fn half_a_line_of_a_process_that_was_ended_is_named_by_the_next_line() {
    let line = r#"{"v":1,"chain":"0f1e"#;
    for half in [line, "x", "\0\0\0", "a\nb\n", "\n"] {
        let place = Place::new();
        write(&mut place.file(), 2);
        place.add(half);
        write(&mut place.file(), 2);
        let chain = place.whole();
        assert_eq!((chain.lines, chain.notes.len()), (6, 1), "{half:?}");
    }
}

#[test]
fn a_process_that_is_ended_while_it_names_half_a_line_leaves_another() {
    let place = Place::new();
    write(&mut place.file(), 2);
    for half in [r#"{"v":1,"chain":"0f1e"#, "\n{\"v\":1,\"ch", "\n", "{"] {
        place.add(half);
        assert_eq!(place.whole().lines, 3, "{half:?}");
    }
    let written = place.text();
    write(&mut place.file(), 1);
    assert_eq!(place.whole().lines, 5);
    // No other text.
    fs::write(&place.path, format!("{written}\nhello\n")).unwrap();
    assert!(place.verify()[0].fault.is_some());
}

#[test]
fn whole_lines_that_the_head_does_not_know_are_continued() {
    let place = Place::new();
    write(&mut place.file(), 2);
    let head = fs::read(place.beside("head")).unwrap();
    write(&mut place.file(), 3);
    fs::write(place.beside("head"), &head).unwrap();
    assert_eq!(place.whole().lines, 6);
    write(&mut place.file(), 1);
    assert_eq!(place.whole().lines, 7);
    // The same where the last line lost its end, or the first line its rest.
    fs::write(place.beside("head"), &head).unwrap();
    let text = place.text();
    fs::write(&place.path, text.trim_end()).unwrap();
    write(&mut place.file(), 1);
    assert_eq!(place.whole().lines, 8);
}

#[test]
fn a_first_line_that_was_not_finished_is_named_too() {
    let place = Place::new();
    write(&mut place.file(), 1);
    let head = fs::read_to_string(place.beside("head")).unwrap();
    let id = &head[16..32];
    let empty = head::Head {
        chain: chain::ChainId::parse(id.as_bytes()).unwrap(),
        link: chain::Link::BEGINNING,
        length: 0,
    };
    fs::write(place.beside("head"), empty.text()).unwrap();
    fs::write(&place.path, &place.text()[..40]).unwrap();
    write(&mut place.file(), 1);
    let chain = place.whole();
    assert_eq!((chain.lines, chain.before.seq), (2, 0));
    // A process that was ended even before that.
    fs::write(place.beside("head"), "").unwrap();
    fs::write(&place.path, "").unwrap();
    write(&mut place.file(), 1);
    assert_eq!(place.whole().lines, 2);
}

#[test]
fn a_process_that_was_ended_while_it_renamed_the_file_breaks_no_chain() {
    for is_head_written in [false, true] {
        for half in [None, Some(""), Some("{\"v\":1,")] {
            let place = Place::new();
            write(&mut place.file(), 3);
            fs::rename(&place.path, place.beside("1")).unwrap();
            if is_head_written {
                let head = fs::read_to_string(place.beside("head")).unwrap();
                let head = head::Head {
                    length: 0,
                    ..head::Head::parse(&head).unwrap()
                };
                fs::write(place.beside("head"), head.text()).unwrap();
            }
            match half {
                Some(half) if is_head_written || half.is_empty() => {
                    fs::write(&place.path, half).unwrap();
                }
                _ => {}
            }
            write(&mut place.file(), 2);
            let chain = place.whole();
            assert_eq!(chain.files.len(), 2);
            // The new file says which one it continues.
            let alone = read(std::slice::from_ref(&place.path), None)
                .unwrap()
                .remove(0);
            assert_eq!(alone.fault, None, "{is_head_written} {half:?}");
            assert!(
                alone
                    .notes
                    .iter()
                    .any(|note| note.contains("audit.jsonl.1")),
                "{:?}",
                alone.notes
            );
        }
    }
}

#[test]
fn the_chain_goes_on_where_another_program_rotates() {
    // Renamed, with lines that the head does not know.
    let place = Place::new();
    write(&mut place.file(), 2);
    let head = fs::read(place.beside("head")).unwrap();
    write(&mut place.file(), 2);
    fs::write(place.beside("head"), &head).unwrap();
    fs::rename(&place.path, place.beside("1")).unwrap();
    write(&mut place.file(), 1);
    assert_eq!(place.whole().lines, 7);
    // Copied and emptied.
    fs::copy(&place.path, place.beside("2")).unwrap();
    fs::write(&place.path, "").unwrap();
    write(&mut place.file(), 1);
    assert_eq!(place.whole().lines, 9);
    // Taken to another place: the chain tells, and the file is asked for.
    let elsewhere = place.directory.path().join("elsewhere");
    fs::rename(&place.path, &elsewhere).unwrap();
    write(&mut place.file(), 1);
    let alone = read(std::slice::from_ref(&place.path), None)
        .unwrap()
        .remove(0);
    assert_eq!(alone.fault.unwrap().1.kind, Kind::Removed);
    assert_eq!(place.whole().lines, 11);
}

#[test]
fn a_chain_that_was_put_away_whole_is_named_by_the_next() {
    let place = Place::new();
    let mut file = place.file();
    write(&mut file, 3);
    let first = place.whole();
    fs::remove_file(&place.path).unwrap();
    fs::remove_file(place.beside("head")).unwrap();
    write(&mut file, 1);
    assert!(
        place
            .text()
            .contains(&format!(r#""seq":4,"hash":"{}""#, first.last.hash))
    );
    assert_ne!(place.whole().id, first.id);
}

#[test]
fn the_hash_that_is_asked_for_has_to_be_a_lines() {
    let place = Place::new();
    write(&mut place.file(), 3);
    let known = place.whole().last.hash;
    write(&mut place.file(), 3);
    let has = |hash| read(std::slice::from_ref(&place.path), Some(hash)).unwrap()[0].has_anchor;
    assert!(has(known));
    assert!(!has(chain::Hash::of(b"another")));
}

fn options(place: &Place, is_best_effort: bool) -> Options {
    Options {
        path: place.path.clone(),
        max_size: u64::MAX,
        is_best_effort,
        clock: clock(),
    }
}

#[tokio::test]
async fn every_line_is_on_the_disk_when_the_writer_has_finished() {
    let place = Place::new();
    let audit = Audit::open(options(&place, false), r#""time":"","event":"start""#).unwrap();
    let clone = audit.clone();
    for line in 0..5000 {
        audit.write(audit.now(), "call", |members| {
            use std::fmt::Write as _;
            write!(members, r#","number":{line}"#).unwrap();
        });
    }
    clone.finish().await.unwrap();
    let chain = place.whole();
    assert_eq!(chain.lines, 5002);
    let (text, mut numbers) = (place.text(), 0..5000);
    for line in text.lines().skip(2) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["number"], numbers.next().unwrap());
    }
}

/// Waits for the thread of a writer.
fn until(is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never was so");
}

/// Makes the file unusable for now.
fn obstruct(place: &Place) -> impl FnOnce() + use<> {
    let (lock, kept) = (place.beside("lock"), place.beside("kept"));
    fs::rename(&lock, &kept).unwrap();
    fs::create_dir(&lock).unwrap();
    move || {
        fs::remove_dir(&lock).unwrap();
        fs::rename(kept, lock).unwrap();
    }
}

#[tokio::test]
async fn no_call_is_taken_after_a_batch_has_failed_until_one_succeeds() {
    let place = Place::new();
    let audit = Audit::open(options(&place, false), CALL).unwrap();
    let clear = obstruct(&place);
    assert_eq!(audit.ready(), Ok(()));
    audit.write(0, "call", |_| {});
    until(|| audit.ready().is_err());
    let text = audit.ready().unwrap_err().to_string();
    assert!(
        text.starts_with("The audit file ") && text.contains("audit.jsonl.lock"),
        "{text}"
    );
    audit.write(0, "refused", |_| {});
    clear();
    until(|| audit.ready().is_ok());
    audit.finish().await.unwrap();
    place.whole();
    let events = events(&place.text());
    assert_eq!(events, ["created", "call", "resumed", "call", "refused"]);
}

#[tokio::test]
async fn best_effort_takes_calls_and_counts_what_it_leaves_out() {
    let place = Place::new();
    let audit = Audit::open(options(&place, true), CALL).unwrap();
    let clear = obstruct(&place);
    let long = "x".repeat(1024 * 1024);
    for _ in 0..100 {
        assert_eq!(audit.ready(), Ok(()));
        audit.write(0, "call", |members| {
            members.push_str(",\"long\":\"");
            members.push_str(&long);
            members.push('"');
        });
    }
    std::thread::sleep(PAUSE);
    clear();
    until(|| place.text().contains("resumed"));
    audit.finish().await.unwrap();
    let chain = place.whole();
    let text = place.text();
    let resumed = text
        .lines()
        .find(|line| line.contains("\"resumed\""))
        .unwrap();
    let resumed: serde_json::Value = serde_json::from_str(resumed).unwrap();
    let lost = resumed["lost"].as_u64().unwrap();
    assert!(lost > 30, "{lost}");
    assert_eq!(chain.lines, 3 + 100 - lost);
}

#[tokio::test]
async fn a_writer_that_cannot_begin_says_why() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    for is_best_effort in [false, true] {
        let error = Audit::open(options(&place, is_best_effort), CALL).unwrap_err();
        assert!(error.to_string().contains("audit.jsonl"), "{error}");
    }
    let missing = Options {
        path: Path::new("/nowhere/at/all").into(),
        ..options(&place, false)
    };
    assert!(Audit::open(missing, CALL).is_err());
}
