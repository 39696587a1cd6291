//! A bridge that a user starts in a terminal.

use std::fs::File;
use std::io::Write as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::pty::{self, Screen};
use crate::support::remote::{Server, ordinary};

/// The real binary, to be started as the leader of a session whose terminal is its standard input, where a program does
/// that: a question for a passphrase is put to the terminal of the session.
fn in_a_session_of_its_own() -> std::process::Command {
    let binary = env!("CARGO_BIN_EXE_mcpipe");
    if !has_session() {
        return mcpipe::process::command(binary);
    }
    let mut command = mcpipe::process::command(SETSID);
    command.args(["--ctty", binary]);
    command
}

const SETSID: &str = "/usr/bin/setsid";

/// Whether a process can be started in a session of its own.
pub(super) fn has_session() -> bool {
    cfg!(target_os = "linux") && std::path::Path::new(SETSID).exists()
}

/// The real binary with a terminal for all three streams.
pub(super) struct Terminal {
    pub(super) child: Child,
    keyboard: File,
    screen: Screen,
    _home: TempDir,
}

impl Terminal {
    pub(super) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (keyboard, slave) = pty::open();
        let home = tempfile::tempdir().unwrap();
        let child = in_a_session_of_its_own()
            .args(arguments)
            .env_clear()
            .env("MCPIPE_HOME", home.path())
            .env("MCPIPE_PROTOCOL", "legacy")
            .envs(variables.iter().copied())
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave))
            .spawn()
            .unwrap();
        let (screen, _) = pty::watch(&keyboard);
        Self {
            child,
            keyboard,
            screen,
            _home: home,
        }
    }

    /// Waits until this stands on the screen; gives all of it.
    pub(super) async fn shows(&self, wanted: &str) -> String {
        for _ in 0..2000 {
            let screen = self.screen.lock().unwrap().clone();
            if screen.contains(wanted) {
                return screen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{wanted:?} is not on {:?}", self.screen.lock().unwrap());
    }

    pub(super) fn types(&mut self, keys: &str) {
        write!(self.keyboard, "{keys}").unwrap();
    }

    /// Sends SIGTERM.
    pub(super) fn is_told_to_end(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    pub(super) async fn leaves(&mut self) -> ExitStatus {
        for _ in 0..2000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let _ = self.child.kill();
        panic!("it stays; {:?}", self.screen.lock().unwrap());
    }
}

#[tokio::test]
async fn in_a_terminal_it_says_what_it_waits_for_and_how_to_sign_in() {
    let server = Server::that(ordinary).await;
    let url = format!("{}?key=canary", server.url());
    let mut terminal = Terminal::start(&[&url], &[]);
    let screen = terminal.shows("host's configuration").await;
    for words in [
        "waits here for the messages of an MCP host",
        "Ctrl-D ends it",
        &format!("`mcpipe login {}?…`", server.url()),
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    assert!(!screen.contains("canary"), "{screen}");
    terminal.types("\u{4}");
    assert!(terminal.leaves().await.success());
    assert_eq!(server.connections(), 0);

    // One that is to be silent is; one that a host starts has no user to say it to.
    let mut terminal = Terminal::start(&[&server.url(), "--silent"], &[]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    terminal.types("\u{4}");
    assert!(terminal.leaves().await.success());
    assert!(!terminal.screen.lock().unwrap().contains("mcpipe"));
}
