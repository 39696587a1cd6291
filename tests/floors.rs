//! Imports point down: a file may use only rooms on floors below its own, or neighbours it is granted here; and the
//! two lowest floors touch nothing of the world. `lib.rs` is the map in words, this is the map that bites.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor, lowest first. A folder's name covers its files unless a file is named itself.
const FLOORS: &[(&str, &[&str])] = &[
    ("words", &["frame", "secret", "text"]),
    (
        "rules",
        &[
            "sse",
            "era",
            "policy",
            "transcript",
            "auth/oauth/challenge",
            "auth/oauth/scope",
            "store/envelope",
            "migrate/command",
            "migrate/key",
            "migrate/launch",
            "migrate/clients",
        ],
    ),
    (
        "edges",
        &[
            "tls",
            "stdio",
            "remote",
            "auth",
            "store",
            "process",
            "static_secret",
            "ledger",
            "recorder",
            "facts",
            "migrate",
            "named_file",
        ],
    ),
    ("bridge", &["bridge"]),
    (
        "door",
        &[
            "cli",
            "settings",
            "config",
            "surroundings",
            "commands",
            "report",
            "logging",
            "limits",
            "doctor",
            "main",
            "lib",
        ],
    ),
];

/// Uses that do not point down, each with its reason.
const GRANTED: &[(&str, &str)] = &[
    // The vocabulary of answers (Head, Refusal) is the remote's; era/ reads it and does nothing.
    ("era", "remote"),
    // Who calls the vault's rules.
    ("store/envelope", "store"),
    // The words of a transcript's headers and events are those of the remote's answers.
    ("transcript", "remote"),
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

struct Source {
    /// `era/legacy/mod` for `src/era/legacy/mod.rs`.
    name: String,
    /// Without comments, and without the tests at its end.
    code: String,
}

impl Source {
    /// The entry of [`FLOORS`] that covers this file, with its floor.
    fn room(&self) -> (usize, &'static str) {
        room(&self.name)
            .unwrap_or_else(|| panic!("{} stands on no floor; FLOORS says which", self.name))
    }

    /// What follows each `crate::`, as `auth/challenge/Challenge`.
    fn uses(&self) -> BTreeSet<String> {
        let mut uses = BTreeSet::new();
        for (at, _) in self.code.match_indices("crate::") {
            let rest = &self.code[at + "crate::".len()..];
            expand("", &statement(rest), &mut uses);
        }
        uses
    }
}

fn room(path: &str) -> Option<(usize, &'static str)> {
    let covers = |room: &str| {
        path == room
            || path
                .strip_prefix(room)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let rooms = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, (_, rooms))| rooms.iter().map(move |room| (floor, *room)));
    rooms
        .filter(|(_, room)| covers(room))
        .max_by_key(|(_, room)| room.len())
}

/// A path up to its end, braces included.
fn statement(text: &str) -> String {
    let mut depth = 0;
    text.chars()
        .take_while(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth > 0 || *c == '}' || c.is_alphanumeric() || matches!(c, '_' | ':')
        })
        .filter(|c| !c.is_whitespace())
        .collect()
}

/// `a::{b, c::d}` to `a/b` and `a/c/d`.
fn expand(before: &str, path: &str, into: &mut BTreeSet<String>) {
    match path.split_once('{') {
        None => {
            let path = format!("{before}{path}").replace("::", "/");
            into.insert(path.trim_end_matches(['/', ',', '}']).to_owned());
        }
        Some((start, rest)) => {
            let (mut depth, mut member) = (0, String::new());
            for c in rest.strip_suffix('}').unwrap_or(rest).chars().chain([',']) {
                match c {
                    ',' if depth == 0 => {
                        expand(
                            &format!("{before}{start}"),
                            &std::mem::take(&mut member),
                            into,
                        );
                        continue;
                    }
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                member.push(c);
            }
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().with_extension("");
                let name = name.to_str().unwrap().replace('\\', "/");
                let text = fs::read_to_string(&path).unwrap();
                let code: Vec<_> = text
                    .split("#[cfg(test)]")
                    .next()
                    .unwrap()
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect();
                // A file of tests belongs to the floor of tests.
                if !name.ends_with("tests") {
                    found.push(Source {
                        name,
                        code: code.join("\n"),
                    });
                }
            }
        }
    }
    found
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        let (floor, own) = source.room();
        for used in source.uses() {
            let Some((other_floor, other)) = room(&used) else {
                wrong.push(format!(
                    "{} uses {used}, which stands on no floor",
                    source.name
                ));
                continue;
            };
            let top = |room: &str| room.split('/').next().unwrap().to_owned();
            let is_within = |pair: &&(&str, &str)| pair.0 == top(own) && pair.1 == top(other);
            let is_granted = GRANTED
                .iter()
                .any(|(from, to)| *from == own && *to == other);
            let is_forbidden = FORBIDDEN.iter().any(|pair| is_within(&pair));
            // Neighbours on one floor, and files of one house, may talk.
            let is_down = other_floor <= floor || top(own) == top(other);
            if is_forbidden || !(is_down || is_granted) {
                wrong.push(format!("{} uses {used}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn words_and_rules_do_not_touch_the_world() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room().0 < 2) {
        for touch in WORLD.iter().filter(|touch| source.code.contains(**touch)) {
            wrong.push(format!("{} holds `{touch}`", source.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn words_use_nothing_but_words() {
    for source in sources().iter().filter(|source| source.room().0 == 0) {
        for used in source.uses() {
            assert_eq!(
                room(&used).map(|(floor, _)| floor),
                Some(0),
                "{} uses {used}",
                source.name
            );
        }
    }
}

#[test]
fn a_use_that_points_up_would_be_seen() {
    let source = Source {
        name: "frame".into(),
        code: "use crate::{remote::{Head, https::{self, Https}}, secret::Secret};\nlet x = crate::bridge::run();".into(),
    };
    let uses: Vec<_> = source.uses().into_iter().collect();
    assert_eq!(
        uses,
        [
            "bridge/run",
            "remote/Head",
            "remote/https/Https",
            "remote/https/self",
            "secret/Secret"
        ]
    );
    assert_eq!(
        room("auth/oauth/challenge/Challenge"),
        Some((1, "auth/oauth/challenge"))
    );
    assert_eq!(room("auth/Credential"), Some((2, "auth")));
    assert_eq!(room("authority"), None);
}
