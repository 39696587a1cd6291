//! Ctrl-C in a command: at any moment the process ends with exit code 130, and the terminal is as it was.
//!
//! A thread of its own waits for the signal, because a command's own thread may be held by a prompt. A question for a
//! passphrase switches the terminal's echo off; the thread switches it back on. What a command had begun to write is
//! written whole or not at all, whenever it ends.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;

use crate::store::program;

/// 128 and the number of SIGINT, as shells count.
const INTERRUPTED: i32 = 130;

/// Watches for Ctrl-C from now on.
pub fn watch() {
    let screen = Screen::now();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        let interrupted =
            runtime.and_then(|runtime| runtime.block_on(async { tokio::signal::ctrl_c().await }));
        match interrupted {
            Ok(()) => leave(screen),
            // The system's own way of ending a process is left as it is.
            Err(error) => tracing::debug!(%error, "Ctrl-C cannot be watched"),
        }
    });
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the thread that does the command's work may be held by a prompt"
)]
fn leave(screen: Option<Screen>) {
    if let Some(screen) = screen {
        screen.restore();
    }
    program::end_all();
    if io::stderr().is_terminal() {
        let _ = io::stderr().write_all(b"\n");
    }
    std::process::exit(INTERRUPTED);
}

/// The settings of the controlling terminal.
#[cfg(unix)]
struct Screen {
    terminal: std::fs::File,
    settings: rustix::termios::Termios,
}

#[cfg(unix)]
impl Screen {
    fn now() -> Option<Self> {
        let terminal = crate::surroundings::open_terminal().ok()?;
        let settings = rustix::termios::tcgetattr(&terminal).ok()?;
        Some(Self { terminal, settings })
    }

    fn restore(&self) {
        let now = rustix::termios::OptionalActions::Now;
        let _ = rustix::termios::tcsetattr(&self.terminal, now, &self.settings);
    }
}

/// Consoles of other systems are not switched.
#[cfg(not(unix))]
struct Screen;

#[cfg(not(unix))]
impl Screen {
    fn now() -> Option<Self> {
        None
    }

    fn restore(&self) {}
}
