//! Memory: a process that crashes leaves no core file, and other processes of the user cannot look into it (Linux).
#![cfg(target_os = "linux")]

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use mcpipe::process::command;

use crate::support::authority::Authority;
use crate::support::protected::protected_by;
use crate::support::remote::{Server, ordinary};

/// Starts mcpipe where cores may be as large as they like, crashes it once it is at work, and tells whether it left one,
/// with the limit that it had.
fn crashed(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    let mut shell = command("/bin/sh");
    shell
        .args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_mcpipe"))
        .args(arguments)
        .current_dir(home.path())
        .env_clear()
        .env("MCPIPE_HOME", home.path())
        .env("MCPIPE_PROTOCOL", "legacy")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = shell.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let id = child.id();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let limit = core.unwrap().split_whitespace().nth(4).unwrap().to_owned();
    let id = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::ABORT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(
        status.signal(),
        Some(6),
        "{arguments:?}: it had ended: {status}"
    );
    (status.core_dumped(), limit)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_crashes_leaves_no_core() {
    let server = Server::that(ordinary).await;
    let authority = Authority::start().await;
    let protected = protected_by(&authority).await;
    let (open, closed) = (server.url(), protected.url());
    let bridge = [open.as_str()];
    let login = ["login", "--no-browser", closed.as_str()];
    for arguments in [&bridge[..], &login[..]] {
        let (is_dumped, limit) = crashed(arguments, &[]);
        assert!(!is_dumped, "{arguments:?}");
        assert_eq!(limit, "0", "{arguments:?}");
    }
    // So it would be without the defence; whether there is a file then is the machine's to decide.
    let (_, limit) = crashed(&bridge, &[("MCPIPE_DEBUGGABLE", "1")]);
    assert_eq!(limit, "unlimited");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_of_the_user_cannot_look_into_it() {
    let server = Server::that(ordinary).await;
    let home = tempfile::tempdir().unwrap();
    // Another user may not reach the folder that it was built in.
    let program = home.path().join("mcpipe");
    std::fs::copy(env!("CARGO_BIN_EXE_mcpipe"), &program).unwrap();
    // Whom a process's files in /proc belong to tells whether it may be looked into (proc(5)); root may anyway.
    let owner = |is_debuggable: &str| {
        let mut shell = command(&program);
        shell
            .arg(server.url())
            .env_clear()
            .env("MCPIPE_HOME", home.path())
            .env("MCPIPE_DEBUGGABLE", is_debuggable)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(home.path(), Some(65534), Some(65534)).unwrap();
            std::os::unix::process::CommandExt::uid(&mut shell, 65534);
        }
        let mut child = shell.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert!(child.try_wait().unwrap().is_none(), "it had ended");
        let owner = std::fs::metadata(format!("/proc/{}/environ", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        owner.uid()
    };
    let mine = match rustix::process::geteuid().as_raw() {
        0 => 65534,
        mine => mine,
    };
    assert_eq!(owner("0"), 0);
    assert_eq!(owner("1"), mine);
}
