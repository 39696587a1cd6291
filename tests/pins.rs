//! What others rely on, held as it is: texts on disk, names of locks and files, help, flags, variables, and the words of
//! errors.
//!
//! What is only shown is kept in `fixtures/pins`, and written anew where `MCPIPE_PIN` is set, so that a change to it is
//! seen in a diff:
//!
//! ```text
//! MCPIPE_PIN=1 cargo test --test main pins::
//! ```
//!
//! What is written down by one version and read by another stands in the tests themselves, and nothing writes it anew.
//! The private records have such a test beside them: the status of a sign-in (`auth::flow::status_record`), the hand-off to
//! the helper (`auth::flow::helper`, `settings::environment`), a refused assertion (`auth::flow::workload`), the server cache
//! (`bridge::server_memory`), the rollback guard
//! and the unlock agent's lines (`store`). Whole vaults of other versions are in `fixtures/vault`.

mod names; // names of locks, files and vault entries
mod shown; // help, flags, variables, JSON for programs, `data.kind`
mod written; // vault records and the first line of a recording

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pins")
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is for the person who runs the tests"
)]
fn is_written_anew() -> bool {
    std::env::var_os("MCPIPE_PIN").is_some()
}

/// Fails where `text` is not what `fixtures/pins/{name}` holds; or writes it there.
fn is_pinned(name: &str, text: &str) {
    let path = folder().join(name);
    if is_written_anew() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, text).unwrap();
    }
    let pinned = fs::read_to_string(&path).unwrap_or_default();
    if pinned == text {
        return;
    }
    let (pinned, text): (Vec<_>, Vec<_>) = (pinned.lines().collect(), text.lines().collect());
    let gone = pinned.iter().filter(|line| !text.contains(line));
    let new = text.iter().filter(|line| !pinned.contains(line));
    let gone: Vec<_> = gone.map(|line| format!("- {line}")).collect();
    let new: Vec<_> = new.map(|line| format!("+ {line}")).collect();
    panic!(
        "fixtures/pins/{name} holds something else:\n{}\n{}\nIf this is meant: MCPIPE_PIN=1 cargo test --test main pins::",
        gone.join("\n"),
        new.join("\n")
    );
}

#[cfg(unix)]
/// Fails where a file in this folder is none of these; or removes it.
fn is_all(folder_name: &str, names: &[String]) {
    for entry in fs::read_dir(folder().join(folder_name)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if names.contains(&name) {
            continue;
        }
        match is_written_anew() {
            true => fs::remove_file(entry.path()).unwrap(),
            false => panic!(
                "nothing is like fixtures/pins/{folder_name}/{name} any more. If this is meant: MCPIPE_PIN=1 cargo test --test main pins::"
            ),
        }
    }
}

/// The code of `src`, file by file, without comments and tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap();
            let name = name.to_str().unwrap().replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.contains("tests") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let code = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                let code: Vec<_> = code.collect();
                found.push((name, code.join("\n")));
            }
        }
    }
    found.sort();
    found
}
