//! `mcpipe vault …`: one function per command, and the text that each prints.

mod agent;
mod export;
mod secrets;
mod slots;
mod status;

use crate::cli::{SlotCommand, VaultCommand};
use crate::report::{Failure, Kind};
use crate::settings::Environment;
use crate::store::passphrase::{Passphrase, Sources};

/// Runs the vault command.
///
/// # Errors
/// Wrong usage, or a vault that cannot do what the command asks.
pub async fn run(command: VaultCommand, env: &Environment) -> Result<(), Failure> {
    match command {
        VaultCommand::Init(args) => slots::init(&args, env).await,
        VaultCommand::Status(args) => status::status(&args, env).await,
        VaultCommand::Unlock(args) => agent::unlock(&args, env).await,
        VaultCommand::Lock(common) => agent::lock(&common, env).await,
        VaultCommand::Agent(_) => agent::serve().await,
        VaultCommand::Passwd(args) => slots::passwd(&args, env).await,
        VaultCommand::Protect(args) => slots::protect(&args, env).await,
        VaultCommand::Slot(SlotCommand::List(args)) => status::slots(&args, env).await,
        VaultCommand::Slot(SlotCommand::Add(args)) => slots::add(&args, env).await,
        VaultCommand::Slot(SlotCommand::Remove(args)) => slots::remove(&args, env).await,
        VaultCommand::Slot(SlotCommand::Rotate(args)) => slots::rotate(&args, env).await,
        VaultCommand::Verify(args) => status::verify(&args, env).await,
        VaultCommand::Rekey(common) => slots::rekey(&common, env).await,
        VaultCommand::Export(args) => export::export(&args, env).await,
        VaultCommand::Import(args) => export::import(&args, env).await,
        VaultCommand::Put(args) => secrets::put(&args, env).await,
        VaultCommand::List(args) => secrets::list(&args, env).await,
        VaultCommand::Rm(args) => secrets::remove(&args, env).await,
    }
}

/// Runs code that waits for the user or a pipe on a thread that may wait.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::new(Kind::Failed, error))?
}

/// Returns a passphrase to be set: from the source that the flags name, or asked for twice. A user who types none is
/// shown one, and may take `instead`.
async fn new_passphrase(
    sources: Sources,
    question: String,
    instead: &'static str,
    flag: &'static str,
) -> Result<Passphrase, Failure> {
    aside(move || {
        if let Some(given) = sources.read()? {
            return Ok(given);
        }
        if sources.terminal.is_none() {
            return Err(Failure::usage("no new passphrase was given").hint(format!(
                "run this at a terminal, or name a file with {flag}"
            )));
        }
        let chosen = match sources.ask_new(&question)? {
            None => sources.offer(instead)?,
            chosen => chosen,
        };
        chosen.ok_or_else(|| {
            Failure::new(Kind::Failed, format!("no passphrase was chosen: {instead}"))
        })
    })
    .await
}

/// Returns a number with its noun: `1 entry`, `2 entries`.
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
