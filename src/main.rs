//! Ask, resolve, run, report: the whole life of the process on one screen.

use std::io::{self, Write as _};
use std::process::ExitCode;

use mcpipe::cli::{self, Asked, Command};
use mcpipe::commands;
use mcpipe::limits;
use mcpipe::logging;
use mcpipe::report::{Failure, Kind};
use mcpipe::settings::Surroundings;
use mcpipe::store;

fn main() -> ExitCode {
    let asked = match cli::parse(std::env::args_os()) {
        Ok(asked) => asked,
        // Help and version are no failures; clap knows which stream each belongs on.
        Err(help) => {
            let _ = help.print();
            return ExitCode::from(if help.use_stderr() { 2 } else { 0 });
        }
    };
    match run(asked, &Surroundings::of_this_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = io::stderr().write_all(failure.text().as_bytes());
            failure.code()
        }
    }
}

fn run(asked: Asked, around: &Surroundings) -> Result<(), Failure> {
    if !around.is_on("MCPIPE_DEBUGGABLE") {
        store::dump::forbid();
    }
    if let Some(log) = asked.log() {
        logging::install(log, around.get("MCPIPE_LOG"), around.is_terminal)?;
    }
    limits::raise_open_files();
    // One thread: this is a program that waits (architecture.md section 9).
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::Failed, error))?;
    let ended = runtime.block_on(async {
        match asked.command {
            None => commands::bridge::run(asked.bridge, around).await,
            Some(Command::Login(args)) => commands::login::run(&args, around).await,
            Some(Command::Logout(args)) => commands::logout::run(&args, around).await,
            Some(Command::Status(args)) => commands::status::run(&args, around).await,
            Some(Command::Token(args)) => commands::token::run(&args, around).await,
            Some(Command::Vault(command)) => commands::vault::run(*command, around).await,
            Some(Command::Import(args)) => commands::import::run(*args, around).await,
            Some(Command::Helper) => commands::helper::run(around).await,
        }
    });
    runtime.shutdown_background(); // a read of stdin cannot be interrupted, only abandoned
    ended
}
