//! Instructions that mcpipe executes, counted by valgrind (callgrind) and compared with the record in
//! `fixtures/instructions.json`. Time is noisy, instructions are not.
//!
//! A start is counted to its first answer and through its end. A call is the difference between a run with some calls and
//! a run with twice as many, divided by that number, so that the start drops out. The record counts for one compiler and
//! one machine's libraries: with others nothing is compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::hosts::{Bridge, Era, GUARD_RAILS, pairs};
use crate::server::Server;

/// The change of a count that is noticed, in per cent.
const TOLERANCE: f64 = 3.0;

/// What is counted: its name, the form of the answers, the tool, and how many calls of it (twice as many in the second
/// run). None for a start.
const COUNTED: [(&str, &str, &str, u64); 5] = [
    ("start to the first answer", "json", "small", 0),
    ("one call, JSON", "json", "small", 500),
    ("one call, SSE", "sse", "small", 500),
    ("a result of 1 MB", "json", "large-1", 40),
    (POLICED, "json", "small", 500),
];
const POLICED: &str = "one call, JSON, with every guard rail";

pub struct Options {
    /// A build of mcpipe; none for the release build of this source, which is built anew if need be.
    pub mcpipe: Option<PathBuf>,
    pub write: bool,
}

/// Counts by pair of eras and by what is counted.
type Counts = BTreeMap<(String, String), f64>;

/// Counts, and writes the record or compares with it.
pub fn run(options: Options) -> ExitCode {
    let Some(world) = World::here() else {
        println!("Not compared: valgrind is not here.");
        return ExitCode::SUCCESS;
    };
    let record = Record::read();
    if !options.write {
        let reasons = record.world.differences(&world);
        if !reasons.is_empty() {
            println!("Not compared with {RECORD}: {}.", reasons.join("; "));
            return ExitCode::SUCCESS;
        }
    }
    let binary = options.mcpipe.unwrap_or_else(release_build);
    let counts = count(&binary);
    if options.write {
        std::fs::write(path(), Record { world, counts }.text()).unwrap();
        println!("Written: {RECORD}");
        return ExitCode::SUCCESS;
    }
    compare(&record.counts, &counts)
}

/// Counts everything in all four pairs.
fn count(binary: &Path) -> Counts {
    let server = Server::start();
    let mut counts = Counts::new();
    for party in pairs(binary) {
        for (name, form, tool, calls) in COUNTED {
            let url = format!("http://{}/{}/{form}", server.plain, party.server.path());
            // The era of the server is known from before, as in all starts but the first.
            let home = (name == POLICED).then_some(GUARD_RAILS);
            let command = || party.command(&url, home).unwrap();
            exchange(Bridge::start(command(), party.host), tool, 1);
            let once = instructions(&command(), party.host, tool, calls);
            let count = match calls {
                0 => once,
                _ => (instructions(&command(), party.host, tool, 2 * calls) - once) / calls as f64,
            };
            eprintln!("{}, {name}: {count:.0}", party.name);
            counts.insert((party.name.clone(), name.to_owned()), count);
        }
    }
    counts
}

/// The instructions of a whole life of mcpipe with some calls.
fn instructions(mcpipe: &Command, host: Era, tool: &str, calls: u64) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("callgrind.out");
    let mut command = mcpipe::process::command("valgrind");
    command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(mcpipe.get_program())
        .args(mcpipe.get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(
            mcpipe
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    exchange(Bridge::start(command, host), tool, calls);
    let text = std::fs::read_to_string(file).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
    total.unwrap().trim().parse().unwrap()
}

fn exchange(mut bridge: Bridge, tool: &str, calls: u64) {
    bridge.greet().unwrap();
    if calls > 0 {
        bridge.initialized().unwrap();
        bridge
            .burst(tool, 1, usize::try_from(calls).unwrap())
            .unwrap();
    }
    bridge.end();
}

/// Has cargo build what `cargo install` installs, whatever else is set here for other builds. Returns its path.
fn release_build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = mcpipe::process::command(cargo);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PROFILE_")
            || name.ends_with("RUSTFLAGS")
            || name == "CARGO_INCREMENTAL"
        {
            command.env_remove(name);
        }
    }
    let built = command
        .args(["build", "--locked", "--release", "--bin", "mcpipe"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "mcpipe could not be built");
    // target/PROFILE/deps/wire-HASH is this program.
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    target.join("release/mcpipe")
}

