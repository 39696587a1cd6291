//! The order of the modules of `src`: imports point down, and the two lowest floors do no I/O.

mod language; // retired words, questions as comments, actors without a name
mod source; // files taken apart: code, comments, tests
mod uses;

use std::collections::BTreeSet;

use source::{Source, sources};
use uses::{Graph, circles, graph};

/// Modules by floor, lowest first. A folder's name covers its files unless a file is named itself.
const FLOORS: &[(&str, &[&str])] = &[
    ("base", &["backoff", "clock", "frame", "secret", "text"]),
    (
        "protocol",
        &[
            "sse",
            "era",
            "policy",
            "transcript",
            "auth/oauth/challenge",
            "auth/oauth/scope",
            "store/contents",
            "store/envelope",
            "store/primitives",
            "store/slot",
            "mcp_remote/command",
            "mcp_remote/key",
            "mcp_remote/command_line",
            "mcp_remote/clients",
            "server_card/card",
            "server_card/catalog",
            "server_card/choice",
            "server_card/domain",
            "server_card/site",
        ],
    ),
    (
        "I/O",
        &[
            "tls",
            "stdio",
            "remote",
            "auth",
            "store",
            "process",
            "random",
            "address_class",
            "content_coding",
            "http_fields",
            "proxy",
            "redirect",
            "header_secrets",
            "pin_store",
            "audit",
            "ledger",
            "recorder",
            "server_cache",
            "server_card",
            "result_store",
            "shared_limits",
            "mcp_remote",
            "named_file",
        ],
    ),
    ("bridge", &["bridge"]),
    (
        "program",
        &[
            "cli", "settings", "commands", "report", "logging", "limits", "main", "lib",
        ],
    ),
];

/// Never, whatever the floors say.
const FORBIDDEN: &[(&str, &str)] = &[
    ("era", "auth"),
    ("auth", "era"),
    ("policy", "era"),
    ("policy", "remote"),
];

/// What floors 0 and 1 do not touch.
const WORLD: &[&str] = &[
    "tokio::",
    "tokio_util",
    "reqwest",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "getrandom",
    "async ",
];

impl Source {
    /// The entry of [`FLOORS`] that covers this file, with its floor.
    fn place(&self) -> (usize, &'static str) {
        place(&self.name)
            .unwrap_or_else(|| panic!("{} stands on no floor; FLOORS says which", self.name))
    }
}

fn place(path: &str) -> Option<(usize, &'static str)> {
    let covers = |module: &str| {
        path == module
            || path
                .strip_prefix(module)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let modules = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, (_, modules))| modules.iter().map(move |module| (floor, *module)));
    modules
        .filter(|(_, module)| covers(module))
        .max_by_key(|(_, module)| module.len())
}

/// The first segment of a path.
fn top(path: &str) -> &str {
    path.split('/').next().unwrap()
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (file, used) in graph(&sources()) {
        let (floor, own) = place(&file).unwrap();
        for used in used {
            let (other_floor, other) = place(&used).unwrap();
            let is_forbidden = FORBIDDEN.contains(&(top(own), top(other)));
            if is_forbidden || other_floor > floor {
                wrong.push(format!("{file} uses {used}"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn no_two_modules_of_one_floor_use_each_other() {
    let mut modules = Graph::new();
    for (file, used) in graph(&sources()) {
        let (floor, own) = place(&file).unwrap();
        let used = used.iter().map(|used| place(used).unwrap());
        let beside =
            used.filter(|(other_floor, other)| *other_floor == floor && top(other) != top(own));
        let beside = beside.map(|(_, other)| top(other).to_owned());
        modules
            .entry(top(own).to_owned())
            .or_default()
            .extend(beside);
    }
    let found = circles(&modules);
    let found: Vec<_> = found.iter().map(|circle| circle.join(" ")).collect();
    none(&found);
}

/// Nor does a file with its own submodules: what they share stands below both.
#[test]
fn no_files_use_each_other_in_a_circle() {
    none(&described(&graph(&sources())));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let sources = sources();
    let lengths = sources.iter().map(|it| (&it.name, it.code.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > 500);
    let long: Vec<_> = long
        .map(|(name, lines)| format!("{name}: {lines}"))
        .collect();
    none(&long);
}

#[test]
fn every_module_is_on_the_map() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.name == "lib").unwrap();
    let docs = lib.doc_comments();
    let (_, map) = docs.first().unwrap();
    let named: BTreeSet<_> = map.split('`').skip(1).step_by(2).collect();
    let modules: BTreeSet<_> = sources
        .iter()
        .map(|source| top(&source.name))
        .filter(|it| *it != "lib")
        .collect();
    let missing = modules.iter().filter(|module| !named.contains(*module));
    let missing: Vec<_> = missing
        .map(|it| format!("{it} is not on the map in lib.rs"))
        .collect();
    none(&missing);
}

/// Each circle with the uses that make it.
fn described(graph: &Graph) -> Vec<String> {
    let mut lines = Vec::new();
    for circle in circles(graph) {
        lines.push(format!("circle of {}:", circle.len()));
        for file in &circle {
            let used = graph[file].iter().filter(|used| circle.contains(used));
            let used: Vec<_> = used.map(String::as_str).collect();
            lines.push(format!("  {file} uses {}", used.join(" ")));
        }
    }
    lines
}

#[test]
fn the_two_lowest_floors_do_no_io() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.place().0 < 2) {
        for touch in WORLD.iter().filter(|it| source.production.contains(**it)) {
            wrong.push(format!("{} holds `{touch}`", source.name));
        }
    }
    none(&wrong);
}

#[test]
fn every_module_has_a_floor_and_every_floor_its_modules() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in &sources {
        if place(&source.name).is_none() {
            wrong.push(format!("{} stands on no floor", source.name));
        }
    }
    for (_, modules) in FLOORS {
        for module in *modules {
            let covered = |source: &Source| place(&source.name).is_some_and(|it| it.1 == *module);
            if !sources.iter().any(covered) {
                wrong.push(format!("{module} of FLOORS does not exist"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn a_path_has_the_floor_of_the_longest_entry_that_covers_it() {
    assert_eq!(place("store/envelope"), Some((1, "store/envelope")));
    assert_eq!(place("store/mod"), Some((2, "store")));
    assert_eq!(place("storey"), None);
}
