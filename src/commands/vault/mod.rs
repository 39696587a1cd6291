//! `mcpipe vault …`: one function per command, and what each prints.

mod agent;
mod keep;
mod moving;
mod show;
mod slots;

use crate::cli::{SlotCommand, VaultCommand};
use crate::report::{Failure, Kind};
use crate::settings::Surroundings;
use crate::store::passphrase::{Passphrase, Sources};

/// Does what was asked.
///
/// # Errors
/// Wrong usage, or a vault that does not do as asked.
pub async fn run(command: VaultCommand, around: &Surroundings) -> Result<(), Failure> {
    match command {
        VaultCommand::Init(args) => slots::init(&args, around).await,
        VaultCommand::Status(args) => show::status(&args, around).await,
        VaultCommand::Unlock(args) => agent::unlock(&args, around).await,
        VaultCommand::Lock(common) => agent::lock(&common, around).await,
        VaultCommand::Agent(_) => agent::serve().await,
        VaultCommand::Passwd(args) => slots::passwd(&args, around).await,
        VaultCommand::Protect(args) => slots::protect(&args, around).await,
        VaultCommand::Slot(SlotCommand::List(args)) => show::slots(&args, around).await,
        VaultCommand::Slot(SlotCommand::Add(args)) => slots::add(&args, around).await,
        VaultCommand::Slot(SlotCommand::Remove(args)) => slots::remove(&args, around).await,
        VaultCommand::Slot(SlotCommand::Rotate(args)) => slots::rotate(&args, around).await,
        VaultCommand::Verify(args) => show::verify(&args, around).await,
        VaultCommand::Rekey(common) => slots::rekey(&common, around).await,
        VaultCommand::Export(args) => moving::export(&args, around).await,
        VaultCommand::Import(args) => moving::import(&args, around).await,
        VaultCommand::Put(args) => keep::put(&args, around).await,
        VaultCommand::List(args) => keep::list(&args, around).await,
        VaultCommand::Rm(args) => keep::remove(&args, around).await,
    }
}

/// A passphrase that is to be set: from where it was said to be, or asked for twice.
fn new_passphrase(sources: &Sources, question: &str, flag: &str) -> Result<Passphrase, Failure> {
    let failed = |error| Failure::new(Kind::Failed, error);
    if let Some(given) = sources.read().map_err(failed)? {
        return Ok(given);
    }
    let typed = sources.ask_new(question).map_err(failed)?;
    typed.ok_or_else(|| {
        Failure::usage("no new passphrase was given").hint(format!(
            "run this at a terminal, or name a file with {flag}"
        ))
    })
}

/// `1 entry`, `2 entries`.
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
