//! The soak: many calls through the real `mcpipe` binary, in all four pairs of eras, and figures.
//!
//! `cargo run --release --example soak` makes 100,000 calls over connections that are cut at random. An answer comes as a
//! stream that is cut at a random byte four times out of five. A legacy server gives event ids, and cuts what resumes
//! the stream too, if seldom before it has brought an event: the bridge gives a stream up after eight such cuts in a
//! row, and nothing may be lost here. A modern server's stream cannot be resumed: a call whose answer was cut ends with
//! an error that says so, and is not made again. At the end: how many calls were answered, lost, doubled or done twice,
//! and how often a connection was cut.
//!
//! `cargo run --release --example soak -- --memory` makes 1,000,000 calls over connections that hold, every second one
//! answered as JSON, and shows the bridge's memory on the way (Linux only).
//!
//! `--calls N` is the number of all calls, `--at-once 64` how many wait at a time, `--pair legacy-modern` the era of the
//! host and that of the server (all four pairs without it), `--seed 1` what the cuts follow from, `--mcpipe FILE`
//! another build of mcpipe. Loopback only. Exit code 1 if anything was lost or doubled, or if memory has grown.

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
mod server; // the remote's side, and its books

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use server::{Books, serve};

/// Memory that a bridge may take between the first tenth of the calls and the last, in KiB. A leak of a few bytes a
/// call is more than that.
const GROWTH: u64 = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

/// Names of pairs: the host's era, then the server's.
const PAIRS: [(&str, Era, Era); 4] = [
    ("legacy-legacy", Era::Legacy, Era::Legacy),
    ("modern-modern", Era::Modern, Era::Modern),
    ("legacy-modern", Era::Legacy, Era::Modern),
    ("modern-legacy", Era::Modern, Era::Legacy),
];

struct Options {
    calls: u64,
    at_once: u64,
    seed: u64,
    is_memory: bool,
    mcpipe: Option<PathBuf>,
}

