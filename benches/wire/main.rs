//! mcpipe beside the direct client, the floor (the least that a bridge can be) and, if named, rivals: starts, calls, many
//! calls at once, large results, streams of progress, memory. Everybody in interleaved rounds of one run, so that what
//! else the machine does touches all alike. Prints medians, spread and ratios as a table; passes no judgement.
//!
//! `cargo bench --bench wire [-- --rounds 5] [--only start,calls,many,large,progress] [--against 'NAME=COMMAND {url}']
//! [--mcpipe FILE]`
//!
//! `--mcpipe FILE` measures another build of mcpipe. `{url}` in a rival's command becomes the server's address; the command is split at spaces. Rivals are asked in the
//! words of a legacy host. Only ratios travel between machines.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a program that measures, for people who read what it prints"
)]

mod clients; // the floor and the direct client
mod server; // the server
mod system; // CPU time and memory of processes

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use memchr::memmem::find;
use server::Server;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"wire","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"wire","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;

/// Which revision of MCP one side speaks: 2025-11-25 and before, or 2026-07-28.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

impl Era {
    fn path(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// The `tools/call` number `number` of a host of that era.
pub fn call(host: Era, number: usize, tool: &str) -> String {
    let id = number + 1;
    let arguments = r#""arguments":{"city":"Paris","units":"metric"}"#;
    match host {
        Era::Legacy => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}",{arguments},"_meta":{{"progressToken":{id}}}}}}}"#
        ),
        Era::Modern => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}",{arguments},"_meta":{{"progressToken":{id},{META}}}}}}}"#
        ),
    }
}

/// The middle value; of an even number of values, the upper of the two.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One of those who are measured.
struct Party {
    name: String,
    kind: Kind,
    host: Era,
    server: Era,
}

enum Kind {
    Direct,
    Floor,
    Mcpipe { home: tempfile::TempDir },
    Rival { command: String },
}

/// Where a start finds the bearer token that it sends.
const SECRETS: [&str; 3] = ["key file", "agent", "passphrase"];
const PASSPHRASE: &str = "correct horse battery staple";

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["floor", url] => return clients::floor(url),
        ["direct", url, tool, at_once, calls] => {
            return clients::direct(url, tool, at_once.parse().unwrap(), calls.parse().unwrap());
        }
        _ => {}
    }
    let value = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        Some(
            *words
                .get(at + 1)
                .unwrap_or_else(|| panic!("{name} takes a value")),
        )
    };
    let rounds: usize = value("--rounds").map_or(5, |word| word.parse().unwrap());
    let only = value("--only").unwrap_or("start,calls,many,large,progress");
    let is_asked = |phase: &str| only.split(',').any(|word| word == phase);
    let mut parties = ours();
    for (at, _) in words
        .iter()
        .enumerate()
        .filter(|(_, word)| **word == "--against")
    {
        let (name, command) = words[at + 1]
            .split_once('=')
            .expect("--against NAME=COMMAND");
        parties.push(Party {
            name: name.to_owned(),
            kind: Kind::Rival {
                command: command.to_owned(),
            },
            host: Era::Legacy,
            server: Era::Legacy,
        });
    }

    let server = Server::start();
    let mut bench = Bench {
        server,
        figures: HashMap::new(),
        rows: Vec::new(),
        is_warming_up: true,
    };
    if is_asked("start") {
        bench.prepare_secrets(&parties);
    }
    for round in 0..=rounds {
        bench.is_warming_up = round == 0;
        for (column, party) in parties.iter().enumerate() {
            eprintln!("round {round} of {rounds}: {}", party.name);
            // Starts are short and vary most.
            if is_asked("start") {
                for _ in 0..4 {
                    bench.starts(column, party);
                }
            }
            if round == 0 {
                continue;
            }
            if is_asked("calls") {
                bench.calls(column, party);
            }
            if is_asked("many") {
                bench.many(column, party);
            }
            if is_asked("large") {
                bench.large(column, party);
            }
            if is_asked("progress") {
                bench.progress(column, party);
            }
        }
    }
    bench.lock_agents(&parties);
    bench.print(&parties);
}

