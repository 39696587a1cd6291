//! Writers that are killed at any moment, several with one file: the chain is whole whatever they were doing.
//!
//! A kill seldom comes while a line is half written. So some writers have a limit on how long a file may become
//! (`RLIMIT_FSIZE`): the byte after it kills the process.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use mcpipe::audit::{self, Audit, Options};
use mcpipe::clock::Clock;
use rustix::process::{Resource, Rlimit, setrlimit};

const TOLD: &str = "MCPIPE_TEST_AUDIT";
/// The number of kills; more where the environment says so.
const KILLS: usize = 45;
const WRITERS: usize = 3;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a test tells its copy something"
)]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn options(path: &Path, max_size: u64) -> Options {
    Options {
        path: path.into(),
        max_size,
        is_best_effort: false,
        clock: Clock::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_052_245)),
    }
}

/// On its own, writes a few lines; told a file, writes until it is killed.
#[tokio::test]
async fn a_writer_adds_lines_until_it_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let told = told(TOLD);
    let mut max_size = 32 * 1024;
    let path = match &told {
        None => home.path().join("audit.jsonl"),
        Some(told) => {
            let (limit, path) = told.split_once(' ').unwrap();
            if let Ok(limit) = limit.parse() {
                limit_files(limit);
                max_size = 1024 * 1024;
            }
            path.into()
        }
    };
    let first = audit::content(0, "start", "");
    let audit = Audit::open(options(&path, max_size), &first).unwrap();
    for line in 0.. {
        audit.write(audit.now(), "call", |members| {
            members.push_str(r#","method":"tools/call","tool":""#);
            members.push_str(&"x".repeat(line * 37 % 300));
            members.push('"');
        });
        if line % 8 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        if told.is_none() && line == 100 {
            break;
        }
    }
    audit.finish().await.unwrap();
    assert!(lines(home.path()) >= 103);
}

/// A file that becomes longer kills this process, without a core dump.
fn limit_files(length: u64) {
    for (resource, limit) in [(Resource::Core, 0), (Resource::Fsize, length)] {
        let (current, maximum) = (Some(limit), None);
        setrlimit(resource, Rlimit { current, maximum }).unwrap();
    }
}

fn writer(path: &Path, limit: Option<u64>) -> Child {
    let limit = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let mut command = mcpipe::process::command(std::env::current_exe().unwrap());
    let name = "audit::kills::a_writer_adds_lines_until_it_is_killed";
    command
        .args(["--exact", name, "--test-threads", "1"])
        .env(TOLD, format!("{limit} {}", path.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The lines of the one chain in a directory, which is whole.
fn lines(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    let chains = audit::read(&files, None).unwrap();
    assert!(chains.len() <= 1, "{chains:?}");
    let Some(chain) = chains.first() else {
        return 0;
    };
    // A process that was killed before its first line has left an empty file.
    assert!(chain.fault.is_none(), "{:?}", chain.fault);
    chain.lines
}

#[test]
fn a_chain_is_whole_whatever_moment_its_writers_are_killed_at() {
    let kills = told("MCPIPE_TEST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let (mut killed, mut written, mut torn) = (0, 0, 0);
    while killed < kills {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit.jsonl");
        let mut before = 0;
        for _ in 0..15 {
            let mut writers: Vec<_> = (0..WRITERS).map(|_| writer(&path, None)).collect();
            // From the start of the process to some batches and files later.
            thread::sleep(Duration::from_secs_f64(0.16 * mcpipe::random::fraction()));
            for writer in &mut writers {
                writer.kill().unwrap();
                writer.wait().unwrap();
                killed += 1;
                thread::sleep(Duration::from_secs_f64(0.01 * mcpipe::random::fraction()));
            }
            let now = lines(home.path());
            assert!(now >= before, "{before} {now}");
            before = now;
            let text = std::fs::read(&path).unwrap_or_default();
            torn += usize::from(text.last().is_some_and(|last| *last != b'\n'));
        }
        written += before;
    }
    println!("{killed} kills, {written} lines, {torn} half lines");
    assert!(written > 0);
}

#[test]
fn a_chain_is_whole_whatever_byte_its_writers_are_killed_at() {
    let kills = told("MCPIPE_TEST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let (mut before, mut torn) = (0, 0);
    for kill in 0..kills {
        let length = std::fs::metadata(&path).map_or(0, |it| it.len());
        // A head has 256 bytes: from there on any byte of the next lines.
        let more = 1 + u64::from(mcpipe::random::bytes::<1>().unwrap()[0]) * 12;
        let mut writer = writer(&path, Some(256.max(length) + more));
        writer.wait().unwrap();
        let text = std::fs::read(&path).unwrap();
        torn += usize::from(text.last().is_some_and(|last| *last != b'\n'));
        let now = lines(home.path());
        assert!(now >= before, "kill {kill}: {before} {now}");
        before = now;
    }
    println!("{kills} kills, {before} lines, {torn} half lines");
    assert!(torn > kills / 2, "{torn}");
}