fn main() -> ExitCode {
    let is_memory = env::args().any(|argument| argument == "--memory");
    let options = Options {
        calls: number("--calls", if is_memory { 1_000_000 } else { 100_000 }),
        at_once: number("--at-once", 64),
        seed: number("--seed", 1),
        is_memory,
        mcpipe: value("--mcpipe").map(PathBuf::from),
    };
    let asked = value("--pair");
    let pairs: Vec<_> = PAIRS
        .into_iter()
        .filter(|(name, ..)| asked.as_deref().is_none_or(|asked| asked == *name))
        .collect();
    assert!(!pairs.is_empty(), "there is no such pair: {asked:?}");
    let binary = options.mcpipe.clone().unwrap_or_else(build);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut are_fine = true;
    for (name, host, remote) in &pairs {
        println!("{name}");
        let calls = options.calls / pairs.len() as u64;
        let soak = soak(&binary, *host, *remote, calls, &options);
        are_fine &= runtime.block_on(soak);
        println!();
    }
    println!("{}", if are_fine { "all is well" } else { "FAILED" });
    if are_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The word after a flag.
fn value(name: &str) -> Option<String> {
    env::args().skip_while(|argument| argument != name).nth(1)
}

fn number(name: &str, default: u64) -> u64 {
    value(name).map_or(default, |value| value.parse().unwrap())
}

/// A bridge, and a host that has greeted.
struct Host {
    era: Era,
    bridge: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"soak","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

impl Host {
    async fn start(binary: &Path, era: Era, url: String, home: &Path) -> Self {
        let mut bridge = tokio::process::Command::from(mcpipe::process::command(binary))
            .arg(url)
            .env_clear()
            .env("MCPIPE_HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = bridge.stdin.take().unwrap();
        let lines = BufReader::new(bridge.stdout.take().unwrap()).lines();
        let mut host = Self {
            era,
            bridge,
            stdin,
            lines,
        };
        match era {
            Era::Legacy => {
                host.send(r#"{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"soak","version":"1"}}}"#).await;
                host.lines.next_line().await.unwrap().unwrap();
                host.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
                    .await;
            }
            Era::Modern => {
                host.send(&format!(r#"{{"jsonrpc":"2.0","id":"open","method":"server/discover","params":{{{META}}}}}"#)).await;
                host.lines.next_line().await.unwrap().unwrap();
            }
        }
        host
    }

    async fn send(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin.write_all(line.as_bytes()).await.unwrap();
    }

    async fn call(&mut self, nth: u64) {
        let arguments = format!(r#""name":"x","arguments":{{"call":{nth}}}"#);
        let params = match self.era {
            Era::Legacy => arguments,
            Era::Modern => format!("{arguments},{META}"),
        };
        self.send(&format!(
            r#"{{"jsonrpc":"2.0","id":{nth},"method":"tools/call","params":{{{params}}}}}"#
        ))
        .await;
    }

    /// The next line; `None` if the bridge has left or says nothing for two minutes.
    async fn line(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(Duration::from_secs(120), self.lines.next_line()).await;
        Some(serde_json::from_str(&line.ok()?.unwrap()?).unwrap())
    }
}

/// What a host counts.
#[derive(Default)]
struct Tally {
    answered: u64,
    /// Calls that ended with the error that their answer was cut.
    cut: HashSet<u64>,
    /// Calls that ended with any other error, or with another call's answer.
    failed: u64,
    /// Answers to no call that waits.
    strange: u64,
    notes: HashSet<u64>,
    notes_twice: u64,
    /// Resident memory in KiB after each tenth of the calls.
    resident: Vec<u64>,
}

impl Tally {
    /// Counts one line. Returns the call that it answers.
    fn count(&mut self, line: &Value, open: &mut HashSet<u64>) -> bool {
        if let Some(nth) = line["params"]["nth"].as_u64() {
            self.notes_twice += u64::from(!self.notes.insert(nth));
            return false;
        }
        let Some(id) = line["id"].as_u64().filter(|id| open.remove(id)) else {
            self.strange += u64::from(line.get("id").is_some());
            return false;
        };
        if line["error"]["data"]["kind"] == "cut" {
            self.cut.insert(id);
        } else if line["result"]["echo"] != id {
            if self.failed == 0 {
                println!("the first that failed: {line}");
            }
            self.failed += 1;
        }
        self.answered += 1;
        true
    }
}

/// Makes calls in one pair, and says whether all was well.
async fn soak(binary: &Path, era: Era, remote: Era, calls: u64, options: &Options) -> bool {
    let books = Books::new(remote, options.seed, options.is_memory);
    let server = serve(&books).await;
    let home = tempfile::tempdir().unwrap();
    let mut host = Host::start(binary, era, server.url(), home.path()).await;
    let id = host.bridge.id().unwrap();
    let began = Instant::now();
    let (mut asked, mut open, mut tally) = (0, HashSet::new(), Tally::default());
    while tally.answered < calls {
        while asked < calls && (open.len() as u64) < options.at_once {
            host.call(asked).await;
            open.insert(asked);
            asked += 1;
        }
        let Some(line) = host.line().await else {
            println!("nothing more comes: {} calls are lost", open.len());
            return false;
        };
        if tally.count(&line, &mut open) && tally.answered % (calls / 10).max(1) == 0 {
            tally.resident.push(resident(id));
        }
    }
    let took = began.elapsed();
    drop(host.stdin);
    while let Some(line) = host.lines.next_line().await.unwrap() {
        tally.count(&serde_json::from_str(&line).unwrap(), &mut open);
    }
    let left = host.bridge.wait().await.unwrap();
    println!(
        "  calls            {calls} in {:.1} s, {} at once, seed {}",
        took.as_secs_f64(),
        options.at_once,
        options.seed
    );
    println!("  the bridge left  {left}");
    // A call that was cut for good counts as one that was not answered.
    let is_flat = is_flat(&tally.resident, options.is_memory);
    is_flat & report(&tally, &books.lock().unwrap()) & (left.success() || !tally.cut.is_empty())
}

/// Prints what both sides have counted, and says whether it agrees.
fn report(tally: &Tally, books: &Books) -> bool {
    let done = books.done.len() as u64;
    let twice = books.done.values().filter(|times| **times > 1).count();
    println!(
        "  connections cut  {}, resumptions {}",
        books.cuts, books.resumptions
    );
    println!(
        "  answered         {} ({} with the error that the answer was cut), otherwise with an error {}, doubled or unknown {}",
        tally.answered,
        tally.cut.len(),
        tally.failed,
        tally.strange
    );
    println!("  done             {done}, twice {twice}");
    let heard = tally.notes.len() as u64;
    println!(
        "  notifications    {} said, {heard} heard, {} twice",
        books.notes_said, tally.notes_twice
    );
    if tally.cut != books.lost {
        println!("  the calls that were cut are not those that the host was told of");
    }
    tally.failed + tally.strange + tally.notes_twice == 0
        && twice == 0
        && done == tally.answered
        && heard == books.notes_said
        && tally.cut == books.lost
}

/// Prints memory, and says whether it is as much at the end as after a tenth of the calls.
fn is_flat(resident: &[u64], is_judged: bool) -> bool {
    let words: Vec<_> = resident.iter().map(u64::to_string).collect();
    println!("  resident, KiB    {}", words.join(" "));
    let (Some(first), Some(last)) = (resident.first(), resident.last()) else {
        return true;
    };
    let is_flat = *last <= first + GROWTH;
    if is_judged && !is_flat {
        println!("  memory has grown");
    }
    is_flat || !is_judged
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
