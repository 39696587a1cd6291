//! A shell in a terminal: the leader of a session whose terminal it is, so that a question for a passphrase finds the user.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::support::host::TOO_LONG;
use crate::support::pty::{self, Screen};

/// What runs there.
pub(super) struct Terminal {
    child: std::process::Child,
    keyboard: File,
    screen: Screen,
    reader: std::thread::JoinHandle<()>,
    /// How much of the screen the user has read.
    read: usize,
}

impl Terminal {
    /// `command` is the shell, all but its streams.
    pub(super) fn start(mut command: Command) -> Self {
        let (keyboard, end) = pty::open();
        command
            .stdin(Stdio::from(end.try_clone().unwrap()))
            .stdout(Stdio::from(end.try_clone().unwrap()))
            .stderr(Stdio::from(end));
        let child = command.spawn().unwrap();
        // Its ends of the terminal are closed, so that the last line can be told from a pause.
        drop(command);
        let (screen, reader) = pty::watch(&keyboard);
        Self {
            child,
            keyboard,
            screen,
            reader,
            read: 0,
        }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits for these words, after those that were waited for before.
    pub(super) async fn shows(&mut self, words: &str) {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if let Some(at) = screen[self.read..].find(words) {
                self.read += at + words.len();
                break;
            }
            assert!(begun.elapsed() < TOO_LONG, "{words:?} is not on {screen:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Types a line, or a key.
    pub(super) async fn types(&mut self, text: &str) {
        // The question is written before what is typed is hidden.
        sleep(Duration::from_millis(60)).await;
        let text = match text {
            "^C" => "\u{3}".to_owned(),
            "^D" => "\u{4}".to_owned(),
            text => format!("{text}\n"),
        };
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the end. Returns the screen.
    pub(super) async fn ends(mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > TOO_LONG {
                let _ = self.child.kill();
                panic!("it stays: {}", self.screen());
            }
            sleep(Duration::from_millis(10)).await;
        };
        // A process that outlives the command may hold the terminal open.
        let ended = Instant::now();
        while !self.reader.is_finished() && ended.elapsed() < Duration::from_secs(1) {
            sleep(Duration::from_millis(10)).await;
        }
        (status, self.screen())
    }
}
