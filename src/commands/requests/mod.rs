//! The commands that send requests to a server themselves: one file each, on a session that all of them share.

mod complete;
mod failure;
mod prompt;
mod raw;
mod read;
mod session;
mod simple;
mod tasks;

use crate::cli::RequestCommand;
use crate::logging::Output;
use crate::report::Failure;
use crate::settings::Environment;

/// Runs the command. With [`RequestCommand::is_json`] a failure is on stdout too, as JSON.
///
/// # Errors
/// Wrong usage or settings, a sign-in that is needed, a server that cannot be reached or answers with an error.
pub async fn run(
    command: RequestCommand,
    env: &Environment,
    stderr: &Output,
) -> Result<(), Failure> {
    let is_json = command.is_json();
    let done = match command {
        RequestCommand::Complete(args) => complete::run(*args, env, stderr).await,
        RequestCommand::Prompt(args) => prompt::run(*args, env, stderr).await,
        RequestCommand::Read(args) => read::run(*args, env, stderr).await,
        RequestCommand::Tasks(args) => tasks::run(*args, env, stderr).await,
        RequestCommand::Raw(args) => raw::run(*args, env, stderr).await,
    };
    match done {
        Err(failure) if is_json => Err(failure::as_json(failure)),
        done => done,
    }
}
