//! mcpipe beside the direct client, the floor (the least that a bridge can be) and, if named, rivals: starts near and
//! far, calls, many calls at once, large results, streams of progress, memory, idleness. Everybody in interleaved rounds
//! of one run, so that what else the machine does touches all alike. Prints medians, spread and ratios as a table; passes
//! no judgement. Only ratios travel between machines.
//!
//! `counts` counts instructions instead, which are the same on every day, and compares them with a record.
#![doc = concat!("\n```text\n", include_str!("usage.txt"), "```")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a program that measures, for people who read what it prints"
)]

mod clients; // the floor and the direct client
mod counts; // instructions, against the record
mod distance; // the server, 40 ms away
mod figures; // the tables
mod hosts; // bridges, and what hosts say to them
mod phases; // the measurements
mod server; // the server
mod system; // what the system says of processes

use std::path::PathBuf;
use std::process::ExitCode;

use hosts::{Era, Kind, Party};
use phases::{Bench, PHASES};

const USAGE: &str = include_str!("usage.txt");

/// What is asked for on the command line.
enum Task {
    Help,
    Floor {
        url: String,
    },
    Direct {
        url: String,
        tool: String,
        at_once: usize,
        calls: usize,
    },
    Counts(counts::Options),
    Wire(Options),
}

struct Options {
    rounds: usize,
    only: Vec<String>,
    /// Names and commands.
    against: Vec<(String, String)>,
    mcpipe: PathBuf,
    markdown: bool,
}

fn main() -> ExitCode {
    // cargo bench adds a flag of its own.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    match task(&words) {
        Ok(Task::Help) => print!("{USAGE}"),
        Ok(Task::Floor { url }) => clients::floor(&url),
        Ok(Task::Direct {
            url,
            tool,
            at_once,
            calls,
        }) => clients::direct(&url, &tool, at_once, calls),
        Ok(Task::Counts(options)) => return counts::run(options),
        Ok(Task::Wire(options)) => wire(&options),
        Err(reason) => {
            eprint!("{reason}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn task(words: &[String]) -> Result<Task, String> {
    let number = |word: &str| {
        word.parse::<usize>()
            .map_err(|_| format!("{word:?} is no number"))
    };
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    match plain[..] {
        ["floor", url] => {
            return Ok(Task::Floor {
                url: url.to_owned(),
            });
        }
        ["direct", url, tool, at_once, calls] => {
            return Ok(Task::Direct {
                url: url.to_owned(),
                tool: tool.to_owned(),
                at_once: number(at_once)?,
                calls: number(calls)?,
            });
        }
        _ => {}
    }
    let (is_counts, words) = match plain[..] {
        ["counts", ref words @ ..] => (true, words),
        ref words => (false, words),
    };
    let mut options = Options {
        rounds: 5,
        only: PHASES.map(str::to_owned).to_vec(),
        against: Vec::new(),
        mcpipe: env!("CARGO_BIN_EXE_mcpipe").into(),
        markdown: false,
    };
    let (mut mcpipe, mut write) = (None, false);
    let mut words = words.iter().copied();
    while let Some(flag) = words.next() {
        let mut value = || words.next().ok_or(format!("{flag} takes a value"));
        match flag {
            "--help" | "-h" => return Ok(Task::Help),
            "--mcpipe" => {
                let file = value()?;
                let path =
                    std::fs::canonicalize(file).map_err(|error| format!("{file}: {error}"))?;
                mcpipe = Some(path);
            }
            "--write" if is_counts => write = true,
            "--rounds" if !is_counts => options.rounds = number(value()?)?,
            "--markdown" if !is_counts => options.markdown = true,
            "--only" if !is_counts => {
                options.only = value()?.split(',').map(str::to_owned).collect();
                if let Some(phase) = options
                    .only
                    .iter()
                    .find(|it| !PHASES.contains(&it.as_str()))
                {
                    return Err(format!("there is no phase {phase:?}"));
                }
            }
            "--against" if !is_counts => {
                let (name, command) = value()?
                    .split_once('=')
                    .ok_or("--against takes NAME=COMMAND")?;
                options.against.push((name.to_owned(), command.to_owned()));
            }
            _ => return Err(format!("{flag:?} means nothing here")),
        }
    }
    if is_counts {
        return Ok(Task::Counts(counts::Options { mcpipe, write }));
    }
    options.mcpipe = mcpipe.unwrap_or(options.mcpipe);
    Ok(Task::Wire(options))
}

fn parties(options: &Options) -> Vec<Party> {
    let party = |name: &str, kind| Party {
        name: name.to_owned(),
        kind,
        host: Era::Legacy,
        server: Era::Legacy,
    };
    let mut parties = vec![party("direct", Kind::Direct), party("floor", Kind::Floor)];
    parties.extend(hosts::pairs(&options.mcpipe));
    for (name, command) in &options.against {
        let (command, home) = (command.clone(), tempfile::tempdir().unwrap());
        parties.push(party(name, Kind::Rival { command, home }));
    }
    parties
}

fn wire(options: &Options) {
    let parties = parties(options);
    let is_asked = |phase: &str| options.only.iter().any(|it| it == phase);
    let mut bench = Bench::start();
    if is_asked("start") {
        bench.prepare_secrets(&parties);
    }
    for round in 0..=options.rounds {
        bench.is_warming_up = round == 0;
        for (column, party) in parties.iter().enumerate() {
            eprintln!("round {round} of {}: {}", options.rounds, party.name);
            for phase in PHASES.into_iter().filter(|phase| is_asked(phase)) {
                // Starts are short and vary most. Only they differ the first time.
                let times = match phase {
                    "start" => 4,
                    "distance" => 2,
                    _ => usize::from(round > 0),
                };
                for _ in 0..times {
                    bench.run(phase, column, party);
                }
            }
        }
        if is_asked("idle") && round > 0 {
            bench.idle(&parties);
        }
    }
    let names: Vec<_> = parties.iter().map(|party| party.name.as_str()).collect();
    let size = phases::size(&options.mcpipe);
    if options.markdown {
        let titles: Vec<_> = parties.iter().map(Party::title).collect();
        bench.figures.print_readme(&names, &titles);
        println!("\n{}; mcpipe's binary: {size:.1} MB.", system::machine());
    } else {
        println!(
            "\nMedian (least–most), ratio to what the first column names. mcpipe's binary: {size:.2} MB.\n"
        );
        bench.figures.print(&names);
    }
}