/// Prints all counts beside the record. Fails if one is more than the record allows.
fn compare(record: &Counts, counts: &Counts) -> ExitCode {
    let (mut more, mut less) = (0, 0);
    println!("Instructions of mcpipe, by valgrind:\n");
    println!("| | record | now | change |\n|---|---:|---:|---:|");
    for ((pair, name), now) in counts {
        let before = record.get(&(pair.clone(), name.clone())).copied();
        let before = before.unwrap_or(f64::NAN);
        let change = (now / before - 1.0) * 100.0;
        // A count that has no record is more than it.
        let verdict = if change < -TOLERANCE {
            less += 1;
            " less"
        } else if change <= TOLERANCE {
            ""
        } else {
            more += 1;
            " **MORE**"
        };
        println!("| {pair}: {name} | {before:.0} | {now:.0} | {change:+.1} %{verdict} |");
    }
    let command = "cargo bench --profile dev --bench wire -- counts --write";
    if less > 0 {
        println!(
            "\n{less} of them are more than {TOLERANCE} % below the record. Lower it, or it hides the next loss: {command}"
        );
    }
    if more > 0 {
        println!(
            "\nFAILED: {more} of them are more than {TOLERANCE} % above the record. If that is wanted: {command}"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

const RECORD: &str = "fixtures/instructions.json";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORD)
}

/// The record in the repository.
struct Record {
    world: World,
    counts: Counts,
}

impl Record {
    fn read() -> Self {
        let text = std::fs::read_to_string(path()).unwrap_or_else(|_| "{}".to_owned());
        let json: Value = serde_json::from_str(&text).unwrap();
        let world =
            World(World::FACTS.map(|fact| json[fact].as_str().unwrap_or_default().to_owned()));
        let mut counts = Counts::new();
        for (pair, its) in json["instructions"].as_object().into_iter().flatten() {
            for (name, count) in its.as_object().into_iter().flatten() {
                counts.insert((pair.clone(), name.clone()), count.as_f64().unwrap());
            }
        }
        Self { world, counts }
    }

    fn text(&self) -> String {
        let mut text = String::from("{\n");
        for (fact, value) in World::FACTS.iter().zip(&self.world.0) {
            writeln!(text, "  \"{fact}\": \"{value}\",").unwrap();
        }
        text.push_str("  \"instructions\": {");
        let mut last = "";
        for ((pair, name), count) in &self.counts {
            if pair == last {
                text.push(',');
            } else {
                text.push_str(if last.is_empty() { "" } else { "\n    }," });
                write!(text, "\n    \"{pair}\": {{").unwrap();
                last = pair;
            }
            write!(text, "\n      \"{name}\": {count:.0}").unwrap();
        }
        text.push_str("\n    }\n  }\n}\n");
        text
    }
}

/// What counts depend on besides the source.
struct World([String; 5]);

impl World {
    const FACTS: [&'static str; 5] = ["compiler", "target", "libc", "valgrind", "processor"];

    /// `None` if valgrind is not here.
    fn here() -> Option<Self> {
        let valgrind = said("valgrind", &["--version"])?;
        let rustc = said("rustc", &["-vV"])?;
        let compiler = rustc.lines().next().unwrap_or_default().to_owned();
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
        // Of what libraries look for in a processor, valgrind has at most AVX2.
        #[cfg(target_arch = "x86_64")]
        let processor = if std::arch::is_x86_feature_detected!("avx2") {
            "AVX2"
        } else {
            "no AVX2"
        };
        #[cfg(not(target_arch = "x86_64"))]
        let processor = std::env::consts::ARCH;
        Some(Self([
            compiler,
            host.unwrap_or_default().to_owned(),
            said("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_default(),
            valgrind,
            processor.to_owned(),
        ]))
    }

    /// The facts in which this world, the record's, differs from another.
    fn differences(&self, other: &Self) -> Vec<String> {
        let facts = Self::FACTS.iter().zip(self.0.iter().zip(&other.0));
        facts
            .filter(|(_, (here, there))| here != there)
            .map(|(fact, (here, there))| format!("it is of {fact} `{here}`, here is `{there}`"))
            .collect()
    }
}

/// The standard output of a program that succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = mcpipe::process::command(program)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
