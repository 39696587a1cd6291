//! Completions in real shells, and the manual read by a real formatter. Where one is missing, the test says so.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::process::Output;

use tempfile::TempDir;

/// A folder with mcpipe on its path, the script of a shell, and a file to complete.
fn place(shell: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    symlink(env!("CARGO_BIN_EXE_mcpipe"), folder.path().join("mcpipe")).unwrap();
    std::fs::write(folder.path().join("company.pem"), "").unwrap();
    let script = run(&folder, "mcpipe", &["completions", shell]).unwrap();
    assert!(script.status.success());
    std::fs::write(folder.path().join("script"), script.stdout).unwrap();
    folder
}

/// Runs a program there; `None`, with a word, if it is not installed.
fn run(folder: &TempDir, program: &str, arguments: &[&str]) -> Option<Output> {
    let path = folder.path();
    let program = match program {
        "mcpipe" => path.join("mcpipe"),
        other => other.into(),
    };
    let ran = mcpipe::process::command(&program)
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", path.display()))
        .env("HOME", path)
        .env("MCPIPE_HOME", path.join("home"))
        .env("ZDOTDIR", path)
        .env("TERM", "dumb")
        .current_dir(path)
        .output();
    match ran {
        Ok(output) => Some(output),
        Err(error) => {
            println!(
                "{} is not here, and was not tried: {error}",
                program.display()
            );
            None
        }
    }
}

fn words(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .map(|line| line.split('\t').next().unwrap_or_default());
    lines.map(|word| word.trim().to_owned()).collect()
}

#[test]
fn bash_completes_commands_values_and_files() {
    let folder = place("bash");
    let checked = run(&folder, "/bin/bash", &["-n", "script"]);
    let Some(checked) = checked else { return };
    assert!(checked.status.success(), "{checked:?}");
    for (line, wanted) in [
        ("mcpipe logi", &["login"][..]),
        ("mcpipe vault slot a", &["add"]),
        ("mcpipe help sign", &["sign-in"]),
        ("mcpipe --ca comp", &["company.pem"]),
        // bash divides words at `=` and `:`, and replaces what stands behind them.
        ("mcpipe --dpop=r", &["require"]),
        ("mcpipe https://a.example/mcp --dpop r", &["require"]),
        ("mcpipe 'torn", &[]),
    ] {
        let script = format!(
            "source ./script; complete -p mcpipe >/dev/null || exit 9; COMP_LINE=\"{line}\"; COMP_POINT=${{#COMP_LINE}}; \
             _mcpipe; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let found = run(&folder, "/bin/bash", &["--norc", "-c", &script]).unwrap();
        let mut found = words(&found);
        found.retain(|word| !word.is_empty());
        assert_eq!(found, wanted, "{line}");
    }
}

#[test]
fn fish_completes_with_descriptions() {
    let folder = place("fish");
    let Some(checked) = run(&folder, "/usr/bin/fish", &["--no-execute", "script"]) else {
        return;
    };
    assert!(checked.status.success(), "{checked:?}");
    for (line, wanted) in [
        ("mcpipe logi", "login"),
        ("mcpipe vault slot a", "add"),
        ("mcpipe --dpop=r", "--dpop=require"),
        ("mcpipe --ca comp", "company.pem"),
        ("mcpipe --ca=comp", "--ca=company.pem"),
    ] {
        let script = format!("source ./script; complete -C '{line}'");
        let found = run(&folder, "/usr/bin/fish", &["--no-config", "-c", &script]).unwrap();
        assert_eq!(words(&found), [wanted], "{line}: {found:?}");
    }
}

#[test]
fn zsh_reads_the_script_sourced_and_from_its_path() {
    let folder = place("zsh");
    let Some(checked) = run(&folder, "/usr/bin/zsh", &["-n", "script"]) else {
        return;
    };
    assert!(checked.status.success(), "{checked:?}");
    std::fs::copy(folder.path().join("script"), folder.path().join("_mcpipe")).unwrap();
    for script in [
        // compinit has not been called before.
        "source ./script; print -r -- ${_comps[mcpipe]}",
        "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; print -r -- ${_comps[mcpipe]}",
    ] {
        let found = run(&folder, "/usr/bin/zsh", &["-f", "-c", script]).unwrap();
        assert_eq!(words(&found), ["_mcpipe"], "{script}: {found:?}");
    }
}

#[test]
fn the_manual_is_read_by_a_formatter() {
    let folder = place("bash");
    let page = run(&folder, "mcpipe", &["man"]).unwrap();
    std::fs::write(folder.path().join("mcpipe.1"), page.stdout).unwrap();
    let Some(found) = run(
        &folder,
        "/usr/bin/mandoc",
        &["-T", "lint", "-W", "warning", "mcpipe.1"],
    ) else {
        return;
    };
    let found = words(&found);
    // A date would say when it was built.
    let wrong: Vec<_> = found
        .iter()
        .filter(|it| !it.contains("missing date"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let read = run(&folder, "/usr/bin/mandoc", &["-T", "ascii", "mcpipe.1"]).unwrap();
    let read = String::from_utf8_lossy(&read.stdout).replace('\u{8}', "");
    for heading in ["SSIIGGNN--IINN", "EEXXIITT SSTTAATTUUSS", "FFIILLEESS"] {
        assert!(read.contains(heading), "{heading}");
    }
}
