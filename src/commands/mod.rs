//! The commands, one file each: the parts that a command connects, and the text that it prints.

pub mod audit;
mod auditing;
pub mod bridge;
pub mod config;
mod connection;
mod first_challenge;
pub mod helper;
pub mod import;
pub mod login;
pub mod logout;
mod pin_scan;
pub mod pins;
pub mod preamble;
mod recording;
mod server_cards;
mod sign_in_display;
pub mod status;
mod suggestions;
pub mod token;
pub mod vault;
mod vault_headers;

use std::io::{self, Write as _};

use crate::auth::{Announce, Notice};
use crate::logging::Output;
use crate::report::{Failure, Kind, ToldToEnd};

/// Returns a function that says where to sign in on stderr, whatever the log's level: without it no user can go on.
fn on_stderr() -> Announce {
    let stderr = Output::direct(io::stderr());
    Announce::new(move |notice: &Notice<'_>| stderr.say(&notice.text()))
}

/// Waits for Ctrl-C or SIGTERM. A command that is to end returns, so that the terminal is left unchanged.
pub async fn ended_by_signal() -> Failure {
    let terminated = async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            if let Ok(mut terminate) = signal(SignalKind::terminate())
                && terminate.recv().await.is_some()
            {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => Failure::new(Kind::Interrupted, ToldToEnd),
        () = terminated => Failure::new(Kind::Terminated, ToldToEnd),
    }
}

/// Prints a command's result. A reader that has left is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::Failed, error))
        }
        _ => Ok(()),
    }
}