fn ours() -> Vec<Party> {
    let party = |name: &str, kind, host, server| Party {
        name: name.to_owned(),
        kind,
        host,
        server,
    };
    let mcpipe = || Kind::Mcpipe {
        home: tempfile::tempdir().unwrap(),
    };
    vec![
        party("direct", Kind::Direct, Era::Legacy, Era::Legacy),
        party("floor", Kind::Floor, Era::Legacy, Era::Legacy),
        party("legacy", mcpipe(), Era::Legacy, Era::Legacy),
        party("modern", mcpipe(), Era::Modern, Era::Modern),
        party(
            "legacy host, modern server",
            mcpipe(),
            Era::Legacy,
            Era::Modern,
        ),
        party(
            "modern host, legacy server",
            mcpipe(),
            Era::Modern,
            Era::Legacy,
        ),
    ]
}

/// A bridge that runs, and the host's ends of its pipes.
struct Bridge {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    host: Era,
    line: Vec<u8>,
}

impl Party {
    /// Starts this bridge for a server at `url`; `None` if this party cannot be at that address or is no bridge.
    fn start(&self, url: &str, secret: Option<&str>) -> Option<Bridge> {
        let mut command = match &self.kind {
            Kind::Direct => return None,
            Kind::Floor if secret.is_some() => return None,
            Kind::Floor => {
                let mut command = mcpipe::process::command(std::env::current_exe().unwrap());
                command.args(["floor", url]);
                command
            }
            Kind::Mcpipe { home } => {
                let home = home.path().join(secret.unwrap_or("none"));
                let mut command = mcpipe(&home, secret);
                if secret.is_some() {
                    command.args(["--bearer", "key"]);
                }
                command
                    .arg("--ca")
                    .arg(clients::authority())
                    .arg("--silent")
                    .arg(url);
                command
            }
            Kind::Rival { .. } if secret.is_some() || url.starts_with("https") => return None,
            Kind::Rival { command } => {
                let mut words = command
                    .split_ascii_whitespace()
                    .map(|word| word.replace("{url}", url));
                let mut command = mcpipe::process::command(words.next()?);
                command.args(words).stderr(Stdio::null());
                command
            }
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::with_capacity(256 << 10, child.stdout.take().unwrap());
        Some(Bridge {
            child,
            stdin,
            stdout,
            host: self.host,
            line: Vec::new(),
        })
    }
}

/// The build of mcpipe that is measured.
fn binary() -> std::path::PathBuf {
    let mut words = std::env::args()
        .skip_while(|word| word != "--mcpipe")
        .skip(1);
    words
        .next()
        .map_or_else(|| env!("CARGO_BIN_EXE_mcpipe").into(), Into::into)
}

/// mcpipe with a home of its own and nothing else of this environment.
fn mcpipe(home: &std::path::Path, secret: Option<&str>) -> Command {
    let mut command = mcpipe::process::command(binary());
    command.env_clear().env("MCPIPE_HOME", home);
    if secret.is_some_and(|secret| secret == "passphrase") {
        command.env("MCPIPE_PASSPHRASE", PASSPHRASE);
    }
    command
}

impl Bridge {
    fn send(&mut self, line: &str) {
        self.stdin
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// The next line from the bridge. Panics if there is none.
    fn next(&mut self) -> &[u8] {
        self.line.clear();
        let count = self.stdout.read_until(b'\n', &mut self.line).unwrap();
        assert!(count > 0, "the bridge is gone");
        &self.line
    }

    /// Waits for the next response; the length of its line, and how many other lines came before it.
    fn response(&mut self) -> (usize, usize) {
        let mut others = 0;
        loop {
            let line = self.next();
            let head = line.get(..line.len().min(200)).unwrap();
            if find(head, b"\"method\":").is_some() {
                others += 1;
                continue;
            }
            let tail = line.get(line.len().saturating_sub(200)..).unwrap();
            assert!(
                find(head, b"\"error\":").is_none(),
                "{} … {}",
                String::from_utf8_lossy(head),
                String::from_utf8_lossy(tail)
            );
            return (line.len(), others);
        }
    }

    /// The first exchange of a host.
    fn greet(&mut self) {
        match self.host {
            Era::Legacy => {
                self.send(INITIALIZE);
                self.response();
            }
            Era::Modern => {
                self.send(&format!(
                    r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{"_meta":{{{META}}}}}}}"#
                ));
                self.response();
            }
        }
    }

    fn initialized(&mut self) {
        if self.host == Era::Legacy {
            self.send(INITIALIZED);
        }
    }

    /// Calls a tool `calls` times, `at_once` in flight; the time between two answers is in no figure, only the whole.
    fn burst(&mut self, tool: &str, at_once: usize, calls: usize) {
        let mut sent = 0;
        while sent < at_once.min(calls) {
            self.send(&call(self.host, sent, tool));
            sent += 1;
        }
        for _ in 0..calls {
            self.response();
            if sent < calls {
                self.send(&call(self.host, sent, tool));
                sent += 1;
            }
        }
    }

    /// Ends it as a host does.
    fn end(self) {
        let Self {
            mut child,
            stdin,
            stdout,
            ..
        } = self;
        drop(stdin);
        drop(stdout);
        child.wait().unwrap();
    }
}

