//! The browser gets all of the environment that the host gave the bridge, except what opens the vault.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::support::authority::Authority;
use crate::support::host::{INITIALIZE, Process};
use crate::support::protected::protected_by;

/// A browser that writes its environment down, as the scripts of editors use theirs.
fn browser_in(home: &Path) -> (String, std::path::PathBuf) {
    let (script, seen) = (home.join("browser"), home.join("seen"));
    let text = format!(
        "#!/bin/sh\nenv > '{0}.part' && mv '{0}.part' '{0}'\n",
        seen.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    (script.to_str().unwrap().to_owned(), seen)
}

async fn seen(path: &Path) -> String {
    for _ in 0..1200 {
        if let Ok(seen) = std::fs::read_to_string(path) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no browser was started");
}

fn check(environment: &str) {
    for line in [
        "VSCODE_IPC_HOOK_CLI=/run/user/1000/vscode-ipc.sock",
        "REMOTE_CONTAINERS_IPC=/tmp/vscode-remote-containers-ipc.sock",
        "CODESPACES=true",
        "MY_TOKEN=abc",
        "MCPIPE_ACCOUNT=default",
    ] {
        assert!(
            environment.lines().any(|set| set == line),
            "{line}: {environment}"
        );
    }
    assert!(!environment.contains("MCPIPE_PASSPHRASE"), "{environment}");
    assert!(!environment.contains("canary"), "{environment}");
}

const VARIABLES: [(&str, &str); 8] = [
    ("PATH", "/usr/bin:/bin"),
    ("VSCODE_IPC_HOOK_CLI", "/run/user/1000/vscode-ipc.sock"),
    (
        "REMOTE_CONTAINERS_IPC",
        "/tmp/vscode-remote-containers-ipc.sock",
    ),
    ("CODESPACES", "true"),
    ("MY_TOKEN", "abc"),
    ("MCPIPE_ACCOUNT", "default"),
    ("MCPIPE_PASSPHRASE", "canary passphrase"),
    ("MCPIPE_PASSPHRASE_FILE", "/canary"),
];

#[tokio::test]
async fn a_bridges_browser_gets_the_hosts_environment_through_the_helper() {
    let authority = Authority::start().await;
    let (server, home) = (protected_by(&authority).await, tempfile::tempdir().unwrap());
    let (script, path) = browser_in(home.path());
    let variables = VARIABLES.into_iter().chain([("BROWSER", script.as_str())]);
    let variables: Vec<_> = variables.collect();
    let url = server.url();
    let mut host = Process::start_in(home.path(), &[&url, "--auth-timeout", "20"], &variables);
    host.send(INITIALIZE).await;
    check(&seen(&path).await);
}

#[tokio::test]
async fn the_systems_own_program_gets_it_too() {
    let authority = Authority::start().await;
    let (server, home) = (protected_by(&authority).await, tempfile::tempdir().unwrap());
    let (script, path) = browser_in(home.path());
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    // The first of the system's programs fails, and the next one is tried.
    std::fs::write(bin.join("xdg-open"), "#!/bin/sh\nexit 3\n").unwrap();
    std::fs::set_permissions(bin.join("xdg-open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(script, bin.join("gio")).unwrap();
    let search = format!("{}:/usr/bin:/bin", bin.display());
    let variables = VARIABLES
        .into_iter()
        .map(|(name, value)| (name, if name == "PATH" { &search } else { value }))
        .chain([("DISPLAY", ":0")]);
    let variables: Vec<_> = variables.collect();
    let url = server.url();
    for arguments in [
        &["login", &url, "--auth-timeout", "5"][..],
        &[&url, "--auth-timeout", "20"],
    ] {
        let mut host = Process::start_in(home.path(), arguments, &variables);
        host.try_send(&format!("{INITIALIZE}\n")).await;
        check(&seen(&path).await);
        std::fs::remove_file(&path).unwrap();
        host.signal(rustix::process::Signal::TERM);
    }
}
