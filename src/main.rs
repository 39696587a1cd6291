//! The whole life of the process on one screen: parse, resolve, run, report.

use std::io;
use std::process::ExitCode;

use mcpipe::cli::{self, Cli, Command, ParseError};
use mcpipe::commands;
use mcpipe::limits;
use mcpipe::logging::{self, LAST_LINES, Output, Reader};
use mcpipe::process;
use mcpipe::report::{Failure, Kind};
use mcpipe::secret::live;
use mcpipe::settings::{self, Environment};
use mcpipe::store;

fn main() -> ExitCode {
    process::keep_descriptors();
    let words: Vec<_> = std::env::args_os().collect();
    let cli = match cli::parse(words.iter().cloned()) {
        Ok(cli) => cli,
        // Help and version are no failures; clap knows which stream each belongs on.
        Err(ParseError::Help(help)) => {
            let _ = help.print();
            return ExitCode::from(if help.use_stderr() { 2 } else { 0 });
        }
        Err(ParseError::Usage(mistake)) => {
            let failure = Failure::from(mistake);
            Output::direct(io::stderr()).say(&failure.text());
            return failure.code();
        }
    };
    let env = Environment::of_this_process().about(cli.server());
    let cli = match settings::configured(cli, &words, &env) {
        Ok(cli) => cli,
        Err(failure) => {
            Output::direct(io::stderr()).say(&env.unquoted(failure.text()));
            return failure.code();
        }
    };
    let stderr = stderr(&cli);
    let ended = run(cli, &env, &stderr);
    match &ended {
        // The terminal shows `^C` or half a question; what the shell writes next begins a line.
        Err(failure) if failure.is_end() => {
            if env.is_terminal {
                stderr.say("\n");
            }
        }
        Err(failure) => stderr.say(&env.unquoted(failure.text())),
        Ok(()) => {}
    }
    stderr.drain(LAST_LINES);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.code(),
    }
}

/// Returns stderr for this command. A command's user reads its text, and a command waits for that; a bridge waits for
/// nothing on stderr, because hosts leave it unread.
fn stderr(cli: &Cli) -> Output {
    match cli.command {
        None | Some(Command::Helper) => {
            let stderr = logging::unread_stderr(cli.log());
            let last_words = stderr.clone();
            std::panic::set_hook(Box::new(move |panic| {
                let panic = panic.to_string();
                let said = logging::redacted(&live::without(&panic)).into_owned();
                last_words.say(&format!("{said}\n"));
            }));
            stderr
        }
        Some(_) => Output::direct(io::stderr()),
    }
}

fn run(cli: Cli, env: &Environment, stderr: &Output) -> Result<(), Failure> {
    if !env.is_on("MCPIPE_DEBUGGABLE") {
        store::core_dumps::forbid();
    }
    let log = match cli.log() {
        Some(log) => {
            let filter = env.get("MCPIPE_LOG");
            let reader = match cli.command {
                None | Some(Command::Helper) => Reader::Host,
                Some(_) => Reader::Person,
            };
            Some(logging::install(
                log,
                filter,
                env.is_terminal,
                stderr,
                reader,
            )?)
        }
        None => None,
    };
    // Evaluated for a log at debug only: to tell the flags that were given takes as long as the rest of the start.
    tracing::debug!(
        about = %commands::preamble::about(cli.server()),
        "mcpipe starts"
    );
    limits::raise_open_files();
    // One thread: this is a program that waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::Failed, error))?;
    let ended = runtime.block_on(async {
        // A bridge and a helper have ways of leaving of their own, and so must have a command that runs a bridge: what is
        // under way is dropped here.
        let ends_at_a_signal = !matches!(cli.command, None | Some(Command::Helper));
        let command = async {
            match cli.command {
                None => Box::pin(commands::bridge::run(cli.bridge, env, stderr)).await,
                Some(Command::Login(args)) => commands::login::run(&args, env).await,
                Some(Command::Logout(args)) => commands::logout::run(&args, env).await,
                Some(Command::Status(args)) => commands::status::run(&args, env).await,
                Some(Command::Token(args)) => commands::token::run(&args, env).await,
                Some(Command::Vault(command)) => commands::vault::run(*command, env).await,
                Some(Command::Pins(args)) => commands::pins::run(&args, env).await,
                Some(Command::Audit(command)) => commands::audit::run(*command).await,
                Some(Command::Config(command)) => commands::config::run(&command, env),
                Some(Command::Import(args)) => commands::import::run(*args, env).await,
                Some(Command::Helper) => Box::pin(commands::helper::run(env, stderr)).await,
            }
        };
        tokio::select! {
            biased;
            ended = commands::ended_by_signal(), if ends_at_a_signal => Err(ended),
            ended = command => ended,
        }
    });
    store::passphrase::end_questions();
    process::argv::end_all();
    runtime.shutdown_background(); // a read of stdin cannot be interrupted, only abandoned
    if let Some(log) = log {
        log.finish(LAST_LINES);
    }
    ended
}