/// A figure's name, its unit, and with whom it is compared.
type Row = (String, &'static str, &'static str);

struct Bench {
    server: Server,
    figures: HashMap<(Row, usize), Vec<f64>>,
    /// In the order in which they came.
    rows: Vec<Row>,
    /// The first round warms the caches, mcpipe's and the system's, and is not counted.
    is_warming_up: bool,
}

impl Bench {
    fn url(&self, server: Era, form: &str) -> String {
        format!("http://{}/{}/{form}", self.server.plain, server.path())
    }

    fn tls_url(&self, server: Era) -> String {
        format!(
            "https://localhost:{}/{}/json",
            self.server.tls.port(),
            server.path()
        )
    }

    fn note(
        &mut self,
        name: &str,
        unit: &'static str,
        base: &'static str,
        column: usize,
        value: Option<f64>,
    ) {
        let row = (name.to_owned(), unit, base);
        if !self.rows.contains(&row) {
            self.rows.push(row.clone());
        }
        if let Some(value) = value.filter(|value| value.is_finite() && !self.is_warming_up) {
            self.figures.entry((row, column)).or_default().push(value);
        }
    }

    /// A vault of each kind for each of mcpipe's parties, with the bearer token for both addresses.
    fn prepare_secrets(&self, parties: &[Party]) {
        for party in parties {
            let Kind::Mcpipe { home } = &party.kind else {
                continue;
            };
            for secret in SECRETS {
                let home = home.path().join(secret);
                std::fs::create_dir(&home).unwrap();
                // A vault that an agent opens has a passphrase.
                let how = if secret == "key file" {
                    secret
                } else {
                    "passphrase"
                };
                let run = |words: &[&str]| {
                    let mut child = mcpipe(&home, Some(how))
                        .args(words)
                        .stdin(Stdio::piped())
                        .stderr(Stdio::null())
                        .spawn()
                        .unwrap();
                    child.stdin.take().unwrap().write_all(b"s3cret").unwrap();
                    assert!(child.wait().unwrap().success(), "mcpipe {words:?}");
                };
                run(&["vault", "init"]);
                run(&[
                    "vault",
                    "put",
                    "key",
                    "--for",
                    &self.url(party.server, "json"),
                ]);
                if secret == "agent" {
                    run(&["vault", "unlock", "--for", "1h"]);
                }
            }
        }
    }

    fn lock_agents(&self, parties: &[Party]) {
        for party in parties {
            let Kind::Mcpipe { home } = &party.kind else {
                continue;
            };
            let home = home.path().join("agent");
            if home.exists() {
                mcpipe(&home, None)
                    .args(["vault", "lock"])
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
            }
        }
    }

