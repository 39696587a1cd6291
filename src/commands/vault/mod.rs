//! `mcpipe vault …`: one function per command, and the text that each prints.

mod agent;
mod export;
mod new_passphrase;
mod secrets;
mod slots;
mod status;
mod text;

use crate::cli::{SlotCommand, VaultCommand};
use crate::report::Failure;
use crate::settings::Environment;

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
