//! The soak: many calls through the real `mcpipe` binary over connections that are cut at random, and figures.
//!
//! `cargo run --release --example soak -- --calls 100000` (also `--at-once 64`, `--seed 1`). Every answer comes as a
//! stream with event ids that is cut at a random byte four times out of five, and so is what resumes it. At the end:
//! how many calls were answered, lost, doubled or done twice, how often the connection was cut, and how much memory the
//! bridge held on the way (Linux only). Loopback only. Exit code 1 if anything was lost or doubled.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a soak talks to a person, and stops when something is wrong"
)]

#[path = "../support/remote.rs"]
#[allow(dead_code, reason = "shared with the tests, which ask for more")]
mod remote;

use std::collections::{HashMap, HashSet};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use remote::{Ask, Reply, Server, Step, ordinary, result_of};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(soak(
        flag("--calls", 100_000),
        flag("--at-once", 64),
        flag("--seed", 1),
    ))
}

/// A number given on the command line.
fn flag(name: &str, default: u64) -> u64 {
    let mut arguments = env::args().skip_while(|argument| argument != name).skip(1);
    arguments
        .next()
        .map_or(default, |value| value.parse().unwrap())
}

/// The remote's side of the books.
struct Books {
    random: u64,
    /// What a stream still has to say, by the stream's number.
    store: HashMap<u64, Vec<String>>,
    streams: u64,
    notes: u64,
    done: HashMap<String, u32>,
    cuts: u64,
    resumptions: u64,
}

impl Books {
    /// Xorshift: repeatable, and random enough to cut with.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    fn answer(&mut self, ask: &Ask) -> Reply {
        if let Some(last) = ask.header("last-event-id") {
            self.resumptions += 1;
            let (stream, nth) = last.split_once('.').unwrap();
            return self.stream(stream.parse().unwrap(), nth.parse().unwrap());
        }
        if ask.label() != "POST tools/call" {
            return ordinary(ask);
        }
        *self.done.entry(ask.id()).or_default() += 1;
        let mut events = Vec::new();
        for _ in 0..self.below(4) {
            self.notes += 1;
            events.push(format!(
                r#"{{"jsonrpc":"2.0","method":"n","params":{{"nth":{}}}}}"#,
                self.notes
            ));
        }
        events.push(result_of(ask, &format!(r#"{{"echo":{}}}"#, ask.id())));
        self.streams += 1;
        self.store.insert(self.streams, events);
        self.stream(self.streams, 0)
    }

    /// A stream from one event on, perhaps cut.
    fn stream(&mut self, stream: u64, from: usize) -> Reply {
        let mut text = format!("id: {stream}.{from}\nretry: 1\ndata:\n\n");
        let first = text.len() as u64;
        for (at, event) in self.store[&stream].iter().enumerate().skip(from) {
            text.push_str(&format!("id: {stream}.{}\ndata: {event}\n\n", at + 1));
        }
        if self.below(5) == 0 {
            self.store.remove(&stream);
            return Reply::events([Step::text(text)]);
        }
        self.cuts += 1;
        let at = first + self.below(text.len() as u64 - first);
        Reply::events([Step::text(&text[..usize::try_from(at).unwrap()]), Step::Cut])
    }
}

async fn soak(calls: u64, at_once: u64, seed: u64) -> ExitCode {
    let books = Arc::new(Mutex::new(Books {
        random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        store: HashMap::new(),
        streams: 0,
        notes: 0,
        done: HashMap::new(),
        cuts: 0,
        resumptions: 0,
    }));
    let keeper = Arc::clone(&books);
    let server = Server::that(move |ask| keeper.lock().unwrap().answer(ask)).await;
    server.is_keeping.store(false, Ordering::SeqCst);

    let home = tempfile::tempdir().unwrap();
    let mut bridge = tokio::process::Command::from(mcpipe::process::command(build()))
        .arg(server.url())
        .env_clear()
        .env("MCPIPE_HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let id = bridge.id().unwrap();
    let mut stdin = bridge.stdin.take().unwrap();
    let mut lines = BufReader::new(bridge.stdout.take().unwrap()).lines();

    let opening = r#"{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"soak","version":"1"}}}"#;
    stdin
        .write_all(format!("{opening}\n").as_bytes())
        .await
        .unwrap();
    lines.next_line().await.unwrap().unwrap();
    let initialized = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
    stdin.write_all(initialized.as_bytes()).await.unwrap();

    let begun = Instant::now();
    let (mut asked, mut answered, mut failed, mut strange) = (0, 0, 0, 0);
    let mut open = HashSet::new();
    let mut notes = HashSet::new();
    let (mut notes_heard, mut notes_doubled) = (0u64, 0u64);
    let step = (calls / 10).max(1);
    while answered < calls {
        while asked < calls && (open.len() as u64) < at_once {
            let call = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{asked},\"method\":\"tools/call\",\"params\":{{\"name\":\"x\"}}}}\n"
            );
            stdin.write_all(call.as_bytes()).await.unwrap();
            open.insert(asked);
            asked += 1;
        }
        let line =
            tokio::time::timeout(std::time::Duration::from_secs(120), lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            println!(
                "nothing came for two minutes, or the bridge has left: {} calls are lost",
                open.len()
            );
            return ExitCode::FAILURE;
        };
        let line: Value = serde_json::from_str(&line).unwrap();
        if let Some(nth) = line["params"]["nth"].as_u64() {
            notes_heard += 1;
            notes_doubled += u64::from(!notes.insert(nth));
            continue;
        }
        match line["id"].as_u64().filter(|id| open.remove(id)) {
            Some(id) if line["result"]["echo"] == id => {}
            Some(_) => failed += 1,
            None => {
                strange += 1;
                continue;
            }
        }
        answered += 1;
        if answered % step == 0 {
            println!(
                "{answered:>8} answered, {:>6} KiB resident, {:.0} s",
                resident(id),
                begun.elapsed().as_secs_f64()
            );
        }
    }
    let took = begun.elapsed();
    drop(stdin);
    while let Some(line) = lines.next_line().await.unwrap() {
        let line: Value = serde_json::from_str(&line).unwrap();
        strange += u64::from(line.get("id").is_some());
    }
    let left = bridge.wait().await.unwrap();

    let books = books.lock().unwrap();
    let twice = books.done.values().filter(|times| **times > 1).count();
    println!(
        "calls            {calls} in {:.1} s, {at_once} at once, seed {seed}",
        took.as_secs_f64()
    );
    println!(
        "connections cut  {}, resumptions {}",
        books.cuts, books.resumptions
    );
    println!(
        "answered         {}, with an error {failed}, doubled or unknown {strange}, done twice {twice}",
        answered - failed
    );
    println!(
        "notifications    {} said, {notes_heard} heard, {notes_doubled} twice",
        books.notes
    );
    println!("the bridge left  {left}");
    let is_fine = failed == 0
        && strange == 0
        && twice == 0
        && notes_doubled == 0
        && notes_heard == books.notes;
    if is_fine && left.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Resident memory in KiB, where the system says.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// Builds the binary, which cargo does not do for an example.
fn build() -> PathBuf {
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = mcpipe::process::command(cargo)
        .args(["build", "--quiet", "--bin", "mcpipe", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "mcpipe could not be built");
    let examples = env::current_exe().unwrap();
    let folder = examples.parent().and_then(Path::parent).unwrap();
    folder.join(format!("mcpipe{}", env::consts::EXE_SUFFIX))
}