    /// From the start of the process to the answer to the host's first request; the server's era is known from before.
    fn starts(&mut self, column: usize, party: &Party) {
        let plain = self.url(party.server, "json");
        let tls = self.tls_url(party.server);
        let ways = [("http", &plain, None), ("https", &tls, None)];
        let ways = ways
            .into_iter()
            .chain(SECRETS.map(|secret| (secret, &plain, Some(secret))));
        for (name, url, secret) in ways {
            let began = Instant::now();
            let bridge = party.start(url, secret);
            let took = bridge.map(|mut bridge| {
                bridge.greet();
                let took = began.elapsed().as_secs_f64() * 1e3;
                if secret.is_none() {
                    let pid = bridge.child.id();
                    self.note(
                        &format!("resident after start, {name}"),
                        "MB",
                        "floor",
                        column,
                        system::resident(pid),
                    );
                }
                bridge.end();
                took
            });
            let name = secret.map_or_else(
                || format!("start, {name}"),
                |secret| format!("start, http, token by {secret}"),
            );
            self.note(&name, "ms", "floor", column, took);
        }
    }

    /// What the direct client measures: the median time of a call in µs, calls per second, CPU per call in µs.
    fn direct(&self, form: &str, tool: &str, at_once: usize, calls: usize) -> [Option<f64>; 3] {
        let url = self.url(Era::Legacy, form);
        let output = mcpipe::process::command(std::env::current_exe().unwrap())
            .args([
                "direct",
                &url,
                tool,
                &at_once.to_string(),
                &calls.to_string(),
            ])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
        std::array::from_fn(|_| words.next().flatten())
    }

    /// A bridge that has greeted the server and made some calls.
    fn warm(&self, party: &Party, form: &str, at_once: usize) -> Option<Bridge> {
        let mut bridge = party.start(&self.url(party.server, form), None)?;
        bridge.greet();
        bridge.initialized();
        bridge.burst("small", at_once, 200 + 2 * at_once);
        Some(bridge)
    }

    /// One call at a time.
    fn calls(&mut self, column: usize, party: &Party) {
        const CALLS: usize = 1000;
        for (form, base) in [("json", "floor"), ("sse", "direct")] {
            let name = format!("one call, {form}, p50");
            if matches!(party.kind, Kind::Direct) {
                let [p50, ..] = self.direct(form, "small", 1, CALLS);
                self.note(&name, "µs", base, column, p50);
                continue;
            }
            let bridge = if matches!(party.kind, Kind::Floor) && form == "sse" {
                None
            } else {
                self.warm(party, form, 1)
            };
            let p50 = bridge.map(|mut bridge| {
                let mut times = Vec::with_capacity(CALLS);
                for number in 0..CALLS {
                    let began = Instant::now();
                    let line = call(bridge.host, number, "small");
                    bridge.send(&line);
                    bridge.response();
                    times.push(began.elapsed().as_secs_f64() * 1e6);
                }
                bridge.end();
                median(&mut times)
            });
            self.note(&name, "µs", base, column, p50);
        }
    }

    /// Many calls in flight.
    fn many(&mut self, column: usize, party: &Party) {
        for at_once in [16, 64, 256] {
            let calls = 6000;
            let rate_name = format!("{at_once} in flight");
            let cpu_name = format!("{at_once} in flight, CPU per call");
            let (mut rate, mut cpu, mut connections, mut threads) = (None, None, None, None);
            match party.kind {
                Kind::Direct => [_, rate, cpu] = self.direct("json", "small", at_once, calls),
                Kind::Floor => {}
                _ => {
                    let mut bridge = self.warm(party, "json", at_once).unwrap();
                    let pid = bridge.child.id();
                    let (before, accepted, began) =
                        (system::cpu(pid), self.server.connections(), Instant::now());
                    bridge.burst("small", at_once, calls);
                    let seconds = began.elapsed().as_secs_f64();
                    let count = calls as f64;
                    rate = Some(count / seconds);
                    cpu = system::cpu(pid)
                        .zip(before)
                        .map(|(after, before)| (after - before) / count);
                    connections =
                        Some((self.server.connections() - accepted) as f64 * 1000.0 / count);
                    threads = system::threads(pid);
                    bridge.end();
                }
            }
            self.note(&rate_name, "calls/s", "direct", column, rate);
            self.note(&cpu_name, "µs", "direct", column, cpu);
            if at_once == 256 {
                self.note(
                    "256 in flight, new connections per 1,000 calls",
                    "",
                    "",
                    column,
                    connections,
                );
                self.note("256 in flight, threads", "", "", column, threads);
            }
        }
    }

    /// A result of 16 MB.
    fn large(&mut self, column: usize, party: &Party) {
        const CALLS: usize = 3;
        let megabytes = (server::LARGE * CALLS) as f64 / 1e6;
        let (mut rate, mut cpu, mut peak) = (None, None, None);
        if matches!(party.kind, Kind::Direct) {
            let [_, per_second, per_call] = self.direct("json", "large", 1, CALLS);
            rate = per_second.map(|calls| calls * megabytes / CALLS as f64);
            cpu = per_call.map(|cpu| cpu / 1e3 * CALLS as f64 / megabytes);
        } else if let Some(mut bridge) = self.warm(party, "json", 1) {
            let pid = bridge.child.id();
            let (before, began) = (system::cpu(pid), Instant::now());
            bridge.burst("large", 1, CALLS);
            rate = Some(megabytes / began.elapsed().as_secs_f64());
            cpu = system::cpu(pid)
                .zip(before)
                .map(|(after, before)| (after - before) / 1e3 / megabytes);
            peak = system::peak(pid);
            bridge.end();
        }
        self.note("16 MB result", "MB/s", "direct", column, rate);
        self.note("16 MB result, CPU per MB", "ms", "direct", column, cpu);
        self.note("16 MB result, peak memory", "MB", "", column, peak);
    }

    /// An event stream of progress notifications.
    fn progress(&mut self, column: usize, party: &Party) {
        let events = server::EVENTS as f64;
        let rate = match party.kind {
            Kind::Direct => self.direct("sse", "progress", 1, 5)[1].map(|calls| calls * events),
            Kind::Floor => None,
            _ => self.warm(party, "sse", 1).map(|mut bridge| {
                let began = Instant::now();
                let line = call(bridge.host, 0, "progress");
                bridge.send(&line);
                let (_, others) = bridge.response();
                let seconds = began.elapsed().as_secs_f64();
                assert_eq!(
                    others,
                    server::EVENTS,
                    "{} lost progress notifications",
                    party.name
                );
                bridge.end();
                events / seconds
            }),
        };
        self.note("progress notifications", "events/s", "direct", column, rate);
    }

    fn print(&mut self, parties: &[Party]) {
        let size = std::fs::metadata(binary()).unwrap().len();
        println!(
            "\nMedian (least–most), ratio to the party named in the first column. mcpipe's binary: {:.2} MB.\n",
            size as f64 / 1e6
        );
        let names: Vec<_> = parties.iter().map(|party| party.name.as_str()).collect();
        println!(
            "| | {} |\n|---{}|",
            names.join(" | "),
            "|---".repeat(names.len())
        );
        for row in &self.rows {
            let (name, unit, base) = row;
            let base_column = parties.iter().position(|party| party.name == *base);
            let mut medians = Vec::new();
            for column in 0..parties.len() {
                let values = self.figures.get_mut(&(row.clone(), column));
                medians.push(
                    values.map(|values| (median(values), values[0], values[values.len() - 1])),
                );
            }
            let base_value = base_column
                .and_then(|column| medians[column])
                .map(|(median, ..)| median);
            let cells: Vec<String> = medians
                .iter()
                .map(|cell| {
                    let Some((median, least, most)) = *cell else {
                        return "–".to_owned();
                    };
                    let spread = format!("{} ({}–{})", digits(median), digits(least), digits(most));
                    base_value.map_or_else(
                        || spread.clone(),
                        |base| format!("{spread} **{:.3}×**", median / base),
                    )
                })
                .collect();
            let compared = if base.is_empty() {
                String::new()
            } else {
                format!(", of {base}'s")
            };
            let unit = if unit.is_empty() {
                String::new()
            } else {
                format!(", {unit}")
            };
            println!("| {name}{unit}{compared} | {} |", cells.join(" | "));
        }
    }
}

/// A figure with three digits that count.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || size == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
